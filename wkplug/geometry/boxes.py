"""Boxes of voxels over named axes, and all that can be calculated with them.

`NDBoundingBox` has any axes. `BoundingBox` is the one over x, y and z that nearly all code holds, with its
written forms. `NormalizedBoundingBox` has the channels as an axis of its own, as arrays have them and as
datasource-properties.json stores them; it mixes with `BoundingBox`.

Operations with mags touch x, y and z only. Everything is exact for integers of any size. Users' input is
checked once, in the constructors; changed copies are made by `_moved` without a second look. The arithmetic
is that of `wkplug.geometry.grids`, on plain tuples; vectors are made only when one is asked for.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import add, mod, sub
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from wkplug.errors import AxisError, GeometryError
from wkplug.geometry import grids
from wkplug.geometry.mag import Mag, MagLike
from wkplug.geometry.vectors import (
    CXYZ_AXES,
    XYZ_AXES,
    Vec3FloatLike,
    Vec3Int,
    Vec3IntLike,
    VecInt,
    VecIntLike,
    ints,
    make_vec,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.geometry.grids import Box, Ints

__all__ = [
    "BoundingBox",
    "NDBoundingBox",
    "NormalizedBoundingBox",
    "checked_box",
    "derive_nd_bounding_box_from_shape",
]

UNNAMED = "Unnamed Bounding Box"

T = TypeVar("T")
_B = TypeVar("_B", bound="NDBoundingBox")

_ORDER = (1, 2, 3)  # the channel axis comes first in stored arrays
# A minus counts only at the start or after an underscore, as written; elsewhere a hyphen is part of a name.
_CHECKPOINT = re.compile(r"((?:(?<![^_])-)?\d+)" + r"_(-?\d+)" * 5)
_CXYZ_ORDER = {"c": 0, "x": 1, "y": 2, "z": 3}
_XYZ_ORDER = {"x": 1, "y": 2, "z": 3}


class NDBoundingBox:
    """A box over named axes: `NDBoundingBox(topleft=(0, 2, 3, 4), size=(9, 5, 6, 7), axes="txyz")`.

    `topleft` is inclusive, `bottomright` exclusive. `index` says where each axis is in the stored array (by
    default in the order given); the box is kept in that order. A negative size turns round: the box starts
    that much earlier. Equality compares topleft and size, never name, colour or index; boxes with other axes
    raise GeometryError (a ValueError), as in all operations with two boxes.
    """

    __slots__ = ("_axes", "_color", "_is_visible", "_name", "_order", "_shape", "_start")

    _vector: ClassVar[type[VecInt]] = VecInt

    # Set in NormalizedBoundingBox, so that no class has to import its subclasses to know them.
    _is_normalized: ClassVar[bool] = False

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

    @classmethod
    def from_axes(cls, axes: Iterable[str], sizes: VecIntLike) -> Self:
        """Make a box of these sizes that starts at 0."""
        names = tuple(axes)
        return cls((0,) * len(names), sizes, names)

    @classmethod
    def group_boxes_with_aligned_mag(
        cls, bounding_boxes: Iterable[Self], aligning_mag: Mag
    ) -> dict[Self, list[Self]]:
        """Group boxes by the smallest box on the grid of the mag that covers each."""
        groups: dict[Self, list[Self]] = {}
        for box in bounding_boxes:
            groups.setdefault(checked_box(box).align_with_mag(aligning_mag, ceil=True), []).append(box)
        return groups

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
        return (_restore, (type(self), *[getattr(self, slot) for slot in NDBoundingBox.__slots__]))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NDBoundingBox):
            return NotImplemented
        if self._axes == other._axes:
            return self._start == other._start and self._shape == other._shape
        one, two = self._paired(other)
        return one._start == two._start and one._shape == two._shape

    def __hash__(self) -> int:
        # Channels are left out, because a normalised box equals the plain box of its x, y and z.
        if self._axes == CXYZ_AXES:
            return hash(self._start[1:] + self._shape[1:])
        return hash(self._start + self._shape)

    def is_empty(self) -> bool:
        """Whether the box holds no voxel."""
        return 0 in self._shape

    def volume(self) -> int:
        """Return the number of voxels, over all axes."""
        return grids.volume((self._start, self._shape))

    # --- moving and growing ---------------------------------------------------------------------------------

    def offset(self, vector: Vec3IntLike | VecIntLike) -> Self:
        """Move the box: three numbers along x, y and z, or one per axis; GeometryError otherwise."""
        numbers = self._per_axis(vector, "vector", 0)
        return self._moved(tuple(map(add, self._start, numbers)), self._shape)

    def padded_with_margins(
        self, margins_left: Vec3IntLike, margins_right: Vec3IntLike | None = None
    ) -> Self:
        """Grow by so many voxels before and after the box along x, y and z; negative margins shrink it.

        `margins_right` is `margins_left` by default.
        """
        nothing = (0,) * len(self._axes)
        left = self._with_xyz(nothing, margins_left)
        right = left if margins_right is None else self._with_xyz(nothing, margins_right)
        shape = tuple([n + a + b for n, a, b in zip(self._shape, left, right, strict=True)])
        return self._moved(tuple(map(sub, self._start, left)), shape)

    # --- mags -----------------------------------------------------------------------------------------------

    def in_mag(self, mag: MagLike) -> Self:
        """Return the box, given in voxels of mag 1, in voxels of the mag.

        Raises GeometryError (an AssertionError) unless both corners are on the grid of the mag.
        """
        factors = self._factors(mag)
        for what, corner in (("topleft", self._start), ("bottomright", grids.stop_of(self.to_box()))):
            if any(map(mod, corner, factors)):
                raise GeometryError(
                    f"The {what} {corner} is not on the grid of mag {mag}.",
                    hint="align_with_mag(mag) shrinks the box to the grid, with ceil=True it grows.",
                )
        return self._moved(*grids.coarsened(self.to_box(), factors))

    def from_mag_to_mag1(self, from_mag: MagLike) -> Self:
        """Return the box, given in voxels of the mag, in voxels of mag 1."""
        factors = self._factors(from_mag)
        return self._moved(*grids.refined(self.to_box(), factors))

    def align_with_mag(self, mag: MagLike | Vec3IntLike, ceil: bool = False) -> Self:  # noqa: FBT001, FBT002 - a long-standing signature
        """Move the faces to the grid of the mag: inwards, or outwards with `ceil`.

        A box without a whole cell along an axis shrinks to size 0 there, at the first grid line at or after
        its start. Three numbers that are no mag are taken as the cell of a grid.
        """
        factors = self._factors(mag)
        align = grids.align_up if ceil else grids.align_down
        start, stop = align(self._start, grids.stop_of(self.to_box()), factors)
        return self._moved(start, tuple(map(sub, stop, start)))

    # --- two boxes ------------------------------------------------------------------------------------------

    def intersected_with(self, other: NDBoundingBox, dont_assert: bool = False) -> NDBoundingBox:  # noqa: FBT001, FBT002 - a long-standing signature
        """Return what both boxes have in common.

        Where that is nothing: GeometryError (an AssertionError), or with `dont_assert` an empty box.
        """
        one, two = self._paired(other)
        start = tuple(map(max, one._start, two._start))
        stop = map(min, grids.stop_of(one.to_box()), grids.stop_of(two.to_box()))
        shape = tuple([max(0, b - a) for a, b in zip(start, stop, strict=True)])
        if 0 in shape and not dont_assert:
            raise GeometryError(f"No intersection between {self!r} and {other!r}.")
        return one._moved(start, shape)

    def extended_by(self, other: NDBoundingBox) -> NDBoundingBox:
        """Return the smallest box around both; an empty box counts for nothing."""
        one, two = self._paired(other)
        if one.is_empty():
            return two
        return one._moved(*grids.hull(one.to_box(), two.to_box()))

    def contains_bbox(self, inner_bbox: NDBoundingBox) -> bool:
        """Whether the other box lies within this one, faces included; an empty one must lie there too."""
        outer, inner = self._paired(inner_bbox)
        return grids.covers(outer.to_box(), inner.to_box())

    def contains(self, coord: VecIntLike | Vec3FloatLike | NDArray[Any]) -> bool:
        """Whether a point of ints or floats is in the box: topleft inclusive, bottomright exclusive."""
        point = tuple(coord)
        if len(point) != len(self._start) or getattr(coord, "ndim", 1) != 1:
            raise GeometryError(f"A point in this box has {len(self._start)} coordinates, got {coord!r}.")
        return all(a <= p < a + n for p, a, n in zip(point, self._start, self._shape, strict=True))

    # --- chunks ---------------------------------------------------------------------------------------------

    def chunk(
        self,
        chunk_shape: Vec3IntLike | VecIntLike,
        chunk_border_alignments: Vec3IntLike | VecIntLike | None = None,
    ) -> Iterator[Self]:
        """Cut the box into boxes of `chunk_shape`, smaller at its border; the last axis is fastest.

        The grid starts at the box, or with `chunk_border_alignments` so that all inner borders are multiples
        of these; they must divide the chunk shape. Three numbers mean x, y and z: channels are then not cut,
        other axes are cut into single positions. An empty box has no chunks.
        """
        grid, origin = self._chunk_grid(chunk_shape, chunk_border_alignments)
        return (
            self._moved(start, shape)
            for start, shape in grids.cells(self._start, self._shape, grid, origin=origin)
        )

    def _chunk_grid(self, chunk_shape: Iterable[int], alignments: Iterable[int] | None) -> tuple[Ints, Ints]:
        """Return cell size and origin of the grid that `chunk` cuts along."""
        channels = max(1, self._shape[self._axes.index("c")]) if "c" in self._axes else 1
        grid = self._per_axis(chunk_shape, "chunk shape", 1, channels)
        if min(grid) <= 0:
            raise GeometryError(f"A chunk shape must be positive, got {chunk_shape}.")
        if alignments is None:
            return grid, self._start
        lines = self._per_axis(alignments, "chunk border alignment", 1)
        if min(lines) <= 0 or any(map(mod, grid, lines)):
            raise GeometryError(f"The chunk shape {grid} is not divisible by the border alignment {lines}.")
        return grid, tuple([a - a % line for a, line in zip(self._start, lines, strict=True)])

    # --- arrays ---------------------------------------------------------------------------------------------

    def to_slices(self) -> tuple[slice, ...]:
        """Return one slice per axis, start to end."""
        return tuple([slice(a, a + n) for a, n in zip(self._start, self._shape, strict=True)])

    def to_slices_xyz(self) -> tuple[slice, ...]:
        """Return slices along x, y and z; 0 to 1 along all other axes, which must have size 1."""
        self._check_flat()
        return tuple(
            [
                s if axis in XYZ_AXES else slice(0, 1)
                for s, axis in zip(self.to_slices(), self._axes, strict=True)
            ]
        )

    def slice_array(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a view of what the box covers of an array that has its axes and starts at voxel 0."""
        part: NDArray[Any] = array[self.to_slices()]
        return part

    def xyz_array_to_bbox_shape(self, data: NDArray[Any]) -> NDArray[Any]:
        """Return an array with axes x, y, z as a view with the axes of the box; all others must be flat."""
        self._check_flat()
        if data.ndim != 3:
            raise GeometryError(f"Expected an array with the axes x, y and z, got the shape {data.shape}.")
        for axis, length in zip(XYZ_AXES, data.shape, strict=True):
            if axis not in self._axes and length != 1:
                raise GeometryError(
                    f"The array of shape {data.shape} has extent along {axis}, which the box lacks."
                )
        present = [axis for axis in self._axes if axis in XYZ_AXES]
        order = [*present, *[axis for axis in XYZ_AXES if axis not in present]]
        moved = data.transpose([XYZ_AXES.index(axis) for axis in order])
        fitted: NDArray[Any] = moved[
            tuple([slice(None) if axis in XYZ_AXES else None for axis in self._axes])
        ]
        return fitted.reshape(fitted.shape[: len(self._axes)])

    # --- other forms ----------------------------------------------------------------------------------------

    def to_config_dict(self) -> dict[str, Any]:
        """Return `{"topleft": [...], "size": [...], "axes": (...)}`."""
        return {"topleft": list(self._start), "size": list(self._shape), "axes": self._axes}

    def to_checkpoint_name(self) -> str:
        """Return all starts, then all sizes, joined by underscores."""
        return "_".join(map(str, self._start + self._shape))

    def normalize_axes(self, num_channels: int) -> NormalizedBoundingBox:
        """Return the form with explicit channels, if the box has a channel axis; it gets `num_channels`.

        A box without one stays so; then `num_channels` must be 1 (GeometryError, an AssertionError).
        """
        shape = self._shape
        if "c" in self._axes:
            shape = tuple(
                [num_channels if axis == "c" else n for axis, n in zip(self._axes, shape, strict=True)]
            )
        elif num_channels != 1:
            raise GeometryError(
                f"A box over {', '.join(self._axes)} has no axis for {num_channels} channels."
            )
        return NormalizedBoundingBox(
            self._start, shape, self._axes, self._order, self._name, self._is_visible, self._color
        )

    def denormalize(self) -> NDBoundingBox:
        """Return the form without channels that users see; here the box itself."""
        return self

    # --- inside --------------------------------------------------------------------------------------------

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

    def _matched_to(self, other: NDBoundingBox) -> NDBoundingBox:  # noqa: ARG002 - for BoundingBox
        """Return this box in the form that can be combined with the other."""
        return self

    def _paired(self, other: NDBoundingBox) -> tuple[NDBoundingBox, NDBoundingBox]:
        """Return both boxes with equal axes; the first has the kind that a result has."""
        checked_box(other, "other box")
        one, two = self._matched_to(other), other._matched_to(self)
        if one._axes != two._axes:
            raise GeometryError(
                f"Two boxes can only be combined or compared if they have the same axes in the same order, "
                f"not {', '.join(one._axes)} and {', '.join(two._axes)}."
            )
        return one, two

    def _per_axis(self, values: Iterable[int], what: str, missing: int, channels: int | None = None) -> Ints:
        """Return one number per axis, from as many or from those for x, y and z."""
        numbers = ints(values)
        if len(numbers) == 3:
            if self._axes == XYZ_AXES:
                return numbers
            given = {
                **dict(zip(XYZ_AXES, numbers, strict=True)),
                "c": missing if channels is None else channels,
            }
            return tuple([given.get(axis, missing) for axis in self._axes])
        if len(numbers) != len(self._axes):
            raise GeometryError(
                f"The {what} {numbers} has {len(numbers)} numbers; expected 3 (x, y, z) or one per axis "
                f"({', '.join(self._axes)})."
            )
        return numbers

    def _factors(self, mag: MagLike | Vec3IntLike) -> Ints:
        """Return the cell size of the mag's grid per axis, 1 along all but x, y and z."""
        given: Any = mag
        if isinstance(given, VecInt | tuple | list) or getattr(given, "ndim", 0) == 1:
            numbers = ints(given, count=3, fractions=False)
            if min(numbers) <= 0:
                raise GeometryError(f"The cell of a grid must be positive, got {mag!r}.")
        else:
            numbers = Mag(given).to_tuple()
        return numbers if self._axes == XYZ_AXES else self._per_axis(numbers, "mag", 1)

    def _check_flat(self) -> None:
        for axis, size in zip(self._axes, self._shape, strict=True):
            if axis not in XYZ_AXES and size != 1:
                raise GeometryError(
                    f"The box must have size 1 along all axes but x, y and z; along {axis} it has {size}."
                )


class BoundingBox(NDBoundingBox):
    """A box over x, y, z in voxels: `BoundingBox(topleft=(0, 0, 0), size=(100, 100, 50))`.

    `topleft` is inclusive, `bottomright` exclusive; a negative size turns round. Equality compares topleft
    and size; channels of a `NormalizedBoundingBox` don't count.
    """

    __slots__ = ()

    _vector: ClassVar[type[VecInt]] = Vec3Int

    def __init__(
        self,
        topleft: Vec3IntLike,
        size: Vec3IntLike,
        axes: Iterable[str] = XYZ_AXES,
        index: VecIntLike | None = None,  # noqa: ARG002 - accepted and fixed, so that all boxes are made alike
        name: str | None = UNNAMED,
        is_visible: bool = True,  # noqa: FBT001, FBT002 - a long-standing signature
        color: Iterable[float] | None = None,
    ) -> None:
        if axes is not XYZ_AXES and tuple(axes) != XYZ_AXES:
            raise GeometryError(
                f"The axes of a BoundingBox are x, y, z, not {axes!r}.",
                hint="NDBoundingBox takes any axes; a name is given by name=...",
            )
        start, shape = _three(topleft), _three(size)
        if shape[0] < 0 or shape[1] < 0 or shape[2] < 0:
            start, shape = flipped(start, shape)
        self._start = start
        self._shape = shape
        self._axes = XYZ_AXES
        self._order = _ORDER
        self._name = name
        self._is_visible = is_visible
        self._color = None if color is None else tuple(map(float, color))

    @classmethod
    def empty(cls) -> Self:
        """Return the box of size 0 at the origin."""
        return cls((0, 0, 0), (0, 0, 0))

    # The same attributes as in every box, with the type that three axes allow.

    @property
    def topleft(self) -> Vec3Int:
        """The first voxel, inclusive."""
        return make_vec(Vec3Int, self._start, XYZ_AXES)

    @property
    def size(self) -> Vec3Int:
        """The number of voxels along x, y and z."""
        return make_vec(Vec3Int, self._shape, XYZ_AXES)

    @property
    def bottomright(self) -> Vec3Int:
        """The end, exclusive."""
        return make_vec(Vec3Int, grids.stop_of((self._start, self._shape)), XYZ_AXES)

    @property
    def index(self) -> Vec3Int:
        """The positions of x, y and z in the stored array: after the channels, always (1, 2, 3)."""
        return make_vec(Vec3Int, _ORDER, XYZ_AXES)

    def with_index(self, new_index: VecIntLike) -> Self:  # noqa: ARG002 - the order is fixed
        """Return the box itself: its axes are always x, y, z."""
        return self

    def with_bounds_x(self, new_topleft_x: int | None = None, new_size_x: int | None = None) -> Self:
        """Return a copy with another start and size along x; what is None stays."""
        return self.with_bounds("x", new_topleft_x, new_size_x)

    def with_bounds_y(self, new_topleft_y: int | None = None, new_size_y: int | None = None) -> Self:
        """Return a copy with another start and size along y; what is None stays."""
        return self.with_bounds("y", new_topleft_y, new_size_y)

    def with_bounds_z(self, new_topleft_z: int | None = None, new_size_z: int | None = None) -> Self:
        """Return a copy with another start and size along z; what is None stays."""
        return self.with_bounds("z", new_topleft_z, new_size_z)

    def iter_chunk_toplefts(
        self,
        chunk_shape: Vec3IntLike,
        chunk_border_alignments: Vec3IntLike | None = None,
        clip_to: BoundingBox | None = None,
    ) -> Iterator[tuple[int, ...]]:
        """Yield the starts of the cells that `chunk` would cut along, not clipped to the box; z is fastest.

        With `clip_to`, only cells that hold voxels of both boxes; the grid stays that of this box.
        """
        grid, origin = self._chunk_grid(chunk_shape, chunk_border_alignments)
        box = self.to_box()
        if clip_to is not None:
            common = grids.intersect(box, checked_box(clip_to, "clip_to").to_box())
            if common is None:
                return iter(())
            box = common
        return grids.cell_starts(*box, grid, origin=origin)

    def normalize_axes(self, num_channels: int) -> NormalizedBoundingBox:
        """Return the box with a channel axis of that size before x, y and z."""
        return self._normalized(NormalizedBoundingBox, 0, num_channels)

    # --- written forms --------------------------------------------------------------------------------------

    def to_tuple6(self) -> tuple[int, int, int, int, int, int]:
        """Return (x, y, z, width, height, depth)."""
        (x, y, z), (width, height, depth) = self._start, self._shape
        return (x, y, z, width, height, depth)

    def to_csv(self) -> str:
        """Return "x,y,z,width,height,depth"."""
        return ",".join(map(str, self._start + self._shape))

    def to_config_dict(self) -> dict[str, Any]:
        """Return `{"topleft": [x, y, z], "size": [width, height, depth]}`."""
        return {"topleft": list(self._start), "size": list(self._shape)}

    def to_wkw_dict(self) -> dict[str, Any]:
        """Return `{"topLeft": [x, y, z], "width": ..., "height": ..., "depth": ...}`."""
        width, height, depth = self._shape
        return {"topLeft": list(self._start), "width": width, "height": height, "depth": depth}

    @classmethod
    def from_tuple6(cls, tuple6: Sequence[int]) -> Self:
        """Read (x, y, z, width, height, depth)."""
        numbers = ints(tuple6, count=6)
        return cls(numbers[:3], numbers[3:])

    @classmethod
    def from_tuple2(cls, tuple2: Sequence[Vec3IntLike]) -> Self:
        """Read (topleft, size)."""
        if len(tuple2) != 2:
            raise GeometryError(f"Expected topleft and size, got {tuple2!r}.")
        return cls(tuple2[0], tuple2[1])

    @classmethod
    def from_csv(cls, csv_bbox: str) -> Self:
        """Read "x,y,z,width,height,depth"; GeometryError (a ValueError) for other text."""
        return cls.from_tuple6(csv_bbox.split(","))  # type: ignore[arg-type]  # text is turned into ints there

    @classmethod
    def from_checkpoint_name(cls, checkpoint_name: str) -> Self:
        """Find the first six integers joined by underscores in a text such as "run_0_0_0_10_10_10.json"."""
        match = _CHECKPOINT.search(checkpoint_name)
        if match is None:
            raise GeometryError(f"There are no six numbers joined by underscores in {checkpoint_name!r}.")
        return cls.from_tuple6(match.groups())  # type: ignore[arg-type]  # text is turned into ints there

    @classmethod
    def from_config_dict(cls, bbox: Mapping[str, Any]) -> Self:
        """Read `{"topleft": [x, y, z], "size": [width, height, depth]}`."""
        return cls(*take(bbox, "topleft", "size"))

    @classmethod
    def from_wkw_dict(cls, bbox: Mapping[str, Any]) -> Self:
        """Read `{"topLeft": [x, y, z], "width": ..., "height": ..., "depth": ...}`."""
        topleft, *size = take(bbox, "topLeft", "width", "height", "depth")
        return cls(topleft, size)

    @classmethod
    def from_points(cls, points: Iterable[Vec3IntLike] | NDArray[Any]) -> Self:
        """Return the smallest box that holds all points, given as rows of x, y, z; ValueError without any."""
        try:
            rows = [[math.floor(value) for value in point] for point in points]
        except (TypeError, ValueError, OverflowError) as error:
            raise GeometryError(f"A point is three numbers: {error}.") from error
        if not rows or any(len(row) != 3 for row in rows):
            raise GeometryError("A box around points needs one point at least, each with x, y and z.")
        columns = list(zip(*rows, strict=True))
        start = tuple(map(min, columns))
        return cls(start, [high + 1 - low for low, high in zip(start, map(max, columns), strict=True)])

    @classmethod
    def from_ndbbox(cls, bbox: NDBoundingBox) -> Self:
        """Take the x, y and z of a box with any axes; a missing one has size 0."""
        return cls(
            bbox.topleft_xyz, bbox.size_xyz, name=bbox.name, is_visible=bbox.is_visible, color=bbox.color
        )

    @classmethod
    def from_auto(cls, obj: Any) -> BoundingBox:
        """Read any of the forms above: a box, JSON or csv text, a dict, or a sequence of 2 or 6."""
        if isinstance(obj, BoundingBox):
            return obj
        if isinstance(obj, NDBoundingBox) and obj.axes in (XYZ_AXES, CXYZ_AXES):
            return cls.from_ndbbox(obj)
        if isinstance(obj, str):
            if ":" not in obj:
                return cls.from_csv(obj)
            try:
                return cls.from_auto(json.loads(obj))
            except json.JSONDecodeError as error:
                raise GeometryError(f"Unknown bounding box format: {obj!r} is no JSON ({error}).") from error
        if isinstance(obj, Mapping):
            return cls.from_config_dict(obj) if "size" in obj else cls.from_wkw_dict(obj)
        if isinstance(obj, list | tuple) and len(obj) in (2, 6):
            return cls.from_tuple2(obj) if len(obj) == 2 else cls.from_tuple6(obj)
        raise GeometryError(
            f"Unknown bounding box format: {obj!r}.",
            hint='Known are "x,y,z,width,height,depth", (topleft, size), six numbers, '
            '{"topleft", "size"} and {"topLeft", "width", "height", "depth"}.',
        )

    def __repr__(self) -> str:
        return f"BoundingBox(topleft={self._start}, size={self._shape})"

    # --- inside ---------------------------------------------------------------------------------------------

    def _matched_to(self, other: NDBoundingBox) -> NDBoundingBox:
        """Take over the channels of a normalised box."""
        if not other._is_normalized or other._axes not in (XYZ_AXES, CXYZ_AXES):
            return self
        if other._axes == CXYZ_AXES:
            return self._normalized(NormalizedBoundingBox, other._start[0], other._shape[0])
        return super().normalize_axes(1)

    def _normalized(
        self, kind: type[NormalizedBoundingBox], channel: int, count: int
    ) -> NormalizedBoundingBox:
        start, shape = (channel, *self._start), (count, *self._shape)
        return kind(start, shape, CXYZ_AXES, None, self._name, self._is_visible, self._color)


def take(values: Mapping[str, Any], *keys: str) -> list[Any]:
    """Return the values of the keys; GeometryError names what is missing."""
    missing = [key for key in keys if key not in values]
    if missing:
        raise GeometryError(f"The bounding box {dict(values)!r} lacks {' and '.join(map(repr, missing))}.")
    return [values[key] for key in keys]


def _three(values: Any) -> grids.Ints:
    return Vec3Int(values).to_tuple() if isinstance(values, str) else ints(values, count=3)


class NormalizedBoundingBox(NDBoundingBox):
    """A box with the axes of a stored array, channels ("c") included where the array has them.

    With the axes c, x, y, z it mixes with a plain `BoundingBox`: for that the channels don't count.
    """

    __slots__ = ()

    _is_normalized: ClassVar[bool] = True

    def denormalize(self) -> NDBoundingBox:
        """Return a `BoundingBox` for the axes c, x, y, z; otherwise an `NDBoundingBox` with the same axes."""
        looks = (self._name, self._is_visible, self._color)
        if self._axes == CXYZ_AXES:
            return BoundingBox(self._start[1:], self._shape[1:], XYZ_AXES, None, *looks)
        return NDBoundingBox(self._start, self._shape, self._axes, self._order, *looks)

    def to_wkw_dict(self) -> dict[str, Any]:
        """Return the JSON form of datasource-properties.json.

        `topLeft`, `width`, `height` and `depth` are x, y, z (None for a missing axis), `axisOrder` has the
        positions of c, x, y and z; then `numChannels` with a channel axis, `channelIndex` unless that starts
        at 0, and `additionalAxes` for all other axes, each with its bounds (end exclusive) and position.
        """
        bounds = dict(zip(self._axes, zip(self._start, self._shape, strict=True), strict=True))
        order = dict(zip(self._axes, self._order, strict=True))
        x, y, z = (bounds.get(axis, (None, None)) for axis in XYZ_AXES)
        result: dict[str, Any] = {"topLeft": [x[0], y[0], z[0]], "width": x[1], "height": y[1], "depth": z[1]}
        if "c" in bounds:
            result["numChannels"] = bounds["c"][1]
        others = [axis for axis in self._axes if axis not in CXYZ_AXES]
        if others:
            result["additionalAxes"] = [
                {"name": axis, "bounds": [bounds[axis][0], sum(bounds[axis])], "index": order[axis]}
                for axis in others
            ]
        result["axisOrder"] = {axis: order[axis] for axis in CXYZ_AXES if axis in order}
        if "c" in bounds and bounds["c"][0] != 0:
            result["channelIndex"] = bounds["c"][0]
        return result

    @classmethod
    def from_wkw_dict(cls, bbox: Mapping[str, Any]) -> NormalizedBoundingBox:
        """Read the JSON form of datasource-properties.json.

        Without `axisOrder`, or with x, y, z at 1, 2, 3, the axes are c, x, y, z. Otherwise they are those of
        c, x, y, z that `axisOrder` names, and the `additionalAxes`, in the order of their positions.
        GeometryError (an AssertionError) for additional axes without `axisOrder`, and for what can't be.
        """
        (x, y, z), (width, height, depth) = _fields(bbox)
        channels, channel = bbox.get("numChannels", 1), bbox.get("channelIndex") or 0
        order, others = bbox.get("axisOrder"), bbox.get("additionalAxes") or ()
        if order is None:
            if others:
                raise GeometryError(
                    "The bounding box has additionalAxes but no axisOrder, which says where the axes are."
                )
            order = _XYZ_ORDER
        if not isinstance(order, Mapping):
            raise GeometryError(f'axisOrder must be an object such as {{"c": 0, "x": 1}}, got {order!r}.')
        if not others and order in (_CXYZ_ORDER, _XYZ_ORDER):
            return cls((channel, x, y, z), (channels, width, height, depth), CXYZ_AXES)
        known = {"c": (channel, channels), "x": (x, width), "y": (y, height), "z": (z, depth)}
        places: dict[str, int] = dict(order)
        for entry in others:
            name, bounds, index = take(entry, "name", "bounds", "index")
            low, high = ints(bounds, count=2)
            known[name] = (low, high - low)
            places.setdefault(name, index)
        unknown = [axis for axis in places if axis not in known]
        if unknown:
            raise GeometryError(
                f"axisOrder names {', '.join(unknown)}, but no additionalAxes say the bounds."
            )
        axes = tuple(places)
        return cls([known[a][0] for a in axes], [known[a][1] for a in axes], axes, [places[a] for a in axes])


def _fields(bbox: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return top-left and extents; null, for an axis that the box doesn't have, reads as an empty range."""
    topleft, *extents = take(bbox, "topLeft", "width", "height", "depth")
    if not isinstance(topleft, Sequence) or len(topleft) != 3:
        raise GeometryError(f"topLeft must be [x, y, z], got {topleft!r}.")
    start, shape = (ints([0 if v is None else v for v in values]) for values in (topleft, extents))
    return start, shape


def derive_nd_bounding_box_from_shape(
    shape: Sequence[int], *, axes: Iterable[str] | None = None, absolute_offset: VecIntLike | None = None
) -> tuple[NDBoundingBox, int]:
    """Return the box that an array of this shape fills, and its number of channels.

    With `axes`, the box has exactly these; channels are its size along "c", or 1. Without, up to three
    dimensions are x, y, z, and the first of four is the channels, which the box then leaves out. The offset,
    in voxels, has as many numbers as the box has axes. GeometryError (a ValueError) for no or for more than
    four dimensions without axes.
    """
    sizes = ints(shape)
    if axes is not None:
        names = tuple(axes)
        offset = (0,) * len(names) if absolute_offset is None else absolute_offset
        box = NDBoundingBox(offset, sizes, names)
        return box, box.get_shape("c") if "c" in names else 1
    if not sizes:
        raise GeometryError(
            "A single value has no shape to make a box of.", hint="Give an array of 1 to 4 dimensions."
        )
    if len(sizes) > 4:
        raise GeometryError(
            f"An array of {len(sizes)} dimensions needs axes.", hint='Such as axes=("t", "c", "x", "y", "z").'
        )
    channels = sizes[0] if len(sizes) == 4 else 1
    extents = (*(sizes[1:] if len(sizes) == 4 else sizes), 1, 1)[:3]
    return BoundingBox((0, 0, 0) if absolute_offset is None else absolute_offset, extents), channels


def checked_box(value: T, what: str = "bounding box") -> T:
    """Give `value` if it is a box of any class; GeometryError (a ValueError) that says how to build one if not."""
    if not isinstance(value, NDBoundingBox):
        raise GeometryError(
            f"The {what} is {value!r}, which is no bounding box.",
            hint="Give a BoundingBox((x, y, z), (width, height, depth)), in voxels of Mag(1); "
            "BoundingBox.from_auto makes one of numbers, text and dicts.",
        )
    return value


def flipped(start: Ints, shape: Ints) -> Box:
    """Turn negative sizes round: a box from 10, -5 long, is the one from 5, 5 long."""
    if not shape or min(shape) >= 0:
        return start, shape
    return tuple([a + min(0, n) for a, n in zip(start, shape, strict=True)]), tuple(map(abs, shape))


def _restore(kind: type[_B], *values: Any) -> _B:
    """Unpickle: values are in the order of the slots."""
    box = object.__new__(kind)
    for slot, value in zip(NDBoundingBox.__slots__, values, strict=True):
        setattr(box, slot, value)
    return box
