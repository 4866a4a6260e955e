"""What both sides are asked to do about views, chunks and copies, written once: `m` is `wkplug` or `webknossos`.

As in `workloads`; `worker.py` finds these as "copy_workloads.NAME".
"""

from __future__ import annotations

import shutil
import time
from typing import Any

import numpy as np
from meter import cpu_seconds, folder_bytes, metered, peak_bytes
from workloads import places

__all__ = ["chunks", "compress", "copy", "make", "outside", "views"]


def make(
    m: Any, path: str, voxels: str, data_format: str, shard: int, tiles: int, compress: Any
) -> dict[str, Any]:
    """Write a dataset of one layer: the voxels, `tiles` times along z."""
    shutil.rmtree(path, ignore_errors=True)
    data = np.load(voxels)
    edge = data.shape[-1]
    dataset = m.Dataset(path, voxel_size=(10, 10, 10))
    box = m.BoundingBox((0, 0, 0), (*data.shape[1:3], edge * tiles))
    category = "color" if data.dtype == np.uint8 else "segmentation"
    layer = dataset.add_layer(
        "made", category, dtype=data.dtype.name, data_format=data_format, bounding_box=box
    )
    mag = layer.add_mag(1, chunk_shape=32, shard_shape=shard, compress=compress)
    for tile in range(tiles):
        mag.write(data, absolute_offset=(0, 0, edge * tile))
    return {"bytes": folder_bytes(f"{path}/made/1")}


def views(m: Any, path: str, layer: str, edge: int, count: int) -> dict[str, float]:
    """`get_view` at random places."""
    mag = m.Dataset.open(path).get_layer(layer).get_mag(1)
    where = places(edge, 32, count, 1)
    with metered() as result:
        for place in where:
            mag.get_view(absolute_offset=place, size=(32, 32, 32), read_only=True)
    return result


def _nothing(numbered: Any) -> None:
    del numbered


def chunks(m: Any, path: str, layer: str) -> dict[str, float]:
    """`for_each_chunk` with a function that does nothing."""
    view = m.Dataset.open(path).get_layer(layer).get_mag(1).get_view(read_only=True)
    with metered() as result:
        view.for_each_chunk(_nothing, chunk_shape=(32, 32, 32))
    return result


def compress(m: Any, path: str) -> dict[str, Any]:
    """`MagView.compress` with the default executor, on a copy of the dataset that is made before."""
    copied = f"{path}-{m.__name__}"
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(path, copied)
    mag = m.Dataset.open(copied).get_layer("made").get_mag(1)
    before = peak_bytes()
    with metered() as result:
        mag.compress()
    peak, size = peak_bytes(), folder_bytes(f"{copied}/made/1")
    shutil.rmtree(copied)
    return {**result, "bytes": size, "peak": peak, "more": peak - before}


def copy(m: Any, path: str, options: dict[str, Any]) -> dict[str, Any]:
    """`Dataset.copy_dataset` with the default executor."""
    target = f"{path}-copy-{m.__name__}"
    shutil.rmtree(target, ignore_errors=True)
    dataset = m.Dataset.open(path)
    before = peak_bytes()
    with metered() as result:
        dataset.copy_dataset(target, **options)
    peak, size = peak_bytes(), folder_bytes(f"{target}/made/1")
    shutil.rmtree(target)
    return {**result, "bytes": size, "peak": peak, "more": peak - before}


def outside(m: Any, path: str, options: dict[str, Any]) -> dict[str, float]:
    """The share of the CPU of a copy that is spent outside the backends' `read` and `write`; one thread of ours.

    The CPU of the engines' own threads is theirs; of this thread, what is left when their calls are taken away is ours.
    """
    target = f"{path}-outside"
    shutil.rmtree(target, ignore_errors=True)
    dataset = m.Dataset.open(path)
    inside = 0.0

    def metered_call(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal inside
            begin = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                inside += time.thread_time() - begin

        return call

    kept = {}
    for array_class in _engines():
        for name in ("read", "write"):
            kept[array_class, name] = getattr(array_class, name)
            setattr(array_class, name, metered_call(kept[array_class, name]))
    total, own = cpu_seconds(), time.thread_time()
    dataset.copy_dataset(target, executor="sequential", **options)
    total, own = cpu_seconds() - total, time.thread_time() - own
    for (array_class, name), function in kept.items():
        setattr(array_class, name, function)
    shutil.rmtree(target)
    return {"share": (own - inside) / total, "cpu": total}


def _engines() -> tuple[Any, ...]:
    """The classes of the bundled engines' arrays."""
    from wkplug_tensorstore.array import TensorstoreArray
    from wkplug_wkw.array import WkwArray

    return TensorstoreArray, WkwArray
