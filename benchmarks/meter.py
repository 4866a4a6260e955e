"""What a stretch of work costs: CPU of the process, its threads and children, wall time, peak memory.

CPU time is what the tables compare: on a shared machine wall time measures the neighbours as well. Runs under
either side's interpreter, so it needs nothing but the standard library.
"""

from __future__ import annotations

import resource
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["cpu_seconds", "folder_bytes", "metered", "peak_bytes"]


def cpu_seconds() -> float:
    """User and system time so far, of all threads and of the children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@contextmanager
def metered() -> Iterator[dict[str, float]]:
    """Fill the dictionary with "cpu" and "wall" seconds of the block."""
    result: dict[str, float] = {}
    wall, cpu = time.perf_counter(), cpu_seconds()
    yield result
    result["cpu"] = cpu_seconds() - cpu
    result["wall"] = time.perf_counter() - wall


def peak_bytes() -> int:
    """The most memory that this process has held; unlike getrusage's figure it forgets who started it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def folder_bytes(path: str) -> int:
    """The sizes of the files below `path`, added up, without hidden ones: locks are no data."""
    files = (file for file in Path(path).rglob("*") if file.is_file())
    return sum(file.stat().st_size for file in files if not file.name.startswith("."))
