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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wkplug.abc import Location
from wkplug.builtin.local import LocalLocation
from wkplug.errors import (
    ConflictError,
    DatasetExistsError,
    DatasetNotFoundError,
    InvalidArgumentError,
    LayerExistsError,
    StorageError,
    StorageFullError,
)
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
    with pytest.raises(ZeroDivisionError), store.update():
        store.apply(add("a"))
        _ = 1 // 0
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


# --- object stores ------------------------------------------------------------------------------------------


class Bucket(Location):
    """A store with conditional writes and no locks between processes, as object stores are."""

    def __init__(self, objects: dict[str, bytes], key: str = "") -> None:
        self.objects = objects
        self.key = key
        self.before_write: Callable[[], None] | None = None
        self.counts = {"read": 0, "version": 0, "write": 0}

    @property
    def url(self) -> str:
        return f"bucket://{self.key}"

    @property
    def parent(self) -> Location:
        return Bucket(self.objects, self.key.rpartition("/")[0])

    def child(self, *parts: str) -> Bucket:
        child = Bucket(self.objects, "/".join(filter(None, (self.key, *parts))))
        child.counts = self.counts
        return child

    def local_path(self) -> str | None:
        return None

    def read(self, start: int | None = None, stop: int | None = None) -> bytes:
        from wkplug.errors import MissingError

        self.counts["read"] += 1
        if self.key not in self.objects:
            raise MissingError(f"{self.url} is missing.")
        return self.objects[self.key][start:stop]

    def write(self, data: bytes, *, if_match: str | None = None) -> str:
        self.counts["write"] += 1
        if self.before_write is not None:
            self.before_write()
        if if_match is not None and (self._tag() or "") != if_match:
            raise ConflictError(f"{self.url} was changed.")
        self.objects[self.key] = data
        return self._tag() or ""

    def _tag(self) -> str | None:
        data = self.objects.get(self.key)
        return None if data is None else str(hash(data))

    def version(self) -> str | None:
        self.counts["version"] += 1
        return self._tag()

    def exists(self) -> bool:
        return any(key == self.key or key.startswith(self.key + "/") for key in self.objects)

    def list(self) -> Any:
        return iter(())

    def delete(self, *, recursive: bool = False) -> None:
        self.objects.pop(self.key, None)

    def make_folder(self) -> None:
        pass

    def size(self) -> int:
        return len(self.objects[self.key])

    def lock(self, key: str = "", *, timeout: float | None = None) -> Any:
        import contextlib

        return contextlib.nullcontext()

    def writable(self) -> bool:
        return True


def test_on_object_stores_changes_of_faster_writers_are_merged() -> None:
    root = Bucket({}, "data")
    store = PropertiesStore.create(root, name="x", voxel_size=(1, 1, 1), dialects=no_dialects)
    rounds = iter(range(3))

    def someone_else_is_faster() -> None:
        number = next(rounds, None)
        if number is not None:
            PropertiesStore.open(root, dialects=no_dialects).apply(add(f"other{number}"))

    store._file.before_write = someone_else_is_faster  # type: ignore[attr-defined]  # the bucket's
    with store.update():
        store.apply(add("mine"))
        store.apply(op.AddMag("mine", MagViewProperties(Mag(1), "./mine/1")))
    again = PropertiesStore.open(root)
    assert again.layer_names() == ("other0", "other1", "other2", "mine") == store.layer_names()
    assert len(again.layer("mine").mags) == 1


def test_a_faster_writer_with_the_same_name_wins_and_nothing_changes() -> None:
    root = Bucket({}, "data")
    store = PropertiesStore.create(root, name="x", voxel_size=(1, 1, 1), dialects=no_dialects)

    def someone_else_is_faster() -> None:
        store._file.before_write = None  # type: ignore[attr-defined]  # the bucket's
        PropertiesStore.open(root, dialects=no_dialects).apply(add("mine"))

    store._file.before_write = someone_else_is_faster  # type: ignore[attr-defined]  # the bucket's
    with pytest.raises(LayerExistsError):
        store.apply(add("mine"))
    assert store.layer_names() == ("mine",)


def test_opening_on_an_object_store_is_one_request() -> None:
    root = Bucket({}, "data")
    PropertiesStore.create(root, name="x", voxel_size=(1, 1, 1), dialects=no_dialects)
    root.counts.update(read=0, version=0, write=0)
    store = PropertiesStore.open(root, dialects=no_dialects)
    assert root.counts == {"read": 1, "version": 0, "write": 0}
    store.apply(add("a"))
    root.counts.update(read=0, version=0, write=0)
    store.apply(add("b"))
    assert root.counts == {"read": 0, "version": 1, "write": 1}
    with pytest.raises(DatasetNotFoundError):
        PropertiesStore.open(root.child("nowhere"))


# --- everything stays ---------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
UNKNOWN = st.dictionaries(st.text(min_size=1, max_size=6).map(lambda text: "~" + text), JSON, max_size=3)


def mixed(draw: Any, known: dict[str, Any]) -> dict[str, Any]:
    items = draw(st.permutations([*known.items(), *draw(UNKNOWN).items()]))
    return dict(items)


@st.composite
def documents(draw: Any) -> dict[str, Any]:
    layers = []
    for index in range(draw(st.integers(1, 3))):
        factors = draw(st.lists(st.sampled_from([1, 2, 4]), unique=True, max_size=3))
        order = {"c": 0, "x": 1, "y": 2, "z": 3}
        box = {
            "topLeft": [1, 2, 3],
            "width": 4,
            "height": 5,
            "depth": 6,
            **({} if factors else {"axisOrder": order}),
        }
        mags = [
            mixed(draw, {"mag": [factor] * 3, "path": f"./l{index}/{factor}", "axisOrder": order})
            for factor in factors
        ]
        known = {
            "name": f"l{index}", "category": "color", "boundingBox": mixed(draw, box),
            "dataFormat": "somewhere",
            "mags": mags, "numChannels": 1, "elementClass": "uint8",
        }  # fmt: skip
        layers.append(mixed(draw, known))
    scale = mixed(draw, {"factor": [1.0, 2.0, 3.0], "unit": "nanometer"})
    identity = mixed(draw, {"name": "x", "team": ""})
    return mixed(draw, {"id": identity, "scale": scale, "dataLayers": layers, "version": 1})


def pairs(text: str) -> Any:
    """JSON with its order of keys."""
    return json.loads(text, object_pairs_hook=lambda items: ("object", items))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=documents())
def test_any_document_survives_a_change_with_all_keys_in_order(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps(document))
    store = PropertiesStore.open(LocalLocation(tmp_path), dialects=no_dialects)
    store.apply(add("extra"))
    store.apply(op.ExtendBox("l0", BoundingBox((0, 0, 0), (50, 50, 50))))
    store.apply(op.AddMag("l0", MagViewProperties(Mag(8), "./l0/8")))
    store.apply(op.RemoveMag("l0", Mag(8)), op.RemoveLayer("extra"))
    expected = json.loads(json.dumps(document))
    expected["dataLayers"][0]["boundingBox"].update(topLeft=[0, 0, 0], width=50, height=50, depth=50)
    written = (tmp_path / FILE_NAME).read_text()
    if document["dataLayers"][0]["mags"]:
        assert pairs(written) == pairs(json.dumps(expected))
    else:
        # The axis order moved to the mag and back, to the end of the box.
        assert json.loads(written) == expected
    assert written == json.dumps(json.loads(written), indent=4)


def test_no_warning_is_given_by_ordinary_changes(store: PropertiesStore) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.apply(add("a"), op.RemoveLayer("a"))
