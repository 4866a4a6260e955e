"""Arrays that are wrong when there are several handles, resizes, pickles or closed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mutants.base import MutantArray
from wkplug.testing.checks import inside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import Array, ArrayBackend, ArraySpec, Box


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
    """What was read once is never read again."""

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
    """A handle goes on with the shape that it was opened with."""

    def resize(self, shape: tuple[int | None, ...]) -> None:
        self.inner.resize(shape)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        if all(a + b <= (n or 0) for a, b, n in zip(*box, self.spec.shape, strict=True)):
            self.inner.write(box, data)


class ShrinkingDeletes(MutantArray):
    """Shrinking erases what is outside."""

    def resize(self, shape: tuple[int | None, ...]) -> None:
        old = tuple(length or 0 for length in self.spec.shape)
        kept = tuple(min(a, b or 0) for a, b in zip(old, shape, strict=True))
        everything = self.inner.read(((0,) * len(old), old))
        cut = np.full_like(everything, self.spec.fill_value)
        cut[inside(((0,) * len(old), kept))] = everything[inside(((0,) * len(old), kept))]
        self.inner.write(((0,) * len(old), old), cut)
        super().resize(shape)


class ClosedForGood(MutantArray):
    """A closed handle is of no use any more."""

    def close(self) -> None:
        self.__dict__["closed"] = True

    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        if self.__dict__.get("closed"):
            raise ValueError("I/O operation on closed array")
        return self.inner.read(box, out=out, missing=missing)


class VoxelsInPickle(MutantArray):
    """Handles pickle with all of their voxels."""

    def __reduce__(self) -> tuple[Any, ...]:
        shape = tuple(length or 0 for length in self.spec.shape)
        return (
            _with_ballast,
            (type(self), self.inner, self.owner, self.inner.read(((0,) * len(shape), shape))),
        )


def _with_ballast(kind: type[MutantArray], inner: Array, owner: ArrayBackend, ballast: object) -> MutantArray:
    del ballast
    return kind(inner, owner)


def _shards_around(box: Box, spec: ArraySpec) -> Box:
    """The (start, stop) of the shards that a box meets."""
    return (
        tuple(a - a % n for a, n in zip(box[0], spec.shard_shape, strict=True)),
        tuple(-(-(a + b) // n) * n for a, b, n in zip(*box, spec.shard_shape, strict=True)),
    )
