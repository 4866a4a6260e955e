"""A TIFF that isn't on a local disk, as the file object that tifffile wants: read by ranges, never as a whole."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from wkplug.abc import Location

__all__ = ["open_remote"]

_BUFFER = 1 << 18  # IFDs are small and near each other; one request should bring many


def open_remote(location: Location) -> BinaryIO:
    """Open a place for reading; MissingError if there is nothing."""
    return io.BufferedReader(_Ranges(location), _BUFFER)


class _Ranges(io.RawIOBase):
    """Bytes of a place, fetched as they are asked for."""

    def __init__(self, location: Location) -> None:
        super().__init__()
        self._location = location
        self._size = location.size()
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed names a private type here
        stop = min(self._position + len(buffer), self._size)
        if stop <= self._position:
            return 0
        data = self._location.read(self._position, stop)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
