"""The constants that scripts import: categories and the default layout, as they always were.

They are facts for scripts to compute with. What an array gets by default is its format's business, and a setting's
(`default_format`, `chunks_per_shard`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from wkplug.dataset.data_format import DataFormat
from wkplug.geometry import Vec3Int

__all__ = [
    "COLOR_CATEGORY",
    "DEFAULT_CHUNKS_PER_SHARD_FROM_IMAGES",
    "DEFAULT_CHUNK_SHAPE",
    "DEFAULT_DATA_FORMAT",
    "DEFAULT_SHARD_SHAPE",
    "SEGMENTATION_CATEGORY",
    "LayerCategoryType",
]

LayerCategoryType: TypeAlias = Literal["color", "segmentation"]
COLOR_CATEGORY: Literal["color"] = "color"
SEGMENTATION_CATEGORY: Literal["segmentation"] = "segmentation"

DEFAULT_CHUNK_SHAPE = Vec3Int(32, 32, 32)
DEFAULT_SHARD_SHAPE = Vec3Int(1024, 1024, 1024)
DEFAULT_CHUNKS_PER_SHARD_FROM_IMAGES = Vec3Int(128, 128, 1)
DEFAULT_DATA_FORMAT = DataFormat.recorded("zarr3")
