"""Which locks a write needs, so that no voxel is lost whoever writes beside it.

A backend says what two processes may write side by side (`ArrayCapabilities.concurrent_writes`). What
covers whole cells of that grid needs no lock. A cell that is covered only in part is read, changed and
written back, and that is done under the cell's own lock. Locks are taken in one order by everybody, so that
nobody waits in a circle; boxes with many such cells are written piece by piece.

An edge cell that reaches beyond the array counts as covered in part, because another process may have made
the array larger meanwhile: it is locked, and the array is opened again first if its metadata have changed (on
local places; elsewhere that can't be seen).

Pure integer arithmetic but for `locked_write`. Who calls it: `ArrayHandle.write`.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from itertools import product
from typing import TYPE_CHECKING, Any

from wkplug.errors import UnsafePathError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from wkplug.abc import Array, ArrayCapabilities, Box, Location
    from wkplug.storage.handles import ArrayHandle

__all__ = ["forget_links", "locked_write", "partial_cells", "pieces", "refuse_links", "write_grid"]

_without_links: set[str] = set()
"""The local arrays that this process has looked through as a whole, and found no links that lead out of them."""

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


def _axis(start: int, length: int, cell: int) -> Iterator[tuple[int, bool]]:
    """The cells along one axis that start..start+length touches, and whether each is covered as a whole."""
    stop = start + length
    for index in range(start // cell, -(-stop // cell)):
        yield index, start <= index * cell and stop >= (index + 1) * cell


def partial_cells(box: Box, grid: Sequence[int]) -> list[tuple[int, ...]]:
    """The indices of the cells that `box` covers only in part, sorted."""
    if 0 in box[1]:
        return []
    axes = [list(_axis(*one)) for one in zip(*box, grid, strict=True)]
    if all(whole for axis in axes for _, whole in axis):
        return []
    return [
        tuple(index for index, _ in cell) for cell in product(*axes) if not all(whole for _, whole in cell)
    ]


def _counts(box: Box, grid: Sequence[int]) -> tuple[int, int]:
    """How many cells the box touches, and how many of them it covers as a whole."""
    touched = whole = 1
    for start, length, cell in zip(*box, grid, strict=True):
        stop = start + length
        touched *= -(-stop // cell) - start // cell
        whole *= max(0, stop // cell + start // -cell)
    return touched, whole


def pieces(box: Box, grid: Sequence[int]) -> Iterator[Box]:
    """Cut `box` along the grid until every piece has few enough cells to be locked at once."""
    start, shape = box
    touched, whole = _counts(box, grid)
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
    yield from pieces((start, (*shape[:axis], left, *shape[axis + 1 :])), grid)
    yield from pieces(
        ((*start[:axis], cut, *start[axis + 1 :]), (*shape[:axis], right, *shape[axis + 1 :])), grid
    )


def locked_write(handle: ArrayHandle, box: Box, data: NDArray[Any]) -> None:
    """Write `data` to `box`, under the locks that this needs; LockTimeoutError if one is not to be had."""
    array, location = handle.array, handle.location
    refuse_links(location, array, box)
    grid = write_grid(handle.backend.capabilities, array)
    if grid is None:
        array.write(box, data)
        return
    if not grid:
        with location.lock(_WHOLE_ARRAY):
            handle.fresh_array().write(box, data)
        return
    origin = box[0]
    for piece in pieces(box, grid):
        part = data
        if piece != box:
            part = data[
                tuple(
                    slice(first - zero, first - zero + length)
                    for first, length, zero in zip(*piece, origin, strict=True)
                )
            ]
        cells = partial_cells(piece, grid)
        if not cells:
            array.write(piece, part)
            continue
        with ExitStack() as stack:
            for cell in cells:
                stack.enter_context(location.lock(f"{_WHOLE_ARRAY} {','.join(map(str, cell))}"))
            at_edge = _touches_edge(piece, grid, array.spec.shape)
            (handle.fresh_array() if at_edge else array).write(piece, part)


def refuse_links(location: Location, array: Array, box: Box) -> None:
    """Refuse to write a box through links that lead out of the array, UnsafePathError: what is there would change.

    Looked at are the files of the shards that the box touches, and the folders on the way to them. Where the
    backend doesn't tell them, or they are many, the whole array is looked through, once per process. A link in
    the place of the whole array is the dataset's business.
    """
    path = location.local_path()
    if path is None or path in _without_links:
        return
    grid = array.spec.shard_shape
    if _counts(box, grid)[0] <= _MOST_CELLS:
        plain: set[str] = set()
        spans = [[index for index, _ in _axis(*one)] for one in zip(*box, grid, strict=True)]
        for cell in product(*spans):
            names = array.files_of(cell)
            if names is None:
                break
            for name in names:
                _refuse_links_on_the_way(path, name, plain)
        else:
            return
    _refuse_links_anywhere(path)
    _without_links.add(path)


def _refuse_links_on_the_way(path: str, name: str, plain: set[str]) -> None:
    place = path
    for part in name.split("/"):
        place = f"{place}/{part}"
        if place in plain:
            continue
        try:
            kind = os.lstat(place).st_mode
        except OSError:
            return  # nothing is there, or it is not to be read: whoever writes there tells
        if stat.S_ISLNK(kind):
            _refuse_link(place, os.path.realpath(path))
        plain.add(place)


def _refuse_links_anywhere(path: str) -> None:
    root = os.path.realpath(path)
    pending = [root]
    while pending:
        try:
            with os.scandir(pending.pop()) as found:
                entries = list(found)
        except OSError:
            continue  # gone meanwhile, or not to be read: whoever writes there tells
        for entry in entries:
            if entry.is_symlink():
                _refuse_link(entry.path, root)
            elif entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)


def forget_links(location: Location) -> None:
    """Look again at the next write: what is there has changed."""
    path = location.local_path()
    if path is not None:
        _without_links.discard(path)


def _refuse_link(path: str, root: str) -> None:
    real = os.path.realpath(path)
    if not real.startswith(root.rstrip(os.sep) + os.sep):
        raise UnsafePathError(
            f"Nothing is written to the array at {root}: {path} in it is a link that leads out of it, to {real}.",
            hint="Put a copy of what it leads to in its place, or copy the layer, and write to that.",
        )


def _touches_edge(box: Box, grid: Sequence[int], bounds: Sequence[int | None]) -> bool:
    """Whether the box touches a cell that reaches beyond the array."""
    return any(
        bound is not None and -(-(first + length) // cell) * cell > bound
        for first, length, cell, bound in zip(*box, grid, bounds, strict=True)
    )
