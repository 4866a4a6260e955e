"""What users are told: warnings one way, deprecations one way, and the words that texts and errors are made of.

A warning points at the first line outside of this package, where people can act on it. Python shows deprecations by
default only if that line is in `__main__`. `deprecated` names the older spelling and what to write instead.
"""

from __future__ import annotations

import sys
import warnings
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from wkplug.errors import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = [
    "counted",
    "deprecated",
    "did_you_mean",
    "first_of",
    "listed",
    "make_older_home",
    "names_from_the_package",
    "plain_number",
    "warn_user",
]


def warn_user(text: str, category: type[Warning]) -> None:
    """Warn at the line of the caller who is outside of this package: there people can act on it.

    All warnings of the package are given by this function.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    warnings.warn_explicit(
        redacted(text),
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=frame.f_globals.get("__name__") or "<script>",  # None would silence it
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
        source=None,
    )


def _is_ours(module: str) -> bool:
    # `contextlib` runs our context managers, and importlib the `__getattr__` of our modules: they are never the caller.
    return module in ("wkplug", "contextlib", "importlib._bootstrap") or module.startswith("wkplug.")


def deprecated(spelling: str, instead: str) -> None:
    """Warn that `spelling` is deprecated and that `instead` is today's; "" if it just can be left out."""
    advice = f"please use `{instead}` instead" if instead else "please leave it out: it has no effect"
    warn_user(f"[DEPRECATION] `{spelling}` is deprecated, {advice}.", DeprecationWarning)


def names_from_the_package(module: str, *names: str) -> Callable[[str], Any]:
    """Make the `__getattr__` of a module under which names of the package were once imported.

    names: the only ones that it lends, all public ones if none are given. Each comes with a DeprecationWarning.
    """

    def get(name: str) -> Any:
        import wkplug

        if name.startswith("_") or (names and name not in names) or name not in dir(wkplug):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        deprecated(f"from {module} import {name}", f"from wkplug import {name}")
        return getattr(wkplug, name)

    return get


def make_older_home(package: str, name: str, *, moved_to: str = "") -> None:
    """Give a package a module under which names were once found, and which has nothing else.

    moved_to: where they are now, if they were never public: pickles of earlier releases name them.
    """
    home = ModuleType(f"{package}.{name}", f"Moved: its names are in `{moved_to or 'wkplug'}`.")
    get = names_from_the_package(home.__name__) if not moved_to else partial(_from_module, moved_to)
    home.__getattr__ = get  # type: ignore[method-assign]  # as PEP 562 has it
    sys.modules[home.__name__] = home
    setattr(sys.modules[package], name, home)


def _from_module(module: str, name: str) -> Any:
    if name.startswith("__"):  # the home's own, such as its file, which it hasn't got
        raise AttributeError(name)
    return getattr(import_module(module), name)


# --- words ------------------------------------------------------------------------------------------------


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
