"""The core's own down- and upsampling modes, in plain numpy.

Every mode looks at one block of source voxels per voxel of the result, so that the result doesn't depend on
how the volume was cut into pieces. median and mode follow what users of the webknossos library know: the
median of an even number of voxels is the mean of the middle two, cut towards zero for integers; mode takes the
value met first, y fastest, then x, then z. For integers above 2^53 median stays exact.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from wkplug.abc import Interpolation

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Bicubic", "Bilinear", "Max", "Mean", "Median", "Min", "Mode", "Nearest"]


class _BuiltIn(Interpolation):
    """What all modes here share: they need no settings."""

    def __init__(self, settings: Any = None) -> None:
        del settings


def _members(
    block: NDArray[Any], factors: tuple[int, ...], order: tuple[int, ...] | None = None
) -> list[NDArray[Any]]:
    """Give, for each position in a block, the array of the voxels at that position of all blocks.

    Positions come with the last of `order` slowest; by default the last axis is slowest.
    """
    axes = tuple(range(len(factors))) if order is None else order
    result = []
    for position in itertools.product(*(range(factors[axis]) for axis in reversed(axes))):
        offsets = dict(zip(reversed(axes), position, strict=True))
        result.append(block[tuple(slice(offsets[axis], None, factors[axis]) for axis in range(len(factors)))])
    return result


def _fortran(array: NDArray[Any]) -> NDArray[Any]:
    return np.asfortranarray(array)


class Median(_BuiltIn):
    """The middle value; the mean of the two middle ones where the block has an even number of voxels."""

    name: ClassVar[str] = "median"

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        """See `Interpolation.reduce`."""
        members = [_fortran(member) for member in _members(block, factors)]
        count = len(members)
        if count == 1:
            return members[0]
        if block.dtype.kind == "f":
            stacked = np.stack(members, axis=0)
            return _fortran(np.median(stacked, axis=0).astype(block.dtype))
        low, high = _middle_two(members)
        return low if count % 2 else _halfway(low, high)


def _middle_two(members: list[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Sort position against position, by a network of compare-exchanges, and give the two in the middle."""
    lanes = list(members)
    for a, b in _network(len(lanes)):
        lanes[a], lanes[b] = np.minimum(lanes[a], lanes[b]), np.maximum(lanes[a], lanes[b])
    return lanes[(len(lanes) - 1) // 2], lanes[len(lanes) // 2]


@lru_cache(maxsize=32)
def _network(count: int) -> tuple[tuple[int, int], ...]:
    """Batcher's odd-even merge sort for `count` lanes, without the exchanges that the middle doesn't need.

    Knuth, The Art of Computer Programming, volume 3, section 5.3.4, algorithm M.
    """
    pairs: list[tuple[int, int]] = []
    top = 1 << (count - 1).bit_length() - 1
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            pairs.extend((i, i + d) for i in range(count - d) if i & p == r)
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    needed = {(count - 1) // 2, count // 2}
    kept: list[tuple[int, int]] = []
    for a, b in reversed(pairs):
        if a in needed or b in needed:
            needed |= {a, b}
            kept.append((a, b))
    return tuple(reversed(kept))


def _halfway(low: NDArray[Any], high: NDArray[Any]) -> NDArray[Any]:
    """The mean of two integers, cut towards zero, without leaving their dtype."""
    # (a & b) + ((a ^ b) >> 1) is the floor of the mean; for a negative odd sum the cut is one higher.
    floor: NDArray[Any] = (low & high) + ((low ^ high) >> 1)
    if low.dtype.kind == "i":
        floor += ((floor < 0) & ((low ^ high) & 1).astype(bool)).astype(low.dtype)
    return floor


class Mode(_BuiltIn):
    """The most frequent value; of equally frequent ones the one met first, y fastest, then x, then z."""

    name: ClassVar[str] = "mode"

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        """See `Interpolation.reduce`."""
        rank = len(factors)
        order = tuple(range(rank))
        if rank >= 3:  # ..., x, y, z: y fastest
            order = (*range(rank - 3), rank - 2, rank - 3, rank - 1)
        members = [_fortran(member) for member in _members(block, factors, order)]
        result = members[0]
        if len(members) < 3:
            return result
        if all((member == result).all() for member in members[1:]):
            return result
        best = np.zeros(result.shape, dtype=np.int32, order="F")
        result = result.copy(order="F")
        for position, member in enumerate(members):
            count = np.zeros(result.shape, dtype=np.int32, order="F")
            for other in members[position:]:
                count += member == other
            better = count > best
            np.copyto(result, member, where=better)
            np.copyto(best, count, where=better)
        return result


class Nearest(_BuiltIn):
    """The first voxel of the block."""

    name: ClassVar[str] = "nearest"

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        """See `Interpolation.reduce`."""
        return block[tuple(slice(None, None, factor) for factor in factors)].copy(order="F")


class Min(_BuiltIn):
    """The smallest value."""

    name: ClassVar[str] = "min"

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        """See `Interpolation.reduce`."""
        result, *others = _members(block, factors)
        result = result.copy(order="F")
        for other in others:
            np.minimum(result, other, out=result)
        return result


class Max(_BuiltIn):
    """The largest value."""

    name: ClassVar[str] = "max"

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        """See `Interpolation.reduce`."""
        result, *others = _members(block, factors)
        result = result.copy(order="F")
        for other in others:
            np.maximum(result, other, out=result)
        return result


class _Weighted(_BuiltIn):
    """A weighted sum over the block, separable per axis, rounded half to even for integers."""

    @staticmethod
    def weights(factor: int) -> tuple[float, ...]:
        """The weights along one axis; they add up to 1."""
        return (1 / factor,) * factor

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        """See `Interpolation.reduce`."""
        if all(factor == 1 for factor in factors):
            return block.copy(order="F")
        # float64 holds sums of 32-bit integers exactly; 64-bit ones are labels, which these modes refuse.
        result: NDArray[Any] = block.astype(np.float64, order="F")
        for axis, factor in enumerate(factors):
            if factor == 1:
                continue
            index: list[Any] = [slice(None)] * result.ndim
            total: NDArray[Any] | None = None
            for position, weight in enumerate(self.weights(factor)):
                if weight == 0:
                    continue
                index[axis] = slice(position, None, factor)
                part = result[tuple(index)] * weight
                total = part if total is None else total + part
            if total is not None:
                result = total
        if block.dtype.kind in "iu":
            limits = np.iinfo(block.dtype)
            result = np.clip(np.rint(result), limits.min, limits.max)
        return _fortran(result.astype(block.dtype))


class Mean(_Weighted):
    """The mean of the block."""

    name: ClassVar[str] = "mean"


class Bilinear(_Weighted):
    """Linear interpolation at the block's centre; for factor 2 the mean of the block."""

    name: ClassVar[str] = "bilinear"

    @staticmethod
    def weights(factor: int) -> tuple[float, ...]:
        """The middle voxel, or half of each of the two in the middle."""
        centre = (factor - 1) / 2
        low, high = math.floor(centre), math.ceil(centre)
        return tuple(
            (0.5 if position == low else 0) + (0.5 if position == high else 0) for position in range(factor)
        )


class Bicubic(_Weighted):
    """The quadratic spline through the block's voxels, at the block's centre; the block is mirrored at its ends.

    The name is the one that users know; the spline's order is 2, as in what they know.
    """

    name: ClassVar[str] = "bicubic"

    @staticmethod
    def weights(factor: int) -> tuple[float, ...]:
        """Solve for the spline through unit impulses, and evaluate it at the centre."""
        return _spline_weights(factor)


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
