"""Nikon ND2 files through nd2: each stage position is a scene.

Axes are the loops of the experiment in the file's order, then c, y, x and s, those of length 1 left out. A frame (all
channels of one moment and place) is decoded as one. The library gives zeros for frames that the file hasn't;
here they are an error. A place that is no local path is read by ranges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import ImageInfo, ImageReader, ProbeScore, StoredImage
from wkplug.abc.files import check_scene, corrupt_image, held_dtype
from wkplug.abc.images import by_frames, distinct_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["Nd2Image", "Nd2Reader"]

_MAGIC = b"\xda\xce\xbe\x0a"
_LEGACY = b"\x00\x00\x00\x0cjP  \r\n\x87\x0a"  # the first version is a JPEG 2000 file
_POSITION = "P"
_FRAME = "CYXS"


class Nd2Reader(ImageReader):
    """Opens ND2 files."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`."""
        if head.startswith(_MAGIC):
            return ProbeScore.MAGIC
        named = location.name.lower().endswith(".nd2")
        return ProbeScore.SUFFIX if named and head.startswith(_LEGACY) else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> Nd2Image:
        """See `ImageReader.open`."""
        return Nd2Image(self, location, scene)


class Nd2Image(StoredImage):
    """One stage position of an ND2 file."""

    what = "ND2"
    quiet = True

    def open_file(self) -> Any:
        """Open the file."""
        import nd2

        file = nd2.ND2File(self.source())
        self.closing.callback(file.close)
        return file

    def describe(self, file: Any) -> ImageInfo:
        """Say what the image is."""
        sizes = {str(axis): int(length) for axis, length in file.sizes.items()}
        positions = sizes.get(_POSITION, 1)
        check_scene(self.location, self.scene, positions)
        dtype = np.dtype(file.dtype)
        held, widened = held_dtype(self.location, dtype)
        self._loops = [axis for axis in sizes if axis not in _FRAME and axis != _POSITION]
        # A channel that is a loop of the experiment, too, lies in the frame nevertheless.
        frame = [axis for axis in _FRAME if axis in sizes]
        self._order = [axis for axis in sizes if axis not in _FRAME]
        self._lengths = tuple(sizes[axis] for axis in self._order)
        shape = (*(sizes[axis] for axis in self._loops), *(sizes[axis] for axis in frame))
        if min(shape) <= 0:
            raise corrupt_image(self.location, self.what, f"its header claims the shape {shape}")
        names, colors, size, notes = _described(file)
        count = sizes.get("C", 1)
        return ImageInfo(
            axes=tuple(axis.lower() for axis in (*self._loops, *frame)),
            shape=shape,
            dtype=held,
            voxel_size=size,
            photometric="rgb" if sizes.get("S") == 3 else "",
            channel_names=names if len(names) == count and any(names) and "S" not in sizes else (),
            channel_colors=colors if len(colors) == count and "S" not in sizes else (),
            level_shapes=(shape,),
            scenes=_names(file, positions) if positions > 1 else (),
            block_shape=(*(1 for _ in self._loops), *(sizes[axis] for axis in frame)),
            details={"version": ".".join(str(part) for part in file.version)},
            notes=(*widened, *notes),
        )

    def read_box(self, file: Any, box: Box, level: int) -> NDArray[Any]:
        """Read the frames that a region touches."""
        del level
        lead = len(self._loops)
        shape = self.info.shape[lead:]

        def frame(place: tuple[int, ...], region: tuple[slice, ...]) -> Any:
            known = {**dict(zip(self._loops, place, strict=True)), _POSITION: self.scene}
            indices = tuple(known[axis] for axis in self._order)
            number = int(np.ravel_multi_index(indices, self._lengths)) if indices else 0
            self._check_frame(file, number)
            return file.read_frame(number).reshape(shape)[region]

        return by_frames(box, lead, self.info.dtype, frame)

    def _check_frame(self, file: Any, number: int) -> None:
        """Refuse a frame that the file hasn't, for which the library would give zeros."""
        offsets = getattr(getattr(file, "_rdr", None), "_frame_offsets", None)
        if not isinstance(offsets, dict):
            return  # the first version, which has no such table
        if number not in offsets:
            raise corrupt_image(self.location, self.what, f"frame {number} is missing")
        attributes = file.attributes
        packed = attributes.compressionType == "lossless"
        stop = offsets[number] + (0 if packed else (attributes.widthBytes or 0) * attributes.heightPx)
        if stop > self.location.size():
            raise corrupt_image(
                self.location, self.what, f"frame {number} reaches beyond the end of the file"
            )


def _described(file: Any) -> tuple[Any, Any, Any, tuple[str, ...]]:
    """Names and colours of channels, the voxel size, and a note if the library can't make sense of the metadata."""
    try:
        return (*_channels(file), _voxel_size(file), ())
    except Exception as error:  # noqa: BLE001  # voxels don't depend on what microscopes write about lenses
        return (
            (),
            (),
            (None, None, None),
            (f"Its metadata can't be understood: {error or type(error).__name__}",),
        )


def _voxel_size(file: Any) -> tuple[float | None, float | None, float | None]:
    """Nanometres along x, y, z, of the axes that were calibrated; the library would say 1 of others."""
    channels = getattr(file.metadata, "channels", None) or []
    volume = getattr(channels[0], "volume", None) if channels else None
    if volume is None:
        return (None, None, None)
    pairs = zip(volume.axesCalibrated, volume.axesCalibration, strict=True)
    found = [float(size) * 1e3 if known and size and size > 0 else None for known, size in pairs]
    return found[0], found[1], found[2]


def _channels(file: Any) -> tuple[tuple[str, ...], tuple[tuple[int, int, int] | None, ...]]:
    """The names of the channels, and their colours."""
    channels = [each.channel for each in getattr(file.metadata, "channels", None) or []]
    colors = []
    for channel in channels:
        color = getattr(channel, "color", None)
        colors.append(None if color is None else (int(color.r), int(color.g), int(color.b)))
    return tuple(str(channel.name or "") for channel in channels), tuple(colors)


def _names(file: Any, count: int) -> tuple[str, ...]:
    """A name for each position; its number where it has none."""
    names: list[str] = []
    for loop in file.experiment:
        if getattr(loop, "type", "") == "XYPosLoop":
            names = [str(point.name or "") for point in loop.parameters.points]
    names += [""] * (count - len(names))
    return distinct_names([name or f"position {number}" for number, name in enumerate(names[:count])])
