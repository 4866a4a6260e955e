"""Deletions that were noted: finished where the list has forgotten the name, forgotten where it has not."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import numpy as np
import pytest

import wkplug as wk
from wkplug import errors, storage
from wkplug.cli.main import main
from wkplug.storage import removing

if TYPE_CHECKING:
    from pathlib import Path

    from wkplug.abc import Location


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    place = tmp_path if request.param == "local" else f"memory://removing-{uuid.uuid4().hex}"
    location = storage.locate(place)
    location.child("1", "data").write(b"old")
    location.child("2", "data").write(b"other")
    return location


def test_a_noted_deletion_is_finished_when_unlisted(folder: Location) -> None:
    removing.note_deletion(folder.child("1"))
    assert removing.noted_deletions(folder.list()) == ["1"]
    removing.settle_deletion(folder.child("1"), listed=False)
    assert list(folder.list()) == ["2/"]


def test_a_noted_deletion_is_forgotten_when_listed(folder: Location) -> None:
    removing.note_deletion(folder.child("1"))
    removing.settle_deletion(folder.child("1"), listed=True)
    assert list(folder.list()) == ["1/", "2/"]
    assert folder.child("1", "data").read() == b"old"


def test_without_a_note_nothing_is_deleted(folder: Location) -> None:
    removing.settle_deletion(folder.child("1"), listed=False)
    removing.finish_deletion(folder.child("1"))
    assert list(folder.list()) == ["1/", "2/"]


@pytest.mark.parametrize("aside", ["2", "../precious", "/etc", ".wkplug-deleted-/../2", 5, None])
def test_a_crafted_note_deletes_nothing(folder: Location, aside: object) -> None:
    folder.child(".wkplug-deleting-1").write(json.dumps({"aside": aside}).encode())
    removing.settle_deletion(folder.child("1"), listed=False)
    assert list(folder.list()) == ["1/", "2/"]


def test_what_was_not_written_to_its_end_goes(tmp_path: Path) -> None:
    place = storage.locate(tmp_path)
    place.child("c", "0", "data").write(b"whole")
    for folder in (tmp_path, tmp_path / "c" / "0"):
        (folder / ".wkplug-tmp-1-ab").write_bytes(b"half")
    removing.remove_temporaries(place)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["data"]
    removing.remove_temporaries(storage.locate(tmp_path / "none"))
    removing.remove_temporaries(storage.locate("memory://none"))


@pytest.mark.parametrize("what", ["mag", "layer"])
@pytest.mark.parametrize("place", ["local", "memory"])
def test_a_deletion_that_stopped_half_way_brings_nothing_back(
    what: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "d" if place == "local" else f"memory://removing-{uuid.uuid4().hex}"
    dataset = wk.Dataset(path, voxel_size=(1, 1, 1))
    box = wk.BoundingBox((0, 0, 0), (32, 32, 32))
    layer = dataset.add_layer("color", "color", bounding_box=box)
    layer.add_mag(1).write(np.full((32, 32, 32), 5, "u1"))
    with monkeypatch.context() as broken:
        broken.setattr(removing, "finish_deletion", _stop)
        with pytest.raises(KeyboardInterrupt):
            layer.delete_mag(1) if what == "mag" else dataset.delete_layer("color")
    dataset = wk.Dataset.open(path)
    layer = dataset.get_or_add_layer("color", "color", bounding_box=box)
    assert not layer.mags
    layer.bounding_box = box
    assert not layer.add_mag(1).read().any()
    assert not [name for name in layer.location.list() if "delet" in name]


def _stop(place: Location) -> None:
    if place.parent.child(f".wkplug-deleting-{place.name}").exists():
        raise KeyboardInterrupt


def test_info_tells_of_a_deletion_that_was_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = wk.Dataset(tmp_path / "d", voxel_size=(1, 1, 1))
    for name in ("kept", "color"):
        dataset.add_layer(name, "color", bounding_box=wk.BoundingBox((0, 0, 0), (32, 32, 32))).add_mag(1)
    removing.note_deletion(dataset.location.child("gone"))
    removing.note_deletion(dataset.location.child("kept"))
    removing.note_deletion(dataset.get_layer("color").location.child("2"))
    assert main(["info", str(tmp_path / "d")]) == 0
    told = capsys.readouterr().out
    for place in ("d/gone", "d/color/2"):
        assert (
            f"note: {tmp_path}/{place} was being deleted when the job was killed; what is left of it is unlisted, "
            "and goes when something of that name is added"
        ) in told
    assert "kept was being deleted" not in told


@pytest.mark.parametrize("data_format", ["wkw", "zarr", "zarr3"])
def test_files_without_metadata_are_never_taken_for_a_mag(tmp_path: Path, data_format: str) -> None:
    dataset = wk.Dataset(tmp_path / "d", voxel_size=(1, 1, 1))
    layer = dataset.add_layer(
        "color", "color", data_format=data_format, bounding_box=wk.BoundingBox((0, 0, 0), (32, 32, 32))
    )
    layer.add_mag(1).write(np.full((32, 32, 32), 5, "u1"))
    (tmp_path / "old").mkdir()
    for metadata in ("zarr.json", ".zarray", "header.wkw"):
        if (layer.path / "1" / metadata).exists():
            (layer.path / "1" / metadata).rename(tmp_path / "old" / metadata)
    kept = sorted(path for path in (layer.path / "1").rglob("*") if path.is_file())
    document = tmp_path / "d" / "datasource-properties.json"
    properties = json.loads(document.read_text())
    properties["dataLayers"][0]["mags"] = []
    document.write_text(json.dumps(properties))
    layer = wk.Dataset.open(tmp_path / "d").get_layer("color")
    with pytest.raises(
        errors.MagExistsError, match="is not empty, and no array that could be made anew"
    ) as caught:
        layer.add_mag(1)
    assert caught.value.hint == "Move it away."
    assert sorted(path for path in (layer.path / "1").rglob("*") if path.is_file()) == kept
