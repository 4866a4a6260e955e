"""Computed resolutions kept in scratch files while an export runs, so that each is computed once.

Every resolution is one flat file of tiles, each from the resolution before; a tile that is all zero, or for which
nothing is stored, stays a hole. The files are filled when the exporter hands over its first work, so that what it
refuses costs nothing; what is read before (or from a file that isn't whole) is computed on the way. Files are written,
not mapped, because a full disk must be an error; they are mapped to be read. Whoever owns the folder deletes it.

Who calls it: `wkplug.ops.exporting`. All readers pickle.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.geometry import grids
from wkplug.ops import plan
from wkplug.ops.exporting.levels import Computed, Stored
from wkplug.ops.pyramids.stored import StoredShards, stored_shards

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wkplug.abc import Box, ExportLevel

__all__ = ["Scratch"]

_TILE_BYTES = 1 << 24  # of the resolution before, about: enough that Python's part doesn't count


class Scratch:
    """The computed ones of `levels` in files of `folder`, a path; `levels` are those to read instead."""

    def __init__(self, levels: tuple[ExportLevel, ...], folder: str, axes: tuple[str, ...]) -> None:
        self._folder = folder
        self._waiting: list[_Kept] = []
        kept: list[ExportLevel] = []
        for number, level in enumerate(levels):
            if isinstance(level.read, Computed):
                path = os.path.join(folder, str(number))  # noqa: PTH118 - the place is text
                reader = _kept(level, attrs.evolve(level.read, finer=kept[-1]), path, axes)
                self._waiting.append(reader)
                level = attrs.evolve(level, read=reader)
            kept.append(level)
        self.levels = tuple(kept)

    def fill(self, executor: Any, progress: plan.Progress | None = None, more: int = 0) -> int:
        """Compute what isn't yet, finest first; give the number of tasks that took.

        more: how many tasks will follow, for the `progress`. OSError where the disk is full.
        """
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return 0
        os.makedirs(self._folder, exist_ok=True)  # noqa: PTH103 - the place is text
        cells = _cells_to_compute(waiting)
        total = sum(map(len, cells))
        before = 0

        def tell(done: int, _: int) -> None:
            if progress is not None:
                progress(before + done, total + more)

        for reader, boxes in zip(waiting, cells, strict=True):
            reader.create()
            tasks = (plan.Task(index, box) for index, box in enumerate(boxes))
            for _ in plan.run(tasks, reader.fill, executor=executor, progress=tell, total=len(boxes)):
                pass
            reader.finish()
            before += len(boxes)
        return total


def _kept(level: ExportLevel, source: Computed, path: str, axes: tuple[str, ...]) -> _Kept:
    """Choose tiles: whole chunks of the resolution before, doubled along the shortest of x, y, z."""
    import numpy

    tile = [
        min(max(1, chunk // factor), length)
        for chunk, factor, length in zip(level.chunk_shape, source.factors, level.shape, strict=True)
    ]
    voxels = _TILE_BYTES // (numpy.dtype(source.dtype).itemsize * math.prod(source.factors))
    while 2 * math.prod(tile) <= voxels:
        growing = [axis for axis, name in enumerate(axes) if name in "xyz" and tile[axis] < level.shape[axis]]
        if not growing:
            break
        tile[min(growing, key=tile.__getitem__)] *= 2
    return _Kept(path=path, source=source, start=level.start, shape=level.shape, tile=tuple(tile))


def _cells_to_compute(readers: list[_Kept]) -> list[list[Box]]:
    """Give the tiles of each resolution that something may be stored for."""
    found: dict[str, list[Box]] = {}
    for reader in readers:
        finer = reader.source.finer
        stored: StoredShards | None = None
        if isinstance(finer.read, Stored):
            stored = stored_shards(finer.read.handle)
        elif isinstance(finer.read, _Kept):
            stored = StoredShards(found[finer.read.path], finer.read.tile)
        cells = grids.cells(reader.start, reader.shape, reader.tile)
        found[reader.path] = [box for box in cells if stored is None or stored.touch(reader.needed(box))]
    return list(found.values())


@attrs.frozen(kw_only=True)
class _Kept:
    """Reads a computed resolution from its file.

    start, shape: of the resolution. tile: voxels; the tiles' grid counts from the dataset's first voxel, as chunks do,
    and each tile has the same room in the file, in Fortran order.
    """

    path: str
    source: Computed
    start: tuple[int, ...]
    shape: tuple[int, ...]
    tile: tuple[int, ...]

    def __call__(self, box: Box) -> NDArray[Any]:
        import numpy

        if not os.path.exists(self.path):  # noqa: PTH110 - the place is text
            return self.source(box)
        low = grids.shifted(box, self.start)[0]
        result = numpy.empty(box[1], self.source.dtype, order="F")
        for first, length in grids.cells(low, box[1], self.tile):
            room, extent = self._room(first)
            tile = numpy.memmap(
                self.path, self.source.dtype, mode="r", offset=self._offset(first), shape=extent, order="F"
            )
            part = first, length
            result[grids.slices(part, low)] = tile[grids.slices(part, room)]
        return result

    def needed(self, cell: Box) -> Box:
        """Give the voxels of the resolution before that a tile is computed from, counted as in its array."""
        factors, finer = self.source.factors, self.source.finer
        start = tuple(
            base + (low - first) * factor
            for base, low, first, factor in zip(finer.start, cell[0], self.start, factors, strict=True)
        )
        return start, tuple(length * factor for length, factor in zip(cell[1], factors, strict=True))

    def create(self) -> None:
        """Make the file, all of it a hole."""
        import numpy

        tiles = grids.count_cells(self.start, self.shape, self.tile)
        with open(self._unfinished, "wb") as file:  # noqa: PTH123 - the place is text
            file.truncate(tiles * math.prod(self.tile) * numpy.dtype(self.source.dtype).itemsize)

    def fill(self, task: plan.Task) -> None:
        """Compute one tile and write it."""
        first, length = task.box
        data = self.source((tuple(a - b for a, b in zip(first, self.start, strict=True)), length))
        if data.any():
            with open(self._unfinished, "r+b", buffering=0) as file:  # noqa: PTH123 - the place is text
                file.seek(self._offset(first))
                rest = data.T.data.cast("B")
                while rest:
                    rest = rest[file.write(rest) :]

    def finish(self) -> None:
        """Let everybody read the file from now on."""
        os.replace(self._unfinished, self.path)  # noqa: PTH105 - the place is text

    @property
    def _unfinished(self) -> str:
        return f"{self.path}.part"

    def _grid(self) -> Iterator[tuple[int, int]]:
        """The first tile along each axis, and how many there are."""
        for low, length, size in zip(self.start, self.shape, self.tile, strict=True):
            yield low // size, -(-(low + length) // size) - low // size

    def _offset(self, voxel: tuple[int, ...]) -> int:
        import numpy

        index = 0
        for place, size, (first, count) in zip(voxel, self.tile, self._grid(), strict=True):
            index = index * count + place // size - first
        return index * math.prod(self.tile) * numpy.dtype(self.source.dtype).itemsize

    def _room(self, voxel: tuple[int, ...]) -> Box:
        """The tile around a voxel, cut with the resolution."""
        corner = tuple(place // size * size for place, size in zip(voxel, self.tile, strict=True))
        room = grids.intersect((corner, self.tile), (self.start, self.shape))
        return room if room is not None else (corner, self.tile)
