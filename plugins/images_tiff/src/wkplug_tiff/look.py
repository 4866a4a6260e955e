"""How the pixels of a page are meant to be looked at: turned or mirrored, as inks, by a palette, with white as 0.

Orientation and inks are undone when pixels are read. Palettes, bits and what 0 means are told: images are shown by
them, labels are the stored values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from wkplug.abc.pixels import Orientation, rgb_of_inks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wkplug.abc import Box

__all__ = ["Look"]

_ORIENTATION, _INK_SET = 274, 332
_CMYK = 1
_ALPHA = (1, 2)  # ExtraSamples: associated, unassociated
_COLORS = ("red", "green", "blue")


@attrs.frozen(kw_only=True)
class Look:
    """See `ImageInfo` for photometric, palette and bits. inks: whether the samples are cyan, magenta, yellow, black.

    sample_names: of the samples of a pixel as they are given, empty where there is nothing to tell.
    """

    orientation: Orientation
    photometric: str
    palette: tuple[tuple[int, ...], ...]
    bits: int | None
    inks: bool
    sample_names: tuple[str, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, page: Any, axes: Sequence[str], shape: Sequence[int]) -> Look:
        """Look at the tags of a page, whose image has these axes."""
        photometric = getattr(page.photometric, "name", "").lower()
        if photometric == "ycbcr" and "JPEG" in getattr(page.compression, "name", ""):
            photometric = "rgb"  # that is what the codec gives
        samples = dict(zip(axes, shape, strict=True)).get("s", 1)
        unsigned = page.dtype is not None and page.dtype.kind == "u" and page.dtype.itemsize <= 2
        inks = (
            photometric == "separated"
            and samples >= 4
            and unsigned
            and page.tags.valueof(_INK_SET, _CMYK) == _CMYK
        )
        orientation = Orientation(_number(page.tags.valueof(_ORIENTATION, 1)))
        bits = int(page.bitspersample) if isinstance(page.bitspersample, int) else None
        if (
            bits is None
            or page.dtype is None
            or page.dtype.kind not in "bu"
            or bits >= 8 * page.dtype.itemsize
        ):
            bits = 1 if page.dtype is not None and page.dtype.kind == "b" else None
        palette = _palette(page) if photometric == "palette" else ()
        notes = [orientation.note] if orientation.note else []
        if inks:
            photometric = "rgb"
            notes.append("its inks (CMYK) are converted to red, green and blue, without a colour profile")
        if palette:
            notes.append(f"its values are indices into a palette of {len(palette)} colours")
        return cls(
            orientation=orientation,
            photometric=photometric,
            palette=palette,
            bits=bits,
            inks=inks,
            sample_names=_sample_names(page, photometric, samples - inks),
            notes=tuple(notes),
        )

    @property
    def is_plain(self) -> bool:
        """Whether pixels are given as they are stored."""
        return self.orientation.number == 1 and not self.inks

    def shape(self, stored: Sequence[int], axes: Sequence[str]) -> tuple[int, ...]:
        """The shape in which an image, or a block of it, is given."""
        lengths = [int(length) for length in stored]
        if self.inks:
            lengths[axes.index("s")] = max(1, lengths[axes.index("s")] - 1)
        return self.orientation.seen_lengths(lengths, axes)

    def stored_box(self, box: Box, shape: Sequence[int], axes: Sequence[str]) -> Box:
        """What has to be read for a box of the image that is given in this shape."""
        start, extent = (list(part) for part in self.orientation.stored_box(box, shape, axes))
        if self.inks:  # each colour is made of its ink and of black
            at = axes.index("s")
            start[at], extent[at] = 0, shape[at] + 1
        return tuple(start), tuple(extent)

    def seen(self, data: NDArray[Any], box: Box, axes: Sequence[str]) -> NDArray[Any]:
        """Make what was read into what is given for a box."""
        if self.inks:
            at = axes.index("s")
            colors = rgb_of_inks(data, at)
            cut = [slice(None)] * data.ndim
            cut[at] = slice(box[0][at], box[0][at] + box[1][at])
            data = colors[tuple(cut)]
        return np.array(self.orientation.seen(data, axes), order="C")


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 1


def _sample_names(page: Any, photometric: str, samples: int) -> tuple[str, ...]:
    """Names of red, green, blue (or grey) and what else there is, if that is more than these."""
    extra = tuple(int(kind) for kind in page.extrasamples or ())
    colors = _COLORS if photometric == "rgb" else ("grey",)
    if (
        len(extra) != samples - len(colors)
        or not extra
        or (colors != _COLORS and not set(extra) & set(_ALPHA))
    ):
        return ()
    names = ["alpha" if kind in _ALPHA else "extra" for kind in extra]
    return (*colors, *(name if names.count(name) == 1 else f"{name}{n}" for n, name in enumerate(names, 1)))


def _palette(page: Any) -> tuple[tuple[int, ...], ...]:
    """The colours of a palette with 8 bits; the tag has 16, but some writers fill only 8 of them."""
    table = page.colormap
    if not isinstance(table, np.ndarray) or table.ndim != 2 or table.shape[0] != 3:
        return ()
    colors = table if table.max(initial=0) < 256 else table >> 8
    return tuple(map(tuple, colors.T.tolist()))
