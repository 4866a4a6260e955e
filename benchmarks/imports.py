"""The rows about importing images. Registered in `rows`, which says what a row is."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tables import Goal, Row, at_least, at_most, ratios

if TYPE_CHECKING:
    from bench import Bench

__all__ = ["images", "pages"]

_EDGE, _DEPTH = 1024, 64
_BIG_EDGE, _BIG_DEPTH = 20480, 48  # 20 GB


def images(bench: Bench) -> list[Row]:
    """Stacks of PNG and zlib-TIFF files to WKW and Zarr v3, all defaults; and the codecs alone; a large file."""
    rows = []
    for kind, title in (("png", "PNG"), ("tif", "zlib TIFF")):
        source = bench.path(f"stack-{kind}")
        bench.sides.ask(
            "engines", "import_workloads.make_stack", folder=source, voxels=bench.path("image.npy"),
            kind=kind, edge=_EDGE, depth=_DEPTH,
        )  # fmt: skip
        for data_format, limit in (("wkw", 2), ("zarr3", 7)):
            do = "import_workloads.from_images"
            args: dict[str, Any] = {"source": source, "data_format": data_format}
            target = bench.path("imported")
            found = bench.in_turns(
                rounds=bench.few,
                ours=partial(bench.sides.ask, "wkplug", do, **args, path=f"{target}-wkplug"),
                peer=partial(bench.sides.ask, "webknossos", do, **args, path=f"{target}-webknossos"),
                engine=partial(
                    bench.sides.ask,
                    "engines",
                    "import_workloads.decode_and_encode",
                    **args,
                    path=f"{target}-codecs",
                ),
            )
            peaks = {
                side: bench.sides.fresh(
                    side, do, within=True, **args, path=f"{target}-{side}", look_at_memory=True
                )["peak"]
                for side in ("wkplug", "webknossos")
            }
            goals = [
                at_least(ratios(found["peer"], found["ours"]), limit, f"{limit} times less CPU"),
                at_most(
                    ratios(found["ours"], found["engine"]),
                    1.3,
                    "at most 1.3 times decoding and encoding alone",
                ),
                at_least(
                    [peaks["webknossos"] / peaks["wkplug"]], 4, "4 times less peak memory, children counted"
                ),
            ]
            notes = [
                f"peak memory {peaks['wkplug'] / 2**20:.0f} MiB, webknossos {peaks['webknossos'] / 2**20:.0f} MiB.",
                f"stored {found['ours'][0]['bytes'] / 2**20:.1f} MiB, "
                f"by webknossos {found['peer'][0]['bytes'] / 2**20:.1f} MiB.",
            ]
            row = f"from_images, {_DEPTH} {title} sections of {_EDGE}^2, {data_format}"
            rows.append(Row(row, **found, goals=goals, notes=notes))
    return [*rows, _pyramid(bench), *_big(bench)]


def _pyramid(bench: Bench) -> Row:
    """Importing with the coarser mags in the same pass; the engine's side is wkplug, too, in two steps."""
    args = {"source": bench.path("stack-tif"), "data_format": "zarr3"}
    target = bench.path("with-pyramid")
    ask = partial(bench.sides.ask, do="import_workloads.with_pyramid", **args)
    found = bench.in_turns(
        rounds=bench.few,
        ours=partial(ask, "wkplug", path=f"{target}-wkplug", together=True),
        peer=partial(ask, "webknossos", path=f"{target}-webknossos"),
        engine=partial(ask, "wkplug", path=f"{target}-steps"),
    )
    goals = [
        at_most(ratios(found["ours"], found["engine"]), 1.0, "no more CPU than importing, then downsampling")
    ]
    title = f"from_images with its pyramid, {_DEPTH} zlib TIFF sections of {_EDGE}^2, zarr3"
    return Row(title, **found, goals=goals, notes=["The engine's column is wkplug in two steps."])


def _big(bench: Bench) -> list[Row]:
    """A single file of 20 GB, each format once. webknossos isn't asked: what is bounded is wkplug's memory."""
    source = bench.path("big.tif")
    made = bench.sides.ask(
        "engines", "import_workloads.make_big", path=source, edge=_BIG_EDGE, depth=_BIG_DEPTH
    )
    rows = []
    for data_format in ("wkw", "zarr3"):
        do = "import_workloads.import_once"
        target = bench.path("imported-big")
        found = bench.sides.fresh(
            "wkplug", do, within=True, source=source, path=target, data_format=data_format
        )
        goal = Goal(
            "peak memory below 1 GB, children counted", f"{found['peak'] / 1e6:.0f} MB", found["peak"] < 1e9
        )
        notes = [
            f"{made['bytes'] / 1e9:.1f} GB, mostly holes, {_BIG_EDGE} x {_BIG_EDGE} x {_BIG_DEPTH} in tiles of 512^2; "
            f"once, {found['wall']:.0f} s by the clock. Only wkplug: its memory is what the row is about."
        ]
        rows.append(
            Row(f"from_images, a BigTIFF of 20 GB, {data_format}", [found], goals=[goal], notes=notes)
        )
    Path(source).unlink()
    return rows


def pages(bench: Bench) -> list[Row]:
    """What one page of a TIFF costs, at 250 and at 2,000 of them."""
    ask = partial(bench.sides.ask, "wkplug", "import_workloads.many_pages", folder=bench.path(""))
    ask(pages=250)
    # The least counts: what grows with the pages is there in the best turn, too.
    few = [ask(pages=250) for _ in range(bench.turns)]
    many = [ask(pages=2000) for _ in range(bench.turns)]
    costs = [min(turn["cpu"] for turn in turns) / count for turns, count in ((few, 250), (many, 2000))]
    goal = Goal(
        "flat: a page of 2,000 costs at most 1.2 times one of 250",
        f"{costs[0] * 1e6:.0f} µs and {costs[1] * 1e6:.0f} µs",
        costs[1] <= 1.2 * costs[0],
    )
    return [Row("from_images, TIFF of 2,000 pages of 32^2, per page", many, count=2000, goals=[goal])]
