"""Plugins: what is installed, what it offers, and who is chosen for a task.

Everything above asks here, by name or by task, and gets objects of `wkplug.abc`; nobody above knows a plugin.
The functions ask the registry of the process, which is made at the first call: importing this package
looks at nothing, and imports neither numpy nor an engine. Which plugins may run (`plugins_*` settings) is
part of that registry's identity, so `with wkplug.settings(plugins_blocked=...)` has one of its own.

Tests replace it: `with use_manager(Manager(paths=[...])):`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.errors import PluginError
from wkplug.lazy import names_of
from wkplug.registry import missing
from wkplug.registry.manager import Manager, Registered
from wkplug.registry.plugins import COMMAND, EXECUTOR, REMOTE, VIEWER, Plugin, PluginWarning, State
from wkplug.registry.registry import Registry, current_registry, get_manager, use_manager
from wkplug.registry.selection import Choice, Ranked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.abc import Executor, RemoteService, Viewer
    from wkplug.registry.arrays import (
        array_markers,
        axes_of_format,
        backend,
        check_backends,
        check_format,
        choose_backend,
        choose_creator,
        choose_format,
        create_array,
        dialects,
        formats,
        metadata_files,
        open_array,
    )
    from wkplug.registry.files import (
        all_readers_failed,
        choose_exporter,
        choose_filesystem,
        choose_importer,
        choose_reader,
        contents_of,
        exporter,
        importer,
        importer_of_scheme,
        markers,
        open_with_another_reader,
        place,
        read_link,
        schemes,
    )
    from wkplug.registry.modes import interpolation, interpolations
else:
    __getattr__ = names_of(
        __name__,
        {
            "arrays": (
                "array_markers", "axes_of_format", "backend", "check_backends", "check_format", "choose_backend",
                "choose_creator", "choose_format", "create_array", "dialects", "formats", "metadata_files",
                "open_array",
            ),
            "files": (
                "all_readers_failed", "choose_exporter", "choose_filesystem", "choose_importer", "choose_reader",
                "contents_of", "exporter", "importer", "importer_of_scheme", "markers", "open_with_another_reader",
                "place", "read_link", "schemes",
            ),
            "modes": ("interpolation", "interpolations"),
        },
    )  # fmt: skip

__all__ = [
    "Choice", "Manager", "Plugin", "PluginWarning", "Ranked", "Registered", "Registry", "State",
    "all_readers_failed", "array_markers", "axes_of_format", "backend", "check_backends", "check_format",
    "choose_backend", "choose_creator", "choose_exporter", "choose_filesystem", "choose_format",
    "choose_importer", "choose_reader", "command", "commands", "contents_of", "create_array",
    "current_registry", "dialects", "executor", "executors", "exporter", "formats",
    "get_manager", "importer", "importer_of_scheme", "interpolation", "interpolations", "markers",
    "metadata_files", "open_array", "open_with_another_reader", "place", "read_link", "remote", "remote_exports",
    "remotes", "schemes", "service_for", "use_manager", "viewer",
]  # fmt: skip


# --- work -------------------------------------------------------------------------------------------------


def executors() -> tuple[str, ...]:
    """Give the names of all executors, sorted."""
    return current_registry().names(EXECUTOR)


def executor(name: str, options: Mapping[str, Any] | None = None) -> Executor:
    """Give a new executor; `options` (such as {"workers": 4}) lie over its plugin's settings."""
    registry = current_registry()
    return registry.make(EXECUTOR, registry.find(EXECUTOR, name), options)


# --- services, commands and viewers --------------------------------------------------------------------------------


def remotes() -> tuple[str, ...]:
    """Give the names of all remote services, sorted."""
    return current_registry().names(REMOTE)


def remote(name: str) -> RemoteService:
    """Give the remote service of that name."""
    return current_registry().get(REMOTE, name)


def service_for(url: str) -> RemoteService | None:
    """Give the remote service that a URL is for, None if it is for none.

    A service is asked if its plugin names the URL's scheme, or no scheme at all. One that is broken counts only where
    it names the scheme: it must not keep a plain store from being opened.
    """
    scheme = url.partition("://")[0] if "://" in url else ""
    if not scheme:
        return None
    registry = current_registry()
    for offer in sorted(registry.offers(REMOTE), key=lambda each: each.spec.name):
        schemes = offer.spec.schemes
        if schemes and scheme not in schemes:
            continue
        try:
            service = registry.build(REMOTE, offer)
        except PluginError:
            if schemes:
                raise
            continue
        if service.accepts(url):
            return service
    return None


def remote_exports() -> dict[str, str]:
    """Give the names that remote plugins add to the package root: name -> "package.module:attribute".

    Where two plugins export one name, the first by name wins, and `wkplug plugins` shows both.
    """
    exports: dict[str, str] = {}
    for offer in sorted(current_registry().offers(REMOTE), key=lambda each: each.spec.name, reverse=True):
        exports |= offer.spec.exports
    return exports


def commands() -> dict[str, str]:
    """Give the commands that plugins add to the command line: name -> one line about it, sorted."""
    offers = current_registry().offers(COMMAND)
    return {offer.spec.name: offer.spec.summary for offer in sorted(offers, key=lambda each: each.spec.name)}


def command(name: str) -> Any:
    """Give a plugin's command, a `click.Command`."""
    return current_registry().get(COMMAND, name)


def viewer() -> Viewer:
    """Give the viewer with the highest priority; where there is none, the error says what to install."""
    registry = current_registry()
    offers = registry.offers(VIEWER)
    if offers:
        best = min(offers, key=lambda each: (-each.spec.priority, each.spec.name))
        return registry.build(VIEWER, best)
    known = (name for entry in missing.known().values() for name in entry.get("viewers", ()))
    return registry.get(VIEWER, next(known))
