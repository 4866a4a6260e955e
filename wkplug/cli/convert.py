"""`wkplug convert`: image files to a dataset with a pyramid."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any

import click

from wkplug.cli.downsample import DOWNSAMPLE, add_mags
from wkplug.cli.options import (
    VOXEL_SIZE,
    downsample_options,
    executor_options,
    storage_options,
)
from wkplug.cli.progress import progress_bar

if TYPE_CHECKING:
    from wkplug.abc import Executor, Location
    from wkplug.ops.images import ImportPlan

__all__ = ["convert"]


@click.command()
@click.argument("source")
@click.argument("target")
@click.option(
    "--voxel-size",
    type=VOXEL_SIZE,
    required=True,
    help="Size of a voxel along x,y,z, such as 11.24,11.24,25.",
)
@click.option("--unit", default="nanometer", show_default=True, help="Unit of the voxel size.")
@click.option("--layer-name", help="Name of the layer; made from the files' names if left out.")
@click.option(
    "--category",
    type=click.Choice(["color", "segmentation"]),
    help="Guessed from name and voxels if left out.",
)
@click.option("--name", help="Name of the dataset; the folder's if left out.")
@click.option("--reader", help="Name of the image reader to use.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Sections that are held in memory at once.")
@storage_options
@click.option(
    "--downsample/--no-downsample", "downsampling", default=True, show_default=True, help="Build the pyramid."
)
@downsample_options
@click.option(
    "--overwrite-existing/--no-overwrite-existing",
    default=False,
    show_default=True,
    help="Delete TARGET first if it is a dataset.",
)
@executor_options
def convert(source: str, target: str, *, executor: Executor, **options: Any) -> None:
    """Convert the image file or folder SOURCE to a dataset at TARGET.

    Sections of one folder become one layer, three-dimensional files a layer each. TIFF (also OME, multi-page,
    ImageJ), PNG, JPEG and whatever else the installed reader plugins know.
    """
    from wkplug.cli.info import size_text, summary
    from wkplug.ops import images
    from wkplug.ops.info import describe
    from wkplug.properties import LengthUnit, VoxelSize

    started = time.monotonic()
    try:
        unit = LengthUnit(options["unit"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--unit") from error
    overwrite = options["overwrite_existing"]
    # All images are looked at before anything is deleted or written.
    plan = images.plan_import(
        source,
        target,
        name=options["name"],
        voxel_size_with_unit=VoxelSize(options["voxel_size"], unit),
        layer_name=options["layer_name"],
        layer_category=options["category"],
        data_format=options["data_format"],
        chunk_shape=options["chunk_shape"],
        shard_shape=options["shard_shape"],
        chunks_per_shard=options["chunks_per_shard"],
        compress=options["compress"],
        batch_size=options["batch_size"],
        reader=options["reader"],
        overwrite=overwrite,
    )
    if overwrite:
        _delete_dataset(target, plan)
    with progress_bar("images") as advance:
        dataset = plan.execute(executor=executor, progress=advance)
    if options["downsampling"]:
        for layer in dataset.layers.values():
            add_mags(
                layer,
                executor,
                **{name: options[name] for name in DOWNSAMPLE},
                compress=options["compress"],
            )
    report = describe(dataset)
    click.echo(summary(report, target))
    click.echo(
        f"Converted {size_text(plan.source_bytes)} of images to {size_text(report.size)} "
        f"in {time.monotonic() - started:.1f} s. Look at it: wkplug preview {shlex.quote(target)} -o preview.png"
    )


def _delete_dataset(target: str, plan: ImportPlan) -> None:
    """Delete a dataset that is there, and nothing that isn't one, or that holds the images."""
    from wkplug import storage
    from wkplug.errors import DatasetExistsError
    from wkplug.properties.document import FILE_NAME

    place = storage.locate(target)
    names = list(place.list())
    if not names and not place.exists():
        return
    if (names and FILE_NAME not in names) or (not names and _is_file(place)):
        raise DatasetExistsError(
            f"{target} is not a dataset, so --overwrite-existing doesn't delete it.",
            hint="Choose another target, or empty the folder.",
        )
    if any(location.url.startswith(f"{place.url}/") for location in plan.files):
        raise DatasetExistsError(
            f"The images lie inside {target}, so --overwrite-existing doesn't delete it.",
            hint="Choose another target.",
        )
    storage.forget(place)
    place.delete(recursive=True)


def _is_file(place: Location) -> bool:
    from pathlib import Path

    local = place.local_path()
    return local is not None and not Path(local).is_dir()
