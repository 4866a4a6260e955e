"""`SegmentationLayer`: a layer whose voxels are segment ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from wkplug.dataset.layer import Layer
from wkplug.dataset.legacy.parameters import older
from wkplug.errors import InvalidArgumentError

if TYPE_CHECKING:
    from wkplug.dataset.attachments import Attachments
    from wkplug.dataset.execution import AnyExecutor
    from wkplug.geometry import VecIntLike

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
        self.check_metadata_writable("change its largest segment id")
        from wkplug.properties import operations

        self.dataset.store.apply(operations.SetLayerKey(self.name, "largestSegmentId", whole_number(value)))

    @older(order=("chunk_shape", "executor"))
    def refresh_largest_segment_id(
        self, *, chunk_shape: VecIntLike | int | None = None, executor: AnyExecutor = None
    ) -> None:
        """Set the largest id to what is really there, by reading all stored voxels of the finest mag.

        0 if there are no segments, None if the bounding box is empty. How much is read at once is chosen by bytes,
        whatever `chunk_shape` says.
        """
        from wkplug.ops import segment_ids

        del chunk_shape
        segment_ids.refresh_largest_segment_id(self, executor=executor)

    @property
    def attachments(self) -> Attachments:
        """Meshes, agglomerates and the like that belong to the segments."""
        from wkplug.dataset.attachments import Attachments

        return Attachments(self)


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
