"""What arrays on object stores ask for: how often, how much, how many at once, and what others do meanwhile."""

import itertools
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wkplug_wkw import array as arrays
from wkplug_wkw import remote
from wkplug_wkw.array import WkwArray
from wkplug_wkw.backend import WkwBackend

from wkplug.abc import ranges
from wkplug.errors import ConflictError, CorruptDataError, MissingError
from wkplug.storage import budget

from .buckets import Bucket, Request, bucket
from .conftest import make_spec, noise

KINDS = ("raw", "lz4")


def create(place: Bucket, **facts: Any) -> WkwArray:
    array = WkwBackend().create(place, make_spec(**facts))
    assert isinstance(array, WkwArray)
    return array


def opened(array: WkwArray, mode: Any = "r") -> WkwArray:
    again = WkwBackend().open(array.location, mode)
    assert isinstance(again, WkwArray)
    return again


def cube(start: int, edge: int) -> Any:
    return (0, start, start, start), (1, edge, edge, edge)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> tuple[WkwArray, np.ndarray[Any, Any]]:
    """8 shards of 8 x 8 x 8 blocks, none of which is worth reading whole for a part."""
    monkeypatch.setattr(remote, "ROUND_TRIP_BYTES", 2**14)
    monkeypatch.setattr(remote, "REQUEST_BYTES", 0)
    array = create(bucket(), shard=64, options={"block_type": "lz4"})
    data = noise((1, 128, 128, 128))
    array.write(cube(0, 128), data)
    return array, data


def test_a_first_small_read_is_three_requests(large: Any) -> None:
    array, data = large
    log = array.location.log
    log.clear()
    reader = opened(array)
    np.testing.assert_array_equal(reader.read(cube(40, 8)), data[:, 40:48, 40:48, 40:48])
    assert [request.name for request in log.requests] == ["header.wkw", "x0.wkw", "x0.wkw"]
    assert sum(request.size for request in log.requests) < 6_000
    log.clear()
    np.testing.assert_array_equal(reader.read(cube(48, 8)), data[:, 48:56, 48:56, 48:56])
    assert log.kinds == "r"


def test_shards_are_read_side_by_side(large: Any) -> None:
    array, data = large
    log = array.location.log
    reader = opened(array)
    log.clear()
    meeting = threading.Barrier(8)
    log.before = lambda _: meeting.wait(10)  # nobody is answered before 8 have asked
    np.testing.assert_array_equal(reader.read(cube(32, 64)), data[:, 32:96, 32:96, 32:96])
    assert (log.kinds, log.most) == ("r" * 16, 8)


def test_blocks_right_behind_the_table_come_with_it(large: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    array, data = large
    log = array.location.log
    monkeypatch.setattr(remote, "REQUEST_BYTES", 8 * 8**3)
    for start, edge, requests in ((0, 8, 1), (3, 13, 1), (3, 14, 2), (60, 8, 15)):
        reader = opened(array)
        log.clear()
        part = slice(start, start + edge)
        np.testing.assert_array_equal(reader.read(cube(start, edge)), data[:, part, part, part])
        assert log.kinds == "r" * requests


def test_whole_shards_are_one_request_each(large: Any) -> None:
    array, data = large
    log = array.location.log
    reader = opened(array)
    log.clear()
    np.testing.assert_array_equal(reader.read(cube(0, 128)), data)
    assert log.kinds == "r" * 8
    log.clear()
    np.testing.assert_array_equal(reader.read(cube(5, 3)), data[:, 5:8, 5:8, 5:8])
    assert log.kinds == "r"  # the tables were read along


def test_a_missing_shard_is_one_request(large: Any) -> None:
    array, _ = large
    reader = opened(array)
    array.location.log.clear()
    assert not reader.read(cube(300, 8)).any()
    assert array.location.log.kinds == "r"


def test_a_shard_that_changed_is_looked_at_again(large: Any) -> None:
    array, _ = large
    log = array.location.log
    reader = opened(array)
    reader.read(cube(8, 8))
    array.write(cube(0, 64), noise((1, 64, 64, 64), seed=5))
    log.clear()
    expected = noise((1, 64, 64, 64), seed=5)[:, 8:16, 8:16, 8:16]
    np.testing.assert_array_equal(reader.read(cube(8, 8)), expected)
    assert log.kinds == "rrr"  # with the old table, the new table, the block
    array.location.child("z0/y0/x0.wkw").delete()
    log.clear()
    assert not reader.read(cube(8, 8)).any()
    assert log.kinds == "rr"


def test_an_array_that_was_deleted_does_not_read_as_zeros(
    large: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    array, _ = large
    reader = opened(array)
    array.location.delete(recursive=True)
    assert not reader.read(cube(0, 8)).any()  # looked at a moment ago
    monkeypatch.setattr(arrays, "_LOOK_AGAIN", 0.0)
    with pytest.raises(MissingError, match="is gone: the array was deleted or moved"):
        reader.read(cube(0, 8))
    with pytest.raises(MissingError, match="is gone"):
        array.write(cube(0, 8), noise((1, 8, 8, 8)))


def test_what_is_stored_is_one_listing(large: Any) -> None:
    array, _ = large
    array.location.child("z0/y0/x9.txt").write(b"no shard")
    array.location.child("z0/y0/x01.wkw").write(b"no shard")
    array.location.log.clear()
    corners = itertools.product((0, 64), repeat=3)
    assert set(array.stored_boxes()) == {((0, *corner), (1, 64, 64, 64)) for corner in corners}
    assert array.location.log.kinds == "l"


@pytest.mark.parametrize("kind", KINDS)
def test_a_shard_that_never_rests_is_read_whole(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "REQUEST_BYTES", 0)
    monkeypatch.setattr(remote, "ROUND_TRIP_BYTES", 0)
    array = create(bucket(), options={"block_type": kind})
    other = opened(array, "r+")
    array.write(cube(0, 32), np.zeros((1, 32, 32, 32), "u1") + 1)
    values = itertools.count(2)
    log = array.location.log

    def meddle(request: Request) -> None:
        if request.kind == "r" and request.name == "x0.wkw":
            other.write(cube(0, 32), np.full((1, 32, 32, 32), next(values), "u1"))

    log.before = meddle
    found = array.read(cube(0, 16))
    assert found.min() == found.max() > 1


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_reads_equal_numpy_while_others_write(data: st.DataObject) -> None:
    """Every shard that is read is one that was there, whole, since the read began."""
    edge, shards = 16, 2
    kind = data.draw(st.sampled_from(KINDS))
    array = create(
        bucket(data.draw(st.sampled_from((1, 8)))), chunk=4, shard=edge, options={"block_type": kind}
    )
    log = array.location.log
    histories: dict[tuple[int, ...], list[np.ndarray[Any, Any]]] = {}
    other = opened(array, "r+")
    seeds = itertools.count()

    def replace(index: tuple[int, ...]) -> None:
        voxels = noise((1, edge, edge, edge), seed=next(seeds)) + 1
        histories.setdefault(index, [np.zeros_like(voxels)]).append(voxels)
        other.write(((0, *(i * edge for i in index)), voxels.shape), voxels)

    everywhere = list(itertools.product(range(shards), repeat=3))
    for index in data.draw(st.lists(st.sampled_from(everywhere), max_size=8)):
        replace(index)
    meddling = iter(
        data.draw(st.lists(st.one_of(st.none(), st.sampled_from(everywhere)), max_size=12), label="others")
    )
    with pytest.MonkeyPatch.context() as patch:
        gap = data.draw(st.sampled_from((0, 50, 2**16)), label="gap")
        patch.setattr(ranges, "_ALWAYS_BYTES", gap)
        patch.setattr(ranges, "REQUEST_BYTES", gap)
        patch.setattr(remote, "_RUN_BYTES", data.draw(st.sampled_from((1, 300, 2**20)), label="run"))
        patch.setattr(
            remote, "ROUND_TRIP_BYTES", data.draw(st.sampled_from((0, 2**11, 2**20)), label="spare")
        )
        patch.setattr(remote, "REQUEST_BYTES", data.draw(st.sampled_from((0, 2**9, 2**18)), label="ahead"))
        patch.setattr(remote, "_MOST_SHARDS", data.draw(st.sampled_from((1, 3, 256)), label="shards"))
        for _ in range(3):
            start = [data.draw(st.integers(0, shards * edge - 1)) for _ in range(3)]
            stop = [data.draw(st.integers(low + 1, shards * edge)) for low in start]
            begun = {index: max(0, len(histories.get(index, [0])) - 1) for index in everywhere}

            def meddle(request: Request) -> None:
                if request.kind == "r":
                    log.before = lambda _: None
                    index = next(meddling, None)
                    if index is not None:
                        replace(index)
                    log.before = meddle

            log.before = meddle
            try:
                found = array.read(((0, *start), (1, *(b - a for a, b in zip(start, stop, strict=True)))))
            finally:
                log.before = lambda _: None
            for index in everywhere:
                low = [max(a, i * edge) for a, i in zip(start, index, strict=True)]
                high = [min(b, (i + 1) * edge) for b, i in zip(stop, index, strict=True)]
                if any(a >= b for a, b in zip(low, high, strict=True)):
                    continue
                part = found[(0, *(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True)))]
                inside = tuple(
                    slice(a - i * edge, b - i * edge) for a, b, i in zip(low, high, index, strict=True)
                )
                history = histories.get(index, [np.zeros((1, edge, edge, edge), "u1")])
                assert any(np.array_equal(part, one[(0, *inside)]) for one in history[begun[index] :])


@pytest.mark.parametrize("kind", KINDS)
def test_answers_that_are_cut_are_damage(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "REQUEST_BYTES", 0)
    monkeypatch.setattr(remote, "ROUND_TRIP_BYTES", 0)
    array = create(bucket(), options={"block_type": kind})
    array.write(cube(0, 32), noise((1, 32, 32, 32)))
    array.read(cube(0, 8))
    real = Bucket.read_consistent

    def cut(self: Bucket, ranges: Any, *, version: Any = None) -> Any:
        (data,), found = real(self, ranges, version=version)
        return [data[:-1]], found

    monkeypatch.setattr(Bucket, "read_consistent", cut)
    with pytest.raises(CorruptDataError, match=r"x0\.wkw .* is damaged"):
        array.read(cube(8, 8))


# --- writing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_shards_are_put_side_by_side_and_once(kind: str) -> None:
    array = create(bucket(), options={"block_type": kind})
    log = array.location.log
    log.clear()
    meeting = threading.Barrier(8)
    log.before = lambda _: meeting.wait(10)
    data = noise((1, 64, 64, 64)) + 1
    array.write(cube(0, 64), data)
    assert (log.kinds, log.most) == ("p" * 8, 8)
    log.before = lambda _: None
    np.testing.assert_array_equal(opened(array).read(cube(0, 64)), data)


def test_what_is_held_at_once_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_HELD_BYTES", 2 * 2 * 32**3)
    monkeypatch.setattr(budget, "for_voxels", lambda _: 6 * (32**3 + 16))
    array = create(bucket())
    log = array.location.log
    data = noise((1, 64, 64, 64)) + 1
    meeting = threading.Barrier(2)
    log.before = lambda request: meeting.wait(10) if request.kind == "p" else None
    array.write(cube(0, 64), data)
    assert log.most == 2
    log.before = lambda _: None
    log.clear()
    monkeypatch.setattr(remote, "_HELD_BYTES", 1)
    np.testing.assert_array_equal(array.read(cube(0, 64)), data)
    assert log.most == 1


def test_zeros_make_no_shards() -> None:
    array = create(bucket())
    data = np.zeros((1, 64, 32, 32), "u1")
    data[0, 40, 3, 3] = 1
    array.write(((0, 0, 0, 0), data.shape), data)
    array.write(((0, 3, 64, 0), (1, 3, 3, 3)), data[:, :3, :3, :3])
    assert list(array.stored_boxes()) == [((0, 32, 0, 0), (1, 32, 32, 32))]
    array.write(((0, 0, 0, 0), data.shape), np.zeros_like(data))  # what was there is erased
    assert not array.read(((0, 0, 0, 0), data.shape)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_writers_of_one_shard_lose_nothing_and_need_no_lock(kind: str) -> None:
    array = create(bucket(), options={"block_type": kind})
    assert array.concurrent_writes == "box"
    writers = [array, *(opened(array, "r+") for _ in range(3))]
    expected = np.zeros((1, 32, 32, 32), "u1")
    boxes = list(itertools.product(range(0, 32, 8), repeat=2))
    for number, (x, y) in enumerate(boxes):
        expected[0, x + 3, y : y + 5, :7] = number + 1
    failed: list[BaseException] = []

    def work(which: int) -> None:
        try:
            for x, y in boxes[which::8]:
                box = ((0, x + 3, y, 0), (1, 1, 5, 7))
                writers[which % 4].write(box, expected[:, x + 3 : x + 4, y : y + 5, :7])
        except BaseException as error:  # noqa: BLE001 - shown below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    np.testing.assert_array_equal(array.read(cube(0, 32)), expected)
    assert "L" not in array.location.log.kinds


def test_part_of_a_shard_is_two_requests() -> None:
    array = create(bucket())
    array.write(cube(0, 32), noise((1, 32, 32, 32)))
    array.location.log.clear()
    array.write(cube(3, 5), noise((1, 5, 5, 5)) + 1)
    assert array.location.log.kinds == "rp"


def test_a_shard_that_others_always_change_is_a_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wkplug.abc.objects._PATIENCE", -1.0)
    array = create(bucket())
    array.write(cube(0, 32), noise((1, 32, 32, 32)))
    other = opened(array, "r+")
    log = array.location.log

    def meddle(request: Request) -> None:
        if request.kind == "p":
            log.before = lambda _: None
            other.write(cube(0, 32), noise((1, 32, 32, 32)))
            log.before = meddle

    log.before = meddle
    with pytest.raises(ConflictError, match="could not be written: others kept changing it in between"):
        array.write(cube(3, 5), noise((1, 5, 5, 5)) + 1)
