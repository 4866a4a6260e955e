"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ImageReaderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_image_readers"]


@hookimpl
def wkplug_image_readers() -> Iterator[ImageReaderSpec]:
    """One reader that asks all installed pims readers; no suffixes, because they depend on what is installed."""
    yield ImageReaderSpec(
        name="pims",
        factory="wkplug_pims.reader:PimsReader",
        priority=-20,
        summary="whatever the installed pims readers take",
    )
