"""`precomputed`: what the volumes of neuroglancer and CloudVolume make as datasets.

Scales are sorted from fine to coarse, whatever their order in the info file; the finest that is listed is mag 1. One
scale that is named alone keeps its mag. Voxel offsets keep a volume's place; one that begins before voxel 0 is moved to
begin there, which is told.

Only the info file is read here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from wkplug.abc import ForeignLayer, ForeignMag, Image, ImageInfo, Importer, ProbeScore
from wkplug.errors import CorruptDataError, MissingError, UnlistableError
from wkplug_tensorstore.backends import MovedPrecomputedBackend
from wkplug_tensorstore.links import read_link
from wkplug_tensorstore.precomputed import find, scale_of
from wkplug_tensorstore.stored import read_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, LinkedLayer, Location
    from wkplug_tensorstore.array import TensorstoreArray

__all__ = ["PrecomputedImporter"]

_SAME = 1e-3


class PrecomputedImporter(Importer):
    """Describes neuroglancer precomputed volumes."""

    def __init__(self, settings: object = None) -> None:
        del settings

    def probe(self, location: Location) -> ProbeScore:
        """Certain about an info file with scales, and about a folder that one of them names."""
        try:
            document = read_document(location.child("info"))
        except MissingError:
            return ProbeScore.CERTAIN if _above(location) is not None else ProbeScore.NO
        except CorruptDataError:
            return ProbeScore.MARKER
        return ProbeScore.CERTAIN if isinstance(document.get("scales"), list) else ProbeScore.NO

    def describe(self, location: Location) -> tuple[ForeignLayer, ...]:
        """See `Importer.describe`."""
        above = _above(location)
        if above is not None:
            file, key, document = above
            return (_volume(file.parent, document, key),)
        return (_volume(location, read_document(location.child("info")), None),)

    def open(self, mag: ForeignMag) -> Image | None:
        """Open a scale that begins before voxel 0, where no array of a dataset can; None for all others."""
        file, key, document = find(mag.location)
        scale = scale_of(document, key, file.url)
        begin = [] if scale is None else scale.get("voxel_offset") or []
        return MovedVolume(mag.location) if any(low < 0 for low in begin) else None

    def linked(self, text: str) -> tuple[LinkedLayer, ...] | str | None:
        """See `Importer.linked`: links of Neuroglancer."""
        return read_link(text)


class MovedVolume(Image):
    """A scale that begins before voxel 0, from the first of its voxels on along the axes where it does."""

    thread_safe = True

    def __init__(self, location: Location) -> None:
        self._location = location
        self._array = cast("TensorstoreArray", MovedPrecomputedBackend().open(location))
        self.array = self._array
        spec = self._array.spec
        self._start = self._array.origin
        shape = tuple((length or 0) - low for length, low in zip(spec.shape, self._start, strict=True))
        self.info = ImageInfo(
            axes=spec.axes,
            shape=shape,
            dtype=spec.dtype,
            block_shape=tuple(map(min, spec.chunk_shape, shape)),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (MovedVolume, (self._location,))

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        del level
        start, shape = self.info.box() if box is None else box
        return self._array.read((tuple(a + b for a, b in zip(self._start, start, strict=True)), shape))


def _above(location: Location) -> tuple[Location, str, dict[str, Any]] | None:
    """The info file that lists this folder as a scale."""
    try:
        if location.child("info").exists():
            return None
        file, key, document = find(location)
        return None if scale_of(document, key, file.url) is None else (file, key, document)
    except (CorruptDataError, MissingError):
        return None


def _volume(location: Location, document: Mapping[str, Any], only: str | None) -> ForeignLayer:
    """Describe a volume, or one scale of it."""
    where = location.child("info").url
    try:
        scales = [scale for scale in document.get("scales") or () if isinstance(scale, dict)]
        sizes = [[float(size) for size in scale["resolution"]] for scale in scales]
        order = sorted(range(len(scales)), key=lambda number: math.prod(sizes[number]))
        kept = [
            number for number in order if only is None or scale_of({"scales": [scales[number]]}, only, where)
        ]
        empty = _leading_empty([_place(location, scales[number]) for number in kept])
        left_out, kept = kept[:empty], kept[empty:]
        finest, own = sizes[order[0]], sizes[kept[0]]
        if not all(_is_factor(a / b) for a, b in zip(own, finest, strict=True)):
            finest = own  # no mag of the finest scale: a dataset of its own resolution
        begin = [int(number) for number in scales[kept[0]].get("voxel_offset", (0, 0, 0))]
        mags = []
        for number in kept:
            x, y, z = (max(1, round(a / b)) for a, b in zip(sizes[number], finest, strict=True))
            mags.append(
                ForeignMag(
                    location=_place(location, scales[number]),
                    data_format="neuroglancerPrecomputed",
                    axes=("c", "x", "y", "z"),
                    mag=(x, y, z),
                )
            )
        corner = (max(0, begin[0]), max(0, begin[1]), max(0, begin[2]))
    except (IndexError, KeyError, OverflowError, TypeError, ValueError, ZeroDivisionError) as error:
        raise CorruptDataError(f"{where} is damaged: its scales can't be read.") from error
    told = ", ".join(f"{low} along {axis}" for axis, low in zip("xyz", begin, strict=True) if low < 0)
    notes = (
        [f"It begins at voxel {told}, where a dataset has none; it was moved to begin at 0."] if told else []
    )
    if left_out:
        keys = ", ".join(str(scales[number]["key"]) for number in left_out)
        notes.append(
            f"Nothing is stored of {keys}: the finest resolution that is there is {mags[0].location.name}."
        )
    return ForeignLayer(
        name=location.name.removesuffix(".precomputed") or "color",
        category="segmentation" if document.get("type") == "segmentation" else "color",
        mags=tuple(mags),
        voxel_size=(finest[0], finest[1], finest[2]),
        begin=corner,
        notes=tuple(notes),
    )


def _place(location: Location, scale: Mapping[str, Any]) -> Location:
    """The folder that a scale's key names."""
    key = str(scale["key"])
    if scale_of({"scales": [scale]}, "", location.url) is not None:
        return location  # of one scale, in its own folder
    return location.child(*(part for part in key.split("/") if part not in ("", ".")))


def _leading_empty(places: list[Location]) -> int:
    """How many of the scales, from the first on, hold nothing, where a later one holds something; 0 if none can say."""
    for number, place in enumerate(places):
        try:
            if next(iter(place.list()), None) is not None:
                return number
        except UnlistableError:
            break
    return 0


def _is_factor(ratio: float) -> bool:
    """Whether a mag may have this factor: a power of two."""
    whole = round(ratio)
    return whole > 0 and abs(ratio - whole) <= _SAME * whole and not whole & (whole - 1)
