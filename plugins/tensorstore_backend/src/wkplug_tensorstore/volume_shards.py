"""The shards of precomputed volumes: which of them holds a chunk, and where in it; which box of voxels is a shard.

The engine reads shards by itself where it may do I/O. Here a chunk is found with three requests at most (index, index
of a minishard, chunk), of which the first two are kept, and near chunks are read together; the engine is given the
chunks as if each were a file.

Follows "sharded.md" of the precomputed format in Neuroglancer's repository; MurmurHash3 is Austin Appleby's, in the
public domain.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from wkplug.abc import joined, side_by_side
from wkplug.errors import ConflictError, CorruptDataError, MissingError
from wkplug_tensorstore.objects import Objects, morton

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wkplug.abc import Box, Location
    from wkplug_tensorstore.stored import StoredArray

__all__ = ["ShardBoxes", "Sharding", "VolumeShards", "bits_of", "neighbours"]

_TRIES = 8
_MOST_BYTES = 2 << 30
_MOST_TABLES = 256
_WORD = 0xFFFFFFFF


@attrs.frozen
class Sharding:
    """How the numbers of chunks become shards and minishards."""

    preshift_bits: int
    minishard_bits: int
    shard_bits: int
    hashed: bool
    packed_index: bool
    packed_data: bool

    @classmethod
    def of(cls, value: object, where: str) -> Sharding:
        """Check the member "sharding" of a scale."""
        if not isinstance(value, Mapping):
            raise CorruptDataError(f"{where} is damaged: its sharding is no object.")
        bits: list[Any] = [value.get(name) for name in ("preshift_bits", "minishard_bits", "shard_bits")]
        ways = [
            value.get("hash"),
            *(value.get(name, "raw") for name in ("minishard_index_encoding", "data_encoding")),
        ]
        if not all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= 64 for n in bits) or (
            ways[0] not in ("identity", "murmurhash3_x86_128")
            or any(way not in ("raw", "gzip") for way in ways[1:])
        ):
            raise CorruptDataError(f"{where} is damaged: its sharding can't be understood.")
        if bits[1] + bits[2] > 64 or bits[1] > 24:
            raise CorruptDataError(f"{where} is damaged: its sharding has too many bits.")
        preshift, minishard, shard = bits
        hashed, packed_index, packed_data = ways[0] != "identity", ways[1] == "gzip", ways[2] == "gzip"
        return cls(preshift, minishard, shard, hashed, packed_index, packed_data)

    def place(self, number: int) -> tuple[int, int]:
        """The shard and the minishard of a chunk."""
        hashed = number >> self.preshift_bits
        if self.hashed:
            hashed = murmur(hashed)
        minishard = hashed & ((1 << self.minishard_bits) - 1)
        return (hashed >> self.minishard_bits) & ((1 << self.shard_bits) - 1), minishard

    def name(self, shard: int) -> str:
        """The name of a shard's file."""
        return f"{shard:x}".zfill(-(-self.shard_bits // 4)) + ".shard"


def bits_of(grid: Sequence[int]) -> tuple[int, ...]:
    """How many bits tell chunks apart along each axis of a grid."""
    return tuple(max(0, count - 1).bit_length() for count in grid)


def _turns(grid: Sequence[int]) -> list[int]:
    """The axis that each bit of a chunk's number belongs to, the lowest first: in turns, without those always 0."""
    bits = bits_of(grid)
    return [axis for bit in range(max(bits, default=0)) for axis, most in enumerate(bits) if bit < most]


def neighbours(grid: Sequence[int], low: int) -> tuple[int, ...]:
    """How many chunks along each axis have numbers that differ in the lowest bits only."""
    turns = _turns(grid)[:low]
    return tuple(1 << turns.count(axis) for axis in range(len(grid)))


@attrs.frozen
class ShardBoxes:
    """Shards that are boxes: grid counts chunks, chunk and shape are voxels, all along x, y, z; low: bits inside."""

    grid: tuple[int, ...]
    chunk: tuple[int, ...]
    shape: tuple[int, ...]
    low: int

    def boxes(self, channels: int, corner: tuple[int, ...], keys: Iterable[str]) -> Iterator[Box]:
        """The boxes of the shards that keys name, `corner` being where the first chunk lies."""
        turns = _turns(self.grid)
        for key in keys:
            stem, dot, suffix = key.rpartition(".")
            if not dot or suffix != "shard" or not re.fullmatch("[0-9a-f]+", stem):
                continue
            number = int(stem, 16) << self.low
            cell = [0] * len(self.grid)
            seen = list(cell)
            for bit, axis in enumerate(turns):
                cell[axis] |= ((number >> bit) & 1) << seen[axis]
                seen[axis] += 1
            starts = (first + n * step for first, n, step in zip(corner, cell, self.chunk, strict=True))
            yield (0, *starts), (channels, *self.shape)


@attrs.define
class _Table:
    """What is known of one version of a shard: where its minishards' indexes are, and what is in those read so far."""

    version: str
    minishards: list[tuple[int, int]]
    chunks: dict[int, dict[int, tuple[int, int]]] = attrs.field(factory=dict)


@attrs.define
class VolumeShards(Objects):
    """The chunks of a scale, many of which are one object.

    folder: the scale's key. sharding: as in the info file. grid: how many chunks there are along x, y, z. per_shard:
    how many of them are one shard, 1 where shards are no boxes.
    """

    folder: str = ""
    sharding: Sharding = attrs.field(kw_only=True)
    grid: tuple[int, ...] = attrs.field(kw_only=True)
    per_shard: tuple[int, ...] = attrs.field(kw_only=True)
    _tables: dict[int, _Table] = attrs.field(factory=dict, init=False)

    def number(self, cell: tuple[int, ...]) -> int:
        """A chunk's number, by its place along x, y, z."""
        return int(morton(cell[-3:], self.grid))

    @property
    def nothing(self) -> bytes:
        """A shard without chunks; the engine makes an empty file of it, which is what damaged shards are like."""
        return bytes(self._index_bytes)

    def are_whole(self, parts: Sequence[Box]) -> bool:
        """Whether parts of one shard are all of it."""
        if max(self.per_shard) == 1 or not all(super(VolumeShards, self).are_whole([part]) for part in parts):
            return False
        first = self.cell_of(parts[0])[-3:]
        low = [number // count * count for number, count in zip(first, self.per_shard, strict=True)]
        return len(parts) == math.prod(
            min(count, most - begin)
            for count, most, begin in zip(self.per_shard, self.grid, low, strict=True)
        )

    def groups(self, cells: list[tuple[int, ...]]) -> list[tuple[str, list[tuple[int, ...]]]]:
        """The shards, each with its cells."""
        found: dict[str, list[tuple[int, ...]]] = defaultdict(list)
        for cell in cells:
            shard = self.sharding.place(self.number(cell))[0]
            found[f"{self.folder}/{self.sharding.name(shard)}"].append(cell)
        return list(found.items())

    def readable(self, stored: StoredArray) -> StoredArray:
        """Without shards."""
        scale = {name: value for name, value in stored.extra["scale_metadata"].items() if name != "sharding"}
        return stored._replace(extra={**stored.extra, "scale_metadata": scale})

    def fetch(self, root: Location, cells: Sequence[tuple[int, ...]]) -> list[bytes | None]:
        """Read cells, decompressed; None for those that are not stored."""
        wanted: dict[int, list[int]] = defaultdict(list)
        numbers = [self.number(cell) for cell in cells]
        for number in numbers:
            wanted[self.sharding.place(number)[0]].append(number)
        found: dict[int, bytes] = {}

        def read(shard: int) -> None:
            found.update(self._read(root.child(self.folder, self.sharding.name(shard)), shard, wanted[shard]))

        for _ in side_by_side(read, wanted, at_once=root.concurrency):
            pass
        return [found.get(number) for number in numbers]

    def _read(self, place: Location, shard: int, numbers: list[int]) -> dict[int, bytes]:
        for attempt in range(_TRIES):
            try:
                places = self._places(place, shard, numbers, again=attempt > 0)
                if not places:
                    return {}
                merged = joined(places.values())
                version = self._tables[shard].version

                def read(one: tuple[int, int], version: str = version) -> bytes:
                    return place.read_consistent([one], version=version)[0][0]

                pieces = list(side_by_side(read, merged, at_once=place.concurrency))
            except MissingError:
                self._tables.pop(shard, None)
                return {}
            except (ConflictError, KeyError):
                self._tables.pop(shard, None)
                continue
            return {
                number: self._data(_cut(merged, pieces, one, place.url), place.url)
                for number, one in places.items()
            }
        raise ConflictError(
            f"{place.url} changed {_TRIES} times while it was read.",
            hint="Read it again when whoever writes there has finished.",
        )

    def _places(
        self, place: Location, shard: int, numbers: list[int], *, again: bool
    ) -> dict[int, tuple[int, int]]:
        """Where chunks are; what isn't in an index that was kept is looked for in today's."""
        table = None if again else self._tables.get(shard)
        fresh = table is None
        if table is None:
            table = self._read_table(place)
            if len(self._tables) >= _MOST_TABLES:
                self._tables.clear()
            self._tables[shard] = table
        found = {}
        for number in numbers:
            minishard = self.sharding.place(number)[1]
            if minishard not in table.chunks:
                table.chunks[minishard] = self._read_minishard(place, table, minishard)
            if number in table.chunks[minishard]:
                found[number] = table.chunks[minishard][number]
        if len(found) < len(set(numbers)) and not fresh:
            return self._places(place, shard, numbers, again=True)
        return found

    @property
    def _index_bytes(self) -> int:
        return 16 << self.sharding.minishard_bits

    def _read_table(self, place: Location) -> _Table:
        (data,), version = place.read_consistent([(0, self._index_bytes)])
        if len(data) != self._index_bytes:
            raise CorruptDataError(f"{place.url} is damaged: it is shorter than its index.")
        return _Table(version, [(a, b) for a, b in np.frombuffer(data, "<u8").reshape(-1, 2).tolist()])

    def _read_minishard(self, place: Location, table: _Table, minishard: int) -> dict[int, tuple[int, int]]:
        start, stop = (self._index_bytes + offset for offset in table.minishards[minishard])
        if start == stop:
            return {}
        if not start < stop <= start + _MOST_BYTES:
            raise CorruptDataError(f"{place.url} is damaged: its index has a minishard that can't be.")
        data = place.read_consistent([(start, stop)], version=table.version)[0][0]
        if len(data) != stop - start:
            raise CorruptDataError(f"{place.url} is damaged: it ends before the end of a minishard's index.")
        if self.sharding.packed_index:
            data = _unpacked(data, place.url)
        if len(data) % 24:
            raise CorruptDataError(f"{place.url} is damaged: the index of a minishard has {len(data)} bytes.")
        ids, offsets, sizes = np.frombuffer(data, "<u8").reshape(3, -1)
        starts = (
            self._index_bytes + np.cumsum(offsets) + np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype("u8")
        )
        return {
            number: (first, first + size)
            for number, first, size in zip(
                np.cumsum(ids).tolist(), starts.tolist(), sizes.tolist(), strict=True
            )
        }

    def _data(self, data: bytes, where: str) -> bytes:
        return _unpacked(data, where) if self.sharding.packed_data else data


def _cut(
    merged: Sequence[tuple[int, int]], pieces: Sequence[bytes], one: tuple[int, int], where: str
) -> bytes:
    for (start, stop), piece in zip(merged, pieces, strict=True):
        if start <= one[0] and one[1] <= stop:
            data = piece[one[0] - start : one[1] - start]
            if len(data) == one[1] - one[0]:
                return data
    raise CorruptDataError(f"{where} is damaged: it ends before the end of a chunk.")


def _unpacked(data: bytes, where: str) -> bytes:
    decoder = zlib.decompressobj(31)
    try:
        result = decoder.decompress(data, _MOST_BYTES)
    except zlib.error as error:
        raise CorruptDataError(f"{where} is damaged: it can't be decompressed ({error}).") from error
    if not decoder.eof:
        raise CorruptDataError(f"{where} is damaged: it can't be decompressed (it is cut short).")
    return result


def murmur(number: int) -> int:
    """The first 64 bits of MurmurHash3_x86_128 of 8 little-endian bytes, seed 0."""
    low, high = number & _WORD, number >> 32
    h1 = _rotated(low * 0x239B961B & _WORD, 15) * 0xAB0E9789 & _WORD
    h2 = _rotated(high * 0xAB0E9789 & _WORD, 16) * 0x38B34AE5 & _WORD
    hashes = [h1, h2, 0, 0]
    hashes = [each ^ 8 for each in hashes]
    hashes[0] = sum(hashes) & _WORD
    hashes[1:] = [(each + hashes[0]) & _WORD for each in hashes[1:]]
    hashes = [_mixed(each) for each in hashes]
    hashes[0] = sum(hashes) & _WORD
    hashes[1:] = [(each + hashes[0]) & _WORD for each in hashes[1:]]
    return hashes[0] | hashes[1] << 32


def _rotated(word: int, by: int) -> int:
    return (word << by | word >> (32 - by)) & _WORD


def _mixed(word: int) -> int:
    word ^= word >> 16
    word = word * 0x85EBCA6B & _WORD
    word ^= word >> 13
    word = word * 0xC2B2AE35 & _WORD
    return word ^ word >> 16
