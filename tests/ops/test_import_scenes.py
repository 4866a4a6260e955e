"""Files that hold several images: which of them become layers, and what these are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

import wkplug as wk
from wkplug.cli.main import main
from wkplug.errors import InvalidArgumentError, UnsupportedImageDataError
from wkplug.registry import Manager, use_manager

if TYPE_CHECKING:
    from collections.abc import Iterator

FAKES = Path(__file__).parent.parent / "fakes"


@pytest.fixture(autouse=True)
def placed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """With a reader of files that have scenes."""
    monkeypatch.syspath_prepend(FAKES / "placed")
    with use_manager(Manager()):
        yield


def write(path: Path, *names: str, **facts: Any) -> Path:
    """A file of scenes with the values 1, 2, 3 ..."""
    path.parent.mkdir(exist_ok=True)
    values = list(range(1, max(1, len(names)) + 1))
    path.write_text(json.dumps({"value": values, "scenes": names, **facts}))
    return path


def layers(source: Any, **options: Any) -> dict[str, list[int]]:
    """The values of the sections of each layer."""
    dataset = wk.Dataset.from_images(
        source, Path(source).parent / "out", (1, 1, 1), **{"layer_category": "color", **options}
    )
    return {
        name: [int(value) for value in layer.get_mag(1).read()[0, 0, 0]]
        for name, layer in dataset.layers.items()
    }


def test_the_first_scene_is_taken_and_the_others_are_told(tmp_path: Path) -> None:
    file = write(tmp_path / "a.plc", "left", "right")
    told = (
        r"it holds 2 images \('left', 'right'\), and only 'left' is imported: "
        r'choose another one by scene="right", or all by scene="all" \(a.plc\)'
    )
    with pytest.warns(UserWarning, match=told):
        assert layers(file) == {"a": [1]}


def test_what_the_note_says_works(tmp_path: Path) -> None:
    file = write(tmp_path / "a.plc", "left", "right")
    assert layers(file, scene="right") == {"right": [2]}


@pytest.mark.parametrize("scene", ["right", 1, "1"])
def test_a_scene_is_chosen_by_name_or_number(tmp_path: Path, scene: int | str) -> None:
    file = write(tmp_path / "a.plc", "left", "right", "0")
    assert layers(file, scene=scene, layer_name="em") == {"em": [2]}
    dataset = wk.Dataset(tmp_path / "new", voxel_size=(1, 1, 1))
    assert dataset.add_layer_from_images(file, "em", scene=scene).get_mag(1).read().max() == 2


def test_a_name_counts_before_a_number(tmp_path: Path) -> None:
    assert layers(write(tmp_path / "a.plc", "1", "0"), scene="0") == {"0": [2]}


def test_all_scenes_become_layers_with_their_names(tmp_path: Path) -> None:
    file = write(tmp_path / "a.plc", "raw", "labels/ids", "raw", shape=[[2, 8, 8], [8, 8], [8, 8]])
    assert layers(file, scene="all") == {"raw_0": [1, 1], "labels_ids": [2], "raw_2": [3]}
    named = wk.Dataset.from_images(file, tmp_path / "named", (1, 1, 1), scene="all", layer_name="x")
    assert list(named.layers) == ["x_raw_0", "x_labels_ids", "x_raw_2"]
    dataset = wk.Dataset(tmp_path / "new", voxel_size=(1, 1, 1))
    with pytest.raises(UnsupportedImageDataError, match=r"holds 3 scenes, series or channels: 'raw_0', 'lab"):
        dataset.add_layer_from_images(file, "x", scene="all")
    dataset.add_layer_from_images(file, "x", scene="all", allow_multiple_layers=True)
    assert list(dataset.layers) == ["x_raw_0", "x_labels_ids", "x_raw_2"]


def test_scenes_of_one_name_are_told_apart_by_numbers(tmp_path: Path) -> None:
    file = write(tmp_path / "a.plc", "my raw", "my raw", "myraw_0", "other")
    dataset = wk.Dataset.from_images(file, tmp_path / "out", (1, 1, 1), scene="all")
    assert list(dataset.layers) == ["myraw_0_0", "myraw_1", "myraw_0", "other"]
    assert dataset.import_report is not None
    named = [str(note) for note in dataset.import_report.notes if note.kind == "named"]
    assert named == [
        "2 of its scenes are called 'my raw', so that numbers tell them apart: 'myraw_0_0', 'myraw_1' (a.plc)."
    ]


def test_the_same_scenes_of_a_folder_are_stacked(tmp_path: Path) -> None:
    for name in ("s1", "s2"):
        write(tmp_path / "in" / f"{name}.plc", "left", "right")
    assert layers(tmp_path / "in", scene="all") == {"in_left": [1, 1], "in_right": [2, 2]}


def test_thumbnails_are_never_chosen(tmp_path: Path) -> None:
    file = write(tmp_path / "a.plc", "Thumbnail 1", "em", "macro image", "more")
    with pytest.warns(UserWarning, match="only 'em' is imported"):
        assert layers(file) == {"a": [2]}
    assert list(
        wk.Dataset.from_images(file, tmp_path / "all", (1, 1, 1), scene="all").layers
    ) == ["em", "more"]  # fmt: skip


def test_scenes_that_can_be_no_layer_are_left_out_and_told(tmp_path: Path) -> None:
    file = write(tmp_path / "a.plc", "em", "curve", shape=[[8, 8], [8]])
    with pytest.warns(
        UserWarning, match=r"the scene 'curve' can't be a layer \(The image .* has the axes x, but no y"
    ):
        assert layers(file, scene="all") == {"em": [1]}


def test_scenes_that_are_not_there_are_an_error_with_all_names(tmp_path: Path) -> None:
    file = write(tmp_path / "a.plc", "left", "right")
    for scene in ("middle", 2, "7", -1):
        with pytest.raises(InvalidArgumentError, match=r"a.plc has 2: 'left', 'right'") as caught:
            layers(file, scene=scene)
        assert "Give a name, a number from 0 to 1, or 'all'." in str(caught.value)
    with pytest.raises(InvalidArgumentError, match=r"scene is 1, but .*b.plc has one image"):
        layers(write(tmp_path / "b.plc"), scene=1)
    assert layers(write(tmp_path / "b.plc"), scene=0) == {"b": [1]}


def test_convert_takes_a_scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        for name, value in (("left", 3), ("right", 5)):
            file.write(np.full((4, 16, 16), value, "uint8"), metadata={"axes": "ZYX", "Name": name})
    arguments = ["convert", str(tmp_path / "a.ome.tif"), str(tmp_path / "out"), "--voxel-size", "1,1,1"]
    assert main([*arguments, "--dry-run"]) == 0
    assert "it holds 2 images ('left', 'right'), and only 'left' is imported" in capsys.readouterr().out
    assert main([*arguments, "--scene", "all", "--no-downsample"]) == 0
    dataset = wk.Dataset.open(tmp_path / "out")
    assert {name: int(layer.get_mag(1).read().max()) for name, layer in dataset.layers.items()} == {
        "left": 3,
        "right": 5,
    }


def test_data_sets_of_one_file_become_layers(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = np.full((4, 8, 8), 7, "uint8")
        file["labels/ids"] = np.full((4, 8, 8), 9, "uint32")
    dataset = wk.Dataset.from_images(tmp_path / "a.h5", tmp_path / "out", (1, 1, 1), scene="all")
    assert {name: layer.category for name, layer in dataset.layers.items()} == {
        "labels_ids": "segmentation",
        "raw": "color",
    }


def test_scenes_are_found_as_their_layers_are_called_or_by_path(tmp_path: Path) -> None:
    file = write(tmp_path / "a.plc", "labels/ids", "left part")
    for scene, layer in (
        ("labels/ids", "labels_ids"),
        ("labels_ids", "labels_ids"),
        ("leftpart", "leftpart"),
    ):
        place = tmp_path / scene.replace("/", " ")
        assert list(wk.Dataset.from_images(file, place, (1, 1, 1), scene=scene).layers) == [layer]


def test_a_scene_of_a_file_with_one_image_can_be_left_out(tmp_path: Path) -> None:
    file = write(tmp_path / "a.plc", "em")
    with pytest.raises(InvalidArgumentError, match="has one image") as caught:
        layers(file, scene=5)
    assert "Leave out which scene is wanted." in str(caught.value)
    with pytest.raises(InvalidArgumentError, match="timepoint is 3, but") as caught:
        layers(file, timepoint=3)
    assert "Leave timepoint=... out." in str(caught.value)
