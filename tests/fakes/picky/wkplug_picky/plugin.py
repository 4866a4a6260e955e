"""Readers that claim files, some of them TIFFs, and can open none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ImageReaderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def wkplug_image_readers() -> Iterator[ImageReaderSpec]:
    yield ImageReaderSpec(
        name="picky",
        factory="wkplug_picky.images:PickyReader",
        suffixes=(".tif", ".pik"),
        magic=((0, b"II*\x00"), (0, b"PIKY")),
        priority=50,
    )
    yield ImageReaderSpec(name="fussy", factory="wkplug_picky.images:FussyReader", suffixes=(".pik",))
