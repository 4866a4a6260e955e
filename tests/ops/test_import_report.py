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
from wkplug.notices import counted
from wkplug.ops import images
from wkplug.ops.importing.report import ImportNote, ImportReport

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
    again = report.with_notes(ImportReport.of(every[:5]).notes)
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
    assert (
        images.plan_import(folder, tmp_path / "b", images.DatasetOptions(voxel_size=(1, 1, 1)))
        .report.notes[0]
        .kind
        == "filled"
    )


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


# --- voxel sizes ----------------------------------------------------------------------------------------------


def sized(path: Path, size: tuple[float, float, float | None] = (250, 250, 1500)) -> Path:
    """An ImageJ file of sections whose voxels have this size in nanometres."""
    x, y, z = size
    metadata: dict[str, Any] = {"axes": "ZYX", "unit": "nm"}
    if z is not None:
        metadata["spacing"] = z
    tifffile.imwrite(path, noise((5, 20, 30)), imagej=True, resolution=(1 / x, 1 / y), metadata=metadata)
    return path


def flat(path: Path, size: int = 250) -> None:
    """An ImageJ file of one section, so many nanometres along x and y."""
    where: Any = {"resolution": (1 / size, 1 / size), "metadata": {"unit": "nm"}}
    tifffile.imwrite(path, noise((20, 30)), imagej=True, **where)


DIFFERS = (
    "em: its voxels are 250 x 250 x 1500 nm, but those of mag 1 of the dataset are 10 x 10 x 40 nm: "
    "it is taken as it is, one voxel for one (a.tif)."
)


def test_a_file_with_other_voxels_than_the_dataset_is_told(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "out", voxel_size=(10, 10, 40))
    with pytest.warns(UserWarning, match="em: its voxels") as caught:
        dataset.add_layer_from_images(sized(tmp_path / "a.tif"), "em")
    assert [str(warning.message) for warning in caught] == [f"[WARNING] {DIFFERS}"]
    assert notes_of(dataset) == [DIFFERS]


def test_a_coarser_mag_is_compared_with_its_own_voxels(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "out", voxel_size=(125, 125, 750))
    dataset.add_layer_from_images(sized(tmp_path / "a.tif"), "em", mag=2)
    assert notes_of(dataset) == []
    with pytest.warns(UserWarning, match="those of mag 4-4-1 of the dataset are 500 x 500 x 750 nm"):
        dataset.add_layer_from_images(tmp_path / "a.tif", "other", mag="4-4-1")


def test_only_axes_that_the_file_says_are_compared(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        noise((20, 30)),
        imagej=True,
        resolution=(1 / 250, 1 / 250),
        metadata={"unit": "nm"},
    )
    dataset = wk.Dataset(tmp_path / "out", voxel_size=(250, 250, 40))
    dataset.add_layer_from_images(tmp_path / "a.tif", "em")
    assert notes_of(dataset) == []
    other = wk.Dataset(tmp_path / "other", voxel_size=(250, 100, 40))
    with pytest.warns(UserWarning, match=r"its voxels are 250 x 250 x \? nm, but"):
        other.add_layer_from_images(tmp_path / "a.tif", "em")


def test_commands_that_add_a_layer_tell_of_other_voxels(tmp_path: Path, capsys: Any) -> None:
    images_of = wk.Dataset(tmp_path / "there", voxel_size=(250, 250, 1500))
    images_of.write_layer("em", "color", noise((30, 20, 5)))
    wk.Dataset(tmp_path / "out", voxel_size=(10, 10, 40))
    assert main(["export", str(tmp_path / "there"), str(tmp_path / "a.ozx")]) == 0
    assert main(["convert-zarr", str(tmp_path / "a.ozx"), str(tmp_path / "out"), "--layer-name", "em"]) == 0
    told = capsys.readouterr()
    assert (told.out + told.err).count(DIFFERS.replace("a.tif", "a.ozx")) == 1


def test_a_size_that_is_given_instead_of_the_files_own_is_told(tmp_path: Path) -> None:
    dataset = wk.Dataset.from_images(
        sized(tmp_path / "a.tif"), tmp_path / "out", (10, 10, 40), layer_name="em"
    )
    assert notes_of(dataset) == [
        "em: its voxels are 250 x 250 x 1500 nm by its own account; 10 x 10 x 40 nm was given, and is taken (a.tif)."
    ]


def test_an_axis_that_is_left_out_is_what_the_files_say(tmp_path: Path, capsys: Any) -> None:
    sized(tmp_path / "a.tif")
    dataset = wk.Dataset.from_images(tmp_path / "a.tif", tmp_path / "out", (None, None, 30))
    assert tuple(dataset.voxel_size) == pytest.approx((250, 250, 30))
    mixed = ["convert", str(tmp_path / "a.tif"), str(tmp_path / "b"), "--voxel-size", ",100,", "--dry-run"]
    assert main(mixed) == 0
    assert "voxel size 250 x 100 x 1500 nm, x and z as the files say\n" in capsys.readouterr().out


def test_the_axis_that_nobody_says_is_named(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        noise((20, 30)),
        imagej=True,
        resolution=(1 / 250, 1 / 250),
        metadata={"unit": "nm"},
    )
    with pytest.raises(wk.errors.InvalidArgumentError) as caught:
        images.plan_import(
            tmp_path / "a.tif", tmp_path / "out", images.DatasetOptions(voxel_size_from_files=True)
        )
    assert (
        "a.tif doesn't say how large its voxels are along z; it says x 250 nm, y 250 nm."
        in caught.value.message
    )
    assert caught.value.hint == ("Give the voxel size: voxel_size=(None, None, z) in nanometres.")
    Pillow.fromarray(noise((20, 30))).save(tmp_path / "b.png")
    with pytest.raises(wk.errors.InvalidArgumentError, match="along x and z") as caught:
        wk.Dataset.from_images(tmp_path / "b.png", tmp_path / "out", (None, 8, None))
    assert "voxel_size=(x, 8, z)" in str(caught.value.hint)


def test_files_need_to_agree_only_where_they_are_asked(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    sized(tmp_path / "in" / "a.tif", (250, 250, 1500))
    sized(tmp_path / "in" / "b.tif", (250, 250, 30))
    with pytest.raises(wk.errors.InvalidArgumentError, match="don't agree about the voxel size"):
        images.plan_import(
            tmp_path / "in", tmp_path / "out", images.DatasetOptions(voxel_size=(100, 100, None))
        )
    plan = images.plan_import(
        tmp_path / "in", tmp_path / "out", images.DatasetOptions(voxel_size=(None, None, 30))
    )
    assert tuple(plan.voxel_size.to_nanometer()) == pytest.approx((250, 250, 30))


def test_files_of_one_layer_with_other_voxels_are_told(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for z, size in enumerate((250, 250, 100, 100)):
        flat(tmp_path / "in" / f"s{z}.tif", size)
    plan = images.plan_import(
        tmp_path / "in", tmp_path / "out", images.DatasetOptions(voxel_size=(None, None, 30))
    )
    assert [str(note) for note in plan.report.notes if note.kind == "differs"] == [
        "in: 2 of 4 files have voxels of another size than the first, of 250 x 250 x ? nm, and are sections all the "
        "same; the next is 100 x 100 x ? nm (2 files: s2.tif, s3.tif)."
    ]


# --- where a layer begins -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topleft", "begin"),
    [
        ((7, 8, 9), (0, 0, 7, 8, 9)),
        ((0, 0, 7, 8, 9), (0, 0, 7, 8, 9)),
        ((2, 0, 7, 8, 9), (2, 0, 7, 8, 9)),
        (wk.VecInt(9, 7, 8, axes=("z", "x", "y")), (0, 0, 7, 8, 9)),
        (wk.VecInt(1, 7, 8, 9, axes=("t", "x", "y", "z")), (1, 0, 7, 8, 9)),
        (wk.VecInt(1, 0, 7, axes=("t", "c", "x")), (1, 0, 7, 0, 0)),
    ],
)
def test_a_layer_begins_where_topleft_says(tmp_path: Path, topleft: Any, begin: Any) -> None:
    data = noise((3, 5, 20, 30))
    tifffile.imwrite(tmp_path / "a.ome.tif", data, ome=True, metadata={"axes": "TZYX"})
    dataset = wk.Dataset(tmp_path / "out", voxel_size=(1, 1, 1))
    layer = dataset.add_layer_from_images(tmp_path / "a.ome.tif", "a", topleft=topleft)
    box = layer.bounding_box
    assert (tuple(box.axes), tuple(box.topleft)) == (("t", "c", "x", "y", "z"), begin)
    assert np.array_equal(layer.get_mag(1).read()[:, 0], data.transpose(0, 3, 2, 1))


@pytest.mark.parametrize(
    ("topleft", "match"),
    [
        ((0, 0, 0, 1, 2), "topleft is .*, but the layer has the axes c, x, y, z"),
        ({"x": 1}, "topleft is {'x': 1}, but the layer has the axes c, x, y, z"),
        (wk.VecInt(1, 2, 3, 4, axes=("t", "x", "y", "z")), "but the layer has the axes c, x, y, z"),
        ((1, 0, 0, 0), r"topleft is \(1, 0, 0, 0\)"),
        ((0, 0, -1), r"topleft is \(0, 0, -1\)"),
    ],
)
def test_a_place_that_no_layer_can_have_is_an_error(tmp_path: Path, topleft: Any, match: str) -> None:
    Pillow.fromarray(noise((20, 30))).save(tmp_path / "a.png")
    dataset = wk.Dataset(tmp_path / "out", voxel_size=(1, 1, 1))
    with pytest.raises(wk.errors.InvalidArgumentError, match=match):
        dataset.add_layer_from_images(tmp_path / "a.png", "a", topleft=topleft)
    assert not dataset.layers


def test_why_nobody_says_the_voxel_size_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, noise((3, 20, 30)), metadata={"axes": "ZYX", "PhysicalSizeX": 1.0})
    tifffile.tiffcomment(path, tifffile.tiffcomment(path)[:-20].encode())
    with pytest.raises(wk.errors.InvalidArgumentError) as caught:
        images.plan_import(path, tmp_path / "out", images.DatasetOptions(voxel_size_from_files=True))
    assert "along x, y and z. Its OME metadata are damaged" in caught.value.message
    assert caught.value.message.count("damaged") == 1
