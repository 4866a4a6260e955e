"""Modes in which the voxels of a block vote: the most frequent value wins. They make no new values.

Of equally frequent values the one met first wins, y fastest, then x, then z. NaN is no value to vote for: it
comes out only where a block holds nothing else. Most blocks of a segmentation hold one value only; the others
are taken out of the volume and counted by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from wkplug.interpolation.tiled import TiledMode, members

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Mode", "ModeSparse"]

_FEW = 128
"""Up to this many voxels of a block are compared with each other; more are sorted."""

_MANY = 6
"""If more than one in so many blocks holds several values, all blocks are counted."""


class Mode(TiledMode):
    """The most frequent value; of equally frequent ones the one met first, y fastest, then x, then z."""

    name: ClassVar[str] = "mode"
    sparse: ClassVar[bool] = False

    def fill(self, out: NDArray[Any], block: NDArray[Any], factors: tuple[int, ...]) -> None:
        """See `TiledMode.fill`."""
        lanes = [lane.ravel(order="F") for lane in members(block, factors, _order(block.ndim))]
        winner = lanes[0].copy()
        mixed = np.zeros(winner.shape, bool)
        for lane in lanes[1:]:
            mixed |= lane != winner
        where = np.flatnonzero(mixed)
        elect = _by_comparing if len(lanes) <= _FEW else _by_sorting
        if len(where) > winner.size // _MANY:  # taking them out costs more than counting all
            winner = elect(lanes, sparse=self.sparse)
        elif len(where):
            winner[where] = elect([lane[where] for lane in lanes], sparse=self.sparse)
        out[...] = winner.reshape(out.shape, order="F")


class ModeSparse(Mode):
    """The most frequent value other than 0, the background, which wins only where a block holds nothing else."""

    name: ClassVar[str] = "mode_sparse"
    dtypes: ClassVar[frozenset[str] | None] = frozenset(
        {"uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"}
    )
    sparse: ClassVar[bool] = True


def _order(rank: int) -> tuple[int, ...]:
    """The axes from the fastest to the slowest: y, then x, then z, where the last three are x, y, z."""
    if rank < 2:
        return tuple(range(rank))
    x = max(0, rank - 3)
    return (*range(x), x + 1, x, *range(x + 2, rank))


def _by_comparing(lanes: list[NDArray[Any]], *, sparse: bool) -> NDArray[Any]:
    """Elect the winner of each block: count every value from its place on; quadratic in the block's size."""
    winner = lanes[0].copy()
    best = np.zeros(winner.shape, np.uint8)
    for place, candidate in enumerate(lanes):
        count = (candidate == candidate).view(np.uint8)
        for other in lanes[place + 1 :]:
            count += (candidate == other).view(np.uint8)
        if sparse:
            count[candidate == 0] = 0
        better = count > best
        np.copyto(winner, candidate, where=better)
        np.copyto(best, count, where=better)
    return winner


def _by_sorting(lanes: list[NDArray[Any]], *, sparse: bool) -> NDArray[Any]:
    """Elect the same winners by the longest runs of equal values in sorted blocks."""
    values = np.stack(lanes)
    length, width = values.shape
    places = np.argsort(values, axis=0, kind="stable").T.ravel()  # column after column
    ordered = np.take_along_axis(values, places.reshape(width, length).T, axis=0).T.ravel()
    begins = np.ones(ordered.size, bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    begins[::length] = True
    starts = np.flatnonzero(begins)
    # Stable sorting keeps the order of equal values, so a run begins with the place where it was met first.
    runs = np.diff(starts, append=ordered.size)
    value = ordered[starts]
    runs[(value != value) | (sparse & (value == 0))] = 0
    strength = runs * length + (length - 1 - places[starts])
    best = np.maximum.reduceat(strength, np.searchsorted(starts, np.arange(0, ordered.size, length)))
    result: NDArray[Any] = values[length - 1 - best % length, np.arange(width)]
    return result
