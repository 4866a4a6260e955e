"""What both sides are asked to do about images, written once: `m` is `wkplug` or `webknossos`.

As in `workloads`; `worker.py` finds these as "import_workloads.NAME".
"""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
from meter import folder_bytes, metered

__all__ = ["decode_and_encode", "from_images", "make_stack", "many_pages"]

_EVERY = 0.02  # seconds between two looks at the memory


def make_stack(m: Any, folder: str, voxels: str, kind: str, edge: int, depth: int) -> dict[str, Any]:
    """Write sections of `edge` x `edge` pixels with noise of their own, as PNG or as TIFF with zlib."""
    del m
    import imagecodecs
    import tifffile

    data = np.load(voxels)[0]
    place = Path(folder)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    repeat = -(-edge // data.shape[0])
    for z in range(depth):
        plane = np.tile(data[:, :, z % data.shape[2]].T, (repeat, repeat))[:edge, :edge]
        # What is repeated would be compressed away: every pixel gets a noise of 3 bits.
        plane = (plane // 8 * 8 + np.random.default_rng(z).integers(0, 8, plane.shape)).astype("uint8")
        if kind == "png":
            (place / f"s{z:04}.png").write_bytes(imagecodecs.png_encode(plane))
        else:
            tifffile.imwrite(place / f"s{z:04}.tif", plane, compression="zlib")
    return {"bytes": folder_bytes(folder)}


def from_images(
    m: Any, source: str, path: str, data_format: str, look_at_memory: bool = False
) -> dict[str, Any]:
    """`Dataset.from_images` with its defaults; look_at_memory: the peak of this process and its children instead."""
    shutil.rmtree(path, ignore_errors=True)
    with _Memory() if look_at_memory else metered() as found:
        m.Dataset.from_images(
            source,
            path,
            voxel_size=(10, 10, 10),
            data_format=data_format,
            layer_name="em",
            layer_category="color",
        )
    if isinstance(found, _Memory):
        return {"cpu": 0.0, "wall": 0.0, "peak": found.peak}
    return {**found, "bytes": folder_bytes(f"{path}/em")}


def decode_and_encode(m: Any, source: str, path: str, data_format: str) -> dict[str, Any]:
    """The same by the codecs alone: all sections are decoded into one array, which is written in one call."""
    import imagecodecs
    import tifffile

    shutil.rmtree(path, ignore_errors=True)
    files = sorted(Path(source).iterdir())
    dataset = m.Dataset(path, voxel_size=(10, 10, 10))
    with metered() as found:
        planes = [
            imagecodecs.png_decode(file.read_bytes()) if file.suffix == ".png" else tifffile.imread(file)
            for file in files
        ]
        data = np.empty((1, *planes[0].T.shape, len(planes)), planes[0].dtype, order="F")
        for z, plane in enumerate(planes):
            data[0, :, :, z] = plane.T
        layer = dataset.write_layer("em", "color", data, data_format=data_format, downsample=False)
        layer.get_finest_mag()
    return {**found, "bytes": folder_bytes(f"{path}/em")}


def many_pages(m: Any, folder: str, pages: int) -> dict[str, Any]:
    """Import a TIFF of so many small pages: what a page costs, and how often the file is parsed."""
    import tifffile

    path, target = f"{folder}/pages-{pages}.tif", f"{folder}/pages-{pages}"
    shutil.rmtree(target, ignore_errors=True)
    planes = np.random.default_rng(0).integers(1, 250, (pages, 32, 32)).astype("uint8")
    tifffile.imwrite(path, planes, compression="zlib", photometric="minisblack", metadata=None)
    with metered() as found:
        m.Dataset.from_images(path, target, voxel_size=(1, 1, 1), layer_category="color", layer_name="em")
    return dict(found)


class _Memory:
    """The largest memory of this process and its children, each page counted once; looked at by a thread."""

    def __init__(self) -> None:
        self.peak = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(_EVERY):
            self.peak = max(self.peak, _tree_bytes(Path("/proc/self")))


def _tree_bytes(process: Path) -> int:
    """The share of the memory that a process and those below it hold, in bytes; 0 once it is gone."""
    try:
        rollup = (process / "smaps_rollup").read_text()
        children = [
            child
            for task in (process / "task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except (OSError, ValueError):
        return 0
    own = next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return own + sum(_tree_bytes(Path("/proc") / child) for child in children)
