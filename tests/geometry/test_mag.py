"""`Mag`."""

from __future__ import annotations

import copy
import pickle
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wkplug.errors import MagError
from wkplug.geometry import Mag, Vec3Float, Vec3Int

powers = st.integers(0, 80).map(lambda exponent: 2**exponent)
mags = st.tuples(powers, powers, powers).map(Mag)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (2, (2, 2, 2)),
        ("2", (2, 2, 2)),
        ("256", (256, 256, 256)),
        ("16-2-4", (16, 2, 4)),
        ([2, 2, 1], (2, 2, 1)),
        ((2, 2, 1), (2, 2, 1)),
        ((2.0, 2.0, 1.0), (2, 2, 1)),
        (np.array([2, 2, 1]), (2, 2, 1)),
        (np.array([2.0, 2.0, 1.0]), (2, 2, 1)),
        (Vec3Int(4, 4, 1), (4, 4, 1)),
        (Mag("4-4-1"), (4, 4, 1)),
        (np.int64(4), (4, 4, 4)),
        (2**70, (2**70,) * 3),
    ],
)
def test_mags_are_made_from_numbers_text_and_vectors(given: Any, expected: tuple[int, int, int]) -> None:
    mag = Mag(given)
    assert mag.to_tuple() == tuple(mag) == (mag.x, mag.y, mag.z) == expected
    assert all(type(number) is int for number in mag)


@pytest.mark.parametrize(
    "given",
    ["a", "2,2,1", "2-2", " 2", "2-2-1 ", "-2", "", "2" * 5000, 1.0, None, (2, 2), [2, 2, 1, 1], (2.5, 2, 1),
     (None, 1, 1), np.array([2, 2]), np.ones((3, 3), dtype=int), np.float64(2), Vec3Float(1, 2, 1), {}, b"2"],
)  # fmt: skip
def test_what_is_no_mag_says_what_would_be(given: Any) -> None:
    with pytest.raises(MagError, match="Not a mag") as caught:
        Mag(given)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, AssertionError)
    assert "2-2-1" in str(caught.value)


@pytest.mark.parametrize("given", [0, 3, -2, (2, 3, 1), "6", "2-2-0", (0, 1, 1)])
def test_components_must_be_powers_of_two(given: Any) -> None:
    with pytest.raises(MagError, match="must be powers of two"):
        Mag(given)


def test_a_mag_takes_one_argument() -> None:
    with pytest.raises(TypeError):
        Mag(2, 2, 1)  # type: ignore[call-arg]  # what is tested


def test_names_are_short_or_long() -> None:
    assert (str(Mag(2)), Mag(2).to_layer_name(), Mag(2).to_long_layer_name()) == ("2", "2", "2-2-2")
    assert (str(Mag((2, 2, 1))), Mag((2, 2, 1)).to_layer_name()) == ("2-2-1", "2-2-1")
    assert repr(Mag("2-2-1")) == "Mag(2-2-1)"
    assert repr(Mag(2)) == "Mag(2)"


def test_the_largest_component_and_its_exponent() -> None:
    assert (Mag("8-8-4").max_dim, Mag("8-8-4").max_dim_log2) == (8, 3)
    assert (Mag(1).max_dim, Mag(1).max_dim_log2) == (1, 0)


def test_conversions() -> None:
    mag = Mag("4-2-1")
    assert mag.to_list() == [4, 2, 1]
    assert mag.to_vec3_int() == Vec3Int(4, 2, 1)
    assert mag.to_np().tolist() == [4, 2, 1]
    assert mag.to_np().dtype == np.int64


def test_products_and_quotients_must_be_mags_again() -> None:
    assert Mag(2) * 2 == Mag(4)
    assert Mag("4-4-2") // 2 == Mag("2-2-1")
    assert Mag("4-4-2") * (1, 1, 2) == Mag(4)
    assert Mag(4) // Mag("2-2-1") == Mag("2-2-4")
    with pytest.raises(AssertionError, match="powers of two"):
        Mag(2) * 3
    with pytest.raises(ValueError, match="powers of two"):
        Mag(2) // 4


def test_a_mag_equals_what_makes_the_same_mag() -> None:
    for other in ("2", "2-2-2", 2, (2, 2, 2), [2, 2, 2], Vec3Int(2, 2, 2), np.array([2, 2, 2])):
        assert Mag(2) == other
    assert Vec3Int(2, 2, 2) == Mag(2)
    assert Mag("2-2-1") != Mag(2)


@pytest.mark.parametrize("other", ["foo", None, 3, 1.5, (1, 2), object(), Vec3Int(1, 2, 3)])
def test_a_mag_differs_from_what_is_no_mag(other: Any) -> None:
    assert not (Mag(2) == other)  # noqa: SIM201 - both operators are tested
    assert Mag(2) != other


def test_a_mag_hashes_as_its_three_components() -> None:
    assert hash(Mag(2)) == hash((2, 2, 2))
    table = {Mag(1): "one", Mag("2-2-1"): "two"}
    assert table[Mag((2, 2, 1))] == "two"
    assert table[2, 2, 1] == "two"  # type: ignore[index]  # the tuple is equal and hashes the same
    assert "1" not in table
    assert 1 not in table


def test_mags_sort_from_fine_to_coarse_whatever_their_order() -> None:
    every = [Mag(sizes) for sizes in product([1, 2, 4], repeat=3)]
    expected = sorted(every, key=lambda mag: (mag.max_dim, mag.to_list()))
    backwards = every[::-1]
    assert sorted(backwards) == sorted(every) == expected
    assert expected[0] == Mag(1)
    assert expected[-1] == Mag(4)


@settings(deadline=None)  # other work on the machine must not fail a test
@given(mags, mags)
def test_order_is_strict(one: Mag, two: Mag) -> None:
    assert [one < two, one == two, one > two].count(True) == 1
    assert (one <= two) == (one < two or one == two)
    assert (one >= two) == (not one < two)


def test_mags_compare_with_mag_likes() -> None:
    assert Mag("16-2-4") > Mag("8-2-4")
    assert Mag(2) < "4"
    assert Mag(2) <= 2
    assert Mag("2-2-1") < Mag(2)
    assert Mag(4) >= (2, 2, 2)
    with pytest.raises(TypeError):
        Mag(2) < None  # noqa: B015 - the comparison itself fails
    with pytest.raises(MagError, match="Not a mag"):
        Mag(2) < "foo"  # noqa: B015 - the comparison itself fails


def test_mags_are_values() -> None:
    mag = Mag("2-2-1")
    assert Mag(mag) is mag
    for clone in (pickle.loads(pickle.dumps(mag)), copy.copy(mag), copy.deepcopy(mag)):
        assert type(clone) is Mag
        assert clone == mag
    with pytest.raises(AttributeError):
        mag.x = 5  # type: ignore[misc]  # what is tested
