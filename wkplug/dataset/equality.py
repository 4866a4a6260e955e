"""Whether two views hold the same voxels, whatever their formats, chunks, dtypes and orders of axes.

The views are compared block by block, in blocks of bounded size; what neither of them has stored is not read. The
first difference ends the work. Who calls it: `View.content_is_equal`, which documents what is equal.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from wkplug.dataset import execution
from wkplug.dataset.chunks import over_axes
from wkplug.errors import InvalidArgumentError, UnsupportedOperationError
from wkplug.geometry import grids
from wkplug.model import voxels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from wkplug.abc import Box
    from wkplug.dataset.execution import AnyExecutor
    from wkplug.dataset.view import View

__all__ = ["BLOCK_BYTES", "content_is_equal"]

BLOCK_BYTES = 1 << 26
"""The most that one block of a view may have where nobody gave its shape."""


def content_is_equal(
    view: View, other: View, chunk_shape: Any, executor: AnyExecutor, progress_desc: str | None
) -> bool:
    """Compare two views; see `View.content_is_equal`."""
    if view.mag != other.mag:
        return False
    axes = _all_axes(view, other)
    box, other_box = (one._bounds_in_mag(one._region()) for one in (view, other))
    shape = _along(axes, view, box[1], 1)
    if shape != _along(axes, other, other_box[1], 1):
        return False
    if 0 in shape:
        return True
    blocks = list(_blocks(view, other, axes, shape, _block_shape(view, other, axes, shape, chunk_shape)))
    compare = partial(_same, view, other, axes)
    results = execution.run(
        compare,
        blocks,
        executor=executor,
        default="threads" if len(blocks) > 1 else "sequential",
        progress_desc=progress_desc,
        views=(view, other),
    )
    try:
        return all(results)
    finally:
        results.close()


def _all_axes(view: View, other: View) -> tuple[str, ...]:
    """The axes of both, those of the first in its order."""
    own = view._frame.axes
    return own + tuple(axis for axis in other._frame.axes if axis not in own)


def _along(axes: tuple[str, ...], view: View, values: tuple[int, ...], missing: int) -> tuple[int, ...]:
    """Order numbers of a view's axes like `axes`."""
    by_axis = dict(zip(view._frame.axes, values, strict=True))
    return tuple(by_axis.get(axis, missing) for axis in axes)


def _block_shape(
    view: View, other: View, axes: tuple[str, ...], shape: tuple[int, ...], chunk_shape: Any
) -> tuple[int, ...]:
    """How much is compared at once, in voxels of the mag."""
    if chunk_shape is not None:
        factors = view._factors
        grid = over_axes(view, chunk_shape, factors, "chunk_shape")
        if min(grid) <= 0 or any(length % factor for length, factor in zip(grid, factors, strict=True)):
            raise InvalidArgumentError(
                f"The chunk_shape {tuple(chunk_shape)} must be a positive multiple of the mag {view.mag}.",
                hint="It is in Mag(1) voxels; leave it out for blocks of a sensible size.",
            )
        given = tuple(length // factor for length, factor in zip(grid, factors, strict=True))
        return tuple(
            extent if axis == "c" else length
            for axis, length, extent in zip(axes, _along(axes, view, given, 1), shape, strict=True)
        )
    specs = view._source.handle.array.spec, other._source.handle.array.spec
    one, two = (_along(axes, v, s.chunk_shape, 1) for v, s in zip((view, other), specs, strict=True))
    block = [min(math.lcm(a, b), extent) for a, b, extent in zip(one, two, shape, strict=True)]
    size = max(view.get_dtype().itemsize, other.get_dtype().itemsize) * math.prod(block)
    while True:
        growing = [axis for axis, length in enumerate(block) if length < shape[axis]]
        if not growing or 2 * size > BLOCK_BYTES:
            return tuple(block)
        # The axes that vary fastest first: their voxels lie together.
        axis = min(growing, key=lambda axis: block[axis])
        size = size // block[axis] * min(2 * block[axis], shape[axis])
        block[axis] = min(2 * block[axis], shape[axis])


def _blocks(
    view: View, other: View, axes: tuple[str, ...], shape: tuple[int, ...], block: tuple[int, ...]
) -> Iterator[Box]:
    """The boxes to be compared, counted from the views' top-left, over all axes of both."""
    zeros = (0,) * len(shape)
    stored = [_stored(one, axes) for one in (view, other)]
    fills = {one._source.handle.array.spec.fill_value for one in (view, other)}
    if stored[0] is None or stored[1] is None or len(fills) > 1:
        yield from grids.cells(zeros, shape, block)
        return
    yield from grids.touched([*stored[0], *stored[1]], (zeros, shape), block)


def _stored(view: View, axes: tuple[str, ...]) -> Iterable[Box] | None:
    """What is stored of the view, counted from its top-left; None if that isn't known."""
    handle = view._source.handle
    if not handle.backend.capabilities.lists_stored:
        return None
    own = view._bounds_in_mag(view._region())
    boxes = []
    try:
        for box in handle.stored_boxes():
            common = grids.intersect(box, own)
            if common is not None:
                start = tuple(low - first for low, first in zip(common[0], own[0], strict=True))
                boxes.append((_along(axes, view, start, 0), _along(axes, view, common[1], 1)))
    except UnsupportedOperationError:
        return None
    return boxes


def _same(view: View, other: View, axes: tuple[str, ...], block: Box) -> bool:
    """Whether one block is equal; runs wherever the executor runs it."""
    import numpy

    one, two = _read(view, axes, block), _read(other, axes, block)
    if numpy.array_equal(one, two):
        return True
    floating = "f" in (one.dtype.kind, two.dtype.kind)
    return floating and numpy.array_equal(one, two, equal_nan=True)


def _read(view: View, axes: tuple[str, ...], block: Box) -> NDArray[Any]:
    """Read a block with the axes `axes`."""
    own = view._frame.axes
    first = view._bounds_in_mag(view._region())[0]
    positions = [axes.index(axis) for axis in own]
    start = tuple(low + block[0][position] for low, position in zip(first, positions, strict=True))
    data = voxels.read(view._source.handle, (start, tuple(block[1][position] for position in positions)))
    order = [own.index(axis) for axis in axes if axis in own]
    return data.transpose(order)[tuple(slice(None) if axis in own else None for axis in axes)]
