"""Neuroglancer precomputed volumes: one scale of an `info` file becomes a `StoredArray`. Read only.

A mag's path is that of its scale, `<layer>/<key>`; the `info` file lies in the layer's folder, one level up,
or more where keys hold slashes. Stored are x, y, z and then the channels; here the channels come first. A
scale that starts at a voxel offset keeps it: what lies before is fill value, so that voxel 0 is where it is
for everything else in the dataset.

Follows the description of the precomputed format in Neuroglancer's repository.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from wkplug.abc import ArraySpec
from wkplug.errors import CorruptDataError, MissingError, UnsupportedOperationError
from wkplug_tensorstore.stored import (
    DTYPES,
    USUAL_AXES,
    StoredArray,
    check_chunk,
    dtype_name,
    lengths,
    read_document,
)

if TYPE_CHECKING:
    from wkplug.abc import Location

__all__ = ["DOCUMENT", "describe", "find", "scale_of"]

DOCUMENT = "info"

_TYPE = "neuroglancer_multiscale_volume"
_ENCODINGS = frozenset({"raw", "png", "jpeg", "compressed_segmentation"})
_LEVELS = 4
_SHARD_KEY = re.compile(r"[0-9a-f]+\.(?:shard|index|data)")
_SCALE = ("key", "size", "resolution", "voxel_offset", "encoding", "sharding")
_ONE_ENCODING = {
    "compressed_segmentation": "compressed_segmentation_block_size",
    "jpeg": "jpeg_quality",
    "png": "png_level",
}
"""Members that belong to one encoding; the engine refuses them with any other."""


def find(location: Location, *, levels: int = _LEVELS) -> tuple[Location, str, dict[str, Any]]:
    """Find the info file above a scale: its place, the scale's key, its content; else MissingError."""
    parts = [location.name]
    folder = location.parent
    for _ in range(levels):
        file = folder.child(DOCUMENT)
        try:
            return file, "/".join(reversed(parts)), read_document(file)
        except MissingError:
            if folder.parent == folder:
                break
            parts.append(folder.name)
            folder = folder.parent
    raise MissingError(
        f"{location.url} is no scale of a precomputed volume: there is no info file above it.",
        hint="Name the folder of one scale, <layer>/<key>.",
    )


def scale_of(document: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any] | None:
    """Find a scale by its key, None if there is no such scale."""
    scales = document.get("scales")
    if not isinstance(scales, list):
        raise CorruptDataError(f"{where} is damaged: its scales are no list.")
    for scale in scales:
        if isinstance(scale, Mapping) and isinstance(scale.get("key"), str) and _clean(scale["key"]) == key:
            return scale
    return None


def describe(document: Mapping[str, Any], file: Location, key: str, *, moved: bool = False) -> StoredArray:
    """Check one scale; errors as in `zarr3.describe`, and MissingError if there is no such scale.

    The axes are c, x, y, z, whatever a dataset records: the format has no other order.
    moved: a scale that begins before voxel 0 is moved to begin there, instead of being refused.
    """
    where = file.url
    if document.get("@type", _TYPE) != _TYPE:
        raise CorruptDataError(f"{where} is no volume but {document.get('@type')!r}.")
    scale = scale_of(document, key, where)
    if scale is None:
        raise MissingError(f"{where} has no scale {key!r}.")
    (channels,) = lengths([document.get("num_channels")], "num_channels", where, least=1)
    dtype = dtype_name(document.get("data_type"), where)
    size = lengths(scale.get("size"), f"the size of scale {key!r}", where, rank=3)
    chunk = _chunk(scale, where)
    check_chunk((channels, *chunk), (channels, *chunk), DTYPES[dtype], where)
    offset = _offset(scale, where, moved=moved)
    corner = tuple(map(max, offset, (0, 0, 0)))
    encoding = scale.get("encoding")
    if not isinstance(encoding, str):
        raise CorruptDataError(f"{where} is damaged: a scale has no encoding.")
    if encoding not in _ENCODINGS:
        raise UnsupportedOperationError(
            f"{where} uses the encoding {encoding!r}, which tensorstore doesn't know."
        )
    from wkplug_tensorstore import packed  # late: Zarr and N5 come by here, and its classes take 2 ms

    spec = ArraySpec(
        axes=USUAL_AXES[4],
        shape=(channels, *(first + length for first, length in zip(corner, size, strict=True))),
        dtype=dtype,
        chunk_shape=(channels, *chunk),
        shard_shape=(channels, *chunk),
        compressed=encoding != "raw",
        options={"encoding": encoding, "sharding": scale.get("sharding"), "voxel_offset": list(offset)},
    )
    voxel_bytes = channels * DTYPES[dtype] if encoding == "raw" else 0
    grid = packed.ChunkGrid(offset, size, chunk, voxel_bytes)
    metadata = {name: scale[name] for name in _SCALE if name in scale}
    member = _ONE_ENCODING.get(encoding, "")
    if member in scale:
        metadata[member] = scale[member]
    metadata["chunk_size"] = list(chunk)
    multiscale = {name: document[name] for name in ("type", "data_type", "num_channels") if name in document}
    return StoredArray(
        driver="neuroglancer_precomputed",
        spec=spec,
        metadata={},
        extra={"scale_metadata": metadata, "multiscale_metadata": multiscale},
        file=file,
        root=file.parent,
        transpose=(3, 0, 1, 2),
        origin=(0, *corner),
        shift=(0, *(a - b for a, b in zip(corner, offset, strict=True))) if corner != offset else None,
        # The keys of sharded scales are hashes, which don't tell what is in them.
        boxes=None
        if scale.get("sharding")
        else partial(packed.boxes_of, channels, tuple(a - b for a, b in zip(corner, offset, strict=True))),
        is_key=_is_shard_key if scale.get("sharding") else grid.is_key,
        packed=None if scale.get("sharding") else packed.packed_chunks(grid, file.parent, key),
    )


def _is_shard_key(key: str) -> bool:
    return _SHARD_KEY.fullmatch(key) is not None


def _chunk(scale: Mapping[str, Any], where: str) -> tuple[int, ...]:
    sizes = scale.get("chunk_sizes")
    if not isinstance(sizes, list) or not sizes:
        raise CorruptDataError(f"{where} is damaged: a scale has no chunk_sizes.")
    return lengths(sizes[0], "chunk_sizes", where, rank=3, least=1)


def _offset(scale: Mapping[str, Any], where: str, *, moved: bool) -> tuple[int, ...]:
    value = scale.get("voxel_offset", [0, 0, 0])
    if isinstance(value, list) and any(isinstance(number, int) and number < 0 for number in value):
        if moved:
            lengths([abs(n) if isinstance(n, int) else n for n in value], "voxel_offset", where, rank=3)
            return tuple(value)
        raise UnsupportedOperationError(
            f"{where} starts at the voxel {value}; places before voxel 0 can't be addressed here.",
            hint="An import moves it to begin at 0: wkplug convert, or Dataset.from_images.",
        )
    return lengths(value, "voxel_offset", where, rank=3)


def _clean(key: str) -> str:
    return "/".join(part for part in key.split("/") if part not in ("", "."))
