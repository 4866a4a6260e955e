"""What both sides are asked to do in a bucket, written once: `m` is `wkplug` or `webknossos`.

As in `workloads`; `worker.py` finds these as "remote_workloads.NAME". `server` is the URL of a counting server. Figures
are those of the requests between two looks at it: "requests", "round_trips", "in_flight", "sent" and "received" bytes.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import numpy as np
from meter import metered

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "add",
    "copy",
    "create",
    "fresh_read",
    "make",
    "many",
    "obstore_copy",
    "open_and_info",
    "outside_read",
    "read",
    "reads",
    "write",
]

BUCKET = "bench"
_CONTROL = "/__counting__"
_KEYS = {"AWS_ACCESS_KEY_ID": "AKIAKEY", "AWS_SECRET_ACCESS_KEY": "verysecret", "AWS_REGION": "us-east-1"}
_LATENCY = 20
"""Milliseconds."""


def place(m: Any, server: str, name: str) -> Any:
    """Give the place of a dataset in the bucket as each side takes it."""
    # Nobody shall look for credentials of this machine, and wait for them.
    os.environ.update({**_KEYS, "AWS_EC2_METADATA_DISABLED": "true"})
    if m.__name__ == "webknossos":
        from upath import UPath

        keys = {"key": _KEYS["AWS_ACCESS_KEY_ID"], "secret": _KEYS["AWS_SECRET_ACCESS_KEY"]}
        return UPath(f"s3://{BUCKET}/{name}", endpoint_url=server, **keys)
    return f"s3://{server.removeprefix('http://')}/{BUCKET}/{name}"


def _ask(server: str, method: str, query: str = "") -> dict[str, Any]:
    with urlopen(Request(f"{server}{_CONTROL}?{query}", method=method)) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


@contextmanager
def counted(server: str, *, bandwidth: float = 0) -> Iterator[dict[str, Any]]:
    """Fill the dictionary with the figures of the requests of the block, and what it costs; latency is on.

    bandwidth: how many megabytes a second each connection carries, 0 for as many as it can.
    """
    _ask(server, "PUT", f"latency={_LATENCY}&bandwidth={bandwidth}")
    _ask(server, "DELETE")
    result: dict[str, Any] = {}
    with metered() as costs:
        yield result
    figures = _ask(server, "GET", "requests" if os.environ.get("BENCH_REQUESTS") else "")
    for each in figures.get("requests", ()):
        print(
            each["method"], each["path"], each["query"], each["range"], each["status"]
        )  # for who looks into it
    found = figures["figures"]
    result.update(costs, requests=found["count"])
    result.update({name: found[name] for name in ("round_trips", "in_flight", "sent", "received")})
    _ask(server, "PUT", "latency=0&bandwidth=0")


def make(
    m: Any,
    server: str,
    name: str,
    voxels: str,
    data_format: str,
    shard: int,
    tiles: int = 1,
    compress: bool = True,
    local: str = "",
) -> dict[str, Any]:
    """Write a dataset of one layer: the voxels, `tiles` times along each axis; without latency."""
    data = np.load(voxels)
    edge = data.shape[-1]
    dataset = m.Dataset(local or place(m, server, name), voxel_size=(10, 10, 10), exist_ok=True)
    box = m.BoundingBox((0, 0, 0), (edge * tiles,) * 3)
    layer = dataset.add_layer("made", "color", dtype="uint8", data_format=data_format, bounding_box=box)
    mag = layer.add_mag(1, chunk_shape=32, shard_shape=shard, compress=compress)
    for where in np.ndindex(tiles, tiles, tiles):
        mag.write(data, absolute_offset=tuple(edge * index for index in where))
    return {}


def many(m: Any, server: str, name: str, layers: int, mags: int, data_format: str) -> dict[str, Any]:
    """Write a dataset of many empty mags; without latency."""
    dataset = m.Dataset(place(m, server, name), voxel_size=(10, 10, 10))
    box = m.BoundingBox((0, 0, 0), (512, 512, 512))
    for number in range(layers):
        layer = dataset.add_layer(f"layer{number}", "color", data_format=data_format, bounding_box=box)
        for power in range(mags):
            layer.add_mag(2**power)
    return {}


def open_and_info(m: Any, server: str, name: str) -> dict[str, Any]:
    """Open a dataset, and ask each mag for the facts of its array."""
    where = place(m, server, name)
    with counted(server) as result:
        dataset = m.Dataset.open(where)
        infos = [mag.info for layer in dataset.layers.values() for mag in layer.mags.values()]
        shapes = {tuple(info.chunk_shape) for info in infos}
    return {**result, "mags": len(infos), "shapes": len(shapes)}


def reads(m: Any, server: str, name: str, local: str, starts: list[list[int]], size: int) -> dict[str, Any]:
    """Read boxes of a dataset that has just been opened, each with figures of its own; the sums of the voxels.

    Before, both sides load their engine: they read a dataset of the same format on the disk, `local`.
    """
    m.Dataset.open(local).get_layer("made").get_mag(1).read(absolute_offset=(0, 0, 0), size=(32, 32, 32))
    mag = m.Dataset.open(place(m, server, name)).get_layer("made").get_mag(1)
    turns, sums = [], []
    for start in starts:
        with counted(server) as result:
            data = mag.read(absolute_offset=tuple(start), size=(size, size, size))
        turns.append(result)
        sums.append(int(data.sum(dtype=np.int64)))
    return {"turns": turns, "sum": sums}


def read(m: Any, server: str, name: str, size: int) -> dict[str, Any]:
    """Read from the origin in one call."""
    mag = m.Dataset.open(place(m, server, name)).get_layer("made").get_mag(1)
    with counted(server) as result:
        data = mag.read(absolute_offset=(0, 0, 0), size=(size, size, size))
    return {**result, "sum": int(data.sum(dtype=np.int64))}


def fresh_read(m: Any, server: str, name: str) -> dict[str, Any]:
    """Open a dataset and read 32^3 voxels; the whole process is measured from outside."""
    mag = m.Dataset.open(place(m, server, name)).get_layer("made").get_mag(1)
    data = mag.read(absolute_offset=(64, 32, 96), size=(32, 32, 32))
    return {"sum": int(data.sum(dtype=np.int64))}


def create(m: Any, server: str, name: str) -> dict[str, Any]:
    """Create an empty dataset."""
    where = place(m, server, name)
    with counted(server) as result:
        m.Dataset(where, voxel_size=(10, 10, 10))
    return result


def add(m: Any, server: str, name: str, data_format: str) -> dict[str, Any]:
    """Add a layer to a dataset that has one, and a second mag to it: the figures of both."""
    dataset = m.Dataset(place(m, server, name), voxel_size=(10, 10, 10))
    box = m.BoundingBox((0, 0, 0), (512, 512, 512))
    dataset.add_layer("first", "color", data_format=data_format, bounding_box=box).add_mag(1)
    with counted(server) as of_layer:
        layer = dataset.add_layer("second", "color", data_format=data_format, bounding_box=box)
    layer.add_mag(1)
    with counted(server) as of_mag:
        layer.add_mag(2)
    return {"layer": of_layer, "mag": of_mag}


def write(
    m: Any,
    server: str,
    name: str,
    voxels: str,
    data_format: str,
    shard: int,
    bandwidth: float = 0,
    block_type: str = "",
) -> dict[str, Any]:
    """Write a volume of 2 x 2 x 2 shards in one call to a mag that has just been added.

    block_type: what webknossos takes in buckets without being asked, for wkplug to store the same.
    """
    data = np.asfortranarray(np.tile(np.load(voxels), (1, 2, 2, 2)))
    dataset = m.Dataset(place(m, server, name), voxel_size=(10, 10, 10))
    box = m.BoundingBox((0, 0, 0), data.shape[1:])
    layer = dataset.add_layer("made", "color", dtype="uint8", data_format=data_format, bounding_box=box)
    compress: Any = {"block_type": block_type} if block_type and m.__name__ == "wkplug" else True
    mag = layer.add_mag(1, chunk_shape=32, shard_shape=shard, compress=compress)
    with counted(server, bandwidth=bandwidth) as result:
        mag.write(data, absolute_offset=(0, 0, 0))
    return result


def copy(m: Any, server: str, name: str, source: str, local: str = "") -> dict[str, Any]:
    """Copy a dataset into the bucket, from it or (`local`) from the disk."""
    dataset = m.Dataset.open(local or place(m, server, source))
    where = place(m, server, name)
    with counted(server) as result:
        dataset.copy_dataset(where)
    return result


def obstore_copy(_: Any, server: str, name: str, source: str, local: str = "") -> dict[str, Any]:
    """Copy the files of a mag with obstore alone, 16 at a time."""
    import asyncio

    import obstore
    from obstore.store import LocalStore, S3Store

    options = {"allow_http": True}
    bucket = S3Store(
        BUCKET, endpoint=server, access_key_id="AKIAKEY", secret_access_key="x",
        region="us-east-1", client_options=options,
    )  # fmt: skip
    origin, prefix = (LocalStore(local), "") if local else (bucket, source)
    keys = [each["path"] for page in origin.list(prefix or None) for each in page]

    async def one(key: str, limit: asyncio.Semaphore) -> None:
        async with limit:
            data = await (await obstore.get_async(origin, key)).bytes_async()
            target = f"{name}/{key.removeprefix(prefix).lstrip('/')}"
            await obstore.put_async(bucket, target, data, use_multipart=False)

    async def all_of_them() -> None:
        limit = asyncio.Semaphore(16)
        await asyncio.gather(*(one(key, limit) for key in keys))

    with counted(server) as result:
        asyncio.run(all_of_them())
    return {**result, "objects": len(keys)}


def outside_read(m: Any, server: str, name: str, size: int) -> dict[str, Any]:
    """The share of the CPU of a bulk read that is spent outside of the engine and the transport; without latency."""
    import engines

    return engines.outside_read(m, place(m, server, name), "made", size)
