"""Objects that several writers change: nobody's change is lost, and who is always overtaken is told."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from wkplug.abc import change_object, locate, side_by_side, write_objects
from wkplug.errors import ConflictError
from wkplug.storage import budget
from wkplug.testing.places import PlainLocation

if TYPE_CHECKING:
    from collections.abc import Callable

    from wkplug.abc import Location


class Busy(PlainLocation):
    """A place with conditions, whose object others change before this process puts it, as often as `others` says."""

    def __init__(self, inner: Location, *, others: int) -> None:
        super().__init__(inner)
        self.others = others
        self.puts = 0
        self.locks: list[str] = []

    @property
    def conditional(self) -> bool:
        return True

    @property
    def parent(self) -> Any:
        return self

    def write(self, data: bytes, *, if_match: str | None = None) -> str:
        self.puts += 1
        if self.puts <= self.others:
            self.inner.write((self.inner.read() if self.inner.exists() else b"") + b"o")
        return self.inner.write(data, if_match=if_match)

    def lock(self, key: str = "", *, timeout: float | None = None) -> Any:
        self.locks.append(key)
        return self.inner.lock(key, timeout=timeout)


@pytest.fixture
def busy(request: pytest.FixtureRequest) -> Callable[[int], Busy]:
    place = locate(f"memory://{request.node.name}/shard")
    return lambda others: Busy(place, others=others)


def append(letter: bytes) -> Callable[[bytes | None], bytes]:
    return lambda old: (old or b"") + letter


def test_a_change_is_made_again_on_what_others_put(busy: Callable[[int], Busy]) -> None:
    place = busy(0)
    change_object(place, append(b"a"))
    assert (place.read(), place.locks) == (b"a", [])
    place = busy(3)
    change_object(place, append(b"b"))
    assert place.read() == b"aooob"
    assert place.puts == 4
    assert place.locks == ["write shard"]  # once overtaken, writers queue


def test_nothing_is_put_where_nothing_changes(busy: Callable[[int], Busy]) -> None:
    place = busy(0)
    seen = []
    change_object(place, lambda old: seen.append(old))
    assert (seen, place.puts, place.exists()) == ([None], 0, False)


def test_who_is_always_overtaken_is_told(
    busy: Callable[[int], Busy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wkplug.abc.objects._PATIENCE", -1.0)
    with pytest.raises(ConflictError) as raised:
        change_object(busy(10**9), append(b"a"))
    assert raised.value.message.endswith(
        "/shard could not be written: others kept changing it in between (tries: 1)."
    )
    assert raised.value.hint == "Write the same box again, or let each writer write whole shards."


def test_threads_take_turns(busy: Callable[[int], Busy]) -> None:
    place, meeting = busy(0), threading.Barrier(8)

    def write(number: int) -> None:
        meeting.wait(10)
        change_object(place, append(bytes([number])))

    list(side_by_side(write, range(8), at_once=8))
    assert sorted(place.read()) == list(range(8))
    assert (place.puts, place.locks) == (8, [])


def test_all_threads_together_hold_what_memory_allows(
    busy: Callable[[int], Busy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        budget, "for_voxels", lambda _: 800
    )  # 4 objects of 100 bytes, of which two are encoded
    monkeypatch.setattr(Busy, "concurrency", 16)
    guard, meeting = threading.Lock(), threading.Barrier(4)
    under_way = [0]
    most: list[int] = []

    def write(_: int) -> None:
        with guard:
            under_way[0] += 1
            most.append(under_way[0])
        meeting.wait(10)
        # Objects of objects, as engines below the core write them, need no more room.
        write_objects(lambda _: None, [1, 2], root=place, size=100, name=str)
        with guard:
            under_way[0] -= 1

    place = busy(0)

    def write_some() -> None:
        write_objects(write, range(4), root=place, size=100, name=str)

    threads = [threading.Thread(target=write_some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (max(most), len(most), under_way) == (4, 16, [0])


def test_one_object_is_written_however_large_it_is(busy: Callable[[int], Busy]) -> None:
    written: list[int] = []
    write_objects(written.append, [1, 2], root=busy(0), size=10**15, name=str)
    assert written == [1, 2]
