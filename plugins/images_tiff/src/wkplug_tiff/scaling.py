"""Planes made smaller, a piece at a time: the pixels of a piece are those that the whole plane would have there.

A plane of n pixels along an axis becomes one of round(n / factor), whose first and last pixels lie on its own:
linear interpolation between the pixels around each place, or the nearest one for labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wkplug_tiff.exporting import Interval, Piece

__all__ = ["ReadScaled", "scaled_length"]


def scaled_length(length: int, factor: int) -> int:
    """How many pixels are left of an axis."""
    return max(1, round(length / factor))


@attrs.frozen
class ReadScaled:
    """Reads pieces of the smaller planes; it pickles.

    read: gives (z, y, x[, c]) of a piece of the planes as they are, which have `size` (y, x) pixels.
    """

    read: Callable[[Piece], NDArray[Any]]
    size: tuple[int, int]
    factor: int
    labels: bool

    def __call__(self, piece: Piece) -> NDArray[Any]:
        """Read it."""
        if self.factor == 1:
            return self.read(piece)
        import numpy

        down, across = (
            self._places(length, wanted) for length, wanted in zip(self.size, (piece.y, piece.x), strict=True)
        )
        y, x = self._needed(self.size[0], down), self._needed(self.size[1], across)
        planes = self.read(attrs.evolve(piece, y=y, x=x))
        shape = (len(planes), len(down), len(across), *planes.shape[3:])
        result = numpy.empty(shape, planes.dtype)
        for target, plane in zip(result, planes, strict=True):  # one after the other: floats are large
            target[:] = self._scaled(plane, (down, across), (y[0], x[0]))
        return result

    def _places(self, length: int, wanted: Interval) -> NDArray[Any]:
        """Where the wanted pixels lie in the plane as it is."""
        import numpy

        return numpy.linspace(0, length - 1, scaled_length(length, self.factor))[slice(*wanted)]

    def _needed(self, length: int, places: NDArray[Any]) -> Interval:
        first, last = int(places[0]), int(places[-1])
        return first, min(length, last + 2)

    def _scaled(
        self, plane: NDArray[Any], places: tuple[NDArray[Any], ...], begin: tuple[int, int]
    ) -> NDArray[Any]:
        import numpy

        result = plane if self.labels else plane.astype(numpy.float64)
        for axis, (place, first) in enumerate(zip(places, begin, strict=True)):
            if self.labels:
                result = result.take(numpy.rint(place).astype(int) - first, axis)
                continue
            below = numpy.floor(place)
            weight = (place - below).reshape([-1 if other == axis else 1 for other in range(plane.ndim)])
            low = below.astype(int) - first
            high = numpy.minimum(low + 1, plane.shape[axis] - 1)
            result = result.take(low, axis) * (1 - weight) + result.take(high, axis) * weight
        if not self.labels and plane.dtype.kind in "iu":
            result = numpy.floor(result + 0.5)
        return result.astype(plane.dtype)
