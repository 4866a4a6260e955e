"""What the XML of a CZI file says about voxel sizes, channels and scenes. What it doesn't say stays unknown."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING

from wkplug.abc.images import distinct_names

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Metadata"]

_CHANNELS = ("Metadata/Information/Image/Dimensions/Channels", "Metadata/DisplaySetting/Channels")


class Metadata:
    """Answers from the XML; a text that isn't XML has none."""

    def __init__(self, text: str) -> None:
        self._root = ElementTree.Element("none")
        # An entity declaration is how XML is made to explode; CZI files have none.
        if "<!ENTITY" in text or "<!DOCTYPE" in text:
            return
        try:
            self._root = ElementTree.fromstring(text)  # noqa: S314 - without declarations there is nothing to expand
        except ElementTree.ParseError:
            return

    def voxel_size(self) -> tuple[float | None, float | None, float | None]:
        """Nanometres along x, y, z; the file says metres."""
        found = [self._distance(axis) for axis in "XYZ"]
        return found[0], found[1], found[2]

    def _distance(self, axis: str) -> float | None:
        text = self._root.findtext(f"Metadata/Scaling/Items/Distance[@Id='{axis}']/Value")
        try:
            number = float(text or "") * 1e9
        except ValueError:
            return None
        return number if 0 < number < math.inf else None

    def channel_names(self, count: int) -> tuple[str, ...]:
        """The names of all channels, () if none has one."""
        for place in range(len(_CHANNELS)):
            names = [channel.get("Name") or "" for channel in self._channels(place, count)]
            if any(names):
                return tuple(names)
        return ()

    def channel_colors(self, count: int) -> tuple[tuple[int, int, int] | None, ...]:
        """The colours that channels are shown in, () if none has one."""
        for place in reversed(range(len(_CHANNELS))):
            found = [_color(channel.findtext("Color")) for channel in self._channels(place, count)]
            if any(found):
                return tuple(found)
        return ()

    def channel_ranges(self, types: Sequence[str]) -> tuple[tuple[float, float] | None, ...]:
        """The values that are shown darkest and brightest, of channels of these types, () if none is said.

        The file says parts of what the type can hold.
        """
        channels = self._channels(1, len(types))
        found = [_range(channel, dtype) for channel, dtype in zip(channels, types, strict=False)]
        return tuple(found) if len(found) == len(types) and any(found) else ()

    def channel_visible(self, count: int) -> tuple[bool | None, ...]:
        """Whether channels are shown, () if none says."""
        words = {"true": True, "false": False}
        found = [
            words.get((channel.findtext("IsSelected") or "").lower()) for channel in self._channels(1, count)
        ]
        return tuple(found) if any(each is not None for each in found) else ()

    def _channels(self, place: int, count: int) -> list[ElementTree.Element]:
        """The elements of all channels at one of the places, in the order of the pixels' channels; [] if some lack.

        Display settings may have another order: their ids tell which is which.
        """
        found = self._root.findall(f"{_CHANNELS[place]}/Channel")
        ids = [each.get("Id") for each in self._root.findall(f"{_CHANNELS[0]}/Channel")]
        by_id = {each.get("Id"): each for each in found}
        if place and len(ids) == count and None not in ids and set(ids) <= set(by_id):
            return [by_id[each] for each in ids]
        return found if len(found) == count else []

    def scene_names(self, indices: list[int]) -> tuple[str, ...]:
        """A name for each scene; its number where it has none."""
        path = "Metadata/Information/Image/Dimensions/S/Scenes/Scene"
        named = {scene.get("Index"): scene.get("Name") for scene in self._root.findall(path)}
        return distinct_names([named.get(str(index)) or f"scene {index}" for index in indices], indices)

    def scene_center(self, index: int) -> list[float]:
        """Where the middle of a scene lies on the stage, in micrometres, [] if it isn't said."""
        for scene in self._root.findall("Metadata/Information/Image/Dimensions/S/Scenes/Scene"):
            if scene.get("Index") == str(index):
                numbers = [_number(part) for part in (scene.findtext("CenterPosition") or "").split(",")]
                return (
                    [each for each in numbers if each is not None]
                    if len(numbers) == 2 and None not in numbers
                    else []
                )
        return []


def _color(text: str | None) -> tuple[int, int, int] | None:
    found = re.fullmatch(r"#(?:[0-9A-Fa-f]{2})?([0-9A-Fa-f]{2})([0-9A-Fa-f]{2})([0-9A-Fa-f]{2})", text or "")
    if found is None:
        return None
    return int(found[1], 16), int(found[2], 16), int(found[3], 16)


def _range(channel: ElementTree.Element, dtype: str) -> tuple[float, float] | None:
    most = {"uint8": 255, "uint16": 65_535}.get(dtype)
    low, high = _number(channel.findtext("Low") or "0"), _number(channel.findtext("High") or "1")
    said = channel.find("Low") is not None or channel.find("High") is not None
    if most is None or low is None or high is None or not said or not 0 <= low < high <= 1:
        return None
    return low * most, high * most


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
