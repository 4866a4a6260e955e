"""The store: all or nothing, nested updates, other writers, and what a file looks like."""

from __future__ import annotations

import json
import os
import pickle
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wkplug.errors import (
    DatasetExistsError,
    DatasetNotFoundError,
    InvalidArgumentError,
    LayerExistsError,
    StorageError,
    StorageFullError,
)
from wkplug.filesystems.local import LocalLocation
from wkplug.geometry import BoundingBox, Mag
from wkplug.properties import LayerProperties, MagViewProperties, PropertiesStore, VoxelSize
from wkplug.properties import operations as op

FILE_NAME = "datasource-properties.json"
OnDisk = Callable[[PropertiesStore], Any]


def no_dialects(data_format: str) -> tuple[()]:
    return ()


def layer(name: str) -> LayerProperties:
    box = BoundingBox((0, 0, 0), (8, 8, 8)).normalize_axes(1)
    return LayerProperties(name, "color", box, "uint8", "somewhere")


def add(name: str) -> op.AddLayer:
    return op.AddLayer(layer(name))


def file_of(store: PropertiesStore) -> Path:
    return Path(store.root.url) / FILE_NAME


# --- creating -----------------------------------------------------------------------------------------------


def test_a_new_dataset_has_one_file_in_the_usual_form(tmp_path: Path) -> None:
    root = LocalLocation(tmp_path / "deep" / "new")
    store = PropertiesStore.create(root, name="näme", voxel_size=(11, 11, 28))
    folder = tmp_path / "deep" / "new"
    assert (folder / FILE_NAME).read_text() == (
        '{\n    "id": {\n        "name": "n\\u00e4me",\n        "team": ""\n    },\n    "scale": {\n'
        '        "factor": [\n            11.0,\n            11.0,\n            28.0\n        ],\n'
        '        "unit": "nanometer"\n    },\n    "dataLayers": [],\n    "version": 1\n}'
    )
    assert [path.name for path in folder.iterdir() if path.name != ".wkplug.lock"] == [FILE_NAME]
    assert store.dataset.id["name"] == "näme"
    assert PropertiesStore.open(root).dataset.scale == VoxelSize((11, 11, 28))
    with pytest.raises(DatasetExistsError, match="There is already a dataset at") as caught:
        PropertiesStore.create(root, name="x", voxel_size=(1, 1, 1))
    assert isinstance(caught.value, RuntimeError)
    assert PropertiesStore.open(root).dataset.id["name"] == "näme"


def test_a_dataset_with_an_impossible_voxel_size_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="must be positive"):
        PropertiesStore.create(LocalLocation(tmp_path / "x"), name="x", voxel_size=(1, 0, 1))
    assert not (tmp_path / "x").exists()


def test_what_is_written_is_what_the_standard_library_would_write(store: PropertiesStore) -> None:
    store.apply(add("third"))
    text = file_of(store).read_text()
    assert text == json.dumps(json.loads(text), indent=4)
    assert store.document == json.loads(text)


# --- all or nothing -----------------------------------------------------------------------------------------


def test_several_operations_are_all_done_or_none(store: PropertiesStore, on_disk: OnDisk) -> None:
    before = on_disk(store)
    with pytest.raises(LayerExistsError):
        store.apply(add("a"), add("color"))
    assert store.layer_names() == ("color", "seg")
    assert on_disk(store) == before


def test_an_update_is_one_write_at_its_end(store: PropertiesStore, on_disk: OnDisk) -> None:
    with store.update() as same:
        assert same is store
        store.apply(add("a"))
        with store.update():
            store.apply(add("b"))
        store.apply(op.AddMag("a", MagViewProperties(Mag(1), "./a/1")))
        assert store.layer_names() == ("color", "seg", "a", "b")
        assert len(store.layer("a").mags) == 1
        assert len(on_disk(store)["dataLayers"]) == 2
        assert store.refresh() is False
    assert [entry["name"] for entry in on_disk(store)["dataLayers"]] == ["color", "seg", "a", "b"]


def test_an_update_that_raises_did_nothing(store: PropertiesStore, on_disk: OnDisk) -> None:
    def fail() -> None:
        with store.update():
            store.apply(add("a"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.layer_names() == ("color", "seg")
    assert len(on_disk(store)["dataLayers"]) == 2
    store.apply(add("b"))
    assert store.layer_names() == ("color", "seg", "b")


def test_a_failed_operation_inside_an_update_can_be_survived(store: PropertiesStore) -> None:
    with store.update():
        store.apply(add("a"))
        with pytest.raises(LayerExistsError):
            store.apply(add("b"), add("a"))
        store.apply(add("c"))
    assert PropertiesStore.open(store.root).layer_names() == ("color", "seg", "a", "c")


def test_other_threads_see_an_update_only_when_it_is_done(store: PropertiesStore) -> None:
    seen: list[tuple[str, ...]] = []
    with store.update():
        store.apply(add("a"))
        thread = threading.Thread(target=lambda: seen.append(store.layer_names()))
        thread.start()
        thread.join()
    assert seen == [("color", "seg")]


def test_many_threads_on_one_store_lose_nothing(store: PropertiesStore) -> None:
    threads = [threading.Thread(target=store.apply, args=(add(f"l{n}"),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(PropertiesStore.open(store.root).layer_names()) == {
        "color",
        "seg",
        *(f"l{n}" for n in range(8)),
    }


def test_when_writing_fails_nothing_has_changed_in_memory_or_on_disk(
    store: PropertiesStore, on_disk: OnDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    before, document, seg = file_of(store).read_bytes(), store.document, store.layer("seg")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageFullError):
            store.apply(add("a"), op.SetLayerKey("seg", "largestSegmentId", 3))
    assert file_of(store).read_bytes() == before
    assert store.document is document
    assert store.layer("seg") is seg
    left = {path.name for path in Path(store.root.url).iterdir()}
    assert left - {".wkplug.lock"} == {FILE_NAME}
    store.apply(add("a"))
    assert [entry["name"] for entry in on_disk(store)["dataLayers"]] == ["color", "seg", "a"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions don't bind the superuser")
def test_a_read_only_folder_changes_nothing(store: PropertiesStore) -> None:
    Path(store.root.url).chmod(0o555)
    try:
        with pytest.raises(StorageError):
            store.apply(add("a"))
        assert store.layer_names() == ("color", "seg")
    finally:
        Path(store.root.url).chmod(0o755)


def test_a_dataset_that_is_gone_is_missing_and_not_made_again(store: PropertiesStore) -> None:
    file_of(store).unlink()
    with pytest.raises(DatasetNotFoundError):
        store.apply(add("a"))
    assert not file_of(store).exists()


# --- other writers ------------------------------------------------------------------------------------------


def test_two_stores_on_one_file_keep_each_others_changes(store: PropertiesStore) -> None:
    other = PropertiesStore.open(store.root, dialects=no_dialects)
    store.apply(add("a"))
    other.apply(add("b"))
    store.apply(op.ExtendBox("color", BoundingBox((0, 0, 0), (100, 1, 1))))
    other.apply(op.ExtendBox("color", BoundingBox((0, 0, 0), (1, 100, 1))))
    assert other.layer_names() == ("color", "seg", "a", "b")
    assert other.layer("color").bounding_box.size.to_tuple() == (3, 100, 100, 33)
    with pytest.raises(LayerExistsError):
        store.apply(add("b"))
    other.apply(op.RemoveLayer("a"))
    store.apply(op.SetDatasetKey("x", 1))
    assert store.layer_names() == ("color", "seg", "b")


def test_refreshing_says_whether_something_changed_and_keeps_what_did_not(store: PropertiesStore) -> None:
    other = PropertiesStore.open(store.root, dialects=no_dialects)
    color, seg = store.layer("color"), store.layer("seg")
    assert store.refresh() is False
    other.apply(op.SetLayerKey("seg", "largestSegmentId", 3))
    assert store.layer("seg") is seg
    assert store.refresh() is True
    assert store.layer("color") is color
    assert store.layer("seg") is not seg
    file_of(store).write_bytes(file_of(store).read_bytes())
    assert store.refresh() is False
    other.apply(op.SetDatasetKey("x", 1))
    assert store.refresh() is True
    other.apply(add("a"))
    assert store.refresh() is True


def test_a_writer_that_ignores_the_lock_is_noticed_and_kept(store: PropertiesStore, on_disk: OnDisk) -> None:
    with store.update():
        store.apply(add("a"))
        document = on_disk(store)
        document["lastUnknown"] = "changed in between"
        file_of(store).write_text(json.dumps(document))
    assert on_disk(store)["lastUnknown"] == "changed in between"
    assert store.layer_names() == ("color", "seg", "a")


def test_a_store_pickles_as_its_place(store: PropertiesStore) -> None:
    data = pickle.dumps(store)
    assert len(data) < 300
    store.apply(add("a"))
    assert pickle.loads(data).layer_names() == ("color", "seg", "a")
    assert store.root.url in repr(store)


def test_no_warning_is_given_by_ordinary_changes(store: PropertiesStore) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.apply(add("a"), op.RemoveLayer("a"))
