"""One side at work: `python worker.py MODULE` imports the module and does what lines of JSON ask for.

    {"do": "reads", "args": {"path": ..., ...}}      ->      one line of JSON

A worker stays alive, so that the sides can take turns without paying for imports; `python worker.py MODULE
WORKLOAD ARGS-AS-JSON` does a single thing in a fresh process. "engines" as MODULE: wkplug, and the engines
without it. Started by `sides.py`, under either side's interpreter.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def main() -> None:
    name = sys.argv[1]
    module = importlib.import_module("wkplug" if name == "engines" else name)
    workloads = importlib.import_module("engines" if name == "engines" else "workloads")

    def answer(what: str, args: dict[str, Any]) -> None:
        print(json.dumps(getattr(workloads, what)(module, **args)), flush=True)

    if len(sys.argv) > 2:
        answer(sys.argv[2], json.loads(sys.argv[3]))
        return
    for line in sys.stdin:
        request = json.loads(line)
        answer(request["do"], request["args"])


if __name__ == "__main__":
    main()
