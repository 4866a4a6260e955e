"""TIFF images through tifffile: one series is one image, with the axes that the file names.

Pages are decoded one at a time and only those that a region touches; uncompressed contiguous series are read
by their bytes alone. Voxel sizes come from OME and ImageJ metadata; the resolution tags of other TIFFs mean
dots per inch of paper as a rule, and are left to the user.

Axes: tifffile's letters in lower case; "q" are pages of unknown meaning, "s" the samples of a pixel. Values are the
file's own: bits become 0 and 1, palettes stay indices (label images often carry one), JPEG becomes RGB.
"""

from __future__ import annotations

import itertools
import math
import os
import struct
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from wkplug.abc import Image, ImageInfo, ImageReader, ProbeScore
from wkplug.errors import CorruptImageError, MissingError, UnsupportedImageDataError, WkplugError
from wkplug_tiff.metadata import channel_names, voxel_size
from wkplug_tiff.remote import open_remote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["TiffImage", "TiffReader"]

_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_DESCRIPTION = 270  # the tag that holds OME and ImageJ metadata
_SAME_MEANING = {"i": "q", "r": "q"}


class TiffReader(ImageReader):
    """Opens files that start like a TIFF."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`."""
        del location
        return ProbeScore.MAGIC if head.startswith(_MAGIC) else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> TiffImage:
        """See `ImageReader.open`; scenes are the series of the file."""
        return TiffImage(location, scene)


class TiffImage(Image):
    """One series of a TIFF file."""

    thread_safe = True

    def __init__(self, location: Location, scene: int = 0) -> None:
        self._location = location
        self._scene = scene
        self._lock = threading.Lock()
        self._file: tifffile.TiffFile | None = None
        self._series = self._open()
        try:
            self.info = self._describe()
        except BaseException:
            self.close()
            raise

    # --- opening ------------------------------------------------------------------------------------------

    def _open(self) -> Any:
        try:
            self._file, every = _parse(self._location)
        except WkplugError:
            raise
        except Exception as error:  # the library fails in any way on a damaged file
            raise self._damaged(error) from error
        if not 0 <= self._scene < len(every):
            self.close()
            raise UnsupportedImageDataError(
                f"{self._location.url} has {len(every)} series; number {self._scene} was asked for.",
                self._location.url,
                hint="Series count from 0.",
            )
        return every[self._scene]

    def _damaged(self, error: Exception | str) -> CorruptImageError:
        return CorruptImageError(
            f"{self._location.url} can't be read as a TIFF: {error or type(error).__name__}",
            self._location.url,
            hint="The file is damaged or was not written to the end; copy or export it again.",
        )

    def _describe(self) -> ImageInfo:
        series = self._series
        axes = _axes(series.axes, len(series.shape))
        page = series.keyframe
        dtype = series.dtype
        if dtype is None or dtype.kind not in "buif" or dtype.itemsize > 8:
            raise UnsupportedImageDataError(
                f"{self._location.url} has samples of the type {dtype}, which no layer can hold.",
                self._location.url,
                hint="Convert the image to integers or floats of 8 to 64 bits.",
            )
        photometric = getattr(page.photometric, "name", "").lower()
        compression = getattr(page.compression, "name", "")
        if photometric == "ycbcr" and "JPEG" in compression:
            photometric = "rgb"  # that is what the codec gives
        return ImageInfo(
            axes=axes,
            shape=series.shape,
            dtype="uint8" if dtype.kind == "b" else dtype.newbyteorder("=").name,
            voxel_size=voxel_size(self._file),
            photometric=photometric,
            channel_names=channel_names(self._file),
            levels=len(series.levels),
            scenes=self._scenes(),
            block_shape=self._block_shape(axes),
            details={"compression": compression, "pages": len(series.pages)},
        )

    def _scenes(self) -> tuple[str, ...]:
        every = _series(self._file) if self._file is not None else []
        if len(every) < 2:
            return ()
        return tuple(item.name or f"series {number}" for number, item in enumerate(every))

    def _block_shape(self, axes: tuple[str, ...]) -> tuple[int, ...]:
        page_shape = tuple(self._series.keyframe.shape)
        return (1,) * (len(axes) - len(page_shape)) + page_shape

    # --- voxels -------------------------------------------------------------------------------------------

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        with self._lock:
            if self._file is None:
                self._series = self._open()
            file, series = self._file, self._series.levels[level]
        shape = tuple(int(length) for length in series.shape)
        start, extent = box if box is not None else ((0,) * len(shape), shape)
        region = tuple(slice(first, first + length) for first, length in zip(start, extent, strict=True))
        try:
            if series.dataoffset is not None:
                data = self._contiguous(file, series, shape, region)
            else:
                data = self._from_pages(series, shape, region)
        except WkplugError:
            raise
        except Exception as error:
            raise self._damaged(error) from error
        return data.astype(np.uint8 if data.dtype.kind == "b" else data.dtype.newbyteorder("="), copy=False)

    def _contiguous(
        self, file: Any, series: Any, shape: tuple[int, ...], region: tuple[slice, ...]
    ) -> NDArray[Any]:
        """Read from the bytes of a series that lies in the file as one plain array."""
        dtype = np.dtype(series.dtype).newbyteorder(file.byteorder)
        _check_extent(series.dataoffset + math.prod(shape) * dtype.itemsize, file)
        path = self._location.local_path()
        if path is not None:
            return np.array(np.memmap(path, dtype, "r", series.dataoffset, shape)[region])
        # Elsewhere: the rows that are needed of each plane, a plane being the last two axes.
        row = math.prod(shape[-1:]) * dtype.itemsize
        plane = math.prod(shape[-2:]) * dtype.itemsize
        rows = region[-2] if len(shape) > 1 else slice(0, 1)
        planes = list(itertools.product(*(range(part.start, part.stop) for part in region[:-2])))
        ranges = []
        for index in planes:
            number = int(np.ravel_multi_index(index, shape[:-2])) if index else 0
            first = series.dataoffset + number * plane
            ranges.append((first + rows.start * row, first + rows.stop * row))
        data = np.stack([np.frombuffer(part, dtype) for part in self._location.read_ranges(ranges)])
        lengths = [part.stop - part.start for part in region]
        return data.reshape([*lengths[:-1], shape[-1]])[..., region[-1]]

    def _from_pages(self, series: Any, shape: tuple[int, ...], region: tuple[slice, ...]) -> NDArray[Any]:
        """Decode the pages that the region touches, one after the other."""
        page_shape = tuple(int(length) for length in series.keyframe.shape)
        lead = len(shape) - len(page_shape)
        if lead < 0 or shape[lead:] != page_shape:
            # Pages that together make up an axis of their own, as separate planes do: let tifffile arrange them.
            whole: NDArray[Any] = series.asarray()
            return np.array(whole.reshape(shape)[region])
        result = np.empty([part.stop - part.start for part in region], series.dtype)
        for index in itertools.product(*(range(part.start, part.stop) for part in region[:lead])):
            number = int(np.ravel_multi_index(index, shape[:lead])) if lead else 0
            where = tuple(value - part.start for value, part in zip(index, region[:lead], strict=True))
            result[where] = self._page(series, number)[region[lead:]]
        return result

    def _page(self, series: Any, number: int) -> NDArray[Any]:
        """Decode one page; zeros for one that the metadata declare and the file leaves out, as OME allows."""
        if number >= len(series.pages):
            raise EOFError(f"page {number} of {len(series.pages)} is missing")
        page = series.pages[number]
        if page is None:
            return np.zeros(series.keyframe.shape, series.dtype)
        stops = (offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True))
        _check_extent(max(stops, default=0), page.parent)
        pixels: NDArray[Any] = page.asarray()
        return pixels

    def close(self) -> None:
        """See `Image.close`; reading opens the file again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (TiffImage, (self._location, self._scene))


def _parse(location: Location) -> tuple[tifffile.TiffFile, list[Any]]:
    """Open a file and find its series; the file is closed again if that fails."""
    path = location.local_path()
    if path is not None and not os.path.exists(path):  # noqa: PTH110 - the location gives text
        raise MissingError(f"There is no file {location.url}.")

    def parse(**flags: Any) -> tuple[tifffile.TiffFile, list[Any]]:
        file = tifffile.TiffFile(path if path is not None else open_remote(location), **flags)
        try:
            # Without, threads that read at once move each other's place in the file.
            file.filehandle.set_lock(True)
            every = _series(file)
            _check_chain(file)
            _check_description(file)
        except BaseException:
            file.close()
            raise
        return file, every

    file, every = parse()
    first = every[0]
    if len(every) > 1 and all(
        (item.kind, item.axes, item.shape, item.dtype, len(item.pages))
        == ("shaped", first.axes, first.shape, first.dtype, 1)
        for item in every
    ):
        # Pages that were written one by one, each with a description of itself alone, are one stack nevertheless.
        file.close()
        return parse(is_shaped=False)
    return file, every


def _series(file: Any) -> list[Any]:
    every: list[Any] = file.series
    if not every:
        raise EOFError("it holds no image")
    return every


def _check_chain(file: Any) -> None:
    """Refuse a file whose list of pages breaks off; tifffile would go on with fewer pages."""
    position = file.pages.next_page_offset
    if position is None:
        return
    handle = file.filehandle
    with handle.lock:
        handle.seek(position)
        link = handle.read(file.tiff.offsetsize)
    if link.strip(b"\0"):
        raise EOFError(f"its list of pages breaks off after {len(file.pages)}")


def _check_description(file: Any) -> None:
    """Refuse a file whose description lies beyond its end; tifffile would go on without, with other axes."""
    page, layout, handle = file.pages.first, file.tiff, file.filehandle
    with handle.lock:
        handle.seek(page.offset)
        (count,) = struct.unpack(layout.tagnoformat, handle.read(layout.tagnosize))
        entries = handle.read(count * layout.tagsize)
    order = "<" if layout.byteorder == "<" else ">"
    codes = {code for (code,) in struct.iter_unpack(f"{order}H{layout.tagsize - 2}x", entries)}
    if _DESCRIPTION in codes and _DESCRIPTION not in page.tags:
        raise EOFError("its description lies beyond its end")


def _check_extent(stop: int, file: Any) -> None:
    """Refuse to read what lies beyond the end of the file."""
    size = file.filehandle.size
    if stop > size:
        raise EOFError(f"its pixels reach to byte {stop}, but the file ends at {size}")


def _axes(names: str, rank: int) -> tuple[str, ...]:
    """Give one letter per axis; axes of the same unknown meaning get a number."""
    letters = [_SAME_MEANING.get(letter, letter) for letter in names.lower()]
    result: list[str] = []
    for letter in letters[:rank]:
        name, count = letter, 2
        while name in result:
            name, count = f"{letter}{count}", count + 1
        result.append(name)
    return tuple(result)
