"""Backends that are wrong on purpose, each in one way: the tests of the tests.

A mutant wraps a backend that is right and breaks one promise, as real backends do: an index is off by one at a
shard's edge, a cache forgets that others write, a byte order is lost on the way. `ArrayBackendSuite` must fail
on every one of them, or it tests less than it says.

Who calls it: the kit's own tests, and authors who wonder what a test is for::

    mutant("lost writes of another handle", MyBackend())
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from wkplug.abc import Array, ArrayBackend, ArraySpec, Box, Layout, LayoutWish, Location, Mode, Problem, ProbeScore
from wkplug.testing.checks import inside
from wkplug.testing.strategies import SPATIAL

__all__ = ["MUTANTS", "MutantArray", "MutantBackend", "mutant"]


class MutantArray(Array):
    """Hands everything on to the array that it wraps; the mutants below change one thing each."""

    def __init__(self, inner: Array, owner: ArrayBackend) -> None:
        self.inner, self.owner, self.spec = inner, owner, inner.spec
        self.format, self.backend = inner.format, inner.backend

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.inner, self.owner))

    @property
    def atomic_shape(self) -> tuple[int, ...]:
        return self.inner.atomic_shape

    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        return self.inner.read(box, out=out, missing=missing)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.inner.write(box, data)

    def resize(self, shape: tuple[int | None, ...]) -> None:
        self.inner.resize(shape)
        self.spec = self.inner.spec

    def stored_boxes(self) -> Iterator[Box]:
        return self.inner.stored_boxes()

    def flush(self) -> None:
        self.inner.flush()

    def close(self) -> None:
        self.inner.close()

    def native_handle(self) -> Any:
        return self.inner.native_handle()


class MutantBackend(ArrayBackend):
    """Hands everything on to the backend that it wraps, whose arrays become those of the mutant."""

    array: type[MutantArray] = MutantArray

    def __init__(self, inner: ArrayBackend) -> None:
        self.inner = inner
        # Per instance here, because one class of mutants wraps many backends.
        self.name, self.format, self.capabilities = inner.name, inner.format, inner.capabilities  # type: ignore[misc]  # ClassVars

    def probe(self, location: Location) -> ProbeScore:
        return self.inner.probe(location)

    def default_layout(self, wish: LayoutWish) -> Layout:
        return self.inner.default_layout(wish)

    def problems(
        self, spec: ArraySpec | None, location: Location, mode: Mode | Literal["create"]
    ) -> list[Problem]:
        return self.inner.problems(spec, location, mode)

    def create(self, location: Location, spec: ArraySpec) -> Array:
        return self.array(self.inner.create(location, spec), self)

    def open(self, location: Location, mode: Mode = "r", *, axes: tuple[str, ...] | None = None) -> Array:
        return self.array(self.inner.open(location, mode, axes=axes), self)

    def mag_properties(self, array: Array) -> Mapping[str, Any]:
        return self.inner.mag_properties(array)


# --- wrong when reading -----------------------------------------------------------------------------------


class AxesSwapped(MutantArray):
    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        right = self.inner.read(box, out=out, missing=missing)
        a, b = (axis for axis, name in enumerate(self.spec.axes) if name in SPATIAL[:2])
        if right.shape[a] == right.shape[b] and out is None:
            right[...] = right.swapaxes(a, b).copy()
        return right


class COrderReturned(MutantArray):
    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        right = self.inner.read(box, out=out, missing=missing)
        return right if out is not None else np.ascontiguousarray(right)


class ViewReturned(MutantArray):
    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        if out is not None:
            return self.inner.read(box, out=out, missing=missing)
        kept = self.__dict__.setdefault("kept", {})
        return kept.setdefault(box, self.inner.read(box, missing=missing))

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.__dict__.pop("kept", None)
        self.inner.write(box, data)


class ReadOnlyReturned(MutantArray):
    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        right = self.inner.read(box, out=out, missing=missing)
        right.setflags(write=out is not None)
        return right


class OutMadeContiguous(MutantArray):
    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        if out is None:
            return self.inner.read(box, missing=missing)
        self.inner.read(box, out=np.asfortranarray(out), missing=missing)
        return out


class OutNotCleared(MutantArray):
    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        right = self.inner.read(box, missing=missing)
        if out is None:
            return right
        np.copyto(out, right, where=right != self.spec.fill_value)
        return out


class FillValueLost(MutantArray):
    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        right = self.inner.read(box, out=out, missing=missing)
        if self.spec.fill_value != 0:
            right[right == self.spec.fill_value] = 0
        return right


class EmptyIsUninitialised(MutantArray):
    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        right = self.inner.read(box, out=out, missing=missing)
        if not any(True for _ in self.inner.stored_boxes()):
            right[...] = 85
        return right


class MissingNeverSaid(MutantArray):
    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        return self.inner.read(box, out=out)


class BigEndianReturned(MutantArray):
    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        right = self.inner.read(box, out=out, missing=missing)
        return right if out is not None else right.astype(right.dtype.newbyteorder("S"), order="F")


class NotThreadSafe(MutantArray):
    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        self.__dict__["shared"] = self.inner.read(box, missing=missing)
        for _ in range(20):
            self.__dict__["shared"] = self.__dict__["shared"].copy(order="K")
        right = self.__dict__["shared"]
        if out is None:
            return right
        out[...] = right
        return out


# --- wrong when writing -----------------------------------------------------------------------------------


class OffByOneAtShardEdge(MutantArray):
    def write(self, box: Box, data: NDArray[Any]) -> None:
        axis = self.spec.axes.index("x")
        start, shape = box
        edge = (start[axis] // self.spec.shard_shape[axis] + 1) * self.spec.shard_shape[axis]
        if start[axis] < edge < start[axis] + shape[axis]:
            # The first voxel behind the edge gets the value of its neighbour.
            data = data.copy()
            index = (slice(None),) * axis
            data[(*index, edge - start[axis])] = data[(*index, edge - start[axis] - 1)]
        self.inner.write(box, data)


class NeighbourOverwritten(MutantArray):
    def write(self, box: Box, data: NDArray[Any]) -> None:
        grid = self.spec.chunk_shape
        low = tuple(a - a % n for a, n in zip(box[0], grid, strict=True))
        high = tuple(
            min(-(-(a + b) // n) * n, most or 0)
            for a, b, n, most in zip(*box, grid, self.spec.shape, strict=True)
        )
        larger = np.full([b - a for a, b in zip(low, high, strict=True)], self.spec.fill_value, self.dtype)
        larger[inside((tuple(a - b for a, b in zip(box[0], low, strict=True)), box[1]))] = data
        self.inner.write((low, larger.shape), larger)


class ByteOrderLost(MutantArray):
    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.inner.write(box, data.view(data.dtype.newbyteorder("=")))


class StridesLost(MutantArray):
    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.inner.write(box, _misread(data))


def _misread(data: NDArray[Any]) -> NDArray[Any]:
    """What a backend sees that takes C order for F order."""
    if data.flags.c_contiguous and not data.flags.f_contiguous:
        return data.reshape(-1).reshape(data.shape, order="F")
    return data


class PrecisionLost(MutantArray):
    def write(self, box: Box, data: NDArray[Any]) -> None:
        if data.dtype.kind in "iu" and data.dtype.itemsize == 8:
            with np.errstate(all="ignore"):
                limit = np.iinfo(data.dtype).max // 2
                data = np.clip(data, -limit if data.dtype.kind == "i" else 0, limit).astype("float64").astype(data.dtype)
        self.inner.write(box, data)


class InputKept(MutantArray):
    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.inner.write(box, data)
        self.__dict__["pending"] = (box, data)

    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        pending = self.__dict__.pop("pending", None)
        if pending is not None:
            self.inner.write(*pending)
        return self.inner.read(box, out=out, missing=missing)


class FillNotWritten(MutantArray):
    def write(self, box: Box, data: NDArray[Any]) -> None:
        if np.any(data != self.spec.fill_value):
            self.inner.write(box, data)


class DenseWrites(MutantArray):
    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.inner.write(box, data)
        here = tuple(a - a % n for a, n in zip(box[0], self.spec.shard_shape, strict=True))
        for offsets in product((0, 1), repeat=len(here)):
            start = tuple(a + b * n for a, b, n in zip(here, offsets, self.spec.shard_shape, strict=True))
            one = (start, (1,) * len(start))
            if all(a < (most or 0) for a, most in zip(start, self.spec.shape, strict=True)):
                self.inner.write(one, self.inner.read(one))


class AnyShapeTaken(MutantArray):
    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.inner.write(box, data[inside(((0,) * data.ndim, tuple(box[1])))])


# --- wrong between handles --------------------------------------------------------------------------------


class LostWriteOfOthers(MutantArray):
    """Remembers every shard that it touched, and writes it back whole."""

    def write(self, box: Box, data: NDArray[Any]) -> None:
        whole = ((0,) * data.ndim, tuple(length or 0 for length in self.spec.shape))
        kept = self.__dict__.get("kept")
        if kept is None or kept.shape != whole[1]:
            kept = self.__dict__["kept"] = self.inner.read(whole)
        kept[inside(box)] = data
        low, high = _shards_around(box, self.spec)
        part = (low, tuple(min(b, n) - a for a, b, n in zip(low, high, whole[1], strict=True)))
        self.inner.write(part, kept[inside(part)])


class StaleReads(MutantArray):
    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        if out is not None or missing == "error":
            return self.inner.read(box, out=out, missing=missing)
        cache = self.__dict__.setdefault("cache", {})
        if box not in cache:
            cache[box] = self.inner.read(box)
        return cache[box].copy(order="F")

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.__dict__.pop("cache", None)
        self.inner.write(box, data)

    def resize(self, shape: tuple[int | None, ...]) -> None:
        self.__dict__.pop("cache", None)
        super().resize(shape)


class StaleAfterResize(MutantArray):
    def resize(self, shape: tuple[int | None, ...]) -> None:
        self.inner.resize(shape)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        if all(a + b <= (n or 0) for a, b, n in zip(*box, self.spec.shape, strict=True)):
            self.inner.write(box, data)


class ShrinkingDeletes(MutantArray):
    def resize(self, shape: tuple[int | None, ...]) -> None:
        old = tuple(length or 0 for length in self.spec.shape)
        kept = tuple(min(a, b or 0) for a, b in zip(old, shape, strict=True))
        everything = self.inner.read(((0,) * len(old), old))
        cut = np.full_like(everything, self.spec.fill_value)
        cut[inside(((0,) * len(old), kept))] = everything[inside(((0,) * len(old), kept))]
        self.inner.write(((0,) * len(old), old), cut)
        super().resize(shape)


class ClosedForGood(MutantArray):
    def close(self) -> None:
        self.__dict__["closed"] = True

    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        if self.__dict__.get("closed"):
            raise ValueError("I/O operation on closed array")
        return self.inner.read(box, out=out, missing=missing)


class ReadingModeWrites(MutantBackend):
    def open(self, location: Location, mode: Mode = "r", *, axes: tuple[str, ...] | None = None) -> Array:
        return self.inner.open(location, "r+", axes=axes)


class VoxelsInPickle(MutantArray):
    def __reduce__(self) -> tuple[Any, ...]:
        shape = tuple(length or 0 for length in self.spec.shape)
        return (_with_ballast, (type(self), self.inner, self.owner, self.inner.read(((0,) * len(shape), shape))))


def _with_ballast(kind: type[MutantArray], inner: Array, owner: ArrayBackend, ballast: object) -> MutantArray:
    del ballast
    return kind(inner, owner)


# --- wrong backends ---------------------------------------------------------------------------------------


class ProbesAnything(MutantBackend):
    def probe(self, location: Location) -> ProbeScore:
        del location
        return ProbeScore.MAGIC


class CreatesOver(MutantBackend):
    def create(self, location: Location, spec: ArraySpec) -> Array:
        try:
            return self.inner.create(location, spec)
        except OSError:
            return self.inner.open(location, "r+")


class OpensNothing(MutantBackend):
    def open(self, location: Location, mode: Mode = "r", *, axes: tuple[str, ...] | None = None) -> Array:
        try:
            return self.inner.open(location, mode, axes=axes)
        except FileNotFoundError as error:
            raise ValueError("no array found") from error


class WishIgnored(MutantBackend):
    def default_layout(self, wish: LayoutWish) -> Layout:
        return self.inner.default_layout(attrs.evolve(wish, chunk_shape=None, shard_shape=None))


class LayoutForgotten(MutantBackend):
    def create(self, location: Location, spec: ArraySpec) -> Array:
        return self.inner.create(location, attrs.evolve(spec, chunk_shape=spec.shard_shape))


class FlagNotTrue(MutantBackend):
    def __init__(self, inner: ArrayBackend) -> None:
        super().__init__(inner)
        self.capabilities = attrs.evolve(inner.capabilities, resizable=False)  # type: ignore[misc]  # a ClassVar


class DtypeNotDeclared(MutantBackend):
    def __init__(self, inner: ArrayBackend) -> None:
        super().__init__(inner)
        fewer = inner.capabilities.dtypes - {"float64"}
        self.capabilities = attrs.evolve(inner.capabilities, dtypes=fewer)  # type: ignore[misc]  # a ClassVar


class NotPicklable(MutantBackend):
    def __reduce__(self) -> tuple[Any, ...]:
        raise pickle.PicklingError("this backend holds open files")


def _shards_around(box: Box, spec: ArraySpec) -> Box:
    """The (start, stop) of the shards that a box meets."""
    return (
        tuple(a - a % n for a, n in zip(box[0], spec.shard_shape, strict=True)),
        tuple(-(-(a + b) // n) * n for a, b, n in zip(*box, spec.shard_shape, strict=True)),
    )


def _of(array: type[MutantArray]) -> Callable[[ArrayBackend], MutantBackend]:
    def make(inner: ArrayBackend) -> MutantBackend:
        backend = MutantBackend(inner)
        backend.array = array
        return backend

    return make


MUTANTS: Mapping[str, Callable[[ArrayBackend], MutantBackend]] = {
    "axes swapped": _of(AxesSwapped),
    "C order returned": _of(COrderReturned),
    "a view of internal memory returned": _of(ViewReturned),
    "read-only results": _of(ReadOnlyReturned),
    "out= made contiguous": _of(OutMadeContiguous),
    "out= not cleared": _of(OutNotCleared),
    "fill value lost": _of(FillValueLost),
    "empty is uninitialised": _of(EmptyIsUninitialised),
    "missing never said": _of(MissingNeverSaid),
    "the other byte order returned": _of(BigEndianReturned),
    "not thread-safe": _of(NotThreadSafe),
    "off by one at the shard edge": _of(OffByOneAtShardEdge),
    "neighbour overwritten": _of(NeighbourOverwritten),
    "byte order lost": _of(ByteOrderLost),
    "strides lost": _of(StridesLost),
    "precision lost": _of(PrecisionLost),
    "input kept": _of(InputKept),
    "fill value not written": _of(FillNotWritten),
    "dense writes": _of(DenseWrites),
    "any shape taken": _of(AnyShapeTaken),
    "lost writes of another handle": _of(LostWriteOfOthers),
    "stale reads": _of(StaleReads),
    "stale after resize": _of(StaleAfterResize),
    "shrinking deletes": _of(ShrinkingDeletes),
    "closed for good": _of(ClosedForGood),
    "reading mode writes": ReadingModeWrites,
    "voxels in the pickle": _of(VoxelsInPickle),
    "probes anything": ProbesAnything,
    "creates over an array": CreatesOver,
    "missing is another error": OpensNothing,
    "wish ignored": WishIgnored,
    "layout forgotten": LayoutForgotten,
    "a flag that isn't true": FlagNotTrue,
    "a dtype that isn't declared": DtypeNotDeclared,
    "not picklable": NotPicklable,
}
"""The mutants by name; values make one from a backend that is right."""


def mutant(name: str, inner: ArrayBackend) -> MutantBackend:
    """Make the mutant of that name from a backend that is right."""
    return MUTANTS[name](inner)
