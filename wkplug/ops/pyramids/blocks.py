"""One tile of a pyramid: voxels of the finest mag are read once, and its part of every coarser mag is computed.

A tile is whole blocks of all the mags that are computed together, so the cutting never shows in the result. Where a
block reaches beyond the layer's box, the missing voxels are mirror images of those inside, at every level anew, so
that computing several mags at once gives the same as one after the other. Tiles whose source is all zero cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import PluginError
from wkplug.geometry import grids
from wkplug.model import voxels
from wkplug.ops.pyramids.cells import Cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from wkplug.abc import Box, Interpolation
    from wkplug.ops.plan import Task
    from wkplug.ops.pyramids.cells import Step
    from wkplug.ops.pyramids.stored import StoredShards
    from wkplug.storage import ArrayHandle

__all__ = ["ShardReduction", "reduce_tile", "tiles_of"]


@attrs.define(kw_only=True)
class ShardReduction:
    """The work of one task of a pyramid: compute the task's box, in voxels of the first step's mag, of all steps.

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
    cells: Cells | None = None
    coming: int = 0

    def __call__(self, task: Task) -> None:
        """Compute the task's box, and write what it completes."""
        if self.coming:
            self.interpolation.prepare(self.source.array.dtype.name, self.coming)
        cells = Cells(self.steps) if self.cells is None else self.cells
        for tile in tiles_of(task.box, self.tile, self.nested):
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
    cells: Cells,
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
    first = tuple(low // factor for low, factor in zip(box[0], factors, strict=True))
    stop = tuple(-(-high // factor) for high, factor in zip(grids.stop_of(box), factors, strict=True))
    coarser = first, tuple(b - a for a, b in zip(first, stop, strict=True))
    if data is None:
        return coarser, None
    missing = [
        (low - begin * factor, end * factor - high)
        for low, high, begin, end, factor in zip(
            box[0], grids.stop_of(box), first, stop, factors, strict=True
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
