"""Places as users know them (`pathlib.Path`, elsewhere `UPath`), whether one is free, and where mags may lie."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from wkplug.errors import DatasetExistsError, NotADatasetFolderError
from wkplug.filesystems.paths import is_scrap
from wkplug.storage.locating import resolve_inside
from wkplug.storage.marks import MARK_NAME

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from wkplug.abc import Location
    from wkplug.properties import MagViewProperties

__all__ = ["check_place_is_free", "is_link", "likely_place", "possible_places", "to_path"]


def to_path(location: Location) -> pathlib.Path:
    """Give the path object for a place. UPath, and fsspec with it, is only imported where it is needed."""
    local = location.local_path()
    if local is not None:
        from pathlib import Path

        return Path(local)
    from upath import UPath

    native = location.native("fsspec")
    if native is None:
        path: pathlib.Path = UPath(location.url)
        return path
    remote: pathlib.Path = UPath(native["path"], protocol=native["protocol"], **native["options"])
    return remote


def is_link(location: Location) -> bool:
    """Whether a place is a symbolic link."""
    local = location.local_path()
    return local is not None and os.path.islink(local)  # noqa: PTH114 - a Path per mag would cost more than the call


def check_place_is_free(location: Location) -> None:
    """A new dataset wants a place that is empty or not there.

    The mark of the job that is to make it may be there, and what a killed one has left half-written.
    """
    local = location.local_path()
    if (local is not None or not location.lists_all) and not location.exists():
        return
    if local is not None and not to_path(location).is_dir():
        raise NotADatasetFolderError(
            f"{location.url} is a file, not a folder.", hint="Choose another path for the dataset."
        )
    if any(name != MARK_NAME and not is_scrap(name) for name in location.list()):
        raise DatasetExistsError(
            f"The folder {location.url} is not empty, and no dataset: it has no properties file.",
            hint="Choose an empty or a new folder.",
        )


def possible_places(root: Location, layer: str, entry: MagViewProperties) -> Iterator[Location]:
    """Iterate over the places where a listed mag may lie, the recorded one first; `root` is the dataset's.

    Recorded paths may be older than a renaming by other software, or relative to the layer, and folders are called
    after the mag in a short form (1) or a long one (1-1-1). Nothing outside the dataset is guessed.
    """
    path = entry.path
    inside, recorded = False, None
    if path is not None:
        recorded, inside = resolve_inside(root, path)
        yield recorded
        if not inside or path.startswith("/") or "://" in path:
            return
    names = tuple(dict.fromkeys((entry.mag.to_layer_name(), entry.mag.to_long_layer_name())))
    if recorded is not None and recorded.name in names:
        yield from (recorded.parent.child(name) for name in names if name != recorded.name)
    folder = root.child(layer)
    yield from (folder.child(name) for name in names)
    if path is not None:
        below, inside = resolve_inside(folder, path)
        if inside:
            yield below


def likely_place(root: Location, layer: str, entry: MagViewProperties) -> tuple[Location, bool]:
    """The first place where something is, as far as that costs nothing to see, and whether it is a symbolic link.

    Without any it is the one that is recorded. One look at the disk for each mag, since opened datasets have many.
    """
    places = possible_places(root, layer, entry)
    first = next(places)
    local = first.local_path()
    if local is not None:
        try:
            return first, stat.S_ISLNK(os.lstat(local).st_mode)
        except OSError:
            pass
    # Where looking is a request, it waits until the array is opened; only old files, without a path, need it at once.
    elif entry.path is not None or first.exists():
        return first, False
    found = next((place for place in places if place != first and place.exists()), first)
    return found, is_link(found)
