"""Slices written and read one by one, through a buffer, against numpy: any axis, offset, mag and order of axes."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import wkplug as wk
from wkplug.dataset import slices
from wkplug.testing.profiles import examples

from .samples import Sample, dataset_of, samples

if TYPE_CHECKING:
    from pathlib import Path


def cut(voxels: np.ndarray, axes: tuple[str, ...], dimension: str) -> np.ndarray:
    """Slices first; then the other axes, x, y and z among them in this order."""
    rest = [axis for axis in axes if axis != dimension]
    spatial = iter([axis for axis in "xyz" if axis in rest])
    order = [dimension, *(next(spatial) if axis in "xyz" else axis for axis in rest)]
    return voxels.transpose([axes.index(axis) for axis in order])


@pytest.fixture
def mag(tmp_path: Path) -> wk.MagView:
    """64^3 voxels in shards of 32, chunks of 16."""
    dataset = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1))
    return Sample("wkw", size=(64, 64, 64), chunk=16, shard=32, dtype="uint8").add_to(dataset, "color")


def plane(value: int, shape: tuple[int, ...] = (64, 64)) -> np.ndarray:
    return np.full(shape, value, "uint8")


@examples(20)
@given(
    sample=samples(),
    dimension=st.sampled_from("xyz"),
    buffer=st.sampled_from((None, 3, 8, 16)),
    seed=st.integers(0, 5),
)
def test_slices_written_one_by_one_are_the_volume(
    sample: Sample, dimension: str, buffer: int | None, seed: int
) -> None:
    assume(dimension in sample.axes)
    voxels = sample.voxels(seed)
    with dataset_of((sample, None)) as (mag,), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with mag.get_buffered_slice_writer(buffer, dimension, allow_unaligned=buffer == 3) as writer:
            for one in cut(voxels, sample.axes, dimension):
                sent = one.copy()
                writer.send(sent)
                sent[:] = 0  # the writer has its own copy
        np.testing.assert_array_equal(mag.read(), voxels)


@examples(20)
@given(sample=samples(), dimension=st.sampled_from("xyz"), buffer=st.sampled_from((None, 1, 5, 8)))
def test_slices_read_one_by_one_are_the_volume(sample: Sample, dimension: str, buffer: int | None) -> None:
    assume(dimension in sample.axes)
    voxels = sample.voxels()
    with dataset_of((sample, voxels)) as (mag,):
        with mag.get_buffered_slice_reader(buffer, dimension) as reader:
            found = list(reader)
        expected = cut(voxels, sample.axes, dimension)
        if "t" in sample.axes:  # gone through one by one, outermost
            expected = np.concatenate([expected[:, t : t + 1] for t in range(sample.times)])
        assert len(found) == len(expected)
        for one, wanted in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, wanted)


@pytest.mark.parametrize("dimension", ["x", "y", "z"])
def test_a_part_is_written_at_offsets_and_boxes_and_leaves_the_rest_alone(
    mag: wk.MagView, dimension: str
) -> None:
    mag.write(plane(9, (64, 64, 64)))
    shape = [32, 32, 32]
    del shape["xyz".index(dimension)]
    ways: list[dict[str, Any]] = [
        {"absolute_offset": (32, 0, 32)},
        {"relative_offset": (32, 0, 32)},
        {"absolute_bounding_box": wk.BoundingBox((32, 0, 32), (32, 32, 32))},
        {"relative_bounding_box": wk.BoundingBox((32, 0, 32), (32, 32, 32))},
    ]
    expected = np.full((1, 64, 64, 64), 9, "uint8")
    for value, way in enumerate(ways, 1):
        with mag.get_buffered_slice_writer(dimension=dimension, **way) as writer:
            for _ in range(32):
                writer.send(plane(value, (1, *shape)))
        expected[:, 32:, :32, 32:] = value
        np.testing.assert_array_equal(mag.read(), expected)


def test_nothing_is_written_before_a_shard_is_full_and_the_rest_on_leaving(mag: wk.MagView) -> None:
    with mag.get_buffered_slice_writer() as writer:
        for index in range(40):
            writer.send(plane(index + 1))
            written = len(list(mag.get_bounding_boxes_on_disk()))
            assert written == (0 if index < 31 else 4)
        view = mag.get_view(absolute_offset=(0, 0, 32), size=(64, 64, 32))
        with pytest.raises(ValueError, match="not aligned"):
            writer.flush()
        writer._slices += [plane(0)[None]] * 24  # what is left may be completed
        writer._failed = False
    assert view.read()[0, 0, 0, :9].tolist() == [33, 34, 35, 36, 37, 38, 39, 40, 0]


def test_unaligned_offsets_are_refused_or_warned_of_and_neighbours_stay(mag: wk.MagView) -> None:
    text = "Using an offset that doesn't align with the datataset's shard shape"
    mag.write(plane(9, (64, 64, 64)))
    with pytest.raises(ValueError, match=text):
        mag.get_buffered_slice_writer(absolute_offset=(0, 0, 5))
    with pytest.warns(UserWarning, match=r"\[WARNING\] " + text) as caught:
        writer = mag.get_buffered_slice_writer(absolute_offset=(0, 0, 5), allow_unaligned=True)
    assert caught[0].filename == __file__
    with writer:
        writer.send(plane(1))
        writer.send(plane(2))
    assert mag.read()[0, 0, 0, 3:9].tolist() == [9, 9, 1, 2, 9, 9]
    with pytest.raises(ValueError, match="Using an offset"), mag.get_buffered_slice_writer() as writer:
        writer.reset_offset(absolute_offset=(0, 0, 16))


def test_buffers_that_straddle_shards_are_refused_or_warned_of(mag: wk.MagView) -> None:
    text = "Using a buffer size that doesn't align with the datataset's shard shape"
    with pytest.raises(ValueError, match=text):
        mag.get_buffered_slice_writer(buffer_size=40)
    with pytest.warns(UserWarning, match=text):
        mag.get_buffered_slice_writer(buffer_size=40, allow_unaligned=True)
    with pytest.raises(AssertionError, match="one slice at least"):
        mag.get_buffered_slice_writer(buffer_size=0)
    with pytest.raises(AssertionError, match="one slice at least"):
        mag.get_buffered_slice_reader(buffer_size=0)


def test_what_a_writer_cant_take_is_refused(mag: wk.MagView) -> None:
    with pytest.raises(AssertionError, match="Cannot get a buffered slice writer on a read-only view"):
        mag.get_view(read_only=True).get_buffered_slice_writer()
    for dimension in ("w", 3):
        with pytest.raises(AssertionError, match="slices are cut across x, y or z"):
            mag.get_buffered_slice_writer(dimension=dimension)
    with pytest.raises(AssertionError, match="More than one position"):
        mag.get_buffered_slice_writer(absolute_offset=(0, 0, 0), relative_offset=(0, 0, 0))
    writer = mag.get_buffered_slice_writer()
    with pytest.raises(AssertionError, match="has the dtype uint16, which differs from the dtype"):
        writer.send(np.full((64, 64), 256, "uint16"))
    writer.send(np.zeros((64, 64)))  # every value fits
    for shape in ((64,), (1, 1, 64, 64)):
        with pytest.raises(ValueError, match="Unsupported data shape"):
            writer.send(plane(1, shape))
    with pytest.raises(ValueError, match="2 channels"):
        writer.send(plane(1, (2, 64, 64)))
    with (
        pytest.raises(ValueError, match="fit in the layer's bounding box"),
        mag.get_buffered_slice_writer() as one,
    ):
        one.send(plane(1, (64, 100)))
    assert list(mag.get_bounding_boxes_on_disk()) == []


def test_slices_of_layers_with_more_axes_need_them_or_a_box_with_one_position() -> None:
    with dataset_of(
        (Sample("zarr3", ("t", "c", "x", "y", "z"), size=(8, 8, 8), chunk=8, dtype="uint8"), None)
    ) as (mag,):
        with pytest.raises(ValueError, match="has no t axis, but there are 2 voxels along it"):
            mag.get_buffered_slice_writer().send(plane(1, (8, 8)))
        box = wk.NDBoundingBox((1, 0, 0, 0), (1, 8, 8, 8), ("t", "x", "y", "z"), (0, 2, 3, 4))
        with mag.get_buffered_slice_writer(absolute_bounding_box=box) as writer:
            for _ in range(8):
                writer.send(plane(5, (8, 8)))
        assert mag.read()[0].max() == 0
        assert mag.read()[1].min() == 5
    with dataset_of((Sample("zarr3", ("x", "y", "z"), size=(8, 8, 8), chunk=8, dtype="uint8"), None)) as (
        mag,
    ):
        with mag.get_buffered_slice_writer() as writer:
            for _ in range(8):
                writer.send(plane(5, (1, 8, 8)))
        assert mag.read().min() == 5
        with pytest.raises(ValueError, match="2 channels, the layer has no channels"):
            writer.send(plane(5, (2, 8, 8)))


def test_whole_numbers_as_dimension_are_deprecated(mag: wk.MagView) -> None:
    with pytest.warns(DeprecationWarning, match="Setting `dimension` as an integer is deprecated") as caught:
        assert mag.get_buffered_slice_writer(dimension=1).dimension == "y"
    assert caught[0].filename == __file__


def test_smaller_slices_are_filled_up_with_zeros(mag: wk.MagView) -> None:
    mag.write(plane(9, (64, 64, 64)))
    with mag.get_buffered_slice_writer() as writer:
        for index in range(32):
            writer.send(plane(3, (64, 64) if index else (10, 20)))
    voxels = mag.read()[0]
    assert voxels[:10, :20, 0].min() == 3
    assert voxels[:, :, 0].sum() == 600
    assert voxels[:, :, 1:32].min() == 3
    assert voxels[:, :, 32:].min() == 9


def test_a_writer_goes_on_elsewhere_after_reset(mag: wk.MagView) -> None:
    with mag.get_buffered_slice_writer(absolute_offset=(0, 0, 32)) as writer:
        for _ in range(32):
            writer.send(plane(2))
        writer.reset_offset(absolute_offset=(0, 0, 0))
        for _ in range(32):
            writer.send(plane(1))
    assert mag.read()[0, 5, 5, ::16].tolist() == [1, 1, 2, 2]


def test_a_failure_in_the_block_keeps_what_was_sent_and_is_what_is_raised(
    mag: wk.MagView, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupted(*, allow_unaligned: bool) -> None:
        with mag.get_buffered_slice_writer(allow_unaligned=allow_unaligned) as writer:
            writer.send(plane(4))
            raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        interrupted(allow_unaligned=True)
    assert mag.read()[0, 0, 0, :2].tolist() == [4, 0]
    with pytest.raises(KeyError, match="stop"):
        interrupted(allow_unaligned=False)  # the rest can't be written
    assert "Writing 1 buffered slices along z failed" in caplog.text


def test_a_view_that_begins_within_a_shard_is_written_on_shard_borders(mag: wk.MagView) -> None:
    mag.layer.bounding_box = wk.BoundingBox((0, 0, 20), (64, 64, 44))
    with mag.get_buffered_slice_writer() as writer:
        for index in range(44):
            writer.send(plane(index + 1))
    assert mag.read()[0, 0, 0].tolist() == list(range(1, 45))


def test_logging_tells_of_every_block(mag: wk.MagView, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with mag.get_buffered_slice_writer(use_logging=True) as writer:
        for _ in range(64):
            writer.send(plane(1))
    with mag.get_buffered_slice_reader(use_logging=True) as reader:
        assert sum(1 for _ in reader) == 64
    assert caplog.text.count("Writing 32 slices along z") == 2
    assert caplog.text.count("Reading 32 slices along z") == 2


def test_a_reader_takes_a_box_and_can_be_used_again(mag: wk.MagView) -> None:
    voxels = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 64), "uint8")
    mag.write(voxels)
    box = wk.BoundingBox((3, 5, 7), (20, 30, 40))
    reader = mag.get_buffered_slice_reader(8, "y", absolute_bounding_box=box)
    for _ in range(2):
        with reader as slices:
            found = np.stack(list(slices), axis=2)
        np.testing.assert_array_equal(found, voxels[:, 3:23, 5:35, 7:47])


def test_the_readers_buffer_is_bounded_by_bytes(mag: wk.MagView, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mag.get_buffered_slice_reader().buffer_size == 32
    monkeypatch.setattr(slices, "BUFFER_BYTES", 64 * 64 * 20)
    assert mag.get_buffered_slice_reader().buffer_size == 16
    monkeypatch.setattr(slices, "BUFFER_BYTES", 1)
    assert mag.get_buffered_slice_reader().buffer_size == 16


def test_the_default_buffer_of_tiny_slices_is_found_at_once(mag: wk.MagView) -> None:
    view = mag.get_view(absolute_offset=(0, 0, 0), size=(1, 1, 64), read_only=True)
    steps = 0

    def count(frame: object, event: str, argument: object) -> Any:
        nonlocal steps
        steps += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        reader = view.get_buffered_slice_reader()
    finally:
        sys.settrace(before)
    assert reader.buffer_size == 32
    assert steps < 2000
