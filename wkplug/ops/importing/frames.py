"""`Frames`: an opened `pims.FramesSequence` as a source of images, for scripts that pass one as `images`.

Nothing of pims is imported: whatever has its protocol will do (`frame_shape`, `pixel_type`, a length, frames by
number; with `sizes`, `iter_axes` and `bundle_axes` where frames have named axes). Frames are read one at a time,
because nobody promises that such a reader is thread-safe, and the object stays the caller's: it isn't closed here.
"""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wkplug.abc import Image, ImageInfo
from wkplug.errors import UnsupportedImageDataError, UnsupportedOperationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import Box
    from wkplug.ops.importing.report import ImportNote

__all__ = ["Frames", "is_frames"]

_MOST_SAMPLES = 4


def is_frames(images: Any) -> bool:
    """Whether an object has the protocol of a `pims.FramesSequence`."""
    wanted = ("frame_shape", "pixel_type", "__len__", "__getitem__")
    return not isinstance(images, (str, bytes)) and all(hasattr(images, name) for name in wanted)


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
