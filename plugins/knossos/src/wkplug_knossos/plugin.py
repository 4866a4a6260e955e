"""What this distribution offers; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import ImporterSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wkplug_importers"]


@hookimpl
def wkplug_importers() -> Iterator[ImporterSpec]:
    """Offer the importer of cubes."""
    yield ImporterSpec(
        name="knossos",
        factory="wkplug_knossos.importing:KnossosImporter",
        summary="KNOSSOS: folders x0000/y0000/z0000 with raw cubes of 128 voxels",
    )
