"""Rows of the table: turns in, medians with their spread and the verdict on each goal out.

A ratio is taken turn by turn, between measurements that were made one after the other, and shown as median
(least - most). CPU unless it says wall.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Goal", "Row", "Turns", "at_least", "at_most", "put_into", "ratios", "results", "table"]

Turns = Sequence[dict[str, Any]]

# One row of each kind, those where wkplug is no faster among them.
_SHOWN = {
    "`import`, the whole process (engine: bare Python)",
    "fresh process: import, open, read 32^3, wkw",
    "fresh process: import, open, read 32^3, zarr3",
    "Dataset.open, 200 layers x 2 mags",
    "1,000 unaligned reads of 32^3, wkw, per read",
    "1,000 unaligned reads of 32^3, zarr3, per read",
    "read 256^3 image, wkw lz4hc",
    "write 256^3 image, wkw lz4hc",
    "read 256^3 image, zarr3 (zstd 5)",
    "write 256^3 image, zarr3 (zstd 5)",
    "60 layers x 2 mags, zarr3, per operation",
    "compress(), 32 MiB, zarr3",
    "copy_dataset, 32 MiB, wkw as it is",
    "from_images, 64 zlib TIFF sections of 1024^2, wkw",
    "from_images, 64 zlib TIFF sections of 1024^2, zarr3",
    "pyramid of 512^3 EM, wkw, shards 256^3, LZ4HC (engine: codec alone)",
    "pyramid of 256^3 uint8 colour, zarr3, default shards of both",
}

_REQUESTS = ("requests", "round_trips", "in_flight", "sent", "received")

_BEGIN, _END = "<!-- bench: begin -->", "<!-- bench: end -->"


@dataclass(frozen=True)
class Goal:
    """What was asked for, what was found, and whether that is enough."""

    text: str
    found: str
    met: bool


@dataclass(frozen=True)
class Row:
    """One line of the table. `count`: operations per turn; the unit of a time is chosen by its size."""

    what: str
    ours: Turns
    peer: Turns = ()
    engine: Turns = ()
    count: int = 1
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def ratios(over: Turns, under: Turns, key: str = "cpu") -> list[float]:
    """Divide turn by turn."""
    return [a[key] / max(b[key], 1e-9) for a, b in zip(over, under, strict=True)]


def _spread(values: Sequence[float]) -> str:
    middle = statistics.median(values)
    digits = 0 if middle >= 100 else 1 if middle >= 10 else 2
    low, high = min(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} - {high:.{digits}f})"


def at_least(values: Sequence[float], limit: float, text: str) -> Goal:
    """The median must reach the limit."""
    return Goal(text, _spread(values), statistics.median(values) >= limit)


def at_most(values: Sequence[float], limit: float, text: str) -> Goal:
    """The median must not exceed the limit."""
    return Goal(text, _spread(values), statistics.median(values) <= limit)


def _time(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def _median(turns: Turns, count: int) -> str:
    return _time(statistics.median(turn["cpu"] for turn in turns) / count) if turns else ""


def table(rows: Sequence[Row]) -> str:
    """Write the rows as Markdown: a table of the measurements, then one of the goals."""
    lines = [
        "| what | wkplug | webknossos | engine alone | webknossos / wkplug | the same, wall | wkplug / engine |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row.what, *(_median(turns, row.count) for turns in (row.ours, row.peer, row.engine))]
        cells.append(_spread(ratios(row.peer, row.ours)) if row.peer else "")
        cells.append(_spread(ratios(row.peer, row.ours, "wall")) if row.peer else "")
        cells.append(_spread(ratios(row.ours, row.engine)) if row.engine else "")
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| what | goal | found | met |", "|---|---|---|---|"]
    lines += [
        f"| {row.what} | {goal.text} | {goal.found} | {'yes' if goal.met else '**no**'} |"
        for row in rows
        for goal in row.goals
    ]
    lines += _of_requests(rows)
    notes = [f"* {row.what}: {note}" for row in rows for note in row.notes]
    return "\n".join([*lines, "", *notes]).rstrip() + "\n"


def _of_requests(rows: Sequence[Row]) -> list[str]:
    """The table of what was asked of servers; counts are the highest of all turns."""
    lines = []
    for row in rows:
        for who, turns in (("wkplug", row.ours), ("webknossos", row.peer), ("engine alone", row.engine)):
            if turns and "requests" in turns[0]:
                most = {key: max(turn[key] for turn in turns) for key in _REQUESTS}
                sizes = [f"{most.pop(key) / 1000:.0f} kB" for key in ("sent", "received")]
                wall = _time(statistics.median(turn["wall"] for turn in turns))
                lines.append(
                    " | ".join([f"| {row.what}", who, *map(str, most.values()), *sizes, f"{wall} |"])
                )
    head = [
        "",
        "| what | side | requests | round trips | in flight | read | written | wall |",
        "|---" * 8 + "|",
    ]
    return head + lines if lines else []


def results(measured: str) -> str:
    """Give of what was measured what the documentation shows: the heading and some rows, without engine and wall."""
    heading = measured.partition("\n")[0]
    lines = [heading, "", "| what | wkplug | webknossos | webknossos / wkplug |", "|---|---|---|---|"]
    for line in measured.splitlines():
        what, *cells = line.strip("| ").split(" | ")
        if what in _SHOWN and len(cells) > 3:  # the table of goals has three
            lines.append(f"| {what} | {cells[0]} | {cells[1]} | {cells[3]} |")
    return "\n".join(lines) + "\n"


def put_into(path: Path, text: str) -> None:
    """Replace what stands between the markers of a page."""
    page = path.read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise ValueError(f"{path.name} lacks the markers {_BEGIN} and {_END}.")
    path.write_text(f"{before}{_BEGIN}\n{text}{_END}{after}", encoding="utf-8")
