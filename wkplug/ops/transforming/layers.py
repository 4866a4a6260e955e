"""Transforming a layer: its voxels, moved, turned, scaled or bent by a map of space, become voxels of another layer.

For every voxel of the result the map back says where it comes from, so that nothing is missed; `warping` does that,
part by part, each part whole shards of the result as far as they fit into memory. Where there are fewer parts than
workers, the workers share one part at a time (threads only).

A new mag is created with a mark and listed when it is complete. One that exists stays listed, and is marked until the
work is done; the same call again finishes what a killed one has left, another one is refused: it might leave voxels
of the first. Everything that was given is checked before anything is written; every refusal says what to give
instead.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import attrs

from wkplug import execution, storage
from wkplug.abc import Box
from wkplug.errors import (
    AxesError,
    DtypeMismatchError,
    IncompleteMagError,
    InvalidArgumentError,
    MagNotFoundError,
    OutOfBoundsError,
    ShapeMismatchError,
    TooLargeError,
)
from wkplug.execution import AnyExecutor, Runner
from wkplug.geometry import BoundingBox, Mag, MagLike, NDBoundingBox, VecIntLike, grids
from wkplug.geometry.boxes import checked_box
from wkplug.model import changes, layout
from wkplug.model.layout import LayoutRequest
from wkplug.model.states import HasState, LayerState, MagState, state_of
from wkplug.ops.pyramids import passes
from wkplug.ops.transforming.maps import AbstractTransform, AffinePlaces, AffineTransform, FreePlaces, Places
from wkplug.ops.transforming.warping import Grid, Warp
from wkplug.progress import Progress, described
from wkplug.storage import ArrayHandle, Mark
from wkplug.storage.budget import memory_budget
from wkplug.storage.marks import check_complete, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

__all__ = ["AxesError", "transform"]


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
    places_of, boxed = _maps_of(transform, inverse_transform)
    target_layer.check_writable("be transformed into")
    budget = memory_budget(memory, half_of_machine=True)
    chunk = _three(chunk_shape, "chunk_shape")
    buffer = _three(buffer_shape, "buffer_shape")
    _check_alike(source_layer, target_layer, interpolation)
    fill = _checked_fill(fill_value, target_layer)
    if source_layer.bounding_box.is_empty():
        raise InvalidArgumentError(
            f"The input layer {source_layer.name!r} has an empty bounding box.",
            hint="Write voxels to it first, or set its bounding box.",
        )
    view = _mag_of(source_layer, source_layer.finest_mag().mag if mag is None else Mag(mag))
    mask = _mask_of(mask_layer, view.mag)
    box, shift = _output_box(source_layer, target_layer, boxed, output_bbox, translate=translate_to_positive)
    box = box.align_with_mag(view.mag, ceil=True)
    request = _request(view)
    _refuse_self(target_layer, view, mask)
    job = storage.Mark(
        job=f"transform {target_layer.name} {view.mag}",
        what=f"a transformed {source_layer.name}",
        fingerprint=digest(
            [
                *(layer.location.url for layer in (source_layer, mask_layer) if layer is not None),
                _identity_of(transform if inverse_transform is None else inverse_transform),
                *(box.topleft, box.size, shift, fill, interpolation),
            ]
        ),
    )
    existing = view.mag in target_layer.mags
    left = storage.read_mark(target_layer.mag(view.mag).location) if existing else None
    if left is not None and left.job != job.job:
        check_complete(target_layer.mag(view.mag).location)  # what another job has left stays refused
    if left is not None and left.fingerprint != job.fingerprint:
        _refuse_unfinished(target_layer, view.mag, left)
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
        with described(progress_desc or f"transform {source_layer.name}") as progress:
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
        taken = passes.taken_by_workers(runner)
        at_once = runner.workers
        while True:
            together = (
                execution.shares_memory(runner) and grids.count_cells(*target.bounds, part) < 2 * at_once
            )
            holding = math.prod(part) * itemsize * _COPIES
            need = holding + at_once * drawing if together else at_once * (holding + drawing)
            if taken + need <= budget:
                return cls(tuple(part), tuple(cell), tuple(slab), at_once, together)
            if at_once > 1:
                at_once -= 1
                continue
            axes = [axis for axis in range(3) if part[axis] > chunk[axis]]
            if not axes:
                raise passes.too_little(f"Transforming into {name!r}", taken, need, budget)
            longest = max(axes, key=lambda axis: part[axis] // chunk[axis])
            part[longest] = -(-part[longest] // (2 * chunk[longest])) * chunk[longest]


@attrs.frozen
class _Cell:
    """The work of one cell of a part that several workers draw; never leaves the process."""

    warp: Warp
    outer: Box
    part: NDArray[Any]

    def __call__(self, cell: Box) -> bool:
        return self.warp.draw(cell, self.outer, self.part)


def _run(warp: Warp, sizes: _Sizes, runner: Runner, progress: Progress | None) -> None:
    tasks = list(grids.cells(*warp.target.bounds, sizes.part))
    if not sizes.together:
        for _ in execution.results_in_order(
            warp, tasks, executor=runner, progress=progress, at_once=sizes.at_once
        ):
            pass
        return
    for done, box in enumerate(tasks, 1):
        if warp.has_work(box):
            part = warp.canvas(box)
            # Cells no larger than what keeps all workers busy.
            cells = list(grids.cells(*box, sizes.slab if _few(box, sizes, runner) else sizes.cell))
            work = _Cell(warp, box, part)
            drawn = execution.results_in_order(work, cells, executor=runner, at_once=sizes.at_once)
            warp.finish(box, part, touched=any(list(drawn)))
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
    whole = passes.bounds_of(view.layer, view.mag)
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


# --- what is given ----------------------------------------------------------------------------------------


def _maps_of(
    forward: AbstractTransform | None, inverse: Any
) -> tuple[Callable[[tuple[int, ...], tuple[int, ...]], Places], AbstractTransform | None]:
    """Give what makes the places of a shift and a mag, and the map that knows the box."""
    if (forward is None) == (inverse is None):
        raise InvalidArgumentError(
            "Exactly one of `transform` or `inverse_transform` must be provided.",
            hint="Give the map of the voxels, or the map back.",
        )
    if forward is not None:
        if not isinstance(forward, AbstractTransform):
            raise InvalidArgumentError(
                f"transform is {forward!r}, which is no transform.",
                hint="Give an AffineTransform, or an object of your own subclass of AbstractTransform.",
            )
        inverse = forward.inverse()
    if type(inverse) is AffineTransform:
        matrix = inverse.matrix
        return (lambda shift, mag: AffinePlaces.of_matrix(matrix, shift, mag)), forward
    function = inverse.apply if isinstance(inverse, AbstractTransform) else inverse
    if not callable(function):
        raise InvalidArgumentError(
            f"inverse_transform is {inverse!r}, which can't be called.",
            hint="Give a function that takes points of shape (N, 3) and gives as many.",
        )
    return (lambda shift, mag: FreePlaces(function, shift, mag)), forward


def _check_alike(input_layer: LayerState, output_layer: LayerState, interpolation: str) -> None:
    """Refuse layers that differ in what a transform can't change, and an interpolation that they can't have."""
    for layer in (input_layer, output_layer):
        _check_axes(layer)
    if output_layer.dtype != input_layer.dtype:
        raise DtypeMismatchError(
            f"The dtype of the output layer ({output_layer.dtype.name}) does not match the input layer's dtype "
            f"({input_layer.dtype.name}).",
            hint="Add an output layer of the same dtype.",
        )
    if output_layer.num_channels != input_layer.num_channels:
        raise ShapeMismatchError(
            f"The number of channels of the output layer ({output_layer.num_channels}) does not match the input "
            f"layer's number of channels ({input_layer.num_channels}).",
            hint="Add an output layer with as many channels.",
        )
    if interpolation not in ("nearest", "linear"):
        raise InvalidArgumentError(
            f"interpolation is {interpolation!r}.", hint='Choose "nearest" or "linear".'
        )
    if interpolation == "linear" and "segmentation" in (input_layer.category, output_layer.category):
        raise InvalidArgumentError(
            'interpolation="linear" would mix the ids of a segmentation.', hint='Use "nearest".'
        )


def _check_axes(layer: LayerState) -> None:
    axes = layer.frame.axes
    if set(axes) - {"c"} != set("xyz"):
        raise AxesError(
            f"The layer {layer.name!r} has the axes {', '.join(axes)}; only layers with x, y, z and channels can be "
            "transformed.",
            hint="Copy one time point into a layer of its own.",
        )


def _checked_fill(value: float | None, layer: LayerState) -> Any:
    """Give the fill value in the layer's dtype, None for None."""
    if value is None:
        return None
    import numpy

    try:
        # What numpy can't convert it says in several ways, errors and warnings.
        with numpy.errstate(all="ignore"):
            fill = numpy.asarray(value).astype(layer.dtype)[()]
            held = layer.dtype.kind == "f" or bool(fill == value)
    except (TypeError, ValueError, OverflowError):
        held = False
    if not held:
        raise InvalidArgumentError(
            f"fill_value is {value!r}, which a voxel of dtype {layer.dtype.name} can't hold.",
            hint="Give a value of that dtype, or None to leave what is there.",
        )
    return fill


def _mag_of(layer: LayerState, mag: Mag, role: str = "layer") -> MagState:
    """Give a mag of a layer; MagNotFoundError, a KeyError."""
    if mag not in layer.mags:
        there = ", ".join(map(str, layer.mags)) or "none"
        raise MagNotFoundError(
            f"The {role} {layer.name!r} has no mag {mag} to transform; it has {there}.",
            hint="Give one of these as mag.",
        )
    return layer.mag(mag)


def _mask_of(layer: LayerState | None, mag: Mag) -> MagState | None:
    """Give the mag of the mask, None without one."""
    if layer is None:
        return None
    _check_axes(layer)
    if layer.num_channels != 1:
        raise ShapeMismatchError(
            f"The mask layer {layer.name!r} has {layer.num_channels} channels.",
            hint="Give a mask with one channel.",
        )
    return _mag_of(layer, mag, "mask layer")


def _output_box(
    input_layer: LayerState,
    output_layer: LayerState,
    forward: AbstractTransform | None,
    given: NDBoundingBox | None,
    *,
    translate: bool,
) -> tuple[BoundingBox, tuple[int, ...]]:
    """Give the box in Mag(1), shifted already, and the shift."""
    if given is not None:
        checked_box(given, "output_bbox")
        if tuple(axis for axis in given.axes if axis != "c") != ("x", "y", "z"):
            raise AxesError(f"output_bbox is {given}.", hint="Give a BoundingBox with x, y, z.")
        box = BoundingBox(given.topleft_xyz, given.size_xyz)
    elif forward is not None:
        whole = input_layer.bounding_box
        box = forward.transform_bbox(BoundingBox(whole.topleft_xyz, whole.size_xyz))
    else:
        whole = output_layer.bounding_box
        box = BoundingBox(whole.topleft_xyz, whole.size_xyz)
    if box.is_empty():
        raise InvalidArgumentError(
            "The output bounding box is empty.",
            hint="Give an output_bbox, or set the bounding box of the output layer.",
        )
    shift = tuple(max(0, -low) for low in box.topleft.to_tuple())
    if any(shift) and not translate:
        raise OutOfBoundsError(
            f"The output bounding box {box} starts below zero, where no voxels can be.",
            hint="Pass translate_to_positive=True to shift it, or give an output_bbox.",
        )
    return box.offset(shift), shift


def _refuse_self(output_layer: LayerState, view: MagState, mask: MagState | None) -> None:
    """Refuse to write what is read."""
    if view.mag not in output_layer.mags:
        return
    url = output_layer.mag(view.mag).location.url
    if url in (one.location.url for one in (view, mask) if one is not None):
        raise InvalidArgumentError(
            f"The layer {output_layer.name!r} would be written while it is read.",
            hint="Transform into another layer.",
        )


def _three(value: Any, what: str) -> tuple[int, ...] | None:
    """Make a number or x, y, z three numbers."""
    if value is None:
        return None
    numbers = (value,) * 3 if isinstance(value, int) else tuple(int(number) for number in value)
    if len(numbers) != 3 or min(numbers) < 1:
        raise InvalidArgumentError(f"{what} is {value!r}.", hint="Give one number, or x, y, z.")
    return numbers


def _identity_of(map_of_space: Any) -> list[str]:
    """What tells a map of space from others, also in another process: its name, and of objects their state.

    A function counts by its name alone, so that one that was mended goes on.
    """
    import hashlib
    import pickle

    named = map_of_space if hasattr(map_of_space, "__qualname__") else type(map_of_space)
    name = f"{named.__module__}.{named.__qualname__}"
    if named is map_of_space:
        return [name]
    state = hashlib.blake2b(digest_size=16)
    try:
        pickle.Pickler(_Hashed(state), protocol=5).dump(map_of_space)
    except Exception:  # noqa: BLE001 - classes of users may raise anything; such a map is known by its name alone
        return [name]
    return [name, state.hexdigest()]


class _Hashed:
    """A file that keeps no more of what is written than its hash: maps may hold large fields."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def write(self, data: Any) -> int:
        self._state.update(data)
        return memoryview(data).nbytes


def _refuse_unfinished(layer: LayerState, mag: Mag, left: Mark) -> NoReturn:
    """IncompleteMagError: a mag that exists is what another transform has left."""
    raise IncompleteMagError(
        f"The mag {mag} of the layer {layer.name!r} is not complete: another transform into it, {left.what}, "
        f"started {left.started}, is still writing it or was interrupted.",
        hint="If it was interrupted, run it again with the same parameters to finish it, or transform into another "
        "layer.",
    )
