"""Layers out: a box of a layer in the format of another tool, through exporter plugins.

`levels` makes the resolutions of the box, stored ones where they fit and computed ones elsewhere, `scratch` keeps those
so that each is computed once, `mapping` replaces segment ids on the way, `targets` chooses the exporter and keeps
half-written files out of sight, `room` refuses what the disk can't hold. `export_layer` ties them together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.abc import ExportVolume
from wkplug.geometry import Mag
from wkplug.notices import warn_user
from wkplug.ops import plan
from wkplug.ops.exporting import room, targets
from wkplug.ops.exporting.levels import region_to_export, resolutions
from wkplug.ops.exporting.mapping import IdMapping, keeps_zero, mapped
from wkplug.ops.exporting.scratch import Scratch, all_cells
from wkplug.ops.pools import pool
from wkplug.progress import shown
from wkplug.properties.document import FILE_NAME

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator

    from wkplug.abc import Box
    from wkplug.geometry import MagLike, NDBoundingBox
    from wkplug.model.states import LayerState

__all__ = ["export_layer"]


@shown(lambda layer, *_: f"export {layer.name}")
def export_layer(
    layer: LayerState,
    output_path: str | os.PathLike[str],
    exporter: str | None = None,
    *,
    bounding_box: NDBoundingBox | None = None,
    mag: MagLike | None = None,
    downsample: bool = True,
    mapping: IdMapping | None = None,
    overwrite: bool = False,
    executor: Any = None,
    progress: plan.Progress | None = None,
    **options: Any,
) -> None:
    """Write a box of a layer; see `LayerExport.__call__`.

    mapping: new ids of the segments. options: those of the exporter.
    """
    writer = targets.choose(str(output_path), exporter)
    view = layer.finest_mag() if mag is None else layer.mag(Mag(mag))
    region = region_to_export(layer, view, bounding_box)
    levels = resolutions(layer, view, region, writer.pyramid if downsample else "")
    folder = layer.dataset.location
    sources = [folder, folder.child(FILE_NAME), *(mag.location for mag in layer.mags.values())]
    # The pool ends first: what is still running when something fails writes into the place that is deleted then.
    with (
        targets.finished(str(output_path), overwrite=overwrite, keep=sources) as place,
        pool(executor) as runner,
    ):
        folder = place.parent.child(f"{place.name}.resolutions")
        scratch = Scratch(levels, str(folder.local_path()), layer.frame.axes)
        levels = scratch.levels
        if mapping is not None:
            levels = mapped(levels, mapping, view.dtype)

        def run(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
            tasks = tuple(items)
            before = scratch.fill(runner, progress, len(tasks))

            def tell(done: int, total: int) -> None:
                if progress is not None:
                    progress(before + done, before + total)

            return plan.run(tasks, function, executor=runner, progress=tell)

        def pieces(number: int, shape: tuple[int, ...]) -> list[Box]:
            if keeps_zero(levels):
                return scratch.pieces(number, shape)
            return all_cells((0,) * len(shape), levels[number].shape, shape)

        view_configuration = layer.properties.default_view_configuration
        volume = ExportVolume(
            name=layer.name,
            category=layer.category,
            axes=layer.frame.axes,
            dtype=view.dtype.name,
            voxel_size=layer.dataset.voxel_size.to_tuple(),
            levels=levels,
            map=run,
            pieces=pieces,
            color=view_configuration.color if view_configuration is not None else None,
            shown=view_configuration.intensity_range if view_configuration is not None else None,
        )
        least = writer.least(volume, options)
        if least is not None:
            room.check(layer, view, scratch.stored(0), least, place.parent)
        writer.write(volume, place, options)
    told = _not_said(layer, volume, writer.drops(volume, options), chosen=bounding_box is not None)
    if told:
        name = str(output_path).rstrip("/").rpartition("/")[2]
        warn_user(
            f"[WARNING] Whoever reads {name} must be told that the layer {layer.name!r} {' and '.join(told)}: "
            "the format has no words for it.",
            UserWarning,
        )


def _not_said(layer: LayerState, volume: ExportVolume, dropped: frozenset[str], *, chosen: bool) -> list[str]:
    """What is true of the exported box, and not in the file; no format has the layer's transformations.

    chosen: whether the caller has said which box it is, and so knows where it begins.
    """
    finest = volume.levels[0]
    start = dict(zip(volume.axes, finest.start, strict=True))
    topleft = tuple(start.get(axis, 0) * factor for axis, factor in zip("xyz", finest.mag, strict=True))
    facts = [
        ("place", any(topleft) and not chosen, f"begins at {topleft}"),
        ("color", volume.color is not None, f"is shown in the colour {volume.color}"),
    ]
    told = [text for name, has_it, text in facts if has_it and name in dropped]
    return [
        *told,
        *(["has a coordinate transformation"] if layer.properties.coordinate_transformations else []),
    ]
