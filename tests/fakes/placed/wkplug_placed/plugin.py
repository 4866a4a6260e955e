"""A reader of files that say where they lie, which series they are of, and what else is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ImageReaderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def wkplug_image_readers() -> Iterator[ImageReaderSpec]:
    yield ImageReaderSpec(name="placed", factory="wkplug_placed.images:PlacedReader", suffixes=(".plc",))
