"""Between the order of a layer's axes and (c, x, y, z)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.errors import ShapeMismatchError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["from_cxyz", "to_cxyz"]

_CXYZ = ("c", "x", "y", "z")


def to_cxyz(data: NDArray[Any], axes: tuple[str, ...]) -> NDArray[Any]:
    """Give `data`, whose axes are `axes`, as (c, x, y, z): missing axes get length 1, others must have it."""
    import numpy

    if axes == _CXYZ:
        return data
    for axis, length in zip(axes, data.shape, strict=True):
        if axis not in _CXYZ and length != 1:
            raise ShapeMismatchError(
                f"The region has {length} voxels along the axis {axis!r}; "
                "only c, x, y and z can be longer than 1 here.",
                hint=f"Read one {axis} at a time with a bounding box, or use read().",
            )
    present = [axis for axis in _CXYZ if axis in axes]
    others = tuple(index for index, axis in enumerate(axes) if axis not in _CXYZ)
    order = [axis for axis in axes if axis in _CXYZ]
    result = numpy.transpose(
        data.squeeze(others) if others else data, [order.index(axis) for axis in present]
    )
    for position, axis in enumerate(_CXYZ):
        if axis not in axes:
            result = numpy.expand_dims(result, position)
    return result


def from_cxyz(data: ArrayLike, axes: tuple[str, ...]) -> NDArray[Any]:
    """Give (c, x, y, z) data the order `axes`; further axes get length 1, missing ones must have it."""
    import numpy

    array = numpy.asarray(data)
    if array.ndim != len(_CXYZ):
        raise ShapeMismatchError(
            f"The data have {array.ndim} dimensions; (c, x, y, z) was expected.",
            hint="Add the missing axes, of length 1.",
        )
    if axes == _CXYZ:
        return array
    for axis, length in zip(_CXYZ, array.shape, strict=True):
        if axis not in axes and length != 1:
            raise ShapeMismatchError(
                f"The data have {length} voxels along {axis!r}, an axis that the layer doesn't have."
            )
    missing = tuple(index for index, axis in enumerate(_CXYZ) if axis not in axes)
    order = [axis for axis in _CXYZ if axis in axes]
    result = numpy.transpose(
        array.squeeze(missing) if missing else array, [order.index(axis) for axis in axes if axis in order]
    )
    for position, axis in enumerate(axes):
        if axis not in _CXYZ:
            result = numpy.expand_dims(result, position)
    return result
