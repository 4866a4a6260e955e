"""What we write the Rust package reads, and the other way round."""

import itertools
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from .conftest import Make, make_spec, noise

wkw = pytest.importorskip("wkw", reason="the Rust package wkw is not installed")
from wkplug_wkw.backend import WkwBackend  # noqa: E402 - after the check for the oracle

from wkplug.filesystems.local import LocalLocation  # noqa: E402 - as above

TYPES = ("uint8", "uint16", "uint32", "uint64", "float32", "float64", "int8", "int16", "int32", "int64")
BLOCKS = (("raw", 1), ("lz4", 2), ("lz4hc", 3))


@pytest.mark.parametrize(("dtype", "block"), list(itertools.product(TYPES, BLOCKS)))
def test_what_we_write_the_oracle_reads(make: Make, dtype: str, block: tuple[str, int]) -> None:
    for channels in (1, 3):
        array = make(f"a{channels}", dtype=dtype, channels=channels, options={"block_type": block[0]})
        expected = np.zeros((channels, 70, 50, 40), dtype)
        for number, (start, shape) in enumerate(
            [
                ((0, 0, 0), (32, 32, 32)),
                ((5, 3, 1), (60, 40, 33)),
                ((31, 31, 31), (2, 2, 2)),
                ((7, 0, 9), (1, 50, 3)),
            ]
        ):
            data = noise((channels, *shape), dtype, number)
            array.write(((0, *start), data.shape), data if number % 2 else np.ascontiguousarray(data))
            expected[(slice(None), *(slice(a, a + n) for a, n in zip(start, shape, strict=True)))] = data
        theirs = wkw.Dataset.open(array.location.url)
        for start, shape in [((0, 0, 0), (70, 50, 40)), ((9, 30, 29), (40, 15, 7))]:
            found = theirs.read(start, shape)
            assert found.dtype == dtype
            part = expected[(slice(None), *(slice(a, a + n) for a, n in zip(start, shape, strict=True)))]
            np.testing.assert_array_equal(found, part)
        theirs.close()


@pytest.mark.parametrize(("dtype", "block"), list(itertools.product(TYPES, BLOCKS)))
def test_what_the_oracle_writes_we_read(tmp_path: Path, dtype: str, block: tuple[str, int]) -> None:
    for channels in (1, 3):
        root = tmp_path / str(channels)
        header = wkw.Header(np.dtype(dtype).type, channels, block_len=8, file_len=4, block_type=block[1])
        data = noise((channels, 64, 32, 96), dtype)
        with wkw.Dataset.create(str(root), header) as theirs:
            theirs.write((32, 0, 0), data)
        array = WkwBackend().open(LocalLocation(root))
        assert array.spec.dtype == dtype
        assert array.spec.num_channels == channels
        assert array.spec.options == {"block_type": block[0]}
        assert array.spec.shard_shape == (channels, 32, 32, 32)
        np.testing.assert_array_equal(array.read(((0, 32, 0, 0), data.shape)), data)
        assert not array.read(((0, 0, 0, 0), (channels, 32, 32, 32))).any()
        rng = np.random.default_rng(5)
        shift = np.array((32, 0, 0))
        for _ in range(20):
            start = rng.integers(0, (60, 30, 90))
            stop = rng.integers(start + 1, (65, 33, 97))
            box = ((0, *map(int, start + shift)), (channels, *map(int, stop - start)))
            part = data[(slice(None), *map(slice, start, stop))]
            np.testing.assert_array_equal(array.read(box), part)
            out = np.ones((*box[1], 2), dtype)[..., 0]
            np.testing.assert_array_equal(array.read(box, out=out), part)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_files_have_the_same_bytes_but_for_the_streams(
    tmp_path: Path, make: Make, block: tuple[str, int]
) -> None:
    data = noise((1, 32, 32, 32))
    array = make(options={"block_type": block[0]})
    array.write(((0, 0, 0, 0), data.shape), data)
    header = wkw.Header(np.uint8, block_len=8, file_len=4, block_type=block[1])
    with wkw.Dataset.create(str(tmp_path / "theirs"), header) as theirs:
        theirs.write((0, 0, 0), data)
    ours = Path(array.location.url)
    assert (ours / "header.wkw").read_bytes() == (tmp_path / "theirs/header.wkw").read_bytes()
    mine, other = (folder / "z0/y0/x0.wkw" for folder in (ours, tmp_path / "theirs"))
    if block[0] == "lz4":  # Two releases of the fast encoder give different streams.
        assert mine.read_bytes()[:16] == other.read_bytes()[:16]
    else:
        assert mine.read_bytes() == other.read_bytes()


def test_a_little_in_a_default_shard_takes_no_more_space_than_theirs(tmp_path: Path) -> None:
    data = noise((1, 128, 128, 128))
    array = WkwBackend().create(LocalLocation(tmp_path / "a"), make_spec(chunk=32, shard=1024))
    array.write(((0, 256, 0, 128), data.shape), data)
    # The package writes compressed shards only as a whole: it gets one of a quarter of the edge, and the
    # rest is what its block of zeros takes.
    header = wkw.Header(np.uint8, block_len=32, file_len=8, block_type=3)
    with wkw.Dataset.create(str(tmp_path / "theirs"), header) as theirs:
        padded = np.zeros((1, 256, 256, 256), np.uint8, order="F")
        padded[:, :128, :128, :128] = data
        theirs.write((0, 0, 0), padded)
    size = (tmp_path / "theirs/z0/y0/x0.wkw").stat().st_size
    zero = (size - 16 - 8 * 512 - _payload(tmp_path / "theirs/z0/y0/x0.wkw", 64)) // (512 - 64)
    expected = size + (32768 - 512) * (zero + 8)
    found = (tmp_path / "a/z0/y0/x0.wkw").stat().st_size
    assert found <= expected
    np.testing.assert_array_equal(array.read(((0, 256, 0, 128), data.shape)), data)
    assert not array.read(((0, 0, 0, 0), (1, 256, 64, 64))).any()


def _payload(path: Path, blocks: int) -> int:
    """How much the first blocks take: those of the low corner come first in Morton order."""
    table = np.frombuffer(path.read_bytes()[8 : 16 + 8 * blocks], "<u8")
    return int(table[-1] - table[0])


def test_a_dataset_from_the_field_reads_and_writes_as_with_the_oracle(tmp_path: Path) -> None:
    folder = os.environ.get("WKPLUG_TEST_DATA")
    if not folder:
        pytest.skip("WKPLUG_TEST_DATA is not set: no real files")
    root = tmp_path / "1"
    shutil.copytree(Path(folder) / "simple_wkw_dataset/color/1", root)
    location = LocalLocation(root)
    assert WkwBackend().probe(location) == 80
    array = WkwBackend().open(location, "r+")
    assert (array.spec.dtype, array.spec.num_channels, array.spec.compressed) == ("uint8", 3, False)
    assert list(array.stored_boxes()) == [((0, 0, 0, 0), (3, 32, 32, 32))]
    box = ((0, 0, 0, 0), (3, 40, 33, 32))
    with wkw.Dataset.open(str(root)) as theirs:
        # The file itself holds zeros only, so something is written into a copy.
        np.testing.assert_array_equal(array.read(box), theirs.read((0, 0, 0), box[1][1:]))
        data = noise((3, 20, 21, 22))
        array.write(((0, 3, 4, 5), data.shape), data)
        np.testing.assert_array_equal(theirs.read((3, 4, 5), data.shape[1:]), data)
        np.testing.assert_array_equal(array.read(box), theirs.read((0, 0, 0), box[1][1:]))
