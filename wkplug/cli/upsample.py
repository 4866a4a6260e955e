"""`wkplug upsample`: the finer mags of a dataset."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from wkplug.cli.options import LAYER, MAG, PLACE, executor_options
from wkplug.cli.output import json_option, say, tell
from wkplug.cli.places import open_target, server_options
from wkplug.cli.progress import progress_bars

if TYPE_CHECKING:
    from collections.abc import Callable

    from wkplug.abc import Executor
    from wkplug.cli.progress import Update
    from wkplug.geometry import Mag

__all__ = ["upsample"]


@click.command()
@click.argument("source", type=PLACE)
@click.option("--from-mag", type=MAG, required=True, help="The mag to start from, n or x-y-z.")
@click.option(
    "--finest-mag", type=MAG, default="1", show_default=True, help="The mag to end with, n or x-y-z."
)
@click.option(
    "--sampling-mode", type=click.Choice(["anisotropic", "isotropic", "constant_z"]), default="anisotropic",
    show_default=True, help="How the axes take turns.",
)  # fmt: skip
@click.option("--layer-name", type=LAYER, help="Only this layer.")
@click.option("--memory", help="What the work may take, as in 2GB; half of what there is if left out.")
@server_options
@json_option
@executor_options
def upsample(
    source: str,
    from_mag: Mag,
    finest_mag: Mag,
    sampling_mode: str,
    layer_name: str | None,
    memory: str | None,
    *,
    executor: Executor,
    **options: Any,
) -> None:
    """Add finer mags to the layers of the dataset SOURCE: every voxel of a mag becomes a block of itself."""
    from wkplug.ops.pyramids import upsampling

    dataset = open_target(source, options)
    layers = dataset.layers.values() if layer_name is None else [dataset.get_layer(layer_name)]
    told = []
    for layer in layers:
        with progress_bars() as begin:
            mags = upsampling.upsample(
                layer.state,
                from_mag,
                finest_mag=finest_mag,
                sampling_mode=sampling_mode,
                memory=memory,
                executor=executor,
                progress_of=partial(_begin, begin, layer.name),
            )
        say(f"{layer.name}: added {', '.join(map(str, mags)) or 'nothing'}")
        told.append({"name": layer.name, "added": list(map(str, mags))})
    tell({"dataset": source, "layers": told})


def _begin(begin: Callable[[str], Update], name: str, mag: Mag) -> Update:
    return begin(f"{name}, mag {mag}")
