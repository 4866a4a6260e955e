"""Frames of DICOM files that are compressed, or whose colours must be converted.

imagecodecs decodes JPEG, JPEG-LS and JPEG 2000; pydicom finds the frames, and decodes run lengths, deflated files and
YBR colours. Every frame is decoded alone.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, BinaryIO

import imagecodecs
import numpy as np
from pydicom import dcmread, uid
from pydicom.encaps import get_frame
from pydicom.pixels.utils import pixel_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["by_codec", "by_library", "check_complete", "has_codec"]

_ITEM, _END = 0xE000, 0xE0DD
_LAST_MARKER = b"\xff\xd9"  # of JPEG, JPEG-LS and JPEG 2000 alike
_JPEG = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit)
_LOSSLESS_JPEG = (uid.JPEGLossless, uid.JPEGLosslessSV1)
_JPEG_LS = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
_JPEG_2000 = (uid.JPEG2000, uid.JPEG2000Lossless)


def check_complete(file: BinaryIO, offset: int, size: int) -> None:
    """Refuse encapsulated pixels that don't end within the file. EOFError, ValueError."""
    position = offset
    while True:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            raise EOFError(f"its frames go on, but the file ends at {size}")
        group, element, length = struct.unpack("<HHI", head)
        if group != 0xFFFE or element not in (_ITEM, _END):
            raise ValueError(f"a frame is expected at byte {position}, but there is none")
        if element == _END:
            return
        position += 8 + length


def has_codec(syntax: Any) -> bool:
    """Whether frames of a transfer syntax are decoded by imagecodecs."""
    return syntax in (*_JPEG, *_LOSSLESS_JPEG, *_JPEG_LS, *_JPEG_2000)


def by_codec(file: BinaryIO, dataset: Any, syntax: Any, offset: int, number: int, count: int) -> NDArray[Any]:
    """Decode one frame of JPEG and its relatives: (y, x) or (y, x, s), with the colours red, green and blue."""
    file.seek(offset)
    data = get_frame(file, number, number_of_frames=count)
    if _LAST_MARKER not in data[-64:]:
        raise EOFError(f"frame {number} has no end")
    return _from_codec(data, dataset, syntax)


def by_library(file: BinaryIO, syntax: Any, number: int) -> NDArray[Any]:
    """Decode one frame by means of pydicom: run lengths, deflated files, YBR colours, bits."""
    file.seek(0)
    # A deflated file can only be inflated as a whole.
    pixels: NDArray[Any] = pixel_array(dcmread(file) if syntax.is_deflated else file, index=number)
    return pixels


def _from_codec(data: bytes, dataset: Any, syntax: Any) -> NDArray[Any]:
    pixels: NDArray[Any]
    if syntax in _JPEG_LS:
        pixels = imagecodecs.jpegls_decode(data)
    elif syntax in _JPEG_2000:
        pixels = imagecodecs.jpeg2k_decode(data)
    elif syntax in _LOSSLESS_JPEG:
        pixels = (
            imagecodecs.ljpeg_decode(data)
            if int(dataset.get("SamplesPerPixel", 1)) == 1
            else (imagecodecs.jpeg8_decode(data, colorspace="RGB", outcolorspace="RGB"))
        )
    elif dataset.get("SamplesPerPixel", 1) == 1:
        pixels = imagecodecs.jpeg_decode(data)
    else:
        # A mark of Adobe says whether colours were transformed; without, the header of the file does.
        plain = dataset.PhotometricInterpretation == "RGB" and b"Adobe" not in data[:4096]
        pixels = imagecodecs.jpeg8_decode(data, colorspace="RGB" if plain else None, outcolorspace="RGB")
    wanted = np.dtype(f"{'i' if dataset.get('PixelRepresentation') else 'u'}{pixels.dtype.itemsize}")
    return pixels.view(wanted) if pixels.dtype.kind != wanted.kind else pixels
