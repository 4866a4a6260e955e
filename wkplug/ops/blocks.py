"""From a box of a coarser mag to the finer voxels it is made of, and back through an interpolation.

Memory is bounded: a shard is computed in tiles whose source fits `TILE_BYTES`; tiles whose source is all fill
value are not computed. Tiles are whole blocks, so the cutting never shows in the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug.dataset import voxels
from wkplug.geometry import grids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from wkplug.abc import Box, Interpolation
    from wkplug.ops.plan import Task
    from wkplug.storage import ArrayHandle

__all__ = ["TILE_BYTES", "ShardReduction", "reduce_box"]

TILE_BYTES = 1 << 29
"""How many bytes of source one tile may have."""


@attrs.frozen(kw_only=True)
class ShardReduction:
    """The work of one task of a pyramid: compute the task's box of `target` from `source`.

    Pickles, so that it can be done in another process. source_bounds, factors: as in `reduce_box`. erase: write
    zeros where the source is empty, because something may be there already.
    """

    source: ArrayHandle
    target: ArrayHandle
    source_bounds: Box
    factors: tuple[int, ...]
    interpolation: Interpolation
    erase: bool = False

    def __call__(self, task: Task) -> None:
        """Compute and write the task's box."""
        import numpy

        dtype = self.target.array.dtype
        for box, data in reduce_box(
            lambda region: voxels.read(self.source, region),
            task.box,
            self.source_bounds,
            self.factors,
            self.interpolation,
            itemsize=dtype.itemsize,
        ):
            if data is not None:
                self.target.write(box, data)
            elif self.erase:
                self.target.write(box, numpy.zeros(box[1], dtype, order="F"))
        self.target.flush()


def reduce_box(
    read: Callable[[Box], NDArray[Any]],
    box: Box,
    source_bounds: Box,
    factors: tuple[int, ...],
    interpolation: Interpolation,
    *,
    itemsize: int,
) -> Iterator[tuple[Box, NDArray[Any] | None]]:
    """Compute `box` of the coarser mag, in tiles; None for a tile whose source is empty.

    read: gives a box of the finer mag, inside `source_bounds`. factors: voxels of the finer mag per voxel of the
    coarser, per axis. Beyond `source_bounds` the source is its own mirror image (the border voxel counts twice).
    """
    for tile in grids.cells(box[0], box[1], _tile_shape(box[1], factors, itemsize)):
        axes = [
            _Along.of(first, length, factor, low, low + extent)
            for first, length, factor, low, extent in zip(*tile, factors, *source_bounds, strict=True)
        ]
        data = read((tuple(axis.start for axis in axes), tuple(axis.stop - axis.start for axis in axes)))
        if not data.any():
            yield tile, None
            continue
        yield tile, interpolation.reduce(_mirrored(data, axes), factors)


def _tile_shape(shape: tuple[int, ...], factors: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Halve the longest axis until the tile's source fits."""
    tile = list(shape)
    while True:
        size = itemsize
        for length, factor in zip(tile, factors, strict=True):
            size *= length * factor
        longest = max(range(len(tile)), key=lambda axis: tile[axis])
        if size <= TILE_BYTES or tile[longest] == 1:
            return tuple(tile)
        tile[longest] = -(-tile[longest] // 2)


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
