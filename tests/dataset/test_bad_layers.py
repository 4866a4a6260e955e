"""Datasets with a layer that the properties file describes wrongly: the rest is as usable as ever."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

import wkplug as wk
from wkplug.cli.main import cli
from wkplug.errors import PropertiesError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    dataset = wk.Dataset(tmp_path / "d", (1, 1, 1))
    for name, category in (("a", "color"), ("bad", "color"), ("seg", "segmentation")):
        layer = dataset.add_layer(
            name, category, dtype="uint8", bounding_box=wk.BoundingBox((0, 0, 0), (32, 32, 32))
        )
        layer.add_mag(1).write(np.full((32, 32, 32), 5, "uint8"))
    file = tmp_path / "d" / "datasource-properties.json"
    raw = json.loads(file.read_text())
    raw["dataLayers"][1]["coordinateTransformations"] = [{"type": "rigid"}]
    file.write_text(json.dumps(raw))
    return tmp_path / "d"


def _stored(path: Path) -> Any:
    return json.loads((path / "datasource-properties.json").read_text())["dataLayers"]


def test_the_rest_of_a_dataset_with_a_bad_layer_works(path: Path) -> None:
    before = _stored(path)[1]
    dataset = wk.Dataset.open(path)
    assert list(dataset.layers) == ["a", "bad", "seg"]
    assert "bad" in dataset.layers
    assert dataset.layers.get("nothing") is None
    assert dataset.get_layer("a").get_mag(1).read().all()
    dataset.get_layer("a").downsample(align_with_other_layers=False)
    dataset.get_layer("seg").as_segmentation_layer().refresh_largest_segment_id()
    dataset.add_layer("new", "color")
    dataset.delete_layer("a")
    assert _stored(path)[0] == before
    assert [layer["name"] for layer in _stored(path)] == ["bad", "seg", "new"]
    assert [layer.name for layer in dataset.get_segmentation_layers()] == ["seg"]


def test_a_bad_layer_raises_when_it_is_asked_for(path: Path) -> None:
    dataset = wk.Dataset.open(path)
    calls = [
        lambda: dataset.get_layer("bad"),
        lambda: dataset.layers["bad"],
        lambda: dataset.layers.get("bad"),
        lambda: list(dataset.layers.values()),
        dataset.get_color_layers,
        dataset.calculate_bounding_box,
        lambda: dataset.copy_dataset(path.parent / "copy"),
        lambda: dataset.shallow_copy_dataset(path.parent / "copy"),
    ]
    for call in calls:
        with pytest.raises(PropertiesError, match=r"dataLayers\[1\].coordinateTransformations"):
            call()
    assert not (path.parent / "copy").exists()
    copied = dataset.copy_dataset(path.parent / "copy", layers_to_ignore=["bad"])
    assert list(copied.layers) == ["a", "seg"]


def test_info_shows_a_bad_layer(path: Path) -> None:
    done = CliRunner().invoke(cli, ["info", str(path)])
    assert done.exit_code == 0
    assert "bad   PROBLEM: " in done.output
    assert "dataLayers[1].coordinateTransformations" in done.output
    report = json.loads(CliRunner().invoke(cli, ["info", str(path), "--json"]).output)
    assert [layer["problem"] is None for layer in report["layers"]] == [True, False, True]
