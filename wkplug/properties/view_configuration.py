"""How viewers show layers and datasets at first: the values under `defaultViewConfiguration`.

All fields are optional, None means "never set" and isn't written. The classes are mutable, as users know
them; a change counts when the object is assigned to the layer or dataset again.

Not here: what the settings mean. Values are taken as they are, since viewers invent new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

__all__ = [
    "DatasetViewConfiguration",
    "LayerViewConfiguration",
    "dataset_view_from_json",
    "layer_view_from_json",
    "view_keys",
    "view_to_json",
]


@attrs.define
class LayerViewConfiguration:
    """How a layer is shown: `color` is (r, g, b) from 0 to 255, `alpha` a percentage."""

    color: tuple[int, int, int] | None = None
    alpha: float | None = None
    intensity_range: tuple[float, float] | None = None
    min: float | None = None
    max: float | None = None
    is_disabled: bool | None = None
    is_inverted: bool | None = None
    is_in_edit_mode: bool | None = None
    mapping: dict[str, str] | None = None


@attrs.define
class DatasetViewConfiguration:
    """How a dataset is shown: `position` in Mag(1) voxels, `rotation` in degrees, `layers` by layer name."""

    four_bit: bool | None = None
    interpolation: bool | None = None
    render_missing_data_black: bool | None = None
    loading_strategy: str | None = None
    segmentation_pattern_opacity: int | None = None
    zoom: float | None = None
    position: tuple[int, int, int] | None = None
    rotation: tuple[int, int, int] | None = None
    layers: dict[str, LayerViewConfiguration] | None = None
    color_layer_order: list[str] | None = None
    blend_mode: str | None = None
    natively_rendered_layer_name: str | None = None


_TUPLES = frozenset({"color", "intensity_range", "position", "rotation"})


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


_LAYER_KEYS = {field.name: _camel(field.name) for field in attrs.fields(LayerViewConfiguration)}
_DATASET_KEYS = {field.name: _camel(field.name) for field in attrs.fields(DatasetViewConfiguration)}


def view_keys(kind: type[LayerViewConfiguration | DatasetViewConfiguration]) -> frozenset[str]:
    """Give the JSON keys that belong to the class; others in a file are someone else's."""
    return frozenset((_LAYER_KEYS if kind is LayerViewConfiguration else _DATASET_KEYS).values())


def _fields(raw: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for name, key in keys.items():
        # Some versions of the long-standing library write nested configurations in snake case.
        value = raw.get(key, raw.get(name))
        if value is not None:
            values[name] = tuple(value) if name in _TUPLES and isinstance(value, list) else value
    return values


def layer_view_from_json(raw: Mapping[str, Any] | None) -> LayerViewConfiguration | None:
    """Read a layer's configuration, None from None; keys that nobody here knows are passed over."""
    if raw is None:
        return None
    values = _fields(raw, _LAYER_KEYS)
    if "mapping" in values and isinstance(values["mapping"], dict):
        values["mapping"] = dict(values["mapping"])
    return LayerViewConfiguration(**values)


def dataset_view_from_json(raw: Mapping[str, Any] | None) -> DatasetViewConfiguration | None:
    """Read a dataset's configuration, None from None."""
    if raw is None:
        return None
    values = _fields(raw, _DATASET_KEYS)
    if isinstance(values.get("layers"), dict):
        values["layers"] = {
            name: LayerViewConfiguration(**_fields(layer if isinstance(layer, dict) else {}, _LAYER_KEYS))
            for name, layer in values["layers"].items()
        }
    if isinstance(values.get("color_layer_order"), list):
        values["color_layer_order"] = list(values["color_layer_order"])
    return DatasetViewConfiguration(**values)


def view_to_json(view: LayerViewConfiguration | DatasetViewConfiguration) -> dict[str, Any]:
    """Give the JSON object: camel case keys in the classes' order, without what was never set."""
    keys = _LAYER_KEYS if isinstance(view, LayerViewConfiguration) else _DATASET_KEYS
    result: dict[str, Any] = {}
    for name, key in keys.items():
        value = getattr(view, name)
        if value is not None:
            result[key] = _plain(value)
    return result


def _plain(value: Any) -> Any:
    """Turn what users assign (vectors, tuples, numpy numbers, nested configurations) into JSON values."""
    if isinstance(value, LayerViewConfiguration):
        return view_to_json(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    return [_plain(item) for item in value]
