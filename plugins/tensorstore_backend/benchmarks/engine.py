"""What the plugin costs beyond its engine: CPU time of the same calls through both, interleaved.

Run `python plugins/tensorstore_backend/benchmarks/engine.py [--quick]`. Each row is the least of several
rounds. "raw" is tensorstore as anybody would call it, with its default context; "raw+cache" with the plugin's
cache. The data are sums of noise, so that they compress like images rather than like zeros.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorstore as ts
from wkplug_tensorstore.backends import Zarr3Backend

from wkplug.abc import ArraySpec
from wkplug.filesystems.local import LocalLocation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CACHE = {"cache_pool": {"total_bytes_limit": 32 << 20}}


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def volume(*shape: int) -> np.ndarray[Any, Any]:
    steps = np.random.default_rng(0).integers(-2, 3, shape, dtype=np.int8)
    return np.asfortranarray(np.cumsum(steps, axis=0, dtype=np.int8).view(np.uint8)[None])


def spec(length: int, shard: int) -> ArraySpec:
    return ArraySpec(
        axes=("c", "x", "y", "z"),
        shape=(1, length, length, length),
        dtype="uint8",
        chunk_shape=(1, 32, 32, 32),
        shard_shape=(1, shard, shard, shard),
    )


def compare(title: str, calls: Mapping[str, Callable[[], object]], *, per: int, rounds: int) -> None:
    """Print CPU and wall microseconds per operation, and the ratio to the first contender."""
    best = dict.fromkeys(calls, (float("inf"), float("inf")))
    for _ in range(rounds):
        for name, call in calls.items():
            c, w = cpu(), time.perf_counter()
            call()
            used = ((cpu() - c) / per * 1e6, (time.perf_counter() - w) / per * 1e6)
            best[name] = min(best[name][0], used[0]), min(best[name][1], used[1])
    first = next(iter(best.values()))[0]
    for name, (c, w) in best.items():
        print(f"{title:34} {name:12} cpu {c:11.1f} us  wall {w:11.1f} us  ratio {c / first:5.2f}", flush=True)


def reads(folder: Path, shard: int, rounds: int) -> None:
    data = volume(512, 512, 512)
    path = folder / f"read-{shard}"
    array = Zarr3Backend().create(LocalLocation(path), spec(max(shard, 512), shard))
    array.write(((0, 0, 0, 0), data.shape), data)
    stored = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    raw, cached = ts.open(stored).result(), ts.open(stored, context=ts.Context(CACHE)).result()
    generator = random.Random(1)
    for title, step in (("32^3 aligned", 32), ("32^3 anywhere", 1)):
        places = [tuple(generator.randrange(480 // step) * step for _ in range(3)) for _ in range(500)]

        def through(handle: Any, places: list[Any] = places) -> None:
            for x, y, z in places:
                handle[0:1, x : x + 32, y : y + 32, z : z + 32].read(order="F").result()

        def ours(places: list[Any] = places) -> None:
            for place in places:
                array.read(((0, *place), (1, 32, 32, 32)))

        calls = {"raw": lambda: through(raw), "raw+cache": lambda: through(cached), "wkplug": ours}
        compare(f"{title}, shard {shard}^3", calls, per=500, rounds=rounds)
    box = ((0, 0, 0, 0), (1, 512, 512, 512))
    out = np.empty(box[1], np.uint8, order="F")
    bulk = {
        "raw": lambda: raw[:, :512, :512, :512].read(order="F").result(),
        "raw+cache": lambda: cached[:, :512, :512, :512].read(order="F").result(),
        "wkplug": lambda: array.read(box),
        "wkplug out=": lambda: array.read(box, out=out),
    }
    compare(f"512^3 aligned, shard {shard}^3", bulk, per=1, rounds=rounds)


def writes(folder: Path, rounds: int) -> None:
    data = volume(256, 256, 256)
    plain = np.ascontiguousarray(data)
    box = ((0, 0, 0, 0), data.shape)
    array = Zarr3Backend().create(LocalLocation(folder / "write"), spec(256, 128))
    raw = ts.open({"driver": "zarr3", "kvstore": {"driver": "file", "path": str(folder / "write")}}).result()
    calls = {
        "raw": lambda: raw.write(data).result(),
        "wkplug": lambda: array.write(box, data),
        "raw C order": lambda: raw.write(plain).result(),
        "wkplug C": lambda: array.write(box, plain),
    }
    compare("256^3 write, shard 128^3", calls, per=1, rounds=rounds)


def small_write(folder: str) -> None:
    """One 128^3 write into an empty mag with the default shard; in a process of its own, for its peak."""
    data = volume(128, 128, 128)
    array = Zarr3Backend().create(LocalLocation(Path(folder) / "small"), spec(1024, 1024))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    c = cpu()
    array.write(((0, 128, 0, 0), data.shape), data)
    used = cpu() - c
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = sum(file.stat().st_size for file in (Path(folder) / "small").rglob("*") if file.is_file())
    print(
        f"128^3 into an empty 1024^3 shard: cpu {used:.3f} s, peak {peak / 1024:.0f} MiB "
        f"({(peak - before) / 1024:.0f} more than before), {size / 2**20:.2f} MiB stored"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, small shards only")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        # Before the engine is used here: children are spawned anyway, but their peak should be their own.
        process = multiprocessing.get_context("spawn").Process(target=small_write, args=(name,))
        process.start()
        process.join()
        for shard in (256,) if quick else (256, 1024):
            reads(Path(name), shard, 1 if quick else 4)
        writes(Path(name), 1 if quick else 4)


if __name__ == "__main__":
    main()
