"""Boxes of an import on their way from files to arrays: regions are decoded into them, and their parts are written.

A box is an array (c, x, y, z) of all channels that are read. Its shards are written for all layers, but for those
that are all zero; tiles of the coarser mags are computed from it while it is in memory. Decoding the next boxes
overlaps with writing those before: in threads a box is an array that several calls fill and several calls write; a
few are under way at once, as many as the `ChunkingPlan` allows. Where calls leave the process, or nobody knows, a box
(or all boxes of a shard, so that two processes never write the same one) is a single call. That work pickles: where
it arrives, files and arrays are opened again.
"""

from __future__ import annotations

import threading
from collections import deque
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import attrs

from wkplug import storage
from wkplug.abc import Box, Executor
from wkplug.execution import Calls, results_in_order
from wkplug.geometry import grids
from wkplug.ops.importing.chunking_plan import ChunkingPlan
from wkplug.ops.importing.options import ImportOptions
from wkplug.ops.importing.plans import VolumePlan
from wkplug.ops.importing.values import converted, is_exact
from wkplug.ops.importing.volume import Reading, Span
from wkplug.ops.pyramids.downsampling import StreamingPyramid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

__all__ = [
    "BoxWork",
    "Boxes",
    "LayerStats",
    "ValueStats",
    "Work",
    "merged_stats",
]


_PART_BYTES = 1 << 22
"""Shards smaller than this are written several at a time."""

_COUNTED_WHOLE = 1 << 16
_ROWS_PER_COUNTED = 16


@attrs.frozen
class _Tile:
    """A tile of the coarser mags of a layer, by its number."""

    layer: int
    box: Box


_Part: TypeAlias = "Box | _Tile"


@attrs.frozen(slots=False)
class BoxWork:
    """What is done with a box, see `Work`; pickles, and opens files and arrays again where it arrives.

    `chunking` says how many calls may decode, and how many write, at once. pyramids: for each layer, the coarser mags
    that are computed from the boxes; none where calls leave this process.
    """

    planned: VolumePlan
    options: ImportOptions
    reading: Reading
    handles: list[storage.ArrayHandle]
    chunking: ChunkingPlan
    pyramids: Sequence[StreamingPyramid] = ()
    _read_turns: threading.BoundedSemaphore = attrs.field(init=False, eq=False)
    _write_turns: threading.BoundedSemaphore = attrs.field(init=False, eq=False)

    @_read_turns.default
    def _readers(self) -> threading.BoundedSemaphore:
        return threading.BoundedSemaphore(self.chunking.readers)

    @_write_turns.default
    def _writers(self) -> threading.BoundedSemaphore:
        return threading.BoundedSemaphore(self.chunking.writers)

    def __reduce__(self) -> tuple[Any, ...]:
        return (BoxWork, (self.planned, self.options, self.reading, self.handles, self.chunking))

    @cached_property
    def exact(self) -> bool:
        """Whether the arrays hold all values that the files may have."""
        return is_exact(self.planned.volume.dtype, self.planned.layers[0].dtype)

    def sections(self, box: Box) -> Span:
        """The sections of the volume that a box of the array is made of."""
        first = box[0][-1] - self.planned.extent.start[2]
        return self._unflipped(first, box[1][-1], self.planned.volume.size_z, flip=self.options.flip_z)

    @staticmethod
    def _unflipped(first: int, length: int, size: int, *, flip: bool) -> Span:
        return (size - first - length, size - first) if flip else (first, first + length)

    def new_array(self, box: Box) -> NDArray[Any]:
        """Make the array of a box, (c, x, y, z)."""
        import numpy

        dtype = self.handles[0].array.dtype
        # Sections may be smaller than the volume, or missing.
        return numpy.zeros(box[1][-4:], dtype, order="F")

    def parts_to_read(self, box: Box) -> list[Span]:
        """Runs of sections that are decoded as one."""
        first, stop = self.sections(box)
        return self.chunking.steps(first, stop - first)

    def read(self, box: Box, array: NDArray[Any], part: Span) -> LayerStats | None:
        """Decode some sections into the array of a box; gives how many values were cut to the array's dtype, if any."""
        start, shape = box
        volume, options, origin = self.planned.volume, self.options, self.planned.extent.start
        spans = [
            self._unflipped(start[axis - 3] - origin[axis], shape[axis - 3], volume.size[axis], flip=flip)
            for axis, flip in ((0, options.flip_x), (1, options.flip_y))
        ]
        with self._read_turns:
            others = tuple(
                place - first for place, first in zip(start[:-4], self.planned.others_start, strict=True)
            )
            region = self.reading.region(spans[0], spans[1], part, others)
            cut = None
            if not self.exact:
                files = volume.files_of(part)
                path = files[0].path if files else volume.path
                region, cut = converted(region, array.dtype.name, path)
            # Flipping mirrors the layer as a whole: seen mirrored, a smaller section still lies at the near end.
            mirrored = array[
                :,
                :: -1 if options.flip_x else 1,
                :: -1 if options.flip_y else 1,
                :: -1 if options.flip_z else 1,
            ]
            first = part[0] - self.sections(box)[0]
            mirrored[:, : region.shape[1], : region.shape[2], first : first + region.shape[3]] = region
        if cut is None or not cut.any():
            return None
        return [
            ValueStats(cut=int(self._channels_of(number, cut).sum())) for number in range(len(self.handles))
        ]

    def parts_to_write(self, box: Box) -> list[_Part]:
        """Parts of the box that are written at once, a shard or several small ones; and tiles of coarser mags."""
        tiles = [
            _Tile(number, tile)
            for number, pyramid in enumerate(self.pyramids)
            for tile in pyramid.tiles(self._box_of(number, box))
        ]
        return [*self._shards(box), *tiles]

    def _box_of(self, layer: int, box: Box) -> Box:
        """The box in the array of a layer, whose channels count from 0."""
        others = len(box[0]) - 4
        channels = len(self.planned.layers[layer].channels)
        return box[0], (*box[1][:others], channels, *box[1][others + 1 :])

    def _channels_of(self, layer: int, array: NDArray[Any]) -> NDArray[Any]:
        """The channels of a layer."""
        channels = self.planned.layers[layer].channels
        first = channels.start - self.planned.channels.start
        return array[first : first + len(channels)]

    def _shards(self, box: Box) -> list[Box]:
        start, shape = box[0][-3:], box[1][-3:]
        extent = self.planned.extent
        cell = list(extent.shard)
        voxel = extent.voxel_bytes
        while voxel * cell[0] * cell[1] * cell[2] < _PART_BYTES:
            longest = [axis for axis in range(3) if cell[axis] < shape[axis]]
            if not longest:
                break
            axis = min(longest, key=lambda axis: cell[axis])
            cell[axis] *= 2
        return list(grids.cells(start, shape, cell))

    def write(self, box: Box, array: NDArray[Any], part: _Part) -> LayerStats:
        """Write one part for all layers, but for shards without a voxel other than zero; or compute a tile."""
        if isinstance(part, _Tile):
            whole = self._channels_of(part.layer, array)[(None,) * (len(box[0]) - 4)]
            self.pyramids[part.layer].put(part.box, self._box_of(part.layer, box), whole)
            return [ValueStats()] * len(self.handles)
        offset = box[0][-3:]
        ranges: LayerStats = []
        for number, handle in enumerate(self.handles):
            own = self._channels_of(number, array)
            shards = list(grids.cells(*part, self.planned.extent.shard))
            found = [_range(_part_in(own, offset, shard)) for shard in shards]
            filled = [shard for shard, (_, empty) in zip(shards, found, strict=True) if not empty]
            for start, shape in [part] if len(filled) == len(shards) else filled:
                data = _part_in(own, offset, (start, shape))
                whole = data[(None,) * len(box[0][:-4])]
                with self._write_turns:
                    handle.write(((*box[0][:-4], 0, *start), whole.shape), whole)
            ranges.append(merged_stats(limits for limits, _ in found))
        return ranges

    def whole(self, box: Box) -> LayerStats:
        """Decode and write a box in this thread."""
        array = self.new_array(box)
        cut_off = [self.read(box, array, part) for part in self.parts_to_read(box)]
        found = [self.write(box, array, part) for part in self.parts_to_write(box)]
        found += [stats for stats in cut_off if stats is not None]
        for handle in self.handles:
            handle.flush()
        return [merged_stats(values) for values in zip(*found, strict=True)]


def _part_in(array: NDArray[Any], offset: tuple[int, ...], box: Box) -> NDArray[Any]:
    """The part of an array (c, x, y, z), whose first voxel lies at `offset`, that is in a box of (x, y, z)."""
    return array[(slice(None), *grids.slices(box, offset))]


def _range(data: NDArray[Any]) -> tuple[ValueStats, bool]:
    """The smallest and largest finite value and how many are zero, and whether all are."""
    import numpy

    finite = data
    if data.dtype.kind == "f":
        sound = numpy.isfinite(data)
        if not sound.all():
            finite = data[sound]
    if not finite.size:
        return ValueStats(), False
    low, high = finite.min().item(), finite.max().item()
    empty = bool(low == high == 0 and finite is data)
    zeros = data.size if empty else 0 if low > 0 or high < 0 else _zeros(data)
    return ValueStats(low, high, zeros), empty


def _zeros(data: NDArray[Any]) -> int:
    """How many voxels are zero: counted in a few of the rows of a large array (c, x, y, z), at next to no cost."""
    import numpy

    few = data[:, :, ::_ROWS_PER_COUNTED, :] if data.size > _COUNTED_WHOLE else data
    return round((1 - numpy.count_nonzero(few) / few.size) * data.size)


# --- all boxes of a volume --------------------------------------------------------------------------------


@attrs.frozen
class ValueStats:
    """Voxels of one layer in numbers: the smallest and largest finite value, None where there is none.

    The names are those of the journal on disk. zeros: how many are zero. cut: how many lost a part when they were
    converted to the layer's dtype.
    """

    low: Any = None
    high: Any = None
    zeros: int = 0
    cut: int = 0


LayerStats = list[ValueStats]
"""One for each layer of a volume."""


def merged_stats(values: Iterable[ValueStats]) -> ValueStats:
    """The numbers of all these voxels of one layer together."""
    values = tuple(values)
    lows = [stats.low for stats in values if stats.low is not None]
    highs = [stats.high for stats in values if stats.high is not None]
    return ValueStats(
        min(lows) if lows else None,
        max(highs) if highs else None,
        sum(stats.zeros for stats in values),
        sum(stats.cut for stats in values),
    )


class Work(Protocol):
    """What is done with a box; everything but `new_array` may run in any thread."""

    def new_array(self, box: Box) -> Any:
        """Make the array of a box."""

    def parts_to_read(self, box: Box) -> list[Any]:
        """What is to be decoded, each to be given to `read`."""

    def read(self, box: Box, array: Any, part: Any) -> LayerStats | None:
        """Decode a part into the array; gives the numbers of values that were cut off, None if there are none."""

    def parts_to_write(self, box: Box) -> list[Any]:
        """What is to be written, each to be given to `write`."""

    def write(self, box: Box, array: Any, part: Any) -> LayerStats:
        """Write a part of the array."""

    def whole(self, box: Box) -> LayerStats:
        """All of it in one call; the work must pickle for that."""


@attrs.define(eq=False)
class _Box:
    """A box under way."""

    box: Box
    array: Any
    pending: int = 0
    writing: bool = False
    ranges: list[LayerStats] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class Boxes:
    """All boxes of one volume.

    in_flight: how many arrays are held at once. in_order: no box is written before the one before it is.
    advance: called with the number of parts that were decoded. finished: called with each box whose parts are all
    written, and the ranges of its layers.
    """

    work: Work
    executor: Executor
    in_flight: int
    in_order: bool
    advance: Callable[[int], None]
    finished: Callable[[Box, list[LayerStats]], None]

    def run(self, boxes: Iterable[Box]) -> None:
        """Do them all; the first error ends it, once the calls that run have come to their end."""
        waiting = iter(boxes)
        active: deque[_Box] = deque()
        with Calls(self.executor) as calls:
            while True:
                while len(active) < self.in_flight and (box := next(waiting, None)) is not None:
                    active.append(_Box(box, self.work.new_array(box)))
                    _begin(calls, active[-1], self.work.read, self.work.parts_to_read(box))
                if not active:
                    return
                self._step(calls, active)

    def _step(self, calls: Calls, active: deque[_Box]) -> None:
        """Wait until a call has ended, and go on with what waited for it."""
        owner, future = calls.next_ended()
        owner.pending -= 1
        result = future.result()
        if result is not None:
            owner.ranges.append(result)
        if not owner.writing:
            self.advance(1)
        for one in list(active):
            if one.pending:
                continue
            if not one.writing:
                if self.in_order and one is not active[0]:
                    continue
                one.writing = True
                parts = self.work.parts_to_write(one.box)
                _begin(calls, one, self.work.write, parts)
                if parts:
                    continue
            active.remove(one)
            one.array = None
            self.finished(one.box, one.ranges)

    def run_apart(self, groups: Iterable[Box], edges: tuple[int, ...]) -> None:
        """Do them in calls of their own, one for each group: a box of whole shards, cut at the grid of `edges`."""
        groups = list(groups)
        call = _Group(self.work, edges)
        for group, found in zip(groups, results_in_order(call, groups, executor=self.executor), strict=True):
            for box, ranges in zip(call.boxes(group), found, strict=True):
                self.advance(len(self.work.parts_to_read(box)))
                self.finished(box, [ranges])


def _begin(calls: Calls, one: _Box, function: Callable[..., Any], parts: Iterable[Any]) -> None:
    """Call a function for each part of a box."""
    for part in parts:
        calls.begin(one, function, one.box, one.array, part)
        one.pending += 1


@attrs.frozen
class _Group:
    """One call: the boxes of a group, one after the other, in whatever process."""

    work: Work
    edges: tuple[int, ...]

    def boxes(self, group: Box) -> list[Box]:
        return list(grids.cells(*group, self.edges))

    def __call__(self, group: Box) -> list[LayerStats]:
        return [self.work.whole(box) for box in self.boxes(group)]
