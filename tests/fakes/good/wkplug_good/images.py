"""A reader that refuses files which say NO."""

from __future__ import annotations

from typing import Any

from wkplug.abc import Image, ImageReader, Location, ProbeScore
from wkplug.errors import CorruptImageError


class GoodReader(ImageReader):
    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        return ProbeScore.NO if b"NO" in head else ProbeScore.SUFFIX

    def open(self, location: Location, *, scene: int = 0) -> Image:
        raise CorruptImageError("never a picture")
