"""What both sides are asked to do about images, written once: `m` is `wkplug` or `webknossos`.

As in `workloads`; `worker.py` finds these as "import_workloads.NAME".
"""

from __future__ import annotations

import resource
import shutil
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
from meter import folder_bytes, metered, peak_bytes

__all__ = [
    "decode_and_encode",
    "from_images",
    "import_once",
    "make_big",
    "make_stack",
    "many_pages",
    "with_pyramid",
]

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


def _import(m: Any, source: str, path: str, data_format: str, **more: Any) -> Any:
    return m.Dataset.from_images(
        source,
        path,
        voxel_size=(10, 10, 10),
        data_format=data_format,
        layer_name="em",
        layer_category="color",
        **more,
    )


def from_images(
    m: Any, source: str, path: str, data_format: str, look_at_memory: bool = False
) -> dict[str, Any]:
    """`Dataset.from_images` with its defaults; look_at_memory: the peak of this process and its children instead."""
    shutil.rmtree(path, ignore_errors=True)
    with _Memory() if look_at_memory else metered() as found:
        _import(m, source, path, data_format)
    if isinstance(found, _Memory):
        return {"cpu": 0.0, "wall": 0.0, "peak": found.peak}
    return {**found, "bytes": folder_bytes(f"{path}/em")}


def with_pyramid(m: Any, source: str, path: str, data_format: str, together: bool = False) -> dict[str, Any]:
    """The same, and the coarser mags; together: in the same pass, which only wkplug can be asked for."""
    shutil.rmtree(path, ignore_errors=True)
    with metered() as found:
        dataset = _import(m, source, path, data_format, **({"pyramid": True} if together else {}))
        if not together:
            dataset.downsample()
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


def make_big(m: Any, path: str, edge: int, depth: int) -> dict[str, Any]:
    """Write a BigTIFF of tiles that aren't compressed and mostly holes, a tile of noise in every 256 of them.

    Its size is that of its pixels; of the disk it takes some MB, because holes take none.
    """
    del m
    tile, every = 512, (16, 4, 4)
    across = edge // tile
    count, size = across**2, tile**2
    directory = 8 + 11 * 20 + 8
    pages, page = 16, directory + 16 * count
    data = -(-(pages + depth * page) // 4096) * 4096
    noise = np.random.default_rng(0).integers(1, 250, size).astype("uint8").tobytes()
    with Path(path).open("wb") as file:
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, pages))
        for z in range(depth):
            place = pages + z * page
            offsets = data + (z * count + np.arange(count, dtype="<u8")) * size
            tags = [
                *((256, 4, 1, edge), (257, 4, 1, edge), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)),
                *((277, 3, 1, 1), (284, 3, 1, 1), (322, 4, 1, tile), (323, 4, 1, tile)),
                *((324, 16, count, place + directory), (325, 16, count, place + directory + 8 * count)),
            ]
            file.write(struct.pack("<Q", len(tags)))
            file.writelines(struct.pack("<HHQQ", *tag) for tag in tags)
            file.write(struct.pack("<Q", place + page if z + 1 < depth else 0))
            file.write(offsets.tobytes() + np.full(count, size, "<u8").tobytes())
        for z, y, x in np.ndindex(depth, across, across):
            if z % every[0] == y % every[1] == x % every[2] == 0:
                file.seek(data + (z * count + y * across + x) * size)
                file.write(noise)
        file.truncate(data + depth * count * size)
    return {"bytes": Path(path).stat().st_size}


def import_once(m: Any, source: str, path: str, data_format: str) -> dict[str, Any]:
    """As `from_images`, with the peak of this process and its largest child, for a process that does nothing else."""
    found = from_images(m, source, path, data_format)
    # Looking at the memory all the time would take a fifth of the CPU. Pages that are shared count for both.
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    shutil.rmtree(path)
    return {**found, "peak": peak_bytes() + children}


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
