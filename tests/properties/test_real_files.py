"""Files that other software wrote: real data sets, and the long-standing library as a black box."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wkplug.filesystems.local import LocalLocation
from wkplug.geometry import BoundingBox, Mag, NDBoundingBox
from wkplug.properties import (
    AffineCoordinateTransformation,
    DatasetViewConfiguration,
    LayerProperties,
    LayerViewConfiguration,
    MagViewProperties,
    PropertiesStore,
    ThinPlateSplineCoordinateTransformation,
    VoxelSize,
)
from wkplug.properties import operations as op

FILE_NAME = "datasource-properties.json"
DATA = os.environ.get("WKPLUG_TEST_DATA")
PEER = Path(__file__).parents[2] / ".cache" / "peer" / "bin" / "python"
SIMPLE = ["simple_wkw_dataset", "simple_zarr_dataset", "simple_n5_dataset", "simple_ng_dataset"]


@pytest.mark.skipif(not DATA, reason="WKPLUG_TEST_DATA is not set")
@pytest.mark.parametrize("name", SIMPLE)
def test_real_files_open_and_survive_a_change(tmp_path: Path, name: str) -> None:
    source = Path(str(DATA)) / name
    shutil.copytree(source, tmp_path / name, copy_function=shutil.copyfile)
    (tmp_path / name).chmod(0o755)
    store = PropertiesStore.open(LocalLocation(tmp_path / name), dialects=lambda _: ())
    layer = store.layer("color")
    assert (layer.dtype, layer.num_channels) == ("uint8", 3)
    assert layer.bounding_box.size.to_tuple() == (3, 24, 24, 24)
    assert store.dataset.scale == VoxelSize((1, 1, 1))
    assert layer.default_view_configuration == LayerViewConfiguration(color=(255, 0, 0))
    assert store.dataset.default_view_configuration == DatasetViewConfiguration(position=(12, 12, 12))
    [mag] = layer.mags
    assert mag.mag == Mag(1)
    assert mag.path is not None
    assert (tmp_path / name / mag.path).exists()
    store.apply(op.SetDatasetKey("id", {**store.dataset.id, "name": "changed"}))
    again = PropertiesStore.open(LocalLocation(tmp_path / name))
    assert again.layer("color").mags == layer.mags or again.layer("color").mags[0].path == mag.path
    assert again.dataset.id["name"] == "changed"


# --- the long-standing library, as a black box --------------------------------------------------------------

peer = [
    pytest.mark.peer,
    pytest.mark.skipif(not PEER.exists(), reason="no environment with webknossos in .cache/peer"),
]

WRITE = """
import sys, json
import numpy as np
import webknossos as wk

ds = wk.Dataset(sys.argv[1], voxel_size=(11, 11, 28), name="n\\u00e4me")
box = wk.BoundingBox((1, 2, 3), (10, 20, 30))
color = ds.add_layer("color", "color", dtype="uint8", num_channels=3, bounding_box=box)
color.add_mag(1)
color.add_mag("2-2-1")
color.coordinate_transformations = [
    wk.AffineCoordinateTransformation.from_rotation("z", 90).translate((1, 2, 3)),
    wk.ThinPlateSplineCoordinateTransformation([(1, 2, 3)], [(4, 5, 6)]),
]
seg = ds.add_layer("seg", "segmentation", dtype="uint64", data_format="wkw", largest_segment_id=2**60)
seg.add_mag(1)
seg.default_view_configuration = wk.LayerViewConfiguration(color=(1, 2, 3), intensity_range=(0, 255), is_disabled=True)
path, hdf5 = sys.argv[1] + "/seg/meshes/m", wk.AttachmentDataFormat.HDF5
mesh = wk.MeshAttachment.from_path_and_name(path, "m", data_format=hdf5)
seg.attachments.add_attachment_as_ref(mesh)
ds.add_layer("floats", "color", dtype="float32")
axes = ("c", "t", "x", "y", "z")
nd = ds.add_layer("nd", "color", bounding_box=wk.NDBoundingBox((0, 0, 0, 0, 0), (1, 5, 32, 32, 32), axes))
nd.add_mag(1)
ds.add_layer("empty", "color", bounding_box=wk.NDBoundingBox((0, 0, 0, 0), (2, 10, 10, 10), ("t", "x", "y", "z")))
views = {"seg": wk.LayerViewConfiguration(alpha=1)}
ds.default_view_configuration = wk.DatasetViewConfiguration(zoom=0.5, layers=views)
"""

READ = """
import sys, json
import webknossos as wk

ds = wk.Dataset.open(sys.argv[1])
facts = {"name": ds.name, "voxel_size": list(ds.voxel_size), "unit": ds.voxel_size_with_unit.unit.value}
for name, layer in ds.layers.items():
    box = layer.normalized_bounding_box
    facts[name] = {
        "category": layer.category, "dtype": str(layer.dtype), "channels": layer.num_channels,
        "axes": list(box.axes), "topleft": list(box.topleft), "size": list(box.size),
        "largest": getattr(layer, "largest_segment_id", None),
        "alpha": layer.default_view_configuration and layer.default_view_configuration.alpha,
        "transformations": len(layer.coordinate_transformations),
        "mags": [str(mag.mag) for mag in layer._properties.mags], "paths": [mag.path for mag in layer._properties.mags],
    }
print(json.dumps(facts))
"""


def run_peer(code: str, root: Path) -> str:
    result = subprocess.run(
        [PEER, "-W", "ignore", "-c", code, root], capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


@pytest.fixture(scope="module")
def peer_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("peer") / "dataset"
    run_peer(WRITE, root)
    return root


class TestPeer:
    """Files of webknossos 4.3.3, and files for it."""

    pytestmark = peer

    def test_what_it_writes_is_understood(self, peer_root: Path) -> None:
        store = PropertiesStore.open(LocalLocation(peer_root))
        assert store.dataset.id["name"] == "näme"
        assert store.dataset.scale == VoxelSize((11, 11, 28))
        view = store.dataset.default_view_configuration
        assert view == DatasetViewConfiguration(zoom=0.5, layers={"seg": LayerViewConfiguration(alpha=1)})
        color: Any = store.layer("color")
        assert [str(mag.mag) for mag in color.mags] == ["1", "2-2-1"]
        assert color.bounding_box.topleft.to_tuple() == (0, 1, 2, 3)
        affine, spline = color.coordinate_transformations
        expected = AffineCoordinateTransformation.from_rotation("z", 90).translate((1, 2, 3))
        np.testing.assert_allclose(affine.matrix, expected.matrix, atol=1e-12)
        assert spline == ThinPlateSplineCoordinateTransformation([(1, 2, 3)], [(4, 5, 6)])
        seg: Any = store.layer("seg")
        assert seg.largest_segment_id == 2**60
        assert seg.mags[0].cube_length == 1024
        assert seg.attachments.meshes[0].path == "./seg/meshes/m"
        assert seg.default_view_configuration.intensity_range == (0, 255)
        assert store.layer("floats").dtype == "float32"
        assert tuple(store.layer("nd").bounding_box.axes) == ("c", "t", "x", "y", "z")
        assert store.layer("nd").bounding_box.get_bounds("t") == (0, 5)
        assert tuple(store.layer("empty").bounding_box.axes) == ("t", "x", "y", "z")

    def test_writing_the_same_again_gives_the_same_bytes(self, peer_root: Path, tmp_path: Path) -> None:
        shutil.copyfile(peer_root / FILE_NAME, tmp_path / FILE_NAME)
        before = (tmp_path / FILE_NAME).read_bytes()
        store = PropertiesStore.open(LocalLocation(tmp_path), dialects=lambda _: ())
        box = BoundingBox((0, 0, 0), (1, 1, 1)).normalize_axes(1)
        store.apply(op.AddLayer(LayerProperties("x", "color", box, "uint8", "somewhere")))
        store.apply(op.RemoveLayer("x"))
        assert (tmp_path / FILE_NAME).read_bytes() == before

    def test_typed_layers_written_anew_equal_its_own(self, peer_root: Path, tmp_path: Path) -> None:
        source = PropertiesStore.open(LocalLocation(peer_root))
        store = PropertiesStore.create(
            LocalLocation(tmp_path), name="näme", voxel_size=(11, 11, 28), dialects=lambda _: ()
        )
        for name in source.layer_names():
            store.apply(op.AddLayer(source.layer(name)))
        written = json.loads((tmp_path / FILE_NAME).read_bytes())
        assert written["dataLayers"] == source.document["dataLayers"]
        assert [list(layer) for layer in written["dataLayers"]] == [
            list(layer) for layer in source.document["dataLayers"]
        ]

    def test_it_understands_what_we_write(self, tmp_path: Path) -> None:
        root = tmp_path / "ours"
        store = PropertiesStore.create(
            LocalLocation(root), name="ours", voxel_size=VoxelSize((1, 2, 3), "µm"), dialects=lambda _: ()
        )
        box = BoundingBox((1, 2, 3), (10, 20, 30))
        nd = NDBoundingBox((2, 0, 0, 0), (3, 8, 8, 8), ("t", "x", "y", "z"))
        store.apply(
            op.AddLayer(LayerProperties("rgb", "color", box.normalize_axes(3), "uint8", "zarr3")),
            op.AddMag("rgb", MagViewProperties(Mag(1), "./rgb/1")),
            op.AddMag("rgb", MagViewProperties(Mag("4-4-2"), "./rgb/4-4-2")),
            op.SetLayerKey("rgb", "defaultViewConfiguration", LayerViewConfiguration(alpha=50)),
            op.SetLayerKey(
                "rgb", "coordinateTransformations", [AffineCoordinateTransformation(2 * np.eye(4))]
            ),
            op.AddLayer(LayerProperties("seg", "segmentation", box.normalize_axes(1), "uint32", "wkw")),
            op.SetLayerKey("seg", "largestSegmentId", 2**60),
            op.AddLayer(LayerProperties("nd", "color", nd.normalize_axes(1), "int16", "zarr3")),
        )
        facts = json.loads(run_peer(READ, root).splitlines()[-1])
        assert facts["name"] == "ours"
        assert (facts["voxel_size"], facts["unit"]) == ([1000, 2000, 3000], "micrometer")
        assert facts["rgb"] == {
            "category": "color", "dtype": "uint8", "channels": 3, "axes": ["c", "x", "y", "z"],
            "topleft": [0, 1, 2, 3], "size": [3, 10, 20, 30], "largest": None, "alpha": 50, "transformations": 1,
            "mags": ["1", "4-4-2"], "paths": ["./rgb/1", "./rgb/4-4-2"],
        }  # fmt: skip
        assert facts["seg"]["largest"] == 2**60
        assert (facts["nd"]["axes"], facts["nd"]["topleft"]) == (["t", "x", "y", "z"], [2, 0, 0, 0])
