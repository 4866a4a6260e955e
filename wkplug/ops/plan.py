"""Plans: a long operation as a list of tasks, each one whole shard of the output.

A task is idempotent and shares no shard with another, so tasks run side by side without locks, and an
interrupted plan can be run again. A plan says what it would do (`summary`) before anything is touched, and its
`fingerprint` tells whether a plan found on disk is the same work. `run` executes the tasks in bounded memory:
no more than `workers` of them are in the making at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.builtin.executors import available_workers
from wkplug.execution import deaths_explained
from wkplug.geometry import grids

if TYPE_CHECKING:
    from wkplug.abc import Box, Executor

__all__ = ["Plan", "Progress", "Task", "run", "shard_boxes", "until_flushed"]

Progress = Callable[[int, int], None]
"""Called with the number of finished tasks and the number of all."""


@attrs.frozen
class Task:
    """One unit of work: a box of the output array, whole shards or cut by the output's bounds."""

    index: int
    box: Box


@attrs.frozen(kw_only=True)
class Plan:
    """What an operation will do. `parameters` are JSON values that, with `target`, determine the output."""

    operation: str
    target: str
    parameters: Mapping[str, Any]
    tasks: tuple[Task, ...]

    @property
    def fingerprint(self) -> str:
        """A text that two plans share if they are the same work on the same output."""
        description = [self.operation, self.target, dict(self.parameters), [task.box for task in self.tasks]]
        text = json.dumps(description, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @property
    def summary(self) -> str:
        """One line for people."""
        return f"{self.operation} {self.target}: {len(self.tasks)} shards"


def shard_boxes(bounds: Box, shard_shape: tuple[int, ...]) -> tuple[Task, ...]:
    """Cut `bounds` (voxels of the output's mag, all axes) at the shard grid, one task a shard."""
    return tuple(Task(index, box) for index, box in enumerate(grids.cells(bounds[0], bounds[1], shard_shape)))


@contextmanager
def until_flushed(progress: Progress | None) -> Iterator[Progress]:
    """Leave one step of a progress for what comes after the last task: it is full when the block ends, not before."""
    most = 0

    def told(done: int, total: int) -> None:
        nonlocal most
        most = total
        if progress is not None:
            progress(done, total + 1)

    yield told
    if progress is not None:
        progress(most + 1, most + 1)


def run(
    tasks: Iterable[Task],
    work: Callable[[Task], Any],
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
    total: int | None = None,
    at_once: int | None = None,
) -> Iterator[Any]:
    """Run `work` on every task and give the results in the tasks' order; the first error ends it.

    executor: anything with `submit(function, *args)`, as in `concurrent.futures`; where calls leave the process,
    `work` must pickle. Without an executor, one after the other in this thread.
    total: the number of tasks, for plans too long to be held: then `tasks` are taken one by one.
    at_once: how many calls may be in the making, one more than the executor has workers by default.
    WorkerDiedError if a process of the executor's ends before its work is done.
    """
    if total is None:
        tasks = tuple(tasks)
        total = len(tasks)
    if executor is None:
        for done, task in enumerate(tasks, 1):
            result = work(task)
            if progress is not None:
                progress(done, total)
            yield result
        return
    pending: list[Any] = []
    done = 0
    waiting = iter(tasks)
    ahead = _workers(executor) + 1 if at_once is None else at_once
    try:
        while True:
            while len(pending) < ahead and (following := next(waiting, None)) is not None:
                with deaths_explained():
                    pending.append(executor.submit(work, following))
            if not pending:
                return
            with deaths_explained():
                result = pending[0].result()
            del pending[0]
            done += 1
            if progress is not None:
                progress(done, total)
            yield result
    finally:
        for future in pending:
            future.cancel()
        # What runs already can't be stopped; whoever cleans up after an error must not do so under its feet.
        wait(future for future in pending if isinstance(future, Future) and not future.cancelled())


def _workers(executor: Any) -> int:
    """How many calls an executor runs side by side, as far as it tells."""
    told = getattr(executor, "workers", None) or getattr(executor, "_max_workers", None)
    return max(1, told) if isinstance(told, int) else available_workers()
