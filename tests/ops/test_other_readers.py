"""Files whose first reader can't open them: the next that claims them is tried, unless one was named."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import wkplug as wk
from wkplug import config, registry
from wkplug.cli.main import main
from wkplug.errors import CorruptImageError
from wkplug.filesystems.local import LocalLocation
from wkplug.ops import images
from wkplug.ops.inspecting import inspect_image
from wkplug.registry import Manager, use_manager

if TYPE_CHECKING:
    from collections.abc import Iterator

FAKES = Path(__file__).parent.parent / "fakes"


@pytest.fixture(autouse=True)
def picky(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """With a plugin whose readers claim TIFFs and files of their own, and open none."""
    monkeypatch.syspath_prepend(FAKES / "picky")
    with use_manager(Manager()):
        yield


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    folder = tmp_path / "em"
    folder.mkdir()
    for z in range(3):
        tifffile.imwrite(folder / f"s{z}.tif", np.full((20, 30), z + 1, "uint8"))
    return folder


def test_files_that_their_reader_refuses_are_read_by_the_next(stack: Path, tmp_path: Path) -> None:
    told = r"the reader picky can't open it, so tifffile took over \(it is not to my taste\) \(3 files: s0"
    with pytest.warns(UserWarning, match=told):
        dataset = wk.Dataset.from_images(stack, tmp_path / "out", (1, 1, 1), layer_category="color")
    assert dataset.import_report is not None
    assert [note.kind for note in dataset.import_report.notes] == ["took over"]
    voxels = dataset.get_layer("em").get_mag(1).read()
    assert voxels.shape == (1, 30, 20, 3)
    assert [int(plane) for plane in voxels[0, 0, 0]] == [1, 2, 3]


def test_convert_says_beforehand_and_afterwards_who_took_over(
    stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["convert", str(stack), str(tmp_path / "out"), "--voxel-size", "1,1,1", "--no-downsample"]
    for further in (["--dry-run"], []):
        assert main([*arguments, *further]) == 0
        assert "the reader picky can't open it, so tifffile took over" in capsys.readouterr().out


def test_inspect_shows_who_failed_and_who_took_the_file(
    stack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(stack / "s0.tif")]) == 0
    told = capsys.readouterr().out
    assert "image reader: tifffile" in told
    assert "decided by: picky could not open the file" in told
    assert "error: s0.tif is not to my taste." in told
    assert main(["inspect", str(stack / "s0.tif"), "--json"]) == 0
    ranking = json.loads(capsys.readouterr().out)["reader"]["ranking"]
    assert (ranking[0]["name"], ranking[0]["able"]) == ("tifffile", True)
    (failed,) = [line for line in ranking if line["name"] == "picky"]
    assert failed["able"] is False
    assert failed["problems"][0]["text"] == "s0.tif is not to my taste."


def test_a_reader_that_was_named_is_the_only_one(stack: Path, tmp_path: Path) -> None:
    with pytest.raises(CorruptImageError, match=r"^s0\.tif is not to my taste\.\n  Cook it again\.$"):
        images.plan_import(
            stack,
            tmp_path / "out",
            images.DatasetOptions(voxel_size=(1, 1, 1)),
            input_options=images.InputOptions(reader="picky"),
        )
    with pytest.raises(CorruptImageError, match=r"^s0\.tif is not to my taste"):
        inspect_image(str(stack / "s0.tif"), reader="picky")
    assert not (tmp_path / "out").exists()


def test_where_the_configuration_names_readers_others_are_not_tried(stack: Path) -> None:
    with (
        config.settings(readers={".tif": "picky"}),
        pytest.raises(CorruptImageError, match=r"^s0\.tif is not to my taste"),
    ):
        inspect_image(str(stack / "s0.tif"))
    with config.settings(readers={".tif": ["picky", "tifffile"]}):
        report = inspect_image(str(stack / "s0.tif"))
    assert report.choice.name == "tifffile"


def test_a_file_that_nobody_opens_names_all_who_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.pik").write_bytes(b"PIKY" + bytes(100))
    expected = (
        f"None of 2 readers could open {tmp_path}/a.pik:\n"
        "  picky: a.pik is not to my taste.\n"
        "  fussy: a.pik has too much salt.\n"
        "  Cook it again."
    )
    with pytest.raises(CorruptImageError) as caught:
        images.plan_import(tmp_path / "a.pik", tmp_path / "out", images.DatasetOptions(voxel_size=(1, 1, 1)))
    assert str(caught.value) == expected
    assert caught.value.path == str(tmp_path / "a.pik")
    assert not (tmp_path / "out").exists()
    assert main(["inspect", str(tmp_path / "a.pik")]) == 1
    assert "fussy: a.pik has too much salt." in capsys.readouterr().err


def test_readers_that_are_not_wanted_are_not_tried(tmp_path: Path) -> None:
    (tmp_path / "a.pik").write_bytes(b"PIKY" + bytes(100))
    place, error = LocalLocation(str(tmp_path / "a.pik")), CorruptImageError("no")
    with pytest.raises(CorruptImageError, match=r"^no$"):
        registry.open_with_another_reader(place, b"PIKY", "picky", error, without=("fussy",))


@pytest.mark.parametrize("executor", [None, "processes"])
def test_what_fails_while_voxels_are_read_names_all_who_tried(
    stack: Path, tmp_path: Path, executor: str | None
) -> None:
    damaged = stack / "s1.tif"
    damaged.write_bytes(damaged.read_bytes()[:-100])  # the last of its voxels
    expected = (
        f"None of 2 readers could read {damaged}:\n"
        "  picky: s1.tif is not to my taste.\n"
        f"  tifffile: {damaged} can't be read as a TIFF: "
    )
    with (
        pytest.warns(UserWarning, match="tifffile took over"),
        pytest.raises(CorruptImageError, match=f"^{re.escape(expected)}.*\n  Cook it again"),
    ):
        wk.Dataset.from_images(stack, tmp_path / "out", (1, 1, 1), layer_category="color", executor=executor)
