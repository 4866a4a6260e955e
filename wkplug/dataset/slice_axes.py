"""Which axes a slice has: what the buffered writer and the buffered reader share.

A slice has the axes of the array without the one it is cut across, x, y and z among them in this order: (c, x, y)
for z, (c, x, z) for y, (c, y, z) for x of a layer with the axes c, x, y, z, and (t, c, x, y) where there is time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.errors import InvalidArgumentError
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from wkplug.model.regions import Frame

__all__ = ["axis_of", "order_in_array", "slice_axes"]

_SPATIAL = ("x", "y", "z")


def axis_of(frame: Frame, dimension: str | int) -> int:
    """The position in the array of the axis named `dimension`; 0, 1, 2 for x, y, z are deprecated."""
    if isinstance(dimension, int) and dimension in range(3):
        warn_user(
            "[DEPRECATION] Setting `dimension` as an integer is deprecated, please use a named axis instead, "
            f"e.g. `dimension='z'`. Got {dimension}.",
            DeprecationWarning,
        )
        dimension = _SPATIAL[dimension]
    if dimension not in _SPATIAL:
        raise InvalidArgumentError(
            f"dimension is {dimension!r}; slices are cut across x, y or z.",
            hint="dimension='z' is the default.",
        )
    if dimension not in frame.axes:
        raise InvalidArgumentError(
            f"This layer has no {dimension} axis to cut slices across; its axes are {', '.join(frame.axes)}.",
            hint="Give another dimension.",
        )
    return frame.axes.index(dimension)


def slice_axes(frame: Frame, position: int) -> tuple[str, ...]:
    """The axes of a slice across the axis at `position`."""
    rest = [axis for index, axis in enumerate(frame.axes) if index != position]
    spatial = iter([axis for axis in _SPATIAL if axis in rest])
    return tuple(next(spatial) if axis in _SPATIAL else axis for axis in rest)


def order_in_array(frame: Frame, position: int) -> tuple[int, ...]:
    """For every axis of the array but that at `position`, its position in a slice: what `transpose` wants."""
    axes = slice_axes(frame, position)
    return tuple(axes.index(axis) for index, axis in enumerate(frame.axes) if index != position)
