"""`wkplug explore`: what it prints, what it makes, and how it fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr

import wkplug as wk
from tests.ops.test_exploring import precomputed
from tests.ops.test_import_containers import SPACE, noise, write_image
from wkplug.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an image a.zarr of 30 x 20 x 4 voxels."""
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "a.zarr", noise((4, 20, 30)), SPACE)
    return tmp_path


def test_explore_prints_layers_and_reasons(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "a.zarr"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("a.zarr\nvoxel size 250 x 250 x 500 nm\n\na   color, uint16, zarr3\n")
    assert f"  bounding box (0, 0, 0) + (30, 20, 4), axes z, y, x\n  mag 1   {place}/a.zarr/0\n" in told
    assert '  color guessed: its path says neither "segmentation" nor "labels"' in told
    assert not (place / "made").exists()


def test_explore_prints_json_and_makes_a_dataset(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "a.zarr", "--create", "made", "--name", "mine", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["voxel_size"] == [250, 250, 500]
    (layer,) = facts["layers"]
    assert (layer["name"], layer["axes"], layer["size"]) == ("a", ["z", "y", "x"], [4, 20, 30])
    assert layer["mags"] == [{"mag": "1", "path": f"{place}/a.zarr/0"}]
    assert facts["created"] == str(place / "made")
    made = wk.Dataset.open("made")
    assert made.name == "mine"
    assert np.array_equal(made.get_layer("a").get_mag(1).read(), noise((4, 20, 30)))


def test_explore_asks_for_a_size_that_nobody_says(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "s").mkdir()
    zarr.create_array(place / "bare.zarr", data=noise((3, 4, 5)), zarr_format=2)
    assert main(["explore", "bare.zarr"]) == 0
    assert "voxel size ? x ? x ? nm (nobody says it along x and y and z)" in capsys.readouterr().out
    assert main(["explore", "bare.zarr", "--create", "made"]) == 1
    told = capsys.readouterr().err
    assert "how large its voxels are along x and y and z" in told
    assert "--voxel-size" in told
    assert main(["explore", "bare.zarr", "--create", "made", "--voxel-size", "4,4,40"]) == 0
    assert main(["explore", "bare.zarr", "--voxel-size", "4,4,40"]) == 2
    assert main(["explore", "s"]) == 1
    assert "Nobody here knows what" in capsys.readouterr().err


def test_explore_says_what_must_be_imported(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    precomputed(place / "below", noise((30, 20, 10)), (-5, 0, 0))
    assert main(["explore", "below"]) == 1
    told = capsys.readouterr().err
    assert "can't be referred to, only imported" in told
    assert "wkplug convert" in told
    assert "Dataset." not in told
