"""Guessing whether a volume is an image or a segmentation, by its name and by its voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wkplug.ops.importing.volume import Volume

__all__ = ["guess_category"]

_NAMES = ("segmentation", "labels")
_PATCH = 16
_PATCHES = 20
_ENOUGH_VOXELS = 1000
_VOXELS_PER_ID = 50
_EQUAL_NEIGHBOURS = 0.7


def guess_category(volume: Volume) -> str:
    """Give "color" or "segmentation".

    Segment ids repeat: among thousands of voxels there are few different ones, and most voxels equal their
    neighbour; images are noisy. Background and the largest value of the dtype don't count. Where there is too
    little to look at, the path decides: it says "segmentation" or "labels", or it doesn't. Up to three sections
    are decoded.
    """
    import numpy

    if numpy.dtype(volume.dtype) in (numpy.int64, numpy.uint64):
        return "segmentation"  # no image has such values
    if volume.num_channels > 1 or volume.others or numpy.dtype(volume.dtype).kind == "f":
        return "color"
    values, equal = [], []
    for patch in _patches(volume):
        telling = (patch != 0) & (patch != numpy.iinfo(patch.dtype).max)
        values.append(patch[telling])
        equal.append((patch[1:] == patch[:-1])[telling[1:]])
    seen, repeated = numpy.concatenate(values), numpy.concatenate(equal)
    if seen.size < _ENOUGH_VOXELS or not repeated.size:
        return "segmentation" if any(name in volume.path.lower() for name in _NAMES) else "color"
    few = numpy.unique(seen).size * _VOXELS_PER_ID <= seen.size
    return "segmentation" if few and repeated.mean() >= _EQUAL_NEIGHBOURS else "color"


def _patches(volume: Volume) -> Iterator[NDArray[Any]]:
    """Cut squares from sections at a quarter, the middle and three quarters of z; small ones come whole.

    Sections that are decoded whole are decoded once, of others only what the squares touch.
    """
    import numpy

    random = numpy.random.default_rng(0)
    size_x, size_y, _ = volume.size
    by_region = volume.block[0] * volume.block[1] * _PATCHES < size_x * size_y
    small = size_x * size_y <= _PATCHES * _PATCH**2
    with volume.open() as reading:
        for z in sorted({quarter * volume.size_z // 4 for quarter in (1, 2, 3)}):
            if volume.file_of(z) is None:
                continue
            plane = None if by_region and not small else reading.section(z)[0]
            if plane is not None and plane.size <= _PATCHES * _PATCH**2:
                yield plane
                continue
            width, height = (size_x, size_y) if plane is None else plane.shape
            for _ in range(_PATCHES):
                left, top = (
                    int(random.integers(0, max(1, length - _PATCH + 1))) for length in (width, height)
                )
                across, down = (left, min(width, left + _PATCH)), (top, min(height, top + _PATCH))
                if plane is None:
                    yield reading.region(across, down, (z, z + 1))[0, :, :, 0]
                else:
                    yield plane[slice(*across), slice(*down)]
