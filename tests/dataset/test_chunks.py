"""Chunks tile a view on the absolute grid; work on them runs in order, zipped or not, for any axes."""

from __future__ import annotations

import pickle
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wkplug as wk
from wkplug.errors import InvalidArgumentError
from wkplug.testing.profiles import examples

from .samples import Sample, dataset_of, samples

if TYPE_CHECKING:
    from pathlib import Path


def place(view: wk.View, whole: wk.View) -> tuple[slice, ...]:
    """Where a chunk's voxels lie in those of the whole view."""
    (first, length), (zero, _) = view.state.bounds, whole.state.bounds
    return tuple(slice(a - b, a - b + n) for a, n, b in zip(first, length, zero, strict=True))


@pytest.fixture
def mag(tmp_path: Path) -> wk.MagView:
    """128^3 voxels in shards of 64 and chunks of 32."""
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    return Sample("wkw", size=(128, 128, 128), chunk=32, shard=64, dtype="uint8").add_to(dataset, "color")


@examples(25)
@given(sample=samples(), factors=st.tuples(*(st.integers(1, 2),) * 3), default=st.booleans())
def test_chunks_tile_the_view_on_the_absolute_grid(
    sample: Sample, factors: tuple[int, int, int], default: bool
) -> None:
    voxels = sample.voxels()
    with dataset_of((sample, voxels)) as (mag,):
        shape = (
            None if default else tuple(sample.shard * f * m for f, m in zip(factors, sample.mag, strict=True))
        )
        grid = dict(zip("xyz", factors, strict=True))
        seen = np.zeros(sample.shape, int)

        def work(args: tuple[wk.View, int]) -> None:
            view, index = args
            assert index == len(found)
            found.append(view)
            np.testing.assert_array_equal(view.read(), voxels[place(view, mag)])
            seen[place(view, mag)] += 1
            start, length = view.state.bounds
            for axis, first, n in zip(sample.axes, start, length, strict=True):
                if axis in "xyz":
                    cell = sample.shard * (1 if default else grid[axis])
                    assert first // cell == (first + n - 1) // cell
                elif axis == "t":
                    assert n == 1
                else:
                    assert n == sample.channels

        found: list[wk.View] = []
        mag.for_each_chunk(work, chunk_shape=shape)
        assert (seen == 1).all()
        assert mag.map_chunk(lambda view: view.bounding_box, chunk_shape=shape) == [
            v.bounding_box for v in found
        ]


@examples(15)
@given(sample=samples(), seed=st.integers(0, 9))
def test_zipped_chunks_transform_a_view_into_another_of_any_mag_and_place(sample: Sample, seed: int) -> None:
    voxels = sample.voxels(seed)
    other = Sample(
        "zarr3",
        sample.axes,
        mag=sample.mag,
        topleft=(16, 8, 0),
        size=sample.size,
        channels=sample.channels,
        shard=16,
    )
    with dataset_of((sample, voxels), (other, None)) as (mag, target):

        def copy(args: tuple[wk.View, wk.View, int]) -> None:
            source, into, _ = args
            into.write(source.read() + 1)

        mag.for_zipped_chunks(copy, target)
        np.testing.assert_array_equal(target.read(), voxels + 1)


def test_zipped_chunks_may_have_a_ratio() -> None:
    fine = Sample("wkw", size=(32, 32, 32), topleft=(16, 0, 0))
    coarse = Sample("zarr3", mag=(2, 2, 2), size=(16, 16, 16), topleft=(8, 0, 0))
    voxels = fine.voxels()
    with dataset_of((fine, voxels), (coarse, None)) as (mag, target):

        def halve(args: tuple[wk.View, wk.View, int]) -> None:
            args[1].write(args[0].read()[:, ::2, ::2, ::2])

        mag.for_zipped_chunks(halve, target)
        np.testing.assert_array_equal(target.read(), voxels[:, ::2, ::2, ::2])
    double = Sample("wkw", size=(32, 16, 16))
    with dataset_of((Sample("wkw", size=(16, 16, 16)), None), (double, None)) as (mag, target):
        pairs: list[Any] = []
        mag.for_zipped_chunks(
            lambda args: pairs.append((args[0].bounding_box, args[1].bounding_box, args[2])),
            target,
            source_chunk_shape=(8, 8, 8),
            target_chunk_shape=(16, 8, 8),
        )
        assert pairs[:2] == [
            (wk.BoundingBox((0, 0, 0), (8, 8, 8)), wk.BoundingBox((0, 0, 0), (16, 8, 8)), 0),
            (wk.BoundingBox((0, 0, 8), (8, 8, 8)), wk.BoundingBox((0, 0, 8), (16, 8, 8)), 1),
        ]
        assert len(pairs) == 8


def test_zipped_chunks_that_do_not_fit_each_other_are_refused(mag: wk.MagView) -> None:
    dataset = mag.layer.dataset
    target = Sample("wkw", size=(256, 128, 128), chunk=32, shard=64, dtype="uint8").add_to(dataset, "wide")
    with pytest.raises(
        AssertionError, match="Either both source_chunk_shape and target_chunk_shape must be given"
    ):
        mag.for_zipped_chunks(print, target, source_chunk_shape=(64, 64, 64))
    with pytest.raises(AssertionError, match="failed because the ratio of the view sizes"):
        mag.for_zipped_chunks(print, target)
    with pytest.raises(AssertionError, match=r"target_chunk_shape .* must be a multiple of mag"):
        mag.for_zipped_chunks(print, target, source_chunk_shape=(64, 64, 64), target_chunk_shape=(32, 64, 64))
    coarse = Sample("wkw", size=(32, 32, 32), mag=(4, 4, 4), chunk=16, shard=16, dtype="uint8").add_to(
        dataset, "four"
    )
    shifted = Sample("wkw", topleft=(1, 0, 0), size=(128, 128, 128), chunk=64, shard=64, dtype="uint8")
    with pytest.raises(AssertionError, match="correspond to no whole voxels of the source"):
        coarse.for_zipped_chunks(print, shifted.add_to(dataset, "shifted"))
    times = Sample("zarr3", ("t", "x", "y", "z"), size=(128, 128, 128), chunk=32, shard=64).add_to(
        dataset, "times"
    )
    with pytest.raises(AssertionError, match=r"different axes.*2 voxels along t"):
        mag.for_zipped_chunks(print, times)


def test_an_empty_view_has_no_chunks(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    mag = dataset.add_layer("color", "color").add_mag(1)
    full = Sample("wkw").add_to(dataset, "full")
    assert mag.map_chunk(print) == []
    mag.for_each_chunk(print)
    mag.for_zipped_chunks(print, full)
    full.for_zipped_chunks(print, mag)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((0, 64, 64), "contains at least one 0. This is not allowed"),
        (
            (32, 64, 64),
            r"chunk_shape Vec3Int\(32,64,64\) must be a multiple of mag\*chunk_shape\*chunks_per_shard of",
        ),
        ((64, 64, 60), r"which is Vec3Int\(64,64,64\)"),
        ((-64, 64, 64), "negative"),
        ((64, 64), "has 2 numbers"),
        (64, "not a vector"),
    ],
)
def test_chunk_shapes_that_are_not_whole_shards_are_refused(mag: wk.MagView, shape: Any, text: str) -> None:
    for method in (mag.for_each_chunk, mag.map_chunk):
        with pytest.raises(AssertionError, match=text):
            method(print, chunk_shape=shape)


def test_read_only_views_may_be_cut_at_chunks(mag: wk.MagView) -> None:
    view = mag.get_view(read_only=True)
    assert len(view.map_chunk(lambda chunk: chunk.read_only, chunk_shape=(32, 32, 64))) == 32
    with pytest.raises(
        AssertionError, match=r"multiple of mag\*chunk_shape of the view, which is Vec3Int\(32,32,32\)"
    ):
        view.for_each_chunk(print, chunk_shape=(16, 32, 32))


def test_chunk_cuts_at_the_views_corner_or_at_given_lines(mag: wk.MagView) -> None:
    view = mag.get_view(absolute_offset=(10, 0, 0), size=(100, 64, 64), read_only=True)
    starts = [chunk.bounding_box.topleft.x for chunk in view.chunk((64, 64, 64))]
    assert starts == [10, 74]
    boxes = [c.bounding_box for c in view.chunk((64, 64, 64), chunk_border_alignments=(64, 64, 64))]
    assert [(box.topleft.x, box.size.x) for box in boxes] == [(10, 54), (64, 46)]
    assert all(chunk.read_only for chunk in mag.chunk((10, 128, 128), read_only=True))
    with pytest.raises(AssertionError, match="not divisible by chunk_border_alignments"):
        view.chunk((64, 64, 64), chunk_border_alignments=(48, 64, 64))
    with pytest.raises(AssertionError, match="must be positive"):
        view.chunk((0, 64, 64))
    with pytest.raises(InvalidArgumentError, match="can't have writable parts"):
        view.chunk((64, 64, 64), read_only=False)
    with pytest.warns(UserWarning, match="without shard alignment") as caught:
        assert len(list(mag.chunk((32, 128, 128)))) == 4
    assert len(caught) == 1
    coarse = Sample("wkw", mag=(2, 2, 2)).add_to(mag.layer.dataset, "coarse")
    with pytest.raises(AssertionError, match="not aligned with the mag"):
        coarse.chunk((3, 4, 4))


def test_chunks_pickle_small_and_read_what_they_read_before() -> None:
    sample = Sample("zarr3", channels=3)
    voxels = sample.voxels()
    with dataset_of((sample, voxels)) as (mag,):
        for chunk in mag.map_chunk(lambda view: view):
            token = pickle.dumps(chunk)
            assert len(token) < 1500
            again = pickle.loads(token)
            np.testing.assert_array_equal(again.read(), chunk.read())


def test_a_chunk_costs_few_calls(tmp_path: Path) -> None:
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    mag = Sample("wkw", size=(512, 512, 512), chunk=32, shard=32, dtype="uint8").add_to(dataset, "color")
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        mag.for_each_chunk(lambda args: None)
    finally:
        sys.setprofile(None)
    # The user's function is one of them; the rest is what a view costs.
    assert 4096 <= calls <= 4096 * 6
