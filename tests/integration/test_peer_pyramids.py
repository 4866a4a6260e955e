"""Pyramids of wkplug and of webknossos, from the same voxels: equal, voxel by voxel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk

from . import peer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.peer, peer.needs_peer]

DOWNSAMPLE = """
import json, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
import webknossos as wk
from cluster_tools import SequentialExecutor

if __name__ == "__main__":
    dataset = wk.Dataset.open(sys.argv[1])
    with SequentialExecutor() as executor:
        for name, mode, mags in json.loads(sys.argv[2]):
            dataset.get_layer(name).downsample_mag_list(
                wk.Mag(1), [wk.Mag(mag) for mag in mags], interpolation_mode=mode, shard_shape=64,
                executor=executor,
            )
    print("null")
"""

SCHEMES = """
import json, sys, warnings
warnings.simplefilter("ignore")
import webknossos as wk

found = []
for number, (voxel_size, coarsest, mode) in enumerate(json.loads(sys.argv[2])):
    dataset = wk.Dataset(f"{sys.argv[1]}/{number}", voxel_size=voxel_size)
    layer = dataset.add_layer("a", "color", bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64)))
    layer.add_mag(1)
    layer.downsample(coarsest_mag=wk.Mag(coarsest), sampling_mode=mode, only_setup_mags=True)
    found.append([str(mag) for mag in layer.mags])
print(json.dumps(found))
"""

MODES = ("median", "mode", "min", "max")


def test_random_boxes_are_reduced_alike(tmp_path: Path) -> None:
    random = np.random.default_rng(11)
    ours = wk.Dataset(tmp_path / "ours", voxel_size=(1, 1, 1))
    theirs = wk.Dataset(tmp_path / "theirs", voxel_size=(1, 1, 1))
    jobs: list[tuple[str, str, list[Any]]] = []
    for number in range(8):
        mode = MODES[number % len(MODES)]
        dtype = ("uint8", "int16", "uint32")[number % 3]
        size = tuple(int(n) for n in random.integers(1, 70, 3))
        topleft = tuple(int(n) for n in random.integers(0, 40, 3))
        mags = (["2-2-1", "4-4-2"], [2, 4], ["2-2-2", "4-4-4"])[number % 3]
        data = random.integers(0, 4 if mode == "mode" else 200, size).astype(dtype)
        name = f"{number}-{mode}"
        for dataset in (ours, theirs):
            layer = dataset.add_layer(
                name, "color", dtype=dtype, data_format="zarr3", bounding_box=wk.BoundingBox(topleft, size)
            )
            layer.add_mag(1, shard_shape=64).write(data, allow_unaligned=True)
        jobs.append((name, mode, mags))
    peer.run(DOWNSAMPLE, theirs.path, json.dumps(jobs))
    written = wk.Dataset.open(theirs.path)
    for name, mode, mags in jobs:
        layer = ours.get_layer(name)
        layer.downsample_mag_list(1, mags, interpolation_mode=mode)
        for mag in mags:
            np.testing.assert_array_equal(
                layer.get_mag(mag).read(),
                written.get_layer(name).get_mag(mag).read(),
                err_msg=f"{name} {mag}",
            )


def test_schemes_are_alike(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    cases: list[tuple[list[float], int, str]] = [
        (
            [round(float(size), 2) for size in random.uniform(1, 40, 3)],
            int(2 ** random.integers(1, 6)),
            "anisotropic",
        )
        for _ in range(25)
    ]
    cases += [([1.0, 1.0, 1.0], 8, "isotropic"), ([4.0, 4.0, 35.0], 8, "constant_z")]
    expected = peer.run(SCHEMES, tmp_path, json.dumps(cases))
    for (voxel_size, coarsest, mode), mags in zip(cases, expected, strict=True):
        path = tmp_path / "ours" / str(len(list(tmp_path.glob("ours/*"))))
        layer = wk.Dataset(path, voxel_size=voxel_size).add_layer(
            "a", "color", bounding_box=wk.BoundingBox((0, 0, 0), (64, 64, 64))
        )
        layer.add_mag(1)
        layer.downsample(coarsest_mag=coarsest, sampling_mode=mode, only_setup_mags=True)
        assert [str(mag) for mag in layer.mags] == mags, (voxel_size, coarsest, mode)
