"""TIFF images through tifffile: one series is one image, with the axes that the file names.

The file is parsed once, when it is opened; a closed image that is read goes on with that. A region decodes only the
tiles or strips that it touches (see `wkplug_tiff.pages`); what is not compressed is read by its bytes alone.

Axes: tifffile's letters in lower case; "q" are pages of unknown meaning, "s" the samples of a pixel. Values are the
file's own: bits become 0 and 1, palettes stay indices (label images often carry one), JPEG and inks become RGB. What is
stored turned or mirrored is given as it is seen.
"""

from __future__ import annotations

import contextlib
import math
import os
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from wkplug.abc import ImageInfo, ImageReader, ProbeScore, StoredImage
from wkplug.abc.files import check_dtype, check_scene, open_file, path_or_file
from wkplug.abc.images import by_frames, region_of
from wkplug.errors import UnsupportedImageDataError
from wkplug_tiff.look import Look
from wkplug_tiff.metadata import said
from wkplug_tiff.pages import block_of_page, check_extent, read_page, read_plain
from wkplug_tiff.series import (
    TiffFile,
    check_chain,
    check_description,
    check_loops,
    check_planes,
    images_in,
    levels_of,
    notes_on_pages,
)
from wkplug_tiff.sets import (
    COMPANION,
    OmeSet,
    check_counts,
    identity_of,
    images_of,
    renamed,
    set_of,
    starts_like_ome,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location

__all__ = ["TiffImage", "TiffReader"]

_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_KIND = "a TIFF"
_BUFFER = 1 << 14  # directories may lie far from each other, so that more would be in vain
_HEAD = 4096
_NAMELESS = ("generic", "uniform")
"""Kinds of series whose pages nothing explains."""

_SAME_MEANING = {"i": "q", "r": "q"}


class TiffReader(ImageReader):
    """Opens files that start like a TIFF, and the metadata files of OME-TIFFs."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        """See `ImageReader.probe`."""
        if head.startswith(_MAGIC):
            return ProbeScore.MAGIC
        companion = location.name.lower().endswith(COMPANION) and starts_like_ome(head)
        return ProbeScore.MAGIC if companion else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> TiffImage:
        """See `ImageReader.open`; scenes are the series of the file."""
        return TiffImage(self, location, scene)


@attrs.define(eq=False)
class _Parsed:
    """A file that was parsed: its images, the set of files that it is of, and what is asked of one image.

    version: of the file, None where it can't be told; see `_version`.
    """

    file: TiffFile
    images: list[Any]
    set: OmeSet
    version: tuple[int, int] | None = None
    levels: list[Any] = attrs.field(factory=list)
    look: Look = attrs.field(init=False)
    info: ImageInfo = attrs.field(init=False)


class TiffImage(StoredImage):
    """One series of a TIFF file."""

    what = _KIND
    in_turns = False
    _known: _Parsed | None = None

    # --- opening ------------------------------------------------------------------------------------------

    def open_file(self) -> _Parsed:
        """Go on with what was parsed if the file is still the same; parse it otherwise."""
        version = _version(self.location)  # before it is parsed: what comes meanwhile is seen later
        known = self._known
        if known is not None and known.version == version:
            known.file.filehandle.open()
            self.closing.callback(known.file.close)
            return known
        found, handles = _parse(self.location)
        self.closing.callback(handles.close)
        found.version = version
        check_scene(self.location, self.scene, len(found.images))
        found.levels = levels_of(found.images[self.scene])
        self.info = found.info = self._described(found)
        self.reopens = version is not None and found.set.main == self.location and not found.set.companions
        self._known = found if self.reopens else None
        return found

    def describe(self, file: _Parsed) -> ImageInfo:
        """Say what the series is."""
        return file.info

    def _described(self, parsed: _Parsed) -> ImageInfo:
        file, every = parsed.file, parsed.images
        series = every[self.scene]
        page = series.keyframe
        axes = _axes(series.axes, len(series.shape))
        check_dtype(self.location, series.dtype)
        if 0 in series.shape:
            raise EOFError(f"it says that its shape is {series.shape}")
        self._check_decoder(page)
        check_planes(series)
        look = parsed.look = Look.of(page, axes, series.shape)
        notes = list(look.notes)
        if series.kind in _NAMELESS and starts_like_ome(str(series.keyframe.description)[:_HEAD].encode()):
            notes.append(
                "its OME metadata are damaged, or describe other pages than it has: what its planes are was not taken "
                "from them"
            )
        if "q" in axes:
            notes.append("the file doesn't say what its pages are (axis q)")
        words = said(file, series, images_of(parsed.set.root))
        size_x, size_y, size_z = words.voxel_size
        shapes = [look.shape(level.shape, axes) for level in parsed.levels]
        lengths = {length for axis, length in zip(axes, shapes[0], strict=True) if axis in ("c", "s")} or {1}
        names = words.channel_names if len(words.channel_names) in lengths else ()
        if not names and "c" not in axes:
            names = look.sample_names
        notes += notes_on_pages(file, series, every, alone=not parsed.set.companions)
        return ImageInfo(
            axes=axes,
            shape=shapes[0],
            dtype=_dtype(series.dtype).name,
            voxel_size=(size_y, size_x, size_z) if look.orientation.exchanged else (size_x, size_y, size_z),
            photometric=look.photometric,
            palette=look.palette,
            bits=look.bits,
            channel_names=names,
            channel_colors=words.channel_colors if len(words.channel_colors) in lengths else (),
            channel_ranges=words.channel_ranges if len(words.channel_ranges) in lengths else (),
            levels=len(shapes),
            level_shapes=tuple(shapes),
            scenes=tuple(item.name or f"series {number}" for number, item in enumerate(every))
            if len(every) > 1
            else (),
            companions=parsed.set.companions,
            block_shape=look.shape(_block_shape(series), axes),
            details={
                "kind": series.kind,
                "compression": getattr(page.compression, "name", ""),
                "pages": len(series.pages),
                "bigtiff": bool(file.is_bigtiff),
                **({"voxel size from": words.source} if words.source else {}),
                **words.details,
            },
            notes=(*notes, *words.notes),
        )

    def _check_decoder(self, page: Any) -> None:
        """Refuse what tifffile has no decoder for, before anything is read."""
        try:
            page.decode(None, 0)
        except (ValueError, NotImplementedError) as error:
            raise UnsupportedImageDataError(
                f"{self.location.url} can't be decoded: {error}",
                self.location.url,
                hint="Export it with another compression, such as deflate or zstd.",
            ) from error

    # --- voxels -------------------------------------------------------------------------------------------

    def read_box(self, file: _Parsed, box: Box, level: int) -> NDArray[Any]:
        """Read a region as it is seen."""
        look, axes = file.look, file.info.axes
        if look.is_plain:
            return self._stored(file, level, box)
        stored = look.stored_box(box, file.info.level_shapes[level], axes)
        return look.seen(self._stored(file, level, stored), box, axes)

    def _stored(self, parsed: _Parsed, level: int, box: Box) -> NDArray[Any]:
        """Read a region as it lies in the file."""
        file, series = parsed.file, parsed.levels[level]
        shape = tuple(int(length) for length in series.shape)
        if series.dataoffset is not None and _plain(series):
            dtype = np.dtype(series.dtype).newbyteorder(file.byteorder)
            check_extent(series.dataoffset + math.prod(shape) * dtype.itemsize, file)
            data = read_plain(parsed.set.main, series.dataoffset, dtype, shape, region_of(box))
        else:
            data = self._from_pages(parsed, series, shape, box)
        return data.astype(_dtype(data.dtype), copy=not data.flags.writeable)

    def _from_pages(self, parsed: _Parsed, series: Any, shape: tuple[int, ...], box: Box) -> NDArray[Any]:
        """Decode what the region touches of the pages that it touches, one after the other."""
        page_shape = tuple(int(length) for length in series.keyframe.shape)
        lead = len(shape) - len(page_shape)
        if lead < 0 or shape[lead:] != page_shape or series.transform is not None:
            # Pages that together make up an axis of their own, as separate planes do: let tifffile arrange them.
            with self.lock:
                whole: NDArray[Any] = series.asarray()
            return np.array(whole.reshape(shape)[region_of(box)])

        def part(place: tuple[int, ...], region: tuple[slice, ...]) -> NDArray[Any] | int:
            page = self._page(series, int(np.ravel_multi_index(place, shape[:lead])) if lead else 0)
            if page is None:
                return 0  # the metadata declare a page and the file leaves it out, as OME allows
            return read_page(page, parsed.set.main, region, same_file=page.parent is parsed.file)

        return by_frames(box, lead, series.dtype, part)

    def _page(self, series: Any, number: int) -> Any:
        if number >= len(series.pages):
            raise EOFError(f"page {number} of {len(series.pages)} is missing")
        with self.lock:
            return series.pages[number]


def _version(location: Location) -> tuple[int, int] | None:
    """The size of a local file and the time of its last change; None elsewhere, and where there is no file."""
    path = location.local_path()
    try:
        facts = None if path is None else os.stat(path)  # noqa: PTH116 - the location gives text
    except OSError:
        return None
    return None if facts is None else (facts.st_size, facts.st_mtime_ns)


def _parse(location: Location) -> tuple[_Parsed, contextlib.ExitStack]:
    """Open a file and find its series; the stack closes what was opened, and is empty if this fails."""
    found = set_of(location, None, _KIND) if location.name.lower().endswith(COMPANION) else None
    parsed, handles = _parse_as(location, found)
    found, every = parsed.set, parsed.images
    again: dict[str, Any] = {}
    changed = renamed(found, location, _identities(parsed.file)) if found.companions else None
    first = every[0]
    if len(every) > 1 and all(
        (item.kind, item.axes, item.shape, item.dtype, len(item.pages))
        == ("shaped", first.axes, first.shape, first.dtype, 1)
        for item in every
    ):
        # Pages that were written one by one, each with a description of itself alone, are one stack nevertheless.
        again = {"is_shaped": False}
    if changed is None and not again:
        return parsed, handles
    handles.close()
    return _parse_as(location, changed, **again)


def _parse_as(location: Location, known: OmeSet | None, **flags: Any) -> tuple[_Parsed, contextlib.ExitStack]:
    """Parse a TIFF as it is, or the one that is `known` to be the first of a set."""
    main = location if known is None else known.main
    path = main.local_path()
    source = path_or_file(main) if path is not None else open_file(main, buffer=_BUFFER)
    text = None if known is None else known.text
    with contextlib.ExitStack() as stack:
        if not isinstance(source, str):
            stack.callback(source.close)
        file = TiffFile(source, _multifile=path is not None, omexml=text, **flags)
        stack.callback(file.close)
        # Without, threads that read at once move each other's place in the file.
        file.filehandle.set_lock(True)
        if known is None:
            known = set_of(location, file.ome_metadata or "", _KIND)
            if known.text is not None:  # what the file says is not how its set is named here
                stack.close()
                return _parse_as(location, known, **flags)
        check_counts(known, file.filehandle.size)
        if path is not None:
            check_loops(file, path)
        every = images_in(file)
        check_chain(file)
        check_description(file)
        return _Parsed(file, every, known), stack.pop_all()


def _identities(file: Any) -> dict[str, str]:
    """What the files of a set say that they are, by what they were opened for."""
    return {
        uuid: uuid if part is file else identity_of(part.pages.first.description)
        for uuid, part in getattr(file, "_files", {}).items()
        if uuid
    }


def _plain(series: Any) -> bool:
    return bool(series.keyframe.is_final) and series.transform is None


def _block_shape(series: Any) -> tuple[int, ...]:
    """What is decoded as one: a tile or strip of one page, or a few rows of a plain one."""
    shape = tuple(int(length) for length in series.shape)
    page = series.keyframe
    lead = len(shape) - len(page.shape)
    if lead < 0 or shape[lead:] != tuple(page.shape) or series.transform is not None:
        return shape
    return (1,) * lead + block_of_page(page)


def _dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that voxels are given in."""
    return np.dtype("uint8") if dtype.kind == "b" else dtype.newbyteorder("=")


def _axes(names: str, rank: int) -> tuple[str, ...]:
    """Give one letter per axis; axes of the same unknown meaning get a number."""
    letters = [_SAME_MEANING.get(letter, letter) for letter in names.lower()]
    result: list[str] = []
    for letter in letters[:rank]:
        name, count = letter, 2
        while name in result:
            name, count = f"{letter}{count}", count + 1
        result.append(name)
    return tuple(result)
