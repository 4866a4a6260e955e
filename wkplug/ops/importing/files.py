"""Which image files there are, which belong to one layer, and in what order.

Pure bookkeeping on paths: nothing is opened here, apart from listing folders.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any

from wkplug import storage
from wkplug.errors import InvalidArgumentError, LayerNameError, MissingError, UnsupportedImageFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wkplug.abc import Location

__all__ = ["ConversionLayerMapping", "collect", "group", "layer_name_from", "natural_key", "resolve_images"]


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
    return [
        (1, int(part), "") if part.isdigit() else (0, 0, part.lower())
        for part in re.split(r"(\d+)", text)
        if part
    ]


def collect(root: Location) -> list[tuple[str, Location]]:
    """Give all files below a folder with their paths relative to it, in natural order; a file gives itself."""
    names = list(root.list())
    if not names:
        if not root.exists():
            raise MissingError(f"There is nothing at {root.url}.", hint="Check the path.")
        local = root.local_path()
        if local is None or not _is_folder(local):
            return [(root.name, root)]
    return sorted(_walk(root, ""), key=lambda item: natural_key(item[0]))


def _is_folder(path: str) -> bool:
    from pathlib import Path

    return Path(path).is_dir()


def _walk(folder: Location, prefix: str) -> Iterator[tuple[str, Location]]:
    for name in folder.list():
        if name.startswith("."):
            continue
        if name.endswith("/"):
            yield from _walk(folder.child(name.rstrip("/")), prefix + name)
        else:
            yield prefix + name, folder.child(name)


def resolve_images(images: Any) -> list[Location]:
    """Give the files that the argument `images` means: a file, a folder, a glob text, or a list of paths.

    Folders and globs come in natural order, lists in their own. UnsupportedImageFormatError if there is none.
    """
    if isinstance(images, (list, tuple)):
        found = [storage.locate(item) for item in images]
    else:
        text = str(images)
        if any(mark in text for mark in "*?[") and "://" not in text:
            import glob

            matches = sorted(glob.glob(text, recursive=True), key=natural_key)  # noqa: PTH207 - the pattern may be absolute
            found = [storage.locate(match) for match in matches]
        else:
            found = [location for _, location in collect(storage.locate(images))]
    if not found:
        raise UnsupportedImageFormatError(
            f"No image files were found at {images}.", str(images), hint="Check the path or the pattern."
        )
    return found


_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_$@\-.]")


def layer_name_from(text: str) -> str:
    """Make a layer name of any text: what no name may hold is left out, as are leading dots."""
    name = _NOT_IN_NAMES.sub("", text).lstrip(".").rstrip(".")
    if not name:
        raise LayerNameError(
            f"No layer name can be made of {text!r}: it has no letter, digit or any of _ $ @ -.",
            hint="Pass layer_name, or a function as map_filepath_to_layer_name.",
        )
    return name


def group(
    files: list[tuple[str, Location]],
    root_name: str,
    mapping: ConversionLayerMapping | str | Callable[[Any], str],
    is_volume: Callable[[Location], bool],
) -> dict[str, list[tuple[str, Location]]]:
    """Sort files into layers by name; layers come in the order in which they were found.

    is_volume: says whether a file has more than one section, for the strategies that look into files.
    """
    if isinstance(mapping, str):
        try:
            mapping = ConversionLayerMapping(mapping)
        except ValueError as error:
            known = ", ".join(item.value for item in ConversionLayerMapping)
            raise InvalidArgumentError(
                f"{mapping!r} is no way to map files to layers.", hint=f"Use one of: {known}."
            ) from error
    name_of = _naming(files, root_name, mapping, is_volume)
    layers: dict[str, list[tuple[str, Location]]] = {}
    for relative, location in files:
        layers.setdefault(layer_name_from(name_of(relative, location)), []).append((relative, location))
    return layers


def _naming(
    files: list[tuple[str, Location]],
    root_name: str,
    mapping: ConversionLayerMapping | Callable[[Any], str],
    is_volume: Callable[[Location], bool],
) -> Callable[[str, Location], str]:
    if not isinstance(mapping, ConversionLayerMapping):
        from upath import UPath

        chosen = mapping
        return lambda relative, _: str(chosen(UPath(relative)))

    def folder(relative: str, *, last_only: bool = False) -> str:
        parts = relative.split("/")[:-1]
        if not parts:
            return root_name
        return parts[-1] if last_only else "_".join(parts)

    if mapping is ConversionLayerMapping.ENFORCE_SINGLE_LAYER:
        return lambda _relative, _: root_name
    if mapping is ConversionLayerMapping.ENFORCE_LAYER_PER_FILE:
        return lambda relative, _: relative.replace("/", "_")
    if mapping is ConversionLayerMapping.ENFORCE_LAYER_PER_FOLDER:
        return lambda relative, _: folder(relative)
    if mapping is ConversionLayerMapping.ENFORCE_LAYER_PER_TOPLEVEL_FOLDER:
        return lambda relative, _: relative.split("/")[0] if "/" in relative else root_name
    if mapping is ConversionLayerMapping.INSPECT_EVERY_FILE:
        return lambda relative, location: relative if is_volume(location) else folder(relative)
    if is_volume(files[0][1]):
        return lambda relative, _: relative
    return lambda relative, _: folder(relative, last_only=True)
