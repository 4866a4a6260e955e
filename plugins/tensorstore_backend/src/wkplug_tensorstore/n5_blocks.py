"""Blocks of N5 as the engine doesn't know them: gzipped as files, or compressed with lz4.

Buckets may hold blocks that somebody gzipped as a whole ("Content-Encoding"). They are known by their first bytes: no
header of a block begins as gzip does.

What is compressed with lz4 is framed by lz4-java's LZ4BlockOutputStream. A frame is any number of parts: "LZ4Block",
how it is compressed, its sizes, a checksum, the bytes; the last one is empty. The engine reads and writes such blocks
as raw ones.

Follows what is known of the frames of `net.jpountz.lz4.LZ4BlockOutputStream`; not yet compared with files of Java.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import attrs

from wkplug.errors import CorruptDataError, UnsupportedOperationError
from wkplug_tensorstore.objects import Objects, configured
from wkplug_tensorstore.packed import gunzipped
from wkplug_tensorstore.stored import GZIP

if TYPE_CHECKING:
    from wkplug_tensorstore.stored import StoredArray

__all__ = ["Blocks", "Lz4Blocks", "compress", "decompress"]

_MAGIC = b"LZ4Block"
_HEAD = struct.Struct("<8sBiiI")
_RAW, _LZ4 = 0x10, 0x20
_SEED = 0x9747B28C
_CHECKED_BITS = 0x0FFFFFFF
_PART = 1 << 16
_LEVEL = 6  # says that parts have 64 KiB: their bits beyond 10
_LARGEST_PART = 32 << 20


def decompress(data: bytes, where: str, *, most: int) -> bytes:
    """Decompress a frame of at most so many bytes; CorruptDataError names `where`."""
    import lz4.block
    import xxhash

    parts: list[bytes] = []
    place = held = 0
    while True:
        if len(data) - place < _HEAD.size:
            raise CorruptDataError(f"{where} is damaged: its lz4 frame is cut short.")
        magic, token, packed, size, checksum = _HEAD.unpack_from(data, place)
        place += _HEAD.size
        method = token & 0xF0
        if magic != _MAGIC or method not in (_RAW, _LZ4) or packed < 0 or not 0 <= size <= _LARGEST_PART:
            raise CorruptDataError(f"{where} is damaged: it is no lz4 frame of lz4-java.")
        if size == 0:
            return b"".join(parts)
        part = data[place : place + packed]
        place += packed
        held += size
        if len(part) != packed or held > most:
            raise CorruptDataError(
                f"{where} is damaged: its lz4 frame is cut short, or too long for its block."
            )
        if method == _LZ4:
            try:
                part = lz4.block.decompress(part, uncompressed_size=size)
            except (lz4.block.LZ4BlockError, ValueError) as error:
                raise CorruptDataError(f"{where} is damaged: it can't be decompressed ({error}).") from error
        if len(part) != size or xxhash.xxh32_intdigest(part, _SEED) & _CHECKED_BITS != checksum:
            raise CorruptDataError(
                f"{where} is damaged: the checksum of its lz4 frame is wrong.",
                hint="The data are damaged; restore them from a copy.",
            )
        parts.append(part)


def compress(data: bytes) -> bytes:
    """Compress to a frame, as lz4-java would."""
    import lz4.block
    import xxhash

    made = []
    for start in range(0, len(data), _PART):
        part = data[start : start + _PART]
        checksum = xxhash.xxh32_intdigest(part, _SEED) & _CHECKED_BITS
        packed, method = lz4.block.compress(part, store_size=False), _LZ4
        if len(packed) >= len(part):
            packed, method = part, _RAW
        made.append(_HEAD.pack(_MAGIC, method | _LEVEL, len(packed), len(part), checksum) + packed)
    made.append(_HEAD.pack(_MAGIC, _RAW | _LEVEL, 0, 0, 0))
    return b"".join(made)


@attrs.define
class Blocks(Objects):
    """The blocks of an N5 array on a store."""

    def unpack(self, key: str, data: bytes, where: str) -> bytes:
        """Decompress a block that is gzipped without saying so."""
        return gunzipped(data, f"{where}/{key}") if data.startswith(GZIP) else data


@attrs.define
class Lz4Blocks(Blocks):
    """The blocks of an N5 array with that compression. nbytes: of a whole block."""

    nbytes: int = 0

    def readable(self, stored: StoredArray) -> StoredArray:
        """With raw blocks."""
        return configured(stored, "compression", {"type": "raw"})

    writable = readable

    def unpack(self, key: str, data: bytes, where: str) -> bytes:
        """Decompress what follows the header."""
        data = super().unpack(key, data, where)
        head = _header(data, f"{where}/{key}")
        return data[:head] + decompress(data[head:], f"{where}/{key}", most=self.nbytes)

    def pack(self, key: str, data: bytes) -> bytes:
        """Compress what follows the header."""
        head = _header(data, key)
        return data[:head] + compress(data[head:])


def _header(data: bytes, where: str) -> int:
    if len(data) >= 4:
        mode, rank = map(int, struct.unpack_from(">HH", data))
        if mode not in (0, 1):
            raise UnsupportedOperationError(f"{where} holds objects (N5's mode {mode}), not voxels.")
        return 4 + 4 * rank + 4 * mode
    raise CorruptDataError(f"{where} is damaged: it is shorter than a block's header.")
