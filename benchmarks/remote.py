"""The rows about buckets: requests, round trips and bytes of what both sides do on a counting server.

The server stands on loopback in a process of its own, and answers after 20 ms. Counts are exact; where they differ from
turn to turn, the highest is told. Registered in `rows`, which says what a row is.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sides
from tables import Goal, Row, Turns, at_least, at_most, ratios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench import Bench

__all__ = ["remote"]

_ROOT = Path(__file__).parent.parent
_FORMATS = ("wkw", "zarr3")
_SHARD = 256
_BANDWIDTH = 20
"""Megabytes a second, between what a line of 200 Mbit/s and a single connection to a bucket nearby give."""


class _Server:
    """The counting server in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.counting", "--latency", "0"],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            cwd=_ROOT,
        )
        if self._process.stdout is None:
            raise RuntimeError("A server without a pipe.")
        self.url = self._process.stdout.readline().decode().strip()

    def __enter__(self) -> _Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


class _Remote:
    """The sides in front of one server. Places are named after who writes them."""

    def __init__(self, bench: Bench, server: str) -> None:
        self.bench = bench
        self.server = server
        self.peer = sides.peer_has("s3fs")
        self._numbers = iter(range(10**6))

    def ask(self, side: str, do: str, *, fresh: bool = False, **args: Any) -> dict[str, Any]:
        """Have a side do something."""
        ask = partial(self.bench.sides.fresh, within=True) if fresh else self.bench.sides.ask
        return ask(side, f"remote_workloads.{do}", server=self.server, **args)

    def new(self, name: str) -> str:
        """A name that nothing has yet."""
        return f"{name}-{next(self._numbers)}"

    def both(self, do: str, *, rounds: int = 0, names: str = "", **args: Any) -> dict[str, Any]:
        """Let both sides do the same in turns, on what each has written (`names`) or on something new."""
        calls: dict[str, Callable[[], dict[str, Any]]] = {}
        for key, side in (("ours", "wkplug"), ("peer", "webknossos")):
            if key == "ours" or self.peer:
                calls[key] = partial(self._on_own, side, do, names, args)
        return self.bench.in_turns(rounds=rounds or self.bench.few, **calls)

    def _on_own(self, side: str, do: str, names: str, args: dict[str, Any]) -> dict[str, Any]:
        name = f"{names}-{side}" if names else self.new(f"{do}-{side}")
        return self.ask(side, do, name=name, **args)

    def prepare(self, do: str, name: str, **args: Any) -> None:
        """Let both sides write something, without latency."""
        for side in ("wkplug", "webknossos"):
            if side == "wkplug" or self.peer:
                self.ask(side, do, name=f"{name}-{side}", **args)


def _most(turns: Turns, key: str) -> int:
    return max(turn[key] for turn in turns)


def _requests(turns: Turns, limit: int) -> Goal:
    found = _most(turns, "requests")
    return Goal(f"at most {limit} requests", str(found), found <= limit)


def _bytes(turns: Turns, limit: int) -> Goal:
    found = _most(turns, "sent")
    return Goal(f"at most {limit / 1000:g} kB", f"{found / 1000:.0f} kB", found <= limit)


def _in_flight(turns: Turns, limit: int) -> Goal:
    found = _most(turns, "in_flight")
    return Goal(f"at least {limit} in flight", str(found), found >= limit)


def _trips(turns: Turns, limit: int) -> Goal:
    found = _most(turns, "round_trips")
    return Goal(f"at most {limit} round trips", str(found), found <= limit)


def _opening(of: _Remote) -> Iterator[Row]:
    """Open and info of 40 mags: of datasets of one's own, and of webknossos'."""
    of.prepare("many", "many", layers=5, mags=8, data_format="zarr3")
    found = of.both("open_and_info", names="many")
    yield Row("open + info of 40 mags in a bucket", **found, goals=[_requests(found["ours"], 2)])
    if of.peer:
        turns = [of.ask("wkplug", "open_and_info", name="many-webknossos") for _ in range(of.bench.few)]
        goals = [_requests(turns, 41), _trips(turns, 3)]
        yield Row("the same, written by webknossos", turns, goals=goals)


def _reading(of: _Remote) -> Iterator[Row]:
    """First and second small reads, boxes over eight shards, bulk reads, fresh processes."""
    voxels = of.bench.path("image.npy")
    for data_format in _FORMATS:
        name = f"made-{data_format}"
        of.prepare("make", name, voxels=voxels, data_format=data_format, shard=_SHARD, tiles=2)
        local = of.bench.path(f"local-{data_format}")
        of.ask("wkplug", "make", name=name, local=local, voxels=voxels, data_format=data_format, shard=_SHARD)
        starts = [[64, 32, 96], [128, 160, 32]]
        turns = of.both("reads", names=name, local=local, starts=starts, size=32, fresh=True)
        sums = {str(turn["sum"]) for side in turns.values() for turn in side}
        if len(sums) != 1:
            raise RuntimeError(f"The sides read different voxels: {sums}.")
        first, second = (
            {side: [turn["turns"][number] for turn in found] for side, found in turns.items()}
            for number in (0, 1)
        )
        goals = [_requests(first["ours"], 3 if data_format == "wkw" else 2)]
        if data_format == "wkw":
            goals.append(_bytes(first["ours"], 100_000))
        yield Row(f"first read of 32^3 in a bucket, {data_format}", **first, goals=goals)
        goals = [] if data_format == "wkw" else [_requests(second["ours"], 1)]
        yield Row(f"second read in the same shard, {data_format}", **second, goals=goals)
        middle = [[_SHARD - 64] * 3]
        turns = of.both("reads", names=name, local=local, starts=middle, size=128, fresh=True)
        found = {side: [turn["turns"][0] for turn in each] for side, each in turns.items()}
        goals = [_requests(found["ours"], 16)]
        if data_format == "wkw":
            goals.append(_bytes(found["ours"], 2_000_000))
            walls = [turn["wall"] * 1000 for turn in found["ours"]]
            goals.append(at_most(walls, 100, "at most 100 ms"))
        yield Row(f"read 128^3 over 8 shards in a bucket, {data_format}", **found, goals=goals)
        found = of.both("read", names=name, size=512)
        goals = []
        if data_format == "zarr3":
            ask = partial(of.ask, "engines", "outside_read", name=f"{name}-wkplug", size=512)
            shares = [ask()["share"] * 100 for _ in range(5)]
            goals = [at_most(shares, 5, "below 5 % of CPU outside of engine and transport")]
        yield Row(f"read 512^3 from a bucket, {data_format}", **found, goals=goals)


def _fresh(of: _Remote) -> Iterator[Row]:
    """A process that starts, opens and reads."""
    for data_format in _FORMATS:
        calls = {}
        for key, side in (("ours", "wkplug"), ("peer", "webknossos")):
            if key == "ours" or of.peer:
                calls[key] = partial(
                    of.bench.sides.fresh, side, "remote_workloads.fresh_read",
                    server=of.server, name=f"made-{data_format}-{side}",
                )  # fmt: skip
        found = of.bench.in_turns(rounds=of.bench.few, **calls)
        goals = []
        if of.peer:
            goals = [at_least(ratios(found["peer"], found["ours"]), 2, "2 times less CPU")]
        title = f"fresh process: import, open in a bucket, read 32^3, {data_format}"
        yield Row(title, **found, goals=goals)


def _changing(of: _Remote) -> Iterator[Row]:
    """Creating, adding, writing."""
    found = of.both("create")
    yield Row("create a dataset in a bucket", **found, goals=[_requests(found["ours"], 1)])
    for data_format in _FORMATS:
        turns = of.both("add", data_format=data_format)
        for what, limit in (("layer", 2), ("mag", 3)):
            found = {side: [turn[what] for turn in each] for side, each in turns.items()}
            title = f"add_{what} in a bucket, {data_format}"
            yield Row(title, **found, goals=[_requests(found["ours"], limit)])


def _writing(of: _Remote) -> Iterator[Row]:
    """Bulk writes: on loopback, where the cores decide, and over connections as slow as real ones.

    webknossos compresses WKW in buckets with LZ4, though the header says LZ4HC, which takes ten times as long: so
    there is a row in which wkplug stores the same bytes, beside the one with what it takes by itself.
    """
    args: dict[str, Any] = {"voxels": of.bench.path("image.npy"), "shard": _SHARD}
    kinds = (("wkw, lz4hc", "wkw", ""), ("wkw, lz4", "wkw", "lz4"), ("zarr3", "zarr3", ""))
    for bandwidth, where in ((0, "a bucket"), (_BANDWIDTH, f"a bucket at {_BANDWIDTH} MB/s a connection")):
        for kind, data_format, block_type in kinds:
            request = {"data_format": data_format, "block_type": block_type, "bandwidth": bandwidth}
            found = of.both("write", **request, **args)
            goals = [_requests(found["ours"], 8), _in_flight(found["ours"], 8)]
            if of.peer:
                goals.append(at_least(ratios(found["peer"], found["ours"], "wall"), 4, "4 times less wall"))
            yield Row(f"write 8 shards of 256^3 to {where}, {kind}", **found, goals=goals)


def _copying(of: _Remote) -> Iterator[Row]:
    """Copies of 64 shards, against obstore alone."""
    bench = of.bench
    args: dict[str, Any] = {"voxels": bench.path("image.npy"), "shard": 64}
    for data_format in _FORMATS:
        name = f"to-copy-{data_format}"
        local = bench.path(name)
        of.ask("wkplug", "make", name=name, data_format=data_format, **args)
        of.ask("wkplug", "make", name=name, data_format=data_format, local=local, **args)
        for what, origin in (("a bucket", ""), ("the disk", local)):
            calls = {
                key: partial(_copy, of, side, do, name, origin)
                for key, side, do in (
                    ("ours", "wkplug", "copy"), ("peer", "webknossos", "copy"), ("engine", "engines", "obstore_copy")
                )
                if key != "peer" or of.peer
            }  # fmt: skip
            found = bench.in_turns(rounds=bench.few, **calls)
            goals = [
                _in_flight(found["ours"], 8),
                at_most(
                    ratios(found["ours"], found["engine"], "wall"), 1.5, "at most 1.5 times obstore's wall"
                ),
            ]
            yield Row(f"copy 64 shards from {what} to a bucket, {data_format}", **found, goals=goals)


def _copy(of: _Remote, side: str, do: str, source: str, local: str) -> dict[str, Any]:
    return of.ask(side, do, name=of.new(f"copied-{side}"), source=source, local=local)


def remote(bench: Bench) -> list[Row]:
    """All rows about buckets."""
    rows = []
    with _Server() as server:
        of = _Remote(bench, server.url)
        for part in (_opening, _reading, _fresh, _changing, _writing, _copying):
            for row in part(of):
                print(f"       {row.what}", file=sys.stderr, flush=True)
                rows.append(row)
    return rows
