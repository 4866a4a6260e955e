"""What is done with a box of an import: regions are decoded into it, arranged, and its parts are written.

A box is an array (c, x, y, z) of all channels that are read. Its shards are written for all layers, but for those
that are all zero; tiles of the coarser mags are computed from it while it is in memory. The work pickles: where it
arrives, files and arrays are opened again, and nothing is fed.
"""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from wkplug.geometry import grids
from wkplug.ops.importing.pipeline import Seen, joined
from wkplug.ops.importing.values import converted, is_exact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wkplug import storage
    from wkplug.abc import Box
    from wkplug.ops.importing.cutting import Cutting
    from wkplug.ops.importing.options import ImportOptions
    from wkplug.ops.importing.pipeline import Sights
    from wkplug.ops.importing.plans import VolumePlan
    from wkplug.ops.importing.volume import Reading, Span
    from wkplug.ops.pyramids.feeding import Feed

__all__ = ["BoxWork"]

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
    """What is done with a box, see `pipeline.Work`; pickles, and opens files and arrays again where it arrives.

    The cutting says how many calls may decode, and how many write, at once. feeds: for each layer, the coarser mags
    that are computed from the boxes; none where calls leave this process.
    """

    planned: VolumePlan
    options: ImportOptions
    reading: Reading
    handles: list[storage.ArrayHandle]
    cutting: Cutting
    feeds: Sequence[Feed] = ()
    _read_turns: threading.BoundedSemaphore = attrs.field(init=False, eq=False)
    _write_turns: threading.BoundedSemaphore = attrs.field(init=False, eq=False)

    @_read_turns.default
    def _readers(self) -> threading.BoundedSemaphore:
        return threading.BoundedSemaphore(self.cutting.readers)

    @_write_turns.default
    def _writers(self) -> threading.BoundedSemaphore:
        return threading.BoundedSemaphore(self.cutting.writers)

    def __reduce__(self) -> tuple[Any, ...]:
        return (BoxWork, (self.planned, self.options, self.reading, self.handles, self.cutting))

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

    def begin(self, box: Box) -> NDArray[Any]:
        """Make the array of a box, (c, x, y, z)."""
        import numpy

        dtype = self.handles[0].array.dtype
        # Sections may be smaller than the volume, or missing.
        return numpy.zeros(box[1][-4:], dtype, order="F")

    def reads(self, box: Box) -> list[Span]:
        """Runs of sections that are decoded as one."""
        first, stop = self.sections(box)
        return self.cutting.steps(first, stop - first)

    def read(self, box: Box, array: NDArray[Any], part: Span) -> Sights | None:
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
            seen = array[
                :,
                :: -1 if options.flip_x else 1,
                :: -1 if options.flip_y else 1,
                :: -1 if options.flip_z else 1,
            ]
            first = part[0] - self.sections(box)[0]
            seen[:, : region.shape[1], : region.shape[2], first : first + region.shape[3]] = region
        if cut is None or not cut.any():
            return None
        return [Seen(cut=int(self._own(number, cut).sum())) for number in range(len(self.handles))]

    def writes(self, box: Box) -> list[_Part]:
        """Parts of the box that are written at once, a shard or several small ones; and tiles of coarser mags."""
        tiles = [
            _Tile(number, tile)
            for number, feed in enumerate(self.feeds)
            for tile in feed.tiles(self._box_of(number, box))
        ]
        return [*self._shards(box), *tiles]

    def _box_of(self, layer: int, box: Box) -> Box:
        """The box in the array of a layer, whose channels count from 0."""
        others = len(box[0]) - 4
        channels = len(self.planned.layers[layer].channels)
        return box[0], (*box[1][:others], channels, *box[1][others + 1 :])

    def _own(self, layer: int, array: NDArray[Any]) -> NDArray[Any]:
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

    def write(self, box: Box, array: NDArray[Any], part: _Part) -> Sights:
        """Write one part for all layers, but for shards without a voxel other than zero; or compute a tile."""
        if isinstance(part, _Tile):
            whole = self._own(part.layer, array)[(None,) * (len(box[0]) - 4)]
            self.feeds[part.layer].put(part.box, self._box_of(part.layer, box), whole)
            return [Seen()] * len(self.handles)
        offset = box[0][-3:]
        ranges: Sights = []
        for number, handle in enumerate(self.handles):
            own = self._own(number, array)
            shards = list(grids.cells(*part, self.planned.extent.shard))
            found = [_range(_cut(own, offset, shard)) for shard in shards]
            filled = [shard for shard, (_, empty) in zip(shards, found, strict=True) if not empty]
            for start, shape in [part] if len(filled) == len(shards) else filled:
                data = _cut(own, offset, (start, shape))
                whole = data[(None,) * len(box[0][:-4])]
                with self._write_turns:
                    handle.write(((*box[0][:-4], 0, *start), whole.shape), whole)
            ranges.append(joined(limits for limits, _ in found))
        return ranges

    def whole(self, box: Box) -> Sights:
        """Decode and write a box in this thread."""
        array = self.begin(box)
        lost = [self.read(box, array, part) for part in self.reads(box)]
        found = [self.write(box, array, part) for part in self.writes(box)]
        found += [seen for seen in lost if seen is not None]
        for handle in self.handles:
            handle.flush()
        return [joined(values) for values in zip(*found, strict=True)]


def _cut(array: NDArray[Any], offset: tuple[int, ...], box: Box) -> NDArray[Any]:
    """The part of an array (c, x, y, z), whose first voxel lies at `offset`, that is in a box of (x, y, z)."""
    return array[(slice(None), *grids.slices(box, offset))]


def _range(data: NDArray[Any]) -> tuple[Seen, bool]:
    """The smallest and largest finite value and how many are zero, and whether all are."""
    import numpy

    finite = data
    if data.dtype.kind == "f":
        sound = numpy.isfinite(data)
        if not sound.all():
            finite = data[sound]
    if not finite.size:
        return Seen(), False
    low, high = finite.min().item(), finite.max().item()
    empty = bool(low == high == 0 and finite is data)
    zeros = data.size if empty else 0 if low > 0 or high < 0 else _zeros(data)
    return Seen(low, high, zeros), empty


def _zeros(data: NDArray[Any]) -> int:
    """How many voxels are zero: counted in a few of the rows of a large array (c, x, y, z), at next to no cost."""
    import numpy

    few = data[:, :, ::_ROWS_PER_COUNTED, :] if data.size > _COUNTED_WHOLE else data
    return round((1 - numpy.count_nonzero(few) / few.size) * data.size)
