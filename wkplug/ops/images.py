"""Importing images: `from_images` and `add_layer_from_images`.

First everything is described (files found and grouped, headers read, layers and layouts decided), then the output
is made and filled: an import that can't succeed leaves nothing behind, as far as headers tell. One that fails
halfway, at a damaged file or an interrupt, leaves a dataset that opens, with the unfinished mag marked and unlisted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug import storage
from wkplug.dataset.dataset import Dataset
from wkplug.errors import DatasetExistsError, InvalidArgumentError, LayerExistsError, ReadOnlyError
from wkplug.geometry import Mag
from wkplug.ops.importing import files as image_files
from wkplug.ops.importing.files import ConversionLayerMapping
from wkplug.ops.importing.planning import ImportOptions, VolumePlan, plan_volumes
from wkplug.ops.importing.readers import ImageFile
from wkplug.ops.importing.writing import write_volume
from wkplug.properties import VoxelSize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wkplug.abc import Executor, Location
    from wkplug.dataset import Layer
    from wkplug.geometry import Vec3FloatLike
    from wkplug.ops.plan import Progress

__all__ = ["ConversionLayerMapping", "ImportPlan", "add_layer_from_images", "from_images", "plan_import"]


@attrs.frozen(kw_only=True)
class ImportPlan:
    """A dataset to come: what `from_images` would write, before anything is written."""

    target: Location
    name: str | None
    voxel_size: VoxelSize
    volumes: tuple[VolumePlan, ...]
    options: ImportOptions

    @property
    def files(self) -> tuple[Location, ...]:
        """All image files, in the order of layers and sections."""
        return tuple(file.location for planned in self.volumes for file in planned.volume.files)

    @property
    def source_bytes(self) -> int:
        """The size of all image files."""
        return sum(location.size() for location in self.files)

    def execute(self, *, executor: Executor | None = None, progress: Progress | None = None) -> Dataset:
        """Create the dataset and write it; `progress` counts sections."""
        dataset = Dataset(self.target, name=self.name, voxel_size_with_unit=self.voxel_size)  # type: ignore[arg-type]  # a Location is a place, too
        _write(dataset, self.volumes, self.options, executor, progress)
        return dataset


def from_images(
    input_path: Any,
    output_path: Any,
    voxel_size: Vec3FloatLike | None = None,
    name: str | None = None,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
    **parameters: Any,
) -> Dataset:
    """Make a dataset of image files; see `Dataset.from_images`. `parameters` as of `plan_import`."""
    described = plan_import(input_path, output_path, voxel_size, name, **parameters)
    return described.execute(executor=executor, progress=progress)


def plan_import(
    input_path: Any,
    output_path: Any,
    voxel_size: Vec3FloatLike | None = None,
    name: str | None = None,
    *,
    map_filepath_to_layer_name: ConversionLayerMapping
    | str
    | Callable[[Any], str] = ConversionLayerMapping.INSPECT_SINGLE_FILE,
    z_slices_sort_key: Callable[[Any], Any] | None = None,
    voxel_size_with_unit: VoxelSize | None = None,
    layer_name: str | None = None,
    layer_category: str | None = None,
    reader: str | None = None,
    overwrite: bool = False,
    **options: Any,
) -> ImportPlan:
    """Look at image files and say which dataset they make; see `Dataset.from_images` for the parameters.

    overwrite: something may be at `output_path`, which the caller deletes before the plan is executed. Otherwise
    DatasetExistsError. options: the fields of `ImportOptions`.
    """
    if (voxel_size is None) == (voxel_size_with_unit is None):
        raise InvalidArgumentError(
            "Exactly one of voxel_size and voxel_size_with_unit is needed.",
            hint="Give voxel_size=(x, y, z) in nanometres.",
        )
    size = voxel_size_with_unit if voxel_size is None else VoxelSize(voxel_size)
    target = storage.locate(output_path)
    if not overwrite and next(iter(target.list()), None) is not None:
        raise DatasetExistsError(
            f"There is already something at {target.url}.", hint="Choose another path, or delete it first."
        )
    groups = _groups(storage.locate(input_path), map_filepath_to_layer_name, z_slices_sort_key, reader)
    if layer_name is not None:
        single = len(groups) == 1
        groups = {layer_name if single else f"{layer_name}_{group}": files for group, files in groups.items()}
    import_options = ImportOptions(allow_multiple_layers=True, **options)
    mag_folder = Mag(import_options.mag).to_layer_name()
    volumes = plan_volumes(
        groups, layer_category, import_options, location_of=lambda layer: target.child(layer, mag_folder)
    )
    return ImportPlan(target=target, name=name, voxel_size=size, volumes=volumes, options=import_options)  # type: ignore[arg-type]  # one of the two is given, see above


def _groups(
    root: Location,
    mapping: ConversionLayerMapping | str | Callable[[Any], str],
    sort_key: Callable[[Any], Any] | None,
    reader: str | None,
) -> dict[str, list[ImageFile]]:
    """Find the files of each layer, in the order of their sections."""
    found = image_files.collect(root)
    if found == [(root.name, root)]:
        files = [(root.name, ImageFile.choose(root, reader))]
        root_name = root.name.rpartition(".")[0] or root.name
    else:
        files = image_files.find_images(found, root.url, reader)
        root_name = root.name
    groups = image_files.group(files, root_name, mapping)
    if sort_key is not None:
        from upath import UPath

        for members in groups.values():
            members.sort(key=lambda item: sort_key(UPath(item[0])))
    return {name: [file for _, file in members] for name, members in groups.items()}


def add_layer_from_images(
    dataset: Dataset,
    images: Any,
    layer_name: str,
    category: str | None = "color",
    *,
    executor: Executor | None = None,
    reader: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Layer:
    """Add one layer, or several, from image files; see `Dataset.add_layer_from_images`. Gives the first.

    options: the fields of `ImportOptions`.
    """
    if dataset.read_only:
        raise ReadOnlyError(
            f"The dataset {dataset.location.url} is read-only: it can't get a layer.",
            hint="Open it without read_only=True.",
        )
    import_options = ImportOptions(**options)
    mag_folder = Mag(import_options.mag).to_layer_name()
    volumes = plan_volumes(
        {layer_name: image_files.resolve_images(images, reader)},
        category,
        import_options,
        location_of=lambda layer: dataset.location.child(layer, mag_folder),
        backend_for=dataset.backend_for,
    )
    for planned in volumes[0].layers:
        if planned.name in dataset.layers:
            raise LayerExistsError(
                f"The dataset {dataset.name!r} already has a layer {planned.name!r}.",
                hint="Choose another name, or delete the layer first.",
            )
    return _write(dataset, volumes, import_options, executor, progress)[0]


def _write(
    dataset: Dataset,
    volumes: Iterable[VolumePlan],
    options: ImportOptions,
    executor: Executor | None,
    progress: Progress | None,
) -> list[Layer]:
    """Write all volumes, counting the sections of all of them."""
    volumes = tuple(volumes)
    total = sum(volume.num_sections for volume in volumes)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    layers: list[Layer] = []
    for volume in volumes:
        layers += write_volume(dataset, volume, options, executor=executor, advance=advance)
    return layers
