"""`wkplug info`, `wkplug preview` and `wkplug downsample`: what they print, and how they fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image as Pillow

import wkplug as wk
from wkplug import storage
from wkplug.cli.main import main

if TYPE_CHECKING:
    from tests.servers.files import FileServer


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a dataset ds: an image of 100 x 80 x 60 and a flat segmentation."""
    monkeypatch.chdir(tmp_path)
    dataset = wk.Dataset("ds", voxel_size=(4, 4, 40))
    for name, category, size in (("em", "color", (100, 80, 60)), ("flat", "segmentation", (100, 80, 1))):
        layer = dataset.add_layer(name, category, bounding_box=wk.BoundingBox((0, 0, 0), size))
        layer.add_mag(1, shard_shape=128).write(np.random.default_rng(0).integers(0, 9, size).astype("uint8"))
    dataset.add_layer("empty", "color")
    return tmp_path


def test_info_prints_layers_and_mags(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "ds"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("ds\nvoxel size 4 x 4 x 40 nm\n\nem   color, uint8, zarr3\n")
    assert "  bounding box (0, 0, 0) + (100, 80, 60), axes c, x, y, z\n" in told
    assert "  mag 1   1 x 128 x 128 x 128, chunks 1x32x32x32, shards 1x128x128x128, " in told
    assert "kB" in told
    assert "  no mags" in told
    assert main(["info", "./ds", "--no-sizes"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("ds   (./ds)\n")
    assert "kB" not in told


def test_info_prints_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "ds", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [layer["name"] for layer in report["layers"]] == ["em", "flat", "empty"]
    assert report["layers"][0]["mags"][0]["shape"] == [1, 128, 128, 128]


def test_info_shows_what_is_unfinished(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for mag in ("1", "2-2-1"):
        storage.set_mark(storage.locate(f"ds/em/{mag}"), storage.Mark(job=f"job {mag}"))
    assert main(["info", "ds"]) == 0
    told = capsys.readouterr().out
    assert "INCOMPLETE: job 1, started" in told
    assert "mag 2-2-1   INCOMPLETE: job 2-2-1, started" in told
    assert "not listed" in told


def test_what_other_tools_do_not_see_is_noted(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    box = wk.NDBoundingBox((0,) * 6, (2, 2, 1, 9, 8, 7), ("q", "v", "c", "x", "y", "z"))
    wk.Dataset("odd", (1, 1, 1)).add_layer("odd", "color", bounding_box=box).add_mag(1)
    assert main(["info", "odd"]) == 0
    assert "  note: " in capsys.readouterr().out


@pytest.mark.parametrize("command", [["info"], ["preview", "-o", "p.png"], ["downsample"]])
def test_a_missing_dataset_exits_with_1(
    place: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([*command, "nothing"]) == 1
    told = capsys.readouterr().err
    assert "Error: " in told
    assert "nothing" in told
    assert "Traceback" not in told


def test_preview_writes_a_picture(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "ds", "-o", "p.png"]) == 0
    assert capsys.readouterr().out == "Wrote p.png\n"
    with Pillow.open("p.png") as picture:
        assert len(np.unique(np.asarray(picture))) > 20


def test_preview_says_which_pictures_it_can_write(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "ds"]) == 2
    assert main(["preview", "ds", "-o", "p.xyz"]) == 1
    assert ".png" in capsys.readouterr().err
    wk.Dataset("bare", (1, 1, 1))
    assert main(["preview", "bare", "-o", "p.png"]) == 1
    assert "has no voxels to show" in capsys.readouterr().err
    assert not Path("p.png").exists()


def test_preview_of_unfinished_mags_must_be_allowed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage.set_mark(storage.locate("ds/em/1"), storage.Mark(job="import em"))
    assert main(["preview", "ds", "-o", "p.png"]) == 1
    assert "import em" in capsys.readouterr().err
    assert main(["preview", "ds", "-o", "p.png", "--allow-incomplete"]) == 0


def test_downsample_adds_mags_to_all_layers(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["downsample", "ds", "--max-mag", "4"]) == 0
    told = capsys.readouterr()
    assert told.out == "em: added 2-2-1, 4-4-1\nflat: added 2-2-1, 4-4-1\nempty: has no mags\n"
    assert told.err == ""  # short work, and no terminal
    assert main(["downsample", "ds", "--max-mag", "4"]) == 0
    assert "em: added nothing" in capsys.readouterr().out


def test_downsample_of_one_layer(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--layer-name", "em", "--coarsest-mag", "2", "--sampling-mode", "isotropic"]
    assert main(["downsample", "ds", *arguments, "--interpolation-mode", "nearest", "--jobs", "1"]) == 0
    assert capsys.readouterr().out == "em: added 2\n"
    dataset = wk.Dataset.open("ds")
    finest = dataset.get_layer("em").get_mag(1).read()
    assert np.array_equal(dataset.get_layer("em").get_mag(2).read(), finest[:, ::2, ::2, ::2])
    assert list(dataset.get_layer("flat").mags) == [wk.Mag(1)]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--layer-name", "nobody"], 1, "nobody"),
        (["--layer-name", "empty"], 1, "has no mags to downsample"),
        (["--interpolation-mode", "magic"], 1, "magic"),
        (["--max-mag", "x"], 2, "x"),
        (["--sampling-mode", "magic"], 2, "magic"),
        (["--distribution-strategy", "magic"], 1, "magic"),
    ],
)
def test_downsample_fails_with_a_text(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str
) -> None:
    assert main(["downsample", "ds", *arguments]) == code
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("index", ["all", "none"])
def test_sizes_behind_a_web_server_are_unknown(
    place: Path, capsys: pytest.CaptureFixture[str], file_server: FileServer, index: str
) -> None:
    (file_server.folder / "ds").symlink_to(place / "ds")
    file_server.index = index
    assert main(["info", f"{file_server.url}/ds"]) == 0
    text = capsys.readouterr()
    assert main(["info", f"{file_server.url}/ds", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert "compressed, size unknown\n" in text.out
    assert "bytes" not in text.out
    mag = facts["layers"][0]["mags"][0]
    assert mag["size"] is None
    assert "can't be listed: web servers don't tell for certain what they have." in mag["size_unknown"]
    assert facts["size"] is None
    assert mag["problem"] is None
