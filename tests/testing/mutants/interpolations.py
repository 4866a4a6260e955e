"""Modes that are wrong on purpose, each in one way: the tests of the interpolation suite.

A mutant wraps a mode that is right and breaks one promise, as real ones do: labels go through floats, a sum
overflows, the sampling depends on the tile. `InterpolationSuite` must fail on every one of them.
"""

from __future__ import annotations

import threading
import time
import warnings
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import Interpolation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["MUTANTS", "MutantInterpolation", "mutant"]


class MutantInterpolation(Interpolation):
    """Hands everything on to the right mode; the mutants below change one thing each."""

    def __init__(self, inner: Interpolation) -> None:
        self.inner = inner
        # Per instance here, because one class of mutants wraps many modes.
        self.name, self.dtypes = inner.name, inner.dtypes  # type: ignore[misc]  # ClassVars
        self.keeps_mean = inner.keeps_mean  # type: ignore[misc]  # the same

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.inner,))

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        return self.inner.reduce(block, factors)

    def expand(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        return self.inner.expand(block, factors)


# --- results ----------------------------------------------------------------------------------------------


class _LastDropped(MutantInterpolation):
    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        return self.inner.reduce(block, factors)[..., :-1]


class _Widened(MutantInterpolation):
    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        return self.inner.reduce(block, factors).astype(np.float64, order="F")


class _COrder(MutantInterpolation):
    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        return np.ascontiguousarray(self.inner.reduce(block, factors))


class _InputChanged(MutantInterpolation):
    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        result = self.inner.reduce(block, factors)
        if block.flags.writeable:
            block.reshape(-1, order="A")[...] = 0  # in place of a buffer for what is in between
        return result


class _InputReturned(MutantInterpolation):
    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        return block if all(factor == 1 for factor in factors) else self.inner.reduce(block, factors)


class _ReadOnlyRefused(MutantInterpolation):
    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        if not block.flags.writeable:
            raise ValueError("buffer source array is read-only")
        return self.inner.reduce(block, factors)


class _StridesIgnored(MutantInterpolation):
    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        return self.inner.reduce(block.ravel(order="K").reshape(block.shape, order="F"), factors)


class _Random(MutantInterpolation):
    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        place = tuple(np.random.default_rng().integers(0, factor) for factor in factors)
        return block[tuple(slice(a, None, f) for a, f in zip(place, factors, strict=True))].copy(order="F")


class _NotThreadSafe(MutantInterpolation):
    shared: NDArray[Any]

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        self.shared = block
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.0005)  # where another thread may come in
        return self.inner.reduce(self.shared, factors)


class _TileDependent(MutantInterpolation):
    """The ends of the tile are sampled, and what is between them evenly."""

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        places = [
            np.rint(np.linspace(0, length - 1, length // factor)).astype(int)
            for length, factor in zip(block.shape, factors, strict=True)
        ]
        return np.asfortranarray(block[np.ix_(*places)])


class _NeighboursSeen(MutantInterpolation):
    """Each block is smoothed with the one before it."""

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        result = self.inner.reduce(block, factors)
        np.maximum(result, np.roll(result, 1, axis=-1), out=result)
        return result


class _ChannelsMixed(MutantInterpolation):
    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        result = self.inner.reduce(block, factors)
        return np.asfortranarray(np.broadcast_to(result.max(axis=-4, keepdims=True), result.shape))


class _Warns(MutantInterpolation):
    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        if block.dtype.kind == "f" and np.isnan(block).any():
            warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=2)
        return self.inner.reduce(block, factors)


class _NotPicklable(MutantInterpolation):
    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("cannot pickle '_thread.lock' object")


# --- values -----------------------------------------------------------------------------------------------


class _SumOverflows(MutantInterpolation):
    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        if block.dtype.kind == "f":
            return self.inner.reduce(block, factors)
        total = np.zeros([n // f for n, f in zip(block.shape, factors, strict=True)], block.dtype, order="F")
        for place in np.ndindex(*factors):
            total += block[tuple(slice(a, None, f) for a, f in zip(place, factors, strict=True))]
        return np.asfortranarray(total // np.prod(factors).astype(block.dtype))


class _ThroughFloats(MutantInterpolation):
    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        with np.errstate(invalid="ignore"):
            return self.inner.reduce(block.astype(np.float64), factors).astype(block.dtype)


class _Truncates(MutantInterpolation):
    """Promises to keep the mean, and cuts what is behind the point."""

    def __init__(self, inner: Interpolation) -> None:
        super().__init__(inner)
        self.keeps_mean = True  # type: ignore[misc]  # a ClassVar

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        if block.dtype.kind == "f" or block.dtype.itemsize == 8:
            return self.inner.reduce(block, factors)
        rounded = self.inner.reduce(block, factors)
        return np.asfortranarray(rounded - (self.inner.reduce(block - block.min(), factors) & 1))


class _ExpandShifted(MutantInterpolation):
    def expand(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        return np.roll(self.inner.expand(block, factors), 1, axis=1)


class _ExpandWidened(MutantInterpolation):
    def expand(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        return self.inner.expand(block, factors).astype(np.float64)


class _OneOffInTies(MutantInterpolation):
    """Another implementation that differs where values are frequent."""

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        result = self.inner.reduce(block, factors)
        first = block[tuple(slice(None, None, factor) for factor in factors)]
        return np.asfortranarray(np.where(result == 0, first, result))


class _AnotherName(MutantInterpolation):
    def __init__(self, inner: Interpolation) -> None:
        super().__init__(inner)
        self.name = "another"  # type: ignore[misc]  # a ClassVar


MUTANTS: Mapping[str, type[MutantInterpolation]] = MappingProxyType(
    {
        "another name": _AnotherName,
        "C order returned": _COrder,
        "channels mixed": _ChannelsMixed,
        "dtype widened": _Widened,
        "expanded dtype widened": _ExpandWidened,
        "expanded shifted": _ExpandShifted,
        "input changed": _InputChanged,
        "input returned": _InputReturned,
        "labels through floats": _ThroughFloats,
        "last voxels dropped": _LastDropped,
        "mean drifts": _Truncates,
        "neighbours seen": _NeighboursSeen,
        "not picklable": _NotPicklable,
        "not thread-safe": _NotThreadSafe,
        "other bits": _OneOffInTies,
        "random voxels": _Random,
        "read-only refused": _ReadOnlyRefused,
        "strides ignored": _StridesIgnored,
        "sums overflow": _SumOverflows,
        "tile-dependent sampling": _TileDependent,
        "warnings": _Warns,
    }
)
"""The mutants by what is wrong with them."""


def mutant(name: str, inner: Interpolation) -> MutantInterpolation:
    """Make the mutant of that name from a mode that is right."""
    return MUTANTS[name](inner)
