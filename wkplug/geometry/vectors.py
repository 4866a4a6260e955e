"""Vectors with named axes: `VecInt` over any axes, `Vec3Int` and `Vec3Float` over x, y and z.

Values: immutable, hashable, equal to the plain tuple of their numbers. Arithmetic is element-wise and exact
for integers of any size. A vector is a `Sequence`, not a tuple, so `+` never concatenates.

Numbers and axis names are checked once, in the constructors; results of arithmetic are made by `make_vec`
without a second check. numpy is imported by `to_np` only: arrays are recognised by what they can do. The
names of axes and the reading of integers from sequences, arrays and text are here too.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    Self,
    SupportsFloat,
    SupportsIndex,
    TypeAlias,
    TypeVar,
    Union,
    overload,
)

from wkplug.errors import AxisError, GeometryError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "CXYZ_AXES",
    "C_AXIS",
    "TCXYZ_AXES",
    "TXYZ_AXES",
    "T_AXIS",
    "XYZ_AXES",
    "XY_AXES",
    "X_AXIS",
    "Y_AXIS",
    "Z_AXIS",
    "Vec3Float",
    "Vec3FloatLike",
    "Vec3Int",
    "Vec3IntLike",
    "VecInt",
    "VecIntLike",
    "XYZAxis",
    "as_vec3_float_or_none",
    "as_vec3_int_or_none",
    "ints",
    "make_vec",
]

XYZAxis: TypeAlias = Literal["x", "y", "z"]

C_AXIS: Final = "c"
X_AXIS: Final = "x"
Y_AXIS: Final = "y"
Z_AXIS: Final = "z"
T_AXIS: Final = "t"

XY_AXES: Final = (X_AXIS, Y_AXIS)
XYZ_AXES: Final = (X_AXIS, Y_AXIS, Z_AXIS)
CXYZ_AXES: Final = (C_AXIS, *XYZ_AXES)
TXYZ_AXES: Final = (T_AXIS, *XYZ_AXES)
TCXYZ_AXES: Final = (T_AXIS, *CXYZ_AXES)

_V = TypeVar("_V", bound="VecInt")


class VecInt(Sequence[int]):
    """n integers, one per named axis: `VecInt(1, 2, 3, axes=("x", "y", "t"))` or `VecInt(x=1, y=2, t=3)`.

    Also made from one iterable or array plus axis names, or from another vector, re-labelled. Fractions are
    cut off, but an array that has any is refused. Equality, order and hash are those of the plain tuple; axis
    names don't count. Raises GeometryError for missing or repeated names and for counts that disagree.
    """

    __slots__ = ("_axes", "_data")

    _data: tuple[int, ...]
    _axes: tuple[str, ...]

    def __new__(cls, *args: Any, axes: Iterable[str] | None = None, **components: Any) -> Self:  # noqa: D102 - the class documents construction, as with __init__
        if components:
            if args or axes is not None:
                raise GeometryError(
                    "A vector takes numbers with axes, or one keyword per axis, not both.", hint=HOW
                )
            return make_vec(cls, ints(components.values()), tuple(components))
        values, axes = unpack(args, axes)
        if axes is None:
            if isinstance(values, cls):
                return values
            if not isinstance(values, VecInt):
                raise GeometryError("The axes of the vector are missing.", hint=HOW)
            axes = values._axes
        names = tuple(axes)
        if isinstance(values, str):
            return cls.from_str(values, names)
        numbers = ints(values, fractions=not hasattr(values, "__array__"))
        if len(numbers) != len(names):
            raise GeometryError(
                f"{len(numbers)} numbers don't fit {len(names)} axes ({', '.join(names)}).", hint=HOW
            )
        if len(set(names)) != len(names):
            raise GeometryError(f"An axis is named twice: {', '.join(names)}.")
        return make_vec(cls, numbers, names)

    @classmethod
    def zeros(cls, axes: Iterable[str]) -> Self:
        """Return a vector of zeros over the axes."""
        return cls.full(0, axes)

    @classmethod
    def ones(cls, axes: Iterable[str]) -> Self:
        """Return a vector of ones over the axes."""
        return cls.full(1, axes)

    @classmethod
    def full(cls, an_int: int, axes: Iterable[str]) -> Self:
        """Return a vector with the same number on all axes."""
        names = tuple(axes)
        return cls((an_int,) * len(names), axes=names)

    @classmethod
    def from_str(cls, string: str, axes: Iterable[str] | None = None) -> Self:
        """Read "1,2,3" or "(1, 2, 3)", or one number for all axes; the text doesn't name the axes."""
        if axes is None:
            raise GeometryError(f"The text {string!r} doesn't say its axes.", hint=HOW)
        names = tuple(axes)
        return cls(parse_ints(string, len(names)), axes=names)

    # --- access ---------------------------------------------------------------------------------------------

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes, in the order of the numbers."""
        return self._axes

    @property
    def x(self) -> int:
        """The x component; AxisError (a KeyError) without that axis."""
        return self._data[self._position("x")]

    @property
    def y(self) -> int:
        """The y component; AxisError (a KeyError) without that axis."""
        return self._data[self._position("y")]

    @property
    def z(self) -> int:
        """The z component; AxisError (a KeyError) without that axis."""
        return self._data[self._position("z")]

    @property
    def c(self) -> int:
        """The channel component; AxisError (a KeyError) without that axis."""
        return self._data[self._position("c")]

    @property
    def xyz(self) -> Vec3Int:
        """The spatial part; AxisError (a KeyError) unless all of x, y and z are there."""
        return Vec3Int.from_xyz(self.x, self.y, self.z)

    def get(self, axis: str, default: int | None = None) -> int:
        """Return the component of the axis, or the default; AxisError (a KeyError) where there is neither."""
        if axis in self._axes:
            return self._data[self._axes.index(axis)]
        if default is None:
            raise self._no_axis(axis)
        return default

    def contains(self, needle: int) -> bool:
        """Whether one of the numbers is `needle`."""
        return needle in self._data

    @overload
    def __getitem__(self, key: int | str) -> int: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[int, ...]: ...
    def __getitem__(self, key: int | str | slice) -> int | tuple[int, ...]:
        if isinstance(key, str):
            return self._data[self._position(key)]
        return self._data[key]

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[int]:
        return iter(self._data)

    def __contains__(self, value: object) -> bool:
        return value in self._data

    # --- copies with changes --------------------------------------------------------------------------------

    def with_replaced(self, axis: int | str, new_element: int) -> Self:
        """Return a copy with another number on one axis; AxisError for a name, IndexError for a position."""
        data = list(self._data)
        data[self._position(axis) if isinstance(axis, str) else axis] = ints((new_element,))[0]
        return make_vec(type(self), tuple(data), self._axes)

    def with_x(self, new_x: int) -> Self:
        """Return a copy with another x; AxisError (a KeyError) without that axis."""
        return self.with_replaced("x", new_x)

    def with_y(self, new_y: int) -> Self:
        """Return a copy with another y; AxisError (a KeyError) without that axis."""
        return self.with_replaced("y", new_y)

    def with_z(self, new_z: int) -> Self:
        """Return a copy with another z; AxisError (a KeyError) without that axis."""
        return self.with_replaced("z", new_z)

    def with_c(self, new_c: int) -> Self:
        """Return a copy with another c; AxisError (a KeyError) without that axis."""
        return self.with_replaced("c", new_c)

    def with_xyz(self, new_xyz: VecIntLike) -> Self:
        """Return a copy with those of x, y and z replaced that the vector has; the others are skipped."""
        new = dict(zip("xyz", ints(new_xyz, count=3), strict=True))
        data = tuple([new.get(axis, old) for axis, old in zip(self._axes, self._data, strict=True)])
        return make_vec(type(self), data, self._axes)

    def moveaxis(
        self, source: int | str | Sequence[int | str], target: int | str | Sequence[int | str]
    ) -> VecInt:
        """Move axes to other positions, as `numpy.moveaxis` does; the others keep their order.

        `source` and `target` are positions or names, one or several of each. The result is a plain VecInt
        when its axes are no longer those of the class.
        """
        sources, targets = (self._positions(given) for given in (source, target))
        if (
            len(sources) != len(targets)
            or len(set(sources)) != len(sources)
            or len(set(targets)) != len(targets)
        ):
            raise GeometryError(
                f"Can't move the axes {source} to {target}: as many targets as sources, each once."
            )
        order = [position for position in range(len(self)) if position not in sources]
        for to, position in sorted(zip(targets, sources, strict=True)):
            order.insert(to, position)
        axes = tuple([self._axes[position] for position in order])
        kind = type(self) if axes == self._axes else VecInt
        return make_vec(kind, tuple([self._data[position] for position in order]), axes)

    # --- arithmetic -----------------------------------------------------------------------------------------

    def __add__(self, other: SupportsIndex | VecIntLike) -> Self:
        return self._element_wise(other, operator.add)

    def __sub__(self, other: SupportsIndex | VecIntLike) -> Self:
        return self._element_wise(other, operator.sub)

    def __mul__(self, other: SupportsIndex | VecIntLike) -> Self:
        return self._element_wise(other, operator.mul)

    def __floordiv__(self, other: SupportsIndex | VecIntLike) -> Self:
        return self._element_wise(other, operator.floordiv)

    def __mod__(self, other: SupportsIndex | VecIntLike) -> Self:
        return self._element_wise(other, operator.mod)

    def __neg__(self) -> Self:
        return make_vec(type(self), tuple([-a for a in self._data]), self._axes)

    def ceildiv(self, other: SupportsIndex | VecIntLike) -> Self:
        """Divide element-wise, rounding up."""
        return self._named(other, lambda a, b: -(-a // b), "divided")

    def pairmax(self, other: SupportsIndex | VecIntLike) -> Self:
        """Return the larger number of each pair."""
        return self._named(other, max, "compared")

    def pairmin(self, other: SupportsIndex | VecIntLike) -> Self:
        """Return the smaller number of each pair."""
        return self._named(other, min, "compared")

    def add_or_none(self, other: SupportsIndex | VecIntLike | None) -> Self | None:
        """Return the sum, or None where there is nothing to add."""
        return None if other is None else self + other

    def prod(self) -> int:
        """Return the product of the numbers."""
        return math.prod(self._data)

    def is_positive(self, strictly_positive: bool = False) -> bool:  # noqa: FBT001, FBT002 - a long-standing signature
        """Whether no number is negative; with `strictly_positive`, none may be zero either."""
        return all(a > 0 if strictly_positive else a >= 0 for a in self._data)

    def is_uniform(self) -> bool:
        """Whether all numbers are equal."""
        return len(set(self._data)) <= 1

    # --- comparison and conversion --------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if isinstance(other, VecInt):
            return self._data == other._data
        return self._data == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._data)

    def __lt__(self, other: VecInt | tuple[int, ...]) -> bool:
        return self._ordered(other, operator.lt)

    def __le__(self, other: VecInt | tuple[int, ...]) -> bool:
        return self._ordered(other, operator.le)

    def __gt__(self, other: VecInt | tuple[int, ...]) -> bool:
        return self._ordered(other, operator.gt)

    def __ge__(self, other: VecInt | tuple[int, ...]) -> bool:
        return self._ordered(other, operator.ge)

    def to_tuple(self) -> tuple[int, ...]:
        """Return the numbers as a tuple."""
        return self._data

    def to_list(self) -> list[int]:
        """Return the numbers as a list."""
        return list(self._data)

    def to_np(self) -> NDArray[np.int64]:
        """Return the numbers as an int64 array of shape (n,)."""
        import numpy as np

        return np.array(self._data, dtype=np.int64)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({','.join(map(str, self._data))}, axes={self._axes})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (make_vec, (type(self), self._data, self._axes))

    # --- inside ---------------------------------------------------------------------------------------------

    def _no_axis(self, axis: str) -> AxisError:
        return AxisError(f"The vector has no axis {axis!r}; its axes are {', '.join(self._axes)}.")

    def _position(self, axis: str) -> int:
        try:
            return self._axes.index(axis)
        except ValueError:
            raise self._no_axis(axis) from None

    def _positions(self, given: int | str | Sequence[int | str]) -> list[int]:
        count = len(self._data)
        found = []
        for entry in (given,) if isinstance(given, int | str) else given:
            position = self._position(entry) if isinstance(entry, str) else operator.index(entry)
            if not -count <= position < count:
                raise GeometryError(f"There is no axis number {position} among {count}.")
            found.append(position % count)
        return found

    def _operand(self, other: object) -> tuple[int, ...] | None:
        """Return the other side as one int per axis, or None where it is no number and no sequence."""
        count = len(self._data)
        if isinstance(other, int):
            return (other,) * count
        if isinstance(other, VecInt):
            numbers = other._data
        elif hasattr(other, "__index__") and getattr(other, "ndim", 0) == 0:
            return (operator.index(other),) * count  # an integer scalar of numpy
        elif isinstance(other, Iterable) and not isinstance(other, str | bytes):
            numbers = ints(other)
        elif isinstance(other, str | bytes | float):
            raise GeometryError(f"{other!r} is no integer and no vector of {count} integers.")
        else:
            return None
        if len(numbers) != count:
            raise GeometryError(f"{other!r} has {len(numbers)} numbers, {self!r} has {count}.")
        return numbers

    def _element_wise(self, other: object, function: Callable[[int, int], int]) -> Self:
        numbers = self._operand(other)
        if numbers is None:
            return NotImplemented  # type: ignore[no-any-return]  # Python makes a TypeError of it
        return make_vec(type(self), tuple(map(function, self._data, numbers)), self._axes)

    def _named(self, other: object, function: Callable[[int, int], int], verb: str) -> Self:
        """Like `_element_wise`, for methods, where Python doesn't turn NotImplemented into a TypeError."""
        numbers = self._operand(other)
        if numbers is None:
            raise TypeError(f"{self!r} can't be {verb} with {other!r}: not an integer and not a vector.")
        return make_vec(type(self), tuple(map(function, self._data, numbers)), self._axes)

    def _ordered(self, other: object, function: Callable[[Any, Any], bool]) -> bool:
        if isinstance(other, VecInt):
            return function(self._data, other._data)
        return function(self._data, other) if isinstance(other, tuple) else NotImplemented


VecIntLike: TypeAlias = Union[VecInt, tuple[int, ...], "NDArray[Any]", Iterable[int]]


def make_vec(kind: type[_V], data: tuple[int, ...], axes: tuple[str, ...]) -> _V:
    """Make a vector from what is already known to be sound, without any check."""
    vector = object.__new__(kind)
    vector._data = data
    vector._axes = axes
    return vector


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


# --- numbers from what users hand over -----------------------------------------------------------------------

HOW = 'Write VecInt(1, 2, 3, axes=("x", "y", "t")) or VecInt(x=1, y=2, t=3).'
_NUMBERS = re.compile(r"\s*(\()?\s*([+-]?[0-9]+(?:\s*,\s*[+-]?[0-9]+)*)\s*(?(1)\))\s*")


def ints(values: Iterable[Any], *, count: int | None = None, fractions: bool = True) -> tuple[int, ...]:
    """Return the values as ints, cut towards zero; with `fractions` off, only whole numbers pass."""
    if type(values) is not tuple and isinstance(values, str | bytes):
        raise GeometryError(f"{values!r} is text, not a sequence of integers.")
    try:
        given = tuple(values)
        numbers = tuple(map(int, given))
    except (TypeError, ValueError, OverflowError) as error:
        raise GeometryError(f"{values!r} is no sequence of integers: {error}.") from error
    if not fractions and numbers != given:
        raise GeometryError(f"{values!r} has fractions; whole numbers are needed.")
    if count is not None and len(numbers) != count:
        raise GeometryError(f"Expected {count} integers, got {len(numbers)}: {values!r}.")
    return numbers


def parse_ints(string: str, count: int) -> tuple[int, ...]:
    """Read "1,2,3" or "(1, 2, 3)"; one number alone stands for `count` equal ones."""
    match = _NUMBERS.fullmatch(string)
    numbers = ints(match[2].split(",")) if match else ()
    if len(numbers) == 1:
        return numbers * count
    if len(numbers) != count:
        raise GeometryError(f'{string!r} is no vector of {count} integers such as "1,2,3" or "(1,2,3)".')
    return numbers


def unpack(args: tuple[Any, ...], axes: Iterable[str] | None) -> tuple[Any, Iterable[str] | None]:
    """Sort positional arguments into values and axes: numbers, or one iterable that axis names may follow."""
    if not args:
        raise GeometryError("A vector needs numbers.", hint=HOW)
    if not hasattr(args[0], "__iter__"):
        return args, axes
    if len(args) == 2 and axes is None:
        return args[0], args[1]
    if len(args) > 1:
        raise GeometryError(f"A vector takes one sequence and its axes, not {len(args)} arguments.", hint=HOW)
    return args[0], axes
