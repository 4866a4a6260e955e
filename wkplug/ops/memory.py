"""How much memory a long operation may take: what users write as `memory="2GB"` and `--memory 2GB`.

The budget is meant for the whole process, so what the process has already is taken off before voxels get the
rest. Where nobody has named one, a process that is large already (a notebook with data in it) gets some on top of
what it has, instead of an error about a budget that nobody chose. It bounds what an operation holds at once (voxels
being read, computed and written), not what a single chunk or section takes that can't be cut: where that alone is
more, the operation says so before it begins.
"""

from __future__ import annotations

import math
import re
import sys

from wkplug.errors import InvalidArgumentError
from wkplug.storage.budget import half_of_memory

__all__ = ["DEFAULT_MEMORY", "LEAST_MEMORY", "for_voxels", "memory_budget", "parse_bytes", "resident"]

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


def resident() -> int:
    """The memory that this process holds, in bytes; 0 where the system doesn't tell."""
    if not sys.platform.startswith("linux"):
        return 0
    import os
    from pathlib import Path

    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf(
            "SC_PAGE_SIZE"
        )
    except (OSError, ValueError, IndexError):
        return 0
