"""Runs one scenario again and again, each time killed at another change of its files; a process of its own.

Everything is imported once, before the first fork, so that one round costs two forks and not two starts of Python.
Requests and answers are lines of JSON. The library that kills must be preloaded (see `killer`).
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MOMENTS = {"before": 0, "halfway": 1, "after": 2}


def forked(task: Callable[[], None], errors: Path) -> int:
    """Run a task in a child of its own, and give its exit code; -9 if it was killed."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        task()
        code = 0
    except BaseException:  # noqa: BLE001 - told to who asks
        errors.write_text(traceback.format_exc())
    finally:
        os._exit(code)


class Rounds:
    """The rounds of one scenario, below `home`."""

    def __init__(self, scenario: Any, home: Path) -> None:
        self.scenario = scenario
        self.home = home
        self.start = home / "start"
        self.start.mkdir()
        self.errors = home / "errors.txt"
        self.library = ctypes.CDLL(None)
        code = forked(lambda: scenario.prepare(self.start), self.errors)
        if code:
            raise RuntimeError(f"the scenario can't be prepared: {self._problem(code)}")

    def run(self, number: int, moment: str) -> dict[str, Any]:
        """Kill at change `number` (0: never), check what is left, and say what happened."""
        place, log = self.home / "round", self.home / "log.txt"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.start, place, symlinks=True)
        self.errors.unlink(missing_ok=True)
        log.write_text("")

        def operate() -> None:
            file = os.open(log, os.O_WRONLY | os.O_APPEND)
            self.library.kill_at(os.fsencode(place), number, MOMENTS[moment], file)
            self.scenario.operate(place)
            self.library.kill_at(b"/nowhere", 0, 0, -1)

        code = forked(operate, self.errors)
        changes = log.read_text(errors="replace").splitlines()
        answer: dict[str, Any] = {"killed": code == -9, "changes": changes, "problem": None}
        if code not in (0, -9):
            answer["problem"] = f"the operation failed by itself: {self._problem(code)}"
            return answer
        code = forked(lambda: self.scenario.check(place, finished=code == 0), self.errors)
        if code:
            answer["problem"] = self._problem(code)
        return answer

    def _problem(self, code: int) -> str:
        return self.errors.read_text() if self.errors.exists() else f"it ended with code {code}"


def main() -> None:
    """Answer until the input ends."""
    import scenarios  # type: ignore[import-not-found]  # beside this file, which runs as a script

    warnings.simplefilter("ignore")
    scenarios.warm_up()
    name = sys.argv[1]
    with tempfile.TemporaryDirectory(dir=sys.argv[2]) as home:
        rounds = Rounds(scenarios.SCENARIOS[name], Path(home))
        for line in sys.stdin:
            request = json.loads(line)
            sys.stdout.write(json.dumps(rounds.run(request["number"], request["moment"])) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
