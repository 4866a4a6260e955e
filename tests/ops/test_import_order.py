"""In which order files become sections, and which files are no sections of one image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Pillow

import wkplug as wk
from wkplug.cli.main import main
from wkplug.errors import UnsupportedImageDataError
from wkplug.ops import images
from wkplug.registry import Manager, use_manager

if TYPE_CHECKING:
    from collections.abc import Iterator

FAKES = Path(__file__).parent.parent / "fakes"
pytestmark = pytest.mark.filterwarnings("ignore:.*WARNING:UserWarning")


@pytest.fixture(autouse=True)
def placed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """With a reader of files that say where they lie."""
    monkeypatch.syspath_prepend(FAKES / "placed")
    with use_manager(Manager()):
        yield


def flat(folder: Path, *names: str) -> Path:
    """Images that hold 1, 2, 3 ... in the order in which they are given."""
    for value, name in enumerate(names, 1):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(np.full((9, 8), value, "uint8")).save(folder / name)
    return folder


def said(folder: Path, **files: dict[str, Any]) -> Path:
    """Files of the placed reader with the values 1, 2, 3 ... in the order in which they are given."""
    folder.mkdir()
    for value, (name, facts) in enumerate(files.items(), 1):
        (folder / f"{name}.plc").write_text(json.dumps({"value": value, **facts}))
    return folder


def layers(source: Any, **options: Any) -> dict[str, list[int]]:
    """The values of the sections of each layer."""
    folder = Path(str(source)).parent
    dataset = wk.Dataset.from_images(
        source, folder / "out", (1, 1, 1), **{"layer_category": "color", **options}
    )
    return {
        name: [int(value) for value in layer.get_mag(1).read()[0, 0, 0]]
        for name, layer in dataset.layers.items()
    }


def refused(source: Path, **options: Any) -> str:
    with pytest.raises(UnsupportedImageDataError) as caught:
        layers(source, **options)
    assert not (source.parent / "out").exists()
    return str(caught.value)


def notes(folder: Path) -> list[str]:
    """What is told of which files belong together, and in which order."""
    report = images.plan_import(
        folder, folder.parent / "noted", images.DatasetOptions(voxel_size=(1, 1, 1), layer_category="color")
    ).report
    return [note.text for note in report.notes if note.kind in ("guessed", "differs", "named")]


# --- two files for one section ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        ("s0.tif", "s0.jpg", "s1.tif", "s1.jpg", "s2.tif", "s2.jpg"),
        ("s0.tif", "s1.tif", "s2.tif", "s2.png"),
        ("s1.png", "s1_mask.png", "s2.png", "s2_mask.png"),
        ("cut 1 raw.png", "cut 1 preview.png"),
        ("a.tif", "a.png", "b.tif"),
        ("sub/s0.ome.tif", "sub/s0.tif"),
        ("s0.tif", "S0.TIF", "s1.tif", "S1.TIF"),
        ("Cut1.png", "cut1.tif"),
    ],
)
def test_two_files_for_one_section_are_an_error(tmp_path: Path, names: tuple[str, ...]) -> None:
    told = refused(flat(tmp_path / "in", *names))
    assert "have the same name and number" in told
    assert "one section can't be two files" in told


def test_capital_letters_hide_no_gap_in_a_series(tmp_path: Path) -> None:
    told = refused(flat(tmp_path / "in", "s0.tif", "S1.TIF", "s3.tif"))
    assert "The section number 2 is missing between s0.tif and s3.tif." in told
    mixed = flat(tmp_path / "mixed", "s0.tif", "S1.TIF", "s2.tif")
    assert layers(mixed, layer_name="em") == {"em": [1, 2, 3]}


def test_a_given_order_holds_and_is_told_where_files_say_another(tmp_path: Path) -> None:
    said(
        tmp_path / "in",
        a={"origin": (None, None, 30)},
        b={"origin": (None, None, 10)},
        c={"origin": (None, None, 20)},
    )
    files = [tmp_path / "in" / f"{name}.plc" for name in "abc"]
    dataset = wk.Dataset(tmp_path / "out", (1, 1, 1))
    told = (
        "3 of 3 sections lie otherwise than in the order of the places along z that the files say: they are in the "
        "order that was given"
    )
    with pytest.warns(UserWarning, match=told):
        layer = dataset.add_layer_from_images(files, "listed", "color")
    assert layer.get_mag(1).read()[0, 0, 0].tolist() == [1, 2, 3]
    assert told in str(dataset.import_report)
    dataset.add_layer_from_images([files[1], files[2], files[0]], "sorted", "color")
    assert str(dataset.import_report).count("sections lie otherwise") == 1


def test_the_error_of_two_files_says_what_helps_and_it_does(tmp_path: Path) -> None:
    folder = flat(tmp_path / "in", "s0.tif", "s1.tif", "s0.png", "s1.png")
    told = refused(folder)
    assert "s0.png and s0.tif have the same name and number (and 1 more such pair)" in told
    assert "Give a pattern that only the sections have, such as '*.tif' or '*.png'" in told
    assert layers(f"{folder}/*.tif", layer_name="em") == {"em": [1, 2]}


def test_a_pattern_makes_a_layer_called_like_the_folder(tmp_path: Path) -> None:
    folder = flat(tmp_path / "in", "s2.tif", "s10.tif", "s0.png", "more/s1.tif")
    dataset = wk.Dataset.from_images(f"{folder}/s*.tif", tmp_path / "out", (1, 1, 1))
    assert list(dataset.layers) == ["in"]
    assert main(["convert", f"{folder}/*.png", str(tmp_path / "cli"), "--voxel-size", "1,1,1"]) == 0
    assert list(wk.Dataset.open(tmp_path / "cli").layers) == ["in"]


def test_letters_behind_numbers_are_sections_of_their_own(tmp_path: Path) -> None:
    assert layers(flat(tmp_path / "in", "s1.png", "s1a.png", "s1b.png", "s2.png")) == {"in": [1, 2, 3, 4]}


def test_a_sort_key_takes_all_files_as_sections(tmp_path: Path) -> None:
    folder = flat(tmp_path / "in", "s0.tif", "s0.png", "s1.tif")
    assert layers(folder, z_slices_sort_key=str) == {"in": [2, 1, 3]}


# --- what names count -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        ("em_C0_Z03.png", "em_C0_Z04.png", "em_C0_Z05.png", "em_C1_Z03.png", "em_C1_Z04.png", "em_C1_Z05.png"),
        ("a_z0_ch0.png", "a_z1_ch0.png", "a_z2_ch0.png", "a_z0_ch1.png", "a_z1_ch1.png", "a_z2_ch1.png"),
        ("c0z0.png", "c0z1.png", "c0z2.png", "c1z0.png", "c1z1.png", "c1z2.png"),
        ("channel_0-slice_1.png", "channel_0-slice_2.png", "channel_0-slice_3.png",
         "channel_1-slice_1.png", "channel_1-slice_2.png", "channel_1-slice_3.png"),
    ],
)  # fmt: skip
def test_channels_in_names_become_layers(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert layers(flat(tmp_path / "in", *names)) == {"in__channel0": [1, 2, 3], "in__channel1": [4, 5, 6]}


def test_channels_in_names_follow_a_given_name(tmp_path: Path) -> None:
    folder = flat(tmp_path / "in", "s_c1_z0.png", "s_c2_z0.png")
    assert layers(folder, layer_name="em") == {"em__channel1": [1], "em__channel2": [2]}
    dataset = wk.Dataset(tmp_path / "new", voxel_size=(1, 1, 1))
    with pytest.raises(
        UnsupportedImageDataError, match=r"holds 2 scenes, series or channels: 'channel1', 'channel2'"
    ):
        dataset.add_layer_from_images(folder, "em")
    dataset.add_layer_from_images(folder, "em", allow_multiple_layers=True)
    assert list(dataset.layers) == ["em__channel1", "em__channel2"]


def test_a_section_that_one_channel_lacks_is_a_gap(tmp_path: Path) -> None:
    folder = flat(tmp_path / "in", "c0_z0.png", "c0_z1.png", "c0_z2.png", "c1_z1.png", "c1_z2.png")
    told = refused(folder)
    assert "Channel 1 (c1_z1.png to c1_z2.png) lacks the sections number 0 that other channels have." in told
    assert 'missing_slices="fill"' in told
    assert layers(folder, missing_slices="fill") == {"in__channel0": [1, 2, 3], "in__channel1": [0, 4, 5]}


def test_a_series_called_c_is_no_row_of_channels(tmp_path: Path) -> None:
    assert layers(flat(tmp_path / "in", "c1.png", "c2.png", "c3.png")) == {"in": [1, 2, 3]}


def test_many_sections_behind_a_letter_are_no_channels(tmp_path: Path) -> None:
    many = flat(tmp_path / "in", *(f"em_c{number}.png" for number in range(9)))
    assert layers(many) == {"in": list(range(1, 10))}


def test_channels_are_told_where_one_layer_was_asked_for(tmp_path: Path) -> None:
    folder = flat(tmp_path / "in", "a_c0_z0.png", "a_c0_z1.png", "a_c1_z0.png", "a_c1_z1.png")
    with pytest.warns(UserWarning, match="2 series or channels, which follow each other along z"):
        assert layers(folder, map_filepath_to_layer_name="enforce_single_layer") == {"in": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("tile_x0_y0_z0.png", "tile_x0_y1_z0.png", "tile_x1_y0_z0.png", "tile_x1_y1_z0.png"),
         "count tiles along x and y (2 x 2 of them)"),
        (("r0_c0.png", "r0_c1.png", "r0_c2.png"), "count tiles along x and y (3 x 1 of them)"),
        (("tile-001_z0.png", "tile-001_z1.png", "tile-002_z0.png"), "count positions or tiles beside sections"),
        (("a_t001_z0.png", "a_t001_z1.png", "a_t002_z0.png", "a_t002_z1.png"), "count 2 times beside sections"),
        (("sub/pos0_z0.png", "sub/pos1_z1.png"), "count positions or tiles beside sections"),
    ],
)  # fmt: skip
def test_tiles_and_times_are_never_sections(tmp_path: Path, names: tuple[str, ...], text: str) -> None:
    folder = flat(tmp_path / "in", *names)
    told = refused(folder)
    assert text in told
    assert "z_slices_sort_key" in told
    assert sum(map(len, layers(folder, z_slices_sort_key=str).values())) == len(names)


def test_one_tile_and_one_time_are_sections(tmp_path: Path) -> None:
    assert layers(flat(tmp_path / "in", "x0_y0_t3_z0.png", "x0_y0_t3_z1.png")) == {"in": [1, 2]}


def test_times_alone_become_z_and_are_told(tmp_path: Path) -> None:
    folder = flat(tmp_path / "in", "a_t1.png", "a_t2.png")
    assert notes(folder) == ["the names a_t1.png to a_t2.png count times, which follow each other along z"]


def test_a_file_that_is_named_otherwise_is_told(tmp_path: Path) -> None:
    folder = flat(tmp_path / "in", "overview.png", *(f"s{number}.png" for number in range(4)))
    told = (
        "the files are s0.png to s3.png, but overview.png is named otherwise, and is a section all the same"
    )
    assert notes(folder) == [told]
    assert layers(folder) == {"in": [1, 2, 3, 4, 5]}
    assert notes(flat(tmp_path / "two", "a1.png", "a2.png", "b1.png", "c.png")) == []


# --- what files say ---------------------------------------------------------------------------------------


def at(z: float | None, x: float | None = None, **facts: Any) -> dict[str, Any]:
    return {"origin": [x, 0.0, z], "voxel_size": [1, 1, 1], **facts}


def test_places_count_before_names_and_a_difference_is_told(tmp_path: Path) -> None:
    folder = said(tmp_path / "in", a=at(90), b=at(0), c=at(60), d=at(30))
    assert layers(folder) == {"in": [2, 4, 3, 1]}
    assert notes(folder) == [
        "3 of 4 sections lie otherwise than their names count: they are in the order of the places along z that the "
        "files say, from b.plc to a.plc"
    ]


def test_places_in_the_order_of_names_are_not_told(tmp_path: Path) -> None:
    folder = said(tmp_path / "in", s9=at(-3), s10=at(-2), s11=at(-1))
    assert layers(folder) == {"in": [1, 2, 3]}
    assert notes(folder) == []


def test_numbers_that_files_give_themselves_count_before_names(tmp_path: Path) -> None:
    folder = said(tmp_path / "in", a={"series_index": 2}, b={"series_index": 1}, c={"series_index": 3})
    assert layers(folder) == {"in": [2, 1, 3]}
    assert notes(folder) == [
        "2 of 3 sections lie otherwise than their names count: they are in the order of the numbers that the files "
        "give themselves, from b.plc to c.plc"
    ]


def test_gaps_between_places_are_told(tmp_path: Path) -> None:
    folder = said(tmp_path / "in", a=at(0), b=at(30), c=at(60), d=at(150))
    assert notes(folder) == [
        "sections lie 30 nm apart, but 90 nm between c.plc and d.plc: nothing is filled in"
    ]


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ((at(1), at(None), at(2)), "only 2 of 3 files say where they lie along z: they are in the order of names"),
        ((at(2), at(1), at(1)), "the 3 files say only 2 different places along z: they are in the order of names"),
        ((at(0, 0), at(0, 8), at(0, 16)), "the files say that they lie side by side in one plane; they follow each "
         "other along z all the same"),
    ],
)  # fmt: skip
def test_places_of_no_use_are_told(tmp_path: Path, files: tuple[dict[str, Any], ...], text: str) -> None:
    folder = said(tmp_path / "in", **dict(zip("abc", files, strict=True)))
    assert layers(folder) == {"in": [1, 2, 3]}
    assert notes(folder) == [text]


def test_one_place_for_all_says_nothing(tmp_path: Path) -> None:
    assert notes(said(tmp_path / "in", a=at(0, 0), b=at(0, 1), c=at(0, 0))) == []


def test_series_of_one_folder_become_layers(tmp_path: Path) -> None:
    one, two = ({"series": uid, "series_name": "T1 axial"} for uid in ("1.2.3", "1.2.4"))
    folder = said(
        tmp_path / "in", a={**at(1), **one}, b={**at(0), **two}, c={**at(0), **one}, d={**at(1), **two}
    )
    assert layers(folder) == {"in_T1_axial": [3, 1], "in_T1_axial_2": [2, 4]}


def test_files_of_a_set_are_one_image_taken_once(tmp_path: Path) -> None:
    folder = said(
        tmp_path / "in",
        a={"companions": ["b.plc", "notes.xml"], "shape": [[3, 8, 8]]},
        b={"companions": ["a.plc"], "shape": [[3, 8, 8]]},
        c={"shape": [[2, 8, 8]]},
    )
    (folder / "notes.xml").write_text("<a/>")
    assert layers(folder) == {"a": [1, 1, 1], "c": [3, 3]}


def test_files_that_were_left_out_are_told_with_numbers(tmp_path: Path) -> None:
    folder = flat(tmp_path / "in", "s1.png", "s2.png", ".s3.png")
    for name in ("a.txt", "b.txt", "c.txt", "d.txt"):
        (folder / name).write_text("hello")
    dataset = wk.Dataset.from_images(folder, tmp_path / "out", (1, 1, 1))
    assert [str(note) for note in dataset.import_report.notes if note.kind == "left out"] == [
        "files that no reader takes are left out (4 files: a.txt, b.txt, c.txt and 1 more).",
        "hidden files are left out (.s3.png).",
    ]
