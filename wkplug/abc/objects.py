"""Writing the objects of an array: several writers of one shard lose nothing, and a failure says which are written.

Objects can only be put as a whole. So one that is written in part is read, changed and put on the condition that it is
still the one that was read, else changed once more. Threads of this process take turns; of other writers the store
tells. Who was overtaken once queues up under a lock for the next try: where many write parts of one object, they would
all send it, again and again, and one of them would get on each time.
"""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from functools import lru_cache
from pkgutil import resolve_name
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

from wkplug.abc.threads import TURNS, objects_at_once, side_by_side
from wkplug.errors import ConflictError, MissingError, WkplugError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wkplug.abc.locations import Location

__all__ = ["change_object", "write_objects"]

Item = TypeVar("Item")

_PATIENCE = 60.0
"""Seconds after which a writer gives up whom others overtake although it is its turn."""


_MOST_NAMES = 20
_ROOM = (
    "wkplug.storage.budget:room_for_objects"  # named as a spec names its factory: the contract stands below
)


_has_room: ContextVar[bool] = ContextVar("wkplug_has_room", default=False)


class _Room:
    """The memory for objects under way, which all threads of a process share: each may write many at once."""

    def __init__(self) -> None:
        self._freed = threading.Condition()
        self._held = self._room = 0

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Wait until there is room for one more object; what is written within needs no more."""
        if _has_room.get():
            yield
            return
        # While it is encoded it is held twice more, as are those of the other turns.
        needed = (1 + 2 * TURNS) * size
        with self._freed:
            if not self._held:
                self._room = resolve_name(_ROOM)()
            self._freed.wait_for(lambda: not self._held or self._held + needed <= self._room)
            self._held += size
        token = _has_room.set(True)
        try:
            yield
        finally:
            _has_room.reset(token)
            with self._freed:
                self._held -= size
                self._freed.notify_all()


@lru_cache(maxsize=1)
def _room(process: int) -> _Room:
    del process  # as below
    return _Room()


class _Turn:
    def __init__(self) -> None:
        self.lock = threading.RLock()


class _Turns:
    """Whose turn it is to change an object, by its URL, as long as somebody wants to."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._wanted: WeakValueDictionary[str, _Turn] = WeakValueDictionary()

    @contextmanager
    def turn(self, url: str) -> Iterator[None]:
        with self._guard:
            turn = self._wanted.get(url)
            if turn is None:
                turn = self._wanted[url] = _Turn()
        with turn.lock:
            yield


@lru_cache(maxsize=1)
def _turns(process: int) -> _Turns:
    # The process is part of the key because threads don't survive a fork, but locks that they hold do.
    del process
    return _Turns()


def write_objects(
    write: Callable[[Item], object],
    items: Sequence[Item],
    *,
    root: Location,
    size: int,
    name: Callable[[Item], str],
) -> None:
    """Write objects of so many bytes in memory below `root`, as many at the same time as `objects_at_once` says.

    Where several threads do that, all of them together hold no more than memory allows.
    The first error says which are written by then, by their names; those that had begun are waited for, the others are
    left as they are.
    """
    written: list[str] = []

    def write_one(item: Item) -> None:
        with _room(os.getpid()).taken(size) if root.concurrency > 1 else nullcontext():
            write(item)
        written.append(name(item))

    at_once = min(objects_at_once(root, size), len(items)) if len(items) > 1 else 1
    try:
        for _ in side_by_side(write_one, items, at_once=at_once):
            pass
    except WkplugError as error:
        if len(items) > 1:
            shown = ", ".join(sorted(written)[:_MOST_NAMES])
            more = f" and {len(written) - _MOST_NAMES} others" if len(written) > _MOST_NAMES else ""
            which = f" {len(written)} of the {len(items)} objects of this write are written" if written else (
                f" None of the {len(items)} objects of this write is written"
            )  # fmt: skip
            error.message += f"{which}{f': {shown}{more}' if written else ''}."
            again = "Then write the same box again: each object is the old or the new one."
            error.hint = f"{error.hint}\n{again}" if error.hint else again.removeprefix("Then ").capitalize()
        raise


def change_object(place: Location, change: Callable[[bytes | None], bytes | None]) -> None:
    """Put what `change` makes of the object at a place; nothing that others put meanwhile is lost.

    change: takes the bytes that are there, None if there is no object, and gives all that shall be there then, or None
    to leave it as it is. It is called again for what others have put in between. Where the place has no conditions
    (`Location.conditional`), the caller holds a lock. ConflictError after a minute of being overtaken.
    """
    with _turns(os.getpid()).turn(place.url), ExitStack() as queue:
        since, tries = time.monotonic(), 0
        while True:
            old, version = _found(place)
            new = change(old)
            if new is None:
                return
            try:
                place.write(new, if_match=version)
            except ConflictError as error:
                tries += 1
                if tries == 1 and place.conditional:
                    queue.enter_context(place.parent.lock(f"write {place.name}"))
                    since = time.monotonic()
                if time.monotonic() - since > _PATIENCE:
                    raise ConflictError(
                        f"{place.url} could not be written: others kept changing it in between (tries: {tries}).",
                        hint="Write the same box again, or let each writer write whole shards.",
                    ) from error
                time.sleep(random.uniform(0, min(0.2, 0.01 * tries)))  # noqa: S311 - it guards no secret
            else:
                return


def _found(place: Location) -> tuple[bytes | None, str]:
    try:
        return place.read_newer() or (None, "")
    except MissingError:
        return None, ""
