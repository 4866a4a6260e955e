"""`wkplug add-layer`, `rename-layer` and `delete-layer`: the layers of a dataset that is there."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from wkplug.cli.converting import (
    IMPORTING,
    STORAGE,
    category_option,
    downsampling_option,
    given_orientation,
    import_options,
    mapping_option,
    memory_option,
    orientation_options,
    pyramid_of,
    source_options,
)
from wkplug.cli.options import LAYER, MAG, PLACE, POINT, downsample_options, executor_options, storage_options
from wkplug.cli.output import json_option, tell
from wkplug.cli.progress import progress_bars

if TYPE_CHECKING:
    from wkplug.abc import Executor
    from wkplug.dataset import Layer

__all__ = ["add_layer", "delete_layer", "rename_layer"]

_TAKEN = (*STORAGE, *IMPORTING, "batch_size", "max_layers", "memory", "mag", "topleft")
"""Options that are parameters of `plan_layer` under the same name."""


@click.command("add-layer")
@click.argument("source", type=PLACE)
@click.argument("dataset", type=PLACE)
@click.option(
    "--layer-name",
    help="Name of the layer, or what begins those of several; made from the files' if left out.",
)
@mapping_option
@category_option()
@click.option(
    "--mag", type=MAG, default="1", show_default=True, help="The mag that the images are, n or x-y-z."
)
@click.option(
    "--topleft", type=POINT, default="0,0,0", show_default=True, help="Where they begin, in Mag(1) voxels."
)
@source_options
@import_options
@orientation_options
@memory_option
@storage_options
@downsampling_option
@downsample_options
@click.option("--dry-run", is_flag=True, help="Only print what would be done; nothing is written.")
@json_option
@executor_options
def add_layer(source: str, dataset: str, *, executor: Executor, **options: Any) -> None:
    """Add the image file, folder or container SOURCE to the DATASET that is there, as one layer or several.

    Everything is as for wkplug convert; the voxel size is the dataset's, and another one that the files say is told.
    The same command again goes on with what was stopped.
    """
    from wkplug.cli.import_plan import converted, plan_facts, plan_text
    from wkplug.dataset import Dataset
    from wkplug.ops.importing.readers import Wanted
    from wkplug.ops.importing.sources import group_input
    from wkplug.ops.layer_import import plan_layer

    started = time.monotonic()
    Dataset.open(dataset)  # an error where there is none: this command makes no dataset
    groups = group_input(
        source,
        options["layer_mapping"],
        None,
        options["missing_slices"],
        Wanted(options["reader"], scene=options["scene"], sampled=options["dry_run"]),
        options["importer"],
        options["layer_name"],
    )
    plan = plan_layer(
        groups,
        dataset,
        category=options["category"],
        executor=executor,
        pyramid=pyramid_of(options),
        allow_multiple_layers=True,
        **given_orientation(options),
        **{name: options[name] for name in _TAKEN},
    )
    if options["dry_run"]:
        tell(plan_facts(plan, dataset), plan_text(plan, dataset))
        return
    with progress_bars() as begin:
        made, _ = plan.execute(executor=executor, progress=begin("images"), more_progress=begin)
    converted(made, dataset, plan, time.monotonic() - started)


@click.command("rename-layer")
@click.argument("dataset", type=PLACE)
@click.argument("old", type=LAYER)
@click.argument("new")
@json_option
def rename_layer(dataset: str, old: str, new: str) -> None:
    """Give the layer OLD of the DATASET the name NEW; its folder is renamed, no voxel is copied."""
    from wkplug.dataset import Dataset

    Dataset.open(dataset).get_layer(old).name = new
    tell({"dataset": dataset, "old": old, "new": new}, f"Renamed {old} to {new}.")


@click.command("delete-layer")
@click.argument("dataset", type=PLACE)
@click.argument("name", type=LAYER)
@click.option("--yes", is_flag=True, help="Don't ask.")
@json_option
def delete_layer(dataset: str, name: str, *, yes: bool) -> int:
    """Delete the layer NAME of the DATASET, with its voxels and attachments; says first what that is, and asks.

    Of links and of mags that belong to other datasets only the reference goes: voxels elsewhere are never touched.
    """
    from wkplug.dataset import Dataset

    opened = Dataset.open(dataset)
    layer = opened.get_layer(name)
    text, facts = _what_goes(layer)
    if not yes:
        click.echo(text, err=True)
        if not sys.stdin.isatty():
            raise click.UsageError("Nothing was deleted: there is no terminal to ask in. Give --yes.")
        if not click.confirm("Delete it?", err=True):
            click.echo("Nothing was deleted.", err=True)
            return 1
    opened.delete_layer(name)
    tell({"dataset": dataset, **facts}, f"Deleted {text}" if yes else f"Deleted {name}.")
    return 0


def _what_goes(layer: Layer) -> tuple[str, dict[str, Any]]:
    """Say what a deletion takes away, and what it leaves."""
    from wkplug.cli.info import size_text
    from wkplug.errors import StorageError

    foreign = [view.name for view in layer.mags.values() if layer.is_mag_view_foreign(view)]
    own = [view.name for view in layer.mags.values() if view.name not in foreign]
    try:
        size = layer.state.location.size() if layer.state.location.exists() else 0
    except StorageError:
        size = None
    kept = f"; {', '.join(foreign)} stay where they are, as they belong elsewhere" if foreign else ""
    parts = [f"mags {', '.join(own)}" if own else "no mags of its own"]
    if size is not None:
        parts.append(size_text(size))
    text = f"{layer.name} of {layer.dataset.name}: {layer.category}, {', '.join(parts)}{kept}."
    return text, {"layer": layer.name, "mags": own, "kept_elsewhere": foreign, "size": size}
