"""`wkplug convert-raw`: a file of plain voxels to a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wkplug.cli.converting import (
    category_option,
    convert_layer,
    downsampling_option,
    flip_option,
    layer_options,
    memory_option,
    orientation_options,
    overwrite_option,
)
from wkplug.cli.options import PLACE, SHAPE, Numbers, downsample_options, executor_options, storage_options
from wkplug.cli.output import json_option

if TYPE_CHECKING:
    from wkplug.abc import Executor

__all__ = ["convert_raw"]


@click.command()
@click.argument("source", type=PLACE)
@click.argument("target", type=PLACE)
@click.option("--shape", type=SHAPE, required=True, help="Voxels along x,y,z.")
@layer_options(voxel_size_needed=True)
@category_option("color")
@click.option("--dtype", default="uint8", show_default=True, help="Type of the layer's voxels.")
@click.option("--source-dtype", help="Type of the file's voxels, such as uint16 or >u2; --dtype if left out.")
@click.option(
    "--order",
    type=click.Choice(["C", "F"]),
    default="F",
    show_default=True,
    help="F if neighbours along x are neighbours in the file, C if those along z are.",
)
@click.option(
    "--rescale-min-max",
    type=Numbers("min,max", float, "0,255"),
    help="Values that become 0 and the largest of --dtype (1 for floats); those beyond are cut off.",
)
@flip_option
@orientation_options
@memory_option
@storage_options
@downsampling_option
@downsample_options
@overwrite_option
@json_option
@executor_options
def convert_raw(source: str, target: str, *, executor: Executor, **options: Any) -> None:
    """Convert the raw file SOURCE to a layer of the dataset at TARGET.

    A dataset that is there gets one more layer. The file is read region by region.
    """
    from wkplug import storage
    from wkplug.builtin.raw import RawLayout
    from wkplug.ops.importing.rawfiles import RawFile
    from wkplug.ops.importing.stacks import Stack

    layout = RawLayout(
        shape=options["shape"],
        dtype=options["source_dtype"] or options["dtype"],
        order=options["order"],
        axes=("x", "y", "z"),
    )
    file = RawFile.at(
        storage.locate(source), layout, limits=options["rescale_min_max"], dtype=options["dtype"]
    )
    convert_layer(
        {options["layer_name"]: Stack((file,))},
        target,
        executor,
        options,
        category=options["category"],
        dtype=options["dtype"],
    )
