"""DICOM images: one file, of one frame or many. Uncompressed frames are one plain array; others are decoded one by one.

Axes are (y, x), colours (y, x, s) or planes of them (s, y, x); frames are in front: z where they have places, t where
they have times, otherwise q. Files of a series are not put together here: `info.details` has what they are sorted
by. Values are those that are stored: rescaling (Hounsfield units) is noted and not applied, palettes stay indices.
"""

from __future__ import annotations

import struct
import threading
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom import uid

from wkplug.abc import ImageReader, ProbeScore
from wkplug.abc.files import check_scene, image_errors, open_file
from wkplug.abc.flat import FlatImage, FlatVoxels
from wkplug.errors import UnsupportedImageDataError
from wkplug_medical import dicom_frames, dicom_info

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["DicomImage", "DicomReader"]

_KIND = "DICOM"
_FRAMES = ("z", "t", "q")  # axes of them
_PLAIN = ("MONOCHROME1", "MONOCHROME2", "RGB", "PALETTE COLOR")
_LONG_HEADER = (b"OB", b"OW", b"OD", b"OF", b"OL", b"OV", b"UN")


class DicomReader(ImageReader):
    """Opens DICOM files that have their preamble."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`; what merely begins like one has no group of file information behind the mark."""
        del location
        return ProbeScore.MAGIC if head[128:134] == b"DICM\x02\x00" else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> DicomImage:
        """See `ImageReader.open`; there is one scene."""
        return DicomImage(self, location, scene)


class DicomImage(FlatImage):
    """One DICOM file."""

    thread_safe = True

    def __init__(self, reader: ImageReader, location: Location, scene: int = 0) -> None:
        super().__init__(reader, location, scene)
        self._lock = threading.Lock()
        check_scene(location, scene, 1)
        with image_errors(location, _KIND), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # oddities of other values than those that are needed
            with open_file(location) as file:
                self._dataset, self._syntax = dicom_info.header(file)
                self._check_image()
                shape, dtype, frames_axis = dicom_info.shape_of(self._dataset)
                if self._syntax.is_encapsulated and not self._can_decode():
                    raise UnsupportedImageDataError(
                        f"{location.url} has pixels in the form {self._syntax.name}, which is not supported.",
                        location.url,
                        hint="Decompress the file first.",
                    )
                self._plain = self._is_plain()
                offset = self._value_offset(file) if not self._syntax.is_deflated else 0
            samples = int(self._dataset.get("SamplesPerPixel", 1))
            planar = self._plain and samples > 1 and self._dataset.get("PlanarConfiguration", 0) == 1
            self.info = dicom_info.describe(self._dataset, shape, dtype, frames_axis, planar=planar)
            self._offset, self._complete = offset, False
            stored = dtype.newbyteorder("<" if self._syntax.is_little_endian else ">")
            voxels = FlatVoxels(
                location=location, what=_KIND, shape=self.info.shape, dtype=stored, offset=offset
            )
        if self._plain:
            self.lay_out(voxels)
        else:
            self.voxels = voxels

    def _check_image(self) -> None:
        dataset = self._dataset
        if not all(
            dataset.get(name) for name in ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation")
        ):
            if dicom_info.should_be_image(dataset):
                raise EOFError("the file ends before its pixels")
            raise UnsupportedImageDataError(
                f"{self.location.url} holds no image.",
                self.location.url,
                hint="DICOM files may as well hold reports, plans or waveforms.",
            )
        if int(dataset.BitsAllocated) not in (1, 8, 16, 32):
            raise UnsupportedImageDataError(
                f"{self.location.url} has pixels of {dataset.BitsAllocated} bits, which are not supported.",
                self.location.url,
                hint="Convert the image to integers of 8 to 32 bits.",
            )

    def _can_decode(self) -> bool:
        return dicom_frames.has_codec(self._syntax) or self._syntax == uid.RLELossless

    def _is_plain(self) -> bool:
        """Whether pixels are one array of the file. Bytes may lie swapped where words are big-endian."""
        dataset, syntax = self._dataset, self._syntax
        return (
            not syntax.is_encapsulated
            and not syntax.is_deflated
            and dataset.PhotometricInterpretation in _PLAIN
            and dataset.BitsAllocated >= (8 if syntax.is_little_endian else 16)
        )

    def _value_offset(self, file: Any) -> int:
        """Where the value of the pixel data begins; the file is at its tag."""
        start = file.tell()
        head = file.read(12)
        order = "<" if self._syntax.is_little_endian else ">"
        tag = struct.unpack(f"{order}HH", head[:4]) if len(head) >= 8 else None
        if tag != (0x7FE0, 0x0010):
            if tag in ((0x7FE0, 0x0008), (0x7FE0, 0x0009)):
                raise UnsupportedImageDataError(
                    f"{self.location.url} has pixels of floating point, which are not supported.",
                    self.location.url,
                    hint="Convert the image to integers.",
                )
            raise EOFError("the file ends before its pixels")
        explicit = not self._syntax.is_implicit_VR or head[4:6] in _LONG_HEADER
        return int(start + (12 if explicit else 8))

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        if self._plain:
            return self._used_bits(super().read(box, level=level))
        shape = self.info.shape
        start, lengths = box if box is not None else ((0,) * len(shape), shape)
        region = tuple(slice(first, first + length) for first, length in zip(start, lengths, strict=True))
        with image_errors(self.location, _KIND):
            if not self._has_frames():
                return np.array(self._frame(0)[region])
            result = np.empty(lengths, self.info.dtype)
            for number in range(region[0].start, region[0].stop):
                result[number - region[0].start] = self._frame(number)[region[1:]]
            return result

    def _frame(self, number: int) -> NDArray[Any]:
        """Decode one frame."""
        with open_file(self.location) as file:
            if self._syntax.is_encapsulated and not self._complete:
                dicom_frames.check_complete(file, self._offset, self.location.size())
                self._complete = True
            if self._syntax.is_encapsulated and dicom_frames.has_codec(self._syntax):
                count = self.info.shape[0] if self._has_frames() else 1
                pixels = dicom_frames.by_codec(file, self._dataset, self._syntax, self._offset, number, count)
                pixels = self._used_bits(pixels.astype(self.info.dtype, copy=False))
            else:
                with self._lock, warnings.catch_warnings():  # which is no matter of one thread
                    warnings.simplefilter("ignore")
                    pixels = dicom_frames.by_library(file, self._syntax, number)
        return pixels.reshape(self._frame_shape()).astype(self.info.dtype, copy=False)

    def _has_frames(self) -> bool:
        return self.info.axes[0] in _FRAMES

    def _frame_shape(self) -> tuple[int, ...]:
        rank = 3 if "s" in self.info.axes else 2
        return self.info.shape[-rank:]

    def _used_bits(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Clear the bits that are no part of a value (old files keep overlays there), and extend its sign."""
        unused = pixels.dtype.itemsize * 8 - int(self._dataset.get("BitsStored") or pixels.dtype.itemsize * 8)
        if not 0 < unused < pixels.dtype.itemsize * 8:
            return pixels
        used: NDArray[Any] = np.right_shift(np.left_shift(pixels, unused), unused)
        return used
