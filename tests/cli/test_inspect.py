"""`wkplug inspect`: what a file holds, who reads it and why, and what it would become; nothing is written."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from wkplug.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    path = tmp_path / "cells.ome.tif"
    metadata = {
        "axes": "CZYX",
        "PhysicalSizeX": 0.25,
        "PhysicalSizeY": 0.25,
        "Channel": {"Name": ["DAPI", "GFP"], "Color": [-16776961, 16711935]},
    }
    data = np.zeros((2, 5, 40, 30), "uint16")
    tifffile.imwrite(
        path, data, metadata=metadata, photometric="minisblack", tile=(16, 16), compression="zlib"
    )
    return path


def inspect(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    assert main(["inspect", *map(str, arguments)]) == code
    out = capsys.readouterr()
    return out.err if code else out.out


def test_a_file_is_described_with_its_reader_and_its_layer(
    stack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(stack.parent.iterdir())
    told = inspect(capsys, stack)
    lines = {line[:12].strip(): line[12:] for line in told.splitlines()}
    assert "image reader: tifffile" in told
    assert "(magic)" in told
    assert lines["axes"] == "c 2, z 5, y 40, x 30"
    assert lines["dtype"] == "uint16, minisblack"
    assert lines["voxel size"] == "x 250 nm, y 250 nm, z -"
    assert lines["channels"] == "DAPI #ff0000, GFP #00ff00"
    assert lines["blocks"] == "1 x 1 x 16 x 16"
    assert lines["as a layer"] == "c 2, x 30, y 40, z 5"
    assert sorted(stack.parent.iterdir()) == before


def test_json_has_the_same_facts(stack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told: Any = json.loads(inspect(capsys, stack, "--json"))
    assert told["reader"]["chosen"] == "tifffile"
    assert told["image"]["voxel_size"] == [250.0, 250.0, None]
    assert told["image"]["unit"] == "nanometer"
    assert told["image"]["axes"] == ["c", "z", "y", "x"]
    assert told["layer"]["axes"] == ["c", "x", "y", "z"]
    assert told["layer"]["shape"] == [2, 30, 40, 5]
    assert told["size"] == stack.stat().st_size


def test_axes_that_move_or_vanish_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = np.zeros((3, 20, 30, 3), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", metadata=None)
    told = inspect(capsys, tmp_path / "a.tif")
    assert "as a layer  c 3, x 30, y 20, z 3   (q becomes z, s becomes c)" in told
    assert "note: the file doesn't say what its pages are (axis q)" in told
    assert "voxel size  - (the file doesn't say)" in told


def test_scenes_are_listed_and_one_can_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        for name, shape in (("left", (20, 30)), ("right", (9, 8))):
            writer.write(np.zeros(shape, "uint8"), metadata={"axes": "YX", "Name": name})
    told = inspect(capsys, tmp_path / "a.ome.tif", "--scene", "1")
    assert "scene       1 of 2 (0 left, 1 right)" in told
    assert "axes        y 9, x 8" in told
    assert "scene       1 of 2" in inspect(capsys, tmp_path / "a.ome.tif", "--scene", "right")
    told = inspect(capsys, tmp_path / "a.ome.tif", "--scene", "middle", code=1)
    assert "scene is 'middle', but" in told
    told = inspect(capsys, tmp_path / "a.ome.tif", "--scene", "2", code=1)
    assert "holds 2 images; number 2 was asked for" in told


def test_what_no_reader_takes_says_what_to_do_instead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = inspect(capsys, tmp_path, code=1)
    assert (
        "For what the images in it would become: wkplug convert --dry-run. For a dataset: wkplug info."
        in told
    )
    assert f"No reader or importer takes '{tmp_path.name}', a folder, as one image." in told
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("s0.png", b"")
    assert "takes 'a.zip', a zip archive, as one image." in inspect(capsys, tmp_path / "a.zip", code=1)
    told = inspect(capsys, tmp_path / "a.tif", code=1)
    assert f"There is no file {tmp_path / 'a.tif'}." in told
    (tmp_path / "a.txt").write_bytes(bytes(range(1, 255)))
    told = inspect(capsys, tmp_path / "a.txt", code=1)
    assert "No installed reader accepts 'a.txt'." in told
    assert "readable suffixes: " in told


def test_a_damaged_file_is_an_error_that_names_it(stack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stack.write_bytes(stack.read_bytes()[:100])
    told = inspect(capsys, stack, code=1)
    assert f"{stack} can't be read as a TIFF" in told
    assert "copy or export it again" in told


def test_a_container_is_described_layer_by_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import wkplug as wk

    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(4, 5, 6))
    layer = dataset.write_layer(
        "em", "color", np.ones((40, 30, 20), "uint8"), absolute_offset=(8, 0, 16), downsample=False
    )
    layer.export(tmp_path / "a.precomputed")
    told = inspect(capsys, tmp_path / "a.precomputed")
    assert "importer: precomputed" in told
    lines = {line[:12].strip(): line[12:] for line in told.split("\n\n")[1].splitlines()}
    assert told.split("\n\n")[1].startswith("a   color\n")
    assert lines["axes"] == "c 1, x 40, y 30, z 20"
    assert lines["top left"] == "8, 0, 16"
    assert lines["mags"] == "1, 2, 4"
    assert lines["voxel size"] == "x 4 nm, y 5 nm, z 6 nm"
    facts: Any = json.loads(inspect(capsys, tmp_path / "a.precomputed", "--json"))
    assert facts["importer"]["chosen"] == "precomputed"
    (one,) = facts["layers"]
    assert (one["topleft"], one["image"]["dtype"], one["category"]) == ([8, 0, 16], "uint8", "color")
    # A file of a marker's name makes no container.
    (tmp_path / "em").mkdir()
    (tmp_path / "em" / "info").write_text("about")
    assert "wkplug convert --dry-run" in inspect(capsys, tmp_path / "em", code=1)
