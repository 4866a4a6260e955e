"""`add-layer`, `rename-layer`, `delete-layer`, `rechunk`, and copies of some layers or a box."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

import wkplug as wk
from wkplug.cli.main import main

SIZE = (70, 40, 50)


@pytest.fixture
def voxels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Voxels (x, y, z), those of the layer em of the dataset ds and of seg.tif, in the current folder."""
    monkeypatch.chdir(tmp_path)
    data = np.random.default_rng(0).integers(1, 250, SIZE).astype("uint8")
    dataset = wk.Dataset("ds", voxel_size=(4, 4, 40))
    dataset.add_layer("em", "color", bounding_box=wk.BoundingBox((0, 0, 0), SIZE)).add_mag(1).write(data)
    dataset.get_layer("em").downsample(coarsest_mag=4)
    tifffile.imwrite("seg.tif", data.T)
    return data


def run(*arguments: str, code: int = 0) -> None:
    assert main(list(arguments)) == code


def layer(name: str, path: str = "ds") -> wk.Layer:
    return wk.Dataset.open(path).get_layer(name)


# --- adding ------------------------------------------------------------------------------------------------------


def test_a_layer_is_added_to_a_dataset(voxels: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run("add-layer", "seg.tif", "ds", "--layer-name", "seg", "--category", "segmentation", "--flip-z")
    added = layer("seg")
    assert added.category == "segmentation"
    assert np.array_equal(added.get_mag(1).read()[0], voxels[:, :, ::-1])
    assert list(added.mags) == list(layer("em").mags)
    assert "Converted" in capsys.readouterr().out
    run("add-layer", "seg.tif", "ds", "--layer-name", "seg", code=1)
    told = capsys.readouterr().err
    assert "already has a layer 'seg'" in told
    assert "Give another --layer-name" in told


def test_a_layer_is_added_at_a_mag_and_a_place(voxels: Any) -> None:
    options = ("--mag", "2-2-1", "--topleft", "8,4,2", "--no-downsample", "--layer-name", "x")
    run("add-layer", "seg.tif", "ds", *options)
    added = layer("x")
    assert [str(mag) for mag in added.mags] == ["2-2-1"]
    assert added.bounding_box == wk.BoundingBox((8, 4, 2), (140, 80, 50))


def test_a_dry_run_of_adding_writes_nothing(voxels: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run("add-layer", "seg.tif", "ds", "--dry-run")
    told = capsys.readouterr().out
    assert "seg   color, uint8, zarr3" in told or "seg   segmentation, uint8, zarr3" in told
    assert "Nothing was written (--dry-run)." in told
    assert list(wk.Dataset.open("ds").layers) == ["em"]


def test_nothing_is_added_where_there_is_no_dataset(voxels: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run("add-layer", "seg.tif", "none", code=1)
    assert "none" in capsys.readouterr().err
    assert not Path("none").exists()


# --- renaming and deleting -----------------------------------------------------------------------------------------


def test_a_layer_is_renamed(voxels: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run("rename-layer", "ds", "em", "raw")
    assert capsys.readouterr().out == "Renamed em to raw.\n"
    assert np.array_equal(layer("raw").get_mag(1).read()[0], voxels)
    run("rename-layer", "ds", "em", "other", code=1)
    assert "em" in capsys.readouterr().err


def test_a_layer_is_deleted_only_with_a_yes(voxels: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run("delete-layer", "ds", "em", code=2)
    told = capsys.readouterr().err
    assert "em of ds: color, mags 1, 2-2-1, 4-4-1, " in told
    assert "there is no terminal to ask in. Give --yes." in told
    assert list(wk.Dataset.open("ds").layers) == ["em"]
    run("delete-layer", "ds", "em", "--yes", "--json")
    facts = json.loads(capsys.readouterr().out)
    assert facts["mags"] == ["1", "2-2-1", "4-4-1"]
    assert facts["size"] > 0
    assert list(wk.Dataset.open("ds").layers) == []
    assert not Path("ds/em").exists()


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1)])
def test_a_terminal_is_asked(voxels: Any, monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    import sys

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *_, **__: answer == "y")
    run("delete-layer", "ds", "em", code=code)
    assert list(wk.Dataset.open("ds").layers) == ([] if code == 0 else ["em"])


def test_voxels_elsewhere_are_never_deleted(voxels: Any, capsys: pytest.CaptureFixture[str]) -> None:
    other = wk.Dataset("other", voxel_size=(4, 4, 40))
    other.add_layer_as_ref(layer("em"))
    own = other.add_layer_like(layer("em"), "linked")
    own.add_mag_as_ref(layer("em").get_mag(1))
    Path("other/folder").symlink_to(Path("ds/em").resolve())
    for name in ("em", "linked"):
        run("delete-layer", "other", name, "--yes")
    assert "stay where they are, as they belong elsewhere" in capsys.readouterr().out
    assert list(wk.Dataset.open("other").layers) == []
    assert np.array_equal(layer("em").get_mag(1).read()[0], voxels)


# --- rechunking ----------------------------------------------------------------------------------------------------


def test_mags_are_rechunked_in_place(voxels: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(
        "rechunk",
        "ds",
        "--layer",
        "em",
        "--mag",
        "1",
        "--chunk-shape",
        "64",
        "--shard-shape",
        "128",
        "--no-compress",
    )
    assert capsys.readouterr().out == "Rechunked em 1.\n"
    info = layer("em").get_mag(1).info
    assert (*info.chunk_shape, *info.shard_shape) == (64, 64, 64, 128, 128, 128)
    assert info.compression_mode is False
    assert layer("em").get_mag("2-2-1").info.chunk_shape == (32, 32, 32)
    assert np.array_equal(layer("em").get_mag(1).read()[0], voxels)


def test_a_dataset_is_rechunked_elsewhere(voxels: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run("rechunk", "ds", "--target", "new", "--chunk-shape", "64", "--shard-shape", "128")
    assert layer("em", "new").get_mag("4-4-1").info.chunk_shape == (64,) * 3
    run(
        "rechunk",
        "ds",
        "--target",
        "wkw",
        "--data-format",
        "wkw",
        "--chunk-shape",
        "64",
        "--shard-shape",
        "128",
    )
    for path in ("new", "wkw"):
        assert np.array_equal(layer("em", path).get_mag(1).read()[0], voxels)
    assert str(layer("em", "wkw").data_format) == "wkw"
    assert layer("em", "wkw").get_mag(1).info.shard_shape == (128,) * 3
    assert layer("em").get_mag(1).info.chunk_shape == (32,) * 3
    run("rechunk", "ds", "--data-format", "wkw", code=2)
    assert "another format needs --target" in capsys.readouterr().err


# --- copies of a part ------------------------------------------------------------------------------------------------


def test_some_layers_are_copied(voxels: Any, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = wk.Dataset.open("ds")
    for name in ("a", "b"):
        dataset.write_layer(name, "color", voxels, downsample=False)
    run("copy-dataset", "ds", "copy", "--layer", "a", "--layer-name", "em")
    assert sorted(wk.Dataset.open("copy").layers) == ["a", "em"]
    run("copy-dataset", "ds", "copy2", "--layer", "nobody", code=1)
    assert "nobody" in capsys.readouterr().err
    assert not Path("copy2").exists()


def test_a_box_is_copied_in_its_place(voxels: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run("copy-dataset", "ds", "part", "--bbox", "10,5,7,33,100,20")
    part = layer("em", "part")
    assert part.bounding_box == wk.BoundingBox((10, 5, 7), (33, 35, 20))
    assert np.array_equal(part.get_mag(1).read()[0], voxels[10:43, 5:40, 7:27])
    whole = layer("em").get_mag("2-2-1").read(absolute_offset=(10, 4, 7), size=(34, 36, 20))
    copied = part.get_mag("2-2-1").read(absolute_offset=(10, 4, 7), size=(34, 36, 20))
    assert np.array_equal(whole, copied)
    run("copy-dataset", "ds", "none", "--bbox", "1000,0,0,1,1,1", code=1)
    told = capsys.readouterr().err
    assert "The box (1000, 0, 0) + (1, 1, 1) holds nothing of the layer 'em', which is (0, 0, 0) + " in told
    assert "Choose another --bbox, or leave that layer out." in told
    assert not Path("none").exists()
    run("copy-dataset", "ds", "part", "--bbox", "0,0,0,9,9,9", "--exists-ok", code=1)
    assert "Leave --bbox or --exists-ok out." in capsys.readouterr().err


@settings(max_examples=8)
@given(st.data())
def test_any_box_is_what_numpy_cuts(tmp_path_factory: pytest.TempPathFactory, draw: Any) -> None:
    start = tuple(draw.draw(st.integers(0, length - 1)) for length in (80, 40, 9))
    size = tuple(draw.draw(st.integers(1, 90)) for _ in range(3))
    data = np.random.default_rng(1).integers(1, 250, (80, 40, 9)).astype("uint16")
    place = tmp_path_factory.mktemp("box")
    dataset = wk.Dataset(place / "ds", voxel_size=(1, 1, 1))
    box = wk.BoundingBox((0, 0, 0), data.shape)
    dataset.add_layer("em", "color", dtype="uint16", bounding_box=box).add_mag(1, shard_shape=32).write(data)
    copy = dataset.copy_dataset(place / "copy", bounding_box=wk.BoundingBox(start, size))
    cut = tuple(slice(low, low + length) for low, length in zip(start, size, strict=True))
    assert np.array_equal(copy.get_layer("em").get_mag(1).read()[0], data[cut])
    assert copy.get_layer("em").bounding_box.topleft == start
