"""What the operating system's calls leave to do: short reads and writes, syncing and measuring folders.

Errors are those of the system, but for `sync_folder`, which sorts them; `sort_write_failure` finds the file that stands
where a folder should be.
"""

# The reason: paths are plain text here, since pathlib costs more than the system calls.

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Any

from wkplug.errors import StorageError
from wkplug.filesystems.failures import sort_failure
from wkplug.filesystems.paths import is_scrap

__all__ = ["check_is_file", "read_fully", "size_below", "sort_write_failure", "sync_folder", "write_fully"]

_SPECIAL = (
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)
_POSIX = os.name == "posix"


def sort_write_failure(error: OSError, action: str, path: str, *, target: str | None = None) -> StorageError:
    """Sort as `sort_failure` does, but name the file that is in the way where a folder was to be made.

    target: where it was to be written, if `action` is done to another path.
    """
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.ENOENT):
        from pathlib import Path

        above = Path(path if target is None else target).parent
        while not os.path.lexists(above) and above != above.parent:
            above = above.parent
        if above.is_file():
            return StorageError(
                f"{path} could not be {action}: {above} is a file, not a folder.",
                hint="Choose another path, or move that file away.",
            )
    return sort_failure(error, action, path)


def check_is_file(mode: int, path: str) -> None:
    """Refuse pipes, sockets and devices, which may keep a reader waiting for ever; folders are others' business."""
    for is_one, what in _SPECIAL:
        if is_one(mode):
            raise StorageError(
                f"{path} could not be read: it is a {what}, not a file.",
                hint="Move it away; then it counts as missing.",
            )


def sync_folder(folder: str) -> None:
    """Make renames and deletions in `folder` durable, where the system has a way to."""
    if not _POSIX:
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise sort_failure(error, "synced", folder) from error
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Network and FUSE file systems often can't sync folders; their renames are the server's business.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF):
            raise sort_failure(error, "synced", folder) from error
    finally:
        os.close(descriptor)


def read_fully(file: Any, count: int) -> bytes:
    """Read `count` bytes of an unbuffered file, fewer only where it ends."""
    data: bytes = file.read(count)
    if len(data) == count:
        return data
    # One system call moves at most 2 GiB; and a file that shrinks meanwhile gives what is there.
    pieces = [data]
    remaining = count - len(data)
    while data and remaining > 0:
        data = file.read(remaining)
        pieces.append(data)
        remaining -= len(data)
    return b"".join(pieces)


def write_fully(descriptor: int, data: bytes) -> None:
    """Write all of `data`, however few bytes the system takes at once."""
    view = memoryview(data).cast("B")
    while view:
        view = view[os.write(descriptor, view) :]


def size_below(folder: str) -> int:
    """Add up the sizes of the files below a folder; links and our own scrap count nothing."""
    total = 0
    pending = [folder]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_symlink() or is_scrap(entry.name):
                    continue
                if entry.is_dir():
                    pending.append(entry.path)
                else:
                    with contextlib.suppress(FileNotFoundError):
                        total += entry.stat(follow_symlinks=False).st_size
    return total
