"""The one Location over any `wkplug.abc.Store`: what buckets, servers and shares have in common, done once.

A store makes single requests. What makes a place of them is here: retries, merged ranges side by side, conditional
puts whose answer was lost, locks, errors for people, pickles without secrets.

Conditional puts carry a fresh id, which the store keeps with the object, and those of the last few versions before.
When the answer of a put is lost, a look at the object tells by the id whether it arrived, also if somebody has replaced
it since, so that nobody takes his own write for somebody else's. Stores without conditions are compared and then
written, with a moment between in which another writer may come: they warn of it, once. Some stores take conditions and
pass over them, so each server is asked once to put on a condition what was just put on it.

Secrets stay with the `Store`; they are in no URL, no repr and no pickle. A location that is unpickled elsewhere is
opened anew by its URL, with the settings and the environment there.
"""

from __future__ import annotations

import bisect
import contextlib
import uuid
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import quote, unquote

import attrs

from wkplug import registry
from wkplug.abc import Location, StoreFailure, joined, side_by_side
from wkplug.config import current
from wkplug.errors import (
    ConflictError,
    ForbiddenError,
    MissingError,
    StorageError,
    UnlistableError,
    UnsupportedOperationError,
)
from wkplug.filesystems.answers import with_answers
from wkplug.filesystems.failures import is_transient, sort_failure
from wkplug.filesystems.leases import ProcessLocks, lease
from wkplug.filesystems.paths import OWN_PREFIX, is_scrap, safe_parts
from wkplug.filesystems.retries import with_retries
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from wkplug.abc import Store, StoreObject

__all__ = ["StoreLocation", "reopened"]

Result = TypeVar("Result")

_DELETED_AT_ONCE = 1000
_KEPT_IN_URLS = "~:@!$&'()*+,;="

_process_locks = ProcessLocks()
_with_races: set[str] = set()
"""The servers of which this process has warned that they keep no conditions."""
_asked: set[str] = set()
"""The servers that this process has asked whether they keep conditions."""
_ids: dict[tuple[str, str], str] = {}
"""The ids of puts that objects have come with, by URL and version: the next put takes them along."""
_MOST_IDS = 8
_MOST_OBJECTS = 256


@attrs.define(eq=False)
class _Opened:
    """A store, shared by all locations below it, so that renewed credentials are everybody's.

    travelled: it was unpickled, and secrets stayed behind.
    """

    store: Store
    travelled: bool = False


class StoreLocation(Location):
    """An object or folder of a store."""

    __slots__ = ("_opened", "_path")

    def __init__(self, store: Store, path: str) -> None:
        self._opened = _Opened(store)
        self._path = path

    def _at(self, path: str) -> StoreLocation:
        place = StoreLocation.__new__(StoreLocation)
        place._opened, place._path = self._opened, path
        return place

    def __reduce__(self) -> tuple[Any, ...]:
        store, travelled = self.opened, self._opened.travelled
        return (reopened, (self.url, dict(store.public), travelled or store.has_secrets))

    def __eq__(self, other: object) -> bool:
        return self.url == other.url if isinstance(other, StoreLocation) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.url)

    def __repr__(self) -> str:
        return f"StoreLocation({self.url!r})"

    def __str__(self) -> str:
        return self.url

    @property
    def opened(self) -> Store:
        """The store, with the credentials that it has by now."""
        return self._opened.store

    # --- names ----------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The root of the store and the path."""
        root = self.opened.root
        return root + self._path if self._path or root.endswith("://") else root[:-1]

    @property
    def name(self) -> str:
        """The last part of the URL, without the escapes that it has in one."""
        last = (self._path or self.url.partition("://")[2]).rpartition("/")[2]
        return unquote(last) if self.opened.percent_escapes else last

    @property
    def store(self) -> str:
        """The server."""
        return self.opened.server

    @property
    def parent(self) -> StoreLocation:
        """The folder that it lies in; the root of the store is its own parent."""
        return self._at(self._path.rpartition("/")[0])

    def child(self, *parts: str) -> StoreLocation:
        """A place below; UnsafePathError for parts that lead upwards or are absolute."""
        safe = safe_parts(parts, self.url)
        if not safe:
            return self
        if self.opened.percent_escapes:
            safe = [quote(part, safe=_KEPT_IN_URLS) for part in safe]
        return self._at("/".join([self._path, *safe] if self._path else safe))

    def local_path(self) -> None:
        """None: there is no path for the operating system."""
        return

    def native(self, kind: str) -> Mapping[str, Any] | None:
        """Answer what the store does. Never store it: it may hold secrets."""
        return self.opened.native(kind, self._path)

    # --- reading --------------------------------------------------------------------------------------

    def read(self, start: int | None = None, stop: int | None = None) -> bytes:
        """Read from `start` to `stop`, in one request; MissingError for folders too, since most stores have none."""
        return self._get(self._plain_range(start, stop))[0]

    def _plain_range(self, start: int | None, stop: int | None) -> tuple[int | None, int | None]:
        """Resolve what servers disagree about; ranges as they come mostly pass."""
        if start is None and stop is None:
            return None, None
        if (start or 0) >= 0 and (stop is None or stop > (start or 0)):
            return start or 0, stop
        if stop is None and self.opened.reads_ends:
            return start, None
        first, last, _ = slice(start, stop).indices(self.size())
        return first, max(first, last)

    def _get(self, wanted: tuple[int | None, int | None]) -> tuple[bytes, StoreObject]:
        if wanted[0] is not None and wanted[0] == wanted[1]:
            return b"", self._do("read", lambda store: store.head(self._path))

        def get(store: Store) -> tuple[bytes, StoreObject]:
            data, found = store.get(self._path, *wanted)
            _check_length(len(data), found.size, *wanted)
            return data, found

        return self._do("read", get)

    def read_ranges(self, ranges: Sequence[tuple[int, int | None]]) -> list[bytes]:
        """Read several ranges, near ones in one request (`wkplug.abc.joined`), all requests side by side."""
        plain = _plain(ranges)
        merged = joined(one for one in plain if one[1] > one[0])
        if len(merged) > 1 and len(plain) == len(ranges):
            # Whatever goes wrong, each is then tried again, and fails for itself.
            with contextlib.suppress(Exception):
                return _cut(plain, merged, self.opened.get_ranges(self._path, merged))
        return self._read_apart(ranges)[0]

    def read_consistent(
        self, ranges: Sequence[tuple[int, int | None]], *, version: str | None = None
    ) -> tuple[list[bytes], str]:
        """As `read_ranges`, of one version: each answer tells of which it is."""
        others = [one for one in ranges if not _plain([one])]
        needs_size = not self.opened.reads_ends or any(stop is not None for _, stop in others)
        nothing = not others and all(stop is not None and stop <= start for start, stop in ranges)
        if nothing or (others and needs_size) or not self.opened.tells_versions:
            return super().read_consistent(ranges, version=version)
        data, versions = self._read_apart(ranges)
        if version is not None:
            versions.add(version)
        if len(versions) > 1:
            raise ConflictError(
                f"{self.url} was changed by someone else while it was read.", hint="Read it again."
            )
        return data, versions.pop()

    def _read_apart(self, ranges: Sequence[tuple[int, int | None]]) -> tuple[list[bytes], set[str]]:
        """Read near ranges together, and those from the end one by one; with the versions met."""
        plain = _plain(ranges)
        merged = joined(one for one in plain if one[1] > one[0])
        asked = [*merged, *(self._plain_range(*one) for one in ranges if not _plain([one]))]
        found = list(side_by_side(self._get, asked, at_once=self.concurrency))
        pieces = [data for data, _ in found]
        cut, rest = iter(_cut(plain, merged, pieces)), iter(pieces[len(merged) :])
        data = [next(cut if _plain([one]) else rest) for one in ranges]
        return data, {each.version for _, each in found}

    def read_end(self, length: int) -> tuple[bytes, int, str]:
        """Read the last bytes, in one request; in two where the size must be known before."""
        store = self.opened
        if length < 1 or not store.tells_versions:
            return super().read_end(length)
        if store.reads_ends:
            data, found = self._get((-length, None))
            if found.size is None:
                return super().read_end(length)
            return data, found.size - len(data), found.version
        found = self._get((0, 1))[1]  # answers to HEAD don't say what it is that isn't there
        if not found.size:
            return super().read_end(length)
        start = max(0, found.size - length)
        (data,), version = self.read_consistent([(start, found.size)], version=found.version)
        return data, start, version

    def read_newer(self, known: str | None = None) -> tuple[bytes, str] | None:
        """Read it whole with its version, in one request; None if that is still `known`."""
        if not self.opened.tells_versions:
            return super().read_newer(known)

        def get(store: Store) -> tuple[bytes, str] | None:
            try:
                data, found = store.get(self._path, unless=known or "")
            except StoreFailure as failure:
                if failure.kind == "unchanged":
                    return None
                raise
            _check_length(len(data), found.size)
            self._keep_ids(found)
            return None if found.version == known else (data, found.version)

        return self._do("read", get)

    @property
    def concurrency(self) -> int:
        """As many requests as the store says."""
        return self.opened.concurrency

    @property
    def conditional(self) -> bool:
        """Whether the store has conditions, as far as is known."""
        return self.opened.conditional and self.store not in _with_races

    @property
    def lists_all(self) -> bool:
        """As the store says; web servers don't."""
        return self.opened.lists_all

    def version(self) -> str | None:
        """What the store says changes with the object; None for a folder, too."""
        found = self._look()
        return None if found is None else found.version

    def exists(self) -> bool:
        """Whether there is an object, or anything below; a server that shows what it likes is only asked for itself."""
        if (self._path or not self.lists_all) and self._look() is not None:
            return True
        if not self.lists_all:
            return False
        try:
            found = self._do("looked at", lambda store: next(iter(store.names(self._path)), None))
        except MissingError:
            return False
        return found is not None or self.opened.has_folders

    def _look(self) -> StoreObject | None:
        try:
            found = self._do("looked at", lambda store: store.head(self._path))
        except MissingError:
            return None
        self._keep_ids(found)
        return found

    def list(self) -> Iterator[str]:
        """The names directly below, sorted."""
        try:
            names = self._do("listed", lambda store: set(store.names(self._path)))
        except MissingError:
            names = set()
        return iter(sorted(names))

    def list_all(self) -> Iterator[str]:
        """As `list`; UnlistableError for web servers, whose pages are missing, cut, or of something else."""
        self._check_listable()
        return self.list()

    def list_files(self) -> Iterator[tuple[str, int | None]]:
        """All objects below, in one listing."""
        self._check_listable()
        try:
            return iter(self._do("listed", lambda store: list(store.sizes(self._path))))
        except MissingError:
            return iter(())

    def _check_listable(self) -> None:
        if not self.lists_all:
            raise UnlistableError(
                f"{self.url} can't be listed: web servers don't tell for certain what they have.",
                hint="Copy it from an object store or a disk, where all files can be listed.",
            )

    def size(self) -> int:
        """Bytes of the object, or of all objects below; lock objects count nothing."""

        def measure(store: Store) -> int | None:
            try:
                return store.head(self._path).size
            except Exception as error:
                if not store.lists_all or not _is_missing(error):
                    raise
            sizes = list(store.sizes(self._path))
            if not sizes and not store.has_folders:
                raise StoreFailure("missing")
            return sum(size for path, size in sizes if not is_scrap(path.rpartition("/")[2]))

        found = self._do("measured", measure)
        if found is None:
            raise StorageError(f"{self.url} could not be measured: the server doesn't tell its size.")
        return found

    # --- writing --------------------------------------------------------------------------------------

    def writable(self) -> bool:
        """Whether the kind of place can be written at all; permissions show only when writing."""
        return self.opened.writes

    def _check_writable(self, action: str) -> None:
        if not self.opened.writes:
            self._refuse(action)

    def _refuse(self, action: str) -> NoReturn:
        kind = "HTTP" if self.opened.percent_escapes else f"{self.url.partition('://')[0]}://"
        raise ForbiddenError(
            f"{self.url} could not be {action}: places behind {kind} can only be read.",
            hint="Copy the data to a folder or an object store first.",
        )

    def write(self, data: bytes, *, if_match: str | None = None) -> str:
        """Put the whole object and give its new version; the store checks the condition, if it has any."""
        self._check_writable("written")
        if not self._path:
            raise StorageError(f"{self.url} could not be written: it is the top of its store, not a file.")
        if if_match is None:
            return self._do("written", lambda store: self._put(store, data)).version
        if self.conditional:
            version = self._put_if(data, if_match)
            if version is not None:
                return version
            self._warn_of_races()
        with _process_locks.hold(self.url, "if_match", 60.0):
            if (self.version() or "") != if_match:
                raise self._conflict()
            return self._do("written", lambda store: self._put(store, data)).version

    def _conflict(self) -> ConflictError:
        return ConflictError(
            f"{self.url} was changed by someone else: it is no longer the version that was read.",
            hint="Read it again and repeat the change.",
        )

    def _put(self, store: Store, data: bytes, **conditions: str) -> StoreObject:
        folder = self._path.rpartition("/")[0]
        if store.has_folders and folder:
            store.make_folder(folder)
        return store.put(self._path, data, **conditions)

    def _put_if(self, data: bytes, if_match: str) -> str | None:
        """Put on a condition; None says that the store knows none after all, and nothing was written.

        After a try of which nobody knows how it ended, a look tells whether it is there.
        """
        own_id = uuid.uuid4().hex[:16]
        write_id = _followed(own_id, _ids.get((self.url, if_match), ""))
        in_doubt = False

        def put(store: Store) -> StoreObject | None:
            nonlocal in_doubt
            if in_doubt and (found := self._ours(store, data, own_id, if_match)):
                return found
            try:
                return self._put(store, data, if_match=if_match, write_id=write_id)
            except Exception as error:
                kind = error.kind if isinstance(error, StoreFailure) else ""
                # An earlier try may have arrived after the look.
                if kind == "conflict" and in_doubt and (found := self._ours(store, data, own_id, if_match)):
                    return found
                if kind == "unsupported":
                    return None
                in_doubt = in_doubt or is_transient(error)
                raise

        try:
            found = self._do("written", put)
        except StorageError:
            found = None
            with contextlib.suppress(Exception):
                found = self._ours(self.opened, data, own_id, if_match) if in_doubt else None
            if found is None:
                raise
        if found is None:
            return None
        self._keep_ids(found)
        if not self.opened.certain and self.store not in _asked and found.version != if_match:
            return self._ask_for_conditions(data, if_match, write_id) or found.version
        return found.version

    def _ours(self, store: Store, data: bytes, own_id: str, if_match: str) -> StoreObject | None:
        """Give the object if what was put with this id has arrived; without ids, if it holds the same.

        Where it has been replaced since, with the version that our put replaced, which is surely none that holds.
        """
        try:
            found = store.head(self._path)
            if found.write_id:
                ids = found.write_id.split()
                if own_id == ids[0]:
                    return found
                return found._replace(version=if_match) if own_id in ids else None
            there, found = store.get(self._path)
        except Exception as error:
            if _is_missing(error):
                return None
            raise
        return found if there == data else None

    def _keep_ids(self, found: StoreObject) -> None:
        if found.write_id:
            if len(_ids) >= _MOST_OBJECTS:
                with contextlib.suppress(KeyError, StopIteration, RuntimeError):  # of other threads
                    del _ids[next(iter(_ids))]
            _ids[self.url, found.version] = found.write_id

    def _ask_for_conditions(self, data: bytes, if_match: str, write_id: str) -> str | None:
        """Put once more what was just put: stores that pass over conditions do it, and give a new version."""
        # As another put: nobody may take the one before for this one's success.
        write_id = _followed(uuid.uuid4().hex[:16], write_id)

        def put(store: Store) -> str | None:
            try:
                return store.put(self._path, data, if_match=if_match, write_id=write_id).version
            except StoreFailure as failure:
                if failure.kind != "conflict":
                    raise
                return None

        # It is written, whatever becomes of the question.
        with contextlib.suppress(StorageError, UnsupportedOperationError):
            version = self._do("written", put)
            _asked.add(self.store)
            if version is not None:
                self._warn_of_races()
            return version
        return None

    def delete(self, *, recursive: bool = False) -> None:
        """Delete the object or (recursively) everything below. StorageError for a bucket as a whole."""
        self._check_writable("deleted")
        if not self._path:
            whole = "the top of its store" if self.opened.has_folders else "a whole bucket"
            raise StorageError(f"{self.url} could not be deleted: it is {whole}.")
        if self.name.startswith(OWN_PREFIX) and not (recursive or self.opened.has_folders):
            # Never a folder, and deleted all the time. A lock may be somebody else's after a try that arrived.
            self._delete([self._path], attempts=1 if is_scrap(self.name) else None)
            return
        if self.opened.has_folders or not recursive:
            found = self._look()
            if found is None and not recursive and next(self.list(), None) is not None:
                raise StorageError(
                    f"{self.url} could not be deleted: the folder is not empty.", hint="Use recursive=True."
                )
            if found is not None:
                self._delete([self._path])
            if self.opened.has_folders and (found is None or recursive):
                with contextlib.suppress(MissingError):
                    self._do("deleted", lambda store: store.delete_folder(self._path))
            return
        below = [f"{self._path}/{path}" for path, _ in self.list_files()]
        # Locks go last, so that they keep others out until then.
        paths = sorted([self._path, *below], key=lambda path: is_scrap(path.rpartition("/")[2]))
        for start in range(0, len(paths), _DELETED_AT_ONCE):
            self._delete(paths[start : start + _DELETED_AT_ONCE])

    def _delete(self, paths: Sequence[str], *, attempts: int | None = None) -> None:
        with contextlib.suppress(MissingError):
            self._do("deleted", lambda store: store.delete(paths), attempts=attempts)

    def make_folder(self) -> None:
        """Make it a folder, with its parents; nothing happens where there are none."""
        if self.opened.has_folders:
            self._do("made", lambda store: store.make_folder(self._path))

    # --- others ---------------------------------------------------------------------------------------

    def lock(self, key: str = "", *, timeout: float | None = None) -> AbstractContextManager[None]:
        """Lock it by a lease (see `wkplug.filesystems.leases`); for threads, where no other process sees the store.

        UserWarning, once per server, where the store has no conditional puts, or passes over the conditions.
        """
        self._check_writable("locked")
        seconds = current().lock_timeout if timeout is None else timeout
        if not self.opened.shared:
            return _process_locks.hold(self.url, key, seconds)
        if not self.opened.conditional:
            self._warn_of_races()
        return lease(self, key, seconds)

    def _warn_of_races(self) -> None:
        if self.store not in _with_races:
            _with_races.add(self.store)
            warn_user(
                f"[WARNING] {self.store}/ has no conditional writes here: if two programs change a dataset "
                "there at the same moment, one of the changes can be lost. Let one program write at a time.",
                UserWarning,
            )

    def _do(self, action: str, call: Callable[[Store], Result], *, attempts: int | None = None) -> Result:
        """Ask the store, with retries; again with new credentials if access is refused and there are any."""
        try:
            return self._asked_for(action, call, attempts)
        except ForbiddenError:
            renewed = self.opened.renewed()
            if renewed is None:
                raise
        self._opened.store = renewed
        return self._asked_for(action, call, attempts)

    def _asked_for(self, action: str, call: Callable[[Store], Result], attempts: int | None) -> Result:
        store = with_answers(self.opened)
        try:
            return with_retries(lambda: call(store), action, self.url, attempts=attempts)
        except ForbiddenError as error:
            if self._opened.travelled:
                error.hint = (
                    "Credentials given in code don't travel to other processes: put them into the setting "
                    "`storage` or the environment."
                )
            raise


def reopened(url: str, public: Mapping[str, Any], travelled: bool) -> Location:  # noqa: FBT001 - of pickle
    """Open what was pickled; secrets stayed behind if it `travelled`."""
    place = registry.place(url, options=public)
    if isinstance(place, StoreLocation):
        place._opened.travelled = travelled
    return place


def _followed(own_id: str, older: str) -> str:
    return " ".join([own_id, *older.split()[: _MOST_IDS - 1]])


def _is_missing(error: Exception) -> bool:
    return isinstance(sort_failure(error, "looked at", ""), MissingError)


# --- ranges of objects --------------------------------------------------------------------------------------


def _plain(ranges: Sequence[tuple[int, int | None]]) -> list[tuple[int, int]]:
    """Give those that are counted from the start, on both sides."""
    return [(start, stop) for start, stop in ranges if stop is not None and min(start, stop) >= 0]


def _cut(
    ranges: Sequence[tuple[int, int]], merged: Sequence[tuple[int, int]], pieces: Sequence[bytes]
) -> list[bytes]:
    """Cut the wanted ranges out of the merged ones, which are sorted."""
    starts = [start for start, _ in merged]
    results: list[bytes] = []
    for start, stop in ranges:
        if stop <= start:
            results.append(b"")
            continue
        found = bisect.bisect_right(starts, start) - 1
        first = starts[found]
        results.append(pieces[found][start - first : stop - first])
    return results


def _check_length(length: int, size: int | None, start: int | None = None, stop: int | None = None) -> None:
    """An answer that isn't as long as the range in an object of this size was cut, or is of something else."""
    if size is None:
        return
    first, last, _ = slice(start, stop).indices(size)
    wanted = max(0, last - first)
    whole = start is None and stop is None
    if length < wanted or (length > wanted and not whole):  # a server may unpack what it gives whole
        raise StoreFailure(
            "busy", f"{length:,} bytes came of {wanted:,}: the answer was cut, or is of another range"
        )
