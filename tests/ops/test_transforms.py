"""Maps of space: points, boxes, inverses, and the errors of maps that are none."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import wkplug as wk
from wkplug import errors
from wkplug.ops import AbstractTransform, AffineTransform
from wkplug.ops.transforming.maps import AffinePlaces, FreePlaces
from wkplug.testing.profiles import examples

NUMBERS = st.floats(-4, 4, allow_subnormal=False)


def moved(x: float = 0, y: float = 0, z: float = 0) -> AffineTransform:
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return AffineTransform(matrix)


def turned(degrees: float) -> AffineTransform:
    matrix = np.eye(4)
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    matrix[:2, :2] = (c, -s), (s, c)
    return AffineTransform(matrix)


def test_points_are_mapped_one_by_one_or_together() -> None:
    shift = moved(4)
    np.testing.assert_array_equal(shift.apply(np.array([[1.0, 2, 3], [4, 5, 6]])), [[5, 2, 3], [8, 5, 6]])
    np.testing.assert_array_equal(shift.apply(np.array([1.0, 2, 3])), [5, 2, 3])
    np.testing.assert_array_equal(shift.inverse().apply(np.array([[1.0, 2, 3]])), [[-3, 2, 3]])
    assert repr(shift).startswith("AffineTransform([[1.0, 0.0, 0.0, 4.0]")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(shift)).matrix, shift.matrix)


def test_boxes_are_those_around_the_mapped_corners() -> None:
    box = wk.BoundingBox((1, 2, 3), (9, 9, 9))
    assert moved(4).transform_bbox(box) == wk.BoundingBox((5, 2, 3), (9, 9, 9))
    assert AffineTransform(np.diag([0.5, 0.5, 0.5, 1])).transform_bbox(box) == wk.BoundingBox(
        (0, 1, 1), (5, 5, 5)
    )
    assert AffineTransform(np.diag([-1, 1, 1, 1])).transform_bbox(box) == wk.BoundingBox(
        (-10, 2, 3), (9, 9, 9)
    )
    larger = wk.BoundingBox((1, 2, 3), (10, 10, 10))
    assert turned(np.rad2deg(0.3)).transform_bbox(larger) == wk.BoundingBox((-3, 2, 3), (13, 13, 10))


def test_a_quarter_turn_is_exact_though_its_cosine_is_not() -> None:
    assert turned(90).matrix[0, 0] != 0
    assert turned(90).transform_bbox(wk.BoundingBox((0, 0, 0), (5, 4, 3))) == wk.BoundingBox(
        (-4, 0, 0), (4, 5, 3)
    )


def test_matrices_are_copied_and_read_only() -> None:
    matrix = np.eye(4)
    shift = AffineTransform(matrix)
    matrix[0, 0] = 7
    assert shift.matrix[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        shift.matrix[0, 0] = 7


def test_matrices_that_are_not_affine_are_refused() -> None:
    with pytest.raises(ValueError, match=r"The affine matrix must have shape \(4, 4\), got \(3, 3\)"):
        AffineTransform(np.eye(3))
    projective = np.eye(4)
    projective[3, 0] = 1
    for wrong in (projective, np.full((4, 4), np.nan)):
        with pytest.raises(ValueError, match="is not affine") as caught:
            AffineTransform(wrong)
        assert "the last row must be (0, 0, 0, 1)" in str(caught.value)
    with pytest.raises(ValueError, match="has no inverse: it flattens space"):
        AffineTransform(np.diag([1, 0, 1, 1])).inverse()


class Bent(AbstractTransform):
    def __init__(self, result: np.ndarray) -> None:
        self.result = result

    def apply(self, points: np.ndarray) -> np.ndarray:
        return np.resize(self.result, points.shape) if self.result.ndim == 1 else self.result

    def inverse(self) -> Bent:
        return self


def test_maps_of_others_must_give_points() -> None:
    box = wk.BoundingBox((0, 0, 0), (1, 1, 1))
    with pytest.raises(errors.InvalidArgumentError, match=r"to nowhere \(NaN or infinity\)") as caught:
        Bent(np.array([np.nan])).transform_bbox(box)
    assert "Give an output_bbox" in str(caught.value)
    with pytest.raises(
        errors.ShapeMismatchError, match=r"array of shape \(2, 3\) from points of shape \(8, 3\)"
    ):
        Bent(np.zeros((2, 3))).transform_bbox(box)


def test_affine_coordinates_are_those_of_any_function_and_lie_within_reach() -> None:
    @examples(40)
    @given(
        arrays.arrays(np.float64, (3, 4), elements=NUMBERS),
        st.tuples(*(st.integers(0, 9),) * 3),
        st.sampled_from(((1, 1, 1), (2, 2, 1), (4, 2, 8))),
        st.tuples(*(st.integers(0, 50),) * 3),
        st.tuples(*(st.integers(1, 5),) * 3),
    )
    def check(
        rows: np.ndarray,
        shift: tuple[int, ...],
        mag: tuple[int, ...],
        start: tuple[int, ...],
        size: tuple[int, ...],
    ) -> None:
        matrix = np.vstack([rows, (0, 0, 0, 1)])
        affine = AffinePlaces.of_matrix(matrix, shift, mag)
        free = FreePlaces(AffineTransform(matrix).apply, shift, mag)
        assert free.reach((start, size)) is None
        for one, other, (low, high) in zip(
            affine.of((start, size)), free.of((start, size)), affine.reach((start, size)), strict=True
        ):
            np.testing.assert_allclose(np.broadcast_to(one, size[::-1]), other, atol=2e-7)
            assert low <= one.min()
            assert one.max() <= high

    check()
