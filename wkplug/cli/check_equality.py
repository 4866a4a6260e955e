"""`wkplug check-equality`: whether two datasets hold the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wkplug.cli.options import LAYER, PLACE, executor_options
from wkplug.cli.output import is_json, json_option, tell
from wkplug.cli.progress import progress_bar

if TYPE_CHECKING:
    from wkplug.abc import Executor

__all__ = ["check_equality"]


@click.command("check-equality")
@click.argument("source", type=PLACE)
@click.argument("target", type=PLACE)
@click.option("--layer-name", type=LAYER, help="Compare only this layer.")
@json_option
@executor_options
def check_equality(source: str, target: str, layer_name: str | None, *, executor: Executor) -> int:
    """Compare the datasets SOURCE and TARGET: layers, boxes, mags and voxels.

    Formats, chunks and compression may differ. The exit code is 0 if they are equal, 1 if not.
    """
    from wkplug.dataset import Dataset
    from wkplug.errors import LayerMismatchError
    from wkplug.ops.equality import differences

    one, other = Dataset.open(source, read_only=True), Dataset.open(target, read_only=True)
    try:
        with progress_bar("compare") as advance:
            found = list(
                differences(
                    one.state, other.state, layer_name=layer_name, executor=executor, progress=advance
                )
            )
    except LayerMismatchError as error:
        if not is_json():
            raise
        found = [error.message]
    text = f"The datasets {source} and {target} are equal."
    if found:
        text = f"The datasets are not equal: {'; '.join(found)}."
    tell({"source": source, "target": target, "equal": not found, "differences": found}, text)
    return 1 if found else 0
