"""Where blocks lie in a shard: in Morton order, bit i of x, y and z becoming bits 3i, 3i + 1 and 3i + 2.

Pure integer arithmetic. A box is cut into blocks axis by axis: each axis gives a few `Part`s, whose
spread bits are or-ed into the block's number.
"""

from __future__ import annotations

from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Block", "Part", "blocks", "parts", "shards", "spread"]

Part: TypeAlias = tuple[int, int, int, int, int]
"""Along one axis: (spread bits of the block, first and last + 1 voxel in the block, the same in the box)."""

Block: TypeAlias = tuple[int, Part, Part, Part]
"""(number of the block in the shard, its parts along x, y and z)."""

_by_number = itemgetter(0)


@lru_cache(maxsize=16)
def spread(count: int) -> tuple[int, ...]:
    """Give the first `count` integers with two zero bits put in front of each of their bits."""
    table = [0]
    while len(table) < count:
        bit = 1 << (3 * (len(table).bit_length() - 1))
        table += [value | bit for value in table]
    return tuple(table[:count])


def parts(start: int, stop: int, shard: int, block_log2: int, shard_log2: int, axis: int) -> list[Part]:
    """Cut the voxels from `start` to `stop` along `axis` (0 to 2) into what lies in blocks of `shard`."""
    table = spread(1 << shard_log2)
    edge = 1 << block_log2
    origin = shard << (block_log2 + shard_log2)
    first = max(start - origin, 0)
    last = min(stop - origin, edge << shard_log2)
    base = origin - start
    result = []
    for index in range(first >> block_log2, ((last - 1) >> block_log2) + 1):
        corner = index << block_log2
        low = first - corner if first > corner else 0
        high = last - corner if last - corner < edge else edge
        result.append((table[index] << axis, low, high, corner + low + base, corner + high + base))
    return result


def blocks(along_x: list[Part], along_y: list[Part], along_z: list[Part]) -> list[Block]:
    """List the blocks that the parts span, in the order in which they are stored."""
    result = [(z[0] | y[0] | x[0], x, y, z) for z in along_z for y in along_y for x in along_x]
    result.sort(key=_by_number)
    return result


def shards(start: int, stop: int, shard_len_log2: int) -> Iterator[int]:
    """Iterate over the shards along one axis that the voxels from `start` to `stop` touch."""
    return iter(range(start >> shard_len_log2, ((stop - 1) >> shard_len_log2) + 1))
