"""What the TIFF exporters share: planes out of volumes, in slabs that fit the memory.

A volume's axes are c, x, y, z and more, in any order; TIFF wants (y, x) planes, one after the other. A slab is some
sections along z of one channel set, read at once, because chunks are several sections deep.

Who calls it: `wkplug_tiff.stack` and `wkplug_tiff.ome`.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import ExportError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from wkplug.abc import ExportLevel, ExportVolume

__all__ = ["ReadSlab", "Slab", "check_options", "check_planes", "length_of", "pixel_size", "slabs"]

_SLAB_BYTES = 1 << 27


@attrs.frozen
class Slab:
    """Sections `first` to `stop` along z, at one index of each of the `others` (axis, index)."""

    others: tuple[tuple[str, int], ...]
    first: int
    stop: int


def slabs(
    volume: ExportVolume, level: ExportLevel, others: Iterable[str], depth: int | None = None
) -> Iterator[Slab]:
    """Cut a resolution into slabs; the last of the `others` changes fastest.

    depth: sections of a slab; by default as many as a stored chunk has, or as few as fit 128 MiB.
    """
    others = tuple(others)
    if depth is None:
        depth = _depth(volume, level, others)
    size = length_of(volume, level, "z")
    for indices in itertools.product(*(range(length_of(volume, level, axis)) for axis in others)):
        for first in range(0, size, depth):
            yield Slab(tuple(zip(others, indices, strict=True)), first, min(size, first + depth))


def _depth(volume: ExportVolume, level: ExportLevel, others: tuple[str, ...]) -> int:
    import numpy

    section = numpy.dtype(volume.dtype).itemsize
    for axis, length in zip(volume.axes, level.shape, strict=True):
        if axis != "z" and axis not in others:
            section *= length
    chunk = level.chunk_shape[volume.axes.index("z")] if "z" in volume.axes else 1
    return max(1, min(chunk, _SLAB_BYTES // max(1, section)))


@attrs.frozen
class ReadSlab:
    """Reads a slab as an array (z, y, x) or, with `channels`, (z, y, x, c); it pickles."""

    level: ExportLevel
    axes: tuple[str, ...]
    channels: bool

    def __call__(self, slab: Slab) -> NDArray[Any]:
        """Read it."""
        start, shape = [0] * len(self.axes), list(self.level.shape)
        for axis, index in slab.others:
            position = self.axes.index(axis)
            start[position], shape[position] = index, 1
        if "z" in self.axes:
            position = self.axes.index("z")
            start[position], shape[position] = slab.first, slab.stop - slab.first
        data: NDArray[Any] = self.level.read((tuple(start), tuple(shape)))
        kept = [axis for axis in ("z", "y", "x", *(("c",) if self.channels else ())) if axis in self.axes]
        dropped = [axis for axis in self.axes if axis not in kept]
        data = data.transpose([self.axes.index(axis) for axis in (*dropped, *kept)])
        data = data[(0,) * len(dropped)]
        return data if "z" in self.axes else data[None]


def length_of(volume: ExportVolume, level: ExportLevel, axis: str) -> int:
    """The length of an axis, 1 if the volume doesn't have it."""
    return level.shape[volume.axes.index(axis)] if axis in volume.axes else 1


def pixel_size(volume: ExportVolume, level: ExportLevel) -> tuple[float, float, float]:
    """Nanometres per voxel of a resolution along x, y, z."""
    x, y, z = (size * factor for size, factor in zip(volume.voxel_size, level.mag, strict=True))
    return x, y, z


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
