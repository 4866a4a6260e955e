"""Where chunked work runs: an `Executor` takes picklable calls and gives their results in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future  # brings logging and more, which listing plugins must not pay for

__all__ = ["Executor"]


class Executor(ABC):
    """A context manager; work submitted inside is finished or cancelled when it is left."""

    workers: int = 1
    """How many calls run side by side."""

    @abstractmethod
    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run one call; where it leaves the process, function and arguments must pickle."""

    def expect_waiting(self, calls: int) -> None:
        """So many calls at the same time are worth making, because they wait for answers; does nothing by default.

        Pools of threads that nobody gave a size, and that are yet to start, may have that many.
        """

    def map(self, function: Callable[..., Any], *iterables: Iterable[Any]) -> Iterator[Any]:
        """Run a call per item and give the results in the items' order; the first error ends it."""
        futures = [self.submit(function, *items) for items in zip(*iterables, strict=False)]
        for future in futures:
            yield future.result()

    def shutdown(self, *, wait: bool = True, cancel_futures: bool = False) -> None:
        """Release workers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> Literal[False]:
        self.shutdown(wait=True, cancel_futures=exception[0] is not None)
        return False
