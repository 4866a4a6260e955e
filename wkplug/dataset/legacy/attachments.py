"""Older ways to add attachments: by kind, several at once, as links, and by finding them in a layer's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.dataset import verbs
from wkplug.model.attachments import Attached
from wkplug.notices import deprecated

if TYPE_CHECKING:
    import os


__all__ = ["LegacyAttachments"]

_PATTERNS = (
    ("meshes", ".hdf5", "hdf5", "meshes"),
    ("agglomerates", ".hdf5", "hdf5", "agglomerates"),
    ("connectomes", ".hdf5", "hdf5", "connectomes"),
    ("segmentIndex", ".hdf5", "hdf5", "segment_index"),
    ("agglomerates", "cumsum.json", "json", "cumsum"),
)


class LegacyAttachments:
    """The part of `Attachments` that is about files and code of earlier years."""

    def _add(self: Any, kind: str, path: str | os.PathLike[str], name: str, data_format: Any) -> None:
        attachment = self.classes[kind].from_path_and_name(
            path, name, data_format=data_format, dataset_path=self.layer.dataset.path
        )
        self.add_attachment_as_ref(attachment)

    def add_mesh(self: Any, path: str | os.PathLike[str], *, name: str, data_format: Any) -> None:
        """Deprecated: `add_attachment_as_ref` with a MeshAttachment."""
        deprecated("add_mesh", "add_attachment_as_ref(MeshAttachment.from_path_and_name(...))")
        self._add("meshes", path, name, data_format)

    def add_agglomerate(self: Any, path: str | os.PathLike[str], *, name: str, data_format: Any) -> None:
        """Deprecated: `add_attachment_as_ref` with an AgglomerateAttachment."""
        deprecated("add_agglomerate", "add_attachment_as_ref(AgglomerateAttachment.from_path_and_name(...))")
        self._add("agglomerates", path, name, data_format)

    def add_connectome(self: Any, path: str | os.PathLike[str], *, name: str, data_format: Any) -> None:
        """Deprecated: `add_attachment_as_ref` with a ConnectomeAttachment."""
        deprecated("add_connectome", "add_attachment_as_ref(ConnectomeAttachment.from_path_and_name(...))")
        self._add("connectomes", path, name, data_format)

    def set_segment_index(self: Any, path: str | os.PathLike[str], *, name: str, data_format: Any) -> None:
        """Deprecated: `add_attachment_as_ref` with a SegmentIndexAttachment."""
        deprecated(
            "set_segment_index", "add_attachment_as_ref(SegmentIndexAttachment.from_path_and_name(...))"
        )
        self._add("segment_index", path, name, data_format)

    def set_cumsum(self: Any, path: str | os.PathLike[str], *, name: str, data_format: Any) -> None:
        """Deprecated: `add_attachment_as_ref` with a CumsumAttachment."""
        deprecated("set_cumsum", "add_attachment_as_ref(CumsumAttachment.from_path_and_name(...))")
        self._add("cumsum", path, name, data_format)

    def add_attachments(self: Any, *other: Any) -> None:
        """Deprecated: `add_attachment_as_ref`, one by one."""
        deprecated("add_attachments", "add_attachment_as_ref")
        for attachment in other:
            self.add_attachment_as_ref(attachment)

    def add_copy_attachments(self: Any, *other: Any) -> None:
        """Deprecated: `add_attachment_as_copy`, one by one."""
        deprecated("add_copy_attachments", "add_attachment_as_copy")
        for attachment in other:
            self.add_attachment_as_copy(attachment)

    def add_symlink_attachments(self: Any, *other: Any, make_relative: bool = False) -> None:
        """Deprecated: `add_attachment_as_ref`. Makes links in the layer's folder, local ones only."""
        deprecated("add_symlink_attachments", "add_attachment_as_ref")
        for attachment in other:
            verbs.layer_copying.add_symlink_attachment(
                self.layer.state, Attached.of(attachment), make_relative=make_relative
            )

    def detect_legacy_attachments(self: Any) -> None:
        """List the attachments that lie in the layer's folder as they did before properties files listed them."""
        known = {item.location for item in self}
        for folder, ending, data_format, kind in _PATTERNS:
            place = self.layer.state.location.child(folder)
            for entry in place.list():
                location = place.child(entry.rstrip("/"))
                if not entry.endswith(ending) or location in known:
                    continue
                found = self.classes[kind].from_path_and_name(
                    location.url, entry.removesuffix(f".{data_format}"), data_format=data_format
                )
                self.add_attachment_as_ref(found)
