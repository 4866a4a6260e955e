"""Lengths with the units that files write are nanometres, or unknown."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wkplug.abc import nanometres

FACTORS = {
    "pm picometer": 1e-3,
    "\u00e5 \u00c5 \u212b a angstrom": 0.1,
    "nm nanometer nanometers nanometre": 1.0,
    "\u00b5m \u03bcm um \\u00b5m micron microns micrometer micrometers micrometre": 1e3,
    "mm millimeter millimeters": 1e6,
    "cm centimeter": 1e7,
    "inch": 2.54e7,
    "m meter": 1e9,
    "kilometer": 1e12,
}
UNITS = [(unit, factor) for units, factor in FACTORS.items() for unit in units.split()]


@pytest.mark.parametrize(("unit", "factor"), UNITS)
def test_every_spelling_is_a_length_in_upper_and_lower_case_and_with_spaces_around(
    unit: str, factor: float
) -> None:
    for spelled in (unit, unit.lower(), unit.capitalize(), f" {unit}\n"):
        assert nanometres(1, spelled) == factor
    assert nanometres("2.5", unit) == 2.5 * factor


def test_the_two_micro_signs_are_the_same_in_upper_case_too() -> None:
    # Unicode has one capital for both, the Greek one.
    assert nanometres(1, "\u00b5m".upper()) == nanometres(1, "\u03bcm") == 1e3


@pytest.mark.parametrize(
    "unit", [None, "", "None", "px", "pixel", "s", "ev", "1/nm", "nm^-1", "\u00b5", "furlong", 3, b"nm"]
)
def test_a_unit_that_is_no_known_length_is_never_guessed(unit: Any) -> None:
    assert nanometres(1, unit) is None


@pytest.mark.parametrize(
    "value",
    [None, "", "wide", 0, -1.0, "-0.5", math.nan, math.inf, -math.inf, "nan", "inf", [], 1j, 10**400, 1e308],
)
def test_what_is_no_finite_number_above_zero_has_no_length(value: Any) -> None:
    assert nanometres(value, "mm") is None


@given(value=st.floats(min_value=1e-6, max_value=1e6), unit=st.sampled_from(UNITS))
def test_a_length_is_the_number_times_the_factor_of_its_unit(value: float, unit: tuple[str, float]) -> None:
    name, factor = unit
    assert nanometres(value, name) == value * factor
    assert nanometres(str(value), name) == value * factor
    assert nanometres(1, name) == factor
