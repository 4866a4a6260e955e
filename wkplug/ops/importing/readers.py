"""`ImageFile`: one image file and the reader that takes it, chosen once by the file's first bytes.

Nothing is kept open here: `open` gives an image to close, `info` is read at its first use and kept.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from wkplug import registry

if TYPE_CHECKING:
    from wkplug.abc import Image, ImageInfo, ImageReader, Location

__all__ = ["HEAD_BYTES", "ImageFile", "readable_suffixes"]

HEAD_BYTES = 4096


class ImageFile:
    """An image file that some reader accepts; pickles as its place and the reader's name."""

    def __init__(self, location: Location, reader: ImageReader, reader_name: str) -> None:
        self.location = location
        self._reader = reader
        self._reader_name = reader_name

    @classmethod
    def choose(cls, location: Location, reader: str | None = None) -> ImageFile:
        """Find the reader by the file's first bytes, or take the one that is named.

        UnsupportedImageFormatError if no reader takes it, with the plugin to install where one is known;
        MissingError, ForbiddenError or StorageError if the file can't be read.
        """
        choice = registry.choose_reader(location, location.read(0, HEAD_BYTES), explicit=reader)
        return cls(location, choice.winner, choice.name)

    @property
    def path(self) -> str:
        """The place as text, for messages."""
        return self.location.url

    @cached_property
    def info(self) -> ImageInfo:
        """What the file's header says; CorruptImageError if it is damaged."""
        with self.open() as image:
            return image.info

    def open(self) -> Image:
        """Open the image, to be closed by the caller."""
        image: Image = self._reader.open(self.location)
        return image

    def __reduce__(self) -> tuple[Any, ...]:
        return (ImageFile.choose, (self.location, self._reader_name))


def readable_suffixes() -> tuple[str, ...]:
    """The suffixes that the installed readers claim, sorted."""
    offers = registry.get_manager().collect("wkplug_image_readers")
    return tuple(sorted({suffix for offer in offers for suffix in offer.spec.suffixes}))
