"""Datasets: creating, opening, naming, comparing, and what is refused."""

from __future__ import annotations

import json
import pickle
import stat
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

import wkplug as wk
from wkplug.errors import ReadOnlyError
from wkplug.ops.info import describe

if TYPE_CHECKING:
    from pathlib import Path


def properties(dataset: wk.Dataset) -> dict:
    return json.loads((dataset.path / "datasource-properties.json").read_text())


def test_a_new_dataset_is_a_folder_with_a_properties_file(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "a" / "b", voxel_size=(1, 2, 3))
    assert properties(dataset) == {
        "id": {"name": "b", "team": ""},
        "scale": {"factor": [1.0, 2.0, 3.0], "unit": "nanometer"},
        "dataLayers": [],
        "version": 1,
    }
    assert dataset.voxel_size == (1.0, 2.0, 3.0)
    assert dataset.name == "b"
    assert dict(dataset.layers) == {}
    assert not dataset.read_only


def test_opening_gives_an_equal_dataset(tmp_path: Path) -> None:
    made = wk.Dataset(tmp_path / "d", voxel_size=(1, 1, 1), name="my name")
    opened = wk.Dataset.open(str(tmp_path / "d") + "/")
    assert opened == made
    assert opened.name == "my name"
    assert opened != wk.Dataset.open(tmp_path / "d", read_only=True)
    assert repr(opened) == f"Dataset({opened.path!r})"


def test_a_unit_is_kept_and_converted(tmp_path: Path) -> None:
    size = wk.VoxelSize((1, 1, 2), wk.LengthUnit.MICROMETER)
    wk.Dataset(tmp_path / "d", voxel_size_with_unit=size)
    dataset = wk.Dataset.open(tmp_path / "d")
    assert dataset.voxel_size_with_unit == size
    assert dataset.voxel_size == (1000, 1000, 2000)


def test_the_name_is_saved_at_once(dataset: wk.Dataset) -> None:
    dataset.name = "another"
    assert wk.Dataset.open(dataset.path).name == "another"


def test_a_missing_dataset_is_a_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Cannot read dataset at .*file not found"):
        wk.Dataset.open(tmp_path / "nothing")


def test_an_existing_dataset_is_in_the_way(dataset: wk.Dataset) -> None:
    with pytest.raises(RuntimeError, match="There is already a dataset"):
        wk.Dataset(dataset.path, voxel_size=(1, 1, 1))


def test_exist_ok_opens_what_agrees_and_refuses_what_differs(dataset: wk.Dataset) -> None:
    again = wk.Dataset(dataset.path, voxel_size=(11.24, 11.24, 25), exist_ok=True)
    assert again == dataset
    with pytest.raises(ValueError, match="A voxel size is needed"):
        wk.Dataset(dataset.path, exist_ok=True)
    with pytest.raises(RuntimeError, match="has the voxel size"):
        wk.Dataset(dataset.path, voxel_size=(1, 1, 1), exist_ok=True)
    with pytest.raises(RuntimeError, match="is called 'dataset', not 'x'"):
        wk.Dataset(dataset.path, voxel_size=(11.24, 11.24, 25), name="x", exist_ok=True)


def test_a_new_dataset_needs_a_voxel_size_and_leaves_nothing_without(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs a voxel size"):
        wk.Dataset(tmp_path / "d")
    with pytest.raises(ValueError, match="Both voxel_size"):
        wk.Dataset(tmp_path / "d", voxel_size=(1, 1, 1), voxel_size_with_unit=wk.VoxelSize((1, 1, 1)))
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("size", [(0, 1, 1), (-1, 1, 1), (float("nan"), 1, 1), (1, 1)])
def test_impossible_voxel_sizes_are_refused(tmp_path: Path, size: tuple) -> None:
    with pytest.raises(ValueError, match=r"voxel size|three|number"):
        wk.Dataset(tmp_path / "d", voxel_size=size)
    assert not (tmp_path / "d").exists()


def test_other_files_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("precious")
    with pytest.raises(RuntimeError, match="is not empty, and no dataset"):
        wk.Dataset(tmp_path, voxel_size=(1, 1, 1), exist_ok=True)
    with pytest.raises(NotADirectoryError, match="is a file"):
        wk.Dataset(tmp_path / "notes.txt", voxel_size=(1, 1, 1))
    assert (tmp_path / "notes.txt").read_text() == "precious"


def test_an_empty_folder_is_free(tmp_path: Path) -> None:
    assert wk.Dataset(tmp_path, voxel_size=(1, 1, 1)).name == tmp_path.name


def test_read_only_refuses_every_change(dataset: wk.Dataset) -> None:
    dataset.add_layer("color", "color").add_mag(1)
    frozen = wk.Dataset.open(dataset.path, read_only=True)
    layer = frozen.get_layer("color")
    before = (dataset.path / "datasource-properties.json").read_bytes()
    for change in (
        lambda: setattr(frozen, "name", "x"),
        lambda: frozen.add_layer("x", "color"),
        lambda: frozen.delete_layer("color"),
        lambda: setattr(layer, "bounding_box", wk.BoundingBox((0, 0, 0), (1, 1, 1))),
        lambda: layer.add_mag(2),
        lambda: layer.delete_mag(1),
        lambda: layer.downsample(),
        lambda: layer.get_mag(1).write([[[1]]], allow_resize=True),
    ):
        with pytest.raises(RuntimeError, match="read-only"):
            change()
    assert (dataset.path / "datasource-properties.json").read_bytes() == before
    with pytest.raises(FileNotFoundError, match="read_only=True can't create"):
        wk.Dataset(dataset.path / "new", voxel_size=(1, 1, 1), read_only=True)


def test_several_changes_are_one_write(dataset: wk.Dataset) -> None:
    file = dataset.path / "datasource-properties.json"
    before = file.stat().st_ino
    with dataset.update():
        for number in range(5):
            dataset.add_layer(f"layer{number}", "color")
        assert file.stat().st_ino == before
    assert file.stat().st_ino != before
    assert list(wk.Dataset.open(dataset.path).layers) == [f"layer{number}" for number in range(5)]


def test_a_block_of_changes_that_fails_changes_nothing(dataset: wk.Dataset) -> None:
    with pytest.raises(IndexError), dataset.update():  # noqa: PT012 - the block is the test
        dataset.add_layer("kept", "color")
        dataset.get_layer("missing")
    assert list(dataset.layers) == []
    assert list(wk.Dataset.open(dataset.path).layers) == []


def test_unknown_keys_survive_every_change(dataset: wk.Dataset) -> None:
    layer = dataset.add_layer("color", "color", bounding_box=wk.BoundingBox((0, 0, 0), (8, 8, 8)))
    layer.add_mag(1)
    document = properties(dataset)
    document["ours"] = {"a": [1]}
    document["dataLayers"][0]["theirs"] = "x"
    document["dataLayers"][0]["mags"][0]["credentialId"] = "secret"
    (dataset.path / "datasource-properties.json").write_text(json.dumps(document))
    opened = wk.Dataset.open(dataset.path)
    opened.get_layer("color").bounding_box = wk.BoundingBox((0, 0, 0), (16, 8, 8))
    opened.get_layer("color").add_mag(2)
    opened.name = "new"
    after = properties(opened)
    assert after["ours"] == {"a": [1]}
    assert after["dataLayers"][0]["theirs"] == "x"
    assert after["dataLayers"][0]["mags"][0]["credentialId"] == "secret"


def test_datasets_layers_and_mags_pickle(dataset: wk.Dataset) -> None:
    layer = dataset.add_layer("color", "color", bounding_box=wk.BoundingBox((0, 0, 0), (8, 8, 8)))
    mag = layer.add_mag(1)
    mag.write(np.full((1, 1, 1), 7, "u1"), absolute_offset=(0, 0, 0), allow_unaligned=True)
    again = pickle.loads(pickle.dumps(mag))
    assert again == mag
    assert again.layer == layer
    assert again.layer.dataset == dataset
    assert again.read(absolute_offset=(0, 0, 0), size=(1, 1, 1)).item() == 7
    view = pickle.loads(pickle.dumps(mag.get_view(absolute_offset=(0, 0, 0), size=(8, 8, 8))))
    assert view.read()[0, 0, 0, 0] == 7


def test_a_folder_that_can_not_be_written_changes_nothing_in_memory(dataset: wk.Dataset) -> None:
    import os

    if os.geteuid() == 0:
        pytest.skip("the superuser may write everywhere")
    dataset.path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(PermissionError):
            dataset.add_layer("color", "color")
        assert list(dataset.layers) == []
    finally:
        dataset.path.chmod(stat.S_IRWXU)


def test_an_in_memory_file_system_holds_a_dataset() -> None:
    from upath import UPath

    dataset = wk.Dataset(UPath("memory://tests/in-memory"), voxel_size=(1, 1, 1))
    try:
        dataset.add_layer("color", "color")
        assert list(wk.Dataset.open("memory://tests/in-memory").layers) == ["color"]
    finally:
        dataset.location.delete(recursive=True)


@pytest.mark.parametrize("top", ["", "scan/"])
def test_a_zip_archive_of_a_dataset_is_read_like_its_folder(tmp_path: Path, top: str) -> None:
    dataset = wk.Dataset(tmp_path / "scan", voxel_size=(1, 1, 1))
    layer = dataset.add_layer("em", "color", bounding_box=wk.BoundingBox((0, 0, 0), (8, 8, 8)))
    layer.add_mag(1).write(np.full((8, 8, 8), 3, "uint8"))
    archive = tmp_path / "scan.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for file in dataset.path.rglob("*"):
            if file.is_file():
                target.write(file, f"{top}{file.relative_to(dataset.path)}")
    zipped = wk.Dataset.open(archive)
    assert (zipped.get_layer("em").get_mag(1).read() == 3).all()
    assert not any("lies outside" in note for layer in describe(zipped.state).layers for note in layer.notes)
    copied = zipped.copy_dataset(tmp_path / "copy")
    assert (copied.get_layer("em").get_mag(1).read() == 3).all()
    assert zipped.read_only is True
    with pytest.raises(ReadOnlyError, match="What lies there can only be read"):
        zipped.add_layer("more", "color")
