"""Wheels of all distributions of this tree, and environments that have them as a user has.

An environment is a new venv outside the repository. What others have published is linked into it from the one
that runs the tests (nothing is downloaded); what this tree publishes is installed from wheels by pip, and can
be uninstalled.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent.parent
DISTRIBUTIONS = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
BUNDLED = (
    "wkplug-bioformats",
    "wkplug-bioio",
    "wkplug-cloud",
    "wkplug-czi",
    "wkplug-dm",
    "wkplug-hdf5",
    "wkplug-images",
    "wkplug-knossos",
    "wkplug-lif",
    "wkplug-medical",
    "wkplug-mrc",
    "wkplug-nd2",
    "wkplug-numba",
    "wkplug-pims",
    "wkplug-remote",
    "wkplug-server",
    "wkplug-tensorstore",
    "wkplug-tiff",
    "wkplug-wkw",
    "wkplug-zarr",
)
EXAMPLE = ROOT / "examples" / "wkplug_npy"


def outside(**variables: str) -> dict[str, str]:
    """The variables of a user's shell that knows nothing of this tree."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PYTHON", "VIRTUAL_ENV", "COVERAGE", "PYTEST"))
    }
    return kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "COLUMNS": "200"} | variables


def run(command: Sequence[str | Path], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=outside(**variables),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@attrs.frozen(kw_only=True)
class Environment:
    """A venv with this tree's wheels; commands run in `folder`, which is empty at first."""

    root: Path
    folder: Path
    wheels: Path

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python"

    def pip(self, *arguments: str | Path) -> str:
        """Run pip on this environment; never asks a registry."""
        index = ["--no-index", "--find-links", str(self.wheels)] if arguments[0] == "install" else []
        done = run([sys.executable, "-m", "pip", "--python", self.python, *arguments, *index], self.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def say(self, code: str, **variables: str) -> str:
        """Run Python; gives what it prints."""
        done = run([self.python, "-W", "error", "-c", code], self.folder, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def fail(self, code: str) -> str:
        """Run Python that must end with an error; gives the error's text."""
        done = run([self.python, "-c", code], self.folder)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stderr

    def wkplug(
        self, *arguments: str | Path, code: int = 0, variables: Mapping[str, str] | None = None
    ) -> str:
        """Run the command; gives stdout and stderr."""
        done = run([self.root / "bin" / "wkplug", *arguments], self.folder, **(variables or {}))
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    @contextmanager
    def without(self, *distributions: str) -> Iterator[None]:
        """Uninstall for the length of a block."""
        self.pip("uninstall", "--yes", *distributions)
        try:
            yield
        finally:
            self.pip("install", "--no-deps", *distributions)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel of every distribution, and of the example."""
    folder = tmp_path_factory.mktemp("wheels")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    done = run([*command, "--wheel-dir", folder, *DISTRIBUTIONS, EXAMPLE], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def make_environment(root: Path, wheels: Path, *, folder: Path) -> Environment:
    """Make a venv with what others have published, and nothing of this tree."""
    venv.create(root, with_pip=False, symlinks=True)
    own = Path(sysconfig.get_path("purelib"))
    target = next(root.glob("lib/python*/site-packages"))
    for item in own.iterdir():
        ours = item.name.lower().lstrip("_").startswith(("wkplug", "editable_"))
        if not ours and item.suffix != ".pth" and item.name != "__pycache__":
            (target / item.name).symlink_to(item)
    folder.mkdir()
    return Environment(root=root, folder=folder, wheels=wheels)


@pytest.fixture(scope="module")
def installed(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the core and all bundled plugins."""
    base = tmp_path_factory.mktemp("installed")
    environment = make_environment(base / "venv", wheels, folder=base / "work")
    names = [name for name in names_in(wheels) if name != "wkplug-npy"]
    environment.pip("install", "--no-deps", *names)
    return environment


@pytest.fixture(scope="module")
def empty(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with nothing of this tree."""
    base = tmp_path_factory.mktemp("empty")
    return make_environment(base / "venv", wheels, folder=base / "work")


def names_in(wheels: Path) -> list[str]:
    """The names of the distributions that there are wheels of."""
    return sorted(path.name.partition("-")[0].replace("_", "-") for path in wheels.glob("*.whl"))
