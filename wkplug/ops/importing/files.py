"""Which image files there are: a folder's, those that a pattern matches, or one.

Folders are listed, and files asked for their first bytes. What is no image is passed over in folders with a note, but
where it looks like one it is an error: a damaged section would otherwise be a missing one. Which files belong
together is not decided here.
"""

from __future__ import annotations

import glob
import os
from enum import Enum
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import registry, storage
from wkplug.abc import Location
from wkplug.errors import (
    CorruptImageError,
    ImageReaderMissingError,
    StorageError,
    UnsupportedImageFormatError,
    WkplugError,
)
from wkplug.filesystems.zip import ZipLocation
from wkplug.notices import counted, first_of
from wkplug.ops.importing.containers import OF_SYSTEMS, inside_archive, is_container
from wkplug.ops.importing.naming import stem_of
from wkplug.ops.importing.readers import HEAD_BYTES, ImageFile, ReaderChoice, readable_suffixes
from wkplug.ops.importing.report import ImportNote
from wkplug.ops.importing.series import Member, natural_key
from wkplug.ops.importing.volume import AxisRoles

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["ConversionLayerMapping", "FoundImages", "find_images", "is_pattern"]

_MOST_LISTED = 3
_LONG_SERIES = 50
_DEEPEST = 32
"""Folders below one another on a server or in a store, where links that lead back to a folder above don't show."""


class ConversionLayerMapping(Enum):
    """How the files of a folder become layers.

    INSPECT_SINGLE_FILE looks into the first file: if it is three-dimensional, every file is a layer, otherwise
    every folder is one. INSPECT_EVERY_FILE decides for each file by itself. The others never look into files.
    """

    INSPECT_SINGLE_FILE = "inspect_single_file"
    INSPECT_EVERY_FILE = "inspect_every_file"
    ENFORCE_LAYER_PER_FILE = "enforce_layer_per_file"
    ENFORCE_SINGLE_LAYER = "enforce_single_layer"
    ENFORCE_LAYER_PER_FOLDER = "enforce_layer_per_folder"
    ENFORCE_LAYER_PER_TOPLEVEL_FOLDER = "enforce_layer_per_toplevel_folder"


@attrs.frozen
class FoundImages:
    """The image files of an input in natural order; name: what a layer of all would be called. With notes.

    containers: those in a folder that has no image files.
    """

    name: str
    members: list[Member]
    notes: list[ImportNote] = attrs.field(factory=list)
    containers: list[tuple[str, Location]] = attrs.field(factory=list)


def find_images(images: Any, reader: ReaderChoice) -> FoundImages:
    """Give the image files of a file, a folder, a zip archive, or a pattern ("sections/*.tif").

    Names that start with a dot are passed over. MissingError if there is nothing, UnsupportedImageFormatError if there
    is no image, and no container either.
    """
    if is_pattern(images):
        return _matches(str(images), reader)
    location = inside_archive(storage.locate(images))
    if not _is_folder(location):
        return FoundImages(stem_of(location.name), [(location.name, ImageFile.choose(location, reader))])
    zipped = isinstance(location, ZipLocation)
    walk = _Walk()
    found = sorted(walk.files(location), key=lambda item: natural_key(item[0]))
    for _, place in found if zipped else ():
        storage.check_unpacked_size(place.size(), place.url)
    name = stem_of(location.name) if zipped and location.parent == location else location.name
    containers = sorted(walk.containers, key=lambda item: natural_key(item[0]))
    try:
        members, notes = _choose_readers(found, location.url, reader)
    except UnsupportedImageFormatError:
        if not containers:
            raise
        return FoundImages(name, [], [], containers)
    if containers:
        text = "containers are left out beside images: import each of them by its own path"
        notes.append(_left_out_note(text, [relative for relative, _ in containers], lost=True))
    if walk.hidden:
        notes.append(_left_out_note("hidden files are left out", walk.hidden))
    return FoundImages(name, members, notes)


def is_pattern(images: Any) -> bool:
    """Whether the input is a pattern of paths, and no path itself."""
    text = str(images)
    is_text = isinstance(images, (str, os.PathLike))
    return is_text and any(mark in text for mark in "*?[") and "://" not in text and not os.path.exists(text)  # noqa: PTH110 - a text


def _matches(pattern: str, reader: ReaderChoice) -> FoundImages:
    matches = sorted(glob.glob(pattern, recursive=True), key=natural_key)  # noqa: PTH207 - the pattern may be absolute
    matches = [match for match in matches if os.path.isfile(match)]  # noqa: PTH113 - the same
    if not matches:
        raise UnsupportedImageFormatError(
            f"No files match {pattern}.", pattern, hint="Check the path and the pattern."
        )
    folder = os.path.commonpath([os.path.dirname(os.path.abspath(match)) for match in matches])  # noqa: PTH100, PTH120 - the same
    found = [
        (os.path.relpath(match, folder).replace(os.sep, "/"), storage.locate(match)) for match in matches
    ]
    return FoundImages(os.path.basename(folder), *_choose_readers(found, pattern, reader))  # noqa: PTH119 - the same


def _is_folder(location: Location) -> bool:
    local = location.local_path()
    if next(iter(location.list()), None) is None and not location.exists():
        raise storage.nothing_at(location)
    if local is not None:
        return os.path.isdir(local)  # noqa: PTH112 - the location gives text
    return next(iter(location.list()), None) is not None


@attrs.frozen
class _Walk:
    """A search below a folder; hidden: names that were passed over, containers: places that hold layers themselves."""

    hidden: list[str] = attrs.field(factory=list)
    containers: list[tuple[str, Location]] = attrs.field(factory=list)

    def files(
        self, folder: Location, prefix: str = "", above: tuple[str, ...] = ()
    ) -> Iterator[tuple[str, Location]]:
        """List a folder and those below; neither containers, nor links that lead back to a folder above."""
        local = folder.local_path()
        if local is not None:
            real = os.path.realpath(local)
            if real in above:
                return
            above = (*above, real)
        elif prefix.count("/") > _DEEPEST:
            raise StorageError(
                f"{folder.url} is nested more than {_DEEPEST} folders deep.",
                hint="Name a folder further below. A link on the server may lead back to a folder above it.",
            )
        names = list(folder.list())
        if prefix and is_container(folder, names):
            self.containers.append((prefix.rstrip("/"), folder))
            return
        for name in names:
            if name.startswith(".") or name in OF_SYSTEMS:
                self.hidden.append(prefix + name)
            elif name.endswith("/"):
                yield from self.files(folder.child(name.rstrip("/")), prefix + name, above)
            elif is_container(place := folder.child(name)):
                self.containers.append((prefix + name, place))
            else:
                yield prefix + name, place


def _choose_readers(
    found: Sequence[tuple[str, Location]], where: str, reader: ReaderChoice
) -> tuple[list[Member], list[ImportNote]]:
    """Keep the files that a reader takes, with their relative paths, and each image once; with notes about the others.

    Files for which a plugin is missing are left out with a note. CorruptImageError
    for a file with an image's name and other contents, UnsupportedImageFormatError if no image is left.
    """
    images: list[Member] = []
    others: list[str] = []
    missing: list[ImageReaderMissingError] = []
    damaged: dict[str, UnsupportedImageFormatError] = {}
    representatives = _representatives(found, reader) if reader.sampled else {}
    for relative, location in found:
        try:
            sample = representatives.get(relative)
            file = ImageFile.choose(location, reader) if sample is None else sample.for_similar_file(location)
            images.append((relative, file))
        except ImageReaderMissingError as error:
            missing.append(error)
        except UnsupportedImageFormatError as error:
            others.append(relative)
            if relative.lower().endswith(readable_suffixes()):
                damaged[relative] = error
    members, companions = _without_companions(images)
    for relative, cause in damaged.items():
        if relative not in companions:
            place = next(location for name, location in found if name == relative)
            url, what = place.url, registry.contents_of(place.read(0, HEAD_BYTES))
            raise CorruptImageError(
                f"{url} has the name of an image, but not its contents{what and f': {what}'}.",
                url,
                hint="The file is damaged, empty, or called wrongly; copy or export it again, or move it away.",
            ) from cause
    if not members:
        raise missing[0] if missing else _no_images_error(where, others)
    left = [relative for relative in others if relative not in companions]
    notes = [_left_out_note("files that no reader takes are left out", left)] if left else []
    if missing:
        text = f"{counted(len(missing), 'file')} passed over, for which a plugin is missing: {missing[0]}"
        notes.append(ImportNote(kind="left out", text=text))
    if representatives:
        text = (
            f"{len(found) - len(representatives):,} of {len(found):,} files were opened for this plan, the others are "
            "taken to be like them; the import looks at all"
        )
        notes.append(ImportNote(kind="guessed", text=text, lost=False))
    return members, notes


def _representatives(found: Sequence[tuple[str, Location]], reader: ReaderChoice) -> dict[str, ImageFile]:
    """Give files that a plan needn't open, each with one that is like it: of long series whose samples say the same.

    Not where they say anything for which all files must be asked: places, series, scenes, other files, sections.
    """
    series: dict[tuple[str, str], list[tuple[str, Location]]] = {}
    for relative, location in found:
        folder, _, name = relative.rpartition("/")
        series.setdefault((folder, name.rpartition(".")[2]), []).append((relative, location))
    representatives: dict[str, ImageFile] = {}
    for members in series.values():
        if len(members) < _LONG_SERIES:
            continue
        numbers = {0, len(members) // 2, len(members) - 1}
        samples = [_sample(members[number][1], reader) for number in numbers]
        first = samples[0]
        if first is None or any(
            each is None or each.reader_name != first.reader_name or each.info != first.info
            for each in samples
        ):
            continue
        representatives.update(
            (relative, first) for n, (relative, _) in enumerate(members) if n not in numbers
        )
    return representatives


def _sample(location: Location, reader: ReaderChoice) -> ImageFile | None:
    """Open a file that may stand for others; None for one that can't."""
    try:
        file = ImageFile.choose(location, reader)
        info = file.info
        single = AxisRoles.of(info, file.path).sections == 1
    except WkplugError:
        return None  # the error comes when it is opened as one of all
    own = (info.origin[2], info.series_index, *info.companions, *info.scenes)
    return file if single and not info.series and set(own) <= {None} else None


def _left_out_note(text: str, names: Sequence[str], *, lost: bool = False) -> ImportNote:
    return ImportNote(
        kind="left out", text=text, sources=tuple(names[:_MOST_LISTED]), count=len(names), lost=lost
    )


def _without_companions(images: list[Member]) -> tuple[list[Member], set[str]]:
    """Leave out files that are a part of an image before them; with the names of all parts."""
    companions: set[str] = set()
    images_left = []
    for relative, file in images:
        if relative in companions:
            continue
        folder = relative[: len(relative) - len(relative.rpartition("/")[2])]
        companions.update(folder + name for name in file.info.companions if folder + name != relative)
        images_left.append((relative, file))
    return images_left, companions


def _no_images_error(where: str, others: Sequence[str]) -> UnsupportedImageFormatError:
    if not others:
        return UnsupportedImageFormatError(
            f"No image files were found in {where}: it is empty.", where, hint="Check the path."
        )
    return UnsupportedImageFormatError(
        f"No image files were found in {where}, only {first_of(others, _MOST_LISTED)}.",
        where,
        hint=f"Readable suffixes: {', '.join(readable_suffixes())}. Other formats need a plugin.",
    )
