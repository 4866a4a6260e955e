"""Texts of errors and warnings are written once, with the names of Python's parameters; here they get options' names.

`missing_slices="fill"` is `--missing-slices fill` for a command that has this option. A parameter for which the
command has no option stays what it is. Advice that only Python can follow is left out (`advice_in_options`), down to
the clause: what else there is to do is still said.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PARAMETERS", "advice_in_options", "in_options", "options_of"]

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
    r"\b(?:[Dd]ataset|layer|view)\.\w+(?:\([^()]*\))?, or (wkplug [a-z-]+)"
    r"|(wkplug [a-z-]+), or (?:[Dd]ataset|layer)\.\w+\b"
)
"""The same said for Python and for the command line."""


_SUBJECT = re.compile(r"\A[a-z]\w*(?= (?:is|has|must)\b)")
"""Sentences begin with a capital letter, unless it is with a parameter."""

_LEFT_OUT = re.compile(r"(\bLeave --[\w-]+) \.\.\.")
_TWICE = re.compile(r"(--[\w-]+)( [^.;]*), or \1(?=[.,;])")

_SETTINGS = re.compile(r"""wkplug\.settings\((?P<name>\w+)=\[(?P<value>"[^"]*"|'[^']*'|[^]]*)\]\)""")
"""A setting as Python changes it, which variables do as well."""

_VALUES = re.compile(
    r"(?<![\w./'\"-])(?:"
    r"(?:ND|Normalized)?BoundingBox\(topleft=\((?P<start>[^()]*)\), size=\((?P<size>[^()]*)\)(?:, axes=\([^()]*\))?\)"
    r"|Vec\w+\((?P<numbers>[^()]*)\)|(?:mag )?Mag\((?P<mag>[^()]*)\))(?!\.\w)"
)
"""Values as Python writes them."""

_PYTHON = re.compile(
    r"""(?<![\w./'"-])(?:
        (?:[Dd]ataset|[Ll]ayer|Mag|mag|Mag[Vv]iew|[Vv]iew|(?:ND)?BoundingBox|bounding_box)
            \.(?:[a-z]+_\w+|\w+\(|open\b|name\b|attachments\b|rechunk\b|upload\b)
        |(?:\w+\.)+\w+\(
        |[a-z]\w*=(?=[("'\[{]|\.\.|\w+(?![\w.]*\.\w))
        |(?:add|align|allow|copy|exist|exists|fill|for_each|get|read|use|with|write)_[a-z_]+\b(?!/|\.\w)
        |(?:new_layer_name|voxel_size_with_unit|z_slices_sort_key|map_filepath_to_layer_name|output_bbox|dtype_per_channel)\b
        |\.?\w+\(\)|(?:ND)?BoundingBox\(|a\ function\b|`if\ __name__
    )""",
    re.VERBOSE,
)
"""What no command line understands: attributes and calls, parameters without an option, functions."""

_OF_OTHERS = re.compile(
    r"(?<![\w./'\"-])(?<!setting )(?:bounding_box|chunk_shape|chunks_per_shard|coarsest_mag|data_format"
    r"|filename_prefix|finest_mag|layer_name|shard_shape|target_path|voxel_size)\b(?![/.=]\w)"
)
"""Parameters for which other commands have options: words where this one has none."""

_SENTENCES = re.compile(r"(?<=[.!?]) (?=[A-Z])")
_CLAUSES = re.compile(r"(, or |; or |; )")
_TAIL = re.compile(r": |,? as (?:in|with) ")


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

    def value(match: re.Match[str]) -> str:
        if match["mag"] is not None:
            return f"mag {match['mag'].replace(', ', '-')}"
        if match["numbers"] is not None:
            return f"({match['numbers']})"
        return f"({match['start']}) + ({match['size']})"

    def setting(match: re.Match[str]) -> str:
        return f"WKPLUG_{match['name'].upper()}={shlex.quote(match['value'].strip(chr(34) + chr(39)))}"

    text = _PYTHON_ONLY.sub(ways, text)
    text = _SETTINGS.sub(setting, text)
    text = _OTHER_WAY.sub(lambda match: match[1] or match[2], text)
    text = _SUBJECT.sub(
        lambda match: _written(options[match[0]], "", None) if match[0] in options else match[0], text
    )
    found = _VALUES.sub(value, _MENTION.sub(option, text))
    found = _TWICE.sub(r"\1\2", _LEFT_OUT.sub(r"\1", found))
    while (again := _ALTERNATIVE.sub(r"\1 or \3", found)) != found:
        found = again
    return found


def advice_in_options(hint: str, command: click.Command | None) -> str:
    """The same for a hint, without what only Python can do; "" if there is nothing else."""
    if command is None:
        return hint
    lines = (
        " ".join(filter(None, map(_for_command_lines, _SENTENCES.split(line))))
        for line in in_options(hint, command).splitlines()
    )
    return _OF_OTHERS.sub(lambda match: match[0].replace("_", " "), "\n".join(filter(None, lines)))


def _for_command_lines(sentence: str) -> str:
    """A sentence without the clauses that name Python; "" if all do."""
    if not _PYTHON.search(sentence):
        return sentence
    end = sentence[-1] if sentence[-1] in ".:" else ""
    text = ""
    for number, part in enumerate(_CLAUSES.split(sentence.removesuffix(end))):
        if number % 2:
            between = part
            continue
        clause = part
        for tail in reversed([*_TAIL.finditer(part)]):
            if _PYTHON.search(clause):
                clause = part[: tail.start()]
        if not _PYTHON.search(clause):
            text = f"{text}{between}{clause}" if text else clause.removeprefix("otherwise ")
    return f"{text[0].upper()}{text[1:]}{end}" if text else ""


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
