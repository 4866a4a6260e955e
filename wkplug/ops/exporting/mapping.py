"""Segment ids replaced by those of their agglomerates, while voxels are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import AttachmentError, ExportError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wkplug.abc import Box, ExportLevel
    from wkplug.dataset import Layer

__all__ = ["keeps_zero", "mapped"]

_TABLE = "segment_to_agglomerate"


def mapped(
    layer: Layer, levels: tuple[ExportLevel, ...], name: str, dtype: np.dtype[Any]
) -> tuple[ExportLevel, ...]:
    """Give the levels, of `dtype`, with ids of the agglomerate attachment `name`; ids beyond its table become 0.

    AttachmentError if the layer has no such attachment, ExportError if one of its ids is too large for it.
    """
    import numpy

    from wkplug.dataset import SegmentationLayer
    from wkplug.dataset.legacy import agglomerate_files

    there = layer.attachments.agglomerates if isinstance(layer, SegmentationLayer) else ()
    attachment = next((each for each in there if each.name == name), None)
    if attachment is None:
        known = ", ".join(each.name for each in there) or "none"
        raise AttachmentError(
            f"The layer {layer.name!r} has no agglomerate attachment {name!r}; it has {known}.",
            hint="Give one of these as the mapping.",
        )
    table = agglomerate_files.read(attachment.location, str(attachment.data_format), [_TABLE])[_TABLE]
    if table.size and int(table.max()) > numpy.iinfo(dtype).max:
        raise ExportError(
            f"The mapping {name!r} has ids up to {table.max()}, more than {dtype} can hold.",
            hint="Copy the layer to uint64 first.",
        )
    table = table.astype(dtype)
    return tuple(attrs.evolve(level, read=_Mapped(level.read, table)) for level in levels)


def keeps_zero(levels: tuple[ExportLevel, ...]) -> bool:
    """Whether voxels that were never written are zero after the mapping, too."""
    return not any(isinstance(level.read, _Mapped) and level.read.table[:1].any() for level in levels)


@attrs.frozen(eq=False)
class _Mapped:
    read: Any
    table: NDArray[Any]

    def __call__(self, box: Box) -> NDArray[Any]:
        import numpy

        ids = self.read(box)
        known = ids < self.table.size
        result: NDArray[Any] = numpy.zeros_like(ids)
        result[known] = self.table[ids[known]]
        return result
