"""`wkplug export` and, with its own options and names of files, `wkplug export-as-tiff`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wkplug.cli import late
from wkplug.cli.options import (
    LAYER,
    MAG,
    PLANE_SHAPE,
    Named,
    box_option,
    executor_options,
    open_dataset,
    reading_server_options,
    source_and_target,
)
from wkplug.cli.output import json_option, print_result, progress_bar
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from wkplug.abc import Executor
    from wkplug.dataset import Layer
    from wkplug.geometry import BoundingBox

__all__ = ["export", "export_as_tiff", "export_wkw_as_tiff"]

_MAPPING = click.option(
    "--apply-mapping", "mapping", help="Name of an agglomerate attachment: its ids replace the segments'."
)
_OVERWRITE = click.option(
    "--overwrite-existing/--no-overwrite-existing", "overwrite", default=False, show_default=True,
    help="Replace what is at TARGET, once the new is whole.",
)  # fmt: skip


@click.command()
@source_and_target
@click.option("--layer-name", type=LAYER, help="Layer to export; may be left out if there is just one.")
@click.option(
    "--format",
    "exporter",
    type=Named("exporter"),
    help="Name of an exporter (see wkplug plugins); TARGET's suffix decides if left out.",
)
@box_option
@click.option("--mag", type=MAG, help="Finest resolution to export; the layer's finest if left out.")
@click.option(
    "--downsample/--no-downsample",
    default=True,
    show_default=True,
    help="Also write coarser resolutions, where the format has them.",
)
@_MAPPING
@_OVERWRITE
@json_option
@executor_options
def export(
    source: str, target: str, layer_name: str | None, exporter: str | None, *, executor: Executor, **options: Any
) -> None:  # fmt: skip
    """Write a layer of the dataset SOURCE in the format of another tool: .ozx, .ome.tif, .n5, .precomputed, ..."""
    dataset = open_dataset(source, read_only=True)
    layer = _only_layer(dataset) if layer_name is None else dataset.get_layer(layer_name)
    options["bounding_box"] = _box(options.pop("bbox"))
    if options["mapping"] is not None:
        options["mapping"] = late.layer_export.id_mapping(layer.state, options["mapping"])
    with progress_bar(f"export {layer.name}") as advance:
        late.exporting.export_layer(
            layer.state, target, exporter, executor=executor, progress=advance, **options
        )
    print_result({"source": source, "layer": layer.name, "target": target}, f"Wrote {target}")


@click.command()
@source_and_target
@click.option("--layer-name", type=LAYER, default="color", show_default=True, help="Layer to export.")
@box_option
@click.option("--mag", type=MAG, default="1", show_default=True, help="Resolution to export.")
@click.option("--name", default="", help="Begins the names of files: NAME_000000.tiff; not with tiles.")
@click.option(
    "--downsample",
    "scale_down",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Make each plane smaller by this factor.",
)
@_MAPPING
@click.option("--tiles-per-dimension", type=PLANE_SHAPE, help="Cut planes into so many tiles, n or x,y.")
@click.option("--tile-size", type=PLANE_SHAPE, help="Cut planes into tiles of so many pixels, n or x,y.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="Sections that are read at once; as deep as chunks if left out.",
)
@_OVERWRITE
@json_option
@reading_server_options
@executor_options
def export_as_tiff(
    source: str, target: str, layer_name: str, *, bbox: Any, name: str, executor: Executor, **options: Any
) -> None:
    """Write a layer of the dataset SOURCE as one TIFF file per section into the folder TARGET.

    Files are numbered from the box's first section on, in voxels of Mag 1: 000000.tiff. With tiles, each section is a
    folder: TARGET/z/y/x.tiff, y and x counted from 1.
    """
    server = {name: options.pop(name) for name in ("token", "access_mode")}
    layer = open_dataset(source, read_only=True, server=server).get_layer(layer_name)
    tiled = options["tile_size"] is not None or options["tiles_per_dimension"] is not None
    if tiled and name:  # older scripts give both
        warn_user("[WARNING] --name has no effect: tiles are called z/y/x.tiff.", UserWarning)
    with progress_bar(f"export {layer.name}") as advance:
        late.exporting.export_layer(
            layer.state,
            target,
            "tiff_stack",
            bounding_box=_box(bbox),
            filename_prefix="" if tiled else name,
            from_zero=True,
            digits=1 if tiled else 6,
            executor=executor,
            progress=advance,
            **options,
        )
    print_result({"source": source, "layer": layer.name, "target": target}, f"Wrote {target}")


export_wkw_as_tiff = click.Command(
    "export-wkw-as-tiff",
    params=export_as_tiff.params,
    callback=export_as_tiff.callback,
    help=export_as_tiff.help,
    short_help="The older name of export-as-tiff.",
)


def _box(numbers: tuple[int, ...] | None) -> BoundingBox | None:
    return None if numbers is None else late.geometry.BoundingBox(numbers[:3], numbers[3:])


def _only_layer(dataset: Any) -> Layer:
    names = list(dataset.layers)
    if len(names) != 1:
        raise click.BadParameter(
            f"the dataset has the layers {', '.join(names) or '(none)'}.", param_hint="--layer-name"
        )
    layer: Layer = dataset.get_layer(names[0])
    return layer
