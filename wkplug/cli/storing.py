"""`wkplug compress`, `rechunk` and `copy-dataset`: mags stored otherwise, in place or as a dataset elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wkplug.cli import late
from wkplug.cli.options import (
    LAYER,
    PLACE,
    Named,
    box_option,
    chunk_options,
    compress_option,
    executor_options,
    layer_option,
    layers_of,
    mags_of,
    mags_option,
    open_dataset,
    source_and_target,
)
from wkplug.cli.output import json_option, print_line, print_result, progress_bar, progress_bars
from wkplug.notices import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wkplug.abc import Executor
    from wkplug.dataset import Layer, MagView
    from wkplug.geometry import Mag
    from wkplug.progress import Progress

__all__ = ["compress", "copy_dataset", "rechunk"]

_Facts = list[dict[str, str]]


@click.command()
@click.argument("target", type=PLACE)
@layer_option
@mags_option
@json_option
@executor_options
def compress(target: str, layer_name: str | None, mags: tuple[Mag, ...], *, executor: Executor) -> None:
    """Compress the mags of the dataset TARGET that aren't compressed, in place.

    A crash at any moment leaves complete mags.
    """

    def work(view: MagView, progress: Progress) -> bool:
        return late.rechunking.compress(view.state, executor=executor, progress=progress)

    views = mags_of(layers_of(open_dataset(target), layer_name), mags)
    compressed, skipped = _each(views, work, "Compressed", "it is already compressed")
    print_result({"dataset": target, "compressed": compressed, "skipped": skipped})


@click.command()
@click.argument("dataset", type=PLACE)
@click.option("--layer-name", "--layer", "layer_name", type=LAYER, help="Only this layer.")
@mags_option
@chunk_options
@compress_option
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
    if data_format is not None and (target_path is None or mags):
        raise click.BadParameter(
            "another format needs --target, and all mags of a layer.", param_hint="--data-format"
        )
    skipped: _Facts = []
    layers = layers_of(open_dataset(dataset, read_only=target_path is not None), layer_name)
    if data_format is not None:
        done = _copy(layers, str(target_path), data_format, executor, layout)
    else:

        def work(view: MagView, progress: Progress) -> bool:
            late.rechunking.rechunk(
                view.state, target_path=target_path, executor=executor, progress=progress, **layout
            )
            return True

        done, skipped = _each(mags_of(layers, mags), work, "Rechunked", in_place=target_path is None)
    print_result({"dataset": dataset, "target": target_path, "rechunked": done, "skipped": skipped})


def _each(
    views: Iterable[MagView],
    work: Callable[[MagView, Progress], bool],
    done_word: str,
    why_not: str = "",
    *,
    in_place: bool = True,
) -> tuple[_Facts, _Facts]:
    """Work on mags one by one, and print what became of each; gives those that are done, and those that are skipped.

    work: says whether there was something to do; if not, why_not is the reason.
    """
    done: _Facts = []
    skipped: _Facts = []
    views = list(views)
    if in_place and views:
        views[0].layer.dataset.state.check_writable("its mags")
    for view in views:
        name, facts = f"{view.layer.name} {view.name}", {"layer": view.layer.name, "mag": view.name}
        reason = "it belongs to another dataset" if view.read_only and in_place else ""
        if not reason:
            with progress_bar(name) as advance:
                reason = "" if work(view, advance) else why_not
        if reason:
            print_line(f"Skipping {name} as {reason}.")
            skipped.append({**facts, "reason": reason})
        else:
            print_line(f"{done_word} {name}.")
            done.append(facts)
    return done, skipped


def _copy(
    layers: list[Layer], target: str, data_format: str, executor: Executor, layout: dict[str, Any]
) -> _Facts:
    """Copy layers to a dataset in another format."""
    done = []
    if layers:
        late.storage.check_apart(
            layers[0].dataset.state.location, late.storage.locate(target), "the dataset that is read"
        )
    size = layers[0].dataset.voxel_size_with_unit if layers else None
    into = late.dataset.Dataset(target, voxel_size_with_unit=size, exist_ok=True)
    for layer in layers:
        with progress_bars() as begin:
            request = late.mag_copying.CopyOptions(**layout, files=False, defaults=True)
            copy = late.layer_copying.add_layer_as_copy(
                into.state,
                layer.state,
                request=request,
                data_format=data_format,
                executor=executor,
                progress_of=begin,
            )
        for mag in copy.mags:
            print_line(f"Rechunked {layer.name} {mag}.")
            done.append({"layer": layer.name, "mag": str(mag)})
    return done


@click.command("copy-dataset")
@source_and_target
@click.option(
    "--data-format", type=Named("format"), help="Storage format of the copy; that of each layer if left out."
)
@chunk_options
@click.option(
    "--layer-name",
    "--layer",
    "layers",
    type=LAYER,
    multiple=True,
    help="Only this layer; may be given several times.",
)
@box_option
@click.option(
    "--exists-ok/--no-exists-ok", default=False, show_default=True, help="Copy into a dataset that is there."
)
@json_option
@executor_options
def copy_dataset(
    source: str,
    target: str,
    data_format: str | None,
    chunk_shape: Any,
    shard_shape: Any,
    layers: tuple[str, ...],
    bbox: Any,
    *,
    exists_ok: bool,
    executor: Executor,
) -> None:
    """Copy the dataset SOURCE to TARGET, both paths or URLs.

    Files are copied as they are unless data format, chunks or shards shall change. The same command again, after it
    was interrupted, goes on where it was. With --exists-ok mags that are there are compared, and written where they
    differ. A box is copied in its place, so that voxels keep their positions.
    """
    dataset = open_dataset(source, read_only=True)
    for name in layers:
        dataset.get_layer(name)  # an error that names those that there are
    ignored = [name for name in dataset.layers if layers and name not in layers]
    with progress_bars() as begin:
        copy = late.dataset_copying.copy_dataset(
            dataset.state,
            target,
            request=late.mag_copying.CopyOptions(chunk_shape=chunk_shape, shard_shape=shard_shape),
            data_format=data_format,
            exists_ok=exists_ok,
            layers_to_ignore=ignored,
            bounding_box=None if bbox is None else late.geometry.BoundingBox(bbox[:3], bbox[3:]),
            executor=executor,
            progress_of=begin,
        )
    names = list(copy.layers)
    print_result(
        {"source": source, "target": target, "layers": names},
        f"Copied {counted(len(names), 'layer')} to {target}.",
    )
