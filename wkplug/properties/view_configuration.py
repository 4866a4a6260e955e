"""How viewers show layers and datasets at first: the values under `defaultViewConfiguration`.

All fields are optional, None means "never set" and isn't written. The classes are mutable, as users know
them; a change counts when the object is assigned to the layer or dataset again.

Not here: what the settings mean. Values are taken as they are, since viewers invent new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

from wkplug.properties.document import merge
from wkplug.properties.schema import check_object, fields_of, kind, plain, read, write

__all__ = [
    "DATASET_VIEW",
    "LAYER_VIEW",
    "DatasetViewConfiguration",
    "LayerViewConfiguration",
    "dataset_view_from_json",
    "layer_view_from_json",
]


ViewT = TypeVar("ViewT")


def _read_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _read_list(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value


def _read_mapping(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else value


_TUPLE = kind(parse=_read_tuple)


@attrs.define
class LayerViewConfiguration:
    """How a layer is shown: `color` is (r, g, b) from 0 to 255, `alpha` a percentage."""

    color: tuple[int, int, int] | None = attrs.field(default=None, metadata=_TUPLE)
    alpha: float | None = None
    intensity_range: tuple[float, float] | None = attrs.field(default=None, metadata=_TUPLE)
    min: float | None = None
    max: float | None = None
    is_disabled: bool | None = None
    is_inverted: bool | None = None
    is_in_edit_mode: bool | None = None
    mapping: dict[str, str] | None = attrs.field(default=None, metadata=kind(parse=_read_mapping))


def layer_view_from_json(raw: Mapping[str, Any] | None) -> LayerViewConfiguration | None:
    """Read a layer's configuration, None from None; keys that nobody here knows are passed over."""
    return None if raw is None else _read_view(LayerViewConfiguration, raw)


def _read_view(model: type[ViewT], raw: Mapping[str, Any]) -> ViewT:
    # Some versions of the long-standing library write nested configurations in snake case.
    if "_" in "".join(raw):
        raw = {**{field.key: raw.get(field.attribute) for field in fields_of(model)}, **raw}
    return read(model, raw)


def _read_layers(layers: Any) -> Any:
    if not isinstance(layers, dict):
        return layers
    return {
        name: _read_view(LayerViewConfiguration, layer if isinstance(layer, dict) else {})
        for name, layer in layers.items()
    }


def _dump_layers(layers: Any, old: Any) -> Any:
    if not isinstance(layers, Mapping):
        return plain(layers)
    before = old if isinstance(old, dict) else {}
    return {str(name): _dump_nested(layer, before.get(name)) for name, layer in layers.items()}


def _dump_nested(layer: Any, old: Any) -> Any:
    new = write(layer) if isinstance(layer, LayerViewConfiguration) else plain(layer)
    # Keys in snake case are ours to replace, too.
    known = frozenset(
        name for field in fields_of(LayerViewConfiguration) for name in (field.key, field.attribute)
    )
    return merge(old, new, known, ()) if isinstance(old, dict) and isinstance(new, dict) else new


@attrs.define
class DatasetViewConfiguration:
    """How a dataset is shown: `position` in Mag(1) voxels, `rotation` in degrees, `layers` by layer name."""

    four_bit: bool | None = None
    interpolation: bool | None = None
    render_missing_data_black: bool | None = None
    loading_strategy: str | None = None
    segmentation_pattern_opacity: int | None = None
    zoom: float | None = None
    position: tuple[int, int, int] | None = attrs.field(default=None, metadata=_TUPLE)
    rotation: tuple[int, int, int] | None = attrs.field(default=None, metadata=_TUPLE)
    layers: dict[str, LayerViewConfiguration] | None = attrs.field(
        default=None, metadata=kind(parse=_read_layers, dump=_dump_layers)
    )
    color_layer_order: list[str] | None = attrs.field(default=None, metadata=kind(parse=_read_list))
    blend_mode: str | None = None
    natively_rendered_layer_name: str | None = None


def dataset_view_from_json(raw: Mapping[str, Any] | None) -> DatasetViewConfiguration | None:
    """Read a dataset's configuration, None from None."""
    return None if raw is None else _read_view(DatasetViewConfiguration, raw)


def _dump_view(view: Any, old: Any) -> Any:
    return write(view, old) if attrs.has(type(view)) else view


LAYER_VIEW = kind(check_object, layer_view_from_json, _dump_view)
DATASET_VIEW = kind(check_object, dataset_view_from_json, _dump_view)
