"""Maps of space: where a voxel goes when a layer is transformed, and where a voxel of the result comes from.

Points are float64 arrays of shape (N, 3), x, y, z in Mag(1) voxels; a voxel is the point of its own index. Users
subclass `AbstractTransform` for maps of their own. `Places` is what the work on voxels needs of a map: for a box of
the result, the coordinates in the source, of which an affine map knows the extent without computing them.

Nothing here knows layers or files; numpy is imported when something is computed.

A layer's `coordinate_transformations` are for viewers and move no
voxels; `AffineTransform(transformation.matrix)` makes a map of one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import attrs

from wkplug.abc import Box
from wkplug.errors import InvalidArgumentError, ShapeMismatchError
from wkplug.geometry import BoundingBox
from wkplug.geometry.boxes import checked_box

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray


__all__ = [
    "AbstractTransform",
    "AffinePlaces",
    "AffineTransform",
    "Coordinates",
    "FreePlaces",
    "Places",
    "checked_points",
    "snapped",
]

_GRID = 2.0**24
"""Coordinates are rounded to this fraction of a voxel, so that noise of floats moves no voxel and hides no border."""

Coordinates: TypeAlias = "tuple[NDArray[Any], NDArray[Any], NDArray[Any]]"
"""x, y and z of samples in voxels of the source, arrays that broadcast to the shape (z, y, x) of a box."""


def snapped(values: ArrayLike) -> NDArray[Any]:
    """Round coordinates to a tiny fraction of a voxel: cos(90°) is not quite 0, but a quarter turn is exact."""
    import numpy

    scaled = numpy.multiply(values, _GRID)
    numpy.rint(scaled, out=scaled)
    scaled /= _GRID
    return scaled


class AbstractTransform(ABC):
    """A map of points that has an inverse. With `executor="processes"` it must pickle."""

    @abstractmethod
    def apply(self, points: NDArray[Any]) -> NDArray[Any]:
        """Map points, shape (N, 3), in Mag(1) voxels; the result has the same shape. NaN is nowhere."""

    @abstractmethod
    def inverse(self) -> AbstractTransform:
        """Give the map back."""

    def transform_bbox(self, bbox: BoundingBox) -> BoundingBox:
        """Give the smallest box of whole voxels around the eight mapped corners, also below zero.

        Enough for affine maps; a map that bulges between the corners overrides this.
        """
        import numpy

        checked_box(bbox)
        low, high = bbox.topleft.to_tuple(), bbox.bottomright.to_tuple()
        corners = numpy.array(numpy.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T.astype(float)
        mapped = snapped(checked_points(self.apply(corners), corners))
        if not numpy.isfinite(mapped).all():
            raise InvalidArgumentError(
                f"The transform maps corners of {bbox} to nowhere (NaN or infinity).",
                hint="Give an output_bbox.",
            )
        first = [math.floor(value) for value in mapped.min(axis=0)]
        stop = [math.ceil(value) for value in mapped.max(axis=0)]
        return BoundingBox(first, [b - a for a, b in zip(first, stop, strict=True)])


class AffineTransform(AbstractTransform):
    """An affine map: a 4x4 matrix that acts on columns (x, y, z, 1); its last row is (0, 0, 0, 1).

    InvalidArgumentError (a ValueError) for anything else.
    """

    matrix: NDArray[Any]
    """float64, shape (4, 4), read-only."""

    def __init__(self, matrix: ArrayLike) -> None:
        import numpy

        array = numpy.array(matrix, dtype=numpy.float64)
        if array.shape != (4, 4):
            raise InvalidArgumentError(
                f"The affine matrix must have shape (4, 4), got {array.shape}.",
                hint="Rows are x, y, z and (0, 0, 0, 1); the last column is the translation.",
            )
        if not numpy.isfinite(array).all() or tuple(array[3]) != (0, 0, 0, 1):
            raise InvalidArgumentError(
                f"The matrix {array.tolist()} is not affine.",
                hint="All numbers must be finite, and the last row must be (0, 0, 0, 1).",
            )
        array.setflags(write=False)
        self.matrix = array

    def apply(self, points: NDArray[Any]) -> NDArray[Any]:
        """Map points of shape (N, 3), or a single one of shape (3,)."""
        import numpy

        result: NDArray[Any] = numpy.asarray(points) @ self.matrix[:3, :3].T + self.matrix[:3, 3]
        return result

    def inverse(self) -> AffineTransform:
        """Give the map back; InvalidArgumentError (a ValueError) where the matrix flattens space."""
        import numpy

        try:
            inverse = numpy.linalg.inv(self.matrix)
        except numpy.linalg.LinAlgError as error:
            raise InvalidArgumentError(
                f"The matrix {self.matrix.tolist()} has no inverse: it flattens space.",
                hint="No axis may be scaled to 0, and no two axes be mapped to one.",
            ) from error
        inverse[3] = (0, 0, 0, 1)
        return AffineTransform(inverse)

    def __repr__(self) -> str:
        return f"AffineTransform({self.matrix.tolist()})"


class Places(Protocol):
    """Where the voxels of the result come from; pickles if the user's map does."""

    def reach(self, box: Box) -> list[tuple[float, float]] | None:
        """Give (lowest, highest) coordinate in the source along x, y, z for a box of the result; None: unknown."""

    def of(self, box: Box) -> Coordinates:
        """Give the coordinates in the source, in its voxels, of every voxel of a box (x, y, z) of the result."""


@attrs.frozen
class AffinePlaces:
    """Coordinates by three rows of four numbers, voxels of the result to voxels of the source."""

    rows: tuple[tuple[float, float, float, float], ...]

    @classmethod
    def of_matrix(cls, matrix: NDArray[Any], shift: tuple[int, ...], mag: tuple[int, ...]) -> AffinePlaces:
        """Take a map in Mag(1), undo `shift` (Mag(1)) before, and go by voxels of `mag` on both sides."""
        rows = []
        for numbers, factor in zip(matrix[:3].tolist(), mag, strict=True):
            moved = numbers[3] - sum(a * s for a, s in zip(numbers, shift, strict=False))
            x, y, z = (a * f / factor for a, f in zip(numbers, mag, strict=False))
            rows.append((x, y, z, moved / factor))
        return cls(tuple(rows))

    def reach(self, box: Box) -> list[tuple[float, float]]:
        """Give the extent of a box's image, with a little room for rounding."""
        result = []
        for row in self.rows:
            low = high = row[3]
            for factor, first, length in zip(row, *box, strict=False):
                ends = factor * first, factor * (first + length - 1)
                low += min(ends)
                high += max(ends)
            room = 2 / _GRID + 1e-12 * max(abs(low), abs(high))
            result.append((low - room, high + room))
        return result

    def of(self, box: Box) -> Coordinates:
        """Give the coordinates; axes that one doesn't depend on have length 1."""
        import numpy

        result = []
        for row in self.rows:
            value = numpy.full((1, 1, 1), row[3])
            for axis, (factor, first, length) in enumerate(zip(row, *box, strict=False)):
                if factor:
                    along = factor * numpy.arange(first, first + length, dtype=numpy.float64)
                    value = value + along.reshape([-1 if 2 - axis == place else 1 for place in range(3)])
            result.append(snapped(value))
        return result[0], result[1], result[2]


@attrs.frozen
class FreePlaces:
    """Coordinates by a function of the user's; `shift` and `mag` as of `AffinePlaces.of_matrix`."""

    function: Callable[[NDArray[Any]], NDArray[Any]]
    shift: tuple[int, ...]
    mag: tuple[int, ...]

    def reach(self, box: Box) -> None:
        """Nobody knows: any point may go anywhere."""

    def of(self, box: Box) -> Coordinates:
        """Call the function with all points of the box."""
        import numpy

        points = numpy.empty((*reversed(box[1]), 3))
        for axis, (first, length, factor, shift) in enumerate(zip(*box, self.mag, self.shift, strict=True)):
            along = numpy.arange(first, first + length, dtype=numpy.float64) * factor - shift
            points[..., axis] = along.reshape([-1 if 2 - axis == place else 1 for place in range(3)])
        flat = points.reshape(-1, 3)
        mapped = checked_points(self.function(flat), flat) / numpy.array(self.mag, dtype=numpy.float64)
        x, y, z = (snapped(mapped[:, axis]).reshape(points.shape[:3]) for axis in range(3))
        return x, y, z


def checked_points(mapped: Any, points: NDArray[Any]) -> NDArray[Any]:
    """Refuse what a user's map gives if these are no points."""
    import numpy

    result: NDArray[Any] = numpy.asarray(mapped, dtype=numpy.float64)
    if result.shape != points.shape:
        raise ShapeMismatchError(
            f"The transform made an array of shape {result.shape} from points of shape {points.shape}.",
            hint="It must give one point x, y, z for each, in the same order.",
        )
    return result
