"""`wkplug convert-zarr`: an array or image of another tool to a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wkplug.cli.converting import (
    IMPORTING,
    category_option,
    convert_layer,
    downsampling_option,
    flip_option,
    import_options,
    layer_options,
    memory_option,
    orientation_options,
    overwrite_option,
)
from wkplug.cli.options import PLACE, Named, downsample_options, executor_options, storage_options
from wkplug.cli.output import json_option

if TYPE_CHECKING:
    from wkplug.abc import Executor

__all__ = ["convert_zarr"]


@click.command()
@click.argument("source", type=PLACE)
@click.argument("target", type=PLACE)
@layer_options(voxel_size_needed=False)
@category_option("color")
@click.option(
    "--is-segmentation-layer/--no-is-segmentation-layer",
    "is_segmentation",
    default=None,
    help="The same as --category segmentation, or color.",
)
@click.option(
    "--importer",
    type=Named("importer"),
    help="Name of the importer to use; found by what SOURCE holds if left out.",
)
@import_options
@flip_option
@orientation_options
@memory_option
@storage_options
@downsampling_option
@downsample_options
@overwrite_option
@json_option
@executor_options
def convert_zarr(source: str, target: str, *, executor: Executor, **options: Any) -> None:
    """Convert the Zarr array SOURCE to a layer of the dataset at TARGET.

    An OME-Zarr image, an N5 or precomputed volume, or whatever an importer knows will do as well; of several
    resolutions the finest is taken. Axes without names are x, y, z. A dataset that is there gets one more layer.
    """
    from wkplug.ops.importing.sources import container_input

    category = options["category"]
    if options["is_segmentation"] is not None:
        category = "segmentation" if options["is_segmentation"] else "color"
    groups = container_input(source, options["layer_name"], options["importer"])
    convert_layer(
        groups,
        target,
        executor,
        options,
        category=category,
        allow_multiple_layers=True,
        **{name: options[name] for name in IMPORTING},
    )
