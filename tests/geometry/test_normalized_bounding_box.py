"""`NormalizedBoundingBox`: channels, mixing with plain boxes, and the JSON form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wkplug.errors import GeometryError
from wkplug.geometry import BoundingBox, NDBoundingBox, NormalizedBoundingBox

BOX = BoundingBox((2, 3, 4), (5, 6, 7))
NORMAL = BOX.normalize_axes(3)
BASE = {"topLeft": [1, 2, 3], "width": 4, "height": 5, "depth": 6}
TIME = {"name": "t", "bounds": [2, 7], "index": 0}


def test_a_normalised_box_has_its_channels_first() -> None:
    assert type(NORMAL) is NormalizedBoundingBox
    assert NORMAL.axes == ("c", "x", "y", "z")
    assert NORMAL.to_box() == ((0, 2, 3, 4), (3, 5, 6, 7))
    assert NORMAL.index == (0, 1, 2, 3)
    assert NORMAL.normalize_axes(1).size == (1, 5, 6, 7)
    assert NDBoundingBox((1, 2, 3), (5, 6, 7), "cxy").normalize_axes(2).to_box() == ((1, 2, 3), (2, 6, 7))


def test_denormalising_drops_channels_from_plain_boxes_only() -> None:
    looks = BOX.with_name("n").with_color((1, 0, 0, 1)).with_is_visible(is_visible=False)
    plain = looks.normalize_axes(3).denormalize()
    assert type(plain) is BoundingBox
    assert plain == BOX
    assert (plain.name, plain.color, plain.is_visible) == ("n", (1.0, 0.0, 0.0, 1.0), False)
    other = NDBoundingBox((0, 1, 2, 3), (1, 4, 5, 6), ("c", "z", "y", "x")).normalize_axes(2).denormalize()
    assert type(other) is NDBoundingBox
    assert other.axes == ("c", "z", "y", "x")
    assert other.size == (2, 4, 5, 6)


def test_changes_keep_a_box_normalised() -> None:
    for box in (NORMAL.with_size_xyz((1, 1, 1)), NORMAL.offset((1, 2, 3)), next(NORMAL.chunk((4, 4, 4)))):
        assert type(box) is NormalizedBoundingBox
        assert box.get_bounds("c") == (0, 3)
    assert NORMAL.offset((1, 2, 3)).topleft == (0, 3, 5, 7)


def test_channels_do_not_count_against_plain_boxes() -> None:
    assert NORMAL == BOX
    assert BOX == NORMAL
    assert BOX.normalize_axes(2) != NORMAL
    assert BOX.with_size((1, 1, 1)) != NORMAL
    assert NORMAL.contains_bbox(BOX)
    assert BOX.contains_bbox(NORMAL)
    assert not NORMAL.contains_bbox(BOX.normalize_axes(4))
    with pytest.raises(ValueError, match="same axes"):
        assert NDBoundingBox((0, 2, 3, 4), (3, 5, 6, 7), "cxyz") == BOX


def test_mixed_results_keep_the_channels_of_the_normalised_box() -> None:
    other = BoundingBox((5, 0, 0), (9, 9, 9))
    for result in (other.intersected_with(NORMAL), NORMAL.intersected_with(other)):
        assert type(result) is NormalizedBoundingBox
        assert result.to_box() == ((0, 5, 3, 4), (3, 2, 6, 5))
    for result in (other.extended_by(NORMAL), NORMAL.extended_by(other)):
        assert type(result) is NormalizedBoundingBox
        assert result.to_box() == ((0, 2, 0, 0), (3, 12, 9, 11))
    for result in (BoundingBox.empty().extended_by(NORMAL), NORMAL.extended_by(BoundingBox.empty())):
        assert type(result) is NormalizedBoundingBox
        assert result.to_box() == NORMAL.to_box()
    assert NORMAL.intersected_with(BOX.normalize_axes(2)).size == (2, 5, 6, 7)


def test_a_normalised_box_without_channels_mixes_too() -> None:
    flat = NDBoundingBox((2, 3, 4), (5, 6, 7), "xyz").normalize_axes(1)
    assert flat == BOX
    assert flat == flat.intersected_with(BOX)
    assert type(BOX.intersected_with(flat)) is NormalizedBoundingBox
    assert type(BOX.extended_by(flat)) is NormalizedBoundingBox


def test_the_usual_axes_are_written_without_extras() -> None:
    assert NORMAL.to_wkw_dict() == {
        "topLeft": [2, 3, 4], "width": 5, "height": 6, "depth": 7, "numChannels": 3,
        "axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("extra", "axes", "start", "shape"),
    [
        ({}, "cxyz", (0, 1, 2, 3), (1, 4, 5, 6)),
        ({"numChannels": 3}, "cxyz", (0, 1, 2, 3), (3, 4, 5, 6)),
        ({"axisOrder": {"c": 0, "x": 1, "y": 2, "z": 3}}, "cxyz", (0, 1, 2, 3), (1, 4, 5, 6)),
        ({"axisOrder": {"x": 1, "y": 2, "z": 3}}, "cxyz", (0, 1, 2, 3), (1, 4, 5, 6)),
        ({"numChannels": 3, "channelIndex": 2}, "cxyz", (2, 1, 2, 3), (3, 4, 5, 6)),
        ({"axisOrder": {"x": 0, "y": 1, "z": 2}}, "xyz", (1, 2, 3), (4, 5, 6)),
        ({"axisOrder": {"x": 2, "y": 1, "z": 0}}, "zyx", (3, 2, 1), (6, 5, 4)),
        ({"axisOrder": {"x": 3, "y": 2, "z": 1}}, "zyx", (3, 2, 1), (6, 5, 4)),
        ({"axisOrder": {"c": 0, "x": 3, "y": 2, "z": 1}}, "czyx", (0, 3, 2, 1), (1, 6, 5, 4)),
        ({"axisOrder": {"x": 0, "y": 1}}, "xy", (1, 2), (4, 5)),
        (
            {"axisOrder": {"c": 1, "x": 2, "y": 3, "z": 4}, "additionalAxes": [TIME], "numChannels": 2},
            "tcxyz", (2, 0, 1, 2, 3), (5, 2, 4, 5, 6),
        ),
        ({"axisOrder": {"x": 1, "y": 2, "z": 3}, "additionalAxes": [TIME]}, "txyz", (2, 1, 2, 3), (5, 4, 5, 6)),
        ({"axisOrder": {"x": 0, "y": 1, "z": 2, "t": 3}, "additionalAxes": [TIME]}, "xyzt", (1, 2, 3, 2), (4, 5, 6, 5)),
    ],
)  # fmt: skip
def test_axes_are_read_from_json_as_older_files_mean_them(
    extra: dict[str, Any], axes: str, start: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    box = NormalizedBoundingBox.from_wkw_dict({**BASE, **extra})
    assert box.axes == tuple(axes)
    assert box.to_box() == (start, shape)
    assert (
        NormalizedBoundingBox.from_wkw_dict(json.loads(json.dumps(box.to_wkw_dict()))).to_box()
        == box.to_box()
    )


def test_other_axes_are_written_with_bounds_and_position() -> None:
    box = NDBoundingBox((2, 1, 1, 2), (5, 2, 4, 5), ("t", "c", "x", "y")).normalize_axes(3)
    assert box.to_wkw_dict() == {
        "topLeft": [1, 2, None], "width": 4, "height": 5, "depth": None, "numChannels": 3, "channelIndex": 1,
        "additionalAxes": [{"name": "t", "bounds": [2, 7], "index": 0}],
        "axisOrder": {"c": 1, "x": 2, "y": 3},
    }  # fmt: skip
    assert NormalizedBoundingBox.from_wkw_dict(box.to_wkw_dict()).to_box() == box.to_box()


@settings(deadline=None)  # other work on the machine must not fail a test
@given(
    st.permutations(["c", "x", "y", "z", "t", "u"]).flatmap(
        lambda axes: st.integers(1, 6).map(lambda n: axes[:n])
    ),
    st.lists(st.tuples(st.integers(0, 99), st.integers(1, 99)), min_size=6, max_size=6),
)
def test_boxes_over_any_axes_read_back_from_json(axes: list[str], bounds: list[tuple[int, int]]) -> None:
    count = len(axes)
    box = NormalizedBoundingBox([a for a, _ in bounds[:count]], [n for _, n in bounds[:count]], axes)
    again = NormalizedBoundingBox.from_wkw_dict(json.loads(json.dumps(box.to_wkw_dict())))
    assert (again.axes, again.to_box(), again.index) == (box.axes, box.to_box(), box.index)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({**BASE, "additionalAxes": [TIME]}, "additionalAxes but no axisOrder"),
        ({"topLeft": [1, 2, 3], "width": 4}, "lacks 'height' and 'depth'"),
        ({**BASE, "topLeft": [1, 2]}, r"topLeft must be \[x, y, z\]"),
        ({**BASE, "topLeft": 5}, r"topLeft must be \[x, y, z\]"),
        ({**BASE, "width": "wide"}, "no sequence of integers"),
        ({**BASE, "axisOrder": [1, 2]}, "axisOrder must be an object"),
        ({**BASE, "axisOrder": {"x": 0, "q": 1}}, "axisOrder names q"),
        ({**BASE, "axisOrder": {"x": 0}, "additionalAxes": [{"name": "t"}]}, "lacks 'bounds' and 'index'"),
        ({**BASE, "axisOrder": {"x": 0}, "additionalAxes": [{**TIME, "bounds": [1]}]}, "Expected 2 integers"),
    ],
)
def test_documents_that_cant_be_say_why(document: dict[str, Any], words: str) -> None:
    with pytest.raises(GeometryError, match=words) as caught:
        NormalizedBoundingBox.from_wkw_dict(document)
    assert isinstance(caught.value, AssertionError)
