from typing import Any

import numpy as np

from wkplug.properties import DatasetViewConfiguration, LayerViewConfiguration
from wkplug.properties.schema import write
from wkplug.properties.view_configuration import dataset_view_from_json, layer_view_from_json

LAYER_JSON = {
    "color": [255, 0, 10],
    "alpha": 80.5,
    "intensityRange": [0.0, 255.0],
    "min": 0,
    "max": 200,
    "isDisabled": False,
    "isInverted": True,
    "isInEditMode": False,
    "mapping": {"name": "m", "type": "HDF5"},
}
DATASET_JSON = {
    "fourBit": True,
    "interpolation": False,
    "renderMissingDataBlack": True,
    "loadingStrategy": "BEST_QUALITY_FIRST",
    "segmentationPatternOpacity": 40,
    "zoom": 0.5,
    "position": [1, 2, 3],
    "rotation": [0, 90, 0],
    "layers": {"color": {"alpha": 10, "isInverted": False}},
    "colorLayerOrder": ["b", "a"],
    "blendMode": "Additive",
    "nativelyRenderedLayerName": "a",
}


def test_all_fields_of_a_layer_go_to_json_and_back() -> None:
    view = layer_view_from_json(LAYER_JSON)
    assert view == LayerViewConfiguration(
        color=(255, 0, 10), alpha=80.5, intensity_range=(0.0, 255.0), min=0, max=200, is_disabled=False,
        is_inverted=True, is_in_edit_mode=False, mapping={"name": "m", "type": "HDF5"},
    )  # fmt: skip
    assert view is not None
    assert write(view) == LAYER_JSON
    assert list(write(view)) == list(LAYER_JSON)


def test_all_fields_of_a_dataset_go_to_json_and_back() -> None:
    view = dataset_view_from_json(DATASET_JSON)
    assert view is not None
    assert view.layers == {"color": LayerViewConfiguration(alpha=10, is_inverted=False)}
    assert view.position == (1, 2, 3)
    assert write(view) == DATASET_JSON
    assert list(write(view)) == list(DATASET_JSON)


def test_what_was_never_set_is_none_and_not_written() -> None:
    assert layer_view_from_json(None) is None
    assert dataset_view_from_json(None) is None
    assert write(LayerViewConfiguration()) == {}
    assert write(DatasetViewConfiguration(zoom=2)) == {"zoom": 2}
    assert layer_view_from_json({"alpha": None, "unknown": 3}) == LayerViewConfiguration()


def test_nested_configurations_in_snake_case_are_read() -> None:
    view = dataset_view_from_json(
        {"layers": {"a": {"intensity_range": [1, 2], "is_disabled": True, "alpha": None}}}
    )
    assert view is not None
    assert view.layers == {"a": LayerViewConfiguration(intensity_range=(1, 2), is_disabled=True)}


def test_configurations_are_mutable_and_take_numpy_values() -> None:
    view = LayerViewConfiguration()
    view.alpha = np.float64(3)
    color: Any = np.array([1, 2, 3])
    view.color = color
    assert write(view) == {"color": [1, 2, 3], "alpha": 3.0}
    assert type(write(view)["color"][0]) is int
