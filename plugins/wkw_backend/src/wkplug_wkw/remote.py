"""Shards on places that are no local disks: object stores, HTTP, anything behind a `Location`.

A `RemoteShard` is what is known about one object: its version and its jump table. Of a box, first the tables that
aren't known are read, then the blocks, near ones in one request; the shards of a box side by side. What little would
be left of a shard is read along: then it comes whole, in one request.

No bytes are decoded with the table of another version. Each request gives the version of what it read
(`Location.read_consistent`): where that isn't the table's any more, everything of that shard is read again. A shard
that somebody replaces all the time is read whole in the end, which is one request and so one version.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from wkplug.abc import REQUEST_BYTES, ROUND_TRIP_BYTES, joined, side_by_side
from wkplug.errors import ConflictError, CorruptDataError, MissingError
from wkplug_wkw.codec import most_bytes
from wkplug_wkw.shards import Index, Shard, shard_name
from wkplug_wkw.workers import pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wkplug.abc import Location
    from wkplug_wkw.header import Header
    from wkplug_wkw.morton import Block
    from wkplug_wkw.rows import Voxels

__all__ = ["RemoteShard", "RemoteShards", "Wanted"]

Item = TypeVar("Item")
Result = TypeVar("Result")
Wanted: TypeAlias = tuple[Index, "list[Block]"]
"""A shard, and the blocks that are wanted of it, sorted by their number."""

_RUN_BYTES = 8 * 2**20
"""How much one request takes, where blocks are not larger."""
_WHOLE_BYTES = 16 * 2**20
_HELD_BYTES = 128 * 2**20
"""How much is held in encoded form at a time."""
_MOST_SHARDS = 256
"""How many shards are looked at before the blocks of the first are read."""
_TRIES = 5
_HASTY_TRIES = 2


class RemoteShard(Shard):
    """One object, as of one version; `data` are all of its bytes, or none if only ranges are wanted."""

    __slots__ = ("data", "location", "version")

    def __init__(
        self, header: Header, location: Location, index: Index, version: str, data: bytes, *, whole: bool
    ) -> None:
        super().__init__(header, location.url, index)
        self.location = location
        self.version = version
        self.data = memoryview(data)
        # How long the object is we are not told; ranges behind its end come back short, and are noticed.
        self.check(len(data) if whole or len(data) < header.data_offset else 2**62)
        if not whole:
            self.data = memoryview(b"")

    def fetch(self, start: int, stop: int) -> memoryview:
        """Give bytes of an object that was read whole."""
        data = self.data[start:stop]
        if len(data) != stop - start:
            raise self.corrupt(f"it ends within the {stop - start:,} bytes from {start:,}")
        return data

    def runs(self, blocks: Sequence[Block]) -> Iterator[tuple[int, int, list[Block]]]:
        """Cut blocks into runs that are read as one: (first byte, last byte + 1, blocks)."""
        spans = [self.span(block[0]) for block in blocks]
        held = 0
        for start, stop in joined(spans, largest=_RUN_BYTES):
            first = held
            while held < len(spans) and spans[held][1] <= stop:
                held += 1
            yield start, stop, list(blocks[first:held])

    def put(self, blocks: Sequence[Block], voxels: Voxels, data: memoryview, first: int) -> None:
        """Decode blocks into an array; `data` are the bytes of the object from `first` on."""
        for block in blocks:
            start, stop = self.span(block[0])
            payload = data[start - first : stop - first]
            if len(payload) != stop - start:
                raise self.corrupt(f"it ends within the {stop - start:,} bytes from {start:,}", block[0])
            voxels.put(block, payload if self.table is None else self.decoded(block[0], payload))


class _Run(NamedTuple):
    """Blocks that are read with one request."""

    shard: RemoteShard
    start: int
    stop: int
    blocks: list[Block]


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

    def at_once(self, size: int) -> int:
        """How many requests that hold so many bytes each may be under way."""
        return max(1, min(self._root.concurrency, _HELD_BYTES // max(1, size)))

    def read_into(self, wanted: Sequence[Wanted], voxels: Voxels) -> list[Index]:
        """Copy blocks of shards into an array; gives the shards that are missing."""
        missing: list[Index] = []
        for group in pieces(wanted, min(_MOST_SHARDS, self._most)):
            left = list(group)
            for turn in range(_TRIES):
                left = self._read_group(left, voxels, missing, hasty=turn < _HASTY_TRIES)
                if not left:
                    break
            else:
                raise _restless(self.location(left[0][0]))
        return missing

    def _read_group(
        self, wanted: Sequence[Wanted], voxels: Voxels, missing: list[Index], *, hasty: bool
    ) -> list[Wanted]:
        """Read what can be read now; gives what must be read again, because somebody has replaced it meanwhile."""
        shards: dict[Index, RemoteShard | None] = {
            index: self._known[index] for index, _ in wanted if hasty and index in self._known
        }
        known = set(shards)
        unknown = [one for one in wanted if one[0] not in known]
        whole = [one for one in unknown if self._is_worth_all(one[1], hasty=hasty)]
        done = dict.fromkeys(index for index, _ in whole)
        tables = [one for one in unknown if one[0] not in done]
        calls = (
            self.at_once(self._header.raw_shard_bytes),
            self.at_once(self._header.data_offset + REQUEST_BYTES),
        )
        found = _together(lambda one: self._read_whole(*one, voxels), whole, calls[0])
        shards.update(zip(done, found, strict=True))
        looks = _together(lambda one: self._look(*one, voxels), tables, calls[1])
        for (index, _), (shard, has_all) in zip(tables, looks, strict=True):
            shards[index] = shard
            if has_all:
                done[index] = None
        missing.extend(index for index, _ in wanted if shards[index] is None)
        runs = [
            _Run(shard, *run)
            for index, blocks in wanted
            if index not in done and (shard := shards[index]) is not None
            for run in shard.runs(blocks)
        ]
        stale: set[Index] = set()
        longest = max((run.stop - run.start for run in runs), default=1)
        for run, damage in zip(
            runs, _together(lambda run: _read_run(run, voxels), runs, self.at_once(longest)), strict=True
        ):
            if damage is not None:
                index = run.shard.index
                self.forget(index)
                # A table that was read before this call may be that of an older version, where versions are vague.
                if isinstance(damage, CorruptDataError) and index not in known:
                    raise damage
                stale.add(index)
        return [one for one in wanted if one[0] in stale]

    def _is_worth_all(self, blocks: Sequence[Block], *, hasty: bool) -> bool:
        header = self._header
        spare = (header.num_blocks - len(blocks)) * header.block_bytes
        return header.num_blocks * header.block_bytes <= _WHOLE_BYTES and (
            spare <= ROUND_TRIP_BYTES or not hasty
        )

    def _read_whole(self, index: Index, blocks: Sequence[Block], voxels: Voxels) -> RemoteShard | None:
        shard = self.whole(index)
        if shard is not None:
            shard.put(blocks, voxels, shard.data, 0)
            shard.data = memoryview(b"")
            self._remember(shard)
        return shard

    def _look(self, index: Index, blocks: Sequence[Block], voxels: Voxels) -> tuple[RemoteShard | None, bool]:
        """Read a shard's table, and in the same request what is wanted right behind it; gives whether that is all."""
        header = self._header
        count = blocks[-1][0] + 1
        ahead = count * most_bytes(header.block_bytes) if count * header.block_bytes <= REQUEST_BYTES else 0
        location = self.location(index)
        for _ in range(_TRIES):
            try:
                (start,), version = location.read_consistent([(0, header.data_offset + ahead)])
            except MissingError:
                self.forget(index)
                return None, False
            except ConflictError:
                continue
            shard = self._remember(RemoteShard(header, location, index, version, start, whole=False))
            has_all = ahead > 0 and max(shard.span(block[0])[1] for block in blocks) <= len(start)
            if has_all:
                shard.put(blocks, voxels, memoryview(start), 0)
            return shard, has_all
        raise _restless(location)

    def _remember(self, shard: RemoteShard) -> RemoteShard:
        self._known[shard.index] = shard
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return shard

    def whole(self, index: Index) -> RemoteShard | None:
        """Read a shard completely; None if it is missing."""
        location = self.location(index)
        try:
            found = location.read_newer()
        except MissingError:
            self.forget(index)
            return None
        if found is None:
            return None
        return RemoteShard(self._header, location, index, found[1], found[0], whole=True)

    def forget(self, index: Index) -> None:
        """Drop what is known about a shard, because it was replaced."""
        self._known.pop(index, None)

    def clear(self) -> None:
        """Drop everything."""
        self._known.clear()


def _together(call: Callable[[Item], Result], items: Sequence[Item], at_once: int) -> list[Result]:
    return list(side_by_side(call, items, at_once=at_once))


def _read_run(run: _Run, voxels: Voxels) -> Exception | None:
    """Read and decode a run; gives what is wrong, if the shard isn't what its table says."""
    shard = run.shard
    try:
        # Decoded here and not by who waits, so that the encoded bytes are gone when the next request begins.
        (data,), _ = shard.location.read_consistent([(run.start, run.stop)], version=shard.version)
        shard.put(run.blocks, voxels, memoryview(data), run.start)
    except (ConflictError, CorruptDataError, MissingError) as error:
        return error
    return None


def _restless(location: Location) -> ConflictError:
    return ConflictError(
        f"{location.url} changed {_TRIES} times while it was read.",
        hint="Read it again when whoever writes there has finished.",
    )
