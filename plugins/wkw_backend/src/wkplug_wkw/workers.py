"""The threads that decode and encode large boxes: LZ4 and numpy's copies let other threads run.

One small pool per process, made when a box is first large enough to be worth it, remade in a forked child.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from wkplug.abc import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["each", "ordered", "pieces", "worker_count"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST = 8


@lru_cache(maxsize=1)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    # The process is part of the key because threads don't survive a fork.
    del process
    # Late: it is a fifth of what this plugin takes to load, and small reads have no use for it.
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(threads, thread_name_prefix="wkplug-wkw")


def worker_count() -> int:
    """Say how many threads share the work: one per core that this process may use, 8 at most."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), _MOST)
    return min(os.cpu_count() or 1, _MOST)


def pieces(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """Cut a sequence into pieces of `size` items."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def ordered(function: Callable[[Item], Result], items: Iterable[Item], *, parallel: bool) -> Iterator[Result]:
    """Map in order; in threads, at most two results per thread are waiting to be taken."""
    threads = worker_count() if parallel else 1
    if threads < 2:
        yield from map(function, items)
        return
    pool = _pool(os.getpid(), threads)
    yield from in_order(lambda item: pool.submit(function, item), items, at_once=2 * threads + 1)


def each(function: Callable[[Item], None], items: Iterable[Item], *, parallel: bool) -> None:
    """Do the same without results."""
    for _ in ordered(function, items, parallel=parallel):
        pass
