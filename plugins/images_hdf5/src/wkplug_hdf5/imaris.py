"""Imaris volumes (IMS): one image with time points, channels and levels, a dataset for each.

Datasets are padded to whole chunks; the true size is an attribute of each channel. The voxel size is the extent
divided by the number of voxels, in the unit that the file says.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from wkplug.abc import ImageInfo, nanometres
from wkplug_hdf5.scenes import Scene, checked_dtype, text_of

if TYPE_CHECKING:
    from wkplug.abc import Location

__all__ = ["accepts", "describe", "scenes"]

_IMAGE = "DataSetInfo/Image"
_UNNAMED = ("", "(name not specified)")


def accepts(file: Any) -> bool:
    """Whether the file is an Imaris volume."""
    return _IMAGE in file and _data(0, (0, 0)) in file


def scenes(file: Any) -> list[str]:
    """There is one image."""
    del file
    return [""]


def describe(file: Any, names: list[str], number: int, location: Location, *, follow: bool) -> Scene:
    """Describe the volume."""
    del names, number
    first = file[_data(0, (0, 0))]
    dtype = checked_dtype(first, location, follow=follow)
    times = _count(file["DataSet/ResolutionLevel 0"], "TimePoint")
    channels = _count(file["DataSet/ResolutionLevel 0/TimePoint 0"], "Channel")
    levels = _count(file["DataSet"], "ResolutionLevel")
    shapes = [(times, channels, *_size(file, level)) for level in range(levels)]
    image = file[_IMAGE].attrs
    lows = [_length(image, f"ExtMin{axis}") for axis in range(3)]
    highs = [_length(image, f"ExtMax{axis}") for axis in range(3)]
    sizes = [
        (high - low) / count if low is not None and high is not None and high > low else None
        for low, high, count in zip(lows, highs, shapes[0][:1:-1], strict=True)
    ]
    infos = [file.get(f"DataSetInfo/Channel {number}") for number in range(channels)]
    titles = ["" if info is None else text_of(info.attrs.get("Name", "")) for info in infos]
    titles = ["" if title in _UNNAMED else title for title in titles]
    colors = tuple(None if info is None else _color(info) for info in infos)
    ranges = tuple(None if info is None else _range(info) for info in infos)
    chunk = first.chunks or first.shape
    info = ImageInfo(
        axes=("t", "c", "z", "y", "x"),
        shape=shapes[0],
        dtype=dtype,
        voxel_size=(sizes[0], sizes[1], sizes[2]),
        origin=(lows[0], lows[1], lows[2]),
        channel_names=tuple(titles) if any(titles) else (),
        channel_colors=colors if any(colors) else (),
        channel_ranges=ranges if any(ranges) else (),
        levels=levels,
        level_shapes=shapes,
        block_shape=(1, 1, *(min(a, b) for a, b in zip(chunk, shapes[0][2:], strict=True))),
        details={"kind": "Imaris", "compression": first.compression or ""},
    )
    return Scene(info=info, lead=2, dataset=_data)


def _data(level: int, place: tuple[int, ...]) -> str:
    return f"DataSet/ResolutionLevel {level}/TimePoint {place[0]}/Channel {place[1]}/Data"


def _count(group: Any, kind: str) -> int:
    """How many members are numbered without a gap, from 0."""
    number = 0
    while f"{kind} {number}" in group:
        number += 1
    return number


def _size(file: Any, level: int) -> tuple[int, int, int]:
    """Give the true (z, y, x) of a level, without padding."""
    data = file[_data(level, (0, 0))]
    found = data.parent.attrs
    true = [
        min(int(text_of(found[f"ImageSize{axis}"])), stored) if f"ImageSize{axis}" in found else stored
        for axis, stored in zip("ZYX", data.shape, strict=True)
    ]
    return true[0], true[1], true[2]


def _length(attributes: Any, name: str) -> float | None:
    """A position, which may be 0 or negative."""
    factor = nanometres(1, text_of(attributes.get("Unit", "")))
    try:
        number = float(text_of(attributes.get(name, ""))) * (math.nan if factor is None else factor)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _range(info: Any) -> tuple[float, float] | None:
    """The values that are shown darkest and brightest."""
    try:
        low, high = (float(part) for part in text_of(info.attrs.get("ColorRange", "")).split())
    except ValueError:
        return None
    return (low, high) if math.isfinite(low) and low < high < math.inf else None


def _color(info: Any) -> tuple[int, int, int] | None:
    """Give the colour as 0 to 255; None if it isn't one plain colour."""
    try:
        red, green, blue = (float(part) for part in text_of(info.attrs.get("Color", "")).split())
    except ValueError:
        return None
    found = [round(255 * min(1.0, max(0.0, part))) for part in (red, green, blue)]
    return found[0], found[1], found[2]
