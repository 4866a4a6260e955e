"""Which image files there are, which belong to one layer, and in what order.

Folders are listed and files asked for their first bytes; only the strategies that look into files open them.
What is no image is passed over in folders, but never silently where it looks like one: a damaged section would
otherwise be a missing one.
"""

from __future__ import annotations

import glob
import os
import re
import warnings
from enum import Enum
from typing import TYPE_CHECKING, Any

from wkplug import storage
from wkplug.errors import (
    CorruptImageError,
    ImageReaderMissingError,
    InvalidArgumentError,
    LayerNameError,
    MissingError,
    UnsupportedImageFormatError,
)
from wkplug.ops.importing.axes import Meaning
from wkplug.ops.importing.frames import Frames, is_frames
from wkplug.ops.importing.readers import ImageFile, Wanted, readable_suffixes
from wkplug.ops.importing.stacks import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wkplug.abc import Location

__all__ = [
    "ConversionLayerMapping",
    "collect",
    "find_images",
    "group",
    "layer_name_from",
    "natural_key",
    "part_of_name",
    "resolve_images",
]


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


def natural_key(text: str) -> list[Any]:
    """Sort numbers in text by their value: s2 before s10."""
    # Of the parts that a split with a group gives, every second is a match.
    parts = enumerate(re.split(r"(\d+)", text))
    return [(1, int(part), "") if index % 2 else (0, 0, part.lower()) for index, part in parts if part]


def collect(root: Location) -> list[tuple[str, Location]]:
    """Give all files below a folder with their paths relative to it, in natural order; a file gives itself.

    Names that start with a dot are passed over. MissingError if there is nothing at `root`.
    """
    if not _is_folder(root):
        return [(root.name, root)]
    return sorted(_walk(root, "", ()), key=lambda item: natural_key(item[0]))


def _is_folder(location: Location) -> bool:
    local = location.local_path()
    if next(iter(location.list()), None) is None and not location.exists():
        raise MissingError(f"There is nothing at {location.url}.", hint="Check the path.")
    if local is not None:
        return os.path.isdir(local)  # noqa: PTH112 - the location gives text
    return next(iter(location.list()), None) is not None


def _walk(folder: Location, prefix: str, above: tuple[str, ...]) -> Iterator[tuple[str, Location]]:
    """List a folder and those below; a link that leads back to a folder above is not followed."""
    local = folder.local_path()
    if local is not None:
        real = os.path.realpath(local)
        if real in above:
            return
        above = (*above, real)
    for name in folder.list():
        if name.startswith("."):
            continue
        if name.endswith("/"):
            yield from _walk(folder.child(name.rstrip("/")), prefix + name, above)
        else:
            yield prefix + name, folder.child(name)


def find_images(found: list[tuple[str, Location]], where: str, reader: Wanted) -> list[tuple[str, ImageFile]]:
    """Keep the files that a reader takes, with their relative paths.

    Files that only a plugin would read that isn't installed are passed over with a warning. CorruptImageError
    for a file with an image's name and other contents, UnsupportedImageFormatError if no image is left.
    """
    images, others = [], []
    missing: list[ImageReaderMissingError] = []
    for relative, location in found:
        try:
            images.append((relative, ImageFile.choose(location, reader)))
        except ImageReaderMissingError as error:
            missing.append(error)
        except UnsupportedImageFormatError as error:
            if relative.lower().endswith(readable_suffixes()):
                raise CorruptImageError(
                    f"{location.url} has the name of an image, but not its contents.",
                    location.url,
                    hint="The file is damaged, empty, or called wrongly; copy or export it again, or move it away.",
                ) from error
            others.append(relative)
    if images:
        if missing:
            text = f"[WARNING] {len(missing)} files were passed over: {missing[0]}"
            warnings.warn(text, UserWarning, stacklevel=4)
        return images
    if missing:
        raise missing[0]
    if not others:
        raise UnsupportedImageFormatError(
            f"No image files were found in {where}: it is empty.", where, hint="Check the path."
        )
    listed = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    raise UnsupportedImageFormatError(
        f"No image files were found in {where}, only {listed}.",
        where,
        hint=f"Readable suffixes: {', '.join(readable_suffixes())}. Other formats need a plugin.",
    )


def resolve_images(images: Any, reader: Wanted, missing_slices: str = "error") -> Stack:
    """Give the files that the argument `images` means: a file, a folder, a glob text, or a list of paths.

    Or the frames of an opened `pims.FramesSequence`. Folders and globs come in natural order, lists in their own.
    UnsupportedImageFormatError if there is none.
    """
    if is_frames(images):
        return Stack((Frames(images),))
    if isinstance(images, (list, tuple)):
        if not images:
            raise UnsupportedImageFormatError("The list of images is empty.", hint="Give at least one file.")
        return Stack(tuple(ImageFile.choose(storage.locate(item), reader) for item in images))
    text = str(images)
    if any(mark in text for mark in "*?[") and "://" not in text and not os.path.exists(text):  # noqa: PTH110 - a text
        matches = sorted(glob.glob(text, recursive=True), key=natural_key)  # noqa: PTH207 - the pattern may be absolute
        found = [(match, storage.locate(match)) for match in matches if os.path.isfile(match)]  # noqa: PTH113 - the same
        if not found:
            raise UnsupportedImageFormatError(
                f"No files match {text}.", text, hint="Check the path and the pattern."
            )
        return _stack(find_images(found, text, reader), missing_slices)
    location = storage.locate(images)
    found = collect(location)
    if found == [(location.name, location)]:
        return Stack((ImageFile.choose(location, reader),))
    return _stack(find_images(found, location.url, reader), missing_slices)


def _stack(files: list[tuple[str, ImageFile]], missing_slices: str) -> Stack:
    return Stack.of([name for name, _ in files], [file for _, file in files], missing_slices)


_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_$@\-.]")


def layer_name_from(text: str) -> str:
    """Make a layer name of any text: what no name may hold is left out, as are leading dots."""
    name = part_of_name(text).strip(".")
    if not name:
        raise LayerNameError(
            f"No layer name can be made of {text!r}: it has no letter, digit or any of _ $ @ -.",
            hint="Pass layer_name, or a function as map_filepath_to_layer_name.",
        )
    return name


def part_of_name(text: str) -> str:
    """Leave out what no layer name may hold."""
    return _NOT_IN_NAMES.sub("", text)


def group(
    files: list[tuple[str, ImageFile]],
    root_name: str,
    mapping: ConversionLayerMapping | str | Callable[[Any], str],
) -> dict[str, list[tuple[str, ImageFile]]]:
    """Sort files into layers by name; layers come in the order in which they were found.

    files: with their paths relative to the input. root_name: what a layer of files directly in the input is called.
    """
    if isinstance(mapping, str):
        try:
            mapping = ConversionLayerMapping(mapping)
        except ValueError as error:
            known = ", ".join(item.value for item in ConversionLayerMapping)
            raise InvalidArgumentError(
                f"{mapping!r} is no way to map files to layers.", hint=f"Use one of: {known}."
            ) from error
    name_of = _naming(files, root_name, mapping)
    layers: dict[str, list[tuple[str, ImageFile]]] = {}
    for relative, file in files:
        layers.setdefault(layer_name_from(name_of(relative, file)), []).append((relative, file))
    return layers


def _naming(
    files: list[tuple[str, ImageFile]],
    root_name: str,
    mapping: ConversionLayerMapping | Callable[[Any], str],
) -> Callable[[str, ImageFile], str]:
    """Give the function from (relative path, file) to the layer's name, not yet cleaned."""
    if not isinstance(mapping, ConversionLayerMapping):
        from upath import UPath

        chosen = mapping
        return lambda relative, _: str(chosen(UPath(relative)))

    def folders(relative: str) -> list[str]:
        return relative.split("/")[:-1] or [root_name]

    def is_volume(file: ImageFile) -> bool:
        return Meaning.of(file.info, file.path).sections > 1

    if mapping is ConversionLayerMapping.ENFORCE_SINGLE_LAYER:
        return lambda _relative, _: root_name
    if mapping is ConversionLayerMapping.ENFORCE_LAYER_PER_FILE:
        return lambda relative, _: relative.replace("/", "_")
    if mapping is ConversionLayerMapping.ENFORCE_LAYER_PER_FOLDER:
        return lambda relative, _: "_".join(folders(relative))
    if mapping is ConversionLayerMapping.ENFORCE_LAYER_PER_TOPLEVEL_FOLDER:
        return lambda relative, _: folders(relative)[0]
    if mapping is ConversionLayerMapping.INSPECT_EVERY_FILE:
        return lambda relative, file: relative if is_volume(file) else "_".join(folders(relative))
    if is_volume(files[0][1]):
        return lambda relative, _: relative
    return lambda relative, _: folders(relative)[-1]
