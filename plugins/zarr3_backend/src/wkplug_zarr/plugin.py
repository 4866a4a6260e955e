"""What this distribution offers: two storage formats, two metadata dialects, an exporter and an importer.

Only specs live here. The modules that they name are imported when they are chosen, and zarr-python itself
only when an array is opened, created or asked for codecs that this package doesn't know by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ArrayBackendSpec, ExporterSpec, ImporterSpec, MetadataDialectSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_array_backends", "wkplug_exporters", "wkplug_importers", "wkplug_metadata_dialects"]


@hookimpl
def wkplug_array_backends() -> Iterator[ArrayBackendSpec]:
    """Offer Zarr v3 and v2 arrays."""
    yield ArrayBackendSpec(
        name="zarr3+zarr",
        factory="wkplug_zarr.backend:Zarr3Backend",
        summary="Zarr v3 through zarr-python: any place, any codec",
        format="zarr3",
        markers=("zarr.json",),
    )
    yield ArrayBackendSpec(
        name="zarr+zarr",
        factory="wkplug_zarr.backend:Zarr2Backend",
        summary="Zarr v2 through zarr-python: any place, any codec and filter",
        format="zarr",
        markers=(".zarray",),
    )


@hookimpl
def wkplug_metadata_dialects() -> Iterator[MetadataDialectSpec]:
    """Offer OME-NGFF metadata for both formats."""
    yield MetadataDialectSpec(
        name="ome-ngff-0.5",
        factory="wkplug_zarr.ngff:Ngff05",
        summary="OME-NGFF 0.5 groups beside Zarr v3 layers",
        formats=("zarr3",),
    )
    yield MetadataDialectSpec(
        name="ome-ngff-0.4",
        factory="wkplug_zarr.ngff:Ngff04",
        summary="OME-NGFF 0.4 groups beside Zarr v2 layers",
        formats=("zarr",),
    )


@hookimpl
def wkplug_exporters() -> Iterator[ExporterSpec]:
    """Offer single-file OME-Zarr."""
    yield ExporterSpec(
        name="ozx",
        factory="wkplug_zarr.ozx:OzxExporter",
        suffixes=(".ozx", ".ome.zarr.zip"),
        summary="one zipped OME-Zarr 0.5 image with its pyramid",
    )


@hookimpl
def wkplug_importers() -> Iterator[ImporterSpec]:
    """Offer OME-Zarr images and bare arrays."""
    yield ImporterSpec(
        name="ome-zarr",
        factory="wkplug_zarr.importing:OmeZarrImporter",
        suffixes=(".zarr", ".ozx", ".zarr.zip"),
        markers=("zarr.json", ".zgroup", ".zarray"),
        schemes=("zarr", "zarr2", "zarr3", "ome-zarr"),
        summary="OME-Zarr 0.1 to 0.5 with labels, collections of images, bare Zarr arrays",
    )
