"""`wkplug plugins` and `wkplug config`: what is installed and what is set, in what state, and why.

`plugins` always works: broken plugins are rows of its table, and what the configuration makes an error is said below.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wkplug.cli import late
from wkplug.cli.output import columns, is_json, json_option, print_result
from wkplug.errors import ConfigError, UnknownNameError, WkplugError
from wkplug.notices import did_you_mean, listed

if TYPE_CHECKING:
    from wkplug.registry import Manager, Plugin
    from wkplug.registry.plugins import Kind

__all__ = ["config", "plugins"]

_SECRET = ("access", "key", "password", "secret", "token")
"""Settings whose names have one of these words aren't printed."""


@click.command(short_help="List the plugins, their state and what they offer.")
@json_option
@click.option(
    "--all", "everything", is_flag=True, help="Also list what each plugin offers, and the built-in one."
)
@click.option(
    "--debug", metavar="NAME", help="Tell all about one plugin: try its factories, show tracebacks."
)
def plugins(*, everything: bool, debug: str | None) -> None:
    """List the plugins, their state and the reason for it.

    States: loaded and fine; blocked by the configuration; incompatible (made for another plugin API);
    shadowed by another one of its name; broken.
    """
    manager = _manager()
    manager.survey()
    if debug is not None:
        _debug(manager, debug)
        return
    offers = _offers(manager)
    if is_json():
        facts = [plugin.facts() | {"offers": offers[plugin]} for plugin in manager.plugins]
        print_result({"plugins": facts})
    else:
        shown = [p for p in manager.plugins if everything or p.name != late.plugins.BUILTIN]
        rows = [(p.name, p.described, str(p.state), _remark(p, offers[p])) for p in shown]
        click.echo(columns(("NAME", "DISTRIBUTION", "STATE", "OFFERS, OR REASON"), rows))
        if everything:
            _list_offers(shown, offers)
    _below(manager)


def _manager() -> Manager:
    """The default manager, or one with default settings where the configuration is wrong."""
    try:
        return late.registry.get_manager()
    except ConfigError as error:
        click.echo(f"Warning: the configuration is left out of account: {error}", err=True)
        return late.registry.Manager(late.config.Settings())


def _offers(manager: Manager) -> dict[Plugin, dict[str, list[str]]]:
    offers: dict[Plugin, dict[str, list[str]]] = {plugin: {} for plugin in manager.plugins}
    for kind in late.plugins.KINDS:
        for offer in manager.collected(kind.hook):
            if kind is not late.plugins.SETTINGS:
                offers[offer.plugin].setdefault(kind.words, []).append(offer.spec.name)
    return offers


def _remark(plugin: Plugin, offers: dict[str, list[str]]) -> str:
    if plugin.reason:
        return plugin.reason
    counts = (
        f"{len(names)} {words}{'s' if len(names) > 1 else ''}" for words, names in sorted(offers.items())
    )
    return ", ".join(counts) or "nothing"


def _list_offers(shown: list[Plugin], offers: dict[Plugin, dict[str, list[str]]]) -> None:
    for plugin in shown:
        for words, names in sorted(offers[plugin].items()):
            click.echo(f"\n{plugin.name}, {words}s:")
            click.echo("\n".join(f"  {name}" for name in sorted(names)))


def _below(manager: Manager) -> None:
    """Say what a table of plugins can't: names that nobody has, and what is an error elsewhere."""
    settings = manager.settings
    for name in settings.plugins_blocked:
        if manager.plugin(name) is None:
            click.echo(f"Note: '{name}' is blocked, but no such plugin is installed.", err=True)
    try:
        manager.load()
    except WkplugError as error:
        click.echo(f"Note: everything else ends with this error: {error}", err=True)


def _debug(manager: Manager, name: str) -> None:
    plugin = manager.plugin(name)
    if plugin is None:
        names = [each.name for each in manager.plugins]
        guess = did_you_mean(name, names)
        raise UnknownNameError(f"No plugin '{name}' is installed.{guess}", hint=f"installed: {listed(names)}")
    offers = [
        (kind.words, offer.spec.name, _tried(manager, kind, offer))
        for kind in late.plugins.KINDS
        for offer in manager.collected(kind.hook)
        if offer.plugin is plugin
    ]
    failure = "" if plugin.error is None else "".join(traceback.format_exception(plugin.error)).rstrip()
    if is_json():
        tried = [{"kind": kind, "name": offered, "result": result} for kind, offered, result in offers]
        facts = {
            **plugin.facts(), "folder": plugin.folder, "unknown_hooks": list(plugin.unknown_hooks),
            "failure": failure or None, "offers": tried,
        }  # fmt: skip
        print_result(facts)
        return
    lines: list[tuple[str, Any]] = [
        *plugin.facts().items(),
        ("found in", plugin.folder or "the core"),
        ("unknown hooks", list(plugin.unknown_hooks)),
        ("settings", f"[plugin.{plugin.name}]"),
    ]
    for key, value in lines:
        click.echo(f"{key:<14}{', '.join(value) if isinstance(value, list) else value}".rstrip())
    if failure:
        click.echo(f"\n{failure}")
    for words, offered, result in offers:
        click.echo(f"\n{words} '{offered}': {result}")


def _tried(manager: Manager, kind: Kind[Any], offer: Any) -> str:
    registry = late.registry.Registry(manager)
    try:
        made = (
            registry.settings_of(offer.plugin)
            if kind is late.plugins.SETTINGS
            else registry.make(kind, offer)
        )
    except Exception as error:  # noqa: BLE001 - whatever a factory raises is what the user wants to see
        return "fails\n" + "".join(traceback.format_exception(error)).rstrip()
    return f"works, a {type(made).__name__}" + (f"; {offer.spec.summary}" if offer.spec.summary else "")


@click.command(short_help="Show the settings, each with its source.")
@json_option
def config() -> None:
    """Show every setting with its value and its source: default, file and line, or variable.

    What looks like a secret is not printed. The files are listed from the weakest to the strongest.
    """
    entries = [(key, _shown(key, value), source) for key, value, source in late.config.current().entries()]
    files = list(map(str, late.config_sources.config_files(os.environ)))
    if is_json():
        settings = [{"key": key, "value": value, "source": source} for key, value, source in entries]
        exist = [{"path": path, "exists": Path(path).is_file()} for path in files]
        print_result({"settings": settings, "files": exist})
        return
    rows = [(key, json.dumps(value), source) for key, value, source in entries]
    click.echo(columns(("KEY", "VALUE", "SOURCE"), rows))
    click.echo("\nfiles:")
    for path in files:
        click.echo(f"  {path}" + ("" if Path(path).is_file() else " (not there)"))


def _shown(key: str, value: Any) -> Any:
    """A value as JSON has it, without secrets."""
    last = key.rpartition(".")[2].lower()
    if key.startswith(("storage.", "plugin.")) and any(word in last for word in _SECRET):
        return "(hidden)"
    if isinstance(value, Mapping):
        return {name: _shown(f"{key}.{name}", inner) for name, inner in value.items()}
    return [_shown(key, item) for item in value] if isinstance(value, (list, tuple)) else value
