"""What the typed models say of a file: usual, old, and with more axes."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from wkplug.errors import LayerNotFoundError, MissingError, PropertiesError
from wkplug.geometry import Mag
from wkplug.properties import (
    AffineCoordinateTransformation,
    AttachmentProperties,
    DatasetProperties,
    LayerProperties,
    LayerViewConfiguration,
    PropertiesStore,
    SegmentationLayerProperties,
    VoxelSize,
    get_dataset_converter,
)

if TYPE_CHECKING:
    from wkplug.filesystems.local import LocalLocation

OpenStore = Callable[[Any], PropertiesStore]
OnDisk = Callable[[PropertiesStore], Any]


def layer_of(raw_changes: dict[str, Any], document: dict[str, Any], open_store: OpenStore) -> Any:
    document["dataLayers"] = [{**document["dataLayers"][0], **raw_changes}]
    return open_store(document).layer("color")


def test_a_layer_has_the_fields_of_its_entry(store: PropertiesStore) -> None:
    layer = store.layer("color")
    assert type(layer) is LayerProperties
    assert (layer.name, layer.category, layer.dtype, layer.num_channels, layer.data_format) == (
        "color", "color", "uint8", 3, "somewhere",
    )  # fmt: skip
    assert layer.dtype_np == np.dtype("uint8")
    box = layer.bounding_box
    assert tuple(box.axes) == ("c", "x", "y", "z")
    assert box.topleft.to_tuple() == (0, 1, 2, 3)
    assert box.size.to_tuple() == (3, 10, 20, 30)
    assert layer.default_view_configuration == LayerViewConfiguration(alpha=80)
    first, second = layer.mags
    assert (first.mag, first.path, first.axis_order) == (
        Mag(1),
        "./color/1",
        {"c": 0, "x": 1, "y": 2, "z": 3},
    )
    assert first.extra == {"credentialId": "secret-1"}
    assert second.mag == Mag("2-2-1")
    assert layer.get_mag(Mag("2-2-1")) is second
    assert layer.get_mag(Mag(4)) is None


def test_a_segmentation_layer_has_ids_mappings_and_attachments(store: PropertiesStore) -> None:
    layer = store.layer("seg")
    assert isinstance(layer, SegmentationLayerProperties)
    assert layer.largest_segment_id == 2**60
    assert layer.mappings == ["a", "b"]
    assert layer.attachments.meshes == [AttachmentProperties("m", "./seg/meshes/m", "hdf5")]
    assert layer.attachments.cumsum == AttachmentProperties("c", "/elsewhere/cumsum.json", "json")
    assert layer.attachments.agglomerates is None


def test_the_dataset_lists_its_layers_without_making_them(store: PropertiesStore) -> None:
    dataset = store.dataset
    assert dataset is store.dataset
    assert dataset.id == {"name": "example", "team": "", "owner": "somebody"}
    assert dataset.scale == VoxelSize((11, 11, 28))
    assert dataset.version == 1
    assert len(dataset.data_layers) == 2
    assert dataset.data_layers[1] is store.layer("seg")
    assert dataset.data_layers[:1] == [store.layer("color")]
    assert [layer.name for layer in dataset.data_layers] == ["color", "seg"]
    assert "LayerProperties" in repr(dataset.data_layers)
    with pytest.raises(LayerNotFoundError, match="lists no layer 'nope'; it has 'color', 'seg'") as caught:
        store.layer("nope")
    assert isinstance(caught.value, IndexError)


def test_a_dataset_object_can_be_updated_for_a_layer(store: PropertiesStore) -> None:
    dataset = store.dataset
    other = copy.copy(store.layer("color"))
    other.dtype = "uint16"
    dataset.update_for_layer("color", other)
    assert dataset.data_layers[0].dtype == "uint16"
    with pytest.raises(LayerNotFoundError):
        dataset.update_for_layer("nope", other)


@pytest.mark.parametrize("value", [12, 12.0, "12", {"customJsonEncoding": "bigint", "value": "12"}])
def test_segment_ids_are_read_in_every_spelling(
    document: dict[str, Any], open_store: OpenStore, value: Any
) -> None:
    document["dataLayers"][1]["largestSegmentId"] = value
    layer: Any = open_store(document).layer("seg")
    assert layer.largest_segment_id == 12
    assert type(layer.largest_segment_id) is int


@pytest.mark.parametrize(
    ("value", "mag"), [(2, Mag(2)), ("2", Mag(2)), ("2-2-1", Mag("2-2-1")), ([4, 4, 2], Mag("4-4-2"))]
)
def test_mags_are_read_in_every_spelling(
    document: dict[str, Any], open_store: OpenStore, value: Any, mag: Mag
) -> None:
    layer = layer_of({"mags": [{"mag": value, "path": "p"}]}, document, open_store)
    assert layer.mags[0].mag == mag


# --- more axes ----------------------------------------------------------------------------------------------


def test_more_axes_come_from_axis_order_and_additional_axes(
    document: dict[str, Any], open_store: OpenStore
) -> None:
    layer = layer_of(
        {
            "mags": [{"mag": [1, 1, 1], "path": "p", "axisOrder": {"c": 1, "x": 2, "y": 3, "z": 4}}],
            "additionalAxes": [{"name": "t", "bounds": [4, 9], "index": 0}],
        },
        document,
        open_store,
    )
    assert tuple(layer.bounding_box.axes) == ("t", "c", "x", "y", "z")
    assert layer.bounding_box.get_bounds("t") == (4, 9)
    assert layer.bounding_box.get_bounds("c") == (0, 3)


def test_a_channel_index_moves_the_box_along_the_channels(
    document: dict[str, Any], open_store: OpenStore
) -> None:
    order = {"c": 0, "x": 1, "y": 2, "z": 3}
    layer = layer_of(
        {"mags": [{"mag": [1, 1, 1], "path": "p", "axisOrder": order, "channelIndex": 2}]},
        document,
        open_store,
    )
    assert layer.bounding_box.get_bounds("c") == (2, 5)


def test_without_mags_the_axis_order_stands_in_the_box(
    document: dict[str, Any], open_store: OpenStore
) -> None:
    box = document["dataLayers"][0]["boundingBox"]
    layer = layer_of(
        {
            "mags": [],
            "numChannels": 1,
            "elementClass": "uint8",
            "boundingBox": {**box, "axisOrder": {"x": 1, "y": 2, "z": 3}},
            "additionalAxes": [{"name": "t", "bounds": [0, 2], "index": 0}],
        },
        document,
        open_store,
    )
    assert tuple(layer.bounding_box.axes) == ("t", "x", "y", "z")
    assert layer.num_channels == 1


def test_a_layer_without_z_has_null_there(document: dict[str, Any], open_store: OpenStore) -> None:
    layer = layer_of(
        {
            "boundingBox": {"topLeft": [1, 2, None], "width": 10, "height": 20, "depth": None},
            "mags": [{"mag": [1, 1, 1], "path": "p", "axisOrder": {"c": 0, "x": 1, "y": 2}}],
        },
        document,
        open_store,
    )
    assert tuple(layer.bounding_box.axes) == ("c", "x", "y")
    assert layer.bounding_box.size.to_tuple() == (3, 10, 20)


def test_additional_axes_need_an_axis_order(document: dict[str, Any], open_store: OpenStore) -> None:
    with pytest.raises(PropertiesError, match=r"dataLayers\[0\].additionalAxes needs an axisOrder"):
        layer_of(
            {
                "mags": [{"mag": [1, 1, 1], "path": "p"}],
                "additionalAxes": [{"name": "t", "bounds": [0, 2], "index": 0}],
            },
            document,
            open_store,
        )


def test_negative_lengths_of_early_writers_mean_the_other_side(
    document: dict[str, Any], open_store: OpenStore
) -> None:
    layer = layer_of(
        {"boundingBox": {"topLeft": [10, 0, 0], "width": -4, "height": 5, "depth": 6}}, document, open_store
    )
    assert layer.bounding_box.topleft.to_tuple() == (0, 6, 0, 0)
    assert layer.bounding_box.size.to_tuple() == (3, 4, 5, 6)


# --- old files ----------------------------------------------------------------------------------------------


def old_document() -> dict[str, Any]:
    return {
        "id": {"name": "old", "team": "t"},
        "scale": [11, 12, 13],
        "dataLayers": [
            {
                "dataFormat": "somewhere",
                "name": "rgb",
                "category": "color",
                "elementClass": "uint24",
                "boundingBox": {"topLeft": [0, 0, 0], "width": 24, "height": 24, "depth": 24},
                "wkwResolutions": [
                    {"resolution": 1, "cubeLength": 32, "credentialId": "s"},
                    {"resolution": [2, 2, 2], "cubeLength": 32},
                ],
            },
            {
                "dataFormat": "somewhere",
                "name": "seg",
                "category": "segmentation",
                "elementClass": "uint32",
                "boundingBox": {"topLeft": [0, 0, 0], "width": 24, "height": 24, "depth": 24},
                "mags": [{"mag": "1"}],
            },
        ],
    }


@pytest.fixture
def old_root(tmp_path: Path, write: Callable[[Any], LocalLocation]) -> LocalLocation:
    root = write(old_document())
    for folder in ("rgb/1", "rgb/2-2-2", "seg/1"):
        (Path(root.url) / folder).mkdir(parents=True)
    return root


def test_files_of_old_releases_open(old_root: LocalLocation) -> None:
    store = PropertiesStore.open(old_root, dialects=lambda _: ())
    assert store.dataset.scale == VoxelSize((11, 12, 13))
    assert store.dataset.version == 1
    rgb, seg = store.layer("rgb"), store.layer("seg")
    assert (rgb.num_channels, rgb.dtype) == (3, "uint8")
    assert [(mag.mag, mag.path) for mag in rgb.mags] == [(Mag(1), "./rgb/1"), (Mag(2), "./rgb/2-2-2")]
    assert rgb.mags[0].cube_length == 32
    assert rgb.mags[0].extra["credentialId"] == "s"
    assert isinstance(seg, SegmentationLayerProperties)
    assert (seg.largest_segment_id, seg.mappings, bool(seg.attachments)) == (None, [], False)
    assert seg.num_channels == 1
    assert seg.mags[0].path == "./seg/1"


def test_opening_an_old_file_does_not_write_it_and_the_next_change_does(
    old_root: LocalLocation, on_disk: OnDisk
) -> None:
    from wkplug.properties import operations

    store = PropertiesStore.open(old_root, dialects=lambda _: ())
    assert on_disk(store) == old_document()
    store.apply(operations.SetLayerKey("seg", "largestSegmentId", 5))
    written = on_disk(store)
    assert written["scale"] == {"factor": [11.0, 12.0, 13.0], "unit": "nanometer"}
    assert written["version"] == 1
    rgb = written["dataLayers"][0]
    assert "wkwResolutions" not in rgb
    order = {"c": 0, "x": 1, "y": 2, "z": 3}
    assert rgb["mags"] == [
        {"mag": [1, 1, 1], "path": "./rgb/1", "cubeLength": 32, "credentialId": "s", "axisOrder": order},
        {"mag": [2, 2, 2], "path": "./rgb/2-2-2", "cubeLength": 32, "axisOrder": order},
    ]
    assert list(rgb["mags"][0])[:3] == ["mag", "path", "cubeLength"]
    assert rgb["numChannels"] == 3
    assert written["dataLayers"][1]["largestSegmentId"] == 5


def test_a_mag_without_path_that_is_nowhere_is_its_layers_error(old_root: LocalLocation) -> None:
    (Path(old_root.url) / "rgb" / "2-2-2").rmdir()
    store = PropertiesStore.open(old_root)
    assert store.layer(store.layer_names()[1]).name == "seg"
    with pytest.raises(
        MissingError, match="lists the mag 2 without a path, but neither rgb/2 nor rgb/2-2-2"
    ) as caught:
        store.layer("rgb")
    assert isinstance(caught.value, FileNotFoundError)


def test_a_scale_without_unit_means_nanometers(document: dict[str, Any], open_store: OpenStore) -> None:
    del document["scale"]["unit"]
    assert open_store(document).dataset.scale == VoxelSize((11, 11, 28))
    document["scale"]["unit"] = "µm"
    assert open_store(document).dataset.scale.to_nanometer().to_tuple() == (11e3, 11e3, 28e3)


# --- the generic converter ----------------------------------------------------------------------------------


def test_the_converter_structures_and_unstructures_whole_documents(document: dict[str, Any]) -> None:
    converter = get_dataset_converter()
    assert converter is get_dataset_converter()
    document["dataLayers"][0]["coordinateTransformations"] = [
        AffineCoordinateTransformation.identity().to_json()
    ]
    dataset = converter.structure(document, DatasetProperties)
    assert dataset.data_layers[0].coordinate_transformations == [AffineCoordinateTransformation.identity()]
    again = converter.structure(converter.unstructure(dataset), DatasetProperties)
    assert again == dataset
    assert converter.structure({"mag": 2}, type(dataset.data_layers[0].mags[0])).mag == Mag(2)
    with pytest.raises(PropertiesError, match="document: dataLayers"):
        converter.structure({**document, "dataLayers": 5}, DatasetProperties)
    old = converter.structure(old_document(), DatasetProperties)
    assert [mag.path for mag in old.data_layers[0].mags] == [None, None]


def test_opening_imports_neither_numpy_nor_cattrs(store: PropertiesStore) -> None:
    code = (
        "import sys\n"
        "from wkplug.filesystems.local import LocalLocation\n"
        "from wkplug.properties import PropertiesStore\n"
        f"store = PropertiesStore.open(LocalLocation({store.root.url!r}))\n"
        "store.layer('seg')\n"
        "assert not {'numpy', 'cattrs', 'fsspec'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
