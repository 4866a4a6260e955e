"""Puts fake distributions on `sys.path`, and keeps the tester's own configuration out."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wkplug import config
from wkplug.filesystems.local import LocalLocation
from wkplug.registry import Manager, use_manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAKES = Path(__file__).parent.parent / "fakes"


@pytest.fixture(autouse=True)
def plain_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for variable in [name for name in os.environ if name.startswith(("WKPLUG_", "WK_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    config.reload()
    yield
    monkeypatch.undo()
    config.reload()


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Manager]]:
    """Install fakes by name, and use a manager that sees nothing else; keywords are settings."""
    contexts: list[Any] = []

    def install(*names: str, **overrides: Any) -> Manager:
        folders = [str(FAKES / name) for name in names]
        for folder in reversed(folders):
            monkeypatch.syspath_prepend(folder)
        settings = config.settings(**overrides)
        contexts.append(settings)
        manager = use_manager(Manager(settings.__enter__(), paths=folders))
        contexts.append(manager)
        return manager.__enter__()

    yield install
    for context in reversed(contexts):
        context.__exit__(None, None, None)
    for module in [name for name in sys.modules if name.startswith(("wkplug_", "broken_tiff"))]:
        if str(FAKES) in (getattr(sys.modules[module], "__file__", None) or ""):
            del sys.modules[module]


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., LocalLocation]:
    """Make a folder with files in it, and give its location."""

    def make(name: str = "array", *files: str) -> LocalLocation:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        for file in files:
            (folder / file).write_text("{}")
        return LocalLocation(str(folder))

    return make


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Distributions that the catalogue knows and this environment lacks."""
    from wkplug.registry.missing import known

    monkeypatch.setitem(known(), "wkplug-czi", {"plugin": "czi", "suffixes": [".czi"]})
    monkeypatch.setitem(known(), "wkplug-remote", {"plugin": "remote", "schemes": ["webknossos"]})
