"""Regions of plain arrays in files equal those of numpy, wherever the file lies."""

from __future__ import annotations

import bz2
import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wkplug.abc.flat import FlatVoxels, packing_of, read_head, unpacked_head
from wkplug.errors import CorruptImageError
from wkplug.filesystems.local import LocalLocation
from wkplug.testing.places import PlainLocation

if TYPE_CHECKING:
    from pathlib import Path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_region_is_that_part_of_the_array(tmp_path: Path, data: st.DataObject) -> None:
    # Now and then a row is longer than what is fetched whole.
    last = st.one_of(st.integers(1, 9), st.just(40_000))
    shape = (*data.draw(st.lists(st.integers(1, 6), max_size=3)), data.draw(last))
    dtype = np.dtype(data.draw(st.sampled_from(["u1", "<u2", ">u2", ">f4", "<f8"])))
    order: Any = data.draw(st.sampled_from("CF"))
    offset = data.draw(st.integers(0, 20))
    values = np.random.default_rng(0).integers(0, 250, shape).astype(dtype)
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(offset) + values.tobytes(order))
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(path.read_bytes(), 1))
    start = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    lengths = tuple(data.draw(st.integers(1, n - low)) for n, low in zip(shape, start, strict=True))
    expected = values[tuple(slice(low, low + n) for low, n in zip(start, lengths, strict=True))]
    here = LocalLocation(path)
    for place in (here, PlainLocation(here)):
        flat = FlatVoxels(location=place, what="test", shape=shape, dtype=dtype, offset=offset, order=order)
        flat.check()
        found = flat.read((start, lengths))
        assert found.dtype == dtype.newbyteorder("=")
        assert found.flags.writeable
        assert np.array_equal(found, expected)
        assert np.array_equal(flat.read(), values)
        with gzip.open(packed) as stream:
            assert np.array_equal(flat.read((start, lengths), stream), expected)


def test_a_file_that_ends_too_early_is_corrupt_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(99))
    text = "a.bin can't be read as test: its voxels reach to byte 110, but the file ends at 99"
    for place in (LocalLocation(path), PlainLocation(LocalLocation(path))):
        flat = FlatVoxels(location=place, what="test", shape=(10, 10), dtype=np.dtype("u1"), offset=10)
        with pytest.raises(CorruptImageError, match=text):
            flat.check()
        with pytest.raises(CorruptImageError, match=text):
            flat.read()


@pytest.mark.parametrize(
    ("packing", "pack"), [(None, bytes), ("gzip", gzip.compress), ("bzip2", bz2.compress)]
)
def test_first_bytes_are_unpacked_however_they_are_packed(
    tmp_path: Path, packing: str | None, pack: Any
) -> None:
    content = bytes(range(256)) * 40
    path = tmp_path / "a"
    path.write_bytes(pack(content))
    assert packing_of(path.read_bytes()) == packing
    assert read_head(LocalLocation(path), 1000) == (content[:1000], packing)
    begun = unpacked_head(path.read_bytes()[:200], 100)
    assert begun == {None: content[:200], "gzip": content[:100], "bzip2": b""}[packing]


def test_what_only_begins_like_gzip_has_no_first_bytes() -> None:
    assert unpacked_head(b"\x1f\x8b and no more", 100) == b""
