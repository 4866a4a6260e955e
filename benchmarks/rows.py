"""The rows of the table: who does what in turns, and what must come out.

Each function measures one group of rows. The goals are those that the project set itself before the first line
of code; a goal that is missed stays in the table.
"""

from __future__ import annotations

import statistics
from functools import partial
from typing import TYPE_CHECKING, Any

import copying
import imports as importing
import kernels
import pyramids
import remote
from tables import Goal, Row, Turns, at_least, at_most, ratios

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench import Bench

__all__ = ["GROUPS"]

_THIRD_PARTY = """
import sys
before = set(sys.modules)
import wkplug
import json
found = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps({"names": sorted(found - sys.stdlib_module_names - {"wkplug"})}))
"""
"""Prints what `import wkplug` loads that is neither wkplug's nor Python's."""

_HELP = """
import os, sys
sys.stdout = open(os.devnull, "w")
from wkplug.cli.main import main
main(["--help"])
"""


def imports(bench: Bench) -> list[Row]:
    """`import wkplug` and `wkplug --help`, also beside `import numpy`, and a process that reads 32^3 voxels."""
    names = bench.sides.run("wkplug", ["-c", _THIRD_PARTY])["names"]
    found = bench.in_turns(
        ours=partial(bench.sides.run, "wkplug", ["-c", "import wkplug"]),
        peer=partial(bench.sides.run, "webknossos", ["-c", "import webknossos"]),
        engine=partial(bench.sides.run, "wkplug", ["-c", "pass"]),
    )
    goal = Goal("no third-party module", ", ".join(names) or "none", not names)
    rows = [Row("`import`, the whole process (engine: bare Python)", **found, goals=[goal])]
    for title, code, limit in (("`import`", "import wkplug", 0.5), ("`wkplug --help`", _HELP, 1.5)):
        beside = bench.in_turns(
            ours=partial(bench.sides.run, "wkplug", ["-c", code]),
            engine=partial(bench.sides.run, "wkplug", ["-c", "import numpy"]),
        )
        goal = at_most(ratios(beside["ours"], beside["engine"]), limit, f"{limit} times the CPU")
        rows.append(Row(f"{title}, the whole process (engine: `import numpy`)", **beside, goals=[goal]))
    for data_format in ("wkw", "zarr3"):
        args: dict[str, Any] = {"path": bench.path("volumes"), "layer": data_format}
        reading = bench.in_turns(
            ours=partial(bench.sides.fresh, "wkplug", "fresh_read", **args),
            peer=partial(bench.sides.fresh, "webknossos", "fresh_read", **args),
        )
        title = f"fresh process: import, open, read 32^3, {data_format}"
        goal = at_least(ratios(reading["peer"], reading["ours"]), 4, "4 times less CPU")
        rows.append(Row(title, **reading, goals=[goal]))
    return rows


def opening(bench: Bench) -> list[Row]:
    """`Dataset.open` of few and of many layers."""
    rows = []
    for name, count, limit in (("5x8", 20, 10), ("200x2", 5, 20)):
        title = f"Dataset.open, {name.replace('x', ' layers x ')} mags"
        found = bench.both("open_dataset", path=bench.path(name), count=count, look=False)
        goal = at_least(ratios(found["peer"], found["ours"]), limit, f"{limit} times less CPU")
        rows.append(Row(title, **found, count=count, goals=[goal]))
        found = bench.both("open_dataset", path=bench.path(name), count=count, look=True)
        rows.append(Row(f"{title}, and list(layer.mags) of all", **found, count=count))
    return rows


def reads(bench: Bench) -> list[Row]:
    """1,000 small reads of open mags: at chunk borders, and anywhere."""
    rows = []
    for data_format, engine, limits, engine_limit in (
        ("wkw", "wkw_reads", (10.0, 3.0), 1.5),
        ("zarr3", "tensorstore_reads", (4.0, 1.6), 1.3),
    ):
        for what, step, limit in (("aligned", 32, limits[0]), ("unaligned", 1, limits[1])):
            args: dict[str, Any] = {
                "path": bench.path("volumes"), "layer": data_format,
                "edge": 512, "size": 32, "count": 1000, "step": step,
            }  # fmt: skip
            found = bench.both("reads", engine, **args)
            sums = {turn["sum"] for turns in found.values() for turn in turns}
            if len(sums) != 1:
                raise RuntimeError(f"The sides read different voxels: {sums}.")
            goals = [at_least(ratios(found["peer"], found["ours"]), limit, f"{limit:g} times less CPU")]
            if step == 32:
                text = f"at most {engine_limit} times the engine's CPU"
                goals.append(at_most(ratios(found["ours"], found["engine"]), engine_limit, text))
            overheads = [value * 1e6 for value in bench.sides.ask("engines", "overhead", **args)["overheads"]]
            goals.append(at_most(overheads, 60, "below 60 µs of CPU over the backend's call"))
            title = f"1,000 {what} reads of 32^3, {data_format}, per read"
            rows.append(Row(title, **found, count=1000, goals=goals))
    return rows


def bulk_zarr(bench: Bench) -> list[Row]:
    """256^3 voxels of Zarr v3 in one call, same codec and level on both sides."""
    rows = []
    for kind in ("image", "labels"):
        where: dict[str, Any] = {"path": bench.path("volumes"), "layer": f"{kind}-zarr3"}
        found = bench.both("bulk_read", **where, count=3)
        outside = [bench.sides.ask("engines", "outside_read", **where)["share"] for _ in range(3)]
        rows.append(_zarr_row(f"read 256^3 {kind}, zarr3 (zstd 5)", found, outside, count=3))
        args: dict[str, Any] = {"folder": bench.path(""), "voxels": bench.path(f"{kind}.npy"), "shard": 128}
        found = bench.both("bulk_write", rounds=bench.few, **args, data_format="zarr3", compress=True)
        outside = [bench.sides.ask("engines", "outside_write", **args)["share"] for _ in range(3)]
        rows.append(_zarr_row(f"write 256^3 {kind}, zarr3 (zstd 5)", found, outside))
    return rows


def _sizes(found: dict[str, Any]) -> str:
    ours, peer = (found[side][0]["bytes"] / 2**20 for side in ("ours", "peer"))
    return f"stored {ours:.2f} MiB, by webknossos {peer:.2f} MiB."


def _busy(turns: Turns) -> str:
    threads = statistics.median(turn["cpu"] / turn["wall"] for turn in turns)
    return f"CPU / wall = {threads:.2f} (above 1: more than one thread was busy)."


def _notes(found: dict[str, Any]) -> list[str]:
    notes = [_busy(found["ours"])]
    if "peer" in found and "bytes" in found["ours"][0]:
        notes.append(_sizes(found))
    return notes


def _zarr_row(what: str, found: dict[str, Any], outside: list[float], count: int = 1) -> Row:
    percents = [share * 100 for share in outside]
    goal = at_most(percents, 5, "below 5 % of CPU outside the engine")
    return Row(what, **found, count=count, goals=[goal], notes=_notes(found))


def bulk_wkw(bench: Bench) -> list[Row]:
    """256^3 voxels of WKW in one call, against the bare wkw package with the same block type."""
    rows = []
    for block_type, number, read_limit, write_limit in (
        ("lz4hc", 3, 1.2, 1.2), ("lz4", 2, 1.5, 2.0), ("raw", 1, 1.5, 2.0),
    ):  # fmt: skip
        where: dict[str, Any] = {"path": bench.path("volumes"), "layer": f"image-{block_type}", "count": 5}
        found = bench.both("bulk_read", "wkw_bulk_read", **where)
        rows.append(_wkw_row(f"read 256^3 image, wkw {block_type}", found, read_limit, count=5))
        args: dict[str, Any] = {"folder": bench.path(""), "voxels": bench.path("image.npy"), "shard": 256}
        compress = block_type != "raw" and {"block_type": block_type}
        writing = partial(bench.sides.ask, do="bulk_write", **args, data_format="wkw")
        calls: dict[str, Any] = {
            "ours": partial(writing, "wkplug", compress=compress),
            "engine": partial(bench.sides.ask, "engines", "wkw_bulk_write", **args, block_type=number),
        }
        if block_type != "lz4":  # which webknossos doesn't write
            calls["peer"] = partial(writing, "webknossos", compress=bool(compress))
        found = bench.in_turns(rounds=bench.few, **calls)
        rows.append(_wkw_row(f"write 256^3 image, wkw {block_type}", found, write_limit))
    return rows


def _wkw_row(what: str, found: dict[str, Any], limit: float, count: int = 1) -> Row:
    goal = at_most(ratios(found["ours"], found["engine"]), limit, f"at most {limit:g} times the engine's CPU")
    return Row(what, **found, count=count, goals=[goal], notes=_notes(found))


def small_write(bench: Bench) -> list[Row]:
    """128^3 voxels into an empty mag with the default shard: the write's CPU, the process's peak memory."""
    rows = []
    for data_format, limit in (("zarr3", 30), ("wkw", 3)):
        args: dict[str, Any] = {
            "folder": bench.path(""),
            "voxels": bench.path("image.npy"),
            "data_format": data_format,
        }
        found = bench.in_turns(
            rounds=bench.few,
            warm=False,
            ours=partial(bench.sides.fresh, "wkplug", "small_write", within=True, **args),
            peer=partial(bench.sides.fresh, "webknossos", "small_write", within=True, **args),
        )
        goals = [at_least(ratios(found["peer"], found["ours"]), limit, f"{limit} times less CPU")]
        if data_format == "zarr3":
            memory = ratios(found["peer"], found["ours"], "peak")
            goals.append(at_least(memory, 10, "10 times less peak memory of the process"))
        else:
            sizes = ratios(found["ours"], found["peer"], "bytes")
            goals.append(at_most(sizes, 1, "file no larger: wkplug / webknossos"))
        peaks = ", ".join(
            f"{name} {statistics.median(turn['peak'] for turn in found[side]) / 2**20:.0f} MiB "
            f"(the write added {statistics.median(turn['more'] for turn in found[side]) / 2**20:.0f})"
            for name, side in (("wkplug", "ours"), ("webknossos", "peer"))
        )
        rows.append(
            Row(
                f"write 128^3 to an empty mag, {data_format}, default shard",
                **found,
                goals=goals,
                notes=[f"peak memory: {peaks}.", _sizes(found)],
            )
        )
    return rows


def creating(bench: Bench) -> list[Row]:
    """60 layers with 2 mags each, created one by one."""
    rows = []
    for data_format in ("wkw", "zarr3"):
        args: dict[str, Any] = {"folder": bench.path(""), "data_format": data_format, "mags": 2}
        few = bench.both("create_layers", rounds=bench.few, **args, layers=5)
        many = bench.both("create_layers", rounds=bench.few, warm=False, **args, layers=60)
        growth = [
            (a["cpu"] / a["operations"]) / (b["cpu"] / b["operations"])
            for a, b in zip(many["ours"], few["ours"], strict=True)
        ]
        touched = many["ours"][0]["touched"]
        goals = [
            at_most(growth, 2, "at most 2 times the CPU per operation of 5 x 2"),
            at_least(ratios(many["peer"], many["ours"]), 5, "5 times less CPU"),
            Goal(
                "files touched per operation constant",
                f"first layer {touched[0]}, last {touched[1]}",
                touched[0] == touched[1],
            ),
        ]
        theirs = many["peer"][0]["touched"]
        note = f"files touched by one add_mag, wkplug {touched[1]}, webknossos {theirs[1]}."
        rows.append(Row(f"5 layers x 2 mags, {data_format}, per operation", **few, count=15))
        title = f"60 layers x 2 mags, {data_format}, per operation"
        rows.append(Row(title, **many, count=180, goals=goals, notes=[note]))
    return rows


GROUPS: dict[str, Callable[[Bench], list[Row]]] = {
    "import": imports,
    "open": opening,
    "reads": reads,
    "zarr": bulk_zarr,
    "wkw": bulk_wkw,
    "small": small_write,
    "create": creating,
    "views": copying.views,
    "copy": copying.copying,
    "convert": copying.converting,
    "memory": copying.memory,
    "images": importing.images,
    "pages": importing.pages,
    "kernels": kernels.kernels,
    "pyramids": pyramids.pyramids,
    "default-shards": pyramids.default_shards,
    "parallel": pyramids.parallel,
    "remote": remote.remote,
}
