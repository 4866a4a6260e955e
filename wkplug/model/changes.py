"""Changes to one dataset, layer or mag: made, listed, resized, renamed, deleted.

Files first, then the list: something new is listed after its files are there; something deleted is noted
(`wkplug.storage.removing`), then taken off the list, and then its files go. What a crash leaves is at worst a folder
that nobody lists. One that carries our mark, or was being deleted, is removed before anything new is made in its
place; any other is refused unless it is empty: what a folder holds that nobody lists is never taken for the voxels of
a new mag. Arrays grow before the metadata say so and shrink after.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from wkplug import config, registry, storage
from wkplug.abc.threads import entered, meanwhile, side_by_side
from wkplug.errors import (
    CategoryError,
    ConflictError,
    DatasetExistsError,
    DatasetMismatchError,
    DatasetNotFoundError,
    InvalidArgumentError,
    LayerExistsError,
    LayerMismatchError,
    LayerNotFoundError,
    LockTimeoutError,
    MagExistsError,
    MagMismatchError,
    MissingError,
    OutOfBoundsError,
    ReadOnlyError,
    UnsupportedOperationError,
    WkplugError,
)
from wkplug.filesystems.paths import is_scrap
from wkplug.geometry import BoundingBox, Mag, NDBoundingBox, NormalizedBoundingBox, grids
from wkplug.geometry.boxes import checked_box
from wkplug.model import layout
from wkplug.model.dtypes import check_category, check_layer_dtype
from wkplug.model.places import check_place_is_free, is_link
from wkplug.model.regions import Region, from_bounding_box
from wkplug.model.states import (
    DEFAULT_OPTIONS,
    DatasetState,
    LayerState,
    MagState,
    OpenOptions,
    options_at,
)
from wkplug.model.vacancies import InTheWay, Unhindered, Vacancies, is_guarded, trace_of_deletion
from wkplug.notices import warn_user
from wkplug.properties import (
    LayerProperties,
    MagViewProperties,
    PropertiesStore,
    SegmentationLayerProperties,
    VoxelSize,
    check_layer_name,
    operations,
)
from wkplug.storage import removing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from wkplug.abc import ArraySpec, Location
    from wkplug.model.layout import LayoutRequest
    from wkplug.storage import ArrayHandle

__all__ = [
    "LayerRequest", "add_layer", "add_mag", "check_box", "create_array", "create_dataset", "delete_layer", "delete_mag",
    "end_filling", "exclusive", "exclusive_layer", "extend_box", "get_or_add_layer", "get_or_add_mag", "grow",
    "grow_listed", "is_finished", "list_filled", "list_finished", "list_mag", "lock_of_mag", "new_mag",
    "one_voxel_size", "overwritten_mag", "purpose_of_next_mag", "remove_abandoned", "rename_layer", "set_box",
    "set_dataset_key", "set_layer_key",
    "whole_number",
]  # fmt: skip

Purpose = Literal["new", "images", "pyramid"]

_TRIES_WITHOUT_LOCK = 5
_LOCK_TIMEOUT = 5.0  # seconds; adding an empty mag takes milliseconds, filling one may take days


# --- datasets ---------------------------------------------------------------------------------------------


def one_voxel_size(voxel_size: Any, voxel_size_with_unit: VoxelSize | None) -> VoxelSize | None:
    """Give the voxel size that was given in one of two ways, `voxel_size` in nanometres; None if in neither."""
    if voxel_size is None:
        return voxel_size_with_unit
    if voxel_size_with_unit is not None:
        raise InvalidArgumentError(
            "Both voxel_size and voxel_size_with_unit were given.",
            hint="Give one of them; voxel_size is in nanometres.",
        )
    return VoxelSize(voxel_size)


def create_dataset(
    location: Location,
    voxel_size: VoxelSize | None,
    name: str | None = None,
    *,
    exist_ok: bool = False,
    options: OpenOptions = DEFAULT_OPTIONS,
    further: Sequence[operations.Operation] = (),
) -> DatasetState:
    """Create a dataset, or with `exist_ok` open the one that is there if voxel size and name agree.

    further: what else a new one's metadata are to say from the beginning.
    DatasetExistsError if something is in the way, DatasetMismatchError if the existing dataset differs,
    InvalidArgumentError without a voxel size.
    """
    # Where a put can't replace what is there, it is the first look, too.
    at_once = location.conditional and voxel_size is not None and not (exist_ok or options.read_only)
    store = None if at_once else _store_at(location)
    if store is None:
        try:
            return DatasetState(location, _new_store(location, voxel_size, name, options, further), options)
        except DatasetExistsError:
            # Another job may have made it since.
            store = _store_at(location) if exist_ok else None
            if store is None:
                raise
    if not exist_ok:
        raise DatasetExistsError(
            f"There is already a dataset at {location.url}.",
            hint="Pass exist_ok=True to take it as it is, or choose another path.",
        )
    _check_existing(store, voxel_size, name)
    return DatasetState(location, store, options_at(location, options))


def _store_at(location: Location) -> PropertiesStore | None:
    try:
        return PropertiesStore.open(location)
    except DatasetNotFoundError:
        return None


def _new_store(
    location: Location,
    voxel_size: VoxelSize | None,
    name: str | None,
    options: OpenOptions,
    further: Sequence[operations.Operation],
) -> PropertiesStore:
    if options.read_only:
        raise DatasetNotFoundError(
            f"There is no dataset at {location.url}, and read_only=True can't create one.",
            hint="Check the path.",
        )
    if voxel_size is None:
        raise InvalidArgumentError(
            f"A new dataset at {location.url} needs a voxel size.",
            hint="Pass voxel_size=(x, y, z) in nanometres, or voxel_size_with_unit; "
            "Dataset.open opens an existing one.",
        )
    if not location.conditional:
        check_place_is_free(location)
    return PropertiesStore.create(
        location, name=location.name if name is None else name, voxel_size=voxel_size, further=further
    )


def _check_existing(store: PropertiesStore, voxel_size: VoxelSize | None, name: str | None) -> None:
    if voxel_size is None:
        raise InvalidArgumentError(
            "A voxel size is needed, also with exist_ok=True.",
            hint="Dataset.open(path) opens it without one.",
        )
    url, existing = store.root.url, store.dataset
    if existing.scale.to_nanometer() != voxel_size.to_nanometer():
        raise DatasetMismatchError(
            f"The dataset at {url} has the voxel size {existing.scale.to_nanometer()} nm, "
            f"but {voxel_size.to_nanometer()} nm was asked for.",
            hint="Leave voxel_size out to take it as it is: Dataset.open(path).",
        )
    if name is not None and existing.id.get("name") != name:
        raise DatasetMismatchError(
            f"The dataset at {url} is called {existing.id.get('name')!r}, not {name!r}.",
            hint="Leave name out, or open it and set dataset.name.",
        )


def set_dataset_key(dataset: DatasetState, key: str, value: Any, what: str) -> None:
    """Record a value of the dataset's metadata; `what` names it where the dataset is read-only."""
    dataset.check_writable(what)
    dataset.store.apply(operations.SetDatasetKey(key, value))


# --- layers -----------------------------------------------------------------------------------------------


class LayerRequest(NamedTuple):
    """What a new layer is to be, as the user said it; None: the default.

    dtype: of one channel, in any spelling. bounding_box: in Mag(1) voxels; its axes become the layer's.
    """

    category: str
    dtype: Any = None
    num_channels: int | None = None
    data_format: str | None = None
    bounding_box: NDBoundingBox | None = None
    largest_segment_id: int | None = None
    mappings: Sequence[str] | None = None

    def properties(self, name: str) -> LayerProperties:
        """Check all, warn of what is unusual, and give the entry of the metadata."""
        dtype = check_layer_dtype(self.category, "uint8" if self.dtype is None else self.dtype)
        channels = 1 if self.num_channels is None else self.num_channels
        if channels < 1:
            raise InvalidArgumentError(
                f"num_channels is {self.num_channels}.", hint="A layer has at least one channel."
            )
        if channels != 1 and not (channels == 3 and dtype == "uint8"):
            warn_user(
                f"[WARNING] A layer with {channels} channels of {dtype} "
                "can't be shown by every viewer; one channel, "
                "or three of uint8, always can.",
                UserWarning,
            )
        box = BoundingBox.empty() if self.bounding_box is None else checked_box(self.bounding_box)
        common: dict[str, Any] = {
            "name": name, "category": self.category, "bounding_box": box.normalize_axes(channels), "dtype": dtype,
            "num_channels": channels, "data_format": self.format, "mags": [],
        }  # fmt: skip
        if self.category == "segmentation":
            return SegmentationLayerProperties(
                **common,
                largest_segment_id=whole_number(self.largest_segment_id),
                mappings=list(self.mappings or []),
            )
        if self.largest_segment_id is not None or self.mappings:
            raise CategoryError(
                f"largest_segment_id and mappings belong to segmentation layers; {name!r} is to be a color layer."
            )
        return LayerProperties(**common)

    @property
    def format(self) -> str:
        """The storage format: the one given, UnknownFormatError if no plugin has it, or the setting's."""
        return registry.check_format(str(self.data_format or config.current().default_format))


def whole_number(value: Any) -> int | None:
    """Give an id as a plain int, None as None; InvalidArgumentError (an AssertionError) for fractions."""
    if value is None:
        return None
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"{value!r} is not a segment id.", hint="Give a whole number or None."
        ) from error
    if number != value:
        raise InvalidArgumentError(f"{value!r} is not a whole number.", hint="Segment ids are whole numbers.")
    return number


def add_layer(dataset: DatasetState, name: str, request: LayerRequest) -> LayerState:
    """List a layer without mags; LayerExistsError (an IndexError) if the dataset has one of that name."""
    dataset.check_writable("its layers")
    check_layer_name(name)
    check_category(request.category)
    if name in dataset.layer_names:
        raise LayerExistsError(
            f"The dataset {dataset.name!r} already has a layer {name!r}.",
            hint="Use dataset.get_layer or dataset.get_or_add_layer, or choose another name.",
        )
    properties = request.properties(name)
    data_format = properties.data_format
    for problem in registry.choose_backend(
        dataset.location.child(name),
        data_format=data_format,
        mode="create",
        explicit=dataset.backend_for(data_format),
    ).warnings:
        warn_user(f"[WARNING] {problem.text}", UserWarning)
    if not _is_added_at_once(dataset, properties):
        with exclusive_layer(dataset, name):
            dataset.store.apply(operations.AddLayer(properties))
    return dataset.layer(name)


def _is_added_at_once(dataset: DatasetState, properties: LayerProperties) -> bool:
    """Add a layer in the short way, see `wkplug.model.vacancies`; False where something is in the way."""
    name, vacancies = properties.name, dataset.vacancies
    if not is_guarded(dataset.store) or not vacancies.are_free(name):
        return False
    operation = Unhindered(operations.AddLayer(properties), lambda: vacancies.are_free(name, again=True))
    try:
        dataset.store.apply(operation)
    except InTheWay:
        return False
    dataset.layer(name).vacancies.are_all_free()
    return True


def get_or_add_layer(dataset: DatasetState, name: str, request: LayerRequest) -> LayerState:
    """Give the layer, added if need be; LayerMismatchError (an AssertionError) if it differs from what is asked.

    Neither the data format of an existing layer nor its box and ids are compared.
    """
    if name not in dataset.layer_names:
        # Another job that starts at the same time may add it first: then it is one that is there.
        with suppress(LayerExistsError):
            return add_layer(dataset, name, request)
        dataset.store.refresh()
    layer = dataset.layer(name)
    asked = {
        "category": request.category,
        "dtype": None if request.dtype is None else check_layer_dtype(request.category, request.dtype),
        "num_channels": request.num_channels,
    }
    there = {"category": layer.category, "dtype": layer.dtype.name, "num_channels": layer.num_channels}
    for what, value in asked.items():
        if value is not None and value != there[what]:
            raise LayerMismatchError(
                f"The layer {name!r} exists with {what}={there[what]!r}, but {value!r} was asked for.",
                hint="Use dataset.get_layer to take it as it is, or choose another name.",
            )
    return layer


def set_layer_key(layer: LayerState, key: str, value: Any, verb: str) -> None:
    """Record a value of a layer's metadata; `verb` completes "it can't ..." where the dataset is read-only."""
    layer.check_metadata_writable(verb)
    layer.dataset.store.apply(operations.SetLayerKey(layer.name, key, value))


@contextmanager
def exclusive_layer(dataset: DatasetState, name: str) -> Iterator[None]:
    """Be the only one who adds, renames or deletes a layer of this name; what a killed deletion has left is gone."""
    what = f"The layer {name!r} is being added, renamed or deleted"
    with _locked(dataset.location, f"layer {name}", what):
        if name in _looked_at(dataset, dataset.vacancies):
            removing.settle_deletion(dataset.location.child(name), listed=name in dataset.store.layer_names())
            dataset.vacancies.forget()
        yield


@contextmanager
def _locked(root: Location, key: str, what: str) -> Iterator[None]:
    """Hold a lock of a dataset. what: begins the sentence that says of what another job holds it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(root.lock(key, timeout=_LOCK_TIMEOUT))
        except LockTimeoutError as error:
            raise LockTimeoutError(
                f"{what} by another job: {error.message}",
                hint="Wait for that job to end, or stop it; then run this again.",
            ) from error
        yield


def _looked_at(dataset: DatasetState, vacancies: Vacancies) -> list[str]:
    """Read the properties again, and list a folder; gives the names whose deletion is noted there."""
    looked = meanwhile(vacancies.look) if dataset.location.concurrency > 1 else vacancies.look
    dataset.store.refresh()  # in this thread, which may hold the lock that it takes
    return removing.noted_deletions(looked())


def delete_layer(layer: LayerState) -> None:
    """Take a layer off the list, then delete its folder; of links only the link, of foreign mags nothing.

    LockTimeoutError if another job is filling one of its mags.
    """
    layer.dataset.check_writable("its layers")
    location = layer.location
    with ExitStack() as stack:
        stack.enter_context(exclusive_layer(layer.dataset, layer.name))
        stack.enter_context(exclusive(layer, *layer.mags))
        for view in layer.mags.values():
            view.source.forget()
        removing.note_deletion(location)
        layer.dataset.store.apply(operations.RemoveLayer(layer.name), *trace_of_deletion(layer.dataset.store))
        removing.finish_deletion(location)
    layer.dataset.vacancies.forget()
    layer.dataset.forget_layer(layer.name)


def rename_layer(layer: LayerState, name: str) -> None:
    """Rename the layer's folder and its entry; the folder goes back if the entry can't be changed."""
    layer.check_metadata_writable("be renamed")
    if name == layer.name:
        return
    check_layer_name(name)
    dataset = layer.dataset
    if name in dataset.store.layer_names():
        raise LayerExistsError(
            f"The dataset already has a layer called {name!r}.", hint="Choose another name."
        )
    with ExitStack() as stack:
        for each in sorted((layer.name, name)):
            stack.enter_context(exclusive_layer(dataset, each))
        _rename_folder_and_entry(layer, name)
    dataset.follow_renaming(layer.name, name)


def _rename_folder_and_entry(layer: LayerState, name: str) -> None:
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
        view.source.forget()
    if moved:
        Path(old).rename(new)
    try:
        dataset.store.apply(operations.RenameLayer(layer.name, name))
    except BaseException:
        if moved:
            Path(new).rename(old)
        raise


# --- mags -------------------------------------------------------------------------------------------------


def purpose_of_next_mag(layer: LayerState) -> Purpose:
    """Give what a layer's next mag is laid out for: the first for data that grow, later ones for those there are."""
    return "pyramid" if layer.properties.mags else "new"


@contextmanager
def exclusive(layer: LayerState, *mags: Mag) -> Iterator[None]:
    """Be the only one, among all threads and processes, that makes or fills these mags.

    What killed processes have left of them is tidied up. LockTimeoutError if another job is at work on one of them.
    """
    place = layer.dataset.location
    locks = [lock_of_mag(place, layer.name, mag) for mag in mags]
    with entered(locks, at_once=place.concurrency):
        noted = _looked_at(layer.dataset, layer.vacancies) if mags else ()
        for mag in mags:
            _tidy_up(layer, mag, noted)
        yield


def lock_of_mag(dataset: Location, layer: str, mag: Mag) -> AbstractContextManager[None]:
    """The lock that whoever makes or fills a mag holds.

    It vanishes with its process: a mark without a lock is left by a job that died, and may be replaced.
    """
    return _locked(dataset, f"mag {layer}/{mag}", f"The mag {mag} of the layer {layer!r} is being written")


def _tidy_up(layer: LayerState, mag: Mag, noted: Collection[str]) -> None:
    """Tidy up what a killed process has left of this mag: a deletion that was noted, the mark of a finished job."""
    if is_link(layer.location):
        return  # another dataset's layer, which settles its own affairs
    view = layer.mags.get(mag)
    for name in sorted({mag.to_layer_name(), mag.to_long_layer_name()}.intersection(noted)):
        place = layer.location.child(name)
        removing.settle_deletion(place, listed=view is not None and view.location == place)
        layer.vacancies.forget()
    if view is not None:
        is_finished(layer, mag)


def is_finished(layer: LayerState, mag: Mag) -> bool:
    """Whether a mag is listed and complete. A mark that says so itself, left by a killed job, is taken off."""
    if mag not in layer.mags:
        return False
    view = layer.mag(mag)
    if view.source.recorded is not None:
        return True
    mark = storage.read_mark(view.location)
    if mark is not None and mark.finished and not view.read_only:
        storage.clear_mark(view.location)
    return mark is None or mark.finished


def add_mag(layer: LayerState, mag: Mag, request: LayoutRequest) -> MagState:
    """Create an empty array for `mag` and list it; MagExistsError (an IndexError) if the layer has it."""
    layer.check_writable("get another mag")
    request.check_power_of_two()
    purpose = purpose_of_next_mag(layer)
    view = _added_at_once(layer, mag, request, purpose)
    if view is not None:
        return view
    with exclusive(layer, mag):
        return list_mag(layer, mag, create_array(layer, mag, request, purpose))


def _added_at_once(layer: LayerState, mag: Mag, request: LayoutRequest, purpose: Purpose) -> MagState | None:
    """Add a mag in the short way, see `wkplug.model.vacancies`; None where something is in the way."""
    names, vacancies = {mag.to_layer_name(), mag.to_long_layer_name()}, layer.vacancies
    if not is_guarded(layer.dataset.store):
        return None
    if mag in layer.mags:
        layer.dataset.store.refresh()
        _check_not_listed(layer, mag)
    if not vacancies.are_free(*names):
        return None
    try:
        handle = create_array(layer, mag, request, purpose, is_free=True)
    except ConflictError:
        return None
    facts = handle.facts

    def is_free() -> bool:
        others = names - {handle.location.name}
        below = set(handle.location.list())
        return vacancies.are_free(*others, again=True) and (facts is None or below == {facts.file})

    try:
        return list_mag(layer, mag, handle, is_free=is_free)
    except (InTheWay, LayerNotFoundError, MagExistsError) as error:
        if facts is not None:
            handle.location.child(facts.file).delete()  # made by us a moment ago, and listed by nobody
        if isinstance(error, InTheWay):
            return None
        raise


def get_or_add_mag(layer: LayerState, mag: Mag, request: LayoutRequest) -> MagState:
    """Give the mag, added if need be; MagMismatchError (a ValueError) if it has another layout than asked for.

    A `request.compress` of None asks for nothing.
    """
    if mag not in layer.mags:
        # Another job that starts at the same time may add it first: then it is one that is there.
        with suppress(MagExistsError):
            compress = True if request.compress is None else request.compress
            return add_mag(layer, mag, request._replace(compress=compress))
        layer.dataset.store.refresh()
    there = layer.mag(mag)
    for what, has, asked in request.differences(there.spec):
        if what == "compress":
            raise MagMismatchError(
                f"The mag {there.name} of {layer.name!r} exists and is {'' if has else 'not '}compressed.",
                hint="Leave compress out to take the mag as it is.",
            )
        raise MagMismatchError(
            f"The mag {there.name} of {layer.name!r} exists with {what} {has}, but {asked} was asked for.",
            hint="Leave it out to take the mag as it is, or use another mag.",
        )
    return there


def _check_not_listed(layer: LayerState, mag: Mag) -> None:
    if mag in layer.mags:
        raise MagExistsError(
            f"The layer {layer.name!r} already has the mag {mag}.",
            hint=f"Use layer.get_mag({str(mag)!r}) or layer.get_or_add_mag.",
        )


def create_array(
    layer: LayerState,
    mag: Mag,
    request: LayoutRequest,
    purpose: Purpose,
    *,
    mark: storage.Mark | None = None,
    region: Region | None = None,
    is_free: bool = False,
) -> ArrayHandle:
    """Create the array of a mag that is `exclusive`, with the mark of the job that is going to fill it.

    region: what the array is to hold, in Mag(1) voxels, where that is more than the layer's present box.
    is_free: nothing lies at its place, as somebody has seen.
    """
    _check_not_listed(layer, mag)
    location = layer.location.child(mag.to_layer_name())
    data_format = str(layer.data_format)
    factors = layer.frame.factors(mag.to_tuple())
    # What the backend warns of was passed on when the layer was added.
    choice, spec = registry.choose_creator(
        location,
        lambda backend: layout.array_spec(
            backend, layer.frame, region or layer.region, factors, layer.dtype.name, request, purpose
        ),
        data_format=data_format,
        explicit=layer.dataset.backend_for(data_format),
    )
    if not is_free:
        remove_abandoned(layer, location, data_format)
    layer.vacancies.take(location.name)
    if mark is not None:
        storage.set_mark(location, mark)
    try:
        return storage.create_array(location, data_format, spec, choice=choice)
    except ConflictError:
        if mark is not None:  # somebody else's array, which came in between
            storage.clear_mark(location)
        raise


@contextmanager
def new_mag(
    layer: LayerState,
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
    with exclusive(layer, mag):
        handle = create_array(layer, mag, request, purpose, mark=mark, region=region)
        yield handle
        list_finished(layer, {mag: handle}, extra=extra)


def list_finished(
    layer: LayerState, made: Mapping[Mag, ArrayHandle], *, extra: Mapping[str, Any] | None = None
) -> None:
    """List new mags that are filled, all with one change of the properties, and take their marks off.

    Wherever this is killed, each mag is either not listed, or known to be complete: by what is recorded of it, or by
    its mark. extra: as of `list_mag`.
    """
    if made:
        with layer.dataset.update():
            for mag, handle in made.items():
                list_filled(layer, mag, handle, extra=extra)
    end = partial(end_filling, layer)
    for _ in side_by_side(end, made, at_once=layer.location.concurrency):
        pass


def list_filled(
    layer: LayerState, mag: Mag, handle: ArrayHandle, *, extra: Mapping[str, Any] | None = None
) -> None:
    """List a new mag that is filled: the first half of `list_finished`, to be bundled with others."""
    handle.flush()
    if _recorded_facts(layer, handle) is None:
        storage.finish_mark(handle.location)
    list_mag(layer, mag, handle, extra=extra)


def end_filling(layer: LayerState, mag: Mag) -> None:
    """Take off the mark of a mag that is listed, as stored by now: the second half."""
    source = layer.mag(mag).source
    storage.clear_mark(source.location)
    source.forget()


@contextmanager
def overwritten_mag(layer: LayerState, mag: Mag, mark: storage.Mark) -> Iterator[ArrayHandle]:
    """Fill a listed mag anew in one block: it stays listed, and is marked until the block has succeeded."""
    with exclusive(layer, mag):
        view = layer.mag(mag)
        if view.read_only:
            raise ReadOnlyError(
                f"The mag {mag} of {layer.name!r} is read-only: its files at {view.location.url} belong elsewhere.",
                hint="Compute it in the dataset that it belongs to, or copy the layer with add_layer_as_copy.",
            )
        source = view.source
        if storage.read_mark(view.location) is not None:
            removing.remove_temporaries(view.location)
        facts = _facts_in(view)
        if facts is not None:  # mags with facts are complete, nobody would look for the mark
            layer.dataset.store.apply(operations.SetFacts(layer.name, mag, None, instead_of=facts))
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
        if facts is not None:
            facts = _recorded_facts(layer, handle)
            layer.dataset.store.apply(operations.SetFacts(layer.name, mag, facts, instead_of=None))


def remove_abandoned(layer: LayerState, location: Location, data_format: str) -> None:
    """Remove what an unlisted folder holds if nothing can be lost with it: a dead job's mag, or no stored voxel."""
    if layer.vacancies.are_free(location.name):
        return
    if storage.read_mark(location) is None:
        try:
            handle = storage.open_array(location, data_format, axes=layer.frame.axes)
            is_empty = next(iter(handle.stored_boxes()), None) is None
        except MissingError as error:
            if all(is_scrap(name) for name in location.list()):
                return
            raise MagExistsError(
                f"The folder {location.url} is not empty, and no array that could be made anew: it holds files, "
                "but not those that would say what they are.",
                hint="Move it away.",
            ) from error
        except WkplugError:
            is_empty = False
        if not is_empty:
            raise MagExistsError(
                f"The folder {location.url} holds an array that the properties of {layer.name!r} don't list.",
                hint="If it belongs to the layer, list it with layer.add_mag_for_existing_files; "
                "otherwise move it away.",
            )
    storage.forget(location)
    location.delete(recursive=True)


def list_mag(
    layer: LayerState,
    mag: Mag,
    handle: ArrayHandle,
    *,
    extra: Mapping[str, Any] | None = None,
    replace: bool = False,
    is_free: Callable[[], bool] | None = None,
) -> MagState:
    """Enter a mag whose array is there into the properties.

    extra: keys of other software for the entry; what the storage format keeps there wins over them.
    replace: take the place of an entry of that mag. is_free: asked if others have changed the properties meanwhile.
    """
    entry = MagViewProperties(
        mag=mag,
        path=storage.relative_to(layer.dataset.location, handle.location),
        extra={**(extra or {}), **handle.backend.mag_properties(handle.array)},
        facts=_recorded_facts(layer, handle),
    )
    operation: operations.Operation = operations.AddMag(layer.name, entry, replace=replace)
    layer.dataset.store.apply(operation if is_free is None else Unhindered(operation, is_free))
    view = layer.mag(mag)
    view.source.adopt(handle)
    return view


def _recorded_facts(layer: LayerState, handle: ArrayHandle) -> dict[str, str] | None:
    """What the properties keep of an array's metadata: nothing in datasets on local disks."""
    facts = None if layer.dataset.location.local_path() is not None else handle.facts
    return _json_of(facts)


def _json_of(facts: storage.ArrayFacts | None) -> dict[str, str] | None:
    return None if facts is None else facts.to_json()


def _facts_in(mag: MagState) -> Any:
    """What the properties keep of it now."""
    entry = mag.layer.properties.get_mag(mag.mag)
    return None if entry is None else entry.facts


def delete_mag(mag: MagState) -> None:
    """Take a mag off the list, then delete its files if they are the layer's own; of links only the link.

    LockTimeoutError if another job is filling the mag.
    """
    layer = mag.layer
    layer.check_writable("lose a mag")
    with exclusive(layer, mag.mag):
        location = mag.location
        own = location.parent == layer.location
        if own:
            removing.note_deletion(location)
        layer.dataset.store.apply(
            operations.RemoveMag(layer.name, mag.mag), *trace_of_deletion(layer.dataset.store)
        )
        storage.forget(location)
        layer.vacancies.forget()
        if own:
            removing.finish_deletion(location)
            return
        link = layer.location.child(mag.mag.to_layer_name())
        if is_link(link):
            link.delete()


# --- boxes ------------------------------------------------------------------------------------------------


def set_box(layer: LayerState, box: NDBoundingBox) -> None:
    """Set the bounding box and resize the layer's own arrays; voxels that fall outside are hidden, not deleted."""
    layer.check_metadata_writable("change its bounding box")
    region = check_box(layer, box)
    own = list(layer.mags.values())
    grown = grow(own, grids.hull(region, layer.region))
    layer.dataset.store.apply(operations.SetBox(layer.name, _recorded(layer, region)), *grown)
    cut = [change for mag in own for change in _resize(mag, region, only_grow=False)]
    if cut:
        layer.dataset.store.apply(*cut)


def extend_box(layer: LayerState, region: Region) -> None:
    """Extend the bounding box so that it holds `region` too: a union, also when several processes do it at once."""
    layer.check_metadata_writable("change its bounding box")
    grown = grow(layer.mags.values(), grids.hull(layer.region, region))
    layer.dataset.store.apply(operations.ExtendBox(layer.name, _recorded(layer, region)), *grown)


def check_box(layer: LayerState, box: NDBoundingBox) -> Region:
    """Give a box that the layer may have as a region; OutOfBoundsError for a negative top-left."""
    region = from_bounding_box(layer.frame, box, layer.region)
    if min(region[0]) < 0:
        raise OutOfBoundsError(
            f"The bounding box {box} starts below zero, where no voxels can be.",
            hint="Offsets count from 0 on.",
        )
    return region


def _recorded(layer: LayerState, region: Region) -> NormalizedBoundingBox:
    """The box over the axes that the file records, which a format with an order of its own may not have."""
    axes = layer.properties.bounding_box.axes
    by_axis = dict(zip(layer.frame.axes, zip(*region, strict=True), strict=True))
    bounds = [by_axis[axis] for axis in axes]
    return NormalizedBoundingBox([low for low, _ in bounds], [length for _, length in bounds], axes)


def grow(mags: Iterable[MagState], region: Region) -> list[operations.Operation]:
    """Make all own arrays large enough for `region`; none gets smaller.

    Gives what is to be recorded of their metadata, which have changed.
    """
    own = list(mags)
    at_once = own[0].location.concurrency if own else 1
    changes = side_by_side(lambda mag: _resize(mag, region, only_grow=True), own, at_once=at_once)
    return [change for made in changes for change in made]


def grow_listed(mag: MagState, spec: ArraySpec) -> None:
    """Make the array of a mag, which was listed as it is in `spec`, as large as its layer's box, if it isn't."""
    region, bounded = mag.layer.region, None not in spec.shape
    wanted = layout.array_shape(mag.frame, region, mag.factors, spec.shard_shape, bounded=bounded)
    if all((new or 0) <= (old or 0) for new, old in zip(wanted, spec.shape, strict=True)):
        return
    grown = grow([mag], region)
    if grown:
        mag.layer.dataset.store.apply(*grown)


def _resize(mag: MagState, region: Region, *, only_grow: bool) -> list[operations.Operation]:
    """Resize an own array to `region`, rounded up to shards; gives what is to be recorded of it.

    The array's lock is taken, and its shape looked at as it is then: several processes may extend one layer.
    """
    if mag.read_only:
        return []
    source = mag.source
    handle = source.writing_handle
    if not handle.backend.capabilities.bounded:
        return []

    def target() -> tuple[int | None, ...]:
        spec = source.writing_handle.array.spec
        wanted = layout.array_shape(mag.frame, region, mag.factors, spec.shard_shape, bounded=True)
        # Channels and other axes are as they were made; a layer's box never cuts them.
        return tuple(
            max(old or 0, new or 0) if only_grow or axis == "c" else new
            for axis, old, new in zip(spec.axes, spec.shape, wanted, strict=True)
        )

    if target() == handle.array.spec.shape and not only_grow:
        return []
    changed = _resized_at_once(mag, target)
    if changed is None:
        with source.location.lock("shape"):
            source.forget()
            before, wanted = source.writing_handle.facts, target()
            if wanted == source.writing_handle.array.spec.shape:
                return []
            source.writing_handle.resize(wanted)
            changed = before, source.writing_handle.facts
    recorded, after = map(_json_of, changed)
    if recorded is None or recorded == after or _facts_in(mag) is None:
        return []
    return [operations.SetFacts(mag.layer.name, mag.mag, after, instead_of=recorded)]


def _resized_at_once(
    mag: MagState, target: Callable[[], tuple[int | None, ...]]
) -> tuple[storage.ArrayFacts | None, storage.ArrayFacts | None] | None:
    """Resize an array without a lock, where the store itself tells whether another writer was faster.

    Gives its metadata before and after; None if it has to be done under the lock.
    """
    source = mag.source
    if not source.location.conditional:
        return None
    for _ in range(_TRIES_WITHOUT_LOCK):
        handle = source.writing_handle
        facts, wanted = handle.facts, target()
        if facts is None:
            return None
        if wanted == handle.array.spec.shape:
            if facts.newer(source.location) is None:
                return facts, facts
        else:
            with suppress(ConflictError):
                handle.resize(wanted, unchanged=True)
                return facts, handle.facts
        source.forget()  # another writer was faster: the shape is looked at again
    return None
