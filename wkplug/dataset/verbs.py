"""The modules of verbs that the classes delegate to, each loaded when it is first used: `verbs.changes.add_mag(...)`.

Reading voxels needs none of them, and they would make a fresh process several times slower to start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wkplug import execution
    from wkplug.model import changes
    from wkplug.ops import equality, exporting, images, merging, pools, segment_ids
    from wkplug.ops.copying import dataset_copying, existing, layer_copying, mag_copying, rechunking, written
    from wkplug.ops.exporting import mapping
    from wkplug.ops.pyramids import downsampling, upsampling

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
    "mag_copying",
    "mapping",
    "merging",
    "pools",
    "rechunking",
    "segment_ids",
    "upsampling",
    "written",
]  # fmt: skip

_PLACES = {
    "changes": "wkplug.model",
    "equality": "wkplug.ops",
    "execution": "wkplug",
    "exporting": "wkplug.ops",
    "mapping": "wkplug.ops.exporting",
    "images": "wkplug.ops",
    "merging": "wkplug.ops",
    "pools": "wkplug.ops",
    "segment_ids": "wkplug.ops",
    **dict.fromkeys(
        ("dataset_copying", "existing", "layer_copying", "mag_copying", "rechunking", "written"),
        "wkplug.ops.copying",
    ),
    **dict.fromkeys(("downsampling", "upsampling"), "wkplug.ops.pyramids"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = globals()[name] = import_module(f"{_PLACES[name]}.{name}")
    return module
