"""The rows about views, chunks, compressing and copying. Registered in `rows`, which says what a row is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tables import Goal, Row, at_least, at_most, ratios

if TYPE_CHECKING:
    from bench import Bench

__all__ = ["converting", "copying", "memory", "views"]

_SHARD = 256
_SHARD_BYTES = _SHARD**3
_MEMORY_SHARDS = 16
"""How many shards copying and compressing may hold with two workers, 8 per worker: one as read and one in the engine,
its encoded chunks and the file made of them, and what the allocators of the engine's threads keep."""


def views(bench: Bench) -> list[Row]:
    """`get_view`, and `for_each_chunk` with a function that does nothing."""
    rows = []
    where: dict[str, Any] = {"path": bench.path("volumes"), "layer": "wkw"}
    for what, do, count, args in (
        ("get_view", "views", 1000, {"edge": 512, "count": 1000}),
        ("for_each_chunk, per chunk", "chunks", 4096, {}),
    ):
        found = bench.both(f"copy_workloads.{do}", **where, **args)
        goal = at_least(ratios(found["peer"], found["ours"]), 20, "20 times less CPU")
        rows.append(Row(what, **found, count=count, goals=[goal]))
    return rows


def _make(bench: Bench, name: str, data_format: str, *, tiles: int, compress: bool, shard: int = 128) -> str:
    path = bench.path(name)
    bench.sides.ask(
        "wkplug", "copy_workloads.make", path=path, voxels=bench.path("image.npy"),
        data_format=data_format, shard=shard, tiles=tiles, compress=compress,
    )  # fmt: skip
    return path


def copying(bench: Bench) -> list[Row]:
    """`compress()` and `copy_dataset` with the default executor, of 16 and of 32 MiB."""
    rows = []
    to_zarr3 = {"data_format": "zarr3", "chunk_shape": 32, "shard_shape": 128}
    for tiles in (1, 2):
        size = f"{16 * tiles} MiB"
        for data_format in ("wkw", "zarr3"):
            path = _make(bench, f"raw-{data_format}", data_format, tiles=tiles, compress=False)
            rows.append(_against(bench, f"compress(), {size}, {data_format}", "compress", path=path))
        path = _make(bench, "to-copy", "wkw", tiles=tiles, compress=True)
        for what, options in (("wkw as it is", {}), ("wkw to zarr3", to_zarr3)):
            rows.append(_against(bench, f"copy_dataset, {size}, {what}", "copy", path=path, options=options))
    return rows


def _against(bench: Bench, what: str, do: str, **args: Any) -> Row:
    found = bench.both(f"copy_workloads.{do}", rounds=bench.few, **args)
    goal = at_least(ratios(found["peer"], found["ours"]), 10, "10 times less CPU")
    return Row(what, **found, goals=[goal], notes=_sizes(found))


def _sizes(found: dict[str, Any]) -> list[str]:
    ours, peer = (found[side][0]["bytes"] / 2**20 for side in ("ours", "peer"))
    return [f"stored {ours:.2f} MiB, by webknossos {peer:.2f} MiB."]


def converting(bench: Bench) -> list[Row]:
    """Copies between formats: what is spent outside the engines and codecs."""
    rows = []
    for source, target in (("wkw", "zarr3"), ("zarr3", "wkw"), ("wkw", "zarr")):
        path = _make(bench, f"converted-{source}", source, tiles=2, compress=True)
        options: dict[str, Any] = {"data_format": target, "chunk_shape": 32}
        if target != "zarr":
            options["shard_shape"] = 128
        ask = partial(bench.sides.ask, "engines", "copy_workloads.outside", path=path, options=options)
        ask()
        turns = [ask() for _ in range(bench.turns)]
        percents = [turn["share"] * 100 for turn in turns]
        goal = at_most(percents, 10, "below 10 % of CPU outside the engines and codecs")
        turns = [{**turn, "wall": turn["cpu"]} for turn in turns]
        rows.append(Row(f"copy 32 MiB, {source} to {target}, one thread of ours", turns, goals=[goal]))
    return rows


def memory(bench: Bench) -> list[Row]:
    """The peak memory of copying and compressing shards of 16 MiB, at two sizes, each in a process of its own."""
    rows = []
    sizes = (8, 24)
    for what, do, data_format, compress, args in (
        ("compress(), wkw", "compress", "wkw", False, {}),
        ("compress(), zarr3", "compress", "zarr3", False, {}),
        ("copy_dataset, wkw to zarr3", "copy", "wkw", True,
         {"options": {"data_format": "zarr3", "chunk_shape": 32, "shard_shape": _SHARD}}),
        ("copy_dataset, zarr3 to wkw", "copy", "zarr3", True,
         {"options": {"data_format": "wkw", "chunk_shape": 32, "shard_shape": _SHARD}}),
    ):  # fmt: skip
        turns = []
        for tiles in sizes:
            path = _make(
                bench, f"long-{data_format}", data_format, tiles=tiles, compress=compress, shard=_SHARD
            )
            turns.append(bench.sides.fresh("wkplug", f"copy_workloads.{do}", within=True, path=path, **args))
        shards = [turn["more"] / _SHARD_BYTES for turn in turns]
        found = " and ".join(f"{number:.1f}" for number in shards)
        goal = Goal(
            f"the peak grows by at most {_MEMORY_SHARDS} shards at any size",
            f"{found} shards ({sizes[0]} and {sizes[1]} shards)",
            max(shards) <= _MEMORY_SHARDS,
        )
        peaks = " and ".join(f"{turn['peak'] / 2**20:.0f}" for turn in turns)
        note = f"peak memory of the process {peaks} MiB."
        rows.append(Row(f"{what}, {sizes[1]} shards of 16 MiB", turns[-1:], goals=[goal], notes=[note]))
    return rows
