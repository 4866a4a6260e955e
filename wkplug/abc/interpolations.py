"""Down- and upsampling modes: an `Interpolation` turns blocks of voxels into blocks of voxels.

Who calls it: `wkplug.ops` (pyramids). Who implements it: `wkplug.builtin` and interpolation plugins.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Interpolation"]


class Interpolation(ABC):
    """One mode. Block-local: a voxel of the result depends on its own block of the source only."""

    name: ClassVar[str]
    dtypes: ClassVar[frozenset[str] | None] = None
    """numpy names of the dtypes that it is exact or honest for, None for all."""
    centre_shift: ClassVar[tuple[float, float, float] | None] = None
    """Where the result's voxel centres lie, None for the centre of the block (the usual case)."""

    @abstractmethod
    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        """Downsample `block`, whose length along each axis is a multiple of that axis' factor.

        All axes are given (1 for channels and time). The result has the same dtype and the shape
        block.shape // factors, first spatial axis fastest.
        """

    def expand(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        """Upsample `block`: every voxel becomes a block of itself, unless the mode knows better."""
        import numpy

        result = block
        for axis, factor in enumerate(factors):
            if factor != 1:
                result = numpy.repeat(result, factor, axis=axis)
        return result
