"""What `wkplug info` tells, as values: layers, mags, marks, sizes, notes, and what can't be opened."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

import wkplug as wk
from wkplug import storage
from wkplug.ops.info import describe

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def dataset(tmp_path: Path) -> wk.Dataset:
    made = wk.Dataset(tmp_path / "ds", voxel_size=(4, 4, 40))
    layer = made.add_layer("em", "color", bounding_box=wk.BoundingBox((1, 2, 3), (40, 50, 60)))
    layer.add_mag(1, shard_shape=64).write(np.ones((40, 50, 60), "uint8"), absolute_offset=(1, 2, 3))
    layer.downsample(coarsest_mag=2)
    return made


def test_layers_and_mags_are_described(dataset: wk.Dataset) -> None:
    report = describe(dataset.state)
    assert (report.name, report.voxel_size, report.path) == ("ds", (4, 4, 40), str(dataset.path))
    (layer,) = report.layers
    assert (layer.name, layer.category, layer.dtype, layer.num_channels) == ("em", "color", "uint8", 1)
    assert layer.bounding_box == wk.BoundingBox((1, 2, 3), (40, 50, 60))
    assert layer.box_text == "(1, 2, 3) + (40, 50, 60)"
    finest = layer.mags[0]
    assert (finest.mag, finest.shape, finest.chunk_shape) == ("1", (1, 64, 64, 64), (1, 32, 32, 32))
    assert finest.mark is None
    assert finest.problem is None
    files = [file for file in (dataset.path / "em" / "1").rglob("*") if file.is_file()]
    assert finest.size == sum(file.stat().st_size for file in files)
    assert report.size >= finest.size
    assert json.loads(json.dumps(report.to_json()))["layers"][0]["mags"][0]["mag"] == "1"


def test_sizes_may_be_left_out(dataset: wk.Dataset) -> None:
    assert describe(dataset.state, sizes=False).layers[0].mags[0].size is None


def test_marks_are_shown_of_listed_and_of_unlisted_mags(dataset: wk.Dataset) -> None:
    layer = dataset.get_layer("em")
    storage.set_mark(layer.location.child("1"), storage.Mark(job="rewrite em"))
    storage.set_mark(layer.location.child("8-8-1"), storage.Mark(job="downsample em"))
    mags = {mag.mag: mag for mag in describe(dataset.state).layers[0].mags}
    assert "rewrite em, started" in str(mags["1"].mark)
    assert mags["1"].listed
    assert "downsample em" in str(mags["8-8-1"].mark)
    assert not mags["8-8-1"].listed


def test_what_can_not_be_opened_is_reported_and_the_rest_is_too(dataset: wk.Dataset) -> None:
    shutil.rmtree(dataset.path / "em" / "1")
    first, second = describe(wk.Dataset.open(dataset.path).state).layers[0].mags
    assert first.problem is not None
    assert second.problem is None


def test_layers_that_other_tools_do_not_see_are_noted(tmp_path: Path) -> None:
    made = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    box = wk.NDBoundingBox((0, 0, 0, 0, 0, 0), (2, 2, 1, 9, 8, 7), ("q", "v", "c", "x", "y", "z"))
    made.add_layer("odd", "color", bounding_box=box, data_format="zarr3").add_mag(1)
    assert describe(made.state).layers[0].notes


def test_mags_that_do_not_fit_or_are_not_listed_are_problems(dataset: wk.Dataset) -> None:
    layer = next(layer for layer in dataset.layers.values() if layer.mags)
    name = layer.name
    shutil.copytree(layer.path / "1", layer.path / "4-4-2")
    (layer.path / "8").mkdir()
    file = dataset.path / "datasource-properties.json"
    document = json.loads(file.read_text())
    (stored,) = (each for each in document["dataLayers"] if each["name"] == name)
    stored["elementClass"] = "float"
    file.write_text(json.dumps(document))
    (report,) = (each for each in describe(wk.Dataset.open(dataset.path).state).layers if each.name == name)
    listed, *others = report.mags
    assert listed.shape is not None
    assert "doesn't fit the layer" in str(listed.problem)
    (unknown,) = (mag for mag in others if not mag.listed)
    assert (unknown.mag, unknown.mark) == ("4-4-2", None)
    assert "the properties don't list it" in str(unknown.problem)
