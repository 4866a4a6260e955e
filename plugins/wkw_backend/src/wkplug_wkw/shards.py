"""Reading shards on local disks: open files with parsed jump tables, kept as long as they are true.

A `LocalShard` is one opened, validated file; `LocalShards` hands them out by shard index. Before each read
the path is looked at again: another inode, time or size, and the shard is opened and parsed anew. The open
file pins its inode, so a number that is used again can't fool the comparison, and a reader in the middle of a
shard that somebody replaces finishes on the old one. Files are read with pread, never mapped: a file that is
cut short under a mapping kills the process.

Only ENOENT means that a shard is missing, and only while `header.wkw` is still there.
"""

# ruff: noqa: PTH116
# Paths are plain text here: pathlib costs more than the system calls.

from __future__ import annotations

import errno
import os
import stat
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.errors import CorruptDataError, MissingError
from wkplug_wkw.codec import DamagedBlockError, decode, decoder_in_place, most_bytes
from wkplug_wkw.failures import corrupt_shard, storage_error
from wkplug_wkw.header import HEADER_BYTES, HEADER_NAME, Header, check_jump_table
from wkplug_wkw.open_files import Index, open_files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from wkplug_wkw.morton import Block
    from wkplug_wkw.rows import Voxels

__all__ = ["Index", "LocalShard", "LocalShards", "Shard", "parse_table", "shard_name"]

_OPEN = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_TOO_MANY_OPEN = (errno.EMFILE, errno.ENFILE)
_RUN_BYTES = 256 * 1024
"""How much one pread takes: enough to hide the call, little enough to be decoded from the cache."""
_IN_PLACE_BLOCKS = 8
"""From here on decoding in place saves more than its buffers cost."""


def shard_name(index: Index) -> str:
    """Give a shard's path below the mag's folder."""
    return f"z{index[2]}/y{index[1]}/x{index[0]}.wkw"


def parse_table(header: Header, data: bytes, file_size: int) -> tuple[memoryview, str | None]:
    """Parse a shard's first `data_offset` bytes; gives the table and what is wrong with it, if anything is.

    Entry n of the table is where block n starts, entry n + 1 where it ends; plain ints by index.
    """
    if len(data) < header.data_offset:
        return memoryview(b""), f"its jump table is cut short ({len(data)} of {header.data_offset} bytes)"
    table = np.frombuffer(data, "<i8", header.num_blocks + 1, 8).astype(np.int64)
    return memoryview(table.data), check_jump_table(table, header.data_offset, file_size)


class Shard(ABC):
    """One shard, validated: what can be done with it wherever its bytes are."""

    __slots__ = ("header", "index", "table", "where")

    def __init__(self, header: Header, where: str, index: Index) -> None:
        self.header = header
        self.where = where
        self.index = index
        self.table: memoryview | None = None

    @abstractmethod
    def fetch(self, start: int, stop: int) -> Any:
        """Read bytes of the shard, all of them."""

    def check(self, size: int) -> None:
        """Check header and jump table of a shard of `size` bytes; CorruptDataError tells what is wrong."""
        header = self.header
        reason = header.shard_mismatch(bytes(self.fetch(0, min(size, HEADER_BYTES))))
        if reason is None and header.compressed:
            # The size is compared first: a table is up to 16 MiB, and a header may lie.
            if size < header.data_offset:
                reason = f"it has {size:,} bytes, its jump table alone {header.data_offset:,}"
            else:
                self.table, reason = parse_table(header, self.fetch(0, header.data_offset), size)
        elif reason is None and size < header.raw_shard_bytes:
            reason = f"it has {size:,} bytes where {header.raw_shard_bytes:,} must be"
        if reason is not None:
            raise self.corrupt(reason)

    def corrupt(self, reason: str, number: int | None = None) -> CorruptDataError:
        """Make the error for damage in this shard, in one block if its number is given."""
        block = "" if number is None else f", chunk {number},"
        return corrupt_shard(self.where, self.index, self.header.shard_len, reason, block)

    def span(self, number: int) -> tuple[int, int]:
        """Give the bytes, (start, stop), in which a block is stored."""
        if self.table is not None:
            return self.table[number], self.table[number + 1]
        start = HEADER_BYTES + number * self.header.block_bytes
        return start, start + self.header.block_bytes

    def block(self, number: int) -> bytearray:
        """Read and decode one block into memory of the caller's own."""
        data = self.fetch(*self.span(number))
        if self.table is None:
            return bytearray(data)
        return self.decoded(number, data, mutable=True)  # type: ignore[return-value] # mutable: a bytearray

    def decoded(self, number: int, data: Any, *, mutable: bool = False) -> bytes | bytearray:
        """Decode the payload of a compressed block; CorruptDataError names the block."""
        try:
            return decode(data, self.header.block_bytes, mutable=mutable)
        except DamagedBlockError as error:
            raise self.corrupt(str(error), number) from error


class LocalShard(Shard):
    """One shard file, kept open. It is closed when nobody holds the object any more."""

    __slots__ = ("_fd", "_sparse", "signature")

    def __init__(self, header: Header, path: str, index: Index) -> None:
        super().__init__(header, path, index)
        self._fd = -1
        self._fd = os.open(path, _OPEN)
        facts = os.fstat(self._fd)
        self.signature = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
        self._sparse = hasattr(os, "SEEK_DATA") and facts.st_blocks * 512 < facts.st_size
        if not stat.S_ISREG(facts.st_mode):
            raise self.corrupt("it is no regular file")
        self.check(facts.st_size)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # Held as a default: when the interpreter ends, this module's names may be gone already.
        if self._fd >= 0:
            close(self._fd)

    def fileno(self) -> int:
        """Give the file's number, valid while this object lives."""
        return self._fd

    def fetch(self, start: int, stop: int) -> bytes:
        """Read bytes of the file, all of them."""
        try:
            data = os.pread(self._fd, stop - start, start)
            while len(data) < stop - start:
                # A call moves at most 2 GiB; and nothing at all is left of a file that shrinks meanwhile.
                more = os.pread(self._fd, stop - start - len(data), start + len(data))
                if not more:
                    raise self.corrupt(f"it ends at byte {start + len(data):,} while it is read")
                data += more
        except OSError as error:
            raise storage_error(error, "read", self.where) from error
        return data

    def block_array(self, number: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """Read one whole block as an array of its own, in the memory into which it was decoded."""
        if self.table is None:
            flat = np.empty(self.header.block_bytes, np.uint8)
            start, stop = self.span(number)
            if os.preadv(self._fd, (flat.data,), start) != stop - start:
                flat = np.frombuffer(self.block(number), np.uint8)
            return flat.view(dtype).reshape(shape, order="F")
        try:
            data = decode(
                self.fetch(self.table[number], self.table[number + 1]), self.header.block_bytes, mutable=True
            )
        except DamagedBlockError as error:
            raise self.corrupt(str(error), number) from error
        return np.ndarray(shape, dtype, data, order="F")

    def read_into(self, blocks: Sequence[Block], voxels: Voxels) -> None:
        """Copy blocks, sorted by their number, into an array; neighbours are read with one call."""
        if self.table is None:
            self._read_raw(blocks, voxels)
        else:
            self._read_compressed(blocks, voxels, self.table)

    def _read_compressed(self, blocks: Sequence[Block], voxels: Voxels, table: memoryview) -> None:
        decoder = decoder_in_place() if len(blocks) >= _IN_PLACE_BLOCKS and hasattr(os, "preadv") else None
        if decoder is not None:
            self._read_in_place(blocks, voxels, table, decoder)
            return
        # Everything in one loop, for it runs once per block and the calls would cost as much as the copies.
        size = self.header.block_bytes
        put = voxels.put
        count = len(blocks)
        first = 0
        number = blocks[0][0]
        try:
            while first < count:
                number = blocks[first][0]
                start = table[number]
                stop = table[number + 1]
                last = first + 1
                while last < count and blocks[last][0] == number + last - first and stop - start < _RUN_BYTES:
                    last += 1
                    stop = table[number + last - first]
                data: Any = self.fetch(start, stop)
                if last - first == 1:
                    put(blocks[first], decode(data, size))
                else:
                    data = memoryview(data)
                    for block in blocks[first:last]:
                        number = block[0]
                        payload = data[table[number] - start : table[number + 1] - start]
                        put(block, decode(payload, size))
                first = last
        except DamagedBlockError as error:
            raise self.corrupt(str(error), number) from error

    def _read_in_place(
        self,
        blocks: Sequence[Block],
        voxels: Voxels,
        table: memoryview,
        decoder: Callable[[int, int, int, int], int],
    ) -> None:
        """Do the same with two buffers for all blocks, into which is read and decoded."""
        size = self.header.block_bytes
        put = voxels.put
        most = most_bytes(size)
        encoded = np.empty(_RUN_BYTES + most, np.uint8)
        block_voxels = np.empty(size, np.uint8)
        source, target = encoded.ctypes.data, block_voxels.ctypes.data
        count = len(blocks)
        first = 0
        while first < count:
            number = blocks[first][0]
            start = table[number]
            stop = table[number + 1]
            last = first + 1
            while last < count and blocks[last][0] == number + last - first and stop - start < _RUN_BYTES:
                last += 1
                stop = table[number + last - first]
            if (
                stop - start > len(encoded)
                or os.preadv(self._fd, (encoded.data[: stop - start],), start) != stop - start
            ):
                # Damaged, or cut short meanwhile: this way tells what is wrong.
                for block in blocks[first:last]:
                    put(block, self.block(block[0]))
            else:
                for block in blocks[first:last]:
                    number = block[0]
                    begin = table[number]
                    length = table[number + 1] - begin
                    if decoder(source + begin - start, target, length, size) == size:
                        put(block, block_voxels)
                    else:
                        put(block, self.block(number))
            first = last

    def _is_hole(self, start: int, stop: int) -> bool:
        """Whether nothing was ever written between two positions of the file."""
        try:
            return os.lseek(self._fd, start, os.SEEK_DATA) >= stop
        except OSError as error:
            # ENXIO: no data from there to the end. Whatever else it is, reading will tell.
            return error.errno == errno.ENXIO

    def _read_raw(self, blocks: Sequence[Block], voxels: Voxels) -> None:
        header = self.header
        size = header.block_bytes
        edge = header.block_len
        slab = size // edge
        most = max(1, _RUN_BYTES // size)
        zeros = bytes(most * size) if self._sparse else b""
        count = len(blocks)
        first = 0
        while first < count:
            number = blocks[first][0]
            z = blocks[first][3]
            last = first + 1
            start = HEADER_BYTES + number * size
            if z[2] - z[1] < edge:
                # The planes of a block lie one after the other, so only those that are wanted are read.
                low = z[1] * slab
                data = self.fetch(start + low, start + z[2] * slab)
                number, x, y, z = blocks[first]
                voxels.put((number, x, y, (z[0], 0, z[2] - z[1], z[3], z[4])), data)
            else:
                while last < count and last - first < most and blocks[last][0] == number + last - first:
                    if blocks[last][3][2] - blocks[last][3][1] < edge:
                        break
                    last += 1
                stop = start + (last - first) * size
                data = zeros if self._sparse and self._is_hole(start, stop) else self.fetch(start, stop)
                for position, block in enumerate(blocks[first:last]):
                    voxels.put(block, data, position * size)
            first = last


class LocalShards:
    """The shards of one array, by index; the ones opened last stay open. Threads may share it.

    How many stay open is a budget of the whole process (`open_files`), because a dataset may have a hundred arrays.
    """

    def __init__(self, root: str, header: Header) -> None:
        self.root = root
        self._header = header
        self._open: dict[Index, LocalShard] = {}
        self._table_bytes = 8 * header.num_blocks if header.compressed else 0

    def path(self, index: Index) -> str:
        """Give the path of a shard."""
        return f"{self.root}/{shard_name(index)}"

    def get(self, index: Index) -> LocalShard | None:
        """Give the shard as it is now, None if it is missing; CorruptDataError if it is damaged."""
        shard = self._open.get(index)
        try:
            if shard is None:
                return self._get_new(index)
            facts = os.stat(shard.where)
            if shard.signature == (facts.st_ino, facts.st_mtime_ns, facts.st_size):
                return shard
            return self._get_new(index)
        except FileNotFoundError as error:
            self.forget(index)
            self._check_root(error)
            return None
        except NotADirectoryError as error:
            path = self.path(index)
            reason = "one of its folders is a file"
            raise corrupt_shard(path, index, self._header.shard_len, reason) from error
        except OSError as error:
            raise storage_error(error, "read", self.path(index)) from error

    def _get_new(self, index: Index) -> LocalShard:
        path = self.path(index)
        try:
            shard = LocalShard(self._header, path, index)
        except OSError as error:
            if error.errno not in _TOO_MANY_OPEN or not open_files(os.getpid()).clear():
                raise
            # Our own open files were the ones too many.
            shard = LocalShard(self._header, path, index)
        self._open[index] = shard
        open_files(os.getpid()).add(self, index, self._table_bytes)
        return shard

    def _check_root(self, error: OSError) -> None:
        """Tell a shard that is missing from an array that is: a lost mount must not read as zeros."""
        path = f"{self.root}/{HEADER_NAME}"
        try:
            os.stat(path)
        except FileNotFoundError:
            raise MissingError(
                f"{path} is gone: the array was deleted or moved, or its file system unmounted.",
                hint="Open the dataset again.",
            ) from error
        except OSError as other:
            raise storage_error(other, "read", path) from other

    def forget(self, index: Index) -> None:
        """Drop a shard, because it was replaced, or because too many are open."""
        self._open.pop(index, None)

    def clear(self) -> None:
        """Drop all of them; readers in other threads finish on what they hold."""
        self._open.clear()
