"""Palettes, bits, inks, white that is 0, orientations and opacity: images keep their look, labels what is stored."""

from __future__ import annotations

import pickle
import struct
import zlib
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from PIL import ImageOps

import wkplug as wk
from wkplug.errors import CorruptImageError, TooLargeError
from wkplug.ops.importing.readers import ImageFile
from wkplug.ops.importing.volume import ShownFile, as_shown
from wkplug.ops.inspecting import inspect_image
from wkplug.storage import locate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COLORS = np.array([[0, 0, 0], [200, 30, 30], [30, 200, 30], [30, 30, 200]], "uint8")


def stored(bits: int) -> Any:
    """Values whose neighbours differ, and which are few: a guess says that this is an image."""
    return np.random.default_rng(bits).integers(0, 2**bits, (40, 60)).astype("uint8")


def imported(source: Path, target: Path, category: str) -> Any:
    """The only layer of an import and its voxels, (y, x) or (y, x, c)."""
    dataset = wk.Dataset.from_images(source, target, (1, 1, 1), layer_category=category, layer_name="a")
    (layer,) = dataset.layers.values()
    voxels = layer.get_mag(1).read()[..., 0].transpose(2, 1, 0)
    return dataset, voxels if voxels.shape[2] > 1 else voxels[..., 0]


def palette_picture(path: Path, values: Any) -> None:
    picture = Pillow.fromarray(values % 4).convert("P")
    picture.putpalette(COLORS.tobytes())
    picture.save(path, **({"bits": 2} if path.suffix == ".png" else {}))


def palette_tiff(path: Path, values: Any) -> None:
    table = np.zeros((3, 256), "uint16")
    table[:, :4] = COLORS.T.astype("uint16") * 257
    tifffile.imwrite(path, values % 4, photometric="palette", colormap=table)


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tif"])
def test_labels_with_a_palette_keep_indices_and_images_their_colours(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"a.{suffix}"
    values = stored(2)
    (palette_tiff if suffix == "tif" else palette_picture)(source, values)
    with Pillow.open(source) as picture:
        expected = np.asarray(picture.convert("RGB"))
    dataset, labels = imported(source, tmp_path / "labels", "segmentation")
    assert np.array_equal(COLORS[labels], expected)
    if suffix in ("png", "tif"):  # others may sort their colours
        assert np.array_equal(labels, values)
    assert "indices into a palette" in str(dataset.import_report)
    dataset, colors = imported(source, tmp_path / "colors", "color")
    assert np.array_equal(colors, expected)
    assert "the colours of its palette are applied" in str(dataset.import_report)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_values_of_few_bits_are_scaled_in_images_only(tmp_path: Path, bits: int) -> None:
    values = stored(bits)
    height, width = values.shape
    places = np.arange(bits - 1, -1, -1)
    packed = np.packbits((values[..., None] >> places & 1).reshape(height, -1), axis=1)
    tags = [(258, "H", 1, bits, True), (257, "H", 1, height, True), (256, "H", 1, width, True)]
    tifffile.imwrite(tmp_path / "a.tif", packed, photometric="minisblack", metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        for code, _, _, value, _ in tags:
            file.pages[0].tags[code].overwrite(value)
    _, labels = imported(tmp_path / "a.tif", tmp_path / "labels", "segmentation")
    assert np.array_equal(labels, values)
    dataset, seen = imported(tmp_path / "a.tif", tmp_path / "image", "color")
    assert np.array_equal(seen, values * (255 // (2**bits - 1)))
    assert "scaled to 8 bits" in str(dataset.import_report)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16"])
def test_where_0_is_white_images_are_inverted_and_labels_are_not(tmp_path: Path, dtype: str) -> None:
    most = 1 if dtype == "bool" else np.iinfo(dtype).max
    values = stored(1) > 0 if dtype == "bool" else stored(8).astype(dtype) * np.dtype(dtype).type(most // 255)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite", metadata=None)
    _, labels = imported(tmp_path / "a.tif", tmp_path / "labels", "segmentation")
    assert np.array_equal(labels, values)
    dataset, seen = imported(tmp_path / "a.tif", tmp_path / "image", "color")
    inverted = (most - values.astype(int)) * (255 if dtype == "bool" else 1)
    assert np.array_equal(seen, inverted)
    assert "its values are inverted, so that 0 is black" in str(dataset.import_report)


def test_an_index_without_a_colour_is_told(tmp_path: Path) -> None:
    palette_picture(tmp_path / "a.png", np.full((20, 30), 3, "uint8"))
    content = (tmp_path / "a.png").read_bytes()
    place = content.index(b"PLTE")
    shorter = b"PLTE" + content[place + 4 : place + 10]
    start, stop = content[: place - 4] + struct.pack(">I", 6), content[place + 4 + 12 + 4 :]
    (tmp_path / "a.png").write_bytes(start + shorter + struct.pack(">I", zlib.crc32(shorter)) + stop)
    with pytest.raises(CorruptImageError, match="has the value 3, but its palette has 2 colours") as caught:
        imported(tmp_path / "a.png", tmp_path / "image", "color")
    assert "or import it as a segmentation, which keeps the values" in str(caught.value)
    _, labels = imported(tmp_path / "a.png", tmp_path / "labels", "segmentation")
    assert (labels == 3).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_is_stored_turned_is_imported_as_it_is_seen(tmp_path: Path, orientation: int) -> None:
    values = np.random.default_rng(0).integers(0, 250, (45, 70)).astype("uint8")
    exif = Pillow.Exif()
    exif[274] = orientation
    Pillow.fromarray(values).save(tmp_path / "a.png", exif=exif)
    tags = [(274, "H", 1, orientation, True)]
    options: dict[str, Any] = {"photometric": "minisblack", "metadata": None, "extratags": tags}
    tifffile.imwrite(tmp_path / "b.tif", values, tile=(16, 16), compression="zlib", **options)
    tifffile.imwrite(tmp_path / "c.tif", values, **options)
    with Pillow.open(tmp_path / "a.png") as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    for name in ("a.png", "b.tif", "c.tif"):
        dataset, seen = imported(tmp_path / name, tmp_path / f"out-{name}", "color")
        assert np.array_equal(seen, expected)
        told = f"as its orientation tag ({orientation}) asks for" in str(dataset.import_report)
        assert told == (orientation > 1)


def test_inks_become_the_same_colours_from_all_formats(tmp_path: Path) -> None:
    inks = np.zeros((32, 48, 4), "uint8")
    inks[..., :] = (10, 200, 90, 30)
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated", planarconfig="contig", metadata=None)
    planes = np.moveaxis(inks, 2, 0)
    tifffile.imwrite(
        tmp_path / "b.tif", planes, photometric="separated", planarconfig="separate", metadata=None
    )
    Pillow.fromarray(inks, mode="CMYK").save(tmp_path / "c.jpg", quality=100, subsampling=0)
    expected = np.asarray(Pillow.fromarray(inks, mode="CMYK").convert("RGB"))
    for name in ("a.tif", "b.tif", "c.jpg"):
        dataset, seen = imported(tmp_path / name, tmp_path / f"out-{name}", "color")
        assert seen.shape == (32, 48, 3)
        assert np.abs(seen.astype(int) - expected).max() <= (2 if name == "c.jpg" else 0)
        assert "its inks (CMYK) are converted to red, green and blue" in str(dataset.import_report)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("samples", [2, 4])
def test_opacity_is_left_out_whatever_the_format_and_the_bits(
    tmp_path: Path, dtype: str, suffix: str, samples: int
) -> None:
    values = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (40, 50, samples)).astype(dtype)
    source = tmp_path / f"a.{suffix}"
    if suffix == "png":
        source.write_bytes(imagecodecs.png_encode(values))
    else:
        kind = "rgb" if samples == 4 else "minisblack"
        options: dict[str, Any] = {"planarconfig": "contig", "extrasamples": ["unassalpha"], "metadata": None}
        tifffile.imwrite(source, values, photometric=kind, **options)
    dataset = wk.Dataset.from_images(source, tmp_path / "out", (1, 1, 1), layer_category="color")
    found = np.concatenate([layer.get_mag(1).read()[..., 0] for layer in dataset.layers.values()])
    assert np.array_equal(found.transpose(2, 1, 0), values[..., : samples - 1])
    assert len(dataset.layers) == (3 if samples == 4 and dtype == "uint16" else 1)
    assert "its opacity (alpha) is left out" in str(dataset.import_report)
    assert inspect_image(str(source)).layer.shape == (samples - 1, 50, 40, 1)


def test_a_fourth_sample_that_is_no_opacity_is_a_layer(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 255, (40, 50, 4)).astype("uint8")
    options: dict[str, Any] = {"planarconfig": "contig", "extrasamples": ["unspecified"], "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", **options)
    dataset = wk.Dataset.from_images(tmp_path / "a.tif", tmp_path / "out", (1, 1, 1), layer_category="color")
    colors, extra = (layer.get_mag(1).read()[..., 0].transpose(2, 1, 0) for layer in dataset.layers.values())
    assert np.array_equal(colors, values[..., :3])
    assert np.array_equal(extra, values[..., 3:])


def test_a_picture_that_does_not_fit_the_memory_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.zeros((9000, 9000), "uint16")))
    decoded: list[int] = []
    original: Callable[..., Any] = imagecodecs.png_decode
    monkeypatch.setattr(imagecodecs, "png_decode", lambda data: decoded.append(1) or original(data))
    with pytest.raises(TooLargeError, match="The import takes at least"):
        wk.Dataset.from_images(tmp_path / "a.png", tmp_path / "out", (1, 1, 1), memory="300MB")
    assert not decoded


def test_pictures_are_shown_in_other_processes_as_well(tmp_path: Path) -> None:
    palette_picture(tmp_path / "a.png", stored(2))
    file = as_shown(ImageFile.choose(locate(tmp_path / "a.png")))
    assert isinstance(file, ShownFile)
    copy = pickle.loads(pickle.dumps(file))
    assert copy.info == file.info
    with Pillow.open(tmp_path / "a.png") as picture, copy.open() as image:
        expected = np.asarray(picture.convert("RGB"))
        assert np.array_equal(image.read(), expected)
        assert np.array_equal(image.read(((3, 4, 1), (9, 7, 2))), expected[3:12, 4:11, 1:3])
    assert as_shown(copy) is copy
