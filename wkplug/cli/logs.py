"""What libraries log isn't shown on the command line: errors that matter are told by wkplug, in words of its own.

Python prints warnings that are logged where nobody has configured logging. With `wkplug --verbose` they are shown;
plugins' commands that configure logging themselves, and users of the Python API, see what they ask for.

Who calls it: `wkplug.cli.main`.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["quiet"]


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what is logged where no handler takes it, also in worker processes, which follow this one."""
    before = logging.lastResort
    logging.lastResort = logging.NullHandler()
    try:
        yield
    finally:
        logging.lastResort = before
