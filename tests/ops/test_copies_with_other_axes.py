"""Layers of any order of axes are copied into formats that have one of their own."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk

if TYPE_CHECKING:
    from pathlib import Path

LENGTHS = {"c": 3, "x": 40, "y": 33, "z": 20}


def _source(path: Path, axes: tuple[str, ...]) -> tuple[wk.Layer, np.ndarray[Any, Any]]:
    shape = tuple(LENGTHS[axis] for axis in axes)
    voxels = np.random.default_rng(1).integers(1, 250, shape, dtype="uint8")
    order = {axis: index for index, axis in enumerate(axes)}
    box = wk.NDBoundingBox((0,) * len(axes), shape, axes=axes, index=list(range(len(axes))))
    dataset = wk.Dataset(path, (1, 1, 1))
    channels = 3 if "c" in axes else 1
    layer = dataset.add_layer("em", "color", dtype="uint8", num_channels=channels, bounding_box=box)
    layer.add_mag(1).write(voxels, allow_unaligned=True)
    assert tuple(sorted(order, key=order.__getitem__)) == axes
    expected = voxels if "c" in axes else voxels[None]
    names = axes if "c" in axes else ("c", *axes)
    return layer, expected.transpose([names.index(axis) for axis in "cxyz"])


@pytest.mark.parametrize(
    "axes",
    [*itertools.permutations("xyz"), ("z", "y", "x", "c"), ("x", "y", "z", "c"), ("z", "c", "y", "x")],
    ids="".join,
)
def test_axes_are_turned_in_copies_to_wkw(tmp_path: Path, axes: tuple[str, ...]) -> None:
    layer, expected = _source(tmp_path / "d", axes)
    copied = layer.dataset.copy_dataset(tmp_path / "copy", data_format="wkw").get_layer("em")
    assert np.array_equal(copied.get_mag(1).read(), expected)
    assert copied.bounding_box == wk.BoundingBox((0, 0, 0), (40, 33, 20))
    raw = json.loads((tmp_path / "copy" / "datasource-properties.json").read_text())["dataLayers"][0]
    assert raw["mags"][0].get("axisOrder", {"c": 0, "x": 1, "y": 2, "z": 3}) == {
        "c": 0,
        "x": 1,
        "y": 2,
        "z": 3,
    }
    again = layer.dataset.copy_dataset(tmp_path / "copy", data_format="wkw", exists_ok=True).get_layer("em")
    assert np.array_equal(again.get_mag(1).read(), expected)
    copied.downsample()
    assert len(copied.mags) > 1


def test_axes_that_wkw_has_not_are_refused(tmp_path: Path) -> None:
    box = wk.NDBoundingBox((0, 0, 0, 0), (2, 8, 8, 8), axes=("t", "x", "y", "z"), index=(0, 1, 2, 3))
    layer = wk.Dataset(tmp_path / "d", (1, 1, 1)).add_layer("em", "color", bounding_box=box)
    layer.add_mag(1)
    with pytest.raises(ValueError, match="c, x, y, z"):
        layer.dataset.copy_dataset(tmp_path / "copy", data_format="wkw")
