"""What the modes in numpy share: work in tiles whose temporaries fit a cache, and voxels by their place in a block.

A mode in numpy is a sequence of passes over arrays; over a whole volume every pass would go through memory.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import Interpolation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["TILE_BYTES", "TiledMode", "members", "rows"]

TILE_BYTES = 1 << 19
"""How many bytes of source a tile may have; with its temporaries it fits the cache of a core."""


class TiledMode(Interpolation):
    """A mode that needs no settings and computes one tile at a time."""

    def __init__(self, settings: Any = None) -> None:
        del settings

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        """See `Interpolation.reduce`."""
        if all(factor == 1 for factor in factors):
            return block.copy(order="F")
        shape = tuple(length // factor for length, factor in zip(block.shape, factors, strict=True))
        out = np.empty(shape, block.dtype, order="F")
        # Overflow and NaN have a documented result, so they need no warning.
        with np.errstate(over="ignore", invalid="ignore"):
            for target in _tiles(out, factors):
                source = tuple(
                    slice(part.start * factor, part.stop * factor)
                    for part, factor in zip(target, factors, strict=True)
                )
                self.fill(out[target], block[source], factors)
        return out

    @abstractmethod
    def fill(self, out: NDArray[Any], block: NDArray[Any], factors: tuple[int, ...]) -> None:
        """Compute one tile; some factor is above 1, and no axis is empty."""


def _tiles(out: NDArray[Any], factors: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Cut the result into tiles; the axes that are slowest in memory are cut first."""
    if out.size == 0:
        return
    tile = list(out.shape)
    size = out.nbytes
    for factor in factors:
        size *= factor
    for axis in reversed(range(out.ndim)):
        while size > TILE_BYTES and tile[axis] > 1:
            size = size * -(-tile[axis] // 2) // tile[axis]
            tile[axis] = -(-tile[axis] // 2)
    steps = (range(0, length, step) for length, step in zip(out.shape, tile, strict=True))
    for starts in itertools.product(*steps):
        yield tuple(
            slice(start, min(start + step, length))
            for start, step, length in zip(starts, tile, out.shape, strict=True)
        )


def members(
    block: NDArray[Any],
    factors: tuple[int, ...],
    order: tuple[int, ...] | None = None,
    places: tuple[range, ...] | None = None,
) -> list[NDArray[Any]]:
    """Give, for each place in a block, a view of the voxels at that place of all blocks.

    Places come with the last of `order` slowest; by default the last axis is slowest. places: those that are
    wanted along each axis, by default all.
    """
    axes = tuple(range(len(factors))) if order is None else order
    ranges = tuple(range(factor) for factor in factors) if places is None else places
    result = []
    for position in itertools.product(*(ranges[axis] for axis in reversed(axes))):
        offsets = dict(zip(reversed(axes), position, strict=True))
        result.append(block[tuple(slice(offsets[axis], None, factors[axis]) for axis in range(len(factors)))])
    return result


def rows(
    block: NDArray[Any], factors: tuple[int, ...], axis: int, places: tuple[range, ...] | None = None
) -> list[NDArray[Any]]:
    """Give views of the voxels at each place along the other axes than `axis`, with all voxels along that one.

    Where it is the axis that is fastest in memory, what can be done before reducing along it is done to voxels
    that lie side by side.
    """

    def whole(values: tuple[Any, ...], instead: Any) -> tuple[Any, ...]:
        return tuple(instead if number == axis else value for number, value in enumerate(values))

    return members(block, whole(factors, 1), None, None if places is None else whole(places, range(1)))
