"""`wkplug convert`: image files to a dataset with a pyramid."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from wkplug.cli.converting import (
    IMPORTING,
    STORAGE,
    category_option,
    delete_dataset,
    downsampling_option,
    given_orientation,
    given_voxel_size,
    import_options,
    mapping_option,
    memory_option,
    orientation_options,
    overwrite_option,
    pyramid_of,
    source_options,
    voxel_size_options,
)
from wkplug.cli.options import PLACE, downsample_options, executor_options, storage_options
from wkplug.cli.output import json_option, tell
from wkplug.cli.progress import progress_bars
from wkplug.config.hints import plain_number

if TYPE_CHECKING:
    from wkplug.abc import Executor

__all__ = ["convert"]

_TAKEN = (
    *STORAGE, *IMPORTING, "name", "layer_name", "batch_size", "reader", "importer", "memory", "missing_slices", "scene",
    "max_layers",
)  # fmt: skip
"""Options that are parameters of `plan_import` under the same name."""


@click.command()
@click.argument("source", type=PLACE)
@click.argument("target", type=PLACE)
@voxel_size_options(otherwise="what the files say")
@click.option("--layer-name", help="Name of the layer; made from the files' names if left out.")
@mapping_option
@category_option()
@click.option("--name", help="Name of the dataset; the folder's if left out.")
@source_options
@import_options
@orientation_options
@memory_option
@storage_options
@downsampling_option
@downsample_options
@overwrite_option
@click.option("--dry-run", is_flag=True, help="Only print what would be done; nothing is written.")
@json_option
@executor_options
def convert(source: str, target: str, *, executor: Executor, **options: Any) -> None:
    """Convert the image file, folder, zip archive or container SOURCE to a dataset at TARGET.

    Sections of one folder become one layer, three-dimensional files a layer each. TIFF (also OME, multi-page,
    ImageJ), PNG, JPEG and whatever else the installed reader plugins know. The layers of a container (OME-Zarr, N5,
    precomputed, KNOSSOS, bare WKW) keep their names and places. The same command again goes on with a conversion
    that was stopped.
    """
    from wkplug.cli.import_plan import converted, plan_facts, plan_text, whose
    from wkplug.ops import images

    started = time.monotonic()
    overwrite = options["overwrite_existing"]
    # All images are looked at before anything is deleted or written.
    plan = images.plan_import(
        source,
        target,
        voxel_size_from_files=True,
        layer_category=options["category"],
        map_filepath_to_layer_name=options["layer_mapping"],
        overwrite=overwrite,
        sampled=options["dry_run"],
        executor=executor,
        pyramid=pyramid_of(options),
        **_voxel_size(options),
        **given_orientation(options),
        **{name: options[name] for name in _TAKEN},
    )
    if options["dry_run"]:
        tell(plan_facts(plan, target), plan_text(plan, target))
        return
    if overwrite:
        delete_dataset(target, plan.paths)
    if plan.voxel_size_of_files:
        click.echo(f"Voxel size {_numbers(plan.voxel_size.to_nanometer())} nm{whose(plan)}.", err=True)

    with progress_bars() as begin:
        dataset = plan.execute(executor=executor, progress=begin("images"), more_progress=begin)
    converted(dataset, target, plan, time.monotonic() - started)


def _voxel_size(options: dict[str, Any]) -> dict[str, Any]:
    given = given_voxel_size(options)
    return {"voxel_size" if isinstance(given, tuple) else "voxel_size_with_unit": given}


def _numbers(values: Any) -> str:
    return " x ".join(plain_number(value) for value in values)
