"""What Ctrl-C does to a command: the first ends it in good order, the second at once.

An interrupt that comes while Python's own code takes or gives back a lock would leave it locked for ever, and the
command would hang instead of ending; there it is put off for a moment. If ending takes long (calls that run
come to their end first), the second Ctrl-C ends the process without further ado, which is harmless: whatever is
half-written carries a mark, and the same command goes on with it.
"""

from __future__ import annotations

import os
import signal
import threading
from os import _exit as exit_at_once
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType, TracebackType

__all__ = ["INTERRUPTED", "Interrupts"]

INTERRUPTED = 130
"""The exit code of a command that was interrupted, as of shells."""


_GUARDED = ("threading", "queue", "concurrent.futures")
"""Modules that take locks in Python code."""
_MOMENT = 0.01
"""How long an interrupt is put off, in seconds."""


class Interrupts:
    """Watches for Ctrl-C while it is entered; `came` says whether there was one.

    Where Python's own handling was replaced, or in another thread than the main one, nothing is watched.
    """

    def __init__(self) -> None:
        self.came = False
        self._watching = False

    def __enter__(self) -> Interrupts:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self._handle)
            self._watching = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watching:
            if self.came and hasattr(signal, "setitimer"):
                signal.setitimer(signal.ITIMER_REAL, 0)  # what was put off has nothing left to interrupt
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.came and number == signal.SIGINT:
            os.write(2, b"Interrupted.\n")
            exit_at_once(INTERRUPTED)
        self.came = True
        if frame is not None and _holds_locks(frame) and hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, self._handle)
            signal.setitimer(signal.ITIMER_REAL, _MOMENT)
            return
        raise KeyboardInterrupt


def _holds_locks(frame: FrameType) -> bool:
    """Whether code of Python runs that isn't safe from interrupts; what only waits is."""
    module = str(frame.f_globals.get("__name__"))
    return module.startswith(_GUARDED) and frame.f_code.co_name != "wait"
