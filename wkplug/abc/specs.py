"""What plugins hand to the core: small frozen specs, returned by the collecting hooks.

A spec says what a plugin offers and names a factory; nothing is imported until that factory is chosen. A
factory is the text "package.module:attribute" or a callable. The registry calls it once per process with one
argument, the plugin's settings: an instance of its settings class where it declared one (see
`SettingsSpec`), otherwise the mapping found under `[plugin.NAME]` in the configuration.

Every process that opens an array imports this and what it lists, so nothing here imports numpy, an engine or
even attrs: making eleven attrs classes costs more than finding and asking all plugins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, dataclass_transform

import pluggy

__all__ = [
    "API",
    "PROJECT",
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
    "ViewerSpec",
    "hookimpl",
    "strings",
]

API = 1
"""The number of the plugin API, a part of the entry-point group ("wkplug.v1"), so that a mismatch is seen before any
code runs. It changes only when a hook or an abstract class breaks; new hooks, arguments and defaulted fields don't."""

PROJECT = "wkplug"
hookimpl = pluggy.HookimplMarker(PROJECT)

Factory = str | Callable[..., Any]

# Fields that hold texts; a single text is taken as one, a list becomes a tuple.
_TEXTS = frozenset(
    {"aliases", "categories", "formats", "link_marks", "markers", "schemes", "sidecars", "suffixes"}
)


def strings(values: Sequence[str]) -> tuple[str, ...]:
    """Give a tuple of texts; a single text is taken as one."""
    return (values,) if isinstance(values, str) else tuple(values)


@dataclass_transform(kw_only_default=True, frozen_default=True)
class _Declared:
    """Turns annotated fields into keywords of the constructor; class attributes are their defaults.

    Values: compared and hashed by what is in them, never changed.
    """

    @classmethod
    def fields(cls) -> tuple[str, ...]:
        """Give the names of all fields, inherited ones first."""
        return tuple(name for kind in reversed(cls.__mro__) for name in getattr(kind, "__annotations__", ()))

    def __init__(self, **values: Any) -> None:
        fields = self.fields()
        for name in values:
            if name not in fields:
                raise TypeError(f"{type(self).__name__}() got an unexpected keyword argument '{name}'")
        for name in fields:
            if name not in values and not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__}() needs the keyword argument '{name}'")
        for name, value in values.items():
            vars(self)[name] = strings(value) if name in _TEXTS else value

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: its {name} can't be changed.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: its {name} can't be deleted.")

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.fields())

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        said = (f"{name}={getattr(self, name)!r}" for name in self.fields())
        return f"{type(self).__name__}({', '.join(said)})"


class Spec(_Declared):
    """What all specs share.

    `name` is unique within its kind. `priority` decides between equally sure candidates, higher first;
    generic catch-alls take negative ones. `summary` is one line for `wkplug plugins`.
    """

    name: str
    factory: Factory
    priority: int = 0
    summary: str = ""


class ArrayBackendSpec(Spec):
    """A storage format and one implementation of it; see `wkplug.abc.ArrayBackend`.

    `name` is "format+implementation" (as in "zarr3+tensorstore"); `format` is what the data record.
    `markers` are file names whose presence in an array's folder suggests the format; `sidecars` those that describe
    an array where they are there. On stores, the properties of a dataset may keep a copy of the one with the metadata;
    then the place that `open` is given answers for it. `axes` is the one order of axes that the format has, whatever
    datasets record of it; None where the order is free.
    """

    format: str
    markers: tuple[str, ...] = ()
    sidecars: tuple[str, ...] = ()
    writes: bool = True
    axes: tuple[str, ...] | None = None


class FilesystemSpec(Spec):
    """URL schemes that one `wkplug.abc.Filesystem` opens ("s3", "gs"); "" stands for plain local paths."""

    schemes: tuple[str, ...]


class ImageReaderSpec(Spec):
    """Image files that one `wkplug.abc.ImageReader` opens.

    `suffixes` are lower case with their dot. `magic` are (offset, bytes) pairs; one match is enough, so that
    a file can be recognised without importing the reader. `directories` says that the reader takes folders.
    """

    suffixes: tuple[str, ...] = ()
    magic: tuple[tuple[int, bytes], ...] = ()
    directories: bool = False


class ImporterSpec(Spec):
    """Foreign containers that one `wkplug.abc.Importer` describes; `markers` are file names inside them.

    `schemes` is what links of viewers call it, in front of a URL ("n5" for "n5://https://host/em") or behind it
    ("https://host/em|n5:"). `link_marks` are texts of which a viewer's own links hold at least one: of what holds one,
    `Importer.linked` is asked.
    """

    suffixes: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    link_marks: tuple[str, ...] = ()


class ExporterSpec(Spec):
    """Files that one `wkplug.abc.Exporter` writes.

    `consumes` is "volume" (a `wkplug.abc.ExportVolume`) or "sheet" (a `wkplug.abc.ContactSheet`, the preview picture).
    """

    suffixes: tuple[str, ...] = ()
    consumes: str = "volume"


class InterpolationSpec(Spec):
    """A down- or upsampling mode; `categories` are the layer categories that it is honest for.

    implements: the mode that this is another implementation of, bit by bit; the name is then
    "mode+implementation". Of several the one with the highest priority comes first, for the dtypes and blocks
    that it takes (`Interpolation.dtypes`, `Interpolation.takes`).
    """

    implements: str | None = None
    aliases: tuple[str, ...] = ()
    categories: tuple[str, ...] = ("color", "segmentation")


class ExecutorSpec(Spec):
    """A place where chunked work runs; `distributed` says that work may leave this machine."""

    distributed: bool = False


class MetadataDialectSpec(Spec):
    """Metadata of other tools, written beside the data of layers of these `formats`."""

    formats: tuple[str, ...]


class RemoteSpec(Spec):
    """A service behind dataset URLs.

    `exports` maps names that the package root shall offer (as in `wkplug.RemoteDataset`) to
    "package.module:attribute".
    """

    schemes: tuple[str, ...] = ()
    exports: Mapping[str, str] = MappingProxyType({})


class ViewerSpec(Spec):
    """A way to look at datasets; of several, the one with the highest priority is taken."""


class CommandSpec(Spec):
    """A further command of `wkplug`; the factory returns a `click.Command`."""


class SettingsSpec(Spec):
    """A class that validates the table `[plugin.NAME]`; `name` is the plugin's, the factory an attrs class."""
