"""Places that a driver of fsspec reaches.

`FsspecStore` asks a driver. `if_match` is compared and then written there, since drivers know no conditions. A driver
is imported when something is first asked of a place, and each thread has one of its own. Where a server tells no more
than a time of whole seconds, the version of what was written lately has a digest in it.

`MemoryStore` is fsspec's file system in this process' memory, with conditions of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import os
import threading
from datetime import UTC, datetime
from functools import lru_cache
from time import time as now
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from wkplug.abc import Store, StoreFailure, StoreObject
from wkplug.errors import InvalidArgumentError, PluginMissingError, StorageError, UnknownSchemeError
from wkplug.filesystems.failures import http_status
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["FsspecBuckets", "FsspecStore", "MemoryStore", "warn_of_halves"]

_PUBLIC = frozenset({"anon", "endpoint_url", "host", "port", "project", "region", "use_ssl", "username"})
"""Options that may travel in pickles. A list of what is harmless, since nobody can list all secrets."""
_VERSION_KEYS = ("ETag", "etag", "generation", "md5Hash", "version_id")
_TIME_KEYS = ("mtime", "modify", "modificationTime", "LastModified", "last_modified", "created")
_SECONDS_OF_DAY = 86_400
_MOST_DIGESTED = 2**20

_WITHOUT_CACHES = frozenset({"sftp", "ssh"})
"""Schemes whose driver takes all options for those of its connection."""
_IN_PLACE = frozenset({"arrow_hdfs", "dbfs", "hdfs", "webhdfs"})
"""Schemes of servers that show a file while it is written, and move none onto another."""

_PACKAGES = {"libarchive": "libarchive-c", "morefs": "morefs[asynclocalfs]", "smbclient": "smbprotocol"}
"""Where what is imported is called otherwise than what is installed."""


class FsspecStore(Store):
    """What a driver of fsspec reaches under one host, bucket or share."""

    has_folders: ClassVar[bool] = True
    reads_ends: ClassVar[bool] = False
    tells_versions: ClassVar[bool] = False
    concurrency: ClassVar[int] = 1  # many drivers have one connection

    def __init__(
        self,
        scheme: str,
        root: str,
        options: Mapping[str, Any],
        given: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.scheme = scheme
        self.options = options
        self._root = root
        self._given = given
        self._made = threading.local()

    @property
    def root(self) -> str:
        """The scheme and the host, bucket or share."""
        return self._root

    @property
    def public(self) -> Mapping[str, Any]:
        """The options of the call that hold no secret."""
        return {key: value for key, value in self._given.items() if key in _PUBLIC}

    @property
    def has_secrets(self) -> bool:
        """Whether the call had others."""
        return len(self.public) < len(self._given)

    def driver(self) -> Any:
        """Give the driver, one for each thread: many have a single connection, which also doesn't survive a fork.

        UnknownSchemeError if fsspec knows none, PluginMissingError if it isn't installed.
        """
        process, made = getattr(self._made, "driver", (0, None))
        if process != os.getpid():
            made = self._make(_driver_class(self.scheme))
            self._made.driver = (os.getpid(), made)
        return made

    def _make(self, driver: Any) -> Any:
        try:
            # Servers with a login in their URLs (sftp, smb, ...) have the host among the options.
            options = {**driver._get_kwargs_from_urls(self.root), **self.options}
        except (KeyError, TypeError, ValueError) as error:
            # Drivers take URLs apart by themselves, each with a way of its own to say that one is not right.
            raise self._unfit(driver, error, self.options) from None
        if self.scheme not in _WITHOUT_CACHES:
            options["use_listings_cache"] = False  # it would hide what other processes write
        try:
            return driver(**options)
        except (KeyError, TypeError, ValueError) as error:
            raise self._unfit(driver, error, options) from None
        except ImportError as error:
            raise _missing_package(self.scheme, error) from error
        except OSError as error:
            # Some connect as soon as they are made.
            raise StorageError(
                f"{self.root} can't be reached: {error.strerror or error}.",
                hint="Check the address, and whether the server is up.",
            ) from error

    def _unfit(self, driver: Any, error: Exception, given: Mapping[str, Any]) -> InvalidArgumentError:
        needed = [
            name
            for name, parameter in inspect.signature(driver.__init__).parameters.items()
            if parameter.default is parameter.empty
            and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            and name not in ("self", *given)
        ]
        if needed:
            return InvalidArgumentError(
                f"{self.root} can't be opened: the driver for {self.scheme}:// needs the "
                f"option{'s' if len(needed) > 1 else ''} {', '.join(needed)}.",
                hint="Give what it needs as storage options: in code, or in the settings under "
                f'[storage."{self.root.rstrip("/")}"].',
            )
        return InvalidArgumentError(
            f"{self.root} can't be opened: the driver for {self.scheme}:// wants another form or other "
            f"options ({type(error).__name__}).",
            hint="Check the address, and the storage options for it in the settings.",
        )

    def _target(self, path: str) -> str:
        """What the driver calls a place."""
        self.driver()
        from fsspec.core import strip_protocol

        target = str(strip_protocol(self.root + path))
        if target.rstrip("/").rpartition("/")[2] != path.rpartition("/")[2] and path:
            raise StoreFailure(
                "unsupported",
                f"the driver for {self.scheme}:// takes it for {target}",
                hint="Take another name, without signs that mean something in URLs.",
            )
        return target

    def get(
        self, path: str, start: int | None = None, stop: int | None = None, *, unless: str = ""
    ) -> tuple[bytes, StoreObject]:
        """Read; drivers don't tell the version."""
        del unless
        try:
            return bytes(self.driver().cat_file(self._target(path), start=start, end=stop)), StoreObject("")
        except Exception as error:
            # A range behind the end is no failure here.
            if start is not None and http_status(error) == 416:
                return b"", StoreObject("")
            raise

    def get_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read ranges side by side, where the driver can."""
        starts, stops = zip(*ranges, strict=True)
        target = self._target(path)
        found = self.driver().cat_ranges([target] * len(ranges), list(starts), list(stops), on_error="raise")
        return [bytes(piece) for piece in found]

    def head(self, path: str) -> StoreObject:
        """Look."""
        target = self._target(path)
        info = self.driver().info(target)
        if info.get("type") == "directory":
            raise StoreFailure("missing")
        return self._object(target, info)

    def _object(self, target: str, info: Mapping[str, Any]) -> StoreObject:
        """Give the version that the server tells; else that of time and size, and of what was written lately."""
        size = info.get("size")
        for key in _VERSION_KEYS:
            if info.get(key) is not None:
                text = str(info[key]).strip('"')
                return StoreObject(text if key == "ETag" else f"{text}-{size}", size)
        time = next((info[key] for key in _TIME_KEYS if info.get(key) is not None), None)
        if _tells_all_changes(time) or size is None or size > _MOST_DIGESTED:
            return StoreObject(f"{time}-{size}", size)
        try:
            return StoreObject(f"{time}-{_digest(self.driver().cat_file(target))}", size)
        except (FileNotFoundError, PermissionError):
            return StoreObject(f"{time}-{size}", size)  # it is there all the same

    def put(self, path: str, data: bytes, *, if_match: str | None = None, write_id: str = "") -> StoreObject:
        """Put; there are no conditions."""
        del if_match, write_id
        self._write(self._target(path), data)
        return self.head(path)

    def _write(self, target: str, data: bytes) -> None:
        if self.scheme in _IN_PLACE:
            warn_of_halves(self.root)
        self.driver().pipe_file(target, data)

    def names(self, path: str) -> Iterator[str]:
        """List a folder."""
        for name, entry in self._entries(path):
            yield f"{name}/" if entry.get("type") == "directory" else name

    def _entries(self, path: str) -> list[tuple[str, Mapping[str, Any]]]:
        driver, own = self.driver(), self._target(path).rstrip("/")
        entries = driver.ls(own or self._target(path), detail=True)
        if not entries:
            driver.info(self._target(path))  # some list nothing where there is nothing
        found: dict[str, Mapping[str, Any]] = {}
        for entry in entries:
            name = str(entry["name"]).rstrip("/")
            # A file is listed as itself.
            if name.startswith(f"{own}/") and name[len(own) + 1 :]:
                first, deeper, _ = name[len(own) + 1 :].partition("/")
                found[first] = {"type": "directory"} if deeper else entry
        return list(found.items())

    def sizes(self, path: str) -> Iterator[tuple[str, int]]:
        """List folder by folder: the driver's own walk leaves out in silence what it can't read."""
        for name, entry in self._entries(path):
            if entry.get("type") == "directory":
                for below, size in self.sizes(f"{path}/{name}" if path else name):
                    yield f"{name}/{below}", size
            else:
                yield name, int(entry.get("size") or 0)

    def delete(self, paths: Sequence[str]) -> None:
        """Delete one after the other."""
        for path in paths:
            try:
                self.driver().rm_file(self._target(path))
            except FileNotFoundError:
                continue

    def delete_folder(self, path: str) -> None:
        """Delete a folder with all in it."""
        self.driver().rm(self._target(path), recursive=True)

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it."""
        self.driver().makedirs(self._target(path), exist_ok=True)

    def native(self, kind: str, path: str) -> Mapping[str, Any] | None:
        """Answer "fsspec". Never store it: it may hold secrets."""
        if kind != "fsspec":
            return None
        return {"protocol": self.scheme, "path": self._target(path), "options": dict(self.options)}


class FsspecBuckets(FsspecStore):
    """An object store that no plugin knows better."""

    has_folders: ClassVar[bool] = False

    def sizes(self, path: str) -> Iterator[tuple[str, int]]:
        """List everything at once."""
        own = self._target(path).rstrip("/")
        for name, entry in self.driver().find(own, detail=True).items():
            if name.startswith(f"{own}/"):
                yield name[len(own) + 1 :], int(entry.get("size") or 0)


class MemoryStore(FsspecStore):
    """A file system in this process' memory, gone with the process."""

    conditional: ClassVar[bool] = True
    certain: ClassVar[bool] = True
    shared: ClassVar[bool] = False
    _guard: ClassVar[threading.RLock] = threading.RLock()

    @property
    def server(self) -> str:
        """memory://, which is one for all."""
        return "memory://"

    def driver(self) -> Any:
        """The driver, used by one thread at a time: another would see its table of files change while it looks."""
        return _InTurns(super().driver(), self._guard)

    def head(self, path: str) -> StoreObject:
        """Look; the clock may give two writes the same time, so the version is that of the content, too."""
        driver, target = self.driver(), self._target(path)
        if driver.info(target)["type"] == "directory":
            raise StoreFailure("missing")
        data = driver.cat_file(target)
        return StoreObject(f"{driver.modified(target).timestamp()}-{_digest(data)}", len(data))

    def put(self, path: str, data: bytes, *, if_match: str | None = None, write_id: str = "") -> StoreObject:
        """Put, if the version is the one that is asked for."""
        del write_id  # nothing gets lost here
        with self._guard:
            if if_match is not None:
                try:
                    there = self.head(path).version
                except (FileNotFoundError, StoreFailure):
                    there = ""
                if there != if_match:
                    raise StoreFailure("conflict")
            return super().put(path, data)


class _InTurns:
    """An object whose methods are called by one thread at a time."""

    def __init__(self, inner: Any, guard: threading.RLock) -> None:
        self._inner, self._guard = inner, guard

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            with self._guard:
                return method(*arguments, **options)

        return call if callable(method) else method


def _tells_all_changes(time: object) -> bool:
    """Whether what changes gets another time: those of whole seconds may stay the same for what was written lately."""
    if isinstance(time, str) and time.isdigit():  # as FTP has it
        with contextlib.suppress(ValueError):
            time = datetime.strptime(time, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    if isinstance(time, datetime):
        time = time.timestamp()
    if not isinstance(time, (int, float)):
        return False
    seconds = time / 1000 if time > 1e11 else time
    return seconds % 1 != 0 or seconds < now() - _SECONDS_OF_DAY


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


@lru_cache(maxsize=64)
def warn_of_halves(root: str) -> None:
    """Say once of a server that it writes in place."""
    warn_user(
        f"[WARNING] {root} shows files while they are written: what is killed, or fails, then leaves half a file.",
        UserWarning,
    )


def _driver_class(scheme: str) -> Any:
    """Give the driver's class: UnknownSchemeError if there is none, PluginMissingError if it isn't installed."""
    import fsspec

    try:
        return fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        raise _missing_package(scheme, error) from error
    except ValueError as error:
        raise UnknownSchemeError(
            f"Nothing installed opens {scheme}:// places.",
            hint="Check the spelling, or install the plugin or fsspec driver for it.",
        ) from error


def _missing_package(scheme: str, error: ImportError) -> PluginMissingError:
    cause: BaseException = error
    while cause.__cause__ is not None or (cause.__context__ is not None and not cause.__suppress_context__):
        following = cause.__cause__ or cause.__context__
        if following is None:
            break
        cause = following
    module = (cause.name if isinstance(cause, ImportError) and cause.name else scheme).partition(".")[0]
    needed = _PACKAGES.get(module, module)
    return PluginMissingError(
        f"{scheme}:// places need the package {needed}, which is not installed.",
        hint=f"pip install {needed}",
    )
