"""`SegmentationLayer`: a layer whose voxels are segment ids."""

from __future__ import annotations

from typing import Any, Literal

from wkplug.dataset.layer import Layer
from wkplug.errors import InvalidArgumentError
from wkplug.properties import operations

__all__ = ["SegmentationLayer"]


class SegmentationLayer(Layer):
    """A layer of segment ids; 0 is background."""

    @property
    def category(self) -> Literal["segmentation"]:
        """Always "segmentation"."""
        return "segmentation"

    @property
    def largest_segment_id(self) -> int | None:
        """The largest id in use, None if nobody ever said; writing voxels doesn't change it."""
        value: int | None = getattr(self.properties, "largest_segment_id", None)
        return value

    @largest_segment_id.setter
    def largest_segment_id(self, value: int | None) -> None:
        self.check_writable("change its largest segment id")
        self.dataset.store.apply(operations.SetLayerKey(self.name, "largestSegmentId", whole_number(value)))


def whole_number(value: Any) -> int | None:
    """Give an id as a plain int, None as None; InvalidArgumentError (an AssertionError) for fractions."""
    if value is None:
        return None
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"{value!r} is not a segment id.", hint="Give a whole number or None."
        ) from error
    if number != value:
        raise InvalidArgumentError(f"{value!r} is not a whole number.", hint="Segment ids are whole numbers.")
    return number
