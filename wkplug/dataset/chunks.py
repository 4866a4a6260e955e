"""Views cut into smaller ones, and work done on each: what `for_each_chunk` and its relatives do.

Chunk shapes are Mag(1) voxels. The grid is that of absolute coordinates, so that jobs of different views share
no shard: a view from 10 to 160 with chunks of 64 gives 10-64, 64-128, 128-160. Channels are never cut; axes other
than x, y and z are cut by the shard (as a rule single positions) unless the chunk shape names them.

All arithmetic is done on plain tuples, and views are made without checking again what cutting guarantees: one
chunk costs microseconds. Who calls it: the methods of `View`, which document what users may rely on.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from wkplug.errors import GeometryError, InvalidArgumentError
from wkplug.geometry import Vec3Int, VecInt, grids
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wkplug.dataset.execution import AnyExecutor
    from wkplug.dataset.view import View
    from wkplug.model.regions import Region

__all__ = ["chunk_grid", "cut", "for_each", "map_each", "over_axes", "zipped"]


def over_axes(view: View, values: Any, others: tuple[int, ...], what: str) -> tuple[int, ...]:
    """Widen a vector to all axes of the array; `others` are the values of axes that it doesn't name.

    Three numbers are x, y and z (what is given for one that the array lacks doesn't count), as many as there are axes,
    or axes but for the channels, are taken in order, vectors with axes of their own by name.
    """
    axes = view._frame.axes
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
        known = {3: ("x", "y", "z"), len(axes): axes, len(without_channels): without_channels}
        known[3] = ("x", "y", "z")
        if len(numbers) not in known:
            raise GeometryError(
                f"The {what} {numbers} has {len(numbers)} numbers; the axes are {', '.join(axes)}.",
                hint="Give three numbers for x, y and z, or one per axis.",
            )
        names = known[len(numbers)]
    by_axis = dict(zip(names, numbers, strict=True))
    return tuple(by_axis.get(axis, other) for axis, other in zip(axes, others, strict=True))


def chunk_grid(view: View, chunk_shape: Any, what: str = "chunk_shape") -> tuple[int, ...]:
    """The cell of the grid over all axes, in Mag(1) voxels; by default a shard.

    InvalidArgumentError (an AssertionError) for zeros and for what is not a multiple of the view's shards, or of
    its chunks if it is read-only.
    """
    spec = view._source.handle.array.spec
    frame, factors = view._frame, view._factors
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
    return _with_whole_channels(view, grid, view._region())


def _with_whole_channels(view: View, grid: tuple[int, ...], region: Region) -> tuple[int, ...]:
    c = view._frame.c
    if c is None:
        return grid
    return (*grid[:c], max(1, region[0][c] + region[1][c]), *grid[c + 1 :])


def _shown(view: View, values: tuple[int, ...]) -> VecInt:
    """A vector as users know it: x, y, z for layers with these axes, without the channels elsewhere."""
    by_axis = dict(zip(view._frame.axes, values, strict=True))
    by_axis.pop("c", None)
    if tuple(by_axis) == ("x", "y", "z"):
        return Vec3Int(*by_axis.values())
    return VecInt(list(by_axis.values()), axes=tuple(by_axis))


def _views(view: View, grid: tuple[int, ...]) -> list[View]:
    start, shape = view._region()
    sub_view, read_only = view._sub_view, view.read_only
    return [sub_view(region, read_only=read_only) for region in grids.cells(start, shape, grid)]


def cut(view: View, chunk_shape: Any, alignments: Any, *, read_only: bool | None) -> Iterator[View]:
    """Cut a view as `View.chunk` does: by default the grid starts at the view's own top-left."""
    if read_only is None:
        read_only = view.read_only
    elif view.read_only and not read_only:
        raise InvalidArgumentError(
            "A read-only view can't have writable parts.",
            hint="Leave read_only out, or start from a writable view.",
        )
    own = view._region()
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
    for axis, length, first, factor in zip(view._frame.axes, grid, origin, view._factors, strict=True):
        if length % factor or first % factor:
            raise GeometryError(
                f"The chunks are not aligned with the mag {view.mag}: along {axis} they are {length} Mag(1) voxels "
                f"long and counted from {first}.",
                hint="Chunk shapes are in Mag(1) voxels, and multiples of the mag.",
            )
    return _cut_at(view, own, grid, origin, read_only=read_only)


def _cut_at(
    view: View, own: Region, grid: tuple[int, ...], origin: tuple[int, ...], *, read_only: bool
) -> Iterator[View]:
    watching = not read_only
    if watching:
        shard = view._source.handle.array.spec.shard_shape
        unit = tuple(length * factor for length, factor in zip(shard, view._factors, strict=True))
    for region in grids.cells(*own, grid, origin=origin):
        if watching and not grids.is_aligned(region, unit, own):
            watching = False
            warn_user(
                "[WARNING] chunk() was called without shard alignment: the views are not aligned with the shard "
                "shape, so that writing to them rewrites parts of shards. Pass read_only=True if they are for reading.",
                UserWarning,
            )
        yield view._sub_view(region, read_only=read_only)


def for_each(
    view: View,
    function: Callable[[tuple[View, int]], Any],
    chunk_shape: Any,
    executor: AnyExecutor,
    progress_desc: str | None,
) -> None:
    """Call `function((chunk, index))` for every chunk."""
    from wkplug.dataset import execution

    work = [(chunk, index) for index, chunk in enumerate(_views(view, chunk_grid(view, chunk_shape)))]
    for _ in execution.run(function, work, executor=executor, progress_desc=progress_desc, views=(view,)):
        pass


def map_each(
    view: View,
    function: Callable[[View], Any],
    chunk_shape: Any,
    executor: AnyExecutor,
    progress_desc: str | None,
) -> list[Any]:
    """Call `function(chunk)` for every chunk and give the results in the order of the chunks."""
    from wkplug.dataset import execution

    work = _views(view, chunk_grid(view, chunk_shape))
    return list(execution.run(function, work, executor=executor, progress_desc=progress_desc, views=(view,)))


def zipped(
    source: View,
    target: View,
    function: Callable[[tuple[View, View, int]], Any],
    source_chunk_shape: Any,
    target_chunk_shape: Any,
    executor: AnyExecutor,
    progress_desc: str | None,
) -> None:
    """Call `function((source chunk, target chunk, index))` for every pair of corresponding chunks."""
    from wkplug.dataset import execution

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
    if 0 in source._region()[1] or 0 in target._region()[1]:
        return
    pairs = [
        (source_chunk, target_chunk, index)
        for index, (source_chunk, target_chunk) in enumerate(_pairs(source, target, *grids_of_both))
    ]
    for _ in execution.run(
        function, pairs, executor=executor, progress_desc=progress_desc, views=(source, target)
    ):
        pass


def _common_grids(source: View, target: View) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The smallest chunk, the same for both, that is whole shards of both; all in Mag(1) voxels."""
    shards = [
        {
            axis: length * factor
            for axis, length, factor in zip(
                view._frame.axes, view._source.handle.array.spec.shard_shape, view._factors, strict=True
            )
        }
        for view in (source, target)
    ]

    def grid(view: View) -> tuple[int, ...]:
        shape = tuple(math.lcm(*(shard.get(axis, 1) for shard in shards)) for axis in view._frame.axes)
        return _with_whole_channels(view, shape, view._region())

    return grid(source), grid(target)


def _pairs(
    source: View, target: View, source_grid: tuple[int, ...], target_grid: tuple[int, ...]
) -> Iterator[tuple[View, View]]:
    """Cut the target along its own grid, so that jobs share none of its shards, and the source correspondingly."""
    own, other = source._region(), target._region()
    positions = _corresponding_axes(source, target, own, other)
    for axis, position in enumerate(positions):
        if position is None or source._frame.axes[axis] == "c":
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
            if position is None or source._frame.axes[axis] == "c":
                continue
            ratio = (source_grid[axis], target_grid[position])
            low, off = divmod((start[position] - other[0][position]) * ratio[0], ratio[1])
            length, rest = divmod(shape[position] * ratio[0], ratio[1])
            if off or rest or (own[0][axis] + low) % source._factors[axis] or length % source._factors[axis]:
                raise InvalidArgumentError(
                    f"The chunks of the target that begin at {_shown(target, start)} correspond to no whole voxels of "
                    f"the source: its mag is {source.mag}.",
                    hint="Views whose offsets are multiples of the chunk shapes always correspond.",
                )
            first[axis], extent[axis] = own[0][axis] + low, length
        yield (
            source._sub_view((tuple(first), tuple(extent)), read_only=source.read_only),
            target._sub_view((start, shape), read_only=target.read_only),
        )


def _corresponding_axes(source: View, target: View, own: Region, other: Region) -> list[int | None]:
    """The position of each of the source's axes in the target; axes that one lacks must have one voxel."""
    axes, others = source._frame.axes, target._frame.axes
    for view, names, region in ((source, others, own), (target, axes, other)):
        for axis, length in zip(view._frame.axes, region[1], strict=True):
            if axis not in names and axis != "c" and length != 1:
                raise InvalidArgumentError(
                    f"The views have different axes: {', '.join(axes)} and {', '.join(others)}, "
                    f"and {length} voxels along {axis}.",
                    hint="Cut the view with more axes down to one position along the others first.",
                )
    return [others.index(axis) if axis in others else None for axis in axes]
