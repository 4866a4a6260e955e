"""From the JSON of a checked document to the typed models, one layer at a time, by hand.

Plain code instead of a generic converter: it is what every opening and reading passes through, and the forms
that files have had over the years don't follow from the classes. Nothing here checks; `check` has done so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wkplug.geometry import Mag, NormalizedBoundingBox
from wkplug.properties.check import mag_of, read_segment_id
from wkplug.properties.element_class import dtype_from_element_class, guess_num_channels
from wkplug.properties.models import (
    CURRENT_VERSION,
    AttachmentProperties,
    AttachmentsProperties,
    DatasetProperties,
    LayerProperties,
    MagViewProperties,
    SegmentationLayerProperties,
)
from wkplug.properties.transformations import transformation_from_json
from wkplug.properties.units import VoxelSize
from wkplug.properties.view_configuration import dataset_view_from_json, layer_view_from_json

__all__ = ["box_from_json", "dataset_from_json", "layer_from_json", "mag_from_json", "voxel_size_from_json"]

_MAG_KEYS = frozenset({"mag", "path", "axisOrder", "channelIndex"})


def voxel_size_from_json(raw: Any) -> VoxelSize:
    """Read `scale`, with its unit or, as of old, a plain list of nanometres."""
    if isinstance(raw, Mapping):
        return VoxelSize(raw["factor"], raw.get("unit") or "nanometer")
    return VoxelSize(raw)


def dataset_from_json(raw: Mapping[str, Any], layers: Sequence[LayerProperties]) -> DatasetProperties:
    """Read everything but the layers, which come structured (or structure themselves on access)."""
    return DatasetProperties(
        id=dict(raw["id"]),
        scale=voxel_size_from_json(raw["scale"]),
        data_layers=layers,
        version=raw.get("version", CURRENT_VERSION),
        default_view_configuration=dataset_view_from_json(raw.get("defaultViewConfiguration")),
    )


def mag_from_json(raw: Mapping[str, Any]) -> MagViewProperties:
    """Read one entry of `mags`."""
    order = raw.get("axisOrder")
    return MagViewProperties(
        mag=Mag(list(mag_of(raw["mag"]) or raw["mag"])),
        path=raw.get("path"),
        axis_order=None if order is None else dict(order),
        extra={key: value for key, value in raw.items() if key not in _MAG_KEYS},
    )


def box_from_json(raw: Mapping[str, Any]) -> NormalizedBoundingBox:
    """Read a layer's box: from `boundingBox`, `numChannels`, `additionalAxes` and the mags' `axisOrder`."""
    box = raw["boundingBox"]
    described = {
        "topLeft": [start or 0 for start in box["topLeft"]],
        "width": box["width"] or 0,
        "height": box["height"] or 0,
        "depth": box["depth"] or 0,
        "numChannels": num_channels_of(raw),
    }
    if raw.get("additionalAxes"):
        described["additionalAxes"] = raw["additionalAxes"]
    mags = raw["mags"]
    for place in (*mags, box):
        if place.get("axisOrder") is not None:
            described["axisOrder"] = place["axisOrder"]
            break
    channel_index = (mags[0] if mags else box).get("channelIndex", 0)
    if channel_index:
        described["channelIndex"] = channel_index
    return NormalizedBoundingBox.from_wkw_dict(described)


def num_channels_of(raw: Mapping[str, Any]) -> int:
    """Give `numChannels`, guessed where old files lack it."""
    given: int | None = raw.get("numChannels")
    return guess_num_channels(raw["elementClass"]) if given is None else given


def layer_from_json(raw: Mapping[str, Any]) -> LayerProperties:
    """Read one layer; a SegmentationLayerProperties where the category says so."""
    num_channels = num_channels_of(raw)
    transformations = raw.get("coordinateTransformations")
    common: dict[str, Any] = {
        "name": raw["name"],
        "category": raw["category"],
        "bounding_box": box_from_json(raw),
        "dtype": dtype_from_element_class(raw["elementClass"], num_channels),
        "data_format": raw["dataFormat"],
        "mags": [mag_from_json(mag) for mag in raw["mags"]],
        "default_view_configuration": layer_view_from_json(raw.get("defaultViewConfiguration")),
        "coordinate_transformations": (
            [transformation_from_json(entry) for entry in transformations] if transformations else None
        ),
        "num_channels": num_channels,
    }
    if raw["category"] != "segmentation":
        return LayerProperties(**common)
    return SegmentationLayerProperties(
        **common,
        largest_segment_id=read_segment_id(raw.get("largestSegmentId")),
        mappings=list(raw.get("mappings") or ()),
        attachments=_attachments(raw.get("attachments") or {}),
    )


def _attachments(raw: Mapping[str, Any]) -> AttachmentsProperties:
    def several(kind: str) -> list[AttachmentProperties] | None:
        entries = raw.get(kind)
        return [_attachment(entry) for entry in entries] if entries else None

    def one(kind: str) -> AttachmentProperties | None:
        entry = raw.get(kind)
        return None if entry is None else _attachment(entry)

    return AttachmentsProperties(
        meshes=several("meshes"),
        agglomerates=several("agglomerates"),
        segment_index=one("segmentIndex"),
        segment_statistics=one("segmentStatistics"),
        cumsum=one("cumsum"),
        connectomes=several("connectomes"),
    )


def _attachment(raw: Mapping[str, Any]) -> AttachmentProperties:
    return AttachmentProperties(name=raw["name"], path=raw["path"], data_format=raw["dataFormat"])
