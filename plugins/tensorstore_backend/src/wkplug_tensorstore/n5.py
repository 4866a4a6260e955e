"""N5: `attributes.json` read into a `StoredArray`. Nothing is ever written.

N5 stores big endian voxels, first dimension fastest; which axis is which, it doesn't say: the properties of
the dataset do, or the number of dimensions (x, y, z; with four of them c comes first).

Follows the N5 file format, version 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wkplug.abc import ArraySpec
from wkplug.errors import CorruptDataError, UnsupportedOperationError
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

__all__ = ["DOCUMENT", "describe"]

DOCUMENT = "attributes.json"

_COMPRESSIONS = frozenset({"raw", "gzip", "bzip2", "xz", "blosc", "zstd"})


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
        driver="n5", spec=spec, metadata=metadata, file=file, root=file.parent, keys=ShardKeys()
    )
