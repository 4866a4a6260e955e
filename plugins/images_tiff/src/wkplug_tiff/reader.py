"""TIFF images through tifffile: one series is one image, with the axes that the file names.

Pages are decoded one at a time and only those that a region touches; uncompressed contiguous series are read
by their bytes alone. Voxel sizes come from OME and ImageJ metadata; the resolution tags of other TIFFs mean
dots per inch of paper as a rule, and are left to the user.

Axes: tifffile's letters in lower case; "q" are pages of unknown meaning, "s" the samples of a pixel.
"""

from __future__ import annotations

import io
import itertools
import os
import threading
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from wkplug.abc import Image, ImageInfo, ImageReader, ProbeScore
from wkplug.errors import CorruptImageError, MissingError, UnsupportedImageDataError
from wkplug_tiff.metadata import channel_names, voxel_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["TiffImage", "TiffReader"]

_SAME_MEANING = {"i": "q", "r": "q"}
_DAMAGE = (
    tifffile.TiffFileError,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    RuntimeError,
    EOFError,
    OSError,
    zlib.error,
)


class TiffReader(ImageReader):
    """Opens files that start like a TIFF."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`."""
        del location
        known = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
        return ProbeScore.MAGIC if head.startswith(known) else ProbeScore.NO

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
        self.info = self._describe()

    def _open(self) -> Any:
        path = self._location.local_path()
        if path is not None and not os.path.exists(path):  # noqa: PTH110 - the location gives text
            raise MissingError(f"There is no file {self._location.url}.")
        source = path if path is not None else io.BytesIO(self._location.read())
        try:
            self._file = tifffile.TiffFile(source)
            # Without, threads that read at once move each other's place in the file.
            self._file.filehandle.set_lock(True)
            series = self._file.series
        except _DAMAGE as error:
            self.close()
            raise self._damaged(error) from error
        if not series:
            self.close()
            raise CorruptImageError(f"{self._location.url} holds no image.", self._location.url)
        if not 0 <= self._scene < len(series):
            self.close()
            raise UnsupportedImageDataError(
                f"{self._location.url} has {len(series)} series; number {self._scene} was asked for.",
                self._location.url,
                hint="Series count from 0.",
            )
        return series[self._scene]

    def _damaged(self, error: Exception) -> CorruptImageError:
        return CorruptImageError(
            f"{self._location.url} can't be read as a TIFF: {error}",
            self._location.url,
            hint="The file is damaged or was not written to the end; copy or export it again.",
        )

    def _describe(self) -> ImageInfo:
        series = self._series
        axes = _axes(series.axes, len(series.shape))
        page = series.keyframe
        if series.dtype is None or series.dtype.kind not in "uif" or series.dtype.itemsize > 8:
            raise UnsupportedImageDataError(
                f"{self._location.url} has samples of the type {series.dtype}, which no layer can hold.",
                self._location.url,
                hint="Convert the image to integers or floats of 8 to 64 bits.",
            )
        photometric = getattr(page.photometric, "name", "").lower()
        return ImageInfo(
            axes=axes,
            shape=tuple(int(length) for length in series.shape),
            dtype=series.dtype.newbyteorder("=").name,
            voxel_size=voxel_size(self._file),
            photometric=photometric,
            channel_names=channel_names(self._file),
            levels=len(series.levels),
            scenes=self._scenes(),
            block_shape=self._block_shape(axes),
            details={"compression": getattr(page.compression, "name", ""), "pages": len(series.pages)},
        )

    def _scenes(self) -> tuple[str, ...]:
        every = self._file.series if self._file is not None else ()
        return (
            tuple(item.name or f"series {number}" for number, item in enumerate(every))
            if len(every) > 1
            else ()
        )

    def _block_shape(self, axes: tuple[str, ...]) -> tuple[int, ...]:
        page_shape = tuple(self._series.keyframe.shape)
        return (
            (1,) * (len(axes) - len(page_shape)) + page_shape if len(page_shape) <= len(axes) else page_shape
        )

    # --- voxels -------------------------------------------------------------------------------------------

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        series = self._reopened().levels[level]
        shape = tuple(int(length) for length in series.shape)
        start, extent = box if box is not None else ((0,) * len(shape), shape)
        region = tuple(slice(first, first + length) for first, length in zip(start, extent, strict=True))
        try:
            direct = self._contiguous(series, shape, region)
            data = direct if direct is not None else self._from_pages(series, shape, region)
        except _DAMAGE as error:
            raise self._damaged(error) from error
        return data.astype(data.dtype.newbyteorder("="), copy=False)

    def _contiguous(
        self, series: Any, shape: tuple[int, ...], region: tuple[slice, ...]
    ) -> NDArray[Any] | None:
        """Read from the bytes of a series that lies in the file as one plain array."""
        path = self._location.local_path()
        offset = series.dataoffset
        if offset is None or path is None or self._file is None:
            return None
        dtype = np.dtype(series.dtype).newbyteorder(self._file.byteorder)
        needed = offset + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if os.path.getsize(path) < needed:  # noqa: PTH202 - the location gives text
            raise EOFError(f"{needed} bytes are needed, the file has {os.path.getsize(path)}")  # noqa: PTH202 - the same
        mapped = np.memmap(path, dtype, "r", offset, shape)
        return np.array(mapped[region])

    def _from_pages(self, series: Any, shape: tuple[int, ...], region: tuple[slice, ...]) -> NDArray[Any]:
        """Decode the pages that the region touches, one after the other."""
        page_shape = tuple(int(length) for length in series.keyframe.shape)
        lead = len(shape) - len(page_shape)
        if lead < 0 or shape[lead:] != page_shape:
            # Pages that together make up an axis of their own, as separate planes do: let tifffile arrange them.
            with self._lock:
                whole: NDArray[Any] = series.asarray()
            return np.array(whole.reshape(shape)[region])
        pages = series.pages
        result = np.empty([part.stop - part.start for part in region], series.dtype)
        for index in itertools.product(*(range(part.start, part.stop) for part in region[:lead])):
            number = int(np.ravel_multi_index(index, shape[:lead])) if lead else 0
            page = pages[number] if number < len(pages) else None
            where = tuple(value - part.start for value, part in zip(index, region[:lead], strict=True))
            if page is None:
                # A page that the metadata declare and the file leaves out, as OME allows.
                result[where] = 0
                continue
            result[where] = page.asarray()[region[lead:]]
        return result

    def pages(self) -> Iterator[Any]:
        """The pages of the series, for tools that need what only tifffile knows."""
        yield from self._series.pages

    def _reopened(self) -> Any:
        if self._file is None:
            self._series = self._open()
        return self._series

    def close(self) -> None:
        """See `Image.close`; reading opens the file again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (TiffImage, (self._location, self._scene))


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
