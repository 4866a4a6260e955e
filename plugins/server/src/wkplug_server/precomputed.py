"""Layers as Neuroglancer's precomputed volumes that nobody has stored, below /precomputed/ID/LAYER.

Images are raw, labels are compressed_segmentation of uint32 or uint64. Types that the format doesn't have are shown in
the nearest one that it has; of time and further axes the first place is shown.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorstore

from wkplug.errors import MissingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wkplug_server.levels import Level, Levels, Triple

__all__ = ["chunk", "info"]

_CUBES = ((64, 64, 64),)
# Sections, so that a picture of a level that has to be computed asks for few voxels along the axis it is seen along.
_SECTIONS = ((512, 512, 1), (512, 1, 512), (1, 512, 512))
_CHUNK = re.compile(r"(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)")
_BLOCK = (8, 8, 8)


def info(levels: Levels) -> dict[str, Any]:
    """The volume's info file."""
    nanometres = levels.layer.dataset.voxel_size
    labels = levels.is_segmentation
    scales = []
    for level in levels.all:
        scale: dict[str, Any] = {
            "key": level.mag.to_long_layer_name(),
            "size": list(level.size),
            "voxel_offset": list(level.begin),
            "resolution": [n * m for n, m in zip(nanometres, level.mag.to_tuple(), strict=True)],
            "chunk_sizes": [list(shape) for shape in _shapes(level)],
            "encoding": "compressed_segmentation" if labels else "raw",
        }
        if labels:
            scale["compressed_segmentation_block_size"] = list(_BLOCK)
        scales.append(scale)
    return {
        "@type": "neuroglancer_multiscale_volume",
        "type": "segmentation" if labels else "image",
        "data_type": _dtype(levels).name,
        "num_channels": levels.num_channels,
        "scales": scales,
    }


def chunk(levels: Levels, key: str, name: str) -> bytes:
    """The bytes of a chunk, named by its begin and end along x, y and z; MissingError."""
    level = levels.get(key)
    begin, end = _span(name)
    sizes = tuple(high - low for low, high in zip(begin, end, strict=True))
    if not _is_chunk(level, begin, end):
        raise MissingError(f"There is no chunk {name} in mag {level.name}.")
    data = levels.read(level, begin, (sizes[0], sizes[1], sizes[2]))
    shown = _shown(data, _dtype(levels))
    return _ENCODER.encode(shown) if levels.is_segmentation else _raw(shown)


def _shapes(level: Level) -> Sequence[Triple]:
    return _SECTIONS if level.halvings else _CUBES


def _span(name: str) -> tuple[Triple, Triple]:
    found = _CHUNK.fullmatch(name)
    if not found:
        raise MissingError(f"{name!r} is no name of a chunk: x0-x1_y0-y1_z0-z1.")
    x0, x1, y0, y1, z0, z1 = (int(number) for number in found.groups())
    return (x0, y0, z0), (x1, y1, z1)


def _is_chunk(level: Level, begin: Triple, end: Triple) -> bool:
    """Whether a span is one that the info file promises."""
    for shape in _shapes(level):
        if all(
            (low - first) % length == 0 and first <= low < last and high == min(low + length, last)
            for low, high, first, last, length in zip(begin, end, level.begin, level.end, shape, strict=True)
        ):
            return True
    return False


def _dtype(levels: Levels) -> np.dtype[Any]:
    """The type in which a layer is shown."""
    dtype = levels.dtype
    if levels.is_segmentation:
        return np.dtype(np.uint64 if dtype.itemsize == 8 else np.uint32)
    if dtype in (np.dtype(np.float64), np.dtype(np.int64), np.dtype(np.uint64), np.dtype(np.float16)):
        return np.dtype(np.float32)
    return dtype


def _shown(data: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(data) if data.dtype == dtype else data.astype(dtype)


def _raw(data: NDArray[Any]) -> bytes:
    """(c, x, y, z) with x fastest and channels slowest, as the format has it."""
    return data.transpose(0, 3, 2, 1).tobytes()


class _Encoder(threading.local):
    """tensorstore's own encoder, asked through a volume in memory; one per thread."""

    def __init__(self) -> None:
        self._context = tensorstore.Context()
        self._volumes: dict[tuple[Any, ...], Any] = {}

    def encode(self, data: NDArray[Any]) -> bytes:
        channels, *size = data.shape
        key = (data.dtype.name, channels, *size)
        volume = self._volumes.get(key)
        if volume is None:
            if len(self._volumes) > 64:
                self._volumes.clear()
            volume = self._volumes[key] = self._open(data.dtype.name, channels, size)
        volume.write(data.transpose(1, 2, 3, 0)).result()
        return bytes(volume.kvstore.read("1_1_1/" + "_".join(f"0-{n}" for n in size)).result().value)

    def _open(self, dtype: str, channels: int, size: Sequence[int]) -> Any:
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "memory", "path": f"{dtype}-{channels}-{'-'.join(map(str, size))}/"},
            "multiscale_metadata": {"type": "segmentation", "data_type": dtype, "num_channels": channels},
            "scale_metadata": {
                "size": list(size),
                "resolution": [1, 1, 1],
                "chunk_size": list(size),
                "encoding": "compressed_segmentation",
                "compressed_segmentation_block_size": list(_BLOCK),
                "key": "1_1_1",
            },
            "create": True,
            "delete_existing": True,
            "store_data_equal_to_fill_value": True,
        }
        return tensorstore.open(spec, context=self._context).result()


_ENCODER = _Encoder()
