"""`FramesImage`: a sequence of frames as one image.

Nothing of pims is imported here: whatever has its protocol will do, that is a length, frames by number and, where
frames have named axes, `sizes`, `bundle_axes` and `iter_axes`. Scripts that have opened a sequence themselves
may wrap it: `FramesImage(sequence)` is a `wkplug.abc.Image`. It stays theirs: closing the image leaves it open.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import Image, ImageInfo
from wkplug.abc.files import held_dtype
from wkplug.abc.images import by_frames
from wkplug.errors import UnsupportedImageDataError, UnsupportedOperationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import Box

__all__ = ["FramesImage"]

_MOST_SAMPLES = 4
_MICROMETRES = ("pixel_microns", "mpp")  # what readers of pims call the size of a pixel
_NO_NOTES: tuple[str, ...] = ()


class FramesImage(Image):
    """The frames of a sequence, read one at a time.

    With named axes: those that change from frame to frame, then c, y and x. Without, frames are pages of unknown
    meaning ("q"), (y, x) or (y, x, s) each; a frame of three long axes is a volume (z, y, x). UnsupportedImageDataError
    for frames of any other shape.
    """

    thread_safe = True  # by its lock: nobody promises that a sequence is

    def __init__(self, sequence: Any, name: str = "") -> None:
        self._sequence = sequence
        self._lock = threading.Lock()
        self._name = name or str(getattr(sequence, "filename", "") or type(sequence).__name__)
        self._named = bool(getattr(sequence, "sizes", None)) and hasattr(sequence, "bundle_axes")
        if self._named:
            sizes = {str(axis): int(length) for axis, length in sequence.sizes.items()}
            self._frame_axes: list[str] = [axis for axis in ("c", "y", "x") if axis in sizes]
            self._steps = [axis for axis in sizes if axis not in self._frame_axes]
            axes = (*self._steps, *self._frame_axes)
            shape = tuple(sizes[axis] for axis in axes)
            dtype = np.dtype(sequence.pixel_type)
            notes = _NO_NOTES
        else:
            # What sequences say about their frames is not always true (some give width before height).
            first = np.asarray(sequence[0])
            self._steps, self._frame_axes = ["q"], self._axes_of(first)
            axes = (*self._steps, *self._frame_axes)
            shape, dtype = (len(sequence), *first.shape), first.dtype
            notes = (
                "Nobody says what the frames are; as long as there is no z, they are taken for sections.",
            )
        held, widened = held_dtype(self._name, dtype, "frames")
        size = _pixel_size(sequence)
        self.info = ImageInfo(
            axes=axes,
            shape=shape,
            dtype=held,
            voxel_size=(size, size, None),
            photometric="rgb" if axes[-1] == "s" and shape[-1] > 2 else "",
            level_shapes=(shape,),
            block_shape=(*(1 for _ in self._steps), *shape[len(self._steps) :]),
            details={"reader": f"{type(sequence).__module__}.{type(sequence).__qualname__}"},
            notes=(*notes, *widened),
        )

    def _axes_of(self, frame: NDArray[Any]) -> list[str]:
        if frame.ndim == 2:
            return ["y", "x"]
        if frame.ndim == 3:
            return ["y", "x", "s"] if frame.shape[-1] <= _MOST_SAMPLES else ["z", "y", "x"]
        raise UnsupportedImageDataError(
            f"The frames of {self._name} have the shape {frame.shape}, of which nobody says what it means.",
            self._name,
            hint="Give frames of the shape (y, x) or (y, x, colours), or a sequence with named axes.",
        )

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`: the frames that the region touches are read, one after the other."""
        del level
        shape = self.info.shape
        lead = len(self._steps)

        def frame(place: tuple[int, ...], region: tuple[slice, ...]) -> NDArray[Any]:
            number = int(np.ravel_multi_index(place, shape[:lead])) if lead else 0
            pixels = np.asarray(self._sequence[number])
            if pixels.shape != shape[lead:]:
                raise UnsupportedImageDataError(
                    f"Frame {number} of {self._name} has the shape {pixels.shape}, the first {shape[lead:]}.",
                    self._name,
                    hint="Frames of one image must have one size.",
                )
            return pixels[region]

        with self._lock:
            before = (self._sequence.bundle_axes, self._sequence.iter_axes) if self._named else None
            if before is not None:
                self._sequence.bundle_axes, self._sequence.iter_axes = self._frame_axes, self._steps
            try:
                return by_frames(box or self.info.box(), lead, self.info.dtype, frame)
            finally:
                if before is not None:
                    self._sequence.bundle_axes, self._sequence.iter_axes = before

    def __reduce__(self) -> tuple[Any, ...]:
        raise UnsupportedOperationError(
            "A sequence of frames can't be sent to another process.",
            hint='Use threads (executor="threads"), or give the path of the file instead.',
        )


def _pixel_size(sequence: Any) -> float | None:
    """Give nanometres per pixel along x and y, from where readers of pims have agreed to keep it."""
    metadata = getattr(sequence, "metadata", None)
    if not isinstance(metadata, dict):
        return None
    for name in _MICROMETRES:
        value = metadata.get(name)
        if isinstance(value, (int, float)) and 0 < value < float("inf"):
            return float(value) * 1e3
    return None
