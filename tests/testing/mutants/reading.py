"""Arrays that are wrong when they are read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from mutants.base import MutantArray
from wkplug.errors import CorruptDataError
from wkplug.testing.strategies import SPATIAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import Box


class AxesSwapped(MutantArray):
    """x and y are exchanged, in voxels that are counted in the right order."""

    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        right = self.inner.read(box, out=out, missing=missing)
        a, b = (axis for axis, name in enumerate(self.spec.axes) if name in SPATIAL[:2])
        right[...] = right.swapaxes(a, b).reshape(right.shape, order="F")
        return right


class COrderReturned(MutantArray):
    """Results have the last axis fastest."""

    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        right = self.inner.read(box, out=out, missing=missing)
        return right if out is not None else np.ascontiguousarray(right)


class ViewReturned(MutantArray):
    """The same result is given out again, with what its caller made of it."""

    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        if out is not None:
            return self.inner.read(box, out=out, missing=missing)
        kept = self.__dict__.setdefault("kept", {})
        return kept.setdefault(box, self.inner.read(box, missing=missing))

    def write(self, box: Box, data: NDArray[Any]) -> None:
        self.__dict__.pop("kept", None)
        self.inner.write(box, data)


class ReadOnlyReturned(MutantArray):
    """Results can't be changed."""

    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        right = self.inner.read(box, out=out, missing=missing)
        right.setflags(write=out is not None)
        return right


class OutMadeContiguous(MutantArray):
    """`out` is only filled where it lies in memory as numpy likes it."""

    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        if out is None:
            return self.inner.read(box, missing=missing)
        self.inner.read(box, out=np.asfortranarray(out), missing=missing)
        return out


class OutNotCleared(MutantArray):
    """`out` keeps its own voxels where the array is empty."""

    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        right = self.inner.read(box, missing=missing)
        if out is None:
            return right
        np.copyto(out, right, where=right != self.spec.fill_value)
        return out


class FillValueLost(MutantArray):
    """Fill values other than 0 read as 0."""

    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        right = self.inner.read(box, out=out, missing=missing)
        if self.spec.fill_value != 0:
            right[right == self.spec.fill_value] = 0
        return right


class EmptyIsUninitialised(MutantArray):
    """An array that nobody wrote to reads as what the memory held."""

    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        right = self.inner.read(box, out=out, missing=missing)
        if not any(True for _ in self.inner.stored_boxes()):
            right[...] = 85
        return right


class MissingNeverSaid(MutantArray):
    """`missing="error"` is ignored."""

    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        return self.inner.read(box, out=out)


class BigEndianReturned(MutantArray):
    """Results come in the other byte order, with a dtype that says so."""

    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        right = self.inner.read(box, out=out, missing=missing)
        return right if out is not None else right.astype(right.dtype.newbyteorder("S"), order="F")


class NotThreadSafe(MutantArray):
    """Results pass through a place that all threads share."""

    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        self.__dict__["shared"] = self.inner.read(box, missing=missing)
        time.sleep(0.0005)  # where another thread may come in
        right = self.__dict__["shared"]
        if out is None:
            return right
        out[...] = right
        return out


class DamageIsEmpty(MutantArray):
    """Damaged shards read as the fill value."""

    def read(self, box: Box, *, out: Any = None, missing: Any = "fill") -> Any:
        try:
            return self.inner.read(box, out=out, missing=missing)
        except CorruptDataError:
            return np.full(box[1], self.spec.fill_value, self.dtype, order="F")
