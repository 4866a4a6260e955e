"""Image files: an `ImageReader` opens a file as an `Image` with named axes.

A reader never guesses what the file doesn't say: a voxel size is given or None, axes keep the file's names,
the dtype is the file's own. The core decides what becomes a layer.

`StoredImage` is the base of images that are opened and closed, `wkplug.abc.files` helps to write readers, and
`wkplug.testing.ImageReaderSuite` tests them.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import ExitStack, nullcontext, suppress
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import attrs

from wkplug.abc.arrays import Array, Box, ProbeScore, ints
from wkplug.abc.files import check_level, image_errors, path_or_file, quietly
from wkplug.abc.specs import strings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from numpy.typing import NDArray

    from wkplug.abc.locations import Location

__all__ = [
    "Image",
    "ImageInfo",
    "ImageReader",
    "PickleByReopening",
    "StoredImage",
    "by_frames",
    "distinct_names",
    "region_of",
]


def _shapes(values: Iterable[Iterable[Any]]) -> tuple[tuple[int, ...], ...]:
    """Give a tuple of tuples of plain integers."""
    return tuple(ints(value) for value in values)


@attrs.frozen(kw_only=True)
class ImageInfo:
    """What a file says about one image (scene) in it.

    axes: letters in the file's order. x, y, z, t, c as usual; "s" are the samples of a pixel (RGB); pages of
        unknown meaning are "q".
    shape: in the same order. dtype: numpy's name, native byte order.
    voxel_size: nanometres per pixel along (x, y, z), each or all None where the file doesn't say.
    origin: where the first pixel lies along (x, y, z), in nanometres (a tile's place in a mosaic, a crop's in its
        volume); each or all None where the file doesn't say.
    photometric: "rgb" where the samples are red, green, blue (, alpha); "palette", "minisblack" and "miniswhite" (0 is
        white) likewise.
    palette: what values look like that are indices: (red, green, blue) or (red, green, blue, alpha) for 0, 1, ...
        Images become these colours, labels stay indices.
    bits: how many bits stored values have, if these are less than the dtype's; None otherwise. Images of less than 8
        bits are scaled to 8, labels keep the stored values.
    channel_names: one per channel, empty if unknown. channel_colors: (red, green, blue) of 0 to 255 or None, one
        per channel, empty if unknown. channel_ranges: (darkest, brightest) value that viewers show, or None; likewise.
    channel_visible: whether viewers show the channel at first, or None; channel_inverted: whether they show large
        values as dark; likewise.
    levels: how many resolutions the file holds; level 0 is described here. level_shapes: the shape of each, in the
        order of axes; may be left empty if there is one level.
    scenes: names of all images in the file; empty if there is just this one.
    companions: names of further files in the same folder whose voxels or metadata are a part of this image (the other
        files of a set, a header beside its voxels): an import of the folder takes them as this image, not once more.
    series, series_name: what tells the files of one series from those of others in the same folder, and what it is
        called; files of other series become layers of their own. series_index: the place in its series that the file
        gives itself, None if it doesn't. Files are sorted by their places along z (`origin`) or by these before names.
    affine: the file's own map from voxels (x, y, z) to nanometres in its space, as three rows of four numbers, where
        it is more than voxel size and origin (turned, mirrored, sheared); None otherwise.
    block_shape: what is decoded as one, in the order of axes: whole pages, tiles or strips.
    details: anything else worth showing in `wkplug inspect`; JSON values.
    notes: sentences that whoever imports the file should read (values that were rescaled, an axis of unknown
        meaning); shown by `wkplug inspect`. What becomes of `affine` and `origin` is told by imports.
    """

    axes: tuple[str, ...] = attrs.field(converter=strings)
    shape: tuple[int, ...] = attrs.field(converter=ints)
    dtype: str
    voxel_size: tuple[float | None, float | None, float | None] = (None, None, None)
    photometric: str = ""
    palette: tuple[tuple[int, ...], ...] = ()
    bits: int | None = None
    origin: tuple[float | None, float | None, float | None] = (None, None, None)
    channel_names: tuple[str, ...] = ()
    channel_colors: tuple[tuple[int, int, int] | None, ...] = ()
    channel_ranges: tuple[tuple[float, float] | None, ...] = ()
    channel_visible: tuple[bool | None, ...] = ()
    channel_inverted: tuple[bool | None, ...] = ()
    levels: int = 1
    level_shapes: tuple[tuple[int, ...], ...] = attrs.field(default=(), converter=_shapes)
    scenes: tuple[str, ...] = ()
    companions: tuple[str, ...] = attrs.field(default=(), converter=strings)
    series: str = ""
    series_name: str = ""
    series_index: int | None = None
    affine: tuple[tuple[float, float, float, float], ...] | None = None
    block_shape: tuple[int, ...] = ()
    details: dict[str, Any] = attrs.field(factory=dict)
    notes: tuple[str, ...] = attrs.field(default=(), converter=strings)

    def box(self, level: int = 0) -> Box:
        """The box of everything that a level holds."""
        shape = self.level_shapes[level] if self.level_shapes else self.shape
        return (0,) * len(shape), shape


class Image(ABC):
    """One opened image. A context manager; pickles by opening its file again (see `PickleByReopening`)."""

    info: ImageInfo
    thread_safe: bool = False
    """Whether several threads may call `read` of this image at once. If not, whoever reads with several threads
    opens the image once for each; opening it several times always works."""
    reopens: bool = False
    """Whether `read` opens a closed image again without parsing its file anew (unless that has changed), and nothing
    but what was parsed is held until then. Such an image may be kept instead of being opened again by its reader."""

    array: Array | None = None
    """The array behind an importer's image: imports look whether it reads all chunks that are there."""

    @abstractmethod
    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """Read a region in the file's own axis order (everything by default), decoding no more than needed.

        `box` lies inside the shape of that level. Gives a new array of `info.dtype`, native byte order, that the
        caller may change. Decoded is what the region touches of `info.block_shape`; whoever reads many regions asks
        for whole blocks. CorruptImageError if the file is damaged or cut short.
        """

    def close(self) -> None:
        """Close the file and give back what it holds; closing twice is fine. Reading may open it again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> Literal[False]:
        self.close()
        return False


class PickleByReopening:
    """A base beside `Image` for images of one file: pickles as (reader, location, scene), and opens again.

    `open` of the reader sets the three attributes (or calls this `__init__`); the reader itself must pickle.
    """

    reader: ImageReader
    location: Location
    scene: int

    def __init__(self, reader: ImageReader, location: Location, scene: int = 0) -> None:
        self.reader, self.location, self.scene = reader, location, scene

    def __reduce__(self) -> tuple[Any, ...]:
        return (_open, (self.reader, self.location, self.scene))


def _open(reader: ImageReader, location: Location, scene: int) -> Image:
    return reader.open(location, scene=scene)


class StoredImage(PickleByReopening, Image):
    """The image of a file that is opened when it is first needed, closed, and opened again when it is read once more.

        class MineImage(StoredImage):
            what = "MINE"

            def open_file(self):
                file = mine.File(self.source())
                self.closing.callback(file.close)
                check_scene(self.location, self.scene, len(file.images))
                return file

            def describe(self, file):
                image = file.images[self.scene]
                return ImageInfo(axes=("y", "x"), shape=image.shape, dtype=image.dtype.name)

            def read_box(self, file, box, level):
                return file.images[self.scene].pixels()[region_of(box)]

    Its reader's `open` gives `MineImage(self, location, scene)`. Whatever a library raises in these three becomes an
    error of the contract (`image_errors`, in which the file is called `what`), and nothing stays open if opening or
    describing fails.

    in_turns: whether `read_box` of this image is called by one thread at a time, since the file has one position, or
        the library promises nothing. quiet: whether warnings of the library are silenced.
    lock: what turns are taken by; held while the file is opened and closed.
    closing: what is to be done, in reverse order, when the file is closed or can't be opened; errors of these are left
        out, because nothing was written.
    """

    what: ClassVar[str]
    in_turns: ClassVar[bool] = True
    quiet: ClassVar[bool] = False
    thread_safe = True

    def __init__(self, reader: ImageReader, location: Location, scene: int = 0) -> None:
        super().__init__(reader, location, scene)
        self.closing = ExitStack()
        self.lock = threading.RLock()
        self._file: Any = None
        self._is_open = False
        try:
            with image_errors(location, self.what), self._silence():
                self.info = self.describe(self.file)
        except BaseException:
            self.close()
            raise

    def open_file(self) -> Any:
        """Open the file; what is to be closed goes into `closing`. None (the default) if nothing stays open."""
        return None

    @abstractmethod
    def describe(self, file: Any) -> ImageInfo:
        """Say what the image is, from what `open_file` gave."""

    @abstractmethod
    def read_box(self, file: Any, box: Box, level: int) -> NDArray[Any]:
        """Read a region of a level that is there, see `Image.read`."""

    def source(self) -> str | BinaryIO:
        """The local path where there is one, otherwise a file that is read by ranges, and closed with the image."""
        source = path_or_file(self.location)
        if not isinstance(source, str):
            self.closing.callback(source.close)
        return source

    @property
    def file(self) -> Any:
        """What `open_file` gives, which is called if the file isn't open."""
        with self.lock:
            if not self._is_open:
                try:
                    self._file = self.open_file()
                except BaseException:
                    self.close()
                    raise
                self._is_open = True
            return self._file

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`; opens the file again if it was closed."""
        turn = self.lock if self.in_turns else nullcontext()
        with turn, image_errors(self.location, self.what), self._silence():
            file = self.file
            check_level(self.location, level, len(self.info.level_shapes) or 1)
            return self.read_box(file, self.info.box(level) if box is None else box, level)

    def close(self) -> None:
        """See `Image.close`."""
        with self.lock:
            self._file, self._is_open = None, False
            with suppress(Exception):
                self.closing.close()

    def _silence(self) -> AbstractContextManager[None]:
        return quietly() if self.quiet else nullcontext()


class ImageReader(ABC):
    """Opens one family of image files. Stateless, picklable; built by the spec's factory."""

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """Say how likely the file is one of this reader's, from its first bytes (up to 4,096) and its name."""
        del location, head
        return ProbeScore.SUFFIX

    @abstractmethod
    def open(self, location: Location, *, scene: int = 0) -> Image:
        """Open the file, having read no more than its headers.

        CorruptImageError if it is damaged, MissingError if it is not there, UnsupportedImageDataError for a scene
        that it hasn't (they count from 0) or samples that no layer can hold.
        """


def region_of(box: Box) -> tuple[slice, ...]:
    """A box as slices, for indexing."""
    return tuple(slice(first, first + length) for first, length in zip(*box, strict=True))


def by_frames(
    box: Box, lead: int, dtype: Any, frame: Callable[[tuple[int, ...], tuple[slice, ...]], Any]
) -> NDArray[Any]:
    """Read a box frame by frame: `lead` axes in front number the frames, the others are those of a frame.

    frame: gives, for the place of a frame on the axes in front and a region of it, that region, or a number to fill it.
    """
    import numpy

    start, extent = box
    region = region_of(box)[lead:]
    result = numpy.empty(extent, dtype)
    for index in numpy.ndindex(*extent[:lead]):
        place = tuple(first + offset for first, offset in zip(start, index, strict=False))
        result[index] = frame(place, region)
    return result


def distinct_names(names: Sequence[str], numbers: Sequence[int] | None = None) -> tuple[str, ...]:
    """Names of scenes of which no two are the same: where they are, each is followed by its number."""
    return tuple(
        f"{name} ({number})" if names.count(name) > 1 else name
        for name, number in zip(names, numbers or range(len(names)), strict=True)
    )
