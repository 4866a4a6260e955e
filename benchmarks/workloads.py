"""What both sides are asked to do, written once: `m` is the module, `wkplug` or `webknossos`.

Only what both public interfaces share is used, so that the same lines run under either interpreter. Every
function does its own preparations outside the metered block and gives plain JSON values. `worker.py` finds
them by name; the first argument of each is the module under test.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from meter import folder_bytes, metered, peak_bytes

__all__ = [
    "bulk_read",
    "bulk_write",
    "create_layers",
    "fresh_read",
    "open_dataset",
    "places",
    "reads",
    "small_write",
]

EDGE = 256
"""Voxels along an edge of the bulk volumes."""


def places(edge: int, size: int, count: int, step: int) -> list[tuple[int, int, int]]:
    """Random places (always the same) for boxes of `size` voxels in a cube of `edge`, multiples of `step`."""
    generator = random.Random(1)
    most = (edge - size) // step
    return [
        (
            generator.randint(0, most) * step,
            generator.randint(0, most) * step,
            generator.randint(0, most) * step,
        )
        for _ in range(count)
    ]


_opened: dict[tuple[str, str], Any] = {}
"""The mags that this process has open: what is measured is reading, not opening."""


def _mag(m: Any, path: str, layer: str) -> Any:
    key = (path, layer)
    if key not in _opened:
        _opened[key] = m.Dataset.open(path).get_layer(layer).get_mag(1)
    return _opened[key]


def fresh_read(m: Any, path: str, layer: str) -> dict[str, Any]:
    """Open a dataset and read 32^3 voxels; the whole process is measured from outside."""
    mag = m.Dataset.open(path).get_layer(layer).get_mag(1)
    data = mag.read(absolute_offset=(64, 32, 96), size=(32, 32, 32))
    return {"sum": int(data.sum(dtype=np.int64))}


def open_dataset(m: Any, path: str, count: int, look: bool) -> dict[str, float]:
    """`Dataset.open`, several times; `look`: and ask every layer for its mags."""
    with metered() as result:
        for _ in range(count):
            dataset = m.Dataset.open(path)
            if look:
                for layer in dataset.layers.values():
                    list(layer.mags)
    return result


def reads(m: Any, path: str, layer: str, edge: int, size: int, count: int, step: int) -> dict[str, Any]:
    """Read boxes of size^3 at random places of an open mag."""
    mag = _mag(m, path, layer)
    where = places(edge, size, count, step)
    shape = (size, size, size)
    total = 0
    with metered() as result:
        for place in where:
            total += int(mag.read(absolute_offset=place, size=shape)[0, 0, 0, 0])
    return {**result, "sum": total}


def bulk_read(m: Any, path: str, layer: str, count: int) -> dict[str, float]:
    """Read the whole volume of a layer in one call, several times."""
    mag = _mag(m, path, layer)
    data = None
    with metered() as result:
        for _ in range(count):
            data = mag.read(absolute_offset=(0, 0, 0), size=(EDGE, EDGE, EDGE))
    del data
    return result


def bulk_write(
    m: Any, folder: str, voxels: str, data_format: str, shard: int, compress: Any
) -> dict[str, Any]:
    """Write a volume to a fresh mag in one call."""
    data = np.load(voxels)
    path = f"{folder}/{m.__name__}"
    shutil.rmtree(path, ignore_errors=True)
    dataset = m.Dataset(path, voxel_size=(10, 10, 10))
    category = "color" if data.dtype == np.uint8 else "segmentation"
    box = m.BoundingBox((0, 0, 0), data.shape[1:])
    layer = dataset.add_layer(
        "written", category, dtype=data.dtype.name, data_format=data_format, bounding_box=box
    )
    mag = layer.add_mag(1, chunk_shape=32, shard_shape=shard, compress=compress)
    with metered() as result:
        mag.write(data, absolute_offset=(0, 0, 0))
    size = folder_bytes(f"{path}/written/1")
    shutil.rmtree(path)
    return {**result, "bytes": size}


def small_write(m: Any, folder: str, voxels: str, data_format: str) -> dict[str, Any]:
    """Write 128^3 voxels to an empty mag with the default shard; the process is a fresh one."""
    data = np.load(voxels)[:, :128, :128, :128]
    path = f"{folder}/small-{m.__name__}"
    shutil.rmtree(path, ignore_errors=True)
    dataset = m.Dataset(path, voxel_size=(10, 10, 10))
    box = m.BoundingBox((0, 0, 0), (128, 128, 128))
    layer = dataset.add_layer("small", "color", dtype="uint8", data_format=data_format, bounding_box=box)
    mag = layer.add_mag(1)
    before = peak_bytes()
    with metered() as result:
        mag.write(data, absolute_offset=(0, 0, 0))
    peak, size = peak_bytes(), folder_bytes(f"{path}/small/1")
    shutil.rmtree(path)
    return {**result, "peak": peak, "more": peak - before, "bytes": size}


def create_layers(m: Any, folder: str, data_format: str, layers: int, mags: int) -> dict[str, Any]:
    """Create layers and mags one by one; "touched": files made or changed by the second and the last add_mag."""
    path = f"{folder}/many-{m.__name__}"
    shutil.rmtree(path, ignore_errors=True)
    dataset = m.Dataset(path, voxel_size=(10, 10, 10))
    box = m.BoundingBox((0, 0, 0), (512, 512, 512))
    with metered() as result:
        for number in range(layers):
            layer = dataset.add_layer(f"layer{number}", "color", data_format=data_format, bounding_box=box)
            for power in range(mags):
                layer.add_mag(2**power)
    # Outside the metered block, because looking at all files costs more than what is looked at.
    first, last = dataset.get_layer("layer0"), dataset.get_layer(f"layer{layers - 1}")
    touched = []
    for layer in (first, last):
        before = _facts(path)
        layer.add_mag(2**mags)
        after = _facts(path)
        touched.append(sum(before.get(name) != facts for name, facts in after.items()))
    shutil.rmtree(path)
    return {**result, "operations": layers * (1 + mags), "touched": touched}


def _facts(path: str) -> dict[str, tuple[int, int, int]]:
    """What changes when a file is made, written or replaced, for every file."""
    found = {}
    for folder, _, names in os.walk(path):
        for name in names:
            facts = Path(folder, name).stat()
            found[f"{folder}/{name}"] = (facts.st_mtime_ns, facts.st_ino, facts.st_size)
    return found
