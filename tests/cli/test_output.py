"""`--json`: on every command, one value on stdout that `json` reads, numbers as numbers, and nothing else."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

import wkplug as wk
from wkplug.cli.main import COMMANDS, main


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a dataset ds, and the same voxels as a.tif, a.raw and a.zarr."""
    monkeypatch.chdir(tmp_path)
    voxels = np.random.default_rng(0).integers(1, 250, (32, 32, 32)).astype("uint8")
    wk.Dataset("ds", voxel_size=(1, 1, 1)).write_layer("em", "color", voxels, downsample=False)
    tifffile.imwrite("a.tif", voxels.T)
    Path("a.raw").write_bytes(voxels.tobytes(order="F"))
    zarr.create_array("a.zarr", data=voxels, zarr_format=3, dimension_names=["x", "y", "z"])
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert main([*arguments, "--json"]) == code
    out, err = capsys.readouterr()
    for line in err.splitlines():
        assert {"step", "done", "total"} <= set(json.loads(line))
    return json.loads(out)


def test_every_command_has_the_option() -> None:
    without = []
    for name, place in COMMANDS.items():
        module, _, attribute = place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not any("--json" in option.opts for option in command.params):
            without.append(name)
    assert without == []


BOX = {"topLeft": [0, 0, 0], "size": [32, 32, 32]}


@pytest.mark.parametrize(
    "command",
    [
        ("convert", "a.tif"),
        ("convert-raw", "a.raw", "--shape", "32,32,32"),
        ("convert-zarr", "a.zarr"),
    ],
)
def test_every_way_in_tells_the_dataset(
    place: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    name, source, *rest = command
    facts = told(capsys, name, source, "out", "--voxel-size", "1,1,2", *rest)
    (layer,) = facts["layers"]
    assert (layer["bounding_box"], layer["dtype"], facts["voxel_size"]) == (BOX, "uint8", [1, 1, 2])
    assert next(mag["mag"] for mag in layer["mags"]) == "1"
    assert facts["converted"]["voxel_bytes"] == 32**3
    assert len(facts["converted"]["sources"]) == 1


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
@pytest.mark.parametrize("command", [("convert", "sections", "out"), ("add-layer", "sections", "there")])
def test_notes_of_imports_have_one_place(
    place: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...], more: tuple[str, ...]
) -> None:
    Path("sections").mkdir()
    for z in (1, 2, 4):
        tifffile.imwrite(f"sections/s{z}.tif", np.full((8, 8), z, np.uint8))
    wk.Dataset("there", (1, 1, 1))
    voxel_size = ["--voxel-size", "1,1,1"] if command[0] == "convert" else []
    facts = told(capsys, *command, *voxel_size, "--missing-slices", "fill", *more)
    assert "filled" in [note["kind"] for note in facts["notes"]]
    assert "notes" not in facts.get("converted", {})


def test_a_dry_run_is_told_in_numbers(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = told(capsys, "convert", "a.tif", "out", "--voxel-size", "1,1,2", "--dry-run")
    assert facts["dry_run"] is True
    assert facts["layers"][0]["bounding_box"] == BOX
    assert facts["layers"][0]["mags"][0] == "1"
    assert facts["source_bytes"] == Path("a.tif").stat().st_size
    assert not Path("out").exists()


def test_info_gives_boxes_as_numbers(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    box = wk.NDBoundingBox((3, 0, 1, 2, 3), (2, 1, 9, 8, 7), ("t", "c", "x", "y", "z"))
    wk.Dataset("nd", (1, 1, 1)).add_layer("nd", "color", bounding_box=box)
    assert told(capsys, "info", "ds")["layers"][0]["bounding_box"] == BOX
    assert told(capsys, "info", "nd")["layers"][0]["bounding_box"] == {
        "topLeft": [1, 2, 3],
        "size": [9, 8, 7],
        "additionalAxes": {"t": [3, 5]},
    }


def test_what_was_made_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "downsample", "ds", "--max-mag", "4") == {
        "dataset": "ds",
        "layers": [{"name": "em", "added": ["2", "4"]}],
    }
    assert told(capsys, "copy-dataset", "ds", "copy") == {"source": "ds", "target": "copy", "layers": ["em"]}
    equal = told(capsys, "check-equality", "ds", "copy")
    assert equal == {"source": "ds", "target": "copy", "equal": True, "differences": []}
    layer = wk.Dataset.open("copy").get_layer("em")
    layer.get_mag(1).write(np.zeros((32, 32, 32), "uint8"))
    equal = told(capsys, "check-equality", "ds", "copy", code=1)
    assert equal["equal"] is False
    assert len(equal["differences"]) == 1
    assert told(capsys, "compress", "ds")["compressed"] == []
    assert len(told(capsys, "compress", "ds")["skipped"]) == 3
    exported = told(capsys, "export", "ds", "out.ozx")
    assert exported == {"source": "ds", "layer": "em", "target": "out.ozx"}
    assert told(capsys, "export-as-tiff", "ds", "sections", "--layer-name", "em")["target"] == "sections"
    assert told(capsys, "preview", "ds", "-o", "p.png") == {"dataset": "ds", "picture": "p.png"}
    layer = wk.Dataset.open("ds").get_layer("em")
    layer.delete_mag(1)
    added = told(capsys, "upsample", "ds", "--from-mag", "2")
    assert added == {"dataset": "ds", "layers": [{"name": "em", "added": ["1"]}]}


def test_an_error_leaves_stdout_empty(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "nothing", "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")


def test_nothing_is_json_without_the_option(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "a.tif", "out", "--voxel-size", "1,1,2"]) == 0
    out, err = capsys.readouterr()
    assert "{" not in out + err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_a_full_disk_below_the_output_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "wkplug.cli.main", "config", "--json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "Error: What the command says can't be written to its output (No space left on device); "
        "what it did is done.\n"
    )
