"""`wkplug convert`, `convert-raw`, `convert-zarr`, `convert-knossos` and `add-layer`: what becomes layers of a dataset.

All look at everything first, make a plan, write it, and report what came to be. Options that they share are here, those
that other commands have too are in `options`.
"""

from __future__ import annotations

import shlex
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click
from click.core import ParameterSource

from wkplug.cli import late
from wkplug.cli.options import (
    DOWNSAMPLE,
    MAG,
    PLACE,
    POINT,
    SHAPE,
    UNIT,
    VOXEL_SIZE,
    Named,
    Numbers,
    Served,
    chunk_options,
    combined,
    compress_option,
    downsample_options,
    executor_options,
    has_services,
    open_dataset,
    source_and_target,
)
from wkplug.cli.output import json_option, print_result, progress_bars, size_text
from wkplug.errors import DatasetExistsError, UnsupportedDtypeError
from wkplug.model.names import LayerMapping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wkplug.abc import Executor, Location
    from wkplug.model.states import DatasetState
    from wkplug.ops.importing.options import InputOptions
    from wkplug.ops.importing.plans import PlannedImport
    from wkplug.ops.importing.series import Stack
    from wkplug.ops.pyramids.sampling import PyramidOptions

__all__ = ["add_layer", "convert", "convert_knossos", "convert_raw", "convert_zarr", "delete_dataset"]


F = TypeVar("F", bound="Callable[..., Any]")


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


_memory_option = click.option("--memory", help="What the process may take, such as 2GB; 1 GB if left out.")
_dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Only print what would be done; nothing is written."
)
_overwrite_option = click.option(
    "--overwrite-existing/--no-overwrite-existing", default=False, show_default=True,
    help="Delete TARGET first if it is a dataset.",
)  # fmt: skip
_downsampling_option = click.option(
    "--downsample/--no-downsample", "downsampling", default=True, show_default=True, help="Build the pyramid."
)
_flip_option = click.option(
    "--flip-axes", type=_Axes(),
    help="Axes that are reversed, such as 1,3: 1 is x, 2 is y, 3 is z of the whole volume; as --flip-x --flip-z.",
)  # fmt: skip
_mapping_option = click.option(
    "--layer-mapping", type=click.Choice(get_args(LayerMapping)), default="inspect_single_file", show_default=True,
    help="Which files become one layer: what the first file, or each, is; one per file, in all, per folder.",
)  # fmt: skip


def _category_option(default: str | None = None) -> Callable[[F], F]:
    """--category; without a default it is guessed."""
    return click.option(
        "--category",
        type=click.Choice(["color", "segmentation"]),
        default=default,
        show_default=default is not None,
        help="Whether voxels are brightness or segment ids"
        + ("." if default else "; what SOURCE says, or guessed from name and voxels, if left out."),
    )


_STORAGE = ("data_format", "chunk_shape", "shard_shape", "chunks_per_shard", "compress")
_storage_options = combined(
    click.option(
        "--data-format", type=Named("format"),
        help="Storage format of the layers; the configured default if left out.",
    ),
    chunk_options,
    click.option(
        "--chunks-per-shard", type=SHAPE, help="Deprecated: chunks along an edge of a shard, n or x,y,z."
    ),
    compress_option,
)  # fmt: skip

_writing_options = combined(_memory_option, _storage_options, _downsampling_option, downsample_options)
"""How imported voxels are written."""

_ORIENTATION = ("flip_x", "flip_y", "flip_z", "swap_xy")
_orientation_options = combined(
    *(
        click.option(f"--flip-{axis}", is_flag=True, help=f"Reverse the {axis} axis of the layer.")
        for axis in "xyz"
    ),
    click.option("--swap-xy", is_flag=True, help="Exchange x and y, before axes are reversed."),
)

_one_layer_options = combined(_flip_option, _orientation_options, _writing_options, _overwrite_option)
"""How the voxels of one array are turned and written."""

_IMPORTING = ("dtype", "channel", "timepoint", "keep_transformation")
_import_options = combined(
    click.option(
        "--dtype", help="Type of the layer's voxels, such as uint8: values are converted, not scaled."
    ),
    click.option("--channel", type=click.IntRange(min=0), help="Take only this channel, counted from 0."),
    click.option("--timepoint", type=click.IntRange(min=0), help="Take only this time, counted from 0."),
    click.option(
        "--keep-transformation", is_flag=True,
        help="Keep where the files say that they lie (turned, mirrored, moved) as a coordinate transformation.",
    ),
)  # fmt: skip

_source_options = combined(
    click.option("--reader", type=Named("reader"), help="Name of the image reader to use."),
    click.option(
        "--importer", type=Named("importer"),
        help="Name of the importer to use, for a container of another tool.",
    ),
    click.option(
        "--scene", help="Which image of a file that holds several: a name, a number from 0, or all."
    ),
    click.option(
        "--missing-slices", type=click.Choice(["error", "fill", "close"]), default="error", show_default=True,
        help="Where a number is missing in a series of files: refuse, leave zeros, or close the gap.",
    ),
    click.option(
        "--max-layers", type=click.IntRange(min=1), default=20, show_default=True,
        help="So many layers at most: plates and channels may be many.",
    ),
    click.option(
        "--batch-size", type=click.IntRange(min=1), help="Sections that are held in memory at once."
    ),
)  # fmt: skip
"""How the files of an import are found and read."""


def _voxel_size_options(*, needed: bool = False, otherwise: str = "") -> Callable[[F], F]:
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


def _layer_options(*, voxel_size_needed: bool) -> Callable[[F], F]:
    """--layer-name, --voxel-size, --unit of a layer that is made, and its --category."""
    return combined(
        click.option("--layer-name", default="color", show_default=True, help="Name of the new layer."),
        _voxel_size_options(
            needed=voxel_size_needed, otherwise="what SOURCE (or the dataset that is there) says"
        ),
        _category_option("color"),
    )


_OF_CONVERT = (*_STORAGE, *_IMPORTING, "batch_size", "max_layers", "memory")
_OF_ADD_LAYER = (*_OF_CONVERT, "mag", "topleft")
"""Options that are fields of `ImportOptions` under the same name."""


_upload_options = combined(
    click.option(
        "--upload/--no-upload", cls=Served, served=has_services, default=False,
        help="Bring the dataset to a server, in place of TARGET.",
    ),
    click.option(
        "--webknossos-url", cls=Served, served=has_services, envvar="WK_URL", help="The server, with --upload."
    ),
    click.option("--token", cls=Served, served=has_services, envvar="WK_TOKEN", help="Of a user there."),
    click.option("--folder", cls=Served, served=has_services, help="The folder there, as Datasets/Folder_A."),
    click.option(
        "--transfer-mode", cls=Served, served=has_services, default="http",
        type=click.Choice(["http", "move+symlink", "symlink", "copy"]), help="How files get there.",
    ),
)  # fmt: skip


@click.command()
@click.argument("source", type=PLACE)
@click.argument("target", type=PLACE, required=False)
@_upload_options
@_voxel_size_options(otherwise="what the files say")
@click.option("--layer-name", help="Name of the layer; made from the files' names if left out.")
@_mapping_option
@_category_option()
@click.option("--name", help="Name of the dataset; the folder's if left out.")
@_source_options
@_import_options
@_orientation_options
@_writing_options
@_overwrite_option
@_dry_run_option
@json_option
@executor_options
def convert(source: str, target: str | None, *, upload: bool, executor: Executor, **options: Any) -> None:
    """Convert the image file, folder, zip archive or container SOURCE to a dataset at TARGET.

    Sections of one folder become one layer, three-dimensional files a layer each. TIFF (also OME, multi-page,
    ImageJ), PNG, JPEG and whatever else the installed reader plugins know. The layers of a container (OME-Zarr, N5,
    precomputed, KNOSSOS, bare WKW) keep their names and places. The same command again goes on with a conversion
    that was stopped.
    """
    if upload == (target is not None):
        raise click.UsageError(
            "--upload brings the dataset to a server, in place of TARGET: give one of them."
            if upload
            else "Missing argument 'TARGET'."
        )
    if target is not None:
        _convert_images(source, target, executor, options)
        return
    options["name"] = options["name"] or Path(late.storage.locate(source).name).stem
    with tempfile.TemporaryDirectory(prefix="wkplug-upload-") as scratch:
        made = _convert_images(source, str(Path(scratch, "dataset")), executor, options)
        if made is None:  # only a plan
            return
        with late.servers.speaking_to(options["webknossos_url"], options["token"]):
            uploaded = late.dataset.Dataset.of(made).upload(
                folder=options["folder"], transfer_mode=options["transfer_mode"]
            )
    print_result({"source": source, "url": uploaded.url}, f"Uploaded to {uploaded.url}")


def _convert_images(
    source: str, target: str, executor: Executor, options: Mapping[str, Any]
) -> DatasetState | None:
    """Convert, and report; None where only the plan was asked for."""
    started = time.monotonic()
    overwrite = options["overwrite_existing"]
    pyramid, voxel_size = _pyramid(options), _voxel_size(options)
    # All images are looked at before anything is deleted or written.
    plan = late.images.plan_import(
        source,
        target,
        late.images.DatasetOptions(
            name=options["name"],
            voxel_size_from_files=True,
            layer_name=options["layer_name"],
            layer_category=options["category"],
            **{"voxel_size" if isinstance(voxel_size, tuple) else "voxel_size_with_unit": voxel_size},
        ),
        input_options=_input(options),
        options=late.images.ImportOptions(
            pyramid=pyramid,
            **_orientation(options),
            **{name: options[name] for name in _OF_CONVERT},
        ),
        overwrite=overwrite,
        executor=executor,
    )
    if options["dry_run"]:
        print_result(_plan_facts(plan, target), late.summaries.plan_text(plan, target))
        return None
    if overwrite:
        delete_dataset(target, plan.paths)
    if plan.voxel_size_of_files:
        click.echo(f"Voxel size {late.summaries.voxel_size_text(plan)}.", err=True)
    with progress_bars() as begin:
        dataset: DatasetState = plan.execute(executor=executor, progress=begin("images"), more_progress=begin)
    _report(dataset, target, plan, time.monotonic() - started)
    return dataset


@click.command()
@source_and_target
@click.option("--shape", type=SHAPE, required=True, help="Voxels along x,y,z.")
@_layer_options(voxel_size_needed=True)
@click.option("--dtype", default="uint8", show_default=True, help="Type of the layer's voxels.")
@click.option("--source-dtype", help="Type of the file's voxels, such as uint16 or >u2; --dtype if left out.")
@click.option(
    "--order",
    type=click.Choice(["C", "F"]),
    default="F",
    show_default=True,
    help="F if neighbours along x are neighbours in the file, C if those along z are.",
)
@click.option(
    "--rescale-min-max",
    type=Numbers("min,max", float, "0,255"),
    help="Values that become 0 and the largest of --dtype (1 for floats); those beyond are cut off.",
)
@_one_layer_options
@json_option
@executor_options
def convert_raw(source: str, target: str, *, executor: Executor, **options: Any) -> None:
    """Convert the raw file SOURCE to a layer of the dataset at TARGET.

    A dataset that is there gets one more layer. The file is read region by region.
    """
    layout = late.raw.RawLayout(
        shape=options["shape"],
        dtype=options["source_dtype"] or options["dtype"],
        order=options["order"],
        axes=("x", "y", "z"),
    )
    file = late.readers.RawFile.at(
        late.storage.locate(source), layout, limits=options["rescale_min_max"], dtype=options["dtype"]
    )
    _convert_layer(
        {options["layer_name"]: late.series.Stack((file,))},
        target,
        executor,
        options,
        category=options["category"],
        dtype=options["dtype"],
    )


@click.command()
@source_and_target
@_layer_options(voxel_size_needed=False)
@click.option(
    "--is-segmentation-layer/--no-is-segmentation-layer",
    "is_segmentation",
    default=None,
    help="The same as --category segmentation, or color.",
)
@click.option(
    "--importer",
    type=Named("importer"),
    help="Name of the importer to use; found by what SOURCE holds if left out.",
)
@_import_options
@_one_layer_options
@json_option
@executor_options
def convert_zarr(source: str, target: str, *, executor: Executor, **options: Any) -> None:
    """Convert the Zarr array SOURCE to a layer of the dataset at TARGET.

    An OME-Zarr image, an N5 or precomputed volume, or whatever an importer knows will do as well; of several
    resolutions the finest is taken. Axes without names are x, y, z. A dataset that is there gets one more layer.
    """
    category = options["category"]
    if options["is_segmentation"] is not None:
        category = "segmentation" if options["is_segmentation"] else "color"
    groups = late.grouping.container_input(source, options["layer_name"], options["importer"])
    _convert_layer(
        groups,
        target,
        executor,
        options,
        category=category,
        allow_multiple_layers=True,
        **{name: options[name] for name in _IMPORTING},
    )


@click.command()
@source_and_target
@_layer_options(voxel_size_needed=False)
@click.option(
    "--dtype", help="Type of the cubes' voxels; unsigned, of the size that the cubes tell, if left out."
)
@click.option(
    "--mag",
    type=MAG,
    default="1",
    show_default=True,
    help="The mag that the cubes are; 1 for what their folder or knossos.conf says.",
)
@_orientation_options
@_memory_option
@_storage_options
@json_option
@executor_options
def convert_knossos(source: str, target: str, *, executor: Executor, **options: Any) -> None:
    """Convert the KNOSSOS cubes in the folder SOURCE to a layer of the dataset at TARGET.

    SOURCE holds x0000/y0000/z0000/*.raw, cubes of 128 voxels along each axis; those that are missing are zero. A
    dataset that is there gets one more layer. Coarser mags are not made: wkplug downsample makes them.
    """
    groups = late.grouping.container_input(source, options["layer_name"], "knossos")
    stored = groups[options["layer_name"]].files[0].info.dtype
    _convert_layer(
        groups,
        target,
        executor,
        options,
        category=options["category"],
        mag=options["mag"],
        dtype=_dtype_of_cubes(options["dtype"], stored, source),
    )


def _dtype_of_cubes(wanted: str | None, stored: str, source: str) -> str | None:
    """Refuse to call the bytes of cubes something that they can't be."""
    import numpy

    if wanted is None:
        return None
    asked, found = numpy.dtype(late.dtypes.dtype_name(wanted)), numpy.dtype(stored)
    if asked.kind not in "ui" or asked.itemsize != found.itemsize:
        raise UnsupportedDtypeError(
            f"The cubes in {source} have voxels of {found.itemsize} bytes: they aren't {asked}.",
            hint=f"Give {found}, int{8 * found.itemsize}, or nothing.",
        )
    return str(asked)


@click.command("add-layer")
@click.argument("source", type=PLACE)
@click.argument("dataset", type=PLACE)
@click.option(
    "--layer-name",
    help="Name of the layer, or what begins those of several; made from the files' if left out.",
)
@_mapping_option
@_category_option()
@click.option(
    "--mag", type=MAG, default="1", show_default=True, help="The mag that the images are, n or x-y-z."
)
@click.option(
    "--topleft", type=POINT, default="0,0,0", show_default=True, help="Where they begin, in Mag(1) voxels."
)
@_source_options
@_import_options
@_orientation_options
@_writing_options
@_dry_run_option
@json_option
@executor_options
def add_layer(source: str, dataset: str, *, executor: Executor, **options: Any) -> None:
    """Add the image file, folder or container SOURCE to the DATASET that is there, as one layer or several.

    Everything is as for wkplug convert; the voxel size is the dataset's, and another one that the files say is told.
    The same command again goes on with what was stopped.
    """
    started = time.monotonic()
    open_dataset(dataset)  # an error where there is none: this command makes no dataset
    plan = late.images.plan_layers(
        late.grouping.group_input(source, _input(options), options["layer_name"]),
        dataset,
        options=late.images.ImportOptions(
            pyramid=_pyramid(options),
            allow_multiple_layers=True,
            **_orientation(options),
            **{name: options[name] for name in _OF_ADD_LAYER},
        ),
        category=options["category"],
        executor=executor,
    )
    if options["dry_run"]:
        print_result(_plan_facts(plan, dataset), late.summaries.plan_text(plan, dataset))
        return
    with progress_bars() as begin:
        made = plan.execute(executor=executor, progress=begin("images"), more_progress=begin)
    _report(made, dataset, plan, time.monotonic() - started)


def _voxel_size(options: Mapping[str, Any]) -> Any:
    """What --voxel-size and --unit say: a VoxelSize, nanometres with gaps (see `plan_import`), or None."""
    given, unit = options["voxel_size"], options["unit"]
    if given is None:
        _refuse("unit", "it is the unit of --voxel-size, which is not given.")
        return None
    if None in given:
        return tuple(None if length is None else length * unit.nanometers for length in given)
    return late.properties.VoxelSize(given, unit)


def _input(options: Mapping[str, Any]) -> InputOptions:
    """What `_source_options`, `_mapping_option` and --dry-run say."""
    return late.images.InputOptions(
        map_filepath_to_layer_name=options["layer_mapping"],
        missing_slices=options["missing_slices"],
        reader=options["reader"],
        importer=options["importer"],
        scene=options["scene"],
        sampled=options["dry_run"],
    )


def _orientation(options: Mapping[str, Any]) -> dict[str, Any]:
    """What `_orientation_options` and `_flip_option` say, as parameters of an import."""
    flips = options.get("flip_axes") or ()
    numbered = {f"flip_{axis}": number in flips for number, axis in enumerate("xyz", start=1)}
    return {name: options[name] or numbered.get(name, False) for name in _ORIENTATION}


def _convert_layer(
    groups: Mapping[str, Stack],
    target: str,
    executor: Executor,
    options: Mapping[str, Any],
    *,
    category: str | None = None,
    **parameters: Any,
) -> None:
    """Write sources as layers of the dataset at `target`, which may be there, with their pyramids; and report.

    options: the command's. parameters: further fields of `ImportOptions`.
    """
    started = time.monotonic()
    flips = options.get("flip_axes") or ()
    overwrite = options.get("overwrite_existing", False)
    if 0 in flips and any(_num_channels(stack) > 1 for stack in groups.values()):
        raise click.BadParameter(
            "there are several channels, which can't be reversed.", param_hint="--flip-axes"
        )
    # Everything is looked at before anything is deleted or written.
    plan = late.images.plan_layers(
        groups,
        target,
        _voxel_size(options),
        options=late.images.ImportOptions(
            memory=options["memory"],
            pyramid=_pyramid(options),
            **_orientation(options),
            **{name: options[name] for name in _STORAGE},
            **parameters,
        ),
        category=category,
        overwrite=overwrite,
        executor=executor,
    )
    if overwrite:
        delete_dataset(target, plan.paths)
    with progress_bars() as begin:
        dataset = plan.execute(executor=executor, progress=begin("voxels"), more_progress=begin)
    _report(dataset, target, plan, time.monotonic() - started)


def _num_channels(stack: Stack) -> int:
    info = stack.files[0].info
    return info.shape[info.axes.index("c")] if "c" in info.axes else 1


def _pyramid(options: Mapping[str, Any]) -> PyramidOptions | None:
    """What `_downsampling_option` and `downsample_options` ask for."""
    if not options.get("downsampling"):
        for name in DOWNSAMPLE:
            _refuse(name, "no coarser mags are made with --no-downsample.")
        return None
    return late.sampling.PyramidOptions(**{name: options[name] for name in DOWNSAMPLE})


def _refuse(name: str, why: str) -> None:
    """Refuse an option that was given and can't act."""
    context = click.get_current_context()
    if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
        param = next(each for each in context.command.params if each.name == name)
        raise click.BadParameter(why, ctx=context, param=param)


def delete_dataset(target: str, sources: Sequence[str]) -> None:
    """Delete a dataset that is there, and nothing that isn't one, or that holds what is converted."""
    place = late.storage.locate(target)
    names = list(place.list())
    if not names and not place.exists():
        return
    if (names and late.document.FILE_NAME not in names) or (not names and _is_file(place)):
        raise DatasetExistsError(
            f"{target} is not a dataset, so --overwrite-existing doesn't delete it.",
            hint="Choose another target.",
        )
    if any(path == place.url or path.startswith(f"{place.url}/") for path in sources):
        raise DatasetExistsError(
            f"The images lie inside {target}, so --overwrite-existing doesn't delete it.",
            hint="Choose another target.",
        )
    late.storage.forget(place)
    late.removing.delete_folder(place, late.document.FILE_NAME)


def _is_file(place: Location) -> bool:
    local = place.local_path()
    return local is not None and not Path(local).is_dir()


def _report(dataset: DatasetState, target: str, plan: PlannedImport, took: float) -> None:
    """Print what came to be: the dataset, the notes, and how long it took."""
    report, notes = late.info.describe(dataset), dataset.import_report or late.report.ImportReport()
    what = f"{size_text(plan.source_bytes)} of images" if plan.files else f"{size_text(plan.bytes)} of voxels"
    # What else is in the dataset, such as leftovers of killed jobs, is told in the same words and place.
    all_notes = notes.with_notes(late.report.ImportNote(kind="found", text=text) for text in report.notes)
    lines = [
        late.summaries.dataset_text(report, target),
        *late.summaries.note_lines(notes),
        f"Converted {what} to {size_text(report.size)} in {took:.1f} s. "
        f"Look at it: wkplug preview {shlex.quote(target)} -o preview.png",
    ]
    facts = {
        **report.to_json(),
        "notes": all_notes.to_json(),
        "converted": {**_import_facts(plan), "seconds": round(took, 3)},
    }
    print_result(facts, "\n".join(lines))


def _plan_facts(plan: PlannedImport, target: str) -> dict[str, Any]:
    """Describe a plan in values, for --json."""
    layers = [
        {
            "name": layer.name,
            "category": layer.category,
            "dtype": layer.dtype,
            "data_format": str(layer.data_format),
            "bounding_box": late.info.box_facts(layer.bounding_box),
            "chunk_shape": volume.spec.chunk_shape[-3:],
            "shard_shape": volume.spec.shard_shape[-3:],
            "mags": list(map(str, [volume.mag, *volume.mags])),
        }
        for volume in plan.volumes
        for layer in volume.layers
    ]
    return {
        "path": target,
        "dry_run": True,
        "voxel_size": list(plan.voxel_size.to_nanometer()),
        "voxel_size_of_files": plan.voxel_size_of_files,
        "continues": getattr(plan, "continues", False),
        "layers": layers,
        "source_bytes": plan.source_bytes,
        "memory": plan.memory,
        "notes": plan.report.to_json(),
        **_import_facts(plan),
    }


def _import_facts(plan: PlannedImport) -> dict[str, Any]:
    """What an import takes in, in numbers."""
    return {"sources": list(plan.paths), "voxel_bytes": plan.bytes}
