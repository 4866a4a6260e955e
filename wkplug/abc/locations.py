"""Places: a `Filesystem` makes `Location` objects from URLs, and `locate` finds the filesystem for one.

A Location is one file, object or folder. It knows how to read, write, list and lock, and nothing about what
the bytes mean. Errors arrive sorted here, once for everybody: MissingError only for a definite "not there",
ForbiddenError for a refusal, StorageError for everything else after the retries are used up.

A `LocationWrapper` changes some of that for another location: it counts, slows down, hides, refuses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from typing import TYPE_CHECKING, Any, Self

from wkplug.errors import ConflictError, MissingError
from wkplug.lazy import resolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from wkplug.abc.problems import Problem

__all__ = ["Filesystem", "Location", "LocationWrapper", "locate"]

_TRIES = 5
_LOCATE = "wkplug.storage.locating:locate"  # named as a spec names its factory: the contract stands below it


class Location(ABC):
    """A file, object or folder. Immutable, hashable, cheap to make, picklable without secrets."""

    __slots__ = ()

    @property
    @abstractmethod
    def url(self) -> str:
        """The text that opens it again: an absolute path, or scheme://...; no trailing slash, no secrets."""

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self.url.rstrip("/").rpartition("/")[2]

    @property
    def store(self) -> str:
        """What it shares with all places that the same server or process holds; scheme and host unless overridden."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}"

    @property
    @abstractmethod
    def parent(self) -> Location:
        """The folder that it lies in."""

    @abstractmethod
    def child(self, *parts: str) -> Location:
        """A place below; parts may hold slashes, but never lead upwards (UnsafePathError)."""

    @abstractmethod
    def local_path(self) -> str | None:
        """The path for the operating system's own calls, None where there is none."""

    def native(self, kind: str) -> Mapping[str, Any] | None:
        """Describe the place for an engine that does its own I/O, None if this filesystem can't.

        Kinds are free strings. In use: "path" -> {"path"}; "fsspec" -> {"protocol", "path", "options"};
        "tensorstore.kvstore" -> the JSON of a key-value store.
        """
        path = self.local_path()
        return {"path": path} if kind == "path" and path is not None else None

    @abstractmethod
    def read(self, start: int | None = None, stop: int | None = None) -> bytes:
        """Read the bytes from `start` to `stop` (all by default; a negative start counts from the end).

        Ranges that reach past the end give what is there. MissingError if there is nothing. A folder is a
        StorageError on file systems, and nothing (MissingError) on stores that have none.
        """

    def read_ranges(self, ranges: Sequence[tuple[int, int | None]]) -> list[bytes]:
        """Read several ranges as `read` does, in order; remote places merge near ones into one request."""
        return [self.read(start, stop) for start, stop in ranges]

    def read_newer(self, known: str | None = None) -> tuple[bytes, str] | None:
        """Read it whole, with its version, in one request where the store can; None if that is still `known`."""
        for _ in range(_TRIES):
            version = self.version()
            if version is not None and version == known:
                return None
            data = self.read()
            if version is not None and self.version() == version:
                return data, version
        raise ConflictError(
            f"{self.url} changed {_TRIES} times while it was read.",
            hint="Read it again when whoever writes there has finished.",
        )

    def read_consistent(
        self, ranges: Sequence[tuple[int, int | None]], *, version: str | None = None
    ) -> tuple[list[bytes], str]:
        """As `read_ranges`, but all of them of one version, and that version; no more requests where the store can.

        ConflictError if it isn't `version` (by default: any), or becomes another one meanwhile.
        """
        found = self.version() if version is None else version
        if found is None:
            raise MissingError(f"{self.url} could not be read: it is not there.")
        data = self.read_ranges(ranges)
        if self.version() != found:
            raise ConflictError(
                f"{self.url} was changed by someone else while it was read.", hint="Read it again."
            )
        return data, found

    def read_end(self, length: int) -> tuple[bytes, int, str]:
        """Read the last bytes, all if there are fewer: with where they begin, and their version.

        One request where the store can count from the end.
        """
        version = self.version()
        if version is None:
            raise MissingError(f"{self.url} could not be read: it is not there.")
        size = self.size()
        start = max(0, size - length)
        (data,), version = self.read_consistent([(start, size)], version=version)
        return data, start, version

    @property
    def concurrency(self) -> int:
        """How many requests at the same time are worth making: 1 where they would only be in each other's way."""
        return 1

    @property
    def conditional(self) -> bool:
        """Whether the store itself checks `if_match`, so that of two writers anywhere one is surely told."""
        return False

    @property
    def lists_all(self) -> bool:
        """Whether it tells all names in a folder, so that what `list_all` doesn't name isn't there."""
        return True

    @abstractmethod
    def write(self, data: bytes, *, if_match: str | None = None) -> str:
        """Write the whole file or object, atomically and durably, making parent folders; gives its new version.

        With `if_match`, the version from `version()` or an earlier write ("" for "must not exist"):
        ConflictError if it is no longer that one.
        """

    @abstractmethod
    def version(self) -> str | None:
        """A text that changes whenever the file or object does; None if it is missing."""

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is a file, object or folder. ForbiddenError where that can't be told."""

    @abstractmethod
    def list(self) -> Iterator[str]:
        """The names directly below, sorted; folders end with a slash. Empty if there are none.

        A web server shows what it likes: use this to find things, and `list_all` to conclude that others aren't there.
        UnlistableError if what it shows is no index of a folder, or isn't the whole of one.
        """

    def list_all(self) -> Iterator[str]:
        """As `list`, but what isn't named is not there; UnlistableError where `lists_all` is False."""
        return self.list()

    def list_files(self) -> Iterator[tuple[str, int | None]]:
        """All files below, by their paths, in any order, with their sizes where the listing tells; no folders.

        One listing of everything where the store has that. What isn't named is not there, as for `list_all`.
        """
        for name in self.list_all():
            if name.endswith("/"):
                for below, size in self.child(name.rstrip("/")).list_files():
                    yield name + below, size
            else:
                yield name, None

    @abstractmethod
    def delete(self, *, recursive: bool = False) -> None:
        """Delete the file, link or (recursively) folder; links are removed, never followed. Missing is fine."""

    @abstractmethod
    def make_folder(self) -> None:
        """Make it a folder, with its parents; nothing happens on stores without folders."""

    @abstractmethod
    def size(self) -> int:
        """The size of the file or object in bytes; of a folder, the sum of all below (links not followed)."""

    @abstractmethod
    def lock(self, key: str = "", *, timeout: float | None = None) -> AbstractContextManager[None]:
        """Exclude all other threads and processes that lock this place with the same key.

        Locks vanish with their process. LockTimeoutError after `timeout` seconds (None: the configured one).
        """

    @abstractmethod
    def writable(self) -> bool:
        """Whether writing here may work, as far as that can be told without writing."""


class Filesystem(ABC):
    """Makes locations for the URL schemes of its spec."""

    @abstractmethod
    def location(self, url: str, *, options: Mapping[str, Any] | None = None) -> Location:
        """Open a place; nothing is read. `options` are what an fsspec user would call storage options."""

    def problems(self, url: str, *, options: Mapping[str, Any] | None = None) -> Iterable[Problem]:
        """Say why this implementation can't open the URL as it is asked for; nothing is read, no driver loaded.

        Of several filesystems for one scheme, the next takes over from one that has a problem: options that this
        driver doesn't know, credentials that it can't find.
        """
        del url, options
        return ()

    def attempt(self, url: str, *, options: Mapping[str, Any] | None = None) -> Location | Sequence[Problem]:
        """Open a place, or give the problems that rule that out; override it where both take the same work."""
        problems = tuple(self.problems(url, options=options))
        if any(problem.severity == "error" for problem in problems):
            return problems
        return self.location(url, options=options)


class LocationWrapper(Location):
    """Another location, `inner`, of which a subclass changes what it overrides; everything else is passed on.

    Places below and above are wrapped in the same way, with all that a subclass keeps in attributes:

        class CountedReads(LocationWrapper):
            def __init__(self, inner, lengths):
                super().__init__(inner)
                self.lengths = lengths  # one list for all places below

            def read(self, start=None, stop=None):
                data = self.inner.read(start, stop)
                self.lengths.append(len(data))
                return data

    Engines that do their own I/O, and whoever takes `local_path`, go round the wrapper: override `native` and
    `local_path` to give None where nothing may. Equal to another wrapper of the same class around an equal location.
    """

    __slots__ = ("inner",)

    def __init__(self, inner: Location) -> None:
        self.inner = inner

    def __eq__(self, other: object) -> bool:
        return self.inner == other.inner if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), self.inner))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.inner!r})"

    def wrap(self, inner: Location) -> Self:
        """Give another location wrapped as this one is."""
        wrapped = copy(self)
        wrapped.inner = inner
        return wrapped

    @property
    def url(self) -> str:
        """The URL of `inner`."""
        return self.inner.url

    @property
    def name(self) -> str:
        """The name of `inner`."""
        return self.inner.name

    @property
    def store(self) -> str:
        """The store of `inner`."""
        return self.inner.store

    @property
    def parent(self) -> Self:
        """The folder that it lies in, wrapped."""
        return self.wrap(self.inner.parent)

    def child(self, *parts: str) -> Self:
        """A place below, wrapped."""
        return self.wrap(self.inner.child(*parts))

    def local_path(self) -> str | None:
        """Pass on."""
        return self.inner.local_path()

    def native(self, kind: str) -> Mapping[str, Any] | None:
        """Pass on."""
        return self.inner.native(kind)

    def read(self, start: int | None = None, stop: int | None = None) -> bytes:
        """Pass on."""
        return self.inner.read(start, stop)

    def read_ranges(self, ranges: Sequence[tuple[int, int | None]]) -> list[bytes]:
        """Pass on; whoever overrides `read` mostly wants to override this, too."""
        return self.inner.read_ranges(ranges)

    def read_newer(self, known: str | None = None) -> tuple[bytes, str] | None:
        """Pass on; whoever overrides `read` mostly wants to override this, too."""
        return self.inner.read_newer(known)

    def read_consistent(
        self, ranges: Sequence[tuple[int, int | None]], *, version: str | None = None
    ) -> tuple[list[bytes], str]:
        """Pass on; whoever overrides `read` mostly wants to override this, too."""
        return self.inner.read_consistent(ranges, version=version)

    def read_end(self, length: int) -> tuple[bytes, int, str]:
        """Pass on; whoever overrides `read` mostly wants to override this, too."""
        return self.inner.read_end(length)

    @property
    def concurrency(self) -> int:
        """Pass on."""
        return self.inner.concurrency

    @property
    def conditional(self) -> bool:
        """Pass on."""
        return self.inner.conditional

    @property
    def lists_all(self) -> bool:
        """Pass on."""
        return self.inner.lists_all

    def write(self, data: bytes, *, if_match: str | None = None) -> str:
        """Pass on."""
        return self.inner.write(data, if_match=if_match)

    def version(self) -> str | None:
        """Pass on."""
        return self.inner.version()

    def exists(self) -> bool:
        """Pass on."""
        return self.inner.exists()

    def list(self) -> Iterator[str]:
        """Pass on."""
        return self.inner.list()

    def list_all(self) -> Iterator[str]:
        """Pass on."""
        return self.inner.list_all()

    def list_files(self) -> Iterator[tuple[str, int | None]]:
        """Pass on."""
        return self.inner.list_files()

    def delete(self, *, recursive: bool = False) -> None:
        """Pass on."""
        self.inner.delete(recursive=recursive)

    def make_folder(self) -> None:
        """Pass on."""
        self.inner.make_folder()

    def size(self) -> int:
        """Pass on."""
        return self.inner.size()

    def lock(self, key: str = "", *, timeout: float | None = None) -> AbstractContextManager[None]:
        """Pass on."""
        return self.inner.lock(key, timeout=timeout)

    def writable(self) -> bool:
        """Pass on."""
        return self.inner.writable()


def locate(path: Any, *, options: Mapping[str, Any] | None = None) -> Location:
    """Open a place by the filesystem of its URL, as the core does; nothing is read.

    `path` is a path (made absolute; "~" is not expanded), a URL, a pathlib or universal path, or a Location, which is
    given back. `options` are storage options for a URL. InvalidArgumentError for anything else, UnknownSchemeError
    for URLs that no plugin opens.
    """
    found: Location = resolved(_LOCATE)(path, options=options)
    return found
