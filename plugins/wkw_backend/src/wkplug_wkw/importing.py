"""`wkw`: bare WKW folders, without the properties that would make them a dataset.

A folder of one mag (it holds header.wkw), of one layer (its folders are named like mags), or of several layers. Where
voxels begin and end is not written anywhere: it is the hull of the shards that are there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.abc import ForeignLayer, ForeignMag, Importer, ProbeScore
from wkplug.errors import MagError
from wkplug.geometry import Mag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.abc import Location

__all__ = ["WkwImporter"]

_HEADER = "header.wkw"
_PROPERTIES = "datasource-properties.json"
_AXES = ("c", "x", "y", "z")


class WkwImporter(Importer):
    """Describes folders with WKW data."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location) -> ProbeScore:
        """Certain about a mag, likely about folders of mags; a dataset with properties is none of them."""
        if location.child(_PROPERTIES).exists():
            return ProbeScore.NO
        if location.child(_HEADER).exists():
            return ProbeScore.CERTAIN
        return ProbeScore.MARKER if self.describe(location) else ProbeScore.NO

    def describe(self, location: Location) -> tuple[ForeignLayer, ...]:
        """See `Importer.describe`."""
        if location.child(_HEADER).exists():
            mag = _named(location.name)
            name = location.name if mag is None else location.parent.name
            return (ForeignLayer(name=name, mags=(_mag(location, mag or (1, 1, 1)),)),)
        layer = _layer(location)
        if layer is not None:
            return (layer,)
        folders = (location.child(name.rstrip("/")) for name in location.list() if name.endswith("/"))
        return tuple(layer for folder in folders if (layer := _layer(folder)) is not None)


def _mag(location: Location, factors: tuple[int, int, int]) -> ForeignMag:
    return ForeignMag(location=location, data_format="wkw", axes=_AXES, mag=factors)


def _named(name: str) -> tuple[int, int, int] | None:
    """The mag that a folder is called after, None if it isn't."""
    try:
        return Mag(name).to_tuple()
    except MagError:
        return None


def _layer(location: Location) -> ForeignLayer | None:
    mags = []
    for name in location.list():
        mag = _named(name.rstrip("/"))
        if mag is not None and location.child(name.rstrip("/"), _HEADER).exists():
            mags.append(_mag(location.child(name.rstrip("/")), mag))
    if not mags:
        return None
    return ForeignLayer(name=location.name, mags=tuple(sorted(mags, key=lambda mag: (max(mag.mag), mag.mag))))
