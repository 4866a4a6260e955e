"""`view[...]` is numpy's basic indexing, lazily; views are arrays for numpy, dask and xarray."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wkplug as wk
from wkplug.dataset import indexing
from wkplug.errors import UnsupportedOperationError, VoxelIndexError
from wkplug.model import voxels
from wkplug.testing.profiles import examples

from .samples import Sample, dataset_of, samples

if TYPE_CHECKING:
    from collections.abc import Iterator


@st.composite
def keys(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Basic indices for some leading axes, perhaps an ellipsis, some trailing axes; perhaps new axes."""
    count = draw(st.integers(0, len(shape)))
    front = draw(st.integers(0, count))
    lengths = [*shape[:front], *shape[len(shape) - (count - front) :]] if count else []
    result: list[Any] = []
    for position, length in enumerate(lengths):
        if position == front and count < len(shape):
            result.append(Ellipsis)
        if draw(st.integers(0, 9)) == 0:
            result.append(None)
        bound = st.none() | st.integers(-length - 2, length + 2)
        step = st.none() | st.integers(-9, 9).filter(bool)
        one: Any = draw(st.builds(slice, bound, bound, step) | st.integers(-length, length - 1))
        result.append(one)
    if front == count and count < len(shape) and draw(st.booleans()):
        result.append(Ellipsis)
    return tuple(result)


@examples(30)
@given(data=st.data(), sample=samples())
def test_setting_voxels_of_a_view_is_setting_them_in_an_array(data: st.DataObject, sample: Sample) -> None:
    expected = sample.voxels()
    with dataset_of((sample, expected)) as (mag,):
        for number in range(3):
            key = data.draw(keys(expected.shape))
            selected = expected[key]
            values = np.full(selected.shape[-1:], number + 1) if data.draw(st.booleans()) else number + 100
            try:
                mag[key] = values
            except VoxelIndexError:
                assert any(isinstance(one, slice) and abs(one.step or 1) > 1 for one in key)
                continue
            expected[key] = values
            np.testing.assert_array_equal(mag.read(), expected)


def test_what_cant_be_set_is_refused(tmp_path) -> None:
    layer = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1)).add_layer(
        "color", "color", bounding_box=wk.BoundingBox((0, 0, 0), (8, 8, 8))
    )
    mag = layer.add_mag(1)
    with pytest.raises(VoxelIndexError, match="Voxels with steps between them can't be written"):
        mag[..., ::2] = 1
    with pytest.raises(
        ValueError, match=r"Values of the shape \(3,\) can't be written to voxels of the shape"
    ):
        mag[...] = [1, 2, 3]
    with pytest.raises(TypeError, match=r"can't hold these values from 0 to 256 exactly"):
        mag[0, 0, 0, :2] = [0, 256]
    with pytest.raises(RuntimeError, match="read-only"):
        mag.get_view(read_only=True)[...] = 1
    assert not np.asarray(mag).any()


def test_dask_stores_into_a_mag(tmp_path) -> None:
    array = pytest.importorskip("dask.array")
    layer = wk.Dataset(tmp_path / "ds", voxel_size=(1, 1, 1)).add_layer(
        "color", "color", bounding_box=wk.BoundingBox((0, 0, 0), (40, 40, 40))
    )
    mag = layer.add_mag(1, chunk_shape=32, shard_shape=32)
    values = np.random.default_rng(0).integers(0, 255, (1, 40, 40, 40), dtype="uint8")
    array.store(array.from_array(values, chunks=(1, 7, 20, 40)), mag)
    assert (mag.read() == values).all()


@examples(30)
@given(data=st.data(), sample=samples())
def test_indexing_a_view_is_indexing_its_voxels(data: st.DataObject, sample: Sample) -> None:
    expected = sample.voxels()
    with dataset_of((sample, expected)) as (mag,):
        assert mag.shape == expected.shape
        assert (mag.ndim, mag.dtype) == (expected.ndim, expected.dtype)
        np.testing.assert_array_equal(np.asarray(mag), expected)
        for _ in range(3):
            key = data.draw(keys(expected.shape))
            wanted, lazy = expected[key], mag[key]
            assert (lazy.shape, lazy.ndim, lazy.size, lazy.nbytes, lazy.dtype) == (
                wanted.shape,
                wanted.ndim,
                wanted.size,
                wanted.nbytes,
                wanted.dtype,
            )
            np.testing.assert_array_equal(np.asarray(lazy), wanted)
            again = data.draw(keys(wanted.shape)) if 0 not in wanted.shape else ()
            if None not in key:  # an axis that was added can be dropped or kept, not sliced
                np.testing.assert_array_equal(np.asarray(lazy[again]), wanted[again])


@pytest.fixture
def mag() -> Iterator[wk.MagView]:
    sample = Sample("zarr3", channels=3, size=(40, 24, 16), topleft=(4, 0, 8), chunk=4, shard=8)
    with dataset_of((sample, sample.voxels())) as (view,):
        yield view


def test_nothing_is_read_before_it_is_asked_for_and_only_what_was_selected(
    mag: wk.MagView, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes: list[Any] = []
    read = voxels.read

    def watched(handle: Any, box: Any) -> Any:
        boxes.append(box)
        return read(handle, box)

    monkeypatch.setattr(voxels, "read", watched)
    channel = mag[1]
    plane = channel[..., 5]
    sparse = mag[0, ::16, 3, 2]
    assert boxes == []
    assert channel.axes == ("x", "y", "z")
    np.asarray(plane)
    assert boxes == [((1, 4, 0, 13), (1, 40, 24, 1))]
    boxes.clear()
    assert np.asarray(sparse).shape == (3,)
    assert boxes == [((0, first, 3, 10), (1, 1, 1, 1)) for first in (4, 20, 36)]


def test_indices_that_are_not_there_are_index_errors(mag: wk.MagView) -> None:
    for key, text in [
        (3, "Index 3 is out of bounds for an axis of 3 voxels"),
        ((0, 0, 0, 0, 0), "Too many indices: there are 4 axes, but 5"),
        ((..., 0, ...), "one ellipsis"),
        ([0, 1], "can't be selected by"),
        (True, "can't be selected by True"),
        (np.zeros(3, bool), "can't be selected by"),
        ("c", "can't be selected by 'c'"),
        (slice(None, None, 0), "is not a slice of voxels"),
        (slice("a"), "is not a slice of voxels"),
    ]:
        with pytest.raises(IndexError, match=text):
            mag[key]
    with pytest.raises(VoxelIndexError, match="An axis that was added can't be sliced"):
        mag[None][1:]
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(mag, copy=False)
    with pytest.raises(ValueError, match="no length"):
        len(mag[0, 0, 0, 0])


def test_a_view_is_iterated_along_its_first_axis(mag: wk.MagView) -> None:
    whole = mag.read()
    for channel, expected in zip(mag, whole, strict=True):
        np.testing.assert_array_equal(np.asarray(channel), expected)
    assert len(mag[...]) == 3
    assert np.asarray(mag[0], dtype="float32").dtype == "float32"
    assert int(np.asarray(mag[0, 1, 2, 3])) == whole[0, 1, 2, 3]


def test_a_selection_stays_when_the_layer_grows_and_pickles(mag: wk.MagView) -> None:
    whole, selection = mag.read(), mag[1:, ::2]
    mag.layer.bounding_box = wk.BoundingBox((0, 0, 0), (60, 60, 60))
    np.testing.assert_array_equal(np.asarray(selection), whole[1:, ::2])
    np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(selection))), whole[1:, ::2])
    assert repr(selection).startswith(
        "LazyVoxels(shape=(2, 20, 24, 16), axes=('c', 'x', 'y', 'z'), dtype=uint16"
    )


@examples(12)
@given(sample=samples())
def test_a_dask_array_has_the_voxels_and_blocks_of_whole_shards(sample: Sample) -> None:
    expected = sample.voxels()
    with dataset_of((sample, expected)) as (mag,):
        array = mag.to_dask()
        assert (array.shape, array.dtype) == (expected.shape, expected.dtype)
        for axis, first, lengths in zip(sample.axes, mag.state.bounds[0], array.chunks, strict=True):
            borders = first + np.cumsum(lengths)[:-1]
            assert not (borders % (sample.shard if axis in "xyz" else 1)).any()
        np.testing.assert_array_equal(array.compute(scheduler="sync"), expected)
        np.testing.assert_array_equal((array[..., ::2] + 1).compute(scheduler="sync"), expected[..., ::2] + 1)


def test_dask_blocks_have_a_bounded_size_or_the_one_asked_for(
    mag: wk.MagView, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mag.to_dask(chunk_shape=(16, 16, 16)).chunks == ((3,), (12, 16, 12), (16, 8), (8, 8))
    monkeypatch.setattr(indexing, "BLOCK_BYTES", 3 * 4 * 4 * 4 * 2)
    assert max(mag.to_dask().chunks[1]) == 4
    with pytest.raises(ValueError, match="no positive multiple of the mag"):
        mag.to_dask(chunk_shape=(0, 1, 1))
    empty = mag.layer.dataset.add_layer("empty", "color").add_mag(1)
    assert empty.to_dask().shape == (1, 0, 0, 0)


def test_an_xarray_has_named_axes_and_the_centres_of_voxels_in_nanometres() -> None:
    pytest.importorskip("xarray")
    sample = Sample(
        "zarr3", ("t", "c", "x", "y", "z"), mag=(2, 2, 1), topleft=(4, 0, 8), size=(6, 5, 4), channels=3
    )
    expected = sample.voxels()
    with dataset_of((sample, expected)) as (mag,):
        for view in (mag, pickle.loads(pickle.dumps(mag.get_view(read_only=True)))):
            array = view.to_xarray()
            assert array.dims == sample.axes
            np.testing.assert_array_equal(array.values, expected)
            assert array.x.values[:2].tolist() == [4 * 20 + 5, 5 * 20 + 5]
            assert array.z.values.tolist() == [(8 + i) * 20 for i in range(4)]
            assert array.t.values.tolist() == [0, 1]
            assert array.x.attrs["units"] == "nanometer"
            assert array.attrs == {
                "mag": "2-2-1", "data_format": "zarr3", "units": "nanometer", "voxel_size": (10.0, 10.0, 20.0),
            }  # fmt: skip
            nearest = array.sel(x=86, y=0, z=161, method="nearest").isel(c=1, t=0)
            assert int(nearest) == expected[0, 1, 0, 0, 0]
        alone = wk.dataset.View(mag.path, mag.bounding_box, mag.mag, "zarr3")
        with pytest.raises(ValueError, match="size of its voxels is not known"):
            alone.to_xarray()
        assert alone.to_xarray(voxel_size=(1, 1, 1)).z.values[0] == 8.0
        with pytest.raises(ValueError, match="three numbers"):
            alone.to_xarray(voxel_size=(1, 1))


@pytest.mark.parametrize(("package", "method"), [("dask.array", "to_dask"), ("xarray", "to_xarray")])
def test_a_missing_library_is_named_with_what_to_install(
    mag: wk.MagView, package: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UnsupportedOperationError, match=rf"{method} needs the package {package}") as caught:
        getattr(mag, method)()
    assert "pip install" in str(caught.value)


def test_neither_dask_nor_xarray_is_imported_before_it_is_asked_for() -> None:
    code = "import sys, wkplug.dataset.indexing; print({'dask', 'xarray'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
