"""Where the work of an operation runs: whatever users pass as `executor=`.

Our own operations run in threads by default, because codecs and engines release the interpreter lock. One pool
serves a whole operation, however many mags or layers it spans.

Who calls it: the verbs of `wkplug.ops`.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wkplug import registry
from wkplug.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["pool"]


@contextmanager
def pool(executor: Any = None) -> Iterator[Any]:
    """Give the executor to use: anything with `submit`; one of that name; threads by default.

    An executor that is made here is shut down afterwards. InvalidArgumentError for what can't run anything.
    """
    if executor is None or isinstance(executor, str):
        with registry.executor(executor or "threads") as own:
            yield own
        return
    if not callable(getattr(executor, "submit", None)):
        raise InvalidArgumentError(
            f"{executor!r} is no executor: it has no submit method.",
            hint='Give a concurrent.futures.Executor, or a name such as "threads" or "sequential".',
        )
    yield executor
