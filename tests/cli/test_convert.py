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


def test_progress_is_lines_of_json_where_json_is_asked_for(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert("--max-mag", "4", "--dry-run")
    assert capsys.readouterr().err == ""
    convert("--max-mag", "4", "--json")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    # The mags are written in the same pass.
    (line,) = lines
    assert (line["step"], line["done"]) == ("images", line["total"])
    assert line["total"] > 2 * 70 * 40 * 50  # bytes, decoded and written, and those of the coarser mags


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_progress_is_a_bar_on_a_terminal(place: Path) -> None:
    import pty

    leader, follower = pty.openpty()
    # Processes share no memory: the pyramid is a step of its own.
    apart = ("--distribution-strategy", "multiprocessing", "--jobs", "1")
    command = [*COMMAND, "-v", "convert", "em", "out", "--voxel-size", "4,4,40", "--max-mag", "2", *apart]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "WKPLUG_PROGRESS": "1"},
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
    # What is logged meanwhile has lines of its own.
    assert "INFO wkplug" in text
    assert all(before.endswith(("\n", "\x1b[2K")) for before in text.split("INFO wkplug")[:-1])
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
        (["--unit", "furlongs"], "such as nanometer or nm, micrometer or µm, millimeter or mm"),
        (["--voxel-size", ",,"], "is not three numbers"),
        (["--voxel-size", ",,-3"], "every number of ',,-3' must be above 0"),
        (["--voxel-size", "1,1,0"], "every number of '1,1,0' must be above 0"),
        (["--voxel-size", "1,nan,1"], "is not three numbers"),
        (["--chunk-shape", "0"], "every number of '0' must be above 0"),
        (["--layer-mapping", "one"], "inspect_single_file"),
        (["--channel", "-1"], "-1"),
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
    assert main(["convert"]) == 2
    assert "Missing argument" in capsys.readouterr().err


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
    assert "out: a dataset." in capsys.readouterr().err
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


def test_without_a_voxel_size_the_files_are_asked(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "em", "out"]) == 1
    told = capsys.readouterr().err
    assert "s0.tif doesn't say how large its voxels are along x, y and z" in told
    assert "Give the voxel size: --voxel-size x,y,z in nanometres." in told
    assert not Path("out").exists()
    data = np.random.default_rng(0).integers(1, 250, (5, 40, 50)).astype("uint8")
    metadata: dict[str, Any] = {
        "axes": "ZYX",
        "PhysicalSizeX": 0.25,
        "PhysicalSizeY": 0.25,
        "PhysicalSizeZ": 2,
    }
    tifffile.imwrite("v.ome.tif", data, ome=True, metadata=metadata)
    assert main(["convert", "v.ome.tif", "out", "--no-downsample"]) == 0
    assert "Voxel size 250 x 250 x 2000 nm, as the files say." in capsys.readouterr().err
    assert wk.Dataset.open("out").voxel_size.to_tuple() == (250, 250, 2000)
    assert main(["convert", "v.ome.tif", "own", "--no-downsample", "--voxel-size", "1,2,3"]) == 0
    assert wk.Dataset.open("own").voxel_size.to_tuple() == (1, 2, 3)


def test_files_that_say_different_voxel_sizes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("two").mkdir()
    for name, size in (("a", 0.25), ("b", 0.5)):
        metadata: dict[str, Any] = {
            "axes": "ZYX", "PhysicalSizeX": size, "PhysicalSizeY": size, "PhysicalSizeZ": size,
        }  # fmt: skip
        tifffile.imwrite(f"two/{name}.ome.tif", np.ones((5, 40, 50), "uint8"), ome=True, metadata=metadata)
    assert main(["convert", "two", "out"]) == 1
    told = capsys.readouterr().err
    assert "The files don't agree about the voxel size" in told
    assert "250 x 250 x 250 nm" in told
    assert "500 x 500 x 500 nm" in told


def test_a_dry_run_says_everything_and_writes_nothing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert("--dry-run", "--max-mag", "4")
    told = capsys.readouterr().out
    for text in (
        "voxel size 4 x 4 x 40 nm",
        "em/s0.tif and 69 more",
        "uint8, axes y 40, x 50; files -> z; reader tifffile",
        "em   color, uint8, zarr3",
        "bounding box (0, 0, 0) + (50, 40, 70), axes c, x, y, z",
        "mags 1, 2-2-1, 4-4-1",
        "70 files of ",
        "140.0 kB of voxels in mag 1",
        "in memory at once",
        "Nothing was written",
    ):
        assert text in told
    assert not Path("out").exists()
    convert("--max-mag", "4")
    assert [str(mag) for mag in wk.Dataset.open("out").get_layer("em").mags] == ["1", "2-2-1", "4-4-1"]


@pytest.mark.parametrize("shape", [(8, 9), (500, 700), (3, 300, 400), (90, 400, 30)])
def test_a_dry_run_tells_the_mags_that_come_to_be(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shape: tuple[int, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("a.tif", np.ones(shape, "uint8"), photometric="minisblack")
    command = ["convert", "a.tif", "out", "--voxel-size", "1,1,4"]
    assert main([*command, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert main(command) == 0
    mags = next(iter(wk.Dataset.open("out").layers.values())).mags
    assert f"mags {', '.join(map(str, mags))}\n" in told


def test_memory_is_an_amount_and_too_little_of_it_is_said(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert("--memory", "lots", code=1)
    assert "'lots' is no amount of memory" in capsys.readouterr().err
    stack_of_large = np.zeros((1, 9000, 9000), "uint8")
    Path("large").mkdir()
    tifffile.imwrite("large/a.tif", stack_of_large[0], compression="zlib", rowsperstrip=9000)
    assert main(["convert", "large", "out", "--voxel-size", "1,1,1", "--memory", "100MB"]) == 1
    told = capsys.readouterr().err
    assert "The import takes at least" in told
    assert "Allow more: --memory " in told
    assert not Path("out").exists()


@pytest.mark.faults
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL to send")
@pytest.mark.parametrize("data_format", ["wkw", "zarr", "zarr3"])
def test_the_same_command_goes_on_where_a_killed_one_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data_format: str
) -> None:
    monkeypatch.chdir(tmp_path)
    data = stack(Path("em"), 1200)
    arguments = [
        "convert", "em", "out", "--voxel-size", "1,1,1", "--category", "color", "--batch-size", "32",
        "--data-format", data_format, "--jobs", "1", "--max-mag", "2",
    ]  # fmt: skip
    if data_format != "zarr":
        arguments += ["--shard-shape", "32"]
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = Path("out/em/1/.wkplug-import.json")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (journal.exists() and b'"0,0,0,96"' in journal.read_bytes()):
        time.sleep(0.001)
    process.kill()
    process.wait()
    done = set(json.loads(journal.read_bytes())["done"])
    assert 4 <= len(done) < 38
    with pytest.raises(wk.errors.WkplugError):
        wk.Dataset.open("out").get_layer("em").get_mag(1)
    # Another import is refused, and changes nothing.
    assert main([*arguments, "--name", "other"]) == 1
    assert "what another import has left unfinished" in capsys.readouterr().err
    from wkplug.ops.importing import boxes

    begun: list[str] = []
    original = boxes.BoxWork.new_array

    def counted(self: Any, box: Any) -> Any:
        begun.append(",".join(map(str, box[0])))
        return original(self, box)

    monkeypatch.setattr(boxes.BoxWork, "new_array", counted)
    assert main(arguments) == 0
    assert not done & set(begun)
    assert len(done) + len(begun) == 38
    layer = wk.Dataset.open("out").get_layer("em")
    assert np.array_equal(layer.get_mag(1).read()[0], data.transpose(2, 1, 0))
    assert len(layer.mags) == 2
    assert not journal.exists()
    assert not Path("out/.wkplug-import.json").exists()
    assert main(arguments) == 1
    assert "already something at" in capsys.readouterr().err


@pytest.mark.faults
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_an_interrupt_leaves_a_dataset_that_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stack(Path("em"), 2000)
    command = [*COMMAND, "convert", "em", "out", "--voxel-size", "1,1,1", "--category", "color"]
    # Tests that a shell runs in the background inherit that interrupts are ignored, which the command would respect.
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not Path("out/em/1").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    # Where a library met the interrupt in code that it ran from a text, Python ends as if by the signal itself.
    assert process.returncode in (130, -signal.SIGINT), told
    assert told.splitlines()[-1] == b"Interrupted."
    assert b"Traceback" not in told
    layer = wk.Dataset.open("out").get_layer("em")
    assert list(layer.mags) == []
    assert main(["info", "out"]) == 0
