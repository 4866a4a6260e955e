"""Metadata of other tools: written where something changed, and only there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wkplug.abc import DatasetFacts, LayerFacts, MagFacts, MetadataDialect
from wkplug.filesystems.local import LocalLocation
from wkplug.geometry import BoundingBox, Mag
from wkplug.properties import LayerProperties, MagViewProperties, PropertiesStore, VoxelSize, layer_facts
from wkplug.properties import operations as op

if TYPE_CHECKING:
    from collections.abc import Mapping


class Notes(MetadataDialect):
    """Writes what it is told, and keeps what others added under "other"."""

    dataset_file_names = ("dataset.json",)
    layer_file_names = ("layer.json",)

    def __init__(self) -> None:
        self.layers: list[LayerFacts] = []
        self.datasets: list[DatasetFacts] = []

    def dataset_files(
        self,
        facts: DatasetFacts,
        *,
        existing: Mapping[str, bytes] = {},
    ) -> Mapping[str, bytes]:
        self.datasets.append(facts)
        return {"dataset.json": json.dumps([facts.name, facts.data_formats]).encode()}

    def layer_files(
        self,
        facts: LayerFacts,
        *,
        existing: Mapping[str, bytes] = {},
    ) -> Mapping[str, bytes]:
        self.layers.append(facts)
        other = json.loads(existing["layer.json"]).get("other") if "layer.json" in existing else None
        mags = [mag.folder for mag in facts.mags if mag.inside]
        return {"layer.json": json.dumps({"mags": mags, "size": facts.voxel_size, "other": other}).encode()}


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def store(tmp_path: Path, notes: Notes) -> PropertiesStore:
    def dialects_of(data_format: str) -> tuple[MetadataDialect, ...]:
        return (notes,) if data_format == "noted" else ()

    root = LocalLocation(tmp_path / "dataset")
    return PropertiesStore.create(root, name="x", voxel_size=(11, 11, 28), dialects=dialects_of)


def layer(name: str, data_format: str = "noted") -> LayerProperties:
    box = BoundingBox((0, 0, 0), (8, 8, 8)).normalize_axes(3)
    return LayerProperties(name, "color", box, "uint8", data_format)


def folder(store: PropertiesStore, name: str) -> Path:
    path = Path(store.root.url) / name
    path.mkdir(exist_ok=True)
    return path


def test_a_changed_layer_gets_its_file_and_others_are_not_touched(
    store: PropertiesStore, notes: Notes
) -> None:
    a, b = folder(store, "a"), folder(store, "b")
    store.apply(op.AddLayer(layer("a")), op.AddLayer(layer("b")))
    assert [facts.name for facts in notes.layers] == ["a", "b"]
    notes.layers.clear()
    before = (b / "layer.json").stat()
    store.apply(op.AddMag("a", MagViewProperties(Mag(1), "./a/1")))
    assert [facts.name for facts in notes.layers] == ["a"]
    assert json.loads((a / "layer.json").read_bytes()) == {"mags": ["1"], "size": [11, 11, 28], "other": None}
    assert (b / "layer.json").stat().st_ino == before.st_ino


def test_the_same_bytes_are_not_written_again(store: PropertiesStore) -> None:
    a = folder(store, "a")
    store.apply(op.AddLayer(layer("a")))
    before = (a / "layer.json").stat()
    store.apply(op.SetLayerKey("a", "mappings", ["x"]))
    assert (a / "layer.json").stat().st_ino == before.st_ino


def test_what_other_tools_added_is_handed_over(store: PropertiesStore) -> None:
    a = folder(store, "a")
    (a / "layer.json").write_text('{"other": "tool"}')
    store.apply(op.AddLayer(layer("a")))
    assert json.loads((a / "layer.json").read_bytes())["other"] == "tool"
    (a / "layer.json").write_text('{"other": "again"}')
    store.apply(op.AddMag("a", MagViewProperties(Mag(1), "./a/1")))
    assert json.loads((a / "layer.json").read_bytes())["other"] == "again"


def test_the_datasets_own_file_follows_the_set_of_formats(store: PropertiesStore, notes: Notes) -> None:
    file = Path(store.root.url) / "dataset.json"
    assert not file.exists()
    store.apply(op.AddLayer(layer("a")))
    assert json.loads(file.read_bytes()) == ["x", ["noted"]]
    store.apply(op.AddLayer(layer("b")))
    assert len(notes.datasets) == 1
    store.apply(op.AddLayer(layer("c", "other")))
    assert json.loads(file.read_bytes()) == ["x", ["noted", "other"]]
    store.apply(op.SetDatasetKey("id", {"name": "y"}))
    assert json.loads(file.read_bytes())[0] == "y"


def test_another_voxel_size_changes_all_layers(store: PropertiesStore, notes: Notes) -> None:
    a = folder(store, "a")
    store.apply(op.AddLayer(layer("a")))
    store.apply(op.SetDatasetKey("scale", VoxelSize((1, 2, 3), "µm")))
    assert json.loads((a / "layer.json").read_bytes())["size"] == [1000, 2000, 3000]


def test_missing_and_linked_folders_are_left_alone(store: PropertiesStore, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (Path(store.root.url) / "linked").symlink_to(foreign)
    store.apply(op.AddLayer(layer("linked")), op.AddLayer(layer("absent")))
    assert list(foreign.iterdir()) == []
    assert not (Path(store.root.url) / "absent").exists()


def test_a_dialect_that_fails_does_not_undo_the_change(store: PropertiesStore, notes: Notes) -> None:
    def broken(facts: LayerFacts, **_: object) -> Mapping[str, bytes]:
        raise RuntimeError("no idea")

    folder(store, "a")
    notes.layer_files = broken  # type: ignore[method-assign]  # the point of the test
    with pytest.warns(UserWarning, match="metadata files of Notes in .* could not be written: no idea"):
        store.apply(op.AddLayer(layer("a")))
    assert PropertiesStore.open(store.root).layer_names() == ("a",)


def test_a_registry_that_fails_does_not_undo_the_change_either(tmp_path: Path) -> None:
    def broken(data_format: str) -> tuple[MetadataDialect, ...]:
        raise ImportError(data_format)

    store = PropertiesStore.create(LocalLocation(tmp_path), name="x", voxel_size=(1, 1, 1), dialects=broken)
    with pytest.warns(UserWarning, match="dialects of 'noted' could not be loaded"):
        store.apply(op.AddLayer(layer("a")))
    assert store.layer_names() == ("a",)


def test_facts_say_which_mags_lie_in_the_layers_own_folder_finest_first() -> None:
    mags = [
        MagViewProperties(Mag(2), "../other/a/2"),
        MagViewProperties(Mag("2-2-1"), "./a/2-2-1"),
        MagViewProperties(Mag(4), "s3://host/bucket/a/four/"),
        MagViewProperties(Mag(1)),
        MagViewProperties(Mag(8), "./a/deep/8"),
    ]
    box = BoundingBox((0, 0, 0), (8, 8, 8)).normalize_axes(3)
    facts = layer_facts(LayerProperties("a", "color", box, "uint8", "noted", mags), VoxelSize((1, 2, 3)))
    assert facts.axes == ("c", "x", "y", "z")
    assert (facts.num_channels, facts.dtype, facts.voxel_size) == (3, "uint8", (1, 2, 3))
    assert facts.mags == (
        MagFacts(mag=(1, 1, 1), folder="1"),
        MagFacts(mag=(2, 2, 1), folder="2-2-1"),
        MagFacts(mag=(2, 2, 2), folder="2", inside=False),
        MagFacts(mag=(4, 4, 4), folder="four", inside=False),
        MagFacts(mag=(8, 8, 8), folder="8", inside=False),
    )
