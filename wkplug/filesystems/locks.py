"""Locks between threads and processes of one machine (of several, where the file system passes them on).

A lock is a byte range of the file `.wkplug.lock` in the locked folder, at an offset hashed from its key,
taken through an open file description of its own. So locks of one folder exclude only those of the same key,
threads exclude each other as processes do, and the kernel releases whatever a killed process held. Where the
platform has no such locks (outside Linux), each key gets a file of its own that is locked as a whole.

The lock file also holds who took each lock last, so that a timeout can name them. It is never deleted:
another process may hold a lock on it. Locks are not reentrant; a forked child holds none of its parent's.
"""

# ruff: noqa: PTH108, PTH116, PTH118
# The reason for all of them: paths are plain text here, since pathlib costs more than the system calls.

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
import sys
import time
from typing import TYPE_CHECKING

from wkplug.config import current
from wkplug.errors import LockTimeoutError, MissingError, StorageError, UnsafePathError
from wkplug.filesystems.failures import sort_failure
from wkplug.filesystems.paths import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HAS_RANGE_LOCKS", "lock_folder"]

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# The struct below is that of 64-bit Linux.
HAS_RANGE_LOCKS = sys.platform == "linux" and sys.maxsize > 2**32
"""Whether this platform has byte-range locks that belong to an open file description."""

_RANGE = "hhqqi4x"  # struct flock: type, whence, start, length, pid
_FIRST_RANGE = 1 << 40  # far behind the names of the holders
_SLOTS, _SLOT_BYTES = 256, 160
_BUSY = frozenset({errno.EAGAIN, errno.EACCES, errno.EDEADLK})
_NO_RANGES = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EOPNOTSUPP})
_LONGEST_WAIT = 0.02


class _OpenFiles:
    """The open lock files of this process, so that a forked child can close its copies of them.

    Without that a child would keep its parent's locks alive after the parent was killed.
    """

    def __init__(self) -> None:
        self.descriptors: set[int] = set()
        self.watching = False

    def add(self, descriptor: int) -> int:
        if not self.watching and hasattr(os, "register_at_fork"):
            self.watching = True
            os.register_at_fork(after_in_child=self.forget)
        self.descriptors.add(descriptor)
        return descriptor

    def close(self, descriptor: int) -> None:
        self.descriptors.discard(descriptor)
        os.close(descriptor)

    def forget(self) -> None:
        # Closing a copy leaves the parent's lock alone: it goes with the last one.
        descriptors, self.descriptors = self.descriptors, set()
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                os.close(descriptor)


_open_files = _OpenFiles()


@contextlib.contextmanager
def lock_folder(
    folder: str, key: str = "", *, timeout: float | None = None, ranges: bool = HAS_RANGE_LOCKS
) -> Iterator[None]:
    """Hold the lock `key` of `folder`, waiting up to `timeout` seconds (None: the configured time).

    LockTimeoutError if someone else holds it longer, MissingError if there is no such folder, ForbiddenError
    if nobody may write there. `ranges=False` takes the way of platforms without byte-range locks.
    """
    if timeout is None:
        timeout = current().lock_timeout
    import hashlib  # late, as all that reading doesn't need: this module is part of every start

    digest = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    number = int.from_bytes(digest, "little") >> 2
    deadline = time.monotonic() + timeout
    owner = os.getpid()
    found = _acquire(folder, number, deadline, ranges=ranges)
    if isinstance(found, str):
        what = f"The lock {key!r} of {folder}" if key else f"The lock of {folder}"
        raise LockTimeoutError(
            f"{what} was not free within {timeout:g} s: {found} holds it.",
            hint="Wait until that one is done, or end it: its locks vanish with it.\n"
            "To wait longer, raise the setting lock_timeout.",
        )
    descriptor, path = found
    try:
        yield
    finally:
        # In a forked child the descriptor is closed already, and its number may be someone else's.
        if os.getpid() == owner:
            _release(descriptor, path, number)


def _acquire(folder: str, number: int, deadline: float, *, ranges: bool) -> tuple[int, str] | str:
    """Give the locked file and its path; or, after the deadline, the name of who holds the lock."""
    wait = 0.0005
    while True:
        path = os.path.join(folder, LOCK_NAME if ranges else f"{LOCK_NAME}-{number:016x}")
        descriptor = _open(folder, path)
        keep = False
        try:
            # One description is polled until the lock is ours or the file turns out to be another one.
            while (taken := _try(descriptor, number, ranges=ranges)) is False:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return _holder(descriptor, number, ranges=ranges)
                import random

                # The jitter spreads the waiting processes; it guards no secret.
                time.sleep(min(wait * (0.5 + random.random()), remaining))  # noqa: S311
                wait = min(wait * 1.5, _LONGEST_WAIT)
            if taken is None:
                ranges = False
            elif _still_there(descriptor, path):
                _sign(descriptor, number, ranges=ranges)
                keep = True
                return descriptor, path
        finally:
            if not keep:
                _open_files.close(descriptor)


def _open(folder: str, path: str) -> int:
    # Never through a link: what a foreign dataset has planted in its place would be written into.
    flags = os.O_RDWR | sum(
        getattr(os, name, 0) for name in ("O_CLOEXEC", "O_BINARY", "O_NOFOLLOW", "O_NONBLOCK")
    )
    try:
        try:
            descriptor = _open_files.add(os.open(path, flags))
        except FileNotFoundError:
            descriptor = _open_files.add(os.open(path, flags | os.O_CREAT, 0o666))
            if sys.platform != "win32":
                # Whoever may write in the folder may lock it, whatever the umask of the first who did.
                wanted = stat.S_IMODE(os.stat(folder).st_mode) & 0o666
                with contextlib.suppress(PermissionError):
                    os.fchmod(descriptor, wanted | 0o600)
    except NotADirectoryError as error:
        raise StorageError(
            f"{folder} could not be locked: it is no folder.", hint="Lock the folder it lies in."
        ) from error
    except FileNotFoundError as error:
        raise MissingError(
            f"{folder} could not be locked: there is no such folder.", hint="Make the folder first."
        ) from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK) or os.path.islink(path):  # noqa: PTH114 - plain text
            raise _no_lock_file(path, "a link") from error
        if error.errno in (errno.ENXIO, errno.EISDIR):
            raise _no_lock_file(path, "no file") from error
        raise sort_failure(error, "locked", folder) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        _open_files.close(descriptor)
        raise _no_lock_file(path, "no file")
    return descriptor


def _no_lock_file(path: str, what: str) -> UnsafePathError:
    return UnsafePathError(
        f"{path} is {what}: locks are not written through it.",
        hint="wkplug didn't make it. Move it away; a lock file is made anew.",
    )


def _try(descriptor: int, number: int, *, ranges: bool) -> bool | None:
    """Try once: whether it is ours now, None if this file system has no byte-range locks."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _FIRST_RANGE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        elif ranges:
            wanted = struct.pack(_RANGE, fcntl.F_WRLCK, os.SEEK_SET, _FIRST_RANGE + number, 1, 0)
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        if ranges and error.errno in _NO_RANGES:
            return None
        raise StorageError(
            f"The lock file of this folder can't be locked: {error.strerror}.",
            hint="Network file systems need to be mounted with locking on.",
        ) from error
    return True


def _still_there(descriptor: int, path: str) -> bool:
    """Whether the locked file is still the one of that name, not one that was deleted meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _release(descriptor: int, path: str, number: int) -> None:
    try:
        if not path.endswith(LOCK_NAME):
            # Unlinked while still locked: who waits for the old file sees that it is gone and tries again.
            with contextlib.suppress(OSError):
                os.unlink(path)
        # Unlocked explicitly, because a copy of the descriptor in a child would keep the lock alive.
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                os.lseek(descriptor, _FIRST_RANGE, os.SEEK_SET)
                msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
            elif path.endswith(LOCK_NAME):
                freed = struct.pack(_RANGE, fcntl.F_UNLCK, os.SEEK_SET, _FIRST_RANGE + number, 1, 0)
                fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, freed)
            else:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        _open_files.close(descriptor)


# --- who holds it -------------------------------------------------------------------------------------------


def _sign(descriptor: int, number: int, *, ranges: bool) -> None:
    """Note the holder in the lock file; only for the text of others' timeouts, so failures don't matter."""
    import socket

    text = f"{number:016x} {os.getpid()} {int(time.time())} {socket.gethostname()}"
    record = text.encode("utf-8", "replace")[: _SLOT_BYTES - 1].ljust(_SLOT_BYTES - 1) + b"\n"
    with contextlib.suppress(OSError):
        os.lseek(descriptor, (number % _SLOTS) * _SLOT_BYTES if ranges else 0, os.SEEK_SET)
        os.write(descriptor, record)


def _holder(descriptor: int, number: int, *, ranges: bool) -> str:
    with contextlib.suppress(OSError, ValueError):
        os.lseek(descriptor, (number % _SLOTS) * _SLOT_BYTES if ranges else 0, os.SEEK_SET)
        record = os.read(descriptor, _SLOT_BYTES).decode("utf-8", "replace")
        mark, process, since, host = record.split(None, 3)
        if int(mark, 16) == number:
            clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(int(since)))
            return f"process {process} on {host.strip()} (since {clock})"
    return "another process or thread"
