"""PNG, JPEG, BMP, GIF and JPEG 2000 images, decoded as they are: 16 bits stay 16 bits, colours stay colours.

imagecodecs decodes PNG, JPEG and JPEG 2000 (faster, and Pillow would cut 16-bit RGB to 8 bits), Pillow everything
else: palettes, bits, CMYK, animations. Axes are (y, x) or (y, x, s), animations (t, y, x, s).
The whole picture is one block; the last one decoded is kept, so that cutting regions from it is cheap.

None of these formats says how large a pixel of the specimen is: dots per inch are about paper. Pixels come as they are
seen: an EXIF orientation is applied, and told. Palettes stay indices and bits stay what is stored, with
`ImageInfo.palette` and `bits` for whoever shows them; animations, whose frames have palettes of their own, are colours.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from wkplug.abc import ImageInfo, ImageReader, ProbeScore, StoredImage
from wkplug.abc.files import check_scene, corrupt_image, path_or_file
from wkplug.abc.images import region_of
from wkplug.abc.pixels import Orientation
from wkplug.errors import UnsupportedImageDataError
from wkplug_images.headers import CODESTREAM, JP2, jpeg2000, png

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["Picture", "PictureReader"]

_PNG, _JPEG, _GIF, _BMP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM"
_MAGIC = (_PNG, _JPEG, _GIF, _BMP, JP2, CODESTREAM)
_JPEG_END = b"\xff\xd9"
_ORIENTATION = 274
_MOST_PIXELS = 4096  # per byte: more than any of the codecs here can make of one
_OS2_HEADER = b"\x0c\0\0\0"  # its fields are shorter
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}  # "BM" alone begins many a file


class PictureReader(ImageReader):
    """Opens the picture files of everyday life."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`."""
        del location
        if head.startswith(_BMP) and len(head) >= 18:
            known = int.from_bytes(head[14:18], "little") in _BMP_HEADERS
            return ProbeScore.MAGIC if known else ProbeScore.NO
        return ProbeScore.MAGIC if head.startswith(_MAGIC) else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> Picture:
        """See `ImageReader.open`; there is one scene."""
        return Picture(self, location, scene)


class Picture(StoredImage):
    """One picture file, from which regions are cut once it is decoded."""

    what = "a picture"
    in_turns = False
    _pixels: NDArray[Any] | None = None
    _decoder = "pillow"
    _mode = ""
    _step = 1
    _orientation = Orientation()

    # --- headers ------------------------------------------------------------------------------------------

    def describe(self, file: None) -> ImageInfo:
        """Read the header."""
        del file
        check_scene(self.location, self.scene, 1)
        head = self.location.read(0, 33)
        if head.startswith((JP2, CODESTREAM)):
            return self._describe_jpeg2000()
        found = png(self.location) if head.startswith(_PNG) else None
        if found is not None and found.bits >= 8 and found.palette is None:
            self._decoder = "png"
            samples = found.samples + (found.transparency and found.samples in (1, 3))
            dtype = "uint16" if found.bits == 16 else "uint8"
            self._orientation = Orientation(found.orientation)
            return self._info(found.height, found.width, samples, dtype, kind="PNG")
        with self._pillow(head) as picture:
            frames = getattr(picture, "n_frames", 1)
            self._check_size(picture, head)
            self._mode = mode = _plain_mode(picture, frames)
            samples = len(mode) if mode in ("RGB", "RGBA", "LA") else 1
            if head.startswith(_JPEG) and mode == picture.mode and frames == 1:
                self._decoder = "jpeg"
            palette: tuple[tuple[int, ...], ...] = ()
            if mode == "P":
                palette = _palette(picture) if found is None or found.palette is None else found.palette
            bits = 1 if picture.mode == "1" else found.bits if found is not None and found.bits < 8 else None
            # Pillow gives grey of less than 8 bits with the look of 8, which is undone.
            self._step = 255 // (2**bits - 1) if bits is not None and mode == "L" else 1
            dtype = {"I;16": "uint16", "I": "int32", "F": "float32"}.get(mode, "uint8")
            self._orientation = Orientation(int(picture.getexif().get(_ORIENTATION, 1)))
            return self._info(
                picture.height,
                picture.width,
                samples,
                dtype,
                frames=frames,
                kind=picture.format or "",
                palette=palette,
                bits=bits,
                note=_conversion(picture, mode),
            )

    def _check_size(self, picture: Any, head: bytes) -> None:
        """Refuse a header that claims more pixels than the file can hold, before memory is taken for them."""
        pixels, size = picture.width * picture.height, self.location.size()
        most = _MOST_PIXELS * size
        if head.startswith(_BMP) and int.from_bytes(head[30:34], "little") == 0:  # not compressed
            most = size * 8 // max(1, int.from_bytes(head[28:30], "little"))
            most = max(most, size * 8) if head[14:18] == _OS2_HEADER else most
        if pixels > most:
            raise EOFError(
                f"its header says {picture.width} x {picture.height}, more than its {size} bytes can hold"
            )

    def _describe_jpeg2000(self) -> ImageInfo:
        found = jpeg2000(self.location)
        if found.trouble:
            raise UnsupportedImageDataError(
                f"{self.location.url} is a JPEG 2000 that can't be read: {found.trouble}.",
                self.location.url,
                hint="Convert it to a TIFF first.",
            )
        self._decoder = "jpeg2000"
        return self._info(
            found.height,
            found.width,
            found.samples,
            found.dtype,
            kind="JPEG 2000",
            photometric=found.photometric or None,
        )

    def _info(
        self,
        height: int,
        width: int,
        samples: int,
        dtype: str,
        *,
        kind: str,
        frames: int = 1,
        photometric: str | None = None,
        palette: tuple[tuple[int, ...], ...] = (),
        bits: int | None = None,
        note: str = "",
    ) -> ImageInfo:
        axes: tuple[str, ...] = ("y", "x")
        shape: tuple[int, ...] = (height, width)
        if samples > 1:
            axes, shape = (*axes, "s"), (*shape, samples)
        if frames > 1:
            axes, shape = ("t", *axes), (frames, *shape)
        shape = self._orientation.seen_lengths(shape, axes)
        names = {2: ("grey", "alpha"), 4: ("red", "green", "blue", "alpha")}
        indices = f"its values are indices into a palette of {len(palette)} colours" if palette else ""
        return ImageInfo(
            axes=axes,
            shape=shape,
            dtype=dtype,
            photometric=photometric
            or ("palette" if palette else "rgb" if samples in (3, 4) else "minisblack"),
            palette=palette,
            bits=bits,
            channel_names=names.get(samples, ()),
            block_shape=shape,
            details={"kind": kind},
            notes=tuple(text for text in (self._orientation.note, indices, note) if text),
        )

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
            raise ValueError("it is no PNG, JPEG, GIF, BMP or JPEG 2000")
        source = path_or_file(self.location)
        # A local file is read only as far as needed, and Pillow closes it.
        return kind(source if isinstance(source, str) else io.BytesIO(self.location.read()))

    # --- pixels -------------------------------------------------------------------------------------------

    def read_box(self, file: None, box: Box, level: int) -> NDArray[Any]:
        """Decode the picture if need be, and cut a region from it."""
        del file, level
        with self.lock:
            if self._pixels is None:
                self._pixels = self._checked(self._orientation.seen(self._decode(), self.info.axes))
            pixels = self._pixels
        return np.array(pixels[region_of(box)], order="C")

    def _checked(self, pixels: NDArray[Any]) -> NDArray[Any]:
        if pixels.shape != self.info.shape or pixels.dtype != self.info.dtype:
            found = f"{pixels.dtype} pixels of the shape {pixels.shape}"
            said = f"it holds {found}, its header says {self.info.dtype} {self.info.shape}"
            raise corrupt_image(self.location, self.what, said)
        return pixels

    def _decode(self) -> NDArray[Any]:
        data = self.location.read()
        if self._decoder == "pillow":
            return self._decode_with_pillow(data)
        import imagecodecs

        if self._decoder == "jpeg" and _JPEG_END not in data[len(data) // 2 :]:
            # The codec would fill up what is missing with grey.
            raise EOFError("it has no end marker")
        if self._decoder == "jpeg2000" and _JPEG_END not in data[-4096:]:
            raise EOFError("its codestream has no end")
        decoders = {
            "png": imagecodecs.png_decode,
            "jpeg": imagecodecs.jpeg8_decode,
            "jpeg2000": imagecodecs.jpeg2k_decode,
        }
        pixels: NDArray[Any] = decoders[self._decoder](data)
        return pixels

    def _decode_with_pillow(self, data: bytes) -> NDArray[Any]:
        frames = []
        with self._pillow(data[:33]) as picture:
            for number in range(getattr(picture, "n_frames", 1)):
                picture.seek(number)
                same = picture.mode == self._mode
                frame = np.asarray(picture if same else picture.convert(self._mode))
                frames.append(frame if self._step == 1 else frame // np.uint8(self._step))
        return frames[0] if len(frames) == 1 else np.stack(frames)

    def close(self) -> None:
        """See `Image.close`; reading decodes the file again."""
        super().close()
        self._pixels = None


def _plain_mode(picture: Any, frames: int) -> str:
    """The mode to convert to: CMYK and the like become RGB, bits become bytes, palettes stay if there is one."""
    mode: str = picture.mode
    if mode == "P" and frames > 1:
        return "RGBA" if "transparency" in picture.info else "RGB"
    if mode == "1":
        return "L"
    if mode.startswith("I;16"):
        return "I;16"
    return mode if mode in ("L", "LA", "P", "RGB", "RGBA", "I", "F") else "RGB"


def _palette(picture: Any) -> tuple[tuple[int, ...], ...]:
    """The colours of a picture's palette, with alpha where one of them is transparent."""
    raw = picture.palette
    layout = raw.rawmode or raw.mode
    if layout in (
        "RGB",
        "BGR",
        "BGRX",
    ):  # as it lies in the file; Pillow would decode the pixels to convert it
        step, order = len(layout), slice(None) if layout == "RGB" else slice(2, None, -1)
        values = [
            tuple(raw.palette[first : first + 3][order]) for first in range(0, len(raw.palette) - 2, step)
        ]
    else:
        flat = picture.getpalette("RGB")
        values = [tuple(flat[first : first + 3]) for first in range(0, len(flat) - 2, 3)]
    clear = picture.info.get("transparency")
    if not isinstance(clear, int):
        return tuple(values)
    return tuple((*color, 0 if index == clear else 255) for index, color in enumerate(values))


def _conversion(picture: Any, given: str) -> str:
    """A sentence about what Pillow converts."""
    found: str = picture.mode
    if found in ("1", given) or found.startswith("I;16"):
        return ""
    if found == "P":
        return "its frames have palettes of their own: values are colours, not indices"
    if found == "CMYK":
        return "its inks (CMYK) are converted to red, green and blue, without a colour profile"
    return f"its pixels ({found}) are converted to {given}"
