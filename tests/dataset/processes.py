"""Scripts in processes of their own, started together, ended for sure."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 90.0

_HEAD = """
import json, os, sys, time, warnings
from pathlib import Path
warnings.simplefilter("ignore", UserWarning)
import numpy as np
import wkplug as wk

folder, number = Path(sys.argv[1]), int(sys.argv[2])
arguments = json.loads(sys.argv[3])

def ready():
    (folder / f"ready-{number}").touch()
    while not (folder / "go").exists():
        time.sleep(0.001)
"""


@contextmanager
def process(
    script: str, folder: Path, arguments: Any = None, number: int = 0
) -> Iterator[subprocess.Popen[str]]:
    """Start a script; it has `folder`, `number`, `arguments`, `ready()`, np and wk. It is killed on leaving."""
    folder.mkdir(exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-c", _HEAD + script, str(folder), str(number), json.dumps(arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            if child.poll() is None:
                child.kill()


def wait_for(children: list[subprocess.Popen[str]], folder: Path, *, but: int = 0) -> None:
    """Let them go when all (but so many) are ready."""
    deadline = time.monotonic() + PATIENCE
    while len(list(folder.glob("ready-*"))) < len(children) - but:
        assert time.monotonic() < deadline, "the processes don't start"
        for child in children:
            assert child.poll() in (None, 0), child.communicate()[1][-3000:]
        time.sleep(0.01)
    (folder / "go").touch()


def result_of(child: subprocess.Popen[str]) -> Any:
    """Give what a script printed as its last line, as JSON; fail if it failed or hangs."""
    out, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 0, err[-3000:]
    lines = out.strip().splitlines()
    return json.loads(lines[-1]) if lines else None
