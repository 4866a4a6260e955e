"""Moving voxels from one array to another of the same mag, whatever their formats, chunks, shards and orders of axes.

Tasks are whole output shards (several where shards are small), so that they run side by side without sharing one;
only those are visited in which the source has something stored. A task moves its voxels in tiles of at most
`TILE_BYTES`: at any moment there are no more tiles in memory than the executor has workers, plus what the engines
need to encode one shard each, whatever the size of the arrays. Of workers that wait for stores, which may be many, no
more have a tile than the memory budget allows.

Tiles that are all fill value are not written: the target is new, and there they read the same. With `erase` (the
target has voxels already) shards are compared with what is there, and written where they differ: what a call before
this one has brought stays untouched. That takes a second tile per worker.

For formats that have an order of axes of their own, `reordered` reads an array with its axes in that order.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np

from wkplug.abc import ArrayBackend, ArraySpec, Box, Executor, Location
from wkplug.errors import UnsupportedOperationError
from wkplug.execution import results_in_order, tasks_at_once
from wkplug.geometry import grids
from wkplug.model import voxels
from wkplug.progress import Progress, until_flushed
from wkplug.storage import ArrayHandle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = [
    "JOB_BYTES",
    "TILE_BYTES",
    "Reordered",
    "copy_voxels",
    "job_grid",
    "reordered",
    "stored_tasks",
    "tile_shape",
]


def reordered(handle: ArrayHandle, axes: tuple[str, ...]) -> ArrayHandle:
    """Give the handle itself where it has these axes, else one that reads with them."""
    if handle.spec.axes == axes:
        return handle
    view: Any = Reordered(handle, axes)
    return view  # type: ignore[no-any-return]  # it reads as a handle does


@attrs.frozen
class Reordered:
    """`axes` are those of `handle` in any order, and "c" where it has none. Reads only; pickles as its handle does."""

    handle: ArrayHandle
    axes: tuple[str, ...]

    @property
    def array(self) -> Reordered:
        """Itself: reading goes on here."""
        return self

    @property
    def backend(self) -> ArrayBackend:
        """Who opened it."""
        return self.handle.backend

    @property
    def location(self) -> Location:
        """Where it lies."""
        return self.handle.location

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype."""
        return self.handle.array.dtype

    @property
    def spec(self) -> ArraySpec:
        """That of the array, its shapes in the order of `axes`."""
        spec = self.handle.spec
        return attrs.evolve(
            spec,
            axes=self.axes,
            shape=self._ordered(spec.shape, 1),
            chunk_shape=self._ordered(spec.chunk_shape, 1),
            shard_shape=self._ordered(spec.shard_shape, 1),
        )

    def _ordered(self, values: Any, missing: int) -> tuple[Any, ...]:
        by_axis = dict(zip(self.handle.spec.axes, values, strict=True))
        return tuple(by_axis.get(axis, missing) for axis in self.axes)

    def _own(self, values: tuple[int, ...]) -> tuple[int, ...]:
        by_axis = dict(zip(self.axes, values, strict=True))
        return tuple(by_axis[axis] for axis in self.handle.spec.axes)

    def check_size(self, shape: tuple[int, ...]) -> None:
        """As `ArrayHandle.check_size`."""
        self.handle.check_size(self._own(shape))

    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        """As `ArrayHandle.read`."""
        start, shape = box
        own = self.handle.spec.axes
        data = self.handle.array.read((self._own(start), self._own(shape)), missing=missing)
        kept = [axis for axis in self.axes if axis in own]
        data = data.transpose([own.index(axis) for axis in kept])
        data = data[tuple(slice(None) if axis in own else None for axis in self.axes)]
        if out is None:
            return np.asfortranarray(data)
        out[...] = data
        return out

    def found_again(self) -> bool:
        """As `ArrayHandle.found_again`."""
        return self.handle.found_again()

    def stored_boxes(self) -> Iterator[Box]:
        """As `ArrayHandle.stored_boxes`."""
        for start, shape in self.handle.stored_boxes():
            yield self._ordered(start, 0), self._ordered(shape, 1)


TILE_BYTES = 1 << 27
"""How many bytes of voxels one tile may have; it has at least one chunk."""

JOB_BYTES = 1 << 22
"""Shards smaller than this are taken together, because a task of its own would cost more than its work."""


_COPIES = 3
"""How often a tile may be in memory: as it is, encoded, and in the object that is put."""


def copy_voxels(
    source: ArrayHandle,
    target: ArrayHandle,
    bounds: Box,
    *,
    erase: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> None:
    """Copy `bounds` (array axes, voxels of the mag, the same in both) from source to target.

    erase: the target has voxels; what differs is written, fill value too, and what is equal is left as it is.
    """
    spec, itemsize = target.spec, target.array.dtype.itemsize
    jobs = job_grid(spec.shard_shape, bounds[1], itemsize)
    tasks = stored_tasks([source, target] if erase else [source], bounds, jobs)
    tile = tile_shape(jobs, tuple(map(max, spec.chunk_shape, source.spec.chunk_shape)), itemsize)
    always = bool(spec.fill_value) or bool(source.spec.fill_value)
    work = (
        partial(_compare_task, source, target, tile)
        if erase
        else partial(_copy_task, source, target, tile, always)
    )
    at_once = tasks_at_once(executor, _COPIES * itemsize * math.prod(tile))
    with until_flushed(progress) as nearly:
        for _ in results_in_order(work, tasks, executor=executor, progress=nearly, at_once=at_once):
            pass
        target.flush()


def _copy_task(
    source: ArrayHandle,
    target: ArrayHandle,
    tile: tuple[int, ...],
    always: bool,  # noqa: FBT001 - bound by partial, which pickles
    task: Box,
) -> None:
    for box in grids.cells(*task, tile):
        data = voxels.read(source, box)
        if always or data.any():
            target.write(box, data)


def _compare_task(source: ArrayHandle, target: ArrayHandle, tile: tuple[int, ...], task: Box) -> None:
    import numpy

    for box in grids.cells(*task, tile):
        data, found = voxels.read(source, box), voxels.read(target, box)
        shards = list(grids.cells(box[0], box[1], target.spec.shard_shape))
        changed = []
        for shard in shards:
            part = grids.slices(shard, box[0])
            if not numpy.array_equal(data[part], found[part]):
                changed.append((shard, part))
        del found
        if len(changed) * 2 > len(shards):
            # One call for all, because engines encode side by side what one call brings.
            target.write(box, data)
        else:
            for shard, part in changed:
                target.write(shard, data[part])


def stored_tasks(sources: list[ArrayHandle], bounds: Box, grid: tuple[int, ...]) -> tuple[Box, ...]:
    """Give the cells of `grid` inside `bounds` that hold a stored voxel of one of the sources.

    Where it isn't known what is stored (some remote places), all cells.
    """
    if 0 in bounds[1]:
        return ()
    try:
        stored = (box for handle in sources for box in handle.stored_boxes())
        return tuple(grids.touched(stored, bounds, grid))
    except UnsupportedOperationError:
        return tuple(grids.cells(*bounds, grid))


def job_grid(shard: tuple[int, ...], extent: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Double small shards along their shortest axes until a task is worth its while."""
    grid = list(shard)
    while True:
        size = itemsize
        for edge, length in zip(grid, extent, strict=True):
            size *= min(edge, length)
        short = [axis for axis, edge in enumerate(grid) if edge < extent[axis]]
        if size * 2 > JOB_BYTES or not short:
            return tuple(grid)
        grid[min(short, key=lambda axis: grid[axis])] *= 2


def tile_shape(job: tuple[int, ...], chunk: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Halve a task's longest axis until it fits, but never through a chunk."""
    tile = list(job)
    while True:
        size = itemsize
        for length in tile:
            size *= length
        cuttable = [axis for axis, length in enumerate(tile) if length > chunk[axis]]
        if size <= TILE_BYTES or not cuttable:
            return tuple(tile)
        axis = max(cuttable, key=lambda axis: tile[axis] // chunk[axis])
        tile[axis] = max(chunk[axis], -(-tile[axis] // (2 * chunk[axis])) * chunk[axis])
