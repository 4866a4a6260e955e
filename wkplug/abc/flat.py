"""Voxels that lie in a file as one plain array: regions of them, without the rest.

Many formats are a header and then numbers (DM, MRC, NIfTI, NRRD, raw). A local file is mapped into memory for the
moment of a read, elsewhere the ranges that a region touches are fetched, and packed streams are read from front
to back. What a header claims is compared with the file's size before anything is allocated.
"""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import math
import os
import zlib
from typing import TYPE_CHECKING, Any, Literal, cast

import attrs
import numpy as np

from wkplug.abc.files import corrupt_image, image_errors, open_file
from wkplug.abc.images import Image, PickleByReopening

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from numpy.typing import NDArray

    from wkplug.abc.arrays import Box
    from wkplug.abc.images import ImageReader
    from wkplug.abc.locations import Location

__all__ = ["FlatImage", "FlatVoxels", "Packing", "packing_of", "read_head", "unpacked", "unpacked_head"]

Packing = Literal["gzip", "bzip2"]

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

    def told_behind(self, end: int | None = None) -> tuple[str, ...]:
        """Say, as a note, how many bytes there are behind the last voxel.

        end: where the part of the file ends that is for voxels; None where they are the last of the file.
        """
        left = (self.location.size() if end is None else end) - self.stop
        if left <= 0:
            return ()
        are = "byte behind the last voxel is" if left == 1 else "bytes behind the last voxel are"
        return (f"{left:,} {are} not read.",)

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


class FlatImage(PickleByReopening, Image):
    """An image whose voxels are one plain array, in the file itself or in a packed stream that is a part of it.

    Its constructor, when done with the header, calls `lay_out` and sets `info`; `read` gives the stored array, and
    subclasses whose voxels are stored otherwise (bits, swapped colours) override it. A packed stream is unpacked
    from front to back: reading in order costs one pass, going back begins anew.
    """

    voxels: FlatVoxels

    def __init__(self, reader: ImageReader, location: Location, scene: int = 0) -> None:
        super().__init__(reader, location, scene)
        self._packing: Packing | None = None
        self._packed_from = 0
        self._open: list[BinaryIO] = []

    def lay_out(
        self,
        voxels: FlatVoxels,
        *,
        packing: Packing | None = None,
        packed_from: int = 0,
        end_of_file: bool = False,
    ) -> None:
        """Say where the voxels are: in the file, or in a stream that begins at a byte of it.

        The offset of `voxels` counts in the unpacked stream. CorruptImageError if the file is too short for them, as
        far as that can be told. end_of_file: in this format nothing comes behind them; if something does, it is
        a note of `info`, which is set by then. Of packed streams, that isn't known.
        """
        self.voxels, self._packing, self._packed_from = voxels, packing, packed_from
        # A stream can only be at one place; who has several threads opens as many.
        self.thread_safe = packing is None
        if packing is None:
            with image_errors(voxels.location, voxels.what):
                voxels.check()
                told = voxels.told_behind() if end_of_file else ()
            if told:
                self.info = attrs.evolve(self.info, notes=(*self.info.notes, *told))

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        del level
        with image_errors(self.voxels.location, self.voxels.what):
            return self.voxels.read(box, self._stream())

    def _stream(self) -> BinaryIO | None:
        if self._packing is None:
            return None
        if not self._open:
            file = open_file(self.voxels.location)
            self._open = [unpacked(file, self._packing, self._packed_from), file]
        return self._open[0]

    def close(self) -> None:
        """See `Image.close`; reading opens the file again."""
        for file in self._open:
            file.close()
        self._open = []


def packing_of(head: bytes) -> Packing | None:
    """How a stream is packed, by its first bytes; None if it isn't."""
    return "gzip" if head.startswith(b"\x1f\x8b") else "bzip2" if head.startswith(b"BZh") else None


def read_head(location: Location, length: int) -> tuple[bytes, Packing | None]:
    """Read the first bytes of what a file holds, unpacked if it is packed, and how it is packed."""
    with open_file(location) as file:
        packing = packing_of(file.read(3))
        file.seek(0)
        if packing is None:
            return file.read(length), None
        with unpacked(file, packing) as stream:
            return stream.read(length), packing


def unpacked_head(head: bytes, length: int) -> bytes:
    """Unpack the first bytes of a file as far as they go, if they are packed; nothing if they can't be.

    Of bzip2, nothing can be unpacked before many bytes are there.
    """
    packing = packing_of(head)
    if packing != "gzip":
        return b"" if packing else head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, length)
    except zlib.error:
        return b""


def unpacked(file: BinaryIO, packing: Packing, start: int = 0) -> BinaryIO:
    """Give what is packed in a file from byte `start` on, to be read and sought in; closing it leaves `file` open."""
    tail = cast("BinaryIO", _Tail(file, start)) if start else file
    tail.seek(0)
    module: Any = gzip if packing == "gzip" else bz2
    return cast("BinaryIO", module.open(tail))


class _Tail(io.RawIOBase):
    """A file from some byte on: decompressors go back to its beginning."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        super().__init__()
        self._file, self._start = file, start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = self._start if whence == io.SEEK_SET else 0
        return self._file.seek(base + offset, whence) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed names a private type here
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
