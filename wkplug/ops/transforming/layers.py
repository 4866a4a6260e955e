"""Transforming a layer: its voxels, moved, turned, scaled or bent by a map of space, become voxels of another layer.

For every voxel of the result the map back says where it comes from, so that nothing is missed; `warping` does
that, part by part, each part whole shards of the result as far as they fit into memory. Where there are fewer
parts than workers, the workers share one part at a time (threads only).

A new mag is created with a mark and listed when it is complete. One that exists stays listed, and is marked until
the work is done; the same call again finishes what a killed one has left, another one is refused: it might leave
voxels of the first.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import attrs

from wkplug import execution, storage
from wkplug.errors import InvalidArgumentError, TooLargeError
from wkplug.geometry import BoundingBox, Mag, grids
from wkplug.model import changes, layout
from wkplug.model.layout import LayoutRequest
from wkplug.model.states import state_of
from wkplug.ops import plan, pools
from wkplug.ops.pyramids import downsampling, sweeping
from wkplug.ops.transforming import checks
from wkplug.ops.transforming.warping import Grid, Warp
from wkplug.storage.marks import check_complete, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from wkplug.abc import Box
    from wkplug.execution import AnyExecutor, Runner
    from wkplug.geometry import MagLike, NDBoundingBox, VecIntLike
    from wkplug.model.states import HasState, LayerState, MagState
    from wkplug.ops.transforming.maps import AbstractTransform
    from wkplug.storage import ArrayHandle

__all__ = ["transform"]

_CELL = (128, 128, 128)
_SLAB = 2**17  # voxels
_SLAB_BYTES = 160
"""What a voxel takes while it is drawn, in bytes: three coordinates, indices, and as much again on the way."""
_READ = 16 * 2**20
"""Bytes of the source that one worker reads at once; a copy of them in another order may come to it."""
_COPIES = 3
"""How often a part is in memory: drawn, in the order of the array, encoded."""


def transform(
    input_layer: LayerState | HasState,
    output_layer: LayerState | HasState,
    transform: AbstractTransform | None = None,
    *,
    inverse_transform: Callable[[NDArray[Any]], NDArray[Any]] | AbstractTransform | None = None,
    mag: MagLike | None = None,
    output_bbox: NDBoundingBox | None = None,
    fill_value: float | None = None,
    input_mask_layer: LayerState | HasState | None = None,
    translate_to_positive: bool = False,
    chunk_shape: VecIntLike | int | None = None,
    buffer_shape: VecIntLike | int | None = None,
    interpolation: Literal["nearest", "linear"] = "nearest",
    memory: int | str | None = None,
    executor: AnyExecutor = None,
    progress_desc: str | None = None,
) -> BoundingBox:
    """Write `input_layer`, transformed, into a mag of `output_layer`; gives the box that was written, in Mag(1).

    transform: where the voxels go. inverse_transform: instead of it, where a voxel of the result comes from, a
        function of points (N, 3), x, y, z in Mag(1) voxels; NaN is nowhere. The voxel with index i lies at i * mag.
    mag: of both layers, by default the input's finest. The output's may exist: then it is written into.
    output_bbox: what to write, in Mag(1), enlarged to whole voxels. By default the transformed box of the input, or,
        where only an inverse is given, the output layer's box. The output layer's box grows if need be.
    fill_value: for voxels of the box that come from nowhere; None leaves what was there (zeros in a new mag).
    input_mask_layer: voxels of the input count only where this layer (one channel, same mag) isn't 0.
    translate_to_positive: shift the result so far that its box doesn't start below zero.
    interpolation: "nearest" takes the voxel whose centre is nearest, the higher one at ties; "linear" weighs the
        eight around, for color layers. Beyond the outermost voxels' centres there is nothing.
    chunk_shape: Mag(1) voxels that one task writes, rounded up to whole shards. buffer_shape: voxels of the mag that
        are computed at once. Both are planned by default. memory: as of `Layer.downsample`.
    executor: where the work runs, in threads by default. progress_desc: shows a progress bar under this text.

    ValueErrors: not exactly one map; empty boxes; boxes below zero; other dtypes or numbers of channels; axes beside
    c, x, y, z; a fill value that the dtype lacks. MagNotFoundError (a KeyError) for a mag that isn't there.
    """
    source_layer: LayerState = state_of(input_layer)
    target_layer: LayerState = state_of(output_layer)
    mask_layer: LayerState | None = state_of(input_mask_layer)
    places_of, boxed = checks.maps(transform, inverse_transform)
    target_layer.check_writable("be transformed into")
    budget = downsampling.budget_of(memory)
    chunk = checks.three(chunk_shape, "chunk_shape")
    buffer = checks.three(buffer_shape, "buffer_shape")
    checks.check_alike(source_layer, target_layer, interpolation)
    fill = checks.checked_fill(fill_value, target_layer)
    if source_layer.bounding_box.is_empty():
        raise InvalidArgumentError(
            f"The input layer {source_layer.name!r} has an empty bounding box.",
            hint="Write voxels to it first, or set its bounding box.",
        )
    view = checks.mag_of(source_layer, source_layer.finest_mag().mag if mag is None else Mag(mag))
    mask = checks.mask_of(mask_layer, view.mag)
    box, shift = checks.output_box(
        source_layer, target_layer, boxed, output_bbox, translate=translate_to_positive
    )
    box = box.align_with_mag(view.mag, ceil=True)
    request = _request(view)
    checks.refuse_self(target_layer, view, mask)
    job = storage.Mark(
        job=f"transform {target_layer.name} {view.mag}",
        what=f"a transformed {source_layer.name}",
        fingerprint=digest(
            [
                *(layer.location.url for layer in (source_layer, mask_layer) if layer is not None),
                checks.identity_of(transform if inverse_transform is None else inverse_transform),
                *(box.topleft, box.size, shift, fill, interpolation),
            ]
        ),
    )
    existing = view.mag in target_layer.mags
    left = storage.read_mark(target_layer.mag(view.mag).location) if existing else None
    if left is not None and left.job != job.job:
        check_complete(target_layer.mag(view.mag).location)  # what another job has left stays refused
    if left is not None and left.fingerprint != job.fingerprint:
        checks.refuse_unfinished(target_layer, view.mag, left)
    if target_layer.bounding_box.is_empty() or not target_layer.bounding_box.contains_bbox(box):
        changes.extend_box(target_layer, changes.check_box(target_layer, box))
    source = _grid(view)
    views = [view] if mask is None else [view, mask]
    with (
        execution.adapted(executor, default="threads", views=views) as runner,
        _made(target_layer, view.mag, request, job) as handle,
    ):
        factors = view.mag.to_tuple()
        bounds = box.in_mag(view.mag)
        target = Grid(
            handle=handle,
            frame=target_layer.frame,
            bounds=(bounds.topleft.to_tuple(), bounds.size.to_tuple()),
        )
        try:
            sizes = _Sizes.planned(target, factors, runner, budget, chunk, buffer, target_layer.name)
        except TooLargeError:
            _undo(handle, existing=existing, unfinished=left is not None)
            raise
        warp = Warp(
            source=source,
            mask=None if mask is None else _grid(mask),
            target=target,
            places=places_of(shift, factors),
            linear=interpolation == "linear",
            fill=fill,
            keep=existing,
            cell=sizes.cell,
            slab=sizes.slab,
            most=_READ,
        )
        with pools.described(progress_desc or f"transform {source_layer.name}") as progress:
            _run(warp, sizes, runner, progress)
    return BoundingBox(box.topleft, box.size)


@attrs.frozen
class _Sizes:
    """How the work is cut, all x, y, z in voxels of the mag. together: whether workers share one part at a time."""

    part: tuple[int, ...]
    cell: tuple[int, ...]
    slab: tuple[int, ...]
    at_once: int
    together: bool

    @classmethod
    def planned(
        cls,
        target: Grid,
        mag: tuple[int, ...],
        runner: Runner,
        budget: int,
        wanted: tuple[int, ...] | None,
        buffer: tuple[int, ...] | None,
        name: str,
    ) -> _Sizes:
        """Plan parts that fit into the budget; TooLargeError if not even one chunk does."""
        spec, extent = target.handle.spec, target.bounds[1]
        shard = [spec.shard_shape[spec.axes.index(axis)] for axis in "xyz"]
        chunk = [spec.chunk_shape[spec.axes.index(axis)] for axis in "xyz"]
        part = [
            min(-(-length // (factor * edge)) * edge, -(-whole // small) * small)
            for length, factor, edge, whole, small in zip(
                wanted or (1, 1, 1), mag, shard, extent, chunk, strict=True
            )
        ]
        cell = buffer or _CELL
        slab = list(map(min, cell, extent))
        while math.prod(slab) > _SLAB:
            longest = max(range(3), key=lambda axis: slab[axis])
            slab[longest] = -(-slab[longest] // 2)
        itemsize = target.handle.array.dtype.itemsize * target.channels
        drawing = math.prod(slab) * (_SLAB_BYTES + (24 if itemsize < 8 else 3) * itemsize) + 2 * _READ
        taken = sweeping.taken_by_workers(runner)
        at_once = runner.workers
        while True:
            together = pools.shares_memory(runner) and grids.count_cells(*target.bounds, part) < 2 * at_once
            holding = math.prod(part) * itemsize * _COPIES
            need = holding + at_once * drawing if together else at_once * (holding + drawing)
            if taken + need <= budget:
                return cls(tuple(part), tuple(cell), tuple(slab), at_once, together)
            if at_once > 1:
                at_once -= 1
                continue
            axes = [axis for axis in range(3) if part[axis] > chunk[axis]]
            if not axes:
                raise sweeping.too_little(f"Transforming into {name!r}", taken, need, budget)
            longest = max(axes, key=lambda axis: part[axis] // chunk[axis])
            part[longest] = -(-part[longest] // (2 * chunk[longest])) * chunk[longest]


@attrs.frozen
class _Cell:
    """The work of one cell of a part that several workers draw; never leaves the process."""

    warp: Warp
    outer: Box
    part: NDArray[Any]

    def __call__(self, task: plan.Task) -> bool:
        return self.warp.draw(task.box, self.outer, self.part)


def _run(warp: Warp, sizes: _Sizes, runner: Runner, progress: plan.Progress | None) -> None:
    tasks = plan.shard_boxes(warp.target.bounds, sizes.part)
    if not sizes.together:
        for _ in plan.run(tasks, warp, executor=runner, progress=progress, at_once=sizes.at_once):
            pass
        return
    for done, task in enumerate(tasks, 1):
        if warp.has_work(task.box):
            part = warp.canvas(task.box)
            # Cells no larger than what keeps all workers busy.
            cells = list(grids.cells(*task.box, sizes.slab if _few(task.box, sizes, runner) else sizes.cell))
            work = _Cell(warp, task.box, part)
            drawn = plan.run(
                [plan.Task(index, cell) for index, cell in enumerate(cells)],
                work,
                executor=runner,
                at_once=sizes.at_once,
            )
            warp.finish(task.box, part, touched=any(list(drawn)))
        if progress is not None:
            progress(done, len(tasks))


def _few(box: Box, sizes: _Sizes, runner: Runner) -> bool:
    return grids.count_cells(*box, sizes.cell) < 2 * runner.workers


@contextmanager
def _made(layer: LayerState, mag: Mag, request: LayoutRequest, job: storage.Mark) -> Iterator[ArrayHandle]:
    making = (
        changes.overwritten_mag(layer, mag, job)
        if mag in layer.mags
        else changes.new_mag(layer, mag, request, "pyramid", job)
    )
    with making as handle:
        yield handle


def _undo(handle: ArrayHandle, *, existing: bool, unfinished: bool) -> None:
    """Nothing has been written: what was made for it goes, and what was there stays."""
    location = handle.location
    if not existing:
        storage.forget(location)
        location.delete(recursive=True)
    elif not unfinished:
        storage.clear_mark(location)
        storage.forget(location)


def _grid(view: MagState) -> Grid:
    whole = sweeping.bounds_of(view.layer, view.mag)
    positions = [view.frame.axes.index(axis) for axis in "xyz"]
    start, shape = (tuple(numbers[position] for position in positions) for numbers in whole)
    return Grid(handle=view.source.handle, frame=view.frame, bounds=(start, shape))


def _request(view: MagState) -> LayoutRequest:
    """The new mag is stored in chunks and shards like the input's, if these are powers of two."""
    spec = view.spec
    shapes = tuple(
        layout.spatial(spec.axes, shape).to_tuple() for shape in (spec.chunk_shape, spec.shard_shape)
    )
    if any(edge & (edge - 1) for shape in shapes for edge in shape):
        return LayoutRequest(compress=True)
    return LayoutRequest(chunk_shape=shapes[0], shard_shape=shapes[1], compress=True)
