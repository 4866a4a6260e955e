"""Places on this machine's file systems.

`LocalLocation` promises what the rest builds on: a file is, at any moment and after any crash, the old one or
the new one (a temporary file beside it, synced, then renamed, then the folder synced); permissions are those
that the umask gives, or those of the file that is replaced; links are replaced and removed, never written
through; and errors arrive sorted (see `wkplug.filesystems.failures`).

Below the class is what the operating system's calls leave to do: short reads and writes, syncing and measuring folders.

It is no place for caches, retries (local calls either work or don't) or knowledge of what the bytes mean.
"""

# ruff: noqa: PTH100, PTH103, PTH105, PTH106, PTH108, PTH112, PTH116, PTH118, PTH120
# The reason for all of them: paths are plain text here, since pathlib costs more than the system calls.

from __future__ import annotations

import contextlib
import errno
import os
import stat
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from wkplug.abc import Filesystem, Location
from wkplug.errors import ConflictError, ForbiddenError, InvalidArgumentError, StorageError, WkplugError
from wkplug.filesystems.failures import sort_failure
from wkplug.filesystems.locks import lock_folder
from wkplug.filesystems.paths import TEMPORARY_PREFIX, is_scrap, safe_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "LocalFilesystem",
    "LocalLocation",
    "check_is_file",
    "sort_write_failure",
    "sync_folder",
    "write_fully",
]

_SPECIAL = (
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)
_POSIX = os.name == "posix"
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class _NoLinksError(Exception):
    """This file system has no hard links (FAT, some network and FUSE file systems)."""


class LocalLocation(Location):
    """A local file or folder. `path` is made absolute; links in it are kept, "~" is not expanded."""

    __slots__ = ("_path",)

    _path: str

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # abspath would turn "" into the working directory, which is never what was meant.
        text = os.fspath(path)
        if not text or "\0" in text:
            raise InvalidArgumentError(f"{text!r} is no path.", hint='Use "." for the working directory.')
        self._path = os.path.abspath(text)

    @classmethod
    def _of(cls, path: str) -> LocalLocation:
        """Make one from a path that is absolute and clean already; the way that hot paths come."""
        self = cls.__new__(cls)
        self._path = path
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (LocalLocation, (self._path,))

    def __eq__(self, other: object) -> bool:
        return self._path == other._path if isinstance(other, LocalLocation) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._path)

    def __repr__(self) -> str:
        return f"LocalLocation({self._path!r})"

    def __str__(self) -> str:
        return self._path

    def __fspath__(self) -> str:
        return self._path

    # --- names ----------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The absolute path, with forward slashes."""
        return self._path if _POSIX else self._path.replace("\\", "/")

    @property
    def store(self) -> str:
        """file://, which is one for all."""
        return "file://"

    @property
    def parent(self) -> LocalLocation:
        """The folder that it lies in; the root is its own parent."""
        return LocalLocation._of(os.path.dirname(self._path))

    def child(self, *parts: str) -> LocalLocation:
        """A place below; UnsafePathError for parts that lead upwards or are absolute."""
        safe = safe_parts(parts, self._path)
        if not safe:
            return self
        start = self._path if self._path.endswith(os.sep) else self._path + os.sep
        return LocalLocation._of(start + os.sep.join(safe))

    def local_path(self) -> str:
        """The absolute path."""
        return self._path

    def native(self, kind: str) -> Mapping[str, Any] | None:
        """Answer "path", "fsspec" and "tensorstore.kvstore"."""
        if kind == "path":
            return {"path": self._path}
        if kind == "fsspec":
            return {"protocol": "file", "path": self._path, "options": {}}
        if kind == "tensorstore.kvstore":
            return {"driver": "file", "path": self.url.rstrip("/") + "/"}
        return None

    # --- reading --------------------------------------------------------------------------------------

    def read(self, start: int | None = None, stop: int | None = None) -> bytes:
        """Read from `start` to `stop`; MissingError if there is nothing, StorageError for a folder."""
        return self._read([(start, stop)])[0]

    def read_ranges(self, ranges: Sequence[tuple[int, int | None]]) -> list[bytes]:
        """Read several ranges with the file opened once."""
        return self._read(ranges) if ranges else []

    def _read(self, ranges: Sequence[tuple[int | None, int | None]]) -> list[bytes]:
        try:
            with open(self._path, "rb", buffering=0, opener=_open_at_once) as file:
                facts = os.fstat(file.fileno())
                if not stat.S_ISREG(facts.st_mode):
                    check_is_file(facts.st_mode, self._path)
                size = facts.st_size
                results: list[bytes] = []
                for start, stop in ranges:
                    first, last, _ = slice(start, stop).indices(size)
                    file.seek(first)
                    results.append(_read_fully(file, last - first) if last > first else b"")
                return results
        except OSError as error:
            raise sort_failure(error, "read", self._path) from error

    def version(self) -> str | None:
        """Modification time, size and inode, joined; None if there is nothing."""
        try:
            return _version(os.stat(self._path))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise sort_failure(error, "looked at", self._path) from error

    def exists(self) -> bool:
        """Whether there is a file or folder, links followed."""
        return self.version() is not None

    def list(self) -> Iterator[str]:
        """The names directly below, sorted, folders (and links to them) with a slash."""
        try:
            with os.scandir(self._path) as entries:
                names = [entry.name + "/" if entry.is_dir() else entry.name for entry in entries]
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return iter(())
            raise sort_failure(error, "listed", self._path) from error
        return iter(sorted(names))

    def size(self) -> int:
        """Bytes of the file, or of all files below the folder; links below and lock files count nothing."""
        try:
            facts = os.stat(self._path)
            return _size_below(self._path) if stat.S_ISDIR(facts.st_mode) else facts.st_size
        except OSError as error:
            raise sort_failure(error, "measured", self._path) from error

    # --- writing --------------------------------------------------------------------------------------

    def write(self, data: bytes, *, if_match: str | None = None, durable: bool = True) -> str:
        """Replace the file atomically and give its new version; parent folders are made.

        `durable=False` leaves the syncing to the caller (bulk jobs that sync once at the end): after a power
        loss the file may then be empty, after a mere crash of the process never.
        """
        if if_match is None:
            return self._replace(data, durable=durable)
        if not if_match:
            # A hard link to the finished file fails where there is one, so that no lock is needed.
            with contextlib.suppress(_NoLinksError):
                return self._replace(data, durable=durable, exclusive=True)
        parent = self.parent
        parent.make_folder()
        # Comparing and renaming are two steps; the lock makes them one among wkplug's own writers.
        with parent.lock("if_match " + self.name):
            found = self.version() or ""
            if found != if_match:
                raise self._conflict(found, if_match)
            return self._replace(data, durable=durable)

    def _conflict(self, found: str, wanted: str) -> ConflictError:
        return ConflictError(
            f"{self._path} was changed by someone else: its version is "
            f"{found or 'none (missing)'}, not {wanted or 'none (missing)'}.",
            hint="Read it again and repeat the change.",
        )

    def _replace(self, data: bytes, *, durable: bool, exclusive: bool = False) -> str:
        folder = os.path.dirname(self._path)
        temporary = os.path.join(folder, f"{TEMPORARY_PREFIX}{os.getpid()}-{os.urandom(6).hex()}")
        descriptor = -1
        try:
            try:
                descriptor = os.open(temporary, _NEW_FILE, 0o666)
            except FileNotFoundError:
                os.makedirs(folder, exist_ok=True)
                descriptor = os.open(temporary, _NEW_FILE, 0o666)
            write_fully(descriptor, data)
            facts = os.fstat(descriptor) if exclusive else self._inherit(temporary, descriptor)
            if durable:
                os.fsync(descriptor)
            os.close(descriptor)
            descriptor = -1
            if exclusive:
                self._link(temporary)
            else:
                os.replace(temporary, self._path)
        except OSError as error:
            raise sort_write_failure(error, "written", self._path) from error
        finally:
            # Also after a KeyboardInterrupt; where the rename has happened there is nothing left to remove.
            if descriptor >= 0:
                os.close(descriptor)
            if os.path.lexists(temporary):
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
        if durable:
            sync_folder(folder)
        return _version(facts)

    def _link(self, temporary: str) -> None:
        try:
            os.link(temporary, self._path)
        except FileExistsError as error:
            raise self._conflict(self.version() or "another", "") from error
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise _NoLinksError from error
            raise

    def _inherit(self, temporary: str, descriptor: int) -> os.stat_result:
        """Give the new file the old one's permissions, and a later time, so that versions never repeat."""
        facts = os.fstat(descriptor)
        try:
            old = os.lstat(self._path)
        except FileNotFoundError:
            return facts
        if stat.S_ISDIR(old.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder", self._path)
        if not stat.S_ISREG(old.st_mode):
            return facts
        if not os.access(self._path, os.W_OK):
            # Renaming over it would work; but who takes the write permission from a file means it.
            raise ForbiddenError(
                f"{self._path} could not be written: it is write-protected.",
                hint="Give yourself write permission (`chmod u+w`) if it may be replaced.",
            )
        if _POSIX and stat.S_IMODE(old.st_mode) != stat.S_IMODE(facts.st_mode):
            os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
        # Clocks of file systems tick in milliseconds, and inodes are used again.
        if facts.st_mtime_ns <= old.st_mtime_ns:
            os.utime(temporary, ns=(facts.st_atime_ns, old.st_mtime_ns + 1))
        return os.fstat(descriptor)

    def delete(self, *, recursive: bool = False) -> None:
        """Delete the file, the link itself, the empty folder, or (recursively) the folder with all below."""
        try:
            for _ in range(100):
                try:
                    facts = os.lstat(self._path)
                    if not stat.S_ISDIR(facts.st_mode):
                        os.unlink(self._path)
                    elif recursive:
                        import shutil

                        shutil.rmtree(self._path)
                    else:
                        os.rmdir(self._path)
                except (FileNotFoundError, NotADirectoryError):
                    # Either it is gone, or someone else deletes the same folder: look again.
                    if not os.path.lexists(self._path):
                        return
                else:
                    return
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and not recursive:
                raise StorageError(
                    f"{self._path} could not be deleted: the folder is not empty.", hint="Use recursive=True."
                ) from error
            raise sort_failure(error, "deleted", self._path) from error
        raise StorageError(f"{self._path} could not be deleted: others keep changing it.")

    def make_folder(self) -> None:
        """Make it a folder, with its parents."""
        try:
            os.makedirs(self._path, exist_ok=True)
        except FileExistsError as error:
            raise StorageError(f"{self._path} could not be made a folder: a file is in the way.") from error
        except OSError as error:
            raise sort_write_failure(error, "made a folder", self._path) from error

    # --- others ---------------------------------------------------------------------------------------

    def lock(self, key: str = "", *, timeout: float | None = None) -> AbstractContextManager[None]:
        """Lock this folder (which must be there) for all threads and processes that use the same key."""
        return lock_folder(self._path, key, timeout=timeout)

    def writable(self) -> bool:
        """Whether the file, or the nearest folder that is there, may be written."""
        path = self._path
        while not os.path.lexists(path):
            parent = os.path.dirname(path)
            if parent == path:
                return False
            path = parent
        if os.path.isdir(path):
            return os.access(path, os.W_OK | os.X_OK)
        return path == self._path and os.access(path, os.W_OK)


class LocalFilesystem(Filesystem):
    """Makes locations from plain paths and file:// URLs."""

    def __init__(self, settings: object = None) -> None:
        del settings

    def location(self, url: str, *, options: Mapping[str, Any] | None = None) -> LocalLocation:
        """Open a path or a file:// URL (percent escapes are decoded only there); options mean nothing."""
        del options
        if not url.lower().startswith("file:"):
            return LocalLocation(url)
        from urllib.parse import unquote, urlsplit

        split = urlsplit(url)
        if split.netloc not in ("", "localhost"):
            raise InvalidArgumentError(
                f"{url} names another machine ({split.netloc}), which file: URLs can't reach.",
                hint="A path on this machine has three slashes: file:///folder/name.",
            )
        path = unquote(split.path)
        return LocalLocation(path if _POSIX else path.lstrip("/"))


def _version(facts: os.stat_result) -> str:
    return f"{facts.st_mtime_ns:x}-{facts.st_size:x}-{facts.st_ino:x}"


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting: a pipe that nobody writes to would otherwise hold us for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


# --- system calls -------------------------------------------------------------------------------------------


def sort_write_failure(error: OSError, action: str, path: str, *, target: str | None = None) -> WkplugError:
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


def _read_fully(file: Any, count: int) -> bytes:
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


def _size_below(folder: str) -> int:
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
