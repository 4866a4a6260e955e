"""Every hook of wkplug, in one place.

A plugin is a module that an entry point of the group "wkplug.v1" names. It holds functions with these names,
marked with `wkplug.abc.hookimpl`, and imports nothing heavy:

    from wkplug.abc import ArrayBackendSpec, hookimpl

    @hookimpl
    def wkplug_array_backends():
        yield ArrayBackendSpec(name="npy+mine", format="npy", factory="my_package.arrays:Backend")

Hooks that collect take no arguments and give specs; what a spec names is imported when it is chosen. The two
hooks that open and create arrays are implemented by the core; plugins wrap them (`hookimpl(wrapper=True)`).
Hooks get new arguments only in ways that old implementations don't notice; a breaking change has a new group.

Not hooks, on purpose: codecs (Zarr has a registry of its own), and anything per chunk: wrap at open instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

from wkplug.abc.specs import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wkplug.abc import (
        Array,
        ArrayBackendSpec,
        CommandSpec,
        CreateArray,
        ExecutorSpec,
        ExporterSpec,
        FilesystemSpec,
        ImageReaderSpec,
        ImporterSpec,
        InterpolationSpec,
        MetadataDialectSpec,
        OpenArray,
        RemoteSpec,
        SettingsSpec,
        ViewerSpec,
    )

__all__ = [
    "wkplug_array_backends",
    "wkplug_commands",
    "wkplug_create_array",
    "wkplug_executors",
    "wkplug_exporters",
    "wkplug_filesystems",
    "wkplug_image_readers",
    "wkplug_importers",
    "wkplug_interpolations",
    "wkplug_metadata_dialects",
    "wkplug_open_array",
    "wkplug_remotes",
    "wkplug_settings",
    "wkplug_viewers",
]

# What a specification returns is its type and its docstring; no body is ever run.
# mypy: disable-error-code="empty-body"

hookspec = pluggy.HookspecMarker(PROJECT)


# --- storage ----------------------------------------------------------------------------------------------


@hookspec
def wkplug_array_backends() -> Iterable[ArrayBackendSpec]:
    """Storage formats and their implementations; the factory gives a `wkplug.abc.ArrayBackend`."""


@hookspec
def wkplug_filesystems() -> Iterable[FilesystemSpec]:
    """URL schemes; the factory gives a `wkplug.abc.Filesystem`."""


@hookspec
def wkplug_metadata_dialects() -> Iterable[MetadataDialectSpec]:
    """Metadata that other tools want beside the data; the factory gives a `wkplug.abc.MetadataDialect`."""


# --- what comes in and goes out ---------------------------------------------------------------------------


@hookspec
def wkplug_image_readers() -> Iterable[ImageReaderSpec]:
    """Image files; the factory gives a `wkplug.abc.ImageReader`."""


@hookspec
def wkplug_importers() -> Iterable[ImporterSpec]:
    """Containers of other tools; the factory gives a `wkplug.abc.Importer`."""


@hookspec
def wkplug_exporters() -> Iterable[ExporterSpec]:
    """Files of other tools; the factory gives a `wkplug.abc.Exporter`."""


@hookspec
def wkplug_remotes() -> Iterable[RemoteSpec]:
    """Services behind dataset URLs; the factory gives a `wkplug.abc.RemoteService`."""


@hookspec
def wkplug_viewers() -> Iterable[ViewerSpec]:
    """Ways to look at datasets; the factory gives a `wkplug.abc.Viewer`."""


# --- work -------------------------------------------------------------------------------------------------


@hookspec
def wkplug_interpolations() -> Iterable[InterpolationSpec]:
    """Down- and upsampling modes; the factory gives a `wkplug.abc.Interpolation`."""


@hookspec
def wkplug_executors() -> Iterable[ExecutorSpec]:
    """Where chunked work runs; the factory gives a new `wkplug.abc.Executor` each time."""


# --- the plugin itself ------------------------------------------------------------------------------------


@hookspec
def wkplug_commands() -> Iterable[CommandSpec]:
    """Further commands of `wkplug`; the factory gives a `click.Command`."""


@hookspec
def wkplug_settings() -> Iterable[SettingsSpec]:
    """At most one: the attrs class that checks `[plugin.NAME]`, under the plugin's own name."""


# --- opening and creating: wrappers only ------------------------------------------------------------------


@hookspec(firstresult=True)
def wkplug_open_array(request: OpenArray) -> Array:
    """Open the array; a wrapper may change what the core's implementation gives, or measure, or refuse."""


@hookspec(firstresult=True)
def wkplug_create_array(request: CreateArray) -> Array:
    """Create the array; wrappers as for opening."""
