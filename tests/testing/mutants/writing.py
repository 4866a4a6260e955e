"""Arrays that are wrong when they are written."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from mutants.base import MutantArray
from wkplug.testing.checks import inside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import Box


class OffByOneAtShardEdge(MutantArray):
    """The first voxel behind a shard's edge gets the value of the one before."""

    def write(self, box: Box, data: NDArray[Any]) -> None:
        axis = self.spec.axes.index("x")
        start, shape = box
        edge = (start[axis] // self.spec.shard_shape[axis] + 1) * self.spec.shard_shape[axis]
        if start[axis] < edge < start[axis] + shape[axis]:
            # The first voxel behind the edge gets the value of its neighbour.
            data = data.copy()
            along_x = np.moveaxis(data, axis, 0)
            along_x[edge - start[axis]] = along_x[edge - start[axis] - 1]
        self.inner.write(box, data)


class NeighbourOverwritten(MutantArray):
    """A chunk that is written in part loses its other voxels."""

    def write(self, box: Box, data: NDArray[Any]) -> None:
        grid = self.spec.chunk_shape
        low = tuple(a - a % n for a, n in zip(box[0], grid, strict=True))
        high = tuple(
            min(-(-(a + b) // n) * n, most or 0)
            for a, b, n, most in zip(*box, grid, self.spec.shape, strict=True)
        )
        larger = np.full([b - a for a, b in zip(low, high, strict=True)], self.spec.fill_value, self.dtype)
        larger[inside((tuple(a - b for a, b in zip(box[0], low, strict=True)), box[1]))] = data
        self.inner.write((low, larger.shape), larger)


class ByteOrderLost(MutantArray):
    """Input in the other byte order is taken for native."""

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.inner.write(box, data.view(data.dtype.newbyteorder("=")))


class StridesLost(MutantArray):
    """Input in C order is taken for F order."""

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.inner.write(box, _misread(data))


def _misread(data: NDArray[Any]) -> NDArray[Any]:
    """What a backend sees that takes C order for F order."""
    if data.flags.c_contiguous and not data.flags.f_contiguous:
        return data.reshape(-1).reshape(data.shape, order="F")
    return data


class PrecisionLost(MutantArray):
    """Integers of 64 bits pass through floats."""

    def write(self, box: Box, data: NDArray[Any]) -> None:
        if data.dtype.kind in "iu" and data.dtype.itemsize == 8:
            with np.errstate(all="ignore"):
                limit = np.iinfo(data.dtype).max // 2
                data = (
                    np.clip(data, -limit if data.dtype.kind == "i" else 0, limit)
                    .astype("float64")
                    .astype(data.dtype)
                )
        self.inner.write(box, data)


class InputKept(MutantArray):
    """The input is looked at again later."""

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.inner.write(box, data)
        self.__dict__["pending"] = (box, data)

    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        pending = self.__dict__.pop("pending", None)
        if pending is not None:
            self.inner.write(*pending)
        return self.inner.read(box, out=out, missing=missing)


class FillNotWritten(MutantArray):
    """Voxels with the fill value are taken for nothing to write."""

    def write(self, box: Box, data: NDArray[Any]) -> None:
        if np.any(data != self.spec.fill_value):
            self.inner.write(box, data)


class DenseWrites(MutantArray):
    """Neighbouring shards are stored too."""

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.inner.write(box, data)
        here = tuple(a - a % n for a, n in zip(box[0], self.spec.shard_shape, strict=True))
        for offsets in product((0, 1), repeat=len(here)):
            start = tuple(a + b * n for a, b, n in zip(here, offsets, self.spec.shard_shape, strict=True))
            one = (start, (1,) * len(start))
            if all(a < (most or 0) for a, most in zip(start, self.spec.shape, strict=True)):
                self.inner.write(one, self.inner.read(one))


class AnyShapeTaken(MutantArray):
    """Data larger than the box are cut silently."""

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.inner.write(box, data[inside(((0,) * data.ndim, tuple(box[1])))])
