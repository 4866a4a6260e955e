"""Chunk and shard shapes: the defaults of WKW, and what the format can't hold.

Chunks (the format's blocks) and shards (its files) are cubes whose edges are powers of two; a shard's edge is
1 to 32768 chunks, a chunk's 1 to 32768 voxels. Pure arithmetic.
"""

from __future__ import annotations

from wkplug.abc import ArraySpec, Layout, LayoutWish
from wkplug.errors import InvalidArgumentError, LayoutError, UnsupportedDtypeError
from wkplug_wkw.header import BLOCK_TYPES, MAX_VOXEL_BYTES, VOXEL_TYPES, Header

__all__ = ["AXES", "complete", "header_for"]

AXES = ("c", "x", "y", "z")
_CHUNK = 32
_CHUNKS_PER_SHARD = 32
_MOST_LOG2 = 15
_MAX_LEVEL = 12
_ITEMSIZE = {"8": 1, "16": 2, "32": 4, "64": 8}


def complete(wish: LayoutWish) -> Layout:
    """Keep what the wish fixes and choose the rest: chunks of 32^3, shards of 32^3 chunks.

    For images and pyramids the shard is the smallest cube that covers the extent, 32^3 chunks at most.
    """
    if wish.axes != AXES:
        raise LayoutError(axes_text(wish.axes), hint="Use another data format, such as zarr3.")
    channels = max(1, wish.shape[0])
    chunk = _CHUNK if wish.chunk_shape is None else _edge(wish.chunk_shape, channels, "chunk")
    if wish.shard_shape is not None:
        shard = _edge(wish.shard_shape, channels, "shard")
    else:
        shard = chunk * _CHUNKS_PER_SHARD
        extent = max(wish.shape[1:])
        if wish.purpose != "new" and extent > 0:
            shard = min(shard, max(chunk, 1 << (extent - 1).bit_length()))
    _ratio(chunk, shard)
    return Layout(chunk_shape=(channels, chunk, chunk, chunk), shard_shape=(channels, shard, shard, shard))


def axes_text(axes: tuple[str, ...]) -> str:
    """Say that these are not the axes of WKW."""
    return f"WKW arrays have exactly the axes c, x, y, z, and not {', '.join(axes)}."


def header_for(spec: ArraySpec) -> Header:
    """Make the header of a new array, or raise what is wrong with its spec."""
    if spec.axes != AXES:
        raise LayoutError(axes_text(spec.axes), hint="Use another data format, such as zarr3.")
    if len(spec.shape) != len(AXES):
        raise LayoutError(
            f"The shape {spec.shape} must have {len(AXES)} numbers, one for each of c, x, y, z."
        )
    if spec.dtype not in VOXEL_TYPES:
        raise UnsupportedDtypeError(
            f"WKW can't hold {spec.dtype}, only {', '.join(VOXEL_TYPES)}.",
            hint="Convert the data, or use another data format, such as zarr3.",
        )
    channels = spec.num_channels
    itemsize = _ITEMSIZE[spec.dtype.lstrip("uintfloa")]
    if channels * itemsize > MAX_VOXEL_BYTES:
        raise UnsupportedDtypeError(
            f"{channels} channels of {spec.dtype} take {channels * itemsize} bytes per voxel, and WKW holds "
            f"at most {MAX_VOXEL_BYTES}.",
            hint=f"Use at most {MAX_VOXEL_BYTES // itemsize} channels, several layers, or another format.",
        )
    if spec.fill_value != 0:
        raise InvalidArgumentError(
            f"WKW has no fill value but 0, and {spec.fill_value} was asked for.",
            hint="Use another data format, such as zarr3.",
        )
    chunk = _edge(spec.chunk_shape, channels, "chunk")
    shard = _edge(spec.shard_shape, channels, "shard")
    header = Header(
        block_log2=chunk.bit_length() - 1,
        shard_log2=_ratio(chunk, shard).bit_length() - 1,
        block_type=_block_type(spec),
        dtype=spec.dtype,
        channels=channels,
    )
    reason = header.too_large()
    if reason is not None:
        raise LayoutError(f"This layout can't be: {reason}.", hint="Use smaller chunks or shards.")
    return header


def _block_type(spec: ArraySpec) -> str:
    """Read the options: {"block_type": "raw" | "lz4" | "lz4hc", "level": 1 to 12}."""
    options = dict(spec.options)
    name = options.pop("block_type", "lz4hc" if spec.compressed else "raw")
    level = options.pop("level", None)
    if options:
        raise InvalidArgumentError(
            f"WKW knows no option {', '.join(sorted(map(repr, options)))}.",
            hint="It knows 'block_type' and, for lz4hc, 'level'.",
        )
    if name not in BLOCK_TYPES:
        raise InvalidArgumentError(f"{name!r} is no block type of WKW: {', '.join(BLOCK_TYPES)}.")
    if level is not None:
        if name != "lz4hc":
            raise InvalidArgumentError(f"Only lz4hc has levels, and not {name}.")
        if not isinstance(level, int) or isinstance(level, bool) or not 1 <= level <= _MAX_LEVEL:
            raise InvalidArgumentError(f"{level!r} is no level of lz4hc: 1 to {_MAX_LEVEL}, 9 by default.")
    return str(name)


def _edge(shape: tuple[int, ...], channels: int, what: str) -> int:
    """Check that a chunk or shard is a cube with an edge of a power of two, all channels; give the edge."""
    if len(shape) != len(AXES):
        raise LayoutError(
            f"The {what} shape {shape} must have {len(AXES)} numbers, one for each of c, x, y, z."
        )
    if shape[0] not in (1, channels):
        raise LayoutError(f"The {what} shape {shape} must hold all {channels} channel(s).")
    edge = shape[1]
    if any(length < 1 or length & (length - 1) for length in shape[1:]):
        raise LayoutError(f"Every edge of the {what} shape {shape[1:]} must be a power of two.")
    if len(set(shape[1:])) > 1:
        raise LayoutError(
            f"The {what} shape {shape[1:]} must be a cube: WKW has one length for all edges.",
            hint="Use the same length in x, y and z, or another data format, such as zarr3.",
        )
    if what == "chunk" and edge > 1 << _MOST_LOG2:
        raise LayoutError(f"A chunk edge of {edge} is too long: WKW holds 1 to {1 << _MOST_LOG2} voxels.")
    return edge


def _ratio(chunk: int, shard: int) -> int:
    if shard % chunk:
        raise LayoutError(
            f"The shard shape {(shard,) * 3} must be a multiple of the chunk shape {(chunk,) * 3}.",
            hint="Make the shard larger or the chunk smaller.",
        )
    if shard // chunk > 1 << _MOST_LOG2:
        raise LayoutError(
            f"A shard edge of {shard} is too long: WKW holds 1 to {1 << _MOST_LOG2} chunks of {chunk} voxels."
        )
    return shard // chunk
