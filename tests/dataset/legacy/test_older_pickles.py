"""Pickles of an earlier release, when views kept their facts themselves, give the objects of today."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk

if TYPE_CHECKING:
    from collections.abc import Callable

VOXELS = np.arange(1, 65, dtype="uint8").reshape(1, 4, 4, 4)


@pytest.fixture
def again(tmp_path: Path) -> Callable[[str], Any]:
    """Make the dataset that was pickled, and give what loads one of its objects."""
    dataset = wk.Dataset(tmp_path / "d", voxel_size=(4, 4, 4))
    box = wk.BoundingBox((0, 0, 0), (4, 4, 4))
    layer = dataset.add_layer("em", "color", dtype="uint8", data_format="wkw", bounding_box=box)
    layer.add_mag(1).write(VOXELS)
    dataset.add_layer("seg", "segmentation", dtype="uint32", bounding_box=box, largest_segment_id=9)
    texts = json.loads((Path(__file__).parent / "older_pickles.json").read_text())
    return lambda name: pickle.loads(texts[name].replace("PLACE", str(tmp_path / "d")).encode())


def test_older_pickles_of_datasets_and_layers_load(again: Callable[[str], Any]) -> None:
    dataset = again("dataset")
    assert (type(dataset), dataset.read_only, list(dataset.layers)) == (wk.Dataset, True, ["em", "seg"])
    assert (type(again("layer")), again("layer").read_only) == (wk.Layer, False)
    assert list(again("attachments")) == []


def test_older_pickles_of_mags_and_views_load(again: Callable[[str], Any]) -> None:
    mag, view, voxels = again("mag"), again("view"), again("voxels")
    assert np.array_equal(mag.read(), VOXELS)
    mag.write(VOXELS + 1)
    assert view.read_only
    assert view.bounding_box == wk.BoundingBox((1, 0, 0), (2, 2, 2))
    assert np.array_equal(view.read(), VOXELS[:, 1:3, :2, :2] + 1)
    assert np.array_equal(voxels, VOXELS[:, 1:3] + 1)


def test_pickles_of_today_give_the_same_views(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "d", voxel_size=(4, 4, 4))
    mag = dataset.write_layer("em", "color", VOXELS, downsample=False).get_mag(1)
    for view in (mag, mag.get_view(absolute_offset=(1, 0, 0), size=(2, 2, 2), read_only=True)):
        same = pickle.loads(pickle.dumps(view))
        assert (type(same), same.read_only, same.bounding_box) == (
            type(view),
            view.read_only,
            view.bounding_box,
        )
        assert np.array_equal(same.read(), view.read())
