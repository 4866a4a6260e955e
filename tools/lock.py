"""Write requirements.txt: the distributions of this tree, editable, then exact pins of everything else.

The pins come from a universal resolution (environment markers for all platforms and Pythons that are declared),
without addresses: nothing in the file says where packages are fetched from. Run by `make lock`.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# Written by `make lock`; change pyproject.toml (or a plugin's) and run it again.
"""


def distributions() -> list[Path]:
    """The root and every plugin, in order."""
    return [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]


def requirements() -> list[str]:
    """Give what the distributions and the development group ask for, once each."""
    wanted: set[str] = set()
    for folder in distributions():
        project = tomllib.loads((folder / "pyproject.toml").read_text())
        wanted.update(project["project"].get("dependencies", []))
        wanted.update(project["build-system"]["requires"] if folder == ROOT else [])
        for group in project.get("dependency-groups", {}).values():
            wanted.update(group)
    return sorted(wanted)


def resolve(wanted: list[str], *, python: str = "3.11") -> str:
    """Give the pins, one per line."""
    command = [
        str(Path(sys.executable).parent / "uv"), "pip", "compile", "--quiet", "--universal", "--no-header",
        "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--python-version", python, "-",
    ]  # fmt: skip
    done = subprocess.run(command, input="\n".join(wanted), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def main() -> None:
    """Write the file."""
    own = {
        tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"]
        for folder in distributions()
    }
    wanted = [line for line in requirements() if line.split(">")[0].split("[")[0].strip() not in own]
    editable = [f"--editable {path.relative_to(ROOT) if path != ROOT else '.'}" for path in distributions()]
    editable = [line.replace("--editable plugins", "--editable ./plugins") for line in editable]
    pins = resolve(wanted)
    (ROOT / "requirements.txt").write_text(HEADER + "\n".join(editable) + "\n" + pins)


if __name__ == "__main__":
    main()
