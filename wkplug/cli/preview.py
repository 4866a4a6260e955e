"""`wkplug preview`: a picture of every layer."""

from __future__ import annotations

import click

from wkplug.cli.options import PLACE
from wkplug.cli.output import json_option, tell

__all__ = ["preview"]


@click.command()
@click.argument("dataset", type=PLACE)
@click.option("-o", "--output", type=PLACE, required=True, help="The picture to write, .png or .jpg.")
@click.option("--allow-incomplete", is_flag=True, help="Also show mags that an unfinished job has marked.")
@json_option
def preview(dataset: str, output: str, *, allow_incomplete: bool) -> None:
    """Write a contact sheet of DATASET: three orthogonal planes per layer, labels over their image, scale bars."""
    from wkplug.dataset import Dataset
    from wkplug.ops.preview import write_preview

    write_preview(Dataset.open(dataset, read_only=True, allow_incomplete=allow_incomplete).state, output)
    tell({"dataset": dataset, "picture": output}, f"Wrote {output}")
