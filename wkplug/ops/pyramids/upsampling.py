"""Finer mags from a coarser one: every voxel becomes a block of itself.

The counterpart of `downsampling`: a new mag is listed after its last shard. Every mag is computed from the coarse one
that the call begins with, because repeating in one step or in several is the same.

All mags are made and marked before the first is filled, and the marks stay until the last one is listed. So a call
that comes again after it was killed knows by any mark of its own that what is listed was finished by it, and goes on.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import TYPE_CHECKING

import attrs

from wkplug import execution, registry, storage
from wkplug.abc import Box, Interpolation
from wkplug.errors import MagError, TooLargeError
from wkplug.execution import AnyExecutor, Runner
from wkplug.geometry import Mag, MagLike, grids
from wkplug.model import changes, voxels
from wkplug.model.states import LayerState, MagState
from wkplug.ops.pyramids import downsampling, passes
from wkplug.ops.pyramids.sampling import PyramidOptions, SamplingModes, mags_to_downsample
from wkplug.progress import Progress, shown
from wkplug.storage import ArrayHandle
from wkplug.storage.budget import memory_budget

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["upsample"]

_COPIES = 4
"""How often a part is in memory: the coarse voxels, the repeated ones, what is cut out of them, what is encoded."""


@attrs.frozen(kw_only=True)
class _Expansion:
    """The work of one task: repeat the voxels of `source` into a box of `target`; pickles."""

    source: ArrayHandle
    target: ArrayHandle
    factors: tuple[int, ...]
    interpolation: Interpolation

    def __call__(self, box: Box) -> None:
        start, shape = box
        needed = grids.coarsened(box, self.factors)
        coarse = voxels.read(self.source, needed)
        if not coarse.any():
            return
        fine = self.interpolation.expand(coarse, self.factors)
        skips = (low - begin * f for low, begin, f in zip(start, needed[0], self.factors, strict=True))
        self.target.write(
            box, fine[tuple(slice(skip, skip + n) for skip, n in zip(skips, shape, strict=True))]
        )
        self.target.flush()


@shown(lambda layer, *_: f"upsample {layer.name}", "progress_of")
def upsample(
    layer: LayerState,
    from_mag: MagLike,
    options: PyramidOptions = PyramidOptions(),  # noqa: B008 - a frozen value
    *,
    from_mag_view: MagState | None = None,
    finest_mag: MagLike = 1,
    executor: AnyExecutor = None,
    progress_of: Callable[[Mag], Progress] | None = None,
) -> list[Mag]:
    """Add all finer mags down to `finest_mag`; see `Layer.upsample`. Gives the mags, coarsest first.

    progress_of: called with each mag before its work begins, gives the progress to tell about it.
    """
    layer.check_writable("be upsampled")
    source, finest = Mag(from_mag), Mag(finest_mag)
    budget = memory_budget(options.memory, half_of_machine=True)
    if any(a > b for a, b in zip(finest, source, strict=True)):
        raise MagError(
            f"The mag {source} can't be upsampled to {finest}, which is coarser along an axis.",
            hint="Give a finest_mag that is finer or equal along x, y and z, or downsample instead.",
        )
    view = downsampling.source_view(layer, source, from_mag_view, verb="upsample")
    interpolation = registry.interpolation("nearest", category=layer.category, dtype=layer.dtype.name)
    mode = SamplingModes.parse(options.sampling_mode)
    voxel_size = layer.dataset.voxel_size if mode is SamplingModes.ANISOTROPIC else None
    if mode is SamplingModes.CONSTANT_Z:
        finest = Mag([finest.x, finest.y, source.z])
    others = downsampling.aligned_mags(layer, align=options.align_with_other_layers)
    mags = [finest, *mags_to_downsample(finest, source, others, voxel_size)]
    targets = [mag for mag in reversed(mags) if mag.max_dim < source.max_dim]
    marks = {target: downsampling.mark_of(layer, source, target, interpolation) for target in targets}
    if not any(_is_own(layer, target, mark) for target, mark in marks.items()):
        for index, target in enumerate(targets):
            if target in layer.mags:
                raise downsampling.mag_exists_error(layer, target, _alternative(targets, index))
    buffer = downsampling.buffer_of(layer, options.buffer_shape)
    frame = layer.frame
    places = (view.location, layer.location)
    pool = execution.adapted(executor, default="threads", views=[view], places=places)
    with pool as runner, ExitStack() as stack:
        handles: dict[Mag, ArrayHandle] = {}
        new = [target for target in targets if target not in layer.mags]
        stack.enter_context(changes.exclusive(layer, *new))
        for target in new:
            handles[target] = changes.create_array(
                layer, target, options.layout, "pyramid", mark=marks[target]
            )
        try:
            parts = {
                target: _part_of_task(layer, target, handle, buffer, runner, budget)
                for target, handle in handles.items()
            }
        except TooLargeError:
            for handle in handles.values():  # nothing has been written to them
                storage.forget(handle.location)
                handle.location.delete(recursive=True)
            raise
        for target, handle in handles.items():
            finer, coarser = frame.factors(target.to_tuple()), frame.factors(source.to_tuple())
            work = _Expansion(
                source=view.source.handle,
                target=handle,
                factors=tuple(b // a for a, b in zip(finer, coarser, strict=True)),
                interpolation=interpolation,
            )
            part, at_once = parts[target]
            for _ in execution.results_in_order(
                work,
                grids.cells(*passes.bounds_of(layer, target), part),
                executor=runner,
                progress=None if progress_of is None else progress_of(target),
                at_once=at_once,
            ):
                pass
            changes.list_filled(layer, target, handle)
        for target in targets:
            changes.end_filling(layer, target)
    return targets


def _is_own(layer: LayerState, target: Mag, mark: storage.Mark) -> bool:
    """Whether a call like this one has marked the mag, and was killed."""
    found = storage.read_mark(layer.location.child(target.to_layer_name()))
    return found is not None and (found.job, found.what) == (mark.job, mark.what)


def _alternative(targets: list[Mag], index: int) -> str:
    """Say what can be done where a mag to come is there already: mags are made from the coarsest on."""
    if index > 0:
        return f"To stop before it: finest_mag={str(targets[index - 1])!r}."
    if len(targets) > 1:
        return f"To go on from it: from_mag={str(targets[0])!r}."
    return "There is nothing to add, then: use that mag."


def _part_of_task(
    layer: LayerState,
    target: Mag,
    handle: ArrayHandle,
    buffer: tuple[int, ...] | None,
    runner: Runner,
    budget: int,
) -> tuple[tuple[int, ...], int]:
    """Say how much one task writes, whole shards if they fit into memory, and how many tasks may run at once."""
    spec = handle.spec
    bounds = passes.bounds_of(layer, target)
    itemsize = handle.array.dtype.itemsize
    taken = passes.taken_by_workers(runner)
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
            raise passes.too_little(what, taken, need, budget)
        longest = max(axes, key=lambda axis: part[axis] // spec.chunk_shape[axis])
        chunk = spec.chunk_shape[longest]
        part[longest] = -(-part[longest] // (2 * chunk)) * chunk
