"""Copying whole datasets: into files of their own, or as references that share them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from wkplug import execution, storage
from wkplug.abc import Location
from wkplug.errors import DatasetExistsError, InvalidArgumentError
from wkplug.geometry import NDBoundingBox, Vec3FloatLike
from wkplug.model import changes
from wkplug.model.places import check_place_is_free
from wkplug.model.states import DatasetState
from wkplug.ops.copying import layer_copying
from wkplug.ops.copying.layer_copying import UnfinishedCopy
from wkplug.ops.copying.mag_copying import CopyOptions
from wkplug.progress import Progress, shown
from wkplug.properties import VoxelSize, operations
from wkplug.properties.document import FILE_NAME
from wkplug.storage.marks import check_complete

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable


__all__ = ["copy_dataset", "shallow_copy_dataset"]

_NOT_COPIED = frozenset({"id", "scale", "dataLayers", "version"})


@shown(lambda dataset, *_: f"copy {dataset.name}", "progress_of")
def copy_dataset(
    dataset: DatasetState,
    new_dataset_path: str | os.PathLike[str],
    *,
    voxel_size: Vec3FloatLike | None = None,
    voxel_size_with_unit: VoxelSize | None = None,
    request: CopyOptions | None = None,
    data_format: str | None = None,
    exists_ok: bool = False,
    executor: Any = None,
    layers_to_ignore: Iterable[str] | None = None,
    bounding_box: NDBoundingBox | None = None,
    progress_of: Callable[[str], Progress] | None = None,
) -> DatasetState:
    """Copy everything; see `Dataset.copy_dataset`. progress_of: makes the progress of one mag, by its description."""
    ignored = _checked(dataset, layers_to_ignore)
    if not dataset.allow_incomplete:
        check_complete(dataset.location)
    # Before anything is made, since one may be described wrongly.
    layers = [dataset.layer(layer) for layer in dataset.layers if layer not in ignored]
    for layer in layers:
        layer_copying.check_attachments(layer)
    location = _place(dataset, new_dataset_path, exists_ok=exists_ok)
    unfinished = UnfinishedCopy(
        kind="dataset",
        source=dataset.location,
        target=location,
        asked=[
            request,
            data_format,
            voxel_size,
            voxel_size_with_unit,
            sorted(ignored),
            *layer_copying.box_fingerprint(bounding_box),
        ],
    )
    for layer in layers:
        layer_copying.part_to_copy(layer, bounding_box, exists_ok=exists_ok)
    goes_on = unfinished.goes_on(exists_ok=exists_ok, error=DatasetExistsError)
    created = not location.child(FILE_NAME).exists()
    if not created:
        target = _target(dataset, location, voxel_size, voxel_size_with_unit, exists_ok=exists_ok or goes_on)
        unfinished.begin(into=not goes_on)
    else:
        check_place_is_free(location)
        with unfinished.making():
            target = _target(dataset, location, voxel_size, voxel_size_with_unit)
    try:
        with execution.adapted(executor, default="threads") as pool:
            for layer in layers:
                if goes_on and not exists_ok and _is_complete(target, layer.name):
                    continue
                layer_copying.add_layer_as_copy(
                    target,
                    layer,
                    request=request,
                    data_format=data_format,
                    exists_ok=exists_ok,
                    bounding_box=bounding_box,
                    executor=pool,
                    progress_of=progress_of,
                )
    except Exception:
        target.store.refresh()
        if created and not target.store.layer_names():
            location.delete(
                recursive=True
            )  # what can't even begin, such as with an unknown format, leaves nothing
        raise
    unfinished.end()
    return target


def _is_complete(dataset: DatasetState, layer_name: str) -> bool:
    """Whether a copy that goes on has brought a layer already."""
    return (
        layer_name in dataset.store.layer_names()
        and storage.read_mark(dataset.location.child(layer_name)) is None
    )


def shallow_copy_dataset(
    dataset: DatasetState,
    new_dataset_path: str | os.PathLike[str],
    *,
    name: str | None = None,
    layers_to_ignore: Iterable[str] | None = None,
    make_relative: bool = False,
) -> DatasetState:
    """Make a dataset of references; see `Dataset.shallow_copy_dataset`."""
    ignored = _checked(dataset, layers_to_ignore)
    # Before anything is made, since one may be described wrongly.
    layers = [dataset.layer(layer) for layer in dataset.layers if layer not in ignored]
    location = _place(dataset, new_dataset_path, exists_ok=False)
    target = _target(dataset, location, None, None, name=name or dataset.name)
    with target.update():
        for layer in layers:
            layer_copying.add_layer_as_ref(target, layer, make_relative=make_relative)
    for layer in layers:
        layer_copying.link_other_entries(layer, target.layer(layer.name))
    return target


def _checked(dataset: DatasetState, layers_to_ignore: Iterable[str] | None) -> frozenset[str]:
    """Refuse names of layers that aren't there: a slip would copy what was not to be copied."""
    if isinstance(layers_to_ignore, str):
        layers_to_ignore = [layers_to_ignore]
    ignored = frozenset(layers_to_ignore or ())
    for name in ignored - set(dataset.layers):
        dataset.layer(name)
    return ignored


def _place(dataset: DatasetState, path: str | os.PathLike[str], *, exists_ok: bool) -> Location:
    """Where the copy is to be, which is not where the dataset is."""
    location = storage.locate(path)
    if location == dataset.location:
        if not exists_ok:
            raise DatasetExistsError(
                f"There is already a dataset at {location.url}.", hint="Choose another path for the copy."
            )
        raise InvalidArgumentError(f"The dataset {location.url} can't be copied onto itself.")
    storage.check_apart(dataset.location, location, "the dataset that is copied")
    return location


def _target(
    dataset: DatasetState,
    location: Location,
    voxel_size: Vec3FloatLike | None,
    voxel_size_with_unit: VoxelSize | None,
    *,
    name: str | None = None,
    exists_ok: bool = False,
) -> DatasetState:
    size = changes.one_voxel_size(voxel_size, voxel_size_with_unit) or dataset.voxel_size_with_unit
    target = changes.create_dataset(location, size, name, exist_ok=exists_ok)
    with target.update():
        for key, value in dataset.store.document.items():
            if key not in _NOT_COPIED and value is not None:
                target.store.apply(operations.SetDatasetKey(key, copy.deepcopy(value)))
    return target
