"""Words for error texts: what the user probably meant.

Used wherever a name comes from a person: configuration keys, variables, formats, plugins, commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["counted", "did_you_mean", "first_of", "listed", "plain_number"]


def counted(count: int, word: str) -> str:
    """Write a number with its noun: "1 section", "3,000 sections"."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def plain_number(value: float) -> str:
    """Write a length with six digits, or all before the point, but never as a power of ten: "2000000", not "2e+06"."""
    return f"{value:.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Give " Did you mean 'x'?", or nothing if no known name is close; case doesn't count."""
    from difflib import get_close_matches

    by_lower = {word.lower(): word for word in sorted(known, reverse=True)}
    close = get_close_matches(name.lower(), sorted(by_lower), n=1, cutoff=0.6)
    return f" Did you mean '{by_lower[close[0]]}'?" if close else ""


def first_of(names: Sequence[str], most: int, count: int | None = None) -> str:
    """Join the first few names, and say how many more there are, of `count` if not all are given: "a, b and 3 more"."""
    more = (len(names) if count is None else count) - min(most, len(names))
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def listed(names: Iterable[str]) -> str:
    """Join names for a text, sorted; "none" if there are none."""
    return ", ".join(sorted(set(names))) or "none"
