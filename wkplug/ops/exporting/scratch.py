"""Computed resolutions kept in scratch files while an export runs, so that each is computed once.

Every resolution is a folder of tiles, a file for each, made from the resolution before; a tile that is all zero, or
for which nothing is stored, has none, so that boxes of any size can be declared. The folders are filled when the
exporter hands over its first work, so that what it refuses costs nothing; what is read before (or from a folder that
isn't whole) is computed on the way. Files are written, not mapped, because a full disk must be an error; they are
mapped to be read. Whoever owns the outer folder deletes it.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import TooLargeError
from wkplug.geometry import grids
from wkplug.ops import plan
from wkplug.ops.exporting.levels import Computed, Stored
from wkplug.ops.pyramids.stored import stored_shards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wkplug.abc import Box, ExportLevel

__all__ = ["Scratch", "all_cells"]

_TILE_BYTES = 1 << 24  # of the resolution before, about: enough that Python's part doesn't count
_MOST_CELLS = (
    10**7
)  # that a box is cut into where nobody knows what is stored of it; all of them are looked at


class Scratch:
    """The computed ones of `levels` in files of `folder`, a path; `levels` are those to read instead."""

    def __init__(self, levels: tuple[ExportLevel, ...], folder: str, axes: tuple[str, ...]) -> None:
        self._folder = folder
        self._waiting: list[_Kept] = []
        self._stored: list[Sequence[Box] | None] = []
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
        cells = [
            self._tiles(number) for number, level in enumerate(self.levels) if isinstance(level.read, _Kept)
        ]
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

    def pieces(self, number: int, shape: tuple[int, ...]) -> list[Box]:
        """See `ExportVolume.pieces`."""
        level = self.levels[number]
        stored = self.stored(number)
        if stored is None:
            return all_cells((0,) * len(shape), level.shape, shape)
        back = tuple(-low for low in level.start)
        whole = (0,) * len(shape), level.shape
        return grids.touched((grids.shifted(box, back) for box in stored), whole, shape)

    def stored(self, number: int) -> Sequence[Box] | None:
        """Give boxes of a resolution, counted as in its array, beside which it is zero; None where nobody knows."""
        for position in range(len(self._stored), number + 1):
            read = self.levels[position].read
            if isinstance(read, _Kept):
                finer = self._stored[-1]
                bounds = read.start, read.shape
                self._stored.append(
                    None if finer is None else grids.touched(map(read.made_from, finer), bounds, read.tile)
                )
            elif isinstance(read, Stored):
                shards = stored_shards(read.handle)
                self._stored.append(None if shards is None else tuple(shards.boxes()))
            else:
                self._stored.append(None)
        return self._stored[number]

    def _tiles(self, number: int) -> Sequence[Box]:
        """Give the tiles of a computed resolution that something may be stored for."""
        stored = self.stored(number)
        if stored is not None:
            return stored
        reader: _Kept = self.levels[number].read  # type: ignore[assignment]
        return all_cells(reader.start, reader.shape, reader.tile)


def all_cells(start: tuple[int, ...], shape: tuple[int, ...], grid: tuple[int, ...]) -> list[Box]:
    """Give all cells of a grid; TooLargeError if nobody could go through them."""
    count = grids.count_cells(start, shape, grid)
    if count > _MOST_CELLS:
        raise TooLargeError(
            f"The export would go through {count:,} pieces, because it isn't known which of them are stored.",
            hint="Export a smaller box (bounding_box=...), or copy the layer to a place that can be listed first.",
        )
    return list(grids.cells(start, shape, grid))


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


@attrs.frozen(kw_only=True)
class _Kept:
    """Reads a computed resolution from its files.

    path: the folder. start, shape: of the resolution. tile: voxels; the tiles' grid counts from the dataset's first
    voxel, as chunks do. Each tile, cut with the resolution, is a file named by its first voxel, in Fortran order.
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
        result = numpy.zeros(box[1], self.source.dtype, order="F")
        for part in grids.cells(low, box[1], self.tile):
            room, extent = self._room(part[0])
            try:
                tile = numpy.memmap(
                    self._file(self.path, room), self.source.dtype, mode="r", shape=extent, order="F"
                )
            except FileNotFoundError:
                continue
            result[grids.slices(part, low)] = tile[grids.slices(part, room)]
        return result

    def made_from(self, box: Box) -> Box:
        """Give the voxels that a box of the resolution before, counted as in its array, has a part in."""
        factors, finer = self.source.factors, self.source.finer
        start = tuple(
            first + (low - base) // factor
            for first, low, base, factor in zip(self.start, box[0], finer.start, factors, strict=True)
        )
        stop = (
            first - (base - low - n) // factor
            for first, low, n, base, factor in zip(self.start, *box, finer.start, factors, strict=True)
        )
        return start, tuple(b - a for a, b in zip(start, stop, strict=True))

    def create(self) -> None:
        """Make the folder."""
        os.makedirs(self._unfinished)  # noqa: PTH103 - the place is text

    def fill(self, task: plan.Task) -> None:
        """Compute one tile and write it, unless it is all zero."""
        first, length = task.box
        data = self.source((tuple(a - b for a, b in zip(first, self.start, strict=True)), length))
        if data.any():
            room, _ = self._room(first)
            with open(self._file(self._unfinished, room), "wb", buffering=0) as file:  # noqa: PTH123 - the same
                rest = data.T.data.cast("B")
                while rest:
                    rest = rest[file.write(rest) :]

    def finish(self) -> None:
        """Let everybody read the tiles from now on."""
        os.replace(self._unfinished, self.path)  # noqa: PTH105 - the place is text

    @property
    def _unfinished(self) -> str:
        return f"{self.path}.part"

    @staticmethod
    def _file(folder: str, start: tuple[int, ...]) -> str:
        return os.path.join(folder, "_".join(map(str, start)))  # noqa: PTH118 - the place is text

    def _room(self, voxel: tuple[int, ...]) -> Box:
        """The tile around a voxel, cut with the resolution."""
        corner = tuple(place // size * size for place, size in zip(voxel, self.tile, strict=True))
        room = grids.intersect((corner, self.tile), (self.start, self.shape))
        return room if room is not None else (corner, self.tile)
