"""Chunks of precomputed volumes that their writer compressed as files: `0-64_0-64_0-16.gz`.

Servers give such files away under the names without the suffix, decompressed; on a disk or in a bucket they lie under
the longer names, which the engine never asks for: it would read every voxel as zero. CloudVolume writes them so by
default. Here they are found, decompressed, and handed to the engine under the names that it knows.

Buckets may hold gzipped chunks without a suffix, too, marked as such beside the file ("Content-Encoding"). Copied to
a disk, only their first bytes tell; no encoding of chunks begins with these, but raw voxels, whose size is known.

Gzip, bzip2 and xz are Python's own; Brotli and Zstandard need a package, and are refused without it.
"""

from __future__ import annotations

import bz2
import importlib
import itertools
import lzma
import re
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.abc import side_by_side
from wkplug.errors import (
    CorruptDataError,
    MissingError,
    TooLargeError,
    UnlistableError,
    UnsupportedOperationError,
)
from wkplug_tensorstore.objects import Objects
from wkplug_tensorstore.stored import GZIP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from wkplug.abc import Box, Location

__all__ = ["ChunkGrid", "PackedObjects", "are_packed", "boxes_of", "gunzipped", "plain_key"]

_CHUNK_KEY = re.compile(r"(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)")

_LOOKED_AT = 1000
"""So many names say which suffixes there are; all of an import's names are looked at before it begins."""

_MOST_BYTES = 2 << 30


@attrs.frozen
class ChunkGrid:
    """The chunks of an unsharded scale, in its own voxels along x, y, z: the last of each axis is cut short.

    voxel_bytes: of all channels, where chunks are raw; 0 where they are encoded.
    """

    offset: tuple[int, ...]
    size: tuple[int, ...]
    chunk: tuple[int, ...]
    voxel_bytes: int = 0

    def key(self, cell: tuple[int, ...]) -> str:
        """The name of a chunk."""
        parts = []
        for number, first, length, step in zip(cell, self.offset, self.size, self.chunk, strict=True):
            low = number * step
            parts.append(f"{first + low}-{first + min(low + step, length)}")
        return "_".join(parts)

    def is_gzipped(self, key: str, head: bytes, size: int) -> bool:
        """Whether a chunk's file of that many bytes is compressed as a whole, by what it begins with."""
        if not head.startswith(GZIP):
            return False
        voxels = 1
        for part in key.split("_"):
            line = part.find("-", 1)  # the first may be a sign
            voxels *= int(part[line + 1 :]) - int(part[:line])
        return size != voxels * self.voxel_bytes

    def is_key(self, key: str) -> bool:
        """Whether a file is read: a chunk of this grid, with or without a suffix that is known here."""
        plain = plain_key(key)
        parts = plain.split("_")
        if len(parts) != len(self.chunk):
            return False
        cell = []
        for part, first, step in zip(parts, self.offset, self.chunk, strict=True):
            low = part[: part.find("-", 1)]
            try:
                number, rest = divmod(int(low) - first, step)
            except ValueError:
                return False
            if rest or number < 0:
                return False
            cell.append(number)
        return self.key(tuple(cell)) == plain


def plain_key(key: str) -> str:
    """A chunk's name without the suffix of its compression."""
    stem, dot, suffix = key.rpartition(".")
    return stem if dot and f".{suffix}" in _DECODERS else key


def _suffixes_of(grid: ChunkGrid, place: Location) -> tuple[str, ...]:
    """Look which suffixes chunks have; UnsupportedOperationError for those that can't be decoded."""
    try:
        names = list(itertools.islice(place.list(), _LOOKED_AT))
    except UnlistableError:
        names = []
    found = {name[len(plain) :] for name in names if (plain := plain_key(name)) != name and grid.is_key(name)}
    if not names and place.local_path() is None and 0 not in grid.size:
        # Web servers don't list what they have, but may be asked.
        first = grid.key((0, 0, 0))
        found = {suffix for suffix in (".gz", ".br") if place.child(first + suffix).exists()}
    for suffix in sorted(found):
        _decoder(suffix, place.url)
    return tuple(sorted(found))


def are_packed(grid: ChunkGrid, folder: Location, key: str) -> tuple[str, ...] | None:
    """Look whether a scale's files are packed: the suffixes of its chunks, () for gzip without any; None if not."""
    place = folder.child(*key.split("/"))
    suffixes = _suffixes_of(grid, place)
    if suffixes:
        return suffixes
    try:
        chunks = sorted(name for name in itertools.islice(place.list(), _LOOKED_AT) if grid.is_key(name))
    except UnlistableError:
        return None
    samples = {chunks[number] for number in (0, len(chunks) // 2, -1)} if chunks else set()
    files = ((name, place.child(name)) for name in samples)
    return (
        ()
        if any(grid.is_gzipped(name, file.read(0, len(GZIP)), file.size()) for name, file in files)
        else None
    )


@attrs.define
class PackedObjects(Objects):
    """The chunks of a scale, some or all of which may be compressed as files.

    grid: of the scale. folder: its key. suffixes: which there are; None until it matters, where that takes requests.
    """

    grid: ChunkGrid = attrs.field(kw_only=True)
    folder: str = attrs.field(kw_only=True)
    suffixes: tuple[str, ...] | None = attrs.field(kw_only=True)

    def fetch(self, root: Location, cells: Sequence[tuple[int, ...]]) -> list[bytes | None]:
        """Read and decompress; CorruptDataError for chunks that are there twice."""
        found: list[bytes | None] = [None] * len(cells)
        if not self.suffixes:
            found = super().fetch(root, cells)
        if self.suffixes is None and None in found:
            self.suffixes = _suffixes_of(self.grid, root.child(*self.folder.split("/")))
        if self.suffixes:
            call = partial(self._any_of, root)
            return list(side_by_side(call, cells, at_once=root.concurrency))
        return found

    def _any_of(self, root: Location, cell: tuple[int, ...]) -> bytes | None:
        key = self.key(cell)
        found = []
        for suffix in ("", *(self.suffixes or ())):
            place = root.child(f"{key}{suffix}")
            try:
                found.append((suffix, place, place.read()))
            except MissingError:
                continue
        if len(found) > 1:
            raise CorruptDataError(
                f"{root.url}/{key} is there twice, also as {found[1][1].name}: nobody can say which holds.",
                hint="Move the one away that is out of date.",
            )
        for suffix, place, data in found:
            return _unpacked(data, suffix, place.url) if suffix else self.unpack(key, data, root.url)
        return None

    def unpack(self, key: str, data: bytes, where: str) -> bytes:
        """Decompress a chunk that is gzipped without saying so."""
        if self.grid.is_gzipped(key.rpartition("/")[2], data, len(data)):
            return gunzipped(data, f"{where}/{key}")
        return data

    def check_writable(self, root: Location) -> None:
        """Refuse scales whose chunks have suffixes: a chunk without one would be there twice."""
        if self.suffixes is None:
            self.suffixes = _suffixes_of(self.grid, root.child(*self.folder.split("/")))
        if self.suffixes:
            raise UnsupportedOperationError(
                f"The chunks in {root.url}/{self.folder} are compressed as {self.suffixes[0]} files, "
                "which are only read.",
                hint="Copy the layer, and write to the copy.",
            )


def gunzipped(data: bytes, where: str) -> bytes:
    """Decompress a file that is gzipped as a whole; CorruptDataError names it."""
    return _unpacked(data, ".gz", where)


def _unpacked(data: bytes, suffix: str, where: str) -> bytes:
    try:
        result: bytes = _decoder(suffix, where)(data)
    except (TooLargeError, UnsupportedOperationError):
        raise
    except Exception as error:  # each library has errors of its own
        raise CorruptDataError(f"{where} is damaged: it can't be decompressed ({error}).") from error
    return result


def _bounded(decoder: Any, data: bytes) -> bytes:
    result: bytes = decoder.decompress(data, _MOST_BYTES)
    if not decoder.eof:
        if len(result) >= _MOST_BYTES:
            raise TooLargeError(f"A chunk of more than {_MOST_BYTES} bytes is not decompressed.")
        raise CorruptDataError("The file is cut short.")
    return result


def _brotli() -> Callable[[bytes], bytes]:
    decode: Callable[[bytes], bytes] = importlib.import_module("brotli").decompress
    return decode


def _zstd() -> Callable[[bytes], bytes]:
    module = importlib.import_module("zstandard")
    return lambda data: bytes(module.ZstdDecompressor().decompress(data, max_output_size=_MOST_BYTES))


_DECODERS: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
    ".gz": lambda: lambda data: _bounded(zlib.decompressobj(31), data),
    ".bz2": lambda: lambda data: _bounded(bz2.BZ2Decompressor(), data),
    ".xz": lambda: lambda data: _bounded(lzma.LZMADecompressor(), data),
    ".lzma": lambda: lambda data: _bounded(lzma.LZMADecompressor(), data),
    ".br": _brotli,
    ".zst": _zstd,
    ".zstd": _zstd,
}


def _decoder(suffix: str, where: str) -> Callable[[bytes], bytes]:
    try:
        return _DECODERS[suffix]()
    except ImportError as error:
        raise UnsupportedOperationError(
            f"The chunks in {where} are compressed as {suffix} files, for which the package {error.name} is needed.",
            hint=f"pip install {error.name}",
        ) from error


def boxes_of(channels: int, shift: tuple[int, ...], keys: Iterable[str]) -> Iterator[Box]:
    """The boxes that the keys of chunks name: "0-64_64-128_10-20", in voxels of the dataset."""
    for key in keys:
        found = _CHUNK_KEY.fullmatch(plain_key(key))
        if found is not None:
            numbers = list(map(int, found.groups()))
            start, stop = numbers[::2], numbers[1::2]
            sizes = (high - low for low, high in zip(start, stop, strict=True))
            yield (0, *(low + by for low, by in zip(start, shift, strict=True))), (channels, *sizes)
