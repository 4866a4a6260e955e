"""Voxels that lie in a file as one plain array: regions of them, without the rest.

Many formats are a header and then numbers (DM, MRC, NIfTI, NRRD, raw). A local file is mapped into memory for the
moment of a read, elsewhere the ranges that a region touches are fetched, and packed streams are read from front
to back. What a header claims is compared with the file's size before anything is allocated.

Who calls it: image readers of plugins and of `wkplug.builtin`. `wkplug.abc` itself doesn't import it.
"""

from __future__ import annotations

import itertools
import math
import os
from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np

from wkplug.abc.files import corrupt_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from numpy.typing import NDArray

    from wkplug.abc.arrays import Box
    from wkplug.abc.locations import Location

__all__ = ["FlatVoxels"]

_WHOLE_RUN = 1 << 16  # bytes below which a row (or plane) is fetched whole rather than in pieces


@attrs.frozen(kw_only=True)
class FlatVoxels:
    """An array in a file: `shape` and `dtype` (with the file's byte order), from byte `offset` on.

    order: "C" if the last axis varies fastest, "F" if the first does. what: the format, for errors ("MRC").
    """

    location: Location
    what: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int = 0
    order: Literal["C", "F"] = "C"

    @property
    def stop(self) -> int:
        """The byte after the last voxel."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize

    def check(self, size: int | None = None) -> None:
        """Refuse a file that ends before its voxels do: CorruptImageError. size: of the file, asked for if None."""
        size = self.location.size() if size is None else size
        if self.stop > size:
            raise self._short(size)

    def _short(self, size: int) -> Exception:
        text = f"its voxels reach to byte {self.stop}, but the file ends at {size}"
        return corrupt_image(self.location, self.what, text)

    def read(self, box: Box | None = None, stream: BinaryIO | None = None) -> NDArray[Any]:
        """Read a region (everything by default) as a new array of native byte order.

        stream: where the bytes are read from instead of the file, a decompressor for example; any `seek` forward
        must work. CorruptImageError if the bytes end too early.
        """
        start, lengths = box if box is not None else ((0,) * len(self.shape), self.shape)
        if self.order == "F":
            turned = attrs.evolve(self, shape=self.shape[::-1], order="C")
            return np.ascontiguousarray(
                turned.read((tuple(start)[::-1], tuple(lengths)[::-1]), stream).transpose()
            )
        region = tuple(slice(first, first + length) for first, length in zip(start, lengths, strict=True))
        path = self.location.local_path() if stream is None else None
        if path is not None:
            self.check(os.path.getsize(path))  # noqa: PTH202 - a map beyond the end would crash
            mapped = np.memmap(path, self.dtype, "r", self.offset, self.shape)[region]
            return np.array(mapped, self.dtype.newbyteorder("="), copy=True, subok=False)
        return self._by_runs(region, stream)

    def _by_runs(self, region: tuple[slice, ...], stream: BinaryIO | None) -> NDArray[Any]:
        """Fetch contiguous runs of bytes that cover the region, then cut."""
        rank = len(self.shape)
        axis = rank - 1  # the axis of which a run is a part; whole are those behind it
        while axis > 0 and (
            region[axis] == slice(0, self.shape[axis])
            or math.prod(self.shape[axis:]) * self.dtype.itemsize <= _WHOLE_RUN
        ):
            axis -= 1
        inner = math.prod(self.shape[axis + 1 :]) * self.dtype.itemsize
        part = region[axis] if rank else slice(0, 1)
        ranges = []
        for index in itertools.product(*(range(each.start, each.stop) for each in region[:axis])):
            number = 0
            for position, length in zip(index, self.shape, strict=False):
                number = number * length + position
            first = self.offset + number * (self.shape[axis] if rank else 1) * inner
            ranges.append((first + part.start * inner, first + part.stop * inner))
        data = b"".join(self._fetched(ranges, stream))
        lengths = [each.stop - each.start for each in region[: axis + 1]]
        runs = np.frombuffer(data, self.dtype).reshape([*lengths, *self.shape[axis + 1 :]])
        cut = runs[(slice(None),) * (axis + 1) + region[axis + 1 :]] if axis + 1 < rank else runs
        return np.array(cut, self.dtype.newbyteorder("="))

    def _fetched(self, ranges: Sequence[tuple[int, int]], stream: BinaryIO | None) -> list[bytes]:
        if stream is None:
            parts = self.location.read_ranges(ranges)
        else:
            parts = []
            for start, stop in ranges:
                stream.seek(start)
                parts.append(stream.read(stop - start))
        for (start, stop), data in zip(ranges, parts, strict=True):
            if len(data) < stop - start:
                raise self._short(start + len(data))
        return parts
