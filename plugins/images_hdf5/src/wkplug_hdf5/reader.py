"""HDF5 files through h5py: Imaris volumes, BigDataViewer volumes, or any dataset of numbers.

What kind of file it is says its inside: `imaris`, `bdv` and `generic` each describe the images that they find as
`Scene` objects; here files are opened, and regions read from the datasets that a scene names. HDF5 decodes
whole chunks, and one at a time in a process: threads may read at once, but take turns.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from wkplug.abc import Image, ImageReader, ProbeScore
from wkplug.abc.files import check_scene, corrupt_image, image_errors, path_or_file
from wkplug.abc.images import PickleByReopening
from wkplug.errors import UnsupportedImageDataError
from wkplug_hdf5 import bdv, generic, imaris
from wkplug_hdf5.outside import opened_dataset, split_links
from wkplug_hdf5.settings import Hdf5Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location
    from wkplug_hdf5.scenes import Scene

__all__ = ["Hdf5Image", "Hdf5Reader"]

_MAGIC = b"\x89HDF\r\n\x1a\n"
_PLACES = (0, 512, 1024, 2048)  # a block of the user's own may come first


class Hdf5Reader(ImageReader):
    """Opens HDF5 files."""

    def __init__(self, settings: Hdf5Settings | Mapping[str, Any] | None = None) -> None:
        self.follow = Hdf5Settings.of(settings).follow_external

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`."""
        del location
        found = any(head[place : place + len(_MAGIC)] == _MAGIC for place in _PLACES)
        return ProbeScore.MAGIC if found else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> Hdf5Image:
        """See `ImageReader.open`; scenes are datasets, or the setups of BigDataViewer."""
        return Hdf5Image(self, location, scene)


class Hdf5Image(PickleByReopening, Image):
    """One image of an HDF5 file."""

    thread_safe = True

    def __init__(self, reader: Hdf5Reader, location: Location, scene: int = 0) -> None:
        super().__init__(reader, location, scene)
        self._follow = reader.follow
        self._lock = threading.Lock()
        self._file: Any = None
        self._source: Any = None
        try:
            with image_errors(location, "HDF5"):
                self._scene = self._describe(self._opened())
                self.info = self._scene.info
        except BaseException:
            self.close()
            raise

    def _opened(self) -> Any:
        """Give the file, opened if it isn't."""
        import h5py

        with self._lock:
            if self._file is None:
                self._source = path_or_file(self.location)
                # Locks of the file system are for those who write; many network folders have none.
                options = {"locking": False} if isinstance(self._source, str) else {}
                self._file = h5py.File(self._source, "r", **options)
            return self._file

    def _describe(self, file: Any) -> Scene:
        """Find the images of the file, and describe the one that was asked for."""
        links, problems = split_links(file, self.location, follow=self._follow)
        kind = next((kind for kind in (imaris, bdv) if kind.accepts(file)), generic)
        if problems and kind is not generic:
            raise problems[0]
        names = [*kind.scenes(file), *(generic.linked(file, links) if kind is generic else ())]
        if not names:
            if problems:
                raise problems[0]
            raise UnsupportedImageDataError(
                f"{self.location.url} holds no image: there is no dataset of numbers with two or more axes in it.",
                self.location.url,
                hint="Its groups can be looked at with h5dump or HDFView.",
            )
        check_scene(self.location, self.scene, len(names))
        described: Scene = kind.describe(file, names, self.scene, self.location, follow=self._follow)
        notes = [f"{error.message} The link is left out." for error in problems]
        return attrs.evolve(
            described, info=attrs.evolve(described.info, notes=(*described.info.notes, *notes))
        )

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        shape = self.info.level_shapes[level]
        start, extent = box if box is not None else ((0,) * len(shape), shape)
        region = tuple(slice(first, first + length) for first, length in zip(start, extent, strict=True))
        lead = self._scene.lead
        with image_errors(self.location, "HDF5"):
            file = self._opened()
            result = np.empty(extent, self.info.dtype)
            for index in np.ndindex(extent[:lead]):
                place = tuple(low + offset for low, offset in zip(start[:lead], index, strict=True))
                name = self._scene.dataset(level, place)
                if name not in file:
                    raise corrupt_image(self.location, "HDF5", f"the dataset {name} is missing")
                found = self._scene.arranged(opened_dataset(file, name)[region[lead:]])
                if found.shape != result[index].shape:
                    text = f"the dataset {name} has other dimensions than its siblings"
                    raise corrupt_image(self.location, "HDF5", text)
                result[index] = found
            return result

    def close(self) -> None:
        """See `Image.close`; reading opens the file again."""
        with self._lock:
            file, self._file = self._file, None
            source, self._source = self._source, None
        if file is not None:
            with suppress(
                Exception
            ):  # nothing was written: a damaged file may fail to close as it failed to open
                file.close()
        if source is not None and not isinstance(source, str):
            source.close()
