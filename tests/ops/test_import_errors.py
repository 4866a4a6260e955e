"""Imports that can't succeed: each its own error, and nothing written where that could be known beforehand."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

import wkplug as wk
from wkplug import registry, storage
from wkplug.errors import (
    CorruptImageError,
    DatasetExistsError,
    ImageReaderMissingError,
    InvalidArgumentError,
    LayerExistsError,
    LayoutError,
    MissingError,
    ReadOnlyError,
    StorageError,
    TooLargeError,
    UnsupportedDtypeError,
    UnsupportedImageDataError,
    UnsupportedImageFormatError,
)
from wkplug.filesystems.local import LocalLocation
from wkplug.ops.inspecting import inspect_image

if TYPE_CHECKING:
    from pathlib import Path


def section(path: Path, shape: tuple[int, ...] = (20, 30), dtype: str = "uint8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(0).integers(1, 200, shape).astype(dtype)
    tifffile.imwrite(path, data, photometric="minisblack", compression="zlib")
    return path


def refuse(tmp_path: Path, error: type[Exception], match: str, **options: Any) -> str:
    """Importing in/ fails that way and writes nothing; gives the whole text."""
    with pytest.raises(error, match=match) as caught:
        wk.Dataset.from_images(tmp_path / "in", tmp_path / "out", **{"voxel_size": (1, 1, 1), **options})
    assert not (tmp_path / "out").exists()
    return str(caught.value)


def test_a_missing_input(tmp_path: Path) -> None:
    assert "Check the path" in refuse(tmp_path, MissingError, "There is nothing at .*/in")


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    refuse(tmp_path, UnsupportedImageFormatError, "No image files were found in .*/in: it is empty")


def test_a_folder_without_images_names_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.txt", "b.csv", "c.doc", "d.log"):
        (tmp_path / "in" / name).write_text("hello")
    told = refuse(tmp_path, UnsupportedImageFormatError, "only a.txt, b.csv, c.doc and 1 more")
    assert ".png" in told
    assert ".tif" in told


def test_a_file_that_nobody_reads(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("hello")
    refuse(tmp_path, UnsupportedImageFormatError, "No installed reader accepts 'in'")


def test_other_files_beside_images_are_passed_over(tmp_path: Path) -> None:
    section(tmp_path / "in" / "a.tif")
    (tmp_path / "in" / "notes.txt").write_text("hello")
    dataset = wk.Dataset.from_images(tmp_path / "in", tmp_path / "out", (1, 1, 1))
    assert list(dataset.layers) == ["in"]


@pytest.mark.parametrize("content", [b"", b"nothing of an image"])
def test_an_image_by_name_only_is_no_missing_section_but_an_error(tmp_path: Path, content: bytes) -> None:
    section(tmp_path / "in" / "s1.tif")
    (tmp_path / "in" / "s2.tif").write_bytes(content)
    # A bridge to other libraries, where one is installed, takes files by name and finds out when it opens them.
    text = "s2.tif has the name of an image, but not its contents|s2.tif can't be read as a file of"
    told = refuse(tmp_path, CorruptImageError, text)
    assert "copy or export it again" in told


def test_a_header_that_is_damaged(tmp_path: Path) -> None:
    section(tmp_path / "in" / "s1.tif")
    whole = section(tmp_path / "in" / "s2.tif").read_bytes()
    (tmp_path / "in" / "s2.tif").write_bytes(whole[:20])
    refuse(tmp_path, CorruptImageError, "s2.tif can't be read as a TIFF")


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    section(tmp_path / "in" / "s1.tif")
    section(tmp_path / "in" / "s2.tif", dtype="uint16")
    refuse(tmp_path, UnsupportedImageDataError, "s2.tif is uint16, but .*s1.tif is uint8")
    Pillow.fromarray(np.ones((20, 30, 3), "uint8")).save(tmp_path / "in" / "s2.tif")
    refuse(tmp_path, UnsupportedImageDataError, "s2.tif has 3 channels, but .*s1.tif has 1 channel")
    section(tmp_path / "in" / "s2.tif", (4, 20, 30))
    told = refuse(tmp_path, UnsupportedImageDataError, "s2.tif has 4 sections, but 2 files were given")
    assert 'layer of its own, as map_filepath_to_layer_name="inspect_every_file" does' in told


def test_arguments_that_contradict_each_other(tmp_path: Path) -> None:
    section(tmp_path / "in" / "s1.tif")
    refuse(tmp_path, InvalidArgumentError, "Exactly one of voxel_size and", voxel_size=None)
    refuse(
        tmp_path, InvalidArgumentError, "Exactly one of voxel_size and",
        voxel_size_with_unit=wk.VoxelSize((1, 1, 1)),
    )  # fmt: skip
    refuse(
        tmp_path,
        InvalidArgumentError,
        "batch_size is 7, which is no multiple",
        batch_size=7,
        data_format="wkw",
    )
    refuse(tmp_path, InvalidArgumentError, "max_layers is 0", max_layers=0)
    refuse(tmp_path, LayoutError, "must be a power of two", shard_shape=48)
    refuse(tmp_path, ValueError, "zarr33", data_format="zarr33")
    refuse(tmp_path, RuntimeError, "'colour' is not a layer category", layer_category="colour")
    refuse(tmp_path, KeyError, "tifffle", reader="tifffle")


def test_arguments_of_a_single_layer(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "out", (1, 1, 1))
    path = section(tmp_path / "a.tif")
    for match, options in (
        ("channel is 1, but .*a.tif has 1 channel", {"channel": 1}),
        (r"topleft is \(-1, 0, 0\)", {"topleft": (-1, 0, 0)}),
    ):
        with pytest.raises(InvalidArgumentError, match=match):
            dataset.add_layer_from_images(path, "a", **options)
    with pytest.raises(UnsupportedDtypeError, match="'uint9' is not a dtype"):
        dataset.add_layer_from_images(path, "a", dtype="uint9")
    with pytest.raises(UnsupportedImageDataError, match="A segmentation layer can't have the dtype float32"):
        dataset.add_layer_from_images(section(tmp_path / "f.tif", dtype="float32"), "a", "segmentation")
    with pytest.raises(UnsupportedImageFormatError, match="The list of images is empty"):
        dataset.add_layer_from_images([], "a")
    with pytest.raises(UnsupportedImageFormatError, match=r"No files match .*\*\.png"):
        dataset.add_layer_from_images(f"{tmp_path}/*.png", "a")
    assert list(dataset.layers) == []
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["datasource-properties.json"]


def test_a_layer_that_is_there_is_not_touched(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "out", (1, 1, 1))
    path = section(tmp_path / "a.tif")
    before = dataset.add_layer_from_images(path, "a").get_mag(1).read()
    with pytest.raises(LayerExistsError, match="already has a layer 'a'"):
        dataset.add_layer_from_images(path, "a", flip_z=True)
    assert np.array_equal(dataset.get_layer("a").get_mag(1).read(), before)
    with pytest.raises(ReadOnlyError, match="is read-only"):
        wk.Dataset.open(tmp_path / "out", read_only=True).add_layer_from_images(path, "b")


def test_an_output_that_is_taken_is_not_touched(tmp_path: Path) -> None:
    section(tmp_path / "in" / "a.tif")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious.txt").write_text("mine")
    with pytest.raises(DatasetExistsError, match=r"already something at .*out"):
        wk.Dataset.from_images(tmp_path / "in", tmp_path / "out", (1, 1, 1))
    with pytest.raises(RuntimeError, match="already something at"):
        wk.Dataset.from_images(tmp_path / "in", tmp_path / "in", (1, 1, 1))
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["precious.txt"]
    with pytest.raises(NotADirectoryError, match="is a file"):
        wk.Dataset.from_images(tmp_path / "in", tmp_path / "out" / "precious.txt", (1, 1, 1))


def test_an_output_that_can_not_be_written(tmp_path: Path) -> None:
    from pathlib import Path

    if not Path("/proc/version").exists():
        pytest.skip("there is no /proc, where nobody may write")
    section(tmp_path / "in" / "a.tif")
    with pytest.raises(StorageError):
        wk.Dataset.from_images(tmp_path / "in", "/proc/wkplug-dataset", (1, 1, 1))


def test_a_section_larger_than_the_memory_budget(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Pillow.fromarray(np.zeros((2000, 2000), "uint8")).save(tmp_path / "in" / "a.png")
    with wk.settings(max_read_bytes=2_000_000):
        refuse(tmp_path, TooLargeError, "Reading 1 x 2000 x 2000 x 1 voxels of .*a.png takes")


def test_a_file_that_a_known_plugin_would_read(tmp_path: Path) -> None:
    section(tmp_path / "in" / "s1.tif")
    (tmp_path / "in" / "big.czi").write_bytes(b"ZISRAWFILE" + b"\0" * 100)
    from wkplug.filesystems.local import LocalLocation
    from wkplug.ops.importing.readers import ImageFile

    try:
        ImageFile.choose(LocalLocation(str(tmp_path / "in" / "big.czi")))
    except ImageReaderMissingError:
        with pytest.warns(UserWarning, match="1 file passed over, for which a plugin is missing"):
            wk.Dataset.from_images(tmp_path / "in", tmp_path / "out", (1, 1, 1))
    except UnsupportedImageFormatError:
        assert list(wk.Dataset.from_images(tmp_path / "in", tmp_path / "out", (1, 1, 1)).layers) == ["in"]


@pytest.mark.parametrize("data_format", ["wkw", "zarr", "zarr3"])
def test_damage_in_the_middle_leaves_a_marked_mag_that_is_not_listed(
    tmp_path: Path, data_format: str
) -> None:
    folder = tmp_path / "in"
    for index in range(5):
        section(folder / f"s{index}.tif")
    whole = (folder / "s3.tif").read_bytes()
    data = bytearray(whole)
    start = data.index(b"\x78")  # the first byte of a deflated strip
    data[start : start + 60] = b"\xff" * 60
    (folder / "s3.tif").write_bytes(data)
    with pytest.raises(CorruptImageError, match=r"s3\.tif can't be read as a TIFF") as caught:
        wk.Dataset.from_images(
            folder, tmp_path / "out", (1, 1, 1), data_format=data_format, layer_category="color"
        )
    assert caught.value.path == str(folder / "s3.tif")
    dataset = wk.Dataset.open(tmp_path / "out")
    layer = dataset.get_layer("in")
    assert list(layer.mags) == []
    assert layer.bounding_box == wk.BoundingBox((0, 0, 0), (30, 20, 5))
    mark = storage.read_mark(layer.location.child("1"))
    assert mark is not None
    assert mark.job == "import in"
    # The layer can be made again once the file is whole.
    (folder / "s3.tif").write_bytes(whole)
    dataset.delete_layer("in")
    again = dataset.add_layer_from_images(folder, "in", data_format=data_format)
    assert again.get_mag(1).read().any()


def check_refused(tmp_path: Path, name: str, text: str) -> None:
    """Import and look at a file that is no image: both say the same."""
    for attempt in (
        lambda: wk.Dataset.from_images(tmp_path / name, tmp_path / "out", (1, 1, 1)),
        lambda: inspect_image(str(tmp_path / name)),
    ):
        with pytest.raises(UnsupportedImageFormatError) as caught:
            attempt()
        assert str(caught.value) == text


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.tif", b"x,y\n1,2\n", "it is text, not an image (it begins with 'x,y')"),
        ("a.png", b"\n<!DOCTYPE html><html>404</html>", "it is a web page (HTML), not an image"),
        ("a.jpg", '{"größe": 1}'.encode(), "it is text, not an image (it begins with '{\"größe\": 1}')"),
        ("a.nii", "hello".encode("utf-16"), "it is text, not an image (it begins with 'hello')"),
        ("a.tif", ("ä" * 3000).encode(), "it is text, not an image (it begins with '" + "ä" * 40 + "')"),
        ("a.tif", bytes(5000), "its first 4,096 bytes are zero"),
        ("a.png", b"", "it is empty"),
        ("a.png", b"%PDF-1.4\n%\xe2\xe3", "it is a PDF document, not an image"),
        ("a.tif", b"Rar!\x1a\x07" + bytes(30), "it is a RAR archive, not an image"),
        ("a.jpg", gzip.compress(b"picture", mtime=0), "it is compressed by gzip, not an image"),
    ],
)
def test_what_is_no_image_is_called_what_it_is(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    (tmp_path / name).write_bytes(content)
    check_refused(
        tmp_path,
        name,
        f"No installed reader accepts '{name}': {what}.\n"
        "  Export or download the image again, or move the file away.",
    )
    with pytest.raises(CorruptImageError) as damaged:
        wk.Dataset.from_images(tmp_path, tmp_path / "out", (1, 1, 1))
    assert f"{name} has the name of an image, but not its contents: {what}." in str(damaged.value)


@pytest.mark.parametrize(("name", "own"), [("a.png", "pillow"), ("a.tif", "tifffile"), ("a.nrrd", "nrrd")])
def test_other_contents_than_the_name_says_are_told_in_bytes(tmp_path: Path, name: str, own: str) -> None:
    (tmp_path / name).write_bytes(b"\x01\x02\x03\xffABCDEFGH" + bytes(range(256)))
    check_refused(
        tmp_path,
        name,
        f"No installed reader accepts '{name}'. Its suffix is claimed by {own}, but its first bytes "
        "(01 02 03 ff 41 42 43 44) are not theirs.\n"
        "  The file is damaged, or called otherwise than what it is. Export or download the image again, "
        "or move the file away.",
    )


@pytest.mark.parametrize("data", [np.random.default_rng(0).bytes(1000), bytes(9000)], ids=["noise", "zeros"])
def test_plain_voxels_are_no_photo(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.RAW").write_bytes(data)
    with pytest.raises(UnsupportedImageFormatError, match=r"It may be plain voxels") as caught:
        wk.Dataset.from_images(tmp_path / "a.RAW", tmp_path / "out", (1, 1, 1))
    assert "wkplug convert-raw a.RAW TARGET --shape x,y,z --voxel-size x,y,z" in str(caught.value)


def test_text_of_which_nobody_is_sure_is_left_to_catch_alls(tmp_path: Path) -> None:
    pytest.importorskip("wkplug_pims")
    path, head = tmp_path / "a.pgm", b"P2 3 2 255\n1 2 3 4 5 6\n"
    path.write_bytes(head)
    assert registry.choose_reader(LocalLocation(str(path)), head).name == "pims"
