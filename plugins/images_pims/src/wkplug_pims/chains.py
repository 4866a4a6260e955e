"""Chains of TIFF pages that no reader of pims comes to the end of, or that break off, found before pims opens a file.

Readers of pims take the pages up to the break for all that there are: of a file that was cut, the rest would be lost.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

__all__ = ["broken_chain"]

_MOST_EMPTY = 64
_PIXELS = {273, 324}
"""The tags that say where the strips or tiles of a page lie."""


def broken_chain(path: str) -> str | None:
    """Say what is wrong with the pages of a TIFF, None if nothing is or the file is no TIFF."""
    with open(path, "rb") as file:  # noqa: PTH123 - plain text, as readers are given it
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        kind = struct.unpack(f"{order}H", head[2:4])[0] if order and len(head) == 16 else None
        if kind not in (42, 43):
            return None
        wide = kind == 43
        following = struct.unpack(order + ("8xQ" if wide else "4xI"), head[: 16 if wide else 8])[0]
        seen: set[int] = set()
        empty = 0
        while following:
            if following in seen:
                return "its pages lead back to one another in a circle"
            seen.add(following)
            page = _page(file, following, order, wide=wide)
            if page is None:
                return f"its list of pages breaks off after {len(seen) - 1}"
            following, has_pixels = page
            empty += not has_pixels
            if empty > _MOST_EMPTY:
                return f"more than {_MOST_EMPTY} of its pages have no pixels"
    return None


def _page(file: BinaryIO, start: int, order: str, *, wide: bool) -> tuple[int, bool] | None:
    """Where the page after the one at `start` begins, and whether this one has pixels; None where the file ends."""
    count_form, entry, link_form = ("Q", 20, "Q") if wide else ("H", 12, "I")
    try:
        file.seek(start)
        (count,) = struct.unpack(order + count_form, file.read(struct.calcsize(order + count_form)))
        if count > 65535:
            return None
        tags = file.read(count * entry)
        (following,) = struct.unpack(order + link_form, file.read(struct.calcsize(order + link_form)))
        found = {struct.unpack_from(f"{order}H", tags, entry * index)[0] for index in range(count)}
    except (struct.error, OSError, OverflowError, ValueError):
        return None
    return following, bool(found & _PIXELS)
