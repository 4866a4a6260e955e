"""A hub that is killed while something is uploaded loses nothing that it has acknowledged."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from http.client import HTTPException
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

import numpy as np
import pytest
from wkplug_server.hub.hub import Hub

import wkplug as wk

from .test_hub import Answer, Client, voxels

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.faults

KILLS = 8
UPLOADS = 5


class Mortal:
    """A hub in a process of its own, that is killed again and again and started anew."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._random, self.kills = folder, random.Random(seed), 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def _start(self) -> None:
        command = [str(Path(sys.executable).with_name("wkplug")), "serve", "--hub", str(self._folder)]
        self._process = subprocess.Popen(
            [*command, "--port", str(self.port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Ask until there is an answer, with kills between questions and within them."""
        while True:
            if self._process is None:
                self._start()
            killer = Timer(self._random.uniform(0, 0.02), self._process.kill)  # type: ignore[union-attr]
            if self.kills < KILLS and self._random.random() < 0.3:
                self.kills += 1
                killer.start()
            try:
                answer = question()
            except (OSError, EOFError, HTTPException):
                answer = None
            if killer.ident:
                killer.join()
            if killer.ident or answer is None:
                self.kill()
            if answer is not None:
                return answer


@pytest.mark.parametrize("seed", range(2))
def test_uploads_survive_kills(tmp_path: Path, seed: int) -> None:
    dataset = wk.Dataset(tmp_path / "tiny", voxel_size=(4, 4, 40))
    layer = dataset.add_layer(
        "em", "color", dtype="uint8", bounding_box=wk.BoundingBox((0, 0, 0), (32, 32, 32))
    )
    layer.add_mag(1).write(np.arange(32**3, dtype=np.uint8).reshape(1, 32, 32, 32))
    files = {
        path.relative_to(dataset.path).as_posix(): path.read_bytes()
        for path in dataset.path.rglob("*")
        if path.is_file()
    }
    with Hub(tmp_path / "hub") as hub:
        token = hub.users()[0]["token"]
    mortal = Mortal(tmp_path / "hub", seed)
    client = Client(mortal.port, token)
    try:
        for number in range(UPLOADS):
            key = f"u{number}"
            assert mortal.ask(lambda key=key: client.reserve(key, "tiny", files)).status == 200  # type: ignore[misc]
            for path, data in files.items():
                half = max(len(data) // 2, 1)
                for part in (1, 2):
                    piece = data[:half] if part == 1 else data[half:]
                    sent = mortal.ask(
                        lambda key=key, path=path, piece=piece, part=part, half=half: client.send(  # type: ignore[misc]
                            key, path, piece, part, 2, chunk=half
                        )
                    )
                    assert sent.status == 200, sent.body
            # An end whose answer was lost is known by the dataset that is there.
            answer = mortal.ask(lambda key=key: client.finish(key))  # type: ignore[misc]
            assert answer.status == 200 or "There is no upload" in answer.told
        found = mortal.ask(lambda: client.ask("GET", "/api/v16/datasets?isActive=true")).json
        assert len(found) == UPLOADS
        assert {voxels(client, each["id"]) for each in found} == {
            np.arange(32**3, dtype=np.uint8).reshape(32, 32, 32).tobytes(order="F")
        }
    finally:
        mortal.kill()
    assert mortal.kills == KILLS
    with Hub(tmp_path / "hub") as hub:
        assert hub.database.rows("SELECT 1 FROM uploads") == []
        assert len(list(hub.datasets.folder.iterdir())) == UPLOADS
        assert list((tmp_path / "hub" / "uploads").iterdir()) == []
