"""`wkplug downsample` and `wkplug upsample`: the coarser and finer mags of a dataset."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from wkplug.cli import late
from wkplug.cli.options import (
    DOWNSAMPLE,
    MAG,
    PLACE,
    downsample_options,
    executor_options,
    layer_option,
    layers_of,
    open_dataset,
    sampling_mode_option,
    server_options,
    work_memory_option,
)
from wkplug.cli.output import json_option, print_line, print_result, progress_bars

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wkplug.abc import Executor
    from wkplug.dataset import Layer
    from wkplug.geometry import Mag
    from wkplug.progress import Progress

__all__ = ["downsample", "upsample"]


@click.command()
@click.argument("target", type=PLACE)
@layer_option
@downsample_options
@work_memory_option
@server_options
@json_option
@executor_options
def downsample(
    target: str, layer_name: str | None, memory: str | None, *, executor: Executor, **options: Any
) -> None:
    """Add coarser mags to the layers of the dataset TARGET."""
    added = []
    for layer in layers_of(open_dataset(target, server=options), layer_name):
        if layer_name is None and not layer.mags:
            print_line(f"{layer.name}: has no mags")
            added.append({"name": layer.name, "added": []})
            continue
        chosen = {name: options[name] for name in DOWNSAMPLE}
        if layer.bounding_box.size_xyz.z == 1:
            # A single section has no z to halve; there is nothing to warn about.
            chosen["sampling_mode"] = "constant_z"
        if layer.dataset.state.shown_as:
            mags = _made_by(layer, layer.downsample, options, memory=memory, executor=executor, **chosen)
            added.append(_added(layer.name, mags))
            continue
        with progress_bars() as begin:
            mags = late.downsampling.downsample(
                layer.state,
                late.sampling.PyramidOptions(memory=memory, **chosen),
                executor=executor,
                progress=begin(f"{layer.name}, pyramid"),
            )
        added.append(_added(layer.name, mags))
    print_result({"dataset": target, "layers": added})


@click.command()
@click.argument("source", type=PLACE)
@click.option("--from-mag", type=MAG, required=True, help="The mag to start from, n or x-y-z.")
@click.option(
    "--finest-mag", type=MAG, default="1", show_default=True, help="The mag to end with, n or x-y-z."
)
@sampling_mode_option
@layer_option
@work_memory_option
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
    added = []
    for layer in layers_of(open_dataset(source, server=options), layer_name):
        if layer.dataset.state.shown_as:
            chosen = {"from_mag": from_mag, "finest_mag": finest_mag, "sampling_mode": sampling_mode}
            mags = _made_by(layer, layer.upsample, options, memory=memory, executor=executor, **chosen)
            added.append(_added(layer.name, mags))
            continue
        with progress_bars() as begin:
            mags = late.upsampling.upsample(
                layer.state,
                from_mag,
                late.sampling.PyramidOptions(sampling_mode=sampling_mode, memory=memory),
                finest_mag=finest_mag,
                executor=executor,
                progress_of=partial(_step, begin, layer.name),
            )
        added.append(_added(layer.name, mags))
    print_result({"dataset": source, "layers": added})


def _made_by(
    layer: Layer, verb: Callable[..., object], options: Mapping[str, Any], **chosen: Any
) -> list[Mag]:
    """Let a layer behind a server do it in its own way; gives the mags that it got."""
    before = set(layer.mags)
    if options["transfer_mode"] is not None:
        chosen["transfer_mode"] = options["transfer_mode"]
    verb(**chosen)
    return [mag for mag in layer.mags if mag not in before]


def _step(begin: Callable[[str], Progress], layer: str, mag: Mag) -> Progress:
    return begin(f"{layer}, mag {mag}")


def _added(layer: str, mags: list[Mag]) -> dict[str, Any]:
    """Print which mags a layer got; gives it as a fact."""
    print_line(f"{layer}: added {', '.join(map(str, mags)) or 'nothing'}")
    return {"name": layer, "added": list(map(str, mags))}
