"""Measure wkplug, webknossos and the bare engines side by side: `make bench`.

    python benchmarks/run.py [ROWS ...] [--turns N] [--quick] [--no-page]

ROWS are groups of rows (import, open, reads, zarr, wkw, small, create, views, copy, ...), all by default. The sides
take turns in one run, on the same files. Prints a table; a run of all rows also writes it to
benchmarks/results/comparison.md, and some of it into docs/performance.md, between two markers. Takes about six minutes
on two idle cores, twice that on busy ones.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import volumes
from bench import Bench
from rows import GROUPS
from sides import Sides, warm
from tables import Row, put_into, results, table

import wkplug

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
_TABLE = Path(__file__).parent / "results" / "comparison.md"
_TITLE = """\
# wkplug, webknossos and the engines alone

Written by `make bench`; `docs/performance.md` says how it is measured.

"""
_KEPT_FORMATS = ("wkw", "zarr3")


def prepare(folder: Path, *, datasets: bool) -> None:
    """Write the voxels that all sides read, and the datasets, which rows about buckets don't need."""
    image, labels = volumes.em(256), volumes.labels(256)
    np.save(folder / "image.npy", image)
    np.save(folder / "labels.npy", labels)
    if not datasets:
        return
    dataset = wkplug.Dataset(folder / "volumes", voxel_size=(10, 10, 10))
    tiled = np.asfortranarray(np.tile(image, (1, 2, 2, 2)))
    for data_format in _KEPT_FORMATS:
        _write(dataset, data_format, data_format, tiled, shard=256)
    for name, data in (("image", image), ("labels", labels)):
        _write(dataset, f"{name}-zarr3", "zarr3", data, shard=128)
    for block_type in ("lz4hc", "lz4", "raw"):
        options = block_type != "raw" and {"block_type": block_type}
        _write(dataset, f"image-{block_type}", "wkw", image, shard=256, compress=options)
    for layers, mags in ((5, 8), (200, 2)):
        _many(folder / f"{layers}x{mags}", layers, mags)


def _write(
    dataset: wkplug.Dataset,
    name: str,
    data_format: str,
    data: NDArray[Any],
    *,
    shard: int,
    compress: bool | dict[str, str] = True,
) -> None:
    box = wkplug.BoundingBox((0, 0, 0), data.shape[1:])
    category = "color" if data.dtype == np.uint8 else "segmentation"
    layer = dataset.add_layer(
        name, category, dtype=data.dtype.name, data_format=data_format, bounding_box=box
    )
    mag = layer.add_mag(1, chunk_shape=32, shard_shape=shard, compress=compress)
    mag.write(data, absolute_offset=(0, 0, 0))


def _many(path: Path, layers: int, mags: int) -> None:
    dataset = wkplug.Dataset(path, voxel_size=(10, 10, 10))
    box = wkplug.BoundingBox((0, 0, 0), (512, 512, 512))
    with dataset.update():
        for number in range(layers):
            layer = dataset.add_layer(f"layer{number}", "color", data_format="wkw", bounding_box=box)
            for power in range(mags):
                layer.add_mag(2**power)


def heading(turns: int, seconds: float) -> str:
    """Say what was measured where, so that two tables can be compared."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("tensorstore", "wkw", "numpy"))
    return (
        f"Python {platform.python_version()}, {os.cpu_count()} cores (load {os.getloadavg()[0]:.1f} at the end), "
        f"webknossos 4.3.3, {packages}; {turns} turns, {seconds:.0f} s. Times are CPU (user and system, all "
        "threads); ratios are taken turn by turn and given as median (least - most).\n\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROWS", help=", ".join(GROUPS))
    parser.add_argument("--turns", type=int, default=5, help="turns of each side, 5 by default")
    parser.add_argument("--quick", action="store_true", help="one turn of each side")
    parser.add_argument("--no-page", action="store_true", help="print the table and write no file")
    options = parser.parse_args()
    unknown = set(options.rows) - set(GROUPS)
    if unknown:
        parser.error(f"no rows called {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    turns = 1 if options.quick else options.turns
    began = time.monotonic()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="wkplug-bench-") as name:
        folder = Path(name)
        prepare(folder, datasets=options.rows != ["remote"])
        with Sides(folder) as sides:
            warm(sides)
            for group, measure in GROUPS.items():
                if not options.rows or group in options.rows:
                    print(f"{time.monotonic() - began:4.0f} s  {group} ...", file=sys.stderr, flush=True)
                    rows += measure(Bench(sides, folder, turns))
    text = heading(turns, time.monotonic() - began) + table(rows)
    print(text)
    if not options.rows and not options.quick and not options.no_page:
        _TABLE.write_text(_TITLE + text, encoding="utf-8")
        put_into(_PAGE, results(text))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
