"""Stores: what a filesystem plugin for buckets, servers or shares brings; the core makes `Location`s of it.

A `Store` is one bucket, container, share or server, as a driver reaches it. Each method is one request, made once. What
fails is raised as a `StoreFailure`, which says what kind of failure it is, or as the driver raised it, where its errors
carry an errno or an HTTP status. Everything else is the core's, once and the same for all stores: retries, conditional
puts whose answer was lost, merged ranges, locks, errors for people, pickles without secrets.

    class OurFilesystem(Filesystem):
        def location(self, url, *, options=None):
            bucket, _, path = url.removeprefix("ours://").partition("/")
            return located(OurStore(bucket, {**storage_options(url), **(options or {})}), path)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias, TypeVar

from wkplug.abc.threads import side_by_side
from wkplug.errors import UnsafePathError
from wkplug.lazy import resolved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from wkplug.abc.locations import Location

__all__ = [
    "FailureKind", "Store", "StoreFailure", "StoreObject", "located", "parts_of", "storage_options", "with_retries",
]  # fmt: skip

Result = TypeVar("Result")

FailureKind: TypeAlias = Literal[
    "missing", "forbidden", "conflict", "unchanged", "busy", "full", "unsupported", "broken"
]

_LOCATED = (
    "wkplug.filesystems.stores:StoreLocation"  # named as a spec names its factory: the contract stands below
)
_OPTIONS = "wkplug.config:storage_options"
_RETRIES = "wkplug.filesystems.retries:with_retries"


class StoreFailure(Exception):  # noqa: N818 - what a store answered; users get one of wkplug.errors
    """What a store answered in place of what was asked for.

    kind: "missing" only for a definite "not there"; "busy" for whatever may pass (a busy server, a lost connection, an
    answer that was cut); "conflict" for a condition that doesn't hold; "unchanged" for an object that is as it was.
    text: the reason in words, a clause without its full stop, without secrets. status: of HTTP. wait: seconds that the
    server asks to wait. hint: what to do, where the store knows better than what is said of the kind.
    """

    def __init__(
        self,
        kind: FailureKind,
        text: str = "",
        *,
        status: int | None = None,
        wait: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(kind, text)
        self.kind = kind
        self.text = text
        self.status = status
        self.wait = wait
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        return (_failure, (self.kind, self.text, self.status, self.wait, self.hint))


def _failure(
    kind: FailureKind, text: str, status: int | None, wait: float | None, hint: str | None
) -> StoreFailure:
    return StoreFailure(kind, text, status=status, wait=wait, hint=hint)


class StoreObject(NamedTuple):
    """What a store says of an object: a text that changes whenever the object does, its size, and who wrote it.

    size: None where the store doesn't tell. write_id: with which it was put; "" if the store keeps none.
    """

    version: str
    size: int | None = None
    write_id: str = ""


class Store(ABC):
    """One bucket, container, share or server. Paths are below `root`, with single slashes, none at either end."""

    conditional: ClassVar[bool] = False
    """Whether the store itself checks `if_match`, so that of two writers one is told."""
    certain: ClassVar[bool] = False
    """Whether it surely does. Where not, each server is once asked for a put that it must refuse."""
    shared: ClassVar[bool] = True
    """Whether other processes see what is put."""
    has_folders: ClassVar[bool] = False
    """Whether folders are there by themselves, also empty, and have to be made before files are put into them."""
    writes: ClassVar[bool] = True
    """Whether anything can be put at all."""
    reads_ends: ClassVar[bool] = True
    """Whether the last bytes can be asked for without knowing the size."""
    lists_all: ClassVar[bool] = True
    """Whether what isn't named isn't there; web servers show what they like."""
    percent_escapes: ClassVar[bool] = False
    """Whether paths are spelled as in URLs; `names` gives names as they are, without escapes."""
    tells_versions: ClassVar[bool] = True
    """Whether `get` tells the version; else objects are looked at before and after, where it matters."""
    concurrency: ClassVar[int] = 16
    """How many requests at the same time are worth making."""

    @property
    @abstractmethod
    def root(self) -> str:
        """The URL before the path, with a slash at its end: what opens it again, without secrets."""

    @property
    def server(self) -> str:
        """What it shares with other stores that the same server holds, as a URL."""
        scheme, _, rest = self.root.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}"

    @property
    def public(self) -> Mapping[str, Any]:
        """The options that it was opened with and that may travel in pickles: no secrets."""
        return MappingProxyType({})

    @property
    def has_secrets(self) -> bool:
        """Whether it was opened with options that stay behind when it travels."""
        return False

    @property
    def session(self) -> Mapping[str, Any]:
        """The options that its URL held, a login or a token say: other URLs of the store are opened with them, too.

        They stay in this process, and are never shown.
        """
        return MappingProxyType({})

    def renewed(self) -> Store | None:
        """Give the store with the credentials that environment or settings hold by now; None if nothing has changed.

        Asked when access was refused.
        """
        return None

    @abstractmethod
    def get(
        self, path: str, start: int | None = None, stop: int | None = None, *, unless: str = ""
    ) -> tuple[bytes, StoreObject]:
        """Read an object, or a range of it (a negative `start` without `stop`: its last bytes).

        What lies behind the end is left out. "unchanged" if `unless` is given and is its version.
        """

    @abstractmethod
    def head(self, path: str) -> StoreObject:
        """Look at an object without reading it. "missing" for what is only a folder."""

    @abstractmethod
    def put(self, path: str, data: bytes, *, if_match: str | None = None, write_id: str = "") -> StoreObject:
        """Put a whole object, or leave the old one as it is. `if_match` is a version, "" for "must not be there".

        `write_id` is kept in the object's metadata where the store has such.
        """

    @abstractmethod
    def names(self, path: str) -> Iterator[str]:
        """The names directly below, folders with a slash.

        Nothing, or "missing", where there is no such folder; "missing" in any case for a store that has folders.
        """

    @abstractmethod
    def sizes(self, path: str) -> Iterator[tuple[str, int]]:
        """All objects below, by their paths relative to `path`, with their sizes."""

    @abstractmethod
    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects; those that aren't there are fine."""

    def make_folder(self, path: str) -> None:
        """Make a folder, with its parents; only asked of stores that have folders."""
        del path

    def delete_folder(self, path: str) -> None:
        """Delete a folder with everything below; only asked of stores that have folders."""
        raise StoreFailure("unsupported", f"{path} and what lies below can't be deleted at once")

    def get_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges of one object, which don't touch; side by side unless overridden."""
        return list(side_by_side(lambda one: self.get(path, *one)[0], ranges, at_once=self.concurrency))

    def native(self, kind: str, path: str) -> Mapping[str, Any] | None:
        """Describe a place for an engine that does its own I/O, see `Location.native`; None if that can't be said."""
        del kind, path
        return None


def parts_of(path: str, url: str) -> list[str]:
    """Split the path of a URL at its slashes and follow "..": UnsafePathError if that leads out of `url`'s store."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise UnsafePathError(
                    f"{url} leads out of its own store.", hint="Take out the '..' that leads above its top."
                )
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return parts


def located(store: Store, path: str) -> Location:
    """Give the place at a path of a store: what `Filesystem.location` returns."""
    found: Location = resolved(_LOCATED)(store, path)
    return found


def storage_options(url: str) -> dict[str, Any]:
    """What the setting `storage` has for a URL, by the longest prefix that it names."""
    found: dict[str, Any] = resolved(_OPTIONS)(url)
    return found


def with_retries(call: Callable[[], Result], action: str, url: str, *, attempts: int | None = None) -> Result:
    """Do `call`, and again while it raises a "busy" `StoreFailure`, as often as the settings say; the store's own way.

    For requests that no `Store` makes. What fails in the end is an error for people: "URL could not be ACTION: ...".
    attempts: how often at most, where the settings shall not decide; 1 for what must not be repeated.
    """
    done: Result = resolved(_RETRIES)(call, action, url, attempts=attempts)
    return done
