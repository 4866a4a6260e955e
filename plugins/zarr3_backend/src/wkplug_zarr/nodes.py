"""`Node`: the metadata of one Zarr group or array, of either version, as importers look at them.

Only JSON files are read. What an array's metadata mean for an engine is checked by `headers`; here they are facts about
a hierarchy that others wrote.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from wkplug.abc import side_by_side
from wkplug.errors import CorruptDataError, MissingError
from wkplug_zarr.headers import MAX_DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from wkplug.abc import Location

__all__ = ["Node", "base_name", "below"]

_FORMATS = {2: "zarr", 3: "zarr3"}
_FILES = {"zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata"}


class Node:
    """One group or array. ome: the attributes that OME-Zarr defines, wherever that version puts them."""

    def __init__(self, location: Location, version: int, document: dict[str, Any], attributes: Any) -> None:
        self.location = location
        self.version = version
        self.document = document
        self.attributes = attributes if isinstance(attributes, dict) else {}
        ome = self.attributes.get("ome", self.attributes) if version == 3 else self.attributes
        self.ome: dict[str, Any] = ome if isinstance(ome, dict) else {}

    @classmethod
    def read(cls, location: Location) -> Node:
        """MissingError if there is no Zarr node."""
        found = cls.find(location)
        if found is None:
            raise MissingError(f"{location.url} is no Zarr group or array.", hint="Check the path.")
        return found

    @classmethod
    def find(cls, location: Location) -> Node | None:
        """The same, None if there is no Zarr node."""
        return cls.find_all([location])[0]

    @classmethod
    def find_all(cls, locations: Sequence[Location]) -> list[Node | None]:
        """The same for several places, side by side: first those of version 3."""
        at_once = locations[0].concurrency if locations else 1
        found: dict[Location, Node] = {}
        new = side_by_side(_json, [place.child("zarr.json") for place in locations], at_once=at_once)
        for place, document in zip(locations, new, strict=True):
            if document is not None:
                found[place] = cls(place, 3, document, document.get("attributes"))
        others = [place for place in locations if place not in found]
        files = [place.child(name) for place in others for name in (".zarray", ".zgroup", ".zattrs")]
        old = side_by_side(_json, files, at_once=at_once)
        for place, array, group, attributes in zip(others, old, old, old, strict=True):
            if array is not None or group is not None:
                found[place] = cls(place, 2, group or {} if array is None else array, attributes)
        return [found.get(place) for place in locations]

    @property
    def data_format(self) -> str:
        """The storage format of the arrays in it."""
        return _FORMATS[self.version]

    @property
    def is_array(self) -> bool:
        """Whether it is an array, not a group."""
        return self.document.get("node_type") == "array" or "chunks" in self.document

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an array; CorruptDataError if it is none."""
        found = self.document.get("shape")
        if not isinstance(found, list) or not all(isinstance(n, int) and n >= 0 for n in found):
            raise CorruptDataError(f"{self.location.url} is damaged: its shape is no list of lengths.")
        return tuple(found)

    @property
    def multiscales(self) -> list[Any]:
        """What it says about images, as it stands there."""
        found = self.ome.get("multiscales")
        return found if isinstance(found, list) else []

    def names(self, key: str) -> list[str]:
        """The texts of a list of the OME attributes, none if it isn't there."""
        found = self.ome.get(key)
        return [str(name) for name in found] if isinstance(found, list) else []

    def children(self, known: Collection[str] = ()) -> Iterator[Node]:
        """The groups and arrays in it, in the order of their names (numbers count as numbers), without `known` ones.

        Folders without metadata count as groups: writers leave these files away where they seem to say nothing.
        """
        listed = [name for name in self.location.list() if name not in _FILES and not name.startswith(".")]
        folders = {name.rstrip("/") for name in listed if name.endswith("/")}
        # Some servers' pages show folders without the slash.
        names = (folders or set(listed)).difference(known)
        in_order = sorted(names, key=lambda name: (int(name) if name.isdecimal() else math.inf, name))
        places = [self.location.child(name) for name in in_order]
        for place, found in zip(places, Node.find_all(places), strict=True):
            if found is not None:
                yield found
            elif place.name in folders:
                yield Node(place, self.version, {}, None)


def _json(location: Location) -> dict[str, Any] | None:
    try:
        found = json.loads(location.read(0, MAX_DOCUMENT_BYTES))
    except (MissingError, NotADirectoryError):
        return None
    except (ValueError, RecursionError) as error:
        raise CorruptDataError(f"{location.url} is damaged: it is no JSON.") from error
    if not isinstance(found, dict):
        raise CorruptDataError(f"{location.url} is damaged: it is no JSON object.")
    return found


def base_name(location: Location) -> str:
    """A container's name without the suffixes that say what it is."""
    name = location.name
    for suffix in (".zip", ".ozx", ".zarr", ".ome"):
        name = name.removesuffix(suffix)
    return name


def below(location: Location, path: str) -> Location:
    """The place of a path that metadata name."""
    return location.child(*(part for part in path.split("/") if part not in ("", ".")))
