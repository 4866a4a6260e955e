"""What a TIFF's metadata say about voxel sizes and channels. What they don't say stays unknown."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.abc import nanometres
from wkplug_tiff.makers import Color, Sizes, maker_channels, maker_sizes, resolution_sizes
from wkplug_tiff.sets import is_named

if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree import ElementTree

__all__ = ["Said", "said"]

_NOTHING: Sizes = (None, None, None)
_PLACE = re.compile(r"^\s*(?:[cztCZT]:\d+/\d+\s*)+(?:-\s*)?")  # Bio-Formats' labels: "c:1/2 z:3/9 - GFP"


@attrs.frozen(kw_only=True)
class Said:
    """What is said of one series; see `wkplug.abc.ImageInfo`. `source` is who said the voxel size."""

    voxel_size: Sizes = _NOTHING
    source: str = ""
    channel_names: tuple[str, ...] = ()
    channel_colors: tuple[Color | None, ...] = ()
    channel_ranges: tuple[tuple[float, float] | None, ...] = ()
    details: dict[str, Any] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()


def said(file: Any, series: Any, every: list[ElementTree.Element]) -> Said:
    """Read the metadata of a series, the OME-XML first, then ImageJ's and makers' tags, then the resolution.

    every: the images that OME-XML describes.
    """
    image = _image_of(every, series, file.series) if every else None
    if image is not None:
        return _ome(image)
    imagej = getattr(file, "imagej_metadata", None)
    if isinstance(imagej, dict):
        return _imagej(series.keyframe, imagej)
    sizes, notes = maker_sizes(file)
    names, colors = maker_channels(file)
    if any(sizes):
        return Said(
            voxel_size=sizes,
            source="the microscope's tags",
            channel_names=names,
            channel_colors=colors,
            notes=notes,
        )
    sizes, note = resolution_sizes(series.keyframe)
    source = "the resolution tags" if any(sizes) else ""
    return Said(voxel_size=sizes, source=source, notes=(note,) if note else ())


# --- OME ------------------------------------------------------------------------------------------------------


def _image_of(
    images: list[ElementTree.Element], series: Any, every: Sequence[Any]
) -> ElementTree.Element | None:
    """The description of a series: by its place, or by its name where some images have no series."""
    if len(every) == len(images):
        return images[next(number for number, item in enumerate(every) if item is series)]
    named = [image for image in images if image.get("Name") and image.get("Name") == series.name]
    return named[0] if len(named) == 1 else None


def _ome(image: ElementTree.Element) -> Said:
    pixels = next((element for element in image if is_named(element, "Pixels")), None)
    if pixels is None:
        return Said()
    x, y, z = (
        nanometres(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        for axis in "XYZ"
    )
    channels = [element for element in pixels if is_named(element, "Channel")]
    # A channel of several samples (RGB) is one element for all of them.
    single = all((element.get("SamplesPerPixel") or "1") == "1" for element in channels)
    names = tuple(element.get("Name") or "" for element in channels) if single else ()
    colors = tuple(_ome_color(element.get("Color")) for element in channels) if single else ()
    details: dict[str, Any] = {"ome_image": image.get("Name") or image.get("ID") or ""}
    plane = next((element for element in pixels if is_named(element, "Plane")), None)
    if plane is not None:
        place = [_position(plane.get(f"Position{axis}"), plane.get(f"Position{axis}Unit")) for axis in "XYZ"]
        if any(value is not None for value in place):
            # Where the stage stood; whether that is a corner or the centre differs between microscopes.
            details["stage_position_nm"] = place
    return Said(
        voxel_size=(x, y, z),
        source="OME" if any((x, y, z)) else "",
        channel_names=names if any(names) else (),
        channel_colors=colors if any(colors) else (),
        details=details,
    )


def _position(value: str | None, unit: str | None) -> float | None:
    factor = nanometres(1, unit) if unit else None
    try:
        return float(value) * factor if value is not None and factor is not None else None
    except ValueError:
        return None


def _ome_color(value: str | None) -> Color | None:
    """A signed number of 32 bits: red, green, blue, alpha."""
    try:
        number = int(value) & 0xFFFFFFFF if value is not None else None
    except ValueError:
        return None
    return None if number is None else (number >> 24, number >> 16 & 0xFF, number >> 8 & 0xFF)


# --- ImageJ ---------------------------------------------------------------------------------------------------


def _imagej(page: Any, metadata: dict[str, Any]) -> Said:
    unit = metadata.get("unit")

    def per_pixel(name: str, unit: Any) -> float | None:
        tag = page.tags.get(name)
        if tag is None or not isinstance(tag.value, tuple) or not tag.value[0]:
            return None
        return nanometres(tag.value[1] / tag.value[0], unit)

    spacing, z_unit = metadata.get("spacing"), metadata.get("zunit", unit)
    notes = []
    if isinstance(spacing, int | float) and spacing < 0:
        # ImageJ writes the sign of the way in which the stage went; it shows the sections in the order of the file.
        spacing = -spacing
        notes.append(
            f"its spacing along z is negative (-{spacing:g} {z_unit or ''}".rstrip()
            + "): sections are taken in the order of the file, and that distance apart"
        )
    sizes = (
        per_pixel("XResolution", unit),
        per_pixel("YResolution", metadata.get("yunit", unit)),
        nanometres(spacing, z_unit),
    )
    channels = metadata.get("channels", 1)
    tables, ranges = metadata.get("LUTs"), metadata.get("Ranges")
    if ranges is None and channels == 1 and {"min", "max"} <= set(metadata):
        ranges = (metadata["min"], metadata["max"])
    colored = isinstance(tables, list) and len(tables) == channels
    return Said(
        voxel_size=sizes,
        source="ImageJ" if any(sizes) else "",
        channel_names=_labels(metadata, channels),
        channel_colors=tuple(_brightest(table) for table in tables)
        if colored and isinstance(tables, list)
        else (),
        channel_ranges=_ranges(ranges, channels),
        notes=tuple(notes),
    )


def _labels(metadata: dict[str, Any], channels: Any) -> tuple[str, ...]:
    """The names of channels: what the labels of all their sections have in common, places aside."""
    labels = metadata.get("Labels")
    if (
        not isinstance(labels, list)
        or not isinstance(channels, int)
        or channels < 1
        or len(labels) % channels
    ):
        return ()
    names = []
    for channel in range(channels):  # channels change fastest
        own = {_PLACE.sub("", str(label)).strip() for label in labels[channel::channels]}
        names.append(own.pop() if len(own) == 1 else "")
    return tuple(names) if all(names) and (channels > 1 or len(labels) == 1) else ()


def _ranges(values: Any, channels: Any) -> tuple[tuple[float, float] | None, ...]:
    """Pairs of the darkest and the brightest value."""
    if not isinstance(values, tuple | list) or not isinstance(channels, int) or len(values) != 2 * channels:
        return ()
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        return ()
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return tuple((low, high) if math.isfinite(high - low) and low < high else None for low, high in pairs)


def _brightest(table: Any) -> Color | None:
    """The colour of the largest value in a lookup table of the shape (3, 256)."""
    if getattr(table, "shape", None) != (3, 256):
        return None
    red, green, blue = (int(value) for value in table[:, -1])
    return red, green, blue
