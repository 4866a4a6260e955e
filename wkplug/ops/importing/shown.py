"""`as_shown`: the file of an image as it is meant to be looked at, where its stored values are something else.

Indices into a palette become colours, 0 becomes black where it is white, and values of less than 8 bits are scaled.
Labels are never shown like that: their stored values are what they mean.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.abc import Image
from wkplug.config.hints import counted
from wkplug.errors import CorruptImageError
from wkplug.ops.importing.readers import ImageFile
from wkplug.ops.importing.report import ImportNote

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import Box, ImageInfo
    from wkplug.ops.importing.readers import Source

__all__ = ["ShownFile", "as_shown"]

_COLORS = ("red", "green", "blue", "alpha")


def as_shown(file: Source) -> Source:
    """Give the file as it is to be shown; itself if its values are that already."""
    return ShownFile(file) if isinstance(file, ImageFile) and _conversions(file.info) else file


def _conversions(info: ImageInfo) -> list[str]:
    """What is done to the values, in words."""
    if info.palette:
        return ["the colours of its palette are applied"]
    if _most(info) == 0:
        return []
    said = ["its values are inverted, so that 0 is black"] if info.photometric == "miniswhite" else []
    if info.bits is not None and info.bits < 8:
        said.append(f"its values of {counted(info.bits, 'bit')} are scaled to 8 bits")
    return said


def _most(info: ImageInfo) -> int:
    """The largest value that can be stored; 0 where that says nothing about brightness."""
    import numpy

    dtype = numpy.dtype(info.dtype)
    if dtype.kind != "u":
        return 0
    return int(2**info.bits - 1) if info.bits else int(numpy.iinfo(dtype).max)


class ShownFile(ImageFile):
    """An image file, shown."""

    def __init__(self, file: ImageFile) -> None:
        self.__dict__.update({key: value for key, value in vars(file).items() if key != "info"})
        self._file = file

    @cached_property
    def info(self) -> ImageInfo:
        """See `Source.info`: of what is shown."""
        info = self._file.info
        said = tuple(ImportNote(kind="cast", text=text, sources=(self.path,)) for text in _conversions(info))
        self.notes = (*self._file.notes, *said)
        if not info.palette:
            return attrs.evolve(
                info, photometric="minisblack", bits=None if _scaled(info) else info.bits, channel_ranges=()
            )
        samples = len(info.palette[0])
        return attrs.evolve(
            info,
            axes=(*info.axes, "s"),
            shape=(*info.shape, samples),
            level_shapes=tuple((*shape, samples) for shape in info.level_shapes),
            block_shape=(*(info.block_shape or info.shape), samples),
            dtype="uint8",
            photometric="rgb",
            palette=(),
            bits=None,
            channel_names=_COLORS if samples == 4 else (),
            channel_colors=(),
            channel_ranges=(),
        )

    def open(self) -> Image:
        """See `Source.open`."""
        return _ShownImage(self._file.open(), self.info, self.path)

    def close(self, image: Image) -> None:
        """See `ImageFile.close`."""
        self._file.close(image.stored if isinstance(image, _ShownImage) else image)

    def __reduce__(self) -> tuple[Any, ...]:
        return (ShownFile, (self._file,))


def _scaled(info: ImageInfo) -> bool:
    return info.bits is not None and info.bits < 8


class _ShownImage(Image):
    """An opened image whose values are converted as they are read."""

    def __init__(self, stored: Image, info: ImageInfo, path: str) -> None:
        self.stored, self.info, self.path = stored, info, path
        self.thread_safe = stored.thread_safe

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        import numpy

        info = self.stored.info
        if not info.palette:
            values = self.stored.read(box, level=level)
            if info.photometric == "miniswhite":
                values = values.dtype.type(_most(info)) - values
            if not _scaled(info):
                return values
            return (values.astype(numpy.uint16) * 255 // _most(info)).astype(numpy.uint8)
        inner = None if box is None else (box[0][:-1], box[1][:-1])
        indices = self.stored.read(inner, level=level)
        table = numpy.array(info.palette, numpy.uint8)
        if indices.size and (indices.max() >= len(table) or indices.min() < 0):
            raise CorruptImageError(
                f"{self.path} has the value {indices.max()}, but its palette has {len(table)} colours.",
                self.path,
                hint="The file is damaged; or import it as a segmentation, which keeps the values.",
            )
        if box is not None:
            table = table[:, box[0][-1] : box[0][-1] + box[1][-1]]
        colors: NDArray[Any] = table[indices]
        return colors

    def close(self) -> None:
        """See `Image.close`."""
        self.stored.close()
