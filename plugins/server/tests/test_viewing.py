"""`dataset.view()` and `layer.view()`."""

from __future__ import annotations

import json
import sys
import webbrowser
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

import wkplug as wk
from wkplug import registry

from .conftest import get

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The links that a browser was asked to open."""
    links: list[str] = []
    monkeypatch.setattr(webbrowser, "get", lambda: None)
    monkeypatch.setattr(webbrowser, "open", links.append)
    return links


def state(shown: Any) -> dict[str, Any]:
    """What the viewer's client is told."""
    parts = urlsplit(shown.url.replace("/v/", "/events/").rstrip("/"))
    connection = HTTPConnection(parts.netloc, timeout=30)
    connection.request("GET", f"{parts.path}?c=me&gs=&gc=")
    line = connection.getresponse().readline()
    connection.close()
    return dict(json.loads(line.removeprefix(b"data: "))["s"])


def test_a_dataset_is_shown(dataset: wk.Dataset, opened: list[str]) -> None:
    shown = dataset.view()
    assert opened == [shown.url]
    assert get(shown.url)
    assert [layer["name"] for layer in state(shown)["layers"]] == list(dataset.layers)
    assert repr(shown) == f"<brain at {shown.url}>"


def test_layers_are_shown_alone(tmp_path: Path, dataset: wk.Dataset, opened: list[str]) -> None:
    assert [layer["name"] for layer in state(dataset.get_layer("cells").view())["layers"]] == ["cells"]
    shown = dataset.view(layers=["em", "rgb"], browser=False)
    assert [layer["name"] for layer in state(shown)["layers"]] == ["em", "rgb"]
    assert len(opened) == 1
    with pytest.raises(wk.LayerNotFoundError):
        dataset.view(layers=["none"])


def test_names_with_signs_are_shown(tmp_path: Path, opened: list[str]) -> None:
    dataset = wk.Dataset(tmp_path / "odd", voxel_size=(1, 1, 1))
    for name in ("a,b", "c d+e%2C", "ü"):
        layer = dataset.add_layer("plain", "color", bounding_box=wk.BoundingBox((0, 0, 0), (8, 8, 8)))
        layer.add_mag(1)
        try:
            layer.name = name
        except wk.LayerNameError:
            dataset.delete_layer("plain")
            continue
        (shown,) = state(layer.view())["layers"]
        assert shown["name"] == name
        info = shown["source"].removeprefix("precomputed://") + "/info"
        assert json.loads(get(info))["type"] == "image"


def test_in_a_notebook_it_is_a_frame(
    dataset: wk.Dataset, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    shown = dataset.view()
    assert opened == []
    assert f'<iframe src="{shown.url}"' in shown._repr_html_()


def test_machines_without_a_browser_are_no_failure(
    dataset: wk.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing() -> None:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", nothing)
    assert get(dataset.view(browser=True).url)


def test_without_a_viewer_the_error_says_what_to_install(dataset: wk.Dataset) -> None:
    with (
        registry.use_manager(registry.Manager(paths=[])),
        pytest.raises(wk.PluginMissingError, match="pip install wkplug-server"),
    ):
        dataset.view()
