"""`wkplug config`: every setting that holds here, and who set it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from wkplug.cli.output import is_json, json_option, tell
from wkplug.cli.text import columns

__all__ = ["config"]

_SECRET = ("access", "key", "password", "secret", "token")


@click.command(short_help="Show the settings, each with its source.")
@json_option
def config() -> None:
    """Show every setting with its value and its source: default, file and line, or variable.

    What looks like a secret is not printed. The files are listed from the weakest to the strongest.
    """
    from wkplug.config import current
    from wkplug.config.sources import config_files

    entries = [(key, _shown(key, value), source) for key, value, source in current().entries()]
    if is_json():
        settings = [{"key": key, "value": value, "source": source} for key, value, source in entries]
        files = [
            {"path": path, "exists": Path(path).is_file()} for path in map(str, config_files(os.environ))
        ]
        tell({"settings": settings, "files": files})
        return
    rows = [(key, json.dumps(value), source) for key, value, source in entries]
    click.echo(columns(("KEY", "VALUE", "SOURCE"), rows))
    click.echo("\nfiles:")
    for path in config_files(os.environ):
        click.echo(f"  {path}" + ("" if Path(path).is_file() else " (not there)"))


def _shown(key: str, value: Any) -> Any:
    """A value as JSON has it, without secrets."""
    last = key.rpartition(".")[2].lower()
    if key.startswith(("storage.", "plugin.")) and any(word in last for word in _SECRET):
        return "(hidden)"
    if isinstance(value, Mapping):
        return {name: _shown(f"{key}.{name}", inner) for name, inner in value.items()}
    return [_shown(key, item) for item in value] if isinstance(value, (list, tuple)) else value
