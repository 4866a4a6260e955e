"""Progress on stderr: a bar where the API would show one; elsewhere, now and then a line, of JSON with --json."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from wkplug.cli.output import is_json
from wkplug.progress import Update, is_wanted, showing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Update", "progress_bar", "progress_bars"]

_SECONDS_BETWEEN_LINES = 1.0
_SECONDS_BETWEEN_TEXTS = 10.0


@contextmanager
def progress_bar(label: str) -> Iterator[Update]:
    """Show one step of work; gives the function to call."""
    with progress_bars() as begin:
        yield begin(label)


@contextmanager
def progress_bars() -> Iterator[Callable[[str], Update]]:
    """Show several steps, one after the other: the function that is given begins the step of that name."""
    if not is_wanted():
        yield _JsonLines if is_json() else _Lines
        return
    context = click.get_current_context(silent=True)
    with showing("" if context is None else str(context.info_name)) as call:
        yield call.begin


class _Lines:
    """A line per tenth of work that takes long, so that a log shows that it goes on; nothing of short work."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._tenth = 0
        self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        tenth, now = done * 10 // max(1, total), time.monotonic()
        if tenth == self._tenth or now - self._last < _SECONDS_BETWEEN_TEXTS:
            return
        self._tenth, self._last = tenth, now
        click.echo(f"{self._label}: {done * 100 // max(1, total)} %", err=True)


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
