"""The conformance suite on pictures; the truth is what was encoded, or what Pillow decodes."""

from __future__ import annotations

from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import imagecodecs
import numpy as np
import pytest
import sample_files
from PIL import Image as Pillow
from wkplug_images.reader import PictureReader

from wkplug.filesystems.local import LocalLocation
from wkplug.testing import ImageReaderSuite, ImageSample
from wkplug.testing.bench import noise

if TYPE_CHECKING:
    from collections.abc import Iterator


class PictureSuite(ImageReaderSuite):
    reader_factory = "wkplug_images.reader:PictureReader"
    foreign = ("png", "jpeg")


def by_pillow(path: Path, axes: str, mode: str | None = None, tolerance: float = 0) -> ImageSample:
    with Pillow.open(path) as picture:
        expected = np.asarray(picture.convert(mode) if mode else picture)
    if expected.dtype == bool:
        expected = expected.astype("uint8")
    return ImageSample(path=path, axes=axes, expected=expected, tolerance=tolerance)


class TestPng(PictureSuite):
    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        for dtype in ("uint8", "uint16"):
            for samples, axes in ((1, "yx"), (2, "yxs"), (3, "yxs"), (4, "yxs")):
                data = np.ascontiguousarray(noise((33, 47, samples), dtype))
                data = data[..., 0] if samples == 1 else data
                path = folder / f"{samples} {dtype}.png"
                path.write_bytes(imagecodecs.png_encode(data))
                yield ImageSample(path=path, axes=axes, expected=data)
        rgb = Pillow.fromarray(noise((33, 47, 3), "uint8").copy(order="C"))
        for name, picture in (
            ("palette", rgb.quantize(16)),
            ("few colours", rgb.quantize(4)),
            ("bits", rgb.convert("1")),
        ):
            picture.save(folder / f"{name}.png")
            yield by_pillow(folder / f"{name}.png", "yx")
        rgb.save(folder / "one transparent colour.png", transparency=rgb.getpixel((3, 3)))
        yield by_pillow(folder / "one transparent colour.png", "yxs", "RGBA")


class TestJpegBmpGif(PictureSuite):
    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        smooth = np.add.outer(np.arange(61), np.arange(83)).astype("uint8")
        rgb = Pillow.fromarray(np.stack([smooth, smooth // 2, 255 - smooth], 2))
        for name, picture, mode, tolerance in (
            ("grey.jpg", rgb.convert("L"), None, 2),
            ("colour.jpg", rgb, None, 3),
            ("inks.jpg", rgb.convert("CMYK"), "RGB", 3),
            ("progressive.jpg", rgb, None, 3),
            ("colour.bmp", rgb, None, 0),
            ("grey.bmp", rgb.convert("L"), None, 0),
            ("bits.bmp", rgb.convert("1"), None, 0),
        ):
            options: dict[str, Any] = {"progressive": True} if name.startswith("prog") else {}
            picture.save(folder / name, **options)
            grey = picture.mode in ("L", "1")
            yield by_pillow(folder / name, "yx" if grey else "yxs", mode, tolerance)


class TestJpeg2000(PictureSuite):
    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        for dtype in ("uint8", "uint16", "int16"):
            for samples, axes in ((1, "yx"), (3, "yxs"), (4, "yxs")):
                data = np.ascontiguousarray(noise((33, 47, samples), dtype))
                data = data[..., 0] if samples == 1 else data
                for form in ("jp2", "j2k"):
                    path = folder / f"{samples} {dtype}.{form}"
                    path.write_bytes(
                        imagecodecs.jpeg2k_encode(data, codecformat=form, reversible=True, level=0)
                    )
                    yield ImageSample(path=path, axes=axes, expected=data)


class TestRealPictures(PictureSuite):
    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        found = util.find_spec("skimage")
        if found is None or found.origin is None:
            pytest.skip("scikit-image, which brings real pictures, is not installed")
        data = Path(found.origin).parent / "data"
        for name, axes, tolerance in (
            ("camera.png", "yx", 0),
            ("chelsea.png", "yxs", 0),
            ("logo.png", "yxs", 0),
            ("phantom.png", "yxs", 0),
            ("rocket.jpg", "yxs", 3),
        ):
            path = folder / name
            path.write_bytes((data / name).read_bytes())
            # The small ones are damaged; for the others it would take long and show no more.
            sample = by_pillow(path, axes, tolerance=tolerance)
            yield attrs.evolve(sample, damage=name == "phantom.png")


class TestRealJpeg2000(PictureSuite):
    """Files of the library glymur; Pillow, which binds OpenJPEG by itself, is the second reader."""

    def make_samples(self, folder: Path) -> Iterator[ImageSample]:
        data = sample_files.python_package("glymur==0.14.8") / "glymur" / "data"
        path = folder / "goodstuff.j2k"
        path.write_bytes((data / "goodstuff.j2k").read_bytes())
        yield attrs.evolve(by_pillow(path, "yxs"), damage=False)


def test_a_real_jp2_is_what_pillow_decodes() -> None:
    path = sample_files.python_package("glymur==0.14.8") / "glymur" / "data" / "nemo.jp2"
    with PictureReader().open(LocalLocation(str(path))) as image, Pillow.open(path) as other:
        assert image.info.shape == (1456, 2592, 3)
        assert image.info.photometric == "rgb"
        assert np.array_equal(image.read(), np.asarray(other))
