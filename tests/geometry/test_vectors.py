"""`VecInt` and `Vec3Int`."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wkplug.errors import AxisError, GeometryError
from wkplug.geometry import Mag, Vec3Float, Vec3Int, VecInt, as_vec3_int_or_none

integers = st.integers(-(2**80), 2**80)


@pytest.mark.parametrize(
    "vector",
    [
        VecInt(1, 2, 3, axes=("x", "y", "t")),
        VecInt([1, 2, 3], axes="xyt"),
        VecInt((1, 2, 3), ("x", "y", "t")),
        VecInt(np.array([1, 2, 3]), axes=["x", "y", "t"]),
        VecInt((n for n in (1, 2, 3)), axes="xyt"),
        VecInt(x=1, y=2, t=3),
        VecInt(Vec3Int(1, 2, 3), axes="xyt"),
        VecInt("1,2,3", axes="xyt"),
        VecInt.from_str("(1, 2, 3)", "xyt"),
        VecInt(1.9, 2.0, 3.2, axes="xyt"),
    ],
)
def test_vectors_are_made_from_numbers_sequences_arrays_and_keywords(vector: VecInt) -> None:
    assert type(vector) is VecInt
    assert vector == (1, 2, 3)
    assert vector.axes == ("x", "y", "t")
    assert all(type(number) is int for number in vector)


@pytest.mark.parametrize(
    ("args", "keywords", "words"),
    [
        ((1, 2), {}, "axes of the vector are missing"),
        ((), {}, "needs numbers"),
        ((1, 2), {"x": 3}, "not both"),
        (((1, 2), "xy"), {"x": 3}, "not both"),
        (((1, 2), "xyz"), {}, "2 numbers don't fit 3 axes"),
        (((1, 2), "xx"), {}, "named twice"),
        ((np.array([1.5, 2]), "xy"), {}, "has fractions"),
        (((1, 2), "xy", 3), {}, "one sequence and its axes"),
        (("1,2",), {}, "axes of the vector are missing"),
        (("1,b", "xy"), {}, "no vector of 2 integers"),
        (((None, 2), "xy"), {}, "no sequence of integers"),
        ((b"ab", "xy"), {}, "is text"),
        (((float("nan"), 2), "xy"), {}, "no sequence of integers"),
        ((Vec3Int(1, 2, 3), "xy"), {}, "3 numbers don't fit 2 axes"),
    ],
)
def test_vectors_that_cant_be_say_why(args: Any, keywords: Any, words: str) -> None:
    with pytest.raises(GeometryError, match=words) as caught:
        VecInt(*args, **keywords)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, AssertionError)


def test_text_without_axes_is_refused() -> None:
    with pytest.raises(AssertionError, match="doesn't say its axes"):
        VecInt.from_str("1,2")


def test_a_vector_of_a_vector_is_the_vector_itself() -> None:
    vector = VecInt(x=1, t=2)
    assert VecInt(vector) is vector
    vec3 = Vec3Int(1, 2, 3)
    assert Vec3Int(vec3) is vec3
    assert VecInt(vec3) is vec3


@pytest.mark.parametrize(
    "vector",
    [
        Vec3Int(1, 2, 3),
        Vec3Int((1, 2, 3)),
        Vec3Int([1, 2, 3]),
        Vec3Int(np.array([1, 2, 3])),
        Vec3Int(np.array([1.7, 2.2, 3.0])),
        Vec3Int(n for n in (1, 2, 3)),
        Vec3Int(z=3, x=1, y=2),
        Vec3Int(3, 2, 1, axes=("z", "y", "x")),
        Vec3Int((3, 2, 1), ("z", "y", "x")),
        Vec3Int("1,2,3"),
        Vec3Int("(1, 2, 3)"),
        Vec3Int(np.int64(1), np.uint8(2), 3),
        Vec3Int(VecInt(1, 2, 3, axes="abc")),
        Vec3Int.from_xyz(1, 2, 3),
        Vec3Int.from_vec_or_int((1, 2, 3)),
        Vec3Int.from_vec3_float(Vec3Float(1.9, 2.0, 3.5)),
        VecInt(t=7, z=3, x=1, y=2).xyz,
        VecInt(1, 2, 3, axes="xyz").xyz,
    ],
)
def test_vectors_of_three_are_made_from_all_kinds_of_things(vector: Vec3Int) -> None:
    assert type(vector) is Vec3Int
    assert (vector.x, vector.y, vector.z) == (1, 2, 3)
    assert vector.axes == ("x", "y", "z")
    assert all(type(number) is int for number in vector)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((1,), "Expected 3 integers, got 1"),
        ((1, 2), "one sequence|Expected 3 integers"),
        ((1, 2, 3, 4), "Expected 3 integers, got 4"),
        (((1, 2),), "Expected 3 integers, got 2"),
        (("1,2",), "no vector of 3 integers"),
        (("a",), "no vector of 3 integers"),
        (("(1,2,3",), "no vector of 3 integers"),
        ((None,), "no sequence of integers"),
        ((1, 2, float("inf")), "no sequence of integers"),
        ((np.zeros((3, 3)),), "no sequence of integers"),
    ],
)
def test_three_numbers_are_needed(args: Any, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        Vec3Int(*args)


def test_axes_of_three_must_be_x_y_z() -> None:
    with pytest.raises(AssertionError, match="axes of a Vec3Int are x, y and z"):
        Vec3Int(1, 2, 3, axes="xyt")
    with pytest.raises(AssertionError, match="keywords x, y and z"):
        Vec3Int(x=1, y=2)


def test_one_number_fills_a_vector() -> None:
    assert Vec3Int.full(4) == (4, 4, 4) == Vec3Int.from_str("4") == Vec3Int.from_vec_or_int(np.int64(4))
    assert Vec3Int.zeros() == (0, 0, 0)
    assert Vec3Int.ones(("x", "y", "z")) == (1, 1, 1)
    assert VecInt.full(2, "xt") == VecInt(x=2, t=2)
    assert VecInt.zeros(("a", "b")).axes == ("a", "b")
    assert VecInt.ones("ab") == (1, 1)
    assert Vec3Int.from_str("-5") == (-5, -5, -5)
    assert Vec3Int(Mag("4-4-1")) == (4, 4, 1)
    assert as_vec3_int_or_none(None) is None
    assert as_vec3_int_or_none((1, 2, 3)) == Vec3Int(1, 2, 3)
    assert Vec3Int.from_vec3_float((1.9, -1.9, 2.5)) == (1, -1, 2)


def test_components_are_reached_by_position_name_and_attribute() -> None:
    vector = VecInt(x=1, c=2, t=4)
    assert (vector.x, vector.c, vector["t"], vector[-1], vector[0:2]) == (1, 2, 4, 4, (1, 2))
    assert vector.get("t") == 4
    assert vector.get("q", 7) == 7
    assert vector.index(4) == 2
    assert vector.count(1) == 1
    assert vector.contains(4)
    assert 5 not in vector
    assert list(reversed(vector)) == [4, 2, 1]
    with pytest.raises(IndexError):
        vector[3]


def test_a_missing_axis_is_a_key_error_that_names_those_there_are() -> None:
    vector = VecInt(x=1, t=2)
    for access in (
        lambda: vector.y,
        lambda: vector.z,
        lambda: vector.c,
        lambda: vector.xyz,
        lambda: vector["y"],
        lambda: vector.get("y"),
        lambda: vector.with_y(3),
        lambda: vector.with_c(3),
        lambda: vector.with_replaced("q", 3),
    ):
        with pytest.raises(KeyError, match=r"has no axis '.'; its axes are x, t\.") as caught:
            access()
        assert isinstance(caught.value, AxisError)


def test_copies_differ_in_one_component() -> None:
    vector = Vec3Int(1, 2, 3)
    assert vector.with_x(9) == (9, 2, 3)
    assert vector.with_y(9) == (1, 9, 3)
    assert vector.with_z(9) == (1, 2, 9)
    assert vector.with_replaced("z", 9) == vector.with_replaced(2, 9) == vector.with_replaced(-1, 9)
    assert VecInt(c=1, x=2).with_c(5) == (5, 2)
    assert VecInt(z=1, t=2, x=3).with_xyz((7, 8, 9)) == VecInt(z=9, t=2, x=7)
    assert vector == (1, 2, 3)
    with pytest.raises(IndexError):
        vector.with_replaced(3, 1)


@settings(deadline=None)  # other work on the machine must not fail a test
@given(st.integers(-3, 3), st.integers(-3, 3))
def test_moving_an_axis_is_what_numpy_does(source: int, target: int) -> None:
    vector = VecInt(1, 2, 3, 4, axes="cxyz")
    moved = vector.moveaxis(source, target)
    shape = np.moveaxis(np.empty(vector.to_tuple()), source, target).shape
    assert moved == shape
    assert moved.axes == tuple("cxyz"[number - 1] for number in shape)


def test_several_axes_move_at_once_and_by_name() -> None:
    vector = VecInt(1, 2, 3, axes="xyt")
    assert vector.moveaxis([0, 1], [2, 0]) == (2, 3, 1)
    assert vector.moveaxis("t", 0).axes == ("t", "x", "y")
    assert type(Vec3Int(1, 2, 3).moveaxis(0, 2)) is VecInt
    assert type(Vec3Int(1, 2, 3).moveaxis(0, 0)) is Vec3Int
    with pytest.raises(GeometryError, match="no axis number 3"):
        vector.moveaxis(3, 0)
    with pytest.raises(GeometryError, match="as many targets as sources"):
        vector.moveaxis([0, 1], [0])


@settings(deadline=None)  # other work on the machine must not fail a test
@given(st.tuples(*[integers] * 3), st.tuples(*[integers] * 3).filter(lambda v: 0 not in v))
def test_arithmetic_is_element_wise_and_exact(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    one = Vec3Int(a)
    for other in (b, list(b), Vec3Int(b), np.array(b, dtype=object), VecInt(*b, axes="tcu")):
        pairs = list(zip(a, b, strict=True))
        for result, expected in (
            (one + other, [x + y for x, y in pairs]),
            (one - other, [x - y for x, y in pairs]),
            (one * other, [x * y for x, y in pairs]),
            (one // other, [x // y for x, y in pairs]),
            (one % other, [x % y for x, y in pairs]),
            (one.ceildiv(other), [-(-x // y) for x, y in pairs]),
            (one.pairmax(other), [max(p) for p in pairs]),
            (one.pairmin(other), [min(p) for p in pairs]),
        ):
            assert type(result) is Vec3Int
            assert result.to_list() == expected
    assert (one * b[0]).to_list() == [x * b[0] for x in a]
    assert -one == tuple(-x for x in a)
    assert one.prod() == a[0] * a[1] * a[2]


def test_arithmetic_keeps_class_and_axes() -> None:
    vector = VecInt(x=1, t=5)
    assert repr(vector * 2 + (1, 1)) == "VecInt(3,11, axes=('x', 't'))"
    assert Vec3Int(1, 2, 3) * np.int64(2) == (2, 4, 6)
    assert Vec3Int(1, 2, 3) + True == (2, 3, 4)
    assert (np.array([1, 2, 3]) + Vec3Int(1, 2, 3)).tolist() == [2, 4, 6]
    assert vector.add_or_none(None) is None
    assert vector.add_or_none(1) == (2, 6)


@pytest.mark.parametrize("other", [1.5, np.float64(2), (1, 2), "a", Vec3Int(1, 2, 3), [1, 2, 3]])
def test_arithmetic_with_other_lengths_and_fractions_fails(other: Any) -> None:
    with pytest.raises(AssertionError, match=r"no integer and no vector|has 3 numbers|has 2 numbers"):
        VecInt(a=1, b=2, c=3, d=4) + other


def test_arithmetic_that_means_nothing_is_a_type_error() -> None:
    vector: Any = Vec3Int(1, 2, 3)
    with pytest.raises(TypeError):
        vector + None
    with pytest.raises(TypeError):
        1 + vector
    with pytest.raises(TypeError):
        (1, 1, 1) + vector  # noqa: RUF005 - that it is no concatenation is what is tested
    with pytest.raises(TypeError):
        vector / 2
    with pytest.raises(TypeError, match="can't be compared with None"):
        vector.pairmax(None)
    with pytest.raises(ZeroDivisionError):
        vector // 0


def test_questions_about_all_components() -> None:
    assert Vec3Int(0, 1, 2).is_positive()
    assert not Vec3Int(0, 1, 2).is_positive(strictly_positive=True)
    assert not Vec3Int(0, -1, 2).is_positive()
    assert Vec3Int(2, 2, 2).is_uniform()
    assert not Vec3Int(2, 2, 1).is_uniform()
    assert Vec3Int(1, 2, 1024)._is_power_of_two()
    assert not Vec3Int(0, 2, 4)._is_power_of_two()
    assert bool(Vec3Int.zeros())


def test_vectors_equal_tuples_and_hash_like_them() -> None:
    vector = Vec3Int(1, 2, 3)
    assert vector == (1, 2, 3)
    assert (1, 2, 3) == vector  # noqa: SIM300 - both directions are tested
    assert vector == VecInt(1, 2, 3, axes="abc")
    assert vector != [1, 2, 3]
    assert vector != "1,2,3"
    assert hash(vector) == hash((1, 2, 3))
    assert {vector: 1}[1, 2, 3] == 1  # type: ignore[index]  # a tuple finds what a vector stored
    assert Vec3Int(2, 2, 2) == Mag(2)
    assert Vec3Int(1, 2, 3) != Mag(2)
    assert (np.array([1, 2, 3]) == vector).all()
    assert tuple not in type(vector).__mro__


@settings(deadline=None)  # other work on the machine must not fail a test
@given(st.tuples(integers, integers), st.tuples(integers, integers))
def test_order_is_that_of_tuples_in_both_directions(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    one, two = VecInt(a, "xy"), VecInt(b, "xy")
    assert ((one < two), (one <= two), (one > two), (one >= two)) == ((a < b), (a <= b), (a > b), (a >= b))
    assert ((a < two), (a <= two), (one > b), (one >= b)) == ((a < b), (a <= b), (a > b), (a >= b))


@pytest.mark.parametrize("other", ["a", [1, 2, 4], 3, None])
def test_order_with_anything_else_is_a_type_error(other: Any) -> None:
    with pytest.raises(TypeError):
        Vec3Int(1, 2, 3) < other  # noqa: B015 - the comparison itself fails


@pytest.mark.parametrize("vector", [Vec3Int(1, 2, 3), VecInt(x=1, t=2)])
def test_vectors_are_values(vector: VecInt) -> None:
    for clone in (pickle.loads(pickle.dumps(vector)), copy.copy(vector), copy.deepcopy(vector)):
        assert type(clone) is type(vector)
        assert (clone, clone.axes) == (vector, vector.axes)
    for attribute in ("x", "axes", "something"):
        with pytest.raises(AttributeError):
            setattr(vector, attribute, 5)
    assert not hasattr(vector, "__dict__")


def test_conversions() -> None:
    vector = Vec3Int(1, 2, 3)
    assert vector.to_tuple() == tuple(vector) == (1, 2, 3)
    assert vector.to_list() == [1, 2, 3]
    assert vector.to_np().dtype == np.int64
    assert np.array(vector).tolist() == [1, 2, 3]
    assert np.zeros(vector).shape == (1, 2, 3)
    assert str(vector) == repr(vector) == "Vec3Int(1,2,3)"
    assert repr(VecInt(1, 2, axes=("x", "y"))) == "VecInt(1,2, axes=('x', 'y'))"
