"""The parts of a CZI file: its header, its directory of subblocks, and where a subblock's pixels lie.

A CZI file is a chain of segments, each with an id and a length. The header says where the directory is; its entries
say for each subblock (a tile of one plane, or a smaller copy of one) which indices it has, where it lies, and how
it is packed. Written after the published description of the format (ZISRAW, DirectoryEntryDV).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wkplug.abc import Location

__all__ = ["Header", "Subblock", "pixel_ranges", "read_header", "read_metadata", "read_subblocks"]

_SEGMENT = struct.Struct("<16sqq")  # id, allocated bytes, used bytes
_ENTRY = struct.Struct(
    "<2siqiiBB4si"
)  # schema, pixel type, position, part, compression, pyramid type, spare, count
_DIMENSION = struct.Struct("<4siifi")  # name, start, size, coordinate, stored size
_COUNT_SPACE = 128
_FIXED = 256  # what a subblock and the metadata keep free in front of their contents


@attrs.frozen
class Header:
    """Where things are; places are 0 if there is no such thing."""

    part: int
    directory: int
    metadata: int


@attrs.frozen
class Subblock:
    """One directory entry. `start`, `size` and `stored` are by dimension ("X", "Y", "C"...).

    start and size: in pixels of the finest level; stored: how many there really are, fewer in a smaller copy.
    """

    pixel_type: int
    position: int
    part: int
    compression: int
    start: Mapping[str, int]
    size: Mapping[str, int]
    stored: Mapping[str, int]

    @property
    def entry_bytes(self) -> int:
        """How long the entry is, here and in front of the pixels."""
        return _ENTRY.size + _DIMENSION.size * len(self.start)


def read_header(location: Location) -> Header:
    """Read the file's header; ValueError or EOFError if it isn't one."""
    data = _segment(location, 0, b"ZISRAWFILE", most=512)
    part, directory, metadata, pending = struct.unpack_from("<iqqi", data, 48)
    if directory <= 0 or pending:
        raise EOFError("it was not written to the end")
    return Header(part, directory, metadata)


def read_subblocks(location: Location, header: Header) -> list[Subblock]:
    """Read the directory."""
    data = _segment(location, header.directory, b"ZISRAWDIRECTORY")
    (count,) = struct.unpack_from("<i", data)
    position = _COUNT_SPACE
    found = []
    for _ in range(count):
        schema, pixel_type, place, part, compression, _, _, _, rank = _ENTRY.unpack_from(data, position)
        if schema != b"DV" or not 0 < rank <= 40:
            raise ValueError("its directory has an entry of an unknown kind")
        position += _ENTRY.size
        start, size, stored = {}, {}, {}
        for _ in range(rank):
            name, first, length, _, kept = _DIMENSION.unpack_from(data, position)
            position += _DIMENSION.size
            letter = name.rstrip(b"\0").decode("ascii")
            start[letter], size[letter], stored[letter] = first, length, kept or length
        if not {"X", "Y"} <= set(start) or min(size["X"], size["Y"], stored["X"], stored["Y"]) <= 0:
            raise ValueError("its directory has an entry without a size")
        found.append(Subblock(pixel_type, place, part, compression, start, size, stored))
    return found


def read_metadata(location: Location, header: Header) -> str:
    """Read the XML; "" if there is none."""
    if header.metadata <= 0:
        return ""
    data = _segment(location, header.metadata, b"ZISRAWMETADATA")
    (length,) = struct.unpack_from("<i", data)
    if not 0 <= length <= len(data) - _FIXED:
        raise EOFError("its metadata are cut short")
    return data[_FIXED : _FIXED + length].decode("utf-8", "replace")


def pixel_ranges(location: Location, blocks: Sequence[Subblock]) -> list[tuple[int, int]]:
    """Find where in the file the pixels of these subblocks lie, packed as they are."""
    head = _SEGMENT.size + 16
    heads = location.read_ranges([(block.position, block.position + head) for block in blocks])
    ranges = []
    for block, data in zip(blocks, heads, strict=True):
        if len(data) < head or not data.startswith(b"ZISRAWSUBBLOCK"):
            raise EOFError(f"there is no tile at byte {block.position}")
        metadata, _, length = struct.unpack_from("<iiq", data, _SEGMENT.size)
        if metadata < 0 or length < 0:
            raise ValueError(f"the tile at byte {block.position} has a negative length")
        first = block.position + _SEGMENT.size + max(_FIXED, 16 + block.entry_bytes) + metadata
        ranges.append((first, first + length))
    return ranges


def _segment(location: Location, position: int, name: bytes, *, most: int | None = None) -> bytes:
    """Read the contents of a segment."""
    head = location.read(position, position + _SEGMENT.size)
    if len(head) < _SEGMENT.size or not head.rstrip(b"\0").startswith(name):
        raise EOFError(f"there is no {name.decode()} at byte {position}")
    _, allocated, used = _SEGMENT.unpack(head)
    length = used or allocated
    if length < 0 or position + _SEGMENT.size + length > max(location.size(), 0):
        raise EOFError(f"its part {name.decode()} reaches beyond the end of the file")
    first = position + _SEGMENT.size
    return location.read(first, first + (length if most is None else min(length, most)))
