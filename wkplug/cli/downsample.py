"""`wkplug downsample`: the coarser mags of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wkplug.cli.options import LAYER, PLACE, downsample_options, executor_options
from wkplug.cli.output import json_option, say, tell
from wkplug.cli.places import open_target, server_options
from wkplug.cli.progress import progress_bars

if TYPE_CHECKING:
    from wkplug.abc import Executor
    from wkplug.dataset import Layer
    from wkplug.geometry import Mag

__all__ = ["DOWNSAMPLE", "add_mags", "downsample"]

DOWNSAMPLE = ("coarsest_mag", "interpolation_mode", "sampling_mode")
"""The parameters that `downsample_options` gives."""


@click.command()
@click.argument("target", type=PLACE)
@click.option("--layer-name", type=LAYER, help="Only this layer.")
@downsample_options
@click.option("--memory", help="What the work may take, as in 2GB; half of what there is if left out.")
@server_options
@json_option
@executor_options
def downsample(
    target: str, layer_name: str | None, memory: str | None, *, executor: Executor, **options: Any
) -> None:
    """Add coarser mags to the layers of the dataset TARGET."""
    dataset = open_target(target, options)
    layers = dataset.layers.values() if layer_name is None else [dataset.get_layer(layer_name)]
    told = []
    for layer in layers:
        if layer_name is None and not layer.mags:
            say(f"{layer.name}: has no mags")
            told.append({"name": layer.name, "added": []})
            continue
        chosen = {name: options[name] for name in DOWNSAMPLE}
        mags = add_mags(layer, executor, memory=memory, **chosen)
        say(f"{layer.name}: added {', '.join(map(str, mags)) or 'nothing'}")
        told.append({"name": layer.name, "added": list(map(str, mags))})
    tell({"dataset": target, "layers": told})


def add_mags(layer: Layer, executor: Executor, *, sampling_mode: str, **options: Any) -> list[Mag]:
    """Downsample one layer, with a progress bar; gives the new mags."""
    from wkplug.ops.pyramids import downsampling

    # A single section has no z to halve; there is nothing to warn about.
    flat = layer.bounding_box.size_xyz.z == 1
    with progress_bars() as begin:
        return downsampling.downsample(
            layer.state,
            sampling_mode="constant_z" if flat else sampling_mode,
            executor=executor,
            progress=begin(f"{layer.name}, pyramid"),
            **options,
        )
