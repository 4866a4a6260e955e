"""Pickles of earlier releases: datasets were opened again by a function, views kept their facts as attributes.

A pickle of today holds a state of `wkplug.model`. Modules that older ones name are made by the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.model.states import DatasetState, MagState, OpenOptions, ViewState, options_at
from wkplug.properties import PropertiesStore

if TYPE_CHECKING:
    from wkplug.abc import Location

__all__ = ["open_again", "state_of_mag", "state_of_view"]


def open_again(kind: Any, location: Location, options: OpenOptions) -> Any:
    """Open a dataset: what its pickle calls."""
    return kind.of(DatasetState(location, PropertiesStore.open(location), options_at(location, options)))


def state_of_view(attributes: dict[str, Any]) -> ViewState:
    """Make the state of a view from its attributes."""
    source, mag, region = attributes["_source"], attributes["_mag"], attributes["_own_region"]
    return ViewState(source, attributes["_frame"], mag, region, read_only=attributes["_read_only"])


def state_of_mag(attributes: dict[str, Any]) -> MagState:
    """Make the state of a mag from its attributes."""
    layer, source = attributes["_layer"].state, attributes["_source"]
    return MagState(layer, attributes["_mag"], source.location, read_only=attributes["_read_only"])
