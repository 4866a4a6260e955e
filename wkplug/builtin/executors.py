"""Where work runs on this machine: in this thread, in threads, or in spawned processes.

Processes are spawned, never forked: engines with threads of their own do not survive a fork. Workers adopt the
settings of the process that started them.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from wkplug import config
from wkplug.abc import Executor
from wkplug.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ProcessesExecutor", "SequentialExecutor", "ThreadsExecutor", "available_workers"]


def available_workers() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def _asked_for(settings: Mapping[str, Any] | None) -> int | None:
    """The option `workers`, if it is given; ConfigError unless it is a positive whole number."""
    workers = None if settings is None else settings.get("workers")
    if workers is None or (type(workers) is int and workers > 0):
        return workers
    raise ConfigError(
        f"workers is {workers!r}.", hint="Give the number of calls that run side by side, as in workers = 4."
    )


class SequentialExecutor(Executor):
    """Runs every call at once, in the calling thread."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings
        self.workers = 1

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the call now."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - a future carries whatever the call raised
            future.set_exception(error)
        return future


class ThreadsExecutor(Executor):
    """A pool of threads, for work that leaves the interpreter lock: codecs, engines, numpy."""

    def __init__(self, settings: Mapping[str, Any] | None = None, *, workers: int | None = None) -> None:
        asked = workers or _asked_for(settings)
        self.workers = asked or available_workers()
        self._is_fixed = asked is not None
        self._pool: ThreadPoolExecutor | None = None

    def expect_waiting(self, calls: int) -> None:
        """Have threads for so many calls; not where a number was asked for, or some run."""
        if not self._is_fixed and self._pool is None:
            self.workers = max(self.workers, calls)

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the call in a thread."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="wkplug")
        return self._pool.submit(function, *args, **kwargs)

    def shutdown(self, *, wait: bool = True, cancel_futures: bool = False) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)
            self._pool = None


class ProcessesExecutor(Executor):
    """A pool of spawned processes, for Python code of the user's own; calls and results must pickle."""

    def __init__(self, settings: Mapping[str, Any] | None = None, *, workers: int | None = None) -> None:
        self.workers = workers or _asked_for(settings) or available_workers()
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the call in a process."""
        if self._pool is None:
            import multiprocessing

            self._pool = ProcessPoolExecutor(
                self.workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(config.current(), isinstance(logging.lastResort, logging.NullHandler)),
            )
        return self._pool.submit(function, *args, **kwargs)

    def shutdown(self, *, wait: bool = True, cancel_futures: bool = False) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)
            self._pool = None


def _begin(settings: Any, quiet: bool) -> None:  # noqa: FBT001 - called by the pool, with positions
    """Make a worker follow its parent: the same settings, and as quiet about what libraries log."""

    config.adopt(settings)
    if quiet:
        logging.lastResort = logging.NullHandler()
