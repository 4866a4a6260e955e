"""Pyramids: coarser mags from finer ones, shard by shard.

`downsample` plans which mags come to be, `downsample_mag` computes one. A new mag's array is created with a mark
before its first shard and listed after its last, so that a killed job never leaves a mag that looks complete;
an existing mag that is overwritten stays listed and is marked until it is done. Running the same call again
replaces what a killed one left.

Semantics of borders: the source is the layer's box, enlarged to whole voxels of its mag; where the last block
reaches beyond, the source is mirrored, never darkened by zeros.
"""

from __future__ import annotations

import datetime
import itertools
import warnings
from typing import TYPE_CHECKING, Any

from wkplug import registry, storage
from wkplug.dataset import creating
from wkplug.dataset.layout import LayoutRequest
from wkplug.errors import InvalidArgumentError, MagError, MagExistsError, MagNotFoundError
from wkplug.geometry import Mag
from wkplug.ops import plan
from wkplug.ops.blocks import ShardReduction
from wkplug.ops.sampling import SamplingModes, default_coarsest_mag, mags_to_downsample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wkplug.abc import Executor, Interpolation
    from wkplug.dataset import Dataset, Layer, MagView
    from wkplug.geometry import MagLike, VecIntLike

__all__ = ["downsample", "downsample_dataset", "downsample_mag", "downsample_mag_list", "redownsample"]


_JOB = "downsample"


class NoSourceMagError(MagNotFoundError, AssertionError):
    """There is no mag to compute from: over the years an AssertionError and a KeyError."""


class InvalidSchemeError(InvalidArgumentError, RuntimeError):
    """A scheme with two mags of the same largest factor."""


def downsample(
    layer: Layer,
    *,
    from_mag: MagLike | None = None,
    coarsest_mag: MagLike | None = None,
    interpolation_mode: str = "default",
    compress: bool = True,
    sampling_mode: str | SamplingModes = SamplingModes.ANISOTROPIC,
    align_with_other_layers: bool | Dataset = True,
    chunk_shape: VecIntLike | int | None = None,
    shard_shape: VecIntLike | int | None = None,
    force_sampling_scheme: bool = False,
    allow_overwrite: bool = False,
    only_setup_mags: bool = False,
    executor: Executor | None = None,
    progress: plan.Progress | None = None,
    progress_of: Callable[[Mag], plan.Progress] | None = None,
) -> list[Mag]:
    """Add all coarser mags up to `coarsest_mag`; see `Layer.downsample`. Gives the mags in order.

    progress_of: called with each mag before its work begins, gives the progress to tell about it.
    """
    layer.check_writable("be downsampled")
    _check_interpolation(layer, interpolation_mode)
    source = Mag(from_mag) if from_mag is not None else _coarsest(layer)
    if source not in layer.mags:
        raise _no_source(layer, source)
    region_size = layer.bounding_box.size_xyz
    goal = default_coarsest_mag(region_size) if coarsest_mag is None else Mag(coarsest_mag)
    mode = SamplingModes.parse(sampling_mode)
    if region_size.z == 1 and mode is not SamplingModes.CONSTANT_Z:
        warnings.warn(
            "[WARNING] The layer is a single section: it is downsampled along x and y only (constant_z).",
            UserWarning,
            stacklevel=3,
        )
        mode = SamplingModes.CONSTANT_Z
    if mode is SamplingModes.CONSTANT_Z:
        goal = Mag([goal.x, goal.y, source.z])
    if coarsest_mag is None:
        goal = Mag([max(a, b) for a, b in zip(goal, source, strict=True)])
    voxel_size = layer.dataset.voxel_size if mode is SamplingModes.ANISOTROPIC else None
    mags = mags_to_downsample(source, goal, _aligned_mags(layer, align=align_with_other_layers), voxel_size)
    _check_scheme([source, *mags], force=force_sampling_scheme)
    downsample_mag_list(
        layer,
        source,
        mags,
        interpolation_mode=interpolation_mode,
        compress=compress,
        chunk_shape=chunk_shape,
        shard_shape=shard_shape,
        allow_overwrite=allow_overwrite,
        only_setup_mags=only_setup_mags,
        executor=executor,
        progress=progress,
        progress_of=progress_of,
    )
    return mags


def downsample_mag_list(
    layer: Layer,
    from_mag: MagLike,
    target_mags: Iterable[MagLike],
    *,
    interpolation_mode: str = "default",
    compress: bool = True,
    chunk_shape: VecIntLike | int | None = None,
    shard_shape: VecIntLike | int | None = None,
    allow_overwrite: bool = False,
    only_setup_mags: bool = False,
    executor: Executor | None = None,
    progress: plan.Progress | None = None,
    progress_of: Callable[[Mag], plan.Progress] | None = None,
) -> None:
    """Compute several mags, each from the one before; see `Layer.downsample_mag_list`."""
    layer.check_writable("be downsampled")
    source = Mag(from_mag)
    targets = sorted((Mag(mag) for mag in target_mags), key=lambda mag: mag.to_list())
    for finer, coarser in zip([source, *targets], targets, strict=False):
        if any(a > b for a, b in zip(finer, coarser, strict=True)):
            raise InvalidArgumentError(
                f"The mags are no chain: {coarser} is finer than {finer} along an axis.",
                hint="Every mag of the list must be coarser than or equal to the one before, along x, y and z.",
            )
    if not allow_overwrite:
        for target in targets:
            _check_free(layer, target)
    for target in targets:
        downsample_mag(
            layer,
            source,
            target,
            interpolation_mode=interpolation_mode,
            compress=compress,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            allow_overwrite=allow_overwrite,
            only_setup_mag=only_setup_mags,
            executor=executor,
            progress=progress if progress_of is None else progress_of(target),
        )
        source = target


def redownsample(
    layer: Layer,
    *,
    interpolation_mode: str = "default",
    executor: Executor | None = None,
    progress: plan.Progress | None = None,
) -> None:
    """Compute all coarser mags anew from the finest; see `Layer.redownsample`."""
    layer.check_writable("be downsampled")
    mags = sorted(layer.mags, key=lambda mag: mag.to_list())
    if len(mags) > 1:
        downsample_mag_list(
            layer,
            mags[0],
            mags[1:],
            interpolation_mode=interpolation_mode,
            allow_overwrite=True,
            executor=executor,
            progress=progress,
        )


def downsample_dataset(dataset: Dataset, **options: Any) -> None:
    """Downsample every layer that has mags; see `Dataset.downsample`."""
    for layer in dataset.layers.values():
        if layer.mags:
            downsample(layer, **options)


def downsample_mag(
    layer: Layer,
    from_mag: MagLike,
    target_mag: MagLike,
    *,
    interpolation_mode: str = "default",
    compress: bool = True,
    chunk_shape: VecIntLike | int | None = None,
    shard_shape: VecIntLike | int | None = None,
    allow_overwrite: bool = False,
    only_setup_mag: bool = False,
    from_mag_view: MagView | None = None,
    executor: Executor | None = None,
    progress: plan.Progress | None = None,
) -> None:
    """Compute one mag from a finer one; see `Layer.downsample_mag`."""
    layer.check_writable("be downsampled")
    source_mag, target = Mag(from_mag), Mag(target_mag)
    if from_mag_view is not None and from_mag_view.mag != source_mag:
        raise InvalidArgumentError(
            f"from_mag_view is of mag {from_mag_view.mag}, but from_mag is {source_mag}."
        )
    if source_mag not in layer.mags and from_mag_view is None:
        raise _no_source(layer, source_mag)
    if any(a > b for a, b in zip(source_mag, target, strict=True)):
        raise MagError(
            f"The mag {target} can't be computed from {source_mag}, which is coarser along an axis.",
            hint="Use a finer source mag, or upsample instead.",
        )
    interpolation = _check_interpolation(layer, interpolation_mode)
    overwrite = target in layer.mags
    if overwrite and not allow_overwrite:
        _check_free(layer, target)
    request = LayoutRequest(chunk_shape=chunk_shape, shard_shape=shard_shape, compress=compress)
    if only_setup_mag:
        if not overwrite:
            creating.add_mag(layer, target, request, "pyramid")
        return
    source = layer.get_mag(source_mag) if from_mag_view is None else from_mag_view
    source.array_source.handle  # noqa: B018 - refuses a source that an unfinished job has marked, before anything is written
    job = storage.Mark(
        job=f"{_JOB} {layer.name} {source_mag} -> {target}",
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        what=f"{interpolation.name} from mag {source_mag}",
    )
    making = (
        creating.overwritten_mag(layer, target, job)
        if overwrite
        else creating.new_mag(layer, target, request, "pyramid", job)
    )
    with making as handle:
        _fill(layer, source, handle, target, interpolation, executor, progress, erase=overwrite)


def _fill(
    layer: Layer,
    source: MagView,
    handle: storage.ArrayHandle,
    target: Mag,
    interpolation: Interpolation,
    executor: Executor | None,
    progress: plan.Progress | None,
    *,
    erase: bool,
) -> None:
    """Compute all shards of the target from the source; `erase` also where the source is empty."""
    frame, (start, shape) = layer.frame, layer.region
    finer, coarser = frame.factors(source.mag.to_tuple()), frame.factors(target.to_tuple())
    first = tuple(low // factor for low, factor in zip(start, coarser, strict=True))
    stop = (-(-(low + n) // factor) for low, n, factor in zip(start, shape, coarser, strict=True))
    bounds = (first, tuple(b - a for a, b in zip(first, stop, strict=True)))
    if 0 in bounds[1]:
        return
    factors = tuple(b // a for a, b in zip(finer, coarser, strict=True))
    source_start = tuple(low // factor for low, factor in zip(start, finer, strict=True))
    source_stop = (-(-(low + n) // factor) for low, n, factor in zip(start, shape, finer, strict=True))
    source_bounds = (source_start, tuple(b - a for a, b in zip(source_start, source_stop, strict=True)))
    tasks = plan.shard_boxes(bounds, handle.spec.shard_shape)
    work = ShardReduction(
        source=source.array_source.handle,
        target=handle,
        source_bounds=source_bounds,
        factors=factors,
        interpolation=interpolation,
        erase=erase,
    )
    for _ in plan.run(tasks, work, executor=executor, progress=progress):
        pass


def _check_interpolation(layer: Layer, mode: str) -> Interpolation:
    name = str(mode).lower()
    if name == "default":
        name = "mode" if layer.category == "segmentation" else "median"
    return registry.interpolation(name, category=layer.category, dtype=layer.dtype.name)


def _coarsest(layer: Layer) -> Mag:
    if not layer.mags:
        raise NoSourceMagError(
            f"The layer {layer.name!r} has no mags to downsample.", hint="Add a mag and write voxels first."
        )
    mags = list(layer.mags)
    # A mag that a killed job has left marked is no source, but will be computed anew.
    complete = (mag for mag in reversed(mags) if storage.read_mark(layer.get_mag(mag).location) is None)
    return next(complete, mags[-1])


def _no_source(layer: Layer, mag: Mag) -> NoSourceMagError:
    there = ", ".join(map(str, layer.mags)) or "none"
    return NoSourceMagError(
        f"The layer {layer.name!r} has no mag {mag} to downsample from; it has {there}.",
        hint="Give one of these.",
    )


def _check_free(layer: Layer, mag: Mag) -> None:
    if mag in layer.mags and not _left_unfinished(layer, mag):
        raise MagExistsError(
            f"The layer {layer.name!r} already has the mag {mag}.",
            hint="Pass allow_overwrite=True to compute it anew, or layer.delete_mag first.",
        )


def _left_unfinished(layer: Layer, mag: Mag) -> bool:
    """Whether a killed call has left the mag listed and marked: the same call may finish it."""
    mark = storage.read_mark(layer.get_mag(mag).location)
    return mark is not None and mark.job.startswith(_JOB) and mark.job.endswith(f" -> {mag}")


def _aligned_mags(layer: Layer, *, align: Dataset | bool) -> list[Sequence[Mag]]:
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
            warnings.warn(f"[WARNING] {text}", UserWarning, stacklevel=4)
