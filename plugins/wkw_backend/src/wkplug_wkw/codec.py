"""Blocks to bytes and back: LZ4 through the `lz4` package, which lets other threads run meanwhile.

No files, no boxes.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import lz4.block

if TYPE_CHECKING:
    from collections.abc import Callable

    from wkplug_wkw.header import Header

__all__ = ["DamagedBlockError", "Encoder", "decode", "decoder_in_place", "most_bytes"]

DEFAULT_LEVEL = 9
"""What the format's own library takes for lz4hc."""

_decompress = lz4.block.decompress
_compress = lz4.block.compress
_LZ4Error = lz4.block.LZ4BlockError
# One byte of an LZ4 stream stands for at most 255 bytes of data.
_MAX_RATIO = 255


class DamagedBlockError(Exception):
    """A block that can't be decoded. Internal: whoever knows the file turns it into CorruptDataError."""


def decode(payload: Any, size: int, mutable: bool = False) -> bytes | bytearray:  # noqa: FBT001, FBT002 - per block
    """Decode one block to exactly `size` bytes (a bytearray if `mutable`), or raise DamagedBlockError."""
    # Before memory is taken: a crafted header may claim blocks of 2 GiB around a payload of 10 bytes.
    if len(payload) * _MAX_RATIO < size:
        raise DamagedBlockError(f"its {len(payload)} bytes can't decode to {size:,}")
    try:
        block: bytes | bytearray = _decompress(payload, uncompressed_size=size, return_bytearray=mutable)
    except _LZ4Error as error:
        raise DamagedBlockError(f"its {len(payload)} bytes are no LZ4 block ({error})") from error
    if len(block) != size:
        raise DamagedBlockError(f"it decodes to {len(block):,} bytes where {size:,} must be")
    return block


def most_bytes(size: int) -> int:
    """The most bytes that LZ4 makes of `size`."""
    return size + size // 255 + 16


@cache
def decoder_in_place() -> Callable[[int, int, int, int], int] | None:
    """Give LZ4's own function (source, target, source bytes, target bytes: addresses and lengths), or None.

    It decodes into memory that is there, where the `lz4` package makes two copies of each block: a fifth of what
    reading takes. Gives the number of decoded bytes, below zero for what is no LZ4 block; it never leaves the
    bounds it is given. Builds of `lz4` that don't show the library's functions give None.
    """
    import ctypes
    from importlib.util import find_spec

    try:
        library = find_spec("lz4.block._block")
        if library is None:
            return None
        function = ctypes.CDLL(library.origin).LZ4_decompress_safe
    except (AttributeError, OSError):
        return None
    function.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
    function.restype = ctypes.c_int
    return function


class Encoder:
    """Encodes blocks as a header asks, at one level (1 to 12, lz4hc only)."""

    __slots__ = ("_arguments", "_zero", "block_bytes")

    def __init__(self, header: Header, level: int = DEFAULT_LEVEL) -> None:
        self.block_bytes = header.block_bytes
        self._arguments: dict[str, Any] = {"store_size": False}
        if header.block_type == "lz4hc":
            self._arguments |= {"mode": "high_compression", "compression": level}
        self._zero: bytes | None = None

    def encode(self, block: Any) -> bytes:
        """Encode one block."""
        payload: bytes = _compress(block, **self._arguments)
        return payload

    @property
    def zero(self) -> bytes:
        """The encoded block of zeros."""
        if self._zero is None:
            self._zero = _zero_block(self.block_bytes, tuple(self._arguments.items()))
        return self._zero


@lru_cache(maxsize=16)
def _zero_block(size: int, arguments: tuple[tuple[str, Any], ...]) -> bytes:
    payload: bytes = _compress(bytes(size), **dict(arguments))
    return payload
