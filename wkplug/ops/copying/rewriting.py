"""Moving voxels from one array to another of the same mag, whatever their formats, chunks and shards.

Tasks are whole output shards (several where shards are small), so that they run side by side without sharing
one; only those are visited in which the source has something stored. A task moves its voxels in tiles of at
most `TILE_BYTES`: at any moment there are no more tiles in memory than the executor has workers, plus what
the engines need to encode one shard each, whatever the size of the arrays.

Tiles that are all fill value are not written: the target is new, and there they read the same. With `erase`
(the target has voxels already) shards are compared with what is there, and written where they differ: what a call
before this one has brought stays untouched. That takes a second tile per worker.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from wkplug.errors import UnsupportedOperationError
from wkplug.geometry import grids
from wkplug.model import voxels
from wkplug.ops import plan

if TYPE_CHECKING:
    from wkplug.abc import Box, Executor
    from wkplug.storage import ArrayHandle

__all__ = ["JOB_BYTES", "TILE_BYTES", "copy_voxels", "job_grid", "stored_tasks", "tile_shape"]

TILE_BYTES = 1 << 27
"""How many bytes of voxels one tile may have; it has at least one chunk."""

JOB_BYTES = 1 << 22
"""Shards smaller than this are taken together, because a task of its own would cost more than its work."""


def copy_voxels(
    source: ArrayHandle,
    target: ArrayHandle,
    bounds: Box,
    *,
    erase: bool = False,
    executor: Executor | None = None,
    progress: plan.Progress | None = None,
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
    with plan.until_flushed(progress) as told:
        for _ in plan.run(tasks, work, executor=executor, progress=told):
            pass
        target.flush()


def _copy_task(
    source: ArrayHandle,
    target: ArrayHandle,
    tile: tuple[int, ...],
    always: bool,  # noqa: FBT001 - bound by partial, which pickles
    task: plan.Task,
) -> None:
    for box in grids.cells(task.box[0], task.box[1], tile):
        data = voxels.read(source, box)
        if always or data.any():
            target.write(box, data)


def _compare_task(source: ArrayHandle, target: ArrayHandle, tile: tuple[int, ...], task: plan.Task) -> None:
    import numpy

    for box in grids.cells(task.box[0], task.box[1], tile):
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


def stored_tasks(sources: list[ArrayHandle], bounds: Box, grid: tuple[int, ...]) -> tuple[plan.Task, ...]:
    """Give the cells of `grid` inside `bounds` that hold a stored voxel of one of the sources.

    Where it isn't known what is stored (some remote places), all cells.
    """
    if 0 in bounds[1]:
        return ()
    try:
        boxes = grids.touched((box for handle in sources for box in handle.stored_boxes()), bounds, grid)
    except UnsupportedOperationError:
        return plan.shard_boxes(bounds, grid)
    return tuple(plan.Task(index, box) for index, box in enumerate(boxes))


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
