"""Modes that make new values of weighted sums: mean, bilinear, bicubic. For intensities, never for segment ids.

Integers are added up in integers that are wide enough, and rounded half to even, which doesn't drift; floats are
added up in float64, along y, then z, then x, so that every implementation gets the same bits. A block that holds
NaN gives NaN, if the mode looks at that voxel.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from wkplug.interpolation.tiled import TiledMode, members, rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Bicubic", "Bilinear", "Mean"]

_UP_TO_32_BITS = frozenset({"uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"})


class Mean(TiledMode):
    """The mean of the block."""

    name: ClassVar[str] = "mean"
    keeps_mean: ClassVar[bool] = True

    @staticmethod
    def places(factor: int) -> range:
        """The places along an axis that count."""
        return range(factor)

    def fill(self, out: NDArray[Any], block: NDArray[Any], factors: tuple[int, ...]) -> None:
        """See `TiledMode.fill`."""
        places = tuple(self.places(factor) for factor in factors)
        count = math.prod(map(len, places))
        if block.dtype.kind == "f":
            out[...] = _total(block, factors, places, np.dtype(np.float64)) / count
        elif block.dtype.itemsize < 8:
            total = _total(block, factors, places, _wide_enough(block.dtype, count))
            out[...] = _rounded(total, count)
        else:
            # Sums of 64-bit integers fit nowhere; those of whole parts and of remainders do.
            part = _total(block // count, factors, places, block.dtype)
            out[...] = part + _rounded(_total(block % count, factors, places, block.dtype), count, part)


class Bilinear(Mean):
    """Linear interpolation at the block's centre; for factor 2 the mean of the block.

    Along each axis the centre is the middle voxel, or half way between the two in the middle.
    """

    name: ClassVar[str] = "bilinear"

    @staticmethod
    def places(factor: int) -> range:
        """The places along an axis that count."""
        return range((factor - 1) // 2, factor // 2 + 1)


def _total(
    block: NDArray[Any], factors: tuple[int, ...], places: tuple[range, ...], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Add up the voxels of each block at some places."""
    axis = max(0, block.ndim - 3)
    first, *others = rows(block, factors, axis, places)
    line: NDArray[Any] = first.astype(dtype, order="F")
    for other in others:
        line += other
    shape = tuple(n if number == axis else 1 for number, n in enumerate(factors))
    along = tuple(places[axis] if number == axis else range(1) for number in range(block.ndim))
    total, *others = members(line, shape, None, along)
    total = total.copy(order="F")
    for other in others:
        total += other
    return total


def _wide_enough(dtype: np.dtype[Any], count: int) -> np.dtype[Any]:
    """The smallest integer dtype that holds the sum of `count` values, and half of `count` on top of it."""
    limits = np.iinfo(dtype)
    most = max(int(limits.max), -int(limits.min)) * count + count
    return next(
        wide for wide in (np.dtype(f"{dtype.kind}{size}") for size in (2, 4, 8)) if most <= np.iinfo(wide).max
    )


def _rounded(total: NDArray[Any], count: int, onto: NDArray[Any] | None = None) -> NDArray[Any]:
    """Divide by `count` and round half to even; `onto`: the sum with these decides what is even."""
    number = total.dtype.type(count)
    if count & (count - 1) == 0 and onto is None:
        if count == 1:
            return total
        shift = count.bit_length() - 1
        odd = (total >> shift) & 1
        odd += total
        odd += total.dtype.type(count // 2 - 1)
        odd >>= shift
        return odd
    floor: NDArray[Any] = total // number
    twice = (total - floor * number) * 2
    even = floor if onto is None else floor + onto
    up = (twice > number) | ((twice == number) & (even & 1).astype(bool))
    result: NDArray[Any] = floor + up.astype(total.dtype)
    return result


class Bicubic(TiledMode):
    """The quadratic spline through the block's voxels, at the block's centre; the block is mirrored at its ends.

    The name is the one that users know; the spline's order is 2, as in what they know. It may overshoot, and is
    cut to the dtype's range.
    """

    name: ClassVar[str] = "bicubic"
    dtypes: ClassVar[frozenset[str] | None] = _UP_TO_32_BITS  # the sums are of float64

    @staticmethod
    def weights(factor: int) -> tuple[float, ...]:
        """Solve for the spline through unit impulses, and evaluate it at the centre; they add up to 1."""
        return _spline_weights(factor)

    def fill(self, out: NDArray[Any], block: NDArray[Any], factors: tuple[int, ...]) -> None:
        """See `TiledMode.fill`."""
        result: NDArray[Any] = block.astype(np.float64, order="F")
        for axis, factor in enumerate(factors):
            if factor == 1:
                continue
            shape = tuple(factor if number == axis else 1 for number in range(block.ndim))
            total, *parts = (
                part * weight
                for part, weight in zip(members(result, shape), self.weights(factor), strict=True)
            )
            for part in parts:
                total += part
            result = total
        if out.dtype.kind in "iu":
            limits = np.iinfo(out.dtype)
            result = np.clip(np.rint(result), limits.min, limits.max)
        out[...] = result


@lru_cache(maxsize=16)
def _spline_weights(factor: int) -> tuple[float, ...]:
    """See Unser, Splines: a perfect fit for signal and image processing (1999), for the basis and its filter."""

    def mirrored(index: int) -> int:
        return -1 - index if index < 0 else 2 * factor - 1 - index if index >= factor else index

    def basis(distance: float) -> float:
        distance = abs(distance)
        if distance <= 0.5:
            return 0.75 - distance**2
        return 0.5 * (1.5 - distance) ** 2 if distance < 1.5 else 0.0

    interpolation = np.zeros((factor, factor))
    for sample in range(factor):
        for knot in range(sample - 1, sample + 2):
            interpolation[sample, mirrored(knot)] += basis(sample - knot)
    centre = (factor - 1) / 2
    evaluation = np.zeros(factor)
    for knot in range(math.floor(centre) - 1, math.ceil(centre) + 2):
        evaluation[mirrored(knot)] += basis(centre - knot)
    weights = np.linalg.solve(interpolation.T, evaluation)
    return tuple(float(weight) for weight in weights)
