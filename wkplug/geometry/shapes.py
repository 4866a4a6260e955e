"""From the shape of an array to the box it fills; for adding layers from arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.errors import GeometryError
from wkplug.geometry.bounding_box import BoundingBox
from wkplug.geometry.nd_bounding_box import NDBoundingBox
from wkplug.geometry.parsing import ints

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wkplug.geometry.vec_int import VecIntLike

__all__ = ["derive_nd_bounding_box_from_shape"]


def derive_nd_bounding_box_from_shape(
    shape: Sequence[int], *, axes: Iterable[str] | None = None, absolute_offset: VecIntLike | None = None
) -> tuple[NDBoundingBox, int]:
    """Return the box that an array of this shape fills, and its number of channels.

    With `axes`, the box has exactly these; channels are its size along "c", or 1. Without, up to three
    dimensions are x, y, z, and the first of four is the channels, which the box then leaves out. The offset,
    in voxels, has as many numbers as the box has axes. GeometryError (a ValueError) for no or for more than
    four dimensions without axes.
    """
    sizes = ints(shape)
    if axes is not None:
        names = tuple(axes)
        offset = (0,) * len(names) if absolute_offset is None else absolute_offset
        box = NDBoundingBox(offset, sizes, names)
        return box, box.get_shape("c") if "c" in names else 1
    if not sizes:
        raise GeometryError(
            "A single value has no shape to make a box of.", hint="Give an array of 1 to 4 dimensions."
        )
    if len(sizes) > 4:
        raise GeometryError(
            f"An array of {len(sizes)} dimensions needs axes.", hint='Such as axes=("t", "c", "x", "y", "z").'
        )
    channels = sizes[0] if len(sizes) == 4 else 1
    extents = (*(sizes[1:] if len(sizes) == 4 else sizes), 1, 1)[:3]
    return BoundingBox((0, 0, 0) if absolute_offset is None else absolute_offset, extents), channels
