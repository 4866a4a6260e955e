"""Mags stored in another way, in place: right voxels, and a complete mag after any crash."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wkplug as wk

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = ("wkw", "zarr", "zarr3")


def voxels(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(3).integers(1, 200, shape).astype("uint8")


def make(path: Path, data_format: str, shard: int = 64) -> wk.MagView:
    dataset = wk.Dataset(path, voxel_size=(1, 1, 1))
    box = wk.BoundingBox((10, 20, 30), (100, 90, 70))
    layer = dataset.add_layer("color", "color", data_format=data_format, bounding_box=box)
    mag = layer.add_mag(1, chunk_shape=32, shard_shape=32 if data_format == "zarr" else shard, compress=False)
    mag.write(voxels((100, 90, 70)))
    return mag


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data_format=st.sampled_from(FORMATS),
    chunk=st.sampled_from([16, 32, 64]),
    factor=st.sampled_from([1, 2]),
    compress=st.booleans(),
)
def test_rechunking_changes_the_storage_and_no_voxel(
    tmp_path_factory: pytest.TempPathFactory, data_format: str, chunk: int, factor: int, compress: bool
) -> None:
    mag = make(tmp_path_factory.mktemp("rechunk") / "ds", data_format)
    shard = chunk * (1 if data_format == "zarr" else factor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # unusual chunk shapes
        mag.rechunk(chunk_shape=chunk, shard_shape=shard, compress=compress)
    again = wk.Dataset.open(mag.layer.dataset.path).get_layer("color").get_mag(1)
    for view in (mag, again):
        assert view.info.chunk_shape == (chunk,) * 3
        assert view.info.shard_shape == (shard,) * 3
        assert view.info.compression_mode is compress
        assert np.array_equal(view.read()[0], voxels((100, 90, 70)))
    assert {path.name for path in mag.layer.path.iterdir() if path.is_dir()} == {"1"}
    again.write(voxels((100, 90, 70)) // 2)


@pytest.mark.parametrize("data_format", FORMATS)
def test_compress_keeps_shapes_and_does_nothing_twice(tmp_path: Path, data_format: str) -> None:
    mag = make(tmp_path / "ds", data_format)
    shapes = mag.info.chunk_shape, mag.info.shard_shape
    dataset = mag.layer.dataset
    dataset.compress()
    assert mag.info.compression_mode
    assert (mag.info.chunk_shape, mag.info.shard_shape) == shapes
    assert np.array_equal(mag.read()[0], voxels((100, 90, 70)))
    before = (dataset.path / "datasource-properties.json").stat().st_mtime_ns
    dataset.compress(executor="sequential")
    assert (dataset.path / "datasource-properties.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("data_format", FORMATS)
def test_voxels_that_the_box_hides_are_kept(tmp_path: Path, data_format: str) -> None:
    mag = make(tmp_path / "ds", data_format)
    layer = mag.layer
    whole = layer.bounding_box
    layer.bounding_box = wk.BoundingBox((10, 20, 30), (20, 20, 20))
    mag.compress()
    assert np.array_equal(mag.read()[0], voxels((100, 90, 70))[:20, :20, :20])
    if data_format == "wkw":
        layer.bounding_box = whole
        assert np.array_equal(mag.read()[0], voxels((100, 90, 70)))


def test_the_entry_follows_the_array_and_keeps_foreign_keys(tmp_path: Path) -> None:
    path = make(tmp_path / "ds", "wkw").layer.dataset.path / "datasource-properties.json"
    raw = json.loads(path.read_text())
    assert raw["dataLayers"][0]["mags"][0]["cubeLength"] == 64
    raw["dataLayers"][0]["mags"][0]["theirs"] = 1
    path.write_text(json.dumps(raw))
    wk.Dataset.open(path.parent).get_layer("color").get_mag(1).rechunk(shard_shape=128)
    entry = json.loads(path.read_text())["dataLayers"][0]["mags"][0]
    assert (entry["cubeLength"], entry["theirs"], entry["path"]) == (128, 1, "./color/1")


def test_a_target_path_gets_a_dataset_and_the_mag_stays(tmp_path: Path) -> None:
    mag = make(tmp_path / "a", "zarr3")
    mag.rechunk(target_path=tmp_path / "b")
    assert mag.info.shard_shape == (64, 64, 64)
    other = wk.Dataset.open(tmp_path / "b").get_layer("color").get_mag(1)
    assert other.info.shard_shape == (1024, 1024, 1024)
    assert other.info.compression_mode
    assert other.content_is_equal(mag)


def test_remote_mags_need_a_target_path_and_foreign_ones_are_left_alone(tmp_path: Path) -> None:
    remote = wk.Dataset("memory://rechunk/ds", voxel_size=(1, 1, 1)).add_layer(
        "x", "color", bounding_box=wk.BoundingBox((0, 0, 0), (32, 32, 32))
    )
    mag = remote.add_mag(1, shard_shape=32, compress=False)
    mag.write(voxels((32, 32, 32)))
    with pytest.raises(AssertionError, match="target_path"):
        mag.compress()
    with pytest.warns(UserWarning, match="can be slow"):
        mag.compress(target_path=tmp_path / "b")
    assert wk.Dataset.open(tmp_path / "b").get_layer("x").get_mag(1).content_is_equal(mag)
    own = make(tmp_path / "own", "wkw")
    shallow = own.layer.dataset.shallow_copy_dataset(tmp_path / "shallow")
    shallow.compress()
    assert not own.info.compression_mode
    with pytest.raises(RuntimeError, match="read-only"):
        shallow.get_layer("color").get_mag(1).rechunk()


def test_a_large_sparse_box_is_compressed_shard_by_shard(tmp_path: Path) -> None:
    box = wk.BoundingBox((0, 0, 0), (12240 * 8, 12240 * 8, 685 * 2))
    layer = wk.Dataset(tmp_path / "ds", (1, 1, 1)).add_layer(
        "x", "color", data_format="zarr3", bounding_box=box
    )
    mag = layer.add_mag("8-8-2", chunk_shape=32, shard_shape=64, compress=False)
    mag.write(voxels((64, 64, 64)), absolute_offset=(64 * 8 * 100, 64 * 8 * 50, 64 * 2))
    mag.compress()
    assert len(list(mag.get_bounding_boxes_on_disk())) == 1


_KILLED = """
import os, signal, sys
import wkplug as wk
path, limit = sys.argv[1], int(sys.argv[2])
mag = wk.Dataset.open(path).get_layer("color").get_mag(1)
count = 0
def counted(function):
    def call(*args, **kwargs):
        global count
        count += 1
        if count == limit:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return call
for name in ("rename", "replace", "unlink", "rmdir", "mkdir"):
    setattr(os, name, counted(getattr(os, name)))
mag.rechunk(chunk_shape=32, shard_shape=128, compress=True, executor="sequential")
print("finished")
"""


@pytest.mark.faults
@pytest.mark.parametrize("data_format", ["wkw", "zarr3"])
def test_killed_at_any_step_a_complete_mag_is_there_and_the_same_call_finishes(
    tmp_path: Path, data_format: str
) -> None:
    data = voxels((100, 90, 70))
    for limit in range(1, 200):
        path = tmp_path / f"ds{limit}"
        make(path, data_format)
        done = subprocess.run(
            [sys.executable, "-c", _KILLED, str(path), str(limit)],
            capture_output=True,
            text=True,
            check=False,
        )
        mag = wk.Dataset.open(path).get_layer("color").get_mag(1)
        assert np.array_equal(mag.read()[0], data), limit
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
        mag.rechunk(chunk_shape=32, shard_shape=128, compress=True)
        assert mag.info.shard_shape == (128, 128, 128), limit
        assert np.array_equal(mag.read()[0], data), limit
        assert {one.name for one in (path / "color").iterdir() if one.is_dir()} == {"1"}, limit
    else:
        pytest.fail("the work has more steps than were tried")
    assert limit > 4
