"""Where zarr-python gets its bytes: two stores that never take damage or refusal for "was never written".

zarr-python's own stores read a folder in place of a chunk as missing, give short answers where a file ends
too early, and leave errors as the operating system or a library raised them. Here only a definite "not there"
is missing; ranges that a file can't satisfy are CorruptDataError; everything else is sorted into wkplug's
tree.

`FolderStore` works on local paths (temporary file, then rename; not synced, bulk writes would crawl),
`PlaceStore` on any `Location`, whatever filesystem made it. Both are thin: no caches, no locks, no listing
beyond what zarr-python asks for. A `Draft` keeps what is written to it, so that encoding and putting are apart.
"""

# ruff: noqa: PTH103, PTH105, PTH108, PTH112, PTH114, PTH116, PTH118, PTH120, PTH123
# The reason for all of them: keys are plain text here, since pathlib costs more than the system calls.

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import stat
import threading
from abc import abstractmethod
from contextvars import ContextVar
from typing import TYPE_CHECKING, Self, cast
from uuid import uuid4

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.buffer import default_buffer_prototype

from wkplug.abc import Presence
from wkplug.errors import (
    CorruptDataError,
    ForbiddenError,
    MissingError,
    StorageError,
    StorageFullError,
)
from wkplug_zarr.headers import METADATA_FILES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from zarr.abc.buffer import Buffer, BufferPrototype

    from wkplug.abc import Location
    from wkplug_zarr.bounds import ChunkBound
    from wkplug_zarr.shards import ShardIndex

__all__ = ["CheckedStore", "Draft", "FolderStore", "PlaceStore", "open_store", "reading_together"]


def open_store(
    location: Location, *, read_only: bool, index: ShardIndex | None, bound: ChunkBound | None = None
) -> CheckedStore:
    """Make the store for an array at `location`; `index` describes its shards, None if it has none."""
    path = location.local_path()
    if path is not None:
        return FolderStore(path, read_only=read_only, index=index, bound=bound)
    return PlaceStore(location, read_only=read_only, index=index, bound=bound)


_reading: ContextVar[_Reading | None] = ContextVar("wkplug-zarr-reading", default=None)


class _Reading:
    """The requests of one read, which zarr-python makes all at once, and goes on with after one has failed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._failure: BaseException | None = None

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Make one, unless another one has failed."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            self._running += 1
        try:
            yield
        except BaseException as error:
            self._failure = self._failure or error
            raise
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def end(self, error: BaseException) -> None:
        """Let no more be made, and wait for those that are under way."""
        with self._changed:
            self._failure = self._failure or error
            self._changed.wait_for(lambda: not self._running)


@contextlib.contextmanager
def reading_together() -> Iterator[None]:
    """Within it, all that is read stands and falls together: when an error leaves it, nothing goes on behind it."""
    reading = _Reading()
    token = _reading.set(reading)
    try:
        yield
    except BaseException as error:
        reading.end(error)
        raise
    finally:
        _reading.reset(token)


class CheckedStore(Store):
    """What both stores share: subclasses read, write and list synchronously, with sorted errors."""

    supports_writes = True
    supports_deletes = True
    supports_listing = True

    def __init__(self, *, read_only: bool, index: ShardIndex | None, bound: ChunkBound | None = None) -> None:
        super().__init__(read_only=read_only)
        self.index = index
        self.bound = bound
        self._is_open = True

    @property
    @abstractmethod
    def root(self) -> str:
        """The URL or path of the array's folder."""

    @abstractmethod
    def read(self, key: str, start: int | None = None, stop: int | None = None) -> bytes:
        """Read a range; a negative `start` counts from the end. MissingError if there is nothing.

        Ranges that reach past the end give what is there.
        """

    @abstractmethod
    def write(self, key: str, data: bytes | memoryview) -> None:
        """Replace the file or object, atomically."""

    @abstractmethod
    def remove(self, key: str) -> None:
        """Remove the file or object; missing is fine."""

    @abstractmethod
    def has(self, key: str) -> bool:
        """Whether there is a file or object."""

    def check_there(self) -> None:
        """MissingError if the array is seen to be gone: what is missing was not left out then."""

    @abstractmethod
    def names(self, prefix: str) -> list[str]:
        """The names directly below, folders with a slash."""

    def fetch(self, key: str, byte_range: ByteRequest | None = None) -> bytes | None:
        """Read what zarr-python asks for, None only if the key is definitely not there."""
        reading = _reading.get()
        with contextlib.nullcontext() if reading is None else reading.request():
            return self._fetch(key, byte_range)

    def _fetch(self, key: str, byte_range: ByteRequest | None) -> bytes | None:
        try:
            if byte_range is None:
                data, why = self._fetch_whole(key)
            elif isinstance(byte_range, RangeByteRequest):
                length = byte_range.end - byte_range.start
                data = self.read(key, byte_range.start, byte_range.end) if length > 0 else b""
                why = "a chunk of no bytes is asked for" if length <= 0 else self._short(data, length)
                if why is None and (
                    self.index is None or (byte_range.start, length) != (0, self.index.nbytes)
                ):
                    why = None if self.bound is None else self.bound.excess(data)
            elif isinstance(byte_range, SuffixByteRequest):
                data = self.read(key, -byte_range.suffix)
                why = self._short(data, byte_range.suffix)
            elif isinstance(byte_range, OffsetByteRequest):
                data, why = self.read(key, byte_range.offset), None
        except MissingError:
            self.check_there()
            return None
        if why is not None:
            raise CorruptDataError(f"{self.root}/{key} is damaged: {why}.")
        return data

    def _fetch_whole(self, key: str) -> tuple[bytes, str | None]:
        """Read a chunk or shard, and say what is wrong with it; never more than a chunk can have."""
        if self.index is not None:
            data = self.read(key)
            return data, self.index.damage(data) or self._shard_excess(data)
        if self.bound is None:
            return self.read(key), None
        most = self.bound.most_stored
        data = self.read(key, 0, most + 1)
        if len(data) > most:
            return data, f"a chunk of {self.bound.nbytes} bytes has more than {most} bytes"
        return data, self.bound.excess(data)

    def _shard_excess(self, data: bytes) -> str | None:
        if self.bound is None or self.index is None:
            return None
        view = memoryview(data)
        chunks = self.index.places(view)
        return next(
            (why for start, stop in chunks if (why := self.bound.excess(view[start:stop])) is not None), None
        )

    @staticmethod
    def _short(data: bytes, length: int) -> str | None:
        return None if len(data) == length else f"it ends {length - len(data)} bytes too early"

    # --- zarr-python's side ---------------------------------------------------------------------------

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read a key or a part of it."""
        data = await asyncio.to_thread(self.fetch, key, byte_range)
        return None if data is None else (prototype or default_buffer_prototype()).buffer.from_bytes(data)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Read several ranges side by side."""
        return list(await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges)))

    async def exists(self, key: str) -> bool:
        """Whether the key is there."""
        return await asyncio.to_thread(self.has, key)

    async def set(self, key: str, value: Buffer) -> None:
        """Write a key."""
        self._check_writable()
        await asyncio.to_thread(self.write, key, cast("memoryview", value.as_buffer_like()))

    async def delete(self, key: str) -> None:
        """Remove a key."""
        self._check_writable()
        await asyncio.to_thread(self.remove, key)

    async def list(self) -> AsyncIterator[str]:
        """All keys."""
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """All keys below a folder."""
        start = f"{prefix.rstrip('/')}/" if prefix else ""
        for name in await asyncio.to_thread(self.names, prefix):
            if name.endswith("/"):
                async for key in self.list_prefix(start + name):
                    yield key
            else:
                yield start + name

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """The names directly below a folder."""
        for name in await asyncio.to_thread(self.names, prefix):
            yield name.rstrip("/")


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting: a pipe that nobody writes to would otherwise hold us for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


class FolderStore(CheckedStore):
    """A folder on this machine."""

    def __init__(
        self, path: str, *, read_only: bool, index: ShardIndex | None = None, bound: ChunkBound | None = None
    ) -> None:
        super().__init__(read_only=read_only, index=index, bound=bound)
        self._path = path

    @property
    def root(self) -> str:
        """The folder's path."""
        return self._path

    def with_read_only(self, read_only: bool = False) -> Self:  # noqa: FBT001, FBT002 - zarr's signature
        """Give the same store, read-only or not."""
        return type(self)(self._path, read_only=read_only, index=self.index, bound=self.bound)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FolderStore) and self._path == other._path

    __hash__ = None  # type: ignore[assignment]  # stores are compared by zarr-python, never put in sets

    def __str__(self) -> str:
        return self._path

    def read(self, key: str, start: int | None = None, stop: int | None = None) -> bytes:
        """Read a range of a file."""
        path = os.path.join(self._path, key)
        try:
            with open(path, "rb", buffering=0, opener=_open_at_once) as file:
                facts = os.fstat(file.fileno())
                if not stat.S_ISREG(facts.st_mode):
                    raise CorruptDataError(
                        f"{path} is damaged: it is a pipe, a socket or a device, not a file.",
                        hint="Move it away; then it counts as missing.",
                    )
                size = facts.st_size
                # Clipped to the file, so that a claimed length never decides how much memory is taken.
                first, last, _ = slice(start, stop).indices(size)
                if first:
                    file.seek(first)
                return _read_fully(file.fileno(), last - first)
        except OSError as error:
            raise _sorted(error, "read", path) from error

    def check_there(self) -> None:
        """Look for the metadata, of which one file makes the folder an array; a bare store has none to look for."""
        if self.bound is not None and not any(
            os.access(os.path.join(self._path, name), os.F_OK) for name in METADATA_FILES.values()
        ):
            raise MissingError(
                f"{self._path} was deleted or moved while it was open.",
                hint="Create it again, or open what took its place.",
            )

    def write(self, key: str, data: bytes | memoryview) -> None:
        """Write a temporary file beside the key and rename it."""
        self.check_there()
        path = os.path.join(self._path, key)
        temporary = f"{path}.{uuid4().hex}.partial"
        try:
            try:
                file = open(temporary, "xb", buffering=0)  # noqa: SIM115 - closed by the block below
            except FileNotFoundError:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                file = open(temporary, "xb", buffering=0)  # noqa: SIM115 - closed by the block below
            try:
                with file:
                    rest = memoryview(data).cast("B")
                    while rest:
                        rest = rest[file.write(rest) :]
                os.replace(temporary, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
        except OSError as error:
            raise _sorted(error, "written", path) from error

    def remove(self, key: str) -> None:
        """Remove a file; a folder in its place is damage and stays."""
        path = os.path.join(self._path, key)
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            # Some systems call it a refusal when a folder is unlinked.
            folder = os.path.isdir(path) and not os.path.islink(path)
            found = IsADirectoryError(errno.EISDIR, "it is a folder", path) if folder else error
            raise _sorted(found, "deleted", path) from error

    def has(self, key: str) -> bool:
        """Whether there is a file."""
        path = os.path.join(self._path, key)
        try:
            os.stat(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _sorted(error, "looked at", path) from error
        return True

    def names(self, prefix: str) -> list[str]:
        """The names in a folder."""
        try:
            with os.scandir(os.path.join(self._path, prefix)) as entries:
                return sorted(entry.name + "/" if entry.is_dir() else entry.name for entry in entries)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise _sorted(error, "listed", os.path.join(self._path, prefix)) from error


class PlaceStore(CheckedStore):
    """Any `Location`: object stores, memory, archives, filesystems of other plugins.

    Locations sort their errors and retry by themselves. zarr-python's FsspecStore would know neither, and
    nothing of filesystems that aren't fsspec's.
    """

    def __init__(
        self,
        location: Location,
        *,
        read_only: bool,
        index: ShardIndex | None = None,
        bound: ChunkBound | None = None,
    ) -> None:
        super().__init__(read_only=read_only, index=index, bound=bound)
        self._location = location
        self._presence = Presence(*map(location.child, METADATA_FILES.values()))

    @property
    def root(self) -> str:
        """The folder's URL."""
        return self._location.url

    def with_read_only(self, read_only: bool = False) -> Self:  # noqa: FBT001, FBT002 - zarr's signature
        """Give the same store, read-only or not."""
        return type(self)(self._location, read_only=read_only, index=self.index, bound=self.bound)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlaceStore) and self._location == other._location

    __hash__ = None  # type: ignore[assignment]  # stores are compared by zarr-python, never put in sets

    def __str__(self) -> str:
        return self._location.url

    def read(self, key: str, start: int | None = None, stop: int | None = None) -> bytes:
        """Read a range of an object."""
        return self._location.child(key).read(start, stop)

    def check_there(self) -> None:
        """Ask for the metadata, of which one file makes it an array; a bare store has none to look for."""
        if self.bound is not None:
            self._presence.check()

    def write(self, key: str, data: bytes | memoryview) -> None:
        """Put a whole object."""
        self._location.child(key).write(bytes(data))

    def remove(self, key: str) -> None:
        """Remove an object."""
        self._location.child(key).delete()

    def has(self, key: str) -> bool:
        """Whether there is an object."""
        return self._location.child(key).exists()

    def names(self, prefix: str) -> list[str]:
        """The names in a folder."""
        return list((self._location.child(prefix) if prefix else self._location).list())


class Draft(CheckedStore):
    """Objects as they are about to be put: no requests are made here, neither for reading nor for writing.

    objects: what is there by key, of all keys that may be asked for, None for what is missing; then what is to be.
    """

    def __init__(self, store: CheckedStore, objects: dict[str, bytes | None]) -> None:
        super().__init__(read_only=False, index=store.index, bound=store.bound)
        self._root = store.root
        self.objects = objects

    @property
    def root(self) -> str:
        """The folder's URL."""
        return self._root

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None  # type: ignore[assignment]  # stores are compared by zarr-python, never put in sets

    def read(self, key: str, start: int | None = None, stop: int | None = None) -> bytes:
        """Give a range of an object."""
        data = self.objects.get(key)
        if data is None:
            raise MissingError(f"{self._root}/{key} could not be read: it is not there.")
        return data[start:stop]

    def write(self, key: str, data: bytes | memoryview) -> None:
        """Keep an object."""
        self.objects[key] = bytes(data)

    def remove(self, key: str) -> None:
        """Forget an object."""
        self.objects[key] = None

    def has(self, key: str) -> bool:
        """Whether there is an object."""
        return self.objects.get(key) is not None

    def names(self, prefix: str) -> list[str]:
        """Nothing: no array's metadata are looked for here."""
        del prefix
        return []


def _read_fully(descriptor: int, length: int) -> bytes:
    data = os.read(descriptor, length) if length > 0 else b""
    if len(data) == length or not data:
        return data
    # The operating system may give less than asked for, 2 GiB on Linux.
    parts = [data]
    missing = length - len(data)
    while missing > 0 and parts[-1]:
        parts.append(os.read(descriptor, missing))
        missing -= len(parts[-1])
    return b"".join(parts)


def _sorted(error: OSError, action: str, path: str) -> StorageError | CorruptDataError:
    """Sort what the operating system said. Only "no such file" is missing: anything else may hide data."""
    reason = (error.strerror or str(error)).rstrip(".")
    if isinstance(error, FileNotFoundError):
        return MissingError(f"{path} could not be {action}: it is not there.")
    if isinstance(error, IsADirectoryError):
        return CorruptDataError(f"{path} is a folder where a chunk's file was expected.")
    if isinstance(error, NotADirectoryError):
        return CorruptDataError(f"{path} could not be {action}: a file lies where a folder was expected.")
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return ForbiddenError(
            f"{path} could not be {action}: access was refused ({reason}).",
            hint="Check who owns the place, its permissions, and whether it is mounted for reading only.",
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFullError(
            f"{path} could not be {action}: there is no space left ({reason}).",
            hint="Free some space or raise the quota, then run the same command again.",
        )
    return StorageError(f"{path} could not be {action}: {reason}.")
