"""What the commands share that turn something into the voxels of a layer: their options, and what they print.

Who calls it: `convert`, `convert-raw`, `convert-zarr` and `convert-knossos`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click
from click.core import ParameterSource

from wkplug.cli.downsample import DOWNSAMPLE
from wkplug.cli.options import UNIT, VOXEL_SIZE, Named, combined
from wkplug.cli.progress import progress_bars
from wkplug.model.names import LayerMapping

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wkplug.abc import Executor, Location
    from wkplug.ops.importing.options import PyramidOptions
    from wkplug.ops.importing.stacks import Stack

__all__ = [
    "IMPORTING",
    "STORAGE",
    "category_option",
    "convert_layer",
    "delete_dataset",
    "downsampling_option",
    "flip_option",
    "given_orientation",
    "given_voxel_size",
    "import_options",
    "layer_options",
    "mapping_option",
    "memory_option",
    "orientation_options",
    "overwrite_option",
    "pyramid_of",
    "source_options",
    "voxel_size_options",
]

F = TypeVar("F", bound=Callable[..., Any])

STORAGE = ("data_format", "chunk_shape", "shard_shape", "chunks_per_shard", "compress")
"""The parameters that `storage_options` gives."""
IMPORTING = ("dtype", "channel", "timepoint", "keep_transformation")
"""The parameters that `import_options` gives."""
_ORIENTATION = ("flip_x", "flip_y", "flip_z", "swap_xy")
"""The parameters that `orientation_options` gives."""


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


def category_option(default: str | None = None) -> Callable[[F], F]:
    """--category; without a default it is guessed."""
    return click.option(
        "--category",
        type=click.Choice(["color", "segmentation"]),
        default=default,
        show_default=default is not None,
        help="Whether voxels are brightness or segment ids"
        + ("." if default else "; what SOURCE says, or guessed from name and voxels, if left out."),
    )


mapping_option = click.option(
    "--layer-mapping",
    type=click.Choice(get_args(LayerMapping)),
    default="inspect_single_file",
    show_default=True,
    help="Which files become one layer: what the first file, or each, is; one per file, in all, per folder.",
)
flip_option = click.option(
    "--flip-axes",
    type=_Axes(),
    help="Axes that are reversed, such as 1,3: 1 is x, 2 is y, 3 is z of the whole volume; as --flip-x --flip-z.",
)


def orientation_options(function: F) -> F:
    """--flip-x, --flip-y, --flip-z, --swap-xy."""
    return combined(
        *(
            click.option(f"--flip-{axis}", is_flag=True, help=f"Reverse the {axis} axis of the layer.")
            for axis in "xyz"
        ),
        click.option("--swap-xy", is_flag=True, help="Exchange x and y, before axes are reversed."),
    )(function)


def import_options(function: F) -> F:
    """--dtype, --channel, --timepoint, --keep-transformation: what is taken of the files, and as what."""
    return combined(
        click.option(
            "--dtype", help="Type of the layer's voxels, such as uint8: values are converted, not scaled."
        ),
        click.option("--channel", type=click.IntRange(min=0), help="Take only this channel, counted from 0."),
        click.option("--timepoint", type=click.IntRange(min=0), help="Take only this time, counted from 0."),
        click.option(
            "--keep-transformation",
            is_flag=True,
            help="Keep where the files say that they lie (turned, mirrored, moved) as a coordinate transformation.",
        ),
    )(function)


def source_options(function: F) -> F:
    """--reader, --importer, --scene, --missing-slices, --max-layers, --batch-size: how the files are found and read."""
    return combined(
        click.option("--reader", type=Named("reader"), help="Name of the image reader to use."),
        click.option(
            "--importer",
            type=Named("importer"),
            help="Name of the importer to use, for a container of another tool.",
        ),
        click.option(
            "--scene", help="Which image of a file that holds several: a name, a number from 0, or all."
        ),
        click.option(
            "--missing-slices",
            type=click.Choice(["error", "fill", "close"]),
            default="error",
            show_default=True,
            help="Where a number is missing in a series of files: refuse, leave zeros, or close the gap.",
        ),
        click.option(
            "--max-layers",
            type=click.IntRange(min=1),
            default=20,
            show_default=True,
            help="So many layers at most: plates and channels may be many.",
        ),
        click.option(
            "--batch-size", type=click.IntRange(min=1), help="Sections that are held in memory at once."
        ),
    )(function)


def voxel_size_options(*, needed: bool = False, otherwise: str = "") -> Callable[[F], F]:
    """--voxel-size, --unit; otherwise: says what holds where it is left out."""
    gaps = (
        ""
        if needed
        else f"; of axes that are left out, as x and y in ,,25, and without the option, {otherwise}"
    )
    return combined(
        click.option(
            "--voxel-size",
            type=VOXEL_SIZE,
            required=needed,
            help=f"Size of a voxel along x,y,z, such as 11.24,11.24,25{gaps}.",
        ),
        click.option("--unit", type=UNIT, default="nm", show_default=True, help="Unit of --voxel-size."),
    )


def layer_options(*, voxel_size_needed: bool) -> Callable[[F], F]:
    """--layer-name, --voxel-size, --unit."""
    return combined(
        click.option("--layer-name", default="color", show_default=True, help="Name of the new layer."),
        voxel_size_options(
            needed=voxel_size_needed, otherwise="what SOURCE (or the dataset that is there) says"
        ),
    )


def given_voxel_size(options: Mapping[str, Any]) -> Any:
    """What --voxel-size and --unit say: a VoxelSize, nanometres with gaps (see `plan_import`), or None."""
    from wkplug.properties import VoxelSize

    given, unit = options["voxel_size"], options["unit"]
    if given is None:
        _refuse("unit", "it is the unit of --voxel-size, which is not given.")
        return None
    if None in given:
        return tuple(None if length is None else length * unit.nanometers for length in given)
    return VoxelSize(given, unit)


def given_orientation(options: Mapping[str, Any]) -> dict[str, Any]:
    """What `orientation_options` and `flip_option` say, as parameters of an import."""
    flips = options.get("flip_axes") or ()
    numbered = {f"flip_{axis}": number in flips for number, axis in enumerate("xyz", start=1)}
    return {name: options[name] or numbered.get(name, False) for name in _ORIENTATION}


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
    from wkplug.cli.import_plan import converted
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
        **given_orientation(options),
        **{name: options[name] for name in STORAGE},
        **parameters,
    )
    if overwrite:
        delete_dataset(target, plan.paths)
    with progress_bars() as begin:
        dataset, _ = plan.execute(executor=executor, progress=begin("voxels"), more_progress=begin)
    converted(dataset, target, plan, time.monotonic() - started)


def _num_channels(stack: Stack) -> int:
    info = stack.files[0].info
    return info.shape[info.axes.index("c")] if "c" in info.axes else 1


def pyramid_of(options: Mapping[str, Any]) -> PyramidOptions | None:
    """What `downsampling_option` and `downsample_options` ask for."""
    from wkplug.ops.importing.options import PyramidOptions

    if not options.get("downsampling"):
        for name in DOWNSAMPLE:
            _refuse(name, "no coarser mags are made with --no-downsample.")
        return None
    return PyramidOptions(**{name: options[name] for name in DOWNSAMPLE})


def _refuse(name: str, why: str) -> None:
    """Refuse an option that was given and can't act."""
    context = click.get_current_context()
    if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
        param = next(each for each in context.command.params if each.name == name)
        raise click.BadParameter(why, ctx=context, param=param)


def delete_dataset(target: str, sources: Sequence[str]) -> None:
    """Delete a dataset that is there, and nothing that isn't one, or that holds what is converted."""
    from wkplug import storage
    from wkplug.errors import DatasetExistsError
    from wkplug.properties.document import FILE_NAME
    from wkplug.storage.removing import delete_folder

    place = storage.locate(target)
    names = list(place.list())
    if not names and not place.exists():
        return
    if (names and FILE_NAME not in names) or (not names and _is_file(place)):
        raise DatasetExistsError(
            f"{target} is not a dataset, so --overwrite-existing doesn't delete it.",
            hint="Choose another target.",
        )
    if any(path == place.url or path.startswith(f"{place.url}/") for path in sources):
        raise DatasetExistsError(
            f"The images lie inside {target}, so --overwrite-existing doesn't delete it.",
            hint="Choose another target.",
        )
    storage.forget(place)
    delete_folder(place, FILE_NAME)


def _is_file(place: Location) -> bool:
    local = place.local_path()
    return local is not None and not Path(local).is_dir()
