"""Errors for what no working plugin offers: missing, broken, blocked, made for another API, or unknown.

These are different things, and the user must do something different about each. `known.toml`, written by
`tools/known_plugins.py`, says which distribution offers what, also where it isn't installed; it is read when
something is missing and never otherwise.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from wkplug.abc.specs import API
from wkplug.errors import (
    PluginBlockedError,
    PluginBrokenError,
    PluginConflictError,
    PluginError,
    PluginIncompatibleError,
    PluginMissingError,
)
from wkplug.notices import did_you_mean, listed
from wkplug.registry.plugins import Plugin, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wkplug.registry.manager import Manager

__all__ = ["candidates_for", "known", "known_magic", "unavailable"]

_ORDER = {
    State.BROKEN: 0,
    State.INCOMPATIBLE: 1,
    State.BLOCKED: 2,
    State.SHADOWED: 3,
    None: 4,  # not installed
    State.ENABLED: 5,
    State.LOADED: 5,
}


@cache
def known() -> Mapping[str, Mapping[str, Any]]:
    """The catalogue: distribution -> {"plugin": name, "formats": [...], "suffixes": [...], ...}."""
    import tomllib
    from importlib.resources import files

    document = tomllib.loads(files("wkplug.registry").joinpath("known.toml").read_text(encoding="utf-8"))
    return dict(sorted(document.items()))


def candidates_for(manager: Manager, key: str, name: str) -> list[tuple[str, Plugin | None]]:
    """Give the distributions known to offer `name` under that key of the catalogue, and what is installed.

    The one whose state explains most comes first: broken, for another API, blocked, shadowed, missing.
    """
    found = [
        (distribution, manager.plugin(distribution) or manager.plugin(entry["plugin"]))
        for distribution, entry in known().items()
        if name in entry.get(key, ())
    ]
    return sorted(found, key=lambda each: (_ORDER[each[1].state if each[1] else None], each[0]))


def known_magic(head: bytes) -> list[tuple[str, bytes]]:
    """Give the catalogue's entries of magic bytes ("offset:hex") that a file has, with the bytes; longest first."""
    found = {}
    for entry in known().values():
        for text in entry.get("magic", ()):
            offset, _, digits = str(text).partition(":")
            magic = bytes.fromhex(digits)
            if head[int(offset) : int(offset) + len(magic)] == magic:
                found[str(text)] = magic
    return sorted(found.items(), key=lambda each: (-len(each[1]), each[0]))


def unavailable(
    manager: Manager,
    what: str,
    key: str,
    name: str,
    *,
    installed: Iterable[str],
    unknown: type[PluginError],
    missing: type[PluginError] = PluginMissingError,
) -> PluginError:
    """Build the error for something that no working plugin offers.

    what: it, in words ("the data format 'n5'"). key: where the catalogue lists such names. installed: the
    names that would work. unknown, missing: the types of the error for names that nobody knows, and for
    names of plugins that are not installed.
    """
    installed = sorted(set(installed))
    found = candidates_for(manager, key, name)
    if not found:
        return _unknown(manager, what, key, name, installed, unknown)
    distribution, plugin = found[0]
    others = [f"pip install {other}" for other, state in found[1:] if state is None]
    start = what[:1].upper() + what[1:]
    if plugin is None:
        hint = "\nor:  ".join([f"pip install {distribution}", *others])
        return missing(f"{start} needs {distribution}, which is not installed.", hint=hint)
    error = _for_state(f"{start} needs {plugin.described}", plugin)
    if others and error.hint:
        error.hint = "\nor:  ".join([error.hint, *others])
    return error


def _for_state(start: str, plugin: Plugin) -> PluginError:
    match plugin.state:
        case State.BROKEN:
            error: PluginError = PluginBrokenError(
                f"{start}; it is installed, but it {plugin.reason}.",
                hint=f"see: wkplug plugins --debug {plugin.name}",
            )
            error.__cause__ = plugin.error
            return error
        case State.BLOCKED:
            return PluginBlockedError(
                f"{start}; it is installed, but {plugin.reason}.",
                hint=f"Change that setting; `wkplug config` shows it. Its name there is '{plugin.name}'.",
            )
        case State.INCOMPATIBLE:
            newer = plugin.api > API
            return PluginIncompatibleError(
                f"{start}; it is installed, but {plugin.reason}.",
                hint=f"pip install --upgrade {'wkplug' if newer else plugin.distribution}",
            )
        case State.SHADOWED:
            return PluginConflictError(f"{start}; it is installed, but {plugin.reason}.")
    return PluginMissingError(
        f"{start} in a newer version: this one doesn't offer it.",
        hint=f"pip install --upgrade {plugin.distribution}",
    )


def _unknown(
    manager: Manager, what: str, key: str, name: str, installed: list[str], unknown: type[PluginError]
) -> PluginError:
    every = {str(other) for entry in known().values() for other in entry.get(key, ())}
    plain = [other for other in installed if "+" not in other]
    if plain and "+" not in name:  # who asks for a mode isn't helped by a list of its implementations
        installed, every = plain, {other for other in every if "+" not in other}
    guess = did_you_mean(name, [*installed, *every])
    lines = [f"installed: {listed(installed)}"]
    lines += (f"{plugin.name}: {plugin.reason}" for plugin in manager.plugins if plugin.state == State.BROKEN)
    return unknown(f"No plugin knows {what}.{guess}", hint="\n".join(lines))
