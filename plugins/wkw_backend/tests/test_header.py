"""Headers and jump tables, sound and crafted: values or typed errors, never crashes or large allocations."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wkplug_wkw.header import BLOCK_TYPES, VOXEL_TYPES, Header, check_jump_table
from wkplug_wkw.morton import blocks, parts, spread
from wkplug_wkw.shards import parse_table

from wkplug.errors import CorruptDataError, TooLargeError

quick = settings(max_examples=300, deadline=None, database=None, derandomize=True)

headers = st.builds(
    Header,
    block_log2=st.integers(0, 8),
    shard_log2=st.integers(0, 7),
    block_type=st.sampled_from(BLOCK_TYPES),
    dtype=st.sampled_from(VOXEL_TYPES),
    channels=st.integers(1, 31),
).filter(lambda header: header.too_large() is None)


def test_the_documented_example_packs_to_its_bytes() -> None:
    header = Header(block_log2=1, shard_log2=1, block_type="raw", dtype="uint16", channels=3)
    assert header.pack(shard=False) == bytes.fromhex("574b5701110102060000000000000000")
    assert header.pack(shard=True) == bytes.fromhex("574b5701110102061000000000000000")


@quick
@given(headers)
def test_a_header_parses_to_itself(header: Header) -> None:
    assert Header.parse(header.pack(shard=False), "h") == header
    assert header.shard_mismatch(header.pack(shard=True)) is None


@quick
@given(st.binary(max_size=20) | st.binary(max_size=17).map(lambda tail: b"WKW\x01" + tail))
def test_any_bytes_give_a_header_or_a_typed_error(data: bytes) -> None:
    tracemalloc.start()
    header = None
    try:
        header = Header.parse(data, "somewhere/header.wkw")
    except (CorruptDataError, TooLargeError) as error:
        text = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    if header is None:
        assert "somewhere/header.wkw" in text
    else:
        assert header.pack(shard=False)[:8] == data[:8]
        assert header.too_large() is None
    assert peak < 2**20


@pytest.mark.parametrize(
    ("position", "value", "words"),
    [
        (0, 0x58, "starts with"),
        (3, 2, "version 2"),
        (5, 0, "block type 0"),
        (5, 4, "block type 4"),
        (6, 0, "voxel type 0"),
        (6, 11, "voxel type 11"),
        (7, 0, "0 bytes per voxel"),
        (7, 3, "3 bytes per voxel are no multiple of a uint16"),
    ],
)
def test_each_wrong_byte_is_named(position: int, value: int, words: str) -> None:
    data = bytearray.fromhex("574b5701330302020000000000000000")
    data[position] = value
    with pytest.raises(CorruptDataError, match=words):
        Header.parse(bytes(data), "header.wkw")
    with pytest.raises(CorruptDataError, match="it has 9 bytes"):
        Header.parse(bytes(data[:9]), "header.wkw")


@pytest.mark.parametrize(("edges", "words"), [(0xFF, "one chunk would take"), (0x85, "one shard would hold")])
def test_sizes_beyond_reason_are_refused(edges: int, words: str) -> None:
    data = bytes((0x57, 0x4B, 0x57, 1, edges, 3, 2, 2)) + bytes(8)
    with pytest.raises(TooLargeError, match=words):
        Header.parse(data, "header.wkw")
    raw = bytes((0x57, 0x4B, 0x57, 1, 0xF9, 1, 2, 2)) + bytes(8)
    with pytest.raises(TooLargeError, match="one shard would take"):
        Header.parse(raw, "header.wkw")


@pytest.mark.parametrize(
    ("position", "words"),
    [
        (0, "starts with"),
        (3, "version"),
        (4, "edge lengths"),
        (5, "block type"),
        (6, "voxel type"),
        (7, "voxel size"),
        (9, "data offset"),
    ],
)
def test_a_shard_that_differs_from_its_array_says_in_what(position: int, words: str) -> None:
    header = Header(block_log2=3, shard_log2=2, block_type="lz4hc", dtype="uint16", channels=2)
    data = bytearray(header.pack(shard=True))
    data[position] ^= 0x40
    assert words in str(header.shard_mismatch(bytes(data)))


def test_both_kinds_of_lz4_may_share_an_array() -> None:
    header = Header(block_log2=3, shard_log2=2, block_type="lz4hc", dtype="uint16", channels=2)
    data = bytearray(header.pack(shard=True))
    data[5] = 2
    assert header.shard_mismatch(bytes(data)) is None
    data[5] = 1
    assert "block type is 1" in str(header.shard_mismatch(bytes(data)))


@quick
@given(st.lists(st.integers(0, 2**64 - 1), min_size=8, max_size=8), st.integers(0, 2**40))
def test_any_jump_table_is_sound_or_refused(ends: list[int], size: int) -> None:
    header = Header(block_log2=3, shard_log2=1, block_type="lz4", dtype="uint8", channels=1)
    data = header.pack(shard=True) + np.array(ends, "<u8").tobytes()
    table, reason = parse_table(header, data, size)
    sound = ends == sorted(ends) and ends[0] >= header.data_offset and ends[-1] <= size
    assert (reason is None) == sound
    if sound:
        assert list(table) == [header.data_offset, *ends]
    assert "cut short" in str(parse_table(header, data[:-1], size)[1])


def test_a_table_that_starts_elsewhere_is_refused() -> None:
    assert "first block" in str(check_jump_table(np.array([17, 20]), 24, 100))


def test_blocks_are_numbered_in_morton_order() -> None:
    assert spread(9) == (0, 1, 8, 9, 64, 65, 72, 73, 512)
    axis = [parts(0, 16, 0, 2, 2, number) for number in range(3)]
    found = [block[0] for block in blocks(*axis)]
    assert found == list(range(64))
    last = blocks(parts(13, 14, 0, 2, 2, 0), parts(3, 4, 0, 2, 2, 1), parts(8, 9, 0, 2, 2, 2))
    # (3, 0, 2) is 0b01, 0b00, 0b10 interleaved: x bits 0 and 3, z bit 5.
    assert [block[0] for block in last] == [1 | 8 | 32]


@quick
@given(st.data())
def test_parts_cover_a_span_once(data: st.DataObject) -> None:
    block_log2, shard_log2 = data.draw(st.integers(0, 4)), data.draw(st.integers(0, 3))
    start = data.draw(st.integers(0, 300))
    stop = start + data.draw(st.integers(1, 200))
    length = 1 << (block_log2 + shard_log2)
    covered: list[int] = []
    for shard in range(start // length, (stop - 1) // length + 1):
        for bits, low, high, first, last in parts(start, stop, shard, block_log2, shard_log2, 0):
            assert 0 <= low < high <= 1 << block_log2
            assert high - low == last - first
            index = spread(1 << shard_log2).index(bits)
            assert shard * length + (index << block_log2) + low == start + first
            covered += range(first, last)
    assert covered == list(range(stop - start))
