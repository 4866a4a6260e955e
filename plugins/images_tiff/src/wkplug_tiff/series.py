"""Which images a TIFF holds: tifffile's series, without thumbnails, and what of the file's pages is in none of them.

Files are damaged, and made to do harm: the list of pages may break off, lead back to its beginning, or go on for
hundreds of thousands of pages without an image. What is done here takes time in proportion to the pages.
"""

from __future__ import annotations

import contextlib
import math
import operator
import struct
from typing import TYPE_CHECKING, Any

import tifffile

from wkplug.abc.files import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "TiffFile",
    "check_chain",
    "check_description",
    "check_loops",
    "check_planes",
    "images_in",
    "levels_of",
    "notes_on_pages",
]

_DESCRIPTION = 270  # the tag that holds OME and ImageJ metadata
_ORIENTATION = 274
_MOST_EMPTY = 64
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_COUNTED = ("generic", "imagej", "ome", "shaped", "uniform")
"""Kinds of series that are made of one page per plane."""

_pages_of = operator.attrgetter("_pages")
# What a series lists, which may be the first page alone; iterating over it makes up the others, there or not.


class TiffFile(tifffile.TiffFile):  # type: ignore[misc]  # it comes without types
    """tifffile's, with series of equal pages found in linear time, whichever of them differ."""

    def _series_uniform(self) -> list[tifffile.TiffPageSeries] | None:
        """Give all pages as one series; None if they turn out to be of several kinds, or have no pixels."""
        first = self.pages.first
        if not first.shape or 0 in first.shape:
            return None
        try:
            series: list[tifffile.TiffPageSeries] | None = super()._series_uniform()
        except RuntimeError:  # few of them were looked at before
            return None
        return series

    def _series_generic(self) -> list[tifffile.TiffPageSeries] | None:
        """Group pages by their kind, subordinate ones included."""
        self.pages.useframes = False
        groups: dict[int, dict[int, Any]] = {}
        empty = 0
        for page in self._every_page():
            if not page.shape or 0 in page.shape:
                empty += 1
                if empty > _MOST_EMPTY:
                    raise EOFError(f"more than {_MOST_EMPTY} of its pages have no pixels")
                continue
            groups.setdefault(page.hash, {}).setdefault(page.offset, page)
        series = []
        for group in groups.values():
            first, *_ = every = list(group.values())
            shape, axes = (len(every), *first.shape), "I" + first.axes
            if "S" not in axes:
                shape, axes = (*shape, 1), axes + "S"
            series.append(tifffile.TiffPageSeries(every, shape, first.dtype, axes, kind="generic"))
        self.is_uniform = len(series) == 1
        if not self.is_agilent:
            tifffile.tifffile.pyramidize_series(series)
        return series or None

    def _every_page(self) -> Iterator[Any]:
        for found in self.pages:
            # Not a frame, which takes its size and type from another page.
            page = found if found.is_virtual else found.aspage()
            yield page
            for number, offset in enumerate(page.subifds or ()):
                if offset < 8:
                    continue
                self.filehandle.seek(offset)
                with contextlib.suppress(Exception):  # a damaged version of the page is none
                    yield tifffile.TiffPage(self, (page.index, number))


def images_in(file: tifffile.TiffFile) -> list[Any]:
    """The series that are images of their own.

    Masks and reduced ones with a name of their own come last, other reduced ones never.
    """
    every: list[Any] = file.series
    if not every:
        raise EOFError("it holds no image")
    whole = [item for item in every if not _subfile(item) & (_REDUCED | _MASK)]
    if not whole:
        return every
    names = {item.name for item in whole} | {""}
    more = [item for item in every if _subfile(item) & (_REDUCED | _MASK)]
    return whole + [item for item in more if not _subfile(item) & _REDUCED or item.name not in names]


def _subfile(series: Any) -> int:
    return int(series.keyframe.subfiletype or 0)


def levels_of(series: Any) -> list[Any]:
    """The resolutions that have the axes of the image, the finest first."""
    return [
        level
        for level in series.levels
        if level.axes == series.axes and len(level.shape) == len(series.shape)
    ]


def notes_on_pages(file: tifffile.TiffFile, series: Any, images: Sequence[Any], *, alone: bool) -> list[str]:
    """Say which planes of an image are not in the file, and which pages of the file are in no image.

    alone: whether the image lies in this one file.
    """
    notes = []
    planes = _pages_of(series) if series.kind == "ome" else ()
    absent = sum(page is None for page in planes)
    if absent:
        notes.append(f"{absent} of its {len(planes)} planes are in no file, and read as zeros")
    thumbnails = [item for item in file.series if not any(item is image for image in images)]
    notes.extend(
        f"its version of reduced resolution ({_size(item)}) is left out: it shows another of its images"
        for item in thumbnails
    )
    if not alone or series.kind not in _COUNTED:
        return notes
    turned = _turned_otherwise(series)
    if turned:
        notes.append(
            f"{turned} of its pages {'has' if turned == 1 else 'have'} another orientation tag than the first, "
            "which counts for all"
        )
    others = [image for image in images if image is not series]
    if series.kind == "generic" and others and not any(image.name for image in images):
        mine = _numbers(series)
        between = sorted(n for image in others for n in _numbers(image) if mine and mine[0] < n < mine[-1])
        if between:
            sizes = " and ".join(dict.fromkeys(_size(image) for image in others))
            pages, them = ("page lies", "it") if len(between) == 1 else ("pages lie", "them")
            # That images are left out is told with the scenes; here, what it does to this one.
            notes.append(
                f"{len(between)} {pages} between those of {_size(series)} ({listed(between, 5)}, counted from 0) "
                f"and of another size or type ({sizes}): no section stands for {them}, and what follows lies nearer"
            )
    left = len(file.pages) - sum(map(_count, file.series))
    if left > 0:
        notes.append(
            f"{left} of the {len(file.pages)} pages of the file are in no image that its metadata describe, "
            "and left out"
        )
    return notes


def check_planes(series: Any) -> None:
    """Refuse an image whose metadata declare more planes than there are pages; OME may leave planes out."""
    if series.kind not in _COUNTED or series.transform is not None:
        return
    planes = math.prod(series.shape) // max(1, math.prod(series.keyframe.shape))
    pages = len(_pages_of(series))
    if (
        pages < planes and series.dataoffset is None
    ):  # otherwise the voxels of all planes follow those of the first
        raise EOFError(f"its metadata declare {planes} planes, but it has {pages} pages")


def _turned_otherwise(series: Any) -> int:
    """How many pages have another orientation than the first, of those whose tags were read."""
    own = series.keyframe.tags.valueof(_ORIENTATION, 1)
    read = (page for page in _pages_of(series) if isinstance(page, tifffile.TiffPage))
    return sum(page.tags.valueof(_ORIENTATION, 1) != own for page in read)


def _numbers(series: Any) -> list[int]:
    return [page.index for page in _pages_of(series) if page is not None and not page.is_subifd]


def _count(series: Any) -> int:
    """How many pages of the file's list a series and its levels are made of."""
    count = 0
    for level in series.levels:
        if not level.keyframe.is_subifd:
            planes = math.prod(level.shape) // max(1, math.prod(level.keyframe.shape))
            count += planes - (sum(page is None for page in _pages_of(level)) if level.kind == "ome" else 0)
    return count


def _size(series: Any) -> str:
    lengths = dict(zip(series.axes, series.shape, strict=True))
    return f"{lengths.get('X', 1)} x {lengths.get('Y', 1)}"


def check_chain(file: tifffile.TiffFile) -> None:
    """Refuse a file whose list of pages breaks off; tifffile would go on with fewer pages."""
    position = file.pages.next_page_offset
    if position is None:
        return
    handle = file.filehandle
    with handle.lock:
        handle.seek(position)
        link = handle.read(file.tiff.offsetsize)
    if link.strip(b"\0"):
        raise EOFError(f"its list of pages breaks off after {len(file.pages)}")


def check_loops(file: tifffile.TiffFile, path: str) -> None:
    """Refuse a list of pages that leads back into itself; tifffile would follow it without end."""
    layout = file.tiff
    order = "<" if layout.byteorder == "<" else ">"
    count_of = struct.Struct(f"{order}{layout.tagnoformat.strip('<>')}")
    link_of = struct.Struct(f"{order}{layout.offsetformat.strip('<>')}")
    seen: set[int] = set()
    position = int(file.pages.first.offset)
    with open(path, "rb", buffering=0) as raw:  # noqa: PTH123 - the location gives text
        while position and position not in seen:
            seen.add(position)
            raw.seek(position)
            head = raw.read(count_of.size)
            if len(head) < count_of.size:
                return
            (count,) = count_of.unpack(head)
            raw.seek(position + count_of.size + count * layout.tagsize)
            link = raw.read(link_of.size)
            if len(link) < link_of.size or count > 4096:
                return
            (position,) = link_of.unpack(link)
    if position:
        raise EOFError(f"its list of pages leads back to page {sorted(seen).index(position)}, and never ends")


def check_description(file: tifffile.TiffFile) -> None:
    """Refuse a file whose description lies beyond its end; tifffile would go on without, with other axes."""
    page, layout, handle = file.pages.first, file.tiff, file.filehandle
    with handle.lock:
        handle.seek(page.offset)
        (count,) = struct.unpack(layout.tagnoformat, handle.read(layout.tagnosize))
        entries = handle.read(count * layout.tagsize)
    order = "<" if layout.byteorder == "<" else ">"
    codes = {code for (code,) in struct.iter_unpack(f"{order}H{layout.tagsize - 2}x", entries)}
    if _DESCRIPTION in codes and _DESCRIPTION not in page.tags:
        raise EOFError("its description lies beyond its end")
