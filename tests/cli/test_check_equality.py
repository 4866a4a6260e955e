"""`wkplug check-equality`: equal or not, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

import wkplug as wk
from wkplug.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[wk.Dataset, wk.Dataset]:
    first = wk.Dataset(tmp_path / "a", voxel_size=(1, 1, 1))
    data = np.random.default_rng(1).integers(1, 9, (40, 30, 20)).astype("uint8")
    first.write_layer("color", "color", data, data_format="wkw")
    return first, first.copy_dataset(tmp_path / "b", data_format="zarr3")


def check(pair: tuple[wk.Dataset, wk.Dataset], *options: str) -> int:
    return main(["check-equality", *(str(dataset.path) for dataset in pair), *options])


def test_formats_make_no_difference(
    pair: tuple[wk.Dataset, wk.Dataset], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(pair) == 0
    assert "are equal" in capsys.readouterr().out


def test_each_difference_is_named(
    pair: tuple[wk.Dataset, wk.Dataset], capsys: pytest.CaptureFixture[str]
) -> None:
    layer = pair[1].get_layer("color")
    layer.get_mag(1).write(np.zeros((40, 30, 20), "uint8"))
    assert check(pair) == 1
    assert "The datasets are not equal: the voxels of 'color' differ in the mag 1" in capsys.readouterr().out
    layer.delete_mag(2)
    layer.bounding_box = wk.BoundingBox((0, 0, 0), (41, 30, 20))
    assert check(pair) == 1
    text = capsys.readouterr().out
    assert "the mags of 'color' differ" in text
    assert "the bounding boxes of 'color' differ" in text


def test_layers_that_one_of_them_lacks(
    pair: tuple[wk.Dataset, wk.Dataset], capsys: pytest.CaptureFixture[str]
) -> None:
    pair[1].add_layer("more", "color")
    assert check(pair) == 1
    assert "have different layers" in capsys.readouterr().err
    assert check(pair, "--json") == 1
    facts = json.loads(capsys.readouterr().out)
    assert (facts["equal"], facts["differences"]) == (
        False, ["The datasets have different layers: color and color, more."],
    )  # fmt: skip
    assert check(pair, "--layer-name", "color") == 0
    assert check(pair, "--layer-name", "more") == 1
    assert main(["check-equality"]) == 2
