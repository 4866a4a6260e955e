"""`NDBoundingBox`: boxes of voxels over any named axes, and all that can be calculated with them.

Operations with mags touch x, y and z only. Everything is exact for integers of any size. Two boxes can be
compared, intersected and so on when they have the same axes in the same order; `BoundingBox` and
`NormalizedBoundingBox` also mix with each other. Called by everybody; the arithmetic is in
`wkplug.geometry.grids`, storage and changed copies in `wkplug.geometry.box_base`.
"""

from __future__ import annotations

from operator import add, mod, mul, sub
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from wkplug.errors import GeometryError
from wkplug.geometry import grids
from wkplug.geometry.box_base import AxisBox
from wkplug.geometry.constants import CXYZ_AXES, XYZ_AXES
from wkplug.geometry.mag import Mag, MagLike
from wkplug.geometry.parsing import ints
from wkplug.geometry.vec_int import VecInt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from wkplug.geometry.grids import Ints
    from wkplug.geometry.normalized_bounding_box import NormalizedBoundingBox
    from wkplug.geometry.vec3_float import Vec3FloatLike
    from wkplug.geometry.vec3_int import Vec3IntLike
    from wkplug.geometry.vec_int import VecIntLike

__all__ = ["NDBoundingBox", "checked_box"]

T = TypeVar("T")


class NDBoundingBox(AxisBox):
    """A box over named axes: `NDBoundingBox(topleft=(0, 2, 3, 4), size=(9, 5, 6, 7), axes="txyz")`.

    `topleft` is inclusive, `bottomright` exclusive. `index` says where each axis is in the stored array (by
    default in the order given); the box is kept in that order. A negative size turns round: the box starts
    that much earlier. Equality compares topleft and size, never name, colour or index; boxes with other axes
    raise GeometryError (a ValueError), as in all operations with two boxes.
    """

    __slots__ = ()

    # Set in NormalizedBoundingBox, so that no class has to import its subclasses to know them.
    _is_normalized: ClassVar[bool] = False

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
        return self._moved(
            tuple([a // f for a, f in zip(self._start, factors, strict=True)]),
            tuple([n // f for n, f in zip(self._shape, factors, strict=True)]),
        )

    def from_mag_to_mag1(self, from_mag: MagLike) -> Self:
        """Return the box, given in voxels of the mag, in voxels of mag 1."""
        factors = self._factors(from_mag)
        return self._moved(tuple(map(mul, self._start, factors)), tuple(map(mul, self._shape, factors)))

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
        from wkplug.geometry.normalized_bounding_box import NormalizedBoundingBox

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

    # --- inside ---------------------------------------------------------------------------------------------

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


def checked_box(value: T, what: str = "bounding box") -> T:
    """Give `value` if it is a box of any class; GeometryError (a ValueError) that says how to build one if not."""
    if not isinstance(value, NDBoundingBox):
        raise GeometryError(
            f"The {what} is {value!r}, which is no bounding box.",
            hint="Give a BoundingBox((x, y, z), (width, height, depth)), in voxels of Mag(1); "
            "BoundingBox.from_auto makes one of numbers, text and dicts.",
        )
    return value
