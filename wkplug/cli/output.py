"""What a command prints: its result as text, or with --json as one JSON object on stdout; and its progress on stderr.

Everything else (warnings, errors) goes to stderr too, so that stdout is that object and nothing more. Progress is a bar
where the API would show one; elsewhere, now and then a line, of JSON with --json. Not here: the texts about datasets
and images (`summaries`), and how errors and warnings are written (`main`).
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from wkplug.errors import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wkplug.progress import Progress

__all__ = [
    "columns",
    "is_json",
    "json_option",
    "print_line",
    "print_result",
    "progress_bar",
    "progress_bars",
    "size_text",
]


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    ctx.meta[__name__] = value


json_option = click.option(
    "--json",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_remember,
    help="Print one JSON object; all else goes to stderr.",
)
"""Put it on every command; `print_result` and `is_json` ask for it."""


def is_json() -> bool:
    """Whether the command that runs was given --json."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(__name__))


def print_line(text: str) -> None:
    """Print a line of text for people, none with --json."""
    if not is_json():
        _print(text)


def print_result(facts: Any, text: str = "") -> None:
    """Print what was done: `facts` as JSON if that was asked for, the text otherwise, if there is one."""
    shown = json.dumps(facts, indent=2, default=_plain) if is_json() else text
    if shown:
        _print(shown)


def _print(text: str) -> None:
    try:
        click.echo(redacted(text))
    except BrokenPipeError:
        raise  # the reader has seen enough
    except OSError as error:
        sys.stdout = None  # or Python would try once more when it ends
        raise click.ClickException(
            f"What the command says can't be written to its output ({error.strerror}); what it did is done."
        ) from error


def _plain(value: Any) -> Any:
    """What JSON has no type for: numbers of numpy are numbers; mags and formats are their texts."""
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows of texts under a header; the last column may have several lines."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header) - 1)]
    indent = " " * (sum(widths) + 2 * len(widths))
    lines = []
    for row in (header, *rows):
        start = "".join(f"{cell:<{width}}  " for cell, width in zip(row, widths, strict=False))
        lines.append((start + row[-1].replace("\n", f"\n{indent}")).rstrip())
    return "\n".join(lines)


def size_text(size: float) -> str:
    """Give bytes in the unit that people read."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return ""


@contextmanager
def progress_bar(label: str) -> Iterator[Progress]:
    """Show one step of work; gives the function to call."""
    with progress_bars() as begin:
        yield begin(label)


@contextmanager
def progress_bars() -> Iterator[Callable[[str], Progress]]:
    """Show several steps, one after the other: the function that is given begins the step of that name."""
    from wkplug.progress import is_wanted, showing  # late: most commands are quick, and show none

    if not is_wanted():
        yield _Lines
        return
    context = click.get_current_context(silent=True)
    with showing("" if context is None else str(context.info_name)) as call:
        yield call.begin


class _Lines:
    """Lines for a log: at most one per tenth of a step.

    Text comes no more often than each 10 seconds, so that short work has none; JSON each second, and when it is done.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._json = is_json()
        self._seconds_between = 1.0 if self._json else 10.0
        self._tenth = 0
        self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        tenth, now = done * 10 // max(1, total), time.monotonic()
        is_last = self._json and done >= total
        if not is_last and (tenth == self._tenth or now - self._last < self._seconds_between):
            return
        self._tenth, self._last = tenth, now
        if self._json:
            click.echo(json.dumps({"step": self._label, "done": done, "total": total}), err=True)
        else:
            click.echo(f"{self._label}: {done * 100 // max(1, total)} %", err=True)
