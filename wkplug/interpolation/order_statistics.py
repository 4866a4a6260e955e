"""Modes that pick by order or by place: medians, extremes, the first voxel.

They make no new values but for the mean of the two middle ones. Of floats, NaN wins over everything (but not in
`nearest`), and a zero comes out as a positive one, because which of two equal zeros was there first is nobody's
promise.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from wkplug.interpolation.halving import halved_middles, is_halved
from wkplug.interpolation.tiled import TiledMode, members, rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Max", "Median", "MedianUnbiased", "Min", "Nearest"]


class Median(TiledMode):
    """The middle value; the mean of the two middle ones where the block has an even number of voxels.

    That mean is cut towards zero for integers, as users of the webknossos library know it; see
    `MedianUnbiased` for one that isn't.
    """

    name: ClassVar[str] = "median"

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        """See `Interpolation.reduce`."""
        if not is_halved(block, factors):
            return super().reduce(block, factors)
        shape = tuple(length // factor for length, factor in zip(block.shape, factors, strict=True))
        out = np.empty(shape, block.dtype, order="F")
        for lead in np.ndindex(*shape[:-3]):
            for part, low, high in halved_middles(block[lead], factors[-1]):
                out[lead][part] = self.halfway(low, high).T
        return out

    def fill(self, out: NDArray[Any], block: NDArray[Any], factors: tuple[int, ...]) -> None:
        """See `TiledMode.fill`."""
        low, high = _middle_two(block, factors)
        if block.dtype.kind == "f":
            out[...] = (low if low is high else (low + high) * block.dtype.type(0.5)) + block.dtype.type(0)
        else:
            out[...] = low if low is high else self.halfway(low, high)

    @staticmethod
    def halfway(low: NDArray[Any], high: NDArray[Any]) -> NDArray[Any]:
        """The mean of two integers, cut towards zero, without leaving their dtype."""
        # (a & b) + ((a ^ b) >> 1) is the floor of the mean; for a negative odd sum the cut is one higher.
        different = low ^ high
        floor: NDArray[Any] = (low & high) + (different >> 1)
        if low.dtype.kind == "i":
            floor += ((floor < 0) & (different & 1).astype(bool)).astype(low.dtype)
        return floor


class MedianUnbiased(Median):
    """The median, with the mean of the two middle values rounded half to even: it doesn't darken over levels."""

    name: ClassVar[str] = "median_unbiased"
    keeps_mean: ClassVar[bool] = True

    @staticmethod
    def halfway(low: NDArray[Any], high: NDArray[Any]) -> NDArray[Any]:
        """The mean of two integers, rounded half to even, without leaving their dtype."""
        different = low ^ high
        floor: NDArray[Any] = (low & high) + (different >> 1)
        floor += different & floor & 1
        return floor


def _middle_two(block: NDArray[Any], factors: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the two middle values of every block; the same object twice where there is only one."""
    axis = _first_reduced(factors)
    if factors[axis] != 2:
        lanes = [member.copy(order="F") for member in members(block, factors)]
        count = len(lanes)
        middle = (count - 1) // 2, count // 2
        _exchange(lanes, _network(count, *middle))
        return lanes[middle[0]], lanes[middle[1]]
    # Sort all places but those along `axis`; of two sorted lists of equal length the smaller ones of opposite
    # ends are the lower half of both. The second list is the first one, a voxel further along `axis`.
    lanes = [line.copy(order="F") for line in rows(block, factors, axis)]
    count = len(lanes)
    _exchange(lanes, _network(count, 0, count - 1))
    step = int(np.prod(block.shape[:axis]))
    flat = [lane.reshape(-1, order="F") for lane in lanes]
    low, high = np.empty_like(flat[0]), np.empty_like(flat[0])
    lower, upper = low[:-step], high[:-step]
    np.minimum(flat[0][:-step], flat[-1][step:], out=lower)
    np.maximum(flat[0][:-step], flat[-1][step:], out=upper)
    for a, b in zip(flat[1:], reversed(flat[:-1]), strict=True):
        np.maximum(lower, np.minimum(a[:-step], b[step:]), out=lower)
        np.minimum(upper, np.maximum(a[:-step], b[step:]), out=upper)
    even = tuple(slice(None, None, 2 if number == axis else 1) for number in range(block.ndim))
    shape = lanes[0].shape
    return (
        low.reshape(shape, order="F")[even].copy(order="F"),
        high.reshape(shape, order="F")[even].copy(order="F"),
    )


def _first_reduced(factors: tuple[int, ...]) -> int:
    """The fastest axis of those that are reduced."""
    return next(number for number, factor in enumerate(factors) if factor > 1)


def _exchange(lanes: list[NDArray[Any]], network: tuple[tuple[int, int], ...]) -> None:
    for a, b in network:
        lower = np.minimum(lanes[a], lanes[b])
        np.maximum(lanes[a], lanes[b], out=lanes[b])
        lanes[a] = lower


@lru_cache(maxsize=64)
def _network(count: int, first: int, last: int) -> tuple[tuple[int, int], ...]:
    """Batcher's odd-even merge sort for `count` lanes, without exchanges that only others than first..last need.

    Knuth, The Art of Computer Programming, volume 3, section 5.3.4, algorithm M.
    """
    pairs: list[tuple[int, int]] = []
    top = 1 << (count - 1).bit_length() - 1 if count > 1 else 0
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            pairs.extend((i, i + d) for i in range(count - d) if i & p == r)
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    needed = set(range(first, last + 1))
    kept: list[tuple[int, int]] = []
    for a, b in reversed(pairs):
        if a in needed or b in needed:
            needed |= {a, b}
            kept.append((a, b))
    return tuple(reversed(kept))


class _Peak(TiledMode):
    """The smallest or largest value."""

    choose: ClassVar[np.ufunc]

    def fill(self, out: NDArray[Any], block: NDArray[Any], factors: tuple[int, ...]) -> None:
        """See `TiledMode.fill`."""
        axis = _first_reduced(factors)
        line, *lines = rows(block, factors, axis)
        for number, other in enumerate(lines):
            # The first result is an array of its own, the later ones go there, too.
            line = self.choose(line, other, out=line if number else None)
        first, *others = members(line, tuple(f if n == axis else 1 for n, f in enumerate(factors)))
        out[...] = first
        for other in others:
            self.choose(out, other, out=out)
        if out.dtype.kind == "f":
            out += out.dtype.type(0)


class Min(_Peak):
    """The smallest value."""

    name: ClassVar[str] = "min"
    choose: ClassVar[np.ufunc] = np.minimum


class Max(_Peak):
    """The largest value."""

    name: ClassVar[str] = "max"
    choose: ClassVar[np.ufunc] = np.maximum


class Nearest(TiledMode):
    """The first voxel of the block."""

    name: ClassVar[str] = "nearest"

    def fill(self, out: NDArray[Any], block: NDArray[Any], factors: tuple[int, ...]) -> None:
        """See `TiledMode.fill`."""
        out[...] = block[tuple(slice(None, None, factor) for factor in factors)]
