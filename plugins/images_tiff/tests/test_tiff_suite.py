"""The conformance suite on TIFF files of all sorts; the truth is what was written, or what Pillow reads."""

from __future__ import annotations

import os
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from wkplug.testing import ImageReaderSuite, ImageSample
from wkplug.testing.bench import noise

if TYPE_CHECKING:
    from collections.abc import Iterator

ZLIB = {"compression": "zlib"}


class TiffSuite(ImageReaderSuite):
    reader_factory = "wkplug_tiff.reader:TiffReader"
    foreign = ("tiff", "bigtiff")


def written(path: Path, data: Any, axes: str, **options: Any) -> ImageSample:
    tifffile.imwrite(path, data, **{"photometric": "minisblack", **options})
    return ImageSample(path=path, axes=axes, expected=data)


class TestLayouts(TiffSuite):
    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        data = noise((101, 83), "uint16")
        yield written(folder / "strips.tif", data, "yx", rowsperstrip=7, **ZLIB)
        yield written(folder / "tiles.tif", data, "yx", tile=(32, 48), **ZLIB)
        yield written(folder / "plain tiles.tif", data, "yx", tile=(32, 48))
        yield written(folder / "plain.tif", data, "yx")
        yield written(folder / "big endian.tif", data, "yx", byteorder=">", tile=(16, 16), bigtiff=True)
        yield written(folder / "lzw.tif", data, "yx", compression="lzw", predictor=2, rowsperstrip=13)
        yield written(folder / "floats.tif", noise((33, 40), "float32"), "yx", predictor=3, **ZLIB)
        bits = noise((33, 41), "bool")
        sample = written(folder / "bits.tif", bits, "yx")
        yield attrs.evolve(sample, expected=bits.astype("uint8"))
        volume = noise((20, 37, 35), "uint8")
        yield written(folder / "volume.tif", volume, "zyx", tile=(16, 16, 16), volumetric=True, **ZLIB)


class TestColours(TiffSuite):
    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        rgb = {"photometric": "rgb"}
        data = noise((45, 38, 3), "uint8")
        yield written(folder / "rgb.tif", data, "yxs", **rgb, **ZLIB, tile=(16, 16))
        yield written(folder / "rgb16.tif", noise((4, 45, 38, 3), "uint16"), "qyxs", **rgb, **ZLIB)
        planes = noise((3, 45, 38), "uint8")
        planar = {"planarconfig": "separate", **rgb}
        yield written(folder / "planar.tif", planes, "syx", **planar, rowsperstrip=10, **ZLIB)
        yield written(folder / "planar tiles.tif", planes, "syx", **planar, tile=(16, 32), **ZLIB)
        pages = noise((5, 3, 45, 38), "uint8")
        yield written(folder / "planar pages.tif", pages, "qsyx", **planar, **ZLIB)
        rgba = noise((45, 38, 4), "uint8")
        yield written(folder / "rgba.tif", rgba, "yxs", **rgb, extrasamples=["unassalpha"], **ZLIB)
        labels = Pillow.fromarray(noise((45, 38), "uint8") % 4).convert("P")
        labels.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
        labels.save(folder / "palette.tif")
        yield ImageSample(path=folder / "palette.tif", axes="yx", expected=np.asarray(labels))


class TestStacks(TiffSuite):
    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        data = noise((5, 31, 43), "uint16")
        yield written(folder / "pages.tif", data, "qyx", metadata=None, **ZLIB)
        yield written(folder / "zyx.tif", data, "zyx", metadata={"axes": "ZYX"})
        hyper = noise((2, 3, 2, 20, 30), "uint8")
        metadata = {"axes": "TZCYX", "unit": "um", "spacing": 1.5}
        sample = written(
            folder / "hyper.tif", hyper, "tzcyx", imagej=True, metadata=metadata, resolution=(4, 2)
        )
        yield attrs.evolve(sample, voxel_size=(250.0, 500.0, 1500.0))
        ome = {
            "axes": "CZYX",
            "PhysicalSizeX": 0.25,
            "PhysicalSizeXUnit": "µm",
            "Channel": {"Name": ["a", "b"]},
        }
        data = noise((2, 5, 31, 43), "uint16")
        sample = written(folder / "a.ome.tif", data, "czyx", metadata=ome, tile=(16, 16), **ZLIB)
        yield attrs.evolve(sample, voxel_size=(250.0, None, None), channel_names=("a", "b"))


class TestScenesAndLevels(TiffSuite):
    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        levels = (
            noise((4, 70, 65), "uint16"),
            noise((4, 35, 32), "uint16", seed=2),
            noise((4, 17, 16), "uint16"),
        )
        with tifffile.TiffWriter(folder / "levels.ome.tif", bigtiff=True) as writer:
            options: dict[str, Any] = {"tile": (32, 32), "photometric": "minisblack", **ZLIB}
            writer.write(levels[0], subifds=2, metadata={"axes": "ZYX"}, **options)
            for level in levels[1:]:
                writer.write(level, subfiletype=1, **options)
        yield ImageSample(
            path=folder / "levels.ome.tif", axes="zyx", expected=levels[0], levels=levels, scenes=1
        )
        scenes = [noise((20, 30), "uint16"), noise((2, 9, 8), "uint8"), noise((20, 30), "uint16", seed=3)]
        sizes = [{"PhysicalSizeX": 0.1}, {"PhysicalSizeX": 0.2, "PhysicalSizeZ": 3}, {}]
        with tifffile.TiffWriter(folder / "scenes.ome.tif") as writer:
            for number, (data, size) in enumerate(zip(scenes, sizes, strict=True)):
                metadata = {"axes": "ZYX"[-data.ndim :], "Name": f"place {number}", **size}
                writer.write(data, metadata=metadata, photometric="minisblack", **ZLIB)
        voxel_sizes = [(100.0, None, None), (200.0, None, 3000.0), (None, None, None)]
        for number, (data, voxel_size) in enumerate(zip(scenes, voxel_sizes, strict=True)):
            yield ImageSample(path=folder / "scenes.ome.tif", axes="zyx"[-data.ndim :], expected=data,
                              scene=number, scenes=3, voxel_size=voxel_size)  # fmt: skip


class TestLarge(TiffSuite):
    """Files that are large enough to see how many bytes a block costs."""

    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        data = noise((2700, 2500), "uint8")
        options: dict[str, Any] = {"metadata": None}
        yield written(folder / "tiles.tif", data, "yx", tile=(256, 256), compression="packbits", **options)
        yield written(folder / "plain.tif", data, "yx", **options)
        yield written(folder / "strips.tif", data, "yx", rowsperstrip=100, compression="packbits", **options)
        stack = noise((40, 350, 500), "uint8")
        yield written(folder / "stack.tif", stack, "qyx", compression="packbits", **options)
        # Damage is tried on a small one.
        yield written(folder / "small.tif", stack[0], "yx", compression="packbits", **options)


class TestRealFiles(TiffSuite):
    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        found = util.find_spec("skimage")
        if found is None or found.origin is None:
            pytest.skip("scikit-image, which brings real TIFF files, is not installed")
        data = Path(found.origin).parent / "data"
        for name, axes in (("multipage.tif", "qyx"), ("multipage_rgb.tif", "qsyx")):
            path = folder / name
            path.write_bytes((data / name).read_bytes())
            yield ImageSample(path=path, axes=axes, expected=SECOND_READERS[name](path))
        home = os.environ.get("WKPLUG_TEST_DATA")
        for name, axes in (("tiff/test.0000.tiff", "yx"), ("rgb_tiff/test_rgb.tif", "yxs")) if home else ():
            path = folder / Path(name).name
            path.write_bytes((Path(home or "") / name).read_bytes())
            yield ImageSample(path=path, axes=axes, expected=pillow_pages(path)[0])


def pillow_pages(path: Path) -> Any:
    pages = []
    with Pillow.open(path) as picture:
        for number in range(getattr(picture, "n_frames", 1)):
            picture.seek(number)
            pages.append(np.asarray(picture))
    return np.stack(pages)


def by_offsets(path: Path) -> Any:
    """Pillow knows no colours of 64 bits; the planes lie in the file as they are, one after the other."""
    raw = path.read_bytes()
    return np.stack([np.frombuffer(raw, "<f8", 300, start).reshape(3, 10, 10) for start in OFFSETS])


OFFSETS = (286, 2878)
SECOND_READERS = {"multipage.tif": pillow_pages, "multipage_rgb.tif": by_offsets}
