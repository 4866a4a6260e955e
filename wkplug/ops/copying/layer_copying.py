"""Copying whole layers: their properties, mags, attachments, and what else lies in their folders.

Everything that describes the source is taken over as it stands in its properties file, with the keys that nobody here
knows, as a copy of its own. A reference to a layer is one change of the properties file; a copy is listed at once,
and its mags one by one as they are complete.

On stores each answer takes its time. So all that copies begin with is asked side by side (`looked_at`), and all files,
of whichever mags and layers, are copied side by side (`copy_layers`).
"""

from __future__ import annotations

from contextlib import ExitStack
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import execution, registry, storage
from wkplug.abc import Location, side_by_side
from wkplug.errors import (
    InvalidArgumentError,
    LayerExistsError,
    LayoutError,
    MissingError,
    StorageError,
    UnlistableError,
    UnsafePathError,
    WkplugError,
)
from wkplug.geometry import BoundingBox, Mag, NDBoundingBox, NormalizedBoundingBox
from wkplug.model import attachments, changes
from wkplug.model.attachments import KINDS, Attached, attached, list_path
from wkplug.model.states import DatasetState, LayerState, MagState, OpenOptions
from wkplug.notices import warn_user
from wkplug.ops.copying import mag_copying
from wkplug.ops.copying.mag_copying import CopyOptions, Transfer, missing_at
from wkplug.ops.copying.unfinished import UnfinishedCopy, check_copied
from wkplug.progress import Progress, shown
from wkplug.properties import (
    AttachmentsProperties,
    LayerProperties,
    MagViewProperties,
    SegmentationLayerProperties,
    check_layer_name,
    operations,
)
from wkplug.storage.marks import check_complete

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

__all__ = [
    "LayerCopy",
    "add_layer_as_copy",
    "add_layer_as_ref",
    "add_layer_like",
    "add_symlink_attachment",
    "box_fingerprint",
    "check_attachments",
    "check_free",
    "check_same_kind",
    "copy_layers",
    "describe",
    "layer_of",
    "link_other_entries",
    "list_layer",
    "locks_of",
    "looked_at",
    "part_to_copy",
    "warn_of_place",
]


# What an operation of its own sets, or what follows from the copy itself.
_NOT_COPIED = frozenset(
    {
        "name", "category", "boundingBox", "additionalAxes", "mags", "dataFormat", "numChannels", "elementClass",
        "attachments",
    }
)  # fmt: skip

_OWN_PREFIX = ".wkplug"
_HDF5 = b"\x89HDF\r\n\x1a\n"


def layer_of(layer_or_path: LayerState | str | os.PathLike[str]) -> LayerState:
    """Take a layer as it is, or open the one at `<dataset>/<layer>`, for reading."""
    if isinstance(layer_or_path, LayerState):
        return layer_or_path
    location = storage.locate(layer_or_path)
    with missing_at(location, "layer", "DATASET/LAYER"):
        return DatasetState.open(location.parent, OpenOptions({}, read_only=True)).layer(location.name)


def add_layer_like(
    dataset: DatasetState, other_layer: LayerState, layer_name: str, *, data_format: str | None = None
) -> LayerState:
    """Add a layer with the properties of another, without its mags and attachments; see `Dataset.add_layer_like`."""
    dataset.check_writable("its layers")
    check_layer_name(layer_name)
    check_free(dataset, layer_name)
    chosen = data_format or str(other_layer.data_format)
    warn_of_place(dataset.location, layer_name, chosen, dataset.backend_for(chosen))
    with changes.exclusive_layer(dataset, layer_name):
        dataset.store.apply(*_listing_operations(other_layer, layer_name, data_format=data_format))
    return dataset.layer(layer_name)


@attrs.define(kw_only=True, eq=False)
class LayerCopy:
    """A layer that is to be copied, under which name and how; see `Dataset.add_layer_as_copy`.

    box: the part of it that is copied, from `part_to_copy`.
    """

    source: LayerState
    name: str
    data_format: str
    request: CopyOptions = attrs.field(factory=CopyOptions)
    box: NDBoundingBox | None = None
    with_attachments: bool = True
    _others: list[tuple[str, ...]] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        if self.box is not None:
            self.request = attrs.evolve(self.request, files=False)

    @property
    def transfer(self) -> Transfer:
        """How voxels come to the copy."""
        return Transfer.FILES if self.request.files else Transfer.DATA

    @property
    def mags(self) -> dict[Mag, MagState]:
        """The mags that are copied."""
        wanted = self.request.mags
        return {mag: view for mag, view in self.source.mags.items() if wanted is None or mag in wanted}

    def look(self) -> None:
        """See what lies in the source's folder; IncompleteMagError if a job has left its mark there."""
        source = self.source
        names = _names_in(source)
        is_marked = storage.MARK_NAME in names or not source.location.lists_all
        if is_marked and not source.dataset.allow_incomplete:
            check_complete(source.location)
        self._others = _other_paths(source, names)

    def mags_as_files(self, data_format: str) -> set[Mag]:
        """The mags whose files are copied as they are, into a layer of that format."""
        return {
            mag
            for mag, view in self.mags.items()
            if mag_copying.copies_files(view, data_format, self.request, self.transfer)
        }

    def listing(self) -> list[operations.Operation]:
        """The changes that list the copy, without mags and attachments."""
        return _listing_operations(self.source, self.name, data_format=self.data_format, part=self.box)

    def other_parts(self, layer: LayerState) -> list[storage.Part]:
        """What else is to be copied into the layer: attachments, and what nobody lists."""
        # What a call before this one has brought is there; an attachment is listed when its files are complete.
        there = {(item.kind, item.name): item for item in attached(layer)}
        parts = []
        for item in attached(self.source) if self.with_attachments else []:
            listed = there.get((item.kind, item.name))
            if listed is None:
                copy = attachments.copy_of(layer, item, item.name)
                begin = partial(attachments.begin_copy, layer, item, copy)
                finish = partial(attachments.list_copy, layer, copy)
                end = partial(storage.clear_mark, copy.location)
                parts.append(storage.Part(item.location, copy.location, begin, finish, end))
            elif storage.is_inside(layer.location, listed.location):
                storage.clear_mark(listed.location)  # of a call that was killed after it was listed
        for names in self._others:
            if not _is_foreign_link(self.source.location.child(*names), self.source.location):
                parts.append(storage.Part(self.source.location.child(*names), layer.location.child(*names)))
        return parts


def locks_of(dataset: Location, copies: Sequence[LayerCopy]) -> list[AbstractContextManager[None]]:
    """The locks of all mags that are copied as files, for who makes the dataset under them."""
    return [
        changes.lock_of_mag(dataset, each.name, mag)
        for each in copies
        for mag in sorted(each.mags_as_files(each.data_format))
    ]


def looked_at(target: Location, copies: Sequence[LayerCopy], *others: Callable[[], Any]) -> list[Any]:
    """Ask side by side what copies begin with: what the sources say, and `others`, whose answers are given."""
    # Opening a mag refuses what an unfinished job has marked.
    sources = [view.source for copy in copies for view in copy.mags.values()]
    elsewhere = [source for source in sources if source.location.local_path() is None]
    opening = [partial(getattr, source, "handle") for source in elsewhere]
    asked: list[Callable[[], Any]] = [*others, *(copy.look for copy in copies), *opening]
    at_once = max(place.concurrency for place in (target, *(copy.source.location for copy in copies)))
    answers = list(side_by_side(lambda ask: ask(), asked, at_once=at_once))
    for source in sources:
        source.handle  # noqa: B018 - the others, which may warn: in the thread whose caller is told
    return answers[: len(others)]


@shown(lambda _, layer, *__: f"copy {getattr(layer, 'name', layer)}", "progress_of")
def add_layer_as_copy(
    dataset: DatasetState,
    foreign_layer: LayerState | str | os.PathLike[str],
    new_layer_name: str | None = None,
    *,
    request: CopyOptions | None = None,
    data_format: str | None = None,
    exists_ok: bool = False,
    executor: Any = None,
    with_attachments: bool = True,
    bounding_box: NDBoundingBox | None = None,
    progress_of: Callable[[str], Progress] | None = None,
) -> LayerState:
    """Copy a layer; see `Dataset.add_layer_as_copy`."""
    dataset.check_writable("its layers")
    source = layer_of(foreign_layer)
    copy = LayerCopy(
        source=source,
        name=source.name if new_layer_name is None else new_layer_name,
        request=request or CopyOptions(),
        data_format=data_format or str(source.data_format),
        box=part_to_copy(source, bounding_box, exists_ok=exists_ok),
        with_attachments=with_attachments,
    )
    name, target = copy.name, dataset.location.child(copy.name)
    if with_attachments:
        check_attachments(source)
    unfinished = UnfinishedCopy(
        kind="layer",
        source=source.location,
        target=target,
        asked=[copy.request, data_format, with_attachments, *box_fingerprint(copy.box)],
    )
    listed = name in dataset.store.layer_names()
    if not listed:
        check_layer_name(name)
        storage.check_apart(source.location, target, "the layer that is copied")
    mark, _ = looked_at(
        target, [copy], partial(storage.read_mark, target), partial(check_copied, source.dataset)
    )
    goes_on = unfinished.goes_on(mark, exists_ok=exists_ok or not listed, error=LayerExistsError)
    if listed:
        if not (exists_ok or goes_on):
            check_free(dataset, name)
        check_same_kind(dataset, copy)
        unfinished.begin(mark, into=not goes_on)
        describe(dataset, copy)
    else:
        # What a killed deletion has left of that name goes before anything is marked there.
        with changes.exclusive_layer(dataset, name):
            check_free(dataset, name)
            unfinished.begin(mark, making=True)
            with unfinished.making():
                list_layer(dataset, copy)
    copy_layers(
        dataset, [copy], exists_ok=exists_ok, goes_on=goes_on, executor=executor, progress_of=progress_of
    )
    unfinished.end()
    return dataset.layer(name)


def check_same_kind(dataset: DatasetState, copy: LayerCopy) -> None:
    """Refuse to copy into a layer that is there if it is of another kind, LayerMismatchError, or the source itself."""
    source = copy.source
    asked = changes.LayerRequest(source.category, source.dtype, source.num_channels)
    if changes.get_or_add_layer(dataset, copy.name, asked) == source:
        raise InvalidArgumentError(
            f"The layer {copy.name!r} can't be copied onto itself.",
            hint="Copy it into another dataset, or under another name: new_layer_name.",
        )


def describe(dataset: DatasetState, copy: LayerCopy) -> None:
    """Take over what describes the source, for a layer that is there."""
    dataset.store.apply(*_key_operations(copy.source, copy.name))


def list_layer(dataset: DatasetState, copy: LayerCopy) -> None:
    """List a layer that is going to be copied, while nobody else can."""
    warn_of_place(dataset.location, copy.name, copy.data_format, dataset.backend_for(copy.data_format))
    dataset.store.apply(*copy.listing())


def copy_layers(
    dataset: DatasetState,
    copies: Sequence[LayerCopy],
    *,
    exists_ok: bool = False,
    goes_on: bool = False,
    locked: bool = False,
    executor: Any = None,
    progress_of: Callable[[str], Progress] | None = None,
) -> None:
    """Fill layers that are listed: mags, attachments, and what else lies in their folders.

    Mags that are rewritten or compared come one by one; what is copied as files, of all layers, comes side by side.
    goes_on: what is listed is complete. locked: the locks of all `mags_as_files` are held since before they could be
    listed.
    """
    places = [dataset.location, *(copy.source.location for copy in copies)]
    places += [view.location for copy in copies for view in copy.mags.values()]
    parts: list[storage.Part] = []
    others: list[storage.Part] = []
    with ExitStack() as locks, execution.adapted(executor, default="threads", places=places) as pool:
        for copy in copies:
            layer = dataset.layer(copy.name)
            as_files = copy.mags_as_files(str(layer.data_format)).difference(layer.mags)
            if as_files and not locked:
                locks.enter_context(changes.exclusive(layer, *sorted(as_files)))
            for mag, view in copy.mags.items():
                if goes_on and not exists_ok and changes.is_finished(layer, mag):
                    # It may still have the mark of a call that was killed after it was listed.
                    storage.clear_mark(layer.mag(mag).location)
                    continue
                begin = None if progress_of is None else partial(progress_of, f"{copy.name}, mag {view.name}")
                if mag in as_files:
                    part = mag_copying.files_of(layer, view, mag, extend=exists_ok, progress_of=begin)
                    parts.append(part)
                    continue
                try:
                    mag_copying.add_mag(
                        layer,
                        view,
                        copy.transfer,
                        request=copy.request,
                        extend_layer_bounding_box=exists_ok,
                        exists_ok=exists_ok or goes_on,
                        executor=pool,
                        progress=None if begin is None else begin(),
                    )
                except LayoutError:
                    # Said before the mag is made. What can't be finished must not be in the way of the next try.
                    if not (exists_ok or goes_on):
                        _delete_empty(dataset, copies)
                    raise
            others += copy.other_parts(layer)
        storage.copy_parts([*parts, *others], dataset.update, skip=(storage.MARK_NAME,))


def _delete_empty(dataset: DatasetState, copies: Sequence[LayerCopy]) -> None:
    for copy in copies:
        if not dataset.layer(copy.name).mags:
            changes.delete_layer(dataset.layer(copy.name))


def part_to_copy(layer: LayerState, box: NDBoundingBox | None, *, exists_ok: bool) -> NDBoundingBox | None:
    """The part of a layer's box that lies in another one of x, y, z; InvalidArgumentError if they don't meet."""
    if box is None:
        return None
    if exists_ok:
        raise InvalidArgumentError(
            "A part of a layer can't be copied into one that is there.",
            hint="Leave bounding_box=... or exists_ok=True out.",
        )
    whole = layer.bounding_box
    part = BoundingBox(box.topleft_xyz, box.size_xyz).intersected_with(
        BoundingBox(whole.topleft_xyz, whole.size_xyz), dont_assert=True
    )
    if part.is_empty():
        raise InvalidArgumentError(
            f"The box {box.topleft_xyz.to_tuple()} + {box.size_xyz.to_tuple()} holds nothing of the layer "
            f"{layer.name!r}, which is {whole.topleft_xyz.to_tuple()} + {whole.size_xyz.to_tuple()}.",
            hint="Choose another bounding_box, or leave that layer out.",
        )
    return whole.with_topleft_xyz(part.topleft).with_size_xyz(part.size)


def box_fingerprint(box: NDBoundingBox | None) -> list[Any]:
    """The part of a copy's fingerprint that a box gives."""
    return [] if box is None else [[list(box.topleft_xyz), list(box.size_xyz)]]


def add_layer_as_ref(
    dataset: DatasetState,
    foreign_layer: LayerState | str | os.PathLike[str],
    new_layer_name: str | None = None,
    *,
    make_relative: bool = False,
    symlink: bool = False,
) -> LayerState:
    """List a layer whose files stay where they are; see `Dataset.add_layer_as_ref`.

    symlink: make a link to its folder, too; see `Dataset.add_symlink_layer`.
    """
    dataset.check_writable("its layers")
    source = layer_of(foreign_layer)
    _check_foreign(dataset, source)
    name = source.name if new_layer_name is None else new_layer_name
    check_layer_name(name)
    check_free(dataset, name)
    _warn_of_missing_mags(source)
    with changes.exclusive_layer(dataset, name):
        link = None
        if symlink:
            place = dataset.location.child(name)
            link = mag_copying.make_link(place, source.location, make_relative=make_relative)
        try:
            dataset.store.apply(
                *_listing_operations(source, name, pointing_from=dataset, make_relative=make_relative)
            )
        except BaseException:
            if link is not None:
                link.unlink()
            raise
    return dataset.layer(name)


def add_symlink_attachment(layer: LayerState, item: Attached, *, make_relative: bool = False) -> None:
    """Link an attachment to `<layer>/<kind>/<name>`, and list what it links to, as for layers and mags.

    InvalidArgumentError (an AssertionError) unless both are on a local disk.
    """
    layer.check_writable("get attachments")
    source = item.location
    suffix = source.name.rpartition(".")[2] if "." in source.name else ""
    name = f"{item.name}.{suffix}" if suffix and not item.name.endswith(f".{suffix}") else item.name
    link = mag_copying.make_link(
        layer.location.child(item.kind.json_key, name), source, make_relative=make_relative
    )
    try:
        path = mag_copying.recorded_path(layer.dataset, source, make_relative=make_relative)
        list_path(layer, item, path)
    except BaseException:
        link.unlink()
        raise


def _warn_of_missing_mags(source: LayerState) -> None:
    """Warn of mags that the layer lists and that are not there: what refers to it lists them, too."""
    views = list(source.mags.values())
    there = side_by_side(_is_there, views, at_once=source.location.concurrency)
    gone = [view for view, found in zip(views, there, strict=True) if not found]
    if gone:
        places = ", ".join(f"{view.name} ({view.location.url})" for view in gone)
        warn_user(
            f"[WARNING] The layer {source.name!r} lists mags that are not there: {places}. They are listed by what "
            "refers to it, too, and reading them is an error.",
            UserWarning,
        )


def _is_there(view: MagState) -> bool:
    try:
        view.source.handle  # noqa: B018 - opens it
    except MissingError:
        return False
    except WkplugError:
        pass  # not to be seen from here, or damaged: there it is
    return True


# --- properties -------------------------------------------------------------------------------------------


def _listing_operations(
    source: LayerState,
    name: str,
    *,
    data_format: str | None = None,
    part: NDBoundingBox | None = None,
    pointing_from: DatasetState | None = None,
    make_relative: bool = False,
) -> list[operations.Operation]:
    """The changes that list a layer like `source`; `pointing_from` with its mags and attachments, as references.

    part: the box that it has in x, y, z; by default that of the source.
    """
    found = source.properties
    mags: list[MagViewProperties] = []
    if pointing_from is not None:
        mags = [
            MagViewProperties(
                mag=mag,
                path=mag_copying.recorded_path(pointing_from, view.location, make_relative=make_relative),
                extra=mag_copying.all_keys(view),
            )
            for mag, view in source.mags.items()
        ]
    entry: LayerProperties = attrs.evolve(
        found, name=name, mags=mags, default_view_configuration=None, coordinate_transformations=None
    )
    if part is not None:
        box = entry.bounding_box.with_topleft_xyz(part.topleft_xyz)
        entry.bounding_box = box.with_size_xyz(part.size_xyz)
    if data_format is not None:
        entry.data_format = str(data_format)
        entry.bounding_box = _box_for_format(entry)
    if isinstance(entry, SegmentationLayerProperties):
        entry = attrs.evolve(entry, attachments=AttachmentsProperties())
    described: list[operations.Operation] = [
        operations.AddLayer(entry, like=_json_of(source)),
        *_key_operations(source, name),
    ]
    listed = _json_of(source).get("attachments") if pointing_from is not None else None
    if pointing_from is not None and listed:
        places = {
            (item.kind.container_name, item.name): mag_copying.recorded_path(
                pointing_from, item.location, make_relative=make_relative
            )
            for item in attached(source)
        }
        value = _with_paths(deepcopy(listed), places)
        described.append(operations.SetLayerKey(name, "attachments", value))
    return described


def _box_for_format(entry: LayerProperties) -> NormalizedBoundingBox:
    """The box over the axes of a format that has an order of its own, if it can have the layer's at all."""
    box, axes = entry.bounding_box, registry.axes_of_format(entry.data_format)
    if axes is None or not set(box.axes) <= set(axes) <= {*box.axes, "c"}:
        return box
    bounds = dict(zip(box.axes, zip(box.topleft, box.size, strict=True), strict=True))
    bounds.setdefault("c", (0, entry.num_channels))
    start, shape = zip(*(bounds[axis] for axis in axes), strict=True)
    return NormalizedBoundingBox(start, shape, axes)


def _with_paths(raw: dict[str, Any], places: dict[tuple[str, str], str]) -> dict[str, Any]:
    """Put the recorded places into the JSON of attachments, leaving what else it says."""
    for kind in KINDS.values():
        entries = raw.get(kind.json_key)
        for entry in entries if isinstance(entries, list) else [entries]:
            if isinstance(entry, dict) and (kind.container_name, entry.get("name")) in places:
                entry["path"] = places[kind.container_name, entry["name"]]
    return raw


def _json_of(layer: LayerState) -> dict[str, Any]:
    """The layer's JSON object, for looking at."""
    raw: dict[str, Any] = layer.dataset.store.raw_layer(layer.name)
    return raw


def _key_operations(source: LayerState, name: str) -> list[operations.Operation]:
    """The changes that give layer `name` the keys of `source`, known and unknown ones, as copies."""
    return [
        operations.SetLayerKey(name, key, deepcopy(value))
        for key, value in _json_of(source).items()
        if key not in _NOT_COPIED and value is not None
    ]


def check_attachments(source: LayerState) -> None:
    """Refuse attachments that lie outside of the dataset and are no scientific data: a dataset may name any file.

    UnsafePathError, unless the setting `trusted_places` holds the place. What says by its first bytes or by its
    metadata that it is data may lie anywhere, like the arrays of mags: references are made by the API itself.
    """
    root = source.dataset.location
    for attachment in attached(source):
        place = attachment.location
        if storage.is_inside(root, place) or storage.is_trusted(place) or _is_data(place):
            continue
        raise UnsafePathError(
            f"The {attachment.kind.type_name} attachment {attachment.name!r} of the layer {source.name!r} lies outside "
            f"of its dataset, at {place.url}, and is not evidently data: it is not copied.",
            hint="If it is what it should be, name its place in the setting trusted_places, as in "
            f"wkplug.settings(trusted_places=[{place.url!r}]); or pass with_attachments=False to leave it out.",
        )


def _is_data(place: Location) -> bool:
    """Whether a file is HDF5, or a folder holds what marks the arrays or containers of an installed plugin."""
    try:
        if any(place.child(name).exists() for name in registry.markers()):
            return True
        return place.read(0, len(_HDF5)) == _HDF5
    except UnsafePathError:
        raise  # a place that this dataset may not name at all
    except StorageError:
        return False


# --- checks -----------------------------------------------------------------------------------------------


def check_free(dataset: DatasetState, name: str) -> None:
    """Refuse the name of a layer that is there."""
    if name in dataset.store.layer_names():
        raise LayerExistsError(
            f"The dataset {dataset.name!r} already has a layer {name!r}.",
            hint="Copy it into another dataset, or under another name: new_layer_name.",
        )


def _check_foreign(dataset: DatasetState, source: LayerState) -> None:
    if source.dataset.location == dataset.location:
        raise InvalidArgumentError(
            f"The layer {source.name!r} belongs to the dataset {dataset.name!r} itself.",
            hint="References lead to other datasets; use add_layer_as_copy for a copy.",
        )


def warn_of_place(dataset: Location, name: str, data_format: str, explicit: str | None = None) -> None:
    """Pass on what a format warns of at the place of a layer that is to be made; errors if there can't be one."""
    choice = registry.choose_backend(
        dataset.child(name), data_format=data_format, mode="create", explicit=explicit
    )
    for problem in choice.warnings:
        warn_user(f"[WARNING] {problem.text}", UserWarning)


# --- what else lies in the folder -------------------------------------------------------------------------


def _other_paths(layer: LayerState, names: Iterable[str]) -> list[tuple[str, ...]]:
    """The paths of what lies in a layer's folder and nothing else of a copy takes care of, such as "mappings".

    names: all names in that folder.
    """
    described = {
        file for dialect in registry.dialects(str(layer.data_format)) for file in dialect.layer_file_names
    }
    mags = {view.location.name for view in layer.mags.values() if view.location.parent == layer.location}
    mags.update(name for mag in layer.mags for name in (mag.to_layer_name(), mag.to_long_layer_name()))
    own = {item.location for item in attached(layer)}
    found: list[tuple[str, ...]] = []
    for entry in names:
        name = entry.rstrip("/")
        folder = layer.location.child(name)
        if name in mags | described or name.startswith(_OWN_PREFIX) or folder in own:
            continue
        if entry.endswith("/") and any(place.parent == folder for place in own):
            inner = [each.rstrip("/") for each in folder.list_all()]
            found += [(name, each) for each in inner if folder.child(each) not in own]
        else:
            found.append((name,))
    return found


def _names_in(layer: LayerState) -> list[str]:
    try:
        return list(layer.location.list_all())
    except (MissingError, UnlistableError):
        return []


def _is_foreign_link(location: Location, root: Location) -> bool:
    """Whether it is a link that leads out of the layer's folder, or nowhere; says so."""
    local, top = location.local_path(), root.local_path()
    if local is None or top is None or not Path(local).is_symlink():
        return False
    to = Path(local).resolve()
    if to.exists() and to.is_relative_to(Path(top).resolve()):
        return False
    warn_user(f"[WARNING] {local} was not copied: it is a link to {to}.", UserWarning)
    return True


def link_other_entries(source: LayerState, layer: LayerState) -> None:
    """Link whatever else is in the source's folder, such as mappings; says what can't be linked."""
    failed = []
    for parts in _other_paths(source, _names_in(source)):
        try:
            mag_copying.make_link(layer.location.child(*parts), source.location.child(*parts))
        except (InvalidArgumentError, OSError) as error:
            failed.append(f"{'/'.join(parts)} ({error})")
    if failed:
        warn_user(
            f"[WARNING] These entries of the layer {source.name!r} could not be linked: {'; '.join(failed)}",
            UserWarning,
        )
