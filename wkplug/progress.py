"""Progress bars for long calls: on a terminal or in a notebook, one at a time, whoever works and however deep.

A verb says what it does with `shown`, or is given a function to report to and shows nothing. Calls inside of a
call that is shown are steps of it; calls side by side (in threads) share the bar. The setting `progress` switches:
None shows bars where somebody looks (a terminal or a notebook, not the output of tests), True also elsewhere, False
nowhere. Worker processes show nothing. The bar itself (rich) is imported when the first one is shown.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Call", "Progress", "described", "is_wanted", "showing", "shown", "until_flushed"]

P = ParamSpec("P")
R = TypeVar("R")

Progress: TypeAlias = "Callable[[int, int], None]"
"""To be called with (done, total)."""


class Call:
    """A call that is shown: what it does, the step it is at, and how far that is."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.step = ""
        self.done = 0
        self.total: int | None = None

    def begin(self, step: object) -> Progress:
        """Begin a further step; gives the function to report to."""
        self.step, self.done, self.total = str(step), 0, None
        _display.refresh()
        return self.update

    def update(self, done: int, total: int) -> None:
        """Set how far the present step is."""
        self.done, self.total = done, total
        _display.refresh()

    @property
    def text(self) -> str:
        """What it does, and at what it is."""
        return f"{self.label}: {self.step}" if self.step else self.label


_NOTEBOOK_WAITS = 0.5
_NOTEBOOK_PAUSE = 0.25
"""Seconds until a notebook shows a bar, and between two drawings."""

_inside: ContextVar[Call | None] = ContextVar("wkplug_progress", default=None)


class _Display:
    """The one bar of this process, for the calls that are open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._bar: Any = None

    @contextmanager
    def opened(self, call: Call) -> Iterator[None]:
        with self._lock:
            self._calls.append(call)
            if self._bar is None:
                self._bar = _NotebookBar() if _is_notebook() else _bar()
                self._bar.start()
                self._bar.add_task(call.text, total=None)
        self.refresh()
        try:
            yield
        finally:
            with self._lock:
                self._calls.remove(call)
                if not self._calls:
                    self._bar.stop()
                    self._bar = None
            self.refresh()

    def refresh(self) -> None:
        """Draw what holds now; rich does so a few times a second at most."""
        with self._lock:
            if self._bar is None:
                return
            first, *others = self._calls
            text = f"{first.text} and {len(others)} more" if others else first.text
            done, total = float(first.done), first.total
            if others:
                done = sum(each.done / each.total for each in self._calls if each.total)
                total = len(self._calls)
            self._bar.update(self._bar.task_ids[0], description=text, completed=done, total=total)


_display = _Display()


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), Remaining(),
    )  # fmt: skip
    return RichProgress(*columns, console=Console(stderr=True), transient=True)


class _NotebookBar:
    """The same bar as an output of the cell that runs, where it stays; what is short leaves none.

    rich alone needs ipywidgets for bars in notebooks, which many kernels lack, and which saved notebooks don't keep.
    But its bars are outputs, too, and a kernel can replace an output.
    """

    def __init__(self) -> None:
        self._bar = _bar()
        self._output: Any = None
        self._next = time.monotonic() + _NOTEBOOK_WAITS

    @property
    def task_ids(self) -> list[int]:
        return list(self._bar.task_ids)

    def start(self) -> None:
        """Nothing is shown yet."""

    def add_task(self, text: str, total: float | None) -> None:
        self._bar.add_task(text, total=total)

    def update(self, task: int, **fields: Any) -> None:
        self._bar.update(task, **fields)
        if time.monotonic() >= self._next:
            self._draw()

    def stop(self) -> None:
        """Show how far it came."""
        if self._output is not None:
            self._bar.stop_task(self._bar.task_ids[0])
            self._draw()

    def _draw(self) -> None:
        display = import_module("IPython.display").display  # there, as this is its kernel

        if self._output is None:
            self._output = display(self._bar, display_id=True)
        else:
            self._output.update(self._bar)
        self._next = time.monotonic() + _NOTEBOOK_PAUSE


def is_wanted() -> bool:
    """Whether a long call shows its progress here."""
    from wkplug.config import current

    wanted = current().progress
    if wanted is False or _is_worker():
        return False
    return bool(wanted) or ("PYTEST_CURRENT_TEST" not in os.environ and (_is_terminal() or _is_notebook()))


def _is_worker() -> bool:
    multiprocessing = sys.modules.get("multiprocessing.process")
    return multiprocessing is not None and multiprocessing.parent_process() is not None


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _is_notebook() -> bool:
    """Whether this is the kernel of a notebook, where what is shown is an output of the cell."""
    interactive = sys.modules.get("IPython")
    shell = None if interactive is None else interactive.get_ipython()
    if shell is None:
        return False
    return type(shell).__name__ == "ZMQInteractiveShell" or type(shell).__module__.startswith("google.colab")


@contextmanager
def showing(label: str) -> Iterator[Call]:
    """Show a call in one bar, if that is wanted; inside of another call, it is a step of that one."""
    call = Call(label)
    outer = _inside.get()
    if outer is not None:
        outer.begin(label)
        yield outer
        return
    if not is_wanted():
        yield call
        return
    token = _inside.set(call)
    try:
        with _display.opened(call):
            yield call
    finally:
        _inside.reset(token)


def shown(
    label: Callable[..., str], parameter: str = "progress"
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a verb log what it has done, and show its progress, unless its caller takes that.

    label: what it does, made of the verb's positional arguments.
    parameter: "progress" gets a function of (done, total), "progress_of" one that begins a step and gives that.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def decorated(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                text = label(*args)
            except (AttributeError, TypeError):
                # given by name, or of another kind, about which the verb complains
                text = function.__name__.replace("_", " ")
            started = time.monotonic()
            if kwargs.get(parameter) is not None:
                result = function(*args, **kwargs)
            else:
                with showing(text) as call:
                    kwargs[parameter] = call.update if parameter == "progress" else call.begin
                    result = function(*args, **kwargs)
            _log(text, time.monotonic() - started)
            return result

        return decorated

    return decorate


def _log(what: str, seconds: float) -> None:
    import logging  # late: it costs as much as all that a short call loads

    logging.getLogger("wkplug").info("%s: done in %.1f s", what, seconds)


@contextmanager
def described(description: str | None) -> Iterator[Progress | None]:
    """Give a function that shows progress under a description, None without one."""
    if description is None:
        yield None
        return
    with showing(description) as call:
        yield call.update


@contextmanager
def until_flushed(progress: Progress | None) -> Iterator[Progress]:
    """Leave one step of a progress for what comes after the last task: it is full when the block ends, not before."""
    most = 0

    def short_of_full(done: int, total: int) -> None:
        nonlocal most
        most = total
        if progress is not None:
            progress(done, total + 1)

    yield short_of_full
    if progress is not None:
        progress(most + 1, most + 1)
