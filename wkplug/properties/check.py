"""The shape of datasource-properties.json, checked with plain code when a dataset is opened or changed.

Everything that the library reads later is checked here, so that structuring can't fail half-way, and every
complaint names the file and the key: "dataLayers[3].boundingBox.width". What nobody here knows is only
checked for its depth. Speed counts: this runs over every key of every layer at each opening, so texts and key
paths are made only for complaints.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from wkplug.errors import (
    InvalidArgumentError,
    MissingPropertyError,
    PropertiesError,
    UnsupportedDtypeError,
    UnsupportedVersionError,
)
from wkplug.properties.element_class import dtype_from_element_class, guess_num_channels
from wkplug.properties.names import existing_name_problem
from wkplug.properties.units import length_unit_from_str

__all__ = [
    "ATTACHMENT_LISTS",
    "ATTACHMENT_SINGLES",
    "DEEPEST",
    "MagEntry",
    "check_dataset",
    "check_layer",
    "legacy_mags_key",
    "mag_of",
    "read_segment_id",
]

DEEPEST = 64
"""Levels of nesting, from the document on; the known keys need eight."""

ATTACHMENT_LISTS = ("meshes", "agglomerates", "connectomes")
ATTACHMENT_SINGLES = ("segmentIndex", "segmentStatistics", "cumsum")

_LONGEST_SHOWN = 60

MagEntry = dict[str, Any]

_LAYER_KEYS = frozenset(
    {
        "name", "category", "boundingBox", "dataFormat", "mags", "wkwResolutions", "numChannels",
        "elementClass", "additionalAxes", "largestSegmentId", "mappings",
    }
)  # fmt: skip
_FARTHEST = 1 << 53
"""Voxels beyond this have no exact place in files of other software, whose numbers are floating."""

_MAG_KEYS = frozenset({"mag", "resolution", "path", "axisOrder", "channelIndex"})
_BOX_KEYS = frozenset({"topLeft", "width", "height", "depth"})
_SPATIAL = (("x", "width"), ("y", "height"), ("z", "depth"))
_AXES = frozenset({"c", "x", "y", "z"})


def check_dataset(raw: dict[str, Any], file: str) -> None:
    """Check all but the layers themselves; PropertiesError (a ValueError) naming `file` and the key."""
    version = raw.get("version", 1)
    if version != 1 or isinstance(version, bool):
        if type(version) is not int:
            wrong(file, "version", f"must be a whole number, not {describe(version)}")
        raise UnsupportedVersionError(
            f"{file}: Unsupported dataset version {version}.",
            hint="This release reads version 1; look for a newer one.",
        )
    for key in ("id", "scale", "dataLayers"):
        if key not in raw:
            _missing(file, key)
    identity = raw["id"]
    if type(identity) is not dict:
        wrong(file, "id", f"must be an object, not {describe(identity)}")
    for key in ("name", "team"):
        if not isinstance(identity.get(key, ""), str):
            wrong(file, f"id.{key}", f"must be a text, not {describe(identity[key])}")
    _check_scale(raw["scale"], file)
    if type(raw["dataLayers"]) is not list:
        wrong(file, "dataLayers", f"must be a list, not {describe(raw['dataLayers'])}")
    view = raw.get("defaultViewConfiguration")
    if view is not None and type(view) is not dict:
        wrong(file, "defaultViewConfiguration", f"must be an object, not {describe(view)}")
    for key, value in raw.items():
        if key not in ("scale", "dataLayers", "version"):
            check_depth(value, file, key)


def _check_scale(scale: Any, file: str) -> None:
    key = "scale"
    if type(scale) is dict:
        if "factor" not in scale:
            _missing(file, "scale.factor")
        unit = scale.get("unit")
        if unit is not None:
            try:
                length_unit_from_str(unit)
            except InvalidArgumentError as error:
                raise PropertiesError(f"{file}: scale.unit: {error.message}", hint=error.hint) from error
        check_depth(scale, file, key)
        scale, key = scale["factor"], "scale.factor"
    if type(scale) is not list or len(scale) != 3:
        wrong(file, key, f"must be a list of three numbers, not {describe(scale)}")
    for index, length in enumerate(scale):
        # Whole numbers in JSON have any size: what no float holds is no length either.
        if type(length) not in (int, float) or not 0 < length <= sys.float_info.max:
            wrong(file, f"{key}[{index}]", f"must be a positive number, not {describe(length)}")


def check_layer(raw: Any, file: str, where: str) -> None:
    """Check one layer. `where` is the key path of the entry, such as "dataLayers[3]"."""
    if type(raw) is not dict:
        wrong(file, where, f"must be an object, not {describe(raw)}")
    try:
        name, category, box = raw["name"], raw["category"], raw["boundingBox"]
        data_format, _ = raw["dataFormat"], raw["elementClass"]
    except KeyError as error:
        _missing(file, f"{where}.{error.args[0]}")
    problem = existing_name_problem(name)
    if problem is not None:
        wrong(file, f"{where}.name", f"is {name!r}, which can't be the name of a layer: it {problem}")
    if category not in ("color", "segmentation"):
        wrong(file, f"{where}.category", f'must be "color" or "segmentation", not {describe(category)}')
    if type(data_format) is not str or not data_format:
        wrong(file, f"{where}.dataFormat", f"must be a text, not {describe(data_format)}")
    _check_element_class(raw, file, where)
    has_axes = "additionalAxes" in raw and bool(raw["additionalAxes"])
    axis_order = _check_mags(raw, file, where)
    _check_box(box, axis_order, file, where)
    if has_axes:
        order = axis_order or box.get("axisOrder")
        if order is None:
            wrong(
                file,
                f"{where}.additionalAxes",
                "needs an axisOrder, in the mags or in boundingBox, that says where c, x, y and z are",
            )
        _check_additional_axes(raw["additionalAxes"], order, file, where)
    if "largestSegmentId" in raw:
        check_segment_id(raw["largestSegmentId"], file, f"{where}.largestSegmentId")
    mappings = raw.get("mappings")
    if mappings is not None and (
        type(mappings) is not list or not all(isinstance(mapping, str) for mapping in mappings)
    ):
        wrong(file, f"{where}.mappings", f"must be a list of texts, not {describe(mappings)}")
    # What is left is rare, or not ours: only its depth counts.
    for key in raw.keys() - _LAYER_KEYS:
        value = raw[key]
        if value is None:
            continue
        check_depth(value, file, f"{where}.{key}")
        if key == "attachments":
            check_attachments(value, file, f"{where}.attachments")
        elif key == "coordinateTransformations":
            check_transformations(value, file, f"{where}.coordinateTransformations")
        elif key == "defaultViewConfiguration" and type(value) is not dict:
            wrong(file, f"{where}.{key}", f"must be an object, not {describe(value)}")


def _check_element_class(raw: dict[str, Any], file: str, where: str) -> None:
    word = raw["elementClass"]
    if type(word) is not str:
        wrong(file, f"{where}.elementClass", f"must be a text, not {describe(word)}")
    num_channels = raw["numChannels"] if "numChannels" in raw else guess_num_channels(word)
    if type(num_channels) is not int or num_channels < 1:
        wrong(file, f"{where}.numChannels", f"must be a positive whole number, not {describe(num_channels)}")
    try:
        dtype_from_element_class(word, num_channels)
    except UnsupportedDtypeError as error:
        raise PropertiesError(f"{file}: {where}.elementClass: {error.message}") from error


def legacy_mags_key(raw: dict[str, Any]) -> str | None:
    """Give the key under which files from before `mags` list them, None if this layer isn't that old."""
    return "wkwResolutions" if "mags" not in raw and "wkwResolutions" in raw else None


def mag_of(value: Any) -> tuple[int, int, int] | None:
    """Read a mag in any of its spellings (2, "2", "2-2-1", [2, 2, 1]); None if it is none."""
    if type(value) is list:
        numbers = value
    elif type(value) is int:
        numbers = [value] * 3
    elif type(value) is str:
        parts = value.split("-")
        if not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts):
            return None
        numbers = [int(part) for part in parts] * (3 if len(parts) == 1 else 1)
    else:
        return None
    if len(numbers) != 3:
        return None
    for number in numbers:
        if type(number) is not int or number < 1 or number & (number - 1):
            return None
    return (numbers[0], numbers[1], numbers[2])


def _check_mags(raw: dict[str, Any], file: str, where: str) -> dict[str, int] | None:
    """Check the mags; gives the axis order that they agree on, None if none says one."""
    key, mag_key = "mags", "mag"
    if legacy_mags_key(raw):
        key, mag_key = "wkwResolutions", "resolution"
    if key not in raw:
        _missing(file, f"{where}.mags")
    mags = raw[key]
    if type(mags) is not list:
        wrong(file, f"{where}.{key}", f"must be a list, not {describe(mags)}")
    common: dict[str, int] | None = None
    channel_index = 0
    seen = set()
    for index, entry in enumerate(mags):
        if type(entry) is not dict:
            wrong(file, f"{where}.{key}[{index}]", f"must be an object, not {describe(entry)}")
        if mag_key not in entry:
            _missing(file, f"{where}.{key}[{index}].{mag_key}")
        mag = mag_of(entry[mag_key])
        if mag is None:
            wrong(
                file,
                f"{where}.{key}[{index}].{mag_key}",
                f"must be a magnification, made of powers of two, not {describe(entry[mag_key])}",
            )
        if mag in seen:
            wrong(file, f"{where}.{key}[{index}]", f"lists the mag {entry[mag_key]} a second time")
        seen.add(mag)
        path = entry.get("path")
        if path is not None and (type(path) is not str or not path or "\0" in path):
            wrong(file, f"{where}.{key}[{index}].path", f"must be a path or URL, not {describe(path)}")
        order = entry.get("axisOrder")
        if order is not None and order != common:
            if common is not None:
                wrong(
                    file, f"{where}.{key}[{index}].axisOrder", "differs from that of the layer's other mags"
                )
            _check_axis_order(order, file, f"{where}.{key}[{index}].axisOrder")
            common = order
        channel = entry.get("channelIndex", 0)
        if type(channel) is not int or channel < 0:
            wrong(
                file,
                f"{where}.{key}[{index}].channelIndex",
                f"must be a whole number, not {describe(channel)}",
            )
        if index == 0:
            channel_index = channel
        elif channel != channel_index:
            wrong(file, f"{where}.{key}[{index}].channelIndex", "differs from that of the layer's other mags")
        if len(entry) > 3:
            for name in entry.keys() - _MAG_KEYS:
                if type(entry[name]) in (dict, list):
                    check_depth(entry[name], file, f"{where}.{key}[{index}].{name}")
    return common


def _check_axis_order(order: Any, file: str, where: str) -> None:
    if type(order) is not dict:
        wrong(file, where, f"must be an object, not {describe(order)}")
    for axis, position in order.items():
        if axis not in _AXES:
            wrong(file, where, f"may name c, x, y and z, not {axis!r}; other axes belong to additionalAxes")
        if type(position) is not int or position < 0:
            wrong(file, f"{where}.{axis}", f"must be a whole number, not {describe(position)}")
    if len(set(order.values())) != len(order):
        wrong(file, where, "gives two axes the same position")


def _check_box(box: Any, order: dict[str, int] | None, file: str, where: str) -> None:
    if type(box) is not dict:
        wrong(file, f"{where}.boundingBox", f"must be an object, not {describe(box)}")
    if len(box) > 4:
        for key in box.keys() - _BOX_KEYS:
            check_depth(box[key], file, f"{where}.boundingBox.{key}")
        if box.get("axisOrder") is not None:
            _check_axis_order(box["axisOrder"], file, f"{where}.boundingBox.axisOrder")
            order = order or box["axisOrder"]
        channel = box.get("channelIndex", 0)
        if type(channel) is not int or channel < 0:
            wrong(
                file, f"{where}.boundingBox.channelIndex", f"must be a whole number, not {describe(channel)}"
            )
    corner = box.get("topLeft")
    if corner is None:
        _missing(file, f"{where}.boundingBox.topLeft")
    if type(corner) is not list or len(corner) != 3:
        wrong(
            file,
            f"{where}.boundingBox.topLeft",
            f"must be a list of three whole numbers, not {describe(corner)}",
        )
    for index, (axis, key) in enumerate(_SPATIAL):
        if key not in box:
            _missing(file, f"{where}.boundingBox.{key}")
        length, start = box[key], corner[index]
        if type(length) is int and type(start) is int and max(abs(length), abs(start)) < _FARTHEST:
            continue
        # A layer without that axis has null there.
        absent = order is not None and axis not in order
        if not _whole(length) and not (absent and length is None):
            wrong(file, f"{where}.boundingBox.{key}", f"must be a whole number, not {describe(length)}")
        if not _whole(start) and not (absent and start is None):
            wrong(
                file,
                f"{where}.boundingBox.topLeft[{index}]",
                f"must be a whole number, not {describe(start)}",
            )
        for place, value in ((key, length), (f"topLeft[{index}]", start)):
            if value is not None and abs(value) >= _FARTHEST:
                wrong(file, f"{where}.boundingBox.{place}", f"is {describe(value)}, which no array reaches")


def _whole(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _check_additional_axes(axes: Any, order: dict[str, int], file: str, where: str) -> None:
    where = f"{where}.additionalAxes"
    if type(axes) is not list:
        wrong(file, where, f"must be a list, not {describe(axes)}")
    positions = set(order.values())
    names = set(order)
    for index, axis in enumerate(axes):
        if type(axis) is not dict:
            wrong(file, f"{where}[{index}]", f"must be an object, not {describe(axis)}")
        for key in ("name", "bounds", "index"):
            if key not in axis:
                _missing(file, f"{where}[{index}].{key}")
        name, bounds, position = axis["name"], axis["bounds"], axis["index"]
        if type(name) is not str or not name or name in names:
            wrong(
                file, f"{where}[{index}].name", f"must be a text that no other axis has, not {describe(name)}"
            )
        if type(bounds) is not list or len(bounds) != 2 or any(type(bound) is not int for bound in bounds):
            wrong(
                file,
                f"{where}[{index}].bounds",
                f"must be a list of two whole numbers, not {describe(bounds)}",
            )
        if any(abs(bound) >= _FARTHEST for bound in bounds):
            wrong(file, f"{where}[{index}].bounds", f"is {describe(bounds)}, which no array reaches")
        if type(position) is not int or position < 0 or position in positions:
            wrong(
                file,
                f"{where}[{index}].index",
                f"must be a whole number that no other axis has, not {describe(position)}",
            )
        names.add(name)
        positions.add(position)
        check_depth(axis, file, f"{where}[{index}]")


def _missing(file: str, key: str) -> NoReturn:
    raise MissingPropertyError(
        f"{file}: {key} is missing.", hint="Restore the file from a backup, or add the key."
    )


# --- the rarer parts: nesting, segment ids, attachments, transformations ---------------------------------


def wrong(file: str, key: str, text: str) -> NoReturn:
    """Complain about a key: "<file>: <key> <text>."."""
    raise PropertiesError(f"{file}: {key} {text}.")


def describe(value: Any) -> str:
    """Show a value in an error text, shortened, by JSON's names."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list) and len(value) > 4:
        return f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


def check_depth(value: Any, file: str, key: str) -> None:
    """Refuse nesting below `key` that is deeper than any real file's."""
    if type(value) not in (dict, list):
        return
    # Counts from the deepest place where such a value may stand, which is close enough. Level by level, so
    # that no recursion limit is met.
    level: list[Any] = [value]
    for _ in range(DEEPEST - key.count(".") - key.count("[")):
        level = [
            item
            for parent in level
            for item in (parent.values() if type(parent) is dict else parent)
            if type(item) in (dict, list)
        ]
        if not level:
            return
    wrong(file, key, f"is nested too deeply, more than {DEEPEST} levels")


def read_segment_id(value: Any) -> int | None:
    """Read `largestSegmentId` in any of its spellings; InvalidArgumentError if it is none.

    Numbers beyond 2^53 - 1, which JavaScript can't hold, come as objects of text: {"customJsonEncoding":
    "bigint", "value": "..."}.
    """
    if value is None or type(value) is int:
        return value
    if type(value) is dict and value.get("customJsonEncoding") == "bigint":
        value = value.get("value")
        if type(value) is int:
            return value
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is str and len(value) < 40:
        digits = value.removeprefix("-")
        if digits.isascii() and digits.isdigit():
            return int(value)
    raise InvalidArgumentError(f"{describe(value)} is not a segment id.")


def check_segment_id(value: Any, file: str, where: str) -> None:
    """Check `largestSegmentId`."""
    try:
        read_segment_id(value)
    except InvalidArgumentError as error:
        raise PropertiesError(
            f"{file}: {where} must be a whole number or null, not {describe(value)}.",
            hint='Numbers beyond 2^53 - 1 are written as {"customJsonEncoding": "bigint", "value": "..."}.',
        ) from error


def check_attachments(value: Any, file: str, where: str) -> None:
    """Check `attachments`; kinds that nobody here knows are passed over."""
    if type(value) is not dict:
        wrong(file, where, f"must be an object, not {describe(value)}")
    for kind in ATTACHMENT_LISTS:
        entries = value.get(kind)
        if entries is None:
            continue
        if type(entries) is not list:
            wrong(file, f"{where}.{kind}", f"must be a list, not {describe(entries)}")
        for index, entry in enumerate(entries):
            _check_attachment(entry, file, f"{where}.{kind}[{index}]")
    for kind in ATTACHMENT_SINGLES:
        if value.get(kind) is not None:
            _check_attachment(value[kind], file, f"{where}.{kind}")


def _check_attachment(entry: Any, file: str, where: str) -> None:
    if type(entry) is not dict:
        wrong(file, where, f"must be an object, not {describe(entry)}")
    for key in ("name", "path", "dataFormat"):
        if key not in entry:
            raise MissingPropertyError(f"{file}: {where}.{key} is missing.")
        if type(entry[key]) is not str:
            wrong(file, f"{where}.{key}", f"must be a text, not {describe(entry[key])}")


def check_transformations(value: Any, file: str, where: str) -> None:
    """Check `coordinateTransformations`: known types, and numbers in the right shape."""
    if type(value) is not list:
        wrong(file, where, f"must be a list, not {describe(value)}")
    for index, entry in enumerate(value):
        key = f"{where}[{index}]"
        if type(entry) is not dict:
            wrong(file, key, f"must be an object, not {describe(entry)}")
        kind = entry.get("type")
        if kind == "affine":
            if not _is_table(entry.get("matrix"), 4) or len(entry["matrix"]) != 4:
                wrong(file, f"{key}.matrix", "must be a list of four lists of four numbers")
        elif kind == "thin_plate_spline":
            points = entry.get("correspondences")
            if type(points) is not dict:
                wrong(file, f"{key}.correspondences", f"must be an object, not {describe(points)}")
            for name in ("source", "target"):
                if not _is_table(points.get(name), 3):
                    wrong(file, f"{key}.correspondences.{name}", "must be a list of points of three numbers")
            if len(points["source"]) != len(points["target"]):
                wrong(file, f"{key}.correspondences", "must have as many target as source points")
        else:
            wrong(file, f"{key}.type", f"must be `affine` or `thin_plate_spline`, not {describe(kind)}")


def _is_number(value: Any) -> bool:
    """Whether a float holds it: whole numbers in JSON have any size."""
    return type(value) is float or (type(value) is int and abs(value) <= sys.float_info.max)


def _is_table(value: Any, columns: int) -> bool:
    return (
        type(value) is list
        and bool(value)
        and all(
            type(row) is list and len(row) == columns and all(_is_number(item) for item in row)
            for row in value
        )
    )
