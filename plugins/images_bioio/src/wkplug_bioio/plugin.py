"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from wkplug.abc import ImageReaderSpec, hookimpl

__all__ = ["wkplug_image_readers"]


@hookimpl
def wkplug_image_readers() -> list[ImageReaderSpec]:
    """One reader that asks all installed bioio readers; no suffixes, because they depend on what is installed."""
    return [
        ImageReaderSpec(
            name="bioio",
            factory="wkplug_bioio.reader:BioioReader",
            priority=-10,
            summary="whatever the installed bioio readers take",
        )
    ]
