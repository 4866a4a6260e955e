"""What the sides are asked to do about down-sampling kernels: one block of a volume, 2x2x2, nothing else.

wkplug's kernels are called as pyramids call them. webknossos has no public function that reduces a block, so its
kernel is what `downsample_mag` of an uncompressed layer takes longer than the same call on a layer of zeros, which
is read and written as well, but not computed. `worker.py` finds these as "kernel_workloads.NAME".
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from meter import metered

__all__ = ["kernel", "whole_call"]


def kernel(m: Any, voxels: str, mode: str, compiled: bool, count: int) -> dict[str, Any]:
    """Reduce a volume several times; `compiled`: with the plugin that does it."""
    from wkplug import registry

    data = np.asfortranarray(np.load(voxels))
    category = "color" if data.dtype == np.uint8 else "segmentation"
    chosen: dict[str, Any] = (
        {"plugin": {"numba": {"after": 0}}} if compiled else {"plugins_blocked": ["numba"]}
    )
    with m.settings(**chosen):
        found = registry.interpolation(mode, category=category, dtype=data.dtype.name)
        result = found.reduce(data, (1, 2, 2, 2))  # compiles, the first time
        with metered() as figures:
            for _ in range(count):
                result = found.reduce(data, (1, 2, 2, 2))
    return {**figures, "sum": int(result.sum(dtype=np.int64))}


_made: dict[str, Any] = {}
"""The layers that this process has made: what is measured is down-sampling."""


def _layer(m: Any, folder: str, voxels: str, zeros: bool) -> Any:
    key = f"{voxels} {zeros}"
    if key not in _made:
        data = np.load(voxels)
        if zeros:
            data = np.zeros_like(data)
        dataset = m.Dataset(
            f"{folder}/kernels-{m.__name__}-{len(_made)}-{os.getpid()}", voxel_size=(10, 10, 10)
        )
        layer = dataset.add_layer(
            "volume",
            "color" if data.dtype == np.uint8 else "segmentation",
            dtype=data.dtype.name,
            data_format="wkw",
            bounding_box=m.BoundingBox((0, 0, 0), data.shape[1:]),
        )
        layer.add_mag(1, chunk_shape=32, shard_shape=256, compress=False).write(
            data, absolute_offset=(0, 0, 0)
        )
        _made[key] = layer
    return _made[key]


def whole_call(m: Any, folder: str, voxels: str, mode: str, count: int) -> dict[str, Any]:
    """`downsample_mag` of a volume, less the same of zeros; "whole" is the CPU of the first alone."""
    from cluster_tools import SequentialExecutor

    figures: dict[bool, dict[str, float]] = {}
    for zeros in (True, False):
        layer = _layer(m, folder, voxels, zeros)
        options: dict[str, Any] = {
            "interpolation_mode": mode,
            "compress": False,
            "executor": SequentialExecutor(),
        }
        options["allow_overwrite"] = True
        layer.downsample_mag(m.Mag(1), m.Mag(2), **options)
        with metered() as figures[zeros]:
            for _ in range(count):
                layer.downsample_mag(m.Mag(1), m.Mag(2), **options)
    total = int(_layer(m, folder, voxels, False).get_mag(2).read().sum(dtype=np.int64))
    less = {name: max(figures[False][name] - figures[True][name], 1e-6) for name in ("cpu", "wall")}
    return {**less, "whole": figures[False]["cpu"], "sum": total}
