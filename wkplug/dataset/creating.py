"""Mags and layers coming, going and being renamed: files and the properties file, in the order that never lies.

Something new is listed after its files are there; something deleted is noted (`wkplug.storage.removing`), then taken
off the list, and then its files go. What a crash leaves is then at worst a folder that nobody lists. One that carries
our mark, or was being deleted, is removed before anything new is made in its place; any other is refused unless it is
empty: what a folder holds that nobody lists is never taken for the voxels of a new mag.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Literal

from wkplug import registry, storage
from wkplug.dataset.mag_view import MagView
from wkplug.errors import (
    LayerExistsError,
    LockTimeoutError,
    MagExistsError,
    MissingError,
    ReadOnlyError,
    UnsupportedOperationError,
    WkplugError,
)
from wkplug.filesystems.paths import is_scrap
from wkplug.model.places import is_link, likely_place
from wkplug.properties import MagViewProperties, check_layer_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wkplug.abc import Location
    from wkplug.dataset.dataset import Dataset
    from wkplug.dataset.layer import Layer
    from wkplug.geometry import Mag
    from wkplug.model.layout import LayoutRequest
    from wkplug.model.regions import Region
    from wkplug.properties import LayerProperties
    from wkplug.storage import ArrayHandle

__all__ = [
    "add_mag",
    "claimed",
    "claimed_layer",
    "create_array",
    "delete_layer",
    "delete_mag",
    "is_finished",
    "list_finished",
    "list_mag",
    "make_room",
    "new_mag",
    "open_mags",
    "overwritten_mag",
    "purpose_of_next_mag",
    "rename_layer",
]

Purpose = Literal["new", "images", "pyramid"]

_WAIT_FOR_OTHERS = 5.0  # seconds; adding an empty mag takes milliseconds, filling one may take days


def open_mags(layer: Layer, properties: LayerProperties) -> dict[Mag, MagView]:
    """Make the views of all listed mags; nothing is opened. Those outside the layer's own folder are read-only."""
    views = {}
    root, folder = layer.dataset.location, layer.location
    for entry in properties.mags:
        location, link = likely_place(root, layer.name, entry)
        foreign = link or location.parent != folder
        view = MagView(layer, entry.mag, location, read_only=layer.read_only or foreign)
        views[view.mag] = view
    return views


def purpose_of_next_mag(layer: Layer) -> Purpose:
    """The first mag of a layer is laid out for growing data, later ones for what is known of it."""
    return "pyramid" if layer.properties.mags else "new"


@contextmanager
def claimed(layer: Layer, mag: Mag) -> Iterator[None]:
    """Be the only one, among all threads and processes, that makes or fills this mag.

    The lock vanishes with its process: a mark without a lock is left by a job that died, and may be replaced.
    LockTimeoutError if another job is at work on the mag.
    """
    dataset = layer.dataset
    try:
        lock = dataset.location.lock(f"mag {layer.name}/{mag}", timeout=_WAIT_FOR_OTHERS)
        with lock:
            dataset.store.refresh()
            _settle(layer, mag)
            yield
    except LockTimeoutError as error:
        raise LockTimeoutError(
            f"The mag {mag} of the layer {layer.name!r} is being written by another job: {error.message}",
            hint="Wait for that job to end, or stop it; then run this again.",
        ) from error


def _settle(layer: Layer, mag: Mag) -> None:
    """Tidy up what a killed process has left of this mag: a deletion that was noted, the mark of a finished job."""
    from wkplug.storage import removing  # late: reading has no use for it

    if is_link(layer.location):
        return  # another dataset's layer, which settles its own affairs
    view = layer.mags.get(mag)
    for name in sorted({mag.to_layer_name(), mag.to_long_layer_name()}):
        place = layer.location.child(name)
        removing.settle_deletion(place, listed=view is not None and view.location == place)
    if view is not None:
        is_finished(layer, mag)


def is_finished(layer: Layer, mag: Mag) -> bool:
    """Whether a mag is listed and complete. A mark that says so itself, left by a killed job, is taken off."""
    if mag not in layer.mags:
        return False
    view = layer.get_mag(mag)
    mark = storage.read_mark(view.location)
    if mark is not None and mark.finished and not view.read_only:
        storage.clear_mark(view.location)
    return mark is None or mark.finished


@contextmanager
def claimed_layer(dataset: Dataset, name: str) -> Iterator[None]:
    """Be the only one who adds, renames or deletes a layer of this name; what a killed deletion has left is gone."""
    from wkplug.storage import removing  # late: reading has no use for it

    try:
        lock = dataset.location.lock(f"layer {name}", timeout=_WAIT_FOR_OTHERS)
        with lock:
            dataset.store.refresh()
            removing.settle_deletion(dataset.location.child(name), listed=name in dataset.store.layer_names())
            yield
    except LockTimeoutError as error:
        raise LockTimeoutError(
            f"The layer {name!r} is being added, renamed or deleted by another job: {error.message}",
            hint="Wait for that job to end, or stop it; then run this again.",
        ) from error


def add_mag(layer: Layer, mag: Mag, request: LayoutRequest, purpose: Purpose) -> MagView:
    """Create an empty array for `mag` and list it."""
    with claimed(layer, mag):
        return list_mag(layer, mag, create_array(layer, mag, request, purpose))


def create_array(
    layer: Layer,
    mag: Mag,
    request: LayoutRequest,
    purpose: Purpose,
    *,
    mark: storage.Mark | None = None,
    region: Region | None = None,
) -> ArrayHandle:
    """Create the array of a mag that is `claimed`, with the mark of the job that is going to fill it.

    region: what the array is to hold, in Mag(1) voxels, where that is more than the layer's present box.
    """
    if mag in layer.mags:
        raise MagExistsError(
            f"The layer {layer.name!r} already has the mag {mag}.",
            hint=f"Use layer.get_mag({str(mag)!r}) or layer.get_or_add_mag.",
        )
    location = layer.location.child(mag.to_layer_name())
    data_format = str(layer.data_format)

    from wkplug.model import layout

    if not isinstance(request.compress, bool):
        from wkplug.dataset.legacy.arrays import check_options

        check_options(request.compress, data_format)
    explicit = layer.dataset.backend_for(data_format)
    choice = registry.choose_backend(location, data_format=data_format, mode="create", explicit=explicit)
    factors = layer.frame.factors(mag.to_tuple())
    spec = layout.array_spec(
        choice.winner, layer.frame, region or layer.region, factors, layer.dtype.name, request, purpose
    )
    make_room(layer, location, data_format)
    if mark is not None:
        storage.set_mark(location, mark)
    return storage.create_array(location, data_format, spec, backend=explicit, warn=False)


@contextmanager
def new_mag(
    layer: Layer,
    mag: Mag,
    request: LayoutRequest,
    purpose: Purpose,
    mark: storage.Mark,
    *,
    region: Region | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Iterator[ArrayHandle]:
    """Make a mag in one block: created with a mark before, listed and unmarked after, if the block succeeds.

    region: as of `create_array`; extra: as of `list_mag`.
    """
    with claimed(layer, mag):
        handle = create_array(layer, mag, request, purpose, mark=mark, region=region)
        yield handle
        list_finished(layer, {mag: handle}, extra=extra)


def list_finished(
    layer: Layer, made: Mapping[Mag, ArrayHandle], *, extra: Mapping[str, Any] | None = None
) -> None:
    """List new mags that are filled, all with one change of the properties, and take their marks off.

    Wherever this is killed, each mag is either not listed, or known to be complete. extra: as of `list_mag`.
    """
    for handle in made.values():
        handle.flush()
        storage.finish_mark(handle.location)
    if made:
        with layer.dataset.update():
            for mag, handle in made.items():
                list_mag(layer, mag, handle, extra=extra)
    for mag, handle in made.items():
        storage.clear_mark(handle.location)
        layer.get_mag(mag).array_source.forget()


@contextmanager
def overwritten_mag(layer: Layer, mag: Mag, mark: storage.Mark) -> Iterator[ArrayHandle]:
    """Fill a listed mag anew in one block: it stays listed, and is marked until the block has succeeded."""
    with claimed(layer, mag):
        view = layer.get_mag(mag)
        if view.read_only:
            raise ReadOnlyError(
                f"The mag {mag} of {layer.name!r} is read-only: its files at {view.location.url} belong elsewhere.",
                hint="Compute it in the dataset that it belongs to, or copy the layer with add_layer_as_copy.",
            )
        source = view.array_source
        if storage.read_mark(view.location) is not None:
            from wkplug.storage import removing  # late: reading has no use for it

            removing.remove_temporaries(view.location)
        storage.set_mark(view.location, mark)
        source.forget()
        handle = storage.open_array(
            view.location,
            str(layer.data_format),
            mode="r+",
            axes=layer.frame.axes,
            backend=source.backend,
            allow_incomplete=True,
        )
        yield handle
        handle.flush()
        storage.clear_mark(view.location)
        source.forget()


def make_room(layer: Layer, location: Location, data_format: str) -> None:
    """Remove what an unlisted folder holds if nothing can be lost with it: a dead job's mag, or no stored voxel."""
    if not location.exists():
        return
    if storage.read_mark(location) is None:
        try:
            handle = storage.open_array(location, data_format, axes=layer.frame.axes)
            worthless = next(iter(handle.stored_boxes()), None) is None
        except MissingError as error:
            if all(is_scrap(name) for name in location.list()):
                return
            raise MagExistsError(
                f"The folder {location.url} is not empty, and no array that could be made anew: it holds files, "
                "but not those that would say what they are.",
                hint="Move it away.",
            ) from error
        except WkplugError:
            worthless = False
        if not worthless:
            raise MagExistsError(
                f"The folder {location.url} holds an array that the properties of {layer.name!r} don't list.",
                hint="If it belongs to the layer, list it with layer.add_mag_for_existing_files; "
                "otherwise move it away.",
            )
    storage.forget(location)
    location.delete(recursive=True)


def list_mag(
    layer: Layer,
    mag: Mag,
    handle: ArrayHandle,
    *,
    extra: Mapping[str, Any] | None = None,
    replace: bool = False,
) -> MagView:
    """Enter a mag whose array is there into the properties.

    extra: keys of other software for the entry; what the storage format keeps there wins over them.
    replace: take the place of an entry of that mag.
    """
    entry = MagViewProperties(
        mag=mag,
        path=storage.relative_to(layer.dataset.location, handle.location),
        extra={**(extra or {}), **handle.backend.mag_properties(handle.array)},
    )
    from wkplug.properties import operations

    layer.dataset.store.apply(operations.AddMag(layer.name, entry, replace=replace))
    view = layer.get_mag(mag)
    view.array_source.adopt(handle)
    return view


def delete_mag(layer: Layer, view: MagView) -> None:
    """Take a mag off the list, then delete its files if they are the layer's own; of links only the link.

    LockTimeoutError if another job is filling the mag.
    """
    from wkplug.properties import operations
    from wkplug.storage import removing

    with claimed(layer, view.mag):
        location = view.location
        own = location.parent == layer.location
        if own:
            removing.note_deletion(location)
        layer.dataset.store.apply(operations.RemoveMag(layer.name, view.mag))
        storage.forget(location)
        if own:
            removing.finish_deletion(location)
            return
        link = layer.location.child(view.mag.to_layer_name())
        if is_link(link):
            link.delete()


def delete_layer(layer: Layer) -> None:
    """Take a layer off the list, then delete its folder; of links only the link, of foreign mags nothing.

    LockTimeoutError if another job is filling one of its mags.
    """
    from wkplug.properties import operations
    from wkplug.storage import removing

    location = layer.location
    with ExitStack() as stack:
        stack.enter_context(claimed_layer(layer.dataset, layer.name))
        for mag in sorted(layer.mags):
            stack.enter_context(claimed(layer, mag))
        for view in layer.mags.values():
            view.array_source.forget()
        removing.note_deletion(location)
        layer.dataset.store.apply(operations.RemoveLayer(layer.name))
        removing.finish_deletion(location)


def rename_layer(layer: Layer, name: str) -> None:
    """Rename the layer's folder and its entry; the folder goes back if the entry can't be changed."""
    check_layer_name(name)
    dataset = layer.dataset
    if name in dataset.store.layer_names():
        raise LayerExistsError(
            f"The dataset already has a layer called {name!r}.", hint="Choose another name."
        )
    with ExitStack() as stack:
        for each in sorted((layer.name, name)):
            stack.enter_context(claimed_layer(dataset, each))
        _rename_layer(layer, name)


def _rename_layer(layer: Layer, name: str) -> None:
    import os
    from pathlib import Path

    from wkplug.properties import operations

    dataset = layer.dataset
    old = layer.location.local_path()
    new = dataset.location.child(name).local_path()
    if old is None or new is None:
        raise UnsupportedOperationError(
            f"The layer {layer.name!r} can't be renamed: its dataset is not on a local disk.",
            hint="Copy it under the new name: dataset.add_layer_as_copy.",
        )
    moved = os.path.lexists(old)
    if moved and os.path.lexists(new):
        raise LayerExistsError(
            f"There is already something at {new}.", hint="Move it away or choose another name."
        )
    for view in layer.mags.values():
        view.array_source.forget()
    if moved:
        Path(old).rename(new)
    try:
        dataset.store.apply(operations.RenameLayer(layer.name, name))
    except BaseException:
        if moved:
            Path(new).rename(old)
        raise
