"""Arrays in memory: the suite, and what is special about them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from wkplug.abc import ArraySpec, LayoutWish, ProbeScore
from wkplug.builtin.memory import MemoryBackend
from wkplug.errors import (
    ConflictError,
    LayoutError,
    MissingError,
    ReadOnlyError,
    ShapeMismatchError,
    UnsupportedDtypeError,
)
from wkplug.filesystems.local import LocalLocation
from wkplug.testing import ArrayBackendSuite

AXES = ("c", "x", "y", "z")
SPEC = ArraySpec(
    axes=AXES, shape=(1, 40, 40, 40), dtype="uint8", chunk_shape=(1, 8, 8, 8), shard_shape=(1, 16, 16, 16)
)
BOX = ((0, 0, 0, 0), (1, 4, 4, 4))
ONES = np.ones(BOX[1], "uint8")


class TestMemory(ArrayBackendSuite):
    backend_factory = "wkplug.builtin.memory:MemoryBackend"
    plugin_module = "wkplug.builtin"


@pytest.fixture
def place(tmp_path):
    return LocalLocation(tmp_path / "array")


def test_nothing_is_ever_written_to_the_place(place):
    MemoryBackend().create(place, SPEC).write(BOX, ONES)
    assert not place.exists()


def test_forgotten_arrays_are_missing_to_all_handles_and_leave_room_for_new_ones(place):
    backend = MemoryBackend()
    array = backend.create(place, SPEC)
    array.write(BOX, ONES)
    backend.forget(place)
    assert backend.probe(place) is ProbeScore.NO
    for use in (lambda: array.read(BOX), lambda: array.write(BOX, ONES), lambda: list(array.stored_boxes())):
        with pytest.raises(MissingError, match="no array in memory for"):
            use()
    backend.forget(place)
    assert not backend.create(place, SPEC).read(BOX).any()


def test_forgetting_releases_the_memory(place):
    import gc
    import weakref

    class Watched(np.ndarray):
        pass

    backend = MemoryBackend()
    array = backend.create(place, SPEC)
    array.write(BOX, ONES)
    shards = array.native_handle()
    shards[0, 0, 0, 0] = shards[0, 0, 0, 0].view(Watched)
    watch = weakref.ref(shards[0, 0, 0, 0])
    del shards
    backend.forget(place)
    gc.collect()
    assert watch() is None


def test_one_backend_does_not_see_the_arrays_of_another(place):
    MemoryBackend().create(place, SPEC)
    other = MemoryBackend()
    assert other.probe(place) is ProbeScore.NO
    with pytest.raises(MissingError):
        other.open(place)


def test_another_process_is_told_why_there_is_nothing(place, tmp_path):
    token = pickle.dumps(MemoryBackend().create(place, SPEC))
    (tmp_path / "token").write_bytes(token)
    code = f"import pickle; a = pickle.load(open({str(tmp_path / 'token')!r}, 'rb')); a.read({BOX!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "MissingError: There is no array in memory for" in done.stderr
    assert "live in the process that made them" in done.stderr
    assert "Use a data format on disk" in done.stderr


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="this system doesn't fork")
def test_a_forked_process_is_told_too_instead_of_losing_its_writes(place):
    code = f"""
import os
import numpy as np
from wkplug.abc import ArraySpec
from wkplug.filesystems.local import LocalLocation
from wkplug.builtin.memory import MemoryBackend
from wkplug.errors import MissingError

array = MemoryBackend().create(LocalLocation({place.url!r}), ArraySpec(
    axes={AXES!r}, shape=(1, 8, 8, 8), dtype="uint8", chunk_shape=(1, 8, 8, 8), shard_shape=(1, 8, 8, 8)))
if os.fork() == 0:
    try:
        array.write({BOX!r}, np.ones((1, 4, 4, 4), "uint8"))
    except MissingError:
        os._exit(7)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "7"


def test_a_backend_found_by_its_pickle_is_the_same_world(place):
    backend = MemoryBackend()
    backend.create(place, SPEC).write(BOX, ONES)
    copy = pickle.loads(pickle.dumps(backend))
    assert copy.open(place).read(BOX).all()
    copy.forget(place)
    with pytest.raises(MissingError):
        backend.open(place)


def test_of_many_that_create_one_wins(place):
    backend = MemoryBackend()

    def create(_):
        try:
            backend.create(place, SPEC)
        except ConflictError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(64))) == 1


def test_threads_write_to_one_shard_and_lose_nothing(place):
    array = MemoryBackend().create(place, SPEC)

    def write(number):
        box = ((0, number % 16, number // 16, 0), (1, 1, 1, 16))
        array.write(box, np.full(box[1], number % 251 + 1, "uint8"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(256)))
    assert np.array_equal(
        array.read(((0, 0, 0, 3), (1, 16, 16, 1))).reshape(-1, order="F"), np.arange(256) % 251 + 1
    )


def test_readers_see_the_old_or_the_new_shard(place):
    array = MemoryBackend().create(place, SPEC)
    before = array.native_handle()
    array.write(BOX, ONES)
    old = before[0, 0, 0, 0]
    array.write(BOX, ONES * 2)
    assert old[0, 0, 0, 0] == 1
    assert array.read(BOX).max() == 2


def test_errors_say_what_is_wrong(place):
    backend = MemoryBackend()
    array = backend.create(place, SPEC)
    with pytest.raises(ShapeMismatchError, match=r"Data of shape \(1, 4, 4\) don't fit a box of shape"):
        array.write(BOX, ONES[..., 0])
    with pytest.raises(ReadOnlyError, match=r'(?s)opened for reading.*mode "r\+"'):
        backend.open(place).write(BOX, ONES)
    with pytest.raises(ReadOnlyError, match="opened for reading"):
        backend.open(place).resize((1, 1, 1, 1))
    with pytest.raises(MissingError, match=r"shard at \(0, 0, 0, 0\) .* was never written"):
        array.read(BOX, missing="error")
    with pytest.raises(ConflictError, match="already"):
        backend.create(place, SPEC)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"dtype": "complex64"}, UnsupportedDtypeError, "can't hold complex64"),
        ({"shape": (1, 2, 3)}, LayoutError, "one number for each of the axes c, x, y, z"),
        ({"shape": (1, None, 2, 3)}, LayoutError, "must have a length"),
        ({"shard_shape": (1, 12, 16, 16)}, LayoutError, "must be a multiple of the chunk shape"),
    ],
)
def test_specs_that_cannot_be_are_refused_with_the_reason(place, change, error, words):
    import attrs

    backend = MemoryBackend()
    spec = attrs.evolve(SPEC, **change)
    with pytest.raises(error, match=words):
        backend.create(place, spec)
    (problem,) = backend.problems(spec, place, "create")
    assert words in problem.text
    assert problem.error_type is error
    assert backend.problems(None, place, "r+") == []


@pytest.mark.parametrize(
    ("wish", "chunk", "shard"),
    [
        ({}, (3, 32, 32, 32), (3, 128, 128, 128)),
        ({"chunk_shape": (3, 64, 64, 16)}, (3, 64, 64, 16), (3, 256, 256, 64)),
        ({"shard_shape": (3, 16, 64, 512)}, (3, 16, 32, 32), (3, 16, 64, 512)),
        ({"chunk_shape": (1, 8, 8, 8), "shard_shape": (3, 8, 8, 8)}, (1, 8, 8, 8), (3, 8, 8, 8)),
    ],
)
def test_layouts_keep_what_is_wished_and_choose_the_rest(wish, chunk, shard):
    layout = MemoryBackend().default_layout(
        LayoutWish(purpose="new", axes=AXES, shape=(3, 100, 100, 100), dtype="uint8", **wish)
    )
    assert (layout.chunk_shape, layout.shard_shape) == (chunk, shard)
