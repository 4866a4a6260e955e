"""`RawFile`: a file of nothing but voxels as a source of images, by a layout that somebody tells.

With limits its values are rescaled on the way, slab by slab, so that the numbers in between take little memory.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from wkplug.abc import Image
from wkplug.builtin.raw import RawLayout, RawReader
from wkplug.errors import InvalidArgumentError, MissingError, UnsupportedImageFormatError
from wkplug.model.dtypes import dtype_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import Box, ImageInfo, Location
    from wkplug.ops.importing.report import ImportNote

__all__ = ["RawFile", "Rescaled"]

_SLAB_VOXELS = 1 << 20


@attrs.frozen(slots=False)
class RawFile:
    """See `readers.Source`; pickles.

    limits: the values that become 0 and the largest of `dtype` (1 for floats); those beyond are cut off.
    """

    location: Location
    layout: RawLayout
    limits: tuple[float, float] | None = None
    dtype: str | None = None

    exact = True
    notes: ClassVar[tuple[ImportNote, ...]] = ()
    category = ""
    topleft = (0, 0, 0)
    reader_name = "raw"

    @classmethod
    def at(
        cls,
        location: Location,
        layout: RawLayout,
        *,
        limits: tuple[float, float] | None = None,
        dtype: Any = None,
    ) -> RawFile:
        """Look whether there is a file, and as long as it must be."""
        if limits is not None and not (math.isfinite(limits[0]) and limits[0] <= limits[1] < math.inf):
            raise InvalidArgumentError(
                f"limits=({limits[0]:g}, {limits[1]:g}) is no range of values.",
                hint="Give two finite numbers, the smaller one first.",
            )
        if next(iter(location.list()), None) is not None:
            raise UnsupportedImageFormatError(
                f"{location.url} is a folder, not a raw file.", location.url, hint="Name the file itself."
            )
        if not location.exists():
            raise MissingError(f"There is nothing at {location.url}.", hint="Check the path.")
        source = cls(location, layout, limits, None if dtype is None else dtype_name(dtype))
        source.open().close()
        return source

    @property
    def path(self) -> str:
        """See `Source.path`."""
        return self.location.url

    @cached_property
    def info(self) -> ImageInfo:
        """See `Source.info`: the dtype is that of the rescaled values."""
        with self.open() as image:
            return image.info

    def open(self) -> Image:
        """See `Source.open`."""
        image: Image = RawReader(self.layout).open(self.location)
        if self.limits is None:
            return image
        return Rescaled(image, self.limits, self.dtype or image.info.dtype)

    def signature(self) -> str:
        """See `Source.signature`."""
        return str(self.location.version())


class Rescaled(Image):
    """An image whose values from `limits` are spread over the whole range of another dtype."""

    def __init__(self, image: Image, limits: tuple[float, float], dtype: str) -> None:
        self._image, self._limits = image, limits
        self.thread_safe = image.thread_safe
        self.info = attrs.evolve(image.info, dtype=dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Rescaled, (self._image, self._limits, self.info.dtype))

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        import numpy

        start, shape = box or ((0,) * len(self.info.shape), self.info.shape)
        result = numpy.empty(shape, self.info.dtype)
        axis = max(range(len(shape)), key=lambda number: shape[number])
        depth = max(1, _SLAB_VOXELS * shape[axis] // max(1, result.size))
        for first in range(0, shape[axis], depth):
            length = min(depth, shape[axis] - first)
            low, size = list(start), list(shape)
            low[axis], size[axis] = start[axis] + first, length
            part = [slice(None)] * len(shape)
            part[axis] = slice(first, first + length)
            result[tuple(part)] = self._rescaled(self._image.read((tuple(low), tuple(size)), level=level))
        return result

    def _rescaled(self, values: NDArray[Any]) -> NDArray[Any]:
        import numpy

        low, high = self._limits
        dtype = numpy.dtype(self.info.dtype)
        if numpy.isclose(low, high):
            return numpy.zeros(values.shape, dtype)
        whole = dtype.kind in "ui"
        top = float(numpy.iinfo(dtype).max) if whole else 1.0
        share: NDArray[Any] = (numpy.clip(values.astype("float64"), low, high) - low) / (high - low) * top
        if not whole:
            floats: NDArray[Any] = share.astype(dtype)
            return floats
        share = numpy.nan_to_num(share, nan=0.0)
        # As a float, the largest value of 64 bits is one more than it.
        largest = share >= top
        share[largest] = 0
        result: NDArray[Any] = share.astype(dtype)
        result[largest] = numpy.iinfo(dtype).max
        return result

    def close(self) -> None:
        """See `Image.close`."""
        self._image.close()
