"""The rows of down-sampling kernels: 256^3 voxels, 2x2x2, on one core."""

from __future__ import annotations

import statistics
from functools import partial
from typing import TYPE_CHECKING, Any

from tables import Row, at_least, ratios

if TYPE_CHECKING:
    from bench import Bench

__all__ = ["kernels"]

_COUNT = 5
_GOALS = (
    ("bilinear", "image", 100),
    ("max", "image", 30),
    ("min", "image", 30),
    ("nearest", "image", 15),
    ("median", "image", 1),
    ("mode", "labels", 1),
)


def kernels(bench: Bench) -> list[Row]:
    """The compiled kernels (engine: the plain ones, in numpy) against what webknossos adds to reading and writing."""
    rows = []
    for mode, volume, limit in _GOALS:
        args: dict[str, Any] = {"voxels": bench.path(f"{volume}.npy"), "mode": mode, "count": _COUNT}
        ours = partial(bench.sides.ask, "wkplug", "kernel_workloads.kernel", **args)
        theirs = partial(bench.sides.ask, "webknossos", "kernel_workloads.whole_call", folder=bench.path(""))
        found = bench.in_turns(
            ours=partial(ours, compiled=True),
            engine=partial(ours, compiled=False),
            peer=partial(theirs, **args),
        )
        sums = {turn["sum"] for side in ("ours", "engine") for turn in found[side]}
        if mode in {"median", "mode", "max", "min"}:  # the others' sampling depends on the tile in webknossos
            sums |= {turn["sum"] for turn in found["peer"]}
        if len(sums) != 1:
            raise RuntimeError(f"The sides computed different voxels in mode {mode}: {sums}.")
        whole = statistics.median(turn["whole"] for turn in found["peer"]) / _COUNT
        text = f"{limit} times less CPU" if limit > 1 else "at most as much CPU"
        rows.append(
            Row(
                f"{mode} of 256^3 {volume}, 2x2x2 (engine: the same in numpy, without the plugin)",
                **found,
                count=_COUNT,
                goals=[at_least(ratios(found["peer"], found["ours"]), limit, text)],
                notes=[
                    f"webknossos: downsample_mag less the same of zeros; the whole call {whole * 1e3:.0f} ms."
                ],
            )
        )
    return rows
