"""Segment ids replaced by those of their agglomerates, while voxels are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from wkplug.errors import ExportError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wkplug.abc import Box, ExportLevel

__all__ = ["IdMapping", "keeps_zero", "mapped"]


class IdMapping(NamedTuple):
    """New ids of segments: `table` has the new one at the place of the old one."""

    name: str
    table: NDArray[Any]


def mapped(
    levels: tuple[ExportLevel, ...], mapping: IdMapping, dtype: np.dtype[Any]
) -> tuple[ExportLevel, ...]:
    """Give the levels, of `dtype`, with new ids; ids beyond the table become 0.

    ExportError if a new id is too large for the dtype.
    """
    import numpy

    name, table = mapping
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
