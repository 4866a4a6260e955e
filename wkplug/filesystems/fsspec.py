"""Places behind URLs: memory, object stores, HTTP, and whatever else fsspec has a driver for.

`FsspecLocation` gives them the promises of `wkplug.abc.Location`: whole-object puts, sorted failures after
retries, merged range reads, versions, and locks as far as the store allows. On S3 `if_match` is a conditional
put; elsewhere the version is compared and then written, with a moment between in which another writer may
come (memory:// places have a lock of this process around both). HTTP places are for reading.

Credentials given in code work in this process, but travel in no pickle: workers find theirs in the settings
or the environment, by the URL.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

import attrs

from wkplug.abc import Filesystem, Location
from wkplug.config import current
from wkplug.errors import (
    ConflictError,
    ForbiddenError,
    MissingError,
    StorageError,
    UnlistableError,
    UnsupportedOperationError,
)
from wkplug.filesystems import s3
from wkplug.filesystems.addresses import Address, resolve
from wkplug.filesystems.failures import http_status, with_retries
from wkplug.filesystems.leases import ProcessLocks, lease
from wkplug.filesystems.paths import is_scrap, safe_parts
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

__all__ = ["FsspecFilesystem", "FsspecLocation"]

Result = TypeVar("Result")

_HTTP = frozenset({"http", "https"})
_OBJECT_STORES = frozenset({"s3", "gs", "az", "abfs", "abfss", "adl", "oci"})
_ATTEMPTS = {"memory": 1, "s3": 1, "gs": 1}  # the drivers of S3 and GCS retry by themselves
_VERSION_KEYS = (
    "ETag",
    "etag",
    "generation",
    "md5Hash",
    "version_id",
    "mtime",
    "LastModified",
    "last_modified",
)
_locks = ProcessLocks()
_known: set[str] = set()
"""The stores that this process has seen to keep conditions, or not to."""
_told: set[str] = set()
"""The stores of which this process has told that their locks are none in the strict sense."""
_MERGE_GAP = 64 * 2**10  # reading so much for nothing is cheaper than another request
_MERGE_LIMIT = 16 * 2**20


class FsspecLocation(Location):
    """A file, object or folder behind a URL; `options` are fsspec's storage options for it."""

    __slots__ = ("_address", "_path")

    _address: Address
    _path: str

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self._address, self._path = resolve(url, options)

    @classmethod
    def _of(cls, address: Address, path: str) -> FsspecLocation:
        self = cls.__new__(cls)
        self._address, self._path = address, path
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (
            _reopen,
            (self.url, dict(self._address.public), self._address.secret or self._address.travelled),
        )

    def __eq__(self, other: object) -> bool:
        return self.url == other.url if isinstance(other, FsspecLocation) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.url)

    def __repr__(self) -> str:
        return f"FsspecLocation({self.url!r})"

    def __str__(self) -> str:
        return self.url

    # --- names ----------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """scheme://..., on S3 with the endpoint's host first where there is one."""
        root = self._address.root
        return root + self._path if self._path or root.endswith("://") else root[:-1]

    @property
    def name(self) -> str:
        """The last part of the path, percent escapes of HTTP decoded."""
        name = self._path.rpartition("/")[2]
        return unquote(name) if self._address.scheme in _HTTP else name

    @property
    def parent(self) -> FsspecLocation:
        """The folder that it lies in; the root of the store is its own parent."""
        return FsspecLocation._of(self._address, self._path.rpartition("/")[0])

    def child(self, *parts: str) -> FsspecLocation:
        """A place below; UnsafePathError for parts that lead upwards or are absolute."""
        safe = safe_parts(parts, self.url)
        if not safe:
            return self
        if self._address.scheme in _HTTP:
            safe = [quote(part, safe="~:@!$&'()*+,;=") for part in safe]
        return FsspecLocation._of(self._address, "/".join([self._path, *safe] if self._path else safe))

    def local_path(self) -> None:
        """None: there is no path for the operating system."""
        return

    def native(self, kind: str) -> Mapping[str, Any] | None:
        """Answer "fsspec" and (S3, GCS, HTTP) "tensorstore.kvstore". Never store it: it may hold secrets."""
        address = self._address
        if kind == "fsspec":
            options = dict(address.options)
            if address.scheme == "s3":
                options = s3.driver_options(options, address.endpoint)
            return {"protocol": address.scheme, "path": self._target, "options": options}
        if kind != "tensorstore.kvstore" or not self._path:
            return None
        if address.scheme == "s3":
            return s3.kvstore(address.options, address.endpoint, self._path)
        if address.scheme == "gs":
            bucket, _, key = self._path.partition("/")
            return {"driver": "gcs", "bucket": bucket, "path": f"{key}/" if key else ""}
        if address.scheme in _HTTP:
            query = f"?{address.query}" if address.query else ""
            headers = (address.options.get("client_kwargs") or {}).get("headers", {})
            return {
                "driver": "http",
                "base_url": f"{self.url}/{query}",
                **({"headers": [f"{name}: {value}" for name, value in headers.items()]} if headers else {}),
            }
        return None

    @property
    def _target(self) -> str:
        """What the driver calls this place."""
        address = self._address
        if address.scheme in _HTTP:
            return self.url + (f"?{address.query}" if address.query else "")
        if address.scheme in ("s3", "gs"):
            return self._path
        if address.scheme == "memory":
            return f"/{self._path}"
        return str(address.filesystem()._strip_protocol(self.url))

    # --- reading --------------------------------------------------------------------------------------

    def read(self, start: int | None = None, stop: int | None = None) -> bytes:
        """Read from `start` to `stop`; MissingError for folders too, since object stores have none."""
        return self._read([(start, stop)])[0]

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges at once; those less than 64 KiB apart are one request."""
        if any(start < 0 or stop < 0 for start, stop in ranges):
            return [self.read(start, stop) for start, stop in ranges]
        merged = merge(ranges)
        pieces = dict(zip(merged, self._read(merged), strict=True)) if merged else {}
        results: list[bytes] = []
        for start, stop in ranges:
            source = next((one for one in merged if one[0] <= start and stop <= one[1]), None)
            results.append(pieces[source][start - source[0] : stop - source[0]] if source else b"")
        return results

    def _read(self, ranges: Sequence[tuple[int | None, int | None]]) -> list[bytes]:
        wanted = [self._plain_range(*one) for one in ranges]
        if self._address.scheme in _HTTP:
            from wkplug.filesystems import http

            return self._do("read", lambda driver: http.fetch(driver, self._target, wanted))
        if self._address.scheme == "s3" and wanted == [(None, None)]:
            return [self._do("read", lambda driver: s3.get(driver, self._path))]
        if len(wanted) == 1:
            return [self._do("read", lambda driver: cat(driver, self._target, *wanted[0]))]
        return self._do("read", lambda driver: cat_all(driver, self._target, wanted))

    def _plain_range(self, start: int | None, stop: int | None) -> tuple[int | None, int | None]:
        """Resolve what servers and drivers disagree about; ranges as they come mostly pass."""
        if start is None and stop is None:
            return None, None
        if (start or 0) >= 0 and (stop is None or stop > (start or 0)):
            return start or 0, stop
        if stop is None and self._address.scheme in ("s3", "http", "https"):
            return start, None
        first, last, _ = slice(start, stop).indices(self.size())
        return first, max(first, last)

    def version(self) -> str | None:
        """What the store says changes with the object: ETag, generation or time, with the size."""
        try:
            if self._address.scheme in _HTTP:
                return str(self._head().version)
            if self._address.scheme == "s3" and "/" in self._path:
                return self._do("looked at", lambda driver: s3.etag(driver, self._path))
            info = self._info()
            if info.get("type") == "directory":
                return None
            if self._address.scheme == "memory":
                return self._memory_version()
        except MissingError:
            return None
        for key in _VERSION_KEYS:
            if info.get(key) is not None:
                text = str(info[key]).strip('"')
                return text if key == "ETag" else f"{text}-{info.get('size')}"
        return f"{info.get('created')}-{info.get('size')}"

    def _memory_version(self) -> str:
        changed = self._do("looked at", lambda driver: driver.modified(self._target))
        # The clock may give two writes the same time.
        return f"{changed.timestamp()}-{hashlib.blake2b(self.read(), digest_size=8).hexdigest()}"

    def exists(self) -> bool:
        """Whether there is an object, or anything below. HTTP servers decide what they say of folders."""
        try:
            if self._address.scheme in _HTTP:
                self._head()
            else:
                self._info()
        except MissingError:
            return False
        return True

    def list(self) -> Iterator[str]:
        """The names directly below, sorted; of HTTP, those on the server's index page.

        UnlistableError if a web server answers with a page that is no index, or not the whole of one.
        """
        if self._address.scheme in _HTTP:
            return iter(self._names_on_page())
        own = self._target.rstrip("/")
        try:
            entries = self._do("listed", lambda driver: driver.ls(self._target, detail=True))
        except MissingError:
            return iter(())
        names: set[str] = set()
        for entry in entries:
            path = str(entry["name"])
            name = path.removeprefix(f"{own}/") if path.startswith(f"{own}/") else ""
            first, slash, rest = name.partition("/")
            if first and not rest:
                names.add(f"{first}/" if slash or entry.get("type") == "directory" else first)
        return iter(sorted(names))

    def _names_on_page(self) -> Sequence[str]:
        from wkplug.filesystems import http

        own, mark, query = self._target.partition("?")
        target = f"{own.rstrip('/')}/{mark}{query}"
        try:
            return self._do("listed", lambda driver: http.names(driver, target, self.url))
        except MissingError:
            return ()
        except UnlistableError:
            # Servers of applications have a page for every address, so for that of a file with a slash, too.
            if self._is_file():
                return ()
            raise

    def _is_file(self) -> bool:
        try:
            return not self._head().page
        except StorageError:
            return False

    def list_all(self) -> Iterator[str]:
        """As `list`; UnlistableError for HTTP, whose index pages are missing, cut, or of something else."""
        if self._address.scheme in _HTTP:
            raise UnlistableError(
                f"{self.url} can't be listed: web servers don't tell for certain what they have.",
                hint="Copy it from an object store or a disk, where all files can be listed.",
            )
        return self.list()

    def size(self) -> int:
        """Bytes of the object, or of all objects below; lock objects count nothing."""
        if self._address.scheme in _HTTP:
            head = self._head()
            if head.page:
                raise StorageError(
                    f"{self.url} could not be measured: the server gives a page for people, such as a folder's index."
                )
            if head.size is None:
                raise StorageError(f"{self.url} could not be measured: the server doesn't tell its size.")
            return int(head.size)
        info = self._info()
        if info.get("type") != "directory":
            return int(info["size"])
        found = self._do("measured", lambda driver: driver.find(self._target, detail=True))
        return sum(
            int(entry.get("size") or 0)
            for path, entry in found.items()
            if not is_scrap(path.rpartition("/")[2])
        )

    def _info(self) -> Mapping[str, Any]:
        return self._do("looked at", lambda driver: driver.info(self._target))

    def _head(self) -> Any:
        from wkplug.filesystems import http

        return self._do("looked at", lambda driver: http.look(driver, self._target))

    # --- writing --------------------------------------------------------------------------------------

    def write(self, data: bytes, *, if_match: str | None = None) -> str:
        """Put the whole object and give its new version. ForbiddenError on HTTP."""
        self._check_writable("written")
        if self._address.scheme == "s3":
            version = self._do("written", lambda driver: s3.put(driver, self._path, data, if_match, self.url))
            if version is not None:
                return self._checked(data, version) if if_match == "" else version
        if if_match is None:
            return self._put(data)
        if self._address.scheme == "s3":
            self._tell_of_races()
        with _locks.hold(self.url, "if_match", 60.0):
            found = self.version() or ""
            if found != if_match:
                raise ConflictError(
                    f"{self.url} was changed by someone else: it is no longer the version that was read.",
                    hint="Read it again and repeat the change.",
                )
            return self._put(data)

    def _checked(self, data: bytes, version: str) -> str:
        """Make what was just created once more: stores that do it again look at no conditions.

        Some take the headers and pass over them. Asked once per process and store; gives the version.
        """
        if self._address.root in _known | _told:
            return version
        _known.add(self._address.root)
        try:
            again = self._do("written", lambda driver: s3.put(driver, self._path, data, "", self.url))
        except ConflictError:
            return version
        self._tell_of_races()
        return again or version

    def _put(self, data: bytes) -> str:
        def put(driver: Any) -> None:
            if self._address.scheme not in _OBJECT_STORES and self._address.scheme != "memory":
                driver.makedirs(self.parent._target, exist_ok=True)
            driver.pipe_file(self._target, data)

        self._do("written", put)
        return self.version() or ""

    def delete(self, *, recursive: bool = False) -> None:
        """Delete the object or (recursively) everything below. StorageError for a bucket as a whole."""
        self._check_writable("deleted")
        if self._address.scheme in _OBJECT_STORES and "/" not in self._path:
            raise StorageError(f"{self.url} could not be deleted: it is a whole bucket.")
        try:
            folder = self._info().get("type") == "directory"
            if folder and not recursive and next(self.list(), None) is not None:
                raise StorageError(
                    f"{self.url} could not be deleted: the folder is not empty.", hint="Use recursive=True."
                )
            if folder:
                self._do("deleted", lambda driver: driver.rm(self._target, recursive=True))
            else:
                self._do("deleted", lambda driver: driver.rm_file(self._target))
                # Object stores may have "a" and "a/b" at once.
                if recursive and self.exists():
                    self._do("deleted", lambda driver: driver.rm(self._target, recursive=True))
        except MissingError:
            return

    def make_folder(self) -> None:
        """Make it a folder, where the store has any."""
        if self._address.scheme not in _OBJECT_STORES | _HTTP:
            self._do("made", lambda driver: driver.makedirs(self._target, exist_ok=True))

    # --- others ---------------------------------------------------------------------------------------

    def lock(self, key: str = "", *, timeout: float | None = None) -> AbstractContextManager[None]:
        """Lock it: within this process for memory://, by a lease elsewhere (see `wkplug.filesystems.leases`).

        UserWarning, once per store, where the store has no conditional puts, or passes over the conditions.
        """
        self._check_writable("locked")
        if timeout is None:
            timeout = current().lock_timeout
        if self._address.scheme == "memory":
            return _locks.hold(self.url, key, timeout)
        if self._address.scheme != "s3":
            self._tell_of_races()
        return lease(self, key, timeout)

    def _tell_of_races(self) -> None:
        if self._address.root not in _told:
            _told.add(self._address.root)
            warn_user(
                f"[WARNING] {self._address.root} has no conditional writes here: if two programs change a dataset "
                "there at the same moment, one of the changes can be lost. Let one program write at a time.",
                UserWarning,
            )

    def writable(self) -> bool:
        """Whether the kind of place can be written at all; permissions show only when writing."""
        return self._address.scheme not in _HTTP

    def _check_writable(self, action: str) -> None:
        if not self.writable():
            raise ForbiddenError(
                f"{self.url} could not be {action}: places behind HTTP can only be read.",
                hint="Copy the data to a folder or an object store first.",
            )

    def _do(self, action: str, call: Callable[[Any], Result]) -> Result:
        try:
            return self._done(action, call)
        except ForbiddenError:
            if not self._address.outdated:
                raise
        # Credentials may have come into the environment since.
        address, _ = resolve(self.url, self._address.public, travelled=self._address.travelled)
        if self._address.secret and not address.secret:
            address = attrs.evolve(address, options=self._address.options, secret=True)
        self._address = attrs.evolve(address, query=self._address.query, renewed=True)
        return self._done(action, call)

    def _done(self, action: str, call: Callable[[Any], Result]) -> Result:
        driver = self._address.filesystem()
        try:
            return with_retries(
                lambda: call(driver), action, self.url, attempts=_ATTEMPTS.get(self._address.scheme, 4)
            )
        except NotImplementedError as error:
            raise UnsupportedOperationError(
                f"{self.url} could not be {action}: {self._address.scheme}:// places can't do that."
            ) from error
        except ForbiddenError as error:
            if self._address.travelled:
                error.hint = (
                    "Credentials given in code don't travel to other processes: put them into the setting "
                    "`storage` or the environment."
                )
            raise


def _reopen(url: str, public: Mapping[str, Any], travelled: bool) -> FsspecLocation:  # noqa: FBT001 - of pickle
    return FsspecLocation._of(*resolve(url, public, travelled=travelled))


class FsspecFilesystem(Filesystem):
    """Makes locations for every scheme that fsspec has a driver for."""

    def __init__(self, settings: object = None) -> None:
        del settings

    def location(self, url: str, *, options: Mapping[str, Any] | None = None) -> FsspecLocation:
        """Open a place; nothing is read and no driver is loaded yet."""
        return FsspecLocation(url, options)


# --- ranges of objects --------------------------------------------------------------------------------------


def cat(driver: Any, target: str, start: int | None, stop: int | None) -> bytes:
    """Read one range (or all, with None and None); what lies behind the end is empty."""
    if start is not None and start == stop:
        return b""
    try:
        return bytes(driver.cat_file(target, start=start, end=stop))
    except Exception as error:
        # A range behind the end is no failure here.
        if start is not None and http_status(error) == 416:
            return b""
        raise


def cat_all(driver: Any, target: str, ranges: Sequence[tuple[int | None, int | None]]) -> list[bytes]:
    """Read several ranges of one object, side by side where the driver can."""
    starts, stops = zip(*ranges, strict=True)
    found = driver.cat_ranges([target] * len(ranges), list(starts), list(stops), on_error="return")
    results: list[bytes] = []
    for piece in found:
        if isinstance(piece, Exception):
            if http_status(piece) != 416:
                raise piece
            results.append(b"")
        else:
            results.append(bytes(piece))
    return results


def merge(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges with small gaps between them; empty ones are left out."""
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(one for one in ranges if one[1] > one[0]):
        if merged:
            first, last = merged[-1]
            if start <= last + _MERGE_GAP and (max(stop, last) - first <= _MERGE_LIMIT or stop <= last):
                merged[-1] = (first, max(stop, last))
                continue
        merged.append((start, stop))
    return merged
