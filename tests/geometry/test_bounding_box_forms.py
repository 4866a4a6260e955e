"""The written forms of `BoundingBox`: tuples, csv, dicts, checkpoint names, points."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wkplug.errors import GeometryError
from wkplug.geometry import BoundingBox, NDBoundingBox, Vec3Int

BOX = BoundingBox((1, 2, 3), (4, 5, 6))
WKW = {"topLeft": [1, 2, 3], "width": 4, "height": 5, "depth": 6}
CONFIG = {"topleft": [1, 2, 3], "size": [4, 5, 6]}

boxes = st.builds(
    BoundingBox, st.tuples(*[st.integers(-(2**70), 2**70)] * 3), st.tuples(*[st.integers(0, 2**70)] * 3)
)


@settings(deadline=None)  # other work on the machine must not fail a test
@given(boxes)
def test_every_form_reads_back(box: BoundingBox) -> None:
    assert BoundingBox.from_tuple6(box.to_tuple6()) == box
    assert BoundingBox.from_csv(box.to_csv()) == box
    assert BoundingBox.from_checkpoint_name(f"job_{box.to_checkpoint_name()}_done.json") == box
    assert BoundingBox.from_config_dict(json.loads(json.dumps(box.to_config_dict()))) == box
    assert BoundingBox.from_wkw_dict(json.loads(json.dumps(box.to_wkw_dict()))) == box
    assert BoundingBox.from_ndbbox(box.normalize_axes(3)) == box
    for form in (box, box.to_csv(), box.to_tuple6(), box.to_wkw_dict(), json.dumps(box.to_config_dict())):
        assert BoundingBox.from_auto(form) == box


def test_the_forms_look_as_documented() -> None:
    assert BOX.to_tuple6() == (1, 2, 3, 4, 5, 6)
    assert BOX.to_csv() == "1,2,3,4,5,6"
    assert BOX.to_config_dict() == CONFIG
    assert BOX.to_wkw_dict() == WKW
    assert BOX.to_checkpoint_name() == "1_2_3_4_5_6"


@pytest.mark.parametrize(
    "form",
    [BOX, [1, 2, 3, 4, 5, 6], ((1, 2, 3), (4, 5, 6)), [Vec3Int(1, 2, 3), np.array([4, 5, 6])], "1,2,3,4,5,6",
     " 1, 2,3 ,4,5,6 ", WKW, CONFIG, json.dumps(WKW), json.dumps(CONFIG), BOX.normalize_axes(2),
     NDBoundingBox((1, 2, 3), (4, 5, 6), "xyz")],
)  # fmt: skip
def test_all_forms_are_recognised(form: Any) -> None:
    box = BoundingBox.from_auto(form)
    assert type(box) is BoundingBox
    assert box == BOX


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (3, "Unknown bounding box format: 3"),
        (None, "Unknown bounding box format"),
        ([1, 2, 3], "Unknown bounding box format"),
        ("{:", "is no JSON"),
        ("1,2,3", "Expected 6 integers, got 3"),
        ("1,2,a,4,5,6", "no sequence of integers"),
        ("", "no sequence of integers"),
        ({}, "lacks 'topLeft' and 'width' and 'height' and 'depth'"),
        ({"size": [1, 2, 3]}, "lacks 'topleft'"),
        (NDBoundingBox((1, 2), (3, 4), "xt"), "Unknown bounding box format"),
    ],
)
def test_unknown_forms_are_refused(form: Any, words: str) -> None:
    with pytest.raises(GeometryError, match=words) as caught:
        BoundingBox.from_auto(form)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, AssertionError)


def test_the_right_number_of_numbers_is_needed() -> None:
    with pytest.raises(AssertionError, match="Expected 6 integers, got 5"):
        BoundingBox.from_tuple6((1, 2, 3, 4, 5))
    with pytest.raises(AssertionError, match="Expected topleft and size"):
        BoundingBox.from_tuple2(((1, 2, 3),))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("foo_1_2_3_4_5_6_bar", (1, 2, 3, 4, 5, 6)),
        ("9_1_2_3_4_5_6_7", (9, 1, 2, 3, 4, 5)),
        ("run-1_2_3_4_5_6", (1, 2, 3, 4, 5, 6)),
        ("run_-1_2_-3_4_5_6", (-1, 2, -3, 4, 5, 6)),
    ],
)
def test_checkpoint_names_hold_six_numbers_somewhere(name: str, expected: tuple[int, ...]) -> None:
    assert BoundingBox.from_checkpoint_name(name).to_tuple6() == expected


def test_checkpoint_names_without_six_numbers_are_refused() -> None:
    with pytest.raises(AssertionError, match="no six numbers"):
        BoundingBox.from_checkpoint_name("foo_1_2_3_4_5")


def test_points_get_the_smallest_box_around_them() -> None:
    assert BoundingBox.from_points([(1, 2, 3), (4, 0, 6)]).to_tuple6() == (1, 0, 3, 4, 3, 4)
    assert BoundingBox.from_points([Vec3Int(1, 2, 3)]).to_tuple6() == (1, 2, 3, 1, 1, 1)
    around = BoundingBox.from_points(np.array([[1.5, 2, 3], [-1.5, 5, 6]]))
    assert around.to_tuple6() == (-2, 2, 3, 4, 4, 4)
    assert around.contains((-1.5, 5, 6))


@pytest.mark.parametrize("points", [[], [(1, 2)], [1, 2, 3], [(1, 2, float("nan"))]])
def test_points_must_be_points(points: Any) -> None:
    with pytest.raises(ValueError, match=r"one point at least|A point is three numbers"):
        BoundingBox.from_points(points)


def test_a_box_keeps_its_looks_when_other_axes_are_dropped() -> None:
    box = NDBoundingBox((0, 1, 2, 3), (9, 4, 5, 6), "txyz", name="n", is_visible=False, color=(1, 0, 0, 1))
    flat = BoundingBox.from_ndbbox(box)
    assert flat == BOX
    assert (flat.name, flat.is_visible, flat.color) == ("n", False, (1.0, 0.0, 0.0, 1.0))
