"""Plugins and the kinds of things that they offer, as plain data.

What the manager knows about one plugin: `Plugin`, its `State`, and the reason for it. Errors are data here. A
plugin that fails is a row in `wkplug plugins`, not an exception in somebody's script; it becomes one only
where the user asked for what that plugin would give.

A `Kind` says which hook collects it, of what type it is, and what errors call it. A new kind is a new line
here, a hook in `hookspecs` and a spec in `wkplug.abc`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from wkplug.abc import specs
from wkplug.errors import PluginBrokenError

if TYPE_CHECKING:
    from wkplug import abc

__all__ = [
    "BACKEND", "BUILTIN", "COMMAND", "DIALECT", "EXECUTOR", "EXPORTER", "FILESYSTEM", "HOOK_SPECS", "IMPORTER",
    "INTERPOLATION", "KINDS", "READER", "REMOTE", "SETTINGS", "VIEWER", "Kind", "Plugin", "PluginWarning", "State",
    "broken", "cause_of",
]  # fmt: skip

BUILTIN = "builtin"
"""The name of the core's own plugin; it can't be blocked."""


class PluginWarning(UserWarning):
    """A plugin is left out because it is broken, or in conflict with another one."""


class State(StrEnum):
    """Where a plugin stands. `enabled` becomes `loaded` or `broken` when its hooks are first needed."""

    ENABLED = "enabled"
    BLOCKED = "blocked"
    INCOMPATIBLE = "incompatible"
    SHADOWED = "shadowed"
    LOADED = "loaded"
    BROKEN = "broken"


class Plugin:
    """One plugin as installed. Only the manager changes it.

    `module` is what its entry point names, `api` the plugin API that it was made for. `reason` says in words
    why the state is what it is; `error` is what it raised, `stage` where. `hooks` are those it implements,
    `unknown_hooks` those that only a newer core calls.
    """

    state: State = State.ENABLED
    reason: str = ""
    stage: str = ""
    error: Exception | None = None
    hooks: tuple[str, ...] = ()
    unknown_hooks: tuple[str, ...] = ()

    def __init__(
        self, *, name: str, module: str, distribution: str, version: str, api: int, folder: str = ""
    ) -> None:
        self.name = name
        self.module = module
        self.distribution = distribution
        self.version = version
        self.api = api
        self.folder = folder

    def __repr__(self) -> str:
        return f"<Plugin {self.name} ({self.described}): {self.state}>"

    @property
    def described(self) -> str:
        """The distribution and its version, as people write them."""
        return f"{self.distribution} {self.version}".strip()

    def facts(self) -> dict[str, Any]:
        """What `wkplug plugins --json` prints."""
        return {
            "name": self.name,
            "distribution": self.distribution,
            "version": self.version,
            "module": self.module,
            "api": self.api,
            "state": str(self.state),
            "reason": self.reason,
            "hooks": list(self.hooks),
        }


def cause_of(error: BaseException) -> str:
    """Write an error in one line: its type, and the first line of its text."""
    text = str(error)
    if isinstance(error, (TypeError, ValueError)) and len(error.args) > 1:
        text = str(error.args[0])  # validators add what they validated
    lines = text.splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}".rstrip(": ")


def broken(plugin: Plugin, what: str) -> PluginBrokenError:
    """Build the error for a plugin that is installed and does not work."""
    return PluginBrokenError(
        f"The plugin '{plugin.name}' ({plugin.described}) {what}",
        hint=f"see: wkplug plugins --debug {plugin.name}",
    )


# --- kinds ---------------------------------------------------------------------------------------------------


Made = TypeVar("Made")


class Kind(NamedTuple, Generic[Made]):
    """One kind: `words` for texts ("image reader"), `known` its key in known.toml.

    `makes` is the name of its abstract class in `wkplug.abc`, which is imported when the first one is made.
    """

    words: str
    hook: str
    spec: type[specs.Spec]
    makes: str | None
    known: str


BACKEND: Kind[abc.ArrayBackend] = Kind(
    "array backend", "wkplug_array_backends", specs.ArrayBackendSpec, "ArrayBackend", "backends"
)
COMMAND: Kind[Any] = Kind("command", "wkplug_commands", specs.CommandSpec, None, "commands")
DIALECT: Kind[abc.MetadataDialect] = Kind(
    "metadata dialect", "wkplug_metadata_dialects", specs.MetadataDialectSpec, "MetadataDialect", "dialects"
)
EXECUTOR: Kind[abc.Executor] = Kind(
    "executor", "wkplug_executors", specs.ExecutorSpec, "Executor", "executors"
)
EXPORTER: Kind[abc.Exporter] = Kind(
    "exporter", "wkplug_exporters", specs.ExporterSpec, "Exporter", "exporters"
)
FILESYSTEM: Kind[abc.Filesystem] = Kind(
    "filesystem", "wkplug_filesystems", specs.FilesystemSpec, "Filesystem", "filesystems"
)
IMPORTER: Kind[abc.Importer] = Kind(
    "importer", "wkplug_importers", specs.ImporterSpec, "Importer", "importers"
)
INTERPOLATION: Kind[abc.Interpolation] = Kind(
    "interpolation mode", "wkplug_interpolations", specs.InterpolationSpec, "Interpolation", "interpolations"
)
READER: Kind[abc.ImageReader] = Kind(
    "image reader", "wkplug_image_readers", specs.ImageReaderSpec, "ImageReader", "readers"
)
REMOTE: Kind[abc.RemoteService] = Kind(
    "remote service", "wkplug_remotes", specs.RemoteSpec, "RemoteService", "remotes"
)
SETTINGS: Kind[Any] = Kind("settings class", "wkplug_settings", specs.SettingsSpec, None, "settings")
VIEWER: Kind[abc.Viewer] = Kind("viewer", "wkplug_viewers", specs.ViewerSpec, "Viewer", "viewers")

KINDS: tuple[Kind[Any], ...] = (
    BACKEND,
    COMMAND,
    DIALECT,
    EXECUTOR,
    EXPORTER,
    FILESYSTEM,
    IMPORTER,
    INTERPOLATION,
    READER,
    REMOTE,
    SETTINGS,
    VIEWER,
)

HOOK_SPECS: dict[str, type[specs.Spec]] = {kind.hook: kind.spec for kind in KINDS}
"""Which type of spec each collecting hook gives."""
