"""Where the work of an operation runs, and how it is shown: what users pass as `executor=` and `progress_desc=`.

Our own operations run in threads by default, because codecs and engines release the interpreter lock. One pool
serves a whole operation, however many mags or layers it spans.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wkplug import execution

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.ops.plan import Progress

__all__ = ["described", "pool", "shares_memory"]


@contextmanager
def pool(executor: Any = None) -> Iterator[Any]:
    """Give the executor to use, threads by default; one that is made here is shut down afterwards."""
    with execution.adapted(executor, default="threads") as runner:
        yield runner


def shares_memory(executor: Any) -> bool:
    """Whether the calls of an executor surely run in this process."""
    from concurrent.futures import ThreadPoolExecutor

    from wkplug.builtin.executors import SequentialExecutor, ThreadsExecutor

    inner = executor.inner if isinstance(executor, execution.Runner) else executor
    return isinstance(inner, (ThreadPoolExecutor, ThreadsExecutor, SequentialExecutor))


@contextmanager
def described(description: str | None) -> Iterator[Progress | None]:
    """Give a function that shows progress under a description, None without one."""
    if description is None:
        yield None
        return
    from wkplug.progress import showing

    with showing(description) as call:
        yield call.update
