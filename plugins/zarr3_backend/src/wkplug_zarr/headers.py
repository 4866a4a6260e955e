"""Reading zarr.json and .zarray: every claim is checked here, before zarr-python sees it or memory is taken.

A `Header` holds what this package needs to know of an array, and the document for the engine. Damage (no
JSON, wrong types, shapes that can't be) is CorruptDataError and names file and key; what is sound but beyond
this package (dtypes, chunk grids) is told apart; sizes beyond reason are TooLargeError.
"""

from __future__ import annotations

import json
import re
import struct
from math import prod
from typing import Any, NoReturn

import attrs

from wkplug.abc import ArraySpec, Location
from wkplug.errors import (
    ArrayException,
    CorruptDataError,
    MissingError,
    TooLargeError,
    UnsupportedDtypeError,
    UnsupportedOperationError,
)
from wkplug_zarr.bounds import ChunkBound
from wkplug_zarr.documents import DTYPES, SHARDING
from wkplug_zarr.keys import KeyEncoding
from wkplug_zarr.shards import MAX_CHUNKS_PER_SHARD, ShardIndex

__all__ = [
    "ATTRIBUTES",
    "MAX_CHUNK_BYTES",
    "MAX_DOCUMENT_BYTES",
    "METADATA_FILES",
    "NAMES",
    "USUAL_AXES",
    "WIDENED",
    "Header",
    "check_document",
    "read_document",
    "read_header",
    "read_named_header",
    "unusual_dtype",
    "unusual_header",
]

_ITEM_BYTES = {**{name: int(code[2:]) for name, code in DTYPES.items()}, "bool": 1, "float16": 2}
_LARGEST_ITEM = 16

METADATA_FILES = {2: ".zarray", 3: "zarr.json"}
ATTRIBUTES = ".zattrs"
NAMES = "_ARRAY_DIMENSIONS"
"""Where Zarr v2 arrays keep the names of their axes, if at all: xarray's convention."""
MAX_CHUNK_BYTES = 2**31
MAX_DOCUMENT_BYTES = 2**26

USUAL_AXES = {2: ("x", "y"), 3: ("x", "y", "z"), 4: ("c", "x", "y", "z"), 5: ("t", "c", "x", "y", "z")}
_FLOATS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_HEX = re.compile("0x[0-9a-fA-F]+")
_COMPRESSORS = frozenset({"zstd", "gzip", "blosc"})


@attrs.frozen(kw_only=True)
class Header:
    """What an array's metadata say. Shapes are over all axes, in storage order.

    document: for the engine; as read, but for slips of other writers that it would stumble over.
    dimension_names: as stored, in small letters, None where they are not all there or not all different.
    codec_names: of all codecs, compressors and filters.
    """

    zarr_format: int
    document: dict[str, Any]
    shape: tuple[int, ...]
    dtype: str
    chunk_shape: tuple[int, ...]
    shard_shape: tuple[int, ...]
    fill_value: Any
    compressed: bool
    options: dict[str, Any]
    keys: KeyEncoding
    index: ShardIndex | None = None
    dimension_names: tuple[str, ...] | None = None
    codec_names: frozenset[str] = frozenset()

    @property
    def bound(self) -> ChunkBound:
        """How large a chunk may become when it is decoded; no limit for shards whose index can't be read here."""
        if self.index is None and self.shard_shape != self.chunk_shape:
            return ChunkBound(MAX_CHUNK_BYTES**2)
        # Some types are read although none is created with them, such as bool and float16.
        nbytes = prod(self.chunk_shape) * _ITEM_BYTES.get(self.dtype, _LARGEST_ITEM)
        return ChunkBound.of(self.document, self.zarr_format, nbytes)

    def spec(self, axes: tuple[str, ...] | None, url: str) -> ArraySpec:
        """Name the axes: as given, as stored, or by rank; ArrayException where none of them will do."""
        return ArraySpec(
            axes=self._axes(axes, url),
            shape=self.shape,
            dtype=self.dtype,
            chunk_shape=self.chunk_shape,
            shard_shape=self.shard_shape,
            compressed=self.compressed,
            options=self.options,
            fill_value=self.fill_value,
        )

    def _axes(self, axes: tuple[str, ...] | None, url: str) -> tuple[str, ...]:
        rank = len(self.shape)
        found = axes if axes is not None and len(axes) == rank else None
        if found is None:
            found = self.dimension_names or USUAL_AXES.get(rank)
        if found is None or len(set(found)) != rank or not {"x", "y"} <= set(found):
            stored = "none" if self.dimension_names is None else ", ".join(self.dimension_names)
            raise ArrayException(
                f"The {rank} axes of the array at {url} are not known (dimension names in it: {stored}); "
                "x and y must be among them.",
                hint='Name them: axes=("c", "x", "y", "z"), say, in storage order.',
            )
        return found


class _Fields:
    """Takes checked values from a metadata document; knows the file's name for the errors."""

    def __init__(self, document: dict[str, Any], url: str) -> None:
        self.document = document
        self.url = url

    def damaged(self, key: str, why: str) -> NoReturn:
        raise CorruptDataError(f"{self.url} is damaged: {key} {why}.")

    def unsupported(self, what: str) -> NoReturn:
        raise UnsupportedOperationError(f"{self.url} has {what}, which this release can't read.")

    def ints(self, value: Any, key: str, *, least: int, rank: int | None = None) -> tuple[int, ...]:
        """A list of whole numbers, each at least `least`."""
        if not isinstance(value, list) or not value:
            self.damaged(key, f"is {value!r}, not a list of whole numbers")
        for number in value:
            if isinstance(number, bool) or not isinstance(number, int) or not least <= number < 2**63:
                self.damaged(key, f"has {number!r}, not a whole number of at least {least}")
        if rank is not None and len(value) != rank:
            self.damaged(key, f"has {len(value)} numbers for {rank} axes")
        return tuple(value)

    def named(self, value: Any, key: str) -> tuple[str, dict[str, Any]]:
        """An object with a name and perhaps a configuration; newer documents may give the name alone."""
        if isinstance(value, str):
            return value, {}
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            self.damaged(key, f"is {value!r}, not an object with a name")
        configuration = value.get("configuration", {})
        if not isinstance(configuration, dict):
            self.damaged(key, f"has the configuration {configuration!r}, not an object")
        return value["name"], configuration


def read_document(place: Location) -> dict[str, Any]:
    """Read a file of metadata: MissingError if there is none, CorruptDataError if it is no JSON object."""
    data = place.read(0, MAX_DOCUMENT_BYTES + 1)
    if len(data) > MAX_DOCUMENT_BYTES:
        raise TooLargeError(f"{place.url} has more than {MAX_DOCUMENT_BYTES >> 20} MiB of metadata.")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptDataError(f"{place.url} is damaged: it is no JSON ({error}).") from error
    if not isinstance(document, dict):
        raise CorruptDataError(f"{place.url} is damaged: it holds no JSON object.")
    return document


def read_header(location: Location, zarr_format: int) -> Header:
    """Read and check the metadata of the array at `location`; MissingError if it is a group."""
    document = read_document(location.child(METADATA_FILES[zarr_format]))
    if zarr_format == 3 and document.get("node_type") == "group":
        raise MissingError(
            f"There is no array at {location.url}: zarr.json describes a group.",
            hint="Give the path of one of the arrays in it.",
        )
    return check_document(document, location.child(METADATA_FILES[zarr_format]).url, zarr_format)


def read_named_header(location: Location, zarr_format: int, axes: tuple[str, ...] | None) -> Header:
    """Read the metadata, and the names of axes that lie beside them if `axes` don't give all names."""
    header = read_header(location, zarr_format)
    rank = len(header.shape)
    if zarr_format == 3 or (axes is not None and len(axes) == rank):
        return header
    try:
        names = read_document(location.child(ATTRIBUTES)).get(NAMES)
    except MissingError:
        return header
    found = _clean_names(names if isinstance(names, list) else [], rank)
    # Names without x and y are those of another field; then the number of axes says more.
    return attrs.evolve(header, dimension_names=found) if {"x", "y"} <= set(found or ()) else header


def check_document(document: dict[str, Any], url: str, zarr_format: int) -> Header:
    """Check the metadata of an array; `url` is that of the file, for the errors."""
    fields = _Fields(document, url)
    # The string "2" is a slip of older writers.
    if document.get("zarr_format") not in (zarr_format, str(zarr_format)):
        fields.damaged("zarr_format", f"is {document.get('zarr_format')!r}, not {zarr_format}")
    document["zarr_format"] = zarr_format
    header = _v3_header(fields) if zarr_format == 3 else _v2_header(fields)
    _check_sizes(header, fields)
    return header


def _v3_header(fields: _Fields) -> Header:
    document = fields.document
    if document.get("node_type") != "array":
        fields.damaged("node_type", f"is {document.get('node_type')!r}, not array")
    shape = fields.ints(document.get("shape"), "shape", least=0)
    rank = len(shape)
    dtype = document.get("data_type")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        _refuse_dtype(fields, dtype)
    grid, configuration = fields.named(document.get("chunk_grid"), "chunk_grid")
    if grid != "regular":
        fields.unsupported(f"the chunk grid {grid!r}")
    shard = fields.ints(configuration.get("chunk_shape"), "chunk_grid", least=1, rank=rank)
    if document.get("storage_transformers"):
        fields.unsupported("storage transformers")
    codecs = document.get("codecs")
    if not isinstance(codecs, list) or not codecs:
        fields.damaged("codecs", f"is {codecs!r}, not a list of codecs")
    named = [fields.named(codec, "codecs") for codec in codecs]
    chunk, inner, index = shard, codecs, None
    if len(named) == 1 and named[0][0] == SHARDING:
        sharding = named[0][1]
        chunk = fields.ints(sharding.get("chunk_shape"), "codecs[0].chunk_shape", least=1, rank=rank)
        if any(large % small for large, small in zip(shard, chunk, strict=True)):
            fields.damaged("codecs[0].chunk_shape", f"{chunk} does not divide the shard shape {shard}")
        inner = sharding.get("codecs", [])
        if not isinstance(inner, list) or not inner:
            fields.damaged("codecs[0].codecs", f"is {inner!r}, not a list of codecs")
        named = [fields.named(codec, "codecs[0].codecs") for codec in inner]
        steps = tuple(large // small for large, small in zip(shard, chunk, strict=True))
        if prod(steps) <= MAX_CHUNKS_PER_SHARD:
            index = ShardIndex.of(steps, sharding)
        else:
            raise TooLargeError(f"{fields.url} claims {prod(steps)} chunks per shard, beyond all reason.")
    names = frozenset(name for name, _ in named)
    compressed = bool(names & _COMPRESSORS) or any(name.startswith("numcodecs.") for name in names)
    return Header(
        zarr_format=3,
        document=document,
        shape=shape,
        dtype=dtype,
        chunk_shape=chunk,
        shard_shape=shard,
        fill_value=_fill_value(fields, dtype),
        compressed=compressed,
        # All that `v3_document` needs to make an array like this one.
        options={
            "codecs": codecs if _has_shards(named) else inner,
            "chunk_key_encoding": document["chunk_key_encoding"],
        },
        keys=_v3_keys(fields, rank),
        index=index,
        dimension_names=_dimension_names(fields, rank),
        codec_names=names | {name for name, _ in (fields.named(codec, "codecs") for codec in codecs)},
    )


def _has_shards(codecs: list[tuple[str, dict[str, Any]]]) -> bool:
    return any(name == SHARDING for name, _ in codecs)


def _v3_keys(fields: _Fields, rank: int) -> KeyEncoding:
    name, configuration = fields.named(fields.document.get("chunk_key_encoding"), "chunk_key_encoding")
    if name not in ("default", "v2"):
        fields.unsupported(f"the chunk key encoding {name!r}")
    separator = configuration.get("separator", "/" if name == "default" else ".")
    if separator not in ("/", "."):
        fields.damaged("chunk_key_encoding", f"has the separator {separator!r}")
    return KeyEncoding("c" if name == "default" else "", separator, rank)


def _dimension_names(fields: _Fields, rank: int) -> tuple[str, ...] | None:
    names = fields.document.get("dimension_names")
    if names is not None and (not isinstance(names, list) or len(names) != rank):
        fields.damaged("dimension_names", f"is {names!r} for {rank} axes")
    return _clean_names(names or [], rank)


def _clean_names(names: list[Any], rank: int) -> tuple[str, ...] | None:
    if len(names) != rank or any(not isinstance(name, str) or not name for name in names):
        return None
    small = [name.lower() for name in names]
    found = tuple("c" if name == "channel" else name for name in small)
    return found if len(set(found)) == rank else None


def _v2_header(fields: _Fields) -> Header:
    document = fields.document
    shape = fields.ints(document.get("shape"), "shape", least=0)
    chunk = fields.ints(document.get("chunks"), "chunks", least=1, rank=len(shape))
    code = document.get("dtype")
    dtype = next(
        (name for name, known in DTYPES.items() if isinstance(code, str) and code[1:] == known[1:]), None
    )
    if dtype is None or not isinstance(code, str) or code[0] not in "<>|":
        _refuse_dtype(fields, code)
    if document.get("order") not in ("C", "F"):
        fields.damaged("order", f"is {document.get('order')!r}, neither C nor F")
    separator = document.setdefault("dimension_separator", ".")
    if separator not in ("/", "."):
        fields.damaged("dimension_separator", f"is {separator!r}")
    compressor = document.setdefault("compressor", None)
    filters = document.setdefault("filters", None) or []
    if not isinstance(filters, list):
        fields.damaged("filters", f"is {filters!r}, not a list")
    names = set()
    for codec in [*filters, *([] if compressor is None else [compressor])]:
        if not isinstance(codec, dict) or not isinstance(codec.get("id"), str):
            fields.damaged("compressor or filters", f"has {codec!r}, not an object with an id")
        names.add(codec["id"])
    document.setdefault("fill_value", None)
    return Header(
        zarr_format=2,
        document=document,
        shape=shape,
        dtype=dtype,
        chunk_shape=chunk,
        shard_shape=chunk,
        fill_value=_fill_value(fields, dtype),
        compressed=compressor is not None,
        # All that `v2_document` needs to make an array like this one.
        options={
            "compressor": compressor,
            "order": document["order"],
            "dimension_separator": separator,
            **({"filters": filters} if filters else {}),
        },
        keys=KeyEncoding("", separator, len(shape)),
        codec_names=frozenset(names),
    )


def _refuse_dtype(fields: _Fields, dtype: Any) -> NoReturn:
    if dtype is None:
        fields.damaged("data_type", "is missing")
    raise UnsupportedDtypeError(
        f"{fields.url} has the dtype {dtype!r}.", hint=f"Layers hold {', '.join(DTYPES)}."
    )


def _fill_value(fields: _Fields, dtype: str) -> Any:
    value = fields.document.get("fill_value")
    if value is None:
        if fields.document["zarr_format"] == 3:
            fields.damaged("fill_value", "is missing")
        return 0
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        fields.damaged("fill_value", f"is {value!r}")
    if isinstance(value, str):
        return _fill_text(fields, value, dtype)
    if dtype.startswith("float"):
        try:
            return float(value)
        except OverflowError:
            fields.damaged("fill_value", f"is {value!r}, no {dtype}")
    bits = int(dtype.lstrip("uint"))
    low, high = (0, 2**bits) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    if isinstance(value, float) and not value.is_integer():
        fields.damaged("fill_value", f"is {value!r}, no {dtype}")
    if not low <= value < high:
        fields.damaged("fill_value", f"is {value!r}, no {dtype}")
    return int(value)


def _fill_text(fields: _Fields, text: str, dtype: str) -> float:
    """Floats may be given by name, or by their bits."""
    if dtype.startswith("float") and text in _FLOATS:
        return _FLOATS[text]
    if dtype.startswith("float") and len(text) == 2 + int(dtype[5:]) // 4 and _HEX.fullmatch(text):
        return float(struct.unpack(">f" if dtype == "float32" else ">d", bytes.fromhex(text[2:]))[0])
    return fields.damaged("fill_value", f"is {text!r}, no {dtype}")


def _check_sizes(header: Header, fields: _Fields) -> None:
    itemsize = int(DTYPES[header.dtype][2:])
    chunk_bytes = prod(header.chunk_shape) * itemsize
    if chunk_bytes > MAX_CHUNK_BYTES:
        raise TooLargeError(
            f"{fields.url} claims chunks of {chunk_bytes} bytes {header.chunk_shape}; "
            f"more than {MAX_CHUNK_BYTES >> 30} GiB is not opened."
        )


# --- dtypes that no layer has: bool and float16 -----------------------------------------------------------

WIDENED = {"bool": "uint8", "float16": "float32"}
"""What holds all values of each."""

_STAND_INS = {"bool": ("uint8", "|u1"), "float16": ("int16", "<i2")}
"""Dtypes of the same size that the metadata are checked with; their names in Zarr v3 and v2."""


def unusual_dtype(location: Location, zarr_format: int) -> str | None:
    """Name the dtype of an array if it is one of those; None for all others. MissingError if there is no array."""
    document = read_document(location.child(METADATA_FILES[zarr_format]))
    if zarr_format == 3:
        found = document.get("data_type")
        return found if isinstance(found, str) and found in _STAND_INS else None
    code = document.get("dtype")
    known = {"b1": "bool", "f2": "float16"}
    return known.get(code[1:]) if isinstance(code, str) else None


def unusual_header(location: Location, zarr_format: int, dtype: str) -> Header:
    """Check the metadata of an array of that dtype, and give it with that."""
    place = location.child(METADATA_FILES[zarr_format])
    document = read_document(place)
    key = "data_type" if zarr_format == 3 else "dtype"
    own, fill = document[key], document.get("fill_value")
    stand_in = _STAND_INS[dtype][0 if zarr_format == 3 else 1]
    header = check_document({**document, key: stand_in, "fill_value": 0}, place.url, zarr_format)
    whole = {**header.document, key: own, "fill_value": fill}
    return attrs.evolve(header, document=whole, dtype=dtype)
