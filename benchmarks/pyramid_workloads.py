"""What both sides are asked to do about pyramids, written once: `m` is `wkplug` or `webknossos`.

As in `workloads`; `worker.py` finds these as "pyramid_workloads.NAME". What only wkplug can be asked, how many
workers were busy and how much of the CPU was spent outside codecs and files, is here as well.
"""

from __future__ import annotations

import shutil
import threading
import zlib
from typing import Any

import numpy as np
from meter import cpu_seconds, folder_bytes, metered, peak_bytes

__all__ = ["busy", "codec", "make", "outside", "pyramid"]

_MAGS = (2, 4, 8)


def make(
    m: Any, path: str, voxels: str, data_format: str, shard: int | None, edge: int, compress: Any, dtype: str
) -> dict[str, Any]:
    """Write a dataset of one layer: the voxels, as often along each axis as fill a cube of `edge`."""
    shutil.rmtree(path, ignore_errors=True)
    data = np.load(voxels).astype(dtype)
    data = data[:, :edge, :edge, :edge]
    size = data.shape[1]
    dataset = m.Dataset(path, voxel_size=(10, 10, 10))
    layer = dataset.add_layer(
        "made",
        "color" if dtype == "uint8" else "segmentation",
        dtype=dtype,
        data_format=data_format,
        bounding_box=m.BoundingBox((0, 0, 0), (edge,) * 3),
    )
    layouts = {} if shard is None else {"shard_shape": shard}
    mag = layer.add_mag(1, chunk_shape=32, compress=compress, **layouts)
    whole = np.asfortranarray(np.tile(data, (1, *(-(-edge // size),) * 3))[:, :edge, :edge, :edge])
    mag.write(whole, absolute_offset=(0, 0, 0))
    return {"bytes": folder_bytes(f"{path}/made/1")}


def _executor(m: Any, name: str) -> Any:
    if name == "default":
        return None
    if m.__name__ == "wkplug":
        return name
    from cluster_tools import SequentialExecutor

    return SequentialExecutor()


def pyramid(
    m: Any,
    path: str,
    shard: int | None,
    compress: Any = True,
    executor: str = "sequential",
    mode: str = "default",
    memory: str | None = None,
    done: Any = None,
    compiled: bool = False,
) -> dict[str, Any]:
    """Compute three mags, take their sizes and check sums, and delete them again.

    done: called between. compiled: wkplug takes its compiled kernels, however little there is to do.
    """
    if compiled:
        with m.settings(plugin={"numba": {"after": 0}}):
            return pyramid(m, path, shard, compress, executor, mode, memory, done)
    layer = m.Dataset.open(path).get_layer("made")
    for mag in _MAGS:
        if m.Mag(mag) in layer.mags:
            layer.delete_mag(mag)
    layouts: dict[str, Any] = {} if shard is None else {"shard_shape": shard}
    if memory is not None:
        layouts["memory"] = memory
    mags = [m.Mag(mag) for mag in _MAGS]
    runner = _executor(m, executor)
    before = peak_bytes()
    with metered() as result:
        layer.downsample_mag_list(
            m.Mag(1), mags, interpolation_mode=mode, compress=compress, executor=runner, **layouts
        )
    if done is not None:
        done()
    peak = peak_bytes()
    size = sum(folder_bytes(f"{path}/made/{mag}") for mag in _MAGS)
    sums = [zlib.crc32(np.asfortranarray(layer.get_mag(mag).read()).tobytes("F")) for mag in _MAGS]
    for mag in _MAGS:
        layer.delete_mag(mag)
    return {**result, "bytes": size, "sums": sums, "peak": peak, "more": peak - before}


def codec(m: Any, path: str, shard: int, block_type: int) -> dict[str, Any]:
    """What the package `wkw` alone takes to read mag 1 and to write the others: no pyramid takes less."""
    import wkw

    layer = m.Dataset.open(path).get_layer("made")
    mags = [m.Mag(mag) for mag in _MAGS]
    layer.downsample_mag_list(m.Mag(1), mags, executor="sequential", shard_shape=shard)
    arrays = {mag: np.asfortranarray(layer.get_mag(mag).read()) for mag in _MAGS}
    for mag in _MAGS:
        layer.delete_mag(mag)
    edge = layer.bounding_box.size.to_tuple()[0]
    with metered() as result, wkw.Dataset.open(f"{path}/made/1") as source:
        for x, y, z in np.ndindex(*(edge // shard,) * 3):
            source.read((x * shard, y * shard, z * shard), (shard,) * 3)
        for mag, data in arrays.items():
            # The package writes whole files only: those of small mags are as small here.
            size = data.shape[1]
            step = min(size, shard)
            header = wkw.Header(np.uint8, block_len=32, file_len=step // 32, block_type=block_type)
            with wkw.Dataset.create(f"{path}/codec-{mag}", header) as target:
                for x, y, z in np.ndindex(*(size // step,) * 3):
                    start = (x * step, y * step, z * step)
                    part = data[(slice(None), *(slice(low, low + step) for low in start))]
                    target.write(start, np.asfortranarray(part))
    for mag in _MAGS:
        shutil.rmtree(f"{path}/codec-{mag}")
    return result


def outside(
    m: Any, path: str, shard: int | None, compress: Any = True, compiled: bool = False
) -> dict[str, float]:
    """The share of a pyramid's CPU, in one thread, that is spent outside the reads and writes of arrays."""
    layer = m.Dataset.open(path).get_layer("made")
    kind = type(layer.get_mag(1).state.source.handle.array)
    inside = 0.0
    counted: list[float] = []
    originals = {name: getattr(kind, name) for name in ("read", "write", "flush")}

    def timed(name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal inside
            begin = cpu_seconds()
            try:
                return originals[name](*args, **kwargs)
            finally:
                inside += cpu_seconds() - begin

        return call

    for name in originals:
        setattr(kind, name, timed(name))
    try:
        result = pyramid(m, path, shard, compress, done=lambda: counted.append(inside), compiled=compiled)
    finally:
        for name, function in originals.items():
            setattr(kind, name, function)
    return {"share": 1 - counted[0] / result["cpu"]}


def busy(m: Any, path: str) -> dict[str, Any]:
    """How many tiles each worker of the default executor computed."""
    from wkplug.ops.pyramids import shards

    tiles: dict[int, int] = {}
    original = shards.ShardReduction.__call__

    def counted(work: Any, task: Any) -> None:
        tiles[threading.get_ident()] = tiles.get(threading.get_ident(), 0) + 1
        original(work, task)

    shards.ShardReduction.__call__ = counted  # type: ignore[method-assign]
    try:
        pyramid(m, path, None, executor="default")
    finally:
        shards.ShardReduction.__call__ = original  # type: ignore[method-assign]
    return {"tiles": sorted(tiles.values())}
