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
    from wkplug.dataset import Dataset
    from wkplug.ops.images import ImportPlan

__all__ = ["convert"]

_TAKEN = (
    "name", "layer_name", "data_format", "chunk_shape", "shard_shape", "chunks_per_shard", "compress",
    "batch_size", "reader", "memory", "missing_slices",
)  # fmt: skip
"""Options that are parameters of `plan_import` under the same name."""


@click.command()
@click.argument("source")
@click.argument("target")
@click.option(
    "--voxel-size",
    type=VOXEL_SIZE,
    help="Size of a voxel along x,y,z, such as 11.24,11.24,25; what the files say if left out.",
)
@click.option("--unit", default="nanometer", show_default=True, help="Unit of --voxel-size.")
@click.option("--layer-name", help="Name of the layer; made from the files' names if left out.")
@click.option(
    "--category",
    type=click.Choice(["color", "segmentation"]),
    help="Guessed from name and voxels if left out.",
)
@click.option("--name", help="Name of the dataset; the folder's if left out.")
@click.option("--reader", help="Name of the image reader to use.")
@click.option(
    "--missing-slices",
    type=click.Choice(["error", "fill", "close"]),
    default="error",
    show_default=True,
    help="Where a number is missing in a series of files: refuse, leave zeros, or close the gap.",
)
@click.option("--batch-size", type=click.IntRange(min=1), help="Sections that are held in memory at once.")
@click.option("--memory", help="What the process may take, such as 2GB; 1 GB if left out.")
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
@click.option("--dry-run", is_flag=True, help="Only print what would be done; nothing is written.")
@executor_options
def convert(source: str, target: str, *, executor: Executor, **options: Any) -> None:
    """Convert the image file or folder SOURCE to a dataset at TARGET.

    Sections of one folder become one layer, three-dimensional files a layer each. TIFF (also OME, multi-page,
    ImageJ), PNG, JPEG and whatever else the installed reader plugins know. The same command again goes on with a
    conversion that was stopped.
    """
    from wkplug.cli.info import size_text, summary
    from wkplug.ops import images
    from wkplug.ops.info import describe
    from wkplug.ops.memory import memory_budget
    from wkplug.properties import LengthUnit, VoxelSize

    started = time.monotonic()
    try:
        unit = LengthUnit(options["unit"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--unit") from error
    overwrite, given = options["overwrite_existing"], options["voxel_size"]
    # All images are looked at before anything is deleted or written.
    plan = images.plan_import(
        source,
        target,
        voxel_size_with_unit=None if given is None else VoxelSize(given, unit),
        voxel_size_from_files=True,
        layer_category=options["category"],
        overwrite=overwrite,
        executor=executor,
        **{name: options[name] for name in _TAKEN},
    )
    if options["dry_run"]:
        from wkplug.cli.import_plan import plan_text

        click.echo(plan_text(plan, target, {name: options[name] for name in ("downsampling", *DOWNSAMPLE)}))
        return
    if plan.voxel_size_of_files:
        click.echo(f"Voxel size {_numbers(plan.voxel_size.to_nanometer())} nm, as the files say.", err=True)
    if overwrite:
        _delete_dataset(target, plan)

    def add_pyramids(dataset: Dataset) -> None:
        for layer in dataset.layers.values():
            add_mags(
                layer,
                executor,
                **{name: options[name] for name in DOWNSAMPLE},
                compress=options["compress"],
                memory=memory_budget(options["memory"]),
            )

    with progress_bar("images") as advance:
        dataset = plan.execute(
            executor=executor, progress=advance, then=add_pyramids if options["downsampling"] else None
        )
    report = describe(dataset)
    click.echo(summary(report, target))
    click.echo(
        f"Converted {size_text(plan.source_bytes)} of images to {size_text(report.size)} "
        f"in {time.monotonic() - started:.1f} s. Look at it: wkplug preview {shlex.quote(target)} -o preview.png"
    )


def _numbers(values: Any) -> str:
    return " x ".join(f"{value:g}" for value in values)


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
