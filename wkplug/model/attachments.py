"""Attachments of a layer: files beside it that say more about its segments, as the metadata list them.

The metadata have name, path and data format of each, in six kinds. What is in the files is for the software that made
them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wkplug import storage
from wkplug.errors import AttachmentError, UnsafePathError
from wkplug.filesystems.paths import is_scrap
from wkplug.model.places import is_link, to_path
from wkplug.properties import check_layer_name, operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wkplug.abc import Location
    from wkplug.model.states import LayerState

__all__ = [
    "KINDS", "Attached", "Kind", "add_copy", "add_reference", "attached", "begin_copy", "copy_of", "delete",
    "list_copy", "list_path", "rename",
]  # fmt: skip


class Kind(NamedTuple):
    """A kind of attachments: the names that the API, the metadata and texts have for it."""

    container_name: str
    """The attribute of the metadata model, and of `layer.attachments`."""
    json_key: str
    """The key in the properties file, which is also the folder that copies go to."""
    type_name: str
    is_list: bool = True
    """Whether a layer may have several."""


KINDS = {
    kind.container_name: kind
    for kind in (
        Kind("meshes", "meshes", "mesh"),
        Kind("agglomerates", "agglomerates", "agglomerate"),
        Kind("segment_index", "segmentIndex", "segmentIndex", is_list=False),
        Kind("segment_statistics", "segmentStatistics", "segmentStatistics", is_list=False),
        Kind("cumsum", "cumsum", "cumsum", is_list=False),
        Kind("connectomes", "connectomes", "connectome"),
    )
}
"""All kinds, in the order in which a layer's attachments are gone through."""

SUFFIXES = {"hdf5": ".hdf5", "json": ".json"}
"""What files of a data format are called; others are folders."""

Entries = list[dict[str, Any]]


class Attached(NamedTuple):
    """One attachment: its kind, name, place and data format."""

    kind: Kind
    name: str
    location: Location
    data_format: str

    @classmethod
    def of(cls, attachment: Any, name: str | None = None) -> Attached:
        """Take an attachment as users have it, with another name if given; AttachmentError if it is of no kind."""
        kind = KINDS.get(attachment.container_name)
        if kind is None:
            raise AttachmentError(
                f"{type(attachment).__name__} is no kind of attachment.",
                hint="Use a class such as MeshAttachment.",
            )
        return cls(
            kind, attachment.name if name is None else name, attachment.location, attachment.data_format
        )


def attached(layer: LayerState, *kinds: Kind) -> list[Attached]:
    """Give the listed attachments of some kinds, of all by default; color layers have none."""
    listed = getattr(layer.properties, "attachments", None)
    if listed is None:
        return []
    root = layer.dataset.location
    result = []
    for kind in kinds or KINDS.values():
        value = getattr(listed, kind.container_name)
        entries = value if isinstance(value, list) else [value] if value is not None else []
        for entry in entries:
            place = storage.resolve_inside(root, entry.path)[0]
            result.append(Attached(kind, entry.name, place, entry.data_format))
    return result


# --- changes ----------------------------------------------------------------------------------------------


def add_reference(layer: LayerState, item: Attached) -> None:
    """List an attachment whose files stay where they are, relative to the dataset if they lie inside."""
    layer.check_metadata_writable("get attachments")
    list_path(layer, item, storage.relative_to(layer.dataset.location, item.location))


def add_copy(layer: LayerState, item: Attached, name: str) -> Attached:
    """Copy an attachment's files into the layer's folder, to `<kind>/<name>`, and list the copy."""
    layer.check_writable("get attachments")
    copy = copy_of(layer, item, name)
    if copy.location != item.location:
        begin_copy(layer, item, copy)
        storage.copy_tree(item.location, copy.location, skip=(storage.MARK_NAME,))
    list_copy(layer, copy)
    storage.clear_mark(copy.location)
    return copy


def copy_of(layer: LayerState, item: Attached, name: str) -> Attached:
    """Say what the copy of an attachment in the folder of a layer is to be."""
    _check_free(layer, item.kind, name)
    place = layer.location.child(item.kind.json_key, name + SUFFIXES.get(item.data_format, ""))
    return item._replace(name=name, location=place)


def begin_copy(layer: LayerState, item: Attached, copy: Attached) -> None:
    """Make a place ready for the files of an attachment: a folder has a mark, and nothing of another one.

    AttachmentError if a file is there that the attachment doesn't have, and that no killed copy has left.
    """
    source, place = item.location, copy.location
    _refuse_links(layer.location, place)
    if next(iter(source.list()), None) is None:
        return
    if storage.read_mark(place) is not None:
        place.delete(recursive=True)
    if set(_files_below(place)) - set(_files_below(source)):
        raise AttachmentError(
            f"There are files at {place.url} that no attachment of the layer {layer.name!r} lists.",
            hint="Move them away, or choose another name.",
        )
    job = storage.Mark(job=f"copy attachment {item.name}", what=f"a copy of {source.url}")
    storage.set_mark(place, job)


def list_copy(layer: LayerState, copy: Attached) -> None:
    """List an attachment whose files are there."""
    list_path(layer, copy, storage.relative_to(layer.dataset.location, copy.location))


def list_path(layer: LayerState, item: Attached, path: str) -> None:
    """List an attachment by the path that is to be recorded; of kinds of which there is one, it is replaced."""
    kind, name = item.kind, item.name
    _check_free(layer, kind, name)
    entry = {"name": name, "path": path, "dataFormat": str(item.data_format)}

    def with_one_more(entries: Entries) -> Entries:
        if not kind.is_list:
            return [entry]
        if any(known["name"] == name for known in entries):
            raise _exists(kind, name)
        return [*entries, entry]

    _change(layer, kind, with_one_more)


def rename(layer: LayerState, item: Attached, name: str) -> None:
    """Give an attachment another name in the list; its files stay where they are."""
    layer.check_metadata_writable("rename attachments")
    check_layer_name(name, what="attachment")

    def renamed(entries: Entries) -> Entries:
        index = _index(layer, entries, item)
        if name != item.name and any(entry["name"] == name for entry in entries):
            raise _exists(item.kind, name)
        return [{**entry, "name": name} if at == index else entry for at, entry in enumerate(entries)]

    _change(layer, item.kind, renamed)


def delete(layer: LayerState, item: Attached) -> None:
    """Take an attachment off the list; its files stay. AttachmentError (a ValueError) if it isn't listed."""
    layer.check_metadata_writable("lose attachments")

    def without(entries: Entries) -> Entries:
        index = _index(layer, entries, item)
        return [entry for at, entry in enumerate(entries) if at != index]

    _change(layer, item.kind, without)


def _check_free(layer: LayerState, kind: Kind, name: str) -> None:
    check_layer_name(name, what="attachment")
    if kind.is_list and any(known.name == name for known in attached(layer, kind)):
        raise _exists(kind, name)


def _change(layer: LayerState, kind: Kind, change: Callable[[Entries], Entries]) -> None:
    """Replace the entries of a kind, against what is stored now, leaving what else is there."""
    store = layer.dataset.store
    with store.update():
        raw = store.raw_layer(layer.name)
        attachments = dict(raw.get("attachments") or {})
        old = attachments.get(kind.json_key)
        new = change(list(old) if isinstance(old, list) else [old] if old else [])
        if new:
            attachments[kind.json_key] = new if kind.is_list else new[0]
        else:
            attachments.pop(kind.json_key, None)
        store.apply(operations.SetLayerKey(layer.name, "attachments", attachments or None))


def _index(layer: LayerState, entries: Entries, item: Attached) -> int:
    root = layer.dataset.location
    for index, entry in enumerate(entries):
        if entry["name"] == item.name and storage.resolve_inside(root, entry["path"])[0] == item.location:
            return index
    raise AttachmentError(
        f"The layer {layer.name!r} has no {item.kind.type_name} {item.name!r} at {to_path(item.location)}.",
        hint="Take it from layer.attachments.",
    )


def _exists(kind: Kind, name: str) -> AttachmentError:
    return AttachmentError(
        f"There is already a {kind.type_name} attachment called {name!r}.",
        hint="Choose another name.",
    )


# --- files ------------------------------------------------------------------------------------------------


def _files_below(folder: Location, above: str = "") -> Iterator[str]:
    """The paths of all files below a folder, as far as it isn't linked; without what killed writes have left."""
    for name in folder.list():
        if is_scrap(name.rstrip("/")):
            continue
        below = folder.child(name.rstrip("/"))
        if name.endswith("/") and not is_link(below):
            yield from _files_below(below, above + name)
        else:
            yield above + name


def _refuse_links(folder: Location, place: Location) -> None:
    """Refuse to write through a link that lies between a layer's folder and a place below it."""
    path, top = place.local_path(), folder.local_path()
    if path is None or top is None:
        return
    for step in (Path(path), *Path(path).parents):
        if step.is_symlink():
            raise UnsafePathError(
                f"{place.url} can't be written: {step} is a link, and what it leads to isn't this layer's.",
                hint="Replace the link by a folder first.",
            )
        if step == Path(top):
            return
