"""Marks of unfinished work: an array that has one is refused, whatever the mark looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wkplug import storage
from wkplug.abc import ArraySpec
from wkplug.errors import IncompleteMagError
from wkplug.filesystems.local import LocalLocation

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("toys")
SPEC = ArraySpec(
    axes=("x", "y", "z"), shape=(20,) * 3, dtype="uint8", chunk_shape=(8,) * 3, shard_shape=(8,) * 3
)


@pytest.fixture
def place(tmp_path: Path) -> LocalLocation:
    location = LocalLocation(tmp_path / "array")
    storage.create_array(location, "toy", SPEC)
    return location


def test_a_marked_array_is_refused_until_the_mark_is_cleared(place: LocalLocation) -> None:
    mark = storage.Mark(job="job-1", what="downsampling to mag 2")
    storage.set_mark(place, mark)
    assert storage.read_mark(place) == mark
    with pytest.raises(IncompleteMagError) as caught:
        storage.open_array(place, "toy")
    text = str(caught.value)
    assert "downsampling to mag 2 (job-1), started 20" in text
    assert "run the same command again" in text
    assert "allow_incomplete=True" in text
    assert storage.open_array(place, "toy", mode="r+", allow_incomplete=True).mode == "r+"
    storage.clear_mark(place)
    storage.clear_mark(place)
    assert storage.read_mark(place) is None
    assert storage.open_array(place, "toy").mode == "r"


def test_a_mark_can_be_set_before_there_is_an_array(tmp_path: Path) -> None:
    place = LocalLocation(tmp_path / "layer" / "1")
    storage.set_mark(place, storage.Mark(job="j"))
    storage.create_array(place, "toy", SPEC)
    with pytest.raises(IncompleteMagError, match=": j, started"):
        storage.open_array(place, "toy")


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"job": 3}', b"\xff\xfe"])
def test_a_damaged_mark_is_a_mark(place: LocalLocation, damage: bytes) -> None:
    place.child(storage.MARK_NAME).write(damage)
    assert storage.read_mark(place) is not None
    with pytest.raises(IncompleteMagError):
        storage.open_array(place, "toy")
