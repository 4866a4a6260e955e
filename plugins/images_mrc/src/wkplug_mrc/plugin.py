"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ImageReaderSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_image_readers"]

_SUFFIXES = (".ali", ".ccp4", ".map", ".mrc", ".mrcs", ".preali", ".rec", ".st")


@hookimpl
def wkplug_image_readers() -> Iterator[ImageReaderSpec]:
    """One reader for all that has this header, packed or not."""
    packed = tuple(f"{suffix}{end}" for suffix in (".map", ".mrc", ".rec", ".st") for end in (".bz2", ".gz"))
    yield ImageReaderSpec(
        name="mrc",
        factory="wkplug_mrc.reader:MrcReader",
        suffixes=(*_SUFFIXES, *packed),
        magic=((208, b"MAP "), (208, b"MAP\x00")),
        summary="MRC, REC, MAP, ST; also packed by gzip and bzip2",
    )
