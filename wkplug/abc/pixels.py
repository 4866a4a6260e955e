"""How pictures store their pixels: turned or mirrored, and as inks.

TIFF (tag 274) and EXIF know eight orientations, for cameras that are held sideways and scanners that begin at the far
end; TIFF 6.0, section 8. Readers of both use this, so that they do the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wkplug.abc.arrays import Box

__all__ = ["Orientation", "rgb_of_inks"]

Length = TypeVar("Length")

_SAID = {
    2: "mirrored from left to right",
    3: "turned by 180 degrees",
    4: "mirrored from top to bottom",
    5: "mirrored, with rows and columns exchanged",
    6: "turned by 90 degrees clockwise",
    7: "mirrored and turned, with rows and columns exchanged",
    8: "turned by 90 degrees counterclockwise",
}


def _known(number: int) -> int:
    return number if number in _SAID else 1


@attrs.frozen
class Orientation:
    """One of the eight; what else files write in its place is the first, in which pixels lie as they are seen.

    "Stored" is how pixels lie in the file, "seen" how they are meant to be looked at. All arrays and boxes have the
    same axes, stored and seen, "x" and "y" among them.
    """

    number: int = attrs.field(default=1, converter=_known)

    @property
    def exchanged(self) -> bool:
        """Whether stored rows are seen as columns."""
        return self.number >= 5

    @property
    def note(self) -> str:
        """What is done, as a sentence for `ImageInfo.notes`; empty for the first."""
        said = _SAID.get(self.number)
        return "" if said is None else f"it is {said}, as its orientation tag ({self.number}) asks for"

    def seen_lengths(self, lengths: Sequence[Length], axes: Sequence[str]) -> tuple[Length, ...]:
        """Exchange the lengths (or whatever there is one of for each axis) of x and y where they are exchanged."""
        result = list(lengths)
        if self.exchanged:
            y, x = axes.index("y"), axes.index("x")
            result[y], result[x] = result[x], result[y]
        return tuple(result)

    def stored_box(self, box: Box, shape: Sequence[int], axes: Sequence[str]) -> Box:
        """Where a box of the seen image of that shape lies in the stored one."""
        start, extent = list(box[0]), box[1]
        for axis, mirrored in (("x", self.number in (2, 3, 6, 7)), ("y", self.number in (3, 4, 7, 8))):
            if mirrored:
                at = axes.index(axis)
                start[at] = shape[at] - start[at] - extent[at]
        return self.seen_lengths(start, axes), self.seen_lengths(extent, axes)

    def seen(self, data: NDArray[Any], axes: Sequence[str]) -> NDArray[Any]:
        """Give stored pixels as they are seen, as a view."""
        import numpy

        y, x = axes.index("y"), axes.index("x")
        if self.exchanged:
            data = numpy.swapaxes(data, y, x)
        if self.number in (2, 3, 6, 7):
            data = numpy.flip(data, x)
        return numpy.flip(data, y) if self.number in (3, 4, 7, 8) else data


def rgb_of_inks(inks: NDArray[Any], axis: int) -> NDArray[Any]:
    """Red, green and blue of cyan, magenta, yellow and black (unsigned, 0 is no ink) along an axis.

    Further samples follow as they are. Without a colour profile: each ink takes its part of the light, as in Pillow.
    """
    import numpy

    most = int(numpy.iinfo(inks.dtype).max)
    color, black, more = numpy.split(inks, (3, 4), axis)
    light = most - black.astype(numpy.uint64)
    taken = (color.astype(numpy.uint64) * light + most // 2) // most
    return numpy.concatenate([(light - taken).astype(inks.dtype), more], axis)
