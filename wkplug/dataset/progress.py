"""A progress bar for the chunk-wise methods: on a terminal, and only if a description was given.

The command line has bars of its own (and lines of JSON where there is no terminal); this one is for
`progress_desc=` in scripts. Who calls it: `wkplug.dataset.execution`.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["progress_bar"]


def _nothing() -> None:
    """Count a finished job nowhere."""


@contextmanager
def progress_bar(description: str | None, total: int) -> Iterator[Callable[[], None]]:
    """Give a function to be called after each of `total` jobs; it does nothing without a description."""
    if description is None or not sys.stderr.isatty():
        yield _nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total)
        yield lambda: progress.advance(task)
