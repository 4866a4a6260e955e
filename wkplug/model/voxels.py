"""Voxels between a user and an array: padding on reads; shapes, alignment and dtypes on writes.

The array sees boxes inside its bounds only; what lies outside reads as the fill value. Works on the array's
own box (start, shape) in voxels of its mag, all axes; no layer is known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.errors import MissingError, OutOfBoundsError, ShapeMismatchError, UnalignedError
from wkplug.geometry import grids
from wkplug.model.dtypes import as_stored

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import Box
    from wkplug.model.regions import Frame
    from wkplug.storage import ArrayHandle

__all__ = ["check_aligned", "read", "with_all_axes", "write"]

_GUARD_FROM = (
    1 << 24
)  # voxels from which on the memory budget is asked; below, asking would cost more than it saves


def read(handle: ArrayHandle, box: Box) -> NDArray[Any]:
    """Read a box that may reach beyond the array; beyond it there is fill value."""
    try:
        return _read(handle, box)
    except MissingError:
        if not handle.found_again():
            raise
    return _read(handle, box)


def _read(handle: ArrayHandle, box: Box) -> NDArray[Any]:
    start, shape = box
    bounds = handle.array.spec.shape
    volume = 1
    inside = True
    for first, length, bound in zip(start, shape, bounds, strict=True):
        volume *= length
        if bound is not None and first + length > bound:
            inside = False
    if volume >= _GUARD_FROM:
        handle.check_size(shape)
    if inside:
        return handle.array.read(box)
    return _read_padded(handle, box)


def _read_padded(handle: ArrayHandle, box: Box) -> NDArray[Any]:
    import numpy

    spec = handle.array.spec
    start, shape = box
    result = numpy.full(shape, spec.fill_value, dtype=handle.array.dtype, order="F")
    covered = tuple(
        length if bound is None else max(0, min(first + length, bound) - first)
        for first, length, bound in zip(start, shape, spec.shape, strict=True)
    )
    if all(covered):
        handle.array.read((start, covered), out=result[tuple(slice(length) for length in covered)])
    return result


def with_all_axes(frame: Frame, data: NDArray[Any], num_channels: int) -> NDArray[Any]:
    """Give `data` one dimension per array axis: a missing channel axis is added for single channels."""
    if data.ndim == len(frame.axes) - 1 and frame.c is not None:
        if num_channels != 1:
            raise ShapeMismatchError(
                f"The data have {data.ndim} dimensions and so no channel "
                f"axis, but the layer has {num_channels} channels.",
                hint=f"Give data of the axes {', '.join(frame.axes)}.",
            )
        data = data[(slice(None),) * frame.c + (None,)]
    if data.ndim != len(frame.axes):
        raise ShapeMismatchError(
            f"The data have {data.ndim} dimensions, shape {data.shape}; the layer's axes are {', '.join(frame.axes)}.",
            hint="Give one dimension per axis, in that order; a single channel's axis may be left out.",
        )
    if frame.c is not None and data.shape[frame.c] != num_channels:
        raise ShapeMismatchError(
            f"The data have {data.shape[frame.c]} channels (shape {data.shape}), the layer has {num_channels}.",
            hint=f"Axes are {', '.join(frame.axes)}: check the order, or write to a layer with as many channels.",
        )
    if 0 in data.shape:
        raise ShapeMismatchError(f"The data are empty: their shape is {data.shape}.")
    return data


def check_aligned(frame: Frame, box: Box, shard_shape: tuple[int, ...], bounds: Box) -> None:
    """Refuse a write that would rewrite parts of shards."""
    if not grids.is_aligned(box, shard_shape, bounds):
        start, shape = box
        raise UnalignedError(
            f"The write to ({', '.join(frame.axes)}) = {start} + {shape}, "
            "in voxels of this mag, is not aligned with the "
            f"shard shape {shard_shape}: parts of shards would be read, changed and written again.",
            hint="Write boxes whose faces lie on shard borders or on the layer's bounding box, or pass "
            "allow_unaligned=True; that is slower, but nothing is lost, also with several writers.",
        )


def write(handle: ArrayHandle, box: Box, data: NDArray[Any]) -> None:
    """Write data that fit the box, after checking the dtype and the array's bounds."""
    try:
        _write(handle, box, data)
    except MissingError:
        if not handle.found_again():
            raise
        _write(handle, box, data)


def _write(handle: ArrayHandle, box: Box, data: NDArray[Any]) -> None:
    array = handle.array
    data = as_stored(data, array.dtype)
    for first, length, bound in zip(*box, array.spec.shape, strict=True):
        if bound is not None and first + length > bound:
            raise OutOfBoundsError(
                f"The write ends at {first + length}, beyond the array's {bound} voxels (shape {array.spec.shape}).",
                hint="Pass allow_resize=True to MagView.write, or extend layer.bounding_box first.",
            )
    handle.write(box, data)
