"""An array seen with its axes in another order, for copies into formats that have an order of their own.

It reads like the handle that it stands for. An axis of channels is added, of length 1, where the array has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wkplug.abc import ArrayBackend, ArraySpec, Box, Location
    from wkplug.storage import ArrayHandle

__all__ = ["Reordered", "in_order"]


def in_order(handle: ArrayHandle, axes: tuple[str, ...]) -> ArrayHandle:
    """Give the handle itself where it has these axes, else one that reads with them."""
    if handle.spec.axes == axes:
        return handle
    view: Any = Reordered(handle, axes)
    return view  # type: ignore[no-any-return]  # it reads as a handle does


@attrs.frozen
class Reordered:
    """`axes` are those of `handle` in any order, and "c" where it has none. Reads only; pickles as its handle does."""

    handle: ArrayHandle
    axes: tuple[str, ...]

    @property
    def array(self) -> Reordered:
        """Itself: reading goes on here."""
        return self

    @property
    def backend(self) -> ArrayBackend:
        """Who opened it."""
        return self.handle.backend

    @property
    def location(self) -> Location:
        """Where it lies."""
        return self.handle.location

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype."""
        return self.handle.array.dtype

    @property
    def spec(self) -> ArraySpec:
        """That of the array, its shapes in the order of `axes`."""
        spec = self.handle.spec
        return attrs.evolve(
            spec,
            axes=self.axes,
            shape=self._ordered(spec.shape, 1),
            chunk_shape=self._ordered(spec.chunk_shape, 1),
            shard_shape=self._ordered(spec.shard_shape, 1),
        )

    def _ordered(self, values: Any, missing: int) -> tuple[Any, ...]:
        by_axis = dict(zip(self.handle.spec.axes, values, strict=True))
        return tuple(by_axis.get(axis, missing) for axis in self.axes)

    def _own(self, values: tuple[int, ...]) -> tuple[int, ...]:
        by_axis = dict(zip(self.axes, values, strict=True))
        return tuple(by_axis[axis] for axis in self.handle.spec.axes)

    def check_size(self, shape: tuple[int, ...]) -> None:
        """As `ArrayHandle.check_size`."""
        self.handle.check_size(self._own(shape))

    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        """As `ArrayHandle.read`."""
        start, shape = box
        own = self.handle.spec.axes
        data = self.handle.array.read((self._own(start), self._own(shape)), missing=missing)
        kept = [axis for axis in self.axes if axis in own]
        data = data.transpose([own.index(axis) for axis in kept])
        data = data[tuple(slice(None) if axis in own else None for axis in self.axes)]
        if out is None:
            return np.asfortranarray(data)
        out[...] = data
        return out

    def found_again(self) -> bool:
        """As `ArrayHandle.found_again`."""
        return self.handle.found_again()

    def stored_boxes(self) -> Iterator[Box]:
        """As `ArrayHandle.stored_boxes`."""
        for start, shape in self.handle.stored_boxes():
            yield self._ordered(start, 0), self._ordered(shape, 1)
