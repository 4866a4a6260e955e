"""Which objects an array is stored in: their keys, the boxes that they hold, and what is in a shard of Zarr v3.

`Objects` is the grid of them; formats whose objects aren't what the engine takes have subclasses. `ShardIndex` reads
the index of a shard, says which ranges a box needs, and makes a small shard of them. Shards that are put have their
chunks in Morton order, as zarr-python writes them: what is near in space is near in the object, and a box in it is one
range. Nothing here knows the engine.
"""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from wkplug.abc import REQUEST_BYTES, ROUND_TRIP_BYTES, side_by_side
from wkplug.errors import CorruptDataError, MissingError
from wkplug_tensorstore.codecs import named
from wkplug_tensorstore.stored import MAX_CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location
    from wkplug_tensorstore.stored import StoredArray

__all__ = ["WHOLE_BYTES", "Objects", "ShardIndex", "morton", "objects_of"]

_SHARDING = "sharding_indexed"

WHOLE_BYTES = 64 << 20
"""Shards of more voxels are read in ranges also if all of them are needed: one stream is slower than several."""


@attrs.define
class Objects:
    """The objects of an array: a grid of cells over its axes.

    cell_shape: voxels per object. name: the key of a cell, below the array's root. origin: the first voxel of cell 0.
    extent: voxels from there that cells are cut to; None where they always reach beyond the array, and others may have
    made it longer. index: how shards are read in parts.
    """

    cell_shape: tuple[int, ...]
    name: Callable[[tuple[int, ...]], str]
    origin: tuple[int, ...] = ()
    extent: tuple[int, ...] | None = None
    index: ShardIndex | None = None

    def __attrs_post_init__(self) -> None:
        if not self.origin:
            self.origin = (0,) * len(self.cell_shape)

    def cells(self, box: Box) -> Iterator[tuple[int, ...]]:
        """The cells that meet a box."""
        return itertools.product(
            *(
                range((low - zero) // size, (low + length - 1 - zero) // size + 1)
                for low, length, zero, size in zip(*box, self.origin, self.cell_shape, strict=True)
            )
        )

    def box_of(self, cell: tuple[int, ...]) -> Box:
        """The voxels of a cell."""
        lows = tuple(number * size for number, size in zip(cell, self.cell_shape, strict=True))
        shape = self.cell_shape
        if self.extent is not None:
            shape = tuple(
                min(size, end - low) for low, size, end in zip(lows, shape, self.extent, strict=True)
            )
        return tuple(low + zero for low, zero in zip(lows, self.origin, strict=True)), shape

    @property
    def nothing(self) -> bytes | None:
        """An object without voxels; None if there is no such thing, but one of fill value."""
        return None

    def cell_of(self, part: Box) -> tuple[int, ...]:
        """The cell that a part begins in."""
        return tuple(
            (low - zero) // size
            for low, zero, size in zip(part[0], self.origin, self.cell_shape, strict=True)
        )

    def are_whole(self, parts: Sequence[Box]) -> bool:
        """Whether parts of one object, each in a cell of its own, are all of it."""
        return len(parts) == 1 and self.box_of(self.cell_of(parts[0])) == parts[0]

    def key(self, cell: tuple[int, ...]) -> str:
        """The key under which the engine looks for a cell's voxels."""
        return self.name(cell)

    def groups(self, cells: list[tuple[int, ...]]) -> list[tuple[str, list[tuple[int, ...]]]]:
        """The objects that hold the cells, each with its cells: here one each."""
        return [(self.name(cell), [cell]) for cell in cells]

    def fetch(self, root: Location, cells: Sequence[tuple[int, ...]]) -> list[bytes | None]:
        """Read cells, as the engine takes them; None for those that are not stored."""
        return list(side_by_side(partial(self._fetch, root), cells, at_once=root.concurrency))

    def _fetch(self, root: Location, cell: tuple[int, ...]) -> bytes | None:
        key = self.key(cell)
        place = root.child(key)
        try:
            data = place.read()
        except MissingError:
            return None
        return self.unpack(key, data, root.url)

    def readable(self, stored: StoredArray) -> StoredArray:
        """The array as the engine is to read what `fetch` gives."""
        return stored

    def writable(self, stored: StoredArray) -> StoredArray:
        """The array as the engine is to write it, before `pack`."""
        return stored

    def check_writable(self, root: Location) -> None:
        """Refuse what can only be read."""
        del root

    def unpack(self, key: str, data: bytes, where: str) -> bytes:
        """Make of a stored object what the engine takes."""
        del key, where
        return data

    def pack(self, key: str, data: bytes) -> bytes:
        """Make of what the engine wrote the object to be stored."""
        return data if self.index is None else self.index.arranged(data, key)


def objects_of(stored: StoredArray) -> Objects | None:
    """The objects of an array that are brought to the engine; None where it reads files of this machine itself."""
    if stored.objects is not None:
        found: Objects | None = stored.objects(stored)
        return found
    if stored.keys is None or stored.root.local_path() is not None:
        return None
    return Objects(stored.spec.shard_shape, stored.keys.key, index=ShardIndex.of(stored))


@attrs.frozen
class ShardIndex:
    """The index of the shards of a Zarr v3 array: where it is, and how many chunks there are along each axis.

    chunk_bytes: of a chunk, decoded.
    """

    EMPTY = np.uint64(2**64 - 1)

    grid: tuple[int, ...]
    chunk_shape: tuple[int, ...]
    chunk_bytes: int
    at_end: bool
    checksum: bool

    @classmethod
    def of(cls, stored: StoredArray) -> ShardIndex | None:
        """Understand an array's shards; None if it has none, or indexes that are encoded otherwise than usual."""
        codecs: Sequence[Any] = stored.metadata.get("codecs") or ()
        if stored.driver != "zarr3" or len(codecs) != 1:
            return None
        where = stored.file.url
        name, configuration = named(codecs[0], "a codec", where)
        if name != _SHARDING:
            return None
        index = [named(codec, "an index codec", where) for codec in configuration.get("index_codecs", ())]
        if [name for name, _ in index] not in (["bytes"], ["bytes", "crc32c"]):
            return None
        if index[0][1].get("endian") != "little":
            return None
        chunk = tuple(configuration["chunk_shape"])
        grid = tuple(large // small for large, small in zip(stored.spec.shard_shape, chunk, strict=True))
        nbytes = math.prod(chunk) * np.dtype(stored.spec.dtype).itemsize
        return cls(grid, chunk, nbytes, configuration.get("index_location", "end") == "end", len(index) == 2)

    @property
    def nbytes(self) -> int:
        """Bytes of the encoded index."""
        return 16 * math.prod(self.grid) + (4 if self.checksum else 0)

    # --- what is read ---------------------------------------------------------------------------------------

    def entries(self, data: bytes, where: str) -> NDArray[np.uint64]:
        """Decode the index at an end of a shard's bytes: (offset, length) per chunk, shape grid + (2,)."""
        data = data[-self.nbytes :] if self.at_end else data[: self.nbytes]
        if len(data) != self.nbytes:
            raise CorruptDataError(f"{where} is damaged: it is shorter than its index.")
        numbers = 16 * math.prod(self.grid)
        if self.checksum and _checksum(data[:numbers]) != data[numbers:]:
            raise CorruptDataError(
                f"{where} is damaged: the checksum of its index is wrong.",
                hint="The data are damaged; restore them from a copy.",
            )
        return np.frombuffer(data, "<u8", 2 * math.prod(self.grid)).reshape(*self.grid, 2)

    def chunks(self, corner: tuple[int, ...], part: Box) -> tuple[slice, ...]:
        """Which chunks of the shard at `corner` a part of it needs."""
        return tuple(
            slice((low - zero) // size, (low + length - 1 - zero) // size + 1)
            for low, length, zero, size in zip(*part, corner, self.chunk_shape, strict=True)
        )

    def ahead(self, chunks: tuple[slice, ...]) -> int:
        """How many bytes beside the index are worth reading along with it, where chunks are in Morton order.

        All of a shard if little of it isn't wanted; else what lies between the index and the farthest chunk, if that
        isn't more than a request is worth.
        """
        most = math.prod(self.grid) * self.chunk_bytes
        wanted = math.prod(part.stop - part.start for part in chunks) * self.chunk_bytes
        if most - wanted <= ROUND_TRIP_BYTES and most <= WHOLE_BYTES:
            return self._encoded(math.prod(self.grid))
        last = morton([number - 1 for number in self.grid], self.grid)
        count: int
        if self.at_end:
            count = last + 1 - morton([part.start for part in chunks], self.grid)
        else:
            count = morton([part.stop - 1 for part in chunks], self.grid) + 1
        return self._encoded(count) if count * self.chunk_bytes <= REQUEST_BYTES else 0

    def _encoded(self, count: int) -> int:
        """How long so many chunks are at most, as a rule: codecs add a little to what they can't compress."""
        return count * (self.chunk_bytes + self.chunk_bytes // 128 + 64)

    def box_of(self, corner: tuple[int, ...], part: Box, number: Sequence[int]) -> Box:
        """The voxels of a chunk, by its number among those that a part needs."""
        first = self.chunks(corner, part)
        start = tuple(
            zero + (chunk.start + int(n)) * size
            for zero, chunk, n, size in zip(corner, first, number, self.chunk_shape, strict=True)
        )
        return start, self.chunk_shape

    def ranges(self, entries: NDArray[np.uint64], where: str) -> list[tuple[int, int]]:
        """Where chunks lie in the object."""
        found = [(offset, offset + length) for offset, length in entries.tolist()]
        if any(not 0 < stop - start <= MAX_CHUNK_BYTES or stop >= 2**63 for start, stop in found):
            raise CorruptDataError(f"{where} is damaged: its index places a chunk where none can be.")
        return found

    # --- what is made ---------------------------------------------------------------------------------------

    def shard(
        self,
        entries: NDArray[np.uint64],
        chunks: tuple[slice, ...],
        pieces: Mapping[tuple[int, int], bytes],
        where: str,
    ) -> bytes:
        """Make a shard of those chunks, from the ranges that hold them."""
        bases, held = [], 0
        ranges = sorted(pieces)
        for start, stop in ranges:
            length = len(pieces[start, stop])
            if length != stop - start:
                raise CorruptDataError(
                    f"{where} is damaged: it ends {stop - start - length} bytes before the end of a chunk.",
                    hint="The data are damaged; restore them from a copy.",
                )
            bases.append(held)
            held += length
        wanted = entries[chunks]
        stored = wanted[..., 0] != self.EMPTY
        starts = np.array([start for start, _ in ranges], np.uint64)
        offsets = wanted[stored][:, 0]
        which = np.searchsorted(starts, offsets, side="right") - 1
        made = np.full((*self.grid, 2), self.EMPTY, "<u8")
        inside = made[chunks]
        inside[stored, 0] = offsets - starts[which] + np.array(bases, np.uint64)[which]
        inside[stored, 1] = wanted[stored][:, 1]
        return self._joined([pieces[one] for one in ranges], made)

    def arranged(self, data: bytes, where: str) -> bytes:
        """Give a whole shard with its chunks in Morton order, and nothing between them."""
        found = self.entries(data, where).reshape(-1, 2)
        stored = np.flatnonzero(found[:, 0] != self.EMPTY)
        order = stored[np.argsort(morton(np.unravel_index(stored, self.grid), self.grid))]
        view = memoryview(data)
        pieces = [view[start:stop] for start, stop in self.ranges(found[order], where)]
        lengths = found[order, 1]
        made = np.full_like(found, self.EMPTY)
        made[order, 0] = np.cumsum(lengths) - lengths
        made[order, 1] = lengths
        return self._joined(pieces, made)

    def _joined(self, pieces: Sequence[bytes | memoryview], made: NDArray[np.uint64]) -> bytes:
        """Put an index, whose offsets are counted from the first of the pieces, before or behind them."""
        if not self.at_end:
            made[..., 0] += np.where(made[..., 0] == self.EMPTY, np.uint64(0), np.uint64(self.nbytes))
        index = made.tobytes()
        if self.checksum:
            index += _checksum(index)
        return b"".join([*pieces, index] if self.at_end else [index, *pieces])


def _checksum(data: bytes) -> bytes:
    import google_crc32c

    return int(google_crc32c.value(data)).to_bytes(4, "little")


def morton(numbers: Sequence[Any], grid: Sequence[int]) -> Any:
    """The place of a cell in Morton order: the bits of its numbers in turns, the first axis' lowest first.

    Bits that are 0 in all of the grid are left out. Also for arrays, one for each axis.
    """
    bits = [(count - 1).bit_length() for count in grid]
    result, place = numbers[0] & 0, 0
    for bit in range(max(bits, default=0)):
        for number, most in zip(numbers, bits, strict=True):
            if bit < most:
                result = result | (((number >> bit) & 1) << place)
                place += 1
    return result


def configured(stored: StoredArray, key: str, value: Any) -> StoredArray:
    """The array with one member of its metadata changed."""
    changed: Mapping[str, Any] = {**stored.metadata, key: value}
    return stored._replace(metadata=changed)
