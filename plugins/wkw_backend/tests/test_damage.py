"""Damaged shards: always CorruptDataError with path, box and reason; never zeros, never a crash."""

# ruff: noqa: PTH208
# What the tests do to files is what other programs do, with plain system calls.

import contextlib
import os
import shutil
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wkplug_wkw.array import WkwArray
from wkplug_wkw.backend import WkwBackend
from wkplug_wkw.rust import RustBackend

from wkplug.errors import (
    ConflictError,
    CorruptDataError,
    MissingError,
    OutOfBoundsError,
    StorageError,
    TooLargeError,
)
from wkplug.filesystems.local import LocalLocation

from .conftest import Make, make_spec, noise

WHOLE = ((0, 32, 0, 0), (1, 32, 32, 32))


def stored(make: Make, block_type: str = "lz4hc") -> tuple[WkwArray, Path]:
    array = make(options={"block_type": block_type})
    array.write(WHOLE, noise(WHOLE[1]))
    return array, Path(array.location.url) / "z0/y0/x1.wkw"


def cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


def poke(path: Path, position: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        file.write(data)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: cut(path, 0), "not even a header"),
    "half a header": (lambda path: cut(path, 9), "not even a header"),
    "folder": (folder, "no regular file"),
    "fifo": (fifo, "no regular file"),
    "other magic": (lambda path: poke(path, 0, b"PNG"), "starts with"),
    "other edges": (lambda path: poke(path, 4, b"\xff"), "edge lengths"),
    "other offset": (lambda path: poke(path, 8, b"\xff" * 8), "data offset"),
}
COMPRESSED = DAMAGES | {
    "half a table": (lambda path: cut(path, 100), "jump table alone"),
    "cut in the blocks": (lambda path: cut(path, path.stat().st_size - 1), "cut short"),
    "table backwards": (lambda path: poke(path, 16 + 8 * 5, bytes(8)), "goes backwards"),
    "table beyond the end": (lambda path: poke(path, 16 + 8 * 63, b"\xff\xff\xff\xff\x00\x00\x00\x00"), "leads to"),
    "table beyond all numbers": (lambda path: poke(path, 16 + 8 * 63, b"\xff" * 8), "goes backwards"),
}  # fmt: skip
RAW = DAMAGES | {"cut in the blocks": (lambda path: cut(path, path.stat().st_size - 1), "must be")}


@pytest.mark.faults
@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize(
    ("block_type", "damage"),
    [("lz4hc", name) for name in COMPRESSED] + [("raw", name) for name in RAW],
)
def test_a_damaged_shard_is_an_error(make: Make, block_type: str, damage: str, warm: bool) -> None:
    array, path = stored(make, block_type)
    if warm:
        array.read(WHOLE)
    else:
        array.close()
    change, words = (RAW if block_type == "raw" else COMPRESSED)[damage]
    change(path)
    for handle in (array, RustBackend().open(array.location)):
        for box in (WHOLE, ((0, 32, 8, 16), (1, 8, 8, 8)), ((0, 40, 3, 5), (1, 9, 2, 1))):
            with pytest.raises(CorruptDataError, match=words) as error:
                handle.read(box)
            assert str(path) in str(error.value)
            assert "voxels x 32 to 64, y 0 to 32, z 0 to 32" in str(error.value)
            assert "Restore the file" in str(error.value)
    before = os.listdir(path.parent)
    with pytest.raises(CorruptDataError, match=words):
        array.write(((0, 40, 3, 5), (1, 1, 1, 1)), noise((1, 1, 1, 1)))
    assert os.listdir(path.parent) == before
    # Other shards are none the worse.
    assert not array.read(((0, 0, 0, 0), (1, 32, 32, 32))).any()


@pytest.mark.faults
def test_a_damaged_file_is_healed_by_writing_all_of_it(make: Make) -> None:
    array, path = stored(make)
    cut(path, 0)
    data = noise(WHOLE[1], seed=3)
    array.write(WHOLE, data)
    np.testing.assert_array_equal(array.read(WHOLE), data)


@pytest.mark.faults
def test_a_folder_in_the_place_of_a_shard_is_not_written_over(make: Make) -> None:
    array, path = stored(make)
    folder(path)
    with pytest.raises(StorageError, match="a folder is in its place"):
        array.write(WHOLE, noise(WHOLE[1]))
    assert os.listdir(path.parent) == ["x1.wkw"]


@pytest.mark.faults
def test_a_file_in_the_place_of_a_folder_is_damage(make: Make) -> None:
    array, path = stored(make)
    shutil.rmtree(path.parent)
    path.parent.write_bytes(b"")
    with pytest.raises(CorruptDataError, match="one of its folders is a file"):
        array.read(WHOLE)


@pytest.mark.faults
def test_a_loop_of_links_is_no_missing_shard(make: Make) -> None:
    array, path = stored(make)
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(StorageError, match="could not be read"):
        array.read(WHOLE)


@pytest.mark.faults
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_any_flipped_bytes_end_in_voxels_or_a_typed_error(data: st.DataObject) -> None:
    block_type = data.draw(st.sampled_from(("raw", "lz4", "lz4hc")))
    with tempfile.TemporaryDirectory() as folder:
        location = LocalLocation(folder)
        WkwBackend().create(location, make_spec(options={"block_type": block_type})).write(
            WHOLE, noise(WHOLE[1])
        )
        flip_and_read(location, data)


def flip_and_read(location: LocalLocation, data: st.DataObject) -> None:
    path = Path(location.url) / "z0/y0/x1.wkw"
    array = WkwBackend().open(location)
    array.read(WHOLE)
    size = path.stat().st_size
    for _ in range(data.draw(st.integers(1, 4))):
        # The front holds all that leads anywhere: flip there as often as in the payload.
        position = data.draw(st.integers(0, min(size, 560) - 1) | st.integers(0, size - 1))
        poke(path, position, bytes([data.draw(st.integers(0, 255))]))
    tracemalloc.start()
    try:
        for handle in (array, WkwBackend().open(location)):
            for box in (WHOLE, ((0, 40, 8, 16), (1, 8, 8, 8))):
                with contextlib.suppress(CorruptDataError):
                    assert handle.read(box).shape == box[1]
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.faults
@pytest.mark.parametrize("payload", [b"", b"\x00", b"\xff" * 40, b"\x1f\x00\x01\x00" + b"\xff" * 8])
def test_a_block_that_decodes_to_another_length_is_damage(make: Make, payload: bytes) -> None:
    array, path = stored(make)
    raw = path.read_bytes()
    table = np.frombuffer(raw, "<u8", 65, 8).copy()
    start, stop = int(table[3]), int(table[4])
    table[4:] -= np.uint64(stop - start - len(payload))
    path.write_bytes(raw[:8] + table.tobytes() + raw[16 + 8 * 64 : start] + payload + raw[stop:])
    for box in (WHOLE, ((0, 40, 8, 0), (1, 8, 8, 8)), ((0, 41, 9, 1), (1, 2, 2, 2))):
        with pytest.raises(CorruptDataError, match="chunk 3, is damaged"):
            array.read(box)
    sound = array.read(((0, 32, 0, 0), (1, 8, 8, 8)))
    np.testing.assert_array_equal(sound, noise(WHOLE[1])[:, :8, :8, :8])
    with pytest.raises(CorruptDataError, match="chunk 3, is damaged"):
        array.write(((0, 41, 9, 1), (1, 2, 2, 2)), noise((1, 2, 2, 2)))
    # Neighbours are kept as they are stored, so a write beside the damage works and keeps it.
    array.write(((0, 32, 0, 0), (1, 8, 8, 8)), noise((1, 8, 8, 8), seed=9))
    with pytest.raises(CorruptDataError, match="chunk 3, is damaged"):
        array.read(WHOLE)


@pytest.mark.faults
def test_a_claimed_gigabyte_takes_no_memory(make: Make) -> None:
    array = make(chunk=1024, shard=1024)
    path = Path(array.location.url) / "z0/y0/x0.wkw"
    path.parent.mkdir(parents=True)
    path.write_bytes(array.header.pack(shard=True) + (24 + 20).to_bytes(8, "little") + b"\x1f" * 20)
    tracemalloc.start()
    with pytest.raises(CorruptDataError, match="can't decode to 1,073,741,824"):
        array.read(((0, 0, 0, 0), (1, 4, 4, 4)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_crafted_array_header_is_refused(tmp_path: Path) -> None:
    location = LocalLocation(tmp_path)
    (tmp_path / "header.wkw").write_bytes(b"WKW\x01\xff\x03\x01\x01" + bytes(8))
    with pytest.raises(TooLargeError, match="can't be trusted"):
        WkwBackend().open(location)
    (tmp_path / "header.wkw").write_bytes(b"")
    with pytest.raises(CorruptDataError, match="it has 0 bytes"):
        WkwBackend().open(location)


def test_a_lost_array_is_not_zeros(make: Make) -> None:
    array, _ = stored(make)
    array.read(WHOLE)
    shutil.rmtree(array.location.url)
    with pytest.raises(MissingError, match="is gone"):
        array.read(WHOLE)
    with pytest.raises(MissingError, match="is gone"):
        array.write(WHOLE, noise(WHOLE[1]))
    assert not Path(array.location.url).exists()


def test_another_array_in_the_same_place_is_noticed(make: Make) -> None:
    array, _ = stored(make)
    shutil.rmtree(array.location.url)
    other = make(dtype="uint16")
    other.write(WHOLE, noise(WHOLE[1], "uint16"))
    with pytest.raises(ConflictError, match="another array stands"):
        array.write(WHOLE, noise(WHOLE[1]))
    with pytest.raises(CorruptDataError, match="voxel type"):
        array.read(WHOLE)


def test_boxes_beyond_the_format_are_refused(make: Make) -> None:
    array, _ = stored(make)
    for box in (
        ((0, -1, 0, 0), (1, 1, 1, 1)),
        ((1, 0, 0, 0), (1, 1, 1, 1)),
        ((0, 2**32 - 1, 0, 0), (1, 2, 1, 1)),
    ):
        with pytest.raises(OutOfBoundsError):
            array.read(box)
    last = ((0, 2**32 - 2, 0, 0), (1, 2, 1, 1))
    assert not array.read(last).any()
