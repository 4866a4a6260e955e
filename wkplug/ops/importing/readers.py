"""What voxels are read from: image files that a reader takes, opened frames, files of plain voxels.

Each is a `Source`: it says what its header says, and gives an image to close; nothing is kept open here. The reader
of an `ImageFile` is chosen once, by the file's first bytes. What was parsed for its description is cached for the
last few files of an input, so that a file that is described and then read is parsed once. `Frames` takes whatever has
the protocol of a `pims.FramesSequence`, of which nothing is imported, one frame at a time: nobody promises that such
a reader is thread-safe. `RawFile` has a layout that is given. Containers are sources of their own.
"""

from __future__ import annotations

import math
import os
import threading
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import attrs

from wkplug import registry
from wkplug.abc import Box, Image, ImageInfo, ImageReader, Location
from wkplug.builtin.raw import RawLayout, RawReader
from wkplug.errors import (
    CorruptImageError,
    ImageConversionError,
    InvalidArgumentError,
    PluginError,
    UnsupportedImageDataError,
    UnsupportedImageFormatError,
    UnsupportedOperationError,
    WkplugError,
)
from wkplug.model.dtypes import dtype_name
from wkplug.ops.importing.report import ImportNote
from wkplug.registry.plugins import READER
from wkplug.storage import nothing_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "BIOFORMATS",
    "HEAD_BYTES",
    "Frames",
    "ImageFile",
    "RawFile",
    "ReaderChoice",
    "Rescaled",
    "Source",
    "is_frames",
    "readable_suffixes",
]


HEAD_BYTES = 4096

_MAX_CACHED = 4

BIOFORMATS = "bioformats"
"""The reader that `use_bioformats` is about, whichever distribution brings it."""


class Source(Protocol):
    """What a volume is made of: a file that some reader takes, or an object that has the frames already."""

    @property
    def path(self) -> str:
        """The place as text, for messages."""

    @property
    def info(self) -> ImageInfo:
        """What the header says."""

    @property
    def exact(self) -> bool:
        """Whether the names of axes and channels mean what they say, as in containers; files are less careful."""

    @property
    def notes(self) -> tuple[ImportNote, ...]:
        """Notes about how it was opened; those of the file itself are in `info`."""

    @property
    def category(self) -> str:
        """The category that it says, "" if it doesn't."""

    @property
    def topleft(self) -> tuple[int, int, int]:
        """Where the first voxel lies along x, y and z, in voxels."""

    def open(self) -> Image:
        """Open the image, to be closed by the caller."""

    def signature(self) -> str:
        """A text that changes when the contents do, as far as that is seen without reading them."""


class ImageCache:
    """The images that were closed last, by their files; for those that open again without parsing. Thread-safe.

    Only a few, whatever the number of files: those of a stack are small, and come one after the other.
    """

    def __init__(self) -> None:
        self._images: OrderedDict[str, Image] = OrderedDict()
        self._guard = threading.Lock()

    def put(self, path: str, image: Image) -> None:
        """Keep a closed image, if that is of use."""
        if not image.reopens:
            return
        with self._guard:
            self._images[path] = image
            while len(self._images) > _MAX_CACHED:
                self._images.popitem(last=False)

    def take(self, path: str) -> Image | None:
        """Give the image of a file away, if there is one."""
        with self._guard:
            return self._images.pop(path, None)


class ReaderChoice:
    """Which reader is wanted: any, the one of a name, or any but Bio-Formats; and which scene, see `scenes`.

    sampled: of a long series of files, only a few are opened; for plans that are shown and not executed. closed: shared
    by all files that are chosen with it.
    """

    def __init__(
        self,
        reader: str | None = None,
        *,
        use_bioformats: bool | None = None,
        scene: int | str | None = None,
        sampled: bool = False,
    ) -> None:
        if use_bioformats is not None and reader is not None and use_bioformats != (reader == BIOFORMATS):
            raise InvalidArgumentError(
                f"reader is {reader!r}, and use_bioformats is {use_bioformats}: these contradict each other.",
                hint="Give one of them.",
            )
        self.scene = scene
        self.sampled = sampled
        self.name = reader if reader is not None or not use_bioformats else BIOFORMATS
        self.no_bioformats = use_bioformats is False
        self.closed = ImageCache()

    @property
    def excluded(self) -> tuple[str, ...]:
        """The readers that are not to be taken."""
        return (BIOFORMATS,) if self.no_bioformats else ()

    def check(self, name: str, location: Location) -> None:
        """Refuse Bio-Formats if it was the only one to take a file, and isn't wanted."""
        if self.no_bioformats and name == BIOFORMATS:
            raise UnsupportedImageFormatError(
                f"Only Bio-Formats reads {location.url}, and use_bioformats is False.",
                location.url,
                hint="Leave use_bioformats out, or convert the file to another format.",
            )


class ImageFile:
    """One image of a file that some reader accepts; pickles as its place, the reader's name and the scene."""

    exact = False
    category = ""
    topleft = (0, 0, 0)
    notes: tuple[ImportNote, ...] = ()

    def __init__(
        self, location: Location, reader: ImageReader, reader_name: str, closed: ImageCache | None = None
    ) -> None:
        self.location = location
        self.reader_name = reader_name
        self._reader = reader
        self._closed = ImageCache() if closed is None else closed
        self._choice = ReaderChoice(reader_name)
        self.scene = 0
        self._path = location.url
        self._refused: dict[str, WkplugError] = {}  # surer readers, which couldn't open it

    @classmethod
    def choose(
        cls, location: Location, reader: str | ReaderChoice | None = None, scene: int = 0
    ) -> ImageFile:
        """Find the reader by the file's first bytes, or take the one that is named.

        UnsupportedImageFormatError if no reader takes it, with the plugin to install where one is known;
        MissingError, ForbiddenError or StorageError if the file can't be read.
        """
        reader_choice = reader if isinstance(reader, ReaderChoice) else ReaderChoice(reader)
        choice = registry.choose_reader(location, location.read(0, HEAD_BYTES), explicit=reader_choice.name)
        reader_choice.check(choice.name, location)
        file = cls(location, choice.winner, choice.name, reader_choice.closed)
        file._choice = reader_choice
        return file if scene == 0 else file.of_scene(scene)

    def of_scene(self, scene: int) -> ImageFile:
        """An image of the same file by its number in `info.scenes`, of which messages say which one it is."""
        file = ImageFile(self.location, self._reader, self.reader_name, self._closed)
        file.scene, file.notes, file._choice = scene, self.notes, self._choice
        file._refused = self._refused
        names = self.info.scenes
        name = names[scene].replace("/", "_") if scene < len(names) else ""
        alone = name and names.count(names[scene]) == 1
        file._path = f"{self.location.url}, scene {name if alone else f'{name} ({scene})'.strip()}"
        if scene == self.scene:
            file.__dict__["info"] = self.info  # known already
        return file

    def for_similar_file(self, location: Location) -> ImageFile:
        """Another file that is taken to be like this one, without a look at it."""
        file = ImageFile(location, self._reader, self.reader_name, self._closed)
        file._choice, file._refused = self._choice, self._refused
        file.__dict__["info"] = self.info
        return file

    @property
    def path(self) -> str:
        """See `Source.path`; of a scene that was chosen, which one it is, too."""
        return self._path

    @property
    def places(self) -> tuple[Location, ...]:
        """All files of the image, this one first."""
        folder = self.location.parent
        return (self.location, *(folder.child(name) for name in self.info.companions))

    @cached_property
    def info(self) -> ImageInfo:
        """What the file's header says; CorruptImageError if it is damaged.

        Where no reader was named and the chosen one can't open the file, the next that can takes its place.
        """
        try:
            image = self.open()
        except (ImageConversionError, PluginError) as error:
            image = self._open_with_another(error)
        self.close(image)
        return image.info

    def open(self) -> Image:
        """See `Source.open`; one that was closed by `close` opens its file when it is read."""
        image = self._closed.take(self.path)
        try:
            image = self._reader.open(self.location, scene=self.scene) if image is None else image
        except ImageConversionError as error:
            if not self._refused:
                raise
            raise self.failed(error) from error
        return _SecondChoice(image, self) if self._refused else image

    def failed(self, error: WkplugError) -> WkplugError:
        """The error of a file that the reader couldn't read which took over: with what surer ones said of it."""
        refused = {**self._refused, self.reader_name: error}
        return registry.all_readers_failed(self.location, refused, "read")

    def _open_with_another(self, error: WkplugError) -> Image:
        if self._choice.name is not None:
            raise error
        head, excluded = self.location.read(0, HEAD_BYTES), self._choice.excluded
        choice, image = registry.open_with_another_reader(
            self.location, head, self.reader_name, error, scene=self.scene, without=excluded
        )
        # Without the file's name, so that the same of many files is told once.
        why = error.message.replace(self.location.url, "it").replace(self.location.name, "it").rstrip(".")
        text = f"the reader {self.reader_name} can't open it, so {choice.name} took over ({why})"
        self.notes = (ImportNote(kind="took over", text=text, sources=(self.path,)),)
        kind = CorruptImageError if isinstance(error, CorruptImageError) else UnsupportedImageFormatError
        self._refused = {self.reader_name: kind(error.message, self.path, hint=error.hint)}
        for line in choice.ranking:
            for problem in line.problems or ():
                if problem.code == "open" and line.name != self.reader_name:
                    self._refused[line.name] = UnsupportedImageFormatError(problem.text, self.path)
        self._reader, self.reader_name = choice.winner, choice.name
        return image

    def close(self, image: Image) -> None:
        """Close an image that `open` gave, so that it may be given again."""
        if isinstance(image, _SecondChoice):
            image = image.image
        image.close()
        self._closed.put(self.path, image)

    def signature(self) -> str:
        """See `Source.signature`: the size, and the time of the last change where the system tells it."""
        path = self.location.local_path()
        if path is None:
            return str(self.location.size())
        facts = os.stat(path)  # noqa: PTH116 - plain text, once per section
        return f"{facts.st_size}-{facts.st_mtime_ns}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (ImageFile.choose, (self.location, self.reader_name, self.scene), {"_refused": self._refused})


class _SecondChoice(Image):
    """An image of a reader that took over from a surer one, which may have seen why its voxels can't be read."""

    def __init__(self, image: Image, file: ImageFile) -> None:
        self.image, self._file = image, file
        self.info, self.thread_safe = image.info, image.thread_safe

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        try:
            return self.image.read(box, level=level)
        except ImageConversionError as error:
            raise self._file.failed(error) from error

    def close(self) -> None:
        """See `Image.close`."""
        self.image.close()


def readable_suffixes() -> tuple[str, ...]:
    """The suffixes that the installed readers claim, sorted."""
    return tuple(sorted(registry.current_registry().values(READER, "suffixes")))


# --- frames that are open already -------------------------------------------------------------------------


_MOST_SAMPLES = 4


def is_frames(images: Any) -> bool:
    """Whether an object has the protocol of a `pims.FramesSequence`."""
    reader_choice = ("frame_shape", "pixel_type", "__len__", "__getitem__")
    return not isinstance(images, (str, bytes)) and all(hasattr(images, name) for name in reader_choice)


class Frames:
    """A sequence of frames, see `readers.Source`."""

    exact = False
    notes: tuple[ImportNote, ...] = ()
    category = ""
    topleft = (0, 0, 0)

    def __init__(self, sequence: Any) -> None:
        self._sequence = sequence

    @property
    def path(self) -> str:
        """See `Source.path`: the file, where the sequence knows it."""
        name = getattr(self._sequence, "filename", None) or getattr(self._sequence, "_filepath", None)
        return str(name) if name else type(self._sequence).__name__

    @cached_property
    def info(self) -> ImageInfo:
        """See `Source.info`."""
        return self.open().info

    def open(self) -> FramesImage:
        """See `Source.open`."""
        return FramesImage(self._sequence, self.path)

    def signature(self) -> str:
        """See `Source.signature`: what is in memory is taken to be the same."""
        return f"{self.info.shape} {self.info.dtype}"

    def __reduce__(self) -> tuple[Any, ...]:
        raise UnsupportedOperationError(
            "A sequence of frames can't be sent to another process.",
            hint='Import it with threads (executor="threads"), or pass the path of the file instead.',
        )


class FramesImage(Image):
    """The frames as one image. With named axes: those that are iterated over, then channels, y and x."""

    thread_safe = True  # by its lock

    def __init__(self, sequence: Any, path: str) -> None:
        import numpy

        self._sequence = sequence
        self._lock = threading.Lock()
        sizes = getattr(sequence, "sizes", None)
        if sizes and hasattr(sequence, "bundle_axes"):
            self._bundle = [axis for axis in ("c", "y", "x") if axis in sizes]
            self._steps = [axis for axis in sizes if axis not in self._bundle]
            axes = (*self._steps, *self._bundle)
            shape = tuple(int(sizes[axis]) for axis in axes)
        else:
            self._bundle, self._steps = [], ["z"]
            frame = tuple(int(length) for length in sequence.frame_shape)
            if len(frame) == 2 or (len(frame) == 3 and frame[-1] <= _MOST_SAMPLES):
                axes = ("z", "y", "x", "s")[: len(frame) + 1]
            else:
                raise UnsupportedImageDataError(
                    f"The frames of {path} have the shape {frame}, of which nobody says what it means.",
                    path,
                    hint="Give frames of the shape (y, x) or (y, x, colours), or a sequence with named axes.",
                )
            shape = (len(sequence), *frame)
        dtype = numpy.dtype(sequence.pixel_type).newbyteorder("=")
        self.info = ImageInfo(
            axes=axes,
            shape=shape,
            dtype=dtype.name,
            photometric="rgb" if axes[-1] == "s" and shape[-1] > 2 else "",
            block_shape=(*(1 for _ in self._steps), *shape[len(self._steps) :]),
        )

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`: the frames that the region touches are read, one after the other."""
        import numpy

        del level
        shape = self.info.shape
        start, extent = box or ((0,) * len(shape), shape)
        lead = len(self._steps)
        inner = tuple(
            slice(low, low + length) for low, length in zip(start[lead:], extent[lead:], strict=True)
        )
        result = numpy.empty(extent, self.info.dtype)
        with self._lock:
            if self._bundle:
                before = list(self._sequence.bundle_axes), list(self._sequence.iter_axes)
                self._sequence.bundle_axes = self._bundle
                self._sequence.iter_axes = self._steps
            try:
                for index in numpy.ndindex(extent[:lead]):
                    place = [low + offset for low, offset in zip(start[:lead], index, strict=True)]
                    number = int(numpy.ravel_multi_index(place, shape[:lead])) if lead else 0
                    result[index] = numpy.asarray(self._sequence[number])[inner]
            finally:
                if self._bundle:
                    self._sequence.bundle_axes, self._sequence.iter_axes = before
        return result


# --- files of plain voxels --------------------------------------------------------------------------------


_SLAB_VOXELS = 1 << 20


@attrs.frozen(slots=False)
class RawFile:
    """See `readers.Source`; pickles.

    limits: the values that become 0 and the largest of `dtype` (1 for floats); those beyond are cut off.
    """

    location: Location
    layout: RawLayout
    limits: tuple[float, float] | None = None
    dtype: str | None = None

    exact = True
    notes: ClassVar[tuple[ImportNote, ...]] = ()
    category = ""
    topleft = (0, 0, 0)
    reader_name = "raw"

    @classmethod
    def at(
        cls,
        location: Location,
        layout: RawLayout,
        *,
        limits: tuple[float, float] | None = None,
        dtype: Any = None,
    ) -> RawFile:
        """Look whether there is a file, and as long as it must be."""
        if limits is not None and not (math.isfinite(limits[0]) and limits[0] <= limits[1] < math.inf):
            raise InvalidArgumentError(
                f"limits=({limits[0]:g}, {limits[1]:g}) is no range of values.",
                hint="Give two finite numbers, the smaller one first.",
            )
        if next(iter(location.list()), None) is not None:
            raise UnsupportedImageFormatError(
                f"{location.url} is a folder, not a raw file.", location.url, hint="Name the file itself."
            )
        if not location.exists():
            raise nothing_at(location)
        source = cls(location, layout, limits, None if dtype is None else dtype_name(dtype))
        source.open().close()
        return source

    @property
    def path(self) -> str:
        """See `Source.path`."""
        return self.location.url

    @cached_property
    def info(self) -> ImageInfo:
        """See `Source.info`: the dtype is that of the rescaled values."""
        with self.open() as image:
            return image.info

    def open(self) -> Image:
        """See `Source.open`."""
        image: Image = RawReader(self.layout).open(self.location)
        if self.limits is None:
            return image
        return Rescaled(image, self.limits, self.dtype or image.info.dtype)

    def signature(self) -> str:
        """See `Source.signature`."""
        return str(self.location.version())


class Rescaled(Image):
    """An image whose values from `limits` are spread over the whole range of another dtype."""

    def __init__(self, image: Image, limits: tuple[float, float], dtype: str) -> None:
        self._image, self._limits = image, limits
        self.thread_safe = image.thread_safe
        self.info = attrs.evolve(image.info, dtype=dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Rescaled, (self._image, self._limits, self.info.dtype))

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        import numpy

        start, shape = box or ((0,) * len(self.info.shape), self.info.shape)
        result = numpy.empty(shape, self.info.dtype)
        axis = max(range(len(shape)), key=lambda number: shape[number])
        depth = max(1, _SLAB_VOXELS * shape[axis] // max(1, result.size))
        for first in range(0, shape[axis], depth):
            length = min(depth, shape[axis] - first)
            low, size = list(start), list(shape)
            low[axis], size[axis] = start[axis] + first, length
            part = [slice(None)] * len(shape)
            part[axis] = slice(first, first + length)
            result[tuple(part)] = self._rescaled(self._image.read((tuple(low), tuple(size)), level=level))
        return result

    def _rescaled(self, values: NDArray[Any]) -> NDArray[Any]:
        import numpy

        low, high = self._limits
        dtype = numpy.dtype(self.info.dtype)
        if numpy.isclose(low, high):
            return numpy.zeros(values.shape, dtype)
        whole = dtype.kind in "ui"
        top = float(numpy.iinfo(dtype).max) if whole else 1.0
        share: NDArray[Any] = (numpy.clip(values.astype("float64"), low, high) - low) / (high - low) * top
        if not whole:
            floats: NDArray[Any] = share.astype(dtype)
            return floats
        share = numpy.nan_to_num(share, nan=0.0)
        # As a float, the largest value of 64 bits is one more than it.
        largest = share >= top
        share[largest] = 0
        result: NDArray[Any] = share.astype(dtype)
        result[largest] = numpy.iinfo(dtype).max
        return result

    def close(self) -> None:
        """See `Image.close`."""
        self._image.close()
