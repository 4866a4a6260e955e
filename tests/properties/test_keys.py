"""Setting single keys of layers and datasets, and keeping those that nobody here knows."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wkplug.errors import (
    InvalidArgumentError,
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
