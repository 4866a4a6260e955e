"""A cattrs converter for the models, for users who structure and unstructure them generically.

The library itself doesn't use it (see `structure` and `unstructure`, to which its hooks lead), and importing
cattrs costs more than opening a dataset; so it is built at the first call.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from wkplug.properties.check import check_dataset, check_layer
from wkplug.properties.models import (
    DatasetProperties,
    LayerProperties,
    MagViewProperties,
    SegmentationLayerProperties,
)
from wkplug.properties.state import is_old_layer, update_layer
from wkplug.properties.structure import (
    dataset_from_json,
    layer_from_json,
    mag_from_json,
    voxel_size_from_json,
)
from wkplug.properties.units import VoxelSize
from wkplug.properties.unstructure import dataset_to_json, layer_to_json, mag_to_json, voxel_size_to_json
from wkplug.properties.view_configuration import (
    DatasetViewConfiguration,
    LayerViewConfiguration,
    dataset_view_from_json,
    layer_view_from_json,
    view_to_json,
)

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["get_dataset_converter"]


@lru_cache(maxsize=1)
def get_dataset_converter() -> Converter:
    """Give the converter between the models and JSON values. Built once; the same object at each call.

    `converter.structure(document, DatasetProperties)` checks the document first: PropertiesError (a
    ValueError).
    """
    from cattrs import Converter

    converter = Converter()
    for kind, structure, unstructure in (
        (DatasetProperties, _dataset, dataset_to_json),
        (LayerProperties, _layer, layer_to_json),
        (SegmentationLayerProperties, _layer, layer_to_json),
        (MagViewProperties, mag_from_json, mag_to_json),
        (VoxelSize, voxel_size_from_json, voxel_size_to_json),
        (LayerViewConfiguration, layer_view_from_json, view_to_json),
        (DatasetViewConfiguration, dataset_view_from_json, view_to_json),
    ):
        converter.register_structure_hook(kind, _ignoring_type(structure))
        converter.register_unstructure_hook(kind, unstructure)
    return converter


def _ignoring_type(structure: Any) -> Any:
    def hook(value: Any, kind: Any) -> Any:
        del kind
        return structure(value)

    return hook


def _dataset(raw: dict[str, Any]) -> DatasetProperties:
    check_dataset(raw, "document")
    return dataset_from_json(
        raw, [_layer(layer, f"dataLayers[{n}]") for n, layer in enumerate(raw["dataLayers"])]
    )


def _layer(raw: dict[str, Any], where: str = "layer") -> LayerProperties:
    check_layer(raw, "document", where)
    return layer_from_json(update_layer(raw, None) if is_old_layer(raw) else raw)
