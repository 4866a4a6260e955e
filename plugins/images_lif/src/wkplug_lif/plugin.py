"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ImageReaderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_image_readers"]


@hookimpl
def wkplug_image_readers() -> Iterator[ImageReaderSpec]:
    """One reader for Leica LIF files."""
    yield ImageReaderSpec(
        name="lif",
        factory="wkplug_lif.reader:LifReader",
        suffixes=(".lif",),
        magic=((0, b"\x70\x00\x00\x00"),),
        summary="Leica LIF",
    )
