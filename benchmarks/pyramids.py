"""The rows about pyramids. Registered in `rows`, which says what a row is."""

from __future__ import annotations

import statistics
from functools import partial
from typing import TYPE_CHECKING, Any

from tables import Goal, Row, at_least, at_most, ratios

if TYPE_CHECKING:
    from bench import Bench

__all__ = ["default_shards", "parallel", "pyramids"]


def _make(
    bench: Bench,
    name: str,
    data_format: str,
    *,
    edge: int,
    shard: int | None,
    dtype: str = "uint8",
    compress: Any = True,
) -> str:
    path = bench.path(name)
    voxels = bench.path("image.npy" if dtype == "uint8" else "labels.npy")
    bench.sides.ask(
        "wkplug", "pyramid_workloads.make", path=path, voxels=voxels, data_format=data_format,
        shard=shard, edge=edge, dtype=dtype, compress=compress,
    )  # fmt: skip
    return path


def _same(found: dict[str, Any]) -> None:
    sums = {tuple(turn["sums"]) for turns in found.values() for turn in turns}
    if len(sums) != 1:
        raise RuntimeError(f"The sides computed different voxels: {sums}.")


def _stored(found: dict[str, Any]) -> str:
    ours, peer = (found[side][0]["bytes"] / 2**20 for side in ("ours", "peer"))
    return f"stored {ours:.2f} MiB, by webknossos {peer:.2f} MiB."


def pyramids(bench: Bench) -> list[Row]:
    """Mags 2, 4 and 8 of a volume, in one thread, metadata and marks included; both sides read the same files.

    Kept processes, in which webknossos has loaded its compiled kernels: so has wkplug. In a fresh process, where
    loading counts, wkplug takes what it takes by itself.
    """
    rows = []
    ask = partial(bench.sides.ask, do="pyramid_workloads.pyramid")
    outside = partial(bench.sides.ask, "wkplug", "pyramid_workloads.outside")
    for edge, shard in ((256, 128), (512, 256)):
        path = _make(bench, f"pyramid-wkw-{edge}", "wkw", edge=edge, shard=shard)
        for what, compress, limit in (
            ("LZ4HC", True, 1.5),
            ("LZ4 fast, webknossos LZ4HC", {"block_type": "lz4"}, 2.7),
        ):
            args: dict[str, Any] = {"path": path, "shard": shard}
            number = 3 if compress is True else 2
            found = bench.in_turns(
                ours=partial(ask, "wkplug", **args, compress=compress, compiled=True),
                peer=partial(ask, "webknossos", **args),
            )
            _same(found)
            alone = partial(bench.sides.ask, "engines", "pyramid_workloads.codec", **args, block_type=number)
            found |= bench.in_turns(engine=alone)
            shares = [
                100 * outside(**args, compress=compress, compiled=True)["share"]
                for _ in range(max(3, bench.turns))
            ]
            goals = [at_least(ratios(found["peer"], found["ours"]), limit, f"{limit} times less CPU")]
            if compress is True:
                goals.append(at_most(shares, 15, "below 15 % of CPU outside codec and files"))
            notes = [_stored(found), f"{statistics.median(shares):.0f} % of CPU outside codec and files."]
            title = f"pyramid of {edge}^3 EM, wkw, shards {shard}^3, {what} (engine: codec alone)"
            rows.append(Row(title, **found, goals=goals, notes=notes))
        fresh = partial(bench.sides.fresh, do="pyramid_workloads.pyramid", path=path, shard=shard)
        found = bench.in_turns(ours=partial(fresh, "wkplug"), peer=partial(fresh, "webknossos"))
        _same(found)
        rows.append(Row(f"fresh process: the same of {edge}^3, LZ4HC", **found, notes=[_stored(found)]))
    return rows


def default_shards(bench: Bench) -> list[Row]:
    """The same in Zarr v3 with the default shards of each side, and the peak memory of a fresh process.

    webknossos holds its default shard of 1024^3 voxels about three times: 3.7 GB of bytes, 12.7 GB of uint32. Of uint64
    that is more than most machines have, so both sides get shards of 256^3 there. One turn of fresh processes.
    """
    rows = []
    outside = partial(bench.sides.ask, "wkplug", "pyramid_workloads.outside")
    for dtype, shard in (("uint8", None), ("uint32", None), ("uint64", 256)):
        path = _make(bench, f"pyramid-zarr3-{dtype}", "zarr3", edge=256, shard=256, dtype=dtype)
        fresh = partial(
            bench.sides.fresh, do="pyramid_workloads.pyramid", within=True, path=path, shard=shard
        )
        found = bench.in_turns(
            rounds=1,  # webknossos takes its time
            warm=False,
            ours=partial(fresh, "wkplug"),
            peer=partial(fresh, "webknossos"),
        )
        _same(found)
        ours, peer = (found[side][0]["peak"] / 2**20 for side in ("ours", "peer"))
        shares = [100 * outside(path=path, shard=shard)["share"] for _ in range(3)]
        goals = [
            at_least(ratios(found["peer"], found["ours"]), 2, "2 times less CPU"),
            Goal("less peak memory", f"{ours:.0f} MiB, webknossos {peer:.0f} MiB", ours < peer),
            at_most(shares, 15, "below 15 % of CPU outside codec and files"),
        ]
        what = "colour" if dtype == "uint8" else "labels"
        shards = "default shards of both" if shard is None else f"shards {shard}^3"
        title = f"pyramid of 256^3 {dtype} {what}, zarr3, {shards}"
        rows.append(Row(title, **found, goals=goals, notes=[_stored(found)]))
    return rows


def parallel(bench: Bench) -> list[Row]:
    """A layer under 1024^3 in one shard, with the default executor and in one thread, by turns."""
    rows = []
    for data_format in ("wkw", "zarr3"):
        path = _make(bench, f"pyramid-parallel-{data_format}", data_format, edge=512, shard=512)
        ask = partial(bench.sides.ask, "wkplug", "pyramid_workloads.pyramid", path=path, shard=None)
        found = bench.in_turns(
            ours=partial(ask, executor="default"), engine=partial(ask, executor="sequential")
        )
        _same(found)
        tiles = bench.sides.ask("wkplug", "pyramid_workloads.busy", path=path)["tiles"]
        goals = [
            at_most(ratios(found["ours"], found["engine"]), 1.1, "at most 1.1 times the CPU of one thread"),
            Goal("two workers busy", f"tiles per worker: {', '.join(map(str, tiles))}", len(tiles) > 1),
        ]
        walls = statistics.median(ratios(found["engine"], found["ours"], "wall"))
        title = f"pyramid of 512^3 EM in one shard, {data_format}, default executor (engine: sequential)"
        rows.append(Row(title, **found, goals=goals, notes=[f"{walls:.2f} times faster by the clock."]))
    return rows
