"""`wkplug compress`: compresses mags that aren't compressed, in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wkplug.cli.options import LAYER, MAG, PLACE, executor_options
from wkplug.cli.output import json_option, say, tell
from wkplug.cli.progress import progress_bar

if TYPE_CHECKING:
    from wkplug.abc import Executor
    from wkplug.geometry import Mag

__all__ = ["compress"]


@click.command()
@click.argument("target", type=PLACE)
@click.option("--layer-name", type=LAYER, help="Only this layer.")
@click.option("--mag", "mags", type=MAG, multiple=True, help="Only this mag; may be given several times.")
@json_option
@executor_options
def compress(target: str, layer_name: str | None, mags: tuple[Mag, ...], *, executor: Executor) -> None:
    """Compress the mags of the dataset TARGET that aren't compressed, in place.

    A crash at any moment leaves complete mags.
    """
    from wkplug.dataset import Dataset
    from wkplug.ops.copying import rechunking

    dataset = Dataset.open(target)
    layers = list(dataset.layers.values()) if layer_name is None else [dataset.get_layer(layer_name)]
    chosen = [
        view for layer in layers for view in ([layer.get_mag(mag) for mag in mags] or layer.mags.values())
    ]
    compressed, skipped = [], []
    for view in chosen:
        facts = {"layer": view.layer.name, "mag": view.name}
        what = f"{view.layer.name} {view.name}"
        if view.read_only:
            say(f"Skipping {what} as it belongs to another dataset.")
            skipped.append({**facts, "reason": "it belongs to another dataset"})
            continue
        with progress_bar(what) as advance:
            done = rechunking.compress(view.state, executor=executor, progress=advance)
        say(f"Compressed {what}." if done else f"Skipping {what} as it is already compressed.")
        if done:
            compressed.append(facts)
        else:
            skipped.append({**facts, "reason": "it is already compressed"})
    tell({"dataset": target, "compressed": compressed, "skipped": skipped})
