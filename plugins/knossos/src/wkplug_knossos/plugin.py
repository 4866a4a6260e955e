"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from wkplug.abc import ImporterSpec, hookimpl

__all__ = ["wkplug_importers"]


@hookimpl
def wkplug_importers() -> list[ImporterSpec]:
    """Offer the importer of cubes."""
    return [
        ImporterSpec(
            name="knossos",
            factory="wkplug_knossos.importing:KnossosImporter",
            summary="KNOSSOS: folders x0000/y0000/z0000 with raw cubes of 128 voxels",
        )
    ]
