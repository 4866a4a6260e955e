"""Local files that take the place of others when they are whole.

A `NewFile` is written beside its target under a name that nobody reads, and renamed over it in the end; an
error or a signal before that leaves the target as it was.
"""

# ruff: noqa: PTH103, PTH105, PTH108, PTH120
# Paths are plain text here: pathlib costs more than the system calls.

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING, Any

from wkplug.errors import ForbiddenError, StorageError
from wkplug_wkw.failures import storage_error

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from wkplug_wkw.shards import Shard

__all__ = ["TEMPORARY_PREFIX", "NewFile", "sync"]

TEMPORARY_PREFIX = ".wkplug-tmp-"
"""As for all unfinished files of wkplug, so that its cleaning finds them."""
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_PIECE = 2**20
_SMALL = 64 * 1024
_NO_COPY = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM)


class NewFile:
    """A file in the making; a context manager that removes what was not committed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._folder = os.path.dirname(path)
        self._temporary = f"{self._folder}/{TEMPORARY_PREFIX}{os.getpid()}-{os.urandom(6).hex()}"
        self._pending: list[Any] = []
        self._held = 0
        self._fd = -1

    def __enter__(self) -> NewFile:
        try:
            try:
                self._fd = os.open(self._temporary, _FLAGS, 0o666)
            except FileNotFoundError:
                os.makedirs(self._folder, exist_ok=True)
                self._fd = os.open(self._temporary, _FLAGS, 0o666)
        except OSError as error:
            raise storage_error(error, "written", self.path) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pending.clear()
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)
        if isinstance(error, OSError) and not isinstance(error, StorageError):
            raise storage_error(error, "written", self.path) from error

    def skip(self, position: int) -> None:
        """Go on writing at `position`; what is skipped is written later."""
        os.lseek(self._fd, position, os.SEEK_SET)

    def write(self, data: Any) -> None:
        """Append bytes, which must not change until the file is committed."""
        self._pending.append(data)
        self._held += len(data)
        if self._held >= _PIECE:
            self._drain()

    def _drain(self) -> None:
        view = memoryview(b"".join(self._pending))
        self._pending.clear()
        self._held = 0
        while view:
            view = view[os.write(self._fd, view) :]

    def put(self, data: Any, position: int) -> None:
        """Write bytes at `position`; appending goes on where it was."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._fd, view, position)
            view = view[written:]
            position += written

    def copy(self, source: Shard, start: int, stop: int) -> None:
        """Append bytes of another shard, inside the kernel where it can and they are many."""
        if hasattr(source, "fileno") and stop - start >= _SMALL:
            self._drain()
            start += self._copy_in_kernel(source.fileno(), start, stop, None)
        while start < stop:
            end = min(stop, start + _PIECE)
            self.write(source.fetch(start, end))
            start = end

    def _copy_in_kernel(self, fd: int, start: int, stop: int, target: int | None) -> int:
        """Copy as much as the kernel is willing to; gives how much that was."""
        done = 0
        if not hasattr(os, "copy_file_range"):
            return done
        try:
            while start + done < stop:
                to = None if target is None else target + done
                count = os.copy_file_range(fd, self._fd, stop - start - done, start + done, to)
                if not count:
                    break
                done += count
        except OSError as error:
            if error.errno not in _NO_COPY:
                raise
        return done

    def clone(self, source: Shard, size: int) -> None:
        """Become a copy of another file of `size` bytes, with its holes."""
        os.ftruncate(self._fd, size)
        for start, stop in _extents(source.fileno(), size) if hasattr(source, "fileno") else [(0, size)]:
            position = start
            if hasattr(source, "fileno"):
                position += self._copy_in_kernel(source.fileno(), start, stop, start)
            while position < stop:
                end = min(stop, position + _PIECE)
                self.put(source.fetch(position, end), position)
                position = end

    def stretch(self, size: int) -> None:
        """Give the file its size; what is not written is a hole, and reads as zeros."""
        os.ftruncate(self._fd, size)

    def commit(self, *, durable: bool) -> None:
        """Put the file in its place, with the permissions of the one that was there."""
        self._drain()
        self._inherit()
        if durable:
            os.fsync(self._fd)
        fd, self._fd = self._fd, -1
        try:
            os.close(fd)
            os.replace(self._temporary, self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)
            raise
        if durable:
            _sync_folder(self._folder)

    def _inherit(self) -> None:
        try:
            old = os.lstat(self.path)
        except FileNotFoundError:
            return
        if stat.S_ISDIR(old.st_mode):
            raise StorageError(f"{self.path} could not be written: a folder is in its place.")
        if not stat.S_ISREG(old.st_mode):
            return
        if not os.access(self.path, os.W_OK):
            # The rename would work; but who takes the write permission from a file means it.
            raise ForbiddenError(
                f"{self.path} could not be written: it is write-protected.",
                hint="Give yourself write permission (chmod u+w) if it may be replaced.",
            )
        mode = stat.S_IMODE(old.st_mode)
        if mode != stat.S_IMODE(os.fstat(self._fd).st_mode):
            with contextlib.suppress(PermissionError):
                os.fchmod(self._fd, mode)


def _extents(fd: int, size: int) -> list[tuple[int, int]]:
    """List what of a file is data and no hole."""
    if not hasattr(os, "SEEK_DATA"):
        return [(0, size)]
    result = []
    position = 0
    try:
        while position < size:
            start = os.lseek(fd, position, os.SEEK_DATA)
            position = min(os.lseek(fd, start, os.SEEK_HOLE), size)
            result.append((start, position))
    except OSError as error:
        if error.errno != errno.ENXIO:
            return [(0, size)]
        # No data behind `position`: the rest is one hole.
    return result


def sync(paths: Iterable[str]) -> None:
    """Force files and the folders that name them out to the disk; files that are gone need nothing."""
    folders: set[str] = set()
    for path in paths:
        try:
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise storage_error(error, "synced", path) from error
        try:
            os.fsync(fd)
        except OSError as error:
            raise storage_error(error, "synced", path) from error
        finally:
            os.close(fd)
        folder = os.path.dirname(path)
        # The shard's folder, and the two above: each of them may be new.
        folders.update((folder, os.path.dirname(folder), os.path.dirname(os.path.dirname(folder))))
    for folder in sorted(folders, reverse=True):
        _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    # Network and FUSE file systems often can't sync folders; their renames are the server's business.
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
