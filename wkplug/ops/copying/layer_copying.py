"""Copying whole layers: their properties, mags, attachments, and what else lies in their folders.

Everything that describes the source is taken over as it stands in its properties file, with the keys that nobody here
knows, as a copy of its own. A reference to a layer is one change of the properties file; a copy is listed at once,
and its mags one by one as they are complete.

A copy marks the folder of its target before anything else, and takes the mark away when all is there
(`UnfinishedCopy`). What a killed copy leaves can be opened (whatever is listed is complete), and says by its mark
that more was to come. The same copy goes on with it: what it has listed is complete and stays. A copy into something
that was there before (`exists_ok`) can't know what of it is its own: it is marked as another kind of job, which
compares everything when it comes again.
"""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import execution, registry, storage
from wkplug.abc import Location
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
from wkplug.geometry import BoundingBox, NDBoundingBox, NormalizedBoundingBox
from wkplug.model import changes
from wkplug.model.attachments import KINDS, Attached, add_copy, attached, list_path
from wkplug.model.states import DatasetState, LayerState, MagState, OpenOptions
from wkplug.notices import warn_user
from wkplug.ops.copying import mag_copying
from wkplug.ops.copying.mag_copying import CopyOptions, Transfer, missing_at
from wkplug.progress import Progress, shown
from wkplug.properties import (
    AttachmentsProperties,
    LayerProperties,
    MagViewProperties,
    SegmentationLayerProperties,
    check_layer_name,
    operations,
)
from wkplug.storage.marks import check_complete, digest

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

__all__ = [
    "UnfinishedCopy",
    "add_layer_as_copy",
    "add_layer_as_ref",
    "add_layer_like",
    "add_symlink_attachment",
    "box_fingerprint",
    "check_attachments",
    "layer_of",
    "link_other_entries",
    "part_to_copy",
]


# What an operation of its own sets, or what follows from the copy itself.
_NOT_COPIED = frozenset(
    {
        "name", "category", "boundingBox", "additionalAxes", "mags", "dataFormat", "numChannels", "elementClass",
        "attachments",
    }
)  # fmt: skip

_OWN_PREFIX = ".wkplug"
_LOOKUP_THREADS = 16
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
    _check_free(dataset, layer_name)
    _warn_of_place(dataset, layer_name, data_format or str(other_layer.data_format))
    with changes.exclusive_layer(dataset, layer_name):
        dataset.store.apply(*_listing_operations(other_layer, layer_name, data_format=data_format))
    return dataset.layer(layer_name)


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
    box = part_to_copy(source, bounding_box, exists_ok=exists_ok)
    if box is not None:
        request = attrs.evolve(request or CopyOptions(), files=False)
    name = source.name if new_layer_name is None else new_layer_name
    if not source.dataset.allow_incomplete:
        check_complete(source.location)
    if with_attachments:
        check_attachments(source)
    unfinished = UnfinishedCopy(
        kind="layer",
        source=source.location,
        target=dataset.location.child(name),
        asked=[request, data_format, with_attachments, *box_fingerprint(box)],
    )
    listed = name in dataset.store.layer_names()
    if not listed:
        check_layer_name(name)
        storage.check_apart(source.location, dataset.location.child(name), "the layer that is copied")
    goes_on = unfinished.goes_on(exists_ok=exists_ok or not listed, error=LayerExistsError)
    if listed:
        if not (exists_ok or goes_on):
            _check_free(dataset, name)
        layer = changes.get_or_add_layer(
            dataset, name, changes.LayerRequest(source.category, source.dtype, source.num_channels)
        )
        if layer == source:
            raise InvalidArgumentError(
                f"The layer {name!r} can't be copied onto itself.",
                hint="Copy it into another dataset, or under another name: new_layer_name.",
            )
        unfinished.begin(into=not goes_on)
        dataset.store.apply(*_key_operations(source, name))
    else:
        with changes.exclusive_layer(dataset, name):
            pass  # what a killed deletion has left of that name goes before anything is marked there
        with unfinished.making():
            layer = add_layer_like(dataset, source, name, data_format=data_format)
            if box is not None:
                changes.set_box(layer, box)
    with execution.adapted(executor, default="threads") as pool:
        for view in source.mags.values():
            if goes_on and not exists_ok and changes.is_finished(layer, view.mag):
                continue
            try:
                mag_copying.add_mag(
                    layer,
                    view,
                    Transfer.FILES if request is not None and request.files else Transfer.DATA,
                    request=request,
                    extend_layer_bounding_box=exists_ok,
                    exists_ok=exists_ok or goes_on,
                    executor=pool,
                    progress=None if progress_of is None else progress_of(f"{name}, mag {view.name}"),
                )
            except LayoutError:
                # Said before the mag is made. What can't be finished must not be in the way of the next try.
                if not (listed or layer.mags or goes_on):
                    changes.delete_layer(layer)
                raise
    # What a call before this one has brought is there; an attachment is listed when its files are complete.
    there = {(item.kind, item.name): item for item in attached(layer)}
    for item in attached(source) if with_attachments else []:
        listed_one = there.get((item.kind, item.name))
        if listed_one is not None:
            if storage.is_inside(layer.location, listed_one.location):
                storage.clear_mark(listed_one.location)  # of a call that was killed after it was listed
            continue
        add_copy(layer, item, item.name)
    _copy_other_entries(source, layer)
    unfinished.end()
    return layer


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
    _check_free(dataset, name)
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
    if source.location.local_path() is not None:
        there = list(map(_is_there, views))
    else:  # several at once where each look is a request
        with ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="wkplug-look") as pool:
            there = list(pool.map(_is_there, views))
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
    pointing_from: DatasetState | None = None,
    make_relative: bool = False,
) -> list[operations.Operation]:
    """The changes that list a layer like `source`; `pointing_from` with its mags and attachments, as references."""
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
        value = _with_paths(copy.deepcopy(listed), places)
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
        operations.SetLayerKey(name, key, copy.deepcopy(value))
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


def _check_free(dataset: DatasetState, name: str) -> None:
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


def _warn_of_place(dataset: DatasetState, name: str, data_format: str) -> None:
    choice = registry.choose_backend(
        dataset.location.child(name),
        data_format=data_format,
        mode="create",
        explicit=dataset.backend_for(data_format),
    )
    for problem in choice.warnings:
        warn_user(f"[WARNING] {problem.text}", UserWarning)


# --- what else lies in the folder -------------------------------------------------------------------------


def _other_entries(layer: LayerState) -> list[str]:
    """The names in a layer's folder that nothing else of a copy takes care of, such as "mappings/"."""
    described = {
        file for dialect in registry.dialects(str(layer.data_format)) for file in dialect.layer_file_names
    }
    mags = {view.location.name for view in layer.mags.values() if view.location.parent == layer.location}
    mags.update(name for mag in layer.mags for name in (mag.to_layer_name(), mag.to_long_layer_name()))
    try:
        names = list(layer.location.list_all())
    except (MissingError, UnlistableError):
        return []
    return [
        name
        for name in names
        if name.rstrip("/") not in mags | described and not name.startswith(_OWN_PREFIX)
    ]


def _unlisted(layer: LayerState, name: str) -> tuple[bool, list[str]]:
    """Whether an entry of the folder holds listed attachments, and what it holds besides."""
    folder = layer.location.child(name.rstrip("/"))
    own = {item.location for item in attached(layer)}
    if folder in own:
        return True, []
    if not name.endswith("/") or not any(place.parent == folder for place in own):
        return False, []
    return True, [entry for entry in folder.list_all() if folder.child(entry.rstrip("/")) not in own]


def _copy_other_entries(source: LayerState, layer: LayerState) -> None:
    for entry in _other_entries(source):
        name = entry.rstrip("/")
        shared, besides = _unlisted(source, entry)
        for parts in [(name, inner.rstrip("/")) for inner in besides] if shared else [(name,)]:
            if _is_foreign_link(source.location.child(*parts), source.location):
                continue
            storage.copy_tree(source.location.child(*parts), layer.location.child(*parts))


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
    for entry in _other_entries(source):
        name = entry.rstrip("/")
        shared, besides = _unlisted(source, entry)
        for parts in [(name, inner.rstrip("/")) for inner in besides] if shared else [(name,)]:
            try:
                mag_copying.make_link(layer.location.child(*parts), source.location.child(*parts))
            except (InvalidArgumentError, OSError) as error:
                failed.append(f"{'/'.join(parts)} ({error})")
    if failed:
        warn_user(
            f"[WARNING] These entries of the layer {source.name!r} could not be linked: {'; '.join(failed)}",
            UserWarning,
        )


# --- copies that have not ended ---------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class UnfinishedCopy:
    """A copy that is to be made.

    kind: "layer" or "dataset". asked: the parameters in which copies of one source may differ.
    """

    kind: str
    source: Location
    target: Location
    asked: list[Any]

    @property
    def fingerprint(self) -> str:
        """A text that differs where what is asked for does."""
        plain = (attrs.asdict(part) if attrs.has(type(part)) else part for part in self.asked)
        return digest([self.source.url, *plain])

    def goes_on(self, *, exists_ok: bool, error: type[WkplugError]) -> bool:
        """Whether the target is what this very copy has left; `error` if it is another job's, unless `exists_ok`."""
        mark = storage.read_mark(self.target)
        if mark is None:
            return False
        own = self._is_own(mark)
        if own and (exists_ok or mark.job == self._job(into=False)):
            return True
        if exists_ok:
            return False
        if own:
            raise error(
                f"At {self.target.url} a copy into the {self.kind} that was there has not finished: {self._what}, "
                f"started {mark.started}.",
                hint="Run it again with exists_ok=True, as it was begun.",
            )
        raise error(
            f"At {self.target.url} is what another job has left unfinished: {mark.what or mark.job}, "
            f"started {mark.started}.",
            hint="Run that again, with the same parameters, to finish it; or choose another name or path.",
        )

    def begin(self, *, into: bool) -> None:
        """Mark the target. into: it holds what this copy hasn't brought."""
        mark = storage.read_mark(self.target)
        if mark is not None and mark.job not in (self._job(into=True), self._job(into=False)):
            return  # an unfinished import stays one
        if mark is not None and not self._is_own(mark):
            # Another copy has not ended: it stays noted, but can't rely on what is listed any more.
            storage.set_mark(self.target, attrs.evolve(mark, job=self._job(into=True)))
            return
        if mark is None or (into and mark.job != self._job(into=True)):
            job = self._job(into=into)
            storage.set_mark(
                self.target, storage.Mark(job=job, what=self._what, fingerprint=self.fingerprint)
            )

    @contextmanager
    def making(self) -> Iterator[None]:
        """Mark the target, which is made in the block; if it can't be made, nothing is left of it.

        There is nothing yet that another job could go on with: if one has left its mark, this one takes its place.
        """
        mark = storage.read_mark(self.target)
        if mark is not None and not self._is_own(mark):
            storage.clear_mark(self.target)
        self.begin(into=False)
        try:
            yield
        except BaseException:
            self.end()
            if next(iter(self.target.list()), None) is None:
                self.target.delete(recursive=True)
            raise

    def end(self) -> None:
        """Take the mark away, if it is this copy's."""
        mark = storage.read_mark(self.target)
        if mark is not None and self._is_own(mark):
            storage.clear_mark(self.target)

    def _is_own(self, mark: storage.Mark) -> bool:
        return (mark.what, mark.fingerprint) == (self._what, self.fingerprint)

    @property
    def _what(self) -> str:
        return f"a copy of {self.source.url}"

    def _job(self, *, into: bool) -> str:
        return f"copy into {self.kind}" if into else f"copy {self.kind}"
