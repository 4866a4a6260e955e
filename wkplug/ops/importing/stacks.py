"""`Stack`: the files of one layer in the order of its sections, and what their names say about gaps.

The names of a series differ in one number: `s_0417.tif` is followed by `s_0418.tif`. Where a number is missing or comes
twice, everything behind it would lie in the wrong place, and nobody would see it. So it is an error, unless
`missing_slices` says what to do. Series that count in larger steps (0, 10, 20) are as good, and numbers of which more
are missing than there (1, 2, 10) don't count sections.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import attrs

from wkplug.config.hints import first_of
from wkplug.errors import UnsupportedImageDataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wkplug.ops.importing.readers import Source
    from wkplug.ops.importing.report import ImportNote

__all__ = ["MISSING_SLICES", "Stack", "Stacks", "missing_numbers"]

MISSING_SLICES = ("error", "fill", "close")
"""What may be done about missing sections: refuse them, leave zeros in their place, or close the gap."""

_NUMBER = re.compile(r"\d+")
_FEWEST = 3  # of two files nobody can say how they count


@attrs.frozen
class Stack:
    """Files in the order of sections; places: which sections they are, None if there are no gaps.

    notes: what whoever found the files tells (those that were left out, say); the layer's name is filled in.
    """

    files: tuple[Source, ...]
    places: tuple[int, ...] | None = None
    notes: tuple[ImportNote, ...] = ()

    @classmethod
    def of(cls, names: Sequence[str], files: Sequence[Source], missing_slices: str = "error") -> Stack:
        """Look at the names of files that were found in natural order.

        UnsupportedImageDataError for a number that is missing (unless that is allowed) or comes twice.
        """
        stack = cls(tuple(files))
        counted = None if missing_slices == "close" else _numbers(names)
        if counted is None:
            return stack
        for before, (here, after) in zip(names, pairwise(counted), strict=False):
            if here == after:
                again = names[names.index(before) + 1]
                raise UnsupportedImageDataError(
                    f"{before} and {again} have the same number {here}: one section can't be two files.",
                    files[0].path,
                    hint="Move one of them away, or pass z_slices_sort_key, or a list of files in their order.",
                )
        step, absent = _missing(counted)
        if not absent:
            return stack
        if missing_slices == "error":
            listed = first_of([str(number) for number in absent], 5)
            raise UnsupportedImageDataError(
                f"The section{'s' if len(absent) > 1 else ''} number {listed} {'are' if len(absent) > 1 else 'is'} "
                f"missing between {names[0]} and {names[-1]}.",
                files[0].path,
                hint='Add the files; or pass missing_slices="fill" for zeros in their place, missing_slices='
                '"close" for a layer without them.',
            )
        return cls(tuple(files), tuple((number - counted[0]) // step for number in counted))


class Stacks(dict[str, Stack]):
    """The layers of an input by their names; notes: about the input as a whole."""

    def __init__(self, stacks: Iterable[tuple[str, Stack]] = (), *, notes: Iterable[ImportNote] = ()) -> None:
        super().__init__(stacks)
        self.notes = tuple(notes)


def missing_numbers(names: Sequence[str]) -> list[int]:
    """The numbers that are missing in the names of a series, none if they don't count sections."""
    counted = _numbers(names)
    return [] if counted is None or len(set(counted)) < len(counted) else _missing(counted)[1]


def _missing(counted: Sequence[int]) -> tuple[int, list[int]]:
    """The step of a series that counts upwards, and the numbers that are missing in it."""
    counts = Counter(b - a for a, b in pairwise(counted))
    count, step = max((number, -step) for step, number in counts.items())
    step = -step
    gaps = [(a, b) for a, b in pairwise(counted) if b - a != step]
    missing = sum((b - a) // step - 1 for a, b in gaps)
    if 2 * count < len(counted) - 1 or any((b - a) % step for a, b in gaps) or missing >= len(counted):
        return step, []
    return step, [number for a, b in gaps for number in range(a + step, b, step)]


def _numbers(names: Sequence[str]) -> list[int] | None:
    """The one number in which the names differ, None if they differ in more, or don't count upwards."""
    if len(names) < _FEWEST or len({_NUMBER.sub("#", name.casefold()) for name in names}) != 1:
        return None
    columns = list(zip(*([int(part) for part in _NUMBER.findall(name)] for name in names), strict=True))
    counting = [column for column in columns if len(set(column)) > 1]
    if len(counting) != 1 or list(counting[0]) != sorted(counting[0]):
        return None
    return list(counting[0])
