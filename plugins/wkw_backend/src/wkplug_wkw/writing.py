"""Writing a box into one shard: encode the blocks it touches, keep the others byte for byte, replace all.

A shard is always replaced as a whole, locally by a rename, elsewhere by one put: at any moment, and after any
crash, it is the old or the new one. Blocks that the box doesn't touch are copied as they are stored; blocks
that nobody ever wrote are the encoded block of zeros, made once per layout, or holes where blocks are raw.
Memory: what is encoded at a time locally; one encoded shard elsewhere.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from wkplug.abc import at_work, change_object
from wkplug.errors import TooLargeError
from wkplug_wkw.codec import Encoder
from wkplug_wkw.files import NewFile
from wkplug_wkw.header import HEADER_BYTES, Header
from wkplug_wkw.remote import RemoteShard
from wkplug_wkw.workers import ordered, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wkplug_wkw.morton import Block, Part
    from wkplug_wkw.remote import RemoteShards
    from wkplug_wkw.rows import Voxels
    from wkplug_wkw.shards import Index, LocalShards, Shard

__all__ = ["MAX_OBJECT_BYTES", "ShardWriter"]

MAX_OBJECT_BYTES = 2 * 2**30
"""The largest raw shard that is held in memory, where a shard can only be put as a whole."""
_GROUP_BYTES = 256 * 1024
_PARALLEL_BYTES = {"lz4": 2 * 2**20, "lz4hc": 128 * 1024}
"""From how many bytes on threads cost less than they save, by what a block costs to encode."""


class _Sink(Protocol):
    def write(self, data: Any, /) -> Any: ...
    def copy(self, source: Shard, start: int, stop: int) -> None: ...
    def put(self, data: Any, position: int) -> None: ...


class _Memory(BytesIO):
    """A sink that becomes one object on a remote place; what it holds is given without another copy."""

    def copy(self, source: Shard, start: int, stop: int) -> None:
        self.write(source.fetch(start, stop))

    def put(self, data: Any, position: int) -> None:
        self.seek(position)
        self.write(data)


class ShardWriter:
    """Writes boxes into the shards of one array."""

    def __init__(self, header: Header, level: int) -> None:
        self._header = header
        self._encoder = Encoder(header, level)

    def is_whole(self, part: Part) -> bool:
        """Whether a part covers its block along its axis."""
        return part[1] == 0 and part[2] == self._header.block_len

    def write_local(
        self,
        shards: LocalShards,
        index: Index,
        blocks: Sequence[Block],
        voxels: Voxels,
        *,
        whole: bool,
        durable: bool,
    ) -> str:
        """Write blocks, sorted by number, into a local shard and give its path; `whole` says they are all."""
        header = self._header
        old = None if whole else shards.get(index)
        path = shards.path(index)
        with NewFile(path) as file:
            if header.compressed:
                file.skip(header.data_offset)
                file.put(self._compressed(file, old, blocks, voxels), 0)
            else:
                if old is None:
                    file.stretch(header.raw_shard_bytes)
                    file.put(header.pack(shard=True), 0)
                else:
                    file.clone(old, header.raw_shard_bytes)
                self._raw(file, old, blocks, voxels)
            file.commit(durable=durable)
        shards.forget(index)
        return path

    def write_remote(
        self, shards: RemoteShards, index: Index, blocks: Sequence[Block], voxels: Voxels, *, whole: bool
    ) -> None:
        """Write blocks, sorted by number, into a shard on any place; others' changes are never lost."""
        header = self._header
        location = shards.location(index)
        if not header.compressed and header.raw_shard_bytes > MAX_OBJECT_BYTES:
            raise TooLargeError(
                f"{location.url} can only be written whole, and has {header.raw_shard_bytes:,} bytes.",
                hint="Create the array compressed, or with smaller shards.",
            )
        if whole:
            # Where nothing is, zeros need no object. Looking costs no more than putting one.
            if voxels.is_zero(blocks) and location.version() is None:
                return
            shards.forget(index)
            location.write(self._object(None, blocks, voxels))
            return

        def change(data: bytes | None) -> bytes | None:
            old = None if data is None else RemoteShard(header, location, index, "", data, whole=True)
            if old is None and voxels.is_zero(blocks):
                return None
            shards.forget(index)
            return self._object(old, blocks, voxels)

        change_object(location, change)

    def _object(self, old: RemoteShard | None, blocks: Sequence[Block], voxels: Voxels) -> bytes:
        """Encode a shard as a whole, when it is its turn."""
        header = self._header
        with at_work(), _Memory() as memory:
            if header.compressed:
                memory.seek(header.data_offset)
                memory.put(self._compressed(memory, old, blocks, voxels), 0)
            else:
                if old is None:
                    memory.put(b"\0", header.raw_shard_bytes - 1)
                else:
                    memory.write(old.fetch(0, header.raw_shard_bytes))
                memory.put(header.pack(shard=True), 0)
                self._raw(memory, old, blocks, voxels)
            return memory.getvalue()

    def _compressed(self, sink: _Sink, old: Shard | None, blocks: Sequence[Block], voxels: Voxels) -> bytes:
        """Write all blocks of the shard to the sink, in order; gives header and jump table."""
        header = self._header
        count = header.num_blocks
        table = np.empty(count + 1, np.int64)
        table[0] = header.data_offset
        old_table = None if old is None or old.table is None else np.asarray(old.table)
        zero = self._encoder.zero if old is None else b""
        repeat = max(1, _GROUP_BYTES // max(1, len(zero)))

        def keep(first: int, last: int) -> None:
            here = int(table[first])
            if old is not None and old_table is not None:
                start, stop = int(old_table[first]), int(old_table[last])
                np.add(old_table[first + 1 : last + 1], here - start, out=table[first + 1 : last + 1])
                sink.copy(old, start, stop)
                return
            table[first + 1 : last + 1] = here + len(zero) * np.arange(1, last - first + 1)
            many = zero * min(repeat, last - first)
            for _ in range((last - first) // repeat):
                sink.write(many)
            if (last - first) % repeat:
                sink.write(zero * ((last - first) % repeat))

        number = 0
        for block, payload in zip(blocks, self._encoded(old, blocks, voxels), strict=True):
            if block[0] > number:
                keep(number, block[0])
                number = block[0]
            table[number + 1] = int(table[number]) + len(payload)
            number += 1
            sink.write(payload)
        if number < count:
            keep(number, count)
        # The header's own offset takes the place of the table's first entry: they are the same number.
        return header.pack(shard=True)[:8] + table.astype("<i8").tobytes()

    def _encoded(self, old: Shard | None, blocks: Sequence[Block], voxels: Voxels) -> Iterator[bytes]:
        size = self._header.block_bytes
        encode = self._encoder.encode

        def encode_group(group: Sequence[Block]) -> list[bytes]:
            scratch = bytearray(size)
            payloads = []
            for block in group:
                buffer = scratch
                if not self._covered(block, voxels):
                    buffer = bytearray(size) if old is None else old.block(block[0])
                voxels.get(block, buffer)
                payloads.append(encode(buffer))
            return payloads

        groups = pieces(blocks, max(1, _GROUP_BYTES // size))
        for payloads in ordered(encode_group, groups, parallel=self._parallel(blocks)):
            yield from payloads

    def _raw(self, sink: _Sink, old: Shard | None, blocks: Sequence[Block], voxels: Voxels) -> None:
        size = self._header.block_bytes

        # No threads: copying is bound by memory, and one buffer that stays in the cache is the fastest.
        most = max(1, _GROUP_BYTES // size)
        scratch = bytearray(most * size)
        zeros = bytes(most * size) if old is None else b""
        for group in _neighbours(blocks, most):
            length = len(group) * size
            buffer = scratch if len(group) == most else bytearray(length)
            for position, block in enumerate(group):
                if not self._covered(block, voxels):
                    kept = bytes(size) if old is None else old.block(block[0])
                    buffer[position * size : (position + 1) * size] = kept
                voxels.get(block, buffer, position * size)
            # Zeros stay holes where nothing was.
            if old is not None or buffer != zeros[:length]:
                sink.put(buffer, HEADER_BYTES + group[0][0] * size)

    def _covered(self, block: Block, voxels: Voxels) -> bool:
        whole = self.is_whole
        return voxels.all_channels and whole(block[1]) and whole(block[2]) and whole(block[3])

    def _parallel(self, blocks: Sequence[Block]) -> bool:
        return len(blocks) * self._header.block_bytes >= _PARALLEL_BYTES[self._header.block_type]


def _neighbours(blocks: Sequence[Block], most: int) -> Iterator[Sequence[Block]]:
    """Cut sorted blocks into runs that are stored side by side, of at most `most` blocks."""
    first = 0
    for last in range(1, len(blocks) + 1):
        if last == len(blocks) or last - first == most or blocks[last][0] != blocks[first][0] + last - first:
            yield blocks[first:last]
            first = last
