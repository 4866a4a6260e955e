"""The codecs of Zarr v3 metadata: walked and checked, chunk shape and compression read from them.

A codec that is well formed but that the engine lacks is an UnsupportedOperationError, which the backend turns
into a problem, so that another engine is chosen; what can't be right whoever reads it is CorruptDataError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from wkplug.errors import CorruptDataError, UnsupportedOperationError
from wkplug_tensorstore.stored import check_chunk, lengths

__all__ = ["CodecFacts", "default_codecs", "named", "walk_codecs"]

_COMPRESSORS = frozenset({"gzip", "zstd", "blosc"})
_MAX_DEPTH = 4


class CodecFacts(NamedTuple):
    """What a list of codecs means: the innermost chunk, whether it is compressed, and the list around it."""

    chunk_shape: tuple[int, ...]
    compressed: bool
    inner: list[Any]


def default_codecs(rank: int, *, compressed: bool, level: int) -> list[dict[str, Any]]:
    """The codecs of one chunk: first axis fastest, little endian, and always a checksum.

    zstd brings its own; without it crc32c does the same for nearly nothing, since damage in plain bytes
    would otherwise be read as voxels.
    """
    order = {"name": "transpose", "configuration": {"order": list(range(rank))[::-1]}}
    # One byte has no order, and readers differ in whether they expect one; most writers name one, so do we.
    plain = {"name": "bytes", "configuration": {"endian": "little"}}
    last: dict[str, Any] = (
        {"name": "zstd", "configuration": {"level": level, "checksum": True}}
        if compressed
        else {"name": "crc32c"}
    )
    return [order, plain, last]


def named(value: object, what: str, where: str) -> tuple[str, Mapping[str, Any]]:
    """Take apart an extension point of Zarr v3: {"name", "configuration"}, or just the name."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, Mapping):
        name, configuration = value.get("name"), value.get("configuration", {})
        if isinstance(name, str) and isinstance(configuration, Mapping):
            return name, configuration
    raise CorruptDataError(f"{where} is damaged: {what} is no object with a name.")


def walk_codecs(
    codecs: object, chunk: Sequence[int], itemsize: int, where: str, *, depth: int = 0
) -> CodecFacts:
    """Walk through the codecs of a chunk (or shard) of this shape."""
    if not isinstance(codecs, (list, tuple)) or not codecs:
        raise CorruptDataError(f"{where} is damaged: its codecs are no list.")
    if depth > _MAX_DEPTH:
        raise UnsupportedOperationError(f"{where} nests shards more than {_MAX_DEPTH} levels deep.")
    axes = list(range(len(chunk)))  # which axis of the array each axis is, as seen by the next codec
    compressed = packed = False
    innermost, inner = tuple(chunk), list(codecs)
    for value in codecs:
        name, configuration = named(value, "a codec", where)
        if packed and name in ("bytes", "sharding_indexed", "transpose"):
            raise CorruptDataError(f"{where} is damaged: the codec {name!r} comes after bytes were made.")
        if name == "transpose":
            axes = _transposed(axes, configuration, where)
        elif name == "sharding_indexed":
            packed = True
            shape = lengths(
                configuration.get("chunk_shape"), "a shard's chunk_shape", where, rank=len(chunk), least=1
            )
            outer = [chunk[axis] for axis in axes]
            _index_codecs(configuration, where)
            facts = walk_codecs(configuration.get("codecs"), shape, itemsize, where, depth=depth + 1)
            check_chunk(shape, outer, itemsize=0, where=where)
            order = sorted(range(len(axes)), key=axes.__getitem__)
            innermost = tuple(facts.chunk_shape[place] for place in order)
            compressed, inner = compressed or facts.compressed, facts.inner
        elif name == "bytes":
            packed = True
            if itemsize > 1 and configuration.get("endian") not in ("little", "big"):
                raise CorruptDataError(f"{where} is damaged: the codec 'bytes' doesn't name a byte order.")
        elif name in _COMPRESSORS:
            compressed = True
        elif name != "crc32c":
            raise UnsupportedOperationError(
                f"{where} uses the codec {name!r}, which tensorstore doesn't know.",
                hint="Another engine may: install wkplug-zarr, and the codec's own package.",
            )
        if not packed and (name in _COMPRESSORS or name == "crc32c"):
            raise CorruptDataError(
                f"{where} is damaged: the codec {name!r} comes before any bytes were made."
            )
    if not packed:
        raise CorruptDataError(f"{where} is damaged: none of its codecs makes bytes.")
    check_chunk(innermost, innermost, itemsize, where)
    return CodecFacts(innermost, compressed, inner)


def _transposed(axes: list[int], configuration: Mapping[str, Any], where: str) -> list[int]:
    order = configuration.get("order")
    if order == "C":
        return axes
    if order == "F":
        return axes[::-1]
    numbers = lengths(order, "a transposition", where, rank=len(axes))
    if sorted(numbers) != list(range(len(axes))):
        raise CorruptDataError(f"{where} is damaged: {list(numbers)} is no order of its axes.")
    return [axes[number] for number in numbers]


def _index_codecs(configuration: Mapping[str, Any], where: str) -> None:
    codecs = configuration.get("index_codecs", ())
    if not isinstance(codecs, (list, tuple)):
        raise CorruptDataError(f"{where} is damaged: the codecs of its shards' indexes are no list.")
    for value in codecs:
        name, _ = named(value, "an index codec", where)
        if name not in ("bytes", "crc32c"):
            raise UnsupportedOperationError(f"{where} uses the codec {name!r} for the indexes of its shards.")
