"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ImageReaderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_image_readers"]


@hookimpl
def wkplug_image_readers() -> Iterator[ImageReaderSpec]:
    """One reader for both versions of the format."""
    yield ImageReaderSpec(
        name="dm",
        factory="wkplug_dm.reader:DmReader",
        suffixes=(".dm3", ".dm4"),
        magic=((0, b"\x00\x00\x00\x03"), (0, b"\x00\x00\x00\x04")),
        summary="DM3 and DM4 (DigitalMicrograph)",
    )
