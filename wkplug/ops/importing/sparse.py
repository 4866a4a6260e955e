"""Which boxes of an import hold anything, where a container claims far more voxels than it stores.

The header of an array may claim any size. An import goes through all of its boxes as long as these are few; where they
are many, only through those that touch a stored chunk, so that its time is bounded by what is stored. All other voxels
are zero, and not stored either.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from wkplug.geometry import grids
from wkplug.ops.importing.containers import Container

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wkplug.abc import Box
    from wkplug.ops.importing.cutting import Cutting
    from wkplug.ops.importing.options import ImportOptions
    from wkplug.ops.importing.plans import VolumePlan

__all__ = ["FEW", "boxes"]

FEW = 4096
"""So many boxes are gone through whatever is stored of them."""


def boxes(planned: VolumePlan, options: ImportOptions, cutting: Cutting) -> Iterable[Box]:
    """The boxes over all axes that are to be written, in order; the channels are those that are read, from 0 on."""
    extent, volume = planned.extent, planned.volume
    count = grids.count_cells(extent.start, extent.size, cutting.box) * math.prod(volume.others.values())
    source = volume.files[0]
    stored = None
    if count > FEW and len(volume.files) == 1 and isinstance(source, Container):
        stored = source.stored_boxes()
    if stored is None:
        return _all(planned, cutting)
    touched = {cell for box in stored for cell in _touched(planned, options, cutting, box)}
    return [_box(planned, cutting, cell) for cell in sorted(touched, key=_place)]


def _all(planned: VolumePlan, cutting: Cutting) -> Iterator[Box]:
    channels = len(planned.channels)
    places = (
        range(first, first + length)
        for first, length in zip(planned.others_start, planned.volume.others.values(), strict=True)
    )
    for others in itertools.product(*places):
        for start, shape in cutting.boxes(planned.extent):
            yield (*others, 0, *start), (*(1 for _ in others), channels, *shape)


def _place(cell: tuple[int, ...]) -> tuple[int, ...]:
    """As in `Cutting.boxes`: z slowest, x fastest, within each place along the axes in front."""
    return (*cell[:-3], *reversed(cell[-3:]))


def _touched(
    planned: VolumePlan, options: ImportOptions, cutting: Cutting, stored: Box
) -> Iterator[tuple[int, ...]]:
    """The cells (places along the axes in front, then numbers along x, y, z) that a stored box of the file touches."""
    volume, extent = planned.volume, planned.extent
    meaning = volume.meaning(volume.files[0])
    spans = {
        axis: (low, low + length)
        for axis, low, length in zip(volume.files[0].info.axes, *stored, strict=True)
    }
    if any(not spans[axis][0] <= place < spans[axis][1] for axis, place in meaning.fixed.items()):
        return
    x, y, z = spans["x"], spans["y"], spans[meaning.z] if meaning.z else (0, 1)
    if volume.swap_xy:
        x, y = y, x
    ranges = [
        range(first + spans[axis][0], first + spans[axis][1])
        for axis, first in zip(volume.others, planned.others_start, strict=True)
    ]
    flips = (options.flip_x, options.flip_y, options.flip_z)
    for (low, stop), flip, first, size, edge in zip(
        (x, y, z), flips, extent.start, extent.size, cutting.box, strict=True
    ):
        begin, end = (size - stop, size - low) if flip else (low, stop)
        ranges.append(range((first + begin) // edge, (first + end - 1) // edge + 1))
    yield from itertools.product(*ranges)


def _box(planned: VolumePlan, cutting: Cutting, cell: tuple[int, ...]) -> Box:
    extent = planned.extent
    others, numbers = cell[:-3], cell[-3:]
    grid = tuple(number * edge for number, edge in zip(numbers, cutting.box, strict=True))
    inside = grids.intersect((grid, cutting.box), (extent.start, extent.size))
    if inside is None:
        raise ValueError(f"The cell {cell} lies outside of the volume.")  # touched cells never do
    start, shape = inside
    return (*others, 0, *start), (*(1 for _ in others), len(planned.channels), *shape)
