"""The webknossos package as a black box: scripts run by its own interpreter, in an environment of its own.

`make peer` (and so `make test TESTS=all`) sets the environment up; tests that need it skip without.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

PYTHON = Path(__file__).resolve().parents[2] / ".cache" / "peer" / "bin" / "python"

needs_peer = pytest.mark.skipif(not PYTHON.exists(), reason="no environment with webknossos: run `make peer`")


def run(script: str, *arguments: object) -> Any:
    """Run a script that prints one JSON value as its last line; give that value, None if it prints nothing."""
    done = subprocess.run(
        [PYTHON, "-W", "ignore", "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines else None
