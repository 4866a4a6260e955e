"""From the typed models to JSON, in the order of keys that such files have always had.

Values that equal their default are left out. Where an object of the same kind is in the file already, `merge`
keeps what other software added to it.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import InvalidArgumentError
from wkplug.properties.document import LAYER_ORDER, MAG_ORDER, merge, put
from wkplug.properties.element_class import element_class_from_dtype
from wkplug.properties.models import (
    AttachmentProperties,
    AttachmentsProperties,
    DatasetProperties,
    LayerProperties,
    MagViewProperties,
    SegmentationLayerProperties,
)
from wkplug.properties.transformations import CoordinateTransformation
from wkplug.properties.units import VoxelSize
from wkplug.properties.view_configuration import (
    DatasetViewConfiguration,
    LayerViewConfiguration,
    view_keys,
    view_to_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wkplug.geometry import NormalizedBoundingBox

__all__ = [
    "box_into_json",
    "dataset_to_json",
    "layer_to_json",
    "mag_to_json",
    "segment_id_to_json",
    "value_into_json",
    "voxel_size_to_json",
]

_LARGEST_PLAIN = 2**53 - 1
_ATTACHMENT_KEYS = {
    "meshes": "meshes",
    "agglomerates": "agglomerates",
    "segment_index": "segmentIndex",
    "segment_statistics": "segmentStatistics",
    "cumsum": "cumsum",
    "connectomes": "connectomes",
}
_ATTACHMENT_ENTRY = ("name", "path", "dataFormat")


def voxel_size_to_json(voxel_size: VoxelSize) -> dict[str, Any]:
    """Write `scale`."""
    return {"factor": [float(length) for length in voxel_size.factor], "unit": voxel_size.unit.value}


def segment_id_to_json(value: int) -> Any:
    """Write `largestSegmentId`; beyond 2^53 - 1 as an object, because JavaScript would round the number."""
    if abs(value) <= _LARGEST_PLAIN:
        return int(value)
    return {"customJsonEncoding": "bigint", "value": str(int(value))}


def mag_to_json(mag: MagViewProperties, old: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write one entry of `mags`; what `old` has besides stays."""
    new: dict[str, Any] = {"mag": mag.mag.to_list()}
    if mag.path is not None:
        new["path"] = mag.path
    new.update(mag.extra)
    if mag.cube_length is not None:
        new["cubeLength"] = mag.cube_length
    if mag.axis_order is not None:
        new["axisOrder"] = dict(mag.axis_order)
    return merge(old, new, frozenset(), MAG_ORDER)


def box_into_json(raw: Mapping[str, Any], box: NormalizedBoundingBox) -> dict[str, Any]:
    """Give the layer another box: `boundingBox`, `additionalAxes`, and where its channels and axes are."""
    described = box.to_wkw_dict()
    spatial = {key: described[key] for key in ("topLeft", "width", "height", "depth")}
    axis_order, channel_index = described.get("axisOrder"), described.get("channelIndex")
    old_box = raw.get("boundingBox", {})
    result = put(raw, "boundingBox", {**old_box, **spatial}, LAYER_ORDER)
    mags = [
        _placed({**mag, "axisOrder": mag.get("axisOrder") or axis_order}, channel_index)
        for mag in raw["mags"]
    ]
    result = put(result, "mags", mags, LAYER_ORDER)
    if result["mags"]:
        result["boundingBox"].pop("axisOrder", None)
        result["boundingBox"].pop("channelIndex", None)
    else:
        result["boundingBox"] = _placed({**result["boundingBox"], "axisOrder": axis_order}, channel_index)
    old_axes = {axis["name"]: axis for axis in raw.get("additionalAxes") or ()}
    axes = [{**old_axes.get(axis["name"], {}), **axis} for axis in described.get("additionalAxes") or ()]
    if axes:
        return put(result, "additionalAxes", axes, LAYER_ORDER)
    result.pop("additionalAxes", None)
    return result


def _placed(raw: dict[str, Any], channel_index: int | None) -> dict[str, Any]:
    """Set or remove `channelIndex`, which is written only where the channels don't start at the first."""
    if channel_index:
        raw["channelIndex"] = channel_index
    else:
        raw.pop("channelIndex", None)
    return raw


def layer_to_json(layer: LayerProperties, like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write a layer that is new to the file; `like` has a box whose unknown keys it gets."""
    raw: dict[str, Any] = {
        "name": layer.name,
        "category": layer.category,
        "boundingBox": {},
        "dataFormat": str(layer.data_format),
        "mags": [mag_to_json(mag) for mag in layer.mags],
        "defaultViewConfiguration": layer.default_view_configuration,
        "coordinateTransformations": layer.coordinate_transformations,
    }
    if isinstance(layer, SegmentationLayerProperties):
        raw["largestSegmentId"] = layer.largest_segment_id
        raw["mappings"] = layer.mappings
        raw["attachments"] = layer.attachments
    raw["numChannels"] = layer.num_channels
    raw["elementClass"] = element_class_from_dtype(str(layer.dtype), layer.num_channels)
    written = {key: value_into_json(key, value, None) for key, value in raw.items()}
    kept = {key: value for key, value in written.items() if value is not None}
    if like is not None:
        # What belongs to the box itself is overwritten, and what nobody here knows stays.
        kept["boundingBox"] = deepcopy(like.get("boundingBox") or {})
        kept["additionalAxes"] = deepcopy(like.get("additionalAxes") or [])
    return box_into_json(kept, layer.bounding_box)


def dataset_to_json(dataset: DatasetProperties) -> dict[str, Any]:
    """Write a whole document."""
    raw: dict[str, Any] = {
        "id": dict(dataset.id),
        "scale": voxel_size_to_json(dataset.scale),
        "dataLayers": [layer_to_json(layer) for layer in dataset.data_layers],
        "version": dataset.version,
    }
    if dataset.default_view_configuration is not None:
        raw["defaultViewConfiguration"] = view_to_json(dataset.default_view_configuration)
    return raw


def value_into_json(key: str, value: Any, old: Any) -> Any:
    """Write the value of a layer's or dataset's key, typed or plain; None where the key is to be left out.

    `old` is what the file has there: unknown keys in it stay.
    """
    if value is None:
        return None
    if isinstance(value, (LayerViewConfiguration, DatasetViewConfiguration)):
        return _view(value, old)
    if isinstance(value, VoxelSize):
        new = voxel_size_to_json(value)
        return merge(old, new, frozenset(new), tuple(new)) if isinstance(old, dict) else new
    if isinstance(value, AttachmentsProperties):
        return _attachments(value, old) or None
    if key == "largestSegmentId" and not isinstance(value, dict):
        return segment_id_to_json(value)
    if key == "coordinateTransformations":
        return _transformations(value) or None
    if key == "mappings":
        return [str(mapping) for mapping in value] or None
    return value


def _view(view: LayerViewConfiguration | DatasetViewConfiguration, old: Any) -> dict[str, Any]:
    new = view_to_json(view)
    if not isinstance(old, dict):
        return new
    known = view_keys(type(view))
    if isinstance(new.get("layers"), dict) and isinstance(old.get("layers"), dict):
        nested = view_keys(LayerViewConfiguration)
        fields = {field.name for field in attrs.fields(LayerViewConfiguration)}
        new["layers"] = {
            # The snake case names are those of a known slip of another writer; they are ours to replace.
            name: merge(old["layers"].get(name), layer, nested | fields, ())
            for name, layer in new["layers"].items()
        }
    return merge(old, new, known, tuple(new))


def _transformations(values: Iterable[Any]) -> list[dict[str, Any]]:
    result = []
    for value in values:
        if isinstance(value, CoordinateTransformation):
            result.append(value.to_json())
        elif isinstance(value, dict):
            result.append(value)
        else:
            raise InvalidArgumentError(f"{value!r} is not a coordinate transformation.")
    return result


def _attachments(attachments: AttachmentsProperties, old: Any) -> dict[str, Any]:
    before: dict[str, Any] = old if isinstance(old, dict) else {}
    new: dict[str, Any] = {}
    for name, key in _ATTACHMENT_KEYS.items():
        value = getattr(attachments, name)
        if not value:
            continue
        if isinstance(value, AttachmentProperties):
            new[key] = _attachment(value, [before.get(key)])
        else:
            new[key] = [_attachment(entry, before.get(key) or ()) for entry in value]
    return merge(before, new, frozenset(_ATTACHMENT_KEYS.values()), tuple(_ATTACHMENT_KEYS.values()))


def _attachment(entry: AttachmentProperties, olds: Sequence[Any]) -> dict[str, Any]:
    data_format = getattr(entry.data_format, "value", entry.data_format)
    new = {"name": entry.name, "path": str(entry.path), "dataFormat": str(data_format)}
    old = next((raw for raw in olds if isinstance(raw, dict) and raw.get("name") == entry.name), None)
    return merge(old, new, frozenset(_ATTACHMENT_ENTRY), _ATTACHMENT_ENTRY)
