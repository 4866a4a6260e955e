"""Attachments as links in a layer's folder, which older code makes; new code uses references."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.ops.copying.entries import make_link, recorded_path

if TYPE_CHECKING:
    from wkplug.dataset import SegmentationLayer
    from wkplug.dataset.attachments import Attachment

__all__ = ["add_symlink_attachment"]


def add_symlink_attachment(
    layer: SegmentationLayer, attachment: Attachment, *, make_relative: bool = False
) -> None:
    """Link an attachment to `<layer>/<kind>/<name>`, and list what it links to, as for layers and mags.

    InvalidArgumentError (an AssertionError) unless both are on a local disk.
    """
    layer.check_writable("get attachments")
    source = attachment.location
    suffix = source.name.rpartition(".")[2] if "." in source.name else ""
    name = (
        f"{attachment.name}.{suffix}"
        if suffix and not attachment.name.endswith(f".{suffix}")
        else attachment.name
    )
    link = make_link(layer.location.child(attachment.json_key, name), source, make_relative=make_relative)
    try:
        path = recorded_path(layer.dataset, source, make_relative=make_relative)
        layer.attachments.list_path(type(attachment), attachment.name, path, attachment.data_format)
    except BaseException:
        link.unlink()
        raise
