"""Texts of errors and warnings are written once, with the names of Python's parameters; here they get options' names.

`missing_slices="fill"` is `--missing-slices fill` for a command that has this option. A parameter for which the
command has no option stays what it is.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PARAMETERS", "in_options", "options_of"]

PARAMETERS: Mapping[str, str] = {
    "bounding_box": "bbox",
    "exist_ok": "exists_ok",
    "executor": "strategy",
    "filename_prefix": "name",
    "layer_category": "category",
    "layers_to_ignore": "layers",
    "limits": "rescale_min_max",
    "map_filepath_to_layer_name": "layer_mapping",
    "overwrite": "overwrite_existing",
    "pyramid": "downsampling",
    "voxel_size_with_unit": "voxel_size",
}
"""Parameters that commands have under another name."""

_VALUE = r"""\([^()]*\)|"[^"]*"|'[^']*'|Mag\((?P<mag>[^()]*)\)|\.\.\.|[\w.+-]*\w"""
_MENTION = re.compile(
    rf"""(?<![\w./'"-])(?P<name>[a-z]\w*)(?P<value>=(?:{_VALUE})?|\b(?![\w(=/'"]|\.\w))""", re.VERBOSE
)
_ALTERNATIVE = re.compile(r"""(--[\w-]+\ [\w.-]+(?:\ or\ [\w.-]+)*)\ or\ (["'])([\w.-]+)\2""", re.VERBOSE)


_PYTHON_ONLY = re.compile(
    r"[;,] or pass (?P<parameter>[a-z]+_\w+)(?![\w=])[^;.]*"
    r"|, make each a layer by a function as \w+(?=,)"
    r"|,? or (?:pass |make each a layer by )?a function as \w+"
    r"|\bPass a function as \w+, or (?P<next>\w)"
)
"""Ways that a command line doesn't have: functions, and parameters without an option."""

_OTHER_WAY = re.compile(
    r"\b(?:[Dd]ataset|layer)\.\w+(?:\([^()]*\))?, or (wkplug [a-z-]+)|(wkplug [a-z-]+), or (?:[Dd]ataset|layer)\.\w+\b"
)
"""The same said for Python and for the command line."""


def options_of(command: click.Command) -> dict[str, click.Option]:
    """The options of a command by the names of Python's parameters."""
    own = {each.name: each for each in command.params if isinstance(each, click.Option) and each.name}
    others = {python: own[name] for python, name in PARAMETERS.items() if name in own}
    return {**others, **own}


def in_options(text: str, command: click.Command | None) -> str:
    """Write a text's parameters as the options of a command."""
    if command is None:
        return text
    options = options_of(command)

    def option(match: re.Match[str]) -> str:
        name, value = match["name"], match["value"]
        # Of a word alone, only the underscore tells a parameter from English.
        if name not in options or (not value and "_" not in name):
            return match[0]
        return _written(options[name], value.removeprefix("="), match["mag"])

    def ways(match: re.Match[str]) -> str:
        return match[0] if match["parameter"] in options else (match["next"] or "").upper()

    text = _PYTHON_ONLY.sub(ways, text)
    text = _OTHER_WAY.sub(lambda match: match[1] or match[2], text)
    found = _MENTION.sub(option, text)
    while (again := _ALTERNATIVE.sub(r"\1 or \3", found)) != found:
        found = again
    return found


def _written(option: click.Option, value: str, mag: str | None) -> str:
    usual = f"--{(option.name or '').replace('_', '-')}"
    flags = [flag for flag in option.opts if flag.startswith("--")]
    flag = usual if usual in flags else flags[0]
    if value in ("True", "False"):
        if value == "False":
            return option.secondary_opts[0] if option.secondary_opts else f"no {flag}"
        return flag
    if not value or option.is_flag:
        return flag
    if mag is not None:
        return f"{flag} {mag.replace(', ', '-')}"
    if value[0] in "\"'":
        return f"{flag} {shlex.quote(value[1:-1])}"
    plain = ",".join("" if part == "None" else part for part in value.strip("()").split(", "))
    return f"{flag} {plain}"
