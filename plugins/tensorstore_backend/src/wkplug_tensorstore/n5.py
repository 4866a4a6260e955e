"""N5: `attributes.json` written for a spec, and read into a `StoredArray`.

N5 stores big endian voxels, first dimension fastest; which axis is which, it doesn't say: the properties of
the dataset do, or the number of dimensions (x, y, z; with four of them c comes first). What is written here says it
in "axes", which tensorstore and Neuroglancer read, too. There are no shards, and nothing but 0 as fill value.

Blocks are written whole, also at the array's end, so that they need no change when the array grows. Those of
others may be cut short there: what is missing of them is 0.

Follows the N5 file format, version 4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wkplug.abc import ArraySpec
from wkplug.errors import CorruptDataError, InvalidArgumentError, LayoutError, UnsupportedOperationError
from wkplug_tensorstore.stored import (
    DTYPES,
    ShardKeys,
    StoredArray,
    axis_names,
    check_chunk,
    dtype_name,
    lengths,
)

if TYPE_CHECKING:
    from wkplug.abc import Location
    from wkplug_tensorstore.objects import Objects

__all__ = ["DOCUMENT", "build", "describe", "resized"]

DOCUMENT = "attributes.json"

_COMPRESSIONS = frozenset({"raw", "gzip", "bzip2", "xz", "blosc", "zstd", "lz4"})
_OPTIONS = frozenset({"compression"})


def build(spec: ArraySpec) -> dict[str, Any]:
    """Give the content of `attributes.json`. LayoutError, InvalidArgumentError for what can't be."""
    if unknown := sorted(set(spec.options) - _OPTIONS):
        raise InvalidArgumentError(f"n5 has no option {unknown[0]!r}.", hint="There is: compression.")
    if spec.shard_shape != spec.chunk_shape:
        raise LayoutError(
            f"N5 has no shards: the shard {spec.shard_shape} must be the chunk {spec.chunk_shape}.",
            hint="Leave the shard shape out, or use the data format zarr3.",
        )
    if spec.fill_value != 0:
        raise LayoutError(f"N5 arrays are 0 where nothing was written, so {spec.fill_value!r} can't be.")
    # Of its compressions, gzip is the one that every reader has.
    usual = {"type": "gzip", "level": -1} if spec.compressed else {"type": "raw"}
    compression = spec.options.get("compression", usual)
    if not isinstance(compression, Mapping) or compression.get("type") not in _COMPRESSIONS:
        raise InvalidArgumentError(
            f"The option 'compression' is {compression!r}, but N5 has others.",
            hint=f'Give {{"type": ...}} with one of: {", ".join(sorted(_COMPRESSIONS))}.',
        )
    return {
        "dataType": spec.dtype,
        "dimensions": list(spec.shape),
        "blockSize": list(spec.chunk_shape),
        "compression": dict(compression),
        "axes": list(spec.axes),
    }


def resized(document: Mapping[str, Any], stored: StoredArray, shape: Sequence[int]) -> dict[str, Any]:
    """The content of `attributes.json` for another shape."""
    del stored
    return {**document, "dimensions": list(shape)}


def describe(document: Mapping[str, Any], file: Location, axes: Sequence[str] | None = None) -> StoredArray:
    """Check the content of `attributes.json`; errors as in `zarr3.describe`."""
    where = file.url
    shape = lengths(document.get("dimensions"), "dimensions", where)
    block = lengths(document.get("blockSize"), "blockSize", where, rank=len(shape), least=1)
    dtype = dtype_name(document.get("dataType"), where)
    check_chunk(block, block, DTYPES[dtype], where)
    compression = document.get("compression")
    if compression is None and isinstance(document.get("compressionType"), str):
        # Before version 2 it was a plain text; the engine wants the object.
        compression = {"type": document["compressionType"]}
    if not isinstance(compression, Mapping) or not isinstance(compression.get("type"), str):
        raise CorruptDataError(f"{where} is damaged: its compression is no object with a type.")
    if compression["type"] not in _COMPRESSIONS:
        raise UnsupportedOperationError(
            f"{where} uses the compression {compression['type']!r}, which tensorstore doesn't know."
        )
    spec = ArraySpec(
        axes=axis_names(axes, document.get("axes"), len(shape), where),
        shape=shape,
        dtype=dtype,
        chunk_shape=block,
        shard_shape=block,
        compressed=compression["type"] != "raw",
        options={"compression": dict(compression)},
    )
    metadata = {"dimensions": shape, "blockSize": block, "dataType": dtype, "compression": dict(compression)}
    return StoredArray(
        driver="n5",
        spec=spec,
        metadata=metadata,
        file=file,
        root=file.parent,
        keys=ShardKeys(),
        objects=_blocks,
    )


def _blocks(stored: StoredArray) -> Objects | None:
    """The blocks that are brought to the engine; None where it reads files of this machine itself."""
    from wkplug_tensorstore.n5_blocks import Blocks, Lz4Blocks

    spec, key = stored.spec, ShardKeys().key
    if stored.metadata["compression"]["type"] == "lz4":
        nbytes = math.prod(spec.shard_shape) * DTYPES[spec.dtype]
        return Lz4Blocks(spec.shard_shape, key, nbytes=nbytes)
    return None if stored.root.local_path() is not None else Blocks(spec.shard_shape, key)
