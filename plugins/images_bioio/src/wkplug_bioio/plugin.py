"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ImageReaderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_image_readers"]


@hookimpl
def wkplug_image_readers() -> Iterator[ImageReaderSpec]:
    """One reader that asks all installed bioio readers; no suffixes, because they depend on what is installed."""
    yield ImageReaderSpec(
        name="bioio",
        factory="wkplug_bioio.reader:BioioReader",
        priority=-10,
        summary="whatever the installed bioio readers take",
    )
