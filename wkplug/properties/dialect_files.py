"""Metadata of other tools beside the data, kept in step with datasource-properties.json.

Dialects (plugins, by data format) turn facts into files; this writes those that differ from what is there.
Only layers that an operation changed are looked at, and the dataset's own files only when its name or its set
of formats changed. Never written: into folders that are links or aren't there, and over HTTP.

These files follow from the properties, so a failure here doesn't undo a change that is saved already: it
becomes a warning, and the next change of that layer tries again.
"""

from __future__ import annotations

import os
import stat
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from wkplug import abc
from wkplug.errors import MissingError
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wkplug.abc import LayerFacts, Location, MagFacts, MetadataDialect
    from wkplug.properties.models import LayerProperties, MagViewProperties
    from wkplug.properties.state import State
    from wkplug.properties.units import VoxelSize

__all__ = ["DialectFiles", "DialectsOf", "layer_facts"]

DialectsOf: TypeAlias = "Callable[[str], Sequence[MetadataDialect]]"
"""Gives the dialects of a data format; `wkplug.registry.dialects`, unless a test says otherwise."""


def _registered(data_format: str) -> Sequence[MetadataDialect]:
    from wkplug import registry

    return registry.dialects(data_format)


def layer_facts(layer: LayerProperties, voxel_size: VoxelSize) -> LayerFacts:
    """Collect what dialects are told about a layer."""
    size = voxel_size.to_nanometer()
    mags = sorted(layer.mags, key=lambda entry: (entry.mag.max_dim, entry.mag.to_tuple()))
    return abc.LayerFacts(
        name=layer.name,
        category=layer.category,
        data_format=str(layer.data_format),
        axes=tuple(layer.bounding_box.axes),
        num_channels=layer.num_channels,
        dtype=layer.dtype,
        voxel_size=(size.x, size.y, size.z),
        mags=tuple(_mag_facts(entry, layer.name) for entry in mags),
    )


def _mag_facts(entry: MagViewProperties, layer: str) -> MagFacts:
    path = (entry.path if entry.path is not None else f"./{layer}/{entry.mag.to_layer_name()}").rstrip("/")
    folder = path.rpartition("/")[2]
    x, y, z = entry.mag.to_tuple()
    return abc.MagFacts(mag=(x, y, z), folder=folder, inside=path.removeprefix("./") == f"{layer}/{folder}")


class DialectFiles:
    """Writes the dialects' files of one dataset."""

    def __init__(self, root: Location, dialects_of: DialectsOf | None = None) -> None:
        self._root = root
        self._dialects_of = dialects_of or _registered
        self._described: tuple[str, tuple[str, ...]] | None = None
        self._writable = not root.url.lower().startswith(("http://", "https://"))

    def follow(self, before: State, after: State) -> None:
        """Write what changed between two states. Failures become warnings."""
        if not self._writable:
            return
        everywhere = before.head.get("scale") != after.head.get("scale")
        changed = [
            name
            for name, entry in after.entries.items()
            if entry.problem is None and (everywhere or before.entries.get(name) is not entry)
        ]
        self._dataset(after)
        for name in changed:
            self._layer(after, name)

    def _dataset(self, state: State) -> None:
        good = [entry for entry in state.entries.values() if entry.problem is None]
        formats = tuple(sorted({str(entry.raw["dataFormat"]) for entry in good}))
        described = (str(state.head["id"].get("name", "")), formats)
        if described == self._described:
            return
        facts = abc.DatasetFacts(name=described[0], data_formats=formats)
        dialects = {id(dialect): dialect for name in formats for dialect in self._dialects(name)}
        results = [
            self._write(
                dialect, self._root, dialect.dataset_file_names, partial(dialect.dataset_files, facts)
            )
            for dialect in dialects.values()
        ]
        if all(results):
            self._described = described

    def _layer(self, state: State, name: str) -> None:
        layer = state.entry(name).properties
        dialects = self._dialects(str(layer.data_format))
        if not dialects:
            return
        facts = layer_facts(layer, state.dataset.scale)
        folder = self._root.child(name)
        if not _is_own_folder(folder, facts):
            return
        for dialect in dialects:
            self._write(dialect, folder, dialect.layer_file_names, partial(dialect.layer_files, facts))

    def _dialects(self, data_format: str) -> Sequence[MetadataDialect]:
        try:
            return self._dialects_of(data_format)
        except Exception as error:  # noqa: BLE001 - a broken plugin must not take a saved change with it
            _warn(f"The metadata dialects of {data_format!r} could not be loaded", error)
            return ()

    def _write(
        self,
        dialect: MetadataDialect,
        folder: Location,
        names: Iterable[str],
        make: Callable[..., Mapping[str, bytes]],
    ) -> bool:
        """Ask for the files and write those that differ; gives whether all went well."""
        try:
            existing = _read(folder, names)
            for name, data in make(existing=existing).items():
                if name not in existing:
                    existing.update(_read(folder, [name]))
                if existing.get(name) != data:
                    folder.child(name).write(data)
        except Exception as error:  # noqa: BLE001 - the same
            _warn(
                f"The metadata files of {type(dialect).__name__} in {folder.url} could not be written", error
            )
            return False
        return True


def _read(folder: Location, names: Iterable[str]) -> dict[str, bytes]:
    found = {}
    for name in names:
        try:
            found[name] = folder.child(name).read()
        except MissingError:
            continue
    return found


def _is_own_folder(folder: Location, facts: LayerFacts) -> bool:
    local = folder.local_path()
    if local is None:
        # Object stores have no empty folders; what lies below makes one.
        return any(mag.inside for mag in facts.mags) or folder.exists()
    try:
        return stat.S_ISDIR(os.lstat(local).st_mode)
    except OSError:
        return False


def _warn(text: str, error: Exception) -> None:
    warn_user(
        f"{text}: {error} The dataset itself is saved; other tools may not see the change.",
        UserWarning,
    )
