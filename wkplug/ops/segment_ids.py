"""The largest segment id that is really there: a look at every stored voxel of the finest mag."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from wkplug.abc import Box
from wkplug.execution import adapted, results_in_order, tasks_at_once
from wkplug.geometry import grids
from wkplug.model import changes, voxels
from wkplug.model.states import LayerState
from wkplug.ops.copying.rewriting import job_grid, stored_tasks, tile_shape
from wkplug.storage import ArrayHandle

__all__ = ["refresh_largest_segment_id"]


def refresh_largest_segment_id(layer: LayerState, *, executor: Any = None) -> int | None:
    """Set and give the largest id: None for an empty box, 0 where nothing is stored."""
    layer.check_metadata_writable("change its largest segment id")
    view = layer.finest_mag()
    handle = view.source.handle
    bounds = view.bounds
    largest: int | None = None
    if 0 not in bounds[1]:
        spec, itemsize = handle.spec, handle.array.dtype.itemsize
        grid = job_grid(spec.shard_shape, bounds[1], itemsize)
        tile = tile_shape(grid, spec.chunk_shape, itemsize)
        work = partial(_largest, handle, tile)
        with adapted(executor, default="threads", places=[handle.location]) as pool:
            tasks = stored_tasks([handle], bounds, grid)
            at_once = tasks_at_once(pool, 2 * itemsize * math.prod(tile))
            largest = max(results_in_order(work, tasks, executor=pool, at_once=at_once), default=0)
    changes.set_layer_key(layer, "largestSegmentId", largest, "change its largest segment id")
    return largest


def _largest(handle: ArrayHandle, tile: tuple[int, ...], task: Box) -> int:
    return max(int(voxels.read(handle, box).max()) for box in grids.cells(task[0], task[1], tile))
