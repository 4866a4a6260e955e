"""Completion in shells: the scripts for bash, zsh and fish, and what is proposed for a word that is being typed.

Names come from what is installed (formats, modes, readers ...) and from the dataset that was typed (layers, mags), as
far as it is on a local disk: a press of the tab key asks no server. What can't be found out proposes nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wkplug.properties.document import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["SHELLS", "candidates", "install", "script", "shell_in_use"]

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_WKPLUG_COMPLETE"
_DATASETS = ("dataset", "source", "target", "path")
"""Parameters of commands that may be a dataset, in the order in which they are looked at."""


def script(shell: str, cli: click.Command) -> str:
    """The lines that a shell has to read."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"There is no completion for {shell!r}; there is for {', '.join(SHELLS)}.")
    if shell == "bash":
        # The script is made for newer ones; asking for the version of bash would end where there is an older one.
        completion = found(cli, {}, "wkplug", _VARIABLE)
        return completion.source_template % completion.source_vars()
    return found(cli, {}, "wkplug", _VARIABLE).source()


def shell_in_use(given: str) -> str:
    """The shell that was named, or the one of this user."""
    name = given or Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise click.UsageError(f"Which shell? Name it: {', '.join(SHELLS)}.")
    return name


def install(shell: str, cli: click.Command) -> list[Path]:
    """Write the script, and the line that reads it where the shell needs one; gives the files that were changed."""
    home = Path.home()
    if shell == "fish":
        place = home / ".config" / "fish" / "completions" / "wkplug.fish"
    else:
        place = home / ".local" / "share" / "wkplug" / f"completion.{shell}"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(script(shell, cli), encoding="utf-8")
    if shell == "fish":
        return [place]
    start = home / f".{shell}rc"
    line = f'[ -r "{place}" ] && . "{place}"  # completion for wkplug'
    before = start.read_text(encoding="utf-8") if start.exists() else ""
    if line in before.splitlines():
        return [place]
    with start.open("a", encoding="utf-8") as file:
        file.write(f"{'' if not before or before.endswith(chr(10)) else chr(10)}{line}\n")
    return [place, start]


def candidates(kind: str, ctx: click.Context) -> list[str]:
    """All names of a kind; none where they can't be found out."""
    try:
        return sorted(set(_WITHOUT_PLUGINS[kind](ctx) if kind in _WITHOUT_PLUGINS else _installed(kind)))
    except Exception:  # noqa: BLE001 - whatever goes wrong, the shell must not see it
        return []


def _installed(kind: str) -> Iterable[str]:
    # Late, because layers, mags and units are proposed without.
    from wkplug import registry
    from wkplug.registry import plugins

    if kind == "format":
        return registry.formats()
    if kind == "mode":
        return ("default", *registry.interpolations())
    return registry.current_registry().names(getattr(plugins, kind.upper()))


def _documents(ctx: click.Context) -> Iterable[Mapping[str, Any]]:
    """The properties of the datasets that were typed."""
    # Where the last word is an option that has no value yet, click leaves the words before it as they are.
    for typed in [*map(ctx.params.get, _DATASETS), *ctx.args]:
        if not isinstance(typed, str) or "://" in typed:
            continue
        place = Path(typed) / FILE_NAME
        if place.is_file():
            yield json.loads(place.read_bytes())
            return


def _layers(ctx: click.Context) -> Iterable[str]:
    return (str(layer["name"]) for document in _documents(ctx) for layer in document["dataLayers"])


def _mags(ctx: click.Context) -> Iterable[str]:
    from wkplug.geometry import Mag

    wanted = ctx.params.get("layer_name")
    for document in _documents(ctx):
        for layer in document["dataLayers"]:
            if wanted in (None, layer["name"]):
                mags = (entry.get("mag", entry.get("resolution")) for entry in layer["mags"])
                yield from (str(Mag(mag)) for mag in mags)


_WITHOUT_PLUGINS: Mapping[str, Callable[[click.Context], Iterable[str]]] = {
    "layer": _layers,
    "mag": _mags,
    "unit": lambda _: ("nm", "um", "mm", "cm", "m", "angstrom", "inch"),
}
