"""The two sides and the bare engines as processes: kept ones that take turns, and fresh ones.

wkplug runs in the environment that runs this, webknossos in one of its own, as a black box. Children run with
bytecode caching on: without it every import is a compilation, and imports are part of what is measured. They
run without `site`, and get their paths from here: the import hooks of an editable install, which this
environment has and no user's, cost as much as all of Python's own start. For the same reason wkplug and all of its
plugins stand in one folder of links, as an ordinary installation has them in `site-packages`, instead of one place
for each on the path of every import.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

__all__ = ["Sides", "peer_has", "warm"]

_HERE = Path(__file__).parent
_ROOT = _HERE.parent
_PEER = _ROOT / ".cache" / "peer" / "bin" / "python"


def _python(side: str) -> str:
    return str(_PEER) if side == "webknossos" else sys.executable


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONWARNINGS": "ignore"}


def _paths(side: str) -> list[str]:
    """The places that `site` would have added, but for those of this repository's own sources."""
    code = "import sys; kept = set(sys.path); import site; site.main(); print(*(set(sys.path) - kept), sep='\\n')"
    output = subprocess.run(
        [_python(side), "-S", "-P", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=_environment(),
    ).stdout
    return [path for path in output.split("\n")[:-1] if not Path(path).is_relative_to(_ROOT / "plugins")]


class Sides:
    """Starts workers when they are first asked; use as a context manager. `folder`: for their messages."""

    def __init__(self, folder: Path) -> None:
        self._log_path = folder / "workers.log"
        self._log: IO[bytes] = self._log_path.open("wb")
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        packages = folder / "packages"
        packages.mkdir()
        for package in [_ROOT / "wkplug", *_ROOT.glob("plugins/*/src/*")]:
            if (package / "__init__.py").is_file():
                (packages / package.name).symlink_to(package)
        self._environments = {
            side: {**_environment(), "PYTHONPATH": os.pathsep.join([str(packages), *_paths(side)])}
            for side in ("wkplug", "webknossos")
        }
        self._environments["engines"] = self._environments["wkplug"]

    def __enter__(self) -> Sides:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            if worker.stdin is not None:
                worker.stdin.close()
            worker.wait()
        self._log.close()

    def ask(self, side: str, do: str, **args: Any) -> dict[str, Any]:
        """Have a kept process do something: "wkplug", "webknossos" or "engines"."""
        worker = self._workers.get(side)
        if worker is None:
            worker = self._workers[side] = subprocess.Popen(
                [_python(side), "-S", str(_HERE / "worker.py"), side],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=self._environments[side],
            )
        if worker.stdin is None or worker.stdout is None:
            raise RuntimeError("A worker without pipes.")
        worker.stdin.write(json.dumps({"do": do, "args": args}).encode() + b"\n")
        worker.stdin.flush()
        return self._answer(worker.stdout.readline(), f"{side}: {do}")

    def fresh(self, side: str, do: str, *, within: bool = False, **args: Any) -> dict[str, Any]:
        """Have a fresh process do one thing; `within`: keep the figures that it measured itself."""
        return self.run(side, [str(_HERE / "worker.py"), side, do, json.dumps(args)], within=within)

    def run(self, side: str, arguments: list[str], *, within: bool = False) -> dict[str, Any]:
        """Run Python with these arguments: what it printed as JSON, and "cpu" and "wall" of the whole process."""
        began = time.perf_counter()
        process = subprocess.Popen(
            [_python(side), "-S", *arguments],
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=self._environments[side],
        )
        if process.stdout is None:
            raise RuntimeError("A process without a pipe.")
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        if process.returncode != 0:
            raise self._failure(" ".join([side, *arguments]))
        answer: dict[str, Any] = json.loads((output.strip().splitlines() or [b"{}"])[-1])
        return answer if within else {**answer, "cpu": usage.ru_utime + usage.ru_stime, "wall": wall}

    def _answer(self, line: bytes, what: str) -> dict[str, Any]:
        if not line.strip():
            raise self._failure(what)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failure(self, what: str) -> RuntimeError:
        self._log.flush()
        text = self._log_path.read_text(errors="replace")[-3000:]
        return RuntimeError(f"{what} failed:\n{text}")


def peer_has(package: str) -> bool:
    """Whether a package can be imported beside webknossos."""
    found = subprocess.run(
        [_python("webknossos"), "-c", f"import {package}"], capture_output=True, check=False
    )
    return found.returncode == 0


def warm(sides: Sides) -> None:
    """Have all imports compiled and in the page cache before anything is measured."""
    for side in ("wkplug", "webknossos"):
        sides.run(side, ["-c", f"import {side}"])
