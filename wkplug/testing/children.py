"""Fresh Python processes for tests: nothing forked, nothing inherited but `sys.path`.

For tests of pickling, of concurrent writers and of damaged files. A child runs one
function, named as "package.module:attribute", on pickled arguments; children of one call start together.
"""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wkplug.lazy import resolve
from wkplug.testing.checks import breaks

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Job", "run", "serve", "together"]

Job = tuple[str, tuple[Any, ...]]
"""A function's reference and its arguments."""

# The path goes first and alone: without it nothing else could be unpickled.
_START = (
    "import sys, pickle; sys.path[:] = pickle.load(open(sys.argv[1], 'rb')); "
    "from wkplug.testing.children import serve; serve(sys.argv[2:])"
)
_PATIENCE = 60.0


def run(function: str, *arguments: Any) -> Any:
    """Call a function in a fresh process and give its result; its exception is raised here."""
    return together([(function, arguments)])[0]


def together(jobs: Sequence[Job]) -> list[Any]:
    """Call functions in as many fresh processes, at the same time, and give their results in order.

    The first exception of a child is raised here. A child that dies or hangs is a broken promise.
    """
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        (folder / "path").write_bytes(pickle.dumps(sys.path))
        children = []
        for number, job in enumerate(jobs):
            (folder / f"job-{number}").write_bytes(pickle.dumps(job))
            command = [sys.executable, "-c", _START, str(folder / "path"), name, str(number)]
            log = stack.enter_context((folder / f"log-{number}").open("wb"))
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603 - our own code
            stack.callback(_end, child)
            children.append(child)
        deadline = time.monotonic() + _PATIENCE
        while any(child.poll() is None for child in children):
            if all((folder / f"ready-{number}").exists() for number in range(len(jobs))):
                (folder / "go").touch()
            if time.monotonic() > deadline:
                breaks(
                    "work in another process ends", got=f"nothing for {_PATIENCE:.0f} s", jobs=_names(jobs)
                )
            time.sleep(0.005)
        return [_result(folder, number, child) for number, child in enumerate(children)]


def _result(folder: Path, number: int, child: subprocess.Popen[bytes]) -> Any:
    file = folder / f"result-{number}"
    if not file.exists():
        text = (folder / f"log-{number}").read_text(errors="replace")
        breaks("no process dies", exit_code=child.returncode, output=text[-2000:])
    kind, value = pickle.loads(file.read_bytes())  # noqa: S301 - written by our own child
    if kind == "raised":
        raise value
    return value


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.kill()
    child.wait()


def _names(jobs: Sequence[Job]) -> str:
    return ", ".join(name for name, _ in jobs)


def serve(arguments: list[str]) -> None:
    """Run one job; what a child does."""
    folder, number = Path(arguments[0]), arguments[1]
    try:
        function, values = pickle.loads((folder / f"job-{number}").read_bytes())  # noqa: S301 - our own parent's
        work = resolve(function)
        (folder / f"ready-{number}").touch()
        while not (folder / "go").exists():
            time.sleep(0.002)
        outcome = ("returned", work(*values))
    except Exception as error:  # noqa: BLE001 - carried home and raised there
        (folder / f"ready-{number}").touch()
        outcome = ("raised", error)
    file = folder / f"result-{number}"
    try:
        file.with_suffix(".part").write_bytes(pickle.dumps(outcome))
    except Exception as error:  # noqa: BLE001 - an unpicklable result or error is told as text
        text = RuntimeError(f"{type(outcome[1]).__name__}: {outcome[1]} (and it can't be pickled: {error})")
        file.with_suffix(".part").write_bytes(pickle.dumps(("raised", text)))
    file.with_suffix(".part").replace(file)
