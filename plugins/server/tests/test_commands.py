"""`wkplug serve` and `wkplug view` as processes: what they print, show, and leave behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from PIL import Image

from .conftest import get, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    import wkplug as wk


class Command(NamedTuple):
    process: subprocess.Popen[str]
    links: list[str]
    told: str


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Command]:
    """A command that serves, up to its "Stop with Ctrl-C."; ended by its id."""
    environment = {**os.environ, "TMPDIR": str(folder), "COLUMNS": "500"}
    command = [str(Path(sys.executable).with_name("wkplug")), *arguments]
    with (
        (folder / "told").open("w+") as told,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True, env=environment) as process,
    ):
        try:
            deadline = time.monotonic() + 60
            while "Ctrl-C" not in (folder / "told").read_text():
                assert process.poll() is None, (folder / "told").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert process.stdout is not None
            os.set_blocking(process.stdout.fileno(), False)
            yield Command(process, process.stdout.read().split(), (folder / "told").read_text())
        finally:
            process.terminate()
            process.wait(30)


def failing(*arguments: str) -> str:
    command = [str(Path(sys.executable).with_name("wkplug")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    return done.stderr


def test_view_shows_an_image_and_leaves_nothing_behind(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (30, 40), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "scan.tif")
    with running(tmp_path, "view", str(tmp_path / "scan.tif"), "--no-browser") as command:
        assert (
            "scan.tif is copied to a temporary dataset first; wkplug convert makes one that stays."
            in command.told
        )
        assert "doesn't say how large its voxels are: they are shown as if it were 1 nm." in command.told
        (link,) = command.links
        base, _, key = link.rstrip("/").rpartition("/v/")
        assert get(link)
        shown = get(f"{base}/precomputed/{key}/scan/1-1-1/0-40_0-30_0-1")
        assert np.array_equal(np.frombuffer(shown, np.uint8).reshape(30, 40), pixels)
        assert any(path.name.startswith("wkplug-view-") for path in tmp_path.iterdir())
        command.process.send_signal(signal.SIGTERM)
        assert command.process.wait(30) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"scan.tif", "told"}


def test_serve_wants_a_token_that_it_makes_up(tmp_path: Path, dataset: wk.Dataset) -> None:
    with running(tmp_path, "serve", str(dataset.path), "--port", "0") as command:
        (link,) = command.links
        assert json.loads(get(f"{link}api/datasets"))[0]["name"] == "brain"
        server, _, token = link.rstrip("/").rpartition("/t/")
        assert len(token) > 16
        assert refused(f"{server}/api/datasets").code == 401
        assert f"brain: {link}v/" in command.told
        command.process.send_signal(signal.SIGINT)
        assert command.process.wait(30) == 0


def test_serve_lets_anybody_in_if_told_so(tmp_path: Path, dataset: wk.Dataset) -> None:
    with running(tmp_path, "serve", str(dataset.path), "--port", "0", "--public") as command:
        assert "/t/" not in command.links[0]
        assert get(f"{command.links[0]}api/datasets")


def test_other_containers_are_shown_where_they_are(tmp_path: Path, dataset: wk.Dataset) -> None:
    volume = tmp_path / "em.precomputed"
    dataset.get_layer("em").export(volume)
    with running(tmp_path, "serve", str(volume), "--port", "0", "--public") as command:
        key = json.loads(get(f"{command.links[0]}api/datasets"))[0]["id"]
        layers = json.loads(get(f"{command.links[0]}api/datasets/{key}"))["dataSource"]["dataLayers"]
        assert [layer["elementClass"] for layer in layers] == ["uint8"]
        assert "copied" not in command.told


@pytest.mark.parametrize("command", ["serve", "view"])
def test_what_isnt_there_is_told(tmp_path: Path, command: str) -> None:
    assert "There is nothing at" in failing(command, str(tmp_path / "none"))
    (tmp_path / "notes.txt").write_text("nothing to see")
    assert "notes.txt" in failing(command, str(tmp_path / "notes.txt"))
    assert "PLACE..." in failing(command).splitlines()[-1]


def test_a_token_and_everybody_exclude_each_other(dataset: wk.Dataset) -> None:
    told = failing("serve", str(dataset.path), "--public", "--token", "a")
    assert "--public lets anybody in, --token only those who know it: give one of them." in told


def test_what_is_too_large_for_a_copy_is_told(tmp_path: Path) -> None:
    with (tmp_path / "large.tif").open("wb") as file:
        file.truncate(5 << 30)  # takes no space
    told = failing("view", str(tmp_path / "large.tif"))
    assert "has 5.4 GB, which would have to be copied before they can be shown." in " ".join(told.split())
    assert "wkplug convert" in told
