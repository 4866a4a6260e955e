"""Older ways to add attachments: by kind, several at once, as links, and by finding them in a layer's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from wkplug.notices import deprecated

if TYPE_CHECKING:
    import os

    from wkplug.dataset.attachments import Attachment, Attachments

__all__ = ["LegacyAttachments"]

_PATTERNS = (
    ("meshes", ".hdf5", "hdf5", "MeshAttachment"),
    ("agglomerates", ".hdf5", "hdf5", "AgglomerateAttachment"),
    ("connectomes", ".hdf5", "hdf5", "ConnectomeAttachment"),
    ("segmentIndex", ".hdf5", "hdf5", "SegmentIndexAttachment"),
    ("agglomerates", "cumsum.json", "json", "CumsumAttachment"),
)


class LegacyAttachments:
    """The part of `Attachments` that is about files and code of earlier years."""

    def _own(self) -> Attachments:
        return cast("Attachments", self)

    def _add(self, kind: str, path: str | os.PathLike[str], name: str, data_format: Any) -> None:
        from wkplug.dataset import attachments

        attachment = getattr(attachments, kind).from_path_and_name(
            path, name, data_format=data_format, dataset_path=self._own().layer.dataset.path
        )
        self._own().add_attachment_as_ref(attachment)

    def add_mesh(self, path: str | os.PathLike[str], *, name: str, data_format: Any) -> None:
        """Deprecated: `add_attachment_as_ref` with a MeshAttachment."""
        deprecated("add_mesh", "add_attachment_as_ref(MeshAttachment.from_path_and_name(...))")
        self._add("MeshAttachment", path, name, data_format)

    def add_agglomerate(self, path: str | os.PathLike[str], *, name: str, data_format: Any) -> None:
        """Deprecated: `add_attachment_as_ref` with an AgglomerateAttachment."""
        deprecated("add_agglomerate", "add_attachment_as_ref(AgglomerateAttachment.from_path_and_name(...))")
        self._add("AgglomerateAttachment", path, name, data_format)

    def add_connectome(self, path: str | os.PathLike[str], *, name: str, data_format: Any) -> None:
        """Deprecated: `add_attachment_as_ref` with a ConnectomeAttachment."""
        deprecated("add_connectome", "add_attachment_as_ref(ConnectomeAttachment.from_path_and_name(...))")
        self._add("ConnectomeAttachment", path, name, data_format)

    def set_segment_index(self, path: str | os.PathLike[str], *, name: str, data_format: Any) -> None:
        """Deprecated: `add_attachment_as_ref` with a SegmentIndexAttachment."""
        deprecated(
            "set_segment_index", "add_attachment_as_ref(SegmentIndexAttachment.from_path_and_name(...))"
        )
        self._add("SegmentIndexAttachment", path, name, data_format)

    def set_cumsum(self, path: str | os.PathLike[str], *, name: str, data_format: Any) -> None:
        """Deprecated: `add_attachment_as_ref` with a CumsumAttachment."""
        deprecated("set_cumsum", "add_attachment_as_ref(CumsumAttachment.from_path_and_name(...))")
        self._add("CumsumAttachment", path, name, data_format)

    def add_attachments(self, *other: Attachment) -> None:
        """Deprecated: `add_attachment_as_ref`, one by one."""
        deprecated("add_attachments", "add_attachment_as_ref")
        for attachment in other:
            self._own().add_attachment_as_ref(attachment)

    def add_copy_attachments(self, *other: Attachment) -> None:
        """Deprecated: `add_attachment_as_copy`, one by one."""
        deprecated("add_copy_attachments", "add_attachment_as_copy")
        for attachment in other:
            self._own().add_attachment_as_copy(attachment)

    def add_symlink_attachments(self, *other: Attachment, make_relative: bool = False) -> None:
        """Deprecated: `add_attachment_as_ref`. Makes links in the layer's folder, local ones only."""
        deprecated("add_symlink_attachments", "add_attachment_as_ref")
        from wkplug.ops.copying.attaching import add_symlink_attachment

        for attachment in other:
            add_symlink_attachment(self._own().layer, attachment, make_relative=make_relative)

    def detect_legacy_attachments(self) -> None:
        """List the attachments that lie in the layer's folder as they did before properties files listed them."""
        from wkplug.dataset import attachments

        own = self._own()
        layer = own.layer
        known = {item.location for item in own}
        for folder, ending, data_format, kind in _PATTERNS:
            place = layer.location.child(folder)
            for entry in place.list():
                location = place.child(entry.rstrip("/"))
                if not entry.endswith(ending) or location in known:
                    continue
                found = getattr(attachments, kind).from_path_and_name(
                    location.url, entry.removesuffix(f".{data_format}"), data_format=data_format
                )
                own.add_attachment_as_ref(found)
