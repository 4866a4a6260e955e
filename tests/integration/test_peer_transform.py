"""Layers transformed by wkplug and by webknossos, from the same voxels: equal, voxel by voxel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk
from wkplug.ops import AffineTransform, transform

from . import peer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.peer, peer.needs_peer]

# Where the package keeps the names is its own business, so they are looked for.
TRANSFORM = """
import importlib, json, pkgutil, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
import webknossos as wk
from cluster_tools import SequentialExecutor

def room():
    for found in pkgutil.walk_packages(wk.__path__, "webknossos."):
        if "transform" in found.name:
            module = importlib.import_module(found.name)
            if hasattr(module, "transform") and hasattr(module, "AffineTransform"):
                return module

if __name__ == "__main__":
    names = room()
    dataset = wk.Dataset.open(sys.argv[1])
    boxes = []
    with SequentialExecutor() as executor:
        for name, source, matrix, options in json.loads(sys.argv[2]):
            layer = dataset.get_layer(source)
            result = dataset.add_layer(name, "color", dtype="uint8", num_channels=layer.num_channels)
            if "output_bbox" in options:
                options["output_bbox"] = wk.BoundingBox(*options["output_bbox"])
            if "input_mask_layer" in options:
                options["input_mask_layer"] = dataset.get_layer(options["input_mask_layer"])
            there = names.AffineTransform(np.array(matrix))
            box = names.transform(layer, result, there, executor=executor, **options)
            boxes.append([box.topleft.to_list(), box.size.to_list()])
    print(json.dumps(boxes))
"""


def test_affine_maps_give_the_same_boxes_and_voxels(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    ours = wk.Dataset(tmp_path / "d", voxel_size=(1, 1, 1))
    for name, category, channels, mag in (
        ("one", "color", 1, 1),
        ("rgb", "color", 3, 1),
        ("coarse", "color", 1, 2),
        ("mask", "segmentation", 1, 1),
    ):
        box = wk.BoundingBox((6, 10, 4), (40, 30, 20))
        layer = ours.add_layer(name, category, dtype="uint8", num_channels=channels, bounding_box=box)
        data = random.integers(0, 2 if name == "mask" else 250, (channels, *(n // mag for n in (40, 30, 20))))
        layer.add_mag(mag, shard_shape=64, chunk_shape=32).write(data.astype("uint8"))
    matrices: list[np.ndarray] = []
    for _ in range(4):
        matrix = np.eye(4)
        matrix[:3, :3] = np.linalg.qr(random.normal(size=(3, 3)))[0] * random.uniform(0.6, 1.6, 3)
        matrix[:3, 3] = random.uniform(-20, 20, 3)
        matrices.append(matrix)
    half, double = np.eye(4), np.diag([2.0, 1, 0.5, 1])
    half[0, 3] = 0.5
    part = [[3, 4, 5], [50, 40, 30]]
    wishes: list[tuple[str, np.ndarray, dict[str, Any]]] = [
        ("one", matrices[0], {}),
        ("one", matrices[1], {"fill_value": 7}),
        ("one", matrices[2], {"output_bbox": part, "fill_value": 9}),
        ("one", matrices[3], {"input_mask_layer": "mask", "fill_value": 9}),
        ("rgb", matrices[0], {}),
        ("coarse", matrices[1], {}),
        ("coarse", half, {}),
        ("one", half, {}),
        ("one", double, {}),
    ]
    jobs = [
        (f"theirs{number}", source, matrix.tolist(), {**options, "translate_to_positive": True})
        for number, (source, matrix, options) in enumerate(wishes)
    ]
    boxes = peer.run(TRANSFORM, tmp_path / "d", json.dumps(jobs))
    ours = wk.Dataset.open(tmp_path / "d")
    for number, ((source, matrix, options), (topleft, size)) in enumerate(zip(wishes, boxes, strict=True)):
        layer = ours.get_layer(source)
        result = ours.add_layer(f"ours{number}", "color", dtype="uint8", num_channels=layer.num_channels)
        given = dict(options)
        if "output_bbox" in given:
            given["output_bbox"] = wk.BoundingBox(*given["output_bbox"])
        if "input_mask_layer" in given:
            given["input_mask_layer"] = ours.get_layer(given["input_mask_layer"])
        box = transform(layer, result, AffineTransform(matrix), translate_to_positive=True, **given)
        theirs = ours.get_layer(f"theirs{number}")
        assert box == wk.BoundingBox(topleft, size)
        assert result.bounding_box == theirs.bounding_box
        assert list(result.mags) == list(theirs.mags)
        found, expected = result.get_finest_mag().read(), theirs.get_finest_mag().read()
        np.testing.assert_array_equal(found, expected, err_msg=f"{source} {options}")
