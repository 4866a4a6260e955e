"""Which ranges of one object are read with one request: what a request is worth, said once for all formats and stores.

A request costs what bytes cost that come in the same time. One that is made beside others, which are waited for
together, is worth `REQUEST_BYTES`: 2.5 to 5 ms at 50 to 100 MB/s. One that others have to wait for is worth
`ROUND_TRIP_BYTES`: 20 ms at 50 MB/s. On slower lines bytes cost more; so what is read is no more than a few times what
is wanted, but for gaps that no line feels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["REQUEST_BYTES", "ROUND_TRIP_BYTES", "joined"]

REQUEST_BYTES = 256 << 10
"""So much is read for nothing where that saves one of several requests that are made at the same time."""

ROUND_TRIP_BYTES = 1 << 20
"""So much is read for nothing where that saves a request that others have to wait for."""

_ALWAYS_BYTES = 64 << 10
_MOST_TIMES = 4
_LARGEST = 16 << 20


def joined(ranges: Iterable[tuple[int, int]], *, largest: int = _LARGEST) -> list[tuple[int, int]]:
    """Join ranges (start, stop) that lie near each other, sorted; each of them is in one of the joined ones.

    Gaps up to 64 KiB are read over; wider ones up to `REQUEST_BYTES`, as long as no more than four times as much is
    read as was asked for. Joined ranges have no more than `largest` bytes, so that several are read at the same time.
    """
    result: list[tuple[int, int]] = []
    wanted = 0
    for start, stop in sorted(ranges):
        wanted += stop - start
        if result:
            first, last = result[-1]
            end = max(last, stop)
            gap = start - last
            worth_it = gap <= _ALWAYS_BYTES or (gap <= REQUEST_BYTES and end - first <= _MOST_TIMES * wanted)
            if worth_it and (end - first <= largest or end == last):
                result[-1] = (first, end)
                continue
        wanted = stop - start
        result.append((start, stop))
    return result
