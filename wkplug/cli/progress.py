"""Progress on stderr: a bar on a terminal, lines of JSON elsewhere, so that a log or another program can follow."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["progress_bar"]

_SECONDS_BETWEEN_LINES = 1.0


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function to be called with (done, total)."""
    if not sys.stderr.isatty():
        yield _JsonLines(label)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)

        def update(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield update


class _JsonLines:
    """At most one line per tenth of the work and second, and one when it is done: short work is one line."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._tenth = 0
        self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        tenth, now = done * 10 // max(1, total), time.monotonic()
        if done < total and (tenth == self._tenth or now - self._last < _SECONDS_BETWEEN_LINES):
            return
        self._tenth, self._last = tenth, now
        line: dict[str, Any] = {"step": self._label, "done": done, "total": total}
        click.echo(json.dumps(line), err=True)
