"""What child processes of the image suite do; loads neither pytest nor hypothesis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wkplug.abc import Image, ImageReader, Location

__all__ = ["read_twice"]


def read_twice(image: Image, reader: ImageReader, location: Location, scene: int) -> list[Any]:
    """Read an image that arrived pickled, and the same file with a reader that did."""
    with image:
        first = image.read()
    with reader.open(location, scene=scene) as again:
        return [first, again.read()]
