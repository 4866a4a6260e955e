"""`Mag`: how many voxels of full resolution one voxel of a mag spans along x, y, z; always powers of two.

Mag 1 is full resolution, mag 2 halves every axis, mag 4-4-1 keeps z. A value: hashable, and strictly ordered
from fine to coarse, first by the largest component, then by (x, y, z). The layer's folders are named by
`to_layer_name()`. numpy is imported by `to_np` only.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any, Self, TypeAlias, Union, cast

from wkplug.errors import GeometryError, MagError
from wkplug.geometry.vectors import Vec3Int, Vec3IntLike, VecInt

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Mag", "MagLike"]

_TEXT = re.compile(r"[0-9]{1,400}(?:-[0-9]{1,400}-[0-9]{1,400})?")


class Mag:
    """A magnification: `Mag(2)`, `Mag("2")`, `Mag("2-2-1")`, `Mag((2, 2, 1))`, or any other three integers.

    Raises MagError (a ValueError and an AssertionError) unless every component is a power of two. Equal to
    whatever would make the same mag (`Mag(2) == "2"`), but hashed as (x, y, z): only a Mag or that tuple
    finds it in a dictionary.
    """

    __slots__ = ("_data",)

    _data: tuple[int, int, int]

    def __new__(cls, mag: MagLike) -> Self:  # noqa: D102 - the class documents construction, as with __init__
        if type(mag) is cls:
            return mag
        if type(mag) is int:
            x = y = z = mag
        else:
            x, y, z = _parse(mag)
        if x <= 0 or y <= 0 or z <= 0 or x & (x - 1) or y & (y - 1) or z & (z - 1):
            got = x if x == y == z else f"{x}-{y}-{z}"
            raise MagError(f"Mag components must be powers of two (1, 2, 4, ...), got {got}.")
        made = object.__new__(cls)
        made._data = (x, y, z)
        return made

    @property
    def x(self) -> int:
        """Voxels of full resolution along x."""
        return self._data[0]

    @property
    def y(self) -> int:
        """Voxels of full resolution along y."""
        return self._data[1]

    @property
    def z(self) -> int:
        """Voxels of full resolution along z."""
        return self._data[2]

    @property
    def max_dim(self) -> int:
        """The largest component."""
        return max(self._data)

    @property
    def max_dim_log2(self) -> int:
        """The exponent of the largest component: 3 for mag 8-8-4."""
        return max(self._data).bit_length() - 1

    def to_layer_name(self) -> str:
        """Return the short name, "2" or "2-2-1": the name of the mag's folder."""
        x, y, z = self._data
        return str(x) if x == y == z else f"{x}-{y}-{z}"

    def to_long_layer_name(self) -> str:
        """Return the name with all three components: "2-2-2"."""
        return "-".join(map(str, self._data))

    def to_list(self) -> list[int]:
        """Return [x, y, z]."""
        return list(self._data)

    def to_tuple(self) -> tuple[int, int, int]:
        """Return (x, y, z)."""
        return self._data

    def to_np(self) -> NDArray[np.int64]:
        """Return an int64 array of shape (3,)."""
        import numpy as np

        return np.array(self._data, dtype=np.int64)

    def to_vec3_int(self) -> Vec3Int:
        """Return the three components as a vector."""
        return Vec3Int.from_xyz(*self._data)

    def __iter__(self) -> Iterator[int]:
        return iter(self._data)

    def __mul__(self, other: int | Vec3IntLike) -> Mag:
        return self._calculated(other, operator.mul)

    def __floordiv__(self, other: int | Vec3IntLike) -> Mag:
        return self._calculated(other, operator.floordiv)

    def __eq__(self, other: object) -> bool:
        if type(other) is Mag:
            return self._data == other._data
        if not _might_be_mag(other):
            return NotImplemented
        try:
            return self._data == Mag(cast("MagLike", other))._data
        except MagError:
            return False

    def __hash__(self) -> int:
        return hash(self._data)

    def __lt__(self, other: Any) -> bool:
        return self._ordered(other, operator.lt)

    def __le__(self, other: Any) -> bool:
        return self._ordered(other, operator.le)

    def __gt__(self, other: Any) -> bool:
        return self._ordered(other, operator.gt)

    def __ge__(self, other: Any) -> bool:
        return self._ordered(other, operator.ge)

    def __str__(self) -> str:
        return self.to_layer_name()

    def __repr__(self) -> str:
        return f"Mag({self.to_layer_name()})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self._data,))

    def _calculated(self, other: Any, function: Any) -> Mag:
        if isinstance(other, Mag):
            other = other._data
        return Mag(function(self.to_vec3_int(), other))

    def _ordered(self, other: Any, function: Any) -> bool:
        if type(other) is not Mag:
            if not _might_be_mag(other):
                return NotImplemented  # type: ignore[no-any-return]  # Python makes a TypeError of it
            other = Mag(other)
        result: bool = function((max(self._data), self._data), (max(other._data), other._data))
        return result


MagLike: TypeAlias = Union[int, str, list[int], tuple[int, ...], "NDArray[Any]", Mag, Vec3Int]


def _might_be_mag(value: Any) -> bool:
    """Whether comparing with the value makes sense at all; otherwise its own comparison gets its turn."""
    return isinstance(value, int | str | list | tuple | VecInt | Mag) or hasattr(value, "__array__")


def _parse(mag: Any) -> tuple[int, int, int]:
    """Return the three components of what isn't a plain int; MagError names what it got instead."""
    if isinstance(mag, str):
        if _TEXT.fullmatch(mag):
            numbers = [int(part) for part in mag.split("-")]
            return (
                (numbers[0], numbers[0], numbers[0])
                if len(numbers) == 1
                else (numbers[0], numbers[1], numbers[2])
            )
    elif isinstance(mag, Mag):
        return mag._data
    elif isinstance(mag, list | tuple | VecInt) or getattr(mag, "ndim", 0) == 1:
        try:
            given = tuple(mag)
            x, y, z = map(int, given)
        except (TypeError, ValueError, GeometryError, OverflowError):
            pass
        else:
            if (x, y, z) == given:
                return (x, y, z)
    elif hasattr(mag, "__index__") and getattr(mag, "ndim", 0) == 0:
        number = operator.index(mag)
        return (number, number, number)
    raise MagError(
        f"Not a mag: {mag!r}.",
        hint='A mag is an int, three ints, or text: 2, (2, 2, 1), "2", "2-2-1".',
    )
