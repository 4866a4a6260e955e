"""Layers out: a box of a layer in the format of another tool, through exporter plugins.

`levels` makes the resolutions of the box, stored ones where they fit and computed ones elsewhere, each computed once;
`targets` chooses the exporter, keeps half-written files out of sight and refuses what the disk can't hold.
`export_layer` ties them together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.abc import Box, ExportVolume
from wkplug.execution import adapted, results_in_order
from wkplug.geometry import Mag, MagLike, NDBoundingBox
from wkplug.model.states import LayerState
from wkplug.notices import warn_user
from wkplug.ops.exporting import targets
from wkplug.ops.exporting.levels import (
    IdMapping,
    Scratch,
    all_cells,
    keeps_zero,
    mapped,
    region_to_export,
    resolutions,
)
from wkplug.progress import Progress, shown
from wkplug.properties.document import FILE_NAME

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator


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
    progress: Progress | None = None,
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
        adapted(executor, default="threads") as runner,
    ):
        folder = place.parent.child(f"{place.name}.resolutions")
        scratch = Scratch(levels, str(folder.local_path()), layer.frame.axes)
        levels = scratch.levels
        if mapping is not None:
            levels = mapped(levels, mapping, view.dtype)

        def run(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
            tasks = tuple(items)
            before = scratch.fill(runner, progress, len(tasks))

            def report(done: int, total: int) -> None:
                if progress is not None:
                    progress(before + done, before + total)

            return results_in_order(function, tasks, executor=runner, progress=report)

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
            targets.check_disk_space(layer, view, scratch.stored(0), least, place.parent)
        writer.write(volume, place, options)
    lost = _lost_facts(layer, volume, writer.drops(volume, options), chosen=bounding_box is not None)
    if lost:
        name = str(output_path).rstrip("/").rpartition("/")[2]
        warn_user(
            f"[WARNING] Whoever reads {name} must be told that the layer {layer.name!r} {' and '.join(lost)}: "
            "the format has no words for it.",
            UserWarning,
        )


def _lost_facts(
    layer: LayerState, volume: ExportVolume, dropped: frozenset[str], *, chosen: bool
) -> list[str]:
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
    lost = [text for name, has_it, text in facts if has_it and name in dropped]
    return [
        *lost,
        *(["has a coordinate transformation"] if layer.properties.coordinate_transformations else []),
    ]
