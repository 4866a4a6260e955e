"""`Volume`: image files as one array with the axes of a layer.

One file may hold a whole volume, or many files one section each. Axes are named once, here: samples of a pixel
and channels become c; pages of unknown meaning become z; what is neither x, y, z nor c stays an axis of its own,
in front. Sizes are read from the files' headers before anything is decoded or written, so that a layer's box is
true from its first moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import ShapeMismatchError, UnsupportedImageDataError
from wkplug.ops.importing.readers import open_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wkplug.abc import Image, ImageInfo, Location

__all__ = ["Volume", "sections_of"]

_SAMPLES = "s"


@attrs.frozen
class _Meaning:
    """How the axes of a file become those of a layer."""

    others: tuple[str, ...]
    """Axes of their own, in front."""
    z: str | None
    channels: tuple[str, ...]


def _meaning(info: ImageInfo, path: str) -> _Meaning:
    for axis in ("x", "y"):
        if axis not in info.axes:
            raise UnsupportedImageDataError(
                f"The image {path} has the axes {', '.join(info.axes)}, but no {axis}.",
                path,
                hint="It can't become a layer.",
            )
    channels = tuple(axis for axis in info.axes if axis in ("c", _SAMPLES) and _length(info, axis) > 1)
    if len(channels) > 1:
        raise UnsupportedImageDataError(
            f"The image {path} has both channels and colour samples (axes {', '.join(info.axes)}, shape {info.shape}).",
            path,
            hint="Store either channels or RGB samples, or one file per channel.",
        )
    steps = [
        axis for axis in info.axes if axis not in ("x", "y", "z", "c", _SAMPLES) and _length(info, axis) > 1
    ]
    if "z" in info.axes and (_length(info, "z") > 1 or not steps):
        return _Meaning(tuple(steps), "z", channels)
    if len(steps) == 1:
        return _Meaning((), steps[0], channels)
    if "q" in steps:
        return _Meaning(tuple(axis for axis in steps if axis != "q"), "q", channels)
    return _Meaning(tuple(steps), None, channels)


def _length(info: ImageInfo, axis: str) -> int:
    return info.shape[info.axes.index(axis)]


def sections_of(info: ImageInfo, path: str) -> int:
    """How many sections along z a file has."""
    z = _meaning(info, path).z
    return 1 if z is None else _length(info, z)


class Volume:
    """Image files as an array with the axes (..., c, x, y, z); reads whole sections.

    others: names and lengths of the axes in front. x and y are the image's columns and rows, exchanged with
    `swap_xy`. Files that are smaller than the largest are filled up with zeros at their far ends.
    """

    def __init__(
        self, files: Sequence[Location], *, reader: str | None = None, swap_xy: bool = False
    ) -> None:
        self.files = tuple(files)
        self._reader = reader
        self._swap_xy = swap_xy
        infos = [self._info(location) for location in self.files]
        first = infos[0]
        self.info = first
        meaning = self._meaning = _meaning(first, self.files[0].url)
        for location, info in zip(self.files, infos, strict=True):
            self._check_alike(location, info)
        self.dtype: str = first.dtype
        self.others = {axis: _length(first, axis) for axis in meaning.others}
        self.num_channels = _length(first, meaning.channels[0]) if meaning.channels else 1
        width = max(_length(info, "x") for info in infos)
        height = max(_length(info, "y") for info in infos)
        self.size_x, self.size_y = (height, width) if swap_xy else (width, height)
        per_file = 1 if meaning.z is None else _length(first, meaning.z)
        if len(self.files) > 1 and per_file > 1:
            raise UnsupportedImageDataError(
                f"{self.files[0].url} has {per_file} sections, but {len(self.files)} files were given for one layer.",
                self.files[0].url,
                hint="Import each of these files as a layer of its own.",
            )
        self.size_z = len(self.files) if len(self.files) > 1 else per_file
        self.mixed_sizes = len({(_length(info, "x"), _length(info, "y")) for info in infos}) > 1

    def _info(self, location: Location) -> ImageInfo:
        with open_image(location, reader=self._reader) as image:
            return image.info

    def _check_alike(self, location: Location, info: ImageInfo) -> None:
        first = self.info
        alike = _meaning(info, location.url)
        if info.dtype != first.dtype:
            raise UnsupportedImageDataError(
                f"{location.url} is {info.dtype}, but {self.files[0].url} is "
                f"{first.dtype}: the files of one layer must agree.",
                location.url,
                hint="Convert the files to one dtype, or import them as layers of their own.",
            )
        counts = [
            (_length(item, meaning.channels[0]) if meaning.channels else 1)
            for item, meaning in ((info, alike), (first, self._meaning))
        ]
        if counts[0] != counts[1]:
            raise UnsupportedImageDataError(
                f"{location.url} has {counts[0]} channels, but {self.files[0].url} "
                f"has {counts[1]}: the files of one layer must agree.",
                location.url,
                hint="Convert the files to the same kind of image, or import them as layers of their own.",
            )

    @property
    def is_rgb(self) -> bool:
        """Whether the channels are the red, green and blue (and alpha) of a colour image of 8 bits."""
        return self.info.photometric == "rgb" and self.dtype == "uint8" and self.num_channels in (3, 4)

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The names of the channels as the file has them, () if it has none."""
        names = self.info.channel_names
        return names if len(names) == self.num_channels else ()

    def open(self) -> Reading:
        """Start reading; a single file is opened once for the whole run."""
        return Reading(self)


class Reading:
    """Sections of a volume, for as long as it is open; thread-safe."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        single = len(volume.files) == 1
        self._image: Image | None = open_image(volume.files[0], reader=volume._reader) if single else None

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._image is not None:
            self._image.close()

    def section(self, z: int) -> NDArray[Any]:
        """Give section `z` with the axes (..., c, x, y): all channels, any strides."""
        volume = self._volume
        if self._image is not None:
            return self._arranged(self._image, z)
        with open_image(volume.files[z], reader=volume._reader) as image:
            return self._arranged(image, 0)

    def _arranged(self, image: Image, z: int) -> NDArray[Any]:
        import numpy

        volume, info = self._volume, image.info
        meaning = _meaning(info, volume.files[0].url)
        kept = {*meaning.others, *meaning.channels, "x", "y"}
        start = [z if axis == meaning.z else 0 for axis in info.axes]
        shape = [length if axis in kept else 1 for axis, length in zip(info.axes, info.shape, strict=True)]
        data = image.read((tuple(start), tuple(shape)))
        if data.shape != tuple(shape):
            raise ShapeMismatchError(
                f"The reader of {volume.files[0].url} gave {data.shape} instead of {tuple(shape)}."
            )
        data = data.reshape([n for axis, n in zip(info.axes, shape, strict=True) if axis in kept])
        axes = [axis for axis in info.axes if axis in kept]
        if not meaning.channels:
            data, axes = data[None], ["c", *axes]
        channel = meaning.channels[0] if meaning.channels else "c"
        plane = ("y", "x") if volume._swap_xy else ("x", "y")
        return numpy.transpose(data, [axes.index(axis) for axis in (*meaning.others, channel, *plane)])
