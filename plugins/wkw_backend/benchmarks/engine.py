"""How the codec compares with the Rust package `wkw`, in CPU time: run it, it prints a table.

Both sides work in one process on the same files, one after the other in short turns, each warm; a figure is
the median over the turns. CPU time counts all threads. Data: smooth correlated noise like an electron
micrograph (LZ4HC saves little), and large segments (LZ4HC saves almost all).

    python benchmarks/engine.py [--quick]
"""

# A script that prints a table.

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import wkw
from wkplug_wkw.backend import WkwBackend

from wkplug.abc import ArraySpec
from wkplug.filesystems.local import LocalLocation

if TYPE_CHECKING:
    from collections.abc import Callable

QUICK = "--quick" in sys.argv
TURNS = 3 if QUICK else 9


def em(edge: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Make correlated noise, uint8, (1, x, y, z) in Fortran order."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(edge, edge, edge)).astype("f4")
    for _ in range(3):
        for axis in range(3):
            noise = (noise + np.roll(noise, 1, axis) + np.roll(noise, 2, axis)) / 3
    noise *= 30 / noise.std()
    noise += rng.normal(size=noise.shape).astype("f4") * 0.5
    # Values of a camera come in few steps; without them LZ4 finds nothing at all.
    return np.asfortranarray((np.clip(128 + noise, 0, 255) // 8 * 8).astype("u1")[None])


def segments(edge: int) -> np.ndarray[Any, Any]:
    """Make cells of 28 voxels, uint32."""
    x, y, z = np.ogrid[:edge, :edge, :edge]
    cells = (x // 28) * 7919 + ((y + x // 3) // 28) * 104729 + ((z + y // 4) // 28) * 1299709
    return np.asfortranarray(cells.astype("u4")[None])


def cpu(*sides: Callable[[], Any], turns: int = TURNS) -> list[float]:
    """Give each side's median CPU seconds, interleaved."""
    for side in sides:
        side()
    found: list[list[float]] = [[] for _ in sides]
    walls: list[list[float]] = [[] for _ in sides]
    for _ in range(turns):
        for side, times, wall in zip(sides, found, walls, strict=True):
            begin, start = time.perf_counter(), time.process_time()
            side()
            times.append(time.process_time() - start)
            wall.append(time.perf_counter() - begin)
    return [statistics.median(times) for times in found] + [statistics.median(times) for times in walls]


def row(
    name: str, count: int, unit: str, factor: float, ours: Callable[[], Any], raw: Callable[[], Any]
) -> None:
    """Measure and print one line."""
    mine, theirs, my_wall, their_wall = (seconds * factor / count for seconds in cpu(ours, raw))
    print(
        f"{name:30} {mine:8.1f} {theirs:8.1f} {unit:3} {mine / theirs:5.2f}x"
        f"   wall {my_wall:8.1f} {their_wall:8.1f} {my_wall / their_wall:5.2f}x",
        flush=True,
    )


def main() -> None:
    """Run everything."""
    root = Path(tempfile.mkdtemp(prefix="wkw-bench-"))
    backend = WkwBackend({"fsync": "never"})
    print(f"{'':30} {'wkplug':>8} {'wkw':>8}")
    try:
        for kind, data in (("EM u8", em(256)), ("segments u32", segments(256))):
            for block_type, number in (("lz4hc", 3), ("lz4", 2), ("raw", 1)):
                measure(root / f"{kind[:2]}{block_type}", backend, kind, data, block_type, number)
        small_write(root / "small", backend)
    finally:
        shutil.rmtree(root)


def measure(
    path: Path, backend: WkwBackend, kind: str, data: np.ndarray[Any, Any], block_type: str, number: int
) -> None:
    """Compare reads and writes of one kind of data in 256^3 shards of 32^3 blocks."""
    ours = backend.create(
        LocalLocation(path / "ours"),
        ArraySpec(
            axes=("c", "x", "y", "z"),
            shape=(1, None, None, None),
            dtype=data.dtype.name,
            chunk_shape=(1, 32, 32, 32),
            shard_shape=(1, 256, 256, 256),
            options={"block_type": block_type},
        ),
    )
    header = wkw.Header(data.dtype.type, block_len=32, file_len=8, block_type=number)
    raw = wkw.Dataset.create(str(path / "raw"), header)
    box = ((0, 0, 0, 0), data.shape)
    name = f"{kind} {block_type} "
    row(name + "bulk write", 1, "ms", 1e3, lambda: ours.write(box, data), lambda: raw.write((0, 0, 0), data))
    same = wkw.Dataset.open(str(path / "ours"))
    row(name + "bulk read", 1, "ms", 1e3, lambda: ours.read(box), lambda: same.read((0, 0, 0), (256,) * 3))
    rng = np.random.default_rng(1)
    count = 200 if QUICK else 1000
    aligned = [tuple(int(i) * 32 for i in place) for place in rng.integers(0, 8, (count, 3))]
    anywhere = [tuple(map(int, place)) for place in rng.integers(0, 256 - 64, (count, 3))]
    for text, edge, places in (
        ("32^3 aligned", 32, aligned), ("32^3 anywhere", 32, anywhere), ("64^3 anywhere", 64, anywhere[:200]),
    ):  # fmt: skip
        shape = (1, edge, edge, edge)

        def read_ours(places: Any = places, shape: Any = shape) -> None:
            for x, y, z in places:
                ours.read(((0, x, y, z), shape))

        def read_raw(places: Any = places, edge: int = edge) -> None:
            for place in places:
                same.read(place, (edge, edge, edge))

        row(name + text, len(places), "us", 1e6, read_ours, read_raw)


def small_write(path: Path, backend: WkwBackend) -> None:
    """Write 128^3 voxels into an empty array with the default shard of 1024^3."""
    data = em(128)
    spec = ArraySpec(
        axes=("c", "x", "y", "z"), shape=(1, None, None, None), dtype="uint8",
        chunk_shape=(1, 32, 32, 32), shard_shape=(1, 1024, 1024, 1024),
    )  # fmt: skip

    def ours() -> None:
        shutil.rmtree(path, ignore_errors=True)
        backend.create(LocalLocation(path), spec).write(((0, 0, 0, 0), data.shape), data)

    def again() -> None:
        backend.open(LocalLocation(path), "r+").write(((0, 256, 0, 0), data.shape), data)

    ours()
    size = (path / "z0/y0/x0.wkw").stat().st_size
    first, second, first_wall, second_wall = (1e3 * seconds for seconds in cpu(ours, again, turns=5))
    print(f"128^3 into an empty 1024^3 shard: {first:.1f} ms CPU, {first_wall:.1f} ms wall, {size:,} bytes")
    print(f"128^3 into it again:              {second:.1f} ms CPU, {second_wall:.1f} ms wall")


if __name__ == "__main__":
    main()
