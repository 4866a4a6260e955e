"""`Volume`: image files as one array with the axes of a layer.

Files name their axes by letters (see `wkplug.abc.ImageInfo`): x, y, z, t and c as usual, s for the samples of a
pixel, q for pages of unknown meaning. A layer has x, y, z and channels, and may have further axes in front;
`AxisRoles` says how the ones become the others. One file may hold a whole volume, or many files one section each.
Sizes are read from the files' headers, so that a layer's box is true from its first moment; voxels are read through
`Reading`, region by region.

Pictures are read as they are meant to be looked at (`as_shown`): indices into a palette become colours, 0 becomes
black where it is white, and values of less than 8 bits are scaled. Labels never are: their stored values are what
they mean.
"""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.abc import Box, Image, ImageInfo
from wkplug.errors import (
    CorruptImageError,
    InvalidArgumentError,
    ShapeMismatchError,
    UnsupportedImageDataError,
)
from wkplug.notices import counted
from wkplug.ops.importing.readers import ImageFile, Source
from wkplug.ops.importing.report import ImportNote
from wkplug.storage.budget import check_read_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "EVERYTHING",
    "AxisRoles",
    "Part",
    "Reading",
    "ShownFile",
    "Span",
    "Volume",
    "as_shown",
    "has_alpha",
]


_SAMPLES = "s"


def has_alpha(info: ImageInfo, num_channels: int) -> bool:
    """Whether the last of the channels is the opacity of a picture; names say it, or four samples of 8 bits."""
    if len(info.channel_names) == num_channels:
        return info.channel_names[-1] == "alpha"
    return info.photometric == "rgb" and info.dtype == "uint8" and num_channels == 4


@attrs.frozen
class Part:
    """Which part of every file is wanted: one time point, one channel of the instrument, a resolution of its own.

    timepoint, channel: places along t and c, None for all. level: 0 is the finest resolution. Axes that are fixed
    here are gone: what is left decides what becomes z and channels.
    """

    timepoint: int | None = None
    channel: int | None = None
    level: int = 0

    def fixed(self, info: ImageInfo, path: str) -> dict[str, int]:
        """Give the fixed axes that the file has, and their places; InvalidArgumentError if they lie outside."""
        wanted = {"t": ("timepoint", self.timepoint), "c": ("czi_channel", self.channel)}
        found: dict[str, int] = {}
        for axis, (name, place) in wanted.items():
            if place is None:
                continue
            length = info.shape[info.axes.index(axis)] if axis in info.axes else 1
            if not 0 <= place < length:
                raise InvalidArgumentError(
                    f"{name} is {place}, but {path} has {length} of them.",
                    hint=f"They count from 0 to {length - 1}." if length > 1 else f"Leave {name}=... out.",
                )
            if axis in info.axes:
                found[axis] = place
        return found

    def shape(self, info: ImageInfo, path: str) -> tuple[int, ...]:
        """The shape of the wanted resolution; InvalidArgumentError if the file doesn't have it."""
        if self.level == 0:
            return info.shape
        if not 0 < self.level < min(info.levels, len(info.level_shapes)):
            raise InvalidArgumentError(
                f"scale is {self.level}, but {path} has {info.levels} resolutions.",
                hint=f"They count from 0 (the finest) to {info.levels - 1}.",
            )
        return info.level_shapes[self.level]


EVERYTHING = Part()


@attrs.frozen
class AxisRoles:
    """How the axes of one file become those of a layer; axes of length 1 that mean nothing are dropped.

    lengths: of the file's axes. z: the axis that becomes z, None if it has one section. channels: the axis that
    becomes c, None for a single channel. others: axes that stay axes of their own, time first. fixed: those of
    which one place is wanted.
    """

    lengths: dict[str, int]
    z: str | None
    channels: str | None
    others: tuple[str, ...]
    fixed: dict[str, int]

    @classmethod
    def of(cls, info: ImageInfo, path: str, part: Part = EVERYTHING, *, exact: bool = False) -> AxisRoles:
        """Interpret a file; UnsupportedImageDataError if it has no x or y.

        A file with channels and with samples keeps its samples as an axis of their own. Without a z axis, the
        only axis that is left becomes z, or else the pages of unknown meaning; unless the names are exact, as in
        containers, where time is never anything else.
        """
        for axis in ("x", "y"):
            if axis not in info.axes:
                raise UnsupportedImageDataError(
                    f"The image {path} has the axes {', '.join(info.axes)}, but no {axis}.",
                    path,
                    hint="It can't become a layer.",
                )
        fixed = part.fixed(info, path)
        lengths = dict(zip(info.axes, part.shape(info, path), strict=True))
        long = {axis for axis, length in lengths.items() if length > 1 and axis not in fixed}
        channels = "c" if "c" in long else _SAMPLES if _SAMPLES in long else None
        steps = [axis for axis in info.axes if axis in long and axis not in ("x", "y", "z", channels)]
        z: str | None = None
        if "z" in long:
            z = "z"
        elif len(steps) == 1 and steps[0] != _SAMPLES and not exact:
            z = steps[0]
        elif "q" in steps:
            z = "q"
        others = sorted((axis for axis in steps if axis != z), key=lambda axis: axis != "t")
        return cls(lengths, z, channels, tuple(others), fixed)

    @property
    def sections(self) -> int:
        """How many sections along z the file has."""
        return self._length(self.z)

    @property
    def num_channels(self) -> int:
        """How many channels the file has."""
        return self._length(self.channels)

    @property
    def other_lengths(self) -> dict[str, int]:
        """The axes in front and their lengths."""
        return {axis: self._length(axis) for axis in self.others}

    @property
    def plane(self) -> tuple[int, int]:
        """Columns and rows of the image (its x and y), in pixels."""
        return self.lengths["x"], self.lengths["y"]

    def block(self, info: ImageInfo) -> tuple[int, int, int]:
        """What is decoded as one along x, y and z, in pixels; a whole section where the reader doesn't say."""
        blocks = dict(zip(info.axes, info.block_shape, strict=False)) if info.block_shape else {}
        width, height = self.plane
        depth = 1 if self.z is None else max(1, blocks.get(self.z, 1))
        return (
            min(width, max(1, blocks.get("x", width))),
            min(height, max(1, blocks.get("y", height))),
            min(self.sections, depth),
        )

    def _length(self, axis: str | None) -> int:
        return 1 if axis is None else self.lengths[axis]


# --- volumes ----------------------------------------------------------------------------------------------


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
        roles = self.roles(first)
        self.dtype: str = first.info.dtype
        self.num_channels = roles.num_channels
        self.others = roles.other_lengths
        planes, blocks = set(), set()
        # Files that were taken to be alike have one description, and are looked at once.
        for file in {id(file.info): file for file in self.files}.values():
            self._check(file, roles)
            own = self.roles(file)
            planes.add(own.plane)
            blocks.add(own.block(file.info))
        width, height = (max(lengths) for lengths in zip(*planes, strict=True))
        self.smaller_files: tuple[str, ...] = ()
        if len(planes) > 1:
            whole = (width, height)
            self.smaller_files = tuple(file.path for file in self.files if self.roles(file).plane != whole)
        self.size_x, self.size_y = (height, width) if swap_xy else (width, height)
        across, down, deep = (max(lengths) for lengths in zip(*blocks, strict=True))
        self.block = (down, across, deep) if swap_xy else (across, down, deep)
        self._file_of = dict(zip(places or range(len(self.files)), self.files, strict=True))
        self.size_z = max(self._file_of) + 1 if len(self.files) > 1 else roles.sections
        self.source_bytes = numpy.dtype(self.dtype).itemsize
        # A block is decoded as a whole: what a header claims must fit before anything is taken.
        check_read_size((self.num_channels, *self.block), self.source_bytes, self.path)

    def as_shown(self) -> Volume:
        """The volume with the values of its images as they are meant to be looked at, see `shown`."""
        files = [as_shown(file) for file in self.files]
        if all(shown is file for shown, file in zip(files, self.files, strict=True)):
            return self
        return Volume(files, swap_xy=self.swap_xy, places=tuple(self._file_of), part=self.part)

    def _check(self, file: Source, expected: AxisRoles) -> None:
        """Refuse a file that can't be a section beside the first."""
        first, info = self.files[0], file.info
        roles = self.roles(file)
        if len(self.files) > 1 and roles.sections > 1:
            raise UnsupportedImageDataError(
                f"{file.path} has {roles.sections} sections, but {len(self.files)} files were given for one layer.",
                file.path,
                hint="Import each of these files as a layer of its own, as "
                'map_filepath_to_layer_name="inspect_every_file" does.',
            )
        for what, here, there in (
            ("is {}", info.dtype, self.dtype),
            ("has {} channels", roles.num_channels, expected.num_channels),
            ("has the further axes {}", roles.other_lengths, expected.other_lengths),
        ):
            if here != there:
                raise UnsupportedImageDataError(
                    f"{file.path} {what.format(here)}, but {first.path} {what.format(there)}: "
                    "the files of one layer must agree.",
                    file.path,
                    hint="Convert the files to the same kind of image, or import each as a layer of its own, as "
                    'map_filepath_to_layer_name="enforce_layer_per_file" does.',
                )

    def roles(self, file: Source) -> AxisRoles:
        """What the axes of one of the files mean."""
        return AxisRoles.of(file.info, file.path, self.part, exact=file.exact)

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
        roles = AxisRoles.of(info, file.path, volume.part, exact=file.exact)
        width, height = roles.plane
        columns, rows = (y, x) if volume.swap_xy else (x, y)
        wanted = {
            "x": (min(columns[0], width), min(columns[1], width)),
            "y": (min(rows[0], height), min(rows[1], height)),
        }
        wanted.update({axis: (place, place + 1) for axis, place in roles.fixed.items()})
        for axis, place in zip(roles.others, others, strict=True):
            wanted[axis] = (place, place + 1)
        if roles.z is not None:
            wanted[roles.z] = z
        if roles.channels is not None:
            wanted[roles.channels] = (self._channels.start, self._channels.stop)
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
        axes = ("c" if roles.channels is None else roles.channels, "x", "y", roles.z or "z")
        kept = [axis for axis in info.axes if axis in axes]
        data = data.reshape([length for axis, length in zip(info.axes, shape, strict=True) if axis in kept])
        for axis in axes:
            if axis not in kept:
                data, kept = data[..., None], [*kept, axis]
        plane = ("y", "x") if volume.swap_xy else ("x", "y")
        return numpy.transpose(data, [kept.index(axis) for axis in (axes[0], *plane, axes[3])])


# --- pictures as they are meant to be looked at -----------------------------------------------------------


_COLORS = ("red", "green", "blue", "alpha")


def as_shown(file: Source) -> Source:
    """Give the file as it is to be shown; itself if its values are that already."""
    return ShownFile(file) if isinstance(file, ImageFile) and _conversions(file.info) else file


def _conversions(info: ImageInfo) -> list[str]:
    """What is done to the values, in words."""
    if info.palette:
        return ["the colours of its palette are applied"]
    if _most(info) == 0:
        return []
    texts = ["its values are inverted, so that 0 is black"] if info.photometric == "miniswhite" else []
    if info.bits is not None and info.bits < 8:
        texts.append(f"its values of {counted(info.bits, 'bit')} are scaled to 8 bits")
    return texts


def _most(info: ImageInfo) -> int:
    """The largest value that can be stored; 0 where that says nothing about brightness."""
    import numpy

    dtype = numpy.dtype(info.dtype)
    if dtype.kind != "u":
        return 0
    return int(2**info.bits - 1) if info.bits else int(numpy.iinfo(dtype).max)


class ShownFile(ImageFile):
    """An image file, shown."""

    def __init__(self, file: ImageFile) -> None:
        self.__dict__.update({key: value for key, value in vars(file).items() if key != "info"})
        self._file = file

    @cached_property
    def info(self) -> ImageInfo:
        """See `Source.info`: of what is shown."""
        info = self._file.info
        texts = tuple(ImportNote(kind="cast", text=text, sources=(self.path,)) for text in _conversions(info))
        self.notes = (*self._file.notes, *texts)
        if not info.palette:
            return attrs.evolve(
                info, photometric="minisblack", bits=None if _scaled(info) else info.bits, channel_ranges=()
            )
        samples = len(info.palette[0])
        return attrs.evolve(
            info,
            axes=(*info.axes, "s"),
            shape=(*info.shape, samples),
            level_shapes=tuple((*shape, samples) for shape in info.level_shapes),
            block_shape=(*(info.block_shape or info.shape), samples),
            dtype="uint8",
            photometric="rgb",
            palette=(),
            bits=None,
            channel_names=_COLORS if samples == 4 else (),
            channel_colors=(),
            channel_ranges=(),
        )

    def open(self) -> Image:
        """See `Source.open`."""
        return _ShownImage(self._file.open(), self.info, self.path)

    def close(self, image: Image) -> None:
        """See `ImageFile.close`."""
        self._file.close(image.stored if isinstance(image, _ShownImage) else image)

    def __reduce__(self) -> tuple[Any, ...]:
        return (ShownFile, (self._file,))


def _scaled(info: ImageInfo) -> bool:
    return info.bits is not None and info.bits < 8


class _ShownImage(Image):
    """An opened image whose values are converted as they are read."""

    def __init__(self, stored: Image, info: ImageInfo, path: str) -> None:
        self.stored, self.info, self.path = stored, info, path
        self.thread_safe = stored.thread_safe

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        import numpy

        info = self.stored.info
        if not info.palette:
            values = self.stored.read(box, level=level)
            if info.photometric == "miniswhite":
                values = values.dtype.type(_most(info)) - values
            if not _scaled(info):
                return values
            return (values.astype(numpy.uint16) * 255 // _most(info)).astype(numpy.uint8)
        inner = None if box is None else (box[0][:-1], box[1][:-1])
        indices = self.stored.read(inner, level=level)
        table = numpy.array(info.palette, numpy.uint8)
        if indices.size and (indices.max() >= len(table) or indices.min() < 0):
            raise CorruptImageError(
                f"{self.path} has the value {indices.max()}, but its palette has {len(table)} colours.",
                self.path,
                hint="The file is damaged; or import it as a segmentation, which keeps the values.",
            )
        if box is not None:
            table = table[:, box[0][-1] : box[0][-1] + box[1][-1]]
        colors: NDArray[Any] = table[indices]
        return colors

    def close(self) -> None:
        """See `Image.close`."""
        self.stored.close()
