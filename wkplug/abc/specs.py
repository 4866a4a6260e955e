"""What plugins hand to the core: small frozen specs, returned by the collecting hooks.

A spec says what a plugin offers and names a factory; nothing is imported until that factory is chosen. A
factory is the text "package.module:attribute" or a callable. The registry calls it once per process with one
argument, the plugin's settings: an instance of its settings class where it declared one (see
`SettingsSpec`), otherwise the mapping found under `[plugin.NAME]` in the configuration.

Nothing here imports numpy or a storage engine, so that listing plugins stays cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from wkplug.abc.converters import strings

__all__ = [
    "ArrayBackendSpec",
    "CommandSpec",
    "ExecutorSpec",
    "ExporterSpec",
    "Factory",
    "FilesystemSpec",
    "ImageReaderSpec",
    "ImporterSpec",
    "InterpolationSpec",
    "MetadataDialectSpec",
    "RemoteSpec",
    "SettingsSpec",
    "Spec",
]

Factory = str | Callable[..., Any]


@attrs.frozen(kw_only=True)
class Spec:
    """What all specs share.

    `name` is unique within its kind. `priority` decides between equally sure candidates, higher first;
    generic catch-alls take negative ones. `summary` is one line for `wkplug plugins`.
    """

    name: str
    factory: Factory
    priority: int = 0
    summary: str = ""


@attrs.frozen(kw_only=True)
class ArrayBackendSpec(Spec):
    """A storage format and one implementation of it; see `wkplug.abc.ArrayBackend`.

    `name` is "format+implementation" (as in "zarr3+tensorstore"); `format` is what the data record.
    `markers` are file names whose presence in an array's folder suggests the format.
    """

    format: str
    markers: tuple[str, ...] = attrs.field(default=(), converter=strings)
    writes: bool = True


@attrs.frozen(kw_only=True)
class FilesystemSpec(Spec):
    """URL schemes that one `wkplug.abc.Filesystem` opens ("s3", "gs"); "" stands for plain local paths."""

    schemes: tuple[str, ...] = attrs.field(converter=strings)


@attrs.frozen(kw_only=True)
class ImageReaderSpec(Spec):
    """Image files that one `wkplug.abc.ImageReader` opens.

    `suffixes` are lower case with their dot. `magic` are (offset, bytes) pairs; one match is enough, so that
    a file can be recognised without importing the reader. `directories` says that the reader takes folders.
    """

    suffixes: tuple[str, ...] = attrs.field(default=(), converter=strings)
    magic: tuple[tuple[int, bytes], ...] = ()
    directories: bool = False


@attrs.frozen(kw_only=True)
class ImporterSpec(Spec):
    """Foreign containers that one `wkplug.abc.Importer` describes; `markers` are file names inside them."""

    suffixes: tuple[str, ...] = attrs.field(default=(), converter=strings)
    markers: tuple[str, ...] = attrs.field(default=(), converter=strings)


@attrs.frozen(kw_only=True)
class ExporterSpec(Spec):
    """Files that one `wkplug.abc.Exporter` writes.

    `consumes` is "volume" (a `wkplug.abc.ExportVolume`) or "sheet" (a `wkplug.abc.ContactSheet`, the preview picture).
    """

    suffixes: tuple[str, ...] = attrs.field(default=(), converter=strings)
    consumes: str = "volume"


@attrs.frozen(kw_only=True)
class InterpolationSpec(Spec):
    """A down- or upsampling mode; `categories` are the layer categories that it is honest for.

    implements: the mode that this is another implementation of, bit by bit; the name is then
    "mode+implementation". Of several the one with the highest priority comes first, for the dtypes and blocks
    that it takes (`Interpolation.dtypes`, `Interpolation.takes`).
    """

    implements: str | None = None
    aliases: tuple[str, ...] = attrs.field(default=(), converter=strings)
    categories: tuple[str, ...] = attrs.field(default=("color", "segmentation"), converter=strings)


@attrs.frozen(kw_only=True)
class ExecutorSpec(Spec):
    """A place where chunked work runs; `distributed` says that work may leave this machine."""

    distributed: bool = False


@attrs.frozen(kw_only=True)
class MetadataDialectSpec(Spec):
    """Metadata of other tools, written beside the data of layers of these `formats`."""

    formats: tuple[str, ...] = attrs.field(converter=strings)


@attrs.frozen(kw_only=True)
class RemoteSpec(Spec):
    """A service behind dataset URLs.

    `exports` maps names that the package root shall offer (as in `wkplug.RemoteDataset`) to
    "package.module:attribute".
    """

    schemes: tuple[str, ...] = attrs.field(default=(), converter=strings)
    exports: dict[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class CommandSpec(Spec):
    """A further command of `wkplug`; the factory returns a `click.Command`."""


@attrs.frozen(kw_only=True)
class SettingsSpec(Spec):
    """A class that validates the table `[plugin.NAME]`; `name` is the plugin's, the factory an attrs class."""
