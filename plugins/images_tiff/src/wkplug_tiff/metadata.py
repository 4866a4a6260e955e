"""What OME and ImageJ metadata say about voxel sizes and channels. What they don't say stays unknown."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

__all__ = ["channel_names", "voxel_size"]

# Nanometres per unit; OME units as in the OME schema, ImageJ's as its users write them.
_UNITS = {
    "nm": 1.0,
    "nanometer": 1.0,
    "µm": 1e3,
    "um": 1e3,
    "\\u00b5m": 1e3,
    "micron": 1e3,
    "microns": 1e3,
    "micrometer": 1e3,
    "mm": 1e6,
    "millimeter": 1e6,
    "cm": 1e7,
    "m": 1e9,
    "pm": 1e-3,
    "å": 0.1,
    "angstrom": 0.1,
}

_NONE = (None, None, None)


def voxel_size(file: Any) -> tuple[float | None, float | None, float | None]:
    """Nanometres along x, y, z; None where the file doesn't say."""
    pixels = _ome_pixels(file)
    if pixels is not None:
        found = [_ome_length(pixels, axis) for axis in "XYZ"]
        return found[0], found[1], found[2]
    imagej = getattr(file, "imagej_metadata", None)
    if isinstance(imagej, dict):
        return _imagej(file, imagej)
    return _NONE


def channel_names(file: Any) -> tuple[str, ...]:
    """The names of the channels, () if there are none."""
    pixels = _ome_pixels(file)
    if pixels is None:
        return ()
    names = [element.get("Name") or "" for element in pixels if element.tag.endswith("}Channel")]
    return tuple(names) if any(names) else ()


def _ome_pixels(file: Any) -> ElementTree.Element | None:
    text = getattr(file, "ome_metadata", None)
    # An entity declaration is how XML is made to explode; OME has none.
    if not text or "<!ENTITY" in text or "<!DOCTYPE" in text:
        return None
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - without declarations there is nothing to expand
    except ElementTree.ParseError:
        return None
    return next((element for element in root.iter() if element.tag.endswith("}Pixels")), None)


def _ome_length(pixels: ElementTree.Element, axis: str) -> float | None:
    value = pixels.get(f"PhysicalSize{axis}")
    factor = _UNITS.get(pixels.get(f"PhysicalSize{axis}Unit", "µm").lower())
    return _positive(value, factor)


def _imagej(file: Any, metadata: dict[str, Any]) -> tuple[float | None, float | None, float | None]:
    factor = _UNITS.get(str(metadata.get("unit", "")).lower())
    if factor is None:
        return _NONE
    tags = file.pages[0].tags

    def per_pixel(name: str) -> float | None:
        tag = tags.get(name)
        if tag is None or not isinstance(tag.value, tuple) or not tag.value[0]:
            return None
        return _positive(tag.value[1] / tag.value[0], factor)

    return per_pixel("XResolution"), per_pixel("YResolution"), _positive(metadata.get("spacing"), factor)


def _positive(value: Any, factor: float | None) -> float | None:
    if value is None or factor is None:
        return None
    try:
        number = float(value) * factor
    except (TypeError, ValueError):
        return None
    return number if 0 < number < float("inf") else None
