"""The modules of verbs that the classes delegate to, each loaded when it is first used: `verbs.changes.add_mag(...)`.

Reading voxels needs none of them, and they would make a fresh process several times slower to start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.lazy import modules_of

if TYPE_CHECKING:
    from wkplug import execution, progress
    from wkplug.dataset import agglomerates, indexing
    from wkplug.dataset import exploration as explored
    from wkplug.dataset.legacy import arrays
    from wkplug.model import changes
    from wkplug.ops import equality, exporting, images, merging, segment_ids
    from wkplug.ops.copying import dataset_copying, existing, layer_copying, mag_copying, rechunking
    from wkplug.ops.exploring import exploration as exploring
    from wkplug.ops.exporting import levels
    from wkplug.ops.pyramids import downsampling, sampling, upsampling
else:
    __getattr__ = modules_of(
        __name__,
        {
            "agglomerates": "wkplug.dataset.agglomerates",
            "arrays": "wkplug.dataset.legacy.arrays",
            "changes": "wkplug.model.changes",
            "dataset_copying": "wkplug.ops.copying.dataset_copying",
            "downsampling": "wkplug.ops.pyramids.downsampling",
            "equality": "wkplug.ops.equality",
            "execution": "wkplug.execution",
            "existing": "wkplug.ops.copying.existing",
            "explored": "wkplug.dataset.exploration",
            "exploring": "wkplug.ops.exploring.exploration",
            "exporting": "wkplug.ops.exporting",
            "images": "wkplug.ops.images",
            "indexing": "wkplug.dataset.indexing",
            "layer_copying": "wkplug.ops.copying.layer_copying",
            "levels": "wkplug.ops.exporting.levels",
            "mag_copying": "wkplug.ops.copying.mag_copying",
            "merging": "wkplug.ops.merging",
            "progress": "wkplug.progress",
            "rechunking": "wkplug.ops.copying.rechunking",
            "sampling": "wkplug.ops.pyramids.sampling",
            "segment_ids": "wkplug.ops.segment_ids",
            "upsampling": "wkplug.ops.pyramids.upsampling",
        },
    )

__all__ = [
    "agglomerates", "arrays", "changes", "dataset_copying", "downsampling", "equality", "execution",
    "existing", "explored", "exploring", "exporting", "images", "indexing", "layer_copying", "levels",
    "mag_copying", "merging", "progress", "rechunking", "sampling", "segment_ids", "upsampling",
]  # fmt: skip
