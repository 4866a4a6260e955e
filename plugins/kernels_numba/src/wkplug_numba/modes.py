"""The modes, as the core defines them, computed by compiled kernels.

`takes` says whether a block is worth it; `reduce` cuts any block into volumes of three axes with the first one
fastest in memory, which is what the kernels read. numba is imported by the first `reduce`, not before.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from wkplug.abc import Interpolation
from wkplug.errors import InvalidArgumentError
from wkplug_numba.engine import engine
from wkplug_numba.settings import NumbaSettings

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

__all__ = ["Bilinear", "Max", "Mean", "Median", "MedianUnbiased", "Min", "Mode", "ModeSparse", "Nearest"]

_INTEGERS = frozenset({"uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"})
_FLOATS = frozenset({"float32", "float64"})
_UP_TO_32_BITS = (_INTEGERS | _FLOATS) - {"uint64", "int64"}


class _Compiled(Interpolation):
    """One mode. `lost` is what numpy takes longer than the kernel: nanoseconds per byte of source."""

    dtypes: ClassVar[frozenset[str] | None] = _INTEGERS | _FLOATS
    lost: ClassVar[float]

    def __init__(self, settings: Any = None) -> None:
        if find_spec("numba") is None:
            # Found out here and not in the middle of a job, so that the plain modes are used instead.
            raise ModuleNotFoundError("No module named 'numba'", name="numba")
        self.settings = NumbaSettings.of(settings)

    def prepare(self, dtype: str, nbytes: int) -> None:
        """See `Interpolation.prepare`."""
        if self.dtypes is None or dtype in self.dtypes:
            engine().expects((self.name, dtype), nbytes * self.lost * 1e-9, self.settings.after)

    def takes(self, block: NDArray[Any], factors: tuple[int, ...]) -> bool:
        """See `Interpolation.takes`."""
        dtype = block.dtype.name
        if any(factor != 1 for factor in factors[:-3]) or all(factor == 1 for factor in factors):
            return False
        if not block.dtype.isnative or (self.dtypes is not None and dtype not in self.dtypes):
            return False
        return engine().pays((self.name, dtype), block.nbytes * self.lost * 1e-9, self.settings.after)

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        """See `Interpolation.reduce`."""
        if any(factor != 1 for factor in factors[:-3]):
            raise InvalidArgumentError(
                f"The factors {factors} reduce an axis other than the last three, which are x, y and z.",
                hint=f"Use the mode {self.name!r} of the core.",
            )
        if all(factor == 1 for factor in factors):
            return block.copy(order="F")
        out = np.empty(
            [length // factor for length, factor in zip(block.shape, factors, strict=True)],
            block.dtype.newbyteorder("="),
            order="F",
        )
        if out.size == 0:
            return out
        from wkplug_numba import kernels  # late: it loads numba

        fx, fy, fz = (*factors[-3:], 1, 1)[:3]
        for lead in np.ndindex(*block.shape[:-3]):
            source = np.asfortranarray(_volume(block[lead]), dtype=out.dtype)
            target = _volume(out[lead])
            direct = target if target.flags.f_contiguous else np.empty_like(target, order="F")
            # A view of its own, because the kernels want input that can't be written to.
            source = source.view()
            source.flags.writeable = False
            self.run(kernels, source.T, direct.T, fz, fy, fx)
            if direct is not target:
                target[...] = direct
        return out

    @abstractmethod
    def run(
        self, kernels: ModuleType, block: NDArray[Any], out: NDArray[Any], fz: int, fy: int, fx: int
    ) -> None:
        """Have one of the kernels compute one volume, axes z, y, x."""


def _volume(array: NDArray[Any]) -> NDArray[Any]:
    """Give it three axes."""
    return array.reshape((*array.shape, 1, 1)[:3], order="F") if array.ndim < 3 else array


def _halves(fz: int, fy: int, fx: int) -> bool:
    return fx == fy == 2 and fz <= 2


class Median(_Compiled):
    """The median, the mean of two middle integers cut towards zero."""

    name: ClassVar[str] = "median"
    lost: ClassVar[float] = 0.4
    even: ClassVar[bool] = False

    def run(
        self, kernels: ModuleType, block: NDArray[Any], out: NDArray[Any], fz: int, fy: int, fx: int
    ) -> None:
        """See `_Compiled.run`."""
        if block.dtype.kind == "f":
            if _halves(fz, fy, fx):
                kernels.halved_median_floats(block, out, fz)
            else:
                kernels.median_floats(block, out, fz, fy, fx)
        elif _halves(fz, fy, fx):
            kernels.halved_median_integers(block, out, fz, self.even)
        else:
            kernels.median_integers(block, out, fz, fy, fx, self.even)


class MedianUnbiased(Median):
    """The median, the mean of two middle integers rounded half to even."""

    name: ClassVar[str] = "median_unbiased"
    keeps_mean: ClassVar[bool] = True
    even: ClassVar[bool] = True


class Mode(_Compiled):
    """The most frequent value, of several the one met first."""

    name: ClassVar[str] = "mode"
    lost: ClassVar[float] = 0.7
    sparse: ClassVar[bool] = False

    def run(
        self, kernels: ModuleType, block: NDArray[Any], out: NDArray[Any], fz: int, fy: int, fx: int
    ) -> None:
        """See `_Compiled.run`."""
        if _halves(fz, fy, fx):
            kernels.halved_most(block, out, fz, self.sparse)
        else:
            kernels.most(block, out, fz, fy, fx, self.sparse)


class ModeSparse(Mode):
    """The most frequent value other than 0."""

    name: ClassVar[str] = "mode_sparse"
    dtypes: ClassVar[frozenset[str] | None] = _INTEGERS
    sparse: ClassVar[bool] = True


class Min(_Compiled):
    """The smallest value."""

    name: ClassVar[str] = "min"
    lost: ClassVar[float] = 0.2
    largest: ClassVar[bool] = False

    def run(
        self, kernels: ModuleType, block: NDArray[Any], out: NDArray[Any], fz: int, fy: int, fx: int
    ) -> None:
        """See `_Compiled.run`."""
        kernels.peak(block, out, fz, fy, fx, self.largest)
        if out.dtype.kind == "f":
            out += out.dtype.type(0)


class Max(Min):
    """The largest value."""

    name: ClassVar[str] = "max"
    largest: ClassVar[bool] = True


class Mean(_Compiled):
    """The mean of the block, rounded half to even."""

    name: ClassVar[str] = "mean"
    lost: ClassVar[float] = 0.4
    dtypes: ClassVar[frozenset[str] | None] = _UP_TO_32_BITS
    keeps_mean: ClassVar[bool] = True

    @staticmethod
    def places(factor: int) -> tuple[int, int]:
        """The first place along an axis that counts, and how many do."""
        return 0, factor

    def run(
        self, kernels: ModuleType, block: NDArray[Any], out: NDArray[Any], fz: int, fy: int, fx: int
    ) -> None:
        """See `_Compiled.run`."""
        factors = (fz, fy, fx)
        firsts, counts = zip(*map(self.places, factors), strict=True)
        if block.dtype.kind == "f":
            line = np.empty(block.shape[2], np.float64)
            kernels.mean_floats(block, out, factors, firsts, counts, line)
        else:
            line = np.empty(block.shape[2], _wide_enough(block.dtype, math.prod(counts)))
            kernels.mean_integers(block, out, factors, firsts, counts, line)


class Bilinear(Mean):
    """The value at the block's centre: the mean of the one or two voxels in the middle of each axis."""

    name: ClassVar[str] = "bilinear"

    @staticmethod
    def places(factor: int) -> tuple[int, int]:
        """The first place along an axis that counts, and how many do."""
        return (factor - 1) // 2, 2 - factor % 2


def _wide_enough(dtype: np.dtype[Any], count: int) -> str:
    """The smallest of two dtypes that hold the sum of `count` integers: of one more size, or of 64 bits."""
    wide = np.dtype(f"{dtype.kind}{dtype.itemsize * 2}")
    limits = np.iinfo(dtype)
    fits = max(int(limits.max), -int(limits.min)) * count <= np.iinfo(wide).max
    return wide.str if fits else f"{dtype.kind}8"


class Nearest(_Compiled):
    """The first voxel."""

    name: ClassVar[str] = "nearest"
    lost: ClassVar[float] = 0.05

    def run(
        self, kernels: ModuleType, block: NDArray[Any], out: NDArray[Any], fz: int, fy: int, fx: int
    ) -> None:
        """See `_Compiled.run`."""
        # What the bits mean doesn't matter, so four compiled versions do for all dtypes.
        bits = f"u{block.dtype.itemsize}"
        kernels.nearest(block.view(bits), out.view(bits), fz, fy, fx)
