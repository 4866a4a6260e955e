"""Leica LIF files through liffile: each image of the file is a scene.

Axes are the dimensions that the file names, those of length 1 left out; rotations, loops and the like keep their
letters, emission and excitation wavelengths are words. LIF doesn't compress, and only the frames that a region
touches are read. A place that is no local path is read by ranges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import ImageInfo, ImageReader, ProbeScore, StoredImage
from wkplug.abc.files import check_scene, corrupt_image, held_dtype
from wkplug.abc.images import by_frames, region_of
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


class LifImage(StoredImage):
    """One image of a LIF file."""

    what = "LIF"

    def open_file(self) -> Any:
        """Open the file."""
        import liffile

        file = liffile.LifFile(self.source())
        self.closing.callback(file.close)
        count = len(file.images)
        if not count:
            raise corrupt_image(self.location, self.what, "it holds no image")
        check_scene(self.location, self.scene, count)
        return file

    def describe(self, file: Any) -> ImageInfo:
        """Say what the image is."""
        image = file.images[self.scene]
        dtype = np.dtype(image.dtype)
        held, notes = held_dtype(self.location, dtype)
        if image.memory_block.size < image.nbytes:
            raise corrupt_image(self.location, self.what, "its image is larger than its data")
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
            scenes=tuple(str(each.path) for each in file.images) if len(file.images) > 1 else (),
            block_shape=(*(1 for _ in range(self._lead)), *shape[self._lead :]),
            details={"kind": "FLIM" if image.is_flim else "LIF"},
            notes=notes,
        )

    def read_box(self, file: Any, box: Box, level: int) -> NDArray[Any]:
        """Read the frames that a region touches."""
        del level
        image = file.images[self.scene]
        if not self._lead:
            return np.array(image.asarray()[region_of(box)], self.info.dtype)
        dims = self._dims[: self._lead]
        return by_frames(
            box,
            self._lead,
            self.info.dtype,
            lambda place, region: image.frame(**dict(zip(dims, place, strict=True)))[region],
        )
