"""The memory budget: how much one read may take, and how much a long operation, checked before any memory is taken.

A read may take the setting `max_read_bytes`; without it half of this machine's memory, or half of what the control
group of this process allows, if that is less.

What users write as `memory="2GB"` and `--memory 2GB` is meant for the whole process, so what the process has already
is taken off before voxels get the rest. Where nobody has named an amount, a process that is large already (a notebook
with data in it) gets some on top of what it has, instead of an error about a budget that nobody chose. It bounds what
an operation holds at once (voxels being read, computed and written), not what a single chunk or section takes that
can't be cut: where that alone is more, the operation says so before it begins.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import sys
from functools import cache
from typing import TYPE_CHECKING

from wkplug.abc.threads import TURNS
from wkplug.config import current
from wkplug.errors import InvalidArgumentError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wkplug.abc import Location

__all__ = [
    "DEFAULT_MEMORY",
    "LEAST_MEMORY",
    "check_read_size",
    "check_unpacked_size",
    "for_voxels",
    "half_of_memory",
    "memory_budget",
    "objects_at_once",
    "parse_bytes",
    "resident",
    "room_for_objects",
]

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


# --- long operations ---------------------------------------------------------------------------------------

DEFAULT_MEMORY = 10**9
"""What a process takes at most if nothing else is said; less on machines that have less than twice of it."""
_ON_TOP = DEFAULT_MEMORY // 2
"""What a process that has taken more than the other half already may take beyond that, if nothing else is said."""
LEAST_MEMORY = 32 * 2**20
"""What voxels get at least, however much the process has taken already."""

_PARTS = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_bytes(value: int | str) -> int:
    """Give a number of bytes for 2000000, "2GB" (10^9 each), "2GiB" (2^30 each), "500M".

    InvalidArgumentError for anything else, and for less than one byte.
    """
    count = 0.0
    if isinstance(value, str):
        found = _PARTS.fullmatch(value)
        if found is not None:
            number, letter, binary = found.groups()
            count = float(number) * (1024 if binary else 1000) ** _POWERS[letter.lower()]
    elif not isinstance(value, bool) and math.isfinite(value):
        count = value
    if count < 1:
        raise InvalidArgumentError(
            f"{value!r} is no amount of memory.",
            hint='Write a number of bytes, or a text such as "2GB" or "500MiB".',
        )
    return int(count)


def memory_budget(value: int | str | None = None, *, half_of_machine: bool = False) -> int:
    """Give the bytes that the process may take: what was asked for, or a default that leaves half of the machine.

    half_of_machine: the default is all of that half, as of pyramids and transforms, which are slower with less; else
    it is `DEFAULT_MEMORY`, as of imports.
    """
    if value is not None:
        return parse_bytes(value)
    if half_of_machine:
        return half_of_memory()
    return min(max(DEFAULT_MEMORY, resident() + _ON_TOP), half_of_memory())


def for_voxels(budget: int) -> int:
    """What of `budget` is left for voxels, once what this process has taken already is off; never nothing."""
    return max(LEAST_MEMORY, budget - resident())


def objects_at_once(place: Location, size: int) -> int:
    """How many objects of `size` bytes may be encoded and put at a place at the same time: see `wkplug.abc`.

    Each is held until it has arrived, and twice more while it is encoded, which few are at a time.
    """
    most = place.concurrency
    if most < 2:
        return 1
    room = room_for_objects() // max(1, size)
    return max(1, min(most, min(room // 3, TURNS) + max(0, room - 3 * TURNS)))


def room_for_objects() -> int:
    """How many bytes may be held for objects that are encoded and put, beside what the process has already."""
    return for_voxels(memory_budget())


def resident() -> int:
    """The memory that this process holds, in bytes; 0 where the system doesn't tell."""
    if not sys.platform.startswith("linux"):
        return 0
    with contextlib.suppress(ValueError, OSError, IndexError), open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
