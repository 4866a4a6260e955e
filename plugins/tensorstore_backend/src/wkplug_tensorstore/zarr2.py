"""Zarr v2: `.zarray` written for a spec, and read into a `StoredArray`.

Version 2 has no shards, no names of axes and no checksums. What is written: first axis fastest, zstd,
keys with slashes; and the names of axes that are not in the usual order as xarray keeps them, in `.zattrs`.
What is read: both orders, both separators, any compressor that the engine has.

Follows the Zarr specification, version 2.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from wkplug.abc import ArraySpec
from wkplug.errors import (
    CorruptDataError,
    InvalidArgumentError,
    LayoutError,
    MissingError,
    UnsupportedDtypeError,
    UnsupportedOperationError,
)
from wkplug_tensorstore.stored import (
    DTYPES,
    USUAL_AXES,
    ShardKeys,
    StoredArray,
    axis_names,
    check_chunk,
    lengths,
    read_document,
)
from wkplug_tensorstore.zarr3 import fill_for_json, level_option

if TYPE_CHECKING:
    from wkplug.abc import Location

__all__ = ["ATTRIBUTES", "DOCUMENT", "build", "describe", "names_to_keep", "resized", "with_names"]

DOCUMENT = ".zarray"
ATTRIBUTES = ".zattrs"

_NAMES = "_ARRAY_DIMENSIONS"

_COMPRESSORS = frozenset({"zlib", "gzip", "blosc", "zstd", "bz2"})
_KNOWN = (
    "zarr_format", "shape", "chunks", "dtype", "compressor", "filters", "fill_value", "order",
    "dimension_separator",
)  # fmt: skip
_OPTIONS = frozenset({"compressor", "dimension_separator", "level", "order"})
_ZSTD = "zstd"


def build(spec: ArraySpec) -> dict[str, Any]:
    """Give the content of `.zarray`. LayoutError, InvalidArgumentError for what can't be."""
    if unknown := sorted(set(spec.options) - _OPTIONS):
        raise InvalidArgumentError(
            f"zarr has no option {unknown[0]!r}.", hint=f"There are: {', '.join(sorted(_OPTIONS))}."
        )
    if spec.shard_shape != spec.chunk_shape:
        raise LayoutError(
            f"Zarr v2 has no shards: the shard {spec.shard_shape} must be the chunk {spec.chunk_shape}.",
            hint="Leave the shard shape out, or use the data format zarr3.",
        )
    zstd = {"id": _ZSTD, "level": level_option(spec)} if spec.compressed else None
    return {
        "zarr_format": 2,
        "shape": list(spec.shape),
        "chunks": list(spec.chunk_shape),
        "dtype": np.dtype(spec.dtype).newbyteorder("<").str,
        "compressor": spec.options.get("compressor", zstd),
        "fill_value": fill_for_json(spec),
        "order": spec.options.get("order", "F"),
        "filters": None,
        "dimension_separator": spec.options.get("dimension_separator", "/"),
    }


def resized(document: Mapping[str, Any], stored: StoredArray, shape: Sequence[int]) -> dict[str, Any]:
    """The metadata for another shape."""
    del stored
    return {**document, "shape": list(shape)}


def describe(document: Mapping[str, Any], file: Location, axes: Sequence[str] | None = None) -> StoredArray:
    """Check the content of `.zarray`; errors as in `zarr3.describe`."""
    where = file.url
    if document.get("zarr_format") != 2:
        raise CorruptDataError(f"{where} is damaged: it doesn't say that it is Zarr v2.")
    shape = lengths(document.get("shape"), "shape", where)
    chunk = lengths(document.get("chunks"), "chunks", where, rank=len(shape), least=1)
    dtype = _dtype(document.get("dtype"), where)
    check_chunk(chunk, chunk, DTYPES[dtype], where)
    order, separator = document.get("order"), document.get("dimension_separator", ".")
    if order not in ("C", "F"):
        raise CorruptDataError(f"{where} is damaged: its order is {order!r}.")
    if separator not in (".", "/"):
        raise CorruptDataError(f"{where} is damaged: its dimension_separator is {separator!r}.")
    compressor = _compressor(document, where)
    spec = ArraySpec(
        # With none given, `with_names` looks beside; numbers do until then, so that nothing is refused here.
        axes=axes if axes is not None and len(axes) == len(shape) else map(str, range(len(shape))),
        shape=shape,
        dtype=dtype,
        chunk_shape=chunk,
        shard_shape=chunk,
        compressed=compressor is not None,
        options={"compressor": compressor, "order": order, "dimension_separator": separator},
        fill_value=_fill(document.get("fill_value"), dtype, where),
    )
    return StoredArray(
        driver="zarr",
        spec=spec,
        metadata={key: document[key] for key in _KNOWN if key in document},
        file=file,
        root=file.parent,
        keys=ShardKeys(separator=separator),
    )


def names_to_keep(spec: ArraySpec) -> dict[str, Any] | None:
    """The attributes that keep the names of the axes, None where their number tells them."""
    return None if spec.axes == USUAL_AXES.get(len(spec.axes)) else {_NAMES: list(spec.axes)}


def with_names(stored: StoredArray, attributes: Location) -> StoredArray:
    """Name the axes as the attributes do, if they do."""
    try:
        names = read_document(attributes).get(_NAMES)
    except MissingError:
        names = None
    rank = len(stored.metadata["shape"])
    axes = axis_names(None, names, rank, stored.file.url)
    return stored._replace(spec=attrs.evolve(stored.spec, axes=axes))


def _compressor(document: Mapping[str, Any], where: str) -> Mapping[str, Any] | None:
    if document.get("filters"):
        raise UnsupportedOperationError(
            f"{where} uses filters, which tensorstore doesn't know.",
            hint="Another engine may: install wkplug-zarr.",
        )
    value = document.get("compressor")
    if value is None:
        return None
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str):
        raise CorruptDataError(f"{where} is damaged: its compressor is no object with an id.")
    if value["id"] not in _COMPRESSORS:
        raise UnsupportedOperationError(
            f"{where} uses the compressor {value['id']!r}, which tensorstore doesn't know.",
            hint="Another engine may: install wkplug-zarr.",
        )
    return value


def _dtype(value: object, where: str) -> str:
    # Other texts that numpy takes ("(9,9)f4", "f4,f4") are not Zarr's.
    if isinstance(value, str) and re.fullmatch(r"[<>|][uif][1248]", value):
        try:
            name = np.dtype(value).newbyteorder("=").name
        except TypeError:
            name = ""
        if name in DTYPES and (value[0] != "|" or DTYPES[name] == 1):
            return name
    raise UnsupportedDtypeError(
        f"{where} has the data type {value!r}, which a layer can't hold.",
        hint=f"Possible are: {', '.join(DTYPES)}.",
    )


def _fill(value: object, dtype: str, where: str) -> float:
    if value is None:
        return 0
    number: float | None = None
    if dtype.startswith("float"):
        if isinstance(value, str):
            number = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            number = float(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        limits = np.iinfo(dtype)
        if value == int(value) and limits.min <= value <= limits.max:
            number = int(value)
    if number is None:
        raise CorruptDataError(f"{where} is damaged: {value!r} is no fill value of {dtype} voxels.")
    return number
