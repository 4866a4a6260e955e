"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from wkplug.abc import ImageReaderSpec, hookimpl

__all__ = ["wkplug_image_readers"]


@hookimpl
def wkplug_image_readers() -> list[ImageReaderSpec]:
    """One reader for everything that starts like a TIFF."""
    return [
        ImageReaderSpec(
            name="tifffile",
            factory="wkplug_tiff.reader:TiffReader",
            suffixes=(".tif", ".tiff", ".btf", ".tf8", ".ome.tif", ".ome.tiff"),
            magic=((0, b"II*\x00"), (0, b"MM\x00*"), (0, b"II+\x00"), (0, b"MM\x00+")),
            summary="TIFF, BigTIFF, OME-TIFF, ImageJ stacks",
        )
    ]
