"""Box arithmetic against numpy: boxes are drawn as masks into a small array, and the masks are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wkplug.geometry import BoundingBox, NDBoundingBox, Vec3Int, grids

if TYPE_CHECKING:
    from numpy.typing import NDArray

unhurried = settings(deadline=None)  # other work on the machine must not fail a test

ORIGIN, EXTENT = -8, 32

starts = st.tuples(*[st.integers(-6, 8)] * 3)
shapes = st.tuples(*[st.integers(0, 9)] * 3)
cells = st.tuples(*[st.integers(1, 7)] * 3)
mags = st.tuples(*[st.sampled_from([1, 2, 4, 8])] * 3)
tuple_boxes = st.tuples(starts, shapes)
boxes = st.builds(BoundingBox, starts, shapes)


def drawn(start: Any, shape: Any) -> NDArray[np.bool_]:
    mask = np.zeros((EXTENT,) * 3, dtype=bool)
    mask[tuple(slice(a - ORIGIN, a - ORIGIN + n) for a, n in zip(start, shape, strict=True))] = True
    return mask


def mask_of(box: Any) -> NDArray[np.bool_]:
    return drawn(box.topleft_xyz, box.size_xyz)


def lines(cell: tuple[int, ...], axis: int) -> list[int]:
    return [voxel for voxel in range(ORIGIN, ORIGIN + EXTENT + 1) if voxel % cell[axis] == 0]


@unhurried
@given(tuple_boxes, tuple_boxes)
def test_intersections_are_the_common_voxels(one: grids.Box, two: grids.Box) -> None:
    common = drawn(*one) & drawn(*two)
    found = grids.intersect(one, two)
    assert np.array_equal(drawn(*found) if found else np.zeros_like(common), common)
    box = BoundingBox(*one).intersected_with(BoundingBox(*two), dont_assert=True)
    assert np.array_equal(mask_of(box), common)
    assert box.is_empty() == (not common.any()) == (found is None)


@unhurried
@given(boxes, boxes)
def test_extensions_are_the_smallest_boxes_around_both(one: BoundingBox, two: BoundingBox) -> None:
    union = mask_of(one) | mask_of(two)
    hull = one.extended_by(two)
    assert hull.volume() == int(np.prod([1 + np.ptp(i) for i in np.nonzero(union)]) if union.any() else 0)
    assert not (union & ~mask_of(hull)).any()
    if union.any():
        assert hull == BoundingBox.from_points(np.argwhere(union) + ORIGIN)


@unhurried
@given(boxes, boxes)
def test_a_box_that_is_not_empty_is_contained_if_all_its_voxels_are(
    outer: BoundingBox, inner: BoundingBox
) -> None:
    if not inner.is_empty():
        assert outer.contains_bbox(inner) == (not (mask_of(inner) & ~mask_of(outer)).any())


@unhurried
@given(boxes, st.tuples(*[st.integers(-8, 20)] * 3))
def test_a_point_is_contained_if_its_voxel_is(box: BoundingBox, point: tuple[int, int, int]) -> None:
    voxel = bool(mask_of(box)[tuple(p - ORIGIN for p in point)])
    assert box.contains(point) == voxel
    assert box.contains(np.array(point) + 0.5) == voxel


@unhurried
@given(tuple_boxes, cells)
def test_slices_find_a_part_in_the_array_of_a_box(box: grids.Box, cell: tuple[int, ...]) -> None:
    places = np.moveaxis(np.indices(box[1]), 0, -1) + box[0]
    for part in grids.cells(*box, cell):
        found = places[grids.slices(part, box[0])]
        assert np.array_equal(found, np.moveaxis(np.indices(part[1]), 0, -1) + part[0])


@unhurried
@given(tuple_boxes, cells)
def test_grid_cells_tile_a_box_in_c_order(box: grids.Box, cell: tuple[int, ...]) -> None:
    count = np.zeros((EXTENT,) * 3, dtype=int)
    found = list(grids.cells(*box, cell))
    for start, shape in found:
        assert all(n > 0 for n in shape)
        assert [a // c for a, c in zip(start, cell, strict=True)] == [
            (a + n - 1) // c for a, n, c in zip(start, shape, cell, strict=True)
        ]
        count += drawn(start, shape)
    assert np.array_equal(count, drawn(*box).astype(int))
    assert [start for start, _ in found] == sorted(start for start, _ in found)
    corners = list(grids.cell_starts(*box, cell))
    assert corners == [tuple(a - a % c for a, c in zip(s, cell, strict=True)) for s, _ in found]
    assert grids.count_cells(*box, cell) == len(found)


@unhurried
@given(boxes, cells, st.tuples(*[st.integers(1, 3)] * 3))
def test_chunks_tile_a_box_with_borders_on_the_alignment(
    box: BoundingBox, alignment: tuple[int, ...], factor: tuple[int, ...]
) -> None:
    shape = Vec3Int(alignment) * factor
    count = np.zeros((EXTENT,) * 3, dtype=int)
    for chunk in box.chunk(shape, alignment):
        assert type(chunk) is BoundingBox
        assert not any(a > b for a, b in zip(chunk.size, shape, strict=True))
        for axis in range(3):
            for border in (chunk.topleft[axis], chunk.bottomright[axis]):
                outer = border in (box.topleft[axis], box.bottomright[axis])
                assert outer or border % alignment[axis] == 0
        count += mask_of(chunk)
    assert np.array_equal(count, mask_of(box).astype(int))


@unhurried
@given(boxes, cells, st.none() | boxes)
def test_chunk_toplefts_are_the_starts_of_unclipped_chunks(
    box: BoundingBox, shape: tuple[int, int, int], clip: BoundingBox | None
) -> None:
    found = list(box.iter_chunk_toplefts(shape, clip_to=clip))
    wanted = mask_of(box) if clip is None else mask_of(box) & mask_of(clip)
    expected = [chunk.topleft.to_tuple() for chunk in box.chunk(shape) if (mask_of(chunk) & wanted).any()]
    assert found == expected


@unhurried
@given(boxes, mags)
def test_growing_to_a_mag_is_the_smallest_aligned_box_around(box: BoundingBox, mag: tuple[int, ...]) -> None:
    grown = box.align_with_mag(mag, ceil=True)
    for axis in range(3):
        low, high = grown.get_bounds("xyz"[axis])
        start, stop = box.get_bounds("xyz"[axis])
        assert low == max(line for line in range(start - 8, start + 1) if line % mag[axis] == 0)
        assert high == min(line for line in range(stop, stop + 9) if line % mag[axis] == 0)
    assert grown.in_mag(mag).from_mag_to_mag1(mag) == grown


@unhurried
@given(boxes, mags)
def test_shrinking_to_a_mag_keeps_exactly_the_whole_cells(box: BoundingBox, mag: tuple[int, ...]) -> None:
    shrunk = box.align_with_mag(mag)
    inside = mask_of(box)
    counts = [EXTENT // m for m in mag]
    full = inside.reshape([n for pair in zip(counts, mag, strict=True) for n in pair]).all(axis=(1, 3, 5))
    whole = full.repeat(mag[0], 0).repeat(mag[1], 1).repeat(mag[2], 2)
    assert shrunk.is_empty() == (not whole.any())
    assert shrunk.is_empty() or np.array_equal(mask_of(shrunk), whole)
    assert not any(a > b for a, b in zip(shrunk.size, box.size, strict=True))
    assert shrunk.in_mag(mag).from_mag_to_mag1(mag) == shrunk


@unhurried
@given(tuple_boxes, cells, st.none() | tuple_boxes)
def test_a_box_is_aligned_if_all_its_faces_are_on_lines_or_on_the_bounds(
    box: grids.Box, cell: tuple[int, ...], bounds: grids.Box | None
) -> None:
    expected = True
    for axis in range(3):
        first, last = box[0][axis], box[0][axis] + box[1][axis]
        low, high = (None, None) if bounds is None else (bounds[0][axis], bounds[0][axis] + bounds[1][axis])
        expected &= (first in lines(cell, axis) or first == low) and (
            last in lines(cell, axis) or last == high
        )
    assert grids.is_aligned(box, cell, bounds) == expected


@unhurried
@given(tuple_boxes, tuple_boxes)
def test_hulls_and_covers_agree(one: grids.Box, two: grids.Box) -> None:
    hull = grids.hull(one, two)
    for box in (one, two):
        assert grids.is_empty(box) or grids.covers(hull, box)
    assert grids.volume(one) == int(drawn(*one).sum())


@unhurried
@given(st.integers(2**53, 2**90), st.integers(1, 2**70), st.integers(0, 60), st.booleans())
def test_integers_beyond_the_precision_of_floats_stay_exact(
    start: int, size: int, exponent: int, negative: bool
) -> None:
    start, mag = -start if negative else start, 2**exponent
    box = BoundingBox((start,) * 3, (size,) * 3)
    grown, shrunk = box.align_with_mag(mag, ceil=True), box.align_with_mag(mag)
    low, high = start // mag, -(-(start + size) // mag)
    assert grown.get_bounds("x") == (low * mag, high * mag)
    assert grown.in_mag(mag).get_bounds("y") == (low, high)
    first, last = -(-start // mag) * mag, (start + size) // mag * mag
    assert shrunk.get_bounds("z") == (first, max(first, last))
    chunks = box.chunk((size // 2 + 1,) * 3)
    assert sum(chunk.volume() for chunk in chunks) == size**3
    assert (Vec3Int.full(start).ceildiv(mag) * mag).x == first


@unhurried
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-6, 6)), min_size=1, max_size=5))
def test_boxes_over_any_axes_turn_negative_sizes_round(bounds: list[tuple[int, int]]) -> None:
    axes = "tcxyz"[: len(bounds)]
    box = NDBoundingBox([a for a, _ in bounds], [n for _, n in bounds], axes)
    for axis, (a, n) in zip(axes, bounds, strict=True):
        assert box.get_bounds(axis) == (min(a, a + n), max(a, a + n))


@unhurried
@given(
    st.permutations("txyz"),
    st.tuples(*[st.integers(-4, 4)] * 4),
    st.tuples(*[st.integers(0, 5)] * 4),
    st.tuples(*[st.integers(1, 4)] * 4),
)
def test_chunks_of_boxes_with_more_axes_tile_them_too(
    axes: list[str], start: grids.Ints, shape: grids.Ints, cell: grids.Ints
) -> None:
    box = NDBoundingBox(start, shape, axes)
    for chunks in (box.chunk(cell), box.chunk(cell, (1,) * 4), box.chunk(cell[1:])):
        count = np.zeros((16,) * 4, dtype=int)
        for chunk in chunks:
            assert chunk.axes == tuple(axes)
            count[tuple(slice(a + 4, b + 4) for a, b in map(chunk.get_bounds, axes))] += 1
        expected = np.zeros_like(count)
        expected[tuple(slice(a + 4, b + 4) for a, b in map(box.get_bounds, axes))] = 1
        assert np.array_equal(count, expected)


@unhurried
@given(tuple_boxes, cells)
def test_coarser_boxes_are_the_touched_voxels(box: grids.Box, factors: tuple[int, ...]) -> None:
    start, shape = coarser = grids.coarsened(box, factors)
    touched = [{voxel // f for voxel in range(a, a + n)} for a, n, f in zip(*box, factors, strict=True)]
    assert [set(range(a, a + n)) for a, n in zip(start, shape, strict=True)] == touched
    assert grids.is_empty(box) or grids.covers(grids.refined(coarser, factors), box)
    assert grids.coarsened(grids.refined(box, factors), factors) == box
