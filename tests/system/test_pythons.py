"""The Pythons that are declared and not tested on: there are wheels of all dependencies, and the code is valid."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.system.conftest import DISTRIBUTIONS, ROOT

pytestmark = pytest.mark.system


def declared() -> list[str]:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    return [found[1] for each in classifiers if (found := re.search(r"Python :: (3\.\d+)$", each))]


def runtime_dependencies() -> list[str]:
    wanted: set[str] = set()
    for folder in DISTRIBUTIONS:
        wanted.update(tomllib.loads((folder / "pyproject.toml").read_text())["project"]["dependencies"])
    return sorted(wanted)


def tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def test_the_pythons_are_those_of_the_readme_and_of_all_distributions() -> None:
    assert declared() == ["3.11", "3.12", "3.13", "3.14"]
    for folder in DISTRIBUTIONS:
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        assert project["requires-python"] == f">={declared()[0]}", folder


@pytest.mark.long
@pytest.mark.parametrize("python", declared())
@pytest.mark.parametrize(
    "platform", ["x86_64-manylinux_2_28", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"]
)
def test_there_are_wheels_of_all_dependencies(python: str, platform: str) -> None:
    command = [
        tool("uv"), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--only-binary", ":all:",
        "--python-version", python, "--python-platform", platform, "-",
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=ROOT,
        input="\n".join(runtime_dependencies()),
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode and re.search(r"error sending request|dns error|timed out|Network", done.stderr):
        pytest.skip("the package registry can't be reached")
    assert done.returncode == 0, done.stderr
    pins = {line.partition("==")[0] for line in done.stdout.splitlines()}
    assert {"numpy", "tensorstore", "zarr", "lz4", "tifffile", "imagecodecs", "pillow"} <= pins


@pytest.mark.parametrize("python", declared())
def test_the_code_is_valid(python: str) -> None:
    paths = ["wkplug", "plugins", "examples", "tools", "tests"]
    version = "py" + python.replace(".", "")
    command = [
        tool("ruff"),
        "check",
        "--isolated",
        "--no-cache",
        "--target-version",
        version,
        "--select",
        "E9,F63,F7",
    ]
    done = subprocess.run([*command, *paths], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout


def test_no_file_warns_when_it_is_compiled() -> None:
    """Invalid escapes and the like are warnings now, and errors in a later Python."""
    files = [
        file
        for folder in ("wkplug", "plugins", "examples", "tools")
        for file in (ROOT / folder).rglob("*.py")
    ]
    code = "import sys; [compile(open(f, encoding='utf-8').read(), f, 'exec') for f in sys.argv[1:]]"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, files)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
