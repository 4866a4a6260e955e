"""Run the tests of what differs from a branch (main, or the one given); with `--list` only name them.

A file's tests are found by its place alone, so that it is plain what will run:

* a test file runs itself; another file below tests/ runs its folder;
* a file of a plugin or an example runs that plugin's or example's tests;
* wkplug/ROOM/... runs tests/ROOM, wkplug/NAME.py runs tests/test_NAME.py; where there are none, tests/dataset;
* documentation runs tests/test_docs.py.

Those of the architecture and the repository always run, they are quick. Further arguments are pytest's: `make check`
gives the marks that `make test` leaves out. It is no replacement for `make test`: a change may break what is far away.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
ALWAYS = ("tests/test_architecture.py", "tests/test_repository.py")


def _git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.splitlines()


def changed(base: str) -> list[str]:
    """Give the files that differ from where this branch left `base`, those without a commit included."""
    start = _git("merge-base", base, "HEAD")[0]
    listed = _git("diff", "--name-only", start) + _git("ls-files", "--others", "--exclude-standard")
    return sorted(set(listed))


def tests_of(name: str) -> str | None:
    """Give the test file or folder for a file of the repository, None if only the quick ones are for it."""
    path = PurePosixPath(name)
    first, *rest = path.parts
    if first in ("plugins", "examples") and len(rest) > 1:
        if path.name.startswith("test_") and path.suffix == ".py":
            return name
        return (
            f"{first}/{rest[0]}/tests"
            if (ROOT / first / rest[0] / "tests").is_dir()
            else f"{first}/{rest[0]}"
        )
    if first == "docs" or (not rest and path.suffix == ".md"):
        return "tests/test_docs.py"
    if first == "tests":
        if path.name.startswith("test_") and path.suffix == ".py":
            return name
        return f"tests/{rest[0]}" if len(rest) > 1 else None
    if first == "wkplug":
        tests = f"tests/{rest[0]}" if len(rest) > 1 else f"tests/test_{path.stem}.py"
        for candidate in (tests, f"tests/test_{rest[0]}.py"):
            if (ROOT / candidate).exists():
                return candidate
        return "tests/dataset"
    return None


def selected(files: list[str]) -> list[str]:
    """Give what pytest is to run: no file that is gone, and none that lies in a folder which runs as a whole."""
    wanted = {tests for tests in map(tests_of, files) if tests is not None and (ROOT / tests).exists()}
    wanted |= set(ALWAYS)
    return sorted(
        tests for tests in wanted if not any(str(parent) in wanted for parent in PurePosixPath(tests).parents)
    )


def main() -> int:
    """Run as the module's text says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("base", nargs="?", default="main")
    parser.add_argument("--list", action="store_true", help="name the tests, one per line, and run none")
    options, further = parser.parse_known_args()
    tests = selected(changed(options.base))
    print("\n".join(tests), flush=True)
    if options.list:
        return 0
    command = [sys.executable, "-m", "pytest", "-q", *further, *tests]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
