"""Where configuration comes from: the files and variables, read into (path, raw value, source) triples.

Low to high: documented older variables, the system's file, the user's file, the file in WKPLUG_CONFIG, the
WKPLUG_* variables. Nothing is looked up from the working directory: a library must not behave differently
because of where it was started. An unknown key in a file is an error, an unknown variable a warning, because
variables may be left over from something else.
"""

# ruff: noqa: PTH118, PTH123
# The reason for both: every process comes through here, and pathlib costs more than looking for all files.

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any

from wkplug.config.model import KeyPath, flatten, known_keys
from wkplug.errors import ConfigError
from wkplug.notices import did_you_mean, warn_user

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["config_files", "read_environment", "read_file", "read_older_variables"]

_PREFIX = "WKPLUG_"
_SHORT: dict[str, KeyPath] = {"BLOCK": ("plugins", "blocked"), "PLUGINS": ("plugins", "enabled")}
_OLDER: dict[str, KeyPath] = {
    "WK_DEFAULT_DATA_FORMAT": ("default_format",),
    "WK_DEFAULT_CHUNKS_PER_SHARD": ("chunks_per_shard",),
}
_FILE_ONLY = ("rules", "storage")  # URLs and globs don't fit into the names of variables
_STORAGE_FORM = (
    'As TOML: ["s3://bucket"] on one line, key = "..." on the next; as JSON: {"s3://bucket": {"key": "..."}}; '
    "or the path of a file with either."
)


def config_files(environ: Mapping[str, str], platform: str = sys.platform) -> Iterator[str]:
    """Iterate over the files to read, lowest first; those of system and user need not exist."""
    home = environ.get("HOME") or environ.get("USERPROFILE")
    if platform == "win32":
        system: str | None = environ.get("PROGRAMDATA")
        user = environ.get("APPDATA")
    else:
        system = "/etc"
        inside_home = "Library/Application Support" if platform == "darwin" else ".config"
        user = environ.get("XDG_CONFIG_HOME") or (f"{home}/{inside_home}" if home else None)
    for folder in (system, user):
        if folder:
            yield os.path.join(folder, "wkplug", "config.toml")
    if environ.get("WKPLUG_CONFIG"):
        yield environ["WKPLUG_CONFIG"]


def read_file(
    path: str | os.PathLike[str], *, must_exist: bool = False
) -> Iterator[tuple[KeyPath, Any, str]]:
    """Iterate over what a file says. ConfigError if it can't be read, or is not TOML."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (FileNotFoundError, NotADirectoryError) as error:
        if not must_exist:
            return
        raise ConfigError(f"The configuration file {path} does not exist.", hint=_named(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The configuration file {path} can't be read: {error}", hint=_named(path)
        ) from error
    import tomllib

    try:
        document = tomllib.loads(text)
        pairs = list(flatten(document))
    except (tomllib.TOMLDecodeError, ConfigError) as error:
        raise ConfigError(f"{path} is not a valid configuration file: {error}") from error
    lines = _lines(text)
    rules = 0
    for keys, value in pairs:
        where = keys
        if keys == ("rules",):
            where = ("rules", str(rules))
            rules += 1
        line = next((lines[where[:end]] for end in range(len(where), 0, -1) if where[:end] in lines), None)
        yield keys, value, f"{path}:{line}" if line else str(path)


def read_older_variables(environ: Mapping[str, str]) -> Iterator[tuple[KeyPath, Any, str]]:
    """Iterate over the variables that other software of this field documents."""
    for variable, path in _OLDER.items():
        if environ.get(variable):
            yield path, environ[variable], variable


def read_environment(environ: Mapping[str, str]) -> Iterator[tuple[KeyPath, Any, str]]:
    """Iterate over the WKPLUG_* variables; `__` in a name leads into a table."""
    for variable in sorted(name for name in environ if name.startswith(_PREFIX)):
        name = variable.removeprefix(_PREFIX)
        if name == "CONFIG" or name.startswith("TEST_"):
            continue
        if name == "STORAGE":
            yield from ((path, value, variable) for path, value in _storage(environ[variable], variable))
            continue
        path = _SHORT.get(name) or _path_of(name)
        if path is None:
            _warn_unknown(variable, name)
            continue
        value: Any = environ[variable]
        yield path, _as_toml(value) if path[0] == "plugin" else value, variable


def _storage(text: str, variable: str) -> Iterator[tuple[KeyPath, Any]]:
    """Iterate over what a variable says of stores: TOML, JSON, or the path of a file with one of them.

    Texts of errors hold nothing of it, since it holds secrets.
    """
    import json
    import tomllib

    if "=" not in text and not text.lstrip().startswith("{") and text.strip():
        variable = f"{variable}, the file {text.strip()}"
        try:
            with open(text.strip(), encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ConfigError(
                f"'storage' can't be read ({variable}): {reason}.", hint=_STORAGE_FORM
            ) from None
    try:
        document = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except ValueError:
        raise ConfigError(f"'storage' is neither TOML nor JSON ({variable}).", hint=_STORAGE_FORM) from None
    if set(document) == {"storage"}:
        document = document["storage"]
    if not all(isinstance(options, dict) for options in document.values()):
        raise ConfigError(
            f"'storage' needs a table of options for each URL ({variable}).", hint=_STORAGE_FORM
        )
    yield from flatten({"storage": document})


def _path_of(name: str) -> KeyPath | None:
    keys = name.lower().split("__")
    if not all(keys):
        return None
    match keys:
        case ["backends" | "filesystems", _] | ["plugin", _, _]:
            return tuple(keys)
        case ["readers", *suffix] if suffix:
            return ("readers", "." + ".".join(suffix))
        case ["plugins", "blocked" | "enabled" | "required"] | ["retries", "attempts" | "deadline"]:
            return tuple(keys)
        case [key] if key in known_keys() and key not in (*_FILE_ONLY, "backends", "plugin", "readers"):
            return None if key in ("filesystems", "plugins", "retries") else (key,)
    return None


def _warn_unknown(variable: str, name: str) -> None:
    first = name.lower().split("__")[0]
    if first == "storage":
        text = f"The variable {variable} is ignored: WKPLUG_STORAGE sets 'storage' as a whole, or a configuration file."
    elif first in _FILE_ONLY:
        text = f"The variable {variable} is ignored: '{first}' can only be set in a configuration file."
    else:
        known = [key.upper() for key in known_keys() if key not in _FILE_ONLY]
        known += [*_SHORT, "CONFIG", "PLUGINS__BLOCKED", "PLUGINS__ENABLED", "PLUGINS__REQUIRED"]
        known += ["RETRIES__ATTEMPTS", "RETRIES__DEADLINE"]
        guess = did_you_mean(variable, [_PREFIX + key for key in known])
        text = f"The variable {variable} is ignored: wkplug has no such setting.{guess}"
    warn_user(text, UserWarning)


def _as_toml(text: str) -> Any:
    """Read a plugin's value as TOML would ("1_000", "true"), and as plain text where that fails."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except tomllib.TOMLDecodeError:
        return text


def _named(path: str | os.PathLike[str]) -> str | None:
    return (
        "It is named by the variable WKPLUG_CONFIG." if os.environ.get("WKPLUG_CONFIG") == str(path) else None
    )


_KEY = r"""(?:"[^"]*"|'[^']*'|[\w-]+)"""
_KEYS = rf"\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*"


def _lines(text: str) -> dict[KeyPath, int]:
    """Find the line of each key, as well as lines alone can tell; only ever shown, never relied on."""
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(rf"\s*\[(\[?){_KEYS}\]", line)
        if header:
            table = _split(header[2])
            if header[1]:
                counts[table] = counts.get(table, -1) + 1
                table = (*table, str(counts[table]))
            found.setdefault(table, number)
        elif entry := re.match(rf"{_KEYS}=", line):
            found.setdefault(table + _split(entry[1]), number)
    return found


def _split(dotted: str) -> KeyPath:
    return tuple(part.strip("\"'") for part in re.findall(_KEY, dotted))
