"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ImageReaderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_image_readers"]


@hookimpl
def wkplug_image_readers() -> Iterator[ImageReaderSpec]:
    """One reader for Nikon ND2 files."""
    yield ImageReaderSpec(
        name="nd2",
        factory="wkplug_nd2.reader:Nd2Reader",
        suffixes=(".nd2",),
        magic=((0, b"\xda\xce\xbe\x0a"),),
        summary="Nikon ND2",
    )
