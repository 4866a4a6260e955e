"""Arrays that are there already become mags and layers; data in memory become layers."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug as wk

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = ("wkw", "zarr", "zarr3")


def voxels(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(5).integers(1, 200, shape).astype("uint8")


@pytest.fixture
def other(tmp_path: Path) -> wk.Dataset:
    return wk.Dataset(tmp_path / "other", voxel_size=(1, 1, 1))


def array(tmp_path: Path, data_format: str = "zarr3", **options: Any) -> wk.Layer:
    dataset = wk.Dataset(tmp_path / "source", voxel_size=(1, 1, 1))
    shard = 32 if data_format == "zarr" else 64
    return dataset.write_layer(
        "color", "color", voxels((70, 50, 40)), data_format=data_format, shard_shape=shard, **options
    )


@pytest.mark.parametrize("data_format", FORMATS)
def test_a_folder_of_mags_becomes_a_layer(tmp_path: Path, other: wk.Dataset, data_format: str) -> None:
    source = array(tmp_path, data_format)
    shutil.copytree(source.path, other.path / "found")
    (other.path / "found" / "notes").mkdir()
    layer = other.add_layer_for_existing_files("found", "segmentation", largest_segment_id=5)
    assert list(layer.mags) == list(source.mags)
    assert (layer.data_format, layer.dtype, layer.num_channels) == (data_format, np.dtype("uint8"), 1)
    size = layer.bounding_box.size
    shard = 32 if data_format == "zarr" else 64
    assert size == tuple(-(-n // shard) * shard for n in (70, 50, 40))
    assert np.array_equal(layer.get_mag(1).read()[0, :70, :50, :40], voxels((70, 50, 40)))
    assert layer.as_segmentation_layer().largest_segment_id == 5
    assert not layer.get_mag(1).read_only
    given = wk.BoundingBox((0, 0, 0), (70, 50, 40))
    shutil.copytree(source.path, other.path / "again")
    assert other.add_layer_for_existing_files("again", "color", bounding_box=given).bounding_box == given


def test_folders_that_are_no_layer(tmp_path: Path, other: wk.Dataset) -> None:
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        other.add_layer_for_existing_files("none", "color")
    (other.path / "empty").mkdir()
    with pytest.raises(AssertionError, match="no array that could be a mag"):
        other.add_layer_for_existing_files("empty", "color")
    with pytest.raises(ValueError, match="invalid"):
        other.add_layer_for_existing_files("a/b", "color")
    other.add_layer("listed", "color")
    with pytest.raises(AssertionError, match="already lists"):
        other.add_layer_for_existing_files("listed", "color")
    with pytest.raises(TypeError):
        other.add_layer_for_existing_files("empty", "color", dtyp="uint8")  # type: ignore[call-arg]
    shutil.copytree(array(tmp_path).path / "1", other.path / "empty" / "1")
    (other.path / "empty" / "2").mkdir()
    with pytest.warns(UserWarning, match="no mag that can be listed"):
        assert list(other.add_layer_for_existing_files("empty", "color").mags) == [wk.Mag(1)]


def test_links_to_mags_become_read_only_mags(tmp_path: Path, other: wk.Dataset) -> None:
    source = array(tmp_path)
    (other.path / "linked").mkdir()
    (other.path / "linked" / "1").symlink_to(source.path / "1")
    layer = other.add_layer_for_existing_files("linked", "color")
    assert layer.get_mag(1).read_only
    other.delete_layer("linked")
    assert (source.path / "1").is_dir()


def test_a_mag_whose_files_are_there_is_listed(tmp_path: Path, other: wk.Dataset) -> None:
    source = array(tmp_path)
    layer = other.add_layer_like(source, "color")
    shutil.copytree(source.path / "1", layer.path / "1-1-1")
    mag = layer.add_mag_for_existing_files(1)
    assert np.array_equal(mag.read(), source.get_mag(1).read())
    with pytest.raises(AssertionError, match="already has the mag"):
        layer.add_mag_for_existing_files(1)
    with pytest.raises(wk.ArrayException, match="no array for the mag 2"):
        layer.add_mag_for_existing_files(2)
    floats = other.add_layer("floats", "color", dtype="float32", data_format="zarr3")
    shutil.copytree(source.path / "1", floats.path / "1")
    with pytest.raises(ValueError, match="its dtype is uint8, the layer's is float32"):
        floats.add_mag_for_existing_files(1)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("move", [False, True])
def test_an_array_from_elsewhere_is_copied_or_moved(
    tmp_path: Path, other: wk.Dataset, data_format: str, move: bool
) -> None:
    source = array(tmp_path, data_format, downsample=False)
    folder = tmp_path / "lone"
    shutil.copytree(source.path / "1", folder)
    layer = other.add_layer("color", "color", data_format=data_format)
    mag = layer.add_mag_from_array(1, folder, move=move)
    assert folder.exists() is not move
    box = source.bounding_box
    assert np.array_equal(mag.read(absolute_bounding_box=box)[0], voxels((70, 50, 40)))
    if data_format != "wkw":
        assert layer.bounding_box == wk.BoundingBox((0, 0, 0), mag.info.bounding_box.size_xyz)
    assert not mag.read_only
    with pytest.raises(IndexError, match="already has the mag"):
        layer.add_mag_from_array(1, source.path / "1")
    with pytest.raises(ValueError, match="no array that can be added"):
        layer.add_mag_from_array(2, tmp_path / "nothing")
    wrong = other.add_layer("wrong", "color", data_format="zarr" if data_format == "wkw" else "wkw")
    with pytest.raises(ValueError, match="but the layer 'wrong' is"):
        wrong.add_mag_from_array(1, source.path / "1")


def test_an_array_without_channels_gives_its_axes_to_the_layer(tmp_path: Path, other: wk.Dataset) -> None:
    zarr = pytest.importorskip("zarr")
    made = zarr.create_array(tmp_path / "plain", shape=(20, 30, 10), chunks=(10, 10, 10), dtype="uint8")
    made[:] = voxels((20, 30, 10))
    layer = other.add_layer("plain", "color", data_format="zarr3")
    mag = layer.add_mag_from_zarrarray(1, tmp_path / "plain")
    assert mag.read().shape == (20, 30, 10)
    assert np.array_equal(mag.read(), voxels((20, 30, 10)))
    assert wk.Dataset.open(other.path).get_layer("plain").get_mag(1).read().shape == (20, 30, 10)
    plain = other.add_layer("wkw", "color", data_format="wkw")
    with pytest.raises(ValueError, match="not as Zarr"):
        plain.add_mag_from_zarrarray(1, tmp_path / "plain")


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("shape", [(33, 21), (33, 21, 9), (1, 33, 21, 9), (3, 33, 21, 9)])
def test_an_array_becomes_a_layer(other: wk.Dataset, shape: tuple[int, ...], data_format: str) -> None:
    data = voxels(shape)
    layer = other.write_layer(
        "x", "color", data, data_format=data_format, absolute_offset=(8, 4, 2), mag=2, downsample=False
    )
    read = layer.get_mag(2).read()
    x, y, z = {2: (*shape, 1), 3: shape}.get(len(shape), shape[1:])
    assert layer.bounding_box == wk.BoundingBox((8, 4, 2), (2 * x, 2 * y, 2 * z))
    assert np.array_equal(read.reshape(shape), data)


def test_more_dimensions_need_names_and_a_failure_leaves_no_layer(other: wk.Dataset) -> None:
    with pytest.raises(ValueError, match="Name them"):
        other.write_layer("x", "color", voxels((2, 1, 8, 8, 8)))
    with pytest.raises(ValueError, match="one name per dimension"):
        other.write_layer("x", "color", voxels((8, 8, 8)), axes="xy")
    data = voxels((1, 2, 8, 9, 10))
    layer = other.write_layer(
        "t", "color", data, axes=("c", "t", "x", "y", "z"), absolute_offset=(0, 0, 3, 2, 1), downsample=False
    )
    assert layer.bounding_box.topleft_xyz == (3, 2, 1)
    assert np.array_equal(layer.get_mag(1).read(), data)
    with pytest.raises(ValueError, match="power of two"):
        other.write_layer("bad", "color", voxels((8, 8, 8)), chunk_shape=12)
    assert "bad" not in other.layers


def test_layers_written_have_coarser_mags(other: wk.Dataset) -> None:
    assert {wk.Mag(1), wk.Mag(2), wk.Mag(4)} <= set(
        other.write_layer("x", "color", voxels((128, 128, 128))).mags
    )


@pytest.mark.parametrize("data_format", FORMATS)
def test_the_largest_segment_id_is_read_from_the_voxels(other: wk.Dataset, data_format: str) -> None:
    empty = other.add_layer("empty", "segmentation", data_format=data_format, largest_segment_id=4)
    empty.add_mag(1)
    empty.as_segmentation_layer().refresh_largest_segment_id()
    assert empty.as_segmentation_layer().largest_segment_id is None
    data = np.zeros((70, 50, 40), "uint32")
    layer = other.write_layer(
        "seg", "segmentation", data, data_format=data_format, downsample=False
    ).as_segmentation_layer()
    layer.refresh_largest_segment_id()
    assert layer.largest_segment_id == 0
    data[69, 49, 39] = 2**32 - 1
    layer.get_mag(1).write(data)
    layer.refresh_largest_segment_id(executor="sequential")
    assert layer.largest_segment_id == 2**32 - 1
