"""What the TIFF exporters share: planes out of volumes, in pieces that fit the memory.

A volume's axes are c, x, y, z and more, in any order; TIFF wants (y, x) planes, one after the other. Chunks are several
sections deep, so that a slab of sections is made at once; it is read in pieces, bands of rows or groups of tiles, which
end at the chunks' own borders where the file's layout allows that. So each chunk is read about once, and what is
held doesn't grow with the planes.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.abc import Least
from wkplug.errors import ExportError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from wkplug.abc import ExportLevel, ExportVolume

__all__ = [
    "Piece",
    "ReadPiece",
    "Slab",
    "check_options",
    "check_planes",
    "cuts",
    "least",
    "length_of",
    "pixel_size",
    "slabs",
]

_PIECE_BYTES = 1 << 24
"""What a piece grows to: large enough that chunks cut by its border don't count."""
_MOST_BYTES = 1 << 28
"""What one row of chunks may take; where it is more, slabs are less deep than chunks, which are then read again."""

_SMALLEST = 1032
"""How many times smaller zlib makes its input at most (zlib's technical details, "maximum compression factor")."""

Interval = tuple[int, int]


@attrs.frozen
class Piece:
    """Sections, rows and columns (first, stop) of a volume, at one index of each of the `others` (axis, index)."""

    others: tuple[tuple[str, int], ...]
    z: Interval
    y: Interval
    x: Interval


@attrs.frozen
class Slab:
    """Sections along z that are made at once, and the pieces that they are made of, down and then across."""

    z: Interval
    pieces: tuple[Piece, ...]


def slabs(
    volume: ExportVolume,
    level: ExportLevel,
    others: Iterable[str],
    *,
    rows: int,
    columns: int | None,
    depth: int | None = None,
    factor: int = 1,
) -> Iterator[Slab]:
    """Cut a resolution into slabs; the last of the `others` changes fastest.

    rows, columns: pieces are cut at multiples of these, counted from the first pixel; None for whole rows. depth:
    sections of a slab, by default as many as a stored chunk has. factor: planes become smaller by it, and
    rows and columns are those of the smaller ones.
    """
    import numpy

    others = tuple(others)
    size = {axis: length_of(volume, level, axis) for axis in "xyz"}
    start = {axis: _along(volume, level.start, axis, 0) for axis in "xyz"}
    chunk = {axis: _along(volume, level.chunk_shape, axis, 1) for axis in "xyz"}
    if factor > 1:
        # Borders of chunks lie between pixels then: only their size counts.
        size |= {axis: max(1, round(size[axis] / factor)) for axis in "xy"}
        start |= {"x": 0, "y": 0}
        chunk |= {axis: max(1, chunk[axis] // factor) for axis in "xy"}
    pixel = numpy.dtype(volume.dtype).itemsize * factor**2
    for axis, length in zip(volume.axes, level.shape, strict=True):
        if axis not in "xyz" and axis not in others:
            pixel *= length
    height = min(size["y"], _multiple(chunk["y"], rows))
    width = size["x"] if columns is None else min(size["x"], _multiple(chunk["x"], columns))
    thick = min(size["z"], chunk["z"] if depth is None else depth)
    while depth is None and thick > 1 and height * width * thick * pixel > _MOST_BYTES:
        thick = -(-thick // 2)
    # Chunks are decoded as a whole, also where few of their sections are wanted.
    room = _PIECE_BYTES // (pixel * max(thick, chunk["z"]))
    width = min(size["x"], max(width, room // height))
    height = max(height, room // width)
    y = cuts(start["y"], size["y"], unit=rows, chunk=chunk["y"], most=height)
    x = [(0, size["x"])]
    if columns is not None:
        x = cuts(start["x"], size["x"], unit=columns, chunk=chunk["x"], most=width)
    z = cuts(start["z"] if depth is None else 0, size["z"], unit=1, chunk=thick, most=thick)
    for indices in itertools.product(*(range(length_of(volume, level, axis)) for axis in others)):
        here = tuple(zip(others, indices, strict=True))
        for sections in z:
            yield Slab(sections, tuple(Piece(here, sections, *box) for box in itertools.product(y, x)))


def cuts(start: int, length: int, *, unit: int, chunk: int, most: int) -> list[Interval]:
    """Cut 0 to `length` into (first, stop) of about `most`, at multiples of `unit`.

    start: where 0 lies on the grid of chunks. As far as the unit allows, chunks are not cut; a part is as large as
    one of them and as one unit at least.
    """
    step = max(most // chunk, -(-unit // chunk), 1) * chunk
    result = []
    first = 0
    while first < length:
        goal = ((start + first) // step + 1) * step - start
        stop = goal // unit * unit
        if stop <= first:
            stop = first + unit
        result.append((first, min(stop, length)))
        first = stop
    return result


def _multiple(length: int, unit: int) -> int:
    return math.ceil(length / unit) * unit


def _along(volume: ExportVolume, values: tuple[int, ...], axis: str, otherwise: int) -> int:
    return values[volume.axes.index(axis)] if axis in volume.axes else otherwise


@attrs.frozen
class ReadPiece:
    """Reads a piece as an array (z, y, x) or, with `channels`, (z, y, x, c); it pickles."""

    level: ExportLevel
    axes: tuple[str, ...]
    channels: bool

    def __call__(self, piece: Piece) -> NDArray[Any]:
        """Read it."""
        start, shape = [0] * len(self.axes), list(self.level.shape)
        box = {axis: (index, index + 1) for axis, index in piece.others}
        box |= {"x": piece.x, "y": piece.y, "z": piece.z}
        for axis, (first, stop) in box.items():
            if axis in self.axes:
                position = self.axes.index(axis)
                start[position], shape[position] = first, stop - first
        data: NDArray[Any] = self.level.read((tuple(start), tuple(shape)))
        kept = [axis for axis in ("z", "y", "x", *(("c",) if self.channels else ())) if axis in self.axes]
        dropped = [axis for axis in self.axes if axis not in kept]
        data = data.transpose([self.axes.index(axis) for axis in (*dropped, *kept)])
        data = data[(0,) * len(dropped)]
        return data if "z" in self.axes else data[None]


def length_of(volume: ExportVolume, level: ExportLevel, axis: str) -> int:
    """The length of an axis, 1 if the volume doesn't have it."""
    return _along(volume, level.shape, axis, 1)


def pixel_size(volume: ExportVolume, level: ExportLevel) -> tuple[float, float, float]:
    """Nanometres per voxel of a resolution along x, y, z."""
    x, y, z = (size * factor for size, factor in zip(volume.voxel_size, level.mag, strict=True))
    return x, y, z


def least(
    volume: ExportVolume, levels: Iterable[ExportLevel], *, files: int, factor: int = 1, compressed: bool
) -> Least:
    """Tell what `levels` take; factor: planes become smaller by it."""
    import numpy

    size = sum(math.prod(level.shape) for level in levels) * numpy.dtype(volume.dtype).itemsize // factor**2
    return Least(files=files, voxel_bytes=size, disk_bytes=size // _SMALLEST if compressed else size)


def check_options(what: str, options: Mapping[str, Any], known: Iterable[str]) -> None:
    """InvalidArgumentError for options that the exporter doesn't have."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        there = ", ".join(known) or "none"
        raise InvalidArgumentError(
            f"{what} has no option {', '.join(unknown)}.", hint=f"Its options: {there}."
        )


def check_planes(what: str, volume: ExportVolume) -> None:
    """ExportError for volumes without x or y."""
    if not {"x", "y"} <= set(volume.axes):
        raise ExportError(f"{what} needs the axes x and y; the layer has {', '.join(volume.axes)}.")
