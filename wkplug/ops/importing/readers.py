"""Opening image files: the right reader for each, chosen by its first bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug import registry
from wkplug.errors import MissingError, StorageError

if TYPE_CHECKING:
    from wkplug.abc import Image, Location

__all__ = ["HEAD_BYTES", "is_image", "open_image"]

HEAD_BYTES = 4096


def open_image(location: Location, *, reader: str | None = None) -> Image:
    """Open an image file; UnsupportedImageFormatError, with the plugin to install, if no reader takes it."""
    choice = registry.choose_reader(location, location.read(0, HEAD_BYTES), explicit=reader)
    image: Image = choice.winner.open(location)
    return image


def is_image(location: Location, *, reader: str | None = None) -> bool:
    """Whether some reader takes the file; others, such as notes beside the images, are passed over."""
    from wkplug.errors import UnsupportedImageFormatError

    try:
        registry.choose_reader(location, location.read(0, HEAD_BYTES), explicit=reader)
    except (UnsupportedImageFormatError, MissingError, StorageError):
        return False
    return True
