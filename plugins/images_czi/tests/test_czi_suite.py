"""The conformance suite on CZI files that Zeiss' own library writes; it reads them, too, and so does czifile."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sample_files import second_reader

from wkplug.testing import ImageReaderSuite, ImageSample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Its wheels are for these only; both libraries run in a process of their own, installed for it alone.
LIBRARIES = ["pylibCZIrw==6.1.0", "czifile==2019.7.2.3"]
PYTHONS = ("3.11", "3.12", "3.13")

WRITE_AND_READ = """
import sys, os, numpy as np, czifile
from pylibCZIrw import czi
folder, kind, target = sys.argv[1:]
path = os.path.join(folder, kind + ".czi")
random = np.random.default_rng(5)

def noise(shape, dtype):
    if np.dtype(dtype).kind == "f":
        return random.random(shape, "float32")
    # Smooth, so that lossless compression has something to do, in high and low bytes.
    y, x = np.mgrid[:shape[0], :shape[1]]
    plane = (y * 7 + x * 3)[..., None] + random.integers(0, 60, shape)
    return (plane * (1 if dtype == "uint8" else 40) % np.iinfo(dtype).max).astype(dtype)

compression = {"zstd0": "zstd0:ExplicitLevel=2", "zstd1": "zstd1:ExplicitLevel=2;PreProcess=HiLoByteUnpack",
               "zstd1 plain": "zstd1:ExplicitLevel=2"}.get(kind)
dtype = {"gray8": "uint8", "bgr24": "uint8", "bgr48": "uint16", "float": "float32",
         }.get(kind, "uint16")
samples = 3 if kind in ("bgr24", "bgr48") else 1
tiles = [(0, 0)]
scenes, times, depths, channels, height, width = 1, 1, 1, 1, 37, 52
if kind == "mosaic":
    tiles, depths, channels, height, width = [(-100, 50), (156, 50)], 3, 2, 64, 256
if kind == "overlaps":
    tiles = [(0, 0), (30, 10), (15, 25), (90, 3)]
if kind == "scenes":
    scenes, tiles = 3, [(0, 0), (52, 0)]
if kind == "series":
    times, depths, channels = 2, 3, 2
if kind == "large":
    tiles, depths, height, width = [(0, 0), (512, 0), (0, 512), (512, 512)], 4, 512, 512
with czi.create_czi(path, compression_options=compression) as file:
    for scene in range(scenes):
        for t, z, c in np.ndindex(times, depths, channels):
            for x, y in tiles:
                data = noise((height + scene, width, samples), dtype)
                file.write(data, location=(x + 500 * scene, y), plane={"T": t, "Z": z, "C": c}, scene=scene)
    named = kind == "mosaic"
    file.write_metadata("a", channel_names={0: "DAPI", 1: "GFP"} if named else None,
                        scale_x=0.25e-6 if named else 0, scale_y=0.5e-6 if named else 0, scale_z=1.5e-6 if named else 0)
arrays = {}
with czi.open_czi(path) as file:
    for scene in range(scenes):
        scene_only = {"scene": scene} if scenes > 1 else {}
        boxes = file.scenes_bounding_rectangle if scenes > 1 else {0: file.total_bounding_rectangle}
        indices = np.ndindex(times, depths, channels)
        planes = np.stack([file.read(plane={"T": t, "Z": z, "C": c}, roi=tuple(boxes[scene]), **scene_only)
                           for t, z, c in indices])
        planes = planes.reshape(times, depths, channels, *planes.shape[1:])
        # libCZI gives blue first.
        arrays[f"scene{scene}"] = planes[..., ::-1].transpose(0, 2, 1, 3, 4, 5)
with czifile.CziFile(path) as file:
    arrays["axes"] = np.array(list(file.axes))
    if kind not in ("zstd0", "zstd1", "zstd1 plain", "overlaps"):
        arrays["czifile"] = file.asarray()
np.savez(target, **arrays)
"""


def written(folder: Path, kind: str) -> tuple[Path, dict[str, Any]]:
    if ".".join(platform.python_version_tuple()[:2]) not in PYTHONS:
        pytest.skip("pylibCZIrw has no wheel for this Python")
    found = second_reader(LIBRARIES, WRITE_AND_READ, folder, kind)
    return folder / f"{kind}.czi", found


class CziSuite(ImageReaderSuite):
    reader_factory = "wkplug_czi.reader:CziReader"

    def sample(self, folder: Path, kind: str, scene: int = 0, **facts: Any) -> ImageSample:
        path, found = written(folder, kind) if scene == 0 else (folder / f"{kind}.czi", self.found)
        self.found = found
        expected = found[f"scene{scene}"]
        if "czifile" in found and "scenes" not in kind:
            # Both libraries agree; czifile's axes are all that the file has, its colours come last, red first.
            order = [letter for letter in found["axes"] if letter in "TCZYX0"]
            assert order == list("TCZYX0"), found["axes"]
            assert np.array_equal(found["czifile"].reshape(expected.shape), expected)
        axes = "tczyx"
        if expected.shape[-1] == 1:
            expected = expected[..., 0]
        else:
            axes += "s"
        return ImageSample(
            path=path, axes=axes, expected=np.ascontiguousarray(expected), scene=scene, **facts
        )


class TestTypes(CziSuite):
    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        for kind in ("gray8", "gray16", "float", "bgr24", "bgr48"):
            yield self.sample(folder, kind)


class TestCompressions(CziSuite):
    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        for kind in ("zstd0", "zstd1", "zstd1 plain"):
            yield self.sample(folder, kind)


class TestMosaics(CziSuite):
    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        yield self.sample(
            folder,
            "mosaic",
            voxel_size=(250.0, 500.0, 1500.0),
            origin=(-25000.0, 25000.0, None),
            channel_names=("DAPI", "GFP"),
        )
        yield self.sample(folder, "overlaps")
        yield self.sample(folder, "series")
        yield self.sample(folder, "large")
        for scene in range(3):
            yield self.sample(folder, "scenes", scene, scenes=3)
