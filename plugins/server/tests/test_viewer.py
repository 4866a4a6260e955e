"""The state in which a dataset is shown, and the client's files."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from wkplug_server.catalogue import Catalogue
from wkplug_server.viewer import client_file, state_of

import wkplug as wk

from .conftest import TOKEN, get

if TYPE_CHECKING:
    from pathlib import Path

    from wkplug_server.running import RunningServer

BASE = "http://h:1"


def state(dataset: wk.Dataset, *layers: str) -> dict[str, Any]:
    return state_of(Catalogue([(dataset, "a")]).add(dataset, "a"), BASE, layers=layers)


def test_a_dataset_is_shown_as_it_lies(dataset: wk.Dataset) -> None:
    found = state(dataset)
    assert found["dimensions"] == {"x": [4e-9, "m"], "y": [4e-9, "m"], "z": [4e-8, "m"]}
    assert found["position"] == [75.5, 65.5, 25.5]
    assert found["layout"] == "4panel"
    kinds = {layer["name"]: layer["type"] for layer in found["layers"]}
    assert kinds["cells"] == kinds["small_ids"] == "segmentation"
    assert kinds["em"] == "image"
    assert [layer["name"] for layer in state(dataset, "rgb")["layers"]] == ["rgb"]


def test_the_view_configuration_is_followed(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "a", voxel_size=(1, 1, 1))
    dataset.default_view_configuration = wk.DatasetViewConfiguration(position=(3, 4, 0))
    box = wk.BoundingBox((0, 0, 0), (40, 30, 1))
    layer = dataset.add_layer("l", "color", dtype="uint16", bounding_box=box)
    layer.add_mag(1).write(np.arange(1200, dtype=np.uint16).reshape(1, 40, 30, 1))
    layer.default_view_configuration = wk.LayerViewConfiguration(
        color=(0, 255, 16), alpha=40, intensity_range=(100, 900), is_inverted=True, is_disabled=True
    )
    labels = dataset.add_layer("s", "segmentation", dtype="uint32", bounding_box=box)
    labels.add_mag(1)
    labels.default_view_configuration = wk.LayerViewConfiguration(alpha=60)
    found = state(dataset)
    assert found["position"] == [3.5, 4.5, 0.5]
    assert found["layout"] == "xy"
    image, segments = found["layers"]
    assert image["source"] == f"precomputed://{BASE}/precomputed/{Catalogue().add(dataset, '').id}/l"
    assert image["shaderControls"] == {"normalized": {"range": [900.0, 100.0]}, "color": "#00ff10"}
    assert (image["opacity"], image["visible"], image["blend"]) == (0.4, False, "additive")
    assert (segments["selectedAlpha"], segments["notSelectedAlpha"]) == (0.6, 0.3)


def test_contrast_is_found_where_nobody_set_it(dataset: wk.Dataset) -> None:
    ranges = {
        layer["name"]: layer["shaderControls"]["normalized"]["range"]
        for layer in state(dataset)["layers"]
        if layer["type"] == "image"
    }
    assert ranges["em"] == [0, 255]
    low, high = ranges["signed"]
    assert -32768 <= low < -32000
    assert 32000 < high <= 32767


def test_an_empty_layer_has_a_contrast(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "a", voxel_size=(1, 1, 1))
    layer = dataset.add_layer("l", "color", dtype="uint16", bounding_box=wk.BoundingBox((0, 0, 0), (8, 8, 8)))
    layer.add_mag(1)
    low, high = state(dataset)["layers"][0]["shaderControls"]["normalized"]["range"]
    assert low < high


def test_a_dataset_without_layers_has_a_state(tmp_path: Path) -> None:
    assert state(wk.Dataset(tmp_path / "a", voxel_size=(1, 1, 1)))["layers"] == []


def test_the_clients_files_are_served(server: RunningServer, dataset_id: str) -> None:
    page = get(server.view_url(dataset_id)).decode()
    assert "neuroglancer" in page
    script = page.split('src="')[1].split('"')[0]
    assert get(server.view_url(dataset_id) + script) == client_file(script)[0].read_bytes()
    with pytest.raises(wk.errors.MissingError):
        client_file("../__init__.py")


def test_the_client_is_told_its_state_once(server: RunningServer, dataset_id: str) -> None:
    def events(known: str) -> bytes:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("GET", f"/t/{TOKEN}/events/{dataset_id}?c=me&gs={known}&gc=")
        answer = connection.getresponse()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        line = answer.readline() if not known else b""
        connection.close()
        return line

    told = json.loads(events("").removeprefix(b"data: "))
    assert told["k"] == "s"
    assert told["s"]["layers"][0]["source"].startswith(f"precomputed://{server.url}/")
    # Who comes back after a lost connection keeps what is on the screen.
    assert events("me/3") == b""


def test_the_client_may_tell_what_it_shows(server: RunningServer, dataset_id: str) -> None:
    from urllib.request import Request, urlopen

    body = json.dumps({"c": "me", "g": 7, "s": {}}).encode()
    with urlopen(Request(f"{server.url}/state/{dataset_id}", data=body), timeout=30) as answer:
        assert json.loads(answer.read()) == {"g": "me/7"}
