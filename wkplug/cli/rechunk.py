"""`wkplug rechunk`: mags stored in other chunks and shards, in place or as a dataset elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wkplug.cli.options import LAYER, MAG, PLACE, SHAPE, Named, executor_options
from wkplug.cli.output import json_option, say, tell
from wkplug.cli.progress import progress_bar, progress_bars

if TYPE_CHECKING:
    from wkplug.abc import Executor
    from wkplug.dataset import Layer
    from wkplug.geometry import Mag

__all__ = ["rechunk"]


@click.command()
@click.argument("dataset", type=PLACE)
@click.option("--layer-name", "--layer", "layer_name", type=LAYER, help="Only this layer.")
@click.option("--mag", "mags", type=MAG, multiple=True, help="Only this mag; may be given several times.")
@click.option("--chunk-shape", type=SHAPE, help="Voxels that are encoded as one, n or x,y,z.")
@click.option("--shard-shape", type=SHAPE, help="Voxels of one file, n or x,y,z; a multiple of the chunk.")
@click.option("--compress/--no-compress", default=True, show_default=True, help="Compress the chunks.")
@click.option(
    "--target", "target_path", type=PLACE, help="Write a dataset there instead; this one stays as it is."
)
@click.option("--data-format", type=Named("format"), help="Storage format of the layers at --target.")
@json_option
@executor_options
def rechunk(
    dataset: str,
    *,
    layer_name: str | None,
    mags: tuple[Mag, ...],
    target_path: str | None,
    data_format: str | None,
    executor: Executor,
    **layout: Any,
) -> None:
    """Store the mags of the DATASET in other chunks and shards, in place.

    Shapes that are left out are the format's default. A crash at any moment leaves complete mags. All mags of a layer
    have one format, so another one needs --target, and all mags.
    """
    from wkplug.dataset import Dataset

    if data_format is not None and (target_path is None or mags):
        raise click.BadParameter(
            "another format needs --target, and all mags of a layer.", param_hint="--data-format"
        )
    skipped: list[dict[str, str]] = []
    opened = Dataset.open(dataset, read_only=target_path is not None)
    layers = list(opened.layers.values()) if layer_name is None else [opened.get_layer(layer_name)]
    if data_format is not None:
        done = _copied(layers, str(target_path), data_format, executor, layout)
    else:
        done, skipped = _rewritten(layers, mags, target_path, executor, layout)
    tell({"dataset": dataset, "target": target_path, "rechunked": done, "skipped": skipped})


def _rewritten(
    layers: list[Layer], mags: tuple[Mag, ...], target: str | None, executor: Executor, layout: dict[str, Any]
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    from wkplug.ops.copying import rechunking

    done, skipped = [], []
    views = [
        view for layer in layers for view in ([layer.get_mag(mag) for mag in mags] or layer.mags.values())
    ]
    for view in views:
        what, facts = f"{view.layer.name} {view.name}", {"layer": view.layer.name, "mag": view.name}
        if view.read_only and target is None:
            say(f"Skipping {what} as it belongs to another dataset.")
            skipped.append({**facts, "reason": "it belongs to another dataset"})
            continue
        with progress_bar(what) as advance:
            rechunking.rechunk(view.state, target_path=target, executor=executor, progress=advance, **layout)
        say(f"Rechunked {what}.")
        done.append(facts)
    return done, skipped


def _copied(
    layers: list[Layer], target: str, data_format: str, executor: Executor, layout: dict[str, Any]
) -> list[dict[str, str]]:
    from wkplug import storage
    from wkplug.dataset import Dataset
    from wkplug.ops.copying import layer_copying
    from wkplug.ops.copying.mag_copying import CopyRequest

    done = []
    if layers:
        storage.check_apart(
            layers[0].dataset.state.location, storage.locate(target), "the dataset that is read"
        )
    size = layers[0].dataset.voxel_size_with_unit if layers else None
    into = Dataset(target, voxel_size_with_unit=size, exist_ok=True)
    for layer in layers:
        with progress_bars() as begin:
            request = CopyRequest(**layout, files=False, defaults=True)
            copy = layer_copying.add_layer_as_copy(
                into.state,
                layer.state,
                request=request,
                data_format=data_format,
                executor=executor,
                progress_of=begin,
            )
        for mag in copy.mags:
            say(f"Rechunked {layer.name} {mag}.")
            done.append({"layer": layer.name, "mag": str(mag)})
    return done
