"""Attachments: files beside a segmentation layer that say more about its segments, in six kinds.

Meshes, agglomerates and connectomes may be many; of the segment index, the segment statistics and the cumulated
sums there is one at most. The properties file lists name, path and data format; what is in the files is for the
software that made them, but for agglomerates, which wkplug reads and writes (`wkplug.dataset.agglomerates`).

Who calls it: users through `SegmentationLayer.attachments`; `wkplug.ops` when layers are copied.
"""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any, ClassVar, Self

import attrs

from wkplug import storage
from wkplug.dataset.legacy.attachment_formats import (
    attachment_format,
    attachment_suffix,
    formats_of,
    recorded_format,
)
from wkplug.dataset.legacy.attachments import LegacyAttachments
from wkplug.errors import AttachmentError, UnsafePathError
from wkplug.filesystems.paths import is_scrap
from wkplug.model.places import is_link, to_path
from wkplug.properties import AttachmentsProperties, check_layer_name, operations

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from wkplug.abc import Location
    from wkplug.dataset.layer import Layer
    from wkplug.dataset.segmentation_layer import SegmentationLayer

__all__ = [
    "KINDS",
    "AgglomerateAttachment",
    "Attachment",
    "Attachments",
    "ConnectomeAttachment",
    "CumsumAttachment",
    "MeshAttachment",
    "SegmentIndexAttachment",
    "SegmentStatisticsAttachment",
    "attached_places",
]


@attrs.frozen
class Attachment:
    """One attachment. Made with `from_path_and_name` of the class of its kind."""

    name: str
    path: pathlib.Path
    data_format: str

    container_name: ClassVar[str] = ""
    """Where a layer's attachments of this kind are: the attribute of `Attachments`."""
    type_name: ClassVar[str] = ""
    json_key: ClassVar[str] = ""
    """The key in the properties file, which is also the folder that copies go to."""
    is_list: ClassVar[bool] = True

    @classmethod
    def from_path_and_name(
        cls,
        path: str | os.PathLike[str],
        name: str,
        *,
        data_format: str,
        dataset_path: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Describe an attachment; nothing is read.

        path: if relative, to `dataset_path`, or without one to the working directory.
        LayerNameError (a ValueError) for a name that a file can't have, AttachmentError (a ValueError) for a data
        format that attachments of this kind can't have.
        """
        check_layer_name(name, what="attachment")
        chosen = attachment_format(data_format)
        if chosen not in (allowed := formats_of(cls.json_key)):
            formats = " or ".join(map(repr, map(str, allowed)))
            raise AttachmentError(
                f"A {cls.type_name} attachment can't be stored as {str(chosen)!r}.", hint=f"Give {formats}."
            )
        location = _located(path, None if dataset_path is None else storage.locate(dataset_path))
        return cls(name, to_path(location), chosen)

    @property
    def location(self) -> Location:
        """The place of the file or folder."""
        return storage.locate(self.path)


def attached_places(layer: Layer) -> Iterator[tuple[str, Location]]:
    """Iterate over the names and the recorded places of all attachments of a layer, also those that are refused."""
    listed = getattr(layer.properties, "attachments", None)
    for kind in KINDS if listed is not None else ():
        value = getattr(listed, kind.container_name)
        for entry in value if isinstance(value, list) else [value] if value is not None else []:
            yield entry.name, storage.resolve_inside(layer.dataset.location, entry.path)[0]


def _located(path: str | os.PathLike[str], root: Location | None) -> Location:
    if root is None or not isinstance(path, (str, pathlib.PurePath)):
        return storage.locate(path)
    text = path if isinstance(path, str) else path.as_posix()
    return storage.resolve_inside(root, text)[0]


class MeshAttachment(Attachment):
    """Meshes of segments."""

    container_name = "meshes"
    type_name = "mesh"
    json_key = "meshes"


class AgglomerateAttachment(Attachment):
    """Which segments belong together, and why: a graph per agglomerate."""

    container_name = "agglomerates"
    type_name = "agglomerate"
    json_key = "agglomerates"

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], graph: Any, *, segmentation_dtype: str = "uint32"
    ) -> AgglomerateAttachment:
        """Write an `AgglomerateGraph` to a new folder; FileExistsError if there is something already.

        Segment ids must be 1, 2, ... without gaps (ValueError). The attachment is called after the folder.
        """
        from wkplug.dataset import agglomerates

        location = storage.locate(path)
        data_format = agglomerates.write(location, graph, segmentation_dtype)
        return cls(location.name, to_path(location), data_format)

    @classmethod
    def create_and_add_to(cls, layer: SegmentationLayer, name: str, graph: Any) -> AgglomerateAttachment:
        """Write an `AgglomerateGraph` into the layer's folder, and list it.

        InvalidArgumentError (an AssertionError) unless the layer's dtype is uint32 or uint64, FileExistsError
        if there is an agglomerate of that name.
        """
        from wkplug.dataset import agglomerates

        layer.check_writable("get attachments")
        agglomerates.check_dtype(layer.dtype.name)
        check_layer_name(name, what="attachment")
        place = layer.location.child(cls.json_key, name)
        attachment = cls.create(to_path(place), graph, segmentation_dtype=layer.dtype.name)
        layer.attachments.add_attachment_as_ref(attachment)
        return attachment

    def to_graph(self) -> Any:
        """Read the `AgglomerateGraph` back; needs the package networkx."""
        from wkplug.dataset import agglomerates

        return agglomerates.read(self.location, self.data_format)


class SegmentIndexAttachment(Attachment):
    """Where in the volume each segment is."""

    container_name = "segment_index"
    type_name = "segmentIndex"
    json_key = "segmentIndex"
    is_list = False


class SegmentStatisticsAttachment(Attachment):
    """Sizes and the like of segments."""

    container_name = "segment_statistics"
    type_name = "segmentStatistics"
    json_key = "segmentStatistics"
    is_list = False


class CumsumAttachment(Attachment):
    """Cumulated sums."""

    container_name = "cumsum"
    type_name = "cumsum"
    json_key = "cumsum"
    is_list = False


class ConnectomeAttachment(Attachment):
    """Which agglomerates are connected by synapses."""

    container_name = "connectomes"
    type_name = "connectome"
    json_key = "connectomes"


KINDS: tuple[type[Attachment], ...] = (
    MeshAttachment,
    AgglomerateAttachment,
    SegmentIndexAttachment,
    SegmentStatisticsAttachment,
    CumsumAttachment,
    ConnectomeAttachment,
)
"""All kinds, in the order in which `Attachments` iterates."""


class Attachments(LegacyAttachments):
    """The attachments of one segmentation layer: `layer.attachments`. Iterates over all of them."""

    def __init__(self, layer: SegmentationLayer) -> None:
        self._layer = layer

    @property
    def layer(self) -> SegmentationLayer:
        """The layer whose attachments these are."""
        return self._layer

    # --- looking ------------------------------------------------------------------------------------------

    def _listed(self) -> AttachmentsProperties:
        properties: AttachmentsProperties = self._layer.properties.attachments  # type: ignore[attr-defined]  # of segmentation layers
        return properties

    def _of(self, kind: type[Attachment]) -> tuple[Any, ...]:
        value = getattr(self._listed(), kind.container_name)
        entries = value if isinstance(value, list) else [value] if value is not None else []
        root = self._layer.dataset.location
        return tuple(
            kind(
                entry.name,
                to_path(storage.resolve_inside(root, entry.path)[0]),
                recorded_format(entry.data_format),
            )
            for entry in entries
        )

    @property
    def meshes(self) -> tuple[MeshAttachment, ...]:
        """All meshes."""
        return self._of(MeshAttachment)

    @property
    def agglomerates(self) -> tuple[AgglomerateAttachment, ...]:
        """All agglomerates."""
        return self._of(AgglomerateAttachment)

    @property
    def connectomes(self) -> tuple[ConnectomeAttachment, ...]:
        """All connectomes."""
        return self._of(ConnectomeAttachment)

    @property
    def segment_index(self) -> SegmentIndexAttachment | None:
        """The segment index, None if there is none."""
        return next(iter(self._of(SegmentIndexAttachment)), None)

    @property
    def segment_statistics(self) -> SegmentStatisticsAttachment | None:
        """The segment statistics, None if there are none."""
        return next(iter(self._of(SegmentStatisticsAttachment)), None)

    @property
    def cumsum(self) -> CumsumAttachment | None:
        """The cumulated sums, None if there are none."""
        return next(iter(self._of(CumsumAttachment)), None)

    @property
    def is_empty(self) -> bool:
        """Whether there are none of any kind."""
        return not self._listed()

    def __iter__(self) -> Iterator[Attachment]:
        for kind in KINDS:
            yield from self._of(kind)

    def __repr__(self) -> str:
        return f"Attachments({list(self)!r})"

    # --- changing -----------------------------------------------------------------------------------------

    def add_attachment_as_ref(self, attachment: Attachment, *, new_name: str | None = None) -> None:
        """List an attachment whose files stay where they are.

        The path is recorded relative to the dataset if it lies inside, otherwise absolute. AttachmentError (a
        ValueError) if one of that kind and name is listed; of the kinds of which there is one, it is replaced.
        """
        self._layer.check_metadata_writable("get attachments")
        name = attachment.name if new_name is None else new_name
        location = attachment.location
        self._list(type(attachment), name, location, attachment.data_format)

    def add_attachment_as_copy(self, attachment: Attachment, *, new_name: str | None = None) -> Attachment:
        """Copy an attachment's files into the layer's folder, to `<kind>/<name>`, and list the copy.

        AttachmentError (a ValueError) if one of that kind and name is listed.
        """
        layer = self._layer
        layer.check_writable("get attachments")
        kind, name = type(attachment), attachment.name if new_name is None else new_name
        self._check(kind, name)
        suffix = attachment_suffix(attachment.data_format)
        place = layer.location.child(kind.json_key, name + suffix)
        if place != attachment.location:
            _refuse_links(layer.location, place)
            self._copy(attachment, place)
        self._list(kind, name, place, attachment.data_format)
        storage.clear_mark(place)
        return kind(name, to_path(place), attachment.data_format)

    def _copy(self, attachment: Attachment, place: Location) -> None:
        """Copy the files of an attachment; a folder with a mark, and never beside files of another one.

        AttachmentError if a file is there that the attachment doesn't have, and that no killed copy has left.
        """
        source = attachment.location
        if next(iter(source.list()), None) is not None:
            if storage.read_mark(place) is not None:
                place.delete(recursive=True)
            if set(_files_below(place)) - set(_files_below(source)):
                raise AttachmentError(
                    f"There are files at {place.url} that no attachment of the layer {self._layer.name!r} lists.",
                    hint="Move them away, or choose another name.",
                )
            job = storage.Mark(job=f"copy attachment {attachment.name}", what=f"a copy of {source.url}")
            storage.set_mark(place, job)
        storage.copy_tree(source, place, skip=(storage.MARK_NAME,))

    def rename_attachment(self, attachment: Attachment, *, new_name: str) -> None:
        """Give an attachment another name in the list; its files stay where they are."""
        self._layer.check_metadata_writable("rename attachments")
        check_layer_name(new_name, what="attachment")
        kind = type(attachment)

        def renamed(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
            index = self._index(entries, attachment)
            if new_name != attachment.name and any(entry["name"] == new_name for entry in entries):
                raise _exists(kind, new_name)
            return [{**entry, "name": new_name} if at == index else entry for at, entry in enumerate(entries)]

        self._change(kind, renamed)

    def delete_attachment(self, attachment: Attachment) -> None:
        """Take an attachment off the list; its files stay. AttachmentError (a ValueError) if it isn't listed."""
        self._layer.check_metadata_writable("lose attachments")

        def without(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
            index = self._index(entries, attachment)
            return [entry for at, entry in enumerate(entries) if at != index]

        self._change(type(attachment), without)

    # --- the list -----------------------------------------------------------------------------------------

    def _check(self, kind: type[Attachment], name: str) -> None:
        check_layer_name(name, what="attachment")
        if kind not in KINDS:
            raise AttachmentError(
                f"{kind.__name__} is no kind of attachment.", hint="Use a class such as MeshAttachment."
            )
        if kind.is_list and any(known.name == name for known in self._of(kind)):
            raise _exists(kind, name)

    def _list(self, kind: type[Attachment], name: str, location: Location, data_format: str) -> None:
        self.list_path(kind, name, storage.relative_to(self._layer.dataset.location, location), data_format)

    def list_path(self, kind: type[Attachment], name: str, path: str, data_format: str) -> None:
        """List an attachment by the path that is to be recorded; for `wkplug.ops`."""
        self._check(kind, name)
        entry = {"name": name, "path": path, "dataFormat": str(data_format)}

        def with_one_more(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
            if not kind.is_list:
                return [entry]
            if any(known["name"] == name for known in entries):
                raise _exists(kind, name)
            return [*entries, entry]

        self._change(kind, with_one_more)

    def _change(self, kind: type[Attachment], change: Any) -> None:
        """Replace the entries of a kind, against what is on disk now, leaving what else is there."""
        layer = self._layer
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

    def _index(self, entries: list[dict[str, Any]], attachment: Attachment) -> int:
        root = self._layer.dataset.location
        for index, entry in enumerate(entries):
            if (
                entry["name"] == attachment.name
                and storage.resolve_inside(root, entry["path"])[0] == attachment.location
            ):
                return index
        raise AttachmentError(
            f"The layer {self._layer.name!r} has no {attachment.type_name} {attachment.name!r} at {attachment.path}.",
            hint="Take it from layer.attachments.",
        )


def _exists(kind: type[Attachment], name: str) -> AttachmentError:
    return AttachmentError(
        f"There is already a {kind.type_name} attachment called {name!r}.",
        hint="Choose another name.",
    )


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
    for step in (pathlib.Path(path), *pathlib.Path(path).parents):
        if step.is_symlink():
            raise UnsafePathError(
                f"{place.url} can't be written: {step} is a link, and what it leads to isn't this layer's.",
                hint="Replace the link by a folder first.",
            )
        if step == pathlib.Path(top):
            return
