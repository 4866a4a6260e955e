"""memory:// places: one file system in this process, kept by fsspec, and gone with the process."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from wkplug.config import current
from wkplug.filesystems.drivers import FsspecLocation, process_locks

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["MemoryLocation"]


class MemoryLocation(FsspecLocation):
    """A file or folder in this process' memory."""

    __slots__ = ()

    attempts = 1
    has_folders = False  # the driver makes them itself
    path_has_host = True

    @property
    def store(self) -> str:
        """memory://, which is one for all."""
        return "memory://"

    @property
    def _target(self) -> str:
        return f"/{self._path}"

    def _version(self) -> str | None:
        if self._info().get("type") == "directory":
            return None
        changed = self._do("looked at", lambda driver: driver.modified(self._target))
        # The clock may give two writes the same time.
        return f"{changed.timestamp()}-{hashlib.blake2b(self.read(), digest_size=8).hexdigest()}"

    def lock(self, key: str = "", *, timeout: float | None = None) -> AbstractContextManager[None]:
        """Lock it for all threads of this process; no other process sees it."""
        return process_locks.hold(self.url, key, current().lock_timeout if timeout is None else timeout)
