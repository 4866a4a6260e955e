"""Servers on this machine: they answer as each test says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.scripted import ScriptedServer, serve_script

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def script() -> Iterator[ScriptedServer]:
    """A server that answers as `script.reply` says."""
    with serve_script() as server:
        yield server


@pytest.fixture
def other() -> Iterator[ScriptedServer]:
    """Another one, on another port."""
    with serve_script() as server:
        yield server


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach servers on this machine directly."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
