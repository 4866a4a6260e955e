"""The picture of `wkplug preview`: rows of planes at one physical scale per row, with captions and scale bars.

The core chooses and colours the planes; here they are only arranged, enlarged or reduced, and drawn.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import attrs
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from wkplug.abc import ContactSheet, Exporter, Panel
from wkplug.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.abc import Location

__all__ = ["ContactSheetExporter"]

_PANEL = 360  # pixels that the longest side of the largest panel of a row gets
_GAP = 16
_PAPER, _INK, _FAINT, _BAR = (24, 26, 30), (236, 236, 236), (160, 164, 170), (255, 255, 255)


class ContactSheetExporter(Exporter):
    """Writes a contact sheet as PNG or JPEG, whichever the target's name says."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def write(self, source: ContactSheet, target: Location, options: Mapping[str, Any]) -> None:
        """See `Exporter.write`; there are no options."""
        if options:
            raise InvalidArgumentError(
                f"A contact sheet takes no options, but {', '.join(sorted(options))} was given."
            )
        picture = draw(source)
        buffer = io.BytesIO()
        jpeg = target.name.lower().endswith((".jpg", ".jpeg"))
        picture.save(buffer, "JPEG" if jpeg else "PNG", **({"quality": 92} if jpeg else {"optimize": True}))
        target.write(buffer.getvalue())


@attrs.frozen
class _Placed:
    """A panel with the size that it is drawn at."""

    panel: Panel
    width: int
    height: int
    nanometres_per_pixel: float


def draw(sheet: ContactSheet) -> Pillow.Image:
    """Arrange and draw all rows."""
    rows = [(title, _scaled(panels)) for title, panels in sheet.rows]
    title_font, row_font, font = _font(22), _font(16), _font(14)
    panels_width = max((sum(_room(item, font) + _GAP for item in row) for _, row in rows), default=0)
    titles_width = max((row_font.getlength(title) for title, _ in rows), default=0) + _GAP
    width = _GAP + math.ceil(max(panels_width, titles_width, title_font.getlength(sheet.title) + _GAP))
    heights = [28 + max((item.height for item in row), default=0) + 24 + _GAP for _, row in rows]
    picture = Pillow.new("RGB", (width, 56 + sum(heights) + _GAP), _PAPER)
    canvas = ImageDraw.Draw(picture)
    canvas.text((_GAP, _GAP), sheet.title, fill=_INK, font=title_font)
    top = 56
    for (title, row), height in zip(rows, heights, strict=True):
        canvas.text((_GAP, top), title, fill=_INK, font=row_font)
        left = _GAP
        # One bar for all planes of a row, a third of the narrowest that has room for it at most.
        lengths = (item.width * item.nanometres_per_pixel for item in row if _has_bar(item))
        bar = _round_length(min(lengths, default=3.0) / 3)
        for item in row:
            _draw_panel(picture, canvas, item, left, top + 28, bar, font)
            left += _room(item, font) + _GAP
        top += height
    return picture


def _room(item: _Placed, font: Any) -> int:
    """The pixels that a panel and its caption need across."""
    caption: float = font.getlength(item.panel.caption)
    return max(item.width, math.ceil(caption))


def _has_bar(item: _Placed) -> bool:
    return item.height >= 40 and item.width >= 60


def _scaled(panels: tuple[Panel, ...]) -> list[_Placed]:
    """Give all panels of a row one scale, so that what is as large is drawn as large."""
    extents = [
        (panel.pixels.shape[1] * panel.pixel_size[0], panel.pixels.shape[0] * panel.pixel_size[1])
        for panel in panels
    ]
    longest = max((max(extent) for extent in extents), default=1.0)
    scale = longest / _PANEL
    return [
        _Placed(panel, max(1, round(across / scale)), max(1, round(down / scale)), scale)
        for panel, (across, down) in zip(panels, extents, strict=True)
    ]


def _draw_panel(
    picture: Pillow.Image,
    canvas: ImageDraw.ImageDraw,
    item: _Placed,
    left: int,
    top: int,
    bar: float,
    font: Any,
) -> None:
    pixels = Pillow.fromarray(item.panel.pixels)
    enlarged = item.width >= pixels.width and item.height >= pixels.height
    method = Pillow.Resampling.NEAREST if enlarged else Pillow.Resampling.BOX
    picture.paste(pixels.resize((item.width, item.height), method), (left, top))
    canvas.text((left, top + item.height + 4), item.panel.caption, fill=_FAINT, font=font)
    _draw_scale_bar(canvas, item, left, top, bar, font)


def _draw_scale_bar(
    canvas: ImageDraw.ImageDraw, item: _Placed, left: int, top: int, length: float, font: Any
) -> None:
    """Draw a bar of that many nanometres where there is room for its label."""
    if not _has_bar(item):
        return
    pixels = max(2, round(length / item.nanometres_per_pixel))
    right, bottom = left + item.width - 10, top + item.height - 10
    label = _length_text(length)
    text_width = canvas.textlength(label, font=font)
    box_left = right - max(pixels, text_width) - 6
    canvas.rectangle((box_left, bottom - 26, right + 6, bottom + 6), fill=_PAPER)
    canvas.rectangle((right - pixels, bottom - 3, right, bottom), fill=_BAR)
    canvas.text((right - text_width, bottom - 23), label, fill=_INK, font=font)


def _round_length(most: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that fits."""
    power = 10.0 ** math.floor(math.log10(most))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= most)


def _length_text(nanometres: float) -> str:
    # "um" because the font that comes with Pillow has no micro sign.
    for unit, size in (("m", 1e9), ("mm", 1e6), ("um", 1e3), ("nm", 1.0)):
        if nanometres >= size:
            return f"{nanometres / size:g} {unit}"
    return f"{nanometres:g} nm"


def _font(size: int) -> Any:
    return ImageFont.load_default(size)
