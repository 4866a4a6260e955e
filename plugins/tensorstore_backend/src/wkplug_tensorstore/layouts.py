"""Default chunk and shard shapes of the formats here.

Chunks are 32 (64 in formats of which each chunk is a file by default) along x, y and z, whole along c, 1 along all
others. Shards of zarr3 are 1024 along x, y and z;
where the extent is known (images, pyramids) they are no larger than needed, because the size of a shard is
what its index costs; wide and flat for images and for flat pyramids. zarr and n5 have no shards.
"""

from __future__ import annotations

from wkplug.abc import Layout, LayoutWish
from wkplug.errors import LayoutError

__all__ = ["default_layout"]

_SPATIAL = ("x", "y", "z")
_LEAST = 32
_SHARD = 1024
_FLAT_SHARD = 4096


def default_layout(wish: LayoutWish, *, sharded: bool, edge: int, name: str) -> Layout:
    """Complete a layout of the format of that name; LayoutError for one that can't be.

    edge: voxels of a chunk along x, y and z; no more than a small shard has that was asked for.
    """
    if wish.shard_shape is not None:
        _check(wish, "shard", wish.shard_shape)
    chunk = _chunk(wish, edge)
    _check(wish, "chunk", chunk)
    if wish.shard_shape is not None:
        shard = wish.shard_shape
    else:
        shard = _shard(wish, chunk) if sharded else chunk
    for axis, small, large in zip(wish.axes, chunk, shard, strict=True):
        if large % small:
            raise LayoutError(
                f"The shard shape {shard} must be a multiple of the chunk shape {chunk}, "
                f"but along {axis} it isn't."
            )
    if not sharded and shard != chunk:
        raise LayoutError(
            f"{name} has no shards: the shard shape {shard} must be the chunk shape {chunk}.",
            hint="Leave the shard shape out, or use the data format zarr3.",
        )
    return Layout(chunk_shape=chunk, shard_shape=shard)


def _chunk(wish: LayoutWish, edge: int) -> tuple[int, ...]:
    if wish.chunk_shape is not None:
        return wish.chunk_shape
    lengths: list[int] = []
    for axis, length in zip(wish.axes, wish.shape, strict=True):
        if axis in _SPATIAL:
            # A shard that was asked for decides by itself how deep chunks may be.
            shard = 1 if wish.shard_shape is None else wish.shard_shape[len(lengths)]
            section = axis == "z" and length == shard == 1 and wish.purpose in ("images", "pyramid")
            most = edge if wish.shard_shape is None else min(edge, max(shard, _LEAST))
            lengths.append(1 if section else most)
        else:
            lengths.append(max(length, 1) if axis == "c" else 1)
    return tuple(lengths)


def _shard(wish: LayoutWish, chunk: tuple[int, ...]) -> tuple[int, ...]:
    depth = wish.axes.index("z") if "z" in wish.axes else None
    flat = depth is not None and 0 < wish.shape[depth] <= chunk[depth]
    lengths = []
    for axis, length, small in zip(wish.axes, wish.shape, chunk, strict=True):
        if axis not in _SPATIAL:
            lengths.append(small)
        elif wish.purpose == "images" or (wish.purpose == "pyramid" and flat):
            largest = small if axis == "z" else _FLAT_SHARD
            lengths.append(_covering(small, length, largest))
        elif wish.purpose == "pyramid":
            lengths.append(_covering(small, length, max(_SHARD, small)))
        else:
            lengths.append(max(_SHARD, small))
    return tuple(lengths)


def _covering(chunk: int, length: int, largest: int) -> int:
    """The smallest chunk times a power of two that covers `length` (0: unknown), at most `largest`."""
    shard = chunk
    while shard < largest and (length == 0 or shard < length):
        shard *= 2
    return shard


def _check(wish: LayoutWish, what: str, shape: tuple[int, ...]) -> None:
    if len(shape) != len(wish.axes):
        raise LayoutError(f"The {what} shape {shape} has not one number per axis ({', '.join(wish.axes)}).")
    for axis, length in zip(wish.axes, shape, strict=True):
        if length < 1:
            raise LayoutError(f"The {what} shape {shape} must be positive.")
        if axis in _SPATIAL and length & (length - 1):
            raise LayoutError(f"The {what} shape {shape} must be a power of two along {axis}, not {length}.")
