"""The field's other readers see the same voxels, at the right physical place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk

if TYPE_CHECKING:
    from pathlib import Path

VOXEL_SIZE = (10.0, 10.0, 25.0)


@pytest.fixture(params=["zarr", "zarr3"])
def layer(request: pytest.FixtureRequest, tmp_path: Path) -> wk.Layer:
    dataset = wk.Dataset(tmp_path / "d", voxel_size=VOXEL_SIZE)
    layer = dataset.add_layer(
        "image",
        "color",
        dtype="uint16",
        data_format=request.param,
        bounding_box=wk.BoundingBox((8, 16, 0), (120, 100, 40)),
    )
    data = np.random.default_rng(0).integers(0, 4000, (120, 100, 40)).astype("u2")
    layer.add_mag(1, shard_shape=32 if request.param == "zarr" else 64).write(data)
    layer.downsample(coarsest_mag=4)
    return layer


def whole(view: wk.MagView) -> np.ndarray:
    """All voxels from index 0 of the array on: what lies before the layer's box is part of the array."""
    size = view.layer.bounding_box.align_with_mag(view.mag, ceil=True).bottomright
    return view.read(absolute_offset=(0, 0, 0), size=size)


def cut(array: np.ndarray, view: wk.MagView) -> np.ndarray:
    """Arrays are rounded up to shards; beyond the layer's box there is nothing."""
    return array[tuple(slice(length) for length in whole(view).shape)]


def test_zarr_python_sees_the_same_voxels(layer: wk.Layer) -> None:
    zarr = pytest.importorskip("zarr")
    for view in layer.mags.values():
        array: Any = zarr.open_array(view.path, mode="r")
        assert np.array_equal(cut(array[...], view), whole(view))


def test_tensorstore_sees_the_same_voxels(layer: wk.Layer) -> None:
    tensorstore = pytest.importorskip("tensorstore")
    driver = {"zarr": "zarr", "zarr3": "zarr3"}[str(layer.data_format)]
    for view in layer.mags.values():
        spec = {"driver": driver, "kvstore": {"driver": "file", "path": f"{view.path}/"}}
        array = tensorstore.open(spec).result().read().result()
        assert np.array_equal(cut(array, view), whole(view))


def test_ome_zarr_sees_the_same_voxels_at_the_right_place(layer: wk.Layer) -> None:
    reader = pytest.importorskip("ome_zarr.reader")
    io = pytest.importorskip("ome_zarr.io")
    node = next(iter(reader.Reader(io.parse_url(str(layer.path), mode="r"))()))
    levels = node.data
    transformations = node.metadata["coordinateTransformations"]
    assert len(levels) == len(layer.mags) == len(transformations)
    for view, level, transformation in zip(layer.mags.values(), levels, transformations, strict=True):
        assert np.array_equal(cut(np.asarray(level), view), whole(view))
        steps = {step["type"]: step[step["type"]] for step in transformation}
        assert steps["scale"] == [
            1.0,
            *(size * factor for size, factor in zip(VOXEL_SIZE, view.mag, strict=True)),
        ]
        shift = [0.0, *((factor - 1) / 2 * size for size, factor in zip(VOXEL_SIZE, view.mag, strict=True))]
        assert steps.get("translation", [0.0] * 4) == shift


def test_the_metadata_validate(layer: wk.Layer) -> None:
    if str(layer.data_format) == "zarr3":
        v05 = pytest.importorskip("ome_zarr_models.v05")
        document = json.loads((layer.path / "zarr.json").read_text())
        image = v05.image.ImageAttrs.model_validate(document["attributes"]["ome"])
        scales = image.multiscales[0].datasets
    else:
        v04 = pytest.importorskip("ome_zarr_models.v04")
        image = v04.image.ImageAttrs.model_validate(json.loads((layer.path / ".zattrs").read_text()))
        scales = image.multiscales[0].datasets
    assert [item.path for item in scales] == [str(mag) for mag in layer.mags]
