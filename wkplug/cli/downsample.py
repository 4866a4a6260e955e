"""`wkplug downsample`: the coarser mags of a dataset."""

from __future__ import annotations

from typing import Any

import click

from wkplug.cli.options import downsample_options, executor_options, make_executor
from wkplug.cli.progress import progress_bar

__all__ = ["downsample"]


@click.command()
@click.argument("target")
@click.option("--layer-name", help="Only this layer.")
@downsample_options
@executor_options
def downsample(target: str, layer_name: str | None, **options: Any) -> None:
    """Add coarser mags to the layers of the dataset TARGET."""
    from wkplug.dataset import Dataset
    from wkplug.ops import pyramids

    dataset = Dataset.open(target)
    layers = dataset.layers.values() if layer_name is None else [dataset.get_layer(layer_name)]
    for layer in layers:
        with (
            make_executor(options["strategy"], options["jobs"]) as executor,
            progress_bar(f"pyramid of {layer.name}") as advance,
        ):
            mags = pyramids.downsample(
                layer,
                coarsest_mag=options["coarsest_mag"],
                interpolation_mode=options["interpolation_mode"],
                sampling_mode=options["sampling_mode"],
                executor=executor,
                progress=advance,
            )
        click.echo(f"{layer.name}: added {', '.join(map(str, mags)) or 'nothing'}")
