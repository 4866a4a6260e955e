"""What the XML of a CZI file says about voxel sizes, channels and scenes. What it doesn't say stays unknown."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree

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
        for path in _CHANNELS:
            names = [channel.get("Name") or "" for channel in self._root.findall(f"{path}/Channel")]
            if len(names) == count and any(names):
                return tuple(names)
        return ()

    def channel_colors(self, count: int) -> tuple[tuple[int, int, int] | None, ...]:
        """The colours that channels are shown in, () if none has one."""
        for path in reversed(_CHANNELS):
            found = [_color(channel.findtext("Color")) for channel in self._root.findall(f"{path}/Channel")]
            if len(found) == count and any(found):
                return tuple(found)
        return ()

    def scene_names(self, indices: list[int]) -> tuple[str, ...]:
        """A name for each scene; its number where it has none."""
        path = "Metadata/Information/Image/Dimensions/S/Scenes/Scene"
        named = {scene.get("Index"): scene.get("Name") for scene in self._root.findall(path)}
        return tuple(named.get(str(index)) or f"scene {index}" for index in indices)


def _color(text: str | None) -> tuple[int, int, int] | None:
    found = re.fullmatch(r"#(?:[0-9A-Fa-f]{2})?([0-9A-Fa-f]{2})([0-9A-Fa-f]{2})([0-9A-Fa-f]{2})", text or "")
    if found is None:
        return None
    return int(found[1], 16), int(found[2], 16), int(found[3], 16)
