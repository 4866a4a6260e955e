"""Places through the drivers of fsspec: what all of them have in common.

`FsspecLocation` gives any driver the promises of `wkplug.abc.Location`: whole-object puts, sorted failures after
retries, merged range reads, versions, and locks as far as the store allows. `if_match` is compared and then written,
with a moment between in which another writer may come. It knows no kind of store: what one of them can do better, or
does otherwise, is in a subclass (`object_stores`, `s3`, `http`, `memory`), chosen in `wkplug.filesystems.fsspec`.

An `Address` is a store as its driver knows it. Options come from the argument, from the setting `storage` (by URL
prefix), and from what code gave for the same store before. Secrets stay in `Address.options`; they are in no URL, no
repr and no pickle. A location that is unpickled elsewhere resolves its URL anew, from settings and environment there.
Drivers are imported only when a filesystem is asked for.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, TypeVar
from urllib.parse import unquote

import attrs

from wkplug.abc import Location
from wkplug.config import current
from wkplug.errors import (
    ConflictError,
    ForbiddenError,
    InvalidArgumentError,
    MissingError,
    PluginMissingError,
    StorageError,
    UnknownSchemeError,
    UnsafePathError,
    UnsupportedOperationError,
)
from wkplug.filesystems.failures import http_status, with_retries
from wkplug.filesystems.leases import ProcessLocks, lease
from wkplug.filesystems.paths import is_scrap, safe_parts
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

__all__ = [
    "SESSION",
    "Address",
    "FsspecLocation",
    "Range",
    "clean_parts",
    "configured",
    "merge",
    "of_session",
    "process_locks",
    "public_options",
    "split_url",
    "stores_with_races",
]

Result = TypeVar("Result")
Range: TypeAlias = tuple[int | None, int | None]

_PUBLIC = frozenset(
    {"anon", "endpoint_url", "profile", "project", "region", "requester_pays", "use_ssl", "version_aware"}
)
"""Options that may travel in pickles. A list of what is harmless, since nobody can list all secrets."""

SESSION: dict[tuple[str, ...], dict[str, Any]] = {}
"""Options that code gave in this process, by store: endpoint and bucket, or server and first folder. In no pickle."""

_ENVIRONMENT = ("AWS_", "AZURE_", "GOOGLE_", "S3_")

_ALIASES = {"s3a": "s3", "gcs": "gs"}


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
process_locks = ProcessLocks()
stores_with_races: set[str] = set()
"""The stores of which this process has warned that they keep no conditions."""
_MERGE_GAP = 64 * 2**10  # reading so much for nothing is cheaper than another request
_MERGE_LIMIT = 16 * 2**20


@attrs.frozen(eq=False)
class Address:
    """One store, as a driver knows it: shared by all locations below it.

    root: the URL before the path, with its last slash. options: as the driver takes them. public: those that were given
    and may travel. query: what HTTP URLs ended with (often a token). travelled: it was unpickled, and secrets stayed
    behind. renewed: it takes the place of one that was refused before the environment changed.
    """

    scheme: str
    root: str
    options: Mapping[str, Any] = attrs.field(repr=False)
    public: Mapping[str, Any] = attrs.field(repr=False)
    secret: bool = False
    query: str = attrs.field(default="", repr=False)
    travelled: bool = False
    renewed: bool = False
    _opened: dict[int, Any] = attrs.field(factory=dict, repr=False, init=False)
    _seen: int = attrs.field(factory=lambda: _environment(), repr=False, init=False)

    def filesystem(self) -> Any:
        """Give the fsspec filesystem, made once per process: connections don't survive a fork.

        UnknownSchemeError if fsspec knows no driver, PluginMissingError if it isn't installed.
        """
        process = os.getpid()
        found = self._opened.get(process)
        if found is None:
            driver = _driver(self.scheme)
            self._opened.clear()
            try:
                # A cached listing would hide what other processes write.
                # Servers with a login in their URLs (sftp, smb, ...) have the host among the options.
                inferred = driver._get_kwargs_from_urls(self.root)
                options = {**inferred, **self.options, "use_listings_cache": False}
                if self.renewed or self._seen != _first_environment():
                    # Drivers keep the credentials that they once found, or didn't.
                    options["skip_instance_cache"] = True
                self._opened[process] = found = driver(**options)
            except (KeyError, TypeError, ValueError) as error:
                # Drivers take URLs apart by themselves, each with a way of its own to say that one is not right.
                raise InvalidArgumentError(
                    f"{self.root} can't be opened: the driver for {self.scheme}:// wants another form or other "
                    f"options ({type(error).__name__}).",
                    hint="Check the address, and the storage options for it in the settings.",
                ) from None
            except ImportError as error:
                raise _missing_package(self.scheme, error) from error
            except OSError as error:
                # Some connect as soon as they are made.
                raise StorageError(
                    f"{self.root} can't be reached: {error.strerror or error}.",
                    hint="Check the address, and whether the server is up.",
                ) from error
        return found

    @property
    def outdated(self) -> bool:
        """Whether the environment's variables for stores have changed since this was made."""
        return self._seen != _environment()


@functools.cache
def _first_environment() -> int:
    """The environment in which this process made its first driver: fsspec gives that driver again."""
    return _environment()


def _environment() -> int:
    return hash(
        tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith(_ENVIRONMENT)))
    )


def _driver(scheme: str) -> Any:
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
    needed = (cause.name if isinstance(cause, ImportError) and cause.name else scheme).partition(".")[0]
    return PluginMissingError(
        f"{scheme}:// places need the package {needed}, which is not installed.",
        hint=f"pip install {needed}",
    )


def public_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the options that hold no secret."""
    return {key: value for key, value in options.items() if key in _PUBLIC}


def split_url(url: str) -> tuple[str, str]:
    """Give the scheme of a URL, by its driver's name, and what follows it. InvalidArgumentError if it is none."""
    scheme, mark, rest = url.partition("://")
    scheme = _ALIASES.get(scheme.lower(), scheme.lower())
    if not mark or not scheme or "::" in scheme or "\0" in url:
        inner = url.rpartition("::")[2]
        raise InvalidArgumentError(
            f"{url!r} is no URL of a single place.",
            hint=f"Chains with '::' aren't followed; write {inner}."
            if "::" in scheme and "://" in inner
            else "URLs look like s3://bucket/folder.",
        )
    return scheme, rest


def of_session(key: tuple[str, ...], given: dict[str, Any], *, secret: bool) -> dict[str, Any]:
    """Remember the options that code gave for a store, or give them where a URL of the same store comes alone.

    So recorded URLs can be followed in the session whose user has said how to reach the store.
    """
    if secret:
        SESSION[key] = dict(given)
    return given or SESSION.get(key, given)


def configured(url: str) -> dict[str, Any]:
    """The options that the setting `storage` has for a URL."""
    return current().storage_options(url.rstrip("/"))


def clean_parts(path: str, url: str) -> list[str]:
    """Split a path at its slashes and follow "..": UnsafePathError if that leads out of the store of `url`."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise UnsafePathError(f"{url} leads out of its own store.")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return parts


class FsspecLocation(Location):
    """A file, object or folder behind a URL; `options` are fsspec's storage options for it."""

    __slots__ = ("_address", "_path")

    _address: Address
    _path: str

    attempts: ClassVar[int] = 4
    """How often a request is made that fails for a passing reason; 1 where the driver tries again by itself."""
    has_folders: ClassVar[bool] = True
    """Whether there are folders, which must be made before files are put there."""
    has_conditional_writes: ClassVar[bool] = False
    """Whether the store itself can check the condition of a write."""
    reads_ends: ClassVar[bool] = False
    """Whether the last bytes can be asked for without knowing the size."""
    path_has_host: ClassVar[bool] = False
    """Whether the driver takes what follows scheme:// for a part of the path."""

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self._address, self._path = self.resolve(url, options)

    @classmethod
    def resolve(
        cls, url: str, options: Mapping[str, Any] | None = None, *, travelled: bool = False
    ) -> tuple[Address, str]:
        """Split `url` into the address of its store and the path in it (no slash at either end).

        InvalidArgumentError if it is no URL, UnsafePathError if ".." leads out of the store.
        """
        scheme, rest = split_url(url)
        given = dict(options or {})
        public = public_options(given)
        login, at, _ = rest.partition("/")[0].rpartition("@")
        if at and ":" in login:
            user, _, password = login.partition(":")
            given.setdefault("password", unquote(password))
            rest = user + rest[len(login) :]
        parts = clean_parts(rest, url)
        root = f"{scheme}://"
        if parts and not cls.path_has_host:
            root, parts = f"{root}{parts[0]}/", parts[1:]
        if not travelled:
            given = of_session((root, *parts[:1]), given, secret=len(public) < len(given))
        path = "/".join(parts)
        merged = {**configured(root + path), **given}
        secret = len(public) < len(given)
        return Address(scheme, root, merged, public, secret=secret, travelled=travelled), path

    @classmethod
    def reopened(cls, url: str, public: Mapping[str, Any], travelled: bool) -> Self:  # noqa: FBT001 - of pickle
        """Make one from what was pickled; secrets stayed behind if it `travelled`."""
        return cls._of(*cls.resolve(url, public, travelled=travelled))

    @classmethod
    def _of(cls, address: Address, path: str) -> Self:
        self = cls.__new__(cls)
        self._address, self._path = address, path
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        address = self._address
        return (type(self).reopened, (self.url, dict(address.public), address.secret or address.travelled))

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
        """The last part of the path."""
        return self._path.rpartition("/")[2]

    @property
    def parent(self) -> Self:
        """The folder that it lies in; the root of the store is its own parent."""
        return self._of(self._address, self._path.rpartition("/")[0])

    def child(self, *parts: str) -> Self:
        """A place below; UnsafePathError for parts that lead upwards or are absolute."""
        safe = safe_parts(parts, self.url)
        return (
            self._of(self._address, "/".join([self._path, *safe] if self._path else safe)) if safe else self
        )

    def local_path(self) -> None:
        """None: there is no path for the operating system."""
        return

    def native(self, kind: str) -> Mapping[str, Any] | None:
        """Answer "fsspec". Never store it: it may hold secrets."""
        if kind != "fsspec":
            return None
        address = self._address
        return {"protocol": address.scheme, "path": self._target, "options": dict(address.options)}

    @property
    def _target(self) -> str:
        """What the driver calls this place."""
        _driver(self._address.scheme)
        from fsspec.core import strip_protocol

        return str(strip_protocol(self.url))

    # --- reading --------------------------------------------------------------------------------------

    def read(self, start: int | None = None, stop: int | None = None) -> bytes:
        """Read from `start` to `stop`; MissingError for folders too, since object stores have none."""
        return self._fetch([self._plain_range(start, stop)])[0]

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges at once; those less than 64 KiB apart are one request."""
        if any(start < 0 or stop < 0 for start, stop in ranges):
            return [self.read(start, stop) for start, stop in ranges]
        merged = merge(ranges)
        pieces = dict(zip(merged, self._fetch(merged), strict=True)) if merged else {}
        results: list[bytes] = []
        for start, stop in ranges:
            source = next((one for one in merged if one[0] <= start and stop <= one[1]), None)
            results.append(pieces[source][start - source[0] : stop - source[0]] if source else b"")
        return results

    def _fetch(self, ranges: Sequence[Range]) -> list[bytes]:
        """Read plain ranges, as `_plain_range` gives them."""
        if len(ranges) == 1:
            return [self._do("read", lambda driver: cat(driver, self._target, *ranges[0]))]
        return self._do("read", lambda driver: cat_all(driver, self._target, ranges))

    def _plain_range(self, start: int | None, stop: int | None) -> Range:
        """Resolve what servers and drivers disagree about; ranges as they come mostly pass."""
        if start is None and stop is None:
            return None, None
        if (start or 0) >= 0 and (stop is None or stop > (start or 0)):
            return start or 0, stop
        if stop is None and self.reads_ends:
            return start, None
        first, last, _ = slice(start, stop).indices(self.size())
        return first, max(first, last)

    def version(self) -> str | None:
        """What the store says changes with the object: ETag, generation or time, with the size."""
        try:
            return self._version()
        except MissingError:
            return None

    def _version(self) -> str | None:
        """As `version`, None for a folder, but MissingError if there is nothing."""
        info = self._info()
        if info.get("type") == "directory":
            return None
        for key in _VERSION_KEYS:
            if info.get(key) is not None:
                text = str(info[key]).strip('"')
                return text if key == "ETag" else f"{text}-{info.get('size')}"
        return f"{info.get('created')}-{info.get('size')}"

    def exists(self) -> bool:
        """Whether there is an object, or anything below."""
        try:
            self._info()
        except MissingError:
            return False
        return True

    def list(self) -> Iterator[str]:
        """The names directly below, sorted."""
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

    def size(self) -> int:
        """Bytes of the object, or of all objects below; lock objects count nothing."""
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

    # --- writing --------------------------------------------------------------------------------------

    def write(self, data: bytes, *, if_match: str | None = None) -> str:
        """Put the whole object and give its new version."""
        if if_match is None:
            return self._put(data)
        with process_locks.hold(self.url, "if_match", 60.0):
            found = self.version() or ""
            if found != if_match:
                raise self.conflict()
            return self._put(data)

    def conflict(self) -> ConflictError:
        """Make the error of a condition that doesn't hold."""
        return ConflictError(
            f"{self.url} was changed by someone else: it is no longer the version that was read.",
            hint="Read it again and repeat the change.",
        )

    def _put(self, data: bytes) -> str:
        def put(driver: Any) -> None:
            if self.has_folders:
                driver.makedirs(self.parent._target, exist_ok=True)
            driver.pipe_file(self._target, data)

        self._do("written", put)
        return self.version() or ""

    def delete(self, *, recursive: bool = False) -> None:
        """Delete the object or (recursively) everything below."""
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
        """Make it a folder, with its parents."""
        self._do("made", lambda driver: driver.makedirs(self._target, exist_ok=True))

    # --- others ---------------------------------------------------------------------------------------

    def lock(self, key: str = "", *, timeout: float | None = None) -> AbstractContextManager[None]:
        """Lock it by a lease (see `wkplug.filesystems.leases`).

        UserWarning, once per store, where the store has no conditional puts, or passes over the conditions.
        """
        if not self.has_conditional_writes:
            self._warn_of_races()
        return lease(self, key, current().lock_timeout if timeout is None else timeout)

    def _warn_of_races(self) -> None:
        if self._address.root not in stores_with_races:
            stores_with_races.add(self._address.root)
            warn_user(
                f"[WARNING] {self._address.root} has no conditional writes here: if two programs change a dataset "
                "there at the same moment, one of the changes can be lost. Let one program write at a time.",
                UserWarning,
            )

    def writable(self) -> bool:
        """Whether the kind of place can be written at all; permissions show only when writing."""
        return True

    def _do(self, action: str, call: Callable[[Any], Result]) -> Result:
        """Call with the driver; again with new credentials if access is refused and the environment has changed."""
        try:
            return self._done(action, call)
        except ForbiddenError:
            if not self._address.outdated:
                raise
        address, _ = self.resolve(self.url, self._address.public, travelled=self._address.travelled)
        if self._address.secret and not address.secret:
            address = attrs.evolve(address, options=self._address.options, secret=True)
        self._address = attrs.evolve(address, query=self._address.query, renewed=True)
        return self._done(action, call)

    def _done(self, action: str, call: Callable[[Any], Result]) -> Result:
        driver = self._address.filesystem()
        try:
            return with_retries(lambda: call(driver), action, self.url, attempts=self.attempts)
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


def cat_all(driver: Any, target: str, ranges: Sequence[Range]) -> list[bytes]:
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
