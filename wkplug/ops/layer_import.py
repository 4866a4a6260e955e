"""Importing volumes as layers of a dataset that may be there already: raw files, containers, images.

As in `wkplug.ops.images`, everything is described and checked before anything is written, and the same call again goes
on with what was stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug import storage
from wkplug.errors import DatasetExistsError, UnsupportedImageDataError
from wkplug.model import changes
from wkplug.model.states import DatasetState
from wkplug.ops.images import take_back, write_volumes
from wkplug.ops.importing.options import Budget, ImportOptions
from wkplug.ops.importing.planning import plan_volumes
from wkplug.ops.importing.plans import PlannedImport
from wkplug.ops.importing.pyramid import with_pyramids
from wkplug.ops.importing.report import ImportReport
from wkplug.ops.importing.voxel_sizes import Known, compared, filled, known_size
from wkplug.ops.importing.writing import check_free
from wkplug.properties.document import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wkplug.execution import AnyExecutor
    from wkplug.geometry import Mag
    from wkplug.model.states import LayerState
    from wkplug.ops.importing.stacks import Stack
    from wkplug.ops.plan import Progress
    from wkplug.properties import VoxelSize

__all__ = ["LayerImport", "plan_layer"]


@attrs.frozen(kw_only=True)
class LayerImport(PlannedImport):
    """Layers to come of a dataset that may be there already."""

    def execute(
        self,
        *,
        executor: AnyExecutor = None,
        progress: Progress | None = None,
        more_progress: Callable[[str], Progress] | None = None,
    ) -> tuple[DatasetState, list[LayerState]]:
        """Create or open the dataset, and write the layers; progress, more_progress: as of `ImportPlan.execute`."""
        was_there, is_new = self.target.exists(), FILE_NAME not in self.target.list()
        dataset = changes.create_dataset(self.target, self.voxel_size, exist_ok=True)
        try:
            layers, _ = write_volumes(
                dataset, self.volumes, self.options, self.report, executor, progress, more_progress
            )
        except UnsupportedImageDataError:
            if is_new and not dataset.layers:
                take_back(self.target, keep_folder=was_there)
            raise
        return dataset, layers


def plan_layer(
    groups: Mapping[str, Stack],
    target: Any,
    voxel_size: VoxelSize | Sequence[float | None] | None = None,
    *,
    category: str | None = None,
    overwrite: bool = False,
    executor: Any = None,
    **options: Any,
) -> LayerImport:
    """Say how the sources of `groups`, by layer name, become layers of the dataset at `target`.

    voxel_size: None, as a whole or for an axis, takes that of the dataset, or what the sources say. overwrite: what is
    there doesn't count. options: the fields of `ImportOptions`. DatasetExistsError for something that is no dataset,
    an error of `Dataset` for one with another voxel size, LayerExistsError for names that are taken.
    """
    place = storage.locate(target)
    names = list(place.list())
    dataset: DatasetState | None = None
    if FILE_NAME in names and not overwrite:
        dataset = DatasetState.open(place)
        if voxel_size is not None:
            wanted = filled(voxel_size, dataset.voxel_size_with_unit)
            dataset = changes.create_dataset(place, wanted, exist_ok=True)
    elif names and not overwrite:
        raise DatasetExistsError(
            f"There is already something at {place.url}, which is no dataset.",
            hint="Choose another path.",
        )
    import_options = ImportOptions(**options)
    places: dict[str, Any] = {"location_of": lambda layer, mag: place.child(layer, mag.to_layer_name())}
    others: list[Sequence[Mag]] = []
    if dataset is not None:
        places["backend_for"] = dataset.backend_for
        others = [list(layer.mags) for layer in dataset.layers.values()]
    budget = Budget.of(import_options.memory, executor)
    volumes = plan_volumes(groups, category, import_options, budget, **places)
    if dataset is not None:
        size = dataset.voxel_size_with_unit
        known = Known(size=size, of_files="", notes=tuple(compared(volumes, size)))
        for volume in volumes:
            check_free(dataset, volume)
    else:
        known = known_size(volumes, voxel_size)
    return LayerImport(
        target=place,
        voxel_size=known.size,
        voxel_size_of_files=known.of_files,
        volumes=with_pyramids(volumes, import_options, known.size.to_nanometer(), others, **places),
        options=import_options,
        report=ImportReport.of([*known.notes, *(note for planned in volumes for note in planned.notes)]),
    )
