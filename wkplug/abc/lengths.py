"""Lengths as files write them, a number and a unit, in nanometres: what `ImageInfo` and `ForeignLayer` are told.

Units are those that microscopes, their software and their users write: symbols, and English names in either spelling.
Upper and lower case are the same, and so are the two micro signs of Unicode ("µ", and the Greek letter "μ"), the
escape that ImageJ writes for one, and the two signs for the angstrom. What isn't known is never guessed. Formats that
write a unit as a number have tables of their own.

The units that datasets are stored with are others: see `wkplug.properties`.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any

__all__ = ["nanometres"]

_SPELLINGS = {
    1e-3: ("pm", "picometer"),
    0.1: ("å", "a", "angstrom"),
    1.0: ("nm", "nanometer", "nanometers", "nanometre"),
    1e3: (
        "\u00b5m", "\u03bcm", "um", r"\u00b5m", "micron", "microns", "micrometer", "micrometers", "micrometre",
    ),
    1e6: ("mm", "millimeter", "millimeters"),
    1e7: ("cm", "centimeter"),
    2.54e7: ("inch",),
    1e9: ("m", "meter"),
    1e12: ("kilometer",),
}  # fmt: skip
_FACTORS = MappingProxyType({name: factor for factor, names in _SPELLINGS.items() for name in names})


def nanometres(value: Any, unit: Any) -> float | None:
    """Give a length in nanometres; None unless it is a finite number above 0 (or the text of one) in a known unit.

    `nanometres(1, unit)` is the factor of a unit, for numbers that may be 0 or negative, such as positions.
    """
    factor = _FACTORS.get(str(unit).strip().lower())
    if factor is None:
        return None
    try:
        number = float(value) * factor
    except (OverflowError, TypeError, ValueError):
        return None
    return number if 0 < number < math.inf else None
