"""Voxels between a user and an array: padding on reads; shapes, alignment and dtypes on writes.

`read` and `write` work on the array's own box (start, shape), in voxels of its mag, over all axes. The array sees boxes
inside its bounds only; what lies outside reads as the fill value. `write_to_view` and `write_to_mag` take what users
give: data of any matching shape, and a position in Mag(1) voxels. All is checked before anything is touched.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from wkplug.abc.threads import meanwhile
from wkplug.errors import (
    InvalidArgumentError,
    MissingError,
    OutOfBoundsError,
    ShapeMismatchError,
    UnalignedError,
    UnsupportedOperationError,
)
from wkplug.geometry import grids
from wkplug.model.dtypes import as_stored
from wkplug.model.regions import Frame, Position, Region, check_readable, in_mag, resolve, to_bounding_box
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from wkplug.abc import Box
    from wkplug.model.arrays import ArraySource
    from wkplug.model.states import MagState, ViewState
    from wkplug.storage import ArrayHandle

__all__ = [
    "Missing",
    "check_aligned",
    "read",
    "read_from",
    "stored_regions",
    "with_all_axes",
    "write",
    "write_to_mag",
    "write_to_view",
]

_GUARD_FROM = 1 << 24
"""Voxels from which on the memory budget is asked; below, asking would cost more than it saves."""


Missing: TypeAlias = Literal["fill", "warn", "error"]
"""What becomes of voxels that were never written."""


def read(handle: ArrayHandle, box: Box, *, missing: Missing = "fill") -> NDArray[Any]:
    """Read a box that may reach beyond the array; beyond it there is fill value.

    missing: voxels of the array that were never written are fill value, too ("fill"), which is told once ("warn"), or
    a MissingError that names the first of them ("error").
    """
    if missing not in ("fill", "warn", "error"):
        raise InvalidArgumentError(f'missing={missing!r} is none of "fill", "warn" and "error".')
    try:
        return _read(handle, box, missing)
    except MissingError:
        if not handle.found_again():
            raise
    return _read(handle, box, missing)


def read_from(source: ArraySource, box: Box, *, missing: Missing = "fill") -> NDArray[Any]:
    """The same of a view's array; what is in doubt of it is looked at while the voxels are on their way."""
    settled = source.settled
    if settled is not None:
        return read(settled, box, missing=missing)
    if source.location.concurrency < 2:
        return read(source.handle, box, missing=missing)
    handle = source.described
    if not source.in_doubt:
        return read(handle, box, missing=missing)

    is_as_described = meanwhile(source.settle)
    found: NDArray[Any] | Exception
    try:
        # Here and not in a thread for requests, so that they are made side by side.
        found = read(handle, box, missing=missing)
    except Exception as error:  # noqa: BLE001 - raised below, unless another array is the reason
        found = error
    if not is_as_described():
        return read(source.handle, box, missing=missing)
    if isinstance(found, Exception):
        raise found
    return found


def _read(handle: ArrayHandle, box: Box, missing: Missing) -> NDArray[Any]:
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
    if inside and missing != "warn":
        return handle.array.read(box, missing=missing)
    return _read_padded(handle, box, missing)


def _read_padded(handle: ArrayHandle, box: Box, missing: Missing) -> NDArray[Any]:
    import numpy

    spec = handle.array.spec
    start, shape = box
    result = numpy.full(shape, spec.fill_value, dtype=handle.array.dtype, order="F")
    covered = tuple(
        length if bound is None else max(0, min(first + length, bound) - first)
        for first, length, bound in zip(start, shape, spec.shape, strict=True)
    )
    if all(covered):
        out = result[tuple(slice(length) for length in covered)]
        if missing == "warn":
            _warn_of_gaps(handle, (start, covered), list(_read_noting(handle, (start, covered), out)))
        else:
            handle.array.read((start, covered), out=out, missing=missing)
    return result


def _read_noting(handle: ArrayHandle, box: Box, out: NDArray[Any]) -> Iterator[Box]:
    """Read a box, halved between shards wherever something is missing; gives the parts of shards that have gaps."""
    try:
        handle.array.read(box, out=out, missing="error")
    except MissingError:
        pass  # somewhere in it
    else:
        return
    shards = handle.array.spec.shard_shape
    spans = [
        (first // size, (first + length - 1) // size)
        for first, length, size in zip(*box, shards, strict=True)
    ]
    axis = max(range(len(spans)), key=lambda number: spans[number][1] - spans[number][0])
    low, high = spans[axis]
    if low == high:
        handle.array.read(box, out=out)
        yield box
        return
    start, shape = box
    cut = (low + high + 1) // 2 * shards[axis]
    for first, last in ((start[axis], cut), (cut, start[axis] + shape[axis])):
        part = (
            (*start[:axis], first, *start[axis + 1 :]),
            (*shape[:axis], last - first, *shape[axis + 1 :]),
        )
        place = (slice(None),) * axis + (slice(first - start[axis], last - start[axis]),)
        yield from _read_noting(handle, part, out[place])


def _warn_of_gaps(handle: ArrayHandle, box: Box, gaps: list[Box]) -> None:
    if not gaps:
        return
    spec = handle.array.spec
    met = math.prod(
        (first + length - 1) // size - first // size + 1
        for first, length, size in zip(*box, spec.shard_shape, strict=True)
    )
    what = "chunks" if spec.shard_shape == spec.chunk_shape else "shards"
    start, shape = min(gaps)
    warn_user(
        f"[WARNING] {len(gaps)} of the {met} {what} of {handle.location.url} that the box meets have voxels that were "
        f"never written: they are read as {spec.fill_value}. The first are in ({', '.join(spec.axes)}) = {start} + "
        f"{shape}, in voxels of this mag.",
        UserWarning,
    )


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


# --- what users write -------------------------------------------------------------------------------------


def write_to_view(
    view: ViewState, data: ArrayLike, position: Position, *, allow_unaligned: bool = False
) -> None:
    """Write voxels at the view's top-left, or at a position inside of it."""
    view.check_writable()
    bounds = view.region
    array, region = _prepared(view, bounds, data, position)
    if not grids.covers(bounds, region):
        raise OutOfBoundsError(
            f"The write to {to_bounding_box(view.frame, region)} leaves the "
            f"view, which is {to_bounding_box(view.frame, bounds)}.",
            hint="Write inside the view, or use MagView.write(..., allow_resize=True) to extend the layer.",
        )
    _store(view, bounds, array, region, allow_unaligned=allow_unaligned)


def write_to_mag(
    mag: MagState,
    data: ArrayLike,
    position: Position,
    *,
    allow_resize: bool = False,
    allow_unaligned: bool = False,
) -> None:
    """Write voxels to a mag; with `allow_resize` the layer's bounding box is extended to hold them."""
    mag.check_writable()
    bounds = mag.region  # asked once: it follows the layer's properties
    array, region = _prepared(mag, bounds, data, position)
    if not grids.covers(bounds, region):
        if not allow_resize:
            raise OutOfBoundsError(
                f"The write to {to_bounding_box(mag.frame, region)} does not fit in the layer's bounding box "
                f"{mag.layer.bounding_box}.",
                hint="Pass allow_resize=True to extend it, or set layer.bounding_box first.",
            )
        from wkplug.model import changes  # most writers never extend a layer

        # What would fail after the layer is extended is refused before.
        array = as_stored(array, mag.source.writing_handle.array.dtype)
        _box_to_write(mag, region, grids.hull(bounds, region), allow_unaligned=allow_unaligned)
        changes.extend_box(mag.layer, region)
        bounds = mag.region
    _store(mag, bounds, array, region, allow_unaligned=allow_unaligned)


def _prepared(
    view: ViewState, bounds: Region, data: ArrayLike, position: Position
) -> tuple[NDArray[Any], Region]:
    """Check what can be checked before anything is touched; give the data and where they go."""
    import numpy

    frame = view.frame
    num_channels = 1 if frame.c is None else bounds[1][frame.c]
    array = with_all_axes(frame, numpy.asarray(data), num_channels)
    shape = tuple(length * factor for length, factor in zip(array.shape, view.factors, strict=True))
    boxed = position.relative_bounding_box is not None or position.absolute_bounding_box is not None
    region = resolve(frame, bounds, position, shape if position.is_given and not boxed else None)
    if boxed and region[1] != shape:
        raise ShapeMismatchError(
            f"The data have the shape {array.shape}, which is {shape} in "
            f"Mag(1) voxels, but the bounding box is {region[1]}.",
            hint="Give a box of the data's size, or just an offset.",
        )
    region = (region[0], shape)
    check_readable(frame, region)
    return array, region


def _store(
    view: ViewState, bounds: Region, data: NDArray[Any], region: Region, *, allow_unaligned: bool
) -> None:
    box = _box_to_write(view, region, bounds, allow_unaligned=allow_unaligned)
    write(view.source.writing_handle, box, data)


def _box_to_write(view: ViewState, region: Region, bounds: Region, *, allow_unaligned: bool) -> Box:
    """Give the array's box of a region, unless writing it would rewrite parts of shards; `bounds` may be cut shards."""
    box = in_mag(view.frame, region, view.factors)
    if not allow_unaligned:
        shard_shape = view.source.writing_handle.array.spec.shard_shape
        check_aligned(view.frame, box, shard_shape, grids.coarsened(bounds, view.factors))
    return box


# --- what is stored ---------------------------------------------------------------------------------------


def stored_regions(mag: MagState) -> Iterator[Region]:
    """Give the regions of the stored shards, whole ones; all of the mag's own box with a warning where unknown."""
    return (grids.refined(box, mag.factors) for box in _stored_boxes(mag))


def _stored_boxes(mag: MagState) -> Iterator[Box]:
    handle = mag.source.handle
    if handle.backend.capabilities.lists_stored:
        try:
            boxes = iter(handle.stored_boxes())
            first = next(boxes, None)
        except UnsupportedOperationError:
            pass
        else:
            if first is not None:
                yield first
                yield from boxes
            return
    warn_user(
        f"[WARNING] {handle.location.url} can't be listed: all shards of the layer's bounding box are gone through, "
        "also those that were never written.",
        UserWarning,
    )
    shard_shape = handle.array.spec.shard_shape
    for start in grids.cell_starts(*mag.bounds, shard_shape):
        yield start, shard_shape
