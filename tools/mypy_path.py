"""Write `mypy_path` of pyproject.toml from the folders of plugins and examples; run by `make types` and `make lock`.

mypy takes no patterns there, and without the folders it would take a plugin's modules for others of the same name.
With `--check` nothing is written, and the exit code says whether the line is right.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "pyproject.toml"


def folders() -> list[str]:
    """Give the checkout itself and all folders that hold a distribution's modules, in order."""
    found = [*sorted(ROOT.glob("plugins/*/src")), *sorted(ROOT.glob("examples/*/src"))]
    return [".", *(folder.relative_to(ROOT).as_posix() for folder in found)]


def written() -> str:
    """Give pyproject.toml as it should be."""
    lines = "".join(f"  {json.dumps(folder)},\n" for folder in folders())
    return re.sub(r"(?m)^mypy_path = \[[^\]]*\]$", f"mypy_path = [\n{lines}]", FILE.read_text(), count=1)


if __name__ == "__main__":
    text = written()
    if text != FILE.read_text():
        if "--check" in sys.argv[1:]:
            sys.exit("mypy_path in pyproject.toml isn't what plugins/ and examples/ hold. Run: make types")
        FILE.write_text(text)
