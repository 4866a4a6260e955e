"""Arrays in this process' memory: "memory+numpy", the shortest complete array backend.

Read it first if you want to write one: a backend says what it can do, chooses layouts, creates and opens; an
array maps boxes to shards, here numpy arrays in a dictionary. For tests, for scratch data and as the model
that `wkplug.testing` is itself tested with.

An array is known by the URL of its location, at which nothing is ever written. It lives until the process
ends or `MemoryBackend.forget` drops it, and no other process sees it. Shards are replaced, never changed, so
that readers need no lock and always see the old or the new one.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from uuid import uuid4
from weakref import WeakValueDictionary

import attrs
import numpy as np

from wkplug.abc import (
    Array,
    ArrayBackend,
    ArrayCapabilities,
    ArraySpec,
    Box,
    Layout,
    LayoutWish,
    Location,
    Mode,
    ProbeScore,
    Problem,
)
from wkplug.errors import (
    ConflictError,
    LayoutError,
    MissingError,
    ReadOnlyError,
    ShapeMismatchError,
    UnsupportedDtypeError,
    WkplugError,
)
from wkplug.geometry.grids import Ints, cells, intersect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

__all__ = ["MemoryArray", "MemoryBackend"]

_SPATIAL = ("x", "y", "z")
_CHUNK = 32
_CHUNKS_PER_SHARD = 4  # along each axis: shards of 2 MiB for bytes, because a shard is copied to be changed


@attrs.define(eq=False)
class _Stored:
    """What there is of one array: its spec, its shards by where they start, and the lock of its writers."""

    spec: ArraySpec
    shards: dict[Ints, NDArray[Any]] = attrs.field(factory=dict)
    lock: threading.Lock = attrs.field(factory=threading.Lock)


@attrs.define(eq=False)
class _Arrays:
    """All arrays of one backend, by URL. `key` finds them again when a handle is unpickled."""

    key: str = attrs.field(factory=lambda: uuid4().hex)
    process: int = attrs.field(factory=os.getpid)
    by_url: dict[str, _Stored] = attrs.field(factory=dict)

    def find(self, location: Location) -> _Stored:
        stored = self.by_url.get(location.url)
        # A forked process has a copy that nobody else sees: what it writes there would be lost silently.
        if stored is None or self.process != os.getpid():
            raise MissingError(
                f"There is no array in memory for {location.url}.",
                hint="Arrays in memory live in the process that made them, and end with it. "
                "Use a data format on disk for data that processes share.",
            )
        return stored


_LIVE: WeakValueDictionary[str, _Arrays] = WeakValueDictionary()


def _backend(key: str) -> MemoryBackend:
    """Find the backend of a pickle; in another process, one that has no arrays."""
    return MemoryBackend(arrays=_LIVE.get(key) or _Arrays(key=key))


class MemoryBackend(ArrayBackend):
    """Keeps arrays as numpy arrays; one instance doesn't see the arrays of another."""

    name: ClassVar[str] = "memory+numpy"
    format: ClassVar[str] = "memory"
    capabilities: ClassVar[ArrayCapabilities] = ArrayCapabilities(
        concurrent_writes="box", shared_between_processes=False
    )

    def __init__(self, settings: Mapping[str, Any] | None = None, *, arrays: _Arrays | None = None) -> None:
        del settings  # there is nothing to set
        self._arrays = _LIVE.setdefault(arrays.key, arrays) if arrays else _Arrays()
        _LIVE[self._arrays.key] = self._arrays

    def __reduce__(self) -> tuple[Any, ...]:
        return (_backend, (self._arrays.key,))

    def probe(self, location: Location) -> ProbeScore:
        """Whether it is one of this backend's arrays is never in doubt."""
        return ProbeScore.CERTAIN if location.url in self._arrays.by_url else ProbeScore.NO

    def default_layout(self, wish: LayoutWish) -> Layout:
        """Chunks of 32 voxels along x, y and z, all channels and one of anything else; shards of 4 chunks."""
        full = {"c": wish.shape[wish.axes.index("c")] or 1} if "c" in wish.axes else {}
        default = tuple(_CHUNK if axis in _SPATIAL else full.get(axis, 1) for axis in wish.axes)
        chunk = wish.chunk_shape
        if chunk is None:
            chunk = default if wish.shard_shape is None else tuple(map(min, default, wish.shard_shape))
        factors = [_CHUNKS_PER_SHARD if axis in _SPATIAL else 1 for axis in wish.axes]
        shard = wish.shard_shape or tuple(a * b for a, b in zip(chunk, factors, strict=True))
        _check_layout(chunk, shard)
        for axis, *lengths in zip(wish.axes, chunk, shard, strict=True):
            if axis in _SPATIAL and any(length & (length - 1) for length in lengths):
                raise LayoutError(f"Chunk {chunk} and shard {shard} along {axis} must be a power of two.")
        return Layout(chunk_shape=chunk, shard_shape=shard)

    def problems(
        self, spec: ArraySpec | None, location: Location, mode: Mode | Literal["create"]
    ) -> list[Problem]:
        """Any place will do; only the spec of a new array may have something wrong with it."""
        del location, mode
        try:
            if spec is not None:
                _check(spec)
        except WkplugError as error:
            return [Problem(code="memory-spec", text=str(error), error_type=type(error))]
        return []

    def create(self, location: Location, spec: ArraySpec) -> MemoryArray:
        """Remember a new array."""
        _check(spec)
        stored = _Stored(spec=spec)
        if (
            self._arrays.by_url.setdefault(location.url, stored) is not stored
        ):  # one step, whatever threads do
            raise ConflictError(f"There is an array in memory for {location.url} already.")
        return MemoryArray(self, location, "r+", spec)

    def open(
        self, location: Location, mode: Mode = "r", *, axes: tuple[str, ...] | None = None
    ) -> MemoryArray:
        """Open an array that this backend remembers."""
        spec = self.find(location).spec
        if axes is not None and len(axes) == len(spec.axes):
            spec = attrs.evolve(spec, axes=axes)
        return MemoryArray(self, location, mode, spec)

    def forget(self, location: Location) -> None:
        """Drop an array and release its memory; handles to it raise MissingError from now on."""
        self._arrays.by_url.pop(location.url, None)

    def find(self, location: Location) -> _Stored:
        """Look up what an array's handles work on."""
        return self._arrays.find(location)


class MemoryArray(Array):
    """A handle: where the array is remembered, and its spec as of opening."""

    format = MemoryBackend.format
    backend = MemoryBackend.name

    def __init__(self, owner: MemoryBackend, location: Location, mode: Mode, spec: ArraySpec) -> None:
        self._owner, self._location, self._mode, self.spec = owner, location, mode, spec

    def __reduce__(self) -> tuple[Any, ...]:
        return (MemoryArray, (self._owner, self._location, self._mode, self.spec))

    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        """Copy out of every shard that the box meets."""
        shards = self._owner.find(self._location).shards
        result = np.empty(box[1], self.dtype, order="F") if out is None else out
        for start, shape in cells(*box, self.spec.shard_shape):
            home = self._shard_start(start)
            shard = shards.get(home)
            if shard is not None:
                result[_within(box[0], start, shape)] = shard[_within(home, start, shape)]
            elif missing == "fill":
                result[_within(box[0], start, shape)] = self.spec.fill_value
            else:
                raise MissingError(f"The shard at {home} of {self._location.url} was never written.")
        return result

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Replace every shard that the box meets by a changed copy."""
        if data.shape != tuple(box[1]):
            raise ShapeMismatchError(f"Data of shape {data.shape} don't fit a box of shape {box[1]}.")
        stored = self._writable()
        spec = self.spec
        with stored.lock:
            for start, shape in cells(*box, spec.shard_shape):
                home = self._shard_start(start)
                old = stored.shards.get(home)
                if old is None:
                    new = np.full(spec.shard_shape, spec.fill_value, self.dtype, order="F")
                else:
                    new = old.copy(order="F")
                new[_within(home, start, shape)] = data[_within(box[0], start, shape)]
                stored.shards[home] = new

    def resize(self, shape: tuple[int | None, ...]) -> None:
        """Change the shape alone: shards outside are kept, in case that it grows again."""
        stored = self._writable()
        with stored.lock:
            stored.spec = attrs.evolve(stored.spec, shape=shape)
        self.spec = attrs.evolve(self.spec, shape=shape)

    def stored_boxes(self) -> Iterator[Box]:
        """Iterate over the shards inside the shape."""
        whole = (0,) * len(self.spec.axes), tuple(length or 0 for length in self.spec.shape)
        for start in list(self._owner.find(self._location).shards):
            box = (start, self.spec.shard_shape)
            if intersect(box, whole):
                yield box

    def native_handle(self) -> dict[Ints, NDArray[Any]]:
        """Give the shards by where they start."""
        return self._owner.find(self._location).shards

    def _writable(self) -> _Stored:
        if self._mode == "r":
            raise ReadOnlyError(
                f"{self._location.url} was opened for reading.", hint='Open it with mode "r+".'
            )
        return self._owner.find(self._location)

    def _shard_start(self, start: Ints) -> Ints:
        return tuple(a - a % b for a, b in zip(start, self.spec.shard_shape, strict=True))


def _within(origin: Ints, start: Ints, shape: Ints) -> tuple[slice, ...]:
    """Index the box of `start` and `shape` in a numpy array whose first voxel is at `origin`."""
    return tuple(slice(b - a, b - a + n) for a, b, n in zip(origin, start, shape, strict=True))


def _check(spec: ArraySpec) -> None:
    """Raise what is wrong with the spec of a new array."""
    if spec.dtype not in MemoryBackend.capabilities.dtypes:
        raise UnsupportedDtypeError(f"Arrays in memory can't hold {spec.dtype}.", hint="Convert the data.")
    for shape in (spec.shape, spec.chunk_shape, spec.shard_shape):
        if len(shape) != len(spec.axes):
            raise LayoutError(f"{shape} must have one number for each of the axes {', '.join(spec.axes)}.")
    if any(length is None or length < 0 for length in spec.shape):
        raise LayoutError(f"Every axis must have a length, and not {spec.shape}.")
    _check_layout(spec.chunk_shape, spec.shard_shape)


def _check_layout(chunk: Ints, shard: Ints) -> None:
    if any(a < 1 or b < 1 or b % a for a, b in zip(chunk, shard, strict=True)):
        raise LayoutError(f"The shard shape {shard} must be a multiple of the chunk shape {chunk}.")
