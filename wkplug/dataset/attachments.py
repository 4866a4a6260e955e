"""Attachments: files beside a segmentation layer that say more about its segments, in six kinds.

Meshes, agglomerates and connectomes may be many; of the segment index, the segment statistics and the cumulated
sums there is one at most. The properties file lists name, path and data format; what is in the files is for the
software that made them, but for agglomerates, which wkplug reads and writes (`wkplug.dataset.agglomerates`).

"""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any, ClassVar, Self

import attrs

from wkplug import storage
from wkplug.dataset import verbs
from wkplug.dataset.legacy.attachment_formats import (
    attachment_format,
    formats_of,
    recorded_format,
)
from wkplug.dataset.legacy.attachments import LegacyAttachments
from wkplug.errors import AttachmentError
from wkplug.model import attachments
from wkplug.model.places import to_path
from wkplug.properties import check_layer_name

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from wkplug.abc import Location

__all__ = [
    "AgglomerateAttachment",
    "Attachment",
    "Attachments",
    "ConnectomeAttachment",
    "CumsumAttachment",
    "MeshAttachment",
    "SegmentIndexAttachment",
    "SegmentStatisticsAttachment",
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
        location = storage.locate(path)
        data_format = verbs.agglomerates.write(location, graph, segmentation_dtype)
        return cls(location.name, to_path(location), data_format)

    @classmethod
    def create_and_add_to(cls, layer: Any, name: str, graph: Any) -> AgglomerateAttachment:
        """Write an `AgglomerateGraph` into the layer's folder, and list it.

        InvalidArgumentError (an AssertionError) unless the layer's dtype is uint32 or uint64, FileExistsError
        if there is an agglomerate of that name.
        """
        layer.state.check_writable("get attachments")
        verbs.agglomerates.check_dtype(layer.dtype.name)
        check_layer_name(name, what="attachment")
        place = layer.state.location.child(cls.json_key, name)
        attachment = cls.create(to_path(place), graph, segmentation_dtype=layer.dtype.name)
        layer.attachments.add_attachment_as_ref(attachment)
        return attachment

    def to_graph(self) -> Any:
        """Read the `AgglomerateGraph` back; needs the package networkx."""
        return verbs.agglomerates.read(self.location, self.data_format)


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


_CLASSES: tuple[type[Attachment], ...] = (
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

    classes: ClassVar = {kind.container_name: kind for kind in _CLASSES}

    def __init__(self, layer: Any) -> None:
        self._layer = layer

    @property
    def layer(self) -> Any:
        """The layer whose attachments these are."""
        return self._layer

    # --- looking ------------------------------------------------------------------------------------------

    def _of(self, kind: type[Attachment]) -> tuple[Any, ...]:
        items = attachments.attached(self._layer.state, attachments.KINDS[kind.container_name])
        return tuple(
            kind(item.name, to_path(item.location), recorded_format(item.data_format)) for item in items
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
        return not attachments.attached(self._layer.state)

    def __iter__(self) -> Iterator[Attachment]:
        for kind in _CLASSES:
            yield from self._of(kind)

    def __repr__(self) -> str:
        return f"Attachments({list(self)!r})"

    # --- changing -----------------------------------------------------------------------------------------

    def add_attachment_as_ref(self, attachment: Attachment, *, new_name: str | None = None) -> None:
        """List an attachment whose files stay where they are.

        The path is recorded relative to the dataset if it lies inside, otherwise absolute. AttachmentError (a
        ValueError) if one of that kind and name is listed; of the kinds of which there is one, it is replaced.
        """
        attachments.add_reference(self._layer.state, attachments.Attached.of(attachment, new_name))

    def add_attachment_as_copy(self, attachment: Attachment, *, new_name: str | None = None) -> Attachment:
        """Copy an attachment's files into the layer's folder, to `<kind>/<name>`, and list the copy.

        AttachmentError (a ValueError) if one of that kind and name is listed.
        """
        name = attachment.name if new_name is None else new_name
        copy = attachments.add_copy(self._layer.state, attachments.Attached.of(attachment), name)
        return type(attachment)(name, to_path(copy.location), attachment.data_format)

    def rename_attachment(self, attachment: Attachment, *, new_name: str) -> None:
        """Give an attachment another name in the list; its files stay where they are."""
        attachments.rename(self._layer.state, attachments.Attached.of(attachment), new_name)

    def delete_attachment(self, attachment: Attachment) -> None:
        """Take an attachment off the list; its files stay. AttachmentError (a ValueError) if it isn't listed."""
        attachments.delete(self._layer.state, attachments.Attached.of(attachment))
