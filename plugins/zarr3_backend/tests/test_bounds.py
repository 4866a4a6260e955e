"""Chunks that claim to be far larger than they can be: refused before memory is taken for them."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import struct
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import numcodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wkplug_zarr.backend import Zarr2Backend, Zarr3Backend
from wkplug_zarr.bounds import ChunkBound

from wkplug.errors import CorruptDataError
from wkplug.filesystems.local import LocalLocation

if TYPE_CHECKING:
    from pathlib import Path

HUGE = 1 << 27
COMPRESSORS: dict[str, Any] = {
    "zstd": numcodecs.Zstd(level=3),
    "blosc": numcodecs.Blosc(cname="zstd", clevel=5),
    "gzip": numcodecs.GZip(level=6),
    "zlib": numcodecs.Zlib(level=6),
    "lz4": numcodecs.LZ4(),
    "bz2": numcodecs.BZ2(level=9),
    "lzma": numcodecs.LZMA(),
}


def _zstd_blocks(count: int) -> bytes:
    """A frame of blocks of one byte repeated, without a claimed size."""
    head = struct.pack("<IBB", 0xFD2FB528, 0, 0x58)
    block = lambda last: struct.pack("<I", (1 << 17) << 3 | 1 << 1 | last)[:3] + b"\1"  # noqa: E731
    return head + block(0) * (count - 1) + block(1)


def _array(path: Path, zarr_format: int, codec: str, *, sharded: bool = False) -> Any:
    chunk = [16, 16, 16]
    if zarr_format == 2:
        document: dict[str, Any] = {
            "zarr_format": 2, "shape": [16, 16, 16], "chunks": chunk, "dtype": "|u1", "order": "C", "fill_value": 0,
            "filters": None, "compressor": COMPRESSORS[codec].get_config(),
        }  # fmt: skip
        (path / ".zarray").write_text(json.dumps(document))
        return Zarr2Backend().open(LocalLocation(path), axes=("x", "y", "z"))
    options = {"zstd": {"level": 3, "checksum": False}, "gzip": {"level": 5}}
    options["blosc"] = {"cname": "zstd", "clevel": 5, "shuffle": "noshuffle", "typesize": 1, "blocksize": 0}
    codecs: list[Any] = [{"name": "bytes"}, {"name": codec, "configuration": options[codec]}]
    if sharded:
        inner = {
            "chunk_shape": chunk,
            "codecs": codecs,
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        }
        codecs = [{"name": "sharding_indexed", "configuration": inner}]
    grid = [32, 32, 32] if sharded else chunk
    document = {
        "zarr_format": 3, "node_type": "array", "shape": [32, 32, 32], "data_type": "uint8", "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": grid}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}, "codecs": codecs,
    }  # fmt: skip
    (path / "zarr.json").write_text(json.dumps(document))
    return Zarr3Backend().open(LocalLocation(path), axes=("x", "y", "z"))


def _refused(array: Any, shape: tuple[int, ...] = (16, 16, 16)) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(CorruptDataError, match=r"a chunk of 4096 bytes (would become|has more than)"):
            array.read(((0, 0, 0), shape))
        assert tracemalloc.get_traced_memory()[1] < HUGE // 4
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("codec", COMPRESSORS)
def test_a_small_chunk_never_becomes_a_huge_one_in_zarr_v2(tmp_path: Path, codec: str) -> None:
    array = _array(tmp_path, 2, codec)
    good = np.arange(4096, dtype="uint8")
    (tmp_path / "0.0.0").write_bytes(COMPRESSORS[codec].encode(good))
    assert np.array_equal(array.read(((0, 0, 0), (16, 16, 16))).ravel(order="C"), good)
    (tmp_path / "0.0.0").write_bytes(COMPRESSORS[codec].encode(bytes(HUGE)))
    _refused(array)


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("codec", ["zstd", "gzip", "blosc"])
def test_a_small_chunk_never_becomes_a_huge_one_in_zarr_v3(
    tmp_path: Path, codec: str, *, sharded: bool
) -> None:
    array = _array(tmp_path, 3, codec, sharded=sharded)
    bombs = [bytes(COMPRESSORS[codec].encode(bytes(HUGE)))]
    if codec == "zstd":
        bombs.append(_zstd_blocks(1000))
    for bomb in bombs:
        index = np.full((8, 2), 2**64 - 1, "<u8")
        index[0] = (0, len(bomb))
        (tmp_path / "c" / "0" / "0").mkdir(parents=True, exist_ok=True)
        (tmp_path / "c" / "0" / "0" / "0").write_bytes(bomb + (index.tobytes() if sharded else b""))
        _refused(array)
        if sharded:
            _refused(array, (32, 32, 32))


def test_bytes_beyond_a_chunk_are_not_read(tmp_path: Path) -> None:
    array = _array(tmp_path, 2, "lz4")
    with (tmp_path / "0.0.0").open("wb") as file:
        file.truncate(HUGE)
    _refused(array)


@given(data=st.binary(max_size=3000), codec=st.sampled_from(sorted(COMPRESSORS)))
def test_what_fits_is_never_refused(data: bytes, codec: str) -> None:
    encoded = bytes(COMPRESSORS[codec].encode(data)) if data else b""
    bound = ChunkBound(len(data), codec)
    assert bound.excess(encoded) is None
    assert len(encoded) <= bound.most_stored


@given(data=st.binary(max_size=300), codec=st.sampled_from([*sorted(COMPRESSORS), "unknown"]))
def test_damaged_bytes_are_left_to_the_decoder(data: bytes, codec: str) -> None:
    found = ChunkBound(4096, codec).excess(data)
    assert found is None or "would become" in found


def test_all_ways_to_end_are_known() -> None:
    limit = ChunkBound(1 << 20, "gzip")
    big = np.random.default_rng(0).integers(0, 255, 1 << 20, dtype="uint8").tobytes()
    for codec, pack in (
        ("gzip", gzip.compress),
        ("zlib", zlib.compress),
        ("bz2", bz2.compress),
        ("lzma", lzma.compress),
    ):
        assert ChunkBound(limit.nbytes, codec).excess(pack(big)) is None
        assert ChunkBound(limit.nbytes, codec).excess(pack(big + bytes(1 << 24))) is not None
