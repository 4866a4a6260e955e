"""Copying whole datasets: into files of their own, or as references that share them."""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING, Any

from wkplug import storage
from wkplug.abc import Location
from wkplug.abc.threads import entered
from wkplug.errors import (
    DatasetExistsError,
    InvalidArgumentError,
    NotADatasetFolderError,
    WkplugError,
)
from wkplug.geometry import NDBoundingBox, Vec3FloatLike
from wkplug.model import changes
from wkplug.model.places import check_place_is_free
from wkplug.model.states import DatasetState
from wkplug.ops.copying import layer_copying
from wkplug.ops.copying.layer_copying import LayerCopy
from wkplug.ops.copying.mag_copying import CopyOptions
from wkplug.ops.copying.unfinished import UnfinishedCopy
from wkplug.progress import Progress, shown
from wkplug.properties import VoxelSize, operations
from wkplug.properties.document import FILE_NAME
from wkplug.storage.marks import check_complete

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence


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
    copies = [
        LayerCopy(
            source=layer,
            name=layer.name,
            data_format=data_format or str(layer.data_format),
            request=request or CopyOptions(),
            box=layer_copying.part_to_copy(layer, bounding_box, exists_ok=exists_ok),
        )
        for layer in layers
    ]
    mark, version, in_the_way, _ = layer_copying.looked_at(
        location,
        copies,
        partial(storage.read_mark, location),
        location.child(FILE_NAME).version,
        partial(_in_the_way, location),
        partial(_check_whole, dataset),
    )
    goes_on = unfinished.goes_on(mark, exists_ok=exists_ok, error=DatasetExistsError)
    make = partial(_target, dataset, location, voxel_size, voxel_size_with_unit)
    fill = partial(
        layer_copying.copy_layers,
        copies=copies,
        exists_ok=exists_ok,
        executor=executor,
        progress_of=progress_of,
    )
    if version is None:
        if in_the_way is not None:
            raise in_the_way
        return _made_and_filled(location, copies, unfinished, mark, make, fill)
    target = make(exists_ok=exists_ok or goes_on)
    with unfinished.marked(mark, into=not goes_on):
        _list_layers(target, copies, exists_ok=exists_ok)
        fill(target, goes_on=goes_on)
    return target


def _made_and_filled(
    location: Location,
    copies: Sequence[LayerCopy],
    unfinished: UnfinishedCopy,
    mark: storage.Mark | None,
    make: Callable[..., DatasetState],
    fill: Callable[..., None],
) -> DatasetState:
    """Make the dataset of a copy, and fill it under locks that are taken before anybody can see its layers."""
    contexts = [unfinished.marked(mark, making=True), *layer_copying.locks_of(location, copies)]
    with entered(contexts, at_once=location.concurrency):
        with unfinished.making():
            target = make(copies=copies)
        try:
            fill(target, locked=True)
        except Exception:
            target.store.refresh()
            if not target.store.layer_names():
                location.delete(recursive=True)  # what can't even begin leaves nothing
            raise
    return target


def _in_the_way(location: Location) -> WkplugError | None:
    """What forbids to make a dataset at a place, if there is none yet."""
    try:
        check_place_is_free(location)
    except (DatasetExistsError, NotADatasetFolderError) as error:
        return error
    return None


def _check_whole(dataset: DatasetState) -> None:
    if not dataset.allow_incomplete:
        check_complete(dataset.location)


def _list_layers(target: DatasetState, copies: Sequence[LayerCopy], *, exists_ok: bool) -> None:
    """List the layers that a dataset which is there lacks."""
    for each in copies:
        if each.name in target.store.layer_names():
            layer_copying.check_same_kind(target, each)
            if exists_ok:
                layer_copying.describe(target, each)
        else:
            with changes.exclusive_layer(target, each.name):
                layer_copying.check_free(target, each.name)
                layer_copying.list_layer(target, each)


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
    copies: Sequence[LayerCopy] = (),
    exists_ok: bool = False,
) -> DatasetState:
    """Make the dataset of the copy, which lists all layers from the beginning, or take the one that is there."""
    size = changes.one_voxel_size(voxel_size, voxel_size_with_unit) or dataset.voxel_size_with_unit
    keys = [
        operations.SetDatasetKey(key, copy.deepcopy(value))
        for key, value in dataset.store.document.items()
        if key not in _NOT_COPIED and value is not None
    ]
    for each in copies:
        layer_copying.warn_of_place(location, each.name, each.data_format)
    listing = [operation for each in copies for operation in each.listing()]
    target = changes.create_dataset(location, size, name, exist_ok=exists_ok, further=[*keys, *listing])
    if exists_ok and keys:
        target.store.apply(*keys)
    for each in copies:
        target.layer(each.name).vacancies.are_all_free()
    return target
