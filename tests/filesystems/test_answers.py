"""While somebody looks around, a store is asked each question once; afterwards it is asked anew."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.filesystems.kept import KeptStore
from wkplug.abc import StoreFailure, located, side_by_side
from wkplug.errors import MissingError, StorageError
from wkplug.filesystems.answers import answers_kept, ask_ahead


class Asked(KeptStore):
    """A store that notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []
        self.threads: set[str] = set()

    def get(self, path: str, *bounds: Any, **condition: Any) -> Any:
        self.asked.append(("get", path))
        self.threads.add(threading.current_thread().name)
        return super().get(path, *bounds, **condition)

    def head(self, path: str) -> Any:
        self.asked.append(("head", path))
        return super().head(path)

    def names(self, path: str) -> Any:
        self.asked.append(("names", path))
        return super().names(path)


class Shown(Asked):
    """One that shows what it likes, as web servers do."""

    lists_all = False


@pytest.fixture
def store() -> Asked:
    store = Asked()
    for name in ("a/info", "a/s0/attributes.json", "b"):
        located(store, name).write(b"0123456789")
    store.asked.clear()
    return store


def test_what_was_read_is_not_read_again(store: Asked) -> None:
    place = located(store, "a/info")
    with answers_kept():
        assert place.read(0, 1000) == b"0123456789"
        data, version = place.read_newer() or (b"", "")
        assert data == place.read() == b"0123456789"
        assert (place.read(2, 4), place.read(-3), place.size()) == (b"23", b"789", 10)
        assert place.read_newer(version) is None
        assert place.version() == version
    assert store.asked == [("get", "a/info")]


def test_parts_are_kept_as_parts(store: Asked) -> None:
    place = located(store, "b")
    with answers_kept():
        assert [place.read(0, 4), place.read(0, 4), place.read(4, 8)] == [b"0123", b"0123", b"4567"]
        assert place.read() == b"0123456789"
        assert place.read(6, 8) == b"67"
    assert store.asked == [("get", "b")] * 3


def test_what_is_missing_is_asked_for_once(store: Asked) -> None:
    place = located(store, "a/none")
    with answers_kept():
        for _ in range(2):
            with pytest.raises(MissingError, match="a/none"):
                place.read()
            assert place.version() is None
    assert store.asked == [("get", "a/none")]


def test_a_list_tells_what_is_not_there(store: Asked) -> None:
    folder = located(store, "a")
    with answers_kept():
        assert list(folder.list()) == ["info", "s0/"]
        assert not folder.child("zarr.json").exists()
        assert not folder.child("s1", "attributes.json").exists()
        assert list(folder.child("s1").list()) == []
        with pytest.raises(MissingError):
            folder.child("s1", "attributes.json").read()
        assert folder.child("s0").exists()
    assert store.asked == [("names", "a"), ("names", "a/s0")]


def test_a_list_that_shows_what_it_likes_tells_nothing() -> None:
    store = Shown()
    located(store, "a/hidden").write(b"1")
    store.asked.clear()
    with answers_kept():
        list(located(store, "a").list())
        assert not located(store, "a/none").exists()
        assert located(store, "a/hidden").read() == b"1"
    assert store.asked == [("names", "a"), ("head", "a/none"), ("get", "a/hidden")]


def test_afterwards_the_store_is_asked_anew(store: Asked) -> None:
    place = located(store, "b")
    with answers_kept():
        place.read()
        with answers_kept():
            place.read()
        place.read()
    located(store, "b").write(b"new")
    assert place.read() == b"new"
    with answers_kept():
        assert place.read() == b"new"
    assert store.asked == [("get", "b")] * 3


def test_too_much_is_not_kept(store: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wkplug.filesystems.answers._MOST_BYTES", 15)
    with answers_kept():
        for name in ("a/info", "b", "a/info", "b"):
            located(store, name).read()
    assert store.asked == [("get", "a/info"), ("get", "b"), ("get", "b")]


def test_threads_share_what_is_kept(store: Asked) -> None:
    places = [located(store, name) for name in ("a/info", "b", "a/none")]
    with answers_kept():
        ask_ahead(places[0], [place.read for place in places])
        asked = sorted(store.asked)
        assert list(side_by_side(lambda place: place.read(), places[:2], at_once=2)) == [b"0123456789"] * 2
        with pytest.raises(MissingError):
            places[2].read()
    assert asked == sorted(store.asked) == [("get", "a/info"), ("get", "a/none"), ("get", "b")]
    assert threading.current_thread().name not in store.threads


def test_a_store_that_fails_for_good_ends_what_is_asked_ahead(store: Asked) -> None:
    store.forever = StoreFailure("broken", "its disk is gone")
    with answers_kept(), pytest.raises(StorageError, match="its disk is gone"):
        ask_ahead(located(store, "b"), [located(store, "b").read])


def test_nothing_is_asked_ahead_where_nothing_is_kept(store: Asked) -> None:
    ask_ahead(located(store, "b"), [located(store, "b").read])
    assert store.asked == []
