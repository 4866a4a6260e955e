"""Files and folders of other tools: an `Importer` describes what they hold, an `Exporter` writes them.

An importer never writes. An exporter gets a volume as its resolutions, finest first, each of which reads any box, or a
preview as planes; whether voxels are stored or computed on the way is no matter of it. Neither sees datasets or layers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from wkplug.abc.arrays import Box, ProbeScore
    from wkplug.abc.images import Image
    from wkplug.abc.locations import Location

__all__ = [
    "ContactSheet",
    "ExportLevel",
    "ExportVolume",
    "Exporter",
    "ForeignLayer",
    "ForeignMag",
    "Importer",
    "Least",
    "LinkedLayer",
    "Panel",
]


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


@attrs.frozen(kw_only=True)
class LinkedLayer:
    """One layer that a viewer's link shows: where its data lie, and what the link says of it.

    url: of the container, in any form that `wkplug explore` takes ("precomputed://gs://bucket/em").
    name, category: "" where the link doesn't say. voxel_size: nanometres along (x, y, z) of the finest voxels, where
    the link has another than the container; None where it leaves that to it.
    affine: the rows of the map from the container's own space to that of the link, in nanometres; None for none.
    color: (red, green, blue) of 0 to 255. range: the darkest and the brightest value. opacity: from 0 to 1.
    notes: sentences about what of the link has no place here.
    """

    url: str
    name: str = ""
    category: str = ""
    voxel_size: tuple[float | None, float | None, float | None] = (None, None, None)
    affine: tuple[tuple[float, float, float, float], ...] | None = None
    color: tuple[int, int, int] | None = None
    range: tuple[float, float] | None = None
    opacity: float | None = None
    inverted: bool | None = None
    visible: bool | None = None
    notes: tuple[str, ...] = ()


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

    def linked(self, text: str) -> tuple[LinkedLayer, ...] | str | None:
        """Read a link of a viewer, or its state as JSON; None (the default) for any other text.

        Asked where the text holds one of the spec's `link_marks`. Gives the layers of data that are shown, or the URL
        of the file that holds the state. CorruptDataError if it is such a link, and damaged.
        """
        del text
        return None


@attrs.frozen(kw_only=True, eq=False)
class ExportLevel:
    """One resolution of a volume; it pickles.

    mag: its factors along (x, y, z), in voxels of Mag(1). start, shape: the box in the dataset, in voxels of this
    resolution, one number per axis of the volume. chunk_shape: what is stored, and so best read, as one.
    read: gives the voxels of a box (start and shape, counted from this resolution's own first voxel).
    """

    mag: tuple[int, int, int]
    start: tuple[int, ...]
    shape: tuple[int, ...]
    chunk_shape: tuple[int, ...]
    read: Callable[[Box], NDArray[Any]]


@attrs.frozen(kw_only=True, eq=False)
class ExportVolume:
    """A box of a layer, to be written.

    axes: those of all arrays, in order; "c" are channels. category: "color" or "segmentation". voxel_size: of
    Mag(1), in nanometres along (x, y, z). levels: from the finest on, at least one.
    color: (red, green, blue) from 0 to 255 that the layer is shown in; shown: the values that are shown as black and
    as fully bright. None where nobody has said so.
    pieces: gives the boxes, in order, of a grid of a resolution (its number and the shape of a cell; both counted from
    the resolution's own first voxel) that may hold anything but zero: a layer may be declared far larger than what is
    stored. Formats in which voxels that were never written are zero write these and no others.
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
    pieces: Callable[[int, tuple[int, ...]], Sequence[Box]]
    color: tuple[int, int, int] | None = None
    shown: tuple[float, float] | None = None

    @property
    def num_channels(self) -> int:
        """The length of the axis c, 1 without one."""
        return self.levels[0].shape[self.axes.index("c")] if "c" in self.axes else 1

    @property
    def place(self) -> tuple[float, float, float]:
        """Where the box begins in the dataset: nanometres along (x, y, z) from the dataset's corner to the box's."""
        finest = self.levels[0]
        start = dict(zip(self.axes, finest.start, strict=True))
        x, y, z = (
            start.get(axis, 0) * factor * size
            for axis, factor, size in zip("xyz", finest.mag, self.voxel_size, strict=True)
        )
        return x, y, z


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


@attrs.frozen(kw_only=True)
class Least:
    """What an export takes at least: files, bytes of voxels, and bytes of the disk, fewer where it is compressed."""

    files: int
    voxel_bytes: int
    disk_bytes: int


class Exporter(ABC):
    """Writes one kind of file. Stateless; built by the spec's factory."""

    pyramid: ClassVar[Literal["xyz", "xy", ""]] = "xyz"
    """The resolutions that a volume comes with: ever coarser along all axes, along x and y only, or just one."""

    @abstractmethod
    def write(self, source: Any, target: Location, options: Mapping[str, Any]) -> None:
        """Write `source` to `target`.

        `source` is what the spec's `consumes` says. "sheet": a `ContactSheet`, and the file is replaced atomically.
        "volume": an `ExportVolume`, and `target` is a local place, for a file or a folder, where there is nothing
        yet; the core moves it to where users wanted it when it is whole.
        Unknown options are an InvalidArgumentError, volumes that the format can't hold an ExportError.
        """

    def drops(self, source: Any, options: Mapping[str, Any]) -> frozenset[str]:
        """Tell what of a volume readers won't find in the file, of "place" and "color".

        The core warns of those that the volume has.
        """
        del source, options
        return frozenset()

    def least(self, source: Any, options: Mapping[str, Any]) -> Least | None:
        """Tell what a volume takes in a format that stores every voxel, written or not; None for other formats.

        The core refuses what the disk can't hold before anything is written.
        """
        del source, options
        return None
