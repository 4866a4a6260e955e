"""What this distribution offers: the fast engine for Zarr v3 and v2, N5 and precomputed; the latter two in and out.

Hook implementations only. The factories import `wkplug_tensorstore.backends`, which still leaves the engine
itself alone; tensorstore is loaded when the first array is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import (
    ArrayBackendSpec,
    ExporterSpec,
    ImporterSpec,
    MetadataDialectSpec,
    SettingsSpec,
    hookimpl,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "wkplug_array_backends",
    "wkplug_exporters",
    "wkplug_importers",
    "wkplug_metadata_dialects",
    "wkplug_settings",
]


@hookimpl
def wkplug_array_backends() -> Iterator[ArrayBackendSpec]:
    """List the four formats that tensorstore reads and writes."""
    yield ArrayBackendSpec(
        name="zarr3+tensorstore",
        format="zarr3",
        factory="wkplug_tensorstore.backends:Zarr3Backend",
        markers=("zarr.json",),
        priority=10,
        summary="Zarr v3 with sharding, through tensorstore; safe between processes",
    )
    yield ArrayBackendSpec(
        name="zarr+tensorstore",
        format="zarr",
        factory="wkplug_tensorstore.backends:Zarr2Backend",
        markers=(".zarray",),
        priority=10,
        summary="Zarr v2, through tensorstore; safe between processes",
    )
    yield ArrayBackendSpec(
        name="n5+tensorstore",
        format="n5",
        factory="wkplug_tensorstore.backends:N5Backend",
        markers=("attributes.json",),
        summary="N5, through tensorstore; safe between processes",
    )
    yield ArrayBackendSpec(
        name="neuroglancerPrecomputed+tensorstore",
        format="neuroglancerPrecomputed",
        factory="wkplug_tensorstore.backends:PrecomputedBackend",
        sidecars=("info",),
        axes=("c", "x", "y", "z"),
        summary="Neuroglancer precomputed volumes, through tensorstore; safe between processes",
    )


@hookimpl
def wkplug_metadata_dialects() -> Iterator[MetadataDialectSpec]:
    """Describe layers to other viewers."""
    yield MetadataDialectSpec(
        name="n5-group",
        formats=("n5",),
        factory="wkplug_tensorstore.layers:N5Group",
        summary="attributes.json with the resolutions of an N5 layer",
    )
    yield MetadataDialectSpec(
        name="precomputed-info",
        formats=("neuroglancerPrecomputed",),
        factory="wkplug_tensorstore.layers:PrecomputedInfo",
        summary="info with all scales of a precomputed layer",
    )


@hookimpl
def wkplug_settings() -> Iterator[SettingsSpec]:
    """Name the class that validates `[plugin.tensorstore]`."""
    yield SettingsSpec(
        name="tensorstore",
        factory="wkplug_tensorstore.settings:TensorstoreSettings",
        summary="cache, threads and syncing of the engine",
    )


@hookimpl
def wkplug_exporters() -> Iterator[ExporterSpec]:
    """Offer containers of other viewers."""
    yield ExporterSpec(
        name="n5",
        factory="wkplug_tensorstore.n5_export:N5Exporter",
        suffixes=(".n5",),
        summary="a multi-resolution N5 group",
    )
    yield ExporterSpec(
        name="precomputed",
        factory="wkplug_tensorstore.precomputed_export:PrecomputedExporter",
        suffixes=(".precomputed",),
        summary="a sharded neuroglancer precomputed volume",
    )


@hookimpl
def wkplug_importers() -> Iterator[ImporterSpec]:
    """Recognise containers of other viewers."""
    yield ImporterSpec(
        name="n5",
        factory="wkplug_tensorstore.n5_import:N5Importer",
        suffixes=(".n5",),
        markers=("attributes.json",),
        schemes=("n5",),
        summary="N5 groups with their resolutions, setups of BigDataViewer, bare N5 arrays",
    )
    yield ImporterSpec(
        name="precomputed",
        factory="wkplug_tensorstore.precomputed_import:PrecomputedImporter",
        suffixes=(".precomputed",),
        markers=("info",),
        schemes=("precomputed", "neuroglancer-precomputed"),
        link_marks=("#!", '"layers"', "'layers'", "json_url="),
        summary="neuroglancer precomputed volumes, and links to its views",
    )
