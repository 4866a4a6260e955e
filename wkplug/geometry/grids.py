"""Integer arithmetic on boxes and regular grids, for the paths where every microsecond counts.

A box is `(start, shape)`, two tuples of ints of the same length, one entry per axis, `shape` never negative:
exactly `wkplug.abc.Box`. A grid is one positive cell size per axis; its lines run through voxel 0 unless an
`origin` says otherwise. Integers of any size stay exact, nothing ever goes through floats.

Nothing is validated here: lengths must agree and cells be positive. The classes of `wkplug.geometry` check
users' input and then call these functions; where boxes are already sound, they are called directly.
"""

from __future__ import annotations

from itertools import product
from operator import add, mul, sub
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "Box",
    "Ints",
    "align_down",
    "align_up",
    "cell_starts",
    "cells",
    "coarsened",
    "count_cells",
    "covers",
    "hull",
    "intersect",
    "is_aligned",
    "is_empty",
    "refined",
    "shifted",
    "slices",
    "stop_of",
    "touched",
    "volume",
]

Ints: TypeAlias = tuple[int, ...]
Box: TypeAlias = tuple[Ints, Ints]

# Up to this many cells per axis, all starts of an axis are held at once, which is several times faster.
_HELD = 1 << 16


def align_up(start: Ints, stop: Ints, grid: Sequence[int]) -> tuple[Ints, Ints]:
    """Return (start, stop) of the smallest box on grid lines that covers start..stop."""
    return (
        tuple([a - a % g for a, g in zip(start, grid, strict=True)]),
        tuple([b + -b % g for b, g in zip(stop, grid, strict=True)]),
    )


def align_down(start: Ints, stop: Ints, grid: Sequence[int]) -> tuple[Ints, Ints]:
    """Return (start, stop) of the largest box on grid lines inside start..stop.

    Along an axis without a whole cell, stop equals start: the first grid line at or after the given start.
    """
    first = tuple([a + -a % g for a, g in zip(start, grid, strict=True)])
    return first, tuple([max(a, b - b % g) for a, b, g in zip(first, stop, grid, strict=True)])


def coarsened(box: Box, factors: Sequence[int]) -> Box:
    """Return the box in voxels that are `factors` times as long, enlarged to whole ones.

    Along an axis where the box is empty it stays so.
    """
    start = tuple([a // f for a, f in zip(box[0], factors, strict=True)])
    return start, tuple(
        [-(-(a + n) // f) - low if n else 0 for a, n, f, low in zip(*box, factors, start, strict=True)]
    )


def refined(box: Box, factors: Sequence[int]) -> Box:
    """Return the box in voxels of which `factors` make one of its own."""
    return tuple(map(mul, box[0], factors)), tuple(map(mul, box[1], factors))


def stop_of(box: Box) -> Ints:
    """Return the exclusive end of the box."""
    return tuple(map(add, box[0], box[1]))


def shifted(box: Box, vector: Sequence[int]) -> Box:
    """Return the box, moved by the vector."""
    return tuple(map(add, box[0], vector)), box[1]


def slices(box: Box, origin: Sequence[int]) -> tuple[slice, ...]:
    """Return where the box lies in an array whose first voxel is at `origin`, which is not beyond the box."""
    return tuple([slice(a - b, a - b + n) for a, n, b in zip(box[0], box[1], origin, strict=True)])


def is_empty(box: Box) -> bool:
    """Whether the box holds no voxel."""
    return 0 in box[1]


def volume(box: Box) -> int:
    """Return the number of voxels in the box."""
    result = 1
    for size in box[1]:
        result *= size
    return result


def intersect(box_a: Box, box_b: Box) -> Box | None:
    """Return the box that both have in common, or None where they share no voxel."""
    start, shape = [], []
    for a, size_a, b, size_b in zip(box_a[0], box_a[1], box_b[0], box_b[1], strict=True):
        low = a if a > b else b
        size = min(a + size_a, b + size_b) - low
        if size <= 0:
            return None
        start.append(low)
        shape.append(size)
    return tuple(start), tuple(shape)


def hull(box_a: Box, box_b: Box) -> Box:
    """Return the smallest box around both; an empty box counts for nothing."""
    if is_empty(box_a):
        return box_b
    if is_empty(box_b):
        return box_a
    start = tuple(map(min, box_a[0], box_b[0]))
    return start, tuple(map(sub, map(max, stop_of(box_a), stop_of(box_b)), start))


def covers(outer: Box, inner: Box) -> bool:
    """Whether `inner` lies within `outer`, faces included.

    An empty `inner` has a place too: it must lie between (or on) the faces of `outer`.
    """
    for a, size_a, b, size_b in zip(outer[0], outer[1], inner[0], inner[1], strict=True):
        if b < a or b + size_b > a + size_a:
            return False
    return True


def is_aligned(box: Box, grid: Sequence[int], bounds: Box | None = None) -> bool:
    """Whether every face of the box lies on a grid line or, with `bounds`, on the same face of these."""
    start, shape = box
    if bounds is None:
        return all(not a % g and not n % g for a, n, g in zip(start, shape, grid, strict=True))
    for a, n, g, low, size in zip(start, shape, grid, bounds[0], bounds[1], strict=True):
        if a % g and a != low:
            return False
        if (a + n) % g and a + n != low + size:
            return False
    return True


def count_cells(start: Ints, shape: Ints, grid: Sequence[int], *, origin: Sequence[int] | None = None) -> int:
    """Return how many cells of the grid the box touches."""
    result = 1
    for cut in _cuts(start, shape, grid, origin):
        result *= _length(cut)
    return result


def cell_starts(
    start: Ints, shape: Ints, grid: Sequence[int], *, origin: Sequence[int] | None = None
) -> Iterator[Ints]:
    """Yield the starts of all grid cells that touch the box, not clipped to it; the last axis is fastest."""
    return _combine(_cuts(start, shape, grid, origin))


def cells(
    start: Ints, shape: Ints, grid: Sequence[int], *, origin: Sequence[int] | None = None
) -> Iterator[Box]:
    """Yield the grid cells that touch the box as boxes, clipped to it; the last axis is fastest.

    Cells tile the box: every voxel of it is in exactly one. An empty box has no cells.
    """
    cuts = _cuts(start, shape, grid, origin)
    if all(_length(cut) <= _HELD for cut in cuts):
        starts, sizes = [], []
        for cut, low, size in zip(cuts, start, shape, strict=True):
            if not cut:
                return iter(())
            borders = [low, *cut[1:], low + size]
            starts.append(borders[:-1])
            sizes.append(list(map(sub, borders[1:], borders)))
        return zip(product(*starts), product(*sizes), strict=True)
    return _clipped(_combine(cuts), grid, start, tuple(map(add, start, shape)))


def touched(boxes: Iterable[Box], bounds: Box, grid: Sequence[int]) -> list[Box]:
    """Return the grid cells, clipped to `bounds`, that one of the boxes shares a voxel with: each once, in order.

    Work and memory go by the boxes, however large the bounds are.
    """
    starts: set[Ints] = set()
    for box in boxes:
        common = intersect(box, bounds)
        if common is not None:
            starts.update(cell_starts(*common, grid))
    return list(_clipped(iter(sorted(starts)), grid, bounds[0], stop_of(bounds)))


def _clipped(starts: Iterator[Ints], grid: Sequence[int], low: Ints, high: Ints) -> Iterator[Box]:
    """Yield the cells that begin at `starts`, clipped to low..high."""
    for cell in starts:
        start = tuple(map(max, cell, low))
        yield start, tuple(map(sub, map(min, map(add, cell, grid), high), start))


def _cuts(start: Ints, shape: Ints, grid: Sequence[int], origin: Sequence[int] | None) -> list[range]:
    """Return for every axis the starts of the cells that the box touches."""
    cuts = []
    for axis, (low, size, step) in enumerate(zip(start, shape, grid, strict=True)):
        base = low - (low - (origin[axis] if origin is not None else 0)) % step
        cuts.append(range(base, low + size, step) if size > 0 else range(0))
    return cuts


def _length(cut: range) -> int:
    """Return the length of a range of any size; `len` stops at what an index of the machine can hold."""
    return max(0, -((cut.start - cut.stop) // cut.step))


def _combine(cuts: list[range]) -> Iterator[Ints]:
    """Yield the product of the ranges, without `itertools.product` where that would hold huge ones."""
    if all(_length(cut) <= _HELD for cut in cuts):
        yield from product(*cuts)
        return
    *front, last = cuts
    for head in _combine(front) if front else ((),):
        for value in last:
            yield (*head, value)
