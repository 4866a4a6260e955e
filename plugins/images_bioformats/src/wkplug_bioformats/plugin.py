"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ImageReaderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_image_readers"]


@hookimpl
def wkplug_image_readers() -> Iterator[ImageReaderSpec]:
    """One reader, the last that is asked; no suffixes, because Java would have to say which."""
    yield ImageReaderSpec(
        name="bioformats",
        factory="wkplug_bioformats.reader:BioFormatsReader",
        priority=-30,
        summary="whatever Bio-Formats takes (needs Java and its jar)",
    )
