"""What child processes of the image suite do; loads neither pytest nor hypothesis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wkplug.abc import Image, ImageReader, Location

__all__ = ["open_and_read", "read_everything"]


def read_everything(image: Image) -> Any:
    """Read an image that arrived pickled."""
    with image:
        return image.read()


def open_and_read(reader: ImageReader, location: Location, scene: int) -> Any:
    """Open an image with a reader that arrived pickled."""
    with reader.open(location, scene=scene) as image:
        return image.read()
