"""`Volume`: image files as one array with the axes of a layer.

One file may hold a whole volume, or many files one section each. Sizes are read from the files' headers, so that
a layer's box is true from its first moment; voxels are read through `Reading`, one section after the other.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from wkplug.errors import ShapeMismatchError, UnsupportedImageDataError
from wkplug.ops.importing.axes import Meaning
from wkplug.storage.budget import check_read_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wkplug.abc import Image
    from wkplug.ops.importing.readers import ImageFile

__all__ = ["Reading", "Volume"]


class Volume:
    """Image files as an array with the axes (..., c, x, y, z).

    x and y are the images' columns and rows, exchanged with `swap_xy`. Files that are smaller than the largest
    count as filled up with zeros at their far ends (`mixed_sizes` says whether there are any). `others` are the
    names and lengths of the axes in front. UnsupportedImageDataError if the files don't belong together, TooLargeError
    if a section is more than the memory budget.
    """

    def __init__(self, files: Sequence[ImageFile], *, swap_xy: bool = False) -> None:
        import numpy

        self.files = tuple(files)
        self.swap_xy = swap_xy
        first = self.files[0]
        meaning = Meaning.of(first.info, first.path)
        self.dtype: str = first.info.dtype
        self.num_channels = meaning.num_channels(first.info)
        self.others = meaning.other_lengths(first.info)
        planes = set()
        for file in self.files:
            self._check(file)
            planes.add(Meaning.of(file.info, file.path).plane(file.info))
        self.mixed_sizes = len(planes) > 1
        width, height = (max(lengths) for lengths in zip(*planes, strict=True))
        self.size_x, self.size_y = (height, width) if swap_xy else (width, height)
        self.size_z = len(self.files) if len(self.files) > 1 else meaning.sections(first.info)
        # A section is decoded as a whole: what a header claims must fit before anything is taken.
        itemsize = numpy.dtype(self.dtype).itemsize
        check_read_size((self.num_channels, self.size_x, self.size_y), itemsize, self.path)

    def _check(self, file: ImageFile) -> None:
        """Refuse a file that can't be a section beside the first."""
        first, info = self.files[0], file.info
        meaning = Meaning.of(info, file.path)
        sections = meaning.sections(info)
        if len(self.files) > 1 and sections > 1:
            raise UnsupportedImageDataError(
                f"{file.path} has {sections} sections, but {len(self.files)} files were given for one layer.",
                file.path,
                hint="Import each of these files as a layer of its own.",
            )
        for what, here, there in (
            ("is {}", info.dtype, self.dtype),
            ("has {} channels", meaning.num_channels(info), self.num_channels),
            ("has the further axes {}", meaning.other_lengths(info), self.others),
        ):
            if here != there:
                raise UnsupportedImageDataError(
                    f"{file.path} {what.format(here)}, but {first.path} {what.format(there)}: "
                    "the files of one layer must agree.",
                    file.path,
                    hint="Convert the files to the same kind of image, or import them as layers of their own.",
                )

    @property
    def path(self) -> str:
        """The first file, for messages."""
        return self.files[0].path

    @property
    def is_rgb(self) -> bool:
        """Whether the channels are the red, green and blue (and alpha) of a colour image of 8 bits."""
        rgb = self.files[0].info.photometric == "rgb"
        return rgb and self.dtype == "uint8" and self.num_channels in (3, 4)

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is the opacity of a picture."""
        info = self.files[0].info
        fourth = self.is_rgb and self.num_channels == 4
        return fourth or (len(info.channel_names) == self.num_channels and info.channel_names[-1] == "alpha")

    def open(self, channels: range | None = None) -> Reading:
        """Start reading these channels (all by default); a single file is opened once for the whole run."""
        return Reading(self, range(self.num_channels) if channels is None else channels)


class Reading:
    """Sections of a volume; thread-safe, to be closed. Pickles by opening its file again."""

    def __init__(self, volume: Volume, channels: range) -> None:
        self._volume = volume
        self._channels = channels
        self._image: Image | None = volume.files[0].open() if len(volume.files) == 1 else None
        shared = self._image is None or self._image.thread_safe
        self._turn: Any = nullcontext() if shared else threading.Lock()

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._image is not None:
            self._image.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return (Reading, (self._volume, self._channels))

    def section(self, z: int, others: tuple[int, ...] = ()) -> NDArray[Any]:
        """Give section `z` with the axes (c, x, y), at these places of the volume's other axes; any strides."""
        if self._image is not None:
            with self._turn:
                return self._arranged(self._image, self._volume.files[0], z, others)
        file = self._volume.files[z]
        with file.open() as image:
            return self._arranged(image, file, 0, others)

    def _arranged(self, image: Image, file: ImageFile, z: int, others: tuple[int, ...]) -> NDArray[Any]:
        """Cut a section out of a file and bring its axes in order."""
        import numpy

        info = image.info
        meaning = Meaning.of(info, file.path)
        place = dict(zip(meaning.others, others, strict=True))
        if meaning.z is not None:
            place[meaning.z] = z
        kept = [axis for axis in info.axes if axis in ("x", "y", meaning.channels)]
        start, shape = [], []
        for axis, length in zip(info.axes, info.shape, strict=True):
            if axis == meaning.channels:
                start.append(self._channels.start)
                shape.append(len(self._channels))
            else:
                start.append(place.get(axis, 0))
                shape.append(length if axis in kept else 1)
        data = image.read((tuple(start), tuple(shape)))
        if data.shape != tuple(shape):
            raise ShapeMismatchError(
                f"The reader of {file.path} gave {data.shape} instead of {tuple(shape)}."
            )
        data = data.reshape([length for axis, length in zip(info.axes, shape, strict=True) if axis in kept])
        if meaning.channels is None:
            data, kept = data[None], ["c", *kept]
        plane = ("y", "x") if self._volume.swap_xy else ("x", "y")
        return numpy.transpose(data, [kept.index(axis) for axis in (meaning.channels or "c", *plane)])
