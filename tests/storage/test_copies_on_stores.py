"""Folders copied from and to places where requests take their time: side by side, in bounded memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from wkplug import storage
from wkplug.errors import MissingError, StorageError
from wkplug.filesystems.local import LocalLocation
from wkplug.storage import copying
from wkplug.testing.places import PlainLocation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wkplug.abc import Location

NAMES = [f"z{z}/y0/x{x}.wkw" for z in range(4) for x in range(4)]


class Store(PlainLocation):
    """A place that lists all it has at once; who reads and writes is written down, and may have to wait."""

    def __init__(self, inner: Location) -> None:
        super().__init__(inner)
        self.listings: list[str] = []
        self.written: list[str] = []
        self.meeting: dict[str, threading.Barrier] = {}

    @property
    def concurrency(self) -> int:
        return 16

    def list(self) -> Iterator[str]:
        self.listings.append(self.url)
        return self.inner.list()

    def list_all(self) -> Iterator[str]:
        return self.list()

    def list_files(self) -> Iterator[tuple[str, int | None]]:
        self.listings.append(self.url)
        for name, _ in self.inner.list_files():
            yield name, self.inner.child(name).size()

    def _meet(self, what: str) -> None:
        if what in self.meeting:
            self.meeting[what].wait(10)

    def read(self, start: int | None = None, stop: int | None = None) -> bytes:
        self._meet("read")
        return self.inner.read(start, stop)

    def write(self, data: bytes, *, if_match: str | None = None) -> str:
        self._meet("write")
        self.written.append(self.name)
        return self.inner.write(data, if_match=if_match)


@pytest.fixture
def filled(tmp_path: Path) -> LocalLocation:
    place = LocalLocation(tmp_path / "source")
    for name in NAMES:
        place.child(name).write(name.encode() * 100)
    place.child(".wkplug-incomplete.json").write(b"{}")
    return place


def check(place: Location) -> None:
    assert sorted(name for name, _ in place.list_files()) == sorted(NAMES)
    for name in NAMES:
        assert place.child(name).read() == name.encode() * 100


@pytest.mark.parametrize(("source_kind", "target_kind"), [(Store, Store), (None, Store), (Store, None)])
def test_files_are_copied_side_by_side(
    filled: Any, tmp_path: Path, source_kind: Any, target_kind: Any
) -> None:
    source = source_kind(filled) if source_kind else filled
    target = (target_kind or LocalLocation)(
        LocalLocation(tmp_path / "target") if target_kind else tmp_path / "target"
    )
    for place, what in ((source, "read"), (target, "write")):
        if isinstance(place, Store):
            place.meeting[what] = threading.Barrier(8)  # nobody ends before eight have begun
    skip = (storage.MARK_NAME,)
    told: list[tuple[int, int]] = []
    assert storage.copy_tree(source, target, skip=skip, progress=lambda *n: told.append(n)) == len(NAMES)
    assert told == [(done + 1, len(NAMES)) for done in range(len(NAMES))]
    if isinstance(source, Store):
        assert len(source.listings) == 1
        source.meeting.clear()
    if isinstance(target, Store):
        target.meeting.clear()
    check(target)


def test_what_is_in_memory_at_once_is_bounded(
    filled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(NAMES[0]) * 100
    monkeypatch.setattr(copying, "for_voxels", lambda _: 2 * size)
    now: list[int] = [0]
    most: list[int] = [0]
    guard = threading.Lock()

    class Watched(Store):
        def read(self, start: int | None = None, stop: int | None = None) -> bytes:
            with guard:
                now[0] += 1
                most[0] = max(most[0], now[0])
            return super().read(start, stop)

        def write(self, data: bytes, *, if_match: str | None = None) -> str:
            found = super().write(data, if_match=if_match)
            with guard:
                now[0] -= 1
            return found

    storage.copy_tree(Watched(filled), Watched(LocalLocation(tmp_path / "target")), skip=(storage.MARK_NAME,))
    assert most[0] <= 2
    monkeypatch.setattr(copying, "for_voxels", lambda _: 1)  # larger than all: one at a time
    storage.copy_tree(Watched(filled), Watched(LocalLocation(tmp_path / "again")), skip=(storage.MARK_NAME,))
    check(LocalLocation(tmp_path / "again"))


def test_a_copy_that_fails_says_why_and_ends(filled: Any, tmp_path: Path) -> None:
    class Full(Store):
        def write(self, data: bytes, *, if_match: str | None = None) -> str:
            if self.name == "x2.wkw":
                raise StorageError(f"{self.url} could not be written: no space is left.")
            return super().write(data, if_match=if_match)

    target = Full(LocalLocation(tmp_path / "target"))
    with pytest.raises(StorageError, match=r"x2\.wkw could not be written: no space is left"):
        storage.copy_tree(Store(filled), target, skip=(storage.MARK_NAME,))
    for name, _ in target.list_files():
        assert target.child(name).read() == name.encode() * 100


def test_single_files_and_nothing_are_told_apart(filled: Any, tmp_path: Path) -> None:
    source, target = Store(filled), LocalLocation(tmp_path / "target")
    assert storage.copy_tree(source.child(NAMES[0]), target.child("one")) == 1
    assert target.child("one").read() == NAMES[0].encode() * 100
    with pytest.raises(MissingError, match="it is not there"):
        storage.copy_tree(source.child("nothing"), target.child("other"))
    assert storage.copy_tree(source, target, skip=["z0", "z1/y0", "x3.wkw", storage.MARK_NAME]) == 6
