"""The trimmed mean: single bright or dark voxels, as of a detector's noise, don't show in coarser mags."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from wkplug.abc import Interpolation

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TrimmedMean"]


class TrimmedMean(Interpolation):
    """The mean without the smallest and the largest voxel, rounded half to even; of one or two voxels their mean."""

    name: ClassVar[str] = "trimmed_mean"
    # The sums are of float64, which doesn't hold all integers of 64 bits.
    dtypes: ClassVar[frozenset[str] | None] = frozenset(
        {"uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"}
    )
    keeps_mean: ClassVar[bool] = True

    def __init__(self, settings: Any) -> None:
        del settings  # there are none

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        """See `Interpolation.reduce`."""
        if all(factor == 1 for factor in factors):
            return block.copy(order="F")
        # One array per place in a block: the voxels at that place of all blocks.
        places = itertools.product(*(range(factor) for factor in factors))
        voxels = [
            block[tuple(slice(start, None, factor) for start, factor in zip(place, factors, strict=True))]
            for place in places
        ]
        with np.errstate(invalid="ignore", over="ignore"):  # a block with an infinite voxel gives NaN
            total = np.zeros(voxels[0].shape, np.float64, order="F")
            for each in voxels:
                total += each
            count = len(voxels)
            if count > 2:
                total -= np.minimum.reduce(voxels)
                total -= np.maximum.reduce(voxels)
                count -= 2
            total /= count
        if block.dtype.kind != "f":
            np.rint(total, out=total)
        return total.astype(block.dtype, order="F")
