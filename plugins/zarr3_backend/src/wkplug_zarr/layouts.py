"""Chunk and shard shapes: what a new array gets by default, and what can't be.

Zarr v3 arrays have shards: 1024 voxels per spatial axis, or wide flat ones for images and flat pyramids. Where
the extent is known they are never larger than it needs, because a shard costs the size of its index. In Zarr v2
each chunk is a file, so chunk and shard are the same.
"""

from __future__ import annotations

from wkplug.abc import Layout, LayoutWish
from wkplug.errors import LayoutError

__all__ = ["check_layout", "default_layout"]

_SPACE = ("x", "y", "z")
_CHUNK = 32
_SHARD = 1024
_WIDE = 4096


def default_layout(wish: LayoutWish, *, sharded: bool) -> Layout:
    """Complete the wish; LayoutError where what it fixes can't be."""
    lengths = dict(zip(wish.axes, wish.shape, strict=True))
    chunk = tuple(wish.chunk_shape or (_default_chunk(axis, wish, lengths) for axis in wish.axes))
    if wish.shard_shape is not None:
        shard = tuple(wish.shard_shape)
    elif sharded:
        shard = _default_shard(wish, lengths, dict(zip(wish.axes, chunk, strict=True)))
    else:
        shard = chunk
    check_layout(wish.axes, chunk, shard, sharded=sharded)
    return Layout(chunk_shape=chunk, shard_shape=shard)


def _default_chunk(axis: str, wish: LayoutWish, lengths: dict[str, int]) -> int:
    if axis == "c":
        return lengths[axis] or 1
    if axis not in _SPACE:
        return 1
    # A shard that was asked for decides by itself how deep chunks may be.
    shard = dict(zip(wish.axes, wish.shard_shape or (), strict=False)).get(axis, 1)
    if axis == "z" and wish.purpose in ("images", "pyramid") and lengths[axis] == shard == 1:
        return 1
    return _CHUNK


def _default_shard(wish: LayoutWish, lengths: dict[str, int], chunk: dict[str, int]) -> tuple[int, ...]:
    depth, chunk_depth = lengths.get("z", 1), chunk.get("z", 1)
    flat = wish.purpose == "pyramid" and 0 < depth <= chunk_depth
    wide = wish.purpose == "images" or flat
    shard = []
    for axis in wish.axes:
        if axis not in _SPACE:
            shard.append(chunk[axis])
            continue
        length = _SHARD
        if wide and axis == "z":
            length = chunk_depth if flat or depth == 1 else _CHUNK
        elif wide:
            length = _WIDE
        length = max(length, chunk[axis])
        if wish.purpose != "new" and lengths[axis] > 0:
            length = _reduced(length, chunk[axis], lengths[axis])
        shard.append(length)
    return tuple(shard)


def _reduced(shard: int, chunk: int, length: int) -> int:
    """The smallest power-of-two multiple of the chunk that covers `length`, at most `shard`."""
    covering = chunk
    while covering < length and covering < shard:
        covering *= 2
    return min(covering, shard)


def check_layout(
    axes: tuple[str, ...], chunk: tuple[int, ...], shard: tuple[int, ...], *, sharded: bool
) -> None:
    """LayoutError if these shapes, over all axes, can't be those of a new array."""
    if not len(axes) == len(chunk) == len(shard):
        raise LayoutError(
            f"Chunk shape {chunk} and shard shape {shard} must have one number per axis of {axes}."
        )
    if not sharded and chunk != shard:
        raise LayoutError(
            f"Zarr v2 has no shards: shard shape {shard} must equal chunk shape {chunk}.",
            hint="Leave the shard shape out, or use the data format zarr3, which has shards.",
        )
    for axis, small, large in zip(axes, chunk, shard, strict=True):
        if small < 1 or large < 1:
            raise LayoutError(
                f"Chunk and shard lengths must be positive, but axis {axis} has {small} and {large}."
            )
        for length, what in ((small, "chunk"), (large, "shard")):
            if axis in _SPACE and length & (length - 1):
                raise LayoutError(f"The {what} length {length} of axis {axis} must be a power of two.")
        if large % small:
            raise LayoutError(
                f"Shard shape {shard} must be a multiple of chunk shape {chunk}; it is not on axis {axis}."
            )
