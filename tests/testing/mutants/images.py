"""Readers that are wrong on purpose, each in one way: the tests of the image suite.

A mutant wraps a reader that is right and breaks one promise, as real readers do: a box is off by one at a block's
edge, a level is ignored, a voxel size is invented, a library's own error comes through. `ImageReaderSuite` must
fail on every one of them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from wkplug.abc import Image, ImageReader, ProbeScore
from wkplug.errors import CorruptImageError, WkplugError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["MUTANTS", "MutantImage", "MutantReader", "mutant"]


class MutantImage(Image):
    """Hands everything on to the right image."""

    def __init__(self, inner: Image, location: Location, owner: MutantReader, scene: int) -> None:
        self.inner, self.location, self.owner, self.scene = inner, location, owner, scene
        self.info, self.thread_safe = inner.info, inner.thread_safe

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        return self.inner.read(box, level=level)

    def close(self) -> None:
        self.inner.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_open, (self.owner, self.location, self.scene))


def _open(owner: MutantReader, location: Location, scene: int) -> Image:
    return owner.open(location, scene=scene)


class MutantReader(ImageReader):
    """Hands everything on to the right reader; its images become `image`."""

    def __init__(self, inner: ImageReader, image: type[MutantImage] = MutantImage) -> None:
        self.inner, self.image = inner, image

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        return self.inner.probe(location, head)

    def open(self, location: Location, *, scene: int = 0) -> Image:
        return self.image(self.inner.open(location, scene=scene), location, self, scene)


# --- voxels ---------------------------------------------------------------------------------------------------


class _OffByOne(MutantImage):
    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        found = self.inner.read(box, level=level)
        if box is not None and self.info.block_shape and box[0][-1] % self.info.block_shape[-1] == 1:
            found = np.roll(found, 1, axis=-1)
        return found


class _LastBlockForgotten(MutantImage):
    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        found = self.inner.read(box, level=level)
        start = box[0][-1] if box is not None else 0
        shape = self.info.level_shapes[level] if self.info.level_shapes else self.info.shape
        whole = shape[-1] // self.info.block_shape[-1] * self.info.block_shape[-1]
        found[..., max(0, whole - start) :] = 0
        return found


class _LevelIgnored(MutantImage):
    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        return self.inner.read(box)


class _SceneIgnored(MutantReader):
    def open(self, location: Location, *, scene: int = 0) -> Image:
        count = len(self.inner.open(location).info.scenes)
        return super().open(location, scene=0 if 0 <= scene < count else scene)


class _ViewReturned(MutantImage):
    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        kept: dict[Any, NDArray[Any]] = self.__dict__.setdefault("kept", {})
        if (box, level) not in kept:
            kept[box, level] = self.inner.read(box, level=level)
        return kept[box, level]


class _ReadOnly(MutantImage):
    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        found = self.inner.read(box, level=level)
        found.flags.writeable = False
        return found


class _OtherByteOrder(MutantImage):
    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        found = self.inner.read(box, level=level)
        return found.astype(found.dtype.newbyteorder("S"))


class _EightBits(MutantImage):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.info = attrs.evolve(self.info, dtype="uint8")

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        return self.inner.read(box, level=level).astype("uint8")


class _NotThreadSafe(MutantImage):
    """Keeps the box of the current call where all threads see it."""

    thread_safe = True

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        self.box = box
        time.sleep(0.002 if threading.current_thread() is not threading.main_thread() else 0)
        return self.inner.read(self.box, level=level)


# --- what is said ---------------------------------------------------------------------------------------------


class _VoxelSizeInvented(MutantImage):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        x, y, z = (value or 1.0 for value in self.info.voxel_size)
        self.info = attrs.evolve(self.info, voxel_size=(x, y, z))


class _Micrometres(MutantImage):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        x, y, z = (value and value / 1000 for value in self.info.voxel_size)
        self.info = attrs.evolve(self.info, voxel_size=(x, y, z))


class _BlockTooLarge(MutantImage):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.info = attrs.evolve(self.info, block_shape=tuple(64 for _ in self.info.shape))


class _LevelsWithoutShapes(MutantImage):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.info = attrs.evolve(self.info, level_shapes=())


class _DetailsNotJson(MutantImage):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.info = attrs.evolve(self.info, details={"lengths": np.zeros(3)})


class _ProbesAnything(MutantReader):
    def probe(self, location: Location, head: bytes) -> ProbeScore:
        return ProbeScore.MAGIC


class _ProbesNames(MutantReader):
    def probe(self, location: Location, head: bytes) -> ProbeScore:
        return ProbeScore.SUFFIX if location.name.endswith(".toy") else ProbeScore.NO


# --- files ----------------------------------------------------------------------------------------------------


class _Descriptor:
    """Holds a local file open until nobody knows this object."""

    def __init__(self, location: Location) -> None:
        path = location.local_path()
        self.number = os.open(path, os.O_RDONLY) if path is not None and location.exists() else None

    def close(self) -> None:
        if self.number is not None:
            os.close(self.number)
            self.number = None

    def __del__(self) -> None:
        self.close()


class _HandleKept(MutantImage):
    def __init__(self, inner: Image, location: Location, owner: MutantReader, scene: int) -> None:
        super().__init__(inner, location, owner, scene)
        self.kept = _Descriptor(location)


class _HandleKeptOnFailure(MutantReader):
    def open(self, location: Location, *, scene: int = 0) -> Image:
        kept = _Descriptor(location)
        image = super().open(location, scene=scene)
        kept.close()
        return image


class _VoxelsInPickle(MutantImage):
    def __reduce__(self) -> tuple[Any, ...]:
        return (_with_voxels, (self.inner.read(), *super().__reduce__()[1]))


def _with_voxels(voxels: NDArray[Any], owner: MutantReader, location: Location, scene: int) -> Image:
    del voxels
    return owner.open(location, scene=scene)


class _PickleForgetsScene(MutantImage):
    def __reduce__(self) -> tuple[Any, ...]:
        return (_open, (self.owner, self.location, 0))


class _NotPicklable(MutantImage):
    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("cannot pickle an open file")


class _ReaderNotPicklable(MutantReader):
    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("cannot pickle a reader")


class _FileBeside(MutantReader):
    def open(self, location: Location, *, scene: int = 0) -> Image:
        if location.local_path() is not None and location.exists():
            location.parent.child(location.name + ".index").write(b"")
        return super().open(location, scene=scene)


class _NeedsAPath(MutantReader):
    def open(self, location: Location, *, scene: int = 0) -> Image:
        if location.local_path() is None:
            raise TypeError("expected str, bytes or os.PathLike object, not NoneType")
        return super().open(location, scene=scene)


class _ReadsAtOpening(MutantReader):
    def open(self, location: Location, *, scene: int = 0) -> Image:
        if location.exists():
            location.read()
        return super().open(location, scene=scene)


class _ReadsAllForAPart(MutantImage):
    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        self.location.read()
        return self.inner.read(box, level=level)


# --- errors ---------------------------------------------------------------------------------------------------


class _MissingIsCorrupt(MutantReader):
    def open(self, location: Location, *, scene: int = 0) -> Image:
        if not location.exists():
            raise CorruptImageError("no such file")
        return super().open(location, scene=scene)


class _AnyScene(MutantReader):
    def open(self, location: Location, *, scene: int = 0) -> Image:
        count = max(1, len(self.inner.open(location).info.scenes))
        return super().open(location, scene=scene % count)


class _ForeignError(MutantReader):
    def open(self, location: Location, *, scene: int = 0) -> Image:
        try:
            return super().open(location, scene=scene)
        except CorruptImageError as error:
            raise RuntimeError("libtoy: error -7") from error


class _DamageIsZeros(MutantImage):
    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        try:
            return self.inner.read(box, level=level)
        except WkplugError:
            return np.zeros(box[1] if box is not None else self.info.shape, self.info.dtype)


class _Crashes(MutantReader):
    def open(self, location: Location, *, scene: int = 0) -> Image:
        try:
            return super().open(location, scene=scene)
        except CorruptImageError:
            os.abort()


class _SizesBelieved(MutantReader):
    def open(self, location: Location, *, scene: int = 0) -> Image:
        try:
            return super().open(location, scene=scene)
        except CorruptImageError:
            np.ones(1 << 30, "float64")  # what a damaged header may ask for
            raise


Maker = Callable[[ImageReader], MutantReader]


def _images(kind: type[MutantImage]) -> Maker:
    return lambda inner: MutantReader(inner, kind)


MUTANTS: Mapping[str, Maker] = MappingProxyType(
    {
        "off by one at a block's edge": _images(_OffByOne),
        "the last block is forgotten": _images(_LastBlockForgotten),
        "the level is ignored": _images(_LevelIgnored),
        "the scene is ignored": _SceneIgnored,
        "a view of internal memory returned": _images(_ViewReturned),
        "read-only results": _images(_ReadOnly),
        "the other byte order returned": _images(_OtherByteOrder),
        "cut to eight bits": _images(_EightBits),
        "not thread-safe": _images(_NotThreadSafe),
        "a voxel size invented": _images(_VoxelSizeInvented),
        "micrometres for nanometres": _images(_Micrometres),
        "a block larger than the image": _images(_BlockTooLarge),
        "levels without shapes": _images(_LevelsWithoutShapes),
        "details that are no JSON": _images(_DetailsNotJson),
        "probes anything": _ProbesAnything,
        "probes names": _ProbesNames,
        "a handle kept": _images(_HandleKept),
        "a handle kept on failure": _HandleKeptOnFailure,
        "voxels in the pickle": _images(_VoxelsInPickle),
        "the pickle forgets the scene": _images(_PickleForgetsScene),
        "not picklable": _images(_NotPicklable),
        "a reader that isn't picklable": _ReaderNotPicklable,
        "a file written beside": _FileBeside,
        "needs a path": _NeedsAPath,
        "reads all at opening": _ReadsAtOpening,
        "reads all for a part": _images(_ReadsAllForAPart),
        "missing is corrupt": _MissingIsCorrupt,
        "any scene opens": _AnyScene,
        "a library's own error": _ForeignError,
        "damage is zeros": _images(_DamageIsZeros),
        "damage crashes": _Crashes,
        "sizes believed": _SizesBelieved,
    }
)
"""The mutants by name; values make one from a reader that is right."""


def mutant(name: str, inner: ImageReader) -> MutantReader:
    """Make the mutant of that name from a reader that is right."""
    return MUTANTS[name](inner)
