"""Containers of other tools as sources of images: what an importer describes, read through an array backend.

A folder may be a container (an OME-Zarr image, say) instead of a folder of image files: an importer that recognises
it says which layers it holds, where they lie and what their axes are. From there on their finest resolutions are
images like any others: cut, flipped, converted and written by the same code. Coarser resolutions are computed anew.

A folder of images may be long and is not listed again for every importer; one whose files merely are called like
those of a container stays a folder of images. Before an import begins, all names in an array's folder are looked at:
chunk files that the backend never asks for (with a suffix, or another separator than the metadata say) would be read
as fill value, so they are an error.
"""

from __future__ import annotations

import re
import sys
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

import attrs

from wkplug import registry, storage
from wkplug.abc import (
    Array,
    Box,
    ForeignLayer,
    Image,
    ImageInfo,
    Importer,
    Location,
    ProbeScore,
    side_by_side,
)
from wkplug.errors import (
    CorruptDataError,
    MissingError,
    UnknownNameError,
    UnlistableError,
    UnsupportedImageDataError,
    UnsupportedOperationError,
)
from wkplug.filesystems.answers import ask_ahead
from wkplug.filesystems.zip import OF_SYSTEMS, is_zip, unzipped
from wkplug.geometry import grids
from wkplug.notices import counted
from wkplug.ops.importing.readers import readable_suffixes
from wkplug.ops.importing.report import ImportNote
from wkplug.registry import Choice
from wkplug.registry.plugins import IMPORTER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "NOTHING_STORED",
    "OF_SYSTEMS",
    "ArrayImage",
    "Container",
    "check_chunks",
    "choose_container",
    "describe_container",
    "inside_archive",
    "is_container",
    "is_sure",
    "notes_of",
]

_ZIP = ".zip"
_MARKER_BYTES = 1 << 20


@attrs.frozen(slots=False)
class Container:
    """The layer `layer` of a container as a source of images, see `readers.Source`; pickles."""

    importer_name: str
    layer: ForeignLayer
    location: Location

    exact = True
    notes: ClassVar[tuple[ImportNote, ...]] = ()

    @property
    def category(self) -> str:
        """See `Source.category`."""
        return self.layer.category

    @property
    def path(self) -> str:
        """The array's place."""
        return str(self.layer.mags[0].location.url)

    @cached_property
    def info(self) -> ImageInfo:
        """What the container and the array say, and what its files tell.

        CorruptDataError for chunks that are there, but would not be read.
        """
        with self.open() as image:
            place = self.layer.mags[0].location
            found = () if image.array is None else check_chunks(image.array, place)
            return attrs.evolve(image.info, notes=(*image.info.notes, *found))

    @property
    def size_of_mag_1(self) -> tuple[float, float, float] | None:
        """Nanometres along x, y and z, where the container says all three."""
        x, y, z = self.layer.voxel_size
        return None if x is None or y is None or z is None else (x, y, z)

    @cached_property
    def topleft(self) -> tuple[int, int, int]:
        """Where the first voxel lies in the dataset, in voxels of the finest resolution."""
        with self.open() as image:
            begin = image.begin if isinstance(image, ArrayImage) else self.layer.begin
        x, y, z = (low + first for low, first in zip(self.layer.offset, begin, strict=True))
        return x, y, z

    def open(self) -> Image:
        """Open the finest resolution; CorruptDataError if the container names an array that is not there."""
        importer: Importer = registry.importer(self.importer_name)
        try:
            image = importer.open(self.layer.mags[0])
            return ArrayImage(self.layer) if image is None else _ImporterImage(self.layer, image)
        except MissingError as error:
            raise CorruptDataError(
                f"The metadata of the layer {self.layer.name!r} name the array {self.path}, which is not there.",
                hint="The container is damaged or was not copied as a whole.",
            ) from error

    def stored_boxes(self) -> list[Box] | None:
        """The boxes of which something is stored, along the axes of `info`; None where nobody can tell."""
        with self.open() as image:
            return image.stored_boxes() if isinstance(image, ArrayImage) else None

    def signature(self) -> str:
        """Containers are taken to stay as they are: looking at all of their files would take too long."""
        return f"{self.info.shape} {self.info.dtype}"


def inside_archive(location: Location) -> Location:
    """Give the inside of a zip archive, by its suffix or one that an importer knows; or the place itself."""
    suffixes, _ = _suffixes_and_markers(registry.current_registry())
    return unzipped(location, (_ZIP, *suffixes))


def choose_container(location: Location, importer: str | None = None) -> Choice | None:
    """Find the importer that knows what is at a place, None if there is none (an error if one was named)."""
    if importer is not None:
        return registry.choose_importer(location, importer)
    try:
        names = tuple(location.list())
    except UnlistableError as error:
        _ask_for_markers(location)
        return registry.choose_importer(cast("Location", _ListedLocation(location, (), error)))
    if not names and (
        location.local_path() is not None or location.name.lower().endswith(readable_suffixes())
    ):
        return None  # a file; servers don't list what they have, but may be asked for a container's files
    _ask_for_markers(location, names)
    try:
        return registry.choose_importer(cast("Location", _ListedLocation(location, names)))
    except UnknownNameError:
        return None


def _ask_for_markers(location: Location, names: Sequence[str] = ()) -> None:
    """Ask for the files of all importers at once: those that are named, or all where names are missing in lists."""
    if location.concurrency < 2:
        return
    _, markers = _suffixes_and_markers(registry.current_registry())
    wanted = markers.intersection(names) if location.lists_all else markers
    ask_ahead(location, [partial(location.child(marker).read, 0, _MARKER_BYTES) for marker in wanted])


@lru_cache(maxsize=2)
def _suffixes_and_markers(installed: registry.Registry) -> tuple[tuple[str, ...], frozenset[str]]:
    """All suffixes, and all names of markers, of containers."""
    return tuple(installed.values(IMPORTER, "suffixes")), installed.values(IMPORTER, "markers")


def is_container(location: Location, names: Sequence[str] | None = None) -> bool:
    """Whether something in a folder is surely a container by itself; names: of what is in it, None for a file."""
    suffixes, markers = _suffixes_and_markers(registry.current_registry())
    named = location.name.lower().endswith(suffixes)
    if names is None:
        return named and is_zip(location)
    if not named and markers.isdisjoint(names):
        return False
    try:
        return is_sure(registry.choose_importer(cast("Location", _ListedLocation(location, tuple(names)))))
    except UnknownNameError:
        return False


def describe_container(choice: Choice, location: Location) -> tuple[Container, ...]:
    """Give the layers of a container; CorruptDataError if it is damaged, which see `is_sure`."""
    layers: tuple[ForeignLayer, ...] = choice.winner.describe(location)
    return tuple(Container(choice.name, layer, location) for layer in layers)


def notes_of(containers: Iterable[Container]) -> list[ImportNote]:
    """Notes about containers as a whole, whichever of their layers are imported."""
    return [
        ImportNote(kind="said", text=note, sources=(str(each.location.url),))
        for each in containers
        for note in each.layer.container_notes
    ]


def is_sure(choice: Choice) -> bool:
    """Whether an importer has recognised a container by its contents; otherwise it may be something else."""
    score = next((ranked.score for ranked in choice.ranking if ranked.name == choice.name), 0)
    return score >= ProbeScore.CERTAIN


class _ListedLocation:
    """A place whose names are known, or why they can't be."""

    def __init__(
        self, location: Location, names: tuple[str, ...], error: UnlistableError | None = None
    ) -> None:
        self._location, self._names, self._error = location, names, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._location, name)

    def list(self) -> Iterator[str]:
        if self._error is not None:
            raise self._error
        return iter(self._names)


class ArrayImage(Image):
    """An array of a backend as an image; its first voxel is the first one that is there."""

    thread_safe = True

    def __init__(self, layer: ForeignLayer) -> None:
        self._layer = layer
        mag = layer.mags[0]
        self._handle = storage.open_array(mag.location, mag.data_format, axes=mag.axes)
        self.array = self._handle.array
        start, shape = self._bounds()
        self._start = start
        spec = self._handle.spec
        self.info = _with_facts(
            ImageInfo(
                axes=spec.axes,
                shape=shape,
                dtype=spec.dtype,
                # Whole chunks are decoded; further axes are read one index at a time.
                block_shape=tuple(map(min, spec.chunk_shape, shape)),
            ),
            layer,
        )

    def _bounds(self) -> Box:
        """From the layer's beginning to the array's end; where it has no end, the hull of what is stored."""
        spec = self._handle.spec
        by_axis = dict(zip("xyz", self._layer.begin, strict=True))
        start = tuple(by_axis.get(axis, 0) for axis in spec.axes)
        if None in spec.shape:
            hull: Box | None = None
            for box in self._handle.stored_boxes() or ():
                hull = box if hull is None else grids.hull(hull, box)
            if hull is None:
                check_chunks(self._handle.array, self._handle.location)
                raise UnsupportedImageDataError(f"{self._handle.location.url} holds no voxels.")
            return hull
        return start, tuple((length or 0) - first for length, first in zip(spec.shape, start, strict=True))

    def stored_boxes(self) -> list[Box] | None:
        """See `Container.stored_boxes`."""
        if not self._handle.backend.capabilities.lists_stored:
            return None
        own = self._start, self.info.shape
        try:
            found = [grids.intersect(own, box) for box in self._handle.stored_boxes()]
        except UnsupportedOperationError:
            return None
        return [
            (tuple(low - first for low, first in zip(box[0], self._start, strict=True)), box[1])
            for box in found
            if box is not None
        ]

    @cached_property
    def begin(self) -> tuple[int, int, int]:
        """Where the first voxel lies in the array, along x, y and z."""
        by_axis = dict(zip(self.info.axes, self._start, strict=True))
        x, y, z = (by_axis.get(axis, 0) for axis in "xyz")
        return x, y, z

    def __reduce__(self) -> tuple[Any, ...]:
        return (ArrayImage, (self._layer,))

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        del level
        start, shape = ((0,) * len(self._start), self.info.shape) if box is None else box
        return self._handle.read((tuple(a + b for a, b in zip(self._start, start, strict=True)), shape))

    def close(self) -> None:
        """Handles are shared by all who read the array: nothing is closed here."""


class _ImporterImage(Image):
    """An importer's own image, with what its container says of it."""

    def __init__(self, layer: ForeignLayer, image: Image) -> None:
        self._layer, self._image = layer, image
        self.thread_safe, self.array = image.thread_safe, image.array
        self.info = _with_facts(image.info, layer)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_ImporterImage, (self._layer, self._image))

    def read(self, box: Box | None = None, *, level: int = 0) -> NDArray[Any]:
        """See `Image.read`."""
        return self._image.read(box, level=level)

    def close(self) -> None:
        """See `Image.close`."""
        self._image.close()


def _with_facts(info: ImageInfo, layer: ForeignLayer) -> ImageInfo:
    x, y, z = (
        None if size is None else size * factor
        for size, factor in zip(layer.voxel_size, layer.mags[0].mag, strict=True)
    )
    return attrs.evolve(
        info,
        photometric="rgb" if _is_colour(info, layer) else info.photometric,
        voxel_size=(x, y, z),
        channel_names=layer.channel_names,
        channel_colors=layer.channel_colors,
        channel_ranges=layer.channel_ranges,
        channel_visible=layer.channel_visible,
        channel_inverted=layer.channel_inverted,
        details=layer.details,
        notes=tuple(dict.fromkeys((*info.notes, *layer.notes))),
    )


_RGB = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


def _is_colour(info: ImageInfo, layer: ForeignLayer) -> bool:
    """Whether three channels are the colours of one image: they say so, or say nothing."""
    count = info.shape[info.axes.index("c")] if "c" in info.axes else 1
    return count == len(_RGB) and (
        layer.channel_colors == _RGB or not (layer.channel_names or layer.channel_colors)
    )


NOTHING_STORED = "No chunk is stored"
"""How the sentence begins that says so."""

_CHUNK = re.compile(r"(?:c[./])?[xyz]?-?\d+(?:[._/-][xyz]?-?\d+)*(?:\.[A-Za-z]\w*)*")
"""Numbers joined by what formats join them with, with or without suffixes."""

_LEFT_BEHIND = re.compile(r".*\.(?:lock|partial|tmp)")
"""What writers put beside a chunk for a while, and leave there when they are killed: its voxels were never written."""

_MOST_LOCAL = 1_000_000
_MOST_FAR = 10_000
_MOST_FOLDERS = 32
"""Of places that answer slowly so much is looked at: what a writer does, it does to all of its chunks."""


def check_chunks(array: Array, place: Location) -> tuple[str, ...]:
    """Refuse an array that has chunk files which aren't read; give sentences about what was found, or not checked.

    CorruptDataError names some of them.
    """
    if array.looks_into("0") is None:
        return ()
    local = place.local_path() is not None
    names = _PathsBelow(place, None if local else _MOST_FOLDERS)
    most = _MOST_LOCAL if local else _MOST_FAR
    known, looked_at = 0, 0
    unread: list[str] = []
    try:
        for name in names:
            looked_at += 1
            if array.looks_into(name):
                known += 1
            elif _CHUNK.fullmatch(name) and not _LEFT_BEHIND.fullmatch(name):
                unread.append(name)
            if looked_at >= most:
                break
    except UnlistableError:
        return ("The place can't be listed: whether chunks lie there under other names was not checked.",)
    if unread:
        listed = ", ".join(unread[:3]) + (", ..." if len(unread) > 3 else "")
        raise CorruptDataError(
            f"{place.url} has {counted(len(unread), 'file')} called like chunks ({listed}) that its metadata don't "
            f"lead to, beside {known:,} that they do: their voxels would be read as fill value.",
            hint="Mend the metadata (separators, chunk sizes), or give the files the names that these ask for; "
            "compressed files must be decompressed. Files that are no chunks can be moved elsewhere.",
        )
    beyond = known - _count_files_inside(array) if local and looked_at < most else 0
    if beyond > 0:
        shape = " x ".join(map(str, array.spec.shape))
        return (f"{counted(beyond, 'chunk file')} beyond the shape {shape} that the metadata say: left out.",)
    if not known and looked_at < most and not names.cut:
        return (f"{NOTHING_STORED}: all voxels are the fill value {array.spec.fill_value:g}.",)
    return ()


def _count_files_inside(array: Array) -> int:
    """How many chunk files have voxels of the array; what a smaller shape hides has none."""
    shape = array.spec.shape
    try:
        starts = [start for start, _ in array.stored_boxes()]
    except UnsupportedOperationError:
        return sys.maxsize
    return sum(
        all(size is None or low < size for low, size in zip(start, shape, strict=True)) for start in starts
    )


@attrs.define
class _PathsBelow:
    """The paths of all files below a place, folder by folder; cut: whether there were more folders than `most`."""

    place: Location
    most: int | None
    cut: bool = False
    _listed: int = 0

    def __iter__(self) -> Iterator[str]:
        # The deepest first, since that is where chunks are; as many at once as is worth it.
        pending = [""]
        at_once = self.place.concurrency
        while pending:
            most = at_once if self.most is None else min(at_once, self.most - self._listed)
            folders = [pending.pop() for _ in range(min(most, len(pending)))]
            if not folders:
                self.cut = True
                return
            self._listed += len(folders)
            for folder, names in zip(
                folders, side_by_side(self._names, folders, at_once=at_once), strict=True
            ):
                yield from (folder + name for name in names if not name.endswith("/"))
                pending += (folder + name for name in reversed(names) if name.endswith("/"))

    def _names(self, folder: str) -> list[str]:
        return list(self.place.child(folder).list_all())
