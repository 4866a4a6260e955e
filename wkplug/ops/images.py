"""Importing images: `from_images` and `add_layer_from_images`.

First everything is described (files found and grouped, headers read, layers and layouts decided), then the output
is made and filled: an import that can't succeed leaves nothing behind, as far as headers tell. One that fails
halfway, at a damaged file or an interrupt, leaves a dataset that opens, with the unfinished mag marked and unlisted;
the same call goes on from there.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import storage
from wkplug.errors import (
    DatasetExistsError,
    InvalidArgumentError,
    ReadOnlyError,
    UnsupportedImageDataError,
    WkplugError,
)
from wkplug.model import changes
from wkplug.model.places import check_place_is_free
from wkplug.ops import pools
from wkplug.ops.importing.categories import telling_path
from wkplug.ops.importing.files import ConversionLayerMapping
from wkplug.ops.importing.frames import is_frames
from wkplug.ops.importing.journal import Record
from wkplug.ops.importing.options import Budget, ImportOptions
from wkplug.ops.importing.planning import plan_volumes
from wkplug.ops.importing.plans import PlannedImport, VolumePlan, check_target
from wkplug.ops.importing.pyramid import add_coarser_mags, with_pyramids
from wkplug.ops.importing.readers import Wanted
from wkplug.ops.importing.report import ImportReport
from wkplug.ops.importing.sources import group_input, resolve_input
from wkplug.ops.importing.voxel_sizes import compared, known_size
from wkplug.ops.importing.writing import check_free, told_refusal, write_volume
from wkplug.progress import shown
from wkplug.properties.document import FILE_NAME
from wkplug.storage.marks import digest
from wkplug.storage.removing import delete_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wkplug.abc import Location
    from wkplug.execution import AnyExecutor
    from wkplug.geometry import Vec3FloatLike
    from wkplug.model.states import DatasetState, LayerState
    from wkplug.ops.plan import Progress
    from wkplug.properties import VoxelSize

__all__ = [
    "ConversionLayerMapping",
    "ImportPlan",
    "add_layer_from_images",
    "from_images",
    "plan_import",
    "take_back",
    "write_volumes",
]


@attrs.frozen(kw_only=True)
class ImportPlan(PlannedImport):
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
            write_volumes(dataset, self.volumes, self.options, self.report, executor, progress, more_progress)
        except UnsupportedImageDataError as error:
            if self.continues or dataset.layers:
                record.refuse(error.message)
            else:
                take_back(self.target, keep_folder=was_there)
            raise
        record.end()
        return dataset


@shown(lambda input_path, *_: f"import {storage.locate(input_path).name}")
def from_images(
    input_path: Any,
    output_path: Any,
    voxel_size: Vec3FloatLike | Sequence[float | None] | None = None,
    name: str | None = None,
    *,
    executor: AnyExecutor = None,
    progress: Progress | None = None,
    **parameters: Any,
) -> DatasetState:
    """Make a dataset of image files; see `Dataset.from_images`. `parameters` as of `plan_import`."""
    with pools.pool(executor) as runner:
        described = plan_import(input_path, output_path, voxel_size, name, executor=runner, **parameters)
        described.report.warn()
        dataset = described.execute(executor=runner, progress=progress)
        report = dataset.import_report
        if report is not None:
            report.beyond(described.report).warn()
        return dataset


def plan_import(
    input_path: Any,
    output_path: Any,
    voxel_size: Vec3FloatLike | Sequence[float | None] | None = None,
    name: str | None = None,
    *,
    map_filepath_to_layer_name: ConversionLayerMapping
    | str
    | Callable[[Any], str] = ConversionLayerMapping.INSPECT_SINGLE_FILE,
    z_slices_sort_key: Callable[[Any], Any] | None = None,
    voxel_size_with_unit: VoxelSize | None = None,
    voxel_size_from_files: bool = False,
    layer_name: str | None = None,
    layer_category: str | None = None,
    missing_slices: str = "error",
    reader: str | None = None,
    use_bioformats: bool | None = None,
    importer: str | None = None,
    scene: int | str | None = None,
    sampled: bool = False,
    overwrite: bool = False,
    executor: Any = None,
    **options: Any,
) -> ImportPlan:
    """Look at image files, or a container, and say which dataset they make; see `Dataset.from_images`.

    voxel_size: an axis of it may be None: then it is what the files say. voxel_size_from_files: without a voxel size,
    take all of it from the files. sampled: of a long series of files, open only a few; for plans that are only shown.
    overwrite: something may be at `output_path`,
    which the caller deletes before the plan is executed. Otherwise DatasetExistsError, unless it is what this import
    has left when it was stopped. executor: the one that will be used, None for threads. options: the fields of
    `ImportOptions`.
    """
    given = voxel_size is not None or voxel_size_with_unit is not None
    if (voxel_size is not None and voxel_size_with_unit is not None) or not (given or voxel_size_from_files):
        raise InvalidArgumentError(
            "Exactly one of voxel_size and voxel_size_with_unit is needed.",
            hint="Give voxel_size=(x, y, z) in nanometres; None for an axis takes what the files say.",
        )
    target = storage.locate(output_path)
    begun = None if overwrite else Record(target).read()
    if not overwrite and begun is None:
        check_nothing_is_at(target)
    wanted = Wanted(reader, use_bioformats=use_bioformats, scene=scene, sampled=sampled)
    groups = group_input(
        input_path,
        map_filepath_to_layer_name,
        z_slices_sort_key,
        missing_slices,
        wanted,
        importer,
        layer_name,
    )
    import_options = ImportOptions(allow_multiple_layers=True, **options)
    import_options.tell_of_flips()
    volumes = plan_volumes(
        groups,
        layer_category,
        import_options,
        Budget.of(import_options.memory, executor),
        location_of=lambda layer, mag: target.child(layer, mag.to_layer_name()),
        as_given=_as_given(input_path),
    )
    known = known_size(volumes, voxel_size_with_unit if voxel_size is None else voxel_size)
    volumes = with_pyramids(
        volumes,
        import_options,
        known.size.to_nanometer(),
        [],
        location_of=lambda layer, mag: target.child(layer, mag.to_layer_name()),
    )
    plan = ImportPlan(
        target=target,
        name=name,
        voxel_size=known.size,
        voxel_size_of_files=known.of_files,
        volumes=volumes,
        options=import_options,
        continues=begun is not None,
        report=ImportReport.of([*known.notes, *(note for planned in volumes for note in planned.notes)]),
    )
    if begun is not None and begun != plan.fingerprint:
        why, again = told_refusal(Record(target).refused)
        raise DatasetExistsError(
            f"At {target.url} is what another import has left unfinished: of other images, or with other parameters"
            f"{why}.",
            hint=f"{again}, or choose another path.",
        )
    return plan


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


def take_back(target: Location, *, keep_folder: bool) -> None:
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


def _as_given(images: Any) -> Callable[[str], str]:
    """Give a function from paths of files to what was given, and what lies below it."""
    if isinstance(images, (list, tuple)):
        return lambda _: telling_path(str(images[0])) if images else ""
    if is_frames(images):
        return telling_path
    text = str(images)
    if any(mark in text for mark in "*?["):
        return lambda _: telling_path(text, own=2)
    root = storage.locate(images).url
    own = telling_path(text)
    return lambda path: own + path.removeprefix(root) if path.startswith(root) else own


@shown(lambda _dataset, _images, name, *_: f"import {name}")
def add_layer_from_images(
    dataset: DatasetState,
    images: Any,
    layer_name: str,
    category: str | None = "color",
    *,
    executor: AnyExecutor = None,
    missing_slices: str = "error",
    reader: str | None = None,
    use_bioformats: bool | None = None,
    importer: str | None = None,
    scene: int | str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> LayerState:
    """Add one layer, or several, from image files; see `Dataset.add_layer_from_images`. Gives the first.

    options: the fields of `ImportOptions`.
    """
    if dataset.read_only:
        raise ReadOnlyError(
            f"The dataset {dataset.location.url} is read-only: it can't get a layer.",
            hint="Open it without read_only=True.",
        )
    import_options = ImportOptions(**options)
    import_options.tell_of_flips()
    wanted = Wanted(reader, use_bioformats=use_bioformats, scene=scene)
    with pools.pool(executor) as runner:
        volumes = plan_volumes(
            resolve_input(
                images,
                layer_name,
                wanted,
                missing_slices,
                importer,
                several=import_options.allow_multiple_layers,
            ),
            category,
            import_options,
            Budget.of(import_options.memory, runner),
            location_of=lambda layer, mag: dataset.location.child(layer, mag.to_layer_name()),
            backend_for=dataset.backend_for,
            as_given=_as_given(images),
        )
        check_target(dataset.location, volumes)
        for volume in volumes:
            check_free(dataset, volume)
        volumes = with_pyramids(
            volumes,
            import_options,
            dataset.voxel_size,
            [list(layer.mags) for layer in dataset.layers.values()],
            location_of=lambda layer, mag: dataset.location.child(layer, mag.to_layer_name()),
            backend_for=dataset.backend_for,
        )
        report = ImportReport.of(
            [
                *compared(volumes, dataset.voxel_size_with_unit),
                *(note for planned in volumes for note in planned.notes),
            ]
        )
        report.warn()
        layers, written = write_volumes(dataset, volumes, import_options, report, runner, progress)
        written.beyond(report).warn()
        return layers[0]


def write_volumes(
    dataset: DatasetState,
    volumes: Iterable[VolumePlan],
    options: ImportOptions,
    report: ImportReport,
    executor: AnyExecutor,
    progress: Progress | None,
    more_progress: Callable[[str], Progress] | None = None,
) -> tuple[list[LayerState], ImportReport]:
    """Write all volumes, counting bytes that are decoded and written; then the coarser mags that are still to be made.

    Gives the layers, and the report of what was planned, completed with what the voxels show; the dataset has it, too.
    """
    volumes = tuple(volumes)
    total = sum(volume.work for volume in volumes)
    done = 0

    def advance(part: int) -> None:
        nonlocal done
        done += part
        if progress is not None:
            progress(min(done, total), total)  # what goes on may be cut another way

    layers: list[LayerState] = []
    with pools.pool(executor) as runner:
        for volume in volumes:
            written, notes = write_volume(dataset, volume, options, executor=runner, advance=advance)
            layers += written
            report = report.joined(notes)
        before = dataset.import_report
        dataset.import_report = report if before is None else before.joined(report.notes)
        if options.pyramid is not None:
            add_coarser_mags(layers, options.pyramid, options, runner, more_progress)
    return layers, report
