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
        Presence,
        ProbeScore,
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
        LinkedLayer,
        Panel,
    )
    from wkplug.abc.dialects import DatasetFacts, LayerFacts, MagFacts, MetadataDialect
    from wkplug.abc.executors import Executor
    from wkplug.abc.files import nanometres
    from wkplug.abc.images import Image, ImageInfo, ImageReader, PickleByReopening, StoredImage
    from wkplug.abc.interpolations import Interpolation
    from wkplug.abc.locations import Filesystem, Location, LocationWrapper, locate
    from wkplug.abc.metadata import MetadataStore
    from wkplug.abc.objects import change_object, write_objects
    from wkplug.abc.problems import Problem
    from wkplug.abc.ranges import REQUEST_BYTES, ROUND_TRIP_BYTES, joined
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
        ViewerSpec,
        hookimpl,
    )
    from wkplug.abc.stores import (
        FailureKind,
        Store,
        StoreFailure,
        StoreObject,
        located,
        parts_of,
        storage_options,
        with_retries,
    )
    from wkplug.abc.threads import at_work, in_order, objects_at_once, side_by_side
    from wkplug.abc.viewers import Viewer
else:
    __getattr__ = names_of(
        __name__,
        {
            "arrays": (
                "Array", "ArrayBackend", "ArrayCapabilities", "ArraySpec", "Box", "CreateArray", "Layout",
                "LayoutWish", "Mode", "OpenArray", "Presence", "ProbeScore",
            ),
            "containers": (
                "ContactSheet", "ExportLevel", "ExportVolume", "Exporter", "ForeignLayer", "ForeignMag", "Importer",
                "Least", "LinkedLayer", "Panel",
            ),
            "executors": ("Executor",),
            "files": ("nanometres",),
            "images": ("Image", "ImageInfo", "ImageReader", "PickleByReopening", "StoredImage"),
            "interpolations": ("Interpolation",),
            "locations": ("Filesystem", "Location", "LocationWrapper", "locate"),
            "dialects": ("DatasetFacts", "LayerFacts", "MagFacts", "MetadataDialect"),
            "metadata": ("MetadataStore",),
            "objects": ("change_object", "write_objects"),
            "problems": ("Problem",),
            "ranges": ("REQUEST_BYTES", "ROUND_TRIP_BYTES", "joined"),
            "remotes": ("DatasetSource", "RemoteService"),
            "specs": (
                "API", "PROJECT", "ArrayBackendSpec", "CommandSpec", "ExecutorSpec", "ExporterSpec", "Factory",
                "FilesystemSpec", "ImageReaderSpec", "ImporterSpec", "InterpolationSpec", "MetadataDialectSpec",
                "RemoteSpec", "SettingsSpec", "Spec", "ViewerSpec", "hookimpl",
            ),
            "stores": (
                "FailureKind", "Store", "StoreFailure", "StoreObject", "located", "parts_of", "storage_options",
                "with_retries",
            ),
            "threads": ("at_work", "in_order", "objects_at_once", "side_by_side"),
            "viewers": ("Viewer",),
        },
    )  # fmt: skip

__all__ = [
    "API",
    "PROJECT",
    "REQUEST_BYTES",
    "ROUND_TRIP_BYTES",
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
    "FailureKind",
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
    "LinkedLayer",
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
    "Presence",
    "ProbeScore",
    "Problem",
    "RemoteService",
    "RemoteSpec",
    "SettingsSpec",
    "Spec",
    "Store",
    "StoreFailure",
    "StoreObject",
    "StoredImage",
    "Viewer",
    "ViewerSpec",
    "at_work",
    "change_object",
    "hookimpl",
    "in_order",
    "joined",
    "locate",
    "located",
    "nanometres",
    "objects_at_once",
    "parts_of",
    "side_by_side",
    "storage_options",
    "with_retries",
    "write_objects",
]
