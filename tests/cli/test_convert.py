"""`wkplug convert`: its options, what it prints, its exit codes, and what it leaves when it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import wkplug as wk
from wkplug.cli.main import main

COMMAND = [sys.executable, "-m", "wkplug.cli.main"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a stack of 70 sections in em/."""
    monkeypatch.chdir(tmp_path)
    stack(Path("em"), 70)
    return tmp_path


def stack(folder: Path, depth: int) -> Any:
    folder.mkdir()
    data = np.random.default_rng(0).integers(1, 250, (depth, 40, 50)).astype("uint8")
    for z, section in enumerate(data):
        tifffile.imwrite(folder / f"s{z}.tif", section, compression="zlib")
    return data


def convert(*arguments: str, code: int = 0) -> None:
    assert main(["convert", "em", "out", "--voxel-size", "4,4,40", *arguments]) == code


def test_a_folder_becomes_a_dataset_with_a_pyramid(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert("--max-mag", "4")
    told = capsys.readouterr()
    dataset = wk.Dataset.open("out")
    layer = dataset.get_layer("em")
    assert [str(mag) for mag in layer.mags] == ["1", "2-2-1", "4-4-1"]
    expected = np.stack([tifffile.imread(f"em/s{z}.tif").T for z in range(70)], axis=2)
    assert np.array_equal(layer.get_mag(1).read()[0], expected)
    assert told.out.startswith("out\nvoxel size 4 x 4 x 40 nm\n")
    assert "em   color, uint8, zarr3" in told.out
    assert "Look at it: wkplug preview out -o preview.png" in told.out
    assert str(place) not in told.out  # paths are printed as they were typed


def test_progress_is_lines_of_json_where_there_is_no_terminal(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert("--max-mag", "4")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[0] == {"step": "images", "done": 70, "total": 70}
    assert [line["step"] for line in lines] == ["images", "em, pyramid"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_progress_is_a_bar_on_a_terminal(place: Path) -> None:
    import pty

    leader, follower = pty.openpty()
    command = [*COMMAND, "convert", "em", "out", "--voxel-size", "4,4,40", "--max-mag", "2"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    assert process.wait() == 0
    os.close(leader)
    text = shown.decode(errors="replace")
    assert "images" in text
    assert "em, pyramid" in text
    assert "━" in text
    assert '{"step"' not in text
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.parametrize("data_format", ["wkw", "zarr", "zarr3"])
def test_options_of_storage(place: Path, data_format: str) -> None:
    shards = [] if data_format == "zarr" else ["--shard-shape", "64"]
    convert(
        "--data-format", data_format, "--no-compress", "--no-downsample", "--name", "my data", *shards,
        "--layer-name", "x", "--category", "segmentation", "--batch-size", "32", "--unit", "micrometer",
        "--distribution-strategy", "sequential", "--reader", "tifffile",
    )  # fmt: skip
    dataset = wk.Dataset.open("out")
    assert dataset.name == "my data"
    assert dataset.voxel_size_with_unit.unit.value == "micrometer"
    layer = dataset.get_layer("x")
    assert (layer.category, str(layer.data_format), list(layer.mags)) == (
        "segmentation",
        data_format,
        [wk.Mag(1)],
    )
    info = layer.get_mag(1).info
    assert info.shard_shape.x == (32 if data_format == "zarr" else 64)
    assert dataset.get_layer("x").get_mag(1).info.compression_mode is False


@pytest.mark.filterwarnings("ignore:.*chunks_per_shard:DeprecationWarning")
def test_chunks_per_shard_is_understood_as_of_old(place: Path) -> None:
    convert("--chunks-per-shard", "2", "--chunk-shape", "32,32,32", "--no-downsample", "--jobs", "2")
    assert wk.Dataset.open("out").get_layer("em").get_mag(1).info.shard_shape.to_tuple() == (64, 64, 64)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--voxel-size", "1,2"], "is not three numbers such as 1,1,1"),
        (["--voxel-size", "a,b,c"], "is not three numbers"),
        (["--max-mag", "3"], "3"),
        (["--category", "colour"], "colour"),
        (["--unit", "parsecs"], "parsecs"),
        (["--batch-size", "0"], "0"),
        (["--jobs", "2", "--distribution-strategy", "sequential"], "--jobs has no meaning"),
        (["--shard-shape", "1,2"], "is not one number or three"),
        (["--no-such-option"], "no-such-option"),
    ],
)
def test_wrong_usage_exits_with_2_and_writes_nothing(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    convert(*arguments, code=2)
    assert text in capsys.readouterr().err
    assert not Path("out").exists()


def test_missing_arguments_exit_with_2(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "em"]) == 2
    assert main(["convert", "em", "out"]) == 2
    assert "--voxel-size" in capsys.readouterr().err


def test_failures_exit_with_1_and_say_what_to_do(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("em/s5.tif").write_bytes(b"")
    convert(code=1)
    told = capsys.readouterr().err
    assert "Error: " in told
    assert "s5.tif has the name of an image, but not its contents" in told
    assert "Traceback" not in told
    assert not Path("out").exists()


def test_an_existing_target_is_kept_unless_overwritten(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert("--no-downsample")
    convert("--layer-name", "x", code=1)
    assert "already something at" in capsys.readouterr().err
    assert list(wk.Dataset.open("out").layers) == ["em"]
    convert("--layer-name", "x", "--no-downsample", "--overwrite-existing")
    assert list(wk.Dataset.open("out").layers) == ["x"]


def test_overwriting_deletes_nothing_but_datasets(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out").mkdir()
    Path("out/precious.txt").write_text("mine")
    convert("--overwrite-existing", code=1)
    assert "out is not a dataset, so --overwrite-existing doesn't delete it" in capsys.readouterr().err
    assert Path("out/precious.txt").read_text() == "mine"
    Path("file").write_text("mine")
    assert main(["convert", "em", "file", "--voxel-size", "1,1,1", "--overwrite-existing"]) == 1
    assert Path("file").read_text() == "mine"


def test_overwriting_keeps_the_old_dataset_if_the_images_are_no_good(place: Path) -> None:
    convert("--no-downsample")
    Path("em/s5.tif").write_bytes(b"")
    convert("--overwrite-existing", code=1)
    assert wk.Dataset.open("out").get_layer("em").get_mag(1).read().any()


def test_overwriting_never_deletes_the_images(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert("--no-downsample")
    Path("em").rename("out/images")
    assert main(["convert", "out/images", "out", "--voxel-size", "1,1,1", "--overwrite-existing"]) == 1
    assert "The images lie inside out" in capsys.readouterr().err
    assert len(list(Path("out/images").iterdir())) == 70


def test_after_a_failure_in_the_middle_the_same_command_overwrites(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Path("em/s50.tif").read_bytes()
    start = whole.index(b"\x78")
    damaged = bytearray(whole)
    damaged[start : start + 100] = b"\xff" * 100
    Path("em/s50.tif").write_bytes(damaged)
    convert("--category", "color", code=1)
    assert "s50.tif can't be read as a TIFF" in capsys.readouterr().err
    assert main(["info", "out"]) == 0
    assert "INCOMPLETE: import em, started" in capsys.readouterr().out
    Path("em/s50.tif").write_bytes(whole)
    convert("--overwrite-existing", "--no-downsample")
    assert "INCOMPLETE" not in capsys.readouterr().out


@pytest.mark.faults
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_an_interrupt_leaves_a_dataset_that_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stack(Path("em"), 2000)
    command = [*COMMAND, "convert", "em", "out", "--voxel-size", "1,1,1", "--category", "color"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not Path("out/em/1").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Interrupted." in told
    assert b"Traceback" not in told
    layer = wk.Dataset.open("out").get_layer("em")
    assert list(layer.mags) == []
    assert main(["info", "out"]) == 0
