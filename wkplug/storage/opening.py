"""Opening and creating arrays: from a place and a format to an `ArrayHandle`, once per process.

The registry chooses the backend and runs the hooks; here is the cache of what is open already. An array in
the cache is used again only if it was asked for in the same way, under the same settings, and nothing has
changed in its folder since. That can be seen for one system call on local places only; elsewhere arrays are
opened anew (their handles still stay open).

Who calls it: `wkplug.dataset` and `wkplug.ops`.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from wkplug.abc import Array, ArrayBackend, CreateArray, OpenArray
from wkplug.errors import MissingError
from wkplug.notices import warn_user
from wkplug.storage.handles import ArrayHandle, Fingerprint, folder_fingerprint, live_handles
from wkplug.storage.locating import locate
from wkplug.storage.marks import check_complete
from wkplug.storage.swapping import recover
from wkplug.storage.writing import forget_links

if TYPE_CHECKING:
    from collections.abc import Callable

    from wkplug.abc import ArraySpec, Location, Mode
    from wkplug.registry import Choice

__all__ = ["create_array", "forget", "open_array", "reopen"]

_MOST_ARRAYS = 256


class _Entry(NamedTuple):
    settings: Any
    fingerprint: Fingerprint
    array: Array
    backend: ArrayBackend


class _Cache:
    """The arrays that are open in this process, least recently used first."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._guard = threading.Lock()
        self._entries: OrderedDict[tuple[Any, ...], _Entry] = OrderedDict()
        self._inherited: list[Any] = []

    def _own(self) -> None:
        if self._process != os.getpid():
            # Kept, not freed: an engine's destructor may wait for threads that only the parent has.
            self._inherited.append(self._entries)
            self._process, self._guard, self._entries = os.getpid(), threading.Lock(), OrderedDict()

    def get(self, key: tuple[Any, ...], location: Location, settings: Any) -> _Entry | None:
        self._own()
        with self._guard:
            entry = self._entries.get(key)
            if (
                entry is None
                or entry.settings is not settings
                or entry.fingerprint != folder_fingerprint(location)
            ):
                return None
            self._entries.move_to_end(key)
            return entry

    def put(self, key: tuple[Any, ...], entry: _Entry) -> None:
        self._own()
        with self._guard:
            self._entries[key] = entry
            self._entries.move_to_end(key)
            while len(self._entries) > _MOST_ARRAYS:
                # Not closed: handles may still use it.
                self._entries.popitem(last=False)

    def forget(self, url: str) -> None:
        self._own()
        with self._guard:
            for key in [key for key in self._entries if key[0] == url]:
                del self._entries[key]


_cache = _Cache()


def open_array(
    location: Any,
    data_format: str | None = None,
    *,
    mode: Mode = "r",
    axes: tuple[str, ...] | None = None,
    backend: str | None = None,
    allow_incomplete: bool = False,
) -> ArrayHandle:
    """Open the array at `location` (anything that `locate` takes).

    Without `data_format` every backend looks whether the array is its own. `axes` are the names that the
    dataset records, in storage order; `backend` is an implementation that must be taken. MissingError if
    there is no array, IncompleteMagError if a job has left its mark there, unless `allow_incomplete`.
    """
    place = locate(location)
    if not allow_incomplete:
        check_complete(place)
    try:
        return _opened(place, data_format, mode, axes, backend)
    except MissingError:
        # A crash while an array was being replaced may be why: then it comes back.
        if not recover(place):
            raise
        return _opened(place, data_format, mode, axes, backend)


def _opened(
    place: Location, data_format: str | None, mode: Mode, axes: tuple[str, ...] | None, backend: str | None
) -> ArrayHandle:
    from wkplug.config import current

    settings = current()
    key = (place.url, data_format, mode, axes, backend)
    entry = _cache.get(key, place, settings)
    if entry is None:
        from wkplug import registry

        # Taken before opening: what changes meanwhile makes the entry stale at once.
        fingerprint = folder_fingerprint(place)
        choice = registry.choose_backend(place, data_format=data_format, mode=mode, explicit=backend)
        _tell(choice)
        chosen: ArrayBackend = choice.winner
        array = registry.open_array(OpenArray(location=place, mode=mode, axes=axes, backend=chosen))
        entry = _Entry(settings, fingerprint, array, chosen)
        if fingerprint is not None:
            _cache.put(key, entry)
    opener = _opener(place, entry.backend, mode, axes)
    return ArrayHandle(place, entry.backend, mode, axes, opener, entry.array, entry.fingerprint)


def _tell(choice: Choice) -> None:
    """Pass on what the chosen backend warns of."""
    for problem in choice.warnings:
        warn_user(f"{problem.text} {problem.remedy}".strip(), UserWarning)


def _opener(
    place: Location, backend: ArrayBackend, mode: Mode, axes: tuple[str, ...] | None
) -> Callable[[], Array]:
    def opened() -> Array:
        from wkplug import registry

        return registry.open_array(OpenArray(location=place, mode=mode, axes=axes, backend=backend))

    return opened


def create_array(
    location: Any, data_format: str, spec: ArraySpec, *, backend: str | None = None, told: bool = False
) -> ArrayHandle:
    """Create an empty array at `location` and give a handle for writing; ConflictError if one is there.

    told: whether the user knows what the backend warns of here, because the array's layer was added with it.
    """
    from wkplug import registry

    place = locate(location)
    choice = registry.choose_backend(
        place, data_format=data_format, mode="create", explicit=backend, spec=spec
    )
    if not told:
        _tell(choice)
    chosen: ArrayBackend = choice.winner
    array = registry.create_array(CreateArray(location=place, spec=spec, backend=chosen))
    forget(place)
    opener = _opener(place, chosen, "r+", spec.axes)
    return ArrayHandle(place, chosen, "r+", spec.axes, opener, array, folder_fingerprint(place))


def forget(location: Any, *, but: ArrayHandle | None = None) -> None:
    """Drop what this process holds of an array that was changed, moved or deleted.

    Its handles (all `but` that one) open it again at their next use.
    """
    place = locate(location)
    url = place.url
    forget_links(place)
    _cache.forget(url)
    live_handles.drop(url, but)


def reopen(location: Location, backend: str, mode: Mode, axes: tuple[str, ...] | None) -> ArrayHandle:
    """Unpickle a handle: the same backend, and nothing is opened before it is used."""
    from wkplug import registry

    chosen: ArrayBackend = registry.backend(backend)

    def opened() -> Array:
        return _opened(location, chosen.format, mode, axes, backend).array

    return ArrayHandle(location, chosen, mode, axes, opened)
