"""What layers (and attachments) may be called.

New names are strict: they become folders on every platform and parts of URLs. Names that a file already holds
are taken more generously, since they can't be helped; refused are only those that would lead out of the
dataset or break terminals and logs.
"""

from __future__ import annotations

import re

from wkplug.errors import LayerNameError

__all__ = ["check_existing_layer_name", "check_layer_name", "existing_name_problem"]

_NEW = re.compile(r"[A-Za-z0-9_$@\-]+[A-Za-z0-9_$@\-.]*")
_LONGEST = 255
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_HINT = "Use letters, digits and _ $ @ - and, after the first character, dots."


def check_layer_name(name: str, *, what: str = "layer") -> str:
    """Give the name if a new layer may have it, otherwise raise LayerNameError (a ValueError).

    `what` is what the text calls the thing ("layer", "attachment").
    """
    problem = _new_name_problem(name)
    if problem is not None:
        raise LayerNameError(f"The {what} name {name!r} is invalid: it {problem}.", hint=_HINT)
    return name


def check_existing_layer_name(name: str) -> str:
    """Give a name that a file holds; LayerNameError where it is dangerous. Blanks and the like are fine."""
    problem = existing_name_problem(name)
    if problem is not None:
        raise LayerNameError(f"The layer name {name!r} is invalid: it {problem}.")
    return name


def existing_name_problem(name: object) -> str | None:
    """Say why a name in a file can't be used, None if it can."""
    if not isinstance(name, str):
        return "is not a text"
    if not name:
        return "is empty"
    if name.startswith("."):
        return "starts with a dot"
    if "/" in name or "\\" in name:
        return "contains a slash"
    if _CONTROL.search(name):
        return "contains a control character"
    return None


def _new_name_problem(name: object) -> str | None:
    problem = existing_name_problem(name)
    if problem is not None or not isinstance(name, str):
        return problem
    if not _NEW.fullmatch(name):
        return "contains other characters than letters, digits, underscores, hyphens, dots, $ and @"
    if name.endswith("."):
        return "ends with a dot, which some systems drop"
    if name.partition(".")[0].lower() in _RESERVED:
        return "is reserved by Windows"
    if len(name) > _LONGEST:
        return f"is longer than {_LONGEST} characters"
    return None
