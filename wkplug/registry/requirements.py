"""Reads requirements such as "wkplug-zarr>=0.4,<1" and compares versions, for `[plugins] required`.

As much of the packaging rules as a version bound needs, so that the core needs no library for it: release
numbers, pre-, post- and development releases in their order; no markers, extras or URLs.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

from wkplug.errors import ConfigError

__all__ = ["Requirement", "parse_requirement", "version_key"]

VersionKey: TypeAlias = tuple[tuple[int, ...], tuple[int, int]]

# Not compiled before they are used: most processes require nothing.
_VERSION = r"(?i)v?(\d+(?:\.\d+)*)[-_.]?(?:(a|b|c|rc|alpha|beta|pre|post|dev)[-_.]?(\d*))?.*"
_STAGES = {"dev": -4, "a": -3, "alpha": -3, "b": -2, "beta": -2, "c": -1, "rc": -1, "pre": -1, "post": 1}
_BOUND = r"(~=|===?|!=|<=|>=|<|>)\s*([^\s,]+)"


class Requirement(NamedTuple):
    """A distribution's (or plugin's) name and the bounds of its version."""

    text: str
    name: str
    bounds: tuple[tuple[str, str], ...]

    def allows(self, version: str) -> bool:
        """Whether that version is inside all bounds."""
        return all(_holds(version_key(version), operator, bound) for operator, bound in self.bounds)


def parse_requirement(text: str) -> Requirement:
    """Read one requirement. ConfigError if it isn't one."""
    match = re.fullmatch(r"\s*([A-Za-z0-9][\w.-]*)\s*(.*)", text)
    bounds = re.findall(_BOUND, match[2]) if match else []
    rest = re.sub(_BOUND, "", match[2]).replace(",", "").strip() if match else text
    if match is None or rest or not all(re.fullmatch(_VERSION, bound) for _, bound in bounds):
        raise ConfigError(
            f"[plugins] required: '{text}' is not a requirement.", hint='Write it as "wkplug-zarr>=0.4".'
        )
    return Requirement(text.strip(), match[1], tuple(bounds))


def version_key(version: str) -> VersionKey:
    """Give what versions are sorted by; unreadable ones come first."""
    match = re.fullmatch(_VERSION, version.strip())
    if match is None:
        return (), (0, 0)
    numbers = [int(number) for number in match[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    stage = _STAGES[match[2].lower()] if match[2] else 0
    return tuple(numbers), (stage, int(match[3] or 0))


def _holds(found: VersionKey, operator: str, bound: str) -> bool:
    prefix = bound.removesuffix(".*")
    wanted = version_key(prefix)
    if bound.endswith(".*") and operator in ("==", "!="):
        return _starts_with(found, prefix) == (operator == "==")
    match operator:
        case ">=":
            return found >= wanted
        case "<=":
            return found <= wanted
        case ">":
            return found > wanted
        case "<":
            return found < wanted
        case "!=":
            return found != wanted
        case "~=":
            return found >= wanted and _starts_with(found, bound.rpartition(".")[0] or bound)
    return found == wanted


def _starts_with(found: VersionKey, prefix: str) -> bool:
    numbers = tuple(int(number) for number in re.findall(r"\d+", prefix))
    return (found[0] + (0,) * len(numbers))[: len(numbers)] == numbers
