"""Foreign containers: an `Importer` describes what a folder of another tool holds; it never writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from wkplug.abc.arrays import ProbeScore
    from wkplug.abc.images import Image
    from wkplug.abc.locations import Location

__all__ = ["ForeignLayer", "ForeignMag", "Importer"]


@attrs.frozen(kw_only=True)
class ForeignMag:
    """One array of the container: where it lies, its format, axes in storage order, and its mag.

    data_format: the storage format of an array backend, or "" where only `Importer.open` can read it.
    """

    location: Any
    data_format: str
    axes: tuple[str, ...]
    mag: tuple[int, int, int] = (1, 1, 1)


@attrs.frozen(kw_only=True)
class ForeignLayer:
    """One layer to be: name, category ("color", "segmentation", "" if unknown), mags from the finest on.

    name: as the container has it; slashes may join its parts. What no layer may be called is spelled, and told.
    voxel_size: of mag 1 in nanometres along (x, y, z), None where the container doesn't say. Mag 1 needn't be stored:
    what a container has of coarser resolutions only keeps its mag.
    offset: where index 0 of the arrays lies, in voxels of the finest mag that is stored, along (x, y, z). begin: the
    first voxel that is there, counted from index 0 (formats that keep a volume's place start their arrays at the
    dataset's 0).
    channel_names, channel_colors: one per channel, or empty; colours as (red, green, blue) of 0 to 255, or None.
    channel_ranges: (darkest, brightest) value that viewers show, one per channel, or None; empty if unknown.
    channel_visible: whether viewers show the channel at first; channel_inverted: whether they show large values as
    dark; likewise.
    notes: sentences for whoever imports it. container_notes: the same about the container as a whole, on any of its
    layers (what of it is in none, say). details: JSON values for `wkplug inspect`.
    """

    name: str
    category: str = ""
    mags: tuple[ForeignMag, ...]
    voxel_size: tuple[float | None, float | None, float | None] = (None, None, None)
    offset: tuple[int, int, int] = (0, 0, 0)
    begin: tuple[int, int, int] = (0, 0, 0)
    channel_names: tuple[str, ...] = ()
    channel_colors: tuple[tuple[int, int, int] | None, ...] = ()
    channel_ranges: tuple[tuple[float, float] | None, ...] = ()
    channel_visible: tuple[bool | None, ...] = ()
    channel_inverted: tuple[bool | None, ...] = ()
    notes: tuple[str, ...] = ()
    container_notes: tuple[str, ...] = ()
    details: dict[str, Any] = attrs.field(factory=dict)


class Importer(ABC):
    """Recognises and describes one kind of container. Stateless; built by the spec's factory."""

    @abstractmethod
    def probe(self, location: Location) -> ProbeScore:
        """Say how likely `location` is such a container."""

    @abstractmethod
    def describe(self, location: Location) -> tuple[ForeignLayer, ...]:
        """Describe all layers; CorruptDataError if the container's metadata are damaged."""

    def open(self, mag: ForeignMag) -> Image | None:
        """Open an array that no array backend reads; None (the default) where one does."""
        del mag
        return None
