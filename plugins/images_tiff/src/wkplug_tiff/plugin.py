"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ExporterSpec, ImageReaderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_exporters", "wkplug_image_readers"]


@hookimpl
def wkplug_image_readers() -> Iterator[ImageReaderSpec]:
    """One reader for everything that starts like a TIFF."""
    yield ImageReaderSpec(
        name="tifffile",
        factory="wkplug_tiff.reader:TiffReader",
        suffixes=(
            ".tif",
            ".tiff",
            ".btf",
            ".tf8",
            ".ome.tif",
            ".ome.tiff",
            ".companion.ome",
            ".lsm",
            ".stk",
            ".svs",
        ),
        magic=((0, b"II*\x00"), (0, b"MM\x00*"), (0, b"II+\x00"), (0, b"MM\x00+")),
        summary="TIFF, BigTIFF, OME-TIFF, ImageJ stacks, LSM, STK, SVS",
    )


@hookimpl
def wkplug_exporters() -> Iterator[ExporterSpec]:
    """One file per section, or one file with all."""
    yield ExporterSpec(
        name="tiff-stack",
        factory="wkplug_tiff.stack:TiffStackExporter",
        summary="a folder of TIFF files, one per section (or one per tile)",
    )
    yield ExporterSpec(
        name="ome-tiff",
        factory="wkplug_tiff.ome:OmeTiffExporter",
        suffixes=(".ome.tif", ".ome.tiff", ".tif", ".tiff"),
        summary="one OME-TIFF file with a pyramid",
    )
