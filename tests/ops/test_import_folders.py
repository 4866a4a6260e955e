"""Inputs that are neither one container nor a folder of images: folders of containers, and zip archives of anything."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr
from PIL import Image as Pillow

import wkplug as wk
from wkplug import config
from wkplug.cli.main import main
from wkplug.errors import (
    CorruptDataError,
    InvalidArgumentError,
    TooLargeError,
    UnsafePathError,
    UnsupportedImageDataError,
    UnsupportedImageFormatError,
    WkplugError,
)
from wkplug.ops import images

if TYPE_CHECKING:
    from pathlib import Path


def image(place: Path, value: int) -> None:
    """An OME-Zarr image of one value."""
    space = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
    scale = {"type": "scale", "scale": [30.0, 10.0, 10.0]}
    multiscale = {"axes": space, "datasets": [{"path": "0", "coordinateTransformations": [scale]}]}
    group = zarr.open_group(place, mode="w", zarr_format=3)
    group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}
    group.create_array("0", data=np.full((2, 9, 8), value, "uint8"), chunks=(2, 9, 8))


def containers(place: Path, *names: str) -> Path:
    """A plain folder of OME-Zarr images of 1, 2, 3 ..."""
    place.mkdir()
    for value, name in enumerate(names, 1):
        image(place / name, value)
    return place


def n5(place: Path, *names: str) -> Path:
    """The root of an N5 container, as other tools write it."""
    place.mkdir()
    (place / "attributes.json").write_text('{"n5": "2.0.0"}')
    for value, name in enumerate(names, 1):
        folder = place / name
        (folder / "0" / "0").mkdir(parents=True)
        facts = {"dimensions": [4, 3, 2], "blockSize": [4, 3, 2], "dataType": "uint8"}
        (folder / "attributes.json").write_text(json.dumps({**facts, "compression": {"type": "raw"}}))
        header = b"\x00\x00\x00\x03" + b"".join(size.to_bytes(4, "big") for size in (4, 3, 2))
        (folder / "0" / "0" / "0").write_bytes(header + bytes([value] * 24))
    return place


def section(path: Path, value: int = 7) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.full((9, 8), value, "uint8")).save(path)
    return path


def maxima(dataset: wk.Dataset) -> dict[str, int]:
    return {name: int(layer.get_mag(1).read().max()) for name, layer in dataset.layers.items()}


# --- folders of containers --------------------------------------------------------------------------------


def test_a_folder_of_containers_lists_them_with_a_command_for_each(tmp_path: Path) -> None:
    group = containers(tmp_path / "group", "nuclei", "deep/cells")
    with pytest.raises(UnsupportedImageFormatError) as caught:
        wk.Dataset.from_images(group, tmp_path / "out", (10, 10, 30))
    assert str(caught.value) == (
        f"No image files were found in {group}, but 2 containers of layers: deep/cells, nuclei.\n"
        '  Import one of them, or all as layers of one dataset with scene="all":\n'
        f"    wkplug convert {group}/deep/cells TARGET\n"
        f"    wkplug convert {group}/nuclei TARGET"
    )
    assert not (tmp_path / "out").exists()
    assert maxima(wk.Dataset.from_images(group / "nuclei", tmp_path / "out", (10, 10, 30))) == {"nuclei": 1}


def test_all_containers_of_a_folder_become_layers_on_request(tmp_path: Path) -> None:
    group = containers(tmp_path / "group", "a/cells", "b/cells", "nuclei")
    arguments = ["convert", str(group), str(tmp_path / "out"), "--no-downsample"]
    assert main([*arguments, "--scene", "all"]) == 0
    assert maxima(wk.Dataset.open(tmp_path / "out")) == {"a_cells": 1, "b_cells": 2, "nuclei": 3}
    one = wk.Dataset.from_images(group, tmp_path / "one", (10, 10, 30), scene="b/cells", layer_name="em")
    assert maxima(one) == {"em": 2}
    dataset = wk.Dataset(tmp_path / "new", voxel_size=(10, 10, 30))
    with pytest.raises(UnsupportedImageDataError, match="holds 3 scenes, series or channels"):
        dataset.add_layer_from_images(group, "em", scene="all")
    assert dataset.add_layer_from_images(group, "em", scene="nuclei").get_mag(1).read().max() == 3


def test_the_only_container_of_a_folder_is_taken(tmp_path: Path) -> None:
    assert maxima(
        wk.Dataset.from_images(containers(tmp_path / "group", "x/em"), tmp_path / "out", (10, 10, 30))
    ) == {"em": 1}


def test_containers_of_several_kinds_are_listed_and_chosen(tmp_path: Path) -> None:
    root = containers(tmp_path / "in", "em")
    n5(root / "a.n5", "volumes/raw")
    with pytest.raises(UnsupportedImageFormatError, match=r"2 containers of layers: a.n5, em"):
        images.plan_import(root, tmp_path / "out", images.DatasetOptions(voxel_size=(1, 1, 1)))
    out = wk.Dataset.from_images(root, tmp_path / "out", (1, 1, 1), scene="a.n5", layer_category="color")
    assert list(maxima(out).values()) == [1]


def test_a_container_beside_images_is_no_section_and_told(tmp_path: Path) -> None:
    section(tmp_path / "in" / "s1.png")
    image(tmp_path / "in" / "more.zarr", 3)
    with pytest.warns(UserWarning, match=r"containers are left out beside images.* \(more.zarr\)"):
        dataset = wk.Dataset.from_images(tmp_path / "in", tmp_path / "out", (1, 1, 1))
    assert maxima(dataset) == {"in": 7}


def test_a_file_that_is_called_like_a_container_is_no_container(tmp_path: Path) -> None:
    section(tmp_path / "in" / "sub" / "s1.png")
    (tmp_path / "in" / "sub" / "info").write_text("written by me")
    assert list(wk.Dataset.from_images(tmp_path / "in", tmp_path / "out", (1, 1, 1)).layers) == ["sub"]


# --- zip archives -----------------------------------------------------------------------------------------


def zipped(folder: Path, archive: Path, *, top: str = "", compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(archive, "w", compression) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.write(path, f"{top}{path.relative_to(folder)}")
    return archive


@pytest.mark.parametrize("top", ["", "cuts/"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_zip_of_sections_is_taken_like_a_folder(tmp_path: Path, top: str, suffix: str) -> None:
    for z in range(3):
        section(tmp_path / "in" / f"s{z}.{suffix}", z + 1)
    archive = zipped(tmp_path / "in", tmp_path / "em.zip", top=top)
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("__MACOSX/._s0.png", "junk")
    arguments = ["convert", str(archive), str(tmp_path / "out"), "--voxel-size", "1,1,1", "--no-downsample"]
    assert main(arguments) == 0
    layer = wk.Dataset.open(tmp_path / "out").get_layer("cuts" if top else "em")
    assert [int(value) for value in layer.get_mag(1).read()[0, 0, 0]] == [1, 2, 3]
    dataset = wk.Dataset(tmp_path / "new", voxel_size=(1, 1, 1))
    assert dataset.add_layer_from_images(archive, "x").bounding_box.size_xyz.z == 3


def test_a_zip_of_a_container_is_taken_like_a_folder(tmp_path: Path) -> None:
    image(tmp_path / "in" / "em.zarr", 5)
    archive = zipped(tmp_path / "in", tmp_path / "download.zip")
    assert maxima(wk.Dataset.from_images(archive, tmp_path / "out", (10, 10, 30))) == {"em": 5}


def test_a_zip_of_a_dataset_says_how_it_is_copied(tmp_path: Path) -> None:
    wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1)).write_layer(
        "em", "color", np.full((8, 8, 8), 3, "uint8"), downsample=False
    )
    archive = zipped(tmp_path / "ds", tmp_path / "ds.zip", compression=zipfile.ZIP_STORED)
    with pytest.raises(InvalidArgumentError, match=r"ds.zip is a dataset already") as caught:
        images.plan_import(archive, tmp_path / "out", images.DatasetOptions(voxel_size=(1, 1, 1)))
    source = f"zip://::{archive}"
    assert f"wkplug copy-dataset {source} TARGET" in str(caught.value)
    assert main(["copy-dataset", source, str(tmp_path / "out")]) == 0
    assert maxima(wk.Dataset.open(tmp_path / "out")) == {"em": 3}


@pytest.mark.parametrize(
    "name", ["../evil.png", "/abs.png", "a/../../evil.png", "C:/evil.png", "a\\..\\evil.png"]
)
def test_names_in_an_archive_never_lead_out_of_it(tmp_path: Path, name: str) -> None:
    png = section(tmp_path / "s.png").read_bytes()
    (tmp_path / "in").mkdir()
    section(tmp_path / "evil.png", 99)
    with zipfile.ZipFile(tmp_path / "in" / "a.zip", "w") as file:
        file.writestr("s1.png", png)
        info = zipfile.ZipInfo("x")
        info.filename = name
        file.writestr(info, png)
    try:
        dataset = wk.Dataset.from_images(tmp_path / "in" / "a.zip", tmp_path / "out", (1, 1, 1))
    except (UnsafePathError, CorruptDataError):
        assert not (tmp_path / "out").exists()
    else:
        assert set(maxima(dataset).values()) == {7}


def test_an_archive_that_unpacks_to_more_than_the_budget_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("s1.png", bytes(1 << 20))
    with (
        config.settings(max_read_bytes=1 << 19),
        pytest.raises(
            TooLargeError, match=r"s1.png.* takes 1.0 MiB when it is unpacked; allowed are 512.0 KiB"
        ),
    ):
        images.plan_import(tmp_path / "a.zip", tmp_path / "out", images.DatasetOptions(voxel_size=(1, 1, 1)))


def test_a_damaged_archive_says_so(tmp_path: Path) -> None:
    section(tmp_path / "in" / "s1.png")
    archive = zipped(tmp_path / "in", tmp_path / "a.zip")
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(CorruptDataError, match=r"The archive .*a.zip is damaged"):
        images.plan_import(archive, tmp_path / "out", images.DatasetOptions(voxel_size=(1, 1, 1)))


def test_a_zip_of_nothing_is_no_image(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(
        UnsupportedImageFormatError, match=r"No image files were found in .*a.zip, only readme.txt"
    ):
        images.plan_import(tmp_path / "a.zip", tmp_path / "out", images.DatasetOptions(voxel_size=(1, 1, 1)))


def test_an_archive_without_files_is_called_that(tmp_path: Path) -> None:
    zipfile.ZipFile(tmp_path / "em.zip", "w").close()
    with pytest.raises(WkplugError, match=r"There is no file in .*em.zip"):
        wk.Dataset.from_images(tmp_path / "em.zip", tmp_path / "out", (1, 1, 1))
