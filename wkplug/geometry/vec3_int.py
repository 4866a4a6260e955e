"""`Vec3Int`: an integer vector over x, y, z; most offsets, sizes and shapes of the API are one.

The subclass of `VecInt` whose axes never vary, with shorter constructors and fast paths: `from_xyz` checks
nothing and costs a fraction of a microsecond. Called by everybody.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self, SupportsIndex, TypeAlias, Union

from wkplug.errors import GeometryError
from wkplug.geometry.constants import XYZ_AXES
from wkplug.geometry.parsing import ints, parse_ints, unpack
from wkplug.geometry.vec_int import VecInt, make_vec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.geometry.vec3_float import Vec3FloatLike

__all__ = ["Vec3Int", "Vec3IntLike", "as_vec3_int_or_none"]


class Vec3Int(VecInt):
    """Three integers: `Vec3Int(1, 2, 3)`, `Vec3Int((1, 2, 3))` or `Vec3Int(x=1, y=2, z=3)`.

    Any iterable or array of three numbers will do (fractions are cut off), and text such as "1,2,3"; of a vector with
    further axes it takes x, y and z. With
    `axes`, the numbers are sorted by name: `Vec3Int(3, 2, 1, axes=("z", "y", "x")) == (1, 2, 3)`. Raises
    GeometryError (a ValueError and an AssertionError) for anything else.
    """

    __slots__ = ()

    def __new__(cls, *args: Any, axes: Iterable[str] | None = None, **components: Any) -> Self:  # noqa: D102 - the class documents construction, as with __init__
        if components:
            if args or axes is not None or set(components) != set(XYZ_AXES):
                raise GeometryError(
                    "Vec3Int takes three numbers, or the keywords x, y and z, and nothing beside them."
                )
            return cls.from_xyz(*ints([components[axis] for axis in XYZ_AXES]))
        if axes is None and len(args) == 3:
            return make_vec(cls, ints(args), XYZ_AXES)
        if axes is None and len(args) == 1 and isinstance(args[0], VecInt):
            given = dict(zip(args[0].axes, args[0], strict=True))
            if len(given) > len(XYZ_AXES) and set(XYZ_AXES) <= set(given):
                return cls.from_xyz(*(given[axis] for axis in XYZ_AXES))
        values, axes = unpack(args, axes)
        if axes is None and type(values) is cls:
            return values
        if isinstance(values, str):
            return cls.from_str(values)
        numbers = ints(values, count=3)
        if axes is not None:
            names = tuple(axes)
            if sorted(names) != list(XYZ_AXES):
                raise GeometryError(f"The axes of a Vec3Int are x, y and z, not {', '.join(names)}.")
            numbers = tuple([numbers[names.index(axis)] for axis in XYZ_AXES])
        return make_vec(cls, numbers, XYZ_AXES)

    @classmethod
    def from_xyz(cls, x: int, y: int, z: int) -> Self:
        """Make a vector of three ints; the fast way, nothing is checked."""
        vector = object.__new__(cls)
        vector._data = (x, y, z)
        vector._axes = XYZ_AXES
        return vector

    @classmethod
    def from_vec3_float(cls, vec: Vec3FloatLike) -> Self:
        """Cut the fractions off, towards zero."""
        return cls(ints(vec, count=3))

    @classmethod
    def from_vec_or_int(cls, vec_or_int: Vec3IntLike | SupportsIndex) -> Self:
        """Make a vector of what is one already, or of one integer for all three axes."""
        given: Any = vec_or_int
        if hasattr(given, "__index__") and getattr(given, "ndim", 0) == 0:
            return cls.full(operator.index(given))
        return cls(vec_or_int)

    @classmethod
    def from_str(cls, string: str, axes: Iterable[str] | None = None) -> Self:  # noqa: ARG003 - as in VecInt
        """Read "1,2,3", "(1, 2, 3)" or one number for all three axes; GeometryError for anything else."""
        return make_vec(cls, parse_ints(string, 3), XYZ_AXES)

    @classmethod
    def zeros(cls, axes: Iterable[str] | None = None, _axes: Any = None) -> Self:  # noqa: ARG003 - as in VecInt, by both names
        """Return (0, 0, 0)."""
        return cls.from_xyz(0, 0, 0)

    @classmethod
    def ones(cls, axes: Iterable[str] | None = None, _axes: Any = None) -> Self:  # noqa: ARG003 - as in VecInt, by both names
        """Return (1, 1, 1)."""
        return cls.from_xyz(1, 1, 1)

    @classmethod
    def full(cls, an_int: int, axes: Iterable[str] | None = None, _axes: Any = None) -> Self:  # noqa: ARG003 - as in VecInt, by both names
        """Return the same number three times."""
        return make_vec(cls, ints((an_int,)) * 3, XYZ_AXES)

    @property
    def x(self) -> int:
        """The x component."""
        return self._data[0]

    @property
    def y(self) -> int:
        """The y component."""
        return self._data[1]

    @property
    def z(self) -> int:
        """The z component."""
        return self._data[2]

    @property
    def xyz(self) -> Vec3Int:
        """The vector itself."""
        return self

    def to_tuple(self) -> tuple[int, int, int]:
        """Return (x, y, z)."""
        x, y, z = self._data
        return (x, y, z)

    def _is_power_of_two(self) -> bool:
        """Whether every component is a power of two, 1 included."""
        return all(a > 0 and not a & (a - 1) for a in self._data)

    def __repr__(self) -> str:
        return f"Vec3Int({','.join(map(str, self._data))})"


Vec3IntLike: TypeAlias = Union[Vec3Int, tuple[int, int, int], "NDArray[Any]", Iterable[int]]


def as_vec3_int_or_none(vec3_int_like: Vec3IntLike | None) -> Vec3Int | None:
    """Convert to Vec3Int, let None pass."""
    return None if vec3_int_like is None else Vec3Int(vec3_int_like)
