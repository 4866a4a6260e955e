"""What webknossos writes opens in wkplug with equal voxels, and the other way round."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

import wkplug as wk

from . import peer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.peer, peer.needs_peer]

FORMATS = ("wkw", "zarr", "zarr3")

# name, dtype, channels, top-left, size, mag, compressed
CASES = (
    ("bytes", "uint8", 1, (0, 0, 0), (64, 48, 40), "1", True),
    ("plain", "uint8", 1, (0, 0, 0), (64, 48, 40), "1", False),
    ("colours", "uint8", 3, (32, 64, 0), (33, 20, 17), "1", True),
    ("words", "uint16", 1, (0, 0, 0), (40, 40, 40), "1", True),
    ("longs", "uint32", 1, (8, 16, 24), (40, 24, 16), "2-2-1", True),
    ("floats", "float32", 1, (32, 0, 0), (32, 32, 32), "4-4-2", False),
)

WRITE = """
import json, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
import webknossos as wk
path, data_format, cases = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
dataset = wk.Dataset(path, voxel_size=(11.24, 11.24, 25))
for name, dtype, channels, topleft, size, mag, compress in cases:
    layer = dataset.add_layer(name, "color", dtype=dtype, num_channels=channels, data_format=data_format,
                              bounding_box=wk.BoundingBox(topleft, size))
    shape = (channels, *(n // m for n, m in zip(size, wk.Mag(mag).to_list())))
    data = np.random.default_rng(len(name)).integers(0, 200, shape).astype(dtype)
    view = layer.add_mag(mag, chunk_shape=32, shard_shape=32 if data_format == "zarr" else 64, compress=compress)
    view.write(data)
labels = dataset.add_layer("labels", "segmentation", dtype="uint64", largest_segment_id=2**60, data_format=data_format,
                           bounding_box=wk.BoundingBox((0, 0, 0), (16, 16, 16)))
labels.add_mag(1).write(np.full((16, 16, 16), 2**60, "uint64"))
"""

READ = """
import json, sys, warnings, hashlib
import numpy as np
warnings.simplefilter("ignore")
import webknossos as wk
dataset = wk.Dataset.open(sys.argv[1])
result = {"voxel_size": list(dataset.voxel_size), "layers": {}}
for layer in dataset.layers.values():
    box = layer.bounding_box
    mags = {}
    for mag, view in layer.mags.items():
        data = view.read()
        mags[str(mag)] = [list(data.shape), hashlib.sha256(np.ascontiguousarray(data).tobytes()).hexdigest()]
    result["layers"][layer.name] = {
        "category": layer.category, "dtype": str(layer.dtype), "channels": layer.num_channels,
        "box": [list(box.topleft), list(box.size)], "mags": mags, "format": layer.data_format.value,
        "largest": getattr(layer, "largest_segment_id", None),
    }
print(json.dumps(result))
"""


def described(dataset: wk.Dataset) -> dict:
    """The same facts as READ gives, from wkplug."""
    import hashlib

    layers = {}
    for layer in dataset.layers.values():
        mags = {}
        for mag, view in layer.mags.items():
            data = view.read()
            mags[str(mag)] = [
                list(data.shape),
                hashlib.sha256(np.ascontiguousarray(data).tobytes()).hexdigest(),
            ]
        box = layer.bounding_box
        layers[layer.name] = {
            "category": layer.category, "dtype": str(layer.dtype), "channels": layer.num_channels,
            "box": [list(box.topleft), list(box.size)], "mags": mags, "format": str(layer.data_format),
            "largest": getattr(layer, "largest_segment_id", None),
        }  # fmt: skip
    return {"voxel_size": list(dataset.voxel_size), "layers": layers}


def expected(name: str, dtype: str, channels: int, size: tuple, mag: str) -> np.ndarray:
    shape = (channels, *(n // m for n, m in zip(size, wk.Mag(mag).to_list(), strict=True)))
    return np.random.default_rng(len(name)).integers(0, 200, shape).astype(dtype)


@pytest.mark.parametrize("data_format", FORMATS)
def test_datasets_of_webknossos_open_here_with_equal_voxels(tmp_path: Path, data_format: str) -> None:
    peer.run(WRITE, tmp_path / "d", data_format, json.dumps(CASES))
    dataset = wk.Dataset.open(tmp_path / "d")
    assert dataset.voxel_size == (11.24, 11.24, 25)
    for name, dtype, channels, topleft, size, mag, compressed in CASES:
        layer = dataset.get_layer(name)
        assert layer.bounding_box == wk.BoundingBox(topleft, size)
        view = layer.get_mag(mag)
        assert view.info.compression_mode is compressed
        assert view.read().dtype == dtype
        assert np.array_equal(view.read(), expected(name, dtype, channels, size, mag)), name
    assert dataset.get_segmentation_layer("labels").largest_segment_id == 2**60
    assert (dataset.get_layer("labels").get_mag(1).read() == 2**60).all()
    assert described(dataset) == peer.run(READ, tmp_path / "d")


ENGINES = [
    ("wkw", "numpy"), ("zarr", "tensorstore"), ("zarr", "zarr"), ("zarr3", "tensorstore"), ("zarr3", "zarr"),
    ("n5", "tensorstore"), ("neuroglancerPrecomputed", "tensorstore"),
]  # fmt: skip


@pytest.mark.parametrize(("data_format", "engine"), ENGINES)
def test_datasets_made_here_open_in_webknossos(tmp_path: Path, data_format: str, engine: str) -> None:
    with wk.settings(backends={data_format: engine}):
        dataset = wk.Dataset(tmp_path / "d", voxel_size=(11.24, 11.24, 25))
        for name, dtype, channels, topleft, size, mag, compressed in CASES:
            layer = dataset.add_layer(
                name, "color", dtype=dtype, num_channels=channels, data_format=data_format,
                bounding_box=wk.BoundingBox(topleft, size),
            )  # fmt: skip
            shard = 32 if data_format in ("zarr", "n5") else 64
            view = layer.add_mag(mag, chunk_shape=32, shard_shape=shard, compress=compressed)
            view.write(expected(name, dtype, channels, size, mag))
        labels = dataset.add_layer(
            "labels", "segmentation", dtype="uint64", largest_segment_id=2**60, data_format=data_format
        )
        labels.add_mag(1).write(np.full((16, 16, 16), 2**60, "uint64"), allow_resize=True)
        dataset.get_layer("bytes").downsample(coarsest_mag=4)
        assert peer.run(READ, tmp_path / "d") == described(dataset)
