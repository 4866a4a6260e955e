"""A dataset with all kinds of layers, and `wkplug serve` in front of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
import pytest
from wkplug_remote import transport
from wkplug_server.catalogue import Catalogue
from wkplug_server.running import RunningServer

import wkplug as wk
from tests.servers.webknossos_hub import ADMIN, Hub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "a-token_that-nobody-guesses"


@attrs.frozen
class Served:
    """A running server: its address, its token, what it shares, and the requests that were sent by this process."""

    url: str
    token: str
    dataset: wk.Dataset
    id: str


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variables, no file .env and no begun uploads of whoever runs the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("WK_URL", "WK_TOKEN", "WK_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def brain(tmp_path_factory: pytest.TempPathFactory) -> wk.Dataset:
    """Colours with an offset and a partial voxel at the end of the coarse mags, RGB, and segments of other formats."""
    dataset = wk.Dataset(tmp_path_factory.mktemp("served") / "brain", (4, 4, 40))
    rng = np.random.default_rng(5)
    color = rng.integers(1, 255, (70, 41, 33), np.uint8)
    dataset.write_layer("color", "color", color, absolute_offset=(10, 20, 30))
    dataset.write_layer("rgb", "color", rng.integers(1, 255, (3, 40, 35, 9), np.uint8), downsample=False)
    segments = rng.integers(0, 2**40, (40, 33, 20), np.uint64)
    dataset.write_layer("segments", "segmentation", segments, data_format="wkw", downsample=False)
    return dataset


@pytest.fixture(scope="session")
def served(brain: wk.Dataset) -> Iterator[Served]:
    """The dataset behind `wkplug serve`."""
    catalogue = Catalogue([(brain, "brain")])
    with RunningServer(catalogue, token=TOKEN) as server:
        yield Served(server.url.partition("/t/")[0], TOKEN, brain, next(iter(catalogue)).id)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests that this process sends, as "GET /path"."""
    sent: list[str] = []
    original = transport.Server.send

    def send(self: transport.Server, method: str, url: str, *args: object, **further: object) -> object:
        sent.append(f"{method} /{url.split('/', 3)[3]}")
        return original(self, method, url, *args, **further)  # type: ignore[arg-type]  # handed on as they come

    monkeypatch.setattr(transport.Server, "send", send)
    return sent


@pytest.fixture(scope="session")
def running_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with Hub(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture
def hub(running_hub: Hub) -> Iterator[Hub]:
    """A server that takes uploads, within the context of an administrator; empty."""
    running_hub.reset()
    with wk.webknossos_context(running_hub.url, ADMIN):
        yield running_hub
