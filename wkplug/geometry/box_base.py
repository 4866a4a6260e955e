"""What an n-dimensional box is: named axes, a start, a shape, a name, a colour. No operations.

`AxisBox` stores plain int tuples, so that operations (`wkplug.geometry.nd_bounding_box`) are tuple arithmetic
of `wkplug.geometry.grids`, and makes vectors only when somebody asks for one. It checks users' input once, in
the constructor; `_moved` makes changed copies without a second look. Only the box classes use this module.
"""

from __future__ import annotations

from operator import add, sub
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from wkplug.errors import AxisError, GeometryError
from wkplug.geometry.constants import CXYZ_AXES, XYZ_AXES
from wkplug.geometry.parsing import ints
from wkplug.geometry.vec3_int import Vec3Int
from wkplug.geometry.vec_int import VecInt, make_vec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wkplug.geometry.grids import Box, Ints
    from wkplug.geometry.vec3_int import Vec3IntLike
    from wkplug.geometry.vec_int import VecIntLike

__all__ = ["AxisBox"]

UNNAMED = "Unnamed Bounding Box"

_B = TypeVar("_B", bound="AxisBox")


class AxisBox:
    """Storage, accessors and changed copies of the box classes; see `NDBoundingBox`."""

    __slots__ = ("_axes", "_color", "_is_visible", "_name", "_order", "_shape", "_start")

    _vector: ClassVar[type[VecInt]] = VecInt

    _start: Ints
    _shape: Ints
    _axes: tuple[str, ...]
    _order: Ints
    _name: str | None
    _is_visible: bool
    _color: tuple[float, ...] | None

    def __init__(
        self,
        topleft: VecIntLike,
        size: VecIntLike,
        axes: Iterable[str],
        index: VecIntLike | None = None,
        name: str | None = UNNAMED,
        is_visible: bool = True,  # noqa: FBT001, FBT002 - a long-standing signature
        color: Iterable[float] | None = None,
    ) -> None:
        start, shape, names = ints(topleft), ints(size), tuple(axes)
        order = tuple(range(len(names))) if index is None else ints(index)
        if not len(start) == len(shape) == len(names) == len(order):
            raise GeometryError(
                f"topleft, size, axes and index have different lengths: {len(start)}, {len(shape)}, "
                f"{len(names)} ({', '.join(names)}) and {len(order)}."
            )
        if len(set(names)) != len(names):
            raise GeometryError(f"An axis is named twice: {', '.join(names)}.")
        if index is not None and (places := sorted(range(len(order)), key=order.__getitem__)) != [
            *range(len(order))
        ]:
            start, shape, order = (tuple([values[i] for i in places]) for values in (start, shape, order))
            names = tuple([names[i] for i in places])
        self._start, self._shape = flipped(start, shape)
        self._axes = names
        self._order = order
        self._name = name
        self._is_visible = is_visible
        self._color = None if color is None else tuple(map(float, color))

    # --- attributes -----------------------------------------------------------------------------------------

    @property
    def topleft(self) -> VecInt:
        """The first voxel, inclusive, along every axis."""
        return make_vec(self._vector, self._start, self._axes)

    @property
    def size(self) -> VecInt:
        """The number of voxels along every axis."""
        return make_vec(self._vector, self._shape, self._axes)

    @property
    def bottomright(self) -> VecInt:
        """The end, exclusive, along every axis."""
        return make_vec(self._vector, tuple(map(add, self._start, self._shape)), self._axes)

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes, in the order of the vectors and of the stored array."""
        return self._axes

    @property
    def index(self) -> VecInt:
        """The position of every axis in the stored array."""
        return make_vec(self._vector, self._order, self._axes)

    @property
    def name(self) -> str | None:
        """What people call the box."""
        return self._name

    @property
    def is_visible(self) -> bool:
        """Whether annotation tools show the box."""
        return self._is_visible

    @property
    def color(self) -> tuple[float, ...] | None:
        """Red, green, blue and alpha from 0 to 1, or None."""
        return self._color

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._axes)

    def to_box(self) -> Box:
        """Return `(start, shape)` as plain tuples, the form that `wkplug.geometry.grids` calculates with."""
        return self._start, self._shape

    @property
    def topleft_xyz(self) -> Vec3Int:
        """The spatial part of `topleft`; a missing axis counts as 0."""
        return make_vec(Vec3Int, self._xyz(self._start), XYZ_AXES)

    @property
    def size_xyz(self) -> Vec3Int:
        """The spatial part of `size`; a missing axis counts as 0."""
        return make_vec(Vec3Int, self._xyz(self._shape), XYZ_AXES)

    @property
    def bottomright_xyz(self) -> Vec3Int:
        """The spatial part of `bottomright`; a missing axis counts as 0."""
        return make_vec(Vec3Int, self._xyz(tuple(map(add, self._start, self._shape))), XYZ_AXES)

    @property
    def index_xyz(self) -> Vec3Int:
        """The positions of x, y and z in the stored array; a missing axis counts as 0."""
        return make_vec(Vec3Int, self._xyz(self._order), XYZ_AXES)

    def get_shape(self, axis_name: str) -> int:
        """Return the size along the axis; AxisError (a KeyError) without that axis."""
        return self._shape[self._position(axis_name)]

    def get_bounds(self, axis: str) -> tuple[int, int]:
        """Return start and exclusive end along the axis; AxisError (a KeyError) without that axis."""
        position = self._position(axis)
        return self._start[position], self._start[position] + self._shape[position]

    # --- copies with changes --------------------------------------------------------------------------------

    def with_name(self, name: str | None) -> Self:
        """Return a copy with another name."""
        copy = self._moved(self._start, self._shape)
        copy._name = name
        return copy

    def with_is_visible(self, is_visible: bool) -> Self:  # noqa: FBT001 - a long-standing signature
        """Return a copy that is shown, or hidden."""
        copy = self._moved(self._start, self._shape)
        copy._is_visible = is_visible
        return copy

    def with_color(self, color: Iterable[float] | None) -> Self:
        """Return a copy of another colour: red, green, blue and alpha from 0 to 1."""
        copy = self._moved(self._start, self._shape)
        copy._color = None if color is None else tuple(map(float, color))
        return copy

    def with_topleft(self, new_topleft: VecIntLike) -> Self:
        """Return a copy that starts elsewhere; the size stays."""
        return self._moved(ints(new_topleft, count=self.ndim), self._shape)

    def with_size(self, new_size: VecIntLike) -> Self:
        """Return a copy of another size; the start stays."""
        return self._moved(self._start, ints(new_size, count=self.ndim))

    def with_bottomright(self, new_bottomright: VecIntLike) -> Self:
        """Return a copy with another end (exclusive); the start stays, the size changes."""
        stop = ints(new_bottomright, count=self.ndim)
        return self._moved(self._start, tuple(map(sub, stop, self._start)))

    def with_index(self, new_index: VecIntLike) -> Self:
        """Return a copy with the axes at other positions, re-ordered accordingly."""
        return type(self)(
            self._start, self._shape, self._axes, new_index, self._name, self._is_visible, self._color
        )

    def with_bounds(self, axis: str, new_topleft: int | None = None, new_size: int | None = None) -> Self:
        """Return a copy with another start and size along one axis; what is None stays."""
        position = self._position(axis)
        start, shape = list(self._start), list(self._shape)
        if new_topleft is not None:
            start[position] = ints((new_topleft,))[0]
        if new_size is not None:
            shape[position] = ints((new_size,))[0]
        return self._moved(tuple(start), tuple(shape))

    def with_topleft_xyz(self, new_xyz: Vec3IntLike) -> Self:
        """Return a copy with another spatial start; axes that the box doesn't have are skipped."""
        return self._moved(self._with_xyz(self._start, new_xyz), self._shape)

    def with_size_xyz(self, new_xyz: Vec3IntLike) -> Self:
        """Return a copy with another spatial size; axes that the box doesn't have are skipped."""
        return self._moved(self._start, self._with_xyz(self._shape, new_xyz))

    def with_bottomright_xyz(self, new_xyz: Vec3IntLike) -> Self:
        """Return a copy with another spatial end (exclusive); the start stays, the size changes."""
        return self.with_bottomright(self._with_xyz(tuple(map(add, self._start, self._shape)), new_xyz))

    def with_index_xyz(self, new_xyz: Vec3IntLike) -> Self:
        """Return a copy with x, y and z at other positions of the stored array, re-ordered accordingly."""
        return self.with_index(self._with_xyz(self._order, new_xyz))

    def __len__(self) -> int:
        return len(self._axes)

    def __repr__(self) -> str:
        axes = dict(zip(self._axes, self._order, strict=True))
        return f"{type(self).__name__}(topleft={self._start}, size={self._shape}, axes={axes})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (type(self), *[getattr(self, slot) for slot in AxisBox.__slots__]))

    # --- inside ---------------------------------------------------------------------------------------------

    def _moved(self, start: Ints, shape: Ints) -> Self:
        """Return a copy with another start and shape; negative sizes are turned round."""
        copy = object.__new__(type(self))
        if shape and min(shape) < 0:
            start, shape = flipped(start, shape)
        copy._start = start
        copy._shape = shape
        copy._axes = self._axes
        copy._order = self._order
        copy._name = self._name
        copy._is_visible = self._is_visible
        copy._color = self._color
        return copy

    def _position(self, axis: str) -> int:
        try:
            return self._axes.index(axis)
        except ValueError:
            raise AxisError(f"The box has no axis {axis!r}; its axes are {', '.join(self._axes)}.") from None

    def _xyz(self, values: Ints) -> Ints:
        """Return those values that belong to x, y and z; 0 for a missing axis."""
        if self._axes == XYZ_AXES:
            return values
        if self._axes == CXYZ_AXES:
            return values[1:]
        return tuple([values[self._axes.index(axis)] if axis in self._axes else 0 for axis in XYZ_AXES])

    def _with_xyz(self, values: Ints, new: Iterable[int]) -> Ints:
        """Return the values with those of x, y and z replaced, as far as the box has these axes."""
        given = dict(zip(XYZ_AXES, ints(new, count=3), strict=True))
        return tuple([given.get(axis, old) for axis, old in zip(self._axes, values, strict=True)])


def flipped(start: Ints, shape: Ints) -> Box:
    """Turn negative sizes round: a box from 10, -5 long, is the one from 5, 5 long."""
    if not shape or min(shape) >= 0:
        return start, shape
    return tuple([a + min(0, n) for a, n in zip(start, shape, strict=True)]), tuple(map(abs, shape))


def _restore(kind: type[_B], *values: Any) -> _B:
    """Unpickle: values are in the order of the slots."""
    box = object.__new__(kind)
    for slot, value in zip(AxisBox.__slots__, values, strict=True):
        setattr(box, slot, value)
    return box
