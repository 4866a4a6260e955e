"""Zarr v3: `zarr.json` written for a spec, and read into a `StoredArray`.

What is written: shape as asked, the first axis fastest (a transposition), shards only where chunk and shard
differ, zstd with its checksum or else crc32c, names of the axes. What is read: any regular grid, nested
shards, both key encodings, whatever codecs the engine has.

Follows the Zarr core specification, version 3.1, and its sharding codec 1.0.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import ArraySpec
from wkplug.errors import CorruptDataError, InvalidArgumentError, LayoutError, UnsupportedOperationError
from wkplug_tensorstore.codecs import default_codecs, named, walk_codecs
from wkplug_tensorstore.stored import DTYPES, ShardKeys, StoredArray, axis_names, dtype_name, lengths

if TYPE_CHECKING:
    from wkplug.abc import Location

__all__ = ["DOCUMENT", "build", "describe", "fill_for_json", "level_option", "resized"]

DOCUMENT = "zarr.json"

_KNOWN = (
    "zarr_format", "node_type", "shape", "data_type", "fill_value", "dimension_names", "chunk_grid",
    "chunk_key_encoding", "codecs",
)  # fmt: skip
_IGNORED = frozenset({"attributes", "consolidated_metadata", "storage_transformers"})
_INDEX_CODECS = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
_OPTIONS = frozenset({"codecs", "chunk_key_encoding", "level"})
_DEFAULT_LEVEL = 5
_MAX_LEVEL = 22


def build(spec: ArraySpec) -> dict[str, Any]:
    """Give the content of `zarr.json`. LayoutError, InvalidArgumentError for what can't be."""
    if unknown := sorted(set(spec.options) - _OPTIONS):
        raise InvalidArgumentError(
            f"zarr3 has no option {unknown[0]!r}.", hint=f"There are: {', '.join(sorted(_OPTIONS))}."
        )
    rank = len(spec.axes)
    codecs = spec.options.get("codecs")
    if codecs is None:
        codecs = default_codecs(rank, compressed=spec.compressed, level=level_option(spec))
    elif not isinstance(codecs, Sequence) or isinstance(codecs, str):
        raise InvalidArgumentError("The option 'codecs' must be a list of Zarr v3 codecs.")
    names = [named(codec, "a codec", "The option 'codecs'")[0] for codec in codecs]
    # A list that already brings its shards is complete; any other one is for the chunks inside of ours.
    if spec.shard_shape != spec.chunk_shape and "sharding_indexed" not in names:
        inside = {
            "chunk_shape": list(spec.chunk_shape),
            "codecs": list(codecs),
            "index_codecs": _INDEX_CODECS,
        }
        codecs = [{"name": "sharding_indexed", "configuration": inside}]
    keys = spec.options.get("chunk_key_encoding")
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(spec.shape),
        "data_type": spec.dtype,
        "fill_value": fill_for_json(spec),
        "dimension_names": list(spec.axes),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(spec.shard_shape)}},
        "chunk_key_encoding": keys or {"name": "default", "configuration": {"separator": "/"}},
        "codecs": list(codecs),
    }


def resized(document: Mapping[str, Any], stored: StoredArray, shape: Sequence[int]) -> dict[str, Any]:
    """The metadata for another shape."""
    del stored
    return {**document, "shape": list(shape)}


def describe(document: Mapping[str, Any], file: Location, axes: Sequence[str] | None = None) -> StoredArray:
    """Check the content of `zarr.json`.

    CorruptDataError, TooLargeError; UnsupportedOperationError and UnsupportedDtypeError for sound arrays
    that this engine can't read.
    """
    where = file.url
    _check_kind(document, where)
    shape = lengths(document.get("shape"), "shape", where)
    rank = len(shape)
    dtype = dtype_name(document.get("data_type"), where)
    name, grid = named(document.get("chunk_grid"), "chunk_grid", where)
    if name != "regular":
        raise UnsupportedOperationError(f"{where} has a {name!r} chunk grid; only regular ones can be read.")
    shard = lengths(grid.get("chunk_shape"), "chunk_shape", where, rank=rank, least=1)
    facts = walk_codecs(document.get("codecs"), shard, DTYPES[dtype], where)
    names = axis_names(axes, document.get("dimension_names"), rank, where)
    encoding = document.get("chunk_key_encoding", "default")
    spec = ArraySpec(
        axes=names,
        shape=shape,
        dtype=dtype,
        chunk_shape=facts.chunk_shape,
        shard_shape=shard,
        compressed=facts.compressed,
        options={"codecs": facts.inner, "chunk_key_encoding": encoding},
        fill_value=_fill(document.get("fill_value"), dtype, where),
    )
    metadata = {key: document[key] for key in _KNOWN if key in document}
    return StoredArray(
        driver="zarr3",
        spec=spec,
        metadata=metadata,
        file=file,
        root=file.parent,
        keys=_keys(encoding, where),
    )


def level_option(spec: ArraySpec) -> int:
    """Check the option "level": that of zstd."""
    level = spec.options.get("level", _DEFAULT_LEVEL)
    if isinstance(level, bool) or not isinstance(level, int) or not -_MAX_LEVEL <= level <= _MAX_LEVEL:
        raise InvalidArgumentError(
            f"The option 'level' is {level!r}, but zstd has the levels {-_MAX_LEVEL} to {_MAX_LEVEL}."
        )
    return level


def fill_for_json(spec: ArraySpec) -> int | float | str:
    """Write a fill value as Zarr does: numbers, or names where JSON has none."""
    value = spec.fill_value
    if spec.dtype.startswith("float"):
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return float(value)
    limits = np.iinfo(spec.dtype)
    if not math.isfinite(value) or value != int(value) or not limits.min <= value <= limits.max:
        raise LayoutError(f"{value!r} can't be the fill value of {spec.dtype} voxels.")
    return int(value)


def _check_kind(document: Mapping[str, Any], where: str) -> None:
    if document.get("zarr_format") != 3:
        raise CorruptDataError(f"{where} is damaged: it doesn't say that it is Zarr v3.")
    if document.get("node_type") != "array":
        raise CorruptDataError(
            f"{where} is no array but {document.get('node_type')!r}.",
            hint="Name the folder of one of the arrays inside of the group.",
        )
    if document.get("storage_transformers"):
        raise UnsupportedOperationError(f"{where} uses storage transformers, which tensorstore doesn't know.")
    for key, value in document.items():
        if key in _KNOWN or key in _IGNORED:
            continue
        if not (isinstance(value, Mapping) and value.get("must_understand") is False):
            raise UnsupportedOperationError(
                f"{where} has the key {key!r}, which may change its meaning and isn't known here."
            )


def _keys(encoding: object, where: str) -> ShardKeys:
    name, configuration = named(encoding, "chunk_key_encoding", where)
    if name not in ("default", "v2"):
        raise UnsupportedOperationError(f"{where} uses the chunk key encoding {name!r}.")
    separator = configuration.get("separator", "/" if name == "default" else ".")
    if separator not in ("/", "."):
        raise CorruptDataError(f"{where} is damaged: its chunk key separator is {separator!r}.")
    return ShardKeys(prefix=f"c{separator}" if name == "default" else "", separator=separator)


def _fill(value: object, dtype: str, where: str) -> float:
    if isinstance(value, bool):
        value = None
    if dtype.startswith("float"):
        if isinstance(value, str):
            special = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(value)
            if special is not None:
                return special
            size = DTYPES[dtype]
            if value.startswith("0x") and len(value) == 2 + 2 * size:
                try:
                    raw = bytes.fromhex(value[2:])
                except ValueError:
                    raw = b""
                if raw:
                    number: float = struct.unpack(">f" if size == 4 else ">d", raw)[0]
                    return number
        if isinstance(value, (int, float)):
            return float(value)
    elif isinstance(value, int):
        limits = np.iinfo(dtype)
        if limits.min <= value <= limits.max:
            return value
    raise CorruptDataError(f"{where} is damaged: {value!r} is no fill value of {dtype} voxels.")
