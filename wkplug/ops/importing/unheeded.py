"""Parameters that can't act on the input that is there, such as what to do about gaps between files, for a container.

Who gives a parameter counts on it. So whatever a kind of input takes no notice of is told, as a note; values that no
input could take are refused, whatever the input is.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import InvalidArgumentError
from wkplug.ops.importing.files import ConversionLayerMapping
from wkplug.ops.importing.report import ImportNote
from wkplug.ops.importing.stacks import MISSING_SLICES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "CONTAINER",
    "FRAMES",
    "LIST",
    "ONE_FILE",
    "PLACED",
    "SERIES_IN_ONE",
    "SORTED",
    "Given",
    "known_mapping",
]

_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "map_filepath_to_layer_name": ConversionLayerMapping.INSPECT_SINGLE_FILE,
        "missing_slices": "error",
        "z_slices_sort_key": None,
        "reader": None,
        "importer": None,
        "scene": None,
    }
)
_OF_FILES = ("map_filepath_to_layer_name", "missing_slices", "z_slices_sort_key")


@attrs.frozen
class Kind:
    """A kind of input: what messages call it, the parameters that it takes no notice of, and why.

    lost: whether something is lost by that, so that Python warns.
    """

    name: str
    deaf_to: tuple[str, ...]
    why: str
    lost: bool = True


_GAPS = ("missing_slices",)
CONTAINER = Kind(
    "a container", _OF_FILES, "its own metadata say which layers it has and where their sections lie"
)
FRAMES = Kind("opened frames", tuple(_DEFAULTS), "they are open already, and sections in their own order")
LIST = Kind("a list of files", (*_OF_FILES, "importer"), "they are sections in the order of the list")
ONE_FILE = Kind("a layer of one file", _GAPS, "the file itself says where its sections lie", lost=False)
PLACED = Kind("files that say another order than their names", _GAPS, "numbers in names count nothing then")
SERIES_IN_ONE = Kind("several series in one layer", _GAPS, "they follow each other without gaps")
SORTED = Kind("files in an order of yours", _GAPS, "numbers in names count nothing then")


def known_mapping(
    mapping: ConversionLayerMapping | str | Callable[[Any], str],
) -> ConversionLayerMapping | Callable[[Any], str]:
    """Find the way to map files to layers that a text names."""
    if not isinstance(mapping, str):
        return mapping
    try:
        return ConversionLayerMapping(mapping)
    except ValueError as error:
        known = ", ".join(item.value for item in ConversionLayerMapping)
        raise InvalidArgumentError(
            f"{mapping!r} is no way to map files to layers.", hint=f"Use one of: {known}."
        ) from error


class Given:
    """The parameters of an input that were given: those that differ from their defaults."""

    def __init__(self, **parameters: Any) -> None:
        """Take the parameters by name; InvalidArgumentError for values that mean nothing, or contradict each other."""
        missing_slices = parameters.get("missing_slices", "error")
        if missing_slices not in MISSING_SLICES:
            raise InvalidArgumentError(
                f"missing_slices is {missing_slices!r}.", hint=f"Use one of: {', '.join(MISSING_SLICES)}."
            )
        if "map_filepath_to_layer_name" in parameters:
            parameters["map_filepath_to_layer_name"] = known_mapping(parameters["map_filepath_to_layer_name"])
        self._values = {name: value for name, value in parameters.items() if value != _DEFAULTS[name]}
        if self._values.keys() >= {"reader", "importer"}:
            raise InvalidArgumentError(
                "Both reader and importer are given: an input is read by one of them.",
                hint="Give a reader for image files, or an importer for a container.",
            )

    def unheeded_by(self, kind: Kind) -> list[ImportNote]:
        """Say which of them a kind of input takes no notice of."""
        return [
            ImportNote(
                kind="differs",
                text=f"{_written(name, value)} has no effect on {kind.name}: {kind.why}",
                lost=kind.lost,
            )
            for name, value in self._values.items()
            if name in kind.deaf_to
        ]


def _written(name: str, value: Any) -> str:
    if isinstance(value, ConversionLayerMapping):
        value = value.value
    if callable(value):
        return name
    return f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}"
