"""Voxel sizes and their units.

`VoxelSize` is what the key "scale" of datasource-properties.json means: how far apart voxel centres are in
Mag(1), along (x, y, z), in a unit. The rest of the library computes in nanometres (`to_nanometer`).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs

from wkplug.errors import InvalidArgumentError
from wkplug.geometry import Vec3Float
from wkplug.properties.document import merge
from wkplug.properties.schema import Wrong, check_depth, describe, kind, missing, wrong

__all__ = [
    "VOXEL_SIZE",
    "LengthUnit",
    "VoxelSize",
    "as_voxel_size",
    "length_unit_from_str",
    "typed_unit",
    "voxel_size_from_json",
    "voxel_size_to_json",
]


class LengthUnit(Enum):
    """A unit of length. The value is the long name, which is what files hold."""

    YOCTOMETER = "yoctometer", "ym", 1e-15
    ZEPTOMETER = "zeptometer", "zm", 1e-12
    ATTOMETER = "attometer", "am", 1e-9
    FEMTOMETER = "femtometer", "fm", 1e-6
    PICOMETER = "picometer", "pm", 1e-3
    NANOMETER = "nanometer", "nm", 1.0
    MICROMETER = "micrometer", "µm", 1e3
    MILLIMETER = "millimeter", "mm", 1e6
    CENTIMETER = "centimeter", "cm", 1e7
    DECIMETER = "decimeter", "dm", 1e8
    METER = "meter", "m", 1e9
    HECTOMETER = "hectometer", "hm", 1e11
    KILOMETER = "kilometer", "km", 1e12
    MEGAMETER = "megameter", "Mm", 1e15
    GIGAMETER = "gigameter", "Gm", 1e18
    TERAMETER = "terameter", "Tm", 1e21
    PETAMETER = "petameter", "Pm", 1e24
    EXAMETER = "exameter", "Em", 1e27
    ZETTAMETER = "zettameter", "Zm", 1e30
    YOTTAMETER = "yottameter", "Ym", 1e33
    ANGSTROM = "angstrom", "Å", 0.1
    INCH = "inch", "in", 2.54e7
    FOOT = "foot", "ft", 3.048e8
    YARD = "yard", "yd", 9.144e8
    MILE = "mile", "mi", 1.609344e12
    PARSEC = "parsec", "pc", 3.085677581e25

    _short_name: str
    _nanometers: float

    def __new__(cls, name: str, short_name: str, nanometers: float) -> LengthUnit:
        """Make one, whose value is the name alone."""
        unit = object.__new__(cls)
        unit._value_ = name
        unit._short_name = short_name
        unit._nanometers = nanometers
        return unit

    @property
    def nanometers(self) -> float:
        """How many nanometres one of it is."""
        return self._nanometers


_BY_NAME: dict[str, LengthUnit] = {
    **{unit.value: unit for unit in LengthUnit},
    **{unit._short_name: unit for unit in LengthUnit},
    # Unicode has two micro signs and two signs for the angstrom, which look alike.
    "\u03bcm": LengthUnit.MICROMETER,
    "\u212b": LengthUnit.ANGSTROM,
}

# What keyboards without the signs give, and what people call them.
_TYPED: dict[str, LengthUnit] = {
    "um": LengthUnit.MICROMETER,
    "micron": LengthUnit.MICROMETER,
    "A": LengthUnit.ANGSTROM,
    "feet": LengthUnit.FOOT,
    "inches": LengthUnit.INCH,
}


def length_unit_from_str(text: str) -> LengthUnit:
    """Read a unit's long or short name; InvalidArgumentError (a ValueError) for anything else."""
    unit = _BY_NAME.get(text) if isinstance(text, str) else None
    if unit is None:
        raise InvalidArgumentError(
            f"{text!r} is not a unit of length.",
            hint="Use a long or short name, such as nanometer or nm, micrometer or µm, millimeter or mm.",
        )
    return unit


def typed_unit(text: str) -> LengthUnit:
    """Read a unit as people type it: um for µm, plurals, British spelling, capitals where they can't mean another.

    Files are held to `length_unit_from_str`. InvalidArgumentError (a ValueError) for anything else.
    """
    if isinstance(text, str):
        given = text.strip()
        names = [given]
        if len(given) > 2:  # in short names capitals tell Mm from mm
            names += [given.lower(), given.lower().removesuffix("s").replace("metre", "meter")]
        for name in names:
            unit = _BY_NAME.get(name) or _TYPED.get(name)
            if unit is not None:
                return unit
    return length_unit_from_str(text)


def _as_unit(value: LengthUnit | str) -> LengthUnit:
    return value if isinstance(value, LengthUnit) else typed_unit(value)


@attrs.frozen
class VoxelSize:
    """The size of a voxel along (x, y, z), in `unit`. A value: comparable, hashable, picklable."""

    factor: Vec3Float = attrs.field(converter=Vec3Float)
    unit: LengthUnit = attrs.field(default=LengthUnit.NANOMETER, converter=_as_unit)

    def to_nanometer(self) -> Vec3Float:
        """Give the size along (x, y, z) in nanometres."""
        nanometers = self.unit.nanometers
        return Vec3Float(*(length * nanometers for length in self.factor))


def as_voxel_size(value: Any) -> VoxelSize:
    """Give a voxel size that a new dataset may have, from a VoxelSize or three numbers in nanometres.

    InvalidArgumentError (a ValueError) unless it is three positive, finite numbers.
    """
    hint = "Give three positive numbers, the size along x, y and z in nanometres, such as (11.24, 11.24, 28)."
    try:
        size = value if isinstance(value, VoxelSize) else VoxelSize(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgumentError(f"{value!r} is not a voxel size.", hint=hint) from error
    if not all(math.isfinite(length) and length > 0 for length in size.factor):
        raise InvalidArgumentError(
            f"{tuple(size.factor)} is not a voxel size: all three numbers must be positive and finite.",
            hint=hint,
        )
    return size


# --- the key "scale" --------------------------------------------------------------------------------------


def _check_voxel_size(scale: Any) -> None:
    path = ""
    if type(scale) is dict:
        if "factor" not in scale:
            raise missing("factor")
        unit = scale.get("unit")
        if unit is not None:
            try:
                length_unit_from_str(unit)
            except InvalidArgumentError as error:
                raise Wrong(f": {error.message}", "unit", hint=error.hint) from error
        check_depth(scale, 0)
        scale, path = scale["factor"], "factor"
    if type(scale) is not list or len(scale) != 3:
        raise wrong(f"must be a list of three numbers, not {describe(scale)}", path)
    for index, length in enumerate(scale):
        # Whole numbers in JSON have any size: what no float holds is no length either.
        if type(length) not in (int, float) or not 0 < length <= sys.float_info.max:
            raise wrong(f"must be a positive number, not {describe(length)}", f"{path}[{index}]")


def voxel_size_from_json(raw: Any) -> VoxelSize:
    """Read `scale`, with its unit or, as of old, a plain list of nanometres."""
    if isinstance(raw, Mapping):
        return VoxelSize(raw["factor"], raw.get("unit") or "nanometer")
    return VoxelSize(raw)


def voxel_size_to_json(value: Any, old: Any = None) -> Any:
    """Write `scale`; what `old` has besides stays. Plain values are taken as they are."""
    if not isinstance(value, VoxelSize):
        return value
    new = {"factor": [float(length) for length in value.factor], "unit": value.unit.value}
    return merge(old, new, frozenset(new), tuple(new)) if isinstance(old, dict) else new


VOXEL_SIZE = kind(_check_voxel_size, voxel_size_from_json, voxel_size_to_json)
