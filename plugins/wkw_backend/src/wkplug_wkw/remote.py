"""Shards on places that are no local disks: object stores, HTTP, anything behind a `Location`.

A `RemoteShard` is what is known about one object: its version and its jump table. Voxels are read in ranges
and the version is looked at afterwards: the same as when the table was read, and the bytes belong to it; not
the same, and all is read again. So a shard that somebody replaces while it is read is never decoded with the
wrong table, for one small request more than there are ranges.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from wkplug.errors import ConflictError, CorruptDataError, MissingError
from wkplug_wkw.shards import Index, Shard, shard_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wkplug.abc import Location
    from wkplug_wkw.header import Header
    from wkplug_wkw.morton import Block
    from wkplug_wkw.rows import Voxels

__all__ = ["RemoteShard", "RemoteShards"]

_BATCH_BYTES = 64 * 2**20
"""How much is held in encoded form at a time."""
_TRIES = 5


class RemoteShard(Shard):
    """One object, as of one version; `data` are all of its bytes, or None if only ranges are wanted."""

    __slots__ = ("data", "location", "version")

    def __init__(
        self, header: Header, location: Location, index: Index, version: str, data: memoryview | None = None
    ) -> None:
        super().__init__(header, location.url, index)
        self.location = location
        self.version = version
        self.data = data
        if data is not None:
            self.check(len(data))
            return
        # How long the object is we are not told; ranges behind its end come back short, and are noticed.
        self.data = memoryview(location.read(0, header.data_offset))
        self.check(2**62 if len(self.data) == header.data_offset else len(self.data))
        self.data = None

    def fetch(self, start: int, stop: int) -> memoryview:
        """Give bytes of the object, all of them."""
        data = memoryview(self.location.read(start, stop)) if self.data is None else self.data[start:stop]
        if len(data) != stop - start:
            raise self.corrupt(f"it ends within the {stop - start:,} bytes from {start:,}")
        return data

    def received(self, number: int, data: bytes) -> bytes | bytearray:
        """Decode what came for a block."""
        start, stop = self.span(number)
        if len(data) != stop - start:
            raise self.corrupt(f"it ends within the {stop - start:,} bytes from {start:,}", number)
        return data if self.table is None else self.decoded(number, data)

    def batches(self, blocks: Sequence[Block]) -> list[list[Block]]:
        """Cut a list of blocks where it would hold too many bytes at once."""
        result: list[list[Block]] = [[]]
        held = 0
        for block in blocks:
            start, stop = self.span(block[0])
            if held + stop - start > _BATCH_BYTES and result[-1]:
                result.append([])
                held = 0
            result[-1].append(block)
            held += stop - start
        return result


class RemoteShards:
    """The shards of one array on one place, with what is known about the ones read last."""

    def __init__(self, root: Location, header: Header, *, max_table_bytes: int = 2**25) -> None:
        self._root = root
        self._header = header
        self._known: OrderedDict[Index, RemoteShard] = OrderedDict()
        table_bytes = 8 * header.num_blocks if header.compressed else 64
        self._most = max(1, min(1024, max_table_bytes // table_bytes))

    def location(self, index: Index) -> Location:
        """Give the place of a shard."""
        return self._root.child(shard_name(index))

    def get(self, index: Index) -> RemoteShard | None:
        """Give what is known about a shard, looking at it if nothing is; None if it is missing."""
        shard = self._known.get(index)
        return self._look(index) if shard is None else shard

    def _look(self, index: Index) -> RemoteShard | None:
        self._known.pop(index, None)
        location = self.location(index)
        try:
            version = location.version()
            shard = None if version is None else RemoteShard(self._header, location, index, version)
        except MissingError:
            return None
        if shard is not None:
            self._known[index] = shard
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return shard

    def read_into(self, index: Index, blocks: Sequence[Block], voxels: Voxels) -> bool:
        """Copy blocks of a shard into an array; False if the shard is missing."""
        for _ in range(_TRIES):
            shard = self.get(index)
            if shard is None:
                return False
            damage: Exception | None = None
            try:
                for batch in shard.batches(blocks):
                    spans = [shard.span(block[0]) for block in batch]
                    for block, data in zip(batch, shard.location.read_ranges(spans), strict=True):
                        voxels.put(block, shard.received(block[0], data))
            except (CorruptDataError, MissingError) as error:
                damage = error
            if shard.location.version() == shard.version:
                if damage is not None:
                    raise damage
                return True
            self.forget(index)
        raise _restless(self.location(index))

    def whole(self, index: Index) -> RemoteShard | None:
        """Read a shard completely; None if it is missing."""
        location = self.location(index)
        for _ in range(_TRIES):
            version = location.version()
            if version is None:
                return None
            try:
                data = memoryview(location.read())
            except MissingError:
                return None
            if location.version() == version:
                return RemoteShard(self._header, location, index, version, data)
        raise _restless(location)

    def forget(self, index: Index) -> None:
        """Drop what is known about a shard, because it was replaced."""
        self._known.pop(index, None)

    def clear(self) -> None:
        """Drop everything."""
        self._known.clear()


def _restless(location: Location) -> ConflictError:
    return ConflictError(
        f"{location.url} changed {_TRIES} times while it was read.",
        hint="Read it again when whoever writes there has finished.",
    )
