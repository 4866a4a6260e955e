"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from wkplug.abc import ImageReaderSpec, hookimpl

__all__ = ["wkplug_image_readers"]


@hookimpl
def wkplug_image_readers() -> list[ImageReaderSpec]:
    """One reader for both versions of the format."""
    return [
        ImageReaderSpec(
            name="dm",
            factory="wkplug_dm.reader:DmReader",
            suffixes=(".dm3", ".dm4"),
            magic=((0, b"\x00\x00\x00\x03"), (0, b"\x00\x00\x00\x04")),
            summary="DM3 and DM4 (DigitalMicrograph)",
        )
    ]
