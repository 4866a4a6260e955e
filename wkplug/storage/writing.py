"""Which locks a write needs, so that no voxel is lost whoever writes beside it.

A backend says what two processes may write side by side (`ArrayCapabilities.concurrent_writes`). What covers
whole cells of that grid needs no lock. A cell that is covered only in part is read, changed and written back,
and that is done under the cell's own lock. Locks are taken in one order by everybody, so that nobody waits in a
circle; boxes with many such cells are written piece by piece.

Pure integer arithmetic but for `locked_write`. Who calls it: `ArrayHandle.write`.
"""

from __future__ import annotations

from contextlib import ExitStack
from itertools import product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from wkplug.abc import Array, ArrayCapabilities, Box, Location

__all__ = ["locked_write", "partial_cells", "pieces", "write_grid"]

_MOST_LOCKS = 64
_MOST_CELLS = 4096
_WHOLE_ARRAY = "write"


def write_grid(capabilities: ArrayCapabilities, array: Array) -> tuple[int, ...] | None:
    """The cells that may be written side by side; None if that is any box, () if only one writer may."""
    kind = capabilities.concurrent_writes
    if kind == "box":
        return None
    if kind == "chunk":
        return array.spec.chunk_shape
    return array.spec.shard_shape if kind == "shard" else ()


def _axis(start: int, length: int, cell: int, bound: int | None) -> Iterator[tuple[int, bool]]:
    """The cells along one axis that start..start+length touches, and whether each is covered as a whole."""
    stop = start + length
    for index in range(start // cell, -(-stop // cell)):
        low, high = index * cell, (index + 1) * cell
        if bound is not None and high > bound:
            high = bound
        yield index, start <= low and stop >= high


def partial_cells(box: Box, grid: Sequence[int], bounds: Sequence[int | None]) -> list[tuple[int, ...]]:
    """The indices of the cells that `box` covers only in part, sorted; cells end where the array does."""
    start, shape = box
    if 0 in shape:
        return []
    axes = [list(_axis(*one)) for one in zip(start, shape, grid, bounds, strict=True)]
    if all(whole for axis in axes for _, whole in axis):
        return []
    return [
        tuple(index for index, _ in cell) for cell in product(*axes) if not all(whole for _, whole in cell)
    ]


def _counts(box: Box, grid: Sequence[int], bounds: Sequence[int | None]) -> tuple[int, int]:
    """How many cells the box touches, and how many of them it covers as a whole."""
    touched = whole = 1
    for start, length, cell, bound in zip(*box, grid, bounds, strict=True):
        stop = start + length
        first, last = start // cell, -(-stop // cell)
        inner_last = last if bound is not None and stop >= bound else stop // cell
        touched *= last - first
        whole *= max(0, inner_last + (start // -cell))
    return touched, whole


def pieces(box: Box, grid: Sequence[int], bounds: Sequence[int | None]) -> Iterator[Box]:
    """Cut `box` along the grid until every piece has few enough cells to be locked at once."""
    start, shape = box
    touched, whole = _counts(box, grid, bounds)
    if 0 in shape or touched == whole or (touched - whole <= _MOST_LOCKS and touched <= _MOST_CELLS):
        yield box
        return
    spans = [
        -(-(first + length) // cell) - first // cell
        for first, length, cell in zip(start, shape, grid, strict=True)
    ]
    axis = spans.index(max(spans))
    cut = (start[axis] // grid[axis] + spans[axis] // 2) * grid[axis]
    left, right = cut - start[axis], start[axis] + shape[axis] - cut
    yield from pieces((start, (*shape[:axis], left, *shape[axis + 1 :])), grid, bounds)
    yield from pieces(
        ((*start[:axis], cut, *start[axis + 1 :]), (*shape[:axis], right, *shape[axis + 1 :])), grid, bounds
    )


def locked_write(
    array: Array, capabilities: ArrayCapabilities, location: Location, box: Box, data: NDArray[Any]
) -> None:
    """Write `data` to `box`, under the locks that this needs; LockTimeoutError if one is not to be had."""
    grid = write_grid(capabilities, array)
    if grid is None:
        array.write(box, data)
        return
    if not grid:
        with location.lock(_WHOLE_ARRAY):
            array.write(box, data)
        return
    bounds = array.spec.shape
    origin = box[0]
    for piece in pieces(box, grid, bounds):
        part = data
        if piece != box:
            part = data[
                tuple(
                    slice(first - zero, first - zero + length)
                    for first, length, zero in zip(*piece, origin, strict=True)
                )
            ]
        with ExitStack() as stack:
            for cell in partial_cells(piece, grid, bounds):
                stack.enter_context(location.lock(f"{_WHOLE_ARRAY} {','.join(map(str, cell))}"))
            array.write(piece, part)
