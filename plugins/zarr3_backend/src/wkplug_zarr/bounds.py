"""How much memory a chunk's bytes may take when they are decoded: no more than the array's metadata say.

Compressors allocate what the compressed bytes claim, or go on as long as there is something to unpack, so that some
kilobytes become gigabytes. Here the claims are read before the engine sees the bytes; where a compressor makes none
that can be believed, the bytes are unpacked piece by piece, and dropped, as far as the bound.

Formats: RFC 8878 for zstd, RFC 1952 and 1950 for gzip and zlib, and the headers of blosc and of numcodecs' lz4.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["ChunkBound"]

_SLACK = 1 << 16
"""What encodings may add to a chunk's bytes: checksums, headers, padding."""
_PIECE = 1 << 20
_KNOWN = frozenset({"transpose", "bytes", "zstd", "blosc", "gzip"})
_WIDEST = 8
"""How many times larger a chunk may be between its codecs, where one of them may change the data type."""
_DEFLATE_RATIO = 1032
_HARMLESS = 1 << 24
"""Below this many bytes a wrong claim costs nothing; what can't take more isn't unpacked twice."""
_ZSTD_MAGIC = 0xFD2FB528
_ZSTD_SKIPPABLE = 0x184D2A50
_ZSTD_BLOCK = 1 << 17


@attrs.frozen
class ChunkBound:
    """`nbytes` of a decoded chunk; `codec` is the last compressor; `tail` is the length of checksums after it."""

    nbytes: int
    codec: str | None = None
    tail: int = 0

    @classmethod
    def of(cls, document: Mapping[str, Any], zarr_format: int, nbytes: int) -> ChunkBound:
        """Find the compressor in metadata that were checked."""
        if zarr_format == 2:
            compressor = document.get("compressor")
            nbytes *= _WIDEST if document.get("filters") else 1
            return cls(nbytes, compressor.get("id") if isinstance(compressor, Mapping) else None)
        codecs = list(document.get("codecs") or ())
        while codecs and codecs[-1].get("name") == "sharding_indexed":
            codecs = list((codecs[-1].get("configuration") or {}).get("codecs") or ())
        tail = 0
        while codecs and codecs[-1].get("name") == "crc32c":
            tail += 4
            codecs.pop()
        names = [str(codec.get("name")) for codec in codecs]
        nbytes *= 1 if _KNOWN.issuperset(names) else _WIDEST
        return cls(nbytes, names[-1] if names else None, tail)

    @property
    def most_stored(self) -> int:
        """How long the bytes of one chunk may be: what doesn't compress grows by little."""
        return self.nbytes + self.nbytes // 8 + _SLACK

    def excess(self, data: bytes | memoryview) -> str | None:
        """Say that the bytes of a chunk would become too large, None if they won't."""
        limit = self.nbytes + _SLACK
        data = memoryview(data)[: len(data) - self.tail]
        size = len(data)
        if self.codec == "zstd":
            size = _zstd_size(data, limit)
        elif self.codec == "blosc":
            size = int.from_bytes(data[4:8], "little")
        elif self.codec == "lz4":
            size = int.from_bytes(data[:4], "little")
        elif self.codec in ("gzip", "zlib"):
            if size * _DEFLATE_RATIO > max(limit, _HARMLESS):
                size = _inflated_size(data, limit)
        elif self.codec in ("bz2", "lzma"):
            size = _unpacked_size(
                bz2.BZ2Decompressor() if self.codec == "bz2" else lzma.LZMADecompressor(), data, limit
            )
        if size <= limit:
            return None
        return f"a chunk of {self.nbytes} bytes would become {size} bytes or more"


def _zstd_size(data: memoryview, limit: int) -> int:
    """The most that zstd frames can become: what their headers claim, or the sum of their blocks."""
    total, position = 0, 0
    while position + 4 <= len(data) and total <= limit:
        magic = int.from_bytes(data[position : position + 4], "little")
        if magic & 0xFFFFFFF0 == _ZSTD_SKIPPABLE:
            position += 8 + int.from_bytes(data[position + 4 : position + 8], "little")
            continue
        if magic != _ZSTD_MAGIC or position + 5 > len(data):
            break  # damage, which the decoder names
        flags = data[position + 4]
        single, width = bool(flags & 0x20), (0, 2, 4, 8)[flags >> 6]
        if single and not width:
            width = 1
        position += 5 + (0 if single else 1) + (0, 1, 2, 4)[flags & 3]
        claimed = int.from_bytes(data[position : position + width], "little") + (256 if width == 2 else 0)
        position += width
        blocks, position = _zstd_blocks(data, position, limit)
        # A decoder allocates the claim at once, and the blocks' sum where there is none.
        total += claimed if width else blocks
        position += 4 if flags & 4 else 0
    return total


def _zstd_blocks(data: memoryview, position: int, limit: int) -> tuple[int, int]:
    """What the blocks of a frame become at least, or at most if that is beyond all reason, and where they end."""
    certain, compressed, last = 0, 0, False
    while not last and position + 3 <= len(data) and certain <= limit:
        header = int.from_bytes(data[position : position + 3], "little")
        last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        if kind == 2:
            compressed += 1
        else:
            certain += size
        position += 3 + (1 if kind == 1 else size)
    # What a compressed block becomes isn't known before it is decoded; encoders cut some of them short.
    most = certain + compressed * _ZSTD_BLOCK
    return (most if most > max(16 * limit, 4 * _HARMLESS) else certain), position


def _inflated_size(data: memoryview, limit: int) -> int:
    return _unpacked_size(zlib.decompressobj(zlib.MAX_WBITS | 32), data, limit)


def _unpacked_size(decoder: Any, data: memoryview, limit: int) -> int:
    """Unpack piece by piece until the limit is passed; damage is left to the engine to name."""
    total, rest = 0, bytes(data)
    try:
        while total <= limit and not decoder.eof:
            piece = decoder.decompress(rest, _PIECE)
            total += len(piece)
            rest = getattr(decoder, "unconsumed_tail", b"")
            if not piece and (not rest or getattr(decoder, "needs_input", False)):
                break
    except (zlib.error, OSError, lzma.LZMAError):
        return 0
    return total
