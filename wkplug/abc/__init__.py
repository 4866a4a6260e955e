"""The contract that plugins are written against; with `wkplug.geometry` and `wkplug.errors` all they import.

Specs say what a plugin offers (`wkplug.abc.specs`), abstract classes what it must do. Importing this package
loads nothing but this file, and no name of it ever loads numpy or an engine: names are imported from their own
modules when they are first used (PEP 562), so that reading a mag doesn't pay for image readers and exporters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.lazy import names_of

if TYPE_CHECKING:
    from wkplug.abc.arrays import (
        Array,
        ArrayBackend,
        ArrayCapabilities,
        ArraySpec,
        Box,
        CreateArray,
        Layout,
        LayoutWish,
        Mode,
        OpenArray,
        ProbeScore,
        Problem,
    )
    from wkplug.abc.dialects import DatasetFacts, LayerFacts, MagFacts, MetadataDialect
    from wkplug.abc.executors import Executor
    from wkplug.abc.exporters import ContactSheet, Exporter, ExportLevel, ExportVolume, Least, Panel
    from wkplug.abc.images import Image, ImageInfo, ImageReader, PickleByReopening
    from wkplug.abc.importers import ForeignLayer, ForeignMag, Importer
    from wkplug.abc.interpolations import Interpolation
    from wkplug.abc.lengths import nanometres
    from wkplug.abc.locations import Filesystem, Location, LocationWrapper, locate
    from wkplug.abc.markers import API, PROJECT, hookimpl
    from wkplug.abc.metadata import DatasetSource, MetadataStore
    from wkplug.abc.remotes import RemoteService
    from wkplug.abc.specs import (
        ArrayBackendSpec,
        CommandSpec,
        ExecutorSpec,
        ExporterSpec,
        Factory,
        FilesystemSpec,
        ImageReaderSpec,
        ImporterSpec,
        InterpolationSpec,
        MetadataDialectSpec,
        RemoteSpec,
        SettingsSpec,
        Spec,
    )
else:
    __getattr__ = names_of(
        __name__,
        {
            "arrays": (
                "Array", "ArrayBackend", "ArrayCapabilities", "ArraySpec", "Box", "CreateArray", "Layout",
                "LayoutWish", "Mode", "OpenArray", "ProbeScore", "Problem",
            ),
            "dialects": ("DatasetFacts", "LayerFacts", "MagFacts", "MetadataDialect"),
            "executors": ("Executor",),
            "exporters": ("ContactSheet", "ExportLevel", "ExportVolume", "Exporter", "Least", "Panel"),
            "images": ("Image", "ImageInfo", "ImageReader", "PickleByReopening"),
            "importers": ("ForeignLayer", "ForeignMag", "Importer"),
            "interpolations": ("Interpolation",),
            "lengths": ("nanometres",),
            "locations": ("Filesystem", "Location", "LocationWrapper", "locate"),
            "markers": ("API", "PROJECT", "hookimpl"),
            "metadata": ("DatasetSource", "MetadataStore"),
            "remotes": ("RemoteService",),
            "specs": (
                "ArrayBackendSpec", "CommandSpec", "ExecutorSpec", "ExporterSpec", "Factory", "FilesystemSpec",
                "ImageReaderSpec", "ImporterSpec", "InterpolationSpec", "MetadataDialectSpec", "RemoteSpec",
                "SettingsSpec", "Spec",
            ),
        },
    )  # fmt: skip

__all__ = [
    "API",
    "PROJECT",
    "Array",
    "ArrayBackend",
    "ArrayBackendSpec",
    "ArrayCapabilities",
    "ArraySpec",
    "Box",
    "CommandSpec",
    "ContactSheet",
    "CreateArray",
    "DatasetFacts",
    "DatasetSource",
    "Executor",
    "ExecutorSpec",
    "ExportLevel",
    "ExportVolume",
    "Exporter",
    "ExporterSpec",
    "Factory",
    "Filesystem",
    "FilesystemSpec",
    "ForeignLayer",
    "ForeignMag",
    "Image",
    "ImageInfo",
    "ImageReader",
    "ImageReaderSpec",
    "Importer",
    "ImporterSpec",
    "Interpolation",
    "InterpolationSpec",
    "LayerFacts",
    "Layout",
    "LayoutWish",
    "Least",
    "Location",
    "LocationWrapper",
    "MagFacts",
    "MetadataDialect",
    "MetadataDialectSpec",
    "MetadataStore",
    "Mode",
    "OpenArray",
    "Panel",
    "PickleByReopening",
    "ProbeScore",
    "Problem",
    "RemoteService",
    "RemoteSpec",
    "SettingsSpec",
    "Spec",
    "hookimpl",
    "locate",
    "nanometres",
]
