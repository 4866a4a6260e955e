"""Operations: what each does to the document, and that nobody else's keys are lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wkplug.errors import (
    LayerExistsError,
    LayerMismatchError,
    LayerNameError,
    LayerNotFoundError,
    MagExistsError,
    MagNotFoundError,
)
from wkplug.geometry import BoundingBox, Mag, NDBoundingBox
from wkplug.properties import (
    AffineCoordinateTransformation,
    AttachmentProperties,
    AttachmentsProperties,
    LayerProperties,
    LayerViewConfiguration,
    MagViewProperties,
    PropertiesStore,
    SegmentationLayerProperties,
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
