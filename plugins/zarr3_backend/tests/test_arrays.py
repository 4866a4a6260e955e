"""Reading, writing, resizing, listing, pickling: one array against numpy."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wkplug_zarr.backend import Zarr2Backend, Zarr3Backend

from wkplug.abc import ArraySpec
from wkplug.errors import (
    DtypeMismatchError,
    MissingError,
    OutOfBoundsError,
    ReadOnlyError,
    ShapeMismatchError,
)
from wkplug.filesystems.local import LocalLocation


def box_in(draw, shape):
    start, lengths = [], []
    for length in shape:
        low = draw(st.integers(0, length - 1))
        start.append(low)
        lengths.append(draw(st.integers(1, length - low)))
    return tuple(start), tuple(lengths)


def slices(box):
    return tuple(slice(first, first + length) for first, length in zip(*box, strict=True))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_writes_and_reads_agree_with_numpy(data, tmp_path_factory):
    backend = data.draw(st.sampled_from([Zarr3Backend(), Zarr2Backend()]))
    axes = data.draw(
        st.sampled_from([("c", "x", "y", "z"), ("x", "y"), ("t", "z", "y", "x"), ("c", "z", "x", "y")])
    )
    shape = tuple(data.draw(st.integers(1, 12 if axis in "xyz" else 3)) for axis in axes)
    chunk = tuple(data.draw(st.sampled_from([1, 2, 4] if axis in "xyz" else [1, length]))
                  for axis, length in zip(axes, shape, strict=True))  # fmt: skip
    factor = data.draw(st.sampled_from([1, 2, 4])) if backend.format == "zarr3" else 1
    shard = tuple(size * (factor if axis in "xyz" else 1) for axis, size in zip(axes, chunk, strict=True))
    dtype = data.draw(st.sampled_from(sorted(backend.capabilities.dtypes)))
    fill = data.draw(st.sampled_from([0, 3]))
    spec = ArraySpec(axes=axes, shape=shape, dtype=dtype, chunk_shape=chunk, shard_shape=shard,
                     compressed=data.draw(st.booleans()), fill_value=fill)  # fmt: skip
    place = LocalLocation(tmp_path_factory.mktemp("arrays") / "array")
    array = backend.create(place, spec)
    assert attrs.evolve(backend.open(place).spec, options={}) == spec
    oracle = np.full(shape, fill, dtype)
    for number in range(data.draw(st.integers(1, 5))):
        box = box_in(data.draw, shape)
        order = data.draw(st.sampled_from("CF"))
        value = np.asarray(np.random.default_rng(number).integers(0, 100, box[1]), dtype=dtype, order=order)
        array.write(box, value)
        oracle[slices(box)] = value
        if data.draw(st.booleans()):
            array = pickle.loads(pickle.dumps(array))
        where = box_in(data.draw, shape)
        found = array.read(where)
        assert found.dtype == np.dtype(dtype)
        assert found.flags.f_contiguous
        np.testing.assert_array_equal(found, oracle[slices(where)])
    whole = np.full(shape, 77, dtype)[::-1]
    assert array.read(((0,) * len(shape), shape), out=whole) is whole
    np.testing.assert_array_equal(whole, oracle)
    covered = np.zeros(shape, bool)
    for box in array.stored_boxes():
        assert box[1] == shard
        covered[slices(box)] = True
    assert (oracle[~covered] == fill).all()
    np.testing.assert_array_equal(array.native_handle()[...], oracle)


def test_writing_the_fill_value_stores_nothing(backend, place, spec):
    array = backend.create(place, spec)
    array.write(((0, 0, 0, 0), (2, 40, 50, 60)), np.zeros((2, 40, 50, 60), "uint16"))
    assert list(array.stored_boxes()) == []
    array.write(((0, 0, 0, 0), (1, 1, 1, 1)), np.ones((1, 1, 1, 1), "uint16"))
    assert list(array.stored_boxes()) == [((0, 0, 0, 0), spec.shard_shape)]
    array.write(((0, 0, 0, 0), (1, 1, 1, 1)), np.zeros((1, 1, 1, 1), "uint16"))
    assert list(array.stored_boxes()) == []


def test_what_was_never_written_is_told_from_what_was(backend, place, spec):
    array = backend.create(place, spec)
    box = ((0, 16, 0, 0), (2, 16, 16, 16))
    with pytest.raises(MissingError, match="never been written"):
        array.read(box, missing="error")
    array.write(box, np.ones(box[1], "uint16"))
    assert array.read(box, missing="error").all()
    with pytest.raises(MissingError):
        # The same shard in v3, but a chunk that nobody wrote.
        array.read(((0, 0, 0, 0), (2, 32, 16, 16)), missing="error")


def test_boxes_of_no_voxels_are_nothing(backend, place, spec):
    array = backend.create(place, spec)
    box = ((0, 40, 0, 0), (2, 0, 5, 5))
    assert array.read(box).shape == (2, 0, 5, 5)
    array.write(box, np.ones((2, 0, 5, 5), "uint16"))
    assert list(array.stored_boxes()) == []


@pytest.mark.parametrize(
    "box",
    [
        ((0, 0, 0, 0), (2, 41, 50, 60)),
        ((0, -1, 0, 0), (1, 1, 1, 1)),
        ((0, 0, 0), (1, 1, 1)),
        ((0, 0, 0, 60), (1, 1, 1, 1)),
    ],
)
def test_boxes_that_leave_the_array_are_refused(backend, place, spec, box):
    array = backend.create(place, spec)
    with pytest.raises(OutOfBoundsError):
        array.read(box)
    with pytest.raises(OutOfBoundsError):
        array.write(box, np.ones(box[1], "uint16"))


def test_wrong_data_are_refused(backend, place, spec):
    array = backend.create(place, spec)
    box = ((0, 0, 0, 0), (1, 2, 2, 2))
    with pytest.raises(ShapeMismatchError, match="the shape"):
        array.write(box, np.ones((1, 2, 2, 1), "uint16"))
    with pytest.raises(DtypeMismatchError, match="uint8"):
        array.write(box, np.ones((1, 2, 2, 2), "uint8"))
    with pytest.raises(ShapeMismatchError, match="out"):
        array.read(box, out=np.empty((2, 2, 2), "uint16"))
    with pytest.raises(DtypeMismatchError, match="out"):
        array.read(box, out=np.empty((1, 2, 2, 2), "float32"))


def test_arrays_opened_for_reading_are_not_changed(backend, place, spec):
    backend.create(place, spec)
    array = backend.open(place)
    with pytest.raises(ReadOnlyError, match="opened for reading"):
        array.write(((0, 0, 0, 0), (1, 1, 1, 1)), np.ones((1, 1, 1, 1), "uint16"))
    with pytest.raises(ReadOnlyError, match="opened for reading"):
        array.resize((2, 1, 1, 1))


def test_resizing_touches_no_chunk_and_keeps_unknown_attributes(backend, place, spec):
    array = backend.create(place, spec)
    path = Path(place.child("zarr.json" if backend.format == "zarr3" else ".zarray").local_path())
    document = json.loads(path.read_text())
    document["attributes" if backend.format == "zarr3" else "x-lab"] = {"microscope": "blue"}
    path.write_text(json.dumps(document))
    data = np.random.default_rng(0).integers(1, 99, (2, 40, 50, 60)).astype("uint16")
    array.write(((0, 0, 0, 0), data.shape), data)
    stored = set(array.stored_boxes())
    array.resize((2, 20, 20, 20))
    assert array.spec.shape == (2, 20, 20, 20)
    with pytest.raises(OutOfBoundsError):
        array.read(((0, 20, 0, 0), (1, 1, 1, 1)))
    assert set(array.stored_boxes()) == stored
    array.resize((2, 100, 50, 60))
    np.testing.assert_array_equal(array.read(((0, 0, 0, 0), data.shape)), data)
    assert not array.read(((0, 40, 0, 0), (2, 60, 50, 60))).any()
    assert backend.open(place).spec.shape == (2, 100, 50, 60)
    assert json.loads(path.read_text()) == {**document, "shape": [2, 100, 50, 60]}


@pytest.mark.parametrize("shape", [(2, 40, 50), (2, None, 50, 60), (2, -1, 50, 60)])
def test_shapes_that_cannot_be_are_refused(backend, place, spec, shape):
    with pytest.raises(ShapeMismatchError, match="no shape"):
        backend.create(place, spec).resize(shape)


def test_a_handle_that_missed_a_resize_destroys_nothing_beyond_its_edge(backend, place, spec):
    old = backend.create(place, spec)
    new = backend.open(place, "r+")
    new.resize((2, 64, 64, 64))
    new.write(((0, 0, 0, 0), (2, 64, 64, 64)), np.full((2, 64, 64, 64), 5, "uint16"))
    # The last chunks of the old shape reach beyond it; to the old handle they look completely covered.
    old.write(((0, 32, 48, 48), (2, 8, 2, 12)), np.full((2, 8, 2, 12), 6, "uint16"))
    expected = np.full((2, 64, 64, 64), 5, "uint16")
    expected[:, 32:40, 48:50, 48:60] = 6
    np.testing.assert_array_equal(new.read(((0, 0, 0, 0), (2, 64, 64, 64))), expected)


def test_closed_arrays_open_again(backend, place, spec):
    array = backend.create(place, spec)
    array.write(((0, 0, 0, 0), (1, 1, 1, 1)), np.ones((1, 1, 1, 1), "uint16"))
    array.flush()
    array.close()
    array.close()
    assert array.read(((0, 0, 0, 0), (1, 1, 1, 1))).all()


def test_pickles_are_small_and_see_what_happened_since(backend, place, spec):
    array = backend.create(place, spec)
    token = pickle.dumps(array)
    assert len(token) < 1000
    array.resize((2, 41, 50, 60))
    again = pickle.loads(token)
    assert again.spec.shape == (2, 41, 50, 60)
    assert (again.format, again.backend) == (backend.format, backend.name)
    place.delete(recursive=True)
    with pytest.raises(MissingError):
        pickle.loads(token).read(((0, 0, 0, 0), (1, 1, 1, 1)))


def test_threads_may_write_to_different_shards_at_once(backend, place, spec):
    array = backend.create(place, attrs.evolve(spec, shape=(2, 128, 64, 32)))
    size = spec.shard_shape[1]

    def write(number):
        array.write(
            ((0, number * size, 0, 0), (2, size, 64, 32)), np.full((2, size, 64, 32), number + 1, "uint16")
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(128 // size)))
    found = array.read(((0, 0, 0, 0), (2, 128, 64, 32)))
    expected = np.repeat(np.arange(128 // size) + 1, size).reshape(1, 128, 1, 1)
    assert (found == expected).all()


def read_one(array):
    return int(array.read(((0, 0, 0, 0), (1, 1, 1, 1)))[0, 0, 0, 0])


@pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)  # that is the point
def test_forked_children_can_read(backend, place, spec):
    array = backend.create(place, spec)
    array.write(((0, 0, 0, 0), (1, 1, 1, 1)), np.full((1, 1, 1, 1), 9, "uint16"))
    assert read_one(array) == 9
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(read_one, [array] * 4).get(60) == [9] * 4


def test_the_native_handle_is_a_zarr_array_of_the_exact_shape(backend, place, spec):
    array = backend.create(place, spec)
    handle = array.native_handle()
    assert isinstance(handle, zarr.Array)
    assert handle.shape == (2, 40, 50, 60)
    handle[0, 39, 49, 59] = 4
    assert array.read(((0, 39, 49, 59), (1, 1, 1, 1)))[0, 0, 0, 0] == 4
    assert array.atomic_shape == spec.shard_shape
    assert array.dtype == np.dtype("uint16")
