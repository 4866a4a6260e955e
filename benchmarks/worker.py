"""One side at work: `python worker.py MODULE` imports the module and does what lines of JSON ask for.

    {"do": "reads", "args": {"path": ..., ...}}      ->      one line of JSON

A worker stays alive, so that the sides can take turns without paying for imports; `python worker.py MODULE
WORKLOAD ARGS-AS-JSON` does a single thing in a fresh process. A workload of another module than `workloads` is
called "MODULE.NAME". "engines" as MODULE: wkplug, and the engines
without it. Started by `sides.py`, under either side's interpreter.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any


def main() -> None:
    name = sys.argv[1]
    module = importlib.import_module("wkplug" if name == "engines" else name)
    usual = "engines" if name == "engines" else "workloads"
    # What the module under test prints (progress bars) must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(what: str, args: dict[str, Any]) -> None:
        place, _, function = what.rpartition(".")
        workload = getattr(importlib.import_module(place or usual), function)
        print(json.dumps(workload(module, **args)), file=answers, flush=True)

    if len(sys.argv) > 2:
        answer(sys.argv[2], json.loads(sys.argv[3]))
        return
    for line in sys.stdin:
        request = json.loads(line)
        answer(request["do"], request["args"])


if __name__ == "__main__":
    main()
