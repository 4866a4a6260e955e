"""Any region of a TIFF that is stored turned, as inks, by a palette or in few bits, against numpy and Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageOps
from wkplug_tiff.reader import TiffReader

from wkplug.filesystems.local import LocalLocation
from wkplug.testing.bench import noise

if TYPE_CHECKING:
    from pathlib import Path

    from wkplug.abc import ImageInfo

KINDS: dict[str, tuple[int, str]] = {"minisblack": (1, ""), "rgb": (3, "rgb"), "separated": (4, "CMYK")}


def seen(plane: Any, orientation: int, mode: str) -> Any:
    """What Pillow shows of a plane (y, x) or (y, x, s)."""
    picture = (
        Pillow.fromarray(plane, mode="CMYK").convert("RGB") if mode == "CMYK" else Pillow.fromarray(plane)
    )
    picture.getexif()[274] = orientation
    return np.asarray(ImageOps.exif_transpose(picture))


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    orientation=st.integers(1, 8),
    layout=st.sampled_from(["strips", "tiles", "plain"]),
    separate=st.booleans(),
    pages=st.sampled_from([1, 3]),
    choice=st.randoms(use_true_random=False),
)
def test_any_region_is_that_part_of_what_is_seen(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    orientation: int,
    layout: str,
    separate: bool,
    pages: int,
    choice: Any,
) -> None:
    path = tmp_path_factory.mktemp("look") / "a.tif"
    samples, mode = KINDS[kind]
    size = (choice.randint(17, 50), choice.randint(17, 50))
    planes = [
        noise((*size, samples) if samples > 1 else size, "uint8", seed=n).copy(order="C")
        for n in range(pages)
    ]
    options: dict[str, Any] = {"photometric": kind, "metadata": None}
    if samples > 1:
        options["planarconfig"] = "separate" if separate else "contig"
    if layout != "plain":
        options |= {
            "compression": "zlib",
            **({"tile": (16, 16)} if layout == "tiles" else {"rowsperstrip": 5}),
        }
    with tifffile.TiffWriter(path) as file:
        for plane in planes:
            stored = np.moveaxis(plane, 2, 0).copy() if separate and samples > 1 else plane
            file.write(stored, extratags=[(274, "H", 1, orientation, True)], **options)
    expected = np.stack([seen(plane, orientation, mode) for plane in planes])
    if separate and samples > 1:
        expected = np.moveaxis(expected, 3, 1)
    expected = expected if pages > 1 else expected[0]
    with TiffReader().open(LocalLocation(str(path))) as image:
        assert image.info.shape == expected.shape
        assert np.array_equal(image.read(), expected)
        start = [choice.randint(0, length - 1) for length in expected.shape]
        extent = [
            choice.randint(1, length - first) for first, length in zip(start, expected.shape, strict=True)
        ]
        region = tuple(slice(first, first + n) for first, n in zip(start, extent, strict=True))
        found = image.read((tuple(start), tuple(extent)))
        assert np.array_equal(found, expected[region])
        found[:] = 0  # it belongs to whoever asked
        blocks = image.info.block_shape
        assert all(1 <= block <= length for block, length in zip(blocks, expected.shape, strict=True))


def info(path: Path) -> ImageInfo:
    with TiffReader().open(LocalLocation(str(path))) as image:
        return image.info


@pytest.mark.parametrize("wide", [True, False])
def test_palettes_of_8_and_of_16_bits_are_the_same_colours(tmp_path: Path, wide: bool) -> None:
    colors = noise((3, 256), "uint8").astype("uint16")
    table = colors * 257 if wide else colors
    tifffile.imwrite(tmp_path / "a.tif", noise((20, 30), "uint8"), photometric="palette", colormap=table)
    found = info(tmp_path / "a.tif")
    assert found.photometric == "palette"
    assert np.array_equal(np.array(found.palette).T, colors)
    assert found.notes == ("its values are indices into a palette of 256 colours",)


def test_samples_are_named_where_there_is_more_than_colours(tmp_path: Path) -> None:
    options: dict[str, Any] = {"planarconfig": "contig", "metadata": None}
    for extra, names in (
        (["unassalpha"], ("red", "green", "blue", "alpha")),
        (["assocalpha"], ("red", "green", "blue", "alpha")),
        (["unspecified"], ("red", "green", "blue", "extra")),
        (["unspecified", "unassalpha"], ("red", "green", "blue", "extra", "alpha")),
        (["unspecified", "unspecified"], ("red", "green", "blue", "extra1", "extra2")),
        ([], ()),
    ):
        data = noise((20, 30, 3 + len(extra)), "uint16").copy(order="C")
        tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", extrasamples=extra, **options)
        assert info(tmp_path / "a.tif").channel_names == names
    data = noise((20, 30, 5), "uint16").copy(order="C")
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack", **options)
    assert info(tmp_path / "a.tif").channel_names == ()
