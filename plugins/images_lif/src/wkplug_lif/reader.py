"""Leica LIF files through liffile: each image of the file is a scene.

Axes are the dimensions that the file names, those of length 1 left out; rotations, loops and the like keep their
letters, emission and excitation wavelengths are words. LIF doesn't compress, and only the frames that a region
touches are read. A place that is no local path is read by ranges.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import Image, ImageInfo, ImageReader, ProbeScore
from wkplug.abc.files import check_scene, corrupt_image, held_dtype, image_errors, path_or_file
from wkplug.abc.images import PickleByReopening
from wkplug_lif.metadata import channel_colors, channel_names, channel_ranges, voxel_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["LifImage", "LifReader"]

_WORDS = {"λ": "emission", "Λ": "excitation"}


class LifReader(ImageReader):
    """Opens LIF files."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`: the first bytes, the mark in front of the text, and that it is XML in UTF-16."""
        del location
        start = head[:4] == b"\x70\0\0\0" and head[8:9] == b"\x2a" and head[13:15] == b"<\0"
        return ProbeScore.MAGIC if start else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> LifImage:
        """See `ImageReader.open`."""
        return LifImage(self, location, scene)


class LifImage(PickleByReopening, Image):
    """One image of a LIF file."""

    thread_safe = True  # by its lock: the file has one position

    def __init__(self, reader: LifReader, location: Location, scene: int = 0) -> None:
        super().__init__(reader, location, scene)
        self._lock = threading.Lock()
        self._file: Any = None
        self._source: Any = None
        try:
            with image_errors(location, "LIF"):
                self.info = self._describe(self._opened())
        except BaseException:
            self.close()
            raise

    def _opened(self) -> Any:
        """Give the image, its file opened if it isn't."""
        import liffile

        if self._file is None:
            self._source = path_or_file(self.location)
            self._file = liffile.LifFile(self._source)
            count = len(self._file.images)
            if not count:
                raise corrupt_image(self.location, "LIF", "it holds no image")
            check_scene(self.location, self.scene, count)
            self._image = self._file.images[self.scene]
        return self._image

    def _describe(self, image: Any) -> ImageInfo:
        dtype = np.dtype(image.dtype)
        held, notes = held_dtype(self.location, dtype)
        if image.memory_block.size < image.nbytes:
            raise corrupt_image(self.location, "LIF", "its image is larger than its data")
        dims = tuple(image.dims)
        axes = tuple(_WORDS.get(dim, dim.lower()) for dim in dims)
        shape = tuple(int(length) for length in image.shape)
        # A frame is what lies together; if it isn't made of the last axes, the image is read as a whole.
        frame = () if image.is_flim else tuple(image.frames.frame_dims)
        self._lead = len(dims) - len(frame) if frame and dims[-len(frame) :] == frame else 0
        self._dims = dims
        sizes = dict(zip(dims, shape, strict=True))
        if "M" in dims:
            notes = (*notes, "The tiles of this mosaic are an axis (m); they are not put together.")
        channels = sizes.get("C", 1)
        return ImageInfo(
            axes=axes,
            shape=shape,
            dtype=held,
            voxel_size=voxel_size(image.xml_element),
            photometric="rgb" if sizes.get("S") == 3 else "",
            channel_names=channel_names(image.xml_element, channels) if "S" not in sizes else (),
            channel_colors=channel_colors(image.xml_element, channels) if "S" not in sizes else (),
            channel_ranges=channel_ranges(image.xml_element, channels) if "S" not in sizes else (),
            level_shapes=(shape,),
            scenes=tuple(str(each.path) for each in self._file.images) if len(self._file.images) > 1 else (),
            block_shape=(*(1 for _ in range(self._lead)), *shape[self._lead :]),
            details={"kind": "FLIM" if image.is_flim else "LIF"},
            notes=notes,
        )

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        del level
        shape = self.info.shape
        start, extent = box if box is not None else ((0,) * len(shape), shape)
        region = tuple(slice(low, low + n) for low, n in zip(start, extent, strict=True))
        lead = self._lead
        with self._lock, image_errors(self.location, "LIF"):
            image = self._opened()
            if not lead:
                return np.array(image.asarray()[region], self.info.dtype)
            result = np.empty(extent, self.info.dtype)
            for index in np.ndindex(*extent[:lead]):
                place = {
                    dim: low + offset
                    for dim, low, offset in zip(self._dims, start, index, strict=False)
                }  # fmt: skip
                result[index] = image.frame(**place)[region[lead:]]
            return result

    def close(self) -> None:
        """See `Image.close`; reading opens the file again."""
        with self._lock:
            file, self._file, self._image = self._file, None, None
            source, self._source = self._source, None
        if file is not None:
            with suppress(Exception):  # nothing was written
                file.close()
        if source is not None and not isinstance(source, str):
            source.close()
