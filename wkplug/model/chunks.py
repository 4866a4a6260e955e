"""Smaller views of a view: one at a position, or many on a grid, as `for_each_chunk` and its relatives need them.

Chunk shapes are Mag(1) voxels. The grid is that of absolute coordinates, so that jobs of different views share
no shard: a view from 10 to 160 with chunks of 64 gives 10-64, 64-128, 128-160. Channels are never cut; axes other
than x, y and z are cut by the shard (as a rule single positions) unless the chunk shape names them.

All arithmetic is done on plain tuples, so that one chunk costs microseconds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from wkplug.errors import GeometryError, InvalidArgumentError, OutOfBoundsError
from wkplug.geometry import VecInt, grids
from wkplug.model.layout import spatial
from wkplug.model.regions import Position, Region, check_readable, in_mag, resolve, to_bounding_box
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wkplug.model.states import ViewState

__all__ = ["chunk_grid", "chunked", "largest", "over_axes", "regions", "view_of", "zipped"]


def view_of(view: ViewState, position: Position, size: Any, *, read_only: bool | None) -> ViewState:
    """Give the view of a part, of everything by default; see `View.get_view` for what is refused or warned of."""
    if read_only is None:
        read_only = view.read_only
    elif view.read_only and not read_only:
        raise InvalidArgumentError(
            "A read-only view can't have a writable part.",
            hint="Leave read_only out, or start from a writable view.",
        )
    own = view.region
    if size is None and not position.is_given:
        return view.part(own, read_only=read_only)
    region = resolve(view.frame, own, position, size)
    check_readable(view.frame, region)
    box = in_mag(view.frame, region, view.factors)
    if not read_only:
        if not grids.covers(own, region):
            raise OutOfBoundsError(
                f"The writable view {to_bounding_box(view.frame, region)} leaves its "
                f"parent, which is {to_bounding_box(view.frame, own)}.",
                hint="Pass read_only=True to look beyond the parent, or extend layer.bounding_box first.",
            )
        if not grids.is_aligned(box, view.source.handle.array.spec.shard_shape, view.bounds):
            warn_user(
                "[WARNING] get_view() was called without shard alignment: "
                "the view is not aligned with the shard shape, "
                "so that writing to it rewrites parts of shards. Pass read_only=True if it is for reading.",
                UserWarning,
            )
    return view.part(region, read_only=read_only)


def over_axes(view: ViewState, values: Any, others: tuple[int, ...], what: str) -> tuple[int, ...]:
    """Widen a vector to all axes of the array; `others` are the values of axes that it doesn't name.

    Three numbers are x, y and z (what is given for one that the array lacks doesn't count), as many as there are axes,
    or axes but for the channels, are taken in order, vectors with axes of their own by name.
    """
    axes = view.frame.axes
    try:
        numbers = tuple(map(int, values))
    except (TypeError, ValueError) as error:
        raise GeometryError(
            f"The {what} is {values!r}, not a vector.",
            hint=f"Give three integers, as in {what}=(64, 64, 64).",
        ) from error
    names = getattr(values, "axes", None)
    if names is None:
        without_channels = tuple(axis for axis in axes if axis != "c")
        axes_by_length = {len(axes): axes, len(without_channels): without_channels, 3: ("x", "y", "z")}
        if len(numbers) not in axes_by_length:
            raise GeometryError(
                f"The {what} {numbers} has {len(numbers)} numbers; the axes are {', '.join(axes)}.",
                hint="Give three numbers for x, y and z, or one per axis.",
            )
        names = axes_by_length[len(numbers)]
    by_axis = dict(zip(names, numbers, strict=True))
    return tuple(by_axis.get(axis, other) for axis, other in zip(axes, others, strict=True))


def chunk_grid(view: ViewState, chunk_shape: Any, what: str = "chunk_shape") -> tuple[int, ...]:
    """The cell of the grid over all axes, in Mag(1) voxels; by default a shard.

    InvalidArgumentError (an AssertionError) for zeros and for what is not a multiple of the view's shards, or of
    its chunks if it is read-only.
    """
    spec = view.source.handle.array.spec
    frame, factors = view.frame, view.factors
    shard = tuple(length * factor for length, factor in zip(spec.shard_shape, factors, strict=True))
    grid = shard if chunk_shape is None else over_axes(view, chunk_shape, shard, what)
    if chunk_shape is not None:
        shown = _shown(view, grid)
        if 0 in grid:
            raise InvalidArgumentError(
                f"The passed parameter '{what}' {shown} contains at least one 0. This is not allowed.",
                hint="Leave it out for chunks of whole shards.",
            )
        if min(grid) < 0:
            raise InvalidArgumentError(f"The {what} {shown} is negative; chunks have a positive size.")
        unit = shard
        if view.read_only:
            unit = tuple(length * factor for length, factor in zip(spec.chunk_shape, factors, strict=True))
        for axis, length, step in zip(frame.axes, grid, unit, strict=True):
            if axis != "c" and length % step:
                kind = "mag*chunk_shape" if view.read_only else "mag*chunk_shape*chunks_per_shard"
                raise InvalidArgumentError(
                    f"The {what} {shown} must be a multiple of {kind} of the view, which is {_shown(view, unit)}.",
                    hint="Jobs that share a shard would overwrite each other's voxels."
                    if not view.read_only
                    else "Other shapes would decode every chunk several times.",
                )
    return _with_whole_channels(view, grid, view.region)


def _with_whole_channels(view: ViewState, grid: tuple[int, ...], region: Region) -> tuple[int, ...]:
    c = view.frame.c
    if c is None:
        return grid
    return (*grid[:c], max(1, region[0][c] + region[1][c]), *grid[c + 1 :])


def _shown(view: ViewState, values: tuple[int, ...]) -> VecInt:
    return spatial(view.frame.axes, values)


def regions(view: ViewState, chunk_shape: Any) -> list[Region]:
    """Cut a view on the grid of absolute coordinates, by default into shards."""
    return list(grids.cells(*view.region, chunk_grid(view, chunk_shape)))


def largest(view: ViewState, parts: Sequence[Region]) -> int:
    """How many bytes the voxels of the largest part of a view take."""
    # In numbers alone: there may be millions of parts.
    most = max(map(math.prod, [shape for _, shape in parts]), default=0)
    return most // math.prod(view.factors) * view.source.handle.array.dtype.itemsize


def chunked(view: ViewState, chunk_shape: Any, alignments: Any, *, read_only: bool) -> Iterator[Region]:
    """Cut a view as `View.chunk` does: by default the grid starts at the view's own top-left."""
    if view.read_only and not read_only:
        raise InvalidArgumentError(
            "A read-only view can't have writable parts.",
            hint="Leave read_only out, or start from a writable view.",
        )
    own = view.region
    ones = (1,) * len(own[0])
    grid = _with_whole_channels(view, over_axes(view, chunk_shape, ones, "chunk_shape"), own)
    if min(grid) <= 0:
        raise InvalidArgumentError(f"A chunk shape must be positive, got {_shown(view, grid)}.")
    origin = own[0]
    if alignments is not None:
        lines = over_axes(view, alignments, ones, "chunk_border_alignments")
        if min(lines) <= 0 or any(length % line for length, line in zip(grid, lines, strict=True)):
            raise InvalidArgumentError(
                f"The chunk_shape {_shown(view, grid)} is not divisible by chunk_border_alignments "
                f"{_shown(view, lines)}."
            )
        origin = tuple(first - first % line for first, line in zip(origin, lines, strict=True))
    for axis, length, first, factor in zip(view.frame.axes, grid, origin, view.factors, strict=True):
        if length % factor or first % factor:
            raise GeometryError(
                f"The chunks are not aligned with the mag {view.mag}: along {axis} they are {length} Mag(1) voxels "
                f"long and counted from {first}.",
                hint="Chunk shapes are in Mag(1) voxels, and multiples of the mag.",
            )
    return _cells_of(view, own, grid, origin, read_only=read_only)


def _cells_of(
    view: ViewState, own: Region, grid: tuple[int, ...], origin: tuple[int, ...], *, read_only: bool
) -> Iterator[Region]:
    watching = not read_only
    if watching:
        shard = view.source.handle.array.spec.shard_shape
        unit = tuple(length * factor for length, factor in zip(shard, view.factors, strict=True))
    for region in grids.cells(*own, grid, origin=origin):
        if watching and not grids.is_aligned(region, unit, own):
            watching = False
            warn_user(
                "[WARNING] chunk() was called without shard alignment: the views are not aligned with the shard "
                "shape, so that writing to them rewrites parts of shards. Pass read_only=True if they are for reading.",
                UserWarning,
            )
        yield region


def zipped(
    source: ViewState, target: ViewState, source_chunk_shape: Any, target_chunk_shape: Any
) -> list[tuple[Region, Region]]:
    """Cut two views into corresponding chunks; none if one of them is empty."""
    if (source_chunk_shape is None) != (target_chunk_shape is None):
        raise InvalidArgumentError(
            "Either both source_chunk_shape and target_chunk_shape must be given or none.",
            hint="They are in Mag(1) voxels, and in the ratio of the views' sizes.",
        )
    if source_chunk_shape is None:
        grids_of_both = _common_grids(source, target)
    else:
        grids_of_both = (
            chunk_grid(source, source_chunk_shape, "source_chunk_shape"),
            chunk_grid(target, target_chunk_shape, "target_chunk_shape"),
        )
    if 0 in source.region[1] or 0 in target.region[1]:
        return []
    return list(_pairs(source, target, *grids_of_both))


def _common_grids(source: ViewState, target: ViewState) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The smallest chunk, the same for both, that is whole shards of both; all in Mag(1) voxels."""
    shards = [
        {
            axis: length * factor
            for axis, length, factor in zip(
                view.frame.axes, view.source.handle.array.spec.shard_shape, view.factors, strict=True
            )
        }
        for view in (source, target)
    ]

    def grid(view: ViewState) -> tuple[int, ...]:
        shape = tuple(math.lcm(*(shard.get(axis, 1) for shard in shards)) for axis in view.frame.axes)
        return _with_whole_channels(view, shape, view.region)

    return grid(source), grid(target)


def _pairs(
    source: ViewState, target: ViewState, source_grid: tuple[int, ...], target_grid: tuple[int, ...]
) -> Iterator[tuple[Region, Region]]:
    """Cut the target along its own grid, so that jobs share none of its shards, and the source correspondingly."""
    own, other = source.region, target.region
    positions = _corresponding_axes(source, target, own, other)
    for axis, position in enumerate(positions):
        if position is None or source.frame.axes[axis] == "c":
            continue
        if own[1][axis] * target_grid[position] != other[1][position] * source_grid[axis]:
            raise InvalidArgumentError(
                "Calling 'for_zipped_chunks' failed because the ratio of the view sizes "
                f"(source size = {_shown(source, own[1])}, target size = {_shown(target, other[1])}) "
                "must be equal to the ratio of the chunk sizes (source_chunk_shape in Mag(1) = "
                f"{_shown(source, source_grid)}, target_chunk_shape in Mag(1) = {_shown(target, target_grid)}).",
                hint="Every chunk of the source must correspond to one of the target.",
            )
    for start, shape in grids.cells(*other, target_grid):
        first, extent = list(own[0]), list(own[1])
        for axis, position in enumerate(positions):
            if position is None or source.frame.axes[axis] == "c":
                continue
            ratio = (source_grid[axis], target_grid[position])
            low, off = divmod((start[position] - other[0][position]) * ratio[0], ratio[1])
            length, rest = divmod(shape[position] * ratio[0], ratio[1])
            if off or rest or (own[0][axis] + low) % source.factors[axis] or length % source.factors[axis]:
                raise InvalidArgumentError(
                    f"The chunks of the target that begin at {_shown(target, start)} correspond to no whole voxels of "
                    f"the source: its mag is {source.mag}.",
                    hint="Views whose offsets are multiples of the chunk shapes always correspond.",
                )
            first[axis], extent[axis] = own[0][axis] + low, length
        yield (tuple(first), tuple(extent)), (start, shape)


def _corresponding_axes(source: ViewState, target: ViewState, own: Region, other: Region) -> list[int | None]:
    """The position of each of the source's axes in the target; axes that one lacks must have one voxel."""
    axes, others = source.frame.axes, target.frame.axes
    for view, names, region in ((source, others, own), (target, axes, other)):
        for axis, length in zip(view.frame.axes, region[1], strict=True):
            if axis not in names and axis != "c" and length != 1:
                raise InvalidArgumentError(
                    f"The views have different axes: {', '.join(axes)} and {', '.join(others)}, "
                    f"and {length} voxels along {axis}.",
                    hint="Cut the view with more axes down to one position along the others first.",
                )
    return [others.index(axis) if axis in others else None for axis in axes]
