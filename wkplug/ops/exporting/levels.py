"""The resolutions of a box of a layer: stored mags where the box fits their grid, computed ones elsewhere.

A mag of the layer serves as it is if the box starts on its grid and ends on it or with the layer. Others are computed
from the resolution before, block by block, while they are read; `scratch` keeps what they give. The missing part of a
last block is mirrored, as in all pyramids. All readers pickle.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import registry, storage
from wkplug.abc import ExportLevel
from wkplug.errors import OutOfBoundsError
from wkplug.geometry import Mag, Vec3Int, grids
from wkplug.model import voxels
from wkplug.model.regions import from_bounding_box
from wkplug.ops.pyramids.sampling import SamplingModes, pyramid_mags

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from wkplug.abc import Box
    from wkplug.geometry import NDBoundingBox
    from wkplug.model.regions import Region
    from wkplug.model.states import LayerState, MagState
    from wkplug.storage import ArrayHandle

__all__ = ["Computed", "Stored", "region_to_export", "resolutions"]

_SMALLEST = 16  # pixels: planes that are no longer than this get no coarser version
_MOST = 5  # coarser versions of a plane
_PIECE_BYTES = 1 << 25  # of a resolution, from which the next one is computed
_STEP = 32  # voxels: pieces are cut at multiples, so that few chunks are decoded twice


def region_to_export(layer: LayerState, view: MagState, bounding_box: NDBoundingBox | None) -> Region:
    """Cut a box with the layer's and shrink it to whole voxels of the mag; Mag(1) voxels, all axes.

    At the layer's own borders it is enlarged to them instead, so that nothing is lost. OutOfBoundsError if nothing is
    left.
    """
    whole = layer.region
    wanted = whole if bounding_box is None else from_bounding_box(layer.frame, bounding_box, whole)
    start, stop = [], []
    for low, length, first, extent, factor in zip(*whole, *wanted, view.factors, strict=True):
        high = low + length
        begin, end = max(low, first), min(high, first + extent)
        start.append((begin if begin == low else begin + factor - 1) // factor * factor)
        stop.append((end + factor - 1 if end == high else end) // factor * factor)
    if any(b <= a for a, b in zip(start, stop, strict=True)):
        raise OutOfBoundsError(
            f"There is nothing to export: {bounding_box or layer.bounding_box} and the layer {layer.name!r}, "
            f"{layer.bounding_box}, share no whole voxel of mag {view.mag}.",
            hint="Give a box inside the layer, in voxels of Mag(1).",
        )
    return tuple(start), tuple(b - a for a, b in zip(start, stop, strict=True))


def resolutions(layer: LayerState, view: MagState, region: Region, pyramid: str) -> tuple[ExportLevel, ...]:
    """Give the mag of `view` and, as `pyramid` says ("xyz", "xy" or ""), coarser ones."""
    levels = [_stored(view, region)]
    mags = (
        _coarser_xyz(layer, view, region)
        if pyramid == "xyz"
        else _coarser_xy(view, region)
        if pyramid
        else []
    )
    for mag in mags:
        there = layer.mags.get(mag)
        if there is not None and _fits(layer, there, region) and _serves(there, view):
            levels.append(_stored(there, region))
        else:
            levels.append(_computed(layer, levels[-1], mag, view.dtype.name))
    return tuple(levels)


def _size(layer: LayerState, region: Region) -> Vec3Int:
    return Vec3Int(*(1 if position is None else region[1][position] for position in layer.frame.xyz))


def _coarser_xyz(layer: LayerState, view: MagState, region: Region) -> list[Mag]:
    """The scheme of `layer.downsample`; the layer's own mags lead."""
    size = _size(layer, region)
    others = [] if size.z == 1 else [_chain(view.mag, layer.mags)]
    return pyramid_mags(size, view.mag, None, SamplingModes.ANISOTROPIC, others, layer.dataset.voxel_size)


def _chain(finest: Mag, mags: Iterable[Mag]) -> list[Mag]:
    """Give those of the mags that follow from one another, one for each size: a layer may have several."""
    result = [finest]
    for mag in sorted(mags, key=lambda each: (each.max_dim, each.to_tuple())):
        larger = mag.max_dim > result[-1].max_dim
        if larger and not any(a % b for a, b in zip(mag, result[-1], strict=True)):
            result.append(mag)
    return result


def _coarser_xy(view: MagState, region: Region) -> list[Mag]:
    start_mag = view.mag
    mags: list[Mag] = []
    x, y, _ = view.frame.xyz
    longest = max(region[1][axis] // view.factors[axis] for axis in (x, y) if axis is not None)
    while longest > _SMALLEST and len(mags) < _MOST:
        longest = -(-longest // 2)
        factor = 2 ** (len(mags) + 1)
        mags.append(Mag([start_mag.x * factor, start_mag.y * factor, start_mag.z]))
    return mags


def _fits(layer: LayerState, view: MagState, region: Region) -> bool:
    ends = (low + length for low, length in zip(*layer.region, strict=True))
    return all(
        first % factor == 0 and ((first + extent) % factor == 0 or first + extent >= end)
        for first, extent, factor, end in zip(*region, view.factors, ends, strict=True)
    )


def _serves(view: MagState, finest: MagState) -> bool:
    """Whether the mag is complete and of the dtype of the finest: arrays may differ from what the layer says."""
    return storage.is_complete(view.location) and view.dtype == finest.dtype


def _stored(view: MagState, region: Region) -> ExportLevel:
    start = tuple(low // factor for low, factor in zip(region[0], view.factors, strict=True))
    stop = (-(-(low + n) // factor) for low, n, factor in zip(*region, view.factors, strict=True))
    handle = view.source.handle
    return ExportLevel(
        mag=view.mag.to_tuple(),
        start=start,
        shape=tuple(b - a for a, b in zip(start, stop, strict=True)),
        chunk_shape=handle.spec.chunk_shape,
        read=Stored(handle, start),
    )


def _computed(layer: LayerState, finer: ExportLevel, mag: Mag, dtype: str) -> ExportLevel:
    relative = Mag([coarse // fine for coarse, fine in zip(mag, finer.mag, strict=True)])
    factors = layer.frame.factors(relative.to_tuple())
    name = "mode" if layer.category == "segmentation" else "median"
    return ExportLevel(
        mag=mag.to_tuple(),
        start=tuple(first // factor for first, factor in zip(finer.start, factors, strict=True)),
        shape=tuple(-(-length // factor) for length, factor in zip(finer.shape, factors, strict=True)),
        chunk_shape=finer.chunk_shape,
        read=Computed(finer, factors, name, layer.category, dtype),
    )


@attrs.frozen
class Stored:
    """Reads an array from `start` on, in voxels of its mag."""

    handle: ArrayHandle
    start: tuple[int, ...]

    def __call__(self, box: Box) -> NDArray[Any]:
        """See `ExportLevel.read`."""
        start, shape = box
        return voxels.read(self.handle, (tuple(a + b for a, b in zip(self.start, start, strict=True)), shape))


@attrs.frozen
class Computed:
    """Computes a resolution from the one before while it is read.

    Each piece of it takes no more than `_PIECE_BYTES` of the one before, which may be computed itself: what is held at
    once doesn't grow with the number of resolutions.
    """

    finer: ExportLevel
    factors: tuple[int, ...]
    interpolation: str
    category: str
    dtype: str

    def __call__(self, box: Box) -> NDArray[Any]:
        """See `ExportLevel.read`."""
        import numpy

        start, shape = box
        result = numpy.empty(shape, self.dtype, order="F")
        for first, length in grids.cells((0,) * len(shape), shape, self._piece(shape)):
            here = tuple(slice(low, low + n) for low, n in zip(first, length, strict=True))
            result[here] = self._reduced(
                tuple(low + more for low, more in zip(start, first, strict=True)), length
            )
        return result

    def _piece(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        import numpy

        piece = list(shape)
        voxels = _PIECE_BYTES // (numpy.dtype(self.dtype).itemsize * math.prod(self.factors))
        while math.prod(piece) > voxels and max(piece) > _STEP:
            axis = piece.index(max(piece))
            piece[axis] = -(-piece[axis] // (2 * _STEP)) * _STEP
        return tuple(piece)

    def _reduced(self, start: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[Any]:
        extent = self.finer.shape
        low = tuple(first * factor for first, factor in zip(start, self.factors, strict=True))
        wanted = tuple(length * factor for length, factor in zip(shape, self.factors, strict=True))
        there = tuple(min(n, end - first) for n, end, first in zip(wanted, extent, low, strict=True))
        data = self.finer.read((low, there))
        if there != wanted:
            import numpy

            # Factors are 1 or 2, so that no more than one voxel is missing: the last one counts twice.
            missing = [(0, n - length) for n, length in zip(wanted, there, strict=True)]
            data = numpy.asfortranarray(numpy.pad(data, missing, mode="symmetric"))
        return registry.interpolation(self.interpolation, category=self.category, dtype=self.dtype).reduce(
            data, self.factors
        )
