"""Down- and upsampling modes: an `Interpolation` turns blocks of voxels into blocks of voxels.

A mode may have several implementations that give the same bits, as in "median" and "median+numba"; see
`InterpolationSpec.implements`. `wkplug.testing.InterpolationSuite` tests what is promised here.
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
    keeps_mean: ClassVar[bool] = False
    """Promises that the mean of symmetric noise does not drift, however many levels are computed."""

    @abstractmethod
    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        """Downsample `block`, whose length along each axis is a multiple of that axis' factor.

        All axes are given (1 for channels and time). The result has the same dtype and the shape
        block.shape // factors, first spatial axis fastest; it is the caller's, and `block` stays as it is.
        `block` may be read-only and lie in memory in any way. May be called from several threads at once.
        """

    def expand(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        """Upsample `block`: every voxel becomes a block of itself, unless the mode knows better."""
        import numpy

        result = block
        for axis, factor in enumerate(factors):
            if factor != 1:
                result = numpy.repeat(result, factor, axis=axis)
        return result

    def prepare(self, dtype: str, nbytes: int) -> None:
        """Hear what is to come in this process: blocks of `dtype` with about `nbytes` bytes of source in all.

        Called before the blocks of a long operation, several times for the same one, and not at all where nobody
        knows. An engine that is slow to start may decide here whether that will pay.
        """

    def takes(self, block: NDArray[Any], factors: tuple[int, ...]) -> bool:
        """Whether this implementation is worth using for `block`; asked where another one could do it as well.

        Called once before each `reduce`, so that it may count what it let pass: an engine that is slow to
        start waits until enough has come. Whoever takes the block gives the same bits.
        """
        del block, factors
        return True
