"""Writes `wkplug/registry/known.toml`: which distribution offers what, for the errors about missing plugins.

The bundled plugins are asked through their own hooks, from the source tree; those that are planned, or kept
elsewhere, are listed by hand below. `python tools/known_plugins.py` writes the file, `--check` only says
whether it is up to date (a test does that too).
"""

from __future__ import annotations

import sys
import tomllib
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "wkplug" / "registry" / "known.toml"

# Distributions that are not in this tree (yet), with what they are made for.
ELSEWHERE: dict[str, dict[str, Any]] = {}
"""Published distributions that don't lie in this tree, in the same form. An entry is a promise that its
`pip install` line works, so nothing is listed here before it can be installed."""

HEADER = """\
# Which distribution offers what. Written by tools/known_plugins.py; read when something is missing, so that
# the error can say what to install. Don't edit it by hand.
"""


def describe(plugin: str, module: Any) -> dict[str, Any]:
    """Ask one plugin's hooks, and turn its specs into the lists of the catalogue."""
    from wkplug.registry.plugins import KINDS, SETTINGS

    found: defaultdict[str, set[str]] = defaultdict(set)
    for kind in KINDS:
        hook = getattr(module, kind.hook, None)
        if hook is None or kind is SETTINGS:
            continue
        for spec in hook():
            found[kind.known].add(spec.name)
            found[kind.known].update(getattr(spec, "aliases", ()))
            if kind.known == "backends":
                found["formats"].add(spec.format)
                found["markers"].update(spec.markers)
            if kind.known == "readers":
                found["suffixes"].update(spec.suffixes)
                found["magic"].update(f"{offset}:{magic.hex()}" for offset, magic in spec.magic)
            if kind.known == "exporters":
                found[f"{spec.consumes}_suffixes"].update(spec.suffixes)
            if kind.known == "filesystems":
                found["schemes"].update(spec.schemes)
    return {"plugin": plugin, **{key: sorted(values) for key, values in sorted(found.items()) if values}}


def catalogue() -> dict[str, dict[str, Any]]:
    """Describe all distributions, sorted by name."""
    entries = {name: dict(entry) for name, entry in ELSEWHERE.items()}
    for file in sorted(ROOT.glob("plugins/*/pyproject.toml")):
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        for plugin, module in project["entry-points"]["wkplug.v1"].items():
            entries[project["name"]] = describe(plugin, import_module(module))
    return dict(sorted(entries.items()))


def rendered() -> str:
    """Give the file's text."""
    blocks = [HEADER]
    for name, entry in catalogue().items():
        lines = [f"[{name}]"]
        for key, value in entry.items():
            text = f'"{value}"' if isinstance(value, str) else "[" + ", ".join(f'"{v}"' for v in value) + "]"
            lines.append(f"{key} = {text}")
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def main() -> int:
    """Write or check the file; gives the exit code."""
    text = rendered()
    current = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
    if "--check" in sys.argv[1:]:
        if text != current:
            print("known.toml is out of date: python tools/known_plugins.py")
        return int(text != current)
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
