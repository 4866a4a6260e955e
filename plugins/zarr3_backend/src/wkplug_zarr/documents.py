"""The metadata documents of new arrays: an `ArraySpec` becomes zarr.json or .zarray.

What is written is what WEBKNOSSOS reads best: the first axis fastest, "/" in chunk keys, zstd at level 5, and
in v3 a checksum over every chunk, by zstd itself or else by crc32c.

Options that a spec may carry, all JSON values; None means the default:

* both: `level` of zstd;
* v3: `codecs` of the chunks (or one sharding_indexed codec, then taken as it is), `chunk_key_encoding`;
* v2: `compressor`, `filters`, `order` ("F" or "C"), `dimension_separator` ("/" or ".").
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from wkplug.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.abc import ArraySpec

__all__ = [
    "DTYPES",
    "OPTIONS",
    "SHARDING",
    "default_codecs",
    "encode",
    "v2_document",
    "v3_document",
]

SHARDING = "sharding_indexed"
OPTIONS: Mapping[int, frozenset[str]] = {
    2: frozenset({"compressor", "filters", "order", "dimension_separator", "level"}),
    3: frozenset({"codecs", "chunk_key_encoding", "level"}),
}
DTYPES: Mapping[str, str] = {
    "uint8": "|u1", "uint16": "<u2", "uint32": "<u4", "uint64": "<u8",
    "int8": "|i1", "int16": "<i2", "int32": "<i4", "int64": "<i8",
    "float32": "<f4", "float64": "<f8",
}  # fmt: skip
"""numpy's names, and what Zarr v2 calls them."""

_LEVEL = 5
_LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
_INDEX_CODECS = [_LITTLE, {"name": "crc32c"}]
_KEYS = {"name": "default", "configuration": {"separator": "/"}}


def encode(document: Mapping[str, Any]) -> bytes:
    """Write a metadata document as this package does: indented, UTF-8, key order kept."""
    return json.dumps(document, indent=4, ensure_ascii=False).encode()


def default_codecs(rank: int, *, compressed: bool, level: int | None = None) -> list[dict[str, Any]]:
    """The codecs of one v3 chunk. Without zstd's own checksum, crc32c makes damage visible."""
    last: dict[str, Any] = {"name": "crc32c"}
    if compressed:
        strength = _LEVEL if level is None else level
        last = {"name": "zstd", "configuration": {"level": strength, "checksum": True}}
    return [
        {"name": "transpose", "configuration": {"order": list(range(rank))[::-1]}},
        _LITTLE,
        last,
    ]


def v3_document(spec: ArraySpec) -> dict[str, Any]:
    """Describe a new array of that spec as zarr.json."""
    options = _options(spec, 3)
    chunk_codecs = options.get("codecs") or default_codecs(
        len(spec.axes), compressed=spec.compressed, level=options.get("level")
    )
    codecs = chunk_codecs
    if spec.chunk_shape != spec.shard_shape and chunk_codecs[0].get("name") != SHARDING:
        sharding = {
            "chunk_shape": list(spec.chunk_shape),
            "codecs": chunk_codecs,
            "index_codecs": _INDEX_CODECS,
            "index_location": "end",
        }
        codecs = [{"name": SHARDING, "configuration": sharding}]
    grid = {"chunk_shape": list(spec.shard_shape)}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(spec.shape),
        "data_type": spec.dtype,
        "chunk_grid": {"name": "regular", "configuration": grid},
        "chunk_key_encoding": options.get("chunk_key_encoding") or _KEYS,
        "fill_value": _fill_value(spec),
        "codecs": codecs,
        "attributes": {},
        "dimension_names": list(spec.axes),
    }


def v2_document(spec: ArraySpec) -> dict[str, Any]:
    """Describe a new array of that spec as .zarray."""
    options = _options(spec, 2)
    if "compressor" in options:
        compressor = options["compressor"]
    else:
        # Without a checksum, which zstd could have: other readers don't know that option.
        compressor = {"id": "zstd", "level": options.get("level", _LEVEL)} if spec.compressed else None
    return {
        "zarr_format": 2,
        "shape": list(spec.shape),
        "chunks": list(spec.chunk_shape),
        "dtype": DTYPES[spec.dtype],
        "compressor": compressor,
        "fill_value": _fill_value(spec),
        "order": options.get("order") or "F",
        "filters": options.get("filters"),
        "dimension_separator": options.get("dimension_separator") or "/",
    }


def _options(spec: ArraySpec, zarr_format: int) -> dict[str, Any]:
    # "compressor": None is an answer of its own; that it is given at all is what counts.
    options = {key: value for key, value in spec.options.items() if value is not None or key == "compressor"}
    known = sorted(OPTIONS[zarr_format])
    for key in options:
        if key not in known:
            raise InvalidArgumentError(
                f"Zarr v{zarr_format} arrays have no option {key!r}.", hint=f"Known: {', '.join(known)}."
            )
    level = options.get("level")
    if level is not None and (isinstance(level, bool) or not isinstance(level, int) or not -7 <= level <= 22):
        raise InvalidArgumentError(f"The zstd level {level!r} is not a whole number from -7 to 22.")
    codecs = options.get("codecs")
    if codecs is not None:
        _check_codecs(codecs)
        if spec.chunk_shape != spec.shard_shape and codecs[0]["name"] == SHARDING:
            inner = codecs[0].get("configuration", {}).get("chunk_shape")
            if inner is None or tuple(inner) != spec.chunk_shape:
                raise InvalidArgumentError(
                    f"The sharding codec's chunk shape {inner} is not the spec's {spec.chunk_shape}."
                )
    return options


def _check_codecs(codecs: Any) -> None:
    if (
        not isinstance(codecs, (list, tuple))
        or not codecs
        or not all(isinstance(codec, dict) and isinstance(codec.get("name"), str) for codec in codecs)
    ):
        raise InvalidArgumentError(
            f"codecs must be a list of objects with a name, as in zarr.json, not {codecs!r}."
        )


def _fill_value(spec: ArraySpec) -> Any:
    if not spec.dtype.startswith("float"):
        if int(spec.fill_value) != spec.fill_value:
            raise InvalidArgumentError(f"The fill value {spec.fill_value} is not a whole number.")
        return int(spec.fill_value)
    value = float(spec.fill_value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
