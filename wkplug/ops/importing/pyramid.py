"""The coarser mags of an import: which they are, and how many of them are computed in the same pass.

As many mags are fed with the boxes of the import, while these are in memory, as the budget allows: their shards grow
until the last box of each has come. Where that would take too much, or calls leave the process, or an import goes on
that was stopped, mags are computed afterwards from what is stored, as `Layer.downsample` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from wkplug.abc import Executor, Location
from wkplug.errors import TooLargeError
from wkplug.geometry import Mag, Vec3Float
from wkplug.model.regions import Frame
from wkplug.model.states import LayerState
from wkplug.ops.importing import chunking_plan
from wkplug.ops.importing.chunking_plan import ChunkingPlan
from wkplug.ops.importing.options import ImportOptions
from wkplug.ops.importing.planning import spec_of
from wkplug.ops.importing.plans import VolumePlan
from wkplug.ops.memory import memory_budget
from wkplug.ops.pyramids import downsampling
from wkplug.ops.pyramids.passes import Pass, Sizes, plan_feed, sizes_of
from wkplug.ops.pyramids.sampling import PyramidOptions, SamplingModes, pyramid_mags
from wkplug.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["add_coarser_mags", "with_pyramids"]

_READING_BACK = 0.1
"""What computing mags afterwards costs beside, as a share of decoding: more than that isn't paid to avoid it."""


def with_pyramids(
    volumes: Iterable[VolumePlan],
    options: ImportOptions,
    voxel_size: Vec3Float,
    others: Iterable[Sequence[Mag]],
    *,
    location_of: Callable[[str, Mag], Location],
    backend_for: Callable[[str], str | None] = lambda _: None,
) -> tuple[VolumePlan, ...]:
    """Add to each plan the mags that are to be made, if any are; others: the mags of the layers to align with.

    location_of, backend_for: as of `plan_volumes`. Errors are those of `Layer.downsample`.
    """
    wanted = options.pyramid
    if wanted is None:
        return tuple(volumes)
    volumes = tuple(volumes)
    # Every layer is heeded from the start: one that begins with mag 1-1-2 leaves no room for 2-1-1 in those before it.
    aligned = [*others, *([volume.mag] for volume in volumes)]
    planned = []
    for volume in volumes:
        layer, source = volume.layers[0], volume.mag
        for each in volume.layers:
            downsampling.chosen_interpolation(wanted.interpolation_mode, each.category, each.dtype)
        size = layer.bounding_box.size_xyz
        mags = pyramid_mags(size, source, wanted.coarsest_mag, wanted.sampling_mode, aligned, voxel_size)
        aligned.append([source, *mags])
        volume = attrs.evolve(volume, mags=tuple(mags))
        if mags and volume.budget.shared:
            volume = _fed(
                volume,
                _sizes(volume, options, location_of(layer.name, source), backend_for(layer.data_format)),
                options.batch_size,
            )
        planned.append(volume)
    return tuple(planned)


def _sizes(volume: VolumePlan, options: ImportOptions, location: Location, backend: str | None) -> Sizes:
    layer = volume.layers[0]
    box = layer.bounding_box.normalize_axes(len(layer.channels))
    targets = [
        (mag, spec_of(layer, mag, options.coarser_request, "pyramid", location, backend))
        for mag in volume.mags
    ]
    frame = Frame.of(tuple(box.axes))
    return sizes_of(frame, (tuple(box.topleft), tuple(box.size)), (volume.mag, volume.spec), targets)


def _fed(volume: VolumePlan, sizes: Sizes, depth: int | None) -> VolumePlan:
    """Feed as many mags as fit into the budget, also with smaller boxes if these cost little."""
    whole = volume.cutting
    for wanted in _feeds(volume, sizes, whole):
        left = volume.budget.each - wanted.need * len(volume.layers)
        cut = whole
        if whole.bytes + whole.rewritten > left:
            try:
                cut = chunking_plan.choose(volume.extent, left, volume.budget.workers, depth=depth)
            except TooLargeError:
                continue
            if (
                chunking_plan.cost(volume.extent, cut)
                > chunking_plan.cost(volume.extent, whole) + _READING_BACK
            ):
                continue
        for fed in _feeds(volume, sizes, cut):
            found = attrs.evolve(volume, cutting=cut, fed=fed)
            if found.memory <= volume.budget.each:
                return found
    return volume


def _feeds(volume: VolumePlan, sizes: Sizes, cut: ChunkingPlan) -> Iterable[Pass]:
    num_channels = len(volume.layers[0].channels)
    box = (*(1 for _ in volume.volume.others), num_channels, *cut.box)
    return plan_feed(sizes, box, workers=volume.budget.workers, in_flight=cut.in_flight)


def add_coarser_mags(
    layers: Iterable[LayerState],
    wanted: PyramidOptions,
    options: ImportOptions,
    executor: Executor,
    progress: Callable[[str], Progress] | None,
) -> None:
    """Compute the mags that haven't been fed."""
    for layer in layers:
        # A single section has no z to halve; there is nothing to warn about.
        flat = layer.bounding_box.size_xyz.z == 1
        downsampling.downsample(
            layer,
            attrs.evolve(
                wanted,
                sampling_mode=SamplingModes.CONSTANT_Z if flat else wanted.sampling_mode,
                compress=options.compress,
                memory=memory_budget(options.memory),
            ),
            executor=executor,
            progress=None if progress is None else progress(f"{layer.name}, pyramid"),
        )
