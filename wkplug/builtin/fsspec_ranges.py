"""Ranges of objects through fsspec's drivers: merged before, and no failure behind the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.builtin.failures import http_status

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cat", "cat_all", "merge"]

_MERGE_GAP = 64 * 2**10  # reading so much for nothing is cheaper than another request
_MERGE_LIMIT = 16 * 2**20


def cat(driver: Any, target: str, start: int | None, stop: int | None) -> bytes:
    """Read one range (or all, with None and None); what lies behind the end is empty."""
    if start is not None and start == stop:
        return b""
    try:
        return bytes(driver.cat_file(target, start=start, end=stop))
    except Exception as error:
        # A range behind the end is no failure here.
        if start is not None and http_status(error) == 416:
            return b""
        raise


def cat_all(driver: Any, target: str, ranges: Sequence[tuple[int | None, int | None]]) -> list[bytes]:
    """Read several ranges of one object, side by side where the driver can."""
    starts, stops = zip(*ranges, strict=True)
    found = driver.cat_ranges([target] * len(ranges), list(starts), list(stops), on_error="return")
    results: list[bytes] = []
    for piece in found:
        if isinstance(piece, Exception):
            if http_status(piece) != 416:
                raise piece
            results.append(b"")
        else:
            results.append(bytes(piece))
    return results


def merge(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges with small gaps between them; empty ones are left out."""
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(one for one in ranges if one[1] > one[0]):
        if merged:
            first, last = merged[-1]
            if start <= last + _MERGE_GAP and (max(stop, last) - first <= _MERGE_LIMIT or stop <= last):
                merged[-1] = (first, max(stop, last))
                continue
        merged.append((start, stop))
    return merged
