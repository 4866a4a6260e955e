"""The voxels that are measured with: like electron micrographs, and like segmentations of them.

Never zeros, which every codec swallows, and never pure noise, which none can compress. The image is correlated
noise with dark membranes and blobs under a camera's noise (LZ4HC makes it 1.1 times smaller, zstd 1.6 times);
the labels are supervoxels 28 voxels wide with 8 % background between them (34 and 39 times).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["em", "labels"]


def _smooth(generator: np.random.Generator, edge: int, scale: int) -> NDArray[Any]:
    """Noise whose features are about `scale` voxels wide: coarse values, interpolated along each axis."""
    coarse = edge // scale + 2
    field: NDArray[Any] = generator.standard_normal((coarse,) * 3).astype(np.float32)
    position = np.arange(edge, dtype=np.float32) / scale
    low = position.astype(np.intp)
    share = position - low
    for axis in range(3):
        along = [1, 1, 1]
        along[axis] = edge
        weight = share.reshape(along)
        field = np.take(field, low, axis) * (1 - weight) + np.take(field, low + 1, axis) * weight
    return field


def em(edge: int, seed: int = 0) -> NDArray[np.uint8]:
    """An image of shape (1, edge, edge, edge), axes c, x, y, z, Fortran order."""
    generator = np.random.default_rng(seed)
    texture = _smooth(generator, edge, 32) * 18 + _smooth(generator, edge, 6) * 9
    membranes = np.abs(_smooth(generator, edge, 20)) < 0.07
    blobs = _smooth(generator, edge, 12) > 1.6
    values = 150 + texture
    values[membranes] -= 70
    values[blobs] -= 45
    values += generator.standard_normal(values.shape, dtype=np.float32) * 6
    # Cameras count in steps; without them no codec finds anything.
    values = np.clip(values, 0, 255) // 2 * 2
    return np.asfortranarray(values.astype(np.uint8)[None])


def labels(edge: int, seed: int = 1) -> NDArray[np.uint32]:
    """Supervoxels of shape (1, edge, edge, edge), uint32, 0 between them, Fortran order."""
    generator = np.random.default_rng(seed)
    width = 28
    places: list[NDArray[Any]] = []
    border = np.zeros((edge,) * 3, dtype=bool)
    for axis in range(3):
        along = [1, 1, 1]
        along[axis] = edge
        position = np.arange(edge, dtype=np.float32).reshape(along) + _smooth(generator, edge, 16) * 5 + 64
        cell: NDArray[Any] = np.floor_divide(position, width)
        border |= (position - cell * width) < 0.75
        places.append(cell.astype(np.uint32))
    x, y, z = places
    found: NDArray[Any] = x * np.uint32(7919) + y * np.uint32(104729) + z * np.uint32(1299709)
    found &= np.uint32(0xFFFFFF)
    found[border] = 0
    return np.asfortranarray(found[None])
