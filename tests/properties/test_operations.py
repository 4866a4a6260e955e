"""Operations: what each does to the document, and that nobody else's keys are lost."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wkplug.errors import (
    InvalidArgumentError,
    LayerExistsError,
    LayerMismatchError,
    LayerNameError,
    LayerNotFoundError,
    MagExistsError,
    MagNotFoundError,
    PropertiesError,
)
from wkplug.geometry import BoundingBox, Mag, NDBoundingBox
from wkplug.properties import (
    AffineCoordinateTransformation,
    AttachmentProperties,
    AttachmentsProperties,
    DatasetViewConfiguration,
    LayerProperties,
    LayerViewConfiguration,
    MagViewProperties,
    PropertiesStore,
    SegmentationLayerProperties,
    VoxelSize,
)
from wkplug.properties import operations as op

OnDisk = Callable[[PropertiesStore], Any]
OpenStore = Callable[[Any], PropertiesStore]
ORDER = {"c": 0, "x": 1, "y": 2, "z": 3}


def new_layer(name: str, box: NDBoundingBox | None = None, **changes: Any) -> LayerProperties:
    box = BoundingBox((0, 0, 0), (8, 8, 8)) if box is None else box
    values: dict[str, Any] = {
        "category": "color",
        "bounding_box": box.normalize_axes(changes.get("num_channels", 1)),
        "dtype": "uint8",
        "data_format": "somewhere",
    }
    return LayerProperties(name=name, **{**values, **changes})


def test_a_new_layer_is_written_as_such_files_have_always_been(
    store: PropertiesStore, on_disk: OnDisk
) -> None:
    store.apply(op.AddLayer(new_layer("third")))
    raw = on_disk(store)["dataLayers"][2]
    assert raw == {
        "name": "third",
        "category": "color",
        "boundingBox": {"topLeft": [0, 0, 0], "width": 8, "height": 8, "depth": 8, "axisOrder": ORDER},
        "dataFormat": "somewhere",
        "mags": [],
        "numChannels": 1,
        "elementClass": "uint8",
    }
    assert list(raw) == [
        "name",
        "category",
        "boundingBox",
        "dataFormat",
        "mags",
        "numChannels",
        "elementClass",
    ]
    assert store.layer_names() == ("color", "seg", "third")
    with pytest.raises(LayerExistsError, match="already lists a layer 'third'") as caught:
        store.apply(op.AddLayer(new_layer("third")))
    assert isinstance(caught.value, IndexError)
    with pytest.raises(LayerNameError):
        store.apply(op.AddLayer(new_layer("a/b")))


def test_a_new_segmentation_layer_writes_what_it_has(store: PropertiesStore, on_disk: OnDisk) -> None:
    store.apply(
        op.AddLayer(
            SegmentationLayerProperties(
                name="s",
                category="segmentation",
                bounding_box=BoundingBox((0, 0, 0), (8, 8, 8)).normalize_axes(1),
                dtype="uint64",
                data_format="somewhere",
                mags=[MagViewProperties(Mag(1), "./s/1", extra={"cubeLength": 64})],
                default_view_configuration=LayerViewConfiguration(alpha=3),
                coordinate_transformations=[AffineCoordinateTransformation.identity()],
                largest_segment_id=2**53,
                mappings=["m"],
                attachments=AttachmentsProperties(
                    agglomerates=[AttachmentProperties("a", "./s/agglomerates/a", "hdf5")],
                    segment_index=AttachmentProperties("i", "./s/segmentIndex/i", "hdf5"),
                ),
            )
        )
    )
    raw = on_disk(store)["dataLayers"][2]
    assert list(raw) == [
        "name", "category", "boundingBox", "dataFormat", "mags", "defaultViewConfiguration",
        "coordinateTransformations", "largestSegmentId", "mappings", "attachments", "numChannels",
        "elementClass",
    ]  # fmt: skip
    assert raw["mags"] == [{"mag": [1, 1, 1], "path": "./s/1", "cubeLength": 64, "axisOrder": ORDER}]
    assert list(raw["mags"][0]) == ["mag", "path", "cubeLength", "axisOrder"]
    assert "axisOrder" not in raw["boundingBox"]
    assert raw["largestSegmentId"] == {"customJsonEncoding": "bigint", "value": "9007199254740992"}
    assert list(raw["attachments"]) == ["agglomerates", "segmentIndex"]
    again: Any = PropertiesStore.open(store.root).layer("s")
    assert again == store.layer("s")
    assert again.largest_segment_id == 2**53


def test_axes_move_between_the_box_and_the_mags(store: PropertiesStore, on_disk: OnDisk) -> None:
    box = NDBoundingBox((3, 0, 0, 0), (2, 8, 8, 8), ("t", "x", "y", "z"))
    store.apply(op.AddLayer(new_layer("nd", box)))
    order = {"x": 1, "y": 2, "z": 3}
    axes = [{"name": "t", "bounds": [3, 5], "index": 0}]
    raw = on_disk(store)["dataLayers"][2]
    assert raw["boundingBox"]["axisOrder"] == order
    assert raw["additionalAxes"] == axes
    assert list(raw)[-3:] == ["additionalAxes", "numChannels", "elementClass"]
    store.apply(op.AddMag("nd", MagViewProperties(Mag(1), "./nd/1")))
    raw = on_disk(store)["dataLayers"][2]
    assert "axisOrder" not in raw["boundingBox"]
    assert raw["mags"] == [{"mag": [1, 1, 1], "path": "./nd/1", "axisOrder": order}]
    assert tuple(PropertiesStore.open(store.root).layer("nd").bounding_box.axes) == ("t", "x", "y", "z")
    store.apply(op.RemoveMag("nd", Mag(1)))
    raw = on_disk(store)["dataLayers"][2]
    assert (raw["mags"], raw["boundingBox"]["axisOrder"], raw["additionalAxes"]) == ([], order, axes)


def test_a_box_that_starts_at_a_later_channel_writes_a_channel_index(
    store: PropertiesStore, on_disk: OnDisk
) -> None:
    box = BoundingBox((0, 0, 0), (8, 8, 8)).normalize_axes(1).with_bounds("c", 2, 1)
    store.apply(
        op.AddLayer(new_layer("late", mags=[MagViewProperties(Mag(1), "./late/1")], bounding_box=box))
    )
    raw = on_disk(store)["dataLayers"][2]
    assert raw["mags"][0]["channelIndex"] == 2
    assert PropertiesStore.open(store.root).layer("late").bounding_box.get_bounds("c") == (2, 3)
    store.apply(op.RemoveMag("late", Mag(1)))
    assert on_disk(store)["dataLayers"][2]["boundingBox"]["channelIndex"] == 2
    store.apply(op.AddMag("late", MagViewProperties(Mag(2), "./late/2")))
    raw = on_disk(store)["dataLayers"][2]
    assert raw["mags"][0]["channelIndex"] == 2
    assert "channelIndex" not in raw["boundingBox"]


def test_removing_a_layer_leaves_the_others_as_they_were(store: PropertiesStore, on_disk: OnDisk) -> None:
    before = on_disk(store)
    store.apply(op.RemoveLayer("color"))
    del before["dataLayers"][0]
    assert on_disk(store) == before
    with pytest.raises(LayerNotFoundError):
        store.apply(op.RemoveLayer("color"))


def test_renaming_moves_the_paths_inside_the_layers_own_folder(
    store: PropertiesStore, on_disk: OnDisk
) -> None:
    store.apply(op.RenameLayer("seg", "labels"))
    raw = on_disk(store)["dataLayers"][1]
    assert raw["name"] == "labels"
    assert raw["mags"][0]["path"] == "./labels/1"
    assert raw["attachments"]["meshes"] == [
        {"name": "m", "path": "./labels/meshes/m", "dataFormat": "hdf5", "credentialId": "secret-2"}
    ]
    assert raw["attachments"]["cumsum"]["path"] == "/elsewhere/cumsum.json"
    assert raw["attachments"]["unknownKind"] == [{"name": "u"}]
    assert store.layer_names() == ("color", "labels")
    with pytest.raises(LayerExistsError):
        store.apply(op.RenameLayer("labels", "color"))
    with pytest.raises(LayerNameError):
        store.apply(op.RenameLayer("labels", "a b"))
    with pytest.raises(LayerNotFoundError):
        store.apply(op.RenameLayer("seg", "x"))
    store.apply(op.RenameLayer("labels", "labels"))


def test_mags_are_appended_and_found_again_in_any_spelling(store: PropertiesStore, on_disk: OnDisk) -> None:
    store.apply(op.AddMag("color", MagViewProperties(Mag(4), "./color/4", extra={"cubeLength": 1024})))
    mags = on_disk(store)["dataLayers"][0]["mags"]
    assert [mag["mag"] for mag in mags] == [[1, 1, 1], [2, 2, 1], [4, 4, 4]]
    assert mags[2] == {"mag": [4, 4, 4], "path": "./color/4", "cubeLength": 1024, "axisOrder": ORDER}
    with pytest.raises(MagExistsError, match="already has the mag 4") as caught:
        store.apply(op.AddMag("color", MagViewProperties(Mag(4), "./x")))
    assert isinstance(caught.value, IndexError)
    with pytest.raises(MagNotFoundError, match="has no mag 8; it has 1, 2-2-1, 4"):
        store.apply(op.RemoveMag("color", Mag(8)))
    store.apply(op.RemoveMag("color", "2-2-1"))
    assert [str(mag.mag) for mag in store.layer("color").mags] == ["1", "4"]


def test_a_replaced_mag_keeps_its_place_and_foreign_keys(store: PropertiesStore, on_disk: OnDisk) -> None:
    entry = MagViewProperties(Mag(1), "./color/one", extra={"cubeLength": 32})
    store.apply(op.AddMag("color", entry, replace=True))
    assert on_disk(store)["dataLayers"][0]["mags"][0] == {
        "mag": [1, 1, 1], "path": "./color/one", "credentialId": "secret-1", "axisOrder": ORDER,
        "cubeLength": 32,
    }  # fmt: skip


def test_setting_a_box_changes_its_numbers_only(
    store: PropertiesStore, on_disk: OnDisk, document: dict[str, Any]
) -> None:
    store.apply(op.SetBox("color", BoundingBox((5, 6, 7), (1, 2, 3))))
    document["dataLayers"][0]["boundingBox"].update(topLeft=[5, 6, 7], width=1, height=2, depth=3)
    assert on_disk(store) == document
    assert store.layer("color").bounding_box.size.to_tuple() == (3, 1, 2, 3)


def test_a_box_with_other_axes_needs_a_layer_without_mags(store: PropertiesStore, on_disk: OnDisk) -> None:
    box = NDBoundingBox((0, 0, 0, 0), (2, 8, 8, 8), ("t", "x", "y", "z"))
    for operation in (op.SetBox("seg", box), op.ExtendBox("seg", box)):
        with pytest.raises(
            LayerMismatchError, match=r"has the axes \('c', 'x', 'y', 'z'\), the box \('t', 'x', 'y', 'z'\)"
        ):
            store.apply(operation)
    store.apply(op.RemoveMag("seg", Mag(1)), op.SetBox("seg", box))
    raw = on_disk(store)["dataLayers"][1]
    assert raw["boundingBox"]["axisOrder"] == {"x": 1, "y": 2, "z": 3}
    assert raw["additionalAxes"] == [{"name": "t", "bounds": [0, 2], "index": 0}]
    store.apply(op.SetBox("seg", BoundingBox((1, 1, 1), (2, 2, 2))))
    assert store.layer("seg").bounding_box.get_bounds("t") == (0, 2)


def test_a_box_can_not_change_the_number_of_channels(store: PropertiesStore) -> None:
    with pytest.raises(LayerMismatchError, match="has 3 channels, the box 1"):
        store.apply(op.SetBox("color", BoundingBox((0, 0, 0), (8, 8, 8)).normalize_axes(1)))


def test_extending_is_a_union(store: PropertiesStore) -> None:
    store.apply(op.ExtendBox("seg", BoundingBox((10, 10, 10), (100, 5, 5))))
    box = store.layer("seg").bounding_box
    assert (box.topleft.to_tuple(), box.size.to_tuple()) == ((0, 0, 0, 0), (1, 110, 64, 64))
    store.apply(op.SetBox("seg", BoundingBox.empty()))
    store.apply(op.ExtendBox("seg", BoundingBox((10, 10, 10), (1, 1, 1))))
    assert store.layer("seg").bounding_box.topleft.to_tuple() == (0, 10, 10, 10)


def test_extending_further_axes_works_alike(store: PropertiesStore) -> None:
    axes = ("c", "t", "x", "y", "z")
    box = NDBoundingBox((0, 0, 0, 0, 0), (1, 2, 8, 8, 8), axes)
    store.apply(op.AddLayer(new_layer("nd", box)), op.AddMag("nd", MagViewProperties(Mag(1), "./nd/1")))
    store.apply(op.ExtendBox("nd", NDBoundingBox((0, 5, 0, 0, 0), (1, 1, 9, 8, 8), axes)))
    assert store.layer("nd").bounding_box.size.to_tuple() == (1, 6, 9, 8, 8)
    store.apply(op.ExtendBox("nd", BoundingBox((0, 0, 0), (1, 1, 20))))
    assert store.layer("nd").bounding_box.size.to_tuple() == (1, 6, 9, 8, 20)


def test_what_changes_nothing_writes_nothing(store: PropertiesStore) -> None:
    file = Path(store.root.url) / "datasource-properties.json"
    before, layer = file.stat(), store.layer("color")
    store.apply(
        op.ExtendBox("color", BoundingBox((2, 3, 4), (1, 1, 1))),
        op.SetBox("color", BoundingBox((1, 2, 3), (10, 20, 30))),
        op.SetLayerKey("seg", "mappings", ["a", "b"]),
        op.SetLayerKey("color", "largestSegmentId", None),
        op.SetDatasetKey("nothing", None),
    )
    assert file.stat().st_ino == before.st_ino
    assert store.layer("color") is layer


# --- keys ---------------------------------------------------------------------------------------------------


def test_view_configurations_keep_foreign_keys(store: PropertiesStore, on_disk: OnDisk) -> None:
    store.apply(op.SetLayerKey("color", "defaultViewConfiguration", LayerViewConfiguration(color=(1, 2, 3))))
    view = on_disk(store)["dataLayers"][0]["defaultViewConfiguration"]
    assert view == {"unknownInView": True, "color": [1, 2, 3]}
    assert store.layer("color").default_view_configuration == LayerViewConfiguration(color=(1, 2, 3))
    store.apply(op.SetLayerKey("color", "defaultViewConfiguration", None))
    assert "defaultViewConfiguration" not in on_disk(store)["dataLayers"][0]


def test_a_datasets_view_configuration_is_set_and_changed(store: PropertiesStore, on_disk: OnDisk) -> None:
    raw = {"zoom": 2, "x": 1, "layers": {"color": {"alpha": 1, "min": None, "is_disabled": None, "y": 2}}}
    store.apply(op.SetDatasetKey("defaultViewConfiguration", raw))
    document = on_disk(store)
    assert document["defaultViewConfiguration"] == raw
    view = DatasetViewConfiguration(position=(1, 2, 3), layers={"color": LayerViewConfiguration(alpha=5)})
    store.apply(op.SetDatasetKey("defaultViewConfiguration", view))
    assert on_disk(store)["defaultViewConfiguration"] == {
        "x": 1, "layers": {"color": {"alpha": 5, "y": 2}}, "position": [1, 2, 3],
    }  # fmt: skip
    assert store.dataset.default_view_configuration == view


def test_a_new_key_comes_where_such_files_have_it(store: PropertiesStore, on_disk: OnDisk) -> None:
    store.apply(
        op.SetLayerKey("color", "coordinateTransformations", [AffineCoordinateTransformation.identity()])
    )
    keys = list(on_disk(store)["dataLayers"][0])
    assert keys == [
        "name", "unknownInLayer", "category", "boundingBox", "dataFormat", "mags", "defaultViewConfiguration",
        "coordinateTransformations", "numChannels", "elementClass",
    ]  # fmt: skip
    store.apply(op.SetLayerKey("color", "coordinateTransformations", ()))
    assert "coordinateTransformations" not in on_disk(store)["dataLayers"][0]


def test_attachments_keep_foreign_keys_and_kinds(store: PropertiesStore, on_disk: OnDisk) -> None:
    layer = store.layer("seg")
    assert isinstance(layer, SegmentationLayerProperties)
    attachments = copy.deepcopy(layer.attachments)
    assert attachments.meshes is not None
    attachments.meshes[0].path = "./seg/meshes/other"
    attachments.meshes.append(AttachmentProperties("n", "s3://host/bucket/n", "hdf5"))
    attachments.cumsum = None
    store.apply(op.SetLayerKey("seg", "attachments", attachments))
    assert on_disk(store)["dataLayers"][1]["attachments"] == {
        "meshes": [
            {"name": "m", "path": "./seg/meshes/other", "dataFormat": "hdf5", "credentialId": "secret-2"},
            {"name": "n", "path": "s3://host/bucket/n", "dataFormat": "hdf5"},
        ],
        "unknownKind": [{"name": "u"}],
    }
    store.apply(
        op.SetLayerKey("seg", "attachments", None),
        op.SetLayerKey("seg", "attachments", AttachmentsProperties()),
    )
    assert "attachments" not in on_disk(store)["dataLayers"][1]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (5, 5),
        (np.uint64(7), 7),
        (2**53 - 1, 2**53 - 1),
        (2**53, {"customJsonEncoding": "bigint", "value": "9007199254740992"}),
        (2**64 - 1, {"customJsonEncoding": "bigint", "value": "18446744073709551615"}),
    ],
)
def test_large_segment_ids_get_an_envelope(
    store: PropertiesStore, on_disk: OnDisk, value: int, written: object
) -> None:
    store.apply(op.SetLayerKey("seg", "largestSegmentId", value))
    assert on_disk(store)["dataLayers"][1]["largestSegmentId"] == written
    layer: Any = PropertiesStore.open(store.root).layer("seg")
    assert layer.largest_segment_id == value


def test_the_datasets_own_keys_can_be_set(store: PropertiesStore, on_disk: OnDisk) -> None:
    store.apply(
        op.SetDatasetKey("id", {**store.dataset.id, "name": "renamed"}),
        op.SetDatasetKey("scale", VoxelSize((1, 2, 3), "mm")),
    )
    document = on_disk(store)
    assert document["id"] == {"name": "renamed", "team": "", "owner": "somebody"}
    assert document["scale"] == {"factor": [1.0, 2.0, 3.0], "unit": "millimeter", "measured": True}
    assert store.dataset.scale == VoxelSize((1, 2, 3), "mm")


@pytest.mark.parametrize("key", ["name", "mags", "boundingBox", "additionalAxes", "dataLayers"])
def test_the_files_structure_can_not_be_set_as_a_key(store: PropertiesStore, key: str) -> None:
    with pytest.raises(InvalidArgumentError, match="can't be set like other keys"):
        store.apply(op.SetLayerKey("color", key, 1))
    with pytest.raises(InvalidArgumentError, match="can't be set like other keys"):
        store.apply(op.SetDatasetKey(key, 1))


def test_values_that_the_file_could_not_be_opened_with_are_refused(
    store: PropertiesStore, on_disk: OnDisk, document: dict[str, Any]
) -> None:
    for operation, key in (
        (op.SetLayerKey("color", "category", "mask"), r"dataLayers\[0\].category"),
        (op.SetLayerKey("seg", "elementClass", "uint24"), r"dataLayers\[1\].elementClass"),
        (op.SetDatasetKey("scale", [0, 0, 0]), r"scale\[0\]"),
    ):
        with pytest.raises(PropertiesError, match=key):
            store.apply(operation)
    with pytest.raises(InvalidArgumentError, match="is not a coordinate transformation"):
        store.apply(op.SetLayerKey("color", "coordinateTransformations", [5]))
    assert on_disk(store) == document


def test_changes_of_a_layer_keep_every_unknown_key(
    store: PropertiesStore, on_disk: OnDisk, document: dict[str, Any]
) -> None:
    store.apply(
        op.ExtendBox("color", BoundingBox((0, 0, 0), (50, 50, 50))),
        op.AddMag("color", MagViewProperties(Mag(8), "./color/8")),
        op.RemoveMag("color", Mag("2-2-1")),
        op.RenameLayer("color", "image"),
        op.AddLayer(new_layer("third")),
        op.RemoveLayer("third"),
    )
    raw = on_disk(store)
    assert list(raw) == list(document)
    assert (raw["firstUnknown"], raw["lastUnknown"]) == (document["firstUnknown"], "kept too")
    assert raw["dataLayers"][1] == document["dataLayers"][1]
    layer = raw["dataLayers"][0]
    assert list(layer) == list(document["dataLayers"][0])
    assert layer["unknownInLayer"] == [1, 2.5, "x"]
    assert layer["boundingBox"]["unknownInBox"] == 7
    assert layer["mags"][0] == {**document["dataLayers"][0]["mags"][0], "path": "./image/1"}
    assert layer["defaultViewConfiguration"] == {"alpha": 80, "unknownInView": True}


@pytest.mark.parametrize(
    "operation",
    [
        op.AddLayer(new_layer("x")), op.RemoveLayer("x"), op.RenameLayer("x", "y"), op.RemoveMag("x", Mag(1)),
        op.AddMag("x", MagViewProperties(Mag(1), "p")), op.SetBox("x", BoundingBox.empty()),
        op.ExtendBox("x", BoundingBox.empty()), op.SetLayerKey("x", "k", 1), op.SetDatasetKey("k", 1),
    ],
    ids=lambda operation: type(operation).__name__,
)  # fmt: skip
def test_operations_are_picklable_values(operation: op.Operation) -> None:
    assert pickle.loads(pickle.dumps(operation)) == operation
