"""Sweeping a scenario: the operation is killed at its first change of a file, at its second, and so on.

`swept` compiles the library that kills (`killing.c`) into the cache folder, starts the server with it, and asks for
round after round. All changes are tried by `make faults`, which sets WKPLUG_TEST_KILLS=all; otherwise so many of them,
spread evenly, the first and the last among them.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "faults"
SAMPLES = 24


@functools.cache
def library() -> Path:
    """Compile the library, once per version of its source; skips where that can't be done."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("kills at chosen changes of files need Linux and a C compiler (gcc or cc)")
    source = HERE / "killing.c"
    built = CACHE / f"killing-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}.so"
    if not built.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        draft = built.with_suffix(f".{os.getpid()}")
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", draft, source, "-ldl", "-lpthread"],
            check=True,
            capture_output=True,
            timeout=60,
        )
        draft.rename(built)
    return built


def swept(scenario: str, folder: Path) -> str:
    """Kill the scenario's operation at its changes, and fail with all that went wrong; gives what ran."""
    environment = {**os.environ, "LD_PRELOAD": str(library()), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        [sys.executable, HERE / "server.py", scenario, folder],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            return _swept(server, scenario)
        finally:
            server.stdin.close()  # type: ignore[union-attr]  # a pipe, as asked for
            try:
                server.wait(20)
            finally:
                if server.poll() is None:
                    server.kill()


def _swept(server: subprocess.Popen[str], scenario: str) -> str:
    undisturbed = _ask(server, 0, "before")
    assert undisturbed["problem"] is None, f"{scenario}, not killed at all:\n{undisturbed['problem']}"
    changes = undisturbed["changes"]
    assert changes, "the operation changes no file, or the library doesn't see it"
    everything = os.environ.get("WKPLUG_TEST_KILLS") == "all"
    numbers = range(1, len(changes) + 1) if everything else _spread(len(changes))
    problems, rounds = [], 0
    for number in numbers:
        moments = ["before"]
        if changes[number - 1].startswith("write"):
            moments.append("halfway")
        if everything or number == len(changes):
            moments.append("after")
        for moment in moments:
            answer = _ask(server, number, moment)
            rounds += 1
            if answer["problem"] is not None:
                last = answer["changes"][-1] if answer["changes"] else "nothing"
                problems.append(f"killed {moment} change {number} ({last}):\n{answer['problem']}")
    ran = f"{scenario}: {rounds} kills at {len(list(numbers))} of {len(changes)} changes"
    shown = "\n\n".join(problems[:5])
    assert not problems, f"{ran}, of which {len(problems)} went wrong.\n\n{shown}"
    return ran


def _spread(count: int) -> list[int]:
    if count <= SAMPLES:
        return list(range(1, count + 1))
    return sorted({1 + round(step * (count - 1) / (SAMPLES - 1)) for step in range(SAMPLES)})


def _ask(server: subprocess.Popen[str], number: int, moment: str) -> dict[str, Any]:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps({"number": number, "moment": moment}) + "\n")
    server.stdin.flush()
    line = server.stdout.readline()
    assert line, "the server has died"
    answer: dict[str, Any] = json.loads(line)
    return answer
