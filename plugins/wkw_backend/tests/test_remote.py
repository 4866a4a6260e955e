"""Arrays on places that are no local disks."""

import itertools
import pickle
from typing import Any

import numpy as np
import pytest
from wkplug_wkw import remote
from wkplug_wkw.array import WkwArray
from wkplug_wkw.backend import WkwBackend

from wkplug.abc import locate
from wkplug.errors import ConflictError, CorruptDataError, MissingError, TooLargeError

from .conftest import make_spec, noise

BOX = ((0, 0, 0, 0), (1, 32, 32, 32))
KINDS = ("raw", "lz4", "lz4hc")
_fresh = itertools.count()


def create(**facts: Any) -> WkwArray:
    array = WkwBackend().create(locate(f"memory://wkw-remote/{next(_fresh)}"), make_spec(**facts))
    assert isinstance(array, WkwArray)
    return array


@pytest.mark.parametrize("kind", KINDS)
def test_partial_writes_keep_the_rest(kind: str) -> None:
    array = create(channels=2, dtype="int16", options={"block_type": kind})
    expected = np.zeros((2, 64, 64, 64), "int16")
    rng = np.random.default_rng(3)
    for seed in range(6):
        start = rng.integers(0, 60, 3)
        stop = rng.integers(start + 1, 65)
        data = noise((2, *map(int, stop - start)), "int16", seed)
        array.write(((0, *map(int, start)), data.shape), data)
        expected[(slice(None), *map(slice, start, stop))] = data
    for handle in (array, WkwBackend().open(array.location), pickle.loads(pickle.dumps(array))):
        np.testing.assert_array_equal(handle.read(((0, 0, 0, 0), expected.shape)), expected)
        np.testing.assert_array_equal(
            handle.read(((1, 7, 31, 3), (1, 50, 2, 40))), expected[1:, 7:57, 31:33, 3:43]
        )
    assert set(array.stored_boxes()) <= {
        ((0, x, y, z), (2, 32, 32, 32)) for x in (0, 32) for y in (0, 32) for z in (0, 32)
    }


def test_a_known_table_is_dropped_when_the_shard_changed() -> None:
    array = create()
    reader = WkwBackend().open(array.location)
    for seed in range(4):
        data = noise(BOX[1], seed=seed)
        array.write(BOX, data)
        np.testing.assert_array_equal(reader.read(BOX), data)
        np.testing.assert_array_equal(reader.read(((0, 9, 8, 8), (1, 3, 8, 8))), data[:, 9:12, 8:16, 8:16])
    array.location.child("z0/y0/x0.wkw").delete()
    assert not reader.read(BOX).any()
    with pytest.raises(MissingError):
        reader.read(BOX, missing="error")


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_an_error_here_too(kind: str) -> None:
    array = create(options={"block_type": kind})
    array.write(BOX, noise(BOX[1]))
    place = array.location.child("z0/y0/x0.wkw")
    whole = place.read()
    for damaged in (b"", whole[:10], b"PNG" + whole[3:], whole[:300], whole[:-1]):
        place.write(damaged)
        with pytest.raises(CorruptDataError, match="is damaged") as error:
            array.read(BOX)
        assert place.url in str(error.value)
        with pytest.raises(CorruptDataError, match="is damaged"):
            array.write(((0, 1, 1, 1), (1, 2, 2, 2)), noise((1, 2, 2, 2)))
        assert place.read() == damaged
    array.write(BOX, noise(BOX[1]))
    np.testing.assert_array_equal(array.read(BOX), noise(BOX[1]))


def test_a_write_that_somebody_overtook_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    array = create()
    array.write(BOX, noise(BOX[1]))
    other = WkwBackend().open(array.location, "r+")
    kind = type(array.location)
    real = kind.read_newer
    overtaken: list[int] = []

    def read_newer(self: Any, known: str | None = None) -> Any:
        found = real(self, known)
        if len(overtaken) < 2:
            overtaken.append(len(overtaken) + 1)
            monkeypatch.setattr(kind, "read_newer", real)
            corner = 8 * len(overtaken)
            other.write(((0, corner, 0, 0), (1, 1, 1, 1)), np.full((1, 1, 1, 1), 200, "u1"))
            monkeypatch.setattr(kind, "read_newer", read_newer)
        return found

    monkeypatch.setattr(kind, "read_newer", read_newer)
    array.write(((0, 0, 0, 0), (1, 1, 1, 1)), np.full((1, 1, 1, 1), 100, "u1"))
    expected = noise(BOX[1])
    expected[0, 0, 0, 0], expected[0, 8, 0, 0], expected[0, 16, 0, 0] = 100, 200, 200
    np.testing.assert_array_equal(array.read(BOX), expected)


def test_a_shard_that_never_rests_is_a_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    array = create()
    array.write(BOX, noise(BOX[1]))
    versions = itertools.count()
    monkeypatch.setattr(type(array.location), "version", lambda self: str(next(versions)))
    with pytest.raises(ConflictError, match="changed 5 times while it was read"):
        array.read(BOX)


def test_long_runs_of_blocks_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_RUN_BYTES", 1000)
    array = create()
    array.write(BOX, noise(BOX[1]))
    np.testing.assert_array_equal(array.read(BOX), noise(BOX[1]))


def test_huge_raw_shards_are_refused_before_memory_is_taken() -> None:
    array = create(chunk=32, shard=2048, compressed=False)
    with pytest.raises(TooLargeError, match="can only be written whole"):
        array.write(BOX, noise(BOX[1]))
    assert list(array.stored_boxes()) == []
