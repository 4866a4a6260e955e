"""Settings: what is configured, and by whom.

Low to high: defaults < older documented variables < the system's file < the user's file < the file in
WKPLUG_CONFIG < WKPLUG_* variables < `with wkplug.settings(...)`. An argument of a call wins over all of them.

Files and variables are read at the first use in a process, and again after `reload`. Executors carry
`current()` to their workers, which `adopt` it; threads that are started by hand see the process' settings,
not the context manager's, unless they run in a copy of the context (`contextvars.copy_context`).
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from wkplug.config.model import DEFAULT, Rule, Settings, Table, flatten, grouped
from wkplug.config.sources import config_files, read_environment, read_file, read_older_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from os import PathLike

__all__ = [
    "DEFAULT",
    "Rule",
    "Settings",
    "Table",
    "adopt",
    "current",
    "load",
    "reload",
    "settings",
    "storage_options",
]


class _Process:
    """The settings of this process, without what a `with settings(...)` lays over them."""

    def __init__(self) -> None:
        self.base: Settings | None = None


_process = _Process()
_override: ContextVar[Settings | None] = ContextVar("wkplug_settings", default=None)


def current() -> Settings:
    """Give the settings that hold here. ConfigError if a file or variable is wrong."""
    override = _override.get()
    if override is not None:
        return override
    if _process.base is None:
        _process.base = load(os.environ)
    return _process.base


def storage_options(url: str) -> dict[str, Any]:
    """Give what the setting `storage` has for a URL; for `wkplug.abc`, which names it."""
    return current().storage_options(url.rstrip("/"))


def load(environ: Mapping[str, str], files: Sequence[str | PathLike[str]] | None = None) -> Settings:
    """Read the settings from variables and files (those that `environ` leads to, by default)."""
    result = Settings().merged(read_older_variables(environ))
    for path in config_files(environ) if files is None else files:
        named = environ.get("WKPLUG_CONFIG") == str(path)
        result = result.merged(read_file(path, must_exist=named))
    return result.merged(read_environment(environ))


def reload() -> Settings:
    """Forget what was read or adopted, and read files and variables again."""
    _process.base = None
    return current()


def adopt(snapshot: Settings) -> None:
    """Make `snapshot` the settings of this process: what a worker does with those that came with its work."""
    _process.base = snapshot


@contextmanager
def settings(snapshot: Settings | None = None, /, **overrides: Any) -> Iterator[Settings]:
    """Change settings inside a `with` block, as in `with settings(backends={"zarr3": "zarr"})`.

    The keywords are the fields of `Settings`; tables are merged entry by entry. A `snapshot` replaces all
    that is configured first. ConfigError for unknown names and wrong values.
    """
    base = current() if snapshot is None else snapshot
    changed = base.merged(
        (path, value, "wkplug.settings(...)") for path, value in flatten(grouped(overrides))
    )
    token = _override.set(changed)
    try:
        yield changed
    finally:
        _override.reset(token)
