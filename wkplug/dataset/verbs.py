"""The modules of verbs that the classes delegate to, each loaded when it is first used: `verbs.changes.add_mag(...)`.

Reading voxels needs none of them, and they would make a fresh process several times slower to start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wkplug import execution, progress
    from wkplug.model import changes
    from wkplug.ops import equality, exporting, images, merging, segment_ids
    from wkplug.ops.copying import dataset_copying, existing, layer_copying, mag_copying, rechunking
    from wkplug.ops.exporting import levels
    from wkplug.ops.pyramids import downsampling, sampling, upsampling

__all__ = [
    "changes",
    "dataset_copying",
    "downsampling",
    "equality",
    "execution",
    "existing",
    "exporting",
    "images",
    "layer_copying",
    "levels",
    "mag_copying",
    "merging",
    "progress",
    "rechunking",
    "sampling",
    "segment_ids",
    "upsampling",
]  # fmt: skip

_PLACES = {
    "changes": "wkplug.model",
    "equality": "wkplug.ops",
    "execution": "wkplug",
    "exporting": "wkplug.ops",
    "levels": "wkplug.ops.exporting",
    "images": "wkplug.ops",
    "merging": "wkplug.ops",
    "progress": "wkplug",
    "segment_ids": "wkplug.ops",
    **dict.fromkeys(
        ("dataset_copying", "existing", "layer_copying", "mag_copying", "rechunking"),
        "wkplug.ops.copying",
    ),
    **dict.fromkeys(("downsampling", "sampling", "upsampling"), "wkplug.ops.pyramids"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = globals()[name] = import_module(f"{_PLACES[name]}.{name}")
    return module
