import copy
import pickle

import pytest

from wkplug.errors import InvalidArgumentError
from wkplug.properties import LengthUnit, VoxelSize, as_voxel_size, length_unit_from_str, typed_unit

SHORT = {
    "ym": 1e-15, "zm": 1e-12, "am": 1e-9, "fm": 1e-6, "pm": 1e-3, "nm": 1, "µm": 1e3, "mm": 1e6, "cm": 1e7,
    "dm": 1e8,
    "m": 1e9, "hm": 1e11, "km": 1e12, "Mm": 1e15, "Gm": 1e18, "Tm": 1e21, "Pm": 1e24, "Em": 1e27, "Zm": 1e30,
    "Ym": 1e33, "Å": 0.1, "in": 2.54e7, "ft": 3.048e8, "yd": 9.144e8, "mi": 1.609344e12, "pc": 3.085677581e25,
}  # fmt: skip


@pytest.mark.parametrize(("short", "nanometers"), SHORT.items())
def test_every_short_name_means_its_length(short: str, nanometers: float) -> None:
    size = VoxelSize((1, 2, 4), length_unit_from_str(short))
    assert size.to_nanometer().to_tuple() == pytest.approx((nanometers, 2 * nanometers, 4 * nanometers))


def test_every_unit_has_a_short_name_and_is_found_by_its_long_one() -> None:
    assert len(LengthUnit) == len(SHORT)
    for unit in LengthUnit:
        assert length_unit_from_str(unit.value) is unit
    assert LengthUnit.MICROMETER.value == "micrometer"


def test_both_micro_signs_and_both_angstroms_are_known() -> None:
    assert length_unit_from_str("\u00b5m") is length_unit_from_str("\u03bcm") is LengthUnit.MICROMETER
    assert length_unit_from_str("\u00c5") is length_unit_from_str("\u212b") is LengthUnit.ANGSTROM


@pytest.mark.parametrize("text", ["um", "", "NM", "nanometre", None, 5])
def test_other_texts_are_no_units(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="is not a unit of length") as caught:
        length_unit_from_str(text)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("typed", "unit"),
    [
        ("um", "micrometer"), ("microns", "micrometer"), ("Micrometres", "micrometer"), ("NANOMETER", "nanometer"),
        ("nm", "nanometer"), ("mm", "millimeter"), ("Mm", "megameter"), ("A", "angstrom"), ("inches", "inch"),
    ],
)  # fmt: skip
def test_people_may_type_usual_abbreviations(typed: str, unit: str) -> None:
    assert typed_unit(typed).value == unit
    assert VoxelSize((1, 1, 1), typed).unit.value == unit


@pytest.mark.parametrize("text", ["", "NM", "MM", "UM", "voxels", "s", None, 5])
def test_what_is_typed_is_never_guessed(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="is not a unit of length"):
        typed_unit(text)


def test_a_voxel_size_is_a_value() -> None:
    size = VoxelSize((11, 11, 28))
    assert size.unit is LengthUnit.NANOMETER
    assert size == VoxelSize([11.0, 11.0, 28.0], "nm")
    assert size != VoxelSize((11, 11, 28), LengthUnit.METER)
    assert hash(size) == hash(VoxelSize((11, 11, 28)))
    assert pickle.loads(pickle.dumps(size)) == copy.deepcopy(size) == size
    assert size.factor.to_tuple() == (11.0, 11.0, 28.0)
    with pytest.raises(AttributeError):
        size.unit = LengthUnit.METER  # type: ignore[misc]  # the point of the test


def test_new_datasets_get_three_positive_numbers() -> None:
    assert as_voxel_size((1, 2, 3)) == VoxelSize((1, 2, 3))
    size = VoxelSize((1, 2, 3), "mm")
    assert as_voxel_size(size) is size


@pytest.mark.parametrize("value", [(0, 1, 1), (1, -1, 1), (1, 1, float("nan")), (float("inf"), 1, 1)])
def test_a_voxel_size_that_cannot_be_is_refused(value: object) -> None:
    with pytest.raises(InvalidArgumentError, match="must be positive and finite"):
        as_voxel_size(value)


@pytest.mark.parametrize("value", [(1, 1), 5, "abc", None, (1, 2, 3, 4), ("a", "b", "c"), (10**400, 1, 1)])
def test_what_is_not_three_numbers_is_no_voxel_size(value: object) -> None:
    with pytest.raises(InvalidArgumentError, match="is not a voxel size"):
        as_voxel_size(value)
