"""Finds the installed plugins without running any of their code, and without importing importlib.metadata.

A fresh process pays for discovery before it can open its first array, and `importlib.metadata` alone costs
more than everything here. What it would do is simple: each folder on `sys.path` holds `*.dist-info` folders,
and some of those hold an `entry_points.txt`; editable installs look the same. What is not such a folder (a
zip file, a finder of somebody's own) is left to `importlib.metadata`, which is imported only then.

As there, the first distribution of a name on `sys.path` wins. The API number is part of the group's name
("wkplug.v1"), so that plugins for another API are seen, and never imported.

Requirements such as "wkplug-zarr>=0.4,<1" (`[plugins] required`) are read with as much of the packaging rules as a
version bound needs, so that the core needs no library for it: release numbers, pre-, post- and development
releases in their order; no markers, extras or URLs.
"""

# ruff: noqa: PTH113, PTH118, PTH123, PTH208
# The reason for all of them: paths are plain text here, since pathlib costs more than the system calls.

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from wkplug.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["EntryPoint", "Requirement", "canonical", "find", "parse_requirement"]

_GROUP = "wkplug.v"


class EntryPoint(NamedTuple):
    """One line of an `entry_points.txt`: `name = value` in the group of API number `api`.

    `hidden_by` names the version of the same distribution that comes earlier on `sys.path`, if there is one.
    """

    name: str
    value: str
    api: int
    distribution: str
    version: str
    folder: str
    hidden_by: str | None = None


def canonical(distribution: str) -> str:
    """Spell a distribution's name as registries do: lower case, one hyphen."""
    name = distribution.lower().replace("_", "-").replace(".", "-")
    while "--" in name:
        name = name.replace("--", "-")
    return name


def find(paths: Iterable[str] | None = None) -> tuple[EntryPoint, ...]:
    """Find all entry points of all `wkplug.vN` groups, sorted; `paths` stands for `sys.path`."""
    found: list[EntryPoint] = []
    versions: dict[str, str] = {}
    for path in list(dict.fromkeys(sys.path if paths is None else paths)):
        for distribution, version, text in _in_path(path or "."):
            first = versions.setdefault(distribution, version)
            if text and (first == version or _GROUP in text):
                hidden = None if first == version else first
                found += _parse(text, distribution, version, path, hidden)
    if paths is None:
        for distribution, version, text in _in_other_finders():
            if versions.setdefault(distribution, version) == version:
                found += _parse(text, distribution, version, "", None)
    unique = {
        (point.api, point.name, point.value, point.distribution, point.version): point for point in found
    }
    return tuple(sorted(unique.values(), key=lambda point: (point.name, point.distribution, point.version)))


def _in_path(path: str) -> Iterator[tuple[str, str, str]]:
    """Iterate over (distribution, version, entry points) of one entry of `sys.path`."""
    try:
        names = sorted(os.listdir(path))
    except FileNotFoundError:
        return
    except OSError:
        names = []  # a file, perhaps a zip
    if path.endswith(".egg") or (not names and os.path.isfile(path)):
        yield from _through_metadata([path])
        return
    for name in names:
        if name.endswith(".dist-info") and not name.startswith("~"):
            distribution, _, version = name.removesuffix(".dist-info").rpartition("-")
        elif name.endswith(".egg-info"):
            distribution, _, version = name.removesuffix(".egg-info").partition("-")
            version = version.partition("-")[0]
        else:
            continue
        try:
            with open(os.path.join(path, name, "entry_points.txt"), encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError):
            text = ""
        if _GROUP in text and not version:
            version = _version_in(os.path.join(path, name, "PKG-INFO"))
        yield canonical(distribution), version, text if _GROUP in text else ""


def _version_in(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return next((line.partition(":")[2].strip() for line in file if line.startswith("Version:")), "")
    except OSError:
        return ""


def _in_other_finders() -> Iterator[tuple[str, str, str]]:
    """Ask the finders on `sys.meta_path` that know distributions and are not Python's own."""
    from importlib.machinery import PathFinder

    others = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    # zipimport and namespace finders come through PathFinder, which `_in_path` stands for.
    others = [finder for finder in others if finder is not PathFinder]
    if not others:
        return
    from importlib.metadata import DistributionFinder

    for finder in others:
        for distribution in finder.find_distributions(DistributionFinder.Context()):
            yield from _of_metadata(distribution)


def _through_metadata(paths: list[str]) -> Iterator[tuple[str, str, str]]:
    from importlib.metadata import distributions

    for distribution in distributions(path=paths):
        yield from _of_metadata(distribution)


def _of_metadata(distribution: Any) -> Iterator[tuple[str, str, str]]:
    text = distribution.read_text("entry_points.txt") or ""
    if _GROUP in text:
        yield canonical(distribution.metadata["Name"] or ""), distribution.version, text


def _parse(
    text: str, distribution: str, version: str, folder: str, hidden: str | None
) -> Iterator[EntryPoint]:
    api: int | None = None
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("["):
            number = line.strip("[] ").removeprefix(_GROUP)
            api = int(number) if line.strip("[] ").startswith(_GROUP) and number.isdecimal() else None
        elif api is not None and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield EntryPoint(
                name=name.strip(),
                value=value.partition("[")[0].strip(),  # extras say nothing here
                api=api,
                distribution=distribution,
                version=version,
                folder=folder,
                hidden_by=hidden,
            )


# --- requirements -------------------------------------------------------------------------------------------

_VersionKey: TypeAlias = tuple[tuple[int, ...], tuple[int, int]]

# Not compiled before they are used: most processes require nothing.
_VERSION = r"(?i)v?(\d+(?:\.\d+)*)[-_.]?(?:(a|b|c|rc|alpha|beta|pre|post|dev)[-_.]?(\d*))?.*"
_STAGES = {"dev": -4, "a": -3, "alpha": -3, "b": -2, "beta": -2, "c": -1, "rc": -1, "pre": -1, "post": 1}
_BOUND = r"(~=|===?|!=|<=|>=|<|>)\s*([^\s,]+)"


class Requirement(NamedTuple):
    """A distribution's (or plugin's) name and the bounds of its version."""

    name: str
    bounds: tuple[tuple[str, str], ...]

    def allows(self, version: str) -> bool:
        """Whether that version is inside all bounds."""
        return all(_holds(_version_key(version), operator, bound) for operator, bound in self.bounds)


def parse_requirement(text: str) -> Requirement:
    """Read one requirement. ConfigError if it isn't one."""
    match = re.fullmatch(r"\s*([A-Za-z0-9][\w.-]*)\s*(.*)", text)
    bounds = re.findall(_BOUND, match[2]) if match else []
    rest = re.sub(_BOUND, "", match[2]).replace(",", "").strip() if match else text
    if match is None or rest or not all(re.fullmatch(_VERSION, bound) for _, bound in bounds):
        raise ConfigError(
            f"[plugins] required: '{text}' is not a requirement.", hint='Write it as "wkplug-zarr>=0.4".'
        )
    return Requirement(match[1], tuple(bounds))


def _version_key(version: str) -> _VersionKey:
    """Give what versions are sorted by; unreadable ones come first."""
    match = re.fullmatch(_VERSION, version.strip())
    if match is None:
        return (), (0, 0)
    numbers = [int(number) for number in match[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    stage = _STAGES[match[2].lower()] if match[2] else 0
    return tuple(numbers), (stage, int(match[3] or 0))


def _holds(found: _VersionKey, operator: str, bound: str) -> bool:
    prefix = bound.removesuffix(".*")
    wanted = _version_key(prefix)
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


def _starts_with(found: _VersionKey, prefix: str) -> bool:
    numbers = tuple(int(number) for number in re.findall(r"\d+", prefix))
    return (found[0] + (0,) * len(numbers))[: len(numbers)] == numbers
