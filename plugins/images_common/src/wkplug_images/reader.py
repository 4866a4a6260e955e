"""PNG, JPEG, BMP and GIF images, decoded as they are: 16 bits stay 16 bits, colours stay colours.

imagecodecs decodes PNG and JPEG (faster, and Pillow would cut 16-bit RGB to 8 bits), Pillow everything that
needs its conversions: palettes, bits, CMYK, animations. Axes are (y, x) or (y, x, s), animations (t, y, x, s).
The whole picture is one block; the last one decoded is kept, so that cutting regions from it is cheap.
"""

from __future__ import annotations

import io
import struct
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import Image, ImageInfo, ImageReader, ProbeScore
from wkplug.errors import CorruptImageError, UnsupportedImageDataError, WkplugError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["Picture", "PictureReader"]

_PNG, _JPEG, _GIF, _BMP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM"
_PNG_SAMPLES = {0: 1, 2: 3, 4: 2, 6: 4}  # colour type -> samples; 3 is a palette
_JPEG_END = b"\xff\xd9"


class PictureReader(ImageReader):
    """Opens the picture files of everyday life."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`."""
        del location
        return ProbeScore.MAGIC if head.startswith((_PNG, _JPEG, _GIF, _BMP)) else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> Picture:
        """See `ImageReader.open`; there is one scene."""
        if scene != 0:
            raise UnsupportedImageDataError(
                f"{location.url} holds one image; number {scene} was asked for.", location.url
            )
        return Picture(location)


class Picture(Image):
    """One picture file."""

    thread_safe = True

    def __init__(self, location: Location) -> None:
        self._location = location
        self._lock = threading.Lock()
        self._pixels: NDArray[Any] | None = None
        self._decoder = "pillow"
        self._mode = ""
        try:
            self.info = self._describe()
        except WkplugError:
            raise
        except Exception as error:  # Pillow fails in any way on a damaged file
            raise self._damaged(error) from error

    def _describe(self) -> ImageInfo:
        head = self._location.read(0, 33)
        if head.startswith(_PNG) and len(head) == 33:
            width, height, bits, colour = struct.unpack(">IIBB", head[16:26])
            if colour in _PNG_SAMPLES and bits >= 8:
                self._decoder = "png"
                return _info(height, width, _PNG_SAMPLES[colour], "uint16" if bits == 16 else "uint8")
        with self._pillow(head) as picture:
            frames = getattr(picture, "n_frames", 1)
            self._mode = mode = _plain_mode(picture)
            samples = len(mode) if mode in ("RGB", "RGBA", "LA") else 1
            if head.startswith(_JPEG) and mode == picture.mode and frames == 1:
                self._decoder = "jpeg"
            dtype = {"I;16": "uint16", "I": "int32", "F": "float32"}.get(mode, "uint8")
            return _info(picture.height, picture.width, samples, dtype, frames=frames)

    def _pillow(self, head: bytes) -> Any:
        """Open with the plugin for these first bytes: `PIL.Image.open` refuses pictures of more than 179 megapixels."""
        from PIL.BmpImagePlugin import BmpImageFile
        from PIL.GifImagePlugin import GifImageFile
        from PIL.JpegImagePlugin import JpegImageFile
        from PIL.PngImagePlugin import PngImageFile

        kinds: dict[bytes, Any] = {_PNG: PngImageFile, _JPEG: JpegImageFile, _GIF: GifImageFile}
        kinds[_BMP] = BmpImageFile
        kind = next((kind for magic, kind in kinds.items() if head.startswith(magic)), None)
        if kind is None:
            raise ValueError("it is no PNG, JPEG, GIF or BMP")
        path = self._location.local_path()
        # A local file is read only as far as needed, and Pillow closes it.
        return kind(path if path is not None else io.BytesIO(self._location.read()))

    def _damaged(self, error: Exception | str) -> CorruptImageError:
        return CorruptImageError(
            f"{self._location.url} can't be decoded: {error or type(error).__name__}",
            self._location.url,
            hint="The file is damaged or was not written to the end; copy or export it again.",
        )

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        del level
        with self._lock:
            if self._pixels is None:
                try:
                    self._pixels = self._decode()
                except WkplugError:
                    raise
                except Exception as error:
                    raise self._damaged(error) from error
            pixels = self._pixels
        if pixels.shape != self.info.shape or pixels.dtype != self.info.dtype:
            found = f"{pixels.dtype} pixels of the shape {pixels.shape}"
            raise self._damaged(f"it holds {found}, its header says {self.info.dtype} {self.info.shape}")
        if box is None:
            return pixels.copy()
        return pixels[tuple(slice(a, a + n) for a, n in zip(*box, strict=True))].copy()

    def _decode(self) -> NDArray[Any]:
        data = self._location.read()
        if self._decoder == "pillow":
            return self._decode_with_pillow(data)
        import imagecodecs

        if self._decoder == "jpeg" and _JPEG_END not in data[len(data) // 2 :]:
            # The codec would fill up what is missing with grey.
            raise EOFError("it has no end marker")
        decode = imagecodecs.png_decode if self._decoder == "png" else imagecodecs.jpeg8_decode
        pixels: NDArray[Any] = decode(data)
        return pixels

    def _decode_with_pillow(self, data: bytes) -> NDArray[Any]:
        frames = []
        with self._pillow(data[:33]) as picture:
            for number in range(getattr(picture, "n_frames", 1)):
                picture.seek(number)
                same = picture.mode == self._mode
                frames.append(np.asarray(picture if same else picture.convert(self._mode)))
        return frames[0] if len(frames) == 1 else np.stack(frames)

    def close(self) -> None:
        """See `Image.close`; reading decodes the file again."""
        self._pixels = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (Picture, (self._location,))


def _plain_mode(picture: Any) -> str:
    """The mode to convert to: palettes, CMYK and the like become RGB, bits become bytes."""
    mode: str = picture.mode
    if mode == "P":
        return "RGBA" if "transparency" in picture.info else "RGB"
    if mode == "1":
        return "L"
    if mode.startswith("I;16"):
        return "I;16"
    return mode if mode in ("L", "LA", "RGB", "RGBA", "I", "F") else "RGB"


def _info(height: int, width: int, samples: int, dtype: str, *, frames: int = 1) -> ImageInfo:
    axes: tuple[str, ...] = ("y", "x")
    shape: tuple[int, ...] = (height, width)
    if samples > 1:
        axes, shape = (*axes, "s"), (*shape, samples)
    if frames > 1:
        axes, shape = ("t", *axes), (frames, *shape)
    names = {2: ("grey", "alpha"), 4: ("red", "green", "blue", "alpha")}
    return ImageInfo(
        axes=axes,
        shape=shape,
        dtype=dtype,
        photometric="rgb" if samples >= 3 else "minisblack",
        channel_names=names.get(samples, ()),
        block_shape=shape,
    )
