"""Open arrays: changes by others, threads, pickles, layouts in memory, and what is written to disk."""

# ruff: noqa: PTH104, PTH108, PTH115, PTH208
# What the tests do to files is what other programs do, with plain system calls.

import gc
import os
import pickle
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from wkplug_wkw.array import WkwArray
from wkplug_wkw.backend import WkwBackend
from wkplug_wkw.files import TEMPORARY_PREFIX
from wkplug_wkw.open_files import OpenFiles, open_files
from wkplug_wkw.shards import LocalShards

from wkplug.errors import ConflictError, ForbiddenError, MissingError, ShapeMismatchError
from wkplug.filesystems.local import LocalLocation

from .conftest import Make, make_spec, noise

BOX = ((0, 0, 0, 0), (1, 32, 32, 32))
KINDS = ("raw", "lz4", "lz4hc")


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_sees_what_others_wrote_since(make: Make, kind: str) -> None:
    array = make(options={"block_type": kind})
    reader = WkwBackend().open(array.location)
    assert not reader.read(BOX).any()
    for seed in range(5):
        data = noise(BOX[1], seed=seed)
        array.write(BOX, data)
        np.testing.assert_array_equal(reader.read(BOX), data)
    os.unlink(f"{array.location.url}/z0/y0/x0.wkw")
    assert not reader.read(BOX).any()
    with pytest.raises(MissingError, match=r"x0\.wkw was never written"):
        reader.read(BOX, missing="error")


def test_blocks_that_a_write_does_not_touch_keep_their_bytes(make: Make) -> None:
    array = make(options={"block_type": "lz4hc", "level": 1})
    array.write(BOX, noise(BOX[1]))
    path = Path(array.location.url) / "z0/y0/x0.wkw"
    before = path.read_bytes()
    other = WkwBackend().open(array.location, "r+")
    other.write(((0, 8, 0, 0), (1, 8, 8, 8)), np.zeros((1, 8, 8, 8), "u1", order="F"))
    after = path.read_bytes()
    old, new = (np.frombuffer(raw, "<u8", 65, 8).astype(int) for raw in (before, after))
    for number in range(64):
        same = before[old[number] : old[number + 1]] == after[new[number] : new[number + 1]]
        assert same == (number != 1)
    assert new[-1] == len(after)


def test_levels_change_the_size_and_nothing_else(make: Make) -> None:
    data = noise((1, 64, 64, 64))
    sizes = []
    for level in (1, 12):
        array = make(f"l{level}", chunk=32, shard=64, options={"level": level})
        array.write(((0, 0, 0, 0), data.shape), data)
        np.testing.assert_array_equal(array.read(((0, 0, 0, 0), data.shape)), data)
        sizes.append((Path(array.location.url) / "z0/y0/x0.wkw").stat().st_size)
    assert sizes[0] > sizes[1]


def test_raw_shards_are_sparse(make: Make) -> None:
    array = make(chunk=32, shard=1024, compressed=False)
    data = noise((1, 64, 32, 32)) + np.uint8(1)
    path = Path(array.location.url) / "z0/y0/x0.wkw"
    for x in (0, 512):
        array.write(((0, x, 0, 0), data.shape), data)
        assert path.stat().st_size == 16 + 2**30
        assert path.stat().st_blocks * 512 < 2**20
    np.testing.assert_array_equal(array.read(((0, 512, 0, 0), data.shape)), data)
    assert not array.read(((0, 256, 0, 0), data.shape)).any()


def test_writing_into_a_default_shard_takes_little_memory(make: Make) -> None:
    array = make(chunk=32, shard=1024)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    array.write(((0, 5, 6, 7), (1, 40, 40, 40)), noise((1, 40, 40, 40)))
    array.write(((0, 900, 6, 7), (1, 40, 40, 40)), noise((1, 40, 40, 40)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
    np.testing.assert_array_equal(array.read(((0, 5, 6, 7), (1, 40, 40, 40))), noise((1, 40, 40, 40)))


@pytest.mark.parametrize("kind", KINDS)
def test_large_boxes_are_the_same_through_threads(make: Make, kind: str) -> None:
    array = make(dtype="uint32", chunk=64, shard=128, options={"block_type": kind})
    data = noise((1, 200, 130, 100), "uint32")
    box = ((0, 3, 1, 9), data.shape)
    array.write(box, data)
    np.testing.assert_array_equal(array.read(box), data)


def test_many_threads_read_while_one_writes_elsewhere(make: Make) -> None:
    array = make()
    data = noise(BOX[1])
    array.write(BOX, data)

    def read(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        for _ in range(60):
            start = rng.integers(0, 30, 3)
            stop = rng.integers(start + 1, 33)
            found = array.read(((0, *map(int, start)), (1, *map(int, stop - start))))
            if not np.array_equal(found, data[(slice(None), *map(slice, start, stop))]):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(read, seed) for seed in range(4)]
        for x in range(1, 6):
            array.write(((0, 32 * x, 0, 0), BOX[1]), data)
        assert all(result.result() for result in results)


def test_all_arrays_share_a_budget_of_files(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    files = OpenFiles(16)
    monkeypatch.setattr("wkplug_wkw.shards.open_files", lambda process: files)
    box, data = ((0, 0, 0, 0), (1, 12, 12, 1)), noise((1, 12, 12, 1))
    arrays = [make(name, chunk=1, shard=1) for name in ("one", "other")]
    for array in arrays:
        array.write(box, data)
    for _ in range(2):
        for array in arrays:
            np.testing.assert_array_equal(array.read(box), data)
            assert 0 < sum(map(_kept, arrays)) <= 16
    arrays[1].close()
    gc.collect()
    assert _kept(arrays[1]) == 0
    np.testing.assert_array_equal(arrays[1].read(box), data)
    # What is gone makes room before anything that is there has to go.
    arrays[1].close()
    del arrays[1], array
    gc.collect()
    arrays[0].read(((0, 0, 0, 0), (1, 4, 4, 1)))
    assert _kept(arrays[0]) == 16
    assert files.clear() == 16
    assert _kept(arrays[0]) == 0


def test_large_jump_tables_are_kept_in_a_budget_too(make: Make) -> None:
    files = OpenFiles(16, most_bytes=1000)
    shards = LocalShards("/nowhere", make().header)
    for number in range(5):
        files.add(shards, (number, 0, 0), 300)
    assert len(files) == 3
    files.add(shards, (9, 0, 0), 5000)
    assert len(files) == 1


def test_the_budget_of_files_respects_the_limit_of_the_process() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
        open_files.cache_clear()
        assert open_files(os.getpid()).most == 50
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        open_files.cache_clear()


def test_holes_of_raw_shards_are_not_read(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    array = make(chunk=32, shard=256, options={"block_type": "raw"})
    data = noise((1, 32, 32, 32))
    array.write(((0, 96, 64, 32), data.shape), data)
    expected = np.zeros((1, 256, 256, 256), "u1", order="F")
    expected[:, 96:128, 64:96, 32:64] = data
    fetched = []
    read = os.pread

    def counting(fd: int, length: int, start: int) -> bytes:
        fetched.append(length)
        return read(fd, length, start)

    monkeypatch.setattr(os, "pread", counting)
    np.testing.assert_array_equal(array.read(((0, 0, 0, 0), expected.shape)), expected)
    assert sum(fetched) < 2**20
    np.testing.assert_array_equal(
        array.read(((0, 50, 50, 30), (1, 100, 40, 37))), expected[:, 50:150, 50:90, 30:67]
    )


@pytest.mark.parametrize("dtype", ["uint8", "uint32"])
def test_decoding_in_place_changes_nothing(make: Make, monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    array = make(dtype=dtype, chunk=16, shard=128, options={"block_type": "lz4hc"})
    data = noise((1, 128, 100, 90), dtype)
    data[:, :40] = 0
    array.write(((0, 0, 3, 5), data.shape), data)
    box = ((0, 5, 0, 1), (1, 120, 110, 100))
    found = array.read(box)
    monkeypatch.setattr("wkplug_wkw.shards.decoder_in_place", lambda: None)
    np.testing.assert_array_equal(array.read(box), found)
    np.testing.assert_array_equal(found[:, :, 3:103, 4:94], data[:, 5:125])


def _kept(array: WkwArray) -> int:
    """How many of the array's shards this process holds open; other tests' files don't count."""
    folder = f"{array.location.url}/z0/"
    return sum(_target(fd).startswith(folder) for fd in os.listdir("/proc/self/fd"))


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""


def test_a_pickled_array_opens_lazily_and_checks_what_it_finds(make: Make) -> None:
    array = make(options={"block_type": "lz4hc", "level": 3})
    data = noise(BOX[1])
    array.write(BOX, data)
    token = pickle.dumps(array)
    assert len(token) < 1000
    twin = pickle.loads(token)
    assert isinstance(twin, WkwArray)
    assert twin.spec == array.spec
    np.testing.assert_array_equal(twin.read(BOX), data)
    twin.write(BOX, data)
    late = pickle.loads(token)
    os.rename(array.location.url, array.location.url + "-moved")
    with pytest.raises(MissingError, match="is gone"):
        late.read(BOX)
    make(dtype="float32")
    with pytest.raises(ConflictError, match="another array"):
        pickle.loads(token).read(BOX)


@pytest.mark.parametrize("channels", [1, 3])
def test_any_memory_layout_is_read_into_and_written_from(make: Make, channels: int) -> None:
    array = make(channels=channels, dtype="uint16")
    shape = (channels, 21, 18, 25)
    box = ((0, 5, 9, 3), shape)
    data = noise(shape, "uint16")
    frames = [
        np.empty(shape, "u2", order="F"),
        np.empty(shape, "u2"),
        np.empty((channels, 40, 40, 40), "u2", order="F")[:, 3:24, 5:23, 1:26],
        np.empty((channels, 42, 36, 50), "u2", order="F")[:, ::2, ::2, ::2],
        np.empty(shape, "u2", order="F")[:, ::-1, ::-1, ::-1],
        np.empty((25, 21, channels, 18), "u2").transpose(2, 1, 3, 0),
    ]
    for frame in frames:
        frame[...] = data
        array.write(box, frame)
        np.testing.assert_array_equal(array.read(box), data)
        frame[...] = 0
        assert array.read(box, out=frame) is frame
        np.testing.assert_array_equal(frame, data)


def test_single_channels_are_read_and_written(make: Make) -> None:
    array = make(channels=3)
    data = noise((3, 32, 32, 32))
    array.write(((0, 0, 0, 0), data.shape), data)
    np.testing.assert_array_equal(array.read(((1, 4, 4, 4), (2, 9, 9, 9))), data[1:, 4:13, 4:13, 4:13])
    one = noise((1, 32, 32, 32), seed=4)
    array.write(((1, 0, 0, 0), one.shape), one)
    data[1:2] = one
    np.testing.assert_array_equal(array.read(((0, 0, 0, 0), data.shape)), data)


def test_what_is_read_is_the_callers_to_change(make: Make) -> None:
    for kind in KINDS:
        array = make(kind, options={"block_type": kind})
        array.write(BOX, noise(BOX[1]))
        for box in (((0, 8, 8, 8), (1, 8, 8, 8)), BOX):
            first = array.read(box)
            assert first.flags.writeable
            assert first.flags.f_contiguous
            expected = first.copy()
            first[...] = 77
            np.testing.assert_array_equal(array.read(box), expected)


def test_other_files_are_no_shards(make: Make) -> None:
    array = make()
    array.write(((0, 32, 64, 96), BOX[1]), noise(BOX[1]))
    root = Path(array.location.url)
    for name in ("z3/y2/x01.wkw", "z3/y2/x1.wkw_tmp", "z3/y2/.wkplug-tmp-1", "z3/other.wkw", "z03/y0/x0.wkw"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    assert list(array.stored_boxes()) == [((0, 32, 64, 96), (1, 32, 32, 32))]


def test_resizing_is_nothing_but_channels_are_fixed(make: Make) -> None:
    array = make()
    array.resize((1, 5, 5, 5))
    assert array.spec.shape == (1, None, None, None)
    with pytest.raises(ShapeMismatchError, match="it can't become"):
        array.resize((2, 5, 5, 5))


@pytest.mark.parametrize("fsync", ["flush", "always", "never"])
def test_durable_writes_are_whole_whatever_the_setting(
    make: Make, fsync: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    array = make(settings={"fsync": fsync})
    synced.clear()
    array.write(((0, 0, 0, 0), (1, 40, 8, 8)), noise((1, 40, 8, 8)))
    assert bool(synced) == (fsync == "always")
    synced.clear()
    array.flush()
    assert bool(synced) == (fsync == "flush")
    synced.clear()
    array.close()
    assert not synced


def test_a_second_array_is_not_created_over_the_first(tmp_path: Path) -> None:
    location = LocalLocation(tmp_path / "a")
    WkwBackend().create(location, make_spec())
    with pytest.raises(ConflictError, match="is there already"):
        WkwBackend().create(location, make_spec(dtype="uint16"))
    assert WkwBackend().open(location).spec.dtype == "uint8"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_forbidden_and_keeps_its_shard(make: Make) -> None:
    array = make()
    array.write(BOX, noise(BOX[1]))
    folder = Path(array.location.url) / "z0/y0"
    folder.chmod(0o555)
    with pytest.raises(ForbiddenError):
        array.write(BOX, noise(BOX[1], seed=2))
    np.testing.assert_array_equal(array.read(BOX), noise(BOX[1]))


def test_permissions_of_a_shard_stay(make: Make) -> None:
    array = make()
    array.write(BOX, noise(BOX[1]))
    path = Path(array.location.url) / "z0/y0/x0.wkw"
    path.chmod(0o640)
    array.write(((0, 1, 1, 1), (1, 2, 2, 2)), noise((1, 2, 2, 2)))
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_write_leaves_the_old_shard_and_no_litter(
    make: Make, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = make(options={"block_type": kind})
    data = noise(BOX[1])
    array.write(BOX, data)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("write", "pwrite", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            if kind == "raw" and name == "write":
                continue
            with pytest.raises(OSError, match="No space left") as error:
                array.write(((0, 1, 1, 1), (1, 20, 20, 20)), noise((1, 20, 20, 20), seed=1))
            assert type(error.value).__name__ == "StorageFullError"
        np.testing.assert_array_equal(array.read(BOX), data)
        names = os.listdir(f"{array.location.url}/z0/y0")
        assert not [name for name in names if name.startswith(TEMPORARY_PREFIX)]


def test_too_many_open_files_drop_the_kept_ones(make: Make) -> None:
    array = make(chunk=8, shard=8)
    data = noise((1, 8 * 30, 8, 8))
    box = ((0, 0, 0, 0), data.shape)
    array.write(box, data)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 8, hard))
    try:
        found = array.read(box)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    np.testing.assert_array_equal(found, data)


def test_short_reads_are_completed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pread
    array = make()
    data = noise(BOX[1])
    array.write(BOX, data)
    monkeypatch.setattr(os, "pread", lambda fd, count, at: real(fd, min(count, 100), at))
    np.testing.assert_array_equal(array.read(BOX), data)
