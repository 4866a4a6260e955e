"""Which shards of an array are stored, held so that boxes can be asked for quickly.

Sparse arrays are common, and looking at every shard that was never written takes longer than the work. Where an
array can't list its shards, or unwritten voxels aren't zero, nobody knows, and everything is looked at.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from wkplug.errors import UnsupportedOperationError
from wkplug.geometry import grids

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wkplug.abc import Box
    from wkplug.storage import ArrayHandle

__all__ = ["StoredShards", "stored_shards"]


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
