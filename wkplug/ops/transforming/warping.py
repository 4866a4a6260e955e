"""One part of a transformed layer: find where its voxels come from, read no more than that, draw them.

A part is cut into cells, a cell reads the box of the source that it comes from once, and is drawn in slabs, so that
coordinates never take much memory. Cells whose image misses the source read nothing; cells that would read too much
(because the transform shrinks a lot, or tears) are halved.

In memory voxels are (z, y, x, c) here, which is how arrays lie that are (c, x, y, z) in Fortran order.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.abc import Box
from wkplug.geometry import grids
from wkplug.model import axes, voxels
from wkplug.model.regions import Frame
from wkplug.ops.transforming.maps import Coordinates, Places
from wkplug.storage import ArrayHandle

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = ["Grid", "Warp"]


@attrs.frozen(kw_only=True)
class Grid:
    """An array seen as x, y, z and channels, and the box of it (x, y, z, in its voxels) that counts."""

    handle: ArrayHandle
    frame: Frame
    bounds: Box

    @property
    def channels(self) -> int:
        """How many there are."""
        return self.handle.spec.num_channels

    def whole(self, box: Box) -> Box:
        """Widen a box of x, y, z to all axes of the array."""
        others = [self.channels if axis == "c" else 1 for axis in self.frame.axes]
        return self.frame.with_xyz(box[0], [0] * len(others)), self.frame.with_xyz(box[1], others)

    def read(self, box: Box) -> NDArray[Any]:
        """Read a box of x, y, z as (z, y, x, c); outside of `bounds` there are zeros."""
        import numpy

        inside = grids.intersect(box, self.bounds)
        if inside == box:
            return self._read(box)
        result = numpy.zeros((*reversed(box[1]), self.channels), dtype=self.handle.array.dtype)
        if inside is not None:
            result[_slices(inside, box)] = self._read(inside)
        return result

    def _read(self, box: Box) -> NDArray[Any]:
        data = voxels.read(self.handle, self.whole(box))
        return axes.to_cxyz(data, self.frame.axes).transpose(3, 2, 1, 0)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Write (z, y, x, c) to a box of x, y, z."""
        stored = axes.from_cxyz(data.transpose(3, 2, 1, 0), self.frame.axes)
        self.handle.write(self.whole(box), stored)


@attrs.frozen(kw_only=True)
class Warp:
    """The work of one task: draw a part (a box of x, y, z, voxels of the target) and write it; pickles.

    cell, slab: shapes (x, y, z) of what is read for and drawn at once. most: bytes of the source to read at once.
    fill: what voxels get that come from nowhere; None leaves them. keep: whether the target may hold voxels already.
    """

    source: Grid
    mask: Grid | None
    target: Grid
    places: Places
    linear: bool
    fill: Any
    keep: bool
    cell: tuple[int, ...]
    slab: tuple[int, ...]
    most: int

    def __call__(self, part: Box) -> None:
        """Draw and write one part."""
        if not self.has_work(part):
            return
        canvas = self.canvas(part)
        touched = [self.draw(cell, part, canvas) for cell in self.cells(part)]
        self.finish(part, canvas, touched=any(touched))

    def cells(self, box: Box) -> list[Box]:
        """Cut a part into cells."""
        return list(grids.cells(*box, self.cell))

    def has_work(self, box: Box) -> bool:
        """Whether anything can have to be written there."""
        return self.fill is not None or self._needed(self.places.reach(box)) is not None

    def canvas(self, box: Box) -> NDArray[Any]:
        """Give what a part holds before voxels are drawn into it."""
        import numpy

        if self.keep and self.fill is None:
            # What was read may be the engine's own.
            return numpy.array(self.target.read(box), order="C")
        shape = (*reversed(box[1]), self.target.channels)
        fill = self.target.handle.spec.fill_value if self.fill is None else self.fill
        return numpy.full(shape, fill, dtype=self.target.handle.array.dtype)

    def finish(self, box: Box, part: NDArray[Any], *, touched: bool) -> None:
        """Write a part, unless nothing in it is new."""
        if touched or (
            self.fill is not None and (self.keep or self.fill != self.target.handle.spec.fill_value)
        ):
            self.target.write(box, part)
            self.target.handle.flush()

    def draw(self, box: Box, outer: Box, part: NDArray[Any]) -> bool:
        """Draw a box into the part `outer`; whether any voxel came from somewhere."""
        reach = self.places.reach(box)
        known: Coordinates | None = None
        if reach is None:
            known = self.places.of(box)
            reach = self._extent(known)
        needed = self._needed(reach)
        if needed is None:
            return False
        taken = self.source.handle.array.dtype.itemsize * self.source.channels
        if grids.volume(needed) * taken > self.most and grids.volume(box) > 1:
            drawn = [self.draw(half, outer, part) for half in _halves(box)]
            return any(drawn)
        data = self.source.read(needed)
        shown = None if self.mask is None else self.mask.read(needed)
        touched = False
        for slab in [box] if known is not None else grids.cells(*box, self.slab):
            where = self.places.of(slab) if known is None else known
            touched |= self._place(where, needed, data, shown, part[_slices(slab, outer)])
        return touched

    def _needed(self, reach: list[tuple[float, float]] | None) -> Box | None:
        """Give the box of the source that samples in this extent need; None if none lies within the source."""
        if reach is None:  # unknown as yet
            return self.source.bounds
        start, shape = [], []
        for (low, high), first, length in zip(reach, *self.source.bounds, strict=True):
            last = first + length - 1
            if not (low <= last and high >= first):
                return None
            low, high = max(low, first), min(high, last)
            begin, stop = (
                (math.floor(low), math.floor(high) + 2)
                if self.linear
                else (math.floor(low + 0.5), math.floor(high + 0.5) + 1)
            )
            start.append(begin)
            shape.append(min(stop, last + 1) - begin)
        return tuple(start), tuple(shape)

    def _extent(self, where: Coordinates) -> list[tuple[float, float]]:
        inside = self._inside(where)
        if not inside.any():
            return [(math.inf, -math.inf)] * 3
        return [(float(along[inside].min()), float(along[inside].max())) for along in where]

    def _inside(self, where: Coordinates) -> NDArray[Any]:
        """Which samples lie between the centres of the first and the last voxel; NaN never does."""
        result: Any = True
        for along, first, length in zip(where, *self.source.bounds, strict=True):
            result = result & (along >= first) & (along <= first + length - 1)
        return result  # type: ignore[no-any-return]  # an array, as soon as it meets the first coordinate

    def _place(
        self,
        where: Coordinates,
        needed: Box,
        data: NDArray[Any],
        shown: NDArray[Any] | None,
        into: NDArray[Any],
    ) -> bool:
        import numpy

        inside = self._inside(where)
        # Samples outside are computed too, from any voxel, and not taken.
        low, stop = needed[0], grids.stop_of(needed)
        safe = [
            numpy.where(along >= first, numpy.minimum(along, end - 1), first) - first
            for along, first, end in zip(where, low, stop, strict=True)
        ]
        nearest = _flat([numpy.floor(along + 0.5).astype(numpy.intp) for along in safe], needed[1])
        if shown is not None:
            inside = inside & (shown.reshape(-1).take(nearest) != 0)
        inside = numpy.broadcast_to(inside, into.shape[:3])
        if not inside.any():
            return False
        flat = data.reshape(-1, data.shape[-1])
        drawn = self._between(flat, safe, needed[1]) if self.linear else flat.take(nearest, axis=0)
        numpy.copyto(into, drawn, where=inside[..., None])
        return True

    def _between(self, flat: NDArray[Any], safe: list[NDArray[Any]], shape: tuple[int, ...]) -> NDArray[Any]:
        """Weigh the eight voxels around every sample; voxels without weight don't count, even if they are NaN."""
        import numpy

        ends = []
        for along, length in zip(safe, shape, strict=True):
            low = numpy.floor(along)
            index = low.astype(numpy.intp)
            part = along - low
            ends.append(((index, 1 - part), (numpy.minimum(index + 1, length - 1), part)))
        total: Any = 0.0
        floating = flat.dtype.kind == "f"
        for (x, wx), (y, wy), (z, wz) in itertools.product(*ends):
            weight = (wx * wy * wz)[..., None]
            values = flat.take(_flat([x, y, z], shape), axis=0)
            total = total + (numpy.where(weight == 0, 0, values) if floating else values) * weight
        result: NDArray[Any] = (total if floating else numpy.floor(total + 0.5)).astype(flat.dtype)
        return result


def _flat(index: list[NDArray[Any]], shape: tuple[int, ...]) -> NDArray[Any]:
    """Turn indices along x, y, z into those of a flat (z, y, x) array."""
    x, y, z = index
    result: NDArray[Any] = (z * shape[1] + y) * shape[0] + x
    return result


def _slices(box: Box, outer: Box) -> tuple[slice, ...]:
    """Where a box of x, y, z lies in an array (z, y, x, ...) of the box `outer`."""
    return tuple(
        slice(first - begin, first - begin + length)
        for first, length, begin in zip(*map(reversed, (*box, outer[0])), strict=True)
    )


def _halves(box: Box) -> list[Box]:
    start, shape = box
    axis = max(range(3), key=lambda one: shape[one])
    half = shape[axis] // 2
    second = [*start]
    second[axis] += half
    return [
        (start, (*shape[:axis], half, *shape[axis + 1 :])),
        (tuple(second), (*shape[:axis], shape[axis] - half, *shape[axis + 1 :])),
    ]
