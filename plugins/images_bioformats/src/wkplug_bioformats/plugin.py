"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from wkplug.abc import ImageReaderSpec, hookimpl

__all__ = ["wkplug_image_readers"]


@hookimpl
def wkplug_image_readers() -> list[ImageReaderSpec]:
    """One reader, the last that is asked; no suffixes, because Java would have to say which."""
    return [
        ImageReaderSpec(
            name="bioformats",
            factory="wkplug_bioformats.reader:BioFormatsReader",
            priority=-30,
            summary="whatever Bio-Formats takes (needs Java and its jar)",
        )
    ]
