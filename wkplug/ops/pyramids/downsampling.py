"""Pyramids: coarser mags from finer ones, all of them from one look at the finest.

`downsample` plans which mags come to be, `downsample_mag_list` computes them: together (see `passes`), with the same
voxels as one after the other. A new mag's array is created with a mark before its first shard and listed after its
last, so that a killed job never leaves a mag that looks complete; an existing mag that is overwritten stays listed
and is marked until it is done. Running the same call again replaces what a killed one left.

`StreamingPyramid` computes the first coarser mags of a mag that is being written, from its voxels while these are in
memory; nothing is read back. One that didn't get all boxes leaves marked folders that nobody lists, which the next
call that makes these mags replaces. The mags beyond are computed as ever, from the coarsest of these.

Semantics of borders: the source is the layer's box, enlarged to whole voxels of its mag; where the last block reaches
beyond, the source is mirrored, never darkened by zeros.
"""

from __future__ import annotations

import datetime
import itertools
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import execution, registry, storage
from wkplug.abc import Box, Interpolation
from wkplug.errors import (
    InvalidArgumentError,
    InvalidSchemeError,
    MagError,
    MagExistsError,
    NoSourceMagError,
    OutOfBoundsError,
    TooLargeError,
)
from wkplug.execution import AnyExecutor
from wkplug.geometry import Mag, MagLike, VecIntLike, grids
from wkplug.model import changes, layout
from wkplug.model.layout import LayoutRequest
from wkplug.model.states import DatasetState, LayerState, MagState
from wkplug.notices import warn_user
from wkplug.ops.copying import rechunking
from wkplug.ops.pyramids import shards
from wkplug.ops.pyramids.passes import Pass, PyramidRun, bounds_of, steps_of
from wkplug.ops.pyramids.sampling import PyramidOptions, SamplingModes, pyramid_mags
from wkplug.ops.pyramids.shards import ShardBuffer, Step
from wkplug.progress import Progress, shown, until_flushed
from wkplug.storage import ArrayHandle
from wkplug.storage.budget import memory_budget

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "StreamingPyramid",
    "aligned_mags",
    "begin_mags",
    "buffer_of",
    "check_free",
    "chosen_interpolation",
    "downsample",
    "downsample_dataset",
    "downsample_mag_list",
    "mag_exists_error",
    "mark_of",
    "redownsample",
    "source_view",
]

_JOB = "downsample"
_TOO_MANY = 8
"""How many times as many shards as needed a mag may have before it is laid out anew."""


def downsample(
    layer: LayerState,
    options: PyramidOptions = PyramidOptions(),  # noqa: B008 - a frozen value
    *,
    from_mag: MagLike | None = None,
    from_mag_view: MagState | None = None,
    executor: AnyExecutor = None,
    progress: Progress | None = None,
) -> list[Mag]:
    """Add all coarser mags up to `coarsest_mag`; see `Layer.downsample`. Gives the mags in order."""
    layer.check_writable("be downsampled")
    for mag in layer.mags:
        changes.is_finished(layer, mag)  # a killed call may have left its mark on what it had finished
    chosen_interpolation(options.interpolation_mode, layer.category, layer.dtype.name)
    if from_mag is None and from_mag_view is not None:
        from_mag = from_mag_view.mag
    source = Mag(from_mag) if from_mag is not None else _coarsest(layer)
    if source not in layer.mags and from_mag_view is None:
        raise _no_source_error(layer, source)
    size, mode = layer.bounding_box.size_xyz, SamplingModes.parse(options.sampling_mode)
    if size.z == 1 and mode is not SamplingModes.CONSTANT_Z:
        warn_user(
            "[WARNING] The layer is a single section: it is downsampled along x and y only (constant_z).",
            UserWarning,
        )
    others = aligned_mags(layer, align=options.align_with_other_layers)
    mags = pyramid_mags(size, source, options.coarsest_mag, mode, others, layer.dataset.voxel_size)
    _check_scheme([source, *mags], force=options.force_sampling_scheme)
    downsample_mag_list(
        layer, source, mags, options, from_mag_view=from_mag_view, executor=executor, progress=progress
    )
    return mags


@shown(lambda layer, *_: f"downsample {layer.name}")
def downsample_mag_list(
    layer: LayerState,
    from_mag: MagLike,
    target_mags: Iterable[MagLike],
    options: PyramidOptions = PyramidOptions(),  # noqa: B008 - a frozen value
    *,
    from_mag_view: MagState | None = None,
    executor: AnyExecutor = None,
    progress: Progress | None = None,
) -> None:
    """Compute several mags, each from the one before; see `Layer.downsample_mag_list`.

    progress: called with the number of finished parts of the work and that of all.
    """
    layer.check_writable("be downsampled")
    source = Mag(from_mag)
    targets = sorted({Mag(mag) for mag in target_mags}, key=lambda mag: mag.to_list())
    budget = memory_budget(options.memory, half_of_machine=True)
    view = source_view(layer, source, from_mag_view)
    _check_chain(source, targets)
    interpolation = chosen_interpolation(options.interpolation_mode, layer.category, layer.dtype.name)
    if not options.allow_overwrite:
        for target in targets:
            check_free(layer, target)
    if not targets:
        return
    if options.only_setup_mags:
        for target in targets:
            if target not in layer.mags:
                with changes.exclusive(layer, target):
                    changes.list_mag(
                        layer, target, changes.create_array(layer, target, options.layout, "pyramid")
                    )
        return
    view.source.handle  # noqa: B018 - refuses a source that an unfinished job has marked, before anything is written
    buffer = buffer_of(layer, options.buffer_shape)
    existing = [target for target in targets if target in layer.mags]
    unfinished = [mag for mag in existing if not storage.is_complete(layer.mag(mag).location)]
    places = (view.location, layer.location)
    pool = execution.adapted(executor, default="threads", views=[view], places=places)
    with pool as runner, ExitStack() as stack:
        handles = stack.enter_context(begin_mags(layer, source, targets, interpolation, options.layout))
        pyramid = PyramidRun(
            layer=layer,
            source=(source, view.source.handle),
            targets=tuple((target, handles[target]) for target in targets),
            interpolation=interpolation,
            existing=frozenset(existing),
            budget=budget,
            buffer=buffer,
        )
        try:
            passes = pyramid.planned(runner)
        except TooLargeError:
            # Nothing has been written: what was made for it goes, and what was there stays.
            for target in targets:
                location = handles[target].location
                if target not in existing:
                    storage.forget(location)
                    location.delete(recursive=True)
                elif target not in unfinished:
                    storage.clear_mark(location)
                    storage.forget(location)
            raise
        with until_flushed(progress) as nearly:
            pyramid.run(passes, runner, nearly)
            changes.list_finished(
                layer, {target: handles[target] for target in targets if target not in existing}
            )


@contextmanager
def begin_mags(
    layer: LayerState,
    source: Mag,
    targets: Sequence[Mag],
    interpolation: Interpolation,
    request: LayoutRequest,
) -> Iterator[dict[Mag, storage.ArrayHandle]]:
    """Be the only one who fills these mags, finest first; new ones are made and marked, for `changes.list_finished`.

    Mags that there are already are marked until the block has ended without an error.
    """
    handles: dict[Mag, storage.ArrayHandle] = {}
    new = [target for target in targets if target not in layer.mags]
    with ExitStack() as stack:
        stack.enter_context(changes.exclusive(layer, *new))
        # The finest is the last to be entered, and so the first to be done with.
        for finer, target in reversed(list(zip([source, *targets], targets, strict=False))):
            job = mark_of(layer, finer, target, interpolation)
            if target in new:
                handles[target] = changes.create_array(layer, target, request, "pyramid", mark=job)
            else:
                handles[target] = stack.enter_context(changes.overwritten_mag(layer, target, job))
        yield {target: handles[target] for target in targets}


def redownsample(layer: LayerState, options: PyramidOptions, *, executor: AnyExecutor = None) -> None:
    """Compute all coarser mags anew from the finest; see `Layer.redownsample`."""
    layer.check_writable("be downsampled")
    mags = sorted(layer.mags, key=lambda mag: mag.to_list())
    if len(mags) > 1:
        # What a killed call has left unfinished can't be read, and is computed as it is laid out.
        for mag in [mag for mag in mags[1:] if storage.is_complete(layer.mag(mag).location)]:
            _lay_out_for_growth(layer, layer.mag(mags[0]), layer.mag(mag))
        downsample_mag_list(
            layer, mags[0], mags[1:], attrs.evolve(options, allow_overwrite=True), executor=executor
        )


def _lay_out_for_growth(layer: LayerState, finest: MagState, view: MagState) -> None:
    """Give a mag larger shards if the layer has grown since it was made, so that it isn't a host of tiny files."""
    handle = view.source.handle
    if view.read_only or view.location.local_path() is None or not handle.backend.capabilities.sharded:
        return
    old = handle.spec
    factors = layer.frame.factors(view.mag.to_tuple())
    request = LayoutRequest(chunk_shape=old.chunk_shape)
    new = layout.array_spec(handle.backend, layer.frame, layer.region, factors, old.dtype, request, "pyramid")
    shard = tuple(
        max(own, min(best, finest_one))
        for own, best, finest_one in zip(
            old.shard_shape, new.shard_shape, finest.source.handle.spec.shard_shape, strict=True
        )
    )
    bounds = grids.coarsened(layer.region, view.factors)
    if grids.count_cells(*bounds, old.shard_shape) > _TOO_MANY * grids.count_cells(*bounds, shard):
        rechunking.rechunk(view, chunk_shape=old.chunk_shape, shard_shape=shard, compress=old.compressed)


def downsample_dataset(
    dataset: DatasetState, options: PyramidOptions, *, executor: AnyExecutor = None
) -> None:
    """Downsample every layer that has mags, with one pool of workers; see `Dataset.downsample`."""
    with execution.adapted(executor, default="threads", places=[dataset.location]) as runner:
        for layer in dataset.layers.values():
            if layer.mags:
                downsample(layer, options, executor=runner)


def _check_chain(source: Mag, targets: list[Mag]) -> None:
    if targets and any(a > b for a, b in zip(source, targets[0], strict=True)):
        raise MagError(
            f"The mag {targets[0]} can't be computed from {source}, which is coarser along an axis.",
            hint="Use a finer source mag, or upsample instead.",
        )
    if source in targets:
        raise MagExistsError(
            f"The layer already has the mag {source}, which is the one to compute from.",
            hint="Give coarser mags.",
        )
    for finer, coarser in itertools.pairwise(targets):
        if any(a > b for a, b in zip(finer, coarser, strict=True)):
            raise InvalidArgumentError(
                f"The mags are no chain: {coarser} is finer than {finer} along an axis.",
                hint="Every mag of the list must be coarser than or equal to the one before, along x, y and z.",
            )


def source_view(layer: LayerState, mag: Mag, given: MagState | None, *, verb: str = "downsample") -> MagState:
    """Give the mag to compute from: the layer's own, or `given`, which must be like the layer's."""
    if min(layer.region[0]) < 0:
        raise OutOfBoundsError(
            f"The layer {layer.name!r} can't be sampled: its box {layer.bounding_box} starts below zero, where no "
            "voxels can be.",
            hint="Nothing is stored before 0: correct the layer's boundingBox in datasource-properties.json, or set "
            "layer.bounding_box to one that starts at 0 or beyond.",
        )
    if given is None:
        if mag not in layer.mags:
            raise _no_source_error(layer, mag, verb)
        return layer.mag(mag)
    if given.mag != mag:
        raise InvalidArgumentError(f"from_mag_view is of mag {given.mag}, but from_mag is {mag}.")
    handle = given.source.handle
    spec = handle.spec
    if (spec.axes, spec.num_channels, handle.array.dtype) != (
        layer.frame.axes,
        layer.num_channels,
        layer.dtype,
    ):
        raise InvalidArgumentError(
            f"from_mag_view has {spec.dtype} voxels, {spec.num_channels} channel(s) and the axes "
            f"{', '.join(spec.axes)}; the layer {layer.name!r} has {layer.dtype.name}, {layer.num_channels} "
            f"and {', '.join(layer.frame.axes)}.",
            hint="Use a mag of a layer like this one.",
        )
    return given


def buffer_of(layer: LayerState, shape: VecIntLike | int | None) -> tuple[int, ...] | None:
    """Widen a buffer_shape of x, y, z to all axes; None stays None."""
    if shape is None:
        return None
    numbers = (shape,) * 3 if isinstance(shape, int) else tuple(int(number) for number in shape)
    if len(numbers) != 3 or min(numbers) < 1:
        raise InvalidArgumentError(
            f"buffer_shape is {shape!r}.", hint="Give one number, or x, y, z, in voxels of the new mag."
        )
    return layer.frame.with_xyz(numbers, layer.region[1])


def mark_of(layer: LayerState, source: Mag, target: Mag, interpolation: Interpolation) -> storage.Mark:
    """Give the mark of the job that computes `target`."""
    return storage.Mark(
        job=f"{_JOB} {layer.name} {source} -> {target}",
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        what=f"{interpolation.name} from mag {source}",
    )


def chosen_interpolation(mode: str, category: str, dtype: str) -> Interpolation:
    """Give the interpolation of a name for layers of this category and dtype."""
    name = str(mode).lower()
    if name == "default":
        name = "mode" if category == "segmentation" else "median"
    return registry.interpolation(name, category=category, dtype=dtype)


def _coarsest(layer: LayerState) -> Mag:
    if not layer.mags:
        raise NoSourceMagError(
            f"The layer {layer.name!r} has no mags to downsample.", hint="Add a mag and write voxels first."
        )
    mags = list(layer.mags)
    # A mag that a killed job has left marked is no source, but will be computed anew.
    complete = (mag for mag in reversed(mags) if storage.is_complete(layer.mag(mag).location))
    return next(complete, mags[-1])


def _no_source_error(layer: LayerState, mag: Mag, verb: str = "downsample") -> NoSourceMagError:
    there = ", ".join(map(str, layer.mags)) or "none"
    return NoSourceMagError(
        f"The layer {layer.name!r} has no mag {mag} to {verb} from; it has {there}.",
        hint="Give one of these.",
    )


def check_free(layer: LayerState, mag: Mag) -> None:
    """Refuse a mag that exists, but for one that a killed call has left."""
    if mag in layer.mags and not _is_left_unfinished(layer, mag):
        raise mag_exists_error(layer, mag)


def mag_exists_error(
    layer: LayerState, mag: Mag, hint: str = "Pass allow_overwrite=True to compute it anew."
) -> MagExistsError:
    """Make the error that refuses to compute a mag that is there."""
    return MagExistsError(f"The layer {layer.name!r} already has the mag {mag}.", hint=hint)


def _is_left_unfinished(layer: LayerState, mag: Mag) -> bool:
    """Whether a killed call has left the mag listed and marked: the same call may finish it."""
    mark = storage.read_mark(layer.mag(mag).location)
    return mark is not None and mark.job.startswith(_JOB) and mark.job.endswith(f" -> {mag}")


def aligned_mags(layer: LayerState, *, align: DatasetState | bool) -> list[Sequence[Mag]]:
    """Give the mags of the layers to align with: those of this dataset (True), of another one, or none (False)."""
    if isinstance(align, bool):
        if not align:
            return []
        align = layer.dataset
    return [list(other.mags) for other in align.layers.values()]


def _check_scheme(mags: list[Mag], *, force: bool) -> None:
    for finer, coarser in itertools.pairwise(mags):
        if finer.max_dim == coarser.max_dim:
            text = (
                f"The mags {finer} and {coarser} have the same largest factor; viewers can't tell them apart."
            )
            if not force:
                raise InvalidSchemeError(
                    text, hint="Choose another scheme, or pass force_sampling_scheme=True."
                )
            warn_user(f"[WARNING] {text}", UserWarning)


@attrs.frozen(kw_only=True)
class StreamingPyramid:
    """A pyramid that is computed while its source is written; make it with `begin`.

    Boxes are voxels of the source, over all axes.
    """

    layer: LayerState
    mags: dict[Mag, ArrayHandle]
    source_bounds: Box
    steps: tuple[Step, ...]
    interpolation: Interpolation
    tile: tuple[int, ...]
    buffer: ShardBuffer

    @classmethod
    @contextmanager
    def begin(
        cls,
        layer: LayerState,
        source: Mag,
        targets: Sequence[Mag],
        planned: Pass,
        interpolation_mode: str,
        request: LayoutRequest,
    ) -> Iterator[StreamingPyramid]:
        """Make the arrays of the mags that the pass computes, and be the only one who fills them in this block."""
        interpolation = chosen_interpolation(interpolation_mode, layer.category, layer.dtype.name)
        with begin_mags(layer, source, targets[: planned.count], interpolation, request) as handles:
            steps = steps_of(layer, source, list(handles.items()), planned.grids)
            yield cls(
                layer=layer,
                mags=handles,
                source_bounds=bounds_of(layer, source),
                steps=steps,
                interpolation=interpolation,
                tile=planned.tile,
                buffer=ShardBuffer(steps),
            )

    def tiles(self, box: Box) -> list[Box]:
        """Cut a box into the tiles that are computed one by one, to be given to `put`."""
        return list(grids.cells(*grids.coarsened(box, self.steps[0].factors), self.tile))

    def put(self, tile: Box, box: Box, data: NDArray[Any]) -> None:
        """Compute a tile of the box whose voxels are `data`, and write what it completes."""
        import numpy

        def read(region: Box) -> NDArray[Any]:
            return numpy.asfortranarray(data[grids.slices(region, box[0])])

        self.interpolation.prepare(data.dtype.name, grids.volume(self.source_bounds) * data.dtype.itemsize)
        shards.reduce_tile(tile, read, self.source_bounds, self.steps, self.interpolation, self.buffer)

    def finish(self) -> None:
        """List the mags: every box has been put, and the source is listed."""
        changes.list_finished(self.layer, self.mags)
