"""How many shard files this process keeps open, over all arrays: a budget, and who has to give way.

The limit on open files is the process's, and everybody else in it needs some too; so arrays share a quarter of
it, at most 256 files, and 64 MiB of jump tables. The file that was opened first goes first. An array that was
let go of closes its files itself; what is written down here about it is struck out when room is needed.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from functools import lru_cache
from typing import Protocol, TypeAlias

__all__ = ["Index", "OpenFiles", "open_files"]

Index: TypeAlias = tuple[int, int, int]
"""Which shard: (x, y, z), in shards."""

_SHARE = 4
_LEAST, _MOST = 8, 256
_MOST_BYTES = 2**26


class Owner(Protocol):
    """An array that keeps files of shards open."""

    def forget(self, index: Index) -> None:
        """Close the file of one shard."""


class OpenFiles:
    """The files that are open, oldest first, each with its array and the bytes of its jump table."""

    def __init__(self, most: int, most_bytes: int = _MOST_BYTES) -> None:
        self.most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: OrderedDict[tuple[int, Index], tuple[weakref.ref[Owner], int]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, owner: Owner, index: Index, table_bytes: int) -> None:
        """Write down that `owner` keeps a file open; others are closed where these are too many."""
        with self._lock:
            self._remove((id(owner), index))
            self._entries[id(owner), index] = (weakref.ref(owner), table_bytes)
            self._bytes += table_bytes
            if self._too_many():
                for key in [key for key, (array, _) in self._entries.items() if array() is None]:
                    self._remove(key)
            while self._too_many() and len(self._entries) > 1:
                self._close_oldest()

    def clear(self) -> int:
        """Close all of them; gives how many there were."""
        with self._lock:
            count = len(self._entries)
            while self._entries:
                self._close_oldest()
        return count

    def _too_many(self) -> bool:
        return len(self._entries) > self.most or self._bytes > self._most_bytes

    def _remove(self, key: tuple[int, Index]) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self._bytes -= found[1]

    def _close_oldest(self) -> None:
        (_, index), (array, table_bytes) = self._entries.popitem(last=False)
        self._bytes -= table_bytes
        owner = array()
        if owner is not None:
            # A reader that holds the shard finishes on it; the file is closed after that.
            owner.forget(index)


@lru_cache(maxsize=1)
def open_files(process: int) -> OpenFiles:
    """Give this process's; a forked child, which can't trust a lock that it inherited, gets one of its own."""
    del process
    return OpenFiles(_budget())


def _budget() -> int:
    try:
        import resource
    except ImportError:  # not on Windows, whose limits are far away
        return _MOST
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST
    return max(_LEAST, min(_MOST, soft // _SHARE))
