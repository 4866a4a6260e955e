"""Writes from several processes: nobody's voxels are lost, and nobody waits for no reason."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wkplug.config
from wkplug import storage
from wkplug.abc import ArraySpec, locate
from wkplug.errors import LockTimeoutError
from wkplug.filesystems.local import LocalLocation
from wkplug.storage.arrays import partial_cells, pieces

if TYPE_CHECKING:
    from pathlib import Path


def spec(shape: tuple[int, ...], shard: tuple[int, ...] = (8, 8, 8)) -> ArraySpec:
    return ArraySpec(axes=("x", "y", "z"), shape=shape, dtype="uint8", chunk_shape=shard, shard_shape=shard)


boxes = st.tuples(
    st.tuples(*[st.integers(0, 24)] * 2),
    st.tuples(*[st.integers(0, 40)] * 2),
    st.tuples(*[st.integers(1, 9)] * 2),
)


@given(boxes)
@settings(max_examples=80, deadline=None)
def test_partial_cells_are_those_that_a_mask_covers_in_part(case: Any) -> None:
    start, shape, grid = case
    mask = np.zeros((80, 80), bool)
    mask[tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))] = True
    expected = []
    for cell in itertools.product(*(range(64 // g + 1) for g in grid)):
        part = mask[tuple(slice(i * g, (i + 1) * g) for i, g in zip(cell, grid, strict=True))]
        if part.any() and not part.all():
            expected.append(cell)
    assert partial_cells((start, shape), grid) == expected


@given(boxes)
@settings(max_examples=100, deadline=None)
def test_pieces_tile_the_box_along_the_grid_and_need_few_locks(case: Any) -> None:
    start, shape, grid = case
    count = np.zeros((128, 128), int)
    found: list[tuple[int, ...]] = []
    for piece_start, piece_shape in pieces((start, shape), grid):
        count[tuple(slice(a, a + n) for a, n in zip(piece_start, piece_shape, strict=True))] += 1
        cells = partial_cells((piece_start, piece_shape), grid)
        assert len(cells) <= 64
        found += cells
    box = tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))
    assert (count[box] == 1).all()
    assert count.sum() == np.prod(shape)
    assert sorted(found) == partial_cells((start, shape), grid)


@pytest.mark.usefixtures("toys")
def test_aligned_writes_take_no_lock_and_partial_ones_do(tmp_path: Path) -> None:
    handle = storage.create_array(tmp_path / "a", "toy", spec((32, 32, 32)))
    handle.write(((8, 0, 16), (16, 8, 16)), np.ones((16, 8, 16), "uint8"))
    assert not (tmp_path / "a" / ".wkplug.lock").exists()
    handle.write(((8, 0, 16), (16, 7, 16)), np.full((16, 7, 16), 2, "uint8"))
    assert (tmp_path / "a" / ".wkplug.lock").exists()
    assert handle.read(((8, 0, 16), (16, 8, 16))).sum() == 16 * 16 * (7 * 2 + 1)


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(("backend", "waits"), [("shards", True), ("single", True), ("box", False)])
def test_a_held_lock_keeps_writers_out_of_its_shard_alone(tmp_path: Path, backend: str, waits: bool) -> None:
    place = LocalLocation(tmp_path / "a")
    handle = storage.create_array(place, "toy", spec((32, 32, 32)), backend=f"toy+{backend}")
    key = "write" if backend == "single" else "write 0,1,0"
    with place.lock(key, timeout=1), wkplug.config.settings(lock_timeout=0.1):
        data = np.ones((2, 2, 2), "uint8")
        if waits:
            with pytest.raises(LockTimeoutError, match=f"process {os.getpid()} on"):
                handle.write(((1, 9, 1), (2, 2, 2)), data)
            assert handle.read(((0, 0, 0), (32, 32, 32))).sum() == 0
        else:
            handle.write(((1, 9, 1), (2, 2, 2)), data)
        if backend == "shards":
            handle.write(((1, 1, 1), (2, 2, 2)), data)


@pytest.mark.usefixtures("toys")
def test_a_write_with_many_partial_shards_is_written_whole(tmp_path: Path) -> None:
    handle = storage.create_array(tmp_path / "a", "toy", spec((24, 24, 24), (4, 4, 4)))
    data = np.random.default_rng(1).integers(1, 255, (20, 21, 18), "uint8")
    handle.write(((1, 2, 3), data.shape), np.asfortranarray(data))
    array: Any = handle.array
    assert len(array.writes) > 1
    everything = handle.read(((0, 0, 0), (24, 24, 24)))
    assert np.array_equal(everything[1:21, 2:23, 3:21], data)
    assert (everything > 0).sum() == data.size


@pytest.mark.usefixtures("toys")
def test_memory_places_are_locked_too() -> None:
    handle = storage.create_array(locate("memory://locks/a"), "toy", spec((16, 16, 16)))
    with (
        handle.location.lock("write 0,0,0"),
        wkplug.config.settings(lock_timeout=0.05),
        pytest.raises(LockTimeoutError),
    ):
        handle.write(((0, 0, 0), (1, 1, 1)), np.ones((1, 1, 1), "uint8"))


WRITER = """
import sys
import numpy as np
from wkplug import storage
path, number, count, grow = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "grow"
handle = storage.open_array(path, "toy", mode="r+")
handle.read(((0, 0, 0), (1, 1, 1)))
print("ready", flush=True)
sys.stdin.readline()
for x in range(number, 24, count):
    if grow:
        with handle.location.lock("test"):
            length = handle.fresh_array().spec.shape[0]
            if length < x + 1:
                handle.resize((x + 1, 12, 12))
    handle.write(((x, 0, 0), (1, 12, 12)), np.full((1, 12, 12), x + 1, "uint8"))
"""


@pytest.mark.parametrize("grow", ["grow", "fixed"])
def test_processes_that_write_into_the_same_shards_lose_nothing(
    toy_folder: Path, toys: None, tmp_path: Path, grow: str
) -> None:
    place = LocalLocation(tmp_path / "a")
    storage.create_array(place, "toy", spec((1 if grow == "grow" else 24, 12, 12)))
    environ = {**os.environ, "PYTHONPATH": str(toy_folder)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, place.url, str(number), "4", grow],
            env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for number in range(4)
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.readline()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=120)
    assert [writer.returncode for writer in writers] == [0] * 4
    handle = storage.open_array(place, "toy")
    assert handle.spec.shape == (24, 12, 12)
    expected = np.broadcast_to(np.arange(1, 25, dtype="uint8")[:, None, None], (24, 12, 12))
    assert np.array_equal(handle.read(((0, 0, 0), (24, 12, 12))), expected)


STOPPER = """
import sys, time
import numpy as np
from wkplug import storage
handle = storage.open_array(sys.argv[1], "toy", mode="r+")
real = handle.array.write
def slow(box, data):
    print("writing", flush=True)
    time.sleep(60)
handle.array.write = slow
handle.write(((0, 0, 0), (1, 1, 1)), np.ones((1, 1, 1), "uint8"))
"""


@pytest.mark.faults
def test_a_writer_killed_in_its_write_keeps_nobody_out(toy_folder: Path, toys: None, tmp_path: Path) -> None:
    place = LocalLocation(tmp_path / "a")
    handle = storage.create_array(place, "toy", spec((16, 16, 16)))
    environ = {**os.environ, "PYTHONPATH": str(toy_folder)}
    with subprocess.Popen(
        [sys.executable, "-c", STOPPER, place.url], env=environ, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        data = np.full((2, 2, 2), 7, "uint8")
        with (
            wkplug.config.settings(lock_timeout=0.1),
            pytest.raises(LockTimeoutError, match=f"process {writer.pid} on"),
        ):
            handle.write(((0, 0, 0), (2, 2, 2)), data)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    handle.write(((0, 0, 0), (2, 2, 2)), data)  # the dead writer's lock is gone: no LockTimeoutError
    assert handle.read(((0, 0, 0), (2, 2, 2))).min() == 7
