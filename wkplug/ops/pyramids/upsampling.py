"""Finer mags from a coarser one: every voxel becomes a block of itself.

The counterpart of `downsampling`, with the same marks: a new mag is listed after its last shard. Every mag is computed
from the coarse one that the call begins with, because repeating in one step or in several is the same.

Who calls it: `Layer.upsample` and the command `upsample`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs

from wkplug import registry
from wkplug.dataset import creating, execution, voxels
from wkplug.dataset.layout import LayoutRequest
from wkplug.errors import MagError
from wkplug.geometry import Mag, grids
from wkplug.ops import plan
from wkplug.ops.pyramids import downsampling, sweeping
from wkplug.ops.pyramids.sampling import SamplingModes, mags_to_downsample

if TYPE_CHECKING:
    from collections.abc import Callable

    from wkplug.abc import Interpolation
    from wkplug.dataset import Dataset, Layer, MagView
    from wkplug.dataset.execution import AnyExecutor, Runner
    from wkplug.geometry import MagLike, VecIntLike
    from wkplug.storage import ArrayHandle

__all__ = ["upsample"]

_COPIES = 4
"""How often a part is in memory: the coarse voxels, the repeated ones, what is cut out of them, what is encoded."""


@attrs.frozen(kw_only=True)
class _Expansion:
    """The work of one task: repeat the voxels of `source` into the task's box of `target`; pickles."""

    source: ArrayHandle
    target: ArrayHandle
    factors: tuple[int, ...]
    interpolation: Interpolation

    def __call__(self, task: plan.Task) -> None:
        start, shape = task.box
        first = tuple(low // factor for low, factor in zip(start, self.factors, strict=True))
        stop = tuple(-(-high // f) for high, f in zip(grids.stop_of(task.box), self.factors, strict=True))
        coarse = voxels.read(self.source, (first, tuple(b - a for a, b in zip(first, stop, strict=True))))
        if not coarse.any():
            return
        fine = self.interpolation.expand(coarse, self.factors)
        skips = (low - begin * f for low, begin, f in zip(start, first, self.factors, strict=True))
        self.target.write(
            task.box, fine[tuple(slice(skip, skip + n) for skip, n in zip(skips, shape, strict=True))]
        )
        self.target.flush()


def upsample(
    layer: Layer,
    from_mag: MagLike,
    *,
    from_mag_view: MagView | None = None,
    finest_mag: MagLike = 1,
    compress: bool = True,
    sampling_mode: str | SamplingModes = SamplingModes.ANISOTROPIC,
    align_with_other_layers: bool | Dataset = True,
    buffer_shape: VecIntLike | int | None = None,
    chunk_shape: VecIntLike | int | None = None,
    shard_shape: VecIntLike | int | None = None,
    memory: int | str | None = None,
    executor: AnyExecutor = None,
    progress_of: Callable[[Mag], plan.Progress] | None = None,
) -> list[Mag]:
    """Add all finer mags down to `finest_mag`; see `Layer.upsample`. Gives the mags, coarsest first.

    progress_of: called with each mag before its work begins, gives the progress to tell about it.
    """
    layer.check_writable("be upsampled")
    source, finest = Mag(from_mag), Mag(finest_mag)
    budget = downsampling.budget_of(memory)
    if any(a > b for a, b in zip(finest, source, strict=True)):
        raise MagError(
            f"The mag {source} can't be upsampled to {finest}, which is coarser along an axis.",
            hint="Give a finest_mag that is finer or equal along x, y and z, or downsample instead.",
        )
    view = downsampling.source_view(layer, source, from_mag_view, verb="upsample")
    interpolation = registry.interpolation("nearest", category=layer.category, dtype=layer.dtype.name)
    mode = SamplingModes.parse(sampling_mode)
    voxel_size = layer.dataset.voxel_size if mode is SamplingModes.ANISOTROPIC else None
    if mode is SamplingModes.CONSTANT_Z:
        finest = Mag([finest.x, finest.y, source.z])
    others = downsampling.aligned_mags(layer, align=align_with_other_layers)
    mags = [finest, *mags_to_downsample(finest, source, others, voxel_size)]
    targets = [mag for mag in reversed(mags) if mag.max_dim < source.max_dim]
    for target in targets:
        downsampling.check_free(layer, target)
    request = LayoutRequest(chunk_shape=chunk_shape, shard_shape=shard_shape, compress=compress)
    buffer = downsampling.buffer_of(layer, buffer_shape)
    frame = layer.frame
    with execution.adapted(executor, default="threads", views=[view]) as runner:
        for target in targets:
            mark = downsampling.mark_of(layer, source, target, interpolation)
            with creating.new_mag(layer, target, request, "pyramid", mark) as handle:
                finer, coarser = frame.factors(target.to_tuple()), frame.factors(source.to_tuple())
                work = _Expansion(
                    source=view.array_source.handle,
                    target=handle,
                    factors=tuple(b // a for a, b in zip(finer, coarser, strict=True)),
                    interpolation=interpolation,
                )
                bounds = sweeping.bounds_of(layer, target)
                part, at_once = _part(layer, target, handle, buffer, runner, budget)
                for _ in plan.run(
                    plan.shard_boxes(bounds, part),
                    work,
                    executor=runner,
                    progress=None if progress_of is None else progress_of(target),
                    at_once=at_once,
                ):
                    pass
    return targets


def _part(
    layer: Layer,
    target: Mag,
    handle: ArrayHandle,
    buffer: tuple[int, ...] | None,
    runner: Runner,
    budget: int,
) -> tuple[tuple[int, ...], int]:
    """Say how much one task writes, whole shards if they fit into memory, and how many tasks may run at once."""
    spec = handle.spec
    bounds = sweeping.bounds_of(layer, target)
    itemsize = handle.array.dtype.itemsize
    taken = sweeping.taken_by_workers(runner)
    part = [
        min(length, -(-extent // chunk) * chunk)
        for length, extent, chunk in zip(spec.shard_shape, bounds[1], spec.chunk_shape, strict=True)
    ]
    if buffer is not None:
        # Whole shards are written once; a smaller part must at least be whole chunks.
        part = [
            min(length, -(-wanted // chunk) * chunk)
            for length, wanted, chunk in zip(part, buffer, spec.chunk_shape, strict=True)
        ]
    at_once = runner.workers
    while True:
        need = math.prod(part) * itemsize * _COPIES
        if at_once * need <= budget - taken:
            return tuple(part), at_once
        if at_once > 1:
            at_once -= 1
            continue
        axes = [axis for axis, chunk in enumerate(spec.chunk_shape) if part[axis] > chunk]
        if not axes:
            what = f"Upsampling {layer.name!r} to the mag {target}"
            raise sweeping.too_little(what, taken, need, budget)
        longest = max(axes, key=lambda axis: part[axis] // spec.chunk_shape[axis])
        chunk = spec.chunk_shape[longest]
        part[longest] = -(-part[longest] // (2 * chunk)) * chunk
