"""What the headers of PNG and JPEG 2000 files say, read without decoding a pixel.

PNG: http://www.w3.org/TR/png-3; JPEG 2000: ITU-T T.800, annexes A (codestream) and I (boxes). Malformed headers
raise ValueError, EOFError or struct.error; the reader makes CorruptImageError of them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Location

__all__ = ["CODESTREAM", "JP2", "Jpeg2000", "Png", "jpeg2000", "png"]

JP2 = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
CODESTREAM = b"\xff\x4f\xff\x51"  # start of codestream, then of the SIZ segment

_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type -> samples
_WANTED = (b"eXIf", b"PLTE", b"tRNS")
_MOST_INFLATED = 1032
_SUPERBOXES = {b"jp2h"}
_COLOR_SPACES = {16: "rgb", 17: "minisblack", 18: "rgb"}  # 18 is YCC, of which the codec makes RGB


@attrs.frozen
class Png:
    """Width, height, bits per sample, samples per pixel; what tRNS, a palette and eXIf change.

    palette: (red, green, blue), with alpha where there is transparency; None if values are no indices.
    """

    width: int
    height: int
    bits: int
    samples: int
    palette: tuple[tuple[int, ...], ...] | None
    transparency: bool
    orientation: int


def png(location: Location) -> Png:
    """Read a PNG's chunks up to its pixels."""
    head = location.read(8, 33)
    width, height, bits, color = struct.unpack(">IIBB", head[8:18])
    if head[4:8] != b"IHDR" or color not in _PNG_SAMPLES or not width or not height:
        raise ValueError("its header is damaged")
    found = dict(_png_chunks(location))
    alpha = found.get(b"tRNS")
    palette = _palette(found.get(b"PLTE", b""), alpha) if color == 3 else None
    samples = _PNG_SAMPLES[color]
    # Deflate makes a byte of 1,032 at most: what claims to be more would take memory in vain.
    if height * -(-width * samples * bits // 8) > _MOST_INFLATED * location.size():
        raise EOFError(f"its header says {width} x {height}, more than its {location.size()} bytes can hold")
    orientation = _orientation(found[b"eXIf"]) if b"eXIf" in found else 1
    return Png(width, height, bits, samples, palette, alpha is not None, orientation)


def _palette(colors: bytes, alpha: bytes | None) -> tuple[tuple[int, ...], ...]:
    if not colors or len(colors) % 3:
        raise ValueError("its palette is damaged")
    table = [tuple(colors[first : first + 3]) for first in range(0, len(colors), 3)]
    if alpha is None:
        return tuple(table)
    opaque = alpha[: len(table)].ljust(len(table), b"\xff")
    return tuple((*color, value) for color, value in zip(table, opaque, strict=True))


def _png_chunks(location: Location) -> Iterator[tuple[bytes, bytes]]:
    position = 33
    head = location.read(0, 4096)
    while True:
        entry = (
            head[position : position + 8]
            if position + 8 <= len(head)
            else location.read(position, position + 8)
        )
        if len(entry) < 8:
            raise EOFError("it ends before its pixels")
        (length,), kind = struct.unpack(">I", entry[:4]), entry[4:]
        if kind in (b"IDAT", b"IEND"):
            return
        wanted = kind in _WANTED and length < 1 << 16
        yield kind, location.read(position + 8, position + 8 + length) if wanted else b""
        position += 12 + length


def _orientation(exif: bytes) -> int:
    from PIL import Image

    found = Image.Exif()
    found.load(exif)
    return int(found.get(274, 1))


@attrs.frozen
class Jpeg2000:
    """Width, height, samples per pixel, the dtype that holds a sample; "rgb", "minisblack" or "" where unsaid."""

    width: int
    height: int
    samples: int
    dtype: str
    photometric: str
    trouble: str
    """Why it can't be read as it is; empty if it can."""


def jpeg2000(location: Location) -> Jpeg2000:
    """Read the boxes of a JP2 (or none, for a bare codestream) and the SIZ segment."""
    photometric, trouble, start = "", "", 0
    if location.read(0, 4) != CODESTREAM:
        for kind, low, high in _boxes(location, 0, location.size()):
            if kind == b"colr":
                content = location.read(low, min(high, low + 7))
                if len(content) >= 7 and content[0] == 1 and not photometric:
                    photometric = _COLOR_SPACES.get(struct.unpack(">I", content[3:7])[0], "")
            if kind == b"pclr":
                trouble = "it has a palette"
            if kind == b"jp2c":
                start = low
                break
        else:
            raise EOFError("it has no codestream")
    head = location.read(start, start + 2048)
    if head[:4] != CODESTREAM:
        raise ValueError("its codestream is damaged")
    right, down, left, top = struct.unpack(">IIII", head[8:24])
    (samples,) = struct.unpack(">H", head[40:42])
    components = [struct.unpack(">BBB", head[42 + 3 * n : 45 + 3 * n]) for n in range(min(samples, 512))]
    if right <= left or down <= top or not components:
        raise ValueError("its size is damaged")
    depth, _, _ = components[0]
    if any(component != components[0] for component in components) or samples > 512:
        trouble = "its components are of different kinds"
    elif components[0][1:] != (1, 1):
        trouble = "its components are coarser than the image"
    bits, signed = (depth & 0x7F) + 1, bool(depth & 0x80)
    if bits > 32:
        trouble = f"its samples have {bits} bits"
    size = 8 if bits <= 8 else 16 if bits <= 16 else 32
    dtype = f"{'int' if signed else 'uint'}{size}"
    return Jpeg2000(right - left, down - top, samples, dtype, photometric, trouble)


def _boxes(location: Location, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Iterate over (kind, start, stop) of the contents of boxes, those in the header box included."""
    while start + 8 <= stop:
        head = location.read(start, start + 16)
        length, kind, first = struct.unpack(">I", head[:4])[0], head[4:8], start + 8
        if length == 1:
            length, first = struct.unpack(">Q", head[8:16])[0], start + 16
        end = stop if length == 0 else start + length
        if end < first or end > stop:
            # The last box may be cut off; a codestream says that by itself.
            if kind != b"jp2c":
                raise EOFError(f"its box {kind!r} reaches beyond its end")
            end = stop
        if kind in _SUPERBOXES:
            yield from _boxes(location, first, end)
        else:
            yield kind, first, end
        start = end
