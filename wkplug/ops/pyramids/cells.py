"""What is written at once: parts of mags are gathered until a cell, one or more whole shards, is complete.

Tiles of a pyramid are far smaller than shards, and a shard that is written in parts is read and written again for
every part. A cell is written by whoever brings its last part, and its memory is given back. Cells that only
got empty parts are not stored, or are made empty where something else may stand.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.geometry import grids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wkplug.abc import Box
    from wkplug.storage import ArrayHandle

__all__ = ["Cells", "Step"]


@attrs.frozen(kw_only=True)
class Step:
    """One mag of a pyramid that is being computed.

    factors: voxels of the mag before per voxel of this one, all axes. bounds: the layer's box, grid: the cells, both
    in voxels of this mag. target: where it is written. erase: something else may stand there already.
    """

    factors: tuple[int, ...]
    bounds: Box
    grid: tuple[int, ...]
    target: ArrayHandle
    erase: bool = False


@attrs.define
class _Cell:
    missing: int
    data: NDArray[Any] | None = None


class Cells:
    """The cells of several mags that are begun and not complete."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)
        self._guard = threading.Lock()
        self._begun: dict[tuple[int, tuple[int, ...]], _Cell] = {}

    def put(self, level: int, box: Box, data: NDArray[Any] | None) -> None:
        """Take a part of a mag, by its number; None for zeros. Writes the cells that are complete with it."""
        step = self._steps[level]
        for start in grids.cell_starts(*box, step.grid):
            whole = grids.intersect((start, step.grid), step.bounds)
            part = grids.intersect((start, step.grid), box)
            if whole is None or part is None:
                continue
            values = data if data is None or part == box else data[grids.slices(part, box[0])]
            if part == whole:
                _write(step, whole, values)
            else:
                self._gather(level, start, whole, part, values)

    def _gather(
        self, level: int, start: tuple[int, ...], whole: Box, part: Box, values: NDArray[Any] | None
    ) -> None:
        step, key = self._steps[level], (level, start)
        with self._guard:
            cell = self._begun.setdefault(key, _Cell(grids.volume(whole)))
            if values is not None and cell.data is None:
                import numpy

                cell.data = numpy.zeros(whole[1], values.dtype, order="F")
        if values is not None and cell.data is not None:
            cell.data[grids.slices(part, whole[0])] = values
        with self._guard:
            cell.missing -= grids.volume(part)
            if cell.missing:
                return
            del self._begun[key]
        _write(step, whole, cell.data)


def _write(step: Step, box: Box, data: NDArray[Any] | None) -> None:
    if data is not None:
        step.target.write(box, data)
    elif step.erase:
        import numpy

        step.target.write(box, numpy.zeros(box[1], step.target.array.dtype, order="F"))
