"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from wkplug.abc import ImageReaderSpec, hookimpl

__all__ = ["wkplug_image_readers"]


@hookimpl
def wkplug_image_readers() -> list[ImageReaderSpec]:
    """One reader that asks all installed pims readers; no suffixes, because they depend on what is installed."""
    return [
        ImageReaderSpec(
            name="pims",
            factory="wkplug_pims.reader:PimsReader",
            priority=-20,
            summary="whatever the installed pims readers take",
        )
    ]
