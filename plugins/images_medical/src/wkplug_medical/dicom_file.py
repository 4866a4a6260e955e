"""One DICOM file as it is. Uncompressed frames are one plain array; others are decoded one by one.

Axes are (y, x), colours (y, x, s) or planes of them (s, y, x); frames are in front: z where they have places, t where
they have times, otherwise q. Files of a series and frames with places are put together elsewhere (`dicom_stack`).
Values are rescaled as the file says (Hounsfield units); palettes stay indices.
"""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from pydicom import uid

from wkplug.abc.files import image_errors, open_file, quietly
from wkplug.abc.flat import FlatImage, FlatVoxels
from wkplug.abc.images import by_frames
from wkplug.errors import UnsupportedImageDataError
from wkplug_medical import dicom_frames, dicom_info
from wkplug_medical.dicom_values import NO_SCALING, Scaling, applied, scaling_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.abc import Box, ImageReader, Location

__all__ = ["DicomFile"]

_KIND = "DICOM"
_UNDEFINED = 0xFFFFFFFF
_FRAMES = ("z", "t", "q")  # axes of them
_PLAIN = ("MONOCHROME1", "MONOCHROME2", "RGB", "PALETTE COLOR")
_LONG_HEADER = (b"OB", b"OW", b"OD", b"OF", b"OL", b"OV", b"UN")


class DicomFile(FlatImage):
    """One DICOM file."""

    thread_safe = True

    def __init__(self, reader: ImageReader, location: Location) -> None:
        super().__init__(reader, location)
        self._lock = threading.Lock()
        with image_errors(location, _KIND), quietly():  # oddities of other values than those that are needed
            with open_file(location) as file:
                self.dataset, self._syntax = dicom_info.header(file)
                self._check_image()
                shape, dtype, frames_axis = dicom_info.shape_of(self.dataset)
                if self._syntax.is_encapsulated and not self._can_decode():
                    raise UnsupportedImageDataError(
                        f"{location.url} has pixels in the form {self._syntax.name}, which is not supported.",
                        location.url,
                        hint="Decompress the file first.",
                    )
                self._plain = self._is_plain()
                offset, length = self._value_place(file) if not self._syntax.is_deflated else (0, 0)
            samples = int(self.dataset.get("SamplesPerPixel", 1))
            planar = self._plain and samples > 1 and self.dataset.get("PlanarConfiguration", 0) == 1
            self._scaling = self._own_scaling(samples)
            self.info = dicom_info.describe(
                self.dataset, shape, dtype, frames_axis, scaling=self._scaling, planar=planar
            )
            self._offset, self._complete, self._stored = offset, False, dtype
            stored = dtype.newbyteorder("<" if self._syntax.is_little_endian else ">")
            voxels = FlatVoxels(
                location=location, what=_KIND, shape=self.info.shape, dtype=stored, offset=offset
            )
        if self._plain:
            self.lay_out(voxels)
            # Values have an even length: one byte more is no voxel.
            known = voxels.stop + 1 < offset + length and length != _UNDEFINED
            told = voxels.told_behind(offset + length) if known else ()
            self.info = attrs.evolve(self.info, notes=(*self.info.notes, *told))
        else:
            self.voxels = voxels

    def _check_image(self) -> None:
        dataset = self.dataset
        if not all(
            dataset.get(name) for name in ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation")
        ):
            if dicom_info.should_be_image(dataset):
                raise EOFError("the file ends before its pixels")
            raise UnsupportedImageDataError(
                f"{self.location.url} holds no image.",
                self.location.url,
                hint="It is the index of a medium; give its folder instead."
                if "DirectoryRecordSequence" in dataset
                else "DICOM files may as well hold reports, plans or waveforms.",
            )
        if not isinstance(dataset.PhotometricInterpretation, str):
            raise TypeError(f"its colours are {dataset.PhotometricInterpretation}")
        if dataset.get("TotalPixelMatrixColumns") and int(dataset.TotalPixelMatrixColumns) > dataset.Columns:
            raise UnsupportedImageDataError(
                f"{self.location.url} is a slide whose frames are tiles, which are not put together.",
                self.location.url,
                hint="Convert it to a pyramidal TIFF first.",
            )
        if int(dataset.BitsAllocated) not in (1, 8, 16, 32) and not dicom_info.is_float(dataset):
            raise UnsupportedImageDataError(
                f"{self.location.url} has pixels of {dataset.BitsAllocated} bits, which are not supported.",
                self.location.url,
                hint="Convert the image to integers of 8 to 32 bits.",
            )

    def _own_scaling(self, samples: int) -> Scaling:
        """What the file says of all values; frames with places have their own, see `dicom_slices`."""
        if samples > 1 or self.dataset.PhotometricInterpretation == "PALETTE COLOR":
            return NO_SCALING
        return scaling_of(self.dataset)

    def _can_decode(self) -> bool:
        return dicom_frames.has_codec(self._syntax) or self._syntax == uid.RLELossless

    def _is_plain(self) -> bool:
        """Whether pixels are one array of the file. Bytes may lie swapped where words are big-endian."""
        dataset, syntax = self.dataset, self._syntax
        return (
            not syntax.is_encapsulated
            and not syntax.is_deflated
            and dataset.PhotometricInterpretation in _PLAIN
            and dataset.BitsAllocated >= (8 if syntax.is_little_endian else 16)
        )

    def _value_place(self, file: Any) -> tuple[int, int]:
        """Where the value of the pixel data begins, and its length; the file is at its tag."""
        start = file.tell()
        head = file.read(12)
        order = "<" if self._syntax.is_little_endian else ">"
        tag = struct.unpack(f"{order}HH", head[:4]) if len(head) >= 8 else None
        wanted = (
            {64: 0x0009, 32: 0x0008}[self.dataset.BitsAllocated]
            if dicom_info.is_float(self.dataset)
            else 0x0010
        )
        if tag != (0x7FE0, wanted):
            raise EOFError("the file ends before its pixels")
        explicit = not self._syntax.is_implicit_VR or head[4:6] in _LONG_HEADER
        (length,) = struct.unpack(f"{order}I", head[8:12] if explicit else head[4:8])
        return int(start + (12 if explicit else 8)), int(length)

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        if self._plain:
            stored = self._used_bits(super().read(box, level=level))
            return applied(stored, self._scaling, np.dtype(self.info.dtype))
        with image_errors(self.location, _KIND):
            result = by_frames(
                self.info.box() if box is None else box,
                1 if self.has_frames else 0,
                self._stored,
                lambda place, region: self._frame(place[0] if place else 0)[region],
            )
            return applied(result, self._scaling, np.dtype(self.info.dtype))

    def stored_frame(self, number: int) -> NDArray[Any]:
        """Give a frame as its numbers are stored, (y, x) or (y, x, s)."""
        if not self._plain:
            with image_errors(self.location, _KIND):
                return self._frame(number)
        shape = self._frame_shape()
        box = ((number, *(0,) * len(shape)), (1, *shape)) if self.has_frames else ((0,) * len(shape), shape)
        pixels = self._used_bits(super().read(box)).reshape(shape)
        return np.moveaxis(pixels, 0, -1) if self.info.axes[-1] != "s" and len(shape) > 2 else pixels

    def _frame(self, number: int) -> NDArray[Any]:
        """Decode one frame."""
        with open_file(self.location) as file:
            if self._syntax.is_encapsulated and not self._complete:
                dicom_frames.check_complete(file, self._offset, self.location.size())
                self._complete = True
            if self._syntax.is_encapsulated and dicom_frames.has_codec(self._syntax):
                count = self.info.shape[0] if self.has_frames else 1
                pixels = dicom_frames.by_codec(file, self.dataset, self._syntax, self._offset, number, count)
                pixels = pixels.astype(self._stored, copy=False)
            else:
                with self._lock, quietly():
                    pixels = dicom_frames.by_library(file, self._syntax, number)
        return self._used_bits(pixels.reshape(self._frame_shape()).astype(self._stored, copy=False))

    @property
    def has_frames(self) -> bool:
        """Whether there is an axis of frames."""
        return self.info.axes[0] in _FRAMES

    def _frame_shape(self) -> tuple[int, ...]:
        rank = 3 if "s" in self.info.axes else 2
        return self.info.shape[-rank:]

    def _used_bits(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Clear the bits that are no part of a value (old files keep overlays there), and extend its sign."""
        if pixels.dtype.kind == "f":
            return pixels
        unused = pixels.dtype.itemsize * 8 - int(self.dataset.get("BitsStored") or pixels.dtype.itemsize * 8)
        if not 0 < unused < pixels.dtype.itemsize * 8:
            return pixels
        used: NDArray[Any] = np.right_shift(np.left_shift(pixels, unused), unused)
        return used
