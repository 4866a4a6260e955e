"""What the axes of an image file mean for a layer.

Files name their axes by letters (see `wkplug.abc.ImageInfo`): x, y, z, t and c as usual, s for the samples of a
pixel, q for pages of unknown meaning. A layer has x, y, z and channels, and may have further axes in front.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from wkplug.errors import UnsupportedImageDataError

if TYPE_CHECKING:
    from wkplug.abc import ImageInfo

__all__ = ["Meaning"]

_SAMPLES = "s"


@attrs.frozen
class Meaning:
    """How the axes of one file become those of a layer; axes of length 1 that mean nothing are dropped.

    z: the file's axis that becomes z, None if it has one section. channels: the axis that becomes c, None for a
    single channel. others: axes that stay axes of their own, time first.
    """

    z: str | None
    channels: str | None
    others: tuple[str, ...]

    @classmethod
    def of(cls, info: ImageInfo, path: str) -> Meaning:
        """Interpret a file; UnsupportedImageDataError if it has no x or y.

        A file with channels and with samples keeps its samples as an axis of their own. Without a z axis, the
        only axis that is left becomes z, or else the pages of unknown meaning.
        """
        for axis in ("x", "y"):
            if axis not in info.axes:
                raise UnsupportedImageDataError(
                    f"The image {path} has the axes {', '.join(info.axes)}, but no {axis}.",
                    path,
                    hint="It can't become a layer.",
                )
        long = {axis for axis, length in zip(info.axes, info.shape, strict=True) if length > 1}
        channels = "c" if "c" in long else _SAMPLES if _SAMPLES in long else None
        steps = [axis for axis in info.axes if axis in long and axis not in ("x", "y", "z", channels)]
        z: str | None = None
        if "z" in long:
            z = "z"
        elif len(steps) == 1 and steps[0] != _SAMPLES:
            z = steps[0]
        elif "q" in steps:
            z = "q"
        others = sorted((axis for axis in steps if axis != z), key=lambda axis: axis != "t")
        return cls(z, channels, tuple(others))

    def sections(self, info: ImageInfo) -> int:
        """How many sections along z the file has."""
        return _length(info, self.z)

    def num_channels(self, info: ImageInfo) -> int:
        """How many channels the file has."""
        return _length(info, self.channels)

    def other_lengths(self, info: ImageInfo) -> dict[str, int]:
        """The axes in front and their lengths."""
        return {axis: _length(info, axis) for axis in self.others}

    def plane(self, info: ImageInfo) -> tuple[int, int]:
        """Columns and rows of the image (its x and y), in pixels."""
        return _length(info, "x"), _length(info, "y")


def _length(info: ImageInfo, axis: str | None) -> int:
    return 1 if axis is None else info.shape[info.axes.index(axis)]
