"""The readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from wkplug.abc import ImageReader
from wkplug.errors import CorruptImageError, UnsupportedImageDataError

if TYPE_CHECKING:
    from wkplug.abc import Location


class PickyReader(ImageReader):
    """Refuses everything as damaged."""

    def __init__(self, settings: Any = None) -> None:
        del settings

    def open(self, location: Location, *, scene: int = 0) -> NoReturn:
        raise CorruptImageError(f"{location.name} is not to my taste.", location.url, hint="Cook it again.")


class FussyReader(PickyReader):
    """Refuses everything as something that it doesn't know."""

    def open(self, location: Location, *, scene: int = 0) -> NoReturn:
        raise UnsupportedImageDataError(f"{location.name} has too much salt.", location.url)
