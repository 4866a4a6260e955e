"""The 16 bytes at the start of `header.wkw` and of every shard: parsing, packing, and all checks on them.

Pure: bytes in, values out, no files. Whatever a header claims is checked here before anybody takes memory
for it, so a crafted header ends in CorruptDataError or TooLargeError, never in a crash. The layout, little
endian: "WKW", version (1), a byte with log2 of the block edge in its low and log2 of the blocks per shard
edge in its high nibble, block type, voxel type, bytes per voxel, and the u64 offset of the first block
(0 in `header.wkw`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import numpy as np

from wkplug.errors import CorruptDataError, TooLargeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "BLOCK_TYPES",
    "HEADER_BYTES",
    "HEADER_NAME",
    "MAX_BLOCKS_PER_SHARD",
    "MAX_BLOCK_BYTES",
    "MAX_SHARD_BYTES",
    "MAX_VOXEL_BYTES",
    "VOXEL_TYPES",
    "Header",
    "check_jump_table",
]

HEADER_NAME: Final = "header.wkw"
HEADER_BYTES: Final = 16
BLOCK_TYPES: Final = ("raw", "lz4", "lz4hc")
"""Names of the block types 1 to 3; 2 and 3 decode alike."""
VOXEL_TYPES: Final = (
    "uint8", "uint16", "uint32", "uint64", "float32", "float64", "int8", "int16", "int32", "int64",
)  # fmt: skip
"""numpy names of the voxel types 1 to 10."""
MAX_VOXEL_BYTES: Final = 255
MAX_BLOCK_BYTES: Final = 0x7E000000
"""The most that LZ4 encodes as one block, and close to the 2 GiB that we would take for one at all."""
MAX_BLOCKS_PER_SHARD: Final = 2**21
"""128 blocks per edge: a jump table of 16 MiB. It bounds what a compressed shard's header can cost us."""

MAX_SHARD_BYTES: Final = 2**56
"""Beyond what file systems hold, and far enough below 2^63 that offsets into a shard never overflow."""


@attrs.frozen(kw_only=True)
class Header:
    """What the header says, checked.

    block_log2, shard_log2: log2 of voxels per block edge, and of blocks per shard edge.
    block_type: a name from BLOCK_TYPES. dtype: a name from VOXEL_TYPES. channels: values per voxel.
    """

    block_log2: int
    shard_log2: int
    block_type: str
    dtype: str
    channels: int
    voxel_bytes: int = attrs.field(init=False, eq=False)
    """Bytes per voxel, all channels."""
    block_bytes: int = attrs.field(init=False, eq=False)
    """Bytes of one decoded block."""

    @voxel_bytes.default
    def _voxel_bytes(self) -> int:
        return self.channels * np.dtype(self.dtype).itemsize

    @block_bytes.default
    def _block_bytes(self) -> int:
        return self.voxel_bytes << (3 * self.block_log2)

    @property
    def block_len(self) -> int:
        """Voxels per block edge."""
        return 1 << self.block_log2

    @property
    def shard_len(self) -> int:
        """Voxels per shard edge."""
        return 1 << (self.block_log2 + self.shard_log2)

    @property
    def blocks_per_edge(self) -> int:
        """Blocks per shard edge."""
        return 1 << self.shard_log2

    @property
    def num_blocks(self) -> int:
        """Blocks per shard."""
        return 1 << (3 * self.shard_log2)

    @property
    def compressed(self) -> bool:
        """Whether blocks are LZ4 streams behind a jump table."""
        return self.block_type != "raw"

    @property
    def data_offset(self) -> int:
        """Where the first block of a shard starts."""
        return HEADER_BYTES + (8 * self.num_blocks if self.compressed else 0)

    @property
    def raw_shard_bytes(self) -> int:
        """The size of an uncompressed shard with its header."""
        return HEADER_BYTES + self.num_blocks * self.block_bytes

    def pack(self, *, shard: bool) -> bytes:
        """Give the 16 bytes, for a shard or for `header.wkw`."""
        fixed = bytes(
            (
                1,
                self.shard_log2 << 4 | self.block_log2,
                BLOCK_TYPES.index(self.block_type) + 1,
                VOXEL_TYPES.index(self.dtype) + 1,
                self.voxel_bytes,
            )
        )
        return b"WKW" + fixed + (self.data_offset if shard else 0).to_bytes(8, "little")

    @classmethod
    def parse(cls, data: bytes, where: str) -> Header:
        """Parse the content of `header.wkw`; `where` names it in errors.

        Bytes behind the first 16 and the data offset are ignored: nothing here depends on them.
        """
        if len(data) < HEADER_BYTES:
            raise _damaged(where, f"it has {len(data)} bytes where a header has {HEADER_BYTES}")
        if data[:3] != b"WKW":
            raise _damaged(where, f"it starts with {data[:3]!r} where a header starts with b'WKW'")
        version, edges, block_type, voxel_type, voxel_bytes = data[3:8]
        if version != 1:
            raise _damaged(where, f"it has version {version}, and only version 1 exists")
        if not 1 <= block_type <= len(BLOCK_TYPES):
            raise _damaged(where, f"block type {block_type} does not exist (1 raw, 2 lz4, 3 lz4hc)")
        if not 1 <= voxel_type <= len(VOXEL_TYPES):
            raise _damaged(where, f"voxel type {voxel_type} does not exist (1 to {len(VOXEL_TYPES)})")
        dtype = VOXEL_TYPES[voxel_type - 1]
        channels, rest = divmod(voxel_bytes, np.dtype(dtype).itemsize)
        if rest or not channels:
            raise _damaged(where, f"{voxel_bytes} bytes per voxel are no multiple of a {dtype}")
        header = cls(
            block_log2=edges & 15,
            shard_log2=edges >> 4,
            block_type=BLOCK_TYPES[block_type - 1],
            dtype=dtype,
            channels=channels,
        )
        reason = header.too_large()
        if reason is not None:
            raise TooLargeError(
                f"The header {where} can't be trusted: {reason}.",
                hint="If the data are really laid out like this, rewrite them with smaller chunks.",
            )
        return header

    def too_large(self) -> str | None:
        """Say what in this layout is beyond all reason, if anything is."""
        if self.block_bytes > MAX_BLOCK_BYTES:
            return f"one chunk would take {self.block_bytes:,} bytes, more than {MAX_BLOCK_BYTES:,}"
        if self.compressed and self.num_blocks > MAX_BLOCKS_PER_SHARD:
            return f"one shard would hold {self.num_blocks:,} chunks, more than {MAX_BLOCKS_PER_SHARD:,}"
        if self.raw_shard_bytes > MAX_SHARD_BYTES:
            return f"one shard would take {self.raw_shard_bytes:,} bytes, more than {MAX_SHARD_BYTES:,}"
        return None

    def shard_mismatch(self, data: bytes) -> str | None:
        """Say in what a shard's first bytes differ from what this header asks for, if in anything."""
        expected = self.pack(shard=True)
        if data == expected:
            return None
        if len(data) < HEADER_BYTES:
            return f"it has {len(data)} bytes, not even a header of {HEADER_BYTES}"
        if data[:3] != b"WKW":
            return f"it starts with {data[:3]!r} where a shard starts with b'WKW'"
        # lz4 and lz4hc name two encoders of one encoding, and tools mix them in one mag.
        if not (self.compressed and data[5] in (2, 3)) and data[5] != expected[5]:
            return f"its block type is {data[5]}, and that of {HEADER_NAME} is {expected[5]}"
        for position, what in ((3, "version"), (4, "edge lengths"), (6, "voxel type"), (7, "voxel size")):
            if data[position] != expected[position]:
                return f"its {what} (byte {data[position]}) differs from {HEADER_NAME} ({expected[position]})"
        offset = int.from_bytes(data[8:16], "little")
        if offset != self.data_offset:
            return f"its data offset is {offset} where {self.data_offset} must be"
        return None


def check_jump_table(table: NDArray[np.int64], data_offset: int, file_size: int) -> str | None:
    """Say what is wrong with a jump table, if anything is.

    `table` holds one more entry than there are blocks: block n lies from table[n] to table[n + 1]. Offsets
    beyond the signed range have become negative on reading, so they fail the test for order.
    """
    if int(table[0]) != data_offset:
        return f"its first block starts at {int(table[0])} where {data_offset} must be"
    steps = np.diff(table)
    if int(steps.min()) < 0:
        return f"its jump table goes backwards at block {int(steps.argmin())}"
    if int(table[-1]) > file_size:
        return f"its jump table leads to byte {int(table[-1])}, and the file has {file_size}: it is cut short"
    return None


def _damaged(where: str, reason: str) -> CorruptDataError:
    return CorruptDataError(
        f"The header {where} is damaged: {reason}.",
        hint="Restore it from a copy; it must equal the first 8 bytes of the shards beside it.",
    )
