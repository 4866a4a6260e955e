"""Importing images, containers and raw files: `from_images`, `add_layer_from_images`, and plans that can be shown.

First everything is described (files found and grouped, headers read, layers and layouts decided), then the output
is made and filled: an import that can't succeed leaves nothing behind, as far as headers tell. One that fails
halfway, at a damaged file or an interrupt, leaves a dataset that opens, with the unfinished mag marked and unlisted;
the same call goes on from there.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import execution, storage
from wkplug.abc import Executor, Location
from wkplug.errors import (
    DatasetExistsError,
    ReadOnlyError,
    UnsupportedImageDataError,
    WkplugError,
)
from wkplug.execution import AnyExecutor
from wkplug.filesystems.answers import answers_kept
from wkplug.geometry import Mag
from wkplug.model import changes
from wkplug.model.places import check_place_is_free
from wkplug.model.states import DatasetState, LayerState
from wkplug.ops.importing.files import ConversionLayerMapping
from wkplug.ops.importing.grouping import group_input, resolve_input
from wkplug.ops.importing.options import Budget, DatasetOptions, ImportOptions, InputOptions
from wkplug.ops.importing.planning import plan_volumes, with_pyramids
from wkplug.ops.importing.plans import PlannedImport, VolumePlan, check_target
from wkplug.ops.importing.readers import is_frames
from wkplug.ops.importing.report import ImportNote, ImportReport
from wkplug.ops.importing.series import Stack
from wkplug.ops.importing.values import path_hint
from wkplug.ops.importing.voxel_sizes import KnownSize, comparison_notes, completed_size, known_size
from wkplug.ops.importing.writing import Record, check_free, refusal_words, write_volume
from wkplug.ops.pyramids import downsampling
from wkplug.ops.pyramids.sampling import PyramidOptions, SamplingModes
from wkplug.progress import Progress, shown
from wkplug.properties import VoxelSize
from wkplug.properties.document import FILE_NAME
from wkplug.storage.budget import memory_budget
from wkplug.storage.marks import digest
from wkplug.storage.removing import delete_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


__all__ = [
    "ConversionLayerMapping",
    "DatasetOptions",
    "DatasetPlan",
    "ImportOptions",
    "InputOptions",
    "LayersPlan",
    "add_layer_from_images",
    "delete_empty_dataset",
    "from_images",
    "plan_import",
    "plan_layers",
    "write_volumes",
]


@attrs.frozen(kw_only=True)
class DatasetPlan(PlannedImport):
    """A dataset to come: what `from_images` would write, before anything is written.

    continues: whether the target holds what this very import has written before it was stopped.
    """

    name: str | None
    continues: bool

    @property
    def fingerprint(self) -> str:
        """A text that differs where the import would make something else."""
        return digest([self.name, self.voxel_size, [planned.fingerprint for planned in self.volumes]])

    def execute(
        self,
        *,
        executor: AnyExecutor = None,
        progress: Progress | None = None,
        more_progress: Callable[[str], Progress] | None = None,
    ) -> DatasetState:
        """Create the dataset and write it, or go on with it; `progress` counts bytes, decoded and written.

        more_progress: begins to show a further step of that name: mags that are computed afterwards.
        """
        record = Record(self.target)
        was_there = self.target.exists()
        if self.continues:
            record.refuse("")
        else:
            check_place_is_free(self.target)  # before a folder is made for the record
            record.begin(self.fingerprint)
        try:
            dataset = changes.create_dataset(self.target, self.voxel_size, self.name, exist_ok=self.continues)
        except WkplugError:
            if not self.continues:
                record.end()
            raise
        try:
            write_volumes(dataset, self, executor, progress, more_progress)
        except UnsupportedImageDataError as error:
            if self.continues or dataset.layers:
                record.refuse(error.message)
            else:
                delete_empty_dataset(self.target, keep_folder=was_there)
            raise
        record.end()
        return dataset


@attrs.frozen(kw_only=True)
class LayersPlan(PlannedImport):
    """Layers to come of a dataset that may be there already."""

    def execute(
        self,
        *,
        executor: AnyExecutor = None,
        progress: Progress | None = None,
        more_progress: Callable[[str], Progress] | None = None,
    ) -> DatasetState:
        """Create or open the dataset, and write the layers; progress, more_progress: as of `DatasetPlan.execute`."""
        was_there, is_new = self.target.exists(), FILE_NAME not in self.target.list()
        dataset = changes.create_dataset(self.target, self.voxel_size, exist_ok=True)
        try:
            write_volumes(dataset, self, executor, progress, more_progress)
        except UnsupportedImageDataError:
            if is_new and not dataset.layers:
                delete_empty_dataset(self.target, keep_folder=was_there)
            raise
        return dataset


@shown(lambda input_path, *_: f"import {storage.locate(input_path).name}")
def from_images(
    input_path: Any,
    output_path: Any,
    dataset_options: DatasetOptions,
    *,
    input_options: InputOptions = InputOptions(),  # noqa: B008 - a frozen value
    options: ImportOptions = ImportOptions(),  # noqa: B008 - a frozen value
    executor: AnyExecutor = None,
    progress: Progress | None = None,
) -> DatasetState:
    """Make a dataset of image files; see `Dataset.from_images`."""
    with execution.adapted(executor, default="threads") as runner:
        plan = plan_import(
            input_path,
            output_path,
            dataset_options,
            input_options=input_options,
            options=options,
            executor=runner,
        )
        plan.report.warn()
        dataset = plan.execute(executor=runner, progress=progress)
        report = dataset.import_report
        if report is not None:
            report.added_since(plan.report).warn()
        return dataset


@answers_kept()
def plan_import(
    input_path: Any,
    output_path: Any,
    dataset_options: DatasetOptions,
    *,
    input_options: InputOptions = InputOptions(),  # noqa: B008 - a frozen value
    options: ImportOptions = ImportOptions(),  # noqa: B008 - a frozen value
    overwrite: bool = False,
    executor: Any = None,
) -> DatasetPlan:
    """Look at image files, or a container, and say which dataset they make; see `Dataset.from_images`.

    overwrite: something may be at `output_path`, which the caller deletes before the plan is executed. Otherwise
    DatasetExistsError, unless it is what this import has left when it was stopped. executor: the one that will be
    used, None for threads.
    """
    voxel_size = dataset_options.given_voxel_size
    target = storage.locate(output_path)
    unfinished = None if overwrite else Record(target).read()
    if not overwrite and unfinished is None:
        check_nothing_is_at(target)
    groups = group_input(input_path, input_options, dataset_options.layer_name)
    options = attrs.evolve(options, allow_multiple_layers=True)
    options.warn_of_flips()
    volumes, known = _plan_volumes(
        groups,
        dataset_options.layer_category,
        options,
        target,
        executor,
        voxel_size=voxel_size,
        given_path=_paths_as_given(input_path),
    )
    plan = DatasetPlan(
        target=target,
        name=dataset_options.name,
        voxel_size=known.size,
        voxel_size_of_files=known.of_files,
        volumes=volumes,
        options=options,
        continues=unfinished is not None,
        report=_report(known.notes, volumes),
    )
    if unfinished is not None and unfinished != plan.fingerprint:
        why, again = refusal_words(Record(target).refused)
        raise DatasetExistsError(
            f"At {target.url} is what another import has left unfinished: of other images, or with other parameters"
            f"{why}.",
            hint=f"{again}, or choose another path.",
        )
    return plan


def plan_layers(
    groups: Mapping[str, Stack],
    target: Any,
    voxel_size: VoxelSize | Sequence[float | None] | None = None,
    *,
    options: ImportOptions = ImportOptions(),  # noqa: B008 - a frozen value
    category: str | None = None,
    overwrite: bool = False,
    executor: Any = None,
) -> LayersPlan:
    """Say how the sources of `groups`, by layer name, become layers of the dataset at `target`.

    voxel_size: None, as a whole or for an axis, takes that of the dataset, or what the sources say. overwrite: what is
    there doesn't count. DatasetExistsError for something that is no dataset, an error of `Dataset` for one with
    another voxel size, LayerExistsError for names that are taken.
    """
    place = storage.locate(target)
    names = list(place.list())
    dataset: DatasetState | None = None
    if FILE_NAME in names and not overwrite:
        dataset = DatasetState.open(place)
        if voxel_size is not None:
            size = completed_size(voxel_size, dataset.voxel_size_with_unit)
            dataset = changes.create_dataset(place, size, exist_ok=True)
    elif names and not overwrite:
        raise DatasetExistsError(
            f"There is already something at {place.url}, which is no dataset.",
            hint="Choose another path.",
        )
    return _layers_plan(groups, category, options, place, executor, dataset=dataset, voxel_size=voxel_size)


def _layers_plan(
    groups: Mapping[str, Stack],
    category: str | None,
    options: ImportOptions,
    target: Location,
    executor: Any,
    **further: Any,
) -> LayersPlan:
    """Plan the layers of a dataset; further: as of `_plan_volumes`."""
    volumes, known = _plan_volumes(groups, category, options, target, executor, **further)
    return LayersPlan(
        target=target,
        voxel_size=known.size,
        voxel_size_of_files=known.of_files,
        volumes=volumes,
        options=options,
        report=_report(known.notes, volumes),
    )


def _plan_volumes(
    groups: Mapping[str, Stack],
    category: str | None,
    options: ImportOptions,
    target: Location,
    executor: Any,
    *,
    dataset: DatasetState | None = None,
    voxel_size: Any = None,
    given_path: Callable[[str], str] = lambda path: path,
) -> tuple[tuple[VolumePlan, ...], KnownSize]:
    """Describe the volumes of an import with their pyramids, and the voxel size.

    dataset: the one that gets the layers, None for a new one; then voxel_size is what was given. given_path: gives a
    path as the user wrote it.
    """

    def location_of(layer: str, mag: Mag) -> Location:
        return target.child(layer, mag.to_layer_name())

    def backend_for(data_format: str) -> str | None:
        return None if dataset is None else dataset.backend_for(data_format)

    volumes = plan_volumes(
        groups,
        category,
        options,
        Budget.of(options.memory, executor),
        location_of=location_of,
        backend_for=backend_for,
        given_path=given_path,
    )
    others: list[Sequence[Mag]] = []
    if dataset is None:
        known = known_size(volumes, voxel_size)
    else:
        check_target(target, volumes)
        for volume in volumes:
            check_free(dataset, volume)
        size = dataset.voxel_size_with_unit
        known = KnownSize(size=size, of_files="", notes=tuple(comparison_notes(volumes, size)))
        others = [list(layer.mags) for layer in dataset.layers.values()]
    nanometres = known.size.to_nanometer()
    return (
        with_pyramids(volumes, options, nanometres, others, location_of=location_of, backend_for=backend_for),
        known,
    )


def _report(notes: Iterable[ImportNote], volumes: Iterable[VolumePlan]) -> ImportReport:
    return ImportReport.of([*notes, *(note for planned in volumes for note in planned.notes)])


def check_nothing_is_at(target: Location) -> None:
    """Refuse a place where something is; of a dataset, say how it gets one more layer."""
    names = list(target.list())
    if FILE_NAME in names:
        raise DatasetExistsError(
            f"There is already something at {target.url}: a dataset.",
            hint="Choose another path. To add a layer to it: dataset.add_layer_from_images, "
            "or wkplug add-layer SOURCE DATASET.",
        )
    if names:
        raise DatasetExistsError(f"There is already something at {target.url}.", hint="Choose another path.")


def delete_empty_dataset(target: Location, *, keep_folder: bool) -> None:
    """Delete a dataset that was just created and holds nothing: what it is of needs other parameters.

    keep_folder: an empty folder was there before, which stays.
    """
    names = list(target.list())
    if not all(name.startswith(".") or name.endswith(".json") for name in names):
        return  # somebody else's are there
    storage.forget(target)
    with suppress(WkplugError):  # the error that is under way says more
        if not keep_folder:
            delete_folder(target, FILE_NAME)
            return
        # The mark goes last: until then, the same import goes on.
        for name in sorted(names, key=lambda name: name == storage.MARK_NAME):
            target.child(name.rstrip("/")).delete(recursive=True)


def _paths_as_given(images: Any) -> Callable[[str], str]:
    """Give a function from paths of files to what was given, and what lies below it."""
    if isinstance(images, (list, tuple)):
        return lambda _: path_hint(str(images[0])) if images else ""
    if is_frames(images):
        return path_hint
    text = str(images)
    if any(mark in text for mark in "*?["):
        return lambda _: path_hint(text, own=2)
    root = storage.locate(images).url
    own = path_hint(text)
    return lambda path: own + path.removeprefix(root) if path.startswith(root) else own


@shown(lambda _dataset, _images, name, *_: f"import {name}")
def add_layer_from_images(
    dataset: DatasetState,
    images: Any,
    layer_name: str,
    category: str | None = "color",
    *,
    input_options: InputOptions = InputOptions(),  # noqa: B008 - a frozen value
    options: ImportOptions = ImportOptions(),  # noqa: B008 - a frozen value
    executor: AnyExecutor = None,
    progress: Progress | None = None,
) -> LayerState:
    """Add one layer, or several, from image files; see `Dataset.add_layer_from_images`. Gives the first."""
    if dataset.read_only:
        raise ReadOnlyError(
            f"The dataset {dataset.location.url} is read-only: it can't get a layer.",
            hint="Open it without read_only=True.",
        )
    options.warn_of_flips()
    with execution.adapted(executor, default="threads") as runner:
        groups = resolve_input(images, layer_name, input_options, several=options.allow_multiple_layers)
        plan = _layers_plan(
            groups,
            category,
            options,
            dataset.location,
            runner,
            dataset=dataset,
            given_path=_paths_as_given(images),
        )
        plan.report.warn()
        layers, written = write_volumes(dataset, plan, runner, progress)
        written.added_since(plan.report).warn()
        return layers[0]


def write_volumes(
    dataset: DatasetState,
    plan: PlannedImport,
    executor: AnyExecutor,
    progress: Progress | None,
    more_progress: Callable[[str], Progress] | None = None,
) -> tuple[list[LayerState], ImportReport]:
    """Write all volumes, counting bytes that are decoded and written; then the coarser mags that are still to be made.

    Gives the layers, and the report of what was planned, completed with what the voxels show; the dataset has it, too.
    """
    total = sum(volume.work for volume in plan.volumes)
    done = 0

    def advance(part: int) -> None:
        nonlocal done
        done += part
        if progress is not None:
            progress(min(done, total), total)  # an import that goes on may be cut into other boxes

    layers: list[LayerState] = []
    report = plan.report
    with execution.adapted(executor, default="threads") as runner:
        for volume in plan.volumes:
            written, notes = write_volume(dataset, volume, plan.options, executor=runner, advance=advance)
            layers += written
            report = report.with_notes(notes)
        before = dataset.import_report
        dataset.import_report = report if before is None else before.with_notes(report.notes)
        if plan.options.pyramid is not None:
            _add_coarser_mags(layers, plan.options.pyramid, plan.options, runner, more_progress)
    return layers, report


def _add_coarser_mags(
    layers: Iterable[LayerState],
    pyramid: PyramidOptions,
    options: ImportOptions,
    executor: Executor,
    progress: Callable[[str], Progress] | None,
) -> None:
    """Compute the mags that were not computed while their layer was written."""
    for layer in layers:
        # A single section has no z to halve; there is nothing to warn about.
        flat = layer.bounding_box.size_xyz.z == 1
        downsampling.downsample(
            layer,
            attrs.evolve(
                pyramid,
                sampling_mode=SamplingModes.CONSTANT_Z if flat else pyramid.sampling_mode,
                compress=options.compress,
                memory=memory_budget(options.memory),
            ),
            executor=executor,
            progress=None if progress is None else progress(f"{layer.name}, pyramid"),
        )
