"""The engines without wkplug, on the same files: `tensorstore` as anybody would call it, and the `wkw` package.

Also what only wkplug can be asked: what its own layers add to the call of a backend, and how much of the CPU of
a bulk operation is spent outside the engine. Runs in wkplug's environment; `worker.py` finds these by name.
"""

from __future__ import annotations

import gc
import shutil
import threading
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from meter import metered
from workloads import EDGE, places

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "outside_read",
    "outside_write",
    "overhead",
    "tensorstore_reads",
    "wkw_bulk_read",
    "wkw_bulk_write",
    "wkw_reads",
]

_opened: dict[str, Any] = {}


def _tensorstore(path: str) -> Any:
    import tensorstore

    if path not in _opened:
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": path}}
        _opened[path] = tensorstore.open(spec).result()
    return _opened[path]


def _wkw(path: str) -> Any:
    import wkw

    if path not in _opened:
        _opened[path] = wkw.Dataset.open(path)
    return _opened[path]


def tensorstore_reads(
    _: Any, path: str, layer: str, edge: int, size: int, count: int, step: int
) -> dict[str, Any]:
    """`workloads.reads` with bare tensorstore, default context."""
    store = _tensorstore(f"{path}/{layer}/1")
    total = 0
    with metered() as result:
        for x, y, z in places(edge, size, count, step):
            box = store[0:1, x : x + size, y : y + size, z : z + size]
            total += int(box.read(order="F").result()[0, 0, 0, 0])
    return {**result, "sum": total}


def wkw_reads(_: Any, path: str, layer: str, edge: int, size: int, count: int, step: int) -> dict[str, Any]:
    """`workloads.reads` with the bare wkw package."""
    dataset = _wkw(f"{path}/{layer}/1")
    shape = (size, size, size)
    total = 0
    with metered() as result:
        for place in places(edge, size, count, step):
            total += int(dataset.read(place, shape)[0, 0, 0, 0])
    return {**result, "sum": total}


def wkw_bulk_read(_: Any, path: str, layer: str, count: int) -> dict[str, float]:
    """`workloads.bulk_read` with the bare wkw package."""
    dataset = _wkw(f"{path}/{layer}/1")
    data = None
    with metered() as result:
        for _ in range(count):
            data = dataset.read((0, 0, 0), (EDGE, EDGE, EDGE))
    del data
    return result


def wkw_bulk_write(_: Any, folder: str, voxels: str, block_type: int, shard: int) -> dict[str, float]:
    """`workloads.bulk_write` with the bare wkw package; block types: 1 raw, 2 LZ4, 3 LZ4HC."""
    import wkw

    data = np.load(voxels)
    path = f"{folder}/raw-wkw"
    shutil.rmtree(path, ignore_errors=True)
    header = wkw.Header(data.dtype.type, block_len=32, file_len=shard // 32, block_type=block_type)
    dataset = wkw.Dataset.create(path, header)
    with metered() as result:
        dataset.write((0, 0, 0), data)
    shutil.rmtree(path)
    return result


def overhead(m: Any, path: str, layer: str, edge: int, size: int, count: int, step: int) -> dict[str, Any]:
    """CPU seconds per `MagView.read` outside the backend's `read`, several times; the meter's own are in it."""
    mag = m.Dataset.open(path).get_layer(layer).get_mag(1)
    array = mag.state.source.handle.array
    where = places(edge, size, count, step)
    shape = (size, size, size)
    read = array.read
    inside = 0.0

    def metered_read(*args: Any, **kwargs: Any) -> Any:
        nonlocal inside
        begin = time.thread_time()
        result = read(*args, **kwargs)
        inside += time.thread_time() - begin
        return result

    array.read = metered_read
    found = []
    for _ in range(5):
        inside = 0.0
        begin = time.thread_time()
        for place in where:
            mag.read(absolute_offset=place, size=shape)
        found.append((time.thread_time() - begin - inside) / count)
    del array.read
    return {"overheads": found}


class _Meter:
    """Adds up the CPU time that threads of Python spend in calls of the engine or of the transport."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0.0

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        begin = time.thread_time()
        try:
            return function(*args, **kwargs)
        finally:
            spent = time.thread_time() - begin
            with self._lock:
                self._inside += spent

    @contextmanager
    def share(self) -> Iterator[dict[str, float]]:
        """Fill in "share": of the CPU of the block, what threads of Python spend outside of the metered calls.

        Threads that Python didn't start are the engine's and the transport's own.
        """
        gc.collect()
        result: dict[str, float] = {}
        self._inside, begin = 0.0, _of_python()
        with metered() as costs:
            yield result
        result["share"] = (_of_python() - begin - self._inside) / costs["cpu"]


def _of_python() -> float:
    """CPU seconds so far of the threads that Python has started, which must go on until it is asked again."""
    seconds = 0.0
    for thread in threading.enumerate():
        facts = Path(f"/proc/self/task/{thread.native_id}/schedstat")
        seconds += int(facts.read_text().split()[0]) / 1e9 if facts.exists() else 0.0
    return seconds


class _Future:
    def __init__(self, meter: _Meter, future: Any) -> None:
        self._meter, self._future = meter, future

    def result(self, *args: Any, **kwargs: Any) -> Any:
        return self._meter.call(self._future.result, *args, **kwargs)


class _Store:
    def __init__(self, meter: _Meter, store: Any) -> None:
        self._meter, self._store = meter, store

    def __getitem__(self, key: Any) -> _Store:
        return _Store(self._meter, self._meter.call(self._store.__getitem__, key))

    def read(self, **kwargs: Any) -> _Future:
        return _Future(self._meter, self._meter.call(self._store.read, **kwargs))

    def write(self, *args: Any, **kwargs: Any) -> _Future:
        return _Future(self._meter, self._meter.call(self._store.write, *args, **kwargs))


class _Client:
    """obstore's client: what it does until the bytes are there."""

    def __init__(self, meter: _Meter, client: Any) -> None:
        self._meter, self._client = meter, client

    def get(self, *args: Any, **kwargs: Any) -> _Answer:
        return _Answer(self._meter, self._meter.call(self._client.get, *args, **kwargs))


class _Answer:
    def __init__(self, meter: _Meter, answer: Any) -> None:
        self._meter, self._answer = meter, answer
        self.meta, self.attributes = answer.meta, answer.attributes

    def bytes(self) -> Any:
        return self._meter.call(self._answer.bytes)


def outside_read(m: Any, path: str, layer: str, edge: int = EDGE) -> dict[str, float]:
    """The share of the CPU of a bulk read that is spent outside of calls of tensorstore, and of obstore in a bucket."""
    mag = m.Dataset.open(path).get_layer(layer).get_mag(1)
    array = mag.state.source.handle.array
    meter = _Meter()
    remote = array._remote
    if remote is None:
        array._store = _Store(meter, array._store)
    else:
        # All that this does is to call the engine.
        remote._decode = partial(meter.call, remote._decode)
        store = remote._root.inner.opened
        store._client = partial(_Client, meter, store._client())
        mag.read(absolute_offset=(0, 0, 0), size=(edge, edge, edge))  # which starts the threads
    with meter.share() as result:
        data = mag.read(absolute_offset=(0, 0, 0), size=(edge, edge, edge))
    del data
    array.close()
    return result


def outside_write(m: Any, folder: str, voxels: str, shard: int) -> dict[str, float]:
    """The share of the CPU of a bulk write that is spent outside tensorstore's own calls."""
    data = np.load(voxels)
    path = f"{folder}/outside"
    shutil.rmtree(path, ignore_errors=True)
    box = m.BoundingBox((0, 0, 0), data.shape[1:])
    category = "color" if data.dtype == np.uint8 else "segmentation"
    layer = m.Dataset(path, voxel_size=(10, 10, 10)).add_layer(
        "written", category, dtype=data.dtype.name, data_format="zarr3", bounding_box=box
    )
    mag = layer.add_mag(1, chunk_shape=32, shard_shape=shard)
    mag.write(data[:, :shard, :shard, :shard], absolute_offset=(0, 0, 0))
    array = mag.state.source.writing_handle.array
    meter = _Meter()
    array._store = _Store(meter, array._store)
    with meter.share() as result:
        mag.write(data, absolute_offset=(0, 0, 0))
    array.close()
    shutil.rmtree(path)
    return result
