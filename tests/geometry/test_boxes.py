"""`NDBoundingBox` and `BoundingBox`; arithmetic against numpy is in test_against_numpy.py."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from wkplug.errors import AxisError, GeometryError, MagError
from wkplug.geometry import BoundingBox, Mag, NDBoundingBox, Vec3Float, Vec3Int, VecInt

BOX = BoundingBox((2, 3, 4), (5, 6, 7))
TXYZ = NDBoundingBox((1, 2, 3, 4), (4, 5, 6, 7), "txyz")


def test_attributes_are_vectors_with_the_axes_of_the_box() -> None:
    assert TXYZ.topleft == (1, 2, 3, 4)
    assert TXYZ.size == (4, 5, 6, 7)
    assert TXYZ.bottomright == (5, 7, 9, 11)
    assert TXYZ.topleft.axes == TXYZ.size.axes == TXYZ.axes == ("t", "x", "y", "z")
    assert TXYZ.index == (0, 1, 2, 3)
    assert (TXYZ.ndim, len(TXYZ), TXYZ.volume()) == (4, 4, 840)
    assert (TXYZ.name, TXYZ.is_visible, TXYZ.color) == ("Unnamed Bounding Box", True, None)
    for vector in (BOX.topleft, BOX.size, BOX.bottomright, BOX.index):
        assert type(vector) is Vec3Int
    assert BOX.index == (1, 2, 3)
    assert repr(TXYZ) == (
        "NDBoundingBox(topleft=(1, 2, 3, 4), size=(4, 5, 6, 7), axes={'t': 0, 'x': 1, 'y': 2, 'z': 3})"
    )
    assert repr(BOX) == "BoundingBox(topleft=(2, 3, 4), size=(5, 6, 7))"
    assert BOX.to_box() == ((2, 3, 4), (5, 6, 7))


def test_boxes_are_made_from_all_kinds_of_vectors() -> None:
    for topleft in ([2, 3, 4], Vec3Int(2, 3, 4), np.array([2, 3, 4]), (2.9, 3, 4), "2,3,4", iter((2, 3, 4))):
        assert BoundingBox(topleft, (5, 6, 7)) == BOX  # type: ignore[arg-type]  # text is read, too
    assert NDBoundingBox.from_axes(("t", "x"), (1, 2)).to_box() == ((0, 0), (1, 2))
    assert BoundingBox.from_axes("xyz", (1, 2, 3)).to_box() == ((0, 0, 0), (1, 2, 3))
    assert BoundingBox.empty().is_empty()
    assert not BOX.is_empty()


def test_axes_are_sorted_by_their_index() -> None:
    box = NDBoundingBox((1, 2, 3, 4), (4, 5, 6, 7), ("t", "x", "y", "z"), (3, 0, 1, 2))
    assert box.axes == ("x", "y", "z", "t")
    assert box.to_box() == ((2, 3, 4, 1), (5, 6, 7, 4))
    assert box.index == (0, 1, 2, 3)
    assert TXYZ.with_index((3, 2, 1, 0)).axes == ("z", "y", "x", "t")
    assert TXYZ.with_index_xyz((3, 2, 1)).axes == ("t", "z", "y", "x")
    assert NDBoundingBox((1,), (2,), "x", (5,)).index == (5,)
    assert BOX.with_index((3, 2, 1)) is BOX
    assert BoundingBox((2, 3, 4), (5, 6, 7), index=(1, 2, 3)) == BOX


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (((1, 1), (1, 1, 2), "xy"), r"different lengths: 2, 3, 2 \(x, y\) and 2"),
        (((1, 1), (1, 1), "xy", (1,)), "different lengths"),
        (((1, 1), (1, 1), "xx"), "named twice"),
        ((1, (1, 1), "xy"), "no sequence of integers"),
        (("11", (1, 1), "xy"), "is text"),
    ],
)
def test_boxes_that_cant_be_say_why(args: Any, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        NDBoundingBox(*args)


@pytest.mark.parametrize(
    "args", [(3, (1, 1, 1)), ((1, 1), (1, 1)), ((1, 1, 1), 3), ((1, 1, 1), (1, 1, 1, 1))]
)
def test_a_bounding_box_needs_three_numbers(args: Any) -> None:
    with pytest.raises(AssertionError, match=r"sequence of integers|Expected 3 integers"):
        BoundingBox(*args)


def test_a_bounding_box_has_no_other_axes() -> None:
    with pytest.raises(GeometryError, match="axes of a BoundingBox are x, y, z") as caught:
        BoundingBox((1, 2, 3), (4, 5, 6), "my box")
    assert "name=" in str(caught.value)


def test_negative_sizes_turn_round() -> None:
    assert BoundingBox((10, 10, 10), (-50, 5, 5)) == BoundingBox((-40, 10, 10), (50, 5, 5))
    assert BOX.with_size((-5, 6, 7)).topleft == (-3, 3, 4)
    assert BOX.with_bottomright((0, 9, 11)).to_box() == ((0, 3, 4), (2, 6, 7))
    assert BOX.padded_with_margins(-BOX.size) == BOX


def test_copies_differ_in_one_thing() -> None:
    assert BOX.with_name("a").name == "a"
    assert BOX.with_is_visible(is_visible=False).is_visible is False
    assert BOX.with_color([1, 0, 0, 1]).color == (1.0, 0.0, 0.0, 1.0)
    assert BOX.with_color((1, 0, 0, 1)).with_color(None).color is None
    assert BOX.with_topleft((0, 0, 0)).to_box() == ((0, 0, 0), (5, 6, 7))
    assert BOX.with_size((1, 2, 3)).to_box() == ((2, 3, 4), (1, 2, 3))
    assert BOX.with_bottomright((10, 10, 10)).to_box() == ((2, 3, 4), (8, 7, 6))
    assert BOX.with_bounds_x(1).to_box() == ((1, 3, 4), (5, 6, 7))
    assert BOX.with_bounds_y(1, 2).to_box() == ((2, 1, 4), (5, 2, 7))
    assert BOX.with_bounds_z(new_size_z=2).to_box() == ((2, 3, 4), (5, 6, 2))
    assert TXYZ.with_bounds("t", 0, 1).to_box() == ((0, 2, 3, 4), (1, 5, 6, 7))
    for changed in (BOX.with_name("n").with_size((1, 1, 1)), BOX.with_name("n").offset((1, 1, 1))):
        assert changed.name == "n"
    with pytest.raises(GeometryError, match="Expected 4 integers, got 3"):
        TXYZ.with_topleft((1, 2, 3))


def test_spatial_parts_are_found_by_name() -> None:
    box = NDBoundingBox((1, 2, 3), (4, 5, 6), ("t", "y", "x"))
    assert box.topleft_xyz == (3, 2, 0)
    assert box.size_xyz == (6, 5, 0)
    assert box.bottomright_xyz == (9, 7, 0)
    assert box.index_xyz == (2, 1, 0)
    assert type(box.topleft_xyz) is Vec3Int
    assert box.with_topleft_xyz((7, 8, 9)).to_box() == ((1, 8, 7), (4, 5, 6))
    assert box.with_size_xyz((7, 8, 9)).to_box() == ((1, 2, 3), (4, 8, 7))
    assert box.with_bottomright_xyz((7, 8, 9)).to_box() == ((1, 2, 3), (4, 6, 4))
    assert BOX.index_xyz == (1, 2, 3)


def test_bounds_and_sizes_along_one_axis() -> None:
    assert TXYZ.get_bounds("t") == (1, 5)
    assert TXYZ.get_shape("z") == 7
    for access in (TXYZ.get_bounds, TXYZ.get_shape, TXYZ.with_bounds):
        with pytest.raises(KeyError, match="has no axis 'q'; its axes are t, x, y, z") as caught:
            access("q")
        assert isinstance(caught.value, AxisError)


def test_equality_is_that_of_the_place() -> None:
    assert BoundingBox((2, 3, 4), (5, 6, 7), name="other", color=(1, 1, 1, 1)) == BOX
    assert NDBoundingBox((2, 3, 4), (5, 6, 7), "xyz") == BOX
    assert BoundingBox((2, 3, 4), (5, 6, 8)) != BOX
    assert BOX != (2, 3, 4, 5, 6, 7)
    with pytest.raises(ValueError, match="same axes in the same order, not x, y, z and t, x, y, z"):
        assert BOX == TXYZ
    with pytest.raises(ValueError, match="same axes"):
        assert NDBoundingBox((1, 2, 3), (4, 5, 6), "zyx") == BOX


def test_equal_boxes_hash_equally() -> None:
    assert hash(BOX) == hash(BOX.to_tuple6()) == hash(NDBoundingBox((2, 3, 4), (5, 6, 7), "xyz"))
    assert hash(BOX) == hash(BOX.with_name("n").with_color((1, 1, 1, 1)))
    assert hash(BOX) == hash(BOX.normalize_axes(3))
    assert hash(NDBoundingBox((0, 2, 3, 4), (3, 5, 6, 7), "cxyz")) == hash(BOX.normalize_axes(3))


@pytest.mark.parametrize("box", [BOX.with_name("n").with_color((1, 0, 0, 1)), TXYZ, BOX.normalize_axes(2)])
def test_boxes_are_values(box: NDBoundingBox) -> None:
    for clone in (pickle.loads(pickle.dumps(box)), copy.copy(box), copy.deepcopy(box)):
        assert type(clone) is type(box)
        assert clone == box
        assert (clone.axes, clone.index, clone.name, clone.color) == (
            box.axes,
            box.index,
            box.name,
            box.color,
        )
    for attribute in ("topleft", "size", "axes", "name", "color", "is_visible", "index"):
        with pytest.raises(AttributeError):
            setattr(box, attribute, None)
    assert not hasattr(box, "__dict__")


def test_points_may_be_floats_and_vectors() -> None:
    box = BoundingBox((1, 1, 1), (5, 5, 5))
    assert box.contains((1, 1, 1))
    assert not box.contains((1, 1, 6))
    assert box.contains(np.array([5.5, 5.9, 1.0]))
    assert box.contains(Vec3Float(5.5, 1, 1))
    assert box.contains(np.array([1, 2, 3])) is True
    assert not box.contains(np.array([6.0, 5.0, 5.0]))
    assert TXYZ.contains((1, 2, 3, 4))
    for point in ((1, 2), np.array([1, 2]), np.ones((3, 3))):
        with pytest.raises(AssertionError, match="has 3 coordinates"):
            box.contains(point)


def test_an_empty_box_is_contained_where_it_lies() -> None:
    assert BOX.contains_bbox(BoundingBox((3, 4, 5), (0, 0, 0)))
    assert BOX.contains_bbox(BoundingBox((7, 9, 11), (0, 0, 0)))
    assert not BOX.contains_bbox(BoundingBox((20, 20, 20), (0, 0, 0)))
    assert not BOX.contains_bbox(BoundingBox.empty())


def test_boxes_that_do_not_meet_have_no_intersection() -> None:
    far = BoundingBox((20, 20, 20), (1, 1, 1))
    with pytest.raises(AssertionError, match="No intersection between BoundingBox"):
        BOX.intersected_with(far)
    nothing = BOX.intersected_with(far, dont_assert=True)
    assert nothing.to_box() == ((20, 20, 20), (0, 0, 0))
    assert BOX.intersected_with(BoundingBox((7, 0, 0), (1, 9, 9)), dont_assert=True).size == (0, 6, 5)
    assert BOX.with_name("n").intersected_with(BOX).name == "n"


def test_operations_with_two_boxes_need_the_same_axes() -> None:
    for operation in (TXYZ.intersected_with, TXYZ.extended_by, TXYZ.contains_bbox, TXYZ.__eq__):
        with pytest.raises(ValueError, match="same axes in the same order"):
            operation(BOX)


def test_mags_touch_space_only() -> None:
    box = NDBoundingBox((1, 4, 8, 3), (3, 8, 4, 1), ("t", "z", "y", "x"))
    assert box.in_mag("1-4-4").to_box() == ((1, 1, 2, 3), (3, 2, 1, 1))
    assert box.from_mag_to_mag1(Mag(2)).to_box() == ((1, 8, 16, 6), (3, 16, 8, 2))
    assert box.align_with_mag(8, ceil=True).to_box() == ((1, 0, 8, 0), (3, 16, 8, 8))
    assert NDBoundingBox((2, 2), (4, 4), "xy").in_mag(2).to_box() == ((1, 1), (2, 2))


@pytest.mark.parametrize("box", [BoundingBox((1, 2, 2), (5, 2, 2)), BoundingBox((2, 2, 2), (2, 2, 1))])
def test_only_aligned_boxes_have_a_mag(box: BoundingBox) -> None:
    with pytest.raises(AssertionError, match="not on the grid of mag 2") as caught:
        box.in_mag(Mag(2))
    assert "align_with_mag(mag)" in str(caught.value)


def test_a_box_smaller_than_a_cell_shrinks_to_nothing() -> None:
    assert BoundingBox((1, 1, 1), (2, 2, 2)).align_with_mag(8).to_box() == ((8, 8, 8), (0, 0, 0))
    assert BoundingBox((7, 0, 0), (2, 8, 8)).align_with_mag(8).to_box() == ((8, 0, 0), (0, 8, 8))


def test_boxes_align_with_any_grid() -> None:
    box = BoundingBox((2, 2, 4), (6, 6, 8))
    for cell in (Vec3Int(3, 3, 3), (3, 3, 3), np.array([3, 3, 3])):
        assert box.align_with_mag(cell, ceil=True).to_box() == ((0, 0, 3), (9, 9, 9))
    with pytest.raises(GeometryError, match="must be positive"):
        box.align_with_mag((0, 1, 1))
    with pytest.raises(GeometryError, match="Expected 3 integers"):
        box.align_with_mag((1, 1))
    with pytest.raises(MagError, match="powers of two"):
        box.align_with_mag(3)


def test_boxes_are_grouped_by_the_cells_that_they_are_in() -> None:
    a, b, c = (BoundingBox(at, (2, 2, 2)) for at in ((1, 1, 1), (5, 5, 5), (0, 0, 0)))
    groups = BoundingBox.group_boxes_with_aligned_mag([a, b, c], Mag(4))
    assert groups == {BoundingBox((0,) * 3, (4,) * 3): [a, c], BoundingBox((4,) * 3, (4,) * 3): [b]}


def test_boxes_are_padded_and_moved() -> None:
    assert BOX.padded_with_margins((1, 1, 1)).to_box() == ((1, 2, 3), (7, 8, 9))
    assert BOX.padded_with_margins((1, 1, 1), (2, 2, 2)).to_box() == ((1, 2, 3), (8, 9, 10))
    assert TXYZ.padded_with_margins((1, 1, 1)).to_box() == ((1, 1, 2, 3), (4, 7, 8, 9))
    assert TXYZ.offset((1, 2, 3)).topleft == (1, 3, 5, 7)
    assert TXYZ.offset((1, 2, 3, 4)).topleft == (2, 4, 6, 8)
    assert NDBoundingBox((0, 0, 0), (4, 5, 6), "zyx").offset((1, 2, 3)).topleft == (3, 2, 1)
    with pytest.raises(ValueError, match=r"expected 3 \(x, y, z\) or one per axis \(t, x, y, z\)"):
        TXYZ.offset((1, 2))


def test_chunks_come_with_the_last_axis_fastest() -> None:
    chunks = [chunk.to_box() for chunk in BOX.chunk((4, 4, 4), (2, 2, 2))]
    assert chunks[:3] == [((2, 3, 4), (4, 3, 4)), ((2, 3, 8), (4, 3, 3)), ((2, 6, 4), (4, 3, 4))]
    assert len(chunks) == 2 * 2 * 2
    assert list(BOX.iter_chunk_toplefts((4, 4, 4), (2, 2, 2)))[:3] == [(2, 2, 4), (2, 2, 8), (2, 6, 4)]
    assert list(BoundingBox.empty().chunk((4, 4, 4))) == []
    assert all(chunk.name == "n" for chunk in BOX.with_name("n").chunk((4, 4, 4)))


def test_three_numbers_chunk_by_name_and_leave_channels_whole() -> None:
    box = NDBoundingBox((0, 1, 2, 3, 0), (2, 3, 2, 4, 1), ("t", "c", "z", "y", "x"))
    assert [chunk.to_box() for chunk in box.chunk((1, 2, 2))] == [
        ((t, 1, 2, y, 0), (1, 3, 2, 2, 1)) for t in (0, 1) for y in (3, 5)
    ]
    assert next(NDBoundingBox((0, 0, 0), (4, 5, 6), "zyx").chunk((1, 2, 3))).size == (3, 2, 1)
    assert next(TXYZ.chunk((4, 4, 4), (2, 2, 2))).size == (1, 4, 3, 4)
    assert next(TXYZ.chunk((2, 4, 4, 4), (2, 2, 2, 2))).to_box() == ((1, 2, 3, 4), (1, 4, 3, 4))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (((4, 4, 4), (3, 2, 2)), "not divisible by the border alignment"),
        (((4, 4, 4), (8, 8, 8)), "not divisible by the border alignment"),
        (((4, 4, 4), (0, 1, 1)), "not divisible by the border alignment"),
        (((0, 4, 4),), "must be positive"),
        (((-4, 4, 4),), "must be positive"),
        (((4, 4),), "has 2 numbers"),
        ((4,), "no sequence of integers"),
    ],
)
def test_chunk_shapes_that_mean_nothing_fail_at_once(args: Any, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        BOX.chunk(*args)


def test_huge_boxes_are_cut_lazily() -> None:
    box = BoundingBox((5, 0, 0), (2**80, 2**70, 40))
    chunks = box.chunk((32, 32, 32), (32, 32, 32))
    assert [next(chunks).to_box() for _ in range(3)] == [
        ((5, 0, 0), (27, 32, 32)), ((5, 0, 32), (27, 32, 8)), ((5, 32, 0), (27, 32, 32)),
    ]  # fmt: skip


def test_boxes_cut_arrays() -> None:
    array = np.arange(1000).reshape(10, 10, 10)
    assert BOX.to_slices() == (slice(2, 7), slice(3, 9), slice(4, 11))
    assert np.array_equal(BOX.slice_array(array), array[2:7, 3:9, 4:11])
    assert NDBoundingBox((5, 2, 3, 4), (1, 5, 6, 7), "txyz").to_slices_xyz() == (
        slice(0, 1), slice(2, 7), slice(3, 9), slice(4, 11),
    )  # fmt: skip
    with pytest.raises(AssertionError, match="size 1 along all axes but x, y and z; along t it has 4"):
        TXYZ.to_slices_xyz()


def test_spatial_arrays_take_the_axes_of_a_box() -> None:
    array = np.arange(6).reshape(3, 2, 1)
    box = NDBoundingBox((7, 0, 0, 0), (1, 1, 2, 3), ("t", "z", "y", "x"))
    fitted = box.xyz_array_to_bbox_shape(array)
    assert fitted.tolist() == [[[[0, 2, 4], [1, 3, 5]]]]
    assert np.shares_memory(fitted, array)
    flat = NDBoundingBox((0, 0, 0), (1, 2, 3), ("t", "y", "x")).xyz_array_to_bbox_shape(array)
    assert flat.tolist() == [[[0, 2, 4], [1, 3, 5]]]
    with pytest.raises(GeometryError, match="has extent along x, which the box lacks"):
        NDBoundingBox((0, 0), (2, 1), ("y", "z")).xyz_array_to_bbox_shape(array)
    with pytest.raises(GeometryError, match="axes x, y and z, got the shape"):
        BOX.xyz_array_to_bbox_shape(array[0])
    with pytest.raises(AssertionError, match="along t it has 4"):
        TXYZ.xyz_array_to_bbox_shape(array)


def test_a_box_is_not_normalised_into_channels_that_it_lacks() -> None:
    assert TXYZ.normalize_axes(1).axes == TXYZ.axes
    with pytest.raises(AssertionError, match="has no axis for 2 channels"):
        TXYZ.normalize_axes(2)
    assert TXYZ.denormalize() is TXYZ
    assert BOX.denormalize() is BOX


def test_written_forms_of_boxes_over_any_axes() -> None:
    assert TXYZ.to_config_dict() == {
        "topleft": [1, 2, 3, 4], "size": [4, 5, 6, 7], "axes": ("t", "x", "y", "z"),
    }  # fmt: skip
    assert TXYZ.to_checkpoint_name() == "1_2_3_4_4_5_6_7"
    assert type(TXYZ.topleft) is VecInt
