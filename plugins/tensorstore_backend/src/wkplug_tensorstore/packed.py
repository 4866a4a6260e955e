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
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import (
    CorruptDataError,
    MissingError,
    TooLargeError,
    UnlistableError,
    UnsupportedOperationError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from wkplug.abc import Box, Location

__all__ = ["ChunkGrid", "PackedChunks", "boxes_of", "packed_chunks", "plain_key"]

_CHUNK_KEY = re.compile(r"(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)")

_LOOKED_AT = 1000
"""So many names say which suffixes there are; all of an import's names are looked at before it begins."""

_MOST_BYTES = 2 << 30
_GZIP = b"\x1f\x8b\x08"


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
        if not head.startswith(_GZIP):
            return False
        voxels = 1
        for part in key.split("_"):
            line = part.find("-", 1)  # the first may be a sign
            voxels *= int(part[line + 1 :]) - int(part[:line])
        return size != voxels * self.voxel_bytes

    def cells(self, start: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """The chunks that meet a box."""
        ranges = [
            range(max(0, low - first) // step, -(-min(low + n - first, length) // step))
            for low, n, first, length, step in zip(
                start, shape, self.offset, self.size, self.chunk, strict=True
            )
        ]
        return itertools.product(*ranges)

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


def packed_chunks(grid: ChunkGrid, folder: Location, key: str) -> PackedChunks | None:
    """Look whether a scale has chunks with suffixes; UnsupportedOperationError for those that can't be decoded."""
    place = folder.child(*key.split("/"))
    try:
        names = list(itertools.islice(place.list(), _LOOKED_AT))
    except UnlistableError:
        names = []
    suffixes = {
        name[len(plain) :] for name in names if (plain := plain_key(name)) != name and grid.is_key(name)
    }
    if not names and place.local_path() is None and 0 not in grid.size:
        # Web servers don't list what they have, but may be asked.
        first = grid.key((0, 0, 0))
        suffixes = {suffix for suffix in (".gz", ".br") if place.child(first + suffix).exists()}
    if not suffixes:
        chunks = sorted(name for name in names if grid.is_key(name))
        samples = {chunks[number] for number in (0, len(chunks) // 2, -1)} if chunks else set()
        files = ((name, place.child(name)) for name in samples)
        if any(grid.is_gzipped(name, file.read(0, len(_GZIP)), file.size()) for name, file in files):
            return PackedChunks(grid, folder, key, ())
        return None
    for suffix in sorted(suffixes):
        _decoder(suffix, place.url)
    return PackedChunks(grid, folder, key, tuple(sorted(suffixes)))


@attrs.frozen
class PackedChunks:
    """The chunks of a scale, some or all of which have one of `suffixes`, or are compressed without one.

    folder, key: where the scale lies.
    """

    grid: ChunkGrid
    folder: Location
    key: str
    suffixes: tuple[str, ...]

    def chunks(self, box: Box) -> dict[str, bytes]:
        """Read and decompress the chunks that a box (c, x, y, z; in voxels of the scale) meets, by their keys."""
        found = {}
        for cell in self.grid.cells(box[0][1:], box[1][1:]):
            name = f"{self.key}/{self.grid.key(cell)}"
            data = self._chunk(name)
            if data is not None:
                found[name] = data
        return found

    def _chunk(self, name: str) -> bytes | None:
        places = [
            (suffix, place)
            for suffix in ("", *self.suffixes)
            if (place := self.folder.child(f"{name}{suffix}")).exists()
        ]
        if len(places) > 1:
            raise CorruptDataError(
                f"{self.folder.url}/{name} is there twice, also as {places[1][1].name}: nobody can say which holds.",
                hint="Move the one away that is out of date.",
            )
        for suffix, place in places:
            try:
                data = place.read()
            except MissingError:
                return None
            if not suffix and self.grid.is_gzipped(place.name, data, len(data)):
                suffix = ".gz"
            return _unpacked(data, suffix, place.url) if suffix else data
        return None


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
