"""Plain tables for the terminal; no library, because `wkplug plugins` must be quick and always work."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["columns"]


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows of texts under a header; the last column may have several lines."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header) - 1)]
    indent = " " * (sum(widths) + 2 * len(widths))
    lines = []
    for row in (header, *rows):
        start = "".join(f"{cell:<{width}}  " for cell, width in zip(row, widths, strict=False))
        lines.append((start + row[-1].replace("\n", f"\n{indent}")).rstrip())
    return "\n".join(lines)
