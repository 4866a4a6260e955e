"""Where a read, write or view happens: users' offsets, sizes and boxes as plain integer tuples.

A region is (start, shape) over all axes of the array in storage order, x, y and z in voxels of Mag(1), other
axes in their own units. `resolve` turns the keyword arguments of the public methods into a region,
`in_mag` turns a region into the box that the array understands. This is the hot path: no vector or box
classes are made here, and a frame is prepared once per layer, not per call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from wkplug.abc import Box
from wkplug.errors import AxisError, GeometryError, InvalidArgumentError, OutOfBoundsError
from wkplug.geometry import BoundingBox, NDBoundingBox, NormalizedBoundingBox
from wkplug.geometry.boxes import checked_box

__all__ = [
    "Frame",
    "Position",
    "Region",
    "check_readable",
    "from_bounding_box",
    "in_mag",
    "resolve",
    "to_bounding_box",
]

_XYZ = ("x", "y", "z")

Region: TypeAlias = Box
"""(start, shape), all axes, x, y and z in Mag(1) voxels."""


class Position(NamedTuple):
    """Where, as the public methods get it: at most one of these, in Mag(1) voxels; relative ones to a view."""

    relative_offset: Any = None
    absolute_offset: Any = None
    relative_bounding_box: NDBoundingBox | None = None
    absolute_bounding_box: NDBoundingBox | None = None

    @property
    def is_given(self) -> bool:
        """Whether any of them is."""
        relative, absolute, relative_box, absolute_box = self
        return not (relative is None and absolute is None and relative_box is None and absolute_box is None)


class Frame(NamedTuple):
    """The axes of an array, and where x, y and z are among them (None where one is missing)."""

    axes: tuple[str, ...]
    xyz: tuple[int | None, int | None, int | None]
    c: int | None
    is_default: bool
    """Whether the axes are exactly c, x, y, z."""

    @staticmethod
    @lru_cache(maxsize=64)
    def of(axes: tuple[str, ...]) -> Frame:
        """The frame of these axes; frames are shared."""
        positions = {axis: index for index, axis in enumerate(axes)}
        return Frame(
            axes,
            (positions.get("x"), positions.get("y"), positions.get("z")),
            positions.get("c"),
            axes == ("c", "x", "y", "z"),
        )

    def factors(self, mag: tuple[int, int, int]) -> tuple[int, ...]:
        """The mag per axis of the array, 1 for axes without one."""
        result = [1] * len(self.axes)
        for position, factor in zip(self.xyz, mag, strict=True):
            if position is not None:
                result[position] = factor
        return tuple(result)

    def with_xyz(self, values: Sequence[int], others: Sequence[int]) -> tuple[int, ...]:
        """Take x, y and z from `values` (three), all other axes from `others` (one per axis)."""
        if self.is_default:
            return (others[0], *values)
        result = list(others)
        for position, value, axis in zip(self.xyz, values, "xyz", strict=True):
            if position is not None:
                result[position] = value
            elif value not in (0, 1):
                raise AxisError(
                    f"This array has no {axis} axis (its axes are {', '.join(self.axes)}), "
                    f"but a value for {axis} was given: {value}.",
                )
        return tuple(result)


def _vector(frame: Frame, values: Any, others: Sequence[int], what: str) -> tuple[int, ...]:
    """Widen a vector of three to all axes; vectors with as many numbers as there are axes are taken whole."""
    # A tuple is what is mostly given, and asking for an abstract class costs as much as all else here.
    if type(values) is not tuple and (isinstance(values, (str, bytes)) or not isinstance(values, Iterable)):
        raise GeometryError(
            f"The {what} is {values!r}, not a vector.", hint=f"Give integers, as in {what}=(0, 0, 0)."
        )
    numbers = tuple(map(int, values))
    axes = getattr(values, "axes", None)
    if axes is not None and axes != _XYZ:
        by_axis = dict(zip(axes, numbers, strict=True))
        return tuple(by_axis.get(axis, other) for axis, other in zip(frame.axes, others, strict=True))
    if len(numbers) == 3:
        return frame.with_xyz(numbers, others)
    if len(numbers) == len(frame.axes):
        return numbers
    without_channels = [axis for axis in frame.axes if axis != "c"]
    if len(numbers) == len(without_channels):
        by_axis = dict(zip(without_channels, numbers, strict=True))
        return tuple(by_axis.get(axis, other) for axis, other in zip(frame.axes, others, strict=True))
    raise GeometryError(
        f"The {what} {numbers} has {len(numbers)} numbers, but the axes are {', '.join(frame.axes)}.",
        hint="Give three numbers for x, y, z, or one per axis.",
    )


def from_bounding_box(frame: Frame, box: NDBoundingBox, bounds: Region) -> Region:
    """Turn a box into a region; axes that it doesn't have, and the channels, are taken whole from `bounds`."""
    checked_box(box)
    start, shape = list(bounds[0]), list(bounds[1])
    known = False
    for axis, first, length in zip(box.axes, box.topleft, box.size, strict=True):
        if axis in frame.axes:
            if axis != "c":
                position = frame.axes.index(axis)
                start[position], shape[position] = int(first), int(length)
            known = True
        elif axis != "c" and (first != 0 or length > 1):
            raise AxisError(
                f"The bounding box has an axis {axis!r} that the array lacks (its axes are {', '.join(frame.axes)})."
            )
    if not known:
        raise AxisError(f"The bounding box {box} shares no axis with the array ({', '.join(frame.axes)}).")
    return tuple(start), tuple(shape)


def to_bounding_box(frame: Frame, region: Region) -> NDBoundingBox:
    """Turn a region into the box that users see: a BoundingBox for plain c, x, y, z."""
    start, shape = region
    if frame.is_default:
        return BoundingBox(start[1:], shape[1:])
    return NormalizedBoundingBox(start, shape, frame.axes).denormalize()


def _add(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(left, right, strict=True))


def resolve(frame: Frame, bounds: Region, position: Position, size: Any = None) -> Region:
    """Turn the position arguments of the public methods into a region; `bounds` is the view's own.

    At most one position may be given; an offset wants a size, a box brings its own. Nothing given means all of
    `bounds`. InvalidArgumentError (an AssertionError) otherwise.
    """
    relative_offset, absolute_offset, relative_box, absolute_box = position
    given = [name for name, value in zip(Position._fields, position, strict=True) if value is not None]
    if len(given) > 1:
        raise InvalidArgumentError(
            f"More than one position was given: {' and '.join(given)}.", hint="Give one of them."
        )
    if not given:
        if size is None:
            return bounds
        return bounds[0], _vector(frame, size, bounds[1], "size")
    if relative_box is None and absolute_box is None:
        if size is None:
            raise InvalidArgumentError(
                f"{given[0]} was given without a size.", hint="Add size=(x, y, z), in Mag(1)."
            )
        shape = _vector(frame, size, bounds[1], "size")
        if absolute_offset is not None:
            return _vector(frame, absolute_offset, bounds[0], "absolute_offset"), shape
        zeros = (0,) * len(frame.axes)
        return _add(bounds[0], _vector(frame, relative_offset, zeros, "relative_offset")), shape
    if size is not None:
        raise InvalidArgumentError(
            f"Both a size and {given[0]} were given.", hint="The box has a size of its own; leave size out."
        )
    if absolute_box is not None:
        return from_bounding_box(frame, absolute_box, bounds)
    zeros = (0,) * len(frame.axes)
    start, shape = from_bounding_box(frame, relative_box, (zeros, bounds[1]))  # type: ignore[arg-type]
    return _add(bounds[0], start), shape


def check_readable(frame: Frame, region: Region) -> None:
    """Refuse regions without voxels and such that start below zero."""
    start, shape = region
    if min(shape) <= 0:
        raise InvalidArgumentError(
            f"The region {_text(frame, region)} is empty: every axis needs at least one voxel.",
            hint="Give a size, or set the layer's bounding box first.",
        )
    if min(start) < 0:
        raise OutOfBoundsError(
            f"The region {_text(frame, region)} starts below zero, where no voxels can be.",
            hint="Offsets are absolute Mag(1) coordinates, from 0 on. If it is the layer's own box that starts there, "
            "set layer.bounding_box to one that starts at 0 or beyond: nothing is stored before.",
        )


def in_mag(frame: Frame, region: Region, factors: tuple[int, ...]) -> Box:
    """Turn a region into the array's box in its mag; both corners must be multiples of the mag."""
    if max(factors) == 1:
        return region
    start, shape = region
    for first, length, factor in zip(start, shape, factors, strict=True):
        if first % factor or length % factor:
            mag = "-".join(str(factors[position]) if position is not None else "1" for position in frame.xyz)
            raise GeometryError(
                f"The region {_text(frame, region)} is not aligned with the mag {mag}.",
                hint=f"Offsets and sizes are in Mag(1) voxels, and multiples of {mag}; "
                "bounding_box.align_with_mag(mag, ceil=True) gives the next larger box that is.",
            )
    return (
        tuple(first // factor for first, factor in zip(start, factors, strict=True)),
        tuple(length // factor for length, factor in zip(shape, factors, strict=True)),
    )


def _text(frame: Frame, region: Region) -> str:
    start, shape = region
    return f"({', '.join(frame.axes)}) = {start} + {shape}"
