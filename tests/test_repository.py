"""What a fresh machine needs is in the repository, and nothing of anybody's machine is."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DISTRIBUTIONS = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]


def name_of(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def locked() -> list[str]:
    return [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line[0] != "#"]


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_everything_that_is_asked_for_is_pinned() -> None:
    wanted: set[str] = set()
    for folder in DISTRIBUTIONS:
        document = tomllib.loads((folder / "pyproject.toml").read_text())
        wanted.update(document["build-system"]["requires"], document["project"]["dependencies"])
        for group in document.get("dependency-groups", {}).values():
            wanted.update(group)
    pinned = {name_of(line) for line in locked() if "==" in line}
    assert {name_of(each) for each in wanted} - pinned == set(), "run: make lock"


def test_the_lock_holds_this_tree_and_pins_and_nothing_else() -> None:
    own = [line for line in locked() if line.startswith("--editable ")]
    expected = [
        "." if folder == ROOT else f"./{folder.relative_to(ROOT).as_posix()}" for folder in DISTRIBUTIONS
    ]
    assert [line.partition(" ")[2] for line in own] == expected
    others = [line for line in locked() if line not in own]
    assert [line for line in others if not re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==\S+( ; .+)?", line)] == []


def test_no_file_names_a_place_where_packages_come_from_or_this_machine() -> None:
    # Assembled, so that this file doesn't find itself.
    wrong = [f"--{option}" for option in ("index-url", "extra-index-url", "trusted-host")]
    wrong += ["/sim" + "ple/", str(ROOT) + os.sep]
    if len(Path.home().parts) > 2:
        wrong.append(str(Path.home()) + os.sep)
    found = []
    for file in tracked():
        text = file.read_bytes().decode("utf-8", errors="replace")
        found += [f"{file.relative_to(ROOT)}: {each}" for each in wrong if each in text]
    assert found == []


def test_every_distribution_has_the_licence_and_a_readme() -> None:
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    for folder in [*DISTRIBUTIONS, *(ROOT / "examples").glob("wkplug_*")]:
        assert (folder / "LICENSE").read_text(encoding="utf-8") == licence, folder
        readme = (folder / "README.md").read_text(encoding="utf-8")
        name = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"]
        assert readme.startswith(f"# {name}\n"), folder
        assert len(readme.split()) > 50, f"{folder}: the README says next to nothing"


def test_the_environment_is_consistent() -> None:
    command = [sys.executable, "-m", "pip", "check", "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


def test_no_large_file_is_kept() -> None:
    sizes = {file.relative_to(ROOT).as_posix(): file.stat().st_size for file in tracked()}
    assert {name: size for name, size in sizes.items() if size > 500_000} == {}


def test_the_type_checker_knows_all_plugins() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/mypy_path.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("changed", "tests"),
    [
        ("wkplug/ops/importing/writing.py", "tests/ops"),
        ("wkplug/config.py", "tests/test_config.py"),
        ("wkplug/config/settings.py", "tests/test_config.py"),
        ("wkplug/nowhere/else.py", "tests/dataset"),
        ("plugins/knossos/src/wkplug_knossos/plugin.py", "plugins/knossos/tests"),
        ("tests/geometry/test_mag.py", "tests/geometry/test_mag.py"),
        ("tests/properties/conftest.py", "tests/properties"),
        ("docs/performance.md", "tests/test_docs.py"),
        ("README.md", "tests/test_docs.py"),
        ("Makefile", None),
    ],
)
def test_a_changed_files_tests_are_found_by_its_place(changed: str, tests: str | None) -> None:
    found: object = runpy.run_path(str(ROOT / "tools/check.py"))["tests_of"](changed)
    assert found == tests
