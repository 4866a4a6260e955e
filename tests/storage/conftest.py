"""A storage plugin installed as real ones are, for the tests of storage alone and for their processes."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wkplug.registry import Manager, use_manager

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that holds the toy plugin with its entry point, also on sys.path."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(Path(__file__).with_name("toyplugin.py"), folder)
    facts = folder / "toy-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[wkplug.v1]\ntoy = toyplugin\n")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture
def toys(toy_folder: Path) -> Iterator[None]:
    """Let the registry see the toy plugin and the core's own, and nothing else."""
    with use_manager(Manager(paths=[str(toy_folder)])):
        yield
