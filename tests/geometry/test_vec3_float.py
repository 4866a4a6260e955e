"""`Vec3Float`."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from wkplug.errors import GeometryError
from wkplug.geometry import Mag, Vec3Float, Vec3Int, as_vec3_float_or_none


@pytest.mark.parametrize(
    "vector",
    [
        Vec3Float(1, 2.5, 3),
        Vec3Float((1, 2.5, 3)),
        Vec3Float([1, 2.5, 3]),
        Vec3Float(np.array([1, 2.5, 3], dtype=np.float32)),
        Vec3Float(n for n in (1, 2.5, 3)),
        Vec3Float.from_xyz(1, 2.5, 3),
        Vec3Float.from_str("1,2.5,3"),
        Vec3Float.from_str("(1, 2.5, 3)"),
        Vec3Float.from_str("1 2.5\t3"),
    ],
)
def test_vectors_are_made_from_three_numbers(vector: Vec3Float) -> None:
    assert (vector.x, vector.y, vector.z) == (1.0, 2.5, 3.0)
    assert all(type(number) is float for number in vector)


@pytest.mark.parametrize(
    "args",
    [(1, 2), ((1, 2),), ((1, 2, 3, 4),), ("1,2,3",), ("123",), ("a", 1, 2), (1, 2, None), (None,), (5,),
     (np.zeros((3, 3)),), (10**400, 1, 1)],
)  # fmt: skip
def test_anything_else_is_a_value_error(args: Any) -> None:
    with pytest.raises(ValueError, match="made of three numbers") as caught:
        Vec3Float(*args)
    assert isinstance(caught.value, GeometryError)


@pytest.mark.parametrize("text", ["1,2", "", "1,2,x", "1;2;3"])
def test_text_that_is_no_vector_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r'such as "1\.5,2,3"'):
        Vec3Float.from_str(text)


def test_a_vector_of_a_vector_is_the_vector_itself() -> None:
    vector = Vec3Float(1, 2, 3)
    assert Vec3Float(vector) is vector
    assert as_vec3_float_or_none(vector) is vector
    assert as_vec3_float_or_none(None) is None
    assert as_vec3_float_or_none(Vec3Int(1, 2, 3)) == Vec3Float(Mag(1)) * (1, 2, 3)


def test_arithmetic_is_element_wise() -> None:
    vector = Vec3Float(1, 2, 4)
    assert vector + 1 == (2, 3, 5)
    assert vector - (1, 1, 1) == (0, 1, 3)
    assert vector * Vec3Int(2, 1, 1) == (2, 2, 4)
    assert vector / np.array([2, 2, 2]) == (0.5, 1, 2)
    assert vector * np.float32(2) == (2, 4, 8)
    assert -vector == (-1, -2, -4)
    assert vector.pairmax(2) == (2, 2, 4)
    assert vector.pairmin((3, 1, 1)) == (1, 1, 1)
    assert vector.prod() == 8
    assert vector.with_x(9) == (9, 2, 4)
    assert vector.with_y(9) == (1, 9, 4)
    assert vector.with_z(9) == (1, 2, 9)
    assert Vec3Float.zeros() + Vec3Float.ones() == Vec3Float.full(1)
    with pytest.raises(ZeroDivisionError):
        vector / 0
    with pytest.raises(TypeError):
        vector + None  # type: ignore[operator]  # what is tested
    with pytest.raises(GeometryError, match="made of three numbers"):
        vector + (1, 2)  # noqa: RUF005 - what is tested


def test_whole_numbers_are_cut_towards_zero() -> None:
    assert Vec3Float(1.9, -1.9, 2.5).to_vec3_int() == Vec3Int(1, -1, 2)
    with pytest.raises(GeometryError, match="no sequence of integers"):
        Vec3Float(float("nan"), 1, 1).to_vec3_int()


def test_vectors_behave_like_the_tuple_of_their_numbers() -> None:
    vector = Vec3Float(1, 2, 3)
    assert vector == (1.0, 2.0, 3.0)
    assert (1, 2, 3) == vector  # noqa: SIM300 - both directions are tested
    assert vector != [1, 2, 3]
    assert hash(vector) == hash((1.0, 2.0, 3.0))
    assert {vector, (1.0, 2.0, 3.0)} == {vector}
    assert vector < (1, 2, 4)
    assert (1, 2, 4) > vector  # noqa: SIM300 - both directions are tested
    assert vector <= Vec3Float(1, 2, 3) >= (1, 2, 3)
    with pytest.raises(TypeError):
        vector < "a"  # type: ignore[operator]  # noqa: B015 - what is tested
    assert (vector[0], vector[1:], len(vector), list(vector)) == (1.0, (2.0, 3.0), 3, [1.0, 2.0, 3.0])
    assert tuple not in type(vector).__mro__


def test_vectors_are_values() -> None:
    vector = Vec3Float(1, 2, 3)
    for clone in (pickle.loads(pickle.dumps(vector)), copy.copy(vector), copy.deepcopy(vector)):
        assert type(clone) is Vec3Float
        assert clone == vector
    with pytest.raises(AttributeError):
        vector.x = 5  # type: ignore[misc]  # what is tested


def test_conversions() -> None:
    vector = Vec3Float(1, 2, 3)
    assert repr(vector) == "Vec3Float(1.0,2.0,3.0)"
    assert vector.to_tuple() == (1.0, 2.0, 3.0)
    assert vector.to_list() == [1.0, 2.0, 3.0]
    assert vector.to_np().dtype == np.array(vector).dtype == np.float64
