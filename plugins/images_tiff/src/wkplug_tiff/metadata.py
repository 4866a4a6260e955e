"""What a TIFF's metadata say about voxel sizes and channels. What they don't say stays unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from wkplug.abc import nanometres
from wkplug_tiff.makers import Sizes, maker_sizes, resolution_sizes
from wkplug_tiff.sets import is_named

if TYPE_CHECKING:
    from xml.etree import ElementTree

__all__ = ["Said", "said"]

Color: TypeAlias = tuple[int, int, int]

_NOTHING: Sizes = (None, None, None)


@attrs.frozen(kw_only=True)
class Said:
    """What is said of one series; see `wkplug.abc.ImageInfo`. `source` is who said the voxel size."""

    voxel_size: Sizes = _NOTHING
    source: str = ""
    channel_names: tuple[str, ...] = ()
    channel_colors: tuple[Color | None, ...] = ()
    details: dict[str, Any] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()


def said(file: Any, series: Any, number: int, every: list[ElementTree.Element]) -> Said:
    """Read the metadata of a series, the OME-XML first, then ImageJ's and makers' tags, then the resolution.

    every: the images that OME-XML describes.
    """
    image = _image_of(every, series, number, len(file.series)) if every else None
    if image is not None:
        return _ome(image)
    imagej = getattr(file, "imagej_metadata", None)
    if isinstance(imagej, dict):
        return _imagej(series.keyframe, imagej)
    sizes = maker_sizes(file)
    if any(sizes):
        return Said(voxel_size=sizes, source="the microscope's tags")
    sizes, note = resolution_sizes(series.keyframe)
    source = "the resolution tags" if any(sizes) else ""
    return Said(voxel_size=sizes, source=source, notes=(note,) if note else ())


# --- OME ------------------------------------------------------------------------------------------------------


def _image_of(
    images: list[ElementTree.Element], series: Any, number: int, count: int
) -> ElementTree.Element | None:
    """The description of a series: by its place, or by its name where some images have no series."""
    if count == len(images):
        return images[number]
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
        source="OME",
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

    def per_pixel(name: str) -> float | None:
        tag = page.tags.get(name)
        if tag is None or not isinstance(tag.value, tuple) or not tag.value[0]:
            return None
        return nanometres(tag.value[1] / tag.value[0], unit)

    sizes = (per_pixel("XResolution"), per_pixel("YResolution"), nanometres(metadata.get("spacing"), unit))
    channels = metadata.get("channels")
    labels, tables = metadata.get("Labels"), metadata.get("LUTs")
    images = metadata.get("images", 1)
    # Labels are one per section; they name channels where there is nothing else.
    named = isinstance(labels, list) and len(labels) == channels == images
    colored = isinstance(tables, list) and len(tables) == channels
    return Said(
        voxel_size=sizes,
        source="ImageJ" if any(sizes) else "",
        channel_names=tuple(str(label) for label in labels) if named and isinstance(labels, list) else (),
        channel_colors=tuple(_brightest(table) for table in tables)
        if colored and isinstance(tables, list)
        else (),
    )


def _brightest(table: Any) -> Color | None:
    """The colour of the largest value in a lookup table of the shape (3, 256)."""
    if getattr(table, "shape", None) != (3, 256):
        return None
    red, green, blue = (int(value) for value in table[:, -1])
    return red, green, blue
