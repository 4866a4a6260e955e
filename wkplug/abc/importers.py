"""Foreign containers: an `Importer` describes what a folder of another tool holds; it never writes.

Who calls it: `wkplug.ops` (import). Who implements it: container plugins (OME-Zarr, precomputed, KNOSSOS).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from wkplug.abc.arrays import ProbeScore
    from wkplug.abc.locations import Location

__all__ = ["ForeignLayer", "ForeignMag", "Importer"]


@attrs.frozen(kw_only=True)
class ForeignMag:
    """One array of the container: where it lies, its format, axes in storage order, and its mag."""

    location: Any
    data_format: str
    axes: tuple[str, ...]
    mag: tuple[int, int, int] = (1, 1, 1)


@attrs.frozen(kw_only=True)
class ForeignLayer:
    """One layer to be: name, category, voxel size of its finest mag in nanometres (None: not said), mags.

    `offset` is where array index 0 lies, in voxels of the finest mag along (x, y, z).
    """

    name: str
    category: str
    voxel_size: tuple[float | None, float | None, float | None]
    mags: tuple[ForeignMag, ...]
    offset: tuple[int, int, int] = (0, 0, 0)
    details: dict[str, Any] = attrs.field(factory=dict)


class Importer(ABC):
    """Recognises and describes one kind of container."""

    @abstractmethod
    def probe(self, location: Location) -> ProbeScore:
        """Say how likely `location` is such a container."""

    @abstractmethod
    def describe(self, location: Location) -> tuple[ForeignLayer, ...]:
        """Describe all layers; CorruptDataError if the container's metadata are damaged."""
