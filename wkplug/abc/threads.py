"""Waiting for many things at once: requests to stores, which cost time and hardly any work.

One pool of threads per process, made when it is first needed. Work that keeps cores busy in between, such as encoding
the shard that is then put, is done in turns (`at_work`): so the first shard is on its way while the next are encoded,
where all would be done at the same late moment otherwise, and the cores would idle while all are sent.
"""

from __future__ import annotations

import contextvars
import os
import sys
from collections import deque
from collections.abc import Sized
from contextlib import contextmanager
from functools import lru_cache
from pkgutil import resolve_name
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future, ThreadPoolExecutor
    from contextlib import AbstractContextManager
    from typing import Any

    from wkplug.abc.locations import Location

__all__ = ["TURNS", "at_work", "entered", "in_order", "meanwhile", "objects_at_once", "side_by_side"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_THREADS = 64
_NAME = "wkplug-requests"
TURNS = 2
"""How many threads are at work that keeps all cores busy by itself: the second one's fills the gaps of the first's."""
_OBJECTS = (
    "wkplug.storage.budget:objects_at_once"  # named as a spec names its factory: the contract stands below
)


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    # The process is part of the key because threads don't survive a fork.
    del process
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(_THREADS, thread_name_prefix=_NAME)


@lru_cache(maxsize=1)
def _turns(process: int) -> AbstractContextManager[object]:
    del process
    import threading

    return threading.Semaphore(TURNS)


def at_work() -> AbstractContextManager[object]:
    """Wait for a turn at work that keeps cores busy; no request is waited for meanwhile, and no other turn."""
    return _turns(os.getpid())


def objects_at_once(place: Location, size: int) -> int:
    """How many objects of so many bytes may be encoded (`at_work`) and put at the same time.

    As many as requests are worth making at the place, and no more than memory allows.
    """
    found: int = resolve_name(_OBJECTS)(place, size)
    return found


def side_by_side(call: Callable[[Item], Result], items: Iterable[Item], *, at_once: int) -> Iterator[Result]:
    """Map in order, with so many calls at the same time; settings and other context variables go along.

    After an error those that wait are given up, those that run are waited for. One call at a time is made in the
    caller's own thread, as is an only one, and so are calls from within the threads here, which must not wait for each
    other.
    """
    import threading

    is_only = isinstance(items, Sized) and len(items) < 2
    if at_once < 2 or is_only or threading.current_thread().name.startswith(_NAME):
        yield from map(call, items)
        return
    pool = _pool(os.getpid())

    def submit(item: Item) -> Future[Result]:
        return pool.submit(contextvars.copy_context().run, call, item)

    yield from in_order(submit, items, at_once=at_once)


def in_order(
    submit: Callable[[Item], Future[Result]], items: Iterable[Item], *, at_once: int
) -> Iterator[Result]:
    """Give the results of what is submitted to a pool in the order of the items, so many of which are under way.

    After an error nobody takes the rest: calls that wait are given up, those that run are waited for, as they may work
    on the caller's memory.
    """
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(submit(item))
            if len(waiting) >= at_once:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            if not future.cancel():
                future.exception()


def meanwhile(call: Callable[[], Result]) -> Callable[[], Result]:
    """Begin a call in a thread here, and give what waits for its result; within such a thread it is made at once."""
    import threading

    if threading.current_thread().name.startswith(_NAME):
        result = call()
        return lambda: result
    return _pool(os.getpid()).submit(contextvars.copy_context().run, call).result


@contextmanager
def entered(contexts: Iterable[AbstractContextManager[Any]], *, at_once: int) -> Iterator[None]:
    """Enter contexts side by side, and leave them so: each in turn, the last first, where it is one at a time.

    All that were entered are left, also if others can't be entered, or left; none of them stops an error.
    """
    inside: list[AbstractContextManager[Any]] = []
    failure: Any = (None, None, None)

    def enter(context: AbstractContextManager[Any]) -> None:
        context.__enter__()
        inside.append(context)

    def leave(context: AbstractContextManager[Any]) -> BaseException | None:
        try:
            context.__exit__(*failure)
        except BaseException as error:  # noqa: BLE001 - the others are left before it is raised
            return error
        return None

    try:
        for _ in side_by_side(enter, contexts, at_once=at_once):
            pass
        yield
    except BaseException:
        failure = sys.exc_info()
        raise
    finally:
        errors = list(side_by_side(leave, reversed(inside), at_once=at_once))
        for error in errors:
            if error is not None and error is not failure[1]:
                raise error
