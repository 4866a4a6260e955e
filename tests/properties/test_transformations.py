import copy
import pickle

import numpy as np
import pytest

from wkplug.errors import InvalidArgumentError
from wkplug.properties import (
    AffineCoordinateTransformation as Affine,
)
from wkplug.properties import (
    CoordinateTransformation,
)
from wkplug.properties import (
    ThinPlateSplineCoordinateTransformation as ThinPlateSpline,
)
from wkplug.properties.schema import Wrong
from wkplug.properties.transformations import TRANSFORMATIONS


def apply(transformation: Affine, point: tuple[float, float, float]) -> list[float]:
    return list((transformation.matrix @ [*point, 1])[:3])


def test_the_builders_do_what_they_say() -> None:
    assert apply(Affine.identity(), (1, 2, 3)) == [1, 2, 3]
    assert apply(Affine.from_translation((1, 2, 3)), (10, 10, 10)) == [11, 12, 13]
    assert apply(Affine.from_scale((2, 3, 4)), (1, 1, 1)) == [2, 3, 4]


@pytest.mark.parametrize(
    ("axis", "before", "after"),
    [("z", (1, 0, 0), [0, 1, 0]), ("x", (0, 1, 0), [0, 0, 1]), ("y", (0, 0, 1), [1, 0, 0])],
)
def test_rotations_are_right_handed_and_exact_for_quarter_turns(
    axis: str, before: tuple[float, float, float], after: list[float]
) -> None:
    rotation = Affine.from_rotation(axis, 90)
    assert apply(rotation, before) == after
    assert set(np.unique(rotation.matrix)) <= {-1.0, 0.0, 1.0}
    assert rotation.rotate(axis, 270) == Affine.identity()
    assert Affine.from_rotation(axis, -90) == Affine.from_rotation(axis, 270)
    np.testing.assert_allclose(
        Affine.from_rotation(axis, 30).rotate(axis, 60).matrix, rotation.matrix, atol=1e-12
    )


def test_chaining_does_self_first() -> None:
    moved_then_scaled = Affine.from_translation((1, 0, 0)).scale((2, 2, 2))
    assert apply(moved_then_scaled, (1, 1, 1)) == [4, 2, 2]
    assert moved_then_scaled == Affine.from_translation((1, 0, 0)).chain(Affine.from_scale((2, 2, 2)))
    assert apply(Affine.identity().scale((2, 2, 2)).translate((1, 0, 0)), (1, 1, 1)) == [3, 2, 2]
    assert apply(Affine.identity().rotate("z", 90).flip("y"), (1, 0, 0)) == [0, -1, 0]


def test_wrong_axes_and_shapes_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="must be `x`, `y` or `z`"):
        Affine.from_rotation("w", 1)
    with pytest.raises(InvalidArgumentError, match="must be `x`, `y` or `z`"):
        Affine.identity().flip("c")
    with pytest.raises(InvalidArgumentError, match=r"shape \(4, 4\)") as caught:
        Affine(np.eye(3))
    assert isinstance(caught.value, ValueError)
    with pytest.raises(InvalidArgumentError, match="must be made of numbers"):
        Affine([["a"]])
    with pytest.raises(InvalidArgumentError, match="must have three numbers"):
        Affine.from_translation((1, 2))


def test_transformations_are_frozen_values() -> None:
    matrix = np.eye(4)
    affine = Affine(matrix)
    matrix[0, 0] = 5
    assert affine == Affine.identity()
    assert hash(affine) == hash(Affine.identity())
    assert affine != Affine.from_scale((1, 1, 2))
    assert affine != "affine"
    with pytest.raises(ValueError, match="read-only"):
        affine.matrix[0, 0] = 5
    with pytest.raises(AttributeError, match="can't be changed"):
        affine.matrix = matrix
    with pytest.raises(AttributeError, match="can't be deleted"):
        del affine.matrix
    assert copy.copy(affine) is copy.deepcopy(affine) is affine
    assert pickle.loads(pickle.dumps(affine)) == affine
    assert "1." in repr(affine)


def test_equal_transformations_hash_alike_whatever_their_zeros() -> None:
    assert Affine.from_translation((0.0, 0, 0)) == Affine.from_translation((-0.0, 0, 0))
    assert hash(Affine.from_translation((0.0, 0, 0))) == hash(Affine.from_translation((-0.0, 0, 0)))


def test_thin_plate_splines_hold_pairs_of_points() -> None:
    spline = ThinPlateSpline([(1, 2, 3), (4, 5, 6)], [(1, 1, 1), (2, 2, 2)])
    assert spline.pairs == (((1, 2, 3), (1, 1, 1)), ((4, 5, 6), (2, 2, 2)))
    assert ThinPlateSpline.from_pairs(spline.pairs) == spline
    assert pickle.loads(pickle.dumps(spline)) == spline
    assert spline != ThinPlateSpline([(1, 2, 3)], [(1, 1, 1)])
    assert "source" in repr(spline)
    with pytest.raises(ValueError, match="read-only"):
        spline.source[0, 0] = 5


@pytest.mark.parametrize(
    ("source", "target", "text"),
    [
        ([], [], r"\(N, 3\) with at least one point"),
        ([(1, 2)], [(1, 2)], r"\(N, 3\)"),
        ([(1, 2, 3)], [(1, 2, 3), (4, 5, 6)], "1 source points, but 2 target points"),
    ],
)
def test_points_in_other_shapes_are_refused(source: list[object], target: list[object], text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=text):
        ThinPlateSpline(source, target)  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize(
    "transformation", [Affine.from_rotation("x", 30), ThinPlateSpline([(1, 2, 3.5)], [(0, 0, 0)])]
)
def test_json_and_back_gives_the_same(transformation: CoordinateTransformation) -> None:
    kind = TRANSFORMATIONS["kind"]
    raw = kind.dump([transformation], None)
    kind.check(raw)
    assert kind.parse(raw) == [transformation]


def test_unknown_types_name_the_known_ones() -> None:
    with pytest.raises(Wrong, match="`affine` or `thin_plate_spline`, not 'rotate'"):
        TRANSFORMATIONS["kind"].check([{"type": "rotate"}])
    with pytest.raises(Wrong, match="must be a list of four lists of four numbers"):
        TRANSFORMATIONS["kind"].check([{"type": "affine"}])


@pytest.mark.parametrize("pairs", [5, [None], [((0, 0, 0), (1, 1, "a"))], [((0, 0, 0), 7)]])
def test_pairs_that_are_none_are_named(pairs: object) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"must be a list of pairs of points|must have three numbers"
    ):
        ThinPlateSpline.from_pairs(pairs)
