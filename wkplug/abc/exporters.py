"""Files of other tools: an `Exporter` writes a volume, or the preview sheet, to a file or folder.

A volume comes as its resolutions, finest first, each of which reads any box; whether it is stored or computed on
the way is no matter of the exporter. Plugins see neither datasets nor layers, so that what they write depends on
nothing but this module.

Who calls it: `wkplug.ops` (export and preview). Who implements it: exporter plugins.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from wkplug.abc.arrays import Box
    from wkplug.abc.locations import Location

__all__ = ["ContactSheet", "ExportLevel", "ExportVolume", "Exporter", "Panel"]


@attrs.frozen(kw_only=True, eq=False)
class ExportLevel:
    """One resolution of a volume; it pickles.

    mag: its factors along (x, y, z), in voxels of Mag(1). start, shape: the box in the dataset, in voxels of this
    resolution, one number per axis of the volume. chunk_shape: what is stored, and so best read, as one.
    reader: gives the voxels of a box in the dataset; exporters call `read`.
    """

    mag: tuple[int, int, int]
    start: tuple[int, ...]
    shape: tuple[int, ...]
    chunk_shape: tuple[int, ...]
    reader: Callable[[Box], NDArray[Any]]

    def read(self, box: Box | None = None) -> NDArray[Any]:
        """Read a box, counted from the volume's first voxel; everything by default. Axes as the volume's."""
        start, shape = ((0,) * len(self.shape), self.shape) if box is None else box
        return self.reader((tuple(a + b for a, b in zip(self.start, start, strict=True)), shape))


@attrs.frozen(kw_only=True, eq=False)
class ExportVolume:
    """A box of a layer, to be written.

    axes: those of all arrays, in order; "c" are channels. category: "color" or "segmentation". voxel_size: of
    Mag(1), in nanometres along (x, y, z). levels: from the finest on, at least one.
    map: runs a function on items in the executor of the operation and gives the results in order, in bounded
    number; each one counts for the progress that users see. The function has to pickle.
    """

    name: str
    category: str
    axes: tuple[str, ...]
    dtype: str
    voxel_size: tuple[float, float, float]
    levels: tuple[ExportLevel, ...]
    map: Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]

    @property
    def num_channels(self) -> int:
        """The length of the axis c, 1 without one."""
        return self.levels[0].shape[self.axes.index("c")] if "c" in self.axes else 1


@attrs.frozen(kw_only=True, eq=False)
class Panel:
    """One plane of a contact sheet: `pixels` are RGB uint8 of shape (height, width, 3).

    `pixel_size` is the physical size of a pixel along (width, height) in nanometres; the exporter scales the
    plane so that both are drawn alike, and adds the scale bar. `caption` says which plane it is.
    """

    pixels: NDArray[Any]
    pixel_size: tuple[float, float]
    caption: str


@attrs.frozen(kw_only=True, eq=False)
class ContactSheet:
    """A preview: rows of panels with a title for each row, top to bottom."""

    title: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


class Exporter(ABC):
    """Writes one kind of file. Stateless; built by the spec's factory."""

    @abstractmethod
    def write(self, source: Any, target: Location, options: Mapping[str, Any]) -> None:
        """Write `source` to `target`, where there is nothing yet; single files appear when they are whole.

        `source` is what the spec's `consumes` says: "volume" is an `ExportVolume`, "sheet" a `ContactSheet`.
        Unknown options are an InvalidArgumentError, volumes that the format can't hold an ExportError.
        """
