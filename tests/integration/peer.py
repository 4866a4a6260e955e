"""The webknossos package as a black box: scripts run by its own interpreter, in an environment of its own.

`make peer` (and so `make test TESTS=all`) sets the environment up; tests that need it skip without.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = Path(__file__).resolve().parents[2] / ".cache" / "peer" / "bin" / "python"

needs_peer = pytest.mark.skipif(not PYTHON.exists(), reason="no environment with webknossos: run `make peer`")


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process of the tests runs the package: with 11 GB for a small array, two are too many."""
    with PYTHON.parents[2].joinpath("peer.alone").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(script: str, *arguments: object, python: Path = PYTHON) -> Any:
    """Run a script that prints one JSON value as its last line; give that value, None if it prints nothing."""
    with alone():
        done = subprocess.run(
            [python, "-W", "ignore", "-c", script, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-3000:]}"
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines else None
