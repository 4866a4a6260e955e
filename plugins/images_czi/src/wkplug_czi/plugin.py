"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from wkplug.abc import ImageReaderSpec, hookimpl

__all__ = ["wkplug_image_readers"]


@hookimpl
def wkplug_image_readers() -> list[ImageReaderSpec]:
    """One reader for Zeiss CZI files."""
    return [
        ImageReaderSpec(
            name="czi",
            factory="wkplug_czi.reader:CziReader",
            suffixes=(".czi",),
            magic=((0, b"ZISRAWFILE"),),
            summary="Zeiss CZI",
        )
    ]
