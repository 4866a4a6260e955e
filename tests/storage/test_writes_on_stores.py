"""Boxes over many shards on places where requests take their time: written side by side, in bounded memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from wkplug import storage
from wkplug.abc import ArraySpec, objects_at_once
from wkplug.filesystems.local import LocalLocation
from wkplug.storage import budget
from wkplug.testing.places import PlainLocation

if TYPE_CHECKING:
    from pathlib import Path

    from wkplug.abc import Location

pytestmark = pytest.mark.usefixtures("toys")


class Slow(PlainLocation):
    """A place where four requests at the same time are worth it; who writes or locks is written down."""

    def __init__(self, inner: Location) -> None:
        super().__init__(inner)
        self.log: list[str] = []
        self.meeting: threading.Barrier | None = None

    @property
    def concurrency(self) -> int:
        return 4

    def write(self, data: bytes, *, if_match: str | None = None) -> str:
        if self.meeting is not None:
            self.meeting.wait(10)
        self.log.append(self.name)
        return self.inner.write(data, if_match=if_match)

    def lock(self, key: str = "", *, timeout: float | None = None) -> Any:
        self.log.append(key)
        return self.inner.lock(key, timeout=timeout)


@pytest.fixture
def handle(tmp_path: Path) -> Any:
    spec = ArraySpec(
        axes=("x", "y", "z"), shape=(16, 16, 16), dtype="uint8", chunk_shape=(8,) * 3, shard_shape=(8,) * 3
    )
    return storage.create_array(Slow(LocalLocation(tmp_path / "array")), "toy", spec)


def test_shards_are_written_side_by_side(handle: Any) -> None:
    place = handle.location
    place.log.clear()
    place.meeting = threading.Barrier(4)  # nobody ends before four have begun
    data = np.arange(16**3).reshape(16, 16, 16).astype("uint8")
    handle.write(((0, 0, 0), (16, 16, 16)), data)
    assert sorted(place.log) == [f"{x}.{y}.{z}" for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    np.testing.assert_array_equal(handle.read(((0, 0, 0), (16, 16, 16))), data)


def test_only_shards_that_are_covered_in_part_are_locked(handle: Any) -> None:
    handle.location.log.clear()
    data = np.full((16, 8, 5), 7, "uint8")
    handle.write(((0, 0, 3), (16, 8, 5)), data)
    assert sorted(handle.location.log) == ["0.0.0", "1.0.0", "write 0,0,0", "write 1,0,0"]
    handle.write(((0, 0, 0), (12, 8, 8)), np.full((12, 8, 8), 9, "uint8"))
    assert handle.location.log[4:].count("write 1,0,0") == len(handle.location.log[4:]) - 2 == 1
    found = handle.read(((0, 0, 0), (16, 8, 8)))
    assert (found[:12] == 9).all()
    assert (found[12:, :, 3:] == 7).all()


def test_as_many_are_written_as_memory_allows(handle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "for_voxels", lambda _: 2 * 3 * 8**3)
    assert objects_at_once(handle.location, 8**3) == 2
    assert objects_at_once(handle.location, 10**9) == 1
    assert objects_at_once(handle.location, 1) == handle.location.concurrency == 4
    assert objects_at_once(handle.location.inner, 1) == 1
    place = handle.location
    place.meeting = threading.Barrier(2)
    handle.write(((0, 0, 0), (16, 16, 16)), np.ones((16, 16, 16), "uint8"))
    assert len(place.log) == 9  # with the metadata


def test_an_array_that_needs_no_lock_gets_the_whole_box(handle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(handle.array), "concurrent_writes", "box")
    box = ((1, 1, 1), (12, 12, 12))
    handle.write(box, np.ones((12, 12, 12), "uint8"))
    assert handle.array.writes == [box]
    assert not [name for name in handle.location.log if name.startswith("write")]
