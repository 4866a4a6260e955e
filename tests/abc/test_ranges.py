from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wkplug.abc import REQUEST_BYTES, joined

KIB = 1024


@given(ranges=st.lists(st.tuples(st.integers(0, 2**26), st.integers(1, 2**22)), max_size=20))
def test_joined_ranges_hold_all_and_little_else(ranges: list[tuple[int, int]]) -> None:
    wanted = [(start, start + length) for start, length in ranges]
    found = joined(wanted)
    for start, stop in wanted:
        assert any(first <= start and stop <= last for first, last in found)
    for first, last in found:
        assert last - first <= 16 * 2**20 or (first, last) in wanted
    assert len(found) <= len(wanted)
    assert found == sorted(found)


@given(
    lengths=st.lists(st.integers(1, 100_000), min_size=1, max_size=20),
    gaps=st.lists(st.integers(0, 2 * REQUEST_BYTES), min_size=20, max_size=20),
)
def test_what_is_read_for_nothing_is_bounded(lengths: list[int], gaps: list[int]) -> None:
    wanted, place = [], 0
    for length, gap in zip(lengths, gaps, strict=False):
        wanted.append((place, place + length))
        place += length + gap
    narrow = sum(gap for gap in gaps if gap <= 64 * KIB)
    read = sum(stop - start for start, stop in joined(wanted))
    assert read <= 4 * sum(lengths) + narrow
    assert len(joined(wanted)) <= 1 + sum(gap > 64 * KIB for gap in gaps[: len(lengths) - 1])


def test_gaps_are_read_over_where_that_is_cheaper_than_asking() -> None:
    chunk = 40 * KIB
    assert len(joined([(0, 9), (9 + 64 * KIB, 99 * KIB)])) == 1
    # Rows of chunks, as they lie in shards of other software.
    rows = [(start * KIB, start * KIB + chunk) for start in (0, 160, 320, 480)]
    assert joined(rows) == [(0, 480 * KIB + chunk)]
    assert len(joined([(0, chunk), (chunk + REQUEST_BYTES + 1, 500 * KIB)])) == 2
    # Little that lies far apart.
    assert len(joined([(0, KIB), (200 * KIB, 201 * KIB)])) == 2
    assert len(joined([(0, 2**20), (2**20, 2**21)], largest=2**20)) == 2
