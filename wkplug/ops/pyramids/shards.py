"""The voxels of a pyramid: tiles are read, reduced to all coarser mags at once, and gathered until shards are complete.

Tiles are far smaller than shards, and a shard that is written in parts is read and written again for every part. So
parts are gathered in cells, each one or more whole shards: a cell is written by whoever brings its last part, and its
memory is given back. Cells that only got empty parts are not stored, or are made empty where something else may
stand.

Sparse arrays are common, and looking at every shard that was never written takes longer than the work: `StoredShards`
says where there is nothing. Where an array can't list its shards, or unwritten voxels aren't zero, nobody knows, and
everything is looked at.

At the border the source is mirrored, by at most the voxels that a block lacks.
"""

from __future__ import annotations

import threading
from itertools import product
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.abc import Box, Interpolation
from wkplug.errors import PluginError, UnsupportedOperationError
from wkplug.geometry import grids
from wkplug.model import voxels
from wkplug.storage import ArrayHandle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "ShardBuffer",
    "ShardReduction",
    "Step",
    "StoredShards",
    "reduce_tile",
    "stored_shards",
    "tiles_of",
]


@attrs.define(kw_only=True)
class ShardReduction:
    """The work of one task of a pyramid: compute a box, in voxels of the first step's mag, of all steps.

    source_bounds: the source's own box; beyond it the source is its own mirror image (the border voxel counts twice).
    coming: how many bytes of the source this process is going to read, all tasks together; 0 if nobody knows.
    tile, nested: as of `tiles_of`. stored: which shards of the source there are, None if all must be looked at.
    cells: what tasks of this process share, so that a task may be a single tile; None where tasks run in other
    processes: then each is a region of whole cells, and this object pickles.
    """

    source: ArrayHandle
    source_bounds: Box
    steps: tuple[Step, ...]
    interpolation: Interpolation
    tile: tuple[int, ...]
    nested: tuple[tuple[int, ...], ...] = ()
    stored: StoredShards | None = None
    cells: ShardBuffer | None = None
    coming: int = 0

    def __call__(self, region: Box) -> None:
        """Compute a region, and write what it completes."""
        if self.coming:
            self.interpolation.prepare(self.source.array.dtype.name, self.coming)
        cells = ShardBuffer(self.steps) if self.cells is None else self.cells
        for tile in tiles_of(region, self.tile, self.nested):
            reduce_tile(tile, self._read, self.source_bounds, self.steps, self.interpolation, cells)
        if self.cells is None:
            for step in self.steps:
                step.target.flush()

    def _read(self, region: Box) -> NDArray[Any] | None:
        if self.stored is None or self.stored.touch(region):
            return voxels.read(self.source, region)
        return None


def reduce_tile(
    tile: Box,
    read: Callable[[Box], NDArray[Any] | None],
    source_bounds: Box,
    steps: Sequence[Step],
    interpolation: Interpolation,
    cells: ShardBuffer,
) -> None:
    """Compute the part of every mag that a tile, in voxels of the first step's mag, is the source of.

    read: gives the voxels of a box of the source, None where all are zero. What comes of them goes to `cells`.
    """
    axes = [
        _Along.of(first, length, factor, low, low + extent)
        for first, length, factor, low, extent in zip(*tile, steps[0].factors, *source_bounds, strict=True)
    ]
    data = read((tuple(axis.start for axis in axes), tuple(axis.stop - axis.start for axis in axes)))
    if data is not None:
        data = _unless_empty(data)
    if data is not None:
        data = _mirrored(data, axes)
    box = tile
    for level, step in enumerate(steps):
        if level > 0:
            box, data = _whole_blocks(box, data, step.factors)
        if data is not None:
            data = _unless_empty(_checked(interpolation, data, step.factors))
        cells.put(level, box, data)


def tiles_of(box: Box, tile: Sequence[int], nested: Sequence[Sequence[int]] = ()) -> Iterator[Box]:
    """Cut a box at the grid of tiles.

    nested: grids, the widest first, whose cells follow one another: all tiles of one come before those of the next,
    so that few cells are begun and not finished at any time.
    """
    if not nested:
        yield from grids.cells(*box, tile)
        return
    for cell in grids.cells(*box, nested[0]):
        yield from tiles_of(cell, tile, nested[1:])


def _unless_empty(data: NDArray[Any]) -> NDArray[Any] | None:
    # Where there is anything, there mostly is something in the first row: looking at all would read it all again.
    return data if data.T[(0,) * (data.ndim - 2)].any() or data.any() else None


def _checked(interpolation: Interpolation, data: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
    result = interpolation.reduce(data, factors)
    shape = tuple(length // factor for length, factor in zip(data.shape, factors, strict=True))
    if result.shape != shape or result.dtype != data.dtype:
        raise PluginError(
            f"The interpolation {interpolation.name!r} made {result.dtype} voxels of shape {result.shape} from a block "
            f"of which {data.dtype} voxels of shape {shape} must come.",
            hint="Tell the author of that plugin; wkplug.testing.InterpolationSuite finds such faults.",
        )
    return result


def _whole_blocks(
    box: Box, data: NDArray[Any] | None, factors: tuple[int, ...]
) -> tuple[Box, NDArray[Any] | None]:
    """Give the coarser box and the voxels of its blocks: at the layer's border, the last voxel stands twice.

    Steps after the first halve axes or leave them, so that no more than one voxel is ever missing.
    """
    coarser = grids.coarsened(box, factors)
    if data is None:
        return coarser, None
    whole = grids.refined(coarser, factors)
    missing = [
        (low - begin, end - high)
        for low, high, begin, end in zip(
            box[0], grids.stop_of(box), whole[0], grids.stop_of(whole), strict=True
        )
    ]
    if not any(map(any, missing)):
        return coarser, data
    import numpy

    return coarser, numpy.asfortranarray(numpy.pad(data, missing, mode="symmetric"))


@attrs.frozen
class _Along:
    """One axis of a tile: read from `start` to `stop`, add mirror images before and after, keep `kept` of it.

    Where the tile reaches beyond the source, as many voxels inside must be read as are to be mirrored, also if
    the tile itself has fewer: otherwise the result would depend on the cutting.
    """

    start: int
    stop: int
    before: int
    after: int
    kept: slice

    @classmethod
    def of(cls, first: int, length: int, factor: int, low: int, high: int) -> _Along:
        begin, end = first * factor, (first + length) * factor
        before, after = max(0, low - begin), max(0, end - high)
        start = max(low, min(begin, high - after))
        stop = min(high, max(end, low + before))
        skip = max(0, begin - start)
        return cls(start, stop, before, after, slice(skip, skip + length * factor))


def _mirrored(data: NDArray[Any], axes: list[_Along]) -> NDArray[Any]:
    if not any(axis.before or axis.after for axis in axes):
        return data
    import numpy

    padded = numpy.pad(data, [(axis.before, axis.after) for axis in axes], mode="symmetric")
    return numpy.asfortranarray(padded[tuple(axis.kept for axis in axes)])


# --- cells that are gathered ------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Step:
    """One mag of a pyramid that is being computed.

    factors: voxels of the mag before per voxel of this one, all axes. bounds: the layer's box, grid: the cells, both
    in voxels of this mag. target: where it is written. erase: something else may stand there already.
    """

    factors: tuple[int, ...]
    bounds: Box
    grid: tuple[int, ...]
    target: ArrayHandle
    erase: bool = False


@attrs.define
class _Cell:
    missing: int
    data: NDArray[Any] | None = None


class ShardBuffer:
    """The cells of several mags that are begun and not complete."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)
        self._guard = threading.Lock()
        self._partial: dict[tuple[int, tuple[int, ...]], _Cell] = {}

    def put(self, level: int, box: Box, data: NDArray[Any] | None) -> None:
        """Take a part of a mag, by its number; None for zeros. Writes the cells that are complete with it."""
        step = self._steps[level]
        for start in grids.cell_starts(*box, step.grid):
            whole = grids.intersect((start, step.grid), step.bounds)
            part = grids.intersect((start, step.grid), box)
            if whole is None or part is None:
                continue
            values = data if data is None or part == box else data[grids.slices(part, box[0])]
            if part == whole:
                _write(step, whole, values)
            else:
                self._gather(level, start, whole, part, values)

    def _gather(
        self, level: int, start: tuple[int, ...], whole: Box, part: Box, values: NDArray[Any] | None
    ) -> None:
        step, key = self._steps[level], (level, start)
        with self._guard:
            cell = self._partial.setdefault(key, _Cell(grids.volume(whole)))
            if values is not None and cell.data is None:
                import numpy

                cell.data = numpy.zeros(whole[1], values.dtype, order="F")
        if values is not None and cell.data is not None:
            cell.data[grids.slices(part, whole[0])] = values
        with self._guard:
            cell.missing -= grids.volume(part)
            if cell.missing:
                return
            del self._partial[key]
        _write(step, whole, cell.data)


def _write(step: Step, box: Box, data: NDArray[Any] | None) -> None:
    if data is not None:
        step.target.write(box, data)
    elif step.erase:
        import numpy

        step.target.write(box, numpy.zeros(box[1], step.target.array.dtype, order="F"))


# --- what is stored ---------------------------------------------------------------------------------------


class StoredShards:
    """The shards of an array that are stored; `grid` is the shard shape."""

    def __init__(self, boxes: Iterable[Box], grid: tuple[int, ...]) -> None:
        self._grid = grid
        self._shards = frozenset(
            tuple(low // length for low, length in zip(start, grid, strict=True)) for start, _ in boxes
        )

    def boxes(self) -> Iterator[Box]:
        """Iterate over the stored shards, whole ones."""
        for shard in self._shards:
            yield tuple(index * length for index, length in zip(shard, self._grid, strict=True)), self._grid

    def touch(self, box: Box) -> bool:
        """Whether a stored shard has a voxel in `box` (voxels of the array)."""
        ranges = [
            range(low // size, -(-(low + length) // size))
            for low, length, size in zip(*box, self._grid, strict=True)
        ]
        if grids.count_cells(*box, self._grid) <= len(self._shards):
            return not self._shards.isdisjoint(product(*ranges))
        return any(
            all(index in along for index, along in zip(shard, ranges, strict=True)) for shard in self._shards
        )


def stored_shards(handle: ArrayHandle) -> StoredShards | None:
    """Look up which shards of an array are stored; None where that isn't known, or where the others aren't zero."""
    spec = handle.spec
    if spec.fill_value != 0 or not handle.backend.capabilities.lists_stored:
        return None
    try:
        return StoredShards(handle.stored_boxes(), spec.shard_shape)
    except UnsupportedOperationError:
        return None
