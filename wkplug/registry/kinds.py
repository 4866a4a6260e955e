"""The kinds of things that plugins offer: which hook collects them, of what type, and what errors call them.

A table and nothing else; a new kind is a new line here, a hook in `hookspecs` and a spec in `wkplug.abc`.
"""

from __future__ import annotations

from typing import NamedTuple

from wkplug.abc import specs

__all__ = [
    "BACKEND",
    "COMMAND",
    "DIALECT",
    "EXECUTOR",
    "EXPORTER",
    "FILESYSTEM",
    "HOOK_SPECS",
    "IMPORTER",
    "INTERPOLATION",
    "KINDS",
    "READER",
    "REMOTE",
    "SETTINGS",
    "Kind",
]


class Kind(NamedTuple):
    """One kind: `words` for texts ("image reader"), `known` its key in known.toml.

    `makes` is the name of its abstract class in `wkplug.abc`, which is imported when the first one is made.
    """

    words: str
    hook: str
    spec: type[specs.Spec]
    makes: str | None
    known: str


BACKEND = Kind("array backend", "wkplug_array_backends", specs.ArrayBackendSpec, "ArrayBackend", "backends")
COMMAND = Kind("command", "wkplug_commands", specs.CommandSpec, None, "commands")
DIALECT = Kind(
    "metadata dialect", "wkplug_metadata_dialects", specs.MetadataDialectSpec, "MetadataDialect", "dialects"
)
EXECUTOR = Kind("executor", "wkplug_executors", specs.ExecutorSpec, "Executor", "executors")
EXPORTER = Kind("exporter", "wkplug_exporters", specs.ExporterSpec, "Exporter", "exporters")
FILESYSTEM = Kind("filesystem", "wkplug_filesystems", specs.FilesystemSpec, "Filesystem", "filesystems")
IMPORTER = Kind("importer", "wkplug_importers", specs.ImporterSpec, "Importer", "importers")
INTERPOLATION = Kind(
    "interpolation mode", "wkplug_interpolations", specs.InterpolationSpec, "Interpolation", "interpolations"
)
READER = Kind("image reader", "wkplug_image_readers", specs.ImageReaderSpec, "ImageReader", "readers")
REMOTE = Kind("remote service", "wkplug_remotes", specs.RemoteSpec, "RemoteService", "remotes")
SETTINGS = Kind("settings class", "wkplug_settings", specs.SettingsSpec, None, "settings")

KINDS: tuple[Kind, ...] = (
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
)

HOOK_SPECS: dict[str, type[specs.Spec]] = {kind.hook: kind.spec for kind in KINDS}
"""Which type of spec each collecting hook gives."""
