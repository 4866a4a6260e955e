"""Adding layers and mags on stores in as few requests as it takes, so that still nothing is lost.

On a local disk, whoever adds a layer or a mag holds its lock and looks at the folder first (`changes.exclusive`). On a
store a lock is two requests and more, and each look one. Where the store checks conditions, two conditional puts do the
same for the common case, in which nobody is in the way:

1. Nothing lies at the new name, and no deletion of it is noted: one listing of the folder above, which counts for what
   is added there later, too, as long as no other change of the dataset is seen (`Vacancies`).
2. The array's metadata are put on the condition that there are none. Of two writers who add the same mag one is told,
   and goes the long way, with the lock.
3. The properties are put on the condition that they are those that were known. If another writer has changed them, the
   listing may be out of date: an `Unhindered` operation looks again, below its own new array as well, before it is
   replayed. If something is in the way now, the new array's metadata are deleted again (nobody has listed them), and
   the long way follows.

So a new mag is listed only if its metadata were put first and nothing else lay there, at a moment after which nobody
changed the list. Whoever deletes a mag or layer holds its lock, notes the deletion before the list changes, and takes
the note away last: one who adds that name meanwhile sees the changed list or the note, and waits for the lock. Stores
make versions from content, and a list from which something was taken away may be the one of before; so a deletion
leaves a trace in the properties (`trace_of_deletion`), and their version never comes back. Jobs that fill a mag hold
its lock, too, and their mark is there before their metadata: whoever comes second by the short way finds the folder
taken; should the two meet in between, the job is told that there is an array, and takes its mark away.
An array that a crash leaves unlisted is empty, and the next one who adds that mag removes it.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from wkplug.filesystems.paths import DELETING_PREFIX
from wkplug.properties import PropertiesStore
from wkplug.properties.operations import Operation, SetDatasetKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from wkplug.abc import Location
    from wkplug.model.arrays import Store
    from wkplug.properties.state import State

__all__ = ["InTheWay", "Unhindered", "Vacancies", "is_guarded", "trace_of_deletion"]

_TRACE = "wkplugDeletion"
_GOOD_FOR = 60.0
"""Seconds for which a listing counts; against software that puts things there without changing the properties."""


class InTheWay(Exception):  # noqa: N818 - caught by whoever tried the short way
    """Something lies where a layer or mag was to be added in the short way; never seen by users."""


def is_guarded(store: Store) -> bool:
    """Whether conditional puts take the place of locks in a dataset."""
    return isinstance(store, PropertiesStore) and store.root.conditional


def trace_of_deletion(store: Store) -> tuple[Operation, ...]:
    """What makes properties that lose a layer or mag differ from all that were before."""
    return (SetDatasetKey(_TRACE, os.urandom(6).hex()),) if is_guarded(store) else ()


class Vacancies:
    """Which names are free in a folder on a store."""

    def __init__(self, folder: Location, store: Store) -> None:
        self._folder = folder
        self._store = store
        self._names: set[str] = set()
        self._seen: tuple[float, int] | None = None

    def are_free(self, *names: str, again: bool = False) -> bool:
        """Whether nothing lies at any of the names and none is being deleted; `again` asks in any case."""
        seen = self._seen
        if (
            again
            or seen is None
            or seen[1] != _changes_by_others(self._store)
            or time.monotonic() - seen[0] > _GOOD_FOR
        ):
            self.look()
        return not any(name in self._names or DELETING_PREFIX + name in self._names for name in names)

    def look(self) -> set[str]:
        """List the folder; gives the names of all that lies in it."""
        seen = time.monotonic(), _changes_by_others(self._store)
        self._names = {name.rstrip("/") for name in self._folder.list()}
        self._seen = seen
        return self._names

    def are_all_free(self) -> None:
        """Take note that the folder is empty."""
        self._names, self._seen = set(), (time.monotonic(), _changes_by_others(self._store))

    def take(self, name: str) -> None:
        """Take note that something lies at a name now."""
        self._names.add(name)

    def forget(self) -> None:
        """Look again at the next question."""
        self._seen = None


def _changes_by_others(store: Store) -> int:
    return store.changes_by_others if isinstance(store, PropertiesStore) else 0


class Unhindered(Operation):
    """Another operation, which is replayed on what others have written only if `is_free` still holds by then.

    Raises InTheWay where it doesn't.
    """

    def __init__(self, operation: Operation, is_free: Callable[[], bool]) -> None:
        self._operation = operation
        self._is_free = is_free
        self._again = False

    def replay(self, state: State) -> State:
        """Give the state after the change."""
        if self._again and not self._is_free():
            raise InTheWay
        self._again = True
        return self._operation.replay(state)
