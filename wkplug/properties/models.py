"""The metadata of datasource-properties.json: what datasets, layers, mags and attachments are, typed and in the file.

The classes are the table of all fields (`schema`): a new one is one line here. They are read from the document and
handed to operations; changing one changes no file. The document itself, a plain JSON object with whatever else other
software keeps in it, is the truth (`state`).

By hand is what says one thing in several keys: a layer's box stands in `boundingBox`, `additionalAxes` and in the
`axisOrder` and `channelIndex` of its mags, its dtype in `elementClass` and `numChannels`. Documents of older releases
are brought up to date in memory.

Data formats are plain text here: which exist is the registry's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import LayerNotFoundError, PropertiesError, UnsupportedVersionError
from wkplug.geometry import Mag, NormalizedBoundingBox
from wkplug.properties.document import merge, put
from wkplug.properties.schema import (
    OVER_SEVERAL_KEYS,
    SEGMENT_ID,
    TEXT,
    TEXTS,
    Wrong,
    anything,
    check_depth,
    check_each,
    check_element_class,
    check_fields,
    check_list,
    check_object,
    check_text,
    describe,
    dtype_from_element_class,
    element_class_from_dtype,
    existing_name_problem,
    fields_of,
    kind,
    missing,
    num_channels_of,
    read,
    write,
    wrong,
)  # fmt: skip
from wkplug.properties.transformations import TRANSFORMATIONS, CoordinateTransformation
from wkplug.properties.units import VOXEL_SIZE, VoxelSize, voxel_size_from_json, voxel_size_to_json
from wkplug.properties.view_configuration import (
    DATASET_VIEW,
    LAYER_VIEW,
    DatasetViewConfiguration,
    LayerViewConfiguration,
    dataset_view_from_json,
    layer_view_from_json,
)

if TYPE_CHECKING:
    import numpy as np
    from cattrs import Converter

__all__ = [
    "CURRENT_VERSION", "DATASET_ORDER", "FACTS_KEY", "LAYER_ORDER", "AttachmentProperties", "AttachmentsProperties",
    "DatasetProperties", "LayerProperties", "MagViewProperties", "SegmentationLayerProperties", "box_into_json",
    "check_dataset", "check_layer", "dataset_from_json", "get_dataset_converter", "is_old_layer", "layer_from_json",
    "layer_to_json", "mag_of", "mag_to_json", "update_dataset", "update_layer", "value_to_json",
]  # fmt: skip

CURRENT_VERSION = 1


_AXES = frozenset({"c", "x", "y", "z"})


def _as_dict(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(values)


# --- mags -------------------------------------------------------------------------------------------------


def mag_of(value: Any) -> tuple[int, int, int] | None:
    """Read a mag in any of its spellings (2, "2", "2-2-1", [2, 2, 1]); None if it is none."""
    numbers = value
    if type(value) is int:
        numbers = [value] * 3
    elif type(value) is str:
        parts = value.split("-")
        if not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts):
            return None
        numbers = [int(part) for part in parts] * (3 if len(parts) == 1 else 1)
    if type(numbers) is not list or len(numbers) != 3:
        return None
    x, y, z = numbers
    if not type(x) is type(y) is type(z) is int or x < 1 or y < 1 or z < 1:
        return None
    return None if x & (x - 1) or y & (y - 1) or z & (z - 1) else (x, y, z)


def _check_mag(value: Any) -> None:
    if mag_of(value) is None:
        raise wrong(f"must be a magnification, made of powers of two, not {describe(value)}")


def _check_path(path: Any) -> None:
    if type(path) is not str or not path or "\0" in path:
        raise wrong(f"must be a path or URL, not {describe(path)}")


def _check_axis_order(order: Any) -> None:
    check_object(order)
    for axis, position in order.items():
        if axis not in _AXES:
            raise wrong(f"may name c, x, y and z, not {axis!r}; other axes belong to additionalAxes")
        if type(position) is not int or position < 0:
            raise wrong(f"must be a whole number, not {describe(position)}", axis)
    if len(set(order.values())) != len(order):
        raise wrong("gives two axes the same position")


_MAG = kind(_check_mag, dump=lambda mag, _: mag.to_list())
_PATH = kind(_check_path)
_AXIS_ORDER = kind(_check_axis_order, dict)


@attrs.define
class MagViewProperties:
    """One mag of a layer.

    path: relative to the dataset ("./color/1") where it lies inside, otherwise absolute or a URL.
    axis_order: array axis -> position, for c, x, y and z; None lets the layer's box say it.
    extra: whatever else the entry holds; what the storage format keeps there (`ArrayBackend.mag_properties`),
        and what other software added.
    cube_length: the entry `cubeLength` of `extra`, where users look for it.
    facts: a copy of the array's own metadata, as `wkplug.storage.ArrayFacts` writes it; None where there is none.
    """

    mag: Mag = attrs.field(converter=Mag, metadata=_MAG)
    path: str | None = attrs.field(default=None, metadata=_PATH)
    cube_length: int | None = attrs.field(default=None, metadata=OVER_SEVERAL_KEYS)
    axis_order: dict[str, int] | None = attrs.field(default=None, metadata=_AXIS_ORDER)
    extra: dict[str, Any] = attrs.field(
        factory=dict, kw_only=True, converter=_as_dict, metadata=OVER_SEVERAL_KEYS
    )
    facts: Any = attrs.field(default=None, kw_only=True, repr=False, metadata=OVER_SEVERAL_KEYS)

    def __attrs_post_init__(self) -> None:
        if self.cube_length is None:
            self.cube_length = self.extra.get("cubeLength")
        else:
            self.extra.setdefault("cubeLength", self.cube_length)


FACTS_KEY = "wkplugArray"
"""Ours, in the entry of a mag: `MagViewProperties.facts`."""
_MAG_KEYS = frozenset({*(field.key for field in fields_of(MagViewProperties)), "channelIndex"})
MAG_ORDER = ("mag", "path", "axisOrder", "channelIndex")


def mag_from_json(raw: Mapping[str, Any]) -> MagViewProperties:
    """Read one entry of `mags`."""
    if raw.keys() <= _MAG_KEYS:
        return read(MagViewProperties, raw, extra={})
    extra = {key: value for key, value in raw.items() if key not in _MAG_KEYS}
    return read(MagViewProperties, raw, facts=extra.pop(FACTS_KEY, None), extra=extra)


def mag_to_json(mag: MagViewProperties, old: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write one entry of `mags`; what `old` has besides stays."""
    written = write(mag)
    new = {key: written[key] for key in ("mag", "path") if key in written} | mag.extra
    if mag.cube_length is not None:
        new["cubeLength"] = mag.cube_length
    if mag.facts is not None:
        new[FACTS_KEY] = mag.facts
    return merge(old, new | written, frozenset({FACTS_KEY}), MAG_ORDER)


_MAGS = kind(
    parse=lambda mags: [mag_from_json(mag) for mag in mags],
    dump=lambda mags, _: [mag_to_json(mag) for mag in mags],
)


# --- attachments ------------------------------------------------------------------------------------------


@attrs.define
class AttachmentProperties:
    """One attachment of a segmentation layer: a file or folder with meshes, agglomerates or the like."""

    name: str = attrs.field(metadata=TEXT)
    path: str = attrs.field(metadata=kind(check_text, dump=lambda path, _: str(path)))
    data_format: str = attrs.field(
        metadata=kind(check_text, dump=lambda value, _: str(getattr(value, "value", value)))
    )


def _check_attachment(entry: Any) -> None:
    check_object(entry)
    check_fields(AttachmentProperties, entry)


def _check_attachment_list(entries: Any) -> None:
    check_list(entries)
    check_each(entries, _check_attachment)


def _read_attachment(raw: Any) -> AttachmentProperties:
    return read(AttachmentProperties, raw)


def _dump_attachments(value: Any, old: Any) -> Any:
    """Write one attachment or several; each keeps what the file has in the entry of that name."""
    if isinstance(value, AttachmentProperties):
        return _dump_attachment(value, [old])
    return [_dump_attachment(entry, old or ()) for entry in value] or None


def _dump_attachment(entry: AttachmentProperties, olds: Iterable[Any]) -> dict[str, Any]:
    old = next((raw for raw in olds if isinstance(raw, dict) and raw.get("name") == entry.name), None)
    return write(entry, old)


_ONE = kind(_check_attachment, _read_attachment, _dump_attachments)
_SEVERAL = kind(
    _check_attachment_list, lambda raw: [_read_attachment(entry) for entry in raw] or None, _dump_attachments
)


@attrs.define
class AttachmentsProperties:
    """All attachments of a segmentation layer, by kind; None where there are none of a kind."""

    meshes: list[AttachmentProperties] | None = attrs.field(default=None, metadata=_SEVERAL)
    agglomerates: list[AttachmentProperties] | None = attrs.field(default=None, metadata=_SEVERAL)
    segment_index: AttachmentProperties | None = attrs.field(default=None, metadata=_ONE)
    segment_statistics: AttachmentProperties | None = attrs.field(default=None, metadata=_ONE)
    cumsum: AttachmentProperties | None = attrs.field(default=None, metadata=_ONE)
    connectomes: list[AttachmentProperties] | None = attrs.field(default=None, metadata=_SEVERAL)

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in attrs.fields(type(self)))


def _check_attachments(value: Any) -> None:
    check_object(value)
    check_fields(AttachmentsProperties, value)


def _dump_attachments_of_layer(value: Any, old: Any) -> Any:
    return (write(value, old) or None) if isinstance(value, AttachmentsProperties) else value


# --- layers and datasets ----------------------------------------------------------------------------------


def _as_list(values: Iterable[MagViewProperties]) -> list[MagViewProperties]:
    return list(values)


def _check_name(name: Any) -> None:
    problem = existing_name_problem(name)
    if problem is not None:
        raise wrong(f"is {name!r}, which can't be the name of a layer: it {problem}")


def _check_category(category: Any) -> None:
    if category not in ("color", "segmentation"):
        raise wrong(f'must be "color" or "segmentation", not {describe(category)}')


def _check_data_format(name: Any) -> None:
    if type(name) is not str or not name:
        raise wrong(f"must be a text, not {describe(name)}")


@attrs.define
class LayerProperties:
    """One layer.

    bounding_box: over the axes of the arrays, in storage order, channels included, in Mag(1) voxels.
    dtype: numpy's name, of one channel.
    data_format: the name that the file records.
    """

    name: str = attrs.field(metadata=kind(_check_name))
    category: str = attrs.field(metadata=kind(_check_category))
    bounding_box: NormalizedBoundingBox = attrs.field(metadata=OVER_SEVERAL_KEYS)
    dtype: str = attrs.field(metadata=OVER_SEVERAL_KEYS)
    data_format: str = attrs.field(metadata=kind(_check_data_format))
    mags: list[MagViewProperties] = attrs.field(factory=list, converter=_as_list, metadata=_MAGS)
    default_view_configuration: LayerViewConfiguration | None = attrs.field(default=None, metadata=LAYER_VIEW)
    coordinate_transformations: list[CoordinateTransformation] | None = attrs.field(
        default=None, metadata=TRANSFORMATIONS
    )
    num_channels: int = attrs.field(kw_only=True, metadata=OVER_SEVERAL_KEYS)

    @num_channels.default
    def _num_channels_of_the_box(self) -> int:
        box = self.bounding_box
        return box.get_shape("c") if "c" in box.axes else 1

    @property
    def dtype_np(self) -> np.dtype[Any]:
        """The dtype of one channel, as numpy's object."""
        import numpy

        return numpy.dtype(self.dtype)

    def get_mag(self, mag: Mag) -> MagViewProperties | None:
        """Give the entry of a mag, None if it isn't listed."""
        return next((entry for entry in self.mags if entry.mag == mag), None)


@attrs.define
class SegmentationLayerProperties(LayerProperties):
    """One segmentation layer; `largest_segment_id` None means that it isn't known."""

    largest_segment_id: int | None = attrs.field(default=None, metadata=SEGMENT_ID)
    mappings: list[str] = attrs.field(factory=list, metadata=TEXTS)
    attachments: AttachmentsProperties = attrs.field(
        factory=AttachmentsProperties,
        metadata=kind(
            _check_attachments, lambda raw: read(AttachmentsProperties, raw), _dump_attachments_of_layer
        ),
    )


def _check_id(identity: Any) -> None:
    check_object(identity)
    for key in ("name", "team"):
        if not isinstance(identity.get(key, ""), str):
            raise wrong(f"must be a text, not {describe(identity[key])}", key)


@attrs.define
class DatasetProperties:
    """The dataset: `id` holds its name (and team), `scale` its voxel size."""

    id: dict[str, Any] = attrs.field(metadata=kind(_check_id, dict))
    scale: VoxelSize = attrs.field(metadata=VOXEL_SIZE)
    data_layers: Sequence[LayerProperties] = attrs.field(
        metadata=kind(check_list, dump=lambda layers, _: [layer_to_json(layer) for layer in layers])
    )
    version: int = CURRENT_VERSION
    default_view_configuration: DatasetViewConfiguration | None = attrs.field(
        default=None, metadata=DATASET_VIEW
    )

    def update_for_layer(self, layer_name: str, layer_properties: LayerProperties) -> None:
        """Replace the layer of that name, in this object; LayerNotFoundError (an IndexError) without one."""
        layers = list(self.data_layers)
        for index, layer in enumerate(layers):
            if layer.name == layer_name:
                layers[index] = layer_properties
                self.data_layers = layers
                return
        raise LayerNotFoundError(f"The properties list no layer {layer_name!r}.")


# --- documents --------------------------------------------------------------------------------------------

DATASET_ORDER = tuple(field.key for field in fields_of(DatasetProperties))


def check_dataset(raw: dict[str, Any], file: str) -> None:
    """Check all but the layers themselves; PropertiesError (a ValueError) naming `file` and the key."""
    version = raw.get("version", 1)
    if version != 1 or isinstance(version, bool):
        if type(version) is not int:
            raise PropertiesError(f"{file}: version must be a whole number, not {describe(version)}.")
        raise UnsupportedVersionError(
            f"{file}: Unsupported dataset version {version}.",
            hint="This release reads version 1; look for a newer one.",
        )
    key = ""
    try:
        for field in fields_of(DatasetProperties):
            key = field.key
            if field.required and key not in raw:
                raise missing("")
        key = ""
        check_fields(DatasetProperties, raw)
        for key, value in raw.items():
            if key not in ("scale", "dataLayers", "version"):
                check_depth(value, 0)
    except Wrong as problem:
        raise problem.at(key).in_file(file) from problem.__cause__


def dataset_from_json(raw: Mapping[str, Any], layers: Sequence[LayerProperties]) -> DatasetProperties:
    """Read everything but the layers, which come structured (or structure themselves on access)."""
    return read(DatasetProperties, {**raw, "dataLayers": layers})


# --- layers -----------------------------------------------------------------------------------------------

LAYER_ORDER = (
    *("name", "category", "boundingBox"),
    *(field.key for field in fields_of(SegmentationLayerProperties)[2:]),
    *("additionalAxes", "numChannels", "elementClass"),
)
_FIELDS = fields_of(SegmentationLayerProperties)  # of color layers, too, where they are there
_REQUIRED = ("name", "category", "boundingBox", "dataFormat", "elementClass")
_FIRST = tuple((field.key, field.check) for field in _FIELDS if field.required)
_OTHERS = tuple(
    (field.key, field.check) for field in _FIELDS if not field.required and field.check is not anything
)
_CONTAINERS = frozenset({dict, list})
_CHECKED_DEEPLY = frozenset({*_REQUIRED, "mags", "wkwResolutions", "numChannels", "additionalAxes"})


def check_layer(raw: Any, file: str, where: str) -> None:
    """Check one layer. `where` is the key path of the entry, such as "dataLayers[3]"."""
    key = ""
    try:
        check_object(raw)
        for key in _REQUIRED:
            if key not in raw:
                raise missing("")
        for key, check in _FIRST:
            check(raw[key])
        key = ""
        check_element_class(raw)
        axis_order = _check_mags(raw)
        key = "boundingBox"
        _check_box(raw[key], axis_order)
        key = "additionalAxes"
        if raw.get(key):
            _check_additional_axes(raw[key], axis_order or raw["boundingBox"].get("axisOrder"))
        for key, check in _OTHERS:
            value = raw.get(key)
            if value is not None:
                check(value)
        for key, value in raw.items():
            if type(value) in _CONTAINERS and key not in _CHECKED_DEEPLY:
                check_depth(value, 2)
    except Wrong as problem:
        raise problem.at(key).at(where).in_file(file) from problem.__cause__


def layer_from_json(raw: Mapping[str, Any]) -> LayerProperties:
    """Read one layer; a SegmentationLayerProperties where the category says so."""
    num_channels = num_channels_of(raw)
    return read(
        SegmentationLayerProperties if raw["category"] == "segmentation" else LayerProperties,
        raw,
        bounding_box=box_from_json(raw),
        dtype=dtype_from_element_class(raw["elementClass"], num_channels),
        num_channels=num_channels,
    )


def layer_to_json(layer: LayerProperties, like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write a layer that is new to the file; `like` has a box whose unknown keys it gets."""
    raw = write(layer)
    raw["dataFormat"] = str(layer.data_format)
    raw["numChannels"] = layer.num_channels
    raw["elementClass"] = element_class_from_dtype(str(layer.dtype), layer.num_channels)
    if like is not None:
        # What belongs to the box itself is overwritten, and what nobody here knows stays.
        raw = put(raw, "boundingBox", deepcopy(like.get("boundingBox") or {}), LAYER_ORDER)
        raw["additionalAxes"] = deepcopy(like.get("additionalAxes") or [])
    return box_into_json(raw, layer.bounding_box)


_SETTABLE = {
    field.key: field
    for model in (DatasetProperties, SegmentationLayerProperties)
    for field in fields_of(model)
}


def value_to_json(key: str, value: Any, old: Any) -> Any:
    """Write the value of a layer's or dataset's key, typed or plain; None where the key is to be left out.

    `old` is what the file has there: unknown keys in it stay.
    """
    if value is None or key not in _SETTABLE:
        return value
    return _SETTABLE[key].dump(value, old)


# --- mags and boxes ---------------------------------------------------------------------------------------

_FARTHEST = 1 << 53
"""Voxels beyond this have no exact place in files of other software, whose numbers are floating."""

_BOX_KEYS = frozenset({"topLeft", "width", "height", "depth"})
_SPATIAL = (("x", "width"), ("y", "height"), ("z", "depth"))
_KNOWN_MAG_KEYS = _MAG_KEYS | {"resolution"}
_MAG_CHECKS = tuple(
    (field.key, field.check)
    for field in fields_of(MagViewProperties)
    if field.attribute not in ("mag", "axis_order")
)


def _mags_keys(raw: Mapping[str, Any]) -> tuple[str, str]:
    """Give the keys of the mags and of each one's factors, which were others in the earliest files."""
    if "mags" not in raw and "wkwResolutions" in raw:
        return "wkwResolutions", "resolution"
    return "mags", "mag"


def _check_mags(raw: dict[str, Any]) -> dict[str, int] | None:
    """Check the mags; gives the axis order that they agree on, None if none says one."""
    mags_key, mag_key = _mags_keys(raw)
    if mags_key not in raw:
        raise missing(mags_key)
    mags = raw[mags_key]
    common: dict[str, int] | None = None
    common_channel = None
    seen = set()
    index, key = -1, ""
    try:
        check_list(mags)
        for index, entry in enumerate(mags):  # noqa: B007 - the complaint needs it
            key = ""
            if type(entry) is not dict:
                check_object(entry)
            if mag_key not in entry:
                raise missing(mag_key)
            mag = mag_of(entry[mag_key])
            if mag is None:
                key = mag_key
                _check_mag(entry[key])
            if mag in seen:
                raise wrong(f"lists the mag {entry[mag_key]} a second time")
            seen.add(mag)
            for key, check in _MAG_CHECKS:
                value = entry.get(key)
                if value is not None:
                    check(value)
            key = "axisOrder"
            order = entry.get(key)
            if order is not None and order != common:
                if common is not None:
                    raise wrong("differs from that of the layer's other mags")
                _check_axis_order(order)
                common = order
            key = "channelIndex"
            channel = entry.get(key, 0)
            if channel != common_channel or type(channel) is not int:
                _check_channel(channel)
                if common_channel is not None:
                    raise wrong("differs from that of the layer's other mags")
                common_channel = channel
            if len(entry) > 3:
                for key in entry.keys() - _KNOWN_MAG_KEYS:
                    check_depth(entry[key], 4)
    except Wrong as problem:
        raise problem.at(key).at(f"{mags_key}[{index}]" if index >= 0 else mags_key) from None
    return common


def _check_channel(channel: Any) -> None:
    if type(channel) is not int or channel < 0:
        raise wrong(f"must be a whole number, not {describe(channel)}")


def _check_box(box: Any, order: dict[str, int] | None) -> None:
    check_object(box)
    if len(box) > 4:
        key = ""
        try:
            for key in box.keys() - _BOX_KEYS:
                check_depth(box[key], 3)
            key = "axisOrder"
            if box.get(key) is not None:
                _check_axis_order(box[key])
                order = order or box[key]
            key = "channelIndex"
            _check_channel(box.get(key, 0))
        except Wrong as problem:
            raise problem.at(key) from None
    corner = box.get("topLeft")
    if corner is None:
        raise missing("topLeft")
    if type(corner) is not list or len(corner) != 3:
        raise wrong(f"must be a list of three whole numbers, not {describe(corner)}", "topLeft")
    for index, (axis, key) in enumerate(_SPATIAL):
        if key not in box:
            raise missing(key)
        length, start = box[key], corner[index]
        if (
            type(length) is type(start) is int
            and -_FARTHEST < length < _FARTHEST
            and -_FARTHEST < start < _FARTHEST
        ):
            continue
        # A layer without that axis has null there.
        absent = order is not None and axis not in order
        for path, value in ((key, length), (f"topLeft[{index}]", start)):
            if not _is_whole(value) and not (absent and value is None):
                raise wrong(f"must be a whole number, not {describe(value)}", path)
        for path, value in ((key, length), (f"topLeft[{index}]", start)):
            if value is not None and abs(value) >= _FARTHEST:
                raise wrong(f"is {describe(value)}, which no array reaches", path)


def _is_whole(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _check_additional_axes(axes: Any, order: dict[str, int] | None) -> None:
    if order is None:
        raise wrong("needs an axisOrder, in the mags or in boundingBox, that says where c, x, y and z are")
    check_list(axes)
    positions = set(order.values())
    names = set(order)

    def check(axis: Any) -> None:
        check_object(axis)
        for key in ("name", "bounds", "index"):
            if key not in axis:
                raise missing(key)
        name, bounds, position = axis["name"], axis["bounds"], axis["index"]
        if type(name) is not str or not name or name in names:
            raise wrong(f"must be a text that no other axis has, not {describe(name)}", "name")
        if type(bounds) is not list or len(bounds) != 2 or any(type(bound) is not int for bound in bounds):
            raise wrong(f"must be a list of two whole numbers, not {describe(bounds)}", "bounds")
        if any(abs(bound) >= _FARTHEST for bound in bounds):
            raise wrong(f"is {describe(bounds)}, which no array reaches", "bounds")
        if type(position) is not int or position < 0 or position in positions:
            raise wrong(f"must be a whole number that no other axis has, not {describe(position)}", "index")
        names.add(name)
        positions.add(position)
        check_depth(axis, 3)

    check_each(axes, check)


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


# --- documents of older releases --------------------------------------------------------------------------
#
# They are brought up to date in memory when they are read; the file itself changes only with the next operation, which
# then writes the present form throughout:
#
# * `scale` as a plain list means nanometres; a missing unit too;
# * a missing `version` means 1;
# * `wkwResolutions` (with `resolution`, a number or three) is today's `mags`;
# * mags without `path` lie in a folder called for the mag;
# * a missing `numChannels` means 1, or 3 for words such as "uint24" that make no sense otherwise;
# * missing `axisOrder` follows from the layer's box.


def update_dataset(raw: dict[str, Any]) -> dict[str, Any]:
    """Bring everything but the layers up to date; gives `raw` itself where nothing is old."""
    result = raw
    scale = raw["scale"]
    if not isinstance(scale, dict):
        result = {**result, "scale": voxel_size_to_json(voxel_size_from_json(scale))}
    elif scale.get("unit") is None:
        result = {**result, "scale": {**scale, "unit": "nanometer"}}
    if "version" not in raw:
        result = put(result, "version", CURRENT_VERSION, DATASET_ORDER)
    return result


def is_old_layer(raw: dict[str, Any]) -> bool:
    """Whether the layer has a form that today's writers don't use."""
    if "mags" not in raw or "numChannels" not in raw:
        return True
    mags = raw["mags"]
    if not mags:
        return "axisOrder" not in raw["boundingBox"]
    for mag in mags:
        if "axisOrder" not in mag or "path" not in mag or mag["path"] is None or type(mag["mag"]) is not list:
            return True
    return False


def update_layer(raw: dict[str, Any], find: Callable[[Mag, str], str] | None = None) -> dict[str, Any]:
    """Bring a layer up to date; `find` gives the path of a mag of a layer where the file has none."""
    mags_key, _ = _mags_keys(raw)
    result = {("mags" if key == mags_key else key): value for key, value in raw.items()}
    result["mags"] = [_updated_mag(entry, result["name"], find) for entry in result["mags"]]
    if "numChannels" not in result:
        result = put(result, "numChannels", num_channels_of(result), LAYER_ORDER)
    return box_into_json(result, box_from_json(result))


def _updated_mag(entry: dict[str, Any], layer: str, find: Callable[[Mag, str], str] | None) -> dict[str, Any]:
    factors = mag_of(entry.get("mag", entry.get("resolution")))
    path = entry.get("path")
    rest = {key: value for key, value in entry.items() if key not in ("mag", "resolution", "path")}
    result: dict[str, Any] = {"mag": list(factors or ())}
    if path is None and find is not None and factors is not None:
        path = find(Mag(factors), layer)
    if path is not None:
        result["path"] = path
    return {**result, **rest}


# --- the generic converter --------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def get_dataset_converter() -> Converter:
    """Give a converter between the models and JSON values. Built once; the same object at each call.

    For users who structure and unstructure generically; the library itself doesn't use it, and importing cattrs costs
    more than opening a dataset. `converter.structure(document, DatasetProperties)` checks the document first:
    PropertiesError (a ValueError).
    """
    from cattrs import Converter

    converter = Converter()
    pairs: tuple[tuple[type[Any], Callable[[Any], Any], Callable[[Any], Any]], ...] = (
        (DatasetProperties, _structured_dataset, write),
        (LayerProperties, _structured_layer, layer_to_json),
        (SegmentationLayerProperties, _structured_layer, layer_to_json),
        (MagViewProperties, mag_from_json, mag_to_json),
        (VoxelSize, voxel_size_from_json, voxel_size_to_json),
        (LayerViewConfiguration, layer_view_from_json, write),
        (DatasetViewConfiguration, dataset_view_from_json, write),
    )
    for model, structure, unstructure in pairs:
        converter.register_structure_hook(model, _hook(structure))
        converter.register_unstructure_hook(model, unstructure)
    return converter


def _hook(structure: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _: structure(value)


def _structured_dataset(raw: dict[str, Any]) -> DatasetProperties:
    check_dataset(raw, "document")
    layers = [
        _structured_layer(layer, f"dataLayers[{index}]") for index, layer in enumerate(raw["dataLayers"])
    ]
    return dataset_from_json(raw, layers)


def _structured_layer(raw: dict[str, Any], where: str = "layer") -> LayerProperties:
    check_layer(raw, "document", where)
    return layer_from_json(update_layer(raw) if is_old_layer(raw) else raw)
