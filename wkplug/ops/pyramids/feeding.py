"""The first coarser mags of a mag that is being written: computed from its voxels while these are in memory.

Whoever writes the mag feeds boxes of it, each once, in any order and from any thread; nothing is read back. The new
mags are marked while they are fed, and listed by `finish`, after the mag that they come from. A feed that
didn't get all boxes leaves marked folders that nobody lists, which the next call that makes these mags replaces.

Which mags are fed, and how tiles and cells lie, is decided beforehand (`passes.plan_feed`); the mags beyond these are
computed as ever, from the coarsest that was fed.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.geometry import grids
from wkplug.model import changes
from wkplug.ops.pyramids import blocks
from wkplug.ops.pyramids.cells import Cells
from wkplug.ops.pyramids.downsampling import begin_mags, chosen_interpolation
from wkplug.ops.pyramids.sweeping import bounds_of, steps_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from wkplug.abc import Box, Interpolation
    from wkplug.geometry import Mag
    from wkplug.model.layout import LayoutRequest
    from wkplug.model.states import LayerState
    from wkplug.ops.pyramids.cells import Step
    from wkplug.ops.pyramids.passes import Pass
    from wkplug.storage import ArrayHandle

__all__ = ["Feed"]


@attrs.frozen(kw_only=True)
class Feed:
    """A pyramid that is being fed; make it with `begun`. Boxes are voxels of the source, over all axes."""

    layer: LayerState
    mags: dict[Mag, ArrayHandle]
    source_bounds: Box
    steps: tuple[Step, ...]
    interpolation: Interpolation
    tile: tuple[int, ...]
    cells: Cells

    @classmethod
    @contextmanager
    def begun(
        cls,
        layer: LayerState,
        source: Mag,
        targets: Sequence[Mag],
        planned: Pass,
        interpolation_mode: str,
        request: LayoutRequest,
    ) -> Iterator[Feed]:
        """Make the arrays of the mags that the pass computes, and be the only one who fills them in this block."""
        interpolation = chosen_interpolation(interpolation_mode, layer.category, layer.dtype.name)
        with begin_mags(layer, source, targets[: planned.count], interpolation, request) as handles:
            steps = steps_of(layer, source, list(handles.items()), planned.grids)
            yield cls(
                layer=layer,
                mags=handles,
                source_bounds=bounds_of(layer, source),
                steps=steps,
                interpolation=interpolation,
                tile=planned.tile,
                cells=Cells(steps),
            )

    def tiles(self, box: Box) -> list[Box]:
        """Cut a box into the tiles that are computed one by one, to be given to `put`."""
        factors = self.steps[0].factors
        first = tuple(low // factor for low, factor in zip(box[0], factors, strict=True))
        stop = (-(-high // factor) for high, factor in zip(grids.stop_of(box), factors, strict=True))
        shape = tuple(high - low for low, high in zip(first, stop, strict=True))
        return list(grids.cells(first, shape, self.tile))

    def put(self, tile: Box, box: Box, data: NDArray[Any]) -> None:
        """Compute a tile of the box whose voxels are `data`, and write what it completes."""
        import numpy

        def read(region: Box) -> NDArray[Any]:
            return numpy.asfortranarray(data[grids.slices(region, box[0])])

        self.interpolation.prepare(data.dtype.name, grids.volume(self.source_bounds) * data.dtype.itemsize)
        blocks.reduce_tile(tile, read, self.source_bounds, self.steps, self.interpolation, self.cells)

    def finish(self) -> None:
        """List the mags: every box has been fed, and the source is listed."""
        changes.list_finished(self.layer, self.mags)
