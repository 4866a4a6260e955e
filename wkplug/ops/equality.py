"""Whether datasets, or the voxels of views, are equal, whatever their formats, chunks, dtypes and orders of axes.

Views are compared block by block, in blocks of bounded size; what neither of them has stored is not read, and the
first difference ends the work.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from wkplug import execution
from wkplug.abc import Box
from wkplug.errors import InvalidArgumentError, LayerMismatchError, UnsupportedOperationError
from wkplug.execution import AnyExecutor
from wkplug.geometry import grids
from wkplug.model import voxels
from wkplug.model.chunks import over_axes
from wkplug.model.states import DatasetState, LayerState, ViewState
from wkplug.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


__all__ = ["BLOCK_BYTES", "content_is_equal", "differences"]


def differences(
    source: DatasetState,
    target: DatasetState,
    *,
    layer_name: str | None = None,
    executor: Any = None,
    progress: Progress | None = None,
) -> Iterator[str]:
    """Iterate over the differences as sentences, cheap ones first; none if the datasets are equal.

    layer_name: compare only this layer (LayerNotFoundError, an IndexError, where one lacks it). Without, both must
    have the same layers (LayerMismatchError, an AssertionError). progress: counts mags.
    """
    if layer_name is None:
        names = list(source.layers)
        if set(names) != set(target.layers):
            raise LayerMismatchError(
                f"The datasets have different layers: {', '.join(sorted(names)) or 'none'} and "
                f"{', '.join(sorted(target.layers)) or 'none'}.",
                hint="Compare one layer that both have: layer_name=...",
            )
    else:
        names = [layer_name]
    pairs = [(source.layer(name), target.layer(name)) for name in names]
    with execution.adapted(executor, default="threads") as pool:
        alike = []
        for one, other in pairs:
            found = list(_in_properties(one, other))
            yield from found
            if not found:
                alike.append((one, other))
        mags = [(one, other, mag) for one, other in alike for mag in one.mags]
        for done, (one, other, mag) in enumerate(mags, 1):
            if not content_is_equal(one.mag(mag), other.mag(mag), executor=pool):
                yield f"the voxels of {one.name!r} differ in the mag {mag}"
            if progress is not None:
                progress(done, len(mags))


def _in_properties(one: LayerState, other: LayerState) -> Iterator[str]:
    if one.bounding_box != other.bounding_box:
        yield f"the bounding boxes of {one.name!r} differ: {one.bounding_box} and {other.bounding_box}"
    if set(one.mags) != set(other.mags):
        sets = (", ".join(map(str, layer.mags)) or "none" for layer in (one, other))
        yield f"the mags of {one.name!r} differ: {' and '.join(sets)}"
    if one.dtype != other.dtype:
        yield f"the dtypes of {one.name!r} differ: {one.dtype} and {other.dtype}"


# --- views ------------------------------------------------------------------------------------------------

BLOCK_BYTES = 1 << 26
"""The most that one block of a view may have where nobody gave its shape."""


def content_is_equal(
    view: ViewState,
    other: ViewState,
    chunk_shape: Any = None,
    *,
    executor: AnyExecutor = None,
    progress_desc: str | None = None,
) -> bool:
    """Compare two views; see `View.content_is_equal`."""
    if view.mag != other.mag:
        return False
    axes = _all_axes(view, other)
    box, other_box = (one.bounds for one in (view, other))
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


def _all_axes(view: ViewState, other: ViewState) -> tuple[str, ...]:
    """The axes of both, those of the first in its order."""
    own = view.frame.axes
    return own + tuple(axis for axis in other.frame.axes if axis not in own)


def _along(axes: tuple[str, ...], view: ViewState, values: tuple[int, ...], missing: int) -> tuple[int, ...]:
    """Order numbers of a view's axes like `axes`."""
    by_axis = dict(zip(view.frame.axes, values, strict=True))
    return tuple(by_axis.get(axis, missing) for axis in axes)


def _block_shape(
    view: ViewState,
    other: ViewState,
    axes: tuple[str, ...],
    shape: tuple[int, ...],
    chunk_shape: Any,
) -> tuple[int, ...]:
    """How much is compared at once, in voxels of the mag."""
    if chunk_shape is not None:
        factors = view.factors
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
    specs = view.source.handle.array.spec, other.source.handle.array.spec
    one, two = (_along(axes, v, s.chunk_shape, 1) for v, s in zip((view, other), specs, strict=True))
    block = [min(math.lcm(a, b), extent) for a, b, extent in zip(one, two, shape, strict=True)]
    size = max(view.dtype.itemsize, other.dtype.itemsize) * math.prod(block)
    while True:
        growing = [axis for axis, length in enumerate(block) if length < shape[axis]]
        if not growing or 2 * size > BLOCK_BYTES:
            return tuple(block)
        # The axes that vary fastest first: their voxels lie together.
        axis = min(growing, key=lambda axis: block[axis])
        size = size // block[axis] * min(2 * block[axis], shape[axis])
        block[axis] = min(2 * block[axis], shape[axis])


def _blocks(
    view: ViewState,
    other: ViewState,
    axes: tuple[str, ...],
    shape: tuple[int, ...],
    block: tuple[int, ...],
) -> Iterator[Box]:
    """The boxes to be compared, counted from the views' top-left, over all axes of both."""
    zeros = (0,) * len(shape)
    stored = [_stored(one, axes) for one in (view, other)]
    fills = {one.source.handle.array.spec.fill_value for one in (view, other)}
    if stored[0] is None or stored[1] is None or len(fills) > 1:
        yield from grids.cells(zeros, shape, block)
        return
    yield from grids.touched([*stored[0], *stored[1]], (zeros, shape), block)


def _stored(view: ViewState, axes: tuple[str, ...]) -> Iterable[Box] | None:
    """What is stored of the view, counted from its top-left; None if that isn't known."""
    handle = view.source.handle
    if not handle.backend.capabilities.lists_stored:
        return None
    own = view.bounds
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


def _same(view: ViewState, other: ViewState, axes: tuple[str, ...], block: Box) -> bool:
    """Whether one block is equal; runs wherever the executor runs it."""
    import numpy

    one, two = _read(view, axes, block), _read(other, axes, block)
    if numpy.array_equal(one, two):
        return True
    floating = "f" in (one.dtype.kind, two.dtype.kind)
    return floating and numpy.array_equal(one, two, equal_nan=True)


def _read(view: ViewState, axes: tuple[str, ...], block: Box) -> NDArray[Any]:
    """Read a block with the axes `axes`."""
    own = view.frame.axes
    first = view.bounds[0]
    positions = [axes.index(axis) for axis in own]
    start = tuple(low + block[0][position] for low, position in zip(first, positions, strict=True))
    data = voxels.read(view.source.handle, (start, tuple(block[1][position] for position in positions)))
    order = [own.index(axis) for axis in axes if axis in own]
    return data.transpose(order)[tuple(slice(None) if axis in own else None for axis in axes)]
