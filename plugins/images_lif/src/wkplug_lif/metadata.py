"""What the XML of a LIF image says about voxel sizes and channels. What it doesn't say stays unknown."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from wkplug.abc import nanometres

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["channel_colors", "channel_names", "channel_ranges", "voxel_size"]

_DESCRIPTION = "./Data/Image/ImageDescription"
_AXES = {"1": 0, "2": 1, "3": 2}  # DimID of x, y, z
_COLORS = MappingProxyType(
    {
        "red": (255, 0, 0),
        "green": (0, 255, 0),
        "blue": (0, 0, 255),
        "cyan": (0, 255, 255),
        "magenta": (255, 0, 255),
        "yellow": (255, 255, 0),
        "gray": (255, 255, 255),
    }
)


def voxel_size(image: Element) -> tuple[float | None, float | None, float | None]:
    """Nanometres along x, y, z: the length from the first to the last voxel, divided by the steps between."""
    found: list[float | None] = [None, None, None]
    for dimension in image.findall(f"{_DESCRIPTION}/Dimensions/DimensionDescription"):
        axis = _AXES.get(dimension.get("DimID", ""))
        try:
            steps = int(dimension.get("NumberOfElements", "")) - 1
            length = abs(float(dimension.get("Length", "")))
        except ValueError:
            continue
        if axis is not None and steps > 0:
            found[axis] = nanometres(length / steps, dimension.get("Unit"))
    return found[0], found[1], found[2]


def channel_names(image: Element, count: int) -> tuple[str, ...]:
    """The dyes of all channels, () if none is named."""
    names = []
    for channel in _channels(image):
        named = {each.findtext("Key"): each.findtext("Value") for each in channel.findall("ChannelProperty")}
        names.append(named.get("DyeName") or "")
    return tuple(names) if len(names) == count and any(names) else ()


def channel_colors(image: Element, count: int) -> tuple[tuple[int, int, int] | None, ...]:
    """The colours of all channels' tables, () if none is one plain colour."""
    found = [_COLORS.get(channel.get("LUTName", "").lower()) for channel in _channels(image)]
    return tuple(found) if len(found) == count and any(found) else ()


def channel_ranges(image: Element, count: int) -> tuple[tuple[float, float] | None, ...]:
    """The values that are shown darkest and brightest; the file says parts of what its bits can hold."""
    scales = image.findall("./Data/Image/Attachment[@Name='ViewerScaling']/ChannelScalingInfo")
    channels = _channels(image)
    if not len(scales) == len(channels) == count:
        return ()
    found = [_range(scale, channel) for scale, channel in zip(scales, channels, strict=True)]
    return tuple(found) if any(found) else ()


def _range(scale: Element, channel: Element) -> tuple[float, float] | None:
    try:
        low, high = float(scale.get("BlackValue", "")), float(scale.get("WhiteValue", ""))
        most = (1 << int(channel.get("Resolution", ""))) - 1
    except ValueError:
        return None
    return (low * most, high * most) if channel.get("DataType") == "0" and 0 <= low < high <= 1 else None


def _channels(image: Element) -> list[Element]:
    """The channels in the order in which they lie in the file."""
    channels = image.findall(f"{_DESCRIPTION}/Channels/ChannelDescription")
    return sorted(channels, key=lambda channel: int(channel.get("BytesInc", "0")))
