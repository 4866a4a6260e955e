"""The memory budget: how much one read may take, checked before any memory is.

The limit is the setting `max_read_bytes`; without it half of this machine's memory, or half of what the
control group of this process allows, if that is less.
"""

from __future__ import annotations

import contextlib
import os
from functools import cache
from typing import TYPE_CHECKING

from wkplug.config import current
from wkplug.errors import TooLargeError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_read_size", "check_unpacked_size", "half_of_memory"]

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_UNKNOWN_MEMORY = 4 * 2**30


@cache
def half_of_memory() -> int:
    """Half of the memory that this process may use, in bytes; 4 GiB where the system doesn't tell."""
    limits: list[int] = []
    with contextlib.suppress(ValueError, OSError, AttributeError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in _CGROUP_LIMITS:
        # No pathlib: importing it costs more than reading both files.
        with contextlib.suppress(ValueError, OSError), open(name) as file:  # noqa: PTH123
            limits.append(int(file.read()))
    return min(limits) // 2 if limits else _UNKNOWN_MEMORY


def check_read_size(shape: Sequence[int], item_size: int, url: str) -> None:
    """Raise TooLargeError if `shape` voxels of `item_size` bytes are more than the budget."""
    needed = item_size
    for length in shape:
        needed *= length
    # The machine's own limit is never so small that it is worth looking at the settings.
    if needed <= 2**20:
        return

    configured = current().max_read_bytes
    limit = half_of_memory() if configured is None else configured
    if needed > limit:
        reason = "half of this machine's memory" if configured is None else "the setting max_read_bytes"
        raise TooLargeError(
            f"Reading {' x '.join(map(str, shape))} voxels of {url} takes {_readable(needed)}; "
            f"allowed are {_readable(limit)} ({reason}).",
            hint="Take a smaller bounding box, or read it in chunks: for_each_chunk.\n"
            "To allow more, raise the setting max_read_bytes.",
        )


def check_unpacked_size(size: int, url: str) -> None:
    """Raise TooLargeError if a file of an archive is more than the budget when it is unpacked."""

    configured = current().max_read_bytes
    limit = half_of_memory() if configured is None else configured
    if size > limit:
        raise TooLargeError(
            f"{url} takes {_readable(size)} when it is unpacked; allowed are {_readable(limit)}.",
            hint="Unpack the archive first, or raise the setting max_read_bytes.",
        )


def _readable(count: int) -> str:
    value = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:,.0f} PiB"
