"""The largest segment id that is really there: a look at every stored voxel of the finest mag."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from wkplug.geometry import grids
from wkplug.model import changes, voxels
from wkplug.ops import plan, pools
from wkplug.ops.copying.rewriting import job_grid, stored_tasks, tile_shape

if TYPE_CHECKING:
    from wkplug.model.states import LayerState
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
        work = partial(_largest, handle, tile_shape(grid, spec.chunk_shape, itemsize))
        with pools.pool(executor) as pool:
            tasks = stored_tasks([handle], bounds, grid)
            largest = max(plan.run(tasks, work, executor=pool), default=0)
    changes.set_layer_key(layer, "largestSegmentId", largest, "change its largest segment id")
    return largest


def _largest(handle: ArrayHandle, tile: tuple[int, ...], task: plan.Task) -> int:
    return max(int(voxels.read(handle, box).max()) for box in grids.cells(task.box[0], task.box[1], tile))
