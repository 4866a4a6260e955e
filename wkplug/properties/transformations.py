"""Coordinate transformations of a layer: where its voxels really belong, for viewers that can show it.

Values: arrays are copied in and read-only, attributes can't be set, copies are the object itself. Matrices
are 4x4, act on column vectors (x, y, z, 1) in Mag(1) voxels, and `a.chain(b)` does `a` first.

Nothing here moves voxels. numpy is imported when the first transformation is made, not with the module, so
that opening datasets without any stays light.
"""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn, Self

from attrs.exceptions import FrozenAttributeError

from wkplug.errors import InvalidArgumentError
from wkplug.geometry import Vec3Float
from wkplug.properties.schema import check_each, check_list, check_object, describe, kind, wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from wkplug.geometry import Vec3FloatLike

__all__ = [
    "TRANSFORMATIONS",
    "AffineCoordinateTransformation",
    "CoordinateTransformation",
    "ThinPlateSplineCoordinateTransformation",
]

_AXES = {"x": 0, "y": 1, "z": 2}


class CoordinateTransformation(ABC):
    """What all transformations share: they are values, and go to JSON and back."""

    __slots__ = ()

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Give the entry of `coordinateTransformations`."""

    @abstractmethod
    def _parts(self) -> tuple[NDArray[Any], ...]:
        """The arrays that make up the value, in the order of the constructor's arguments."""

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise _unchangeable(
            f"{type(self).__name__} can't be changed: make a new one instead of setting {name}."
        )

    def __delattr__(self, name: str) -> NoReturn:
        raise _unchangeable(f"{type(self).__name__} can't be changed: {name} can't be deleted.")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        import numpy

        return all(map(numpy.array_equal, self._parts(), other._parts()))

    def __hash__(self) -> int:
        # Adding zero makes -0.0 and 0.0, which are equal, the same bytes.
        return hash((type(self), *((part + 0.0).tobytes() for part in self._parts())))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        del memo
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), self._parts())


def _frozen(values: ArrayLike, what: str) -> NDArray[Any]:
    """Copy into a read-only float64 array."""
    import numpy

    try:
        array = numpy.array(values, dtype=numpy.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgumentError(f"The {what} must be made of numbers: {error}.") from error
    array.setflags(write=False)
    return array


class AffineCoordinateTransformation(CoordinateTransformation):
    """An affine transformation, by its 4x4 matrix (InvalidArgumentError, a ValueError, for other shapes)."""

    __slots__ = ("matrix",)

    matrix: NDArray[Any]

    def __init__(self, matrix: ArrayLike) -> None:
        array = _frozen(matrix, "matrix")
        if array.shape != (4, 4):
            raise InvalidArgumentError(
                f"The matrix of an affine transformation must have shape (4, 4), not {array.shape}.",
                hint="Rows are x, y, z and (0, 0, 0, 1); the last column is the translation.",
            )
        object.__setattr__(self, "matrix", array)

    def _parts(self) -> tuple[NDArray[Any], ...]:
        return (self.matrix,)

    def __repr__(self) -> str:
        return f"AffineCoordinateTransformation(matrix={self.matrix!r})"

    def to_json(self) -> dict[str, Any]:
        """Give the entry of `coordinateTransformations`."""
        return {"type": "affine", "matrix": self.matrix.tolist()}

    @classmethod
    def identity(cls) -> Self:
        """Leave everything where it is."""
        import numpy

        return cls(numpy.eye(4))

    @classmethod
    def from_translation(cls, translation: Vec3FloatLike) -> Self:
        """Move by (x, y, z) voxels."""
        import numpy

        matrix = numpy.eye(4)
        matrix[:3, 3] = _three(translation, "translation")
        return cls(matrix)

    @classmethod
    def from_scale(cls, scale: Vec3FloatLike) -> Self:
        """Scale along (x, y, z), around the origin."""
        import numpy

        return cls(numpy.diag([*_three(scale, "scale"), 1.0]))

    @classmethod
    def from_rotation(cls, axis: str, angle: float) -> Self:
        """Rotate by degrees around the axis "x", "y" or "z", counter-clockwise as seen from its positive end."""
        import numpy

        first, second = _plane(axis)
        sine, cosine = _sine_and_cosine(angle)
        matrix = numpy.eye(4)
        matrix[first, first] = matrix[second, second] = cosine
        matrix[second, first] = sine
        matrix[first, second] = -sine
        return cls(matrix)

    def chain(self, other: AffineCoordinateTransformation) -> Self:
        """Give the transformation that does this one first, then `other`."""
        return type(self)(other.matrix @ self.matrix)

    def translate(self, translation: Vec3FloatLike) -> Self:
        """Then move by (x, y, z) voxels."""
        return self.chain(type(self).from_translation(translation))

    def scale(self, scale: Vec3FloatLike) -> Self:
        """Then scale along (x, y, z)."""
        return self.chain(type(self).from_scale(scale))

    def rotate(self, axis: str, angle: float) -> Self:
        """Then rotate by degrees around "x", "y" or "z"."""
        return self.chain(type(self).from_rotation(axis, angle))

    def flip(self, axis: str) -> Self:
        """Then mirror along "x", "y" or "z", at the origin."""
        factors = [1.0, 1.0, 1.0]
        factors[_axis(axis)] = -1.0
        return self.scale(factors)


class ThinPlateSplineCoordinateTransformation(CoordinateTransformation):
    """A thin plate spline through pairs of points.

    source, target: both (N, 3), N at least 1, in voxels; source point i goes to target point i
    (InvalidArgumentError, a ValueError, otherwise).
    """

    __slots__ = ("source", "target")

    source: NDArray[Any]
    target: NDArray[Any]

    def __init__(self, source: ArrayLike, target: ArrayLike) -> None:
        points = {"source": _frozen(source, "source"), "target": _frozen(target, "target")}
        for name, array in points.items():
            if array.ndim != 2 or array.shape[1] != 3 or array.shape[0] == 0:
                raise InvalidArgumentError(
                    f"The {name} points must have shape (N, 3) with at least one point, not {array.shape}."
                )
        if points["source"].shape != points["target"].shape:
            counts = [len(array) for array in points.values()]
            raise InvalidArgumentError(
                f"There are {counts[0]} source points, but {counts[1]} target points; each needs its own."
            )
        for name, array in points.items():
            object.__setattr__(self, name, array)

    def _parts(self) -> tuple[NDArray[Any], ...]:
        return (self.source, self.target)

    def __repr__(self) -> str:
        return f"ThinPlateSplineCoordinateTransformation(source={self.source!r}, target={self.target!r})"

    def to_json(self) -> dict[str, Any]:
        """Give the entry of `coordinateTransformations`."""
        correspondences = {"source": self.source.tolist(), "target": self.target.tolist()}
        return {"type": "thin_plate_spline", "correspondences": correspondences}

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[Vec3FloatLike, Vec3FloatLike]]) -> Self:
        """Make it from (source, target) pairs of points."""
        try:
            listed = [tuple(pair) for pair in pairs]
        except TypeError as error:
            raise InvalidArgumentError(
                f"pairs must be a list of pairs of points: {error}.",
                hint="Give pairs such as ((0, 0, 0), (10, 0, 0)).",
            ) from error
        for number, pair in enumerate(listed):
            if len(pair) != 2:
                raise InvalidArgumentError(
                    f"Pair {number} has {len(pair)} points, but two are needed: where it is, and where it goes to.",
                    hint="Give pairs such as ((0, 0, 0), (10, 0, 0)).",
                )
        return cls(
            [_three(source, "point") for source, _ in listed],
            [_three(target, "point") for _, target in listed],
        )

    @property
    def pairs(self) -> tuple[tuple[Vec3Float, Vec3Float], ...]:
        """The (source, target) pairs of points."""
        return tuple(
            (Vec3Float(source), Vec3Float(target))
            for source, target in zip(self.source.tolist(), self.target.tolist(), strict=True)
        )


def _unchangeable(text: str) -> FrozenAttributeError:
    error = FrozenAttributeError()
    error.args = (text,)  # its constructor takes no text
    return error


def _three(values: Any, what: str) -> Sequence[float]:
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"The {what} must have three numbers, not {values!r}: {error}.") from error
    if len(numbers) != 3:
        raise InvalidArgumentError(f"The {what} must have three numbers, not {len(numbers)}.")
    return numbers


def _axis(axis: str) -> int:
    if axis not in _AXES:
        raise InvalidArgumentError(f"The axis {axis!r} must be `x`, `y` or `z`.")
    return _AXES[axis]


def _plane(axis: str) -> tuple[int, int]:
    """The two axes that turn, the first towards the second."""
    index = _axis(axis)
    return (index + 1) % 3, (index + 2) % 3


def _sine_and_cosine(degrees: float) -> tuple[float, float]:
    # Quarter turns are exact, so that a rotation by 90 degrees has entries of 0 and 1 only.
    quarter, rest = divmod(float(degrees), 90.0)
    if rest == 0.0:
        return ((0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0))[int(quarter) % 4]
    radians = math.radians(degrees)
    return math.sin(radians), math.cos(radians)


# --- the key "coordinateTransformations" ------------------------------------------------------------------


def _check(value: Any) -> None:
    check_list(value)
    check_each(value, _check_entry)


def _check_entry(entry: Any) -> None:
    check_object(entry)
    form = entry.get("type")
    if form == "affine":
        if not _is_table(entry.get("matrix"), 4) or len(entry["matrix"]) != 4:
            raise wrong("must be a list of four lists of four numbers", "matrix")
    elif form == "thin_plate_spline":
        points = entry.get("correspondences")
        if type(points) is not dict:
            raise wrong(f"must be an object, not {describe(points)}", "correspondences")
        for name in ("source", "target"):
            if not _is_table(points.get(name), 3):
                raise wrong("must be a list of points of three numbers", f"correspondences.{name}")
        if len(points["source"]) != len(points["target"]):
            raise wrong("must have as many target as source points", "correspondences")
    else:
        raise wrong(f"must be `affine` or `thin_plate_spline`, not {describe(form)}", "type")


def _is_number(value: Any) -> bool:
    """Whether a float holds it: whole numbers in JSON have any size."""
    return type(value) is float or (type(value) is int and abs(value) <= sys.float_info.max)


def _is_table(value: Any, columns: int) -> bool:
    return (
        type(value) is list
        and bool(value)
        and all(
            type(row) is list and len(row) == columns and all(_is_number(item) for item in row)
            for row in value
        )
    )


def _read(raw: Any) -> list[CoordinateTransformation] | None:
    return [_read_entry(entry) for entry in raw] or None


def _read_entry(raw: dict[str, Any]) -> CoordinateTransformation:
    if raw["type"] == "affine":
        return AffineCoordinateTransformation(raw["matrix"])
    points = raw["correspondences"]
    return ThinPlateSplineCoordinateTransformation(points["source"], points["target"])


def _dump(values: Any, old: Any) -> list[dict[str, Any]] | None:
    del old
    result = []
    for value in values:
        if not isinstance(value, (CoordinateTransformation, dict)):
            raise InvalidArgumentError(f"{value!r} is not a coordinate transformation.")
        result.append(value if isinstance(value, dict) else value.to_json())
    return result or None


TRANSFORMATIONS = kind(_check, _read, _dump)
