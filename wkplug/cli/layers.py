"""`wkplug rename-layer` and `wkplug delete-layer`: the layers of a dataset that is there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from wkplug.cli.options import LAYER, PLACE, open_dataset
from wkplug.cli.output import json_option, print_result, size_text
from wkplug.errors import StorageError

if TYPE_CHECKING:
    from wkplug.dataset import Layer

__all__ = ["delete_layer", "rename_layer"]


@click.command("rename-layer")
@click.argument("dataset", type=PLACE)
@click.argument("old", type=LAYER)
@click.argument("new")
@json_option
def rename_layer(dataset: str, old: str, new: str) -> None:
    """Give the layer OLD of the DATASET the name NEW; its folder is renamed, no voxel is copied."""
    open_dataset(dataset).get_layer(old).name = new
    print_result({"dataset": dataset, "old": old, "new": new}, f"Renamed {old} to {new}.")


@click.command("delete-layer")
@click.argument("dataset", type=PLACE)
@click.argument("name", type=LAYER)
@click.option("--yes", is_flag=True, help="Don't ask.")
@json_option
def delete_layer(dataset: str, name: str, *, yes: bool) -> int:
    """Delete the layer NAME of the DATASET, with its voxels and attachments; says first what that is, and asks.

    Of links and of mags that belong to other datasets only the reference goes: voxels elsewhere are never touched.
    """
    opened = open_dataset(dataset)
    opened.state.check_writable("anything")
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
    print_result({"dataset": dataset, **facts}, f"Deleted {text}" if yes else f"Deleted {name}.")
    return 0


def _what_goes(layer: Layer) -> tuple[str, dict[str, Any]]:
    """Say what a deletion takes away, and what it leaves."""
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
