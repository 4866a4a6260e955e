"""The contract that plugins are written against; with `wkplug.geometry` and `wkplug.errors` all they import.

Specs say what a plugin offers (`wkplug.abc.specs`), abstract classes what it must do. Importing this package
loads attrs and pluggy, never numpy or an engine.
"""

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
from wkplug.abc.exporters import ContactSheet, Exporter, ExportLevel, ExportVolume, Panel
from wkplug.abc.images import Image, ImageInfo, ImageReader, PickleByReopening
from wkplug.abc.importers import ForeignLayer, ForeignMag, Importer
from wkplug.abc.interpolations import Interpolation
from wkplug.abc.locations import Filesystem, Location
from wkplug.abc.markers import API, PROJECT, hookimpl
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
    "Location",
    "MagFacts",
    "MetadataDialect",
    "MetadataDialectSpec",
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
]
