"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from wkplug.abc import ImageReaderSpec, hookimpl

__all__ = ["wkplug_image_readers"]


@hookimpl
def wkplug_image_readers() -> list[ImageReaderSpec]:
    """One reader for Leica LIF files."""
    return [
        ImageReaderSpec(
            name="lif",
            factory="wkplug_lif.reader:LifReader",
            suffixes=(".lif",),
            magic=((0, b"\x70\x00\x00\x00"),),
            summary="Leica LIF",
        )
    ]
