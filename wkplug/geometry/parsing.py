"""Reading integers out of whatever users hand over: sequences, arrays, text, positional arguments.

The constructors of vectors and boxes call this once per value that comes from outside. Everything is plain
Python: arrays are only iterated. Wrong input raises GeometryError with what was given.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wkplug.errors import GeometryError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["HOW", "ints", "parse_ints", "unpack"]

HOW = 'Write VecInt(1, 2, 3, axes=("x", "y", "t")) or VecInt(x=1, y=2, t=3).'
_NUMBERS = re.compile(r"\s*(\()?\s*([+-]?[0-9]+(?:\s*,\s*[+-]?[0-9]+)*)\s*(?(1)\))\s*")


def ints(values: Iterable[Any], *, count: int | None = None, fractions: bool = True) -> tuple[int, ...]:
    """Return the values as ints, cut towards zero; with `fractions` off, only whole numbers pass."""
    if type(values) is not tuple and isinstance(values, str | bytes):
        raise GeometryError(f"{values!r} is text, not a sequence of integers.")
    try:
        given = tuple(values)
        numbers = tuple(map(int, given))
    except (TypeError, ValueError, OverflowError) as error:
        raise GeometryError(f"{values!r} is no sequence of integers: {error}.") from error
    if not fractions and numbers != given:
        raise GeometryError(f"{values!r} has fractions; whole numbers are needed.")
    if count is not None and len(numbers) != count:
        raise GeometryError(f"Expected {count} integers, got {len(numbers)}: {values!r}.")
    return numbers


def parse_ints(string: str, count: int) -> tuple[int, ...]:
    """Read "1,2,3" or "(1, 2, 3)"; one number alone stands for `count` equal ones."""
    match = _NUMBERS.fullmatch(string)
    numbers = ints(match[2].split(",")) if match else ()
    if len(numbers) == 1:
        return numbers * count
    if len(numbers) != count:
        raise GeometryError(f'{string!r} is no vector of {count} integers such as "1,2,3" or "(1,2,3)".')
    return numbers


def unpack(args: tuple[Any, ...], axes: Iterable[str] | None) -> tuple[Any, Iterable[str] | None]:
    """Sort positional arguments into values and axes: numbers, or one iterable that axis names may follow."""
    if not args:
        raise GeometryError("A vector needs numbers.", hint=HOW)
    if not hasattr(args[0], "__iter__"):
        return args, axes
    if len(args) == 2 and axes is None:
        return args[0], args[1]
    if len(args) > 1:
        raise GeometryError(f"A vector takes one sequence and its axes, not {len(args)} arguments.", hint=HOW)
    return args[0], axes
