"""Regions of one page: only the tiles or strips that they touch are fetched and decoded.

Plain pages (not compressed, in one piece) are read by their bytes alone. Everything is done in tifffile's
normalized order of a page's axes (separate samples, depth, rows, columns, interleaved samples), in which the
position of every segment is known from its number.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.errors import MissingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wkplug.abc import Location

__all__ = ["block_of_page", "check_extent", "normalized", "read_page", "read_plain"]

_JPEG = {6, 7, 33007, 34892}
_PLAIN_BLOCK = 1 << 20  # bytes that one "block" of a plain page has: any number of rows is as cheap


def normalized(page: Any) -> tuple[int, ...] | None:
    """Give the places of the page's axes among tifffile's five, None if they don't fit together."""
    places = tuple(place for place, length in enumerate(page.shaped) if length > 1 or place in (2, 3))
    return places if tuple(page.shaped[place] for place in places) == tuple(page.shape) else None


def block_of_page(page: Any) -> tuple[int, ...]:
    """What is decoded as one, in the order of the page's own axes."""
    shape = tuple(int(length) for length in page.shape)
    places = normalized(page)
    if places is None:
        return shape
    segment = list(_segment_shape(page))
    if page.is_final:
        row = math.prod(page.shaped[3:]) * page.dtype.itemsize
        segment = [1, 1, max(1, _PLAIN_BLOCK // max(1, row)), *page.shaped[3:]]
    return tuple(min(segment[place], page.shaped[place]) for place in places)


def read_page(page: Any, location: Location, region: tuple[slice, ...], *, same_file: bool) -> NDArray[Any]:
    """Read a region, given in the page's own axes.

    `same_file` says that the page lies in the file at `location`; pages of other files (OME) are local.
    """
    key = page.keyframe
    places = normalized(key)
    check_extent(_reach(page), page.parent)
    if places is None:
        whole: NDArray[Any] = page.asarray(maxworkers=1)
        return whole[region]
    full = [slice(0, length) for length in key.shaped]
    for place, part in zip(places, region, strict=True):
        full[place] = part
    if key.is_final and page.dataoffsets[0]:
        dtype = np.dtype(key.dtype).newbyteorder(page.parent.byteorder)
        fetch = _Fetch(page, location, same_file=same_file)
        found = read_plain(fetch, page.dataoffsets[0], dtype, tuple(key.shaped), tuple(full))
    elif same_file and location.local_path() is not None and _everything(full, key.shaped):
        # The library puts the segments in place, which is fastest; one thread, since callers have their own.
        found = page.asarray(squeeze=False, maxworkers=1)
    else:
        found = _from_segments(page, full, _Fetch(page, location, same_file=same_file))
    return found.reshape([part.stop - part.start for part in region])


def _everything(region: Sequence[slice], shape: Sequence[int]) -> bool:
    return all(part == slice(0, length) for part, length in zip(region, shape, strict=True))


def _segment_shape(key: Any) -> tuple[int, int, int, int, int]:
    """Samples, depth, rows, columns, interleaved samples of one tile or strip."""
    if key.is_tiled:
        return 1, key.tiledepth, key.tilelength, key.tilewidth, key.shaped[4]
    return 1, 1, min(key.rowsperstrip, key.shaped[2]), key.shaped[3], key.shaped[4]


def _from_segments(page: Any, region: Sequence[slice], fetch: _Fetch) -> NDArray[Any]:
    key = page.keyframe
    segment, shape = _segment_shape(key), key.shaped
    counts = [-(-length // size) for length, size in zip(shape[:4], segment[:4], strict=True)]
    touched = [
        range(part.start // size, -(-part.stop // size))
        for part, size in zip(region[:4], segment[:4], strict=True)
    ]
    indices = [int(np.ravel_multi_index(place, counts)) for place in itertools.product(*touched)]
    if indices[-1] >= len(page.dataoffsets):
        raise EOFError(f"it has {len(page.dataoffsets)} segments instead of {math.prod(counts)}")
    options: dict[str, Any] = {}
    if key.compression in _JPEG:
        options = {"jpegtables": page.jpegtables, "jpegheader": key.jpegheader}
    result = np.full([part.stop - part.start for part in region], key.nodata, key.dtype)
    for index, data in fetch.segments(indices):
        if not data:
            continue  # left out: what tifffile calls sparse
        pixels, position, _ = key.decode(data, index, **options)
        if pixels is None:
            continue
        # What was decoded may reach over the page's border, or be cut off there.
        corner = (*position[:4], 0)
        pixels = pixels.reshape((1, *pixels.shape))
        low = [max(a, part.start) for a, part in zip(corner, region, strict=True)]
        high = [min(a + n, part.stop) for a, n, part in zip(corner, pixels.shape, region, strict=True)]
        target = tuple(
            slice(a - part.start, b - part.start) for a, b, part in zip(low, high, region, strict=True)
        )
        result[target] = pixels[tuple(slice(a - c, b - c) for a, b, c in zip(low, high, corner, strict=True))]
    return result


class _Fetch:
    """Gets bytes of a page's file: by ranges elsewhere, through a map or the shared handle here."""

    def __init__(self, page: Any, location: Location, *, same_file: bool) -> None:
        self._page, self._location, self._same_file = page, location, same_file
        self.path = location.local_path() if same_file else page.parent.filehandle.path

    def ranges(self, ranges: list[tuple[int, int]]) -> list[bytes]:
        if self.path is None:
            return self._location.read_ranges(ranges)
        if self._same_file:
            handle = self._page.parent.filehandle
            found = []
            for start, stop in ranges:
                with handle.lock:
                    handle.seek(start)
                    found.append(handle.read(stop - start))
            return found
        with open(self.path, "rb") as file:  # noqa: PTH123 - tifffile gives text
            return [_at(file, start, stop) for start, stop in ranges]

    def segments(self, indices: list[int]) -> list[tuple[int, bytes]]:
        offsets, counts = self._page.dataoffsets, self._page.databytecounts
        there = [index for index in indices if offsets[index] and counts[index]]
        found = self.ranges([(offsets[index], offsets[index] + counts[index]) for index in there])
        return list(zip(there, found, strict=True))


def _at(file: Any, start: int, stop: int) -> bytes:
    file.seek(start)
    data: bytes = file.read(stop - start)
    return data


def read_plain(
    source: _Fetch | Location,
    offset: int,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    region: tuple[slice, ...],
) -> NDArray[Any]:
    """Read a region of an array that lies in a file as it is, in C order."""
    path = source.path if isinstance(source, _Fetch) else source.local_path()
    if path is not None:
        try:
            return np.array(np.memmap(path, dtype, "r", offset, shape)[region])
        except FileNotFoundError as error:
            raise MissingError(f"There is no file {path} any more.") from error
    # Elsewhere: of the innermost axes that are wanted whole, everything at once; outside, piece by piece.
    inner = len(shape)
    while inner > 0 and region[inner - 1] == slice(0, shape[inner - 1]):
        inner -= 1
    split = max(0, inner - 1)  # the axis along which a piece is a run of whole inner parts
    if split == len(shape) - 1 and split > 0:
        split -= 1  # rows are fetched whole: columns of them are not worth a request each
    size = math.prod(shape[split + 1 :]) * dtype.itemsize
    run = region[split] if shape else slice(0, 1)
    ranges = []
    for index in itertools.product(*(range(part.start, part.stop) for part in region[:split])):
        number = int(np.ravel_multi_index(index, shape[:split])) if index else 0
        first = offset + number * math.prod(shape[split:]) * dtype.itemsize
        ranges.append((first + run.start * size, first + run.stop * size))
    data = (source.ranges if isinstance(source, _Fetch) else source.read_ranges)(ranges)
    pieces = np.stack([np.frombuffer(part, dtype) for part in data])
    outer = [part.stop - part.start for part in region[: split + 1]]
    whole = pieces.reshape([*outer, *shape[split + 1 :]])
    return np.array(whole[(slice(None),) * len(outer) + region[split + 1 :]])


def _reach(page: Any) -> int:
    """The last byte that a page needs."""
    stops = (offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True))
    return max(stops, default=0)


def check_extent(stop: int, file: Any) -> None:
    """Refuse to read what lies beyond the end of the file."""
    size = file.filehandle.size
    if stop > size:
        raise EOFError(f"its pixels reach to byte {stop}, but the file ends at {size}")
