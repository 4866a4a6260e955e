"""From the bytes of a subblock to pixels: types, compressions, and blue-green-red turned round."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug_czi.segments import Subblock

__all__ = ["PIXEL_TYPES", "PixelType", "compression_name", "decoded"]


@attrs.frozen
class PixelType:
    """What a pixel is made of."""

    name: str
    dtype: str
    samples: int = 1


PIXEL_TYPES = MappingProxyType(
    {
        0: PixelType("Gray8", "uint8"),
        1: PixelType("Gray16", "uint16"),
        2: PixelType("Gray32Float", "float32"),
        3: PixelType("Bgr24", "uint8", 3),
        4: PixelType("Bgr48", "uint16", 3),
        8: PixelType("Bgr96Float", "float32", 3),
        9: PixelType("Bgra32", "uint8", 4),
        12: PixelType("Gray32", "uint32"),
        13: PixelType("Gray64", "float64"),
    }
)
"""Those that a layer can hold, by their number; complex numbers are left out."""

_PICTURES = (1, 4)  # JPEG and JPEG XR
_NAMES = {0: "", 1: "jpeg", 2: "lzw", 4: "jpegxr", 5: "zstd", 6: "zstd"}


def compression_name(number: int) -> str:
    """Give the name of a compression."""
    return _NAMES.get(number, f"number {number}")


def decoded(block: Subblock, data: bytes) -> NDArray[Any]:
    """Decode a tile: (y, x), or (y, x, s) with red first. ValueError if the bytes don't fit."""
    kind = PIXEL_TYPES[block.pixel_type]
    shape = (block.stored["Y"], block.stored["X"], *((kind.samples,) if kind.samples > 1 else ()))
    pixels = _unpacked(block, data, np.dtype(kind.dtype), math.prod(shape))
    if pixels.size != math.prod(shape) or pixels.dtype != kind.dtype:
        raise ValueError(f"a tile holds {pixels.size} values of {pixels.dtype}, not {kind.dtype} {shape}")
    pixels = pixels.reshape(shape)
    if kind.samples == 1 or block.compression in _PICTURES:
        return pixels  # these codecs give red first, in whatever order the file has them
    return pixels[..., [2, 1, 0, 3][: kind.samples]]


def _unpacked(block: Subblock, data: bytes, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    import imagecodecs

    if block.compression in _PICTURES:
        decode = imagecodecs.jpeg8_decode if block.compression == 1 else imagecodecs.jpegxr_decode
        return np.asarray(decode(data))
    little = dtype.newbyteorder("<")
    plain: bytes | bytearray = data
    expected = count * dtype.itemsize
    turned = False
    if block.compression == 2:
        plain = imagecodecs.lzw_decode(data)
    elif block.compression == 5:
        plain = imagecodecs.zstd_decode(data, out=expected)
    elif block.compression == 6:
        turned = data[:2] == b"\3\1" and bool(data[2] & 1)
        if data[:1] not in (b"\1", b"\3"):
            raise ValueError("a tile is packed with a header of an unknown kind")
        plain = imagecodecs.zstd_decode(data[data[0] :], out=expected)
    if len(plain) < expected:
        raise EOFError(f"a tile has {len(plain)} bytes instead of {expected}")
    if turned:
        # The low bytes of all numbers come first, then the high ones.
        plain = np.frombuffer(plain, np.uint8, expected).reshape(2, -1).T.tobytes()
    return np.frombuffer(plain, little, count).astype(dtype, copy=False)
