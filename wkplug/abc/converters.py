"""Converters of the specs' fields: whatever a plugin gives becomes a tuple of plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["ints", "ints_or_none", "shapes", "strings"]


def strings(values: Sequence[str]) -> tuple[str, ...]:
    """Give a tuple of texts; a single text is taken as one."""
    return (values,) if isinstance(values, str) else tuple(values)


def ints(values: Iterable[Any]) -> tuple[int, ...]:
    """Give a tuple of plain integers, also of numpy's."""
    return tuple(int(value) for value in values)


def ints_or_none(values: Iterable[Any]) -> tuple[int | None, ...]:
    """Give a tuple of plain integers in which None stays None."""
    return tuple(None if value is None else int(value) for value in values)


def shapes(values: Iterable[Iterable[Any]]) -> tuple[tuple[int, ...], ...]:
    """Give a tuple of tuples of plain integers."""
    return tuple(ints(value) for value in values)
