"""`Vec3Float`: three floats over x, y, z, for voxel sizes and physical positions.

A value like `Vec3Int`: immutable, element-wise arithmetic, equal to and hashed like the plain tuple of its
numbers. Units are those of whoever holds it (nanometres in voxel sizes). numpy is imported by `to_np` only.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self, SupportsFloat, TypeAlias, Union, overload

from wkplug.errors import GeometryError
from wkplug.geometry.vec3_int import Vec3Int

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Vec3Float", "Vec3FloatLike", "as_vec3_float_or_none"]


class Vec3Float(Sequence[float]):
    """Three floats in the order x, y, z: `Vec3Float(1, 2, 3)` or `Vec3Float((1, 2, 3))`.

    Any iterable of three numbers or array of shape (3,) will do; GeometryError (a ValueError) otherwise, also
    for text, which `from_str` reads. `Vec3Float(v)` is `v` itself for a Vec3Float.
    """

    __slots__ = ("_data",)

    _data: tuple[float, ...]

    def __new__(cls, vec: Any, y: float | None = None, z: float | None = None) -> Self:  # noqa: D102 - the class documents construction, as with __init__
        if y is None and z is None:
            if type(vec) is cls:
                return vec
            values = vec
        else:
            values = (vec, y, z)
        vector = object.__new__(cls)
        vector._data = _floats(values)
        return vector

    @classmethod
    def from_xyz(cls, x: float, y: float, z: float) -> Self:
        """Make a vector of three numbers."""
        return cls(x, y, z)

    @classmethod
    def from_str(cls, string: str) -> Self:
        """Read "1.5,2,3", "1.5 2 3" or "(1.5, 2, 3)"; GeometryError (a ValueError) for anything else."""
        parts = re.split(r"\s*,\s*|\s+", string.strip().removeprefix("(").removesuffix(")").strip())
        try:
            return cls([float(part) for part in parts])
        except ValueError as error:
            raise GeometryError(f'{string!r} is no vector of three numbers such as "1.5,2,3".') from error

    @classmethod
    def zeros(cls) -> Self:
        """Return (0.0, 0.0, 0.0)."""
        return cls.full(0)

    @classmethod
    def ones(cls) -> Self:
        """Return (1.0, 1.0, 1.0)."""
        return cls.full(1)

    @classmethod
    def full(cls, value: float) -> Self:
        """Return the same number three times."""
        return cls(value, value, value)

    @property
    def x(self) -> float:
        """The x component."""
        return self._data[0]

    @property
    def y(self) -> float:
        """The y component."""
        return self._data[1]

    @property
    def z(self) -> float:
        """The z component."""
        return self._data[2]

    def with_x(self, new_x: float) -> Self:
        """Return a copy with another x."""
        return type(self)(new_x, self.y, self.z)

    def with_y(self, new_y: float) -> Self:
        """Return a copy with another y."""
        return type(self)(self.x, new_y, self.z)

    def with_z(self, new_z: float) -> Self:
        """Return a copy with another z."""
        return type(self)(self.x, self.y, new_z)

    @overload
    def __getitem__(self, key: int) -> float: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[float, ...]: ...
    def __getitem__(self, key: int | slice) -> float | tuple[float, ...]:
        return self._data[key]

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[float]:
        return iter(self._data)

    def __add__(self, other: SupportsFloat | Vec3FloatLike) -> Self:
        return self._element_wise(other, operator.add)

    def __sub__(self, other: SupportsFloat | Vec3FloatLike) -> Self:
        return self._element_wise(other, operator.sub)

    def __mul__(self, other: SupportsFloat | Vec3FloatLike) -> Self:
        return self._element_wise(other, operator.mul)

    def __truediv__(self, other: SupportsFloat | Vec3FloatLike) -> Self:
        return self._element_wise(other, operator.truediv)

    def __neg__(self) -> Self:
        return type(self)([-a for a in self._data])

    def pairmax(self, other: SupportsFloat | Vec3FloatLike) -> Self:
        """Return the larger number of each pair."""
        return self._element_wise(other, max)

    def pairmin(self, other: SupportsFloat | Vec3FloatLike) -> Self:
        """Return the smaller number of each pair."""
        return self._element_wise(other, min)

    def prod(self) -> float:
        """Return the product of the three."""
        return math.prod(self._data)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Vec3Float):
            return self._data == other._data
        return self._data == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._data)

    def __lt__(self, other: Vec3Float | tuple[float, ...]) -> bool:
        return self._ordered(other, operator.lt)

    def __le__(self, other: Vec3Float | tuple[float, ...]) -> bool:
        return self._ordered(other, operator.le)

    def __gt__(self, other: Vec3Float | tuple[float, ...]) -> bool:
        return self._ordered(other, operator.gt)

    def __ge__(self, other: Vec3Float | tuple[float, ...]) -> bool:
        return self._ordered(other, operator.ge)

    def to_tuple(self) -> tuple[float, float, float]:
        """Return (x, y, z)."""
        x, y, z = self._data
        return (x, y, z)

    def to_list(self) -> list[float]:
        """Return [x, y, z]."""
        return list(self._data)

    def to_np(self) -> NDArray[np.float64]:
        """Return a float64 array of shape (3,)."""
        import numpy as np

        return np.array(self._data, dtype=np.float64)

    def to_vec3_int(self) -> Vec3Int:
        """Cut the fractions off, towards zero; GeometryError for infinity and not-a-number."""
        return Vec3Int(self._data)

    def __repr__(self) -> str:
        return f"Vec3Float({','.join(map(str, self._data))})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), self._data)

    def _element_wise(self, other: Any, function: Callable[[float, float], float]) -> Self:
        if isinstance(other, Iterable) and getattr(other, "ndim", 1) != 0:
            numbers = _floats(other)
        elif hasattr(other, "__float__") or hasattr(other, "__index__"):
            numbers = (float(other),) * 3
        else:
            return NotImplemented  # type: ignore[no-any-return]  # Python makes a TypeError of it
        return type(self)(list(map(function, self._data, numbers)))

    def _ordered(self, other: object, function: Callable[[Any, Any], bool]) -> bool:
        if isinstance(other, Vec3Float):
            return function(self._data, other._data)
        return function(self._data, other) if isinstance(other, tuple) else NotImplemented


Vec3FloatLike: TypeAlias = Union[
    Vec3Float, Vec3Int, tuple[float, float, float], "NDArray[Any]", Iterable[float]
]


def as_vec3_float_or_none(vec3_float_like: Vec3FloatLike | None) -> Vec3Float | None:
    """Convert to Vec3Float, let None pass."""
    return None if vec3_float_like is None else Vec3Float(vec3_float_like)


def _floats(values: Any) -> tuple[float, ...]:
    """Return three floats; text is refused, for float() would take it apart into letters."""
    try:
        given = tuple(values)
        if len(given) == 3 and not any(isinstance(value, str | bytes) for value in given):
            return tuple(map(float, given))
    except (TypeError, ValueError, OverflowError) as error:
        raise GeometryError(f"A Vec3Float is made of three numbers, got {values!r}: {error}.") from error
    raise GeometryError(f"A Vec3Float is made of three numbers, got {values!r}.")
