"""`Volume`: image files as one array with the axes of a layer.

One file may hold a whole volume, or many files one section each. Sizes are read from the files' headers, so that
a layer's box is true from its first moment; voxels are read through `Reading`, region by region.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from wkplug.errors import ShapeMismatchError, UnsupportedImageDataError
from wkplug.ops.importing.axes import EVERYTHING, Meaning, Part, has_alpha
from wkplug.ops.importing.readers import ImageFile
from wkplug.ops.importing.shown import as_shown
from wkplug.storage.budget import check_read_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wkplug.abc import Image
    from wkplug.ops.importing.readers import Source

__all__ = ["Reading", "Span", "Volume"]

Span = tuple[int, int]
"""From and to, half open, in voxels of the volume."""


class Volume:
    """Image files as an array with the axes (..., c, x, y, z).

    x and y are the images' columns and rows, exchanged with `swap_xy`. Files that are smaller than the largest
    count as filled up with zeros at their far ends (`smaller_files` are their paths). `others` are the names and
    lengths of the axes in front. `block`: what is decoded as one along x, y and z.

    places: the sections that the files are, where some are missing between them: those read as zeros.
    UnsupportedImageDataError if the files don't belong together, TooLargeError if what is decoded as one is
    more than the memory budget of reads.
    """

    def __init__(
        self,
        files: Sequence[Source],
        *,
        swap_xy: bool = False,
        places: Sequence[int] | None = None,
        part: Part = EVERYTHING,
    ) -> None:
        import numpy

        self.files = tuple(files)
        self.swap_xy = swap_xy
        self.part = part
        first = self.files[0]
        meaning = self.meaning(first)
        self.dtype: str = first.info.dtype
        self.num_channels = meaning.num_channels
        self.others = meaning.other_lengths
        planes, blocks = set(), set()
        # Files that were taken to be alike have one description, and are looked at once.
        for file in {id(file.info): file for file in self.files}.values():
            self._check(file, meaning)
            own = self.meaning(file)
            planes.add(own.plane)
            blocks.add(own.block(file.info))
        width, height = (max(lengths) for lengths in zip(*planes, strict=True))
        self.smaller_files: tuple[str, ...] = ()
        if len(planes) > 1:
            whole = (width, height)
            self.smaller_files = tuple(file.path for file in self.files if self.meaning(file).plane != whole)
        self.size_x, self.size_y = (height, width) if swap_xy else (width, height)
        across, down, deep = (max(lengths) for lengths in zip(*blocks, strict=True))
        self.block = (down, across, deep) if swap_xy else (across, down, deep)
        self._file_of = dict(zip(places or range(len(self.files)), self.files, strict=True))
        self.size_z = max(self._file_of) + 1 if len(self.files) > 1 else meaning.sections
        self.source_bytes = numpy.dtype(self.dtype).itemsize
        # A block is decoded as a whole: what a header claims must fit before anything is taken.
        check_read_size((self.num_channels, *self.block), self.source_bytes, self.path)

    def as_shown(self) -> Volume:
        """The volume with the values of its images as they are meant to be looked at, see `shown`."""
        files = [as_shown(file) for file in self.files]
        if all(shown is file for shown, file in zip(files, self.files, strict=True)):
            return self
        return Volume(files, swap_xy=self.swap_xy, places=tuple(self._file_of), part=self.part)

    def _check(self, file: Source, expected: Meaning) -> None:
        """Refuse a file that can't be a section beside the first."""
        first, info = self.files[0], file.info
        meaning = self.meaning(file)
        if len(self.files) > 1 and meaning.sections > 1:
            raise UnsupportedImageDataError(
                f"{file.path} has {meaning.sections} sections, but {len(self.files)} files were given for one layer.",
                file.path,
                hint="Import each of these files as a layer of its own, as "
                'map_filepath_to_layer_name="inspect_every_file" does.',
            )
        for what, here, there in (
            ("is {}", info.dtype, self.dtype),
            ("has {} channels", meaning.num_channels, expected.num_channels),
            ("has the further axes {}", meaning.other_lengths, expected.other_lengths),
        ):
            if here != there:
                raise UnsupportedImageDataError(
                    f"{file.path} {what.format(here)}, but {first.path} {what.format(there)}: "
                    "the files of one layer must agree.",
                    file.path,
                    hint="Convert the files to the same kind of image, or import each as a layer of its own, as "
                    'map_filepath_to_layer_name="enforce_layer_per_file" does.',
                )

    def meaning(self, file: Source) -> Meaning:
        """What the axes of one of the files mean."""
        return Meaning.of(file.info, file.path, self.part, exact=file.exact)

    @property
    def path(self) -> str:
        """The first file, for messages."""
        return self.files[0].path

    @property
    def size(self) -> tuple[int, int, int]:
        """Voxels along x, y and z."""
        return self.size_x, self.size_y, self.size_z

    @property
    def topleft(self) -> tuple[int, int, int]:
        """Where the first voxel lies, in voxels of the images: files lie at 0, containers know their place."""
        x, y, z = self.files[0].topleft
        return (y, x, z) if self.swap_xy else (x, y, z)

    @property
    def is_rgb(self) -> bool:
        """Whether the channels are the red, green and blue (and alpha) of a colour image of 8 bits."""
        rgb = self.files[0].info.photometric == "rgb"
        return rgb and self.dtype == "uint8" and self.num_channels in (3, 4)

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is the opacity of a picture."""
        return has_alpha(self.files[0].info, self.num_channels)

    @property
    def voxel_size(self) -> tuple[float | None, float | None, float | None]:
        """Nanometres along x, y and z, None where the first file doesn't say, as of coarser resolutions."""
        x, y, z = (None, None, None) if self.part.level else self.files[0].info.voxel_size
        return (y, x, z) if self.swap_xy else (x, y, z)

    def files_of(self, sections: Span) -> list[Source]:
        """The files that hold these sections."""
        if len(self.files) == 1:
            return list(self.files)
        return [self._file_of[z] for z in range(*sections) if z in self._file_of]

    def file_of(self, z: int) -> Source | None:
        """The file that holds a section, None if it is missing."""
        return self.files[0] if len(self.files) == 1 else self._file_of.get(z)

    def open(self, channels: range | None = None) -> Reading:
        """Start reading these channels (all by default); a single file is opened once for the whole run."""
        return Reading(self, range(self.num_channels) if channels is None else channels)


class Reading:
    """Regions of a volume; thread-safe, to be closed. Pickles by opening its file again.

    The image of a single file is opened once and shared by all threads, or once for each thread where its reader
    isn't thread-safe.
    """

    def __init__(self, volume: Volume, channels: range) -> None:
        self._volume = volume
        self._channels = channels
        self._opened: list[Image] = []
        self._guard = threading.Lock()
        self._own = threading.local()

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._guard:
            opened, self._opened = self._opened, []
            self._own = threading.local()
        file = self._volume.files[0]
        for image in opened:
            if isinstance(file, ImageFile):
                file.close(image)
            else:
                image.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return (Reading, (self._volume, self._channels))

    def section(self, z: int, others: tuple[int, ...] = ()) -> NDArray[Any]:
        """Give section `z` with the axes (c, x, y), at these places of the volume's other axes; any strides."""
        volume = self._volume
        return self.region((0, volume.size_x), (0, volume.size_y), (z, z + 1), others)[..., 0]

    def region(self, x: Span, y: Span, z: Span, others: tuple[int, ...] = ()) -> NDArray[Any]:
        """Give a region with the axes (c, x, y, z), in any strides, only as far as the file reaches.

        In volumes of many files a region has one section; that of a missing file is empty.
        """
        import numpy

        volume = self._volume
        if len(volume.files) == 1:
            return self._cut(self._shared(), volume.files[0], x, y, z, others)
        file = volume.file_of(z[0])
        if file is None:
            return numpy.empty((len(self._channels), 0, 0, 1), volume.dtype)
        with file.open() as image:
            return self._cut(image, file, x, y, (0, 1), others)

    def _shared(self) -> Image:
        """Give the image of the single file, opened for this thread where threads can't share it."""
        image: Image | None = getattr(self._own, "image", None)
        if image is not None:
            return image
        with self._guard:
            if self._opened and self._opened[0].thread_safe:
                image = self._opened[0]
            else:
                image = self._volume.files[0].open()
                self._opened.append(image)
            self._own.image = image
        return image

    def _cut(
        self, image: Image, file: Source, x: Span, y: Span, z: Span, others: tuple[int, ...]
    ) -> NDArray[Any]:
        """Cut a region out of a file and bring its axes in order."""
        import numpy

        volume, info = self._volume, image.info
        meaning = Meaning.of(info, file.path, volume.part, exact=file.exact)
        width, height = meaning.plane
        columns, rows = (y, x) if volume.swap_xy else (x, y)
        wanted = {
            "x": (min(columns[0], width), min(columns[1], width)),
            "y": (min(rows[0], height), min(rows[1], height)),
        }
        wanted.update({axis: (place, place + 1) for axis, place in meaning.fixed.items()})
        for axis, place in zip(meaning.others, others, strict=True):
            wanted[axis] = (place, place + 1)
        if meaning.z is not None:
            wanted[meaning.z] = z
        if meaning.channels is not None:
            wanted[meaning.channels] = (self._channels.start, self._channels.stop)
        spans = [wanted.get(axis, (0, 1)) for axis in info.axes]
        start, shape = tuple(low for low, _ in spans), tuple(high - low for low, high in spans)
        if 0 in shape:
            data = numpy.empty(shape, info.dtype)
        elif volume.part.level:
            data = image.read((start, shape), level=volume.part.level)
        else:
            data = image.read((start, shape))
        if data.shape != shape:
            raise ShapeMismatchError(f"The reader of {file.path} gave {data.shape} instead of {shape}.")
        # Axes that the layer doesn't have are 1 long by now.
        axes = ("c" if meaning.channels is None else meaning.channels, "x", "y", meaning.z or "z")
        kept = [axis for axis in info.axes if axis in axes]
        data = data.reshape([length for axis, length in zip(info.axes, shape, strict=True) if axis in kept])
        for axis in axes:
            if axis not in kept:
                data, kept = data[..., None], [*kept, axis]
        plane = ("y", "x") if volume.swap_xy else ("x", "y")
        return numpy.transpose(data, [kept.index(axis) for axis in (axes[0], *plane, axes[3])])
