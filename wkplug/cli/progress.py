"""Progress: a bar on a terminal, JSON lines elsewhere if asked for, silence otherwise."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["progress_bar"]


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
    """One line per tenth of the work, so that a log stays readable."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._tenth = -1

    def __call__(self, done: int, total: int) -> None:
        tenth = done * 10 // max(1, total)
        if tenth != self._tenth:
            self._tenth = tenth
            line: dict[str, Any] = {"step": self._label, "done": done, "total": total}
            click.echo(json.dumps(line), err=True)
