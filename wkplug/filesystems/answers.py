"""What stores have answered, kept for as long as somebody looks around: each question is asked once.

Finding out what lies at a place takes many looks at the same few files, by many who don't know of each other. Within
`answers_kept` a store is asked only for what it hasn't told yet: what was read whole is cut where a part is wanted,
and what a full list doesn't name isn't there. What others write meanwhile isn't seen, so nothing belongs within that
writes, waits, or lasts.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from typing import TYPE_CHECKING, Any, cast

from wkplug.abc import StoreFailure, side_by_side
from wkplug.errors import StorageError, WkplugError
from wkplug.filesystems.failures import may_be_hidden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from wkplug.abc import Location, Store, StoreObject

__all__ = ["answers_kept", "ask_ahead", "with_answers"]

_MOST_BYTES = 64 * 2**20
"""So much is kept; what comes later is asked for each time."""

_kept: ContextVar[dict[Store, _Answering] | None] = ContextVar("answers_kept", default=None)


@contextmanager
def answers_kept() -> Iterator[None]:
    """Keep what stores answer to whoever looks around in here, also in threads of `side_by_side`."""
    if _kept.get() is not None:
        yield
        return
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def ask_ahead(place: Location, questions: Iterable[Callable[[], object]]) -> None:
    """Ask side by side what will be asked one after another, where answers are kept and that is worth it.

    What is absent or refused waits for whoever asks then; a store that fails for good is an error at once.
    """

    def ask(question: Callable[[], object]) -> None:
        try:
            question()
        except WkplugError as error:
            if isinstance(error, StorageError) and not may_be_hidden(error, place):
                raise

    if _kept.get() is not None and place.concurrency > 1:
        deque(side_by_side(ask, questions, at_once=place.concurrency), maxlen=0)


def with_answers(store: Store) -> Store:
    """The store itself, or what answers in its place as far as it can."""
    stores = _kept.get()
    if stores is None:
        return store
    return cast("Store", stores.setdefault(store, _Answering(store)))


class _Answering:
    """A store, and what it has answered, by path."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._missing: dict[str, StoreFailure] = {}
        self._looks: dict[str, StoreObject] = {}
        self._read: dict[tuple[str, int | None, int | None], tuple[bytes, StoreObject]] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._left = _MOST_BYTES

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get(
        self, path: str, start: int | None = None, stop: int | None = None, *, unless: str = ""
    ) -> tuple[bytes, StoreObject]:
        """See `Store.get`."""
        self._check_there(path)
        data, look = self._read.get((path, None, None), (b"", None))
        if look is not None:
            if unless and look.version == unless:
                raise StoreFailure("unchanged")
            return data[start:stop], look
        if (path, start, stop) in self._read and not unless:
            return self._read[path, start, stop]
        with self._noting(path):
            data, look = self._store.get(path, start, stop, unless=unless)
        self._looks[path] = look
        if len(data) <= self._left:
            self._left -= len(data)
            whole = not start and look.size == len(data)
            self._read[(path, None, None) if whole else (path, start, stop)] = data, look
        return data, look

    def head(self, path: str) -> StoreObject:
        """See `Store.head`."""
        self._check_there(path)
        if path not in self._looks:
            with self._noting(path):
                self._looks[path] = self._store.head(path)
        return self._looks[path]

    def names(self, path: str) -> Iterator[str]:
        """See `Store.names`."""
        self._check_there(f"{path}/")
        if path not in self._names:
            with self._noting(f"{path}/"):
                self._names[path] = frozenset(self._store.names(path))
        return iter(self._names[path])

    @contextmanager
    def _noting(self, path: str) -> Iterator[None]:
        try:
            yield
        except StoreFailure as failure:
            if failure.kind == "missing":
                self._missing[path] = failure
            raise

    def _check_there(self, path: str) -> None:
        """Refuse what isn't there as far as that is known; paths of folders end with a slash."""
        if path in self._missing:
            raise copy(self._missing[path])
        if not self._store.lists_all:
            return
        folder, end = path.rstrip("/"), "/" if path.endswith("/") else ""
        while folder:
            folder, _, name = folder.rpartition("/")
            if folder in self._names:
                if name + end not in self._names[folder]:
                    raise StoreFailure("missing")
                return
            end = "/"
