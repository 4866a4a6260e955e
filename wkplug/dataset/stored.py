"""Which parts of a mag are stored, on every store: asked of the array, or guessed where it can't tell.

Who calls it: `MagView.get_bounding_boxes_on_disk`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.errors import UnsupportedOperationError
from wkplug.geometry import grids
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Box
    from wkplug.dataset.mag_view import MagView
    from wkplug.model.regions import Region

__all__ = ["stored_regions"]


def stored_regions(mag: MagView) -> Iterator[Region]:
    """Give the regions of the stored shards, whole ones; all of the mag's own box with a warning where unknown."""
    factors = mag.factors
    for start, shape in _boxes(mag):
        yield (
            tuple(low * factor for low, factor in zip(start, factors, strict=True)),
            tuple(length * factor for length, factor in zip(shape, factors, strict=True)),
        )


def _boxes(mag: MagView) -> Iterator[Box]:
    handle = mag.array_source.handle
    if handle.backend.capabilities.lists_stored:
        try:
            boxes = iter(handle.stored_boxes())
            first = next(boxes, None)
        except UnsupportedOperationError:
            pass
        else:
            if first is not None:
                yield first
                yield from boxes
            return
    warn_user(
        f"[WARNING] {handle.location.url} can't be listed: all shards of the layer's bounding box are gone through, "
        "also those that were never written.",
        UserWarning,
    )
    shard_shape = handle.array.spec.shard_shape
    for start in grids.cell_starts(*mag._bounds_in_mag(mag._region()), shard_shape):
        yield start, shard_shape
