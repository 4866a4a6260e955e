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
    from wkplug.abc.containers import (
        ContactSheet,
        Exporter,
        ExportLevel,
        ExportVolume,
        ForeignLayer,
        ForeignMag,
        Importer,
        Least,
        Panel,
    )
    from wkplug.abc.dialects import DatasetFacts, LayerFacts, MagFacts, MetadataDialect
    from wkplug.abc.executors import Executor
    from wkplug.abc.files import nanometres
    from wkplug.abc.images import Image, ImageInfo, ImageReader, PickleByReopening, StoredImage
    from wkplug.abc.interpolations import Interpolation
    from wkplug.abc.locations import Filesystem, Location, LocationWrapper, locate
    from wkplug.abc.metadata import MetadataStore
    from wkplug.abc.remotes import DatasetSource, RemoteService
    from wkplug.abc.specs import (
        API,
        PROJECT,
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
        hookimpl,
    )
else:
    __getattr__ = names_of(
        __name__,
        {
            "arrays": (
                "Array", "ArrayBackend", "ArrayCapabilities", "ArraySpec", "Box", "CreateArray", "Layout",
                "LayoutWish", "Mode", "OpenArray", "ProbeScore", "Problem",
            ),
            "containers": (
                "ContactSheet", "ExportLevel", "ExportVolume", "Exporter", "ForeignLayer", "ForeignMag", "Importer",
                "Least", "Panel",
            ),
            "executors": ("Executor",),
            "files": ("nanometres",),
            "images": ("Image", "ImageInfo", "ImageReader", "PickleByReopening", "StoredImage"),
            "interpolations": ("Interpolation",),
            "locations": ("Filesystem", "Location", "LocationWrapper", "locate"),
            "dialects": ("DatasetFacts", "LayerFacts", "MagFacts", "MetadataDialect"),
            "metadata": ("MetadataStore",),
            "remotes": ("DatasetSource", "RemoteService"),
            "specs": (
                "API", "PROJECT", "ArrayBackendSpec", "CommandSpec", "ExecutorSpec", "ExporterSpec", "Factory",
                "FilesystemSpec", "ImageReaderSpec", "ImporterSpec", "InterpolationSpec", "MetadataDialectSpec",
                "RemoteSpec", "SettingsSpec", "Spec", "hookimpl",
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
    "StoredImage",
    "hookimpl",
    "locate",
    "nanometres",
]
