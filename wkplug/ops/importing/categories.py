"""Guessing whether a volume is an image or a segmentation, by its name and by its voxels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wkplug.ops.importing.volume import Volume

__all__ = ["guess_category"]

_NAMES = ("segmentation", "labels")
_PATCH = 16
_PATCHES = 20
_ENOUGH_VOXELS = 1000


def guess_category(volume: Volume) -> str:
    """Give "color" or "segmentation".

    Segment ids repeat: among thousands of voxels there are few different ones, not counting background and the
    largest value of the dtype. Where there is too little to look at, the path decides: it says "segmentation" or
    "labels", or it doesn't.
    """
    import numpy

    path = volume.files[0].url.lower()
    by_name = "segmentation" if any(name in path for name in _NAMES) else "color"
    if volume.num_channels > 1 or volume.others:
        return "color"
    dtype = numpy.dtype(volume.dtype)
    if dtype.kind == "f":
        return "color"
    limit = numpy.iinfo(dtype).max
    random = numpy.random.default_rng(0)
    seen: list[object] = []
    inspected = 0
    depths = sorted({volume.size_z // 2, volume.size_z // 4, 3 * volume.size_z // 4})
    with volume.open() as reading:
        for z in depths:
            plane = reading.section(min(z, volume.size_z - 1))[0]
            for _ in range(_PATCHES):
                left, top = (int(random.integers(0, max(1, n - _PATCH))) for n in plane.shape)
                patch = plane[left : left + _PATCH, top : top + _PATCH].ravel()
                patch = patch[(patch != 0) & (patch != limit)]
                inspected += patch.size
                seen.append(patch)
    if inspected < _ENOUGH_VOXELS:
        return by_name
    distinct = numpy.unique(numpy.concatenate(seen)).size  # type: ignore[arg-type]
    return "color" if distinct / inspected > 1 / 200 else "segmentation"
