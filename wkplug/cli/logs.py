"""What is logged isn't shown on the command line: errors that matter are printed by wkplug, in words of its own.

Python prints warnings that are logged where nobody has configured logging. With `wkplug -v` what wkplug and libraries
log is shown from level INFO on, with `-vv` from DEBUG on; plugins' commands that configure logging themselves, and
users of the Python API, see what they ask for. All of wkplug logs under the logger "wkplug".
"""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["logged", "quiet"]


class _Stderr(logging.StreamHandler[Any]):
    """Writes to what stderr is at the moment: a bar of progress stands in for it, and makes room for the line."""

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, _: Any) -> None:
        """It is never another."""


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what is logged where no handler takes it, also in worker processes, which follow this one."""
    before = logging.lastResort
    logging.lastResort = logging.NullHandler()
    try:
        yield
    finally:
        logging.lastResort = before


@contextmanager
def logged(verbosity: int) -> Iterator[None]:
    """Show what is logged, with its level: from INFO on for 1, from DEBUG on for more."""
    root = logging.getLogger()
    handler = _Stderr()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO if verbosity == 1 else logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(handler)
