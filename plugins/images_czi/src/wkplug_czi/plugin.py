"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ImageReaderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_image_readers"]


@hookimpl
def wkplug_image_readers() -> Iterator[ImageReaderSpec]:
    """One reader for Zeiss CZI files."""
    yield ImageReaderSpec(
        name="czi",
        factory="wkplug_czi.reader:CziReader",
        suffixes=(".czi",),
        magic=((0, b"ZISRAWFILE"),),
        summary="Zeiss CZI",
    )
