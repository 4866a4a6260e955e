"""What the axes of an image file mean for a layer.

Files name their axes by letters (see `wkplug.abc.ImageInfo`): x, y, z, t and c as usual, s for the samples of a
pixel, q for pages of unknown meaning. A layer has x, y, z and channels, and may have further axes in front.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from wkplug.errors import InvalidArgumentError, UnsupportedImageDataError

if TYPE_CHECKING:
    from wkplug.abc import ImageInfo

__all__ = ["EVERYTHING", "Meaning", "Part", "has_alpha"]

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
class Meaning:
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
    def of(cls, info: ImageInfo, path: str, part: Part = EVERYTHING, *, exact: bool = False) -> Meaning:
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
