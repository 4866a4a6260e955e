"""Arrays on places: who opens, how often, what a handle survives, and what it refuses."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import wkplug.config
from wkplug import storage
from wkplug.abc import ArraySpec
from wkplug.errors import (
    ConflictError,
    MissingError,
    OutOfBoundsError,
    ReadOnlyError,
    ShapeMismatchError,
    TooLargeError,
    UnknownFormatError,
    UnsupportedOperationError,
)
from wkplug.filesystems.local import LocalLocation

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("toys")
BOX = ((0, 0, 0), (8, 8, 8))


def spec(shape: tuple[int, ...] = (20, 20, 20), dtype: str = "uint8") -> ArraySpec:
    return ArraySpec(
        axes=("x", "y", "z"), shape=shape, dtype=dtype, chunk_shape=(8,) * 3, shard_shape=(8,) * 3
    )


@pytest.fixture
def place(tmp_path: Path) -> LocalLocation:
    location = LocalLocation(tmp_path / "array")
    storage.create_array(location, "toy", spec())
    return location


def opened() -> int:
    import toyplugin  # type: ignore[import-not-found]  # put on sys.path by a fixture

    return int(toyplugin.ToyBackend.opened)


def test_what_was_created_can_be_written_and_opened_by_format_or_by_probing(tmp_path: Path) -> None:
    handle = storage.create_array(tmp_path / "a", "toy", spec())
    assert (handle.mode, handle.backend.name, handle.spec.shape) == ("r+", "toy+shards", (20, 20, 20))
    data = np.arange(512, dtype="uint8").reshape(8, 8, 8)
    handle.write(BOX, data)
    for again in (storage.open_array(str(tmp_path / "a")), storage.open_array(tmp_path / "a", "toy")):
        assert np.array_equal(again.read(BOX), data)
        assert again.location == LocalLocation(tmp_path / "a")
    assert storage.open_array(tmp_path / "a", backend="toy+single").backend.name == "toy+single"


def test_two_creators_conflict(place: LocalLocation) -> None:
    with pytest.raises(ConflictError):
        storage.create_array(place, "toy", spec())


def test_what_is_not_there_is_missing_and_unknown_formats_are_unknown(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        storage.open_array(tmp_path / "nothing", "toy")
    with pytest.raises(MissingError):
        storage.open_array(tmp_path / "nothing")
    with pytest.raises(UnknownFormatError):
        storage.create_array(tmp_path / "x", "nonsense", spec())


def test_a_backends_warning_is_passed_on(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"Toys don't like doubles. Use singles."):
        storage.create_array(tmp_path / "x", "toy", spec(dtype="float64"))


def test_an_array_is_opened_once_per_process_until_its_folder_or_the_settings_change(
    place: LocalLocation,
) -> None:
    first = storage.open_array(place, "toy")
    before = opened()
    assert storage.open_array(place, "toy").array is first.array
    assert opened() == before
    assert storage.open_array(place, "toy", mode="r+").array is not first.array
    with wkplug.config.settings(lock_timeout=3):
        assert storage.open_array(place, "toy").array is not first.array
    place.child("toy.json").write(place.child("toy.json").read())
    assert storage.open_array(place, "toy").array is not first.array


def test_forgetting_makes_all_handles_open_again(place: LocalLocation) -> None:
    handle = storage.open_array(place, "toy")
    array = handle.array
    place.delete(recursive=True)
    storage.create_array(place, "toy", spec(shape=(9, 9, 9)))
    assert handle.array is not array
    assert handle.spec.shape == (9, 9, 9)
    place.delete(recursive=True)
    storage.forget(place)
    with pytest.raises(MissingError):
        _ = handle.array
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = handle.nonsense


def test_a_resize_is_seen_by_all_handles_of_the_process(place: LocalLocation) -> None:
    reader = storage.open_array(place, "toy")
    assert reader.spec.shape == (20, 20, 20)
    writer = storage.open_array(place, "toy", mode="r+")
    writer.resize((30, 20, 20))
    assert writer.spec.shape == reader.spec.shape == (30, 20, 20)
    assert storage.open_array(place, "toy").spec.shape == (30, 20, 20)


def test_the_array_is_a_plain_attribute_once_it_was_used(place: LocalLocation) -> None:
    handle = storage.open_array(place, "toy")
    assert handle.__dict__["array"] is handle.array


def test_a_closed_handle_opens_again(place: LocalLocation) -> None:
    handle = storage.open_array(place, "toy")
    array: Any = handle.array
    handle.flush()
    handle.close()
    handle.close()
    handle.flush()
    assert array.closed == 1
    assert handle.read(BOX).shape == (8, 8, 8)


def test_a_pickled_handle_opens_lazily(place: LocalLocation) -> None:
    handle = storage.open_array(place, "toy", axes=("x", "y", "z"), backend="toy+single")
    text = pickle.dumps(handle)
    assert len(text) < 500
    storage.forget(place)
    before = opened()
    again = pickle.loads(text)
    assert opened() == before
    assert (again.location, again.mode, again.axes, again.backend.name) == (
        place,
        "r",
        ("x", "y", "z"),
        "toy+single",
    )
    assert again.read(BOX).shape == (8, 8, 8)
    assert opened() == before + 1
    assert "toy+single" in repr(again)


def _read_in_child(handle: Any, results: Any) -> None:
    inherited = "array" in handle.__dict__
    handle.write(BOX, handle.read(BOX) + np.uint8(1))
    results.put((inherited, opened()))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_child_opens_for_itself(place: LocalLocation) -> None:
    handle = storage.open_array(place, "toy", mode="r+")
    handle.read(BOX)
    before = opened()
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=_read_in_child, args=(handle, results))
    child.start()
    assert results.get(timeout=30) == (False, before + 1)
    child.join()
    assert "array" in handle.__dict__
    assert handle.read(BOX).max() == 1


def test_many_threads_open_a_handle_once(place: LocalLocation) -> None:
    handle = pickle.loads(pickle.dumps(storage.open_array(place, "toy")))
    storage.forget(place)
    before, seen = opened(), []
    threads = [threading.Thread(target=lambda: seen.append(handle.array)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened() == before + 1
    assert len({id(array) for array in seen}) == 1


def test_handles_for_reading_refuse_to_write(place: LocalLocation) -> None:
    handle = storage.open_array(place, "toy")
    with pytest.raises(ReadOnlyError, match="for reading only") as caught:
        handle.write(BOX, np.zeros((8, 8, 8), "uint8"))
    assert 'mode="r+"' in str(caught.value)
    with pytest.raises(ReadOnlyError, match="for reading only"):
        handle.resize((1, 1, 1))


def test_boxes_outside_and_data_of_another_shape_are_refused(place: LocalLocation) -> None:
    handle = storage.open_array(place, "toy", mode="r+")
    for box in (((0, 0, 0), (21, 1, 1)), ((-1, 0, 0), (1, 1, 1)), ((20, 0, 0), (1, 1, 1))):
        with pytest.raises(OutOfBoundsError, match="leaves the array"):
            handle.read(box)
    with pytest.raises(OutOfBoundsError, match="3 axes"):
        handle.read(((0, 0), (1, 1)))
    with pytest.raises(ShapeMismatchError, match=r"shape \(1, 1, 1\)"):
        handle.write(BOX, np.zeros((1, 1, 1), "uint8"))
    with pytest.raises(UnsupportedOperationError):
        handle.stored_boxes()


def test_reads_beyond_the_memory_budget_are_refused_with_both_numbers(tmp_path: Path) -> None:
    handle = storage.create_array(tmp_path / "a", "toy", spec(shape=(2048, 2048, 2048)))
    box = ((0, 0, 0), (512, 512, 16))
    with wkplug.config.settings(max_read_bytes=3 * 2**20):
        with pytest.raises(
            TooLargeError, match=r"512 x 512 x 16 voxels .* takes 4.0 MiB; allowed are 3.0 MiB"
        ) as caught:
            handle.read(box)
        assert "max_read_bytes" in str(caught.value)
        assert "in chunks" in str(caught.value)
        assert handle.read(box, out=np.empty((512, 512, 16), "uint8")).shape == (512, 512, 16)
        handle.check_size((100, 100, 100))
    with pytest.raises(TooLargeError, match="half of this machine's memory"):
        handle.check_size((10**5,) * 3)
