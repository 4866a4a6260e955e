"""What the metadata of an array say, checked, in the words of the contract and in those of the engine.

`StoredArray` is what the modules `zarr3`, `zarr2`, `n5` and `precomputed` make of a metadata file, and all
that `engine` and `array` need to know: neither of them reads metadata. `ShardKeys` knows under which key a
shard lies. The checks that all formats share (JSON, whole numbers, sizes beyond reason, axis names) are here
too: the engine itself ends the process when a header asks it for terabytes.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from wkplug.errors import CorruptDataError, StorageError, TooLargeError, UnsupportedDtypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from wkplug.abc import ArraySpec, Box, Location

__all__ = [
    "DTYPES",
    "GZIP",
    "MAX_CHUNK_BYTES",
    "USUAL_AXES",
    "ShardKeys",
    "StoredArray",
    "axis_names",
    "check_chunk",
    "dtype_name",
    "lengths",
    "parse_document",
    "read_document",
]

GZIP = b"\x1f\x8b\x08"
"""What files begin with that are gzipped as a whole."""

MAX_CHUNK_BYTES = 2 << 30
"""A chunk is decoded as a whole, so what a header claims here is memory that will be taken."""

MAX_CHUNKS_PER_SHARD = 1 << 24
"""A shard's index is read as a whole: 16 bytes per chunk, 256 MiB at most."""

MAX_DOCUMENT_BYTES = 64 << 20
MAX_RANK = 32
MAX_LENGTH = 1 << 62
"""Both are the engine's own limits."""

DTYPES: Mapping[str, int] = {
    "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8, "int8": 1, "int16": 2, "int32": 4, "int64": 8,
    "float32": 4, "float64": 8,
}  # fmt: skip
"""Bytes per voxel."""

USUAL_AXES: Mapping[int, tuple[str, ...]] = {
    2: ("x", "y"),
    3: ("x", "y", "z"),
    4: ("c", "x", "y", "z"),
    5: ("t", "c", "x", "y", "z"),
}


class ShardKeys(NamedTuple):
    """Where the shard of a grid cell lies: `prefix`, then the cell's numbers joined by `separator`."""

    prefix: str = ""
    separator: str = "/"

    def key(self, cell: Sequence[int]) -> str:
        """Give the key of a cell of the shard grid, relative to the array."""
        return self.prefix + self.separator.join(map(str, cell))

    def pattern(self, rank: int) -> re.Pattern[str]:
        """Match keys of shards and nothing else (lock files, metadata); one group with the numbers."""
        number = r"(?:0|[1-9]\d*)"
        joined = re.escape(self.separator).join([number] * rank)
        return re.compile(f"{re.escape(self.prefix)}({joined})")


class StoredArray(NamedTuple):
    """An array as its metadata describe it.

    spec: in the contract's terms. metadata: in the engine's, further members of its spec in `extra`.
    file: where the metadata lie; root: the folder that the engine is given.
    transpose: the order in which the engine's axes become those of `spec`, None for the same order.
    origin: the first voxel per axis that is stored; those before it are fill value.
    keys: where shards lie, None if that can't be told.
    boxes: what the keys below the array's folder say that is stored, for formats whose keys are boxes themselves.
    is_key: whether a key below the array's folder is one of a chunk or shard, for formats without `keys`.
    shift: how far each axis of `spec` is moved, for arrays that begin before 0.
    objects: makes the `objects.Objects` that are brought to the engine, where `keys` isn't all that there is to say;
        it gives None for arrays that the engine reads itself.
    lossy: whether voxels that are stored anew change, although nobody wrote to them.
    """

    driver: str
    spec: ArraySpec
    metadata: Mapping[str, Any]
    file: Location
    root: Location
    extra: Mapping[str, Any] = MappingProxyType({})
    transpose: tuple[int, ...] | None = None
    origin: tuple[int, ...] | None = None
    keys: ShardKeys | None = None
    boxes: Callable[[Iterable[str]], Iterator[Box]] | None = None
    is_key: Callable[[str], bool] | None = None
    shift: tuple[int, ...] | None = None
    objects: Callable[[StoredArray], Any] | None = None
    lossy: bool = False

    @property
    def is_alone(self) -> bool:
        """Whether the metadata lie in the array's own folder, with everything else of it."""
        return self.keys is not None or self.root != self.file.parent

    @property
    def fingerprint(self) -> tuple[Any, ...]:
        """What must stay the same for an array to be the same array; its length may change."""
        spec = self.spec
        return (self.driver, spec.axes, spec.dtype, spec.chunk_shape, spec.shard_shape)


def parse_document(data: bytes, where: str) -> dict[str, Any]:
    """Parse a JSON object, gzipped or not; CorruptDataError names the file and what is wrong with it."""
    if data.startswith(GZIP):  # as files of buckets are whose "Content-Encoding" says so
        try:
            data = zlib.decompressobj(31).decompress(data, MAX_DOCUMENT_BYTES + 1)
        except zlib.error as error:
            raise CorruptDataError(f"{where} is damaged: it can't be decompressed ({error}).") from error
    if len(data) > MAX_DOCUMENT_BYTES:
        raise TooLargeError(
            f"{where} has {MAX_DOCUMENT_BYTES} bytes or more: no array's metadata are that long."
        )
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptDataError(f"{where} is damaged: it is no JSON ({error}).") from error
    if not isinstance(document, dict):
        raise CorruptDataError(f"{where} is damaged: it holds {type(document).__name__}, not an object.")
    return document


def read_document(location: Location) -> dict[str, Any]:
    """Read and parse a metadata file; MissingError if there is none."""
    try:
        data = location.read(0, MAX_DOCUMENT_BYTES + 1)
    except IsADirectoryError as error:
        raise StorageError(f"{location.url} is a folder where a file was expected.") from error
    return parse_document(data, location.url)


def lengths(
    value: object, what: str, where: str, *, rank: int | None = None, least: int = 0
) -> tuple[int, ...]:
    """Check a list of whole numbers."""
    if not isinstance(value, (list, tuple)):
        raise CorruptDataError(f"{where} is damaged: {what} is {_short(value)}, not a list.")
    if rank is not None and len(value) != rank:
        raise CorruptDataError(f"{where} is damaged: {what} has {len(value)} numbers instead of {rank}.")
    if len(value) > MAX_RANK:
        raise CorruptDataError(f"{where} has {len(value)} axes; at most {MAX_RANK} are possible.")
    for number in value:
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number < MAX_LENGTH:
            raise CorruptDataError(f"{where} is damaged: {what} holds {_short(number)}.")
    return tuple(value)


def check_chunk(chunk: Sequence[int], shard: Sequence[int], itemsize: int, where: str) -> None:
    """Refuse chunks and indexes that would take more memory than anybody means; TooLargeError."""
    size = math.prod(chunk) * itemsize
    if size > MAX_CHUNK_BYTES:
        raise TooLargeError(
            f"{where} claims chunks of {tuple(chunk)} voxels, {size} bytes each: more than the "
            f"{MAX_CHUNK_BYTES} that are read at once.",
            hint="If that is not damage, rewrite the array with smaller chunks.",
        )
    for chunk_length, shard_length in zip(chunk, shard, strict=True):
        if shard_length % chunk_length:
            raise CorruptDataError(
                f"{where} is damaged: its shards of {tuple(shard)} voxels are no multiple "
                f"of its chunks of {tuple(chunk)}."
            )
    count = math.prod(s // c for s, c in zip(shard, chunk, strict=True))
    if count > MAX_CHUNKS_PER_SHARD:
        raise TooLargeError(
            f"{where} claims {count} chunks per shard: more than the {MAX_CHUNKS_PER_SHARD} "
            "that one index may have."
        )


def dtype_name(value: object, where: str) -> str:
    """Check the name of a dtype."""
    if isinstance(value, str) and value in DTYPES:
        return value
    raise UnsupportedDtypeError(
        f"{where} has the data type {_short(value)}, which a layer can't hold.",
        hint=f"Possible are: {', '.join(DTYPES)}.",
    )


def axis_names(given: Sequence[str] | None, stored: object, rank: int, where: str) -> tuple[str, ...]:
    """Name the axes: by the properties of the dataset, else by the array's metadata, else by their number.

    CorruptDataError if none of the three tells.
    """
    if given is not None and len(given) == rank:
        return tuple(given)
    if isinstance(stored, (list, tuple)) and len(stored) == rank and all(_is_name(name) for name in stored):
        names = tuple("c" if name.lower() == "channel" else name.lower() for name in stored)
        if len(set(names)) == rank:
            if not {"x", "y"} <= set(names):
                raise CorruptDataError(
                    f"{where} has the axes {', '.join(names)}, of which none or only one is x or y.",
                    hint="Give the axes when you add the mag (axes=...).",
                )
            return names
    if rank in USUAL_AXES:
        return USUAL_AXES[rank]
    raise CorruptDataError(
        f"{where} doesn't name its {rank} axes, and there is no usual order for that many.",
        hint="Give the axes when you add the mag (axes=...).",
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
