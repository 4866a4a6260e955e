"""Count what calls go through: files that a call of the API crosses, calls, and changes of file.

    .venv/bin/python tools/journeys.py

Each journey is made once before it is counted, where it is about a warm call. Only the core's own files count.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

import wkplug as wk

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = str(Path(wk.__file__).parent)


def counted(call: Callable[[], Any]) -> tuple[int, int, int]:
    """Give (calls, files, changes of file) of the core's own code during a call."""
    calls, changes, files = 0, 0, set()
    last = ""

    def look(frame: Any, event: str, _: Any) -> None:
        nonlocal calls, changes, last
        name = frame.f_code.co_filename
        if event != "call" or not name.startswith(PACKAGE):
            return
        calls += 1
        files.add(name)
        changes += name != last
        last = name

    sys.setprofile(look)
    try:
        call()
    finally:
        sys.setprofile(None)
    return calls, len(files), changes


def main() -> None:
    """Print a line per journey."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(1)
        dataset = wk.Dataset(folder / "ds", voxel_size=(4, 4, 4))
        data = rng.integers(0, 255, (1, 256, 256, 256), np.uint8)
        layer = dataset.write_layer("em", "color", data, downsample=False)
        mag = layer.get_mag(1)
        place = folder / "stack"
        place.mkdir()
        for index in range(8):
            tifffile.imwrite(place / f"{index}.tif", data[0, :, :, index])
        small = np.ascontiguousarray(data[:, :64, :64, :64])
        box = {"absolute_offset": (0, 0, 0), "size": (32, 32, 32)}
        other = wk.Dataset(folder / "other", voxel_size=(4, 4, 4))
        view = mag.get_view(absolute_offset=(0, 0, 0), size=(64, 64, 64), read_only=False)

        def write() -> None:
            view.write(small, allow_unaligned=True)

        mag.read(**box)
        write()
        for what, call in {
            "warm read of 32 x 32 x 32": lambda: mag.read(**box),
            "warm write of 64 x 64 x 64": write,
            "Dataset.open": lambda: wk.Dataset.open(folder / "ds"),
            "add_mag": lambda: layer.add_mag("4-4-4"),
            "downsample of 256 x 256 x 256": lambda: layer.downsample(
                from_mag=1, coarsest_mag="2-2-2", executor="sequential"
            ),
            "from_images of 8 TIFFs": lambda: wk.Dataset.from_images(
                place, folder / "images", (4, 4, 4), executor="sequential"
            ),
            "add_layer_as_copy": lambda: other.add_layer_as_copy(layer, "copy", executor="sequential"),
        }.items():
            calls, files, changes = counted(call)
            print(f"{what:32} {calls:7,} calls {files:5} files {changes:7,} changes of file")


if __name__ == "__main__":
    main()
