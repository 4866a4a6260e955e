"""Lengths as TIFF metadata write them, in nanometres."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any

__all__ = ["nanometres", "positive"]

# OME units as in the OME schema, ImageJ's as its users write them; upper and lower case differ only for "Mm".
_UNITS = MappingProxyType(
    {
        "nm": 1.0,
        "nanometer": 1.0,
        "nanometers": 1.0,
        "µm": 1e3,
        "μm": 1e3,  # the Greek letter; the one above is the micro sign
        "um": 1e3,
        "\\u00b5m": 1e3,
        "micron": 1e3,
        "microns": 1e3,
        "micrometer": 1e3,
        "micrometers": 1e3,
        "mm": 1e6,
        "millimeter": 1e6,
        "cm": 1e7,
        "inch": 2.54e7,
        "m": 1e9,
        "pm": 1e-3,
        "å": 0.1,
        "a": 0.1,
        "angstrom": 0.1,
    }
)


def nanometres(value: Any, unit: Any) -> float | None:
    """Give a length in nanometres; None without a number above 0, or in a unit of unknown length."""
    return positive(value, _UNITS.get(str(unit).strip().lower()))


def positive(value: Any, factor: float | None) -> float | None:
    """Multiply, if that gives a finite number above 0."""
    if value is None or factor is None:
        return None
    try:
        number = float(value) * factor
    except (TypeError, ValueError):
        return None
    return number if 0 < number < math.inf else None
