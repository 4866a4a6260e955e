"""What the commands share that turn something into the voxels of a layer: their options, and what they print.

Who calls it: `convert`, `convert-raw`, `convert-zarr` and `convert-knossos`.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wkplug.cli.downsample import DOWNSAMPLE
from wkplug.cli.options import VOXEL_SIZE
from wkplug.cli.progress import progress_bars

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wkplug.abc import Executor, Location
    from wkplug.ops.importing.options import PyramidOptions
    from wkplug.ops.importing.stacks import Stack
    from wkplug.properties import VoxelSize

__all__ = [
    "STORAGE",
    "convert_layer",
    "delete_dataset",
    "downsampling_option",
    "flip_option",
    "given_voxel_size",
    "layer_options",
    "memory_option",
    "overwrite_option",
    "pyramid_of",
]

F = TypeVar("F", bound=Callable[..., Any])

STORAGE = ("data_format", "chunk_shape", "shard_shape", "chunks_per_shard", "compress")
"""The parameters that `storage_options` gives."""


class _Axes(click.ParamType[tuple[int, ...]]):
    """Numbers of axes: 0 are the channels, 1 to 3 are x, y and z."""

    name = "axis,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if not all(part in ("0", "1", "2", "3") for part in parts):
            self.fail(f"{value!r} are not axes: 0 for channels, 1 for x, 2 for y, 3 for z.", param, ctx)
        return tuple(map(int, parts))


overwrite_option = click.option(
    "--overwrite-existing/--no-overwrite-existing",
    default=False,
    show_default=True,
    help="Delete TARGET first if it is a dataset.",
)
memory_option = click.option("--memory", help="What the process may take, such as 2GB; 1 GB if left out.")
downsampling_option = click.option(
    "--downsample/--no-downsample", "downsampling", default=True, show_default=True, help="Build the pyramid."
)
flip_option = click.option(
    "--flip-axes",
    type=_Axes(),
    help="Axes that are reversed, such as 1,3: 1 is x, 2 is y, 3 is z of the whole volume.",
)


def layer_options(*, voxel_size_needed: bool) -> Callable[[F], F]:
    """--layer-name, --voxel-size, --unit."""
    said = "" if voxel_size_needed else "; what SOURCE (or the dataset that is there) says if left out"

    def decorate(function: F) -> F:
        for option in (
            click.option("--unit", default="nanometer", show_default=True, help="Unit of --voxel-size."),
            click.option(
                "--voxel-size",
                type=VOXEL_SIZE,
                required=voxel_size_needed,
                help=f"Size of a voxel along x,y,z, such as 11.24,11.24,25{said}.",
            ),
            click.option("--layer-name", default="color", show_default=True, help="Name of the new layer."),
        ):
            function = option(function)
        return function

    return decorate


def given_voxel_size(options: Mapping[str, Any]) -> VoxelSize | None:
    """What --voxel-size and --unit say; click.BadParameter for an unknown unit."""
    from wkplug.properties import LengthUnit, VoxelSize

    try:
        unit = LengthUnit(options["unit"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--unit") from error
    given = options["voxel_size"]
    return None if given is None else VoxelSize(given, unit)


def convert_layer(
    groups: Mapping[str, Stack],
    target: str,
    executor: Executor,
    options: Mapping[str, Any],
    **parameters: Any,
) -> None:
    """Write sources as layers of the dataset at `target`, which may be there, with their pyramids; and report.

    options: the command's. parameters: those of `plan_layer` beside.
    """
    from wkplug.cli.info import size_text, summary
    from wkplug.ops.info import describe
    from wkplug.ops.layer_import import plan_layer

    started = time.monotonic()
    flips = options.get("flip_axes") or ()
    overwrite = options.get("overwrite_existing", False)
    if 0 in flips and any(_num_channels(stack) > 1 for stack in groups.values()):
        raise click.BadParameter(
            "there are several channels, which can't be reversed.", param_hint="--flip-axes"
        )
    # Everything is looked at before anything is deleted or written.
    plan = plan_layer(
        groups,
        target,
        given_voxel_size(options),
        overwrite=overwrite,
        executor=executor,
        memory=options["memory"],
        pyramid=pyramid_of(options),
        flip_x=1 in flips,
        flip_y=2 in flips,
        flip_z=3 in flips,
        **{name: options[name] for name in STORAGE},
        **parameters,
    )
    if overwrite:
        delete_dataset(target, plan.paths)
    with progress_bars() as begin:
        dataset, _ = plan.execute(executor=executor, progress=begin("voxels"), more_progress=begin)
    report = describe(dataset)
    click.echo(summary(report, target))
    click.echo(
        f"Converted {size_text(plan.bytes)} of voxels in {time.monotonic() - started:.1f} s. "
        f"Look at it: wkplug preview {shlex.quote(target)} -o preview.png"
    )


def _num_channels(stack: Stack) -> int:
    info = stack.files[0].info
    return info.shape[info.axes.index("c")] if "c" in info.axes else 1


def pyramid_of(options: Mapping[str, Any]) -> PyramidOptions | None:
    """What `downsampling_option` and `downsample_options` ask for."""
    from wkplug.ops.importing.options import PyramidOptions

    if not options.get("downsampling"):
        return None
    return PyramidOptions(**{name: options[name] for name in DOWNSAMPLE})


def delete_dataset(target: str, sources: Sequence[str]) -> None:
    """Delete a dataset that is there, and nothing that isn't one, or that holds what is converted."""
    from wkplug import storage
    from wkplug.errors import DatasetExistsError
    from wkplug.properties.document import FILE_NAME

    place = storage.locate(target)
    names = list(place.list())
    if not names and not place.exists():
        return
    if (names and FILE_NAME not in names) or (not names and _is_file(place)):
        raise DatasetExistsError(
            f"{target} is not a dataset, so --overwrite-existing doesn't delete it.",
            hint="Choose another target, or empty the folder.",
        )
    if any(path == place.url or path.startswith(f"{place.url}/") for path in sources):
        raise DatasetExistsError(
            f"The images lie inside {target}, so --overwrite-existing doesn't delete it.",
            hint="Choose another target.",
        )
    storage.forget(place)
    place.delete(recursive=True)


def _is_file(place: Location) -> bool:
    local = place.local_path()
    return local is not None and not Path(local).is_dir()
