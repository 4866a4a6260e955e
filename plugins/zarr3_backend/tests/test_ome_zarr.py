"""ome-zarr opens what backend and dialect write together: same voxels, right place."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from ome_zarr_models.v04 import Image as Image04
from ome_zarr_models.v05 import Image as Image05
from wkplug_zarr.backend import Zarr2Backend, Zarr3Backend
from wkplug_zarr.ngff import Ngff04, Ngff05

from wkplug.abc import ArraySpec, DatasetFacts, LayerFacts, MagFacts
from wkplug.filesystems.local import LocalLocation

pytestmark = pytest.mark.filterwarnings("default")  # ome-zarr and dask warn about themselves


@pytest.mark.parametrize("data_format", ["zarr3", "zarr"])
@pytest.mark.parametrize("axes", [("c", "x", "y", "z"), ("t", "c", "z", "y", "x"), ("x", "y", "z")])
def test_ome_zarr_sees_the_same_voxels_at_the_right_place(tmp_path, data_format, axes):
    reader = pytest.importorskip("ome_zarr.reader", reason="ome-zarr is not installed")
    from ome_zarr.io import parse_url

    backend, dialect = (Zarr3Backend(), Ngff05()) if data_format == "zarr3" else (Zarr2Backend(), Ngff04())
    root = LocalLocation(tmp_path / "dataset")
    layer = root.child("color")
    full = {"t": 2, "c": 3, "x": 64, "y": 48, "z": 32}
    mags = (MagFacts(mag=(1, 1, 1), folder="1"), MagFacts(mag=(2, 2, 1), folder="2-2-1"))
    written = []
    for mag in mags:
        factors = dict(zip("xyz", mag.mag, strict=True))
        shape = tuple(full[axis] // factors.get(axis, 1) for axis in axes)
        chunk = tuple({"t": 1, "c": 3}.get(axis, 16) for axis in axes)
        spec = ArraySpec(axes=axes, shape=shape, dtype="uint16", chunk_shape=chunk, shard_shape=chunk)
        data = np.random.default_rng(len(written)).integers(0, 60000, shape).astype("uint16")
        backend.create(layer.child(mag.folder), spec).write(((0,) * len(shape), shape), data)
        written.append(data)
    facts = LayerFacts(name="color", category="color", data_format=data_format, axes=axes, num_channels=3,
                       dtype="uint16", voxel_size=(10.0, 20.0, 30.0), mags=mags)  # fmt: skip
    for place, files in (
        (layer, dialect.layer_files(facts)),
        (root, dialect.dataset_files(DatasetFacts(name="dataset", data_formats=(data_format,)))),
    ):
        for name, content in files.items():
            place.child(name).write(content)

    group = zarr.open_group(layer.url, mode="r")
    (Image05 if data_format == "zarr3" else Image04).from_zarr(group)  # validates the arrays too
    url = parse_url(layer.url)
    assert url is not None
    (node,) = list(reader.Reader(url)())
    assert len(node.data) == 2
    for found, expected in zip(node.data, written, strict=True):
        np.testing.assert_array_equal(found.compute(), expected)
    fine, coarse = node.metadata["coordinateTransformations"]
    size = {"x": 10.0, "y": 20.0, "z": 30.0}
    assert fine == [{"type": "scale", "scale": [size.get(axis, 1.0) for axis in axes]}]
    assert coarse == [
        {"type": "scale", "scale": [{"x": 20.0, "y": 40.0, "z": 30.0}.get(axis, 1.0) for axis in axes]},
        {"type": "translation", "translation": [{"x": 5.0, "y": 10.0}.get(axis, 0.0) for axis in axes]},
    ]
