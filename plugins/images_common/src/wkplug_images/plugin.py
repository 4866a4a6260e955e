"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ExporterSpec, ImageReaderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_exporters", "wkplug_image_readers"]


@hookimpl
def wkplug_image_readers() -> Iterator[ImageReaderSpec]:
    """One reader for the image files of everyday life."""
    yield ImageReaderSpec(
        name="pillow",
        factory="wkplug_images.reader:PictureReader",
        suffixes=(".bmp", ".gif", ".j2c", ".j2k", ".jp2", ".jpeg", ".jpf", ".jpg", ".jpx", ".png"),
        magic=(
            (0, b"\x89PNG\r\n\x1a\n"),
            (0, b"\xff\xd8\xff"),
            (0, b"GIF8"),
            (0, b"BM"),
            (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n"),
            (0, b"\xff\x4f\xff\x51"),
        ),
        summary="PNG, JPEG, BMP, GIF, JPEG 2000",
    )


@hookimpl
def wkplug_exporters() -> Iterator[ExporterSpec]:
    """The contact sheet of a dataset, as a picture."""
    yield ExporterSpec(
        name="contact-sheet",
        factory="wkplug_images.sheet:ContactSheetExporter",
        suffixes=(".jpeg", ".jpg", ".png"),
        consumes="sheet",
        summary="the picture of `wkplug preview`",
    )
