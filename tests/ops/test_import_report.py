"""What an import tells: each thing once, with numbers, in the plan, in Python and on the command line."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

import wkplug as wk
from wkplug.cli.main import main
from wkplug.ops import images
from wkplug.ops.importing.report import ImportNote, ImportReport, counted

if TYPE_CHECKING:
    from pathlib import Path


def noise(shape: tuple[int, ...], dtype: str = "uint8") -> Any:
    return np.random.default_rng(0).integers(1, 250, shape).astype(dtype)


def notes_of(dataset: wk.Dataset) -> list[str]:
    report = dataset.import_report
    assert report is not None
    return [str(note) for note in report.notes]


# --- the report itself -----------------------------------------------------------------------------------------


def test_the_same_of_many_files_is_one_note_with_a_count() -> None:
    every = [
        ImportNote(kind="said", text="it is dim.", layers=("em",), sources=(f"/in/{z}.png",))
        for z in range(3000)
    ]
    report = ImportReport.of([*every, ImportNote(kind="filled", text="zeros", layers=("em",))])
    assert [str(note) for note in report.notes] == [
        "em: it is dim (3,000 files: 0.png, 1.png, 2.png and 2,997 more).",
        "em: zeros.",
    ]
    again = report.joined(ImportReport.of(every[:5]).notes)
    assert again.notes[0].sources == ("/in/0.png", "/in/1.png", "/in/2.png")


def test_one_file_that_becomes_many_layers_is_told_of_once() -> None:
    names = [f"em__channel{index}" for index in range(5)]
    report = ImportReport.of(
        ImportNote(kind="said", text="it is dim", layers=(name,), sources=("/in/a.tif",)) for name in names
    )
    assert str(report) == "em__channel0, em__channel1, em__channel2 and 2 more: it is dim (a.tif)."
    assert report.notes[0].count == 1
    assert report.about("em__channel4") == report.notes


@pytest.mark.parametrize(("count", "text"), [(1, "1 section"), (2, "2 sections"), (3000, "3,000 sections")])
def test_numbers_have_the_right_noun(count: int, text: str) -> None:
    assert counted(count, "section") == text


def test_a_report_is_json(tmp_path: Path) -> None:
    Pillow.fromarray(noise((20, 30))).convert("CMYK").save(tmp_path / "a.jpg")
    report = wk.Dataset.from_images(tmp_path / "a.jpg", tmp_path / "out", (1, 1, 1)).import_report
    assert report is not None
    first = json.loads(json.dumps(report.to_json()))[0]
    assert (first["kind"], first["layers"], first["count"]) == ("said", ["a"], 1)


# --- where it is told -----------------------------------------------------------------------------------------


def two_sizes(folder: Path) -> Path:
    folder.mkdir()
    for z, shape in enumerate([(20, 30), (20, 30), (10, 30), (20, 25)]):
        tifffile.imwrite(folder / f"s{z}.tif", noise(shape))
    return folder


TWO_SIZES = (
    "in: Some images are larger than expected, that is, than others: 2 of 4 are smaller than 30 x 20 pixels "
    "and are filled up with zeros (2 files: s2.tif, s3.tif)."
)


def test_nothing_is_reported_where_nothing_was_imported(tmp_path: Path) -> None:
    assert wk.Dataset(tmp_path / "out", voxel_size=(1, 1, 1)).import_report is None


def test_a_sound_import_has_nothing_to_tell(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise((5, 20, 30)), imagej=True, metadata={"axes": "ZYX"})
    dataset = wk.Dataset.from_images(tmp_path / "a.tif", tmp_path / "out", (1, 1, 1))
    assert notes_of(dataset) == []


def test_python_has_the_notes_and_warns_once(tmp_path: Path) -> None:
    folder = two_sizes(tmp_path / "in")
    with pytest.warns(UserWarning, match=r"^\[WARNING\] in: Some images are larger than expected,") as caught:
        dataset = wk.Dataset.from_images(folder, tmp_path / "out", (1, 1, 1))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    found, zeros = notes_of(dataset)
    assert found == TWO_SIZES
    assert zeros == "in: about 17 % of the voxels are zero."
    assert images.plan_import(folder, tmp_path / "b", (1, 1, 1)).report.notes[0].kind == "filled"


def test_a_layer_that_is_added_is_reported_beside_those_before(tmp_path: Path) -> None:
    folder = two_sizes(tmp_path / "in")
    dataset = wk.Dataset(tmp_path / "out", voxel_size=(1, 1, 1))
    for name in ("a", "b"):
        with pytest.warns(UserWarning, match=f"{name}: Some images are larger than expected"):
            dataset.add_layer_from_images(folder, name)
    assert dataset.import_report is not None
    assert [note.layers for note in dataset.import_report.notes] == [("a", "b"), ("a", "b")]
    assert wk.Dataset.open(tmp_path / "out").import_report is None


def test_the_command_line_tells_each_note_once(tmp_path: Path, capsys: Any) -> None:
    folder = str(two_sizes(tmp_path / "in"))
    arguments = ["convert", folder, str(tmp_path / "out"), "--voxel-size", "1,1,1"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main([*arguments, "--dry-run"]) == 0
        dry = capsys.readouterr()
        assert main(arguments) == 0
    told = capsys.readouterr()
    for output in (dry, told):
        assert (output.out + output.err).count(f"note: {TWO_SIZES}") == 1
        assert (output.out + output.err).count("Some images") == 1
    assert "note: in: about 17 % of the voxels are zero." in told.out


def test_a_warning_on_the_command_line_says_so_once(capsys: Any) -> None:
    from wkplug.cli.main import _show_warning

    _show_warning("[WARNING] it is dim", UserWarning, "a.py", 1)
    assert capsys.readouterr().err == "Warning: it is dim\n"


# --- what readers say -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("data_format", ["zarr3", "wkw"])
def test_a_layer_of_zeros_is_told(tmp_path: Path, data_format: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 30), "uint8"))
    dataset = wk.Dataset.from_images(tmp_path / "a.tif", tmp_path / "out", (1, 1, 1), data_format=data_format)
    assert notes_of(dataset) == ["a: all voxels are zero."]


def test_zeros_of_large_images_are_counted_well_enough(tmp_path: Path) -> None:
    data = noise((900, 800), "uint16")
    data[:, :200] = 0
    tifffile.imwrite(tmp_path / "a.tif", data)
    dataset = wk.Dataset.from_images(tmp_path / "a.tif", tmp_path / "out", (1, 1, 1), layer_name="em")
    assert notes_of(dataset) == ["em: about 25 % of the voxels are zero."]
