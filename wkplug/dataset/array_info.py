"""`ArrayInfo`: what `view.info` tells about the array behind a view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug.dataset.data_format import DataFormat
from wkplug.geometry import NDBoundingBox, NormalizedBoundingBox, VecInt
from wkplug.model.layout import spatial

if TYPE_CHECKING:
    import numpy as np

    from wkplug.storage import ArrayHandle

__all__ = ["ArrayInfo", "array_info"]


@attrs.frozen
class ArrayInfo:
    """The facts of one array.

    chunk_shape and shard_shape are in voxels of the array's mag: x, y, z for layers with these axes, one number
    per axis (but for the channels) otherwise. bounding_box has the channel axis and spans the whole array, in
    voxels of its mag. compression_mode says whether chunks are compressed; backend is the implementation.
    """

    data_format: DataFormat
    voxel_type: np.dtype[Any]
    chunk_shape: VecInt
    shard_shape: VecInt
    bounding_box: NDBoundingBox = attrs.field(
        factory=lambda: NormalizedBoundingBox((0,) * 4, (1,) * 4, "cxyz")
    )
    compression_mode: bool = False
    backend: str = ""
    options: dict[str, Any] = attrs.field(factory=dict)

    @property
    def chunks_per_shard(self) -> VecInt:
        """How many chunks a shard has along each axis."""
        return self.shard_shape // self.chunk_shape

    @property
    def ndim(self) -> int:
        """The number of axes, with that of the channels."""
        return len(self.bounding_box.axes)

    @property
    def num_channels(self) -> int:
        """The length of the channel axis, 1 where there is none."""
        return self.bounding_box.get_shape("c") if "c" in self.bounding_box.axes else 1


def array_info(handle: ArrayHandle, data_format: str) -> ArrayInfo:
    """Collect the facts of an opened array."""
    spec = handle.array.spec
    return ArrayInfo(
        data_format=DataFormat.recorded(data_format),
        voxel_type=handle.array.dtype,
        chunk_shape=spatial(spec.axes, spec.chunk_shape),
        shard_shape=spatial(spec.axes, spec.shard_shape),
        bounding_box=NormalizedBoundingBox(
            (0,) * len(spec.axes), tuple(length or 0 for length in spec.shape), spec.axes
        ),
        compression_mode=spec.compressed,
        backend=handle.backend.name,
        options=dict(spec.options),
    )
