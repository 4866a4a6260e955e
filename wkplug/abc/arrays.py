"""Storage formats: `ArrayBackend` opens and creates arrays, `Array` is one opened array.

The core has done all arithmetic before a backend is called: boxes are clipped to the array, axes are in the
array's own order, mags and offsets are gone. A backend maps boxes to bytes, and nothing else: no locks
between processes (the core takes them, see `ArrayCapabilities.concurrent_writes`), no zero padding outside
the array, no knowledge of layers.

`wkplug.testing.ArrayBackendSuite` tests what is promised here.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias

import attrs

from wkplug.errors import MissingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from wkplug.abc.locations import Location
    from wkplug.abc.problems import Problem


__all__ = [
    "Array",
    "ArrayBackend",
    "ArrayCapabilities",
    "ArraySpec",
    "Box",
    "CreateArray",
    "Layout",
    "LayoutWish",
    "Mode",
    "OpenArray",
    "Presence",
    "ProbeScore",
    "ints",
]

Box: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]
"""(start, shape): plain ints in the array's own axis order, all axes, voxels of that mag. Half open."""

Mode: TypeAlias = Literal["r", "r+"]
"""How an array is opened: for reading, or for reading and writing."""


class ProbeScore(IntEnum):
    """How sure a backend or reader is that something is its own."""

    NO = 0
    SUFFIX = 20
    MARKER = 60
    MAGIC = 80
    CERTAIN = 100


def ints(values: Iterable[Any]) -> tuple[int, ...]:
    """Give a tuple of plain integers, also of numpy's."""
    return tuple(int(value) for value in values)


def _ints_or_none(values: Iterable[Any]) -> tuple[int | None, ...]:
    """Give a tuple of plain integers in which None stays None."""
    return tuple(None if value is None else int(value) for value in values)


def _texts(values: Any) -> tuple[str, ...]:
    # A function of its own, because type checkers can't see through `converter=tuple`.
    return tuple(values)


@attrs.frozen(kw_only=True)
class ArraySpec:
    """Everything that is fixed when an array is created.

    axes: one letter or word per array axis, in storage order, such as ("c", "x", "y", "z").
    shape: voxels per axis, in the same order; None where the format has no bounds.
    dtype: numpy's name ("uint8" ... "float64"), always native byte order in memory.
    chunk_shape: what is encoded as one; shard_shape: what is one file or object, a multiple of the chunk.
    compressed: whether chunks are compressed with the format's default codec; of an opened array, whether they are.
    options: what only this backend understands (codecs, key encoding, level); JSON values.
    fill_value: what voxels are that were never written.
    """

    axes: tuple[str, ...] = attrs.field(converter=_texts)
    shape: tuple[int | None, ...] = attrs.field(converter=_ints_or_none)
    dtype: str
    chunk_shape: tuple[int, ...] = attrs.field(converter=ints)
    shard_shape: tuple[int, ...] = attrs.field(converter=ints)
    compressed: bool = True
    options: Mapping[str, Any] = attrs.field(factory=dict)
    fill_value: float = 0

    @property
    def num_channels(self) -> int:
        """The length of the "c" axis, 1 where there is none."""
        if "c" not in self.axes:
            return 1
        return self.shape[self.axes.index("c")] or 1


@attrs.frozen(kw_only=True)
class Layout:
    """Chunk and shard shape, over all axes of the array."""

    chunk_shape: tuple[int, ...] = attrs.field(converter=ints)
    shard_shape: tuple[int, ...] = attrs.field(converter=ints)


@attrs.frozen(kw_only=True)
class LayoutWish:
    """What is known when a format is asked for its default layout.

    purpose: "new" (an empty mag), "images" (an import whose extent is known) or "pyramid".
    axes, shape: of the array to come, in storage order; shape is the layer's extent in this mag (0: unknown).
    chunk_shape, shard_shape: over all axes, where the user gave them.
    """

    purpose: Literal["new", "images", "pyramid"]
    axes: tuple[str, ...] = attrs.field(converter=_texts)
    shape: tuple[int, ...] = attrs.field(converter=ints)
    dtype: str
    mag: tuple[int, int, int] = (1, 1, 1)
    chunk_shape: tuple[int, ...] | None = None
    shard_shape: tuple[int, ...] | None = None


@attrs.frozen(kw_only=True)
class ArrayCapabilities:
    """What a backend can do; the conformance kit checks that it is true.

    axes: the axis orders that it takes, or None for any.
    dtypes: numpy names.
    concurrent_writes: the smallest thing that two processes may write side by side without losing voxels.
        "box": anything; "chunk", "shard": whole ones; "none": only one writer. The core locks what is finer.
    bounded: arrays have a shape; unbounded ones need no resize.
    sharded: chunk and shard shapes may differ.
    resizable: `Array.resize` works; UnsupportedOperationError for the layouts with which it doesn't.
    lists_stored: `Array.stored_boxes` knows what was written.
    places: the `Location.native` kinds of which it needs one ("path", "tensorstore.kvstore"), or None where
        plain `Location.read` and `write` are enough.
    writable: arrays can be created and written; otherwise `create` and mode "r+" are refused.
    shared_between_processes: what one process stores is there for all others that know the location.
    survives_fork: a child forked after the engine's first use can go on using it; no, where the engine runs threads.
    """

    axes: tuple[tuple[str, ...], ...] | None = None
    dtypes: frozenset[str] = frozenset(
        {
            "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64",
        }
    )  # fmt: skip
    concurrent_writes: Literal["box", "chunk", "shard", "none"] = "none"
    bounded: bool = True
    sharded: bool = True
    resizable: bool = True
    lists_stored: bool = True
    places: frozenset[str] | None = None
    writable: bool = True
    shared_between_processes: bool = True
    survives_fork: bool = True


class ArrayBackend(ABC):
    """One implementation of one storage format. Stateless; built by the spec's factory, once per process."""

    name: ClassVar[str]
    """As in its spec: "format+implementation"."""
    format: ClassVar[str]
    """What `dataFormat` says in the properties of data that it stores."""
    capabilities: ClassVar[ArrayCapabilities]

    def probe(self, location: Location) -> ProbeScore:
        """Say how likely `location` is an array of this format, from at most two reads of metadata.

        Missing files are a NO; forbidden or broken storage raises.
        """
        del location
        return ProbeScore.NO

    @abstractmethod
    def default_layout(self, wish: LayoutWish) -> Layout:
        """Complete a layout: keep what the wish fixes, choose the rest. LayoutError if it can't be."""

    def problems(
        self, spec: ArraySpec | None, location: Location, mode: Mode | Literal["create"]
    ) -> list[Problem]:
        """Give the reasons against this array at this place; empty if there are none.

        `spec` is what is to be created, or None when opening: then the metadata at `location` count, and an
        engine looks there for what it can't do (an unknown codec). Called before `create` and `open`. With "create" and
        no spec, arrays that nobody has laid out yet are to be made at this place: there is nothing to look at.
        """
        del spec, location, mode
        return []

    @abstractmethod
    def create(self, location: Location, spec: ArraySpec) -> Array:
        """Write the metadata of a new, empty array and open it for writing. ConflictError if one is there."""

    @abstractmethod
    def open(self, location: Location, mode: Mode = "r", *, axes: tuple[str, ...] | None = None) -> Array:
        """Open an array: MissingError if there is none, CorruptDataError if its metadata are damaged.

        `axes` are the axis names that the dataset's properties record; they win over those in the array's
        own metadata if their number fits. Sizes that the metadata claim are checked before memory is taken.
        """

    def compresses(self, spec: ArraySpec) -> bool:
        """Whether an array that is created like that is compressed: not where the format has no codec for it."""
        return spec.compressed

    def mag_properties(self, array: Array) -> Mapping[str, Any]:
        """Give the keys that this format keeps in a mag's entry of datasource-properties.json."""
        del array
        return MappingProxyType({})


class Array(ABC):
    """One opened array. Thread-safe for reading, and for writing to places that don't share a shard."""

    spec: ArraySpec
    """How it was created, with its shape as of opening or the last `resize` through this handle."""
    format: str
    backend: str
    """The name of the implementation that opened it."""
    stored_dtype: str | None = None
    """What is stored, where that is a dtype that no layer has and `read` widens it to the spec's; None otherwise."""

    @property
    def atomic_shape(self) -> tuple[int, ...]:
        """The smallest box, over all axes, that is written without reading: the chunk or the shard."""
        return self.spec.shard_shape

    @property
    def concurrent_writes(self) -> Literal["box", "chunk", "shard", "none"] | None:
        """What may be written side by side at this array's place, where that isn't what the backend promises.

        See `ArrayCapabilities.concurrent_writes`; None where there is no difference. Stores with conditions tell of
        other writers themselves (`change_object`), those without need the core's locks.
        """
        return None

    @property
    def is_alone(self) -> bool:
        """Whether all that there is of it, metadata included, lies in its folder, which can be copied then."""
        return True

    @abstractmethod
    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        """Read `box`, which lies inside the array; native byte order, first spatial axis fastest if new.

        The result has the box's shape, all axes; it is the caller's to change. With `out`, of that shape and
        dtype and any strides, the voxels go there and `out` is returned. What was never written reads as the
        fill value, or raises MissingError with `missing="error"`. Damage raises CorruptDataError.
        """

    @abstractmethod
    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Write `data` (the box's shape, the array's dtype, any strides) to `box`, inside the array.

        Chunks that the box covers only in part keep their other voxels. Every shard is, at any moment and
        after any crash, either the old or the new one. Shards that nobody wrote to are not stored.
        """

    @abstractmethod
    def resize(self, shape: tuple[int | None, ...]) -> None:
        """Change the shape; voxels inside both shapes stay, none are deleted that lie outside the new one."""

    def stored_boxes(self) -> Iterator[Box]:
        """Iterate over the boxes of the shards that are stored, whole shards, not clipped, in any order."""
        from wkplug.errors import UnsupportedOperationError

        raise UnsupportedOperationError(
            f"{self.backend} can't list what is stored.", hint="Go through the whole bounding box instead."
        )

    def looks_into(self, key: str) -> bool | None:
        """Whether `read` may look into a file, by its path below the array's place; None where that can't be told.

        What lies in an array's folder under a name that is never asked for reads as fill value: imports refuse it.
        """
        del key
        return None

    def files_of(self, cell: tuple[int, ...]) -> tuple[str, ...] | None:
        """Which files a write of one shard may open, by their paths below the array's place; None if unknown.

        `cell` is the shard's index per axis. Files of the engine's own beside the shard (locks) count, names that
        nobody can guess don't. Looked at before a write, so that none goes through links: cheap, nothing is read.
        """
        del cell
        return None

    def flush(self) -> None:
        """Return when all that was written is with the operating system or the object store."""

    def close(self) -> None:
        """Release files and memory; closing twice is fine, using a closed array opens it again."""

    @abstractmethod
    def native_handle(self) -> Any:
        """What the engine itself calls its array, for users who need what only that engine has."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype, native byte order."""
        import numpy

        return numpy.dtype(self.spec.dtype)


class Presence:
    """Whether an array that is open is still there: else what is missing of it isn't what nobody has written.

    For engines, on places where each look is a request: `check` before missing chunks are filled. The array is there
    with one of its metadata `files`; once seen, it is believed for ten seconds.
    """

    GOOD_FOR: ClassVar[float] = 10.0

    def __init__(self, *files: Location) -> None:
        self._files = files
        self._until = 0.0
        self._lock = threading.Lock()

    def check(self) -> None:
        """MissingError if it was deleted or moved; what a place says instead of an answer passes through."""
        with self._lock:
            if time.monotonic() < self._until:
                return
            if not any(map(_has_content, self._files)):
                raise MissingError(
                    f"{self._files[0].parent.url} was deleted or moved while it was open.",
                    hint="Create it again, or open what took its place.",
                )
            self._until = time.monotonic() + self.GOOD_FOR

    def __reduce__(self) -> tuple[Any, ...]:
        return (Presence, self._files)


def _has_content(file: Location) -> bool:
    try:
        return bool(file.read(0, 1))
    except MissingError:
        return False


class OpenArray(NamedTuple):
    """The request that `wkplug_open_array` carries: what is to be opened, how, and who was chosen for it."""

    location: Location
    mode: Mode
    axes: tuple[str, ...] | None
    backend: ArrayBackend


class CreateArray(NamedTuple):
    """The request that `wkplug_create_array` carries."""

    location: Location
    spec: ArraySpec
    backend: ArrayBackend
