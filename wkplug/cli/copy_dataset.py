"""`wkplug copy-dataset`: a dataset copied, and converted if its storage shall change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wkplug.cli.options import BOX, LAYER, PLACE, SHAPE, Named, executor_options
from wkplug.cli.output import json_option, tell
from wkplug.cli.progress import progress_bars

if TYPE_CHECKING:
    from wkplug.abc import Executor

__all__ = ["copy_dataset"]


@click.command("copy-dataset")
@click.argument("source", type=PLACE)
@click.argument("target", type=PLACE)
@click.option(
    "--data-format", type=Named("format"), help="Storage format of the copy; that of each layer if left out."
)
@click.option("--chunk-shape", type=SHAPE, help="Voxels that are encoded as one, n or x,y,z.")
@click.option("--shard-shape", type=SHAPE, help="Voxels of one file, n or x,y,z; a multiple of the chunk.")
@click.option(
    "--layer-name",
    "--layer",
    "layers",
    type=LAYER,
    multiple=True,
    help="Only this layer; may be given several times.",
)
@click.option("--bbox", type=BOX, help="Only this box, x,y,z,width,height,depth in voxels of Mag 1.")
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
    from wkplug.config.hints import counted
    from wkplug.dataset import Dataset
    from wkplug.geometry import BoundingBox
    from wkplug.ops.copying import dataset_copying, mag_copying

    dataset = Dataset.open(source, read_only=True)
    for name in layers:
        dataset.get_layer(name)  # an error that names those that there are
    ignored = [name for name in dataset.layers if layers and name not in layers]
    with progress_bars() as begin:
        copy = dataset_copying.copy_dataset(
            dataset.state,
            target,
            request=mag_copying.CopyRequest(chunk_shape=chunk_shape, shard_shape=shard_shape),
            data_format=data_format,
            exists_ok=exists_ok,
            layers_to_ignore=ignored,
            bounding_box=None if bbox is None else BoundingBox(bbox[:3], bbox[3:]),
            executor=executor,
            progress_of=begin,
        )
    names = list(copy.layers)
    tell(
        {"source": source, "target": target, "layers": names},
        f"Copied {counted(len(names), 'layer')} to {target}.",
    )
