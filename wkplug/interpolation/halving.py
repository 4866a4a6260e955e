"""The two middle values of blocks of 2x2x2 or 2x2x1 bytes: what most pyramids of images are made of.

The same as the general median, in fewer and longer passes, all into memory that stays: sorting goes along z and y,
where whole rows are compared, and what is left over along x is cut out two bytes at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["halved_middles", "is_halved"]

_TILE_BYTES = 1 << 19
_LANES = 10
"""How many eighths of a tile the passes need besides it (quarters, of blocks of one section)."""


def is_halved(block: NDArray[Any], factors: tuple[int, ...]) -> bool:
    """Whether `block` is of bytes with x, y, z last, of which x and y are halved, and z is halved or left."""
    return (
        block.dtype == np.uint8
        and block.ndim >= 3
        and block.size > 0
        and factors[-3:-1] == (2, 2)
        and factors[-1] in (1, 2)
        and all(factor == 1 for factor in factors[:-3])
    )


def halved_middles(
    volume: NDArray[Any], fz: int
) -> Iterator[tuple[tuple[slice, ...], NDArray[Any], NDArray[Any]]]:
    """Give, tile by tile of a volume (x, y, z), the part of the result and its two middle values, axes z, y, x.

    What is given may be changed, and is valid until the next is asked for.
    """
    source = volume.T
    depth, height, width = (length // factor for length, factor in zip(source.shape, (fz, 2, 2), strict=True))
    rows = max(1, _TILE_BYTES // (width * 4 * fz))
    high = min(height, rows)
    deep = min(depth, max(1, rows // high))
    size = deep * high * width * 2
    scratch = np.empty(_LANES * size, np.uint8)
    for z in range(0, depth, deep):
        for y in range(0, height, high):
            k, j = min(deep, depth - z), min(high, height - y)
            tile = source[z * fz : (z + k) * fz, y * 2 : (y + j) * 2]
            low, top = _middles(tile, (k, j, width), fz, scratch)
            yield (slice(width), slice(y, y + j), slice(z, z + k)), low, top


def _middles(
    tile: NDArray[Any], shape: tuple[int, int, int], fz: int, scratch: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    depth, height, width = shape
    size = depth * height * width * 2
    lanes = scratch[: _LANES * size].reshape(_LANES, size)
    rows = lanes.reshape(_LANES, depth, height, width * 2)
    low, high, spare = lanes[:3]
    if fz == 2:
        planes = scratch[: 4 * size].reshape(2, depth, height * 2, width * 2)
        _exchange(tile[::2], tile[1::2], planes[0], planes[1])
        _exchange(planes[0, :, ::2], planes[0, :, 1::2], rows[4], rows[5])
        _exchange(planes[1, :, ::2], planes[1, :, 1::2], rows[6], rows[7])
        _exchange(lanes[5], lanes[6], lanes[8], lanes[9])
        column = [lanes[4], lanes[8], lanes[9], lanes[7]]
    else:
        _exchange(tile[:, ::2], tile[:, 1::2], rows[4], rows[5])
        column = [lanes[4], lanes[5]]
    # Of two sorted columns, side by side along x, the smaller ones of opposite ends are the lower half of both.
    # Every second value of what comes out is of columns of two blocks, and dropped.
    low[-1] = high[-1] = 0
    for number, (a, b) in enumerate(zip(column, reversed(column), strict=True)):
        if not number:
            _exchange(a[:-1], b[1:], low[:-1], high[:-1])
            continue
        np.minimum(a[:-1], b[1:], out=spare[:-1])
        np.maximum(low[:-1], spare[:-1], out=low[:-1])
        np.maximum(a[:-1], b[1:], out=spare[:-1])
        np.minimum(high[:-1], spare[:-1], out=high[:-1])
    halves = lanes[3].reshape(2, -1)
    for half, pairs in zip(halves, (low, high), strict=True):
        # The first of two bytes, cut out of a number of two bytes.
        np.copyto(half, pairs.view("<u2"), casting="unsafe")
    first, second = halves.reshape(2, *shape)
    return first, second


def _exchange(a: NDArray[Any], b: NDArray[Any], lower: NDArray[Any], upper: NDArray[Any]) -> None:
    np.minimum(a, b, out=lower)
    np.maximum(a, b, out=upper)
