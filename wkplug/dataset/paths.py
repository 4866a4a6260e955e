"""Places as users know them: `pathlib.Path` where they are local, `UPath` elsewhere; and whether one is free."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wkplug.builtin.parts import is_scrap
from wkplug.errors import DatasetExistsError, NotADatasetFolderError
from wkplug.storage.marks import MARK_NAME

if TYPE_CHECKING:
    import pathlib

    from wkplug.abc import Location

__all__ = ["check_place_is_free", "is_link", "to_path"]


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
    if not location.exists():
        return
    local = location.local_path()
    if local is not None and not to_path(location).is_dir():
        raise NotADatasetFolderError(
            f"{location.url} is a file, not a folder.", hint="Choose another path for the dataset."
        )
    if any(name != MARK_NAME and not is_scrap(name) for name in location.list()):
        raise DatasetExistsError(
            f"The folder {location.url} is not empty, and no dataset: it has no properties file.",
            hint="Choose an empty or a new folder.",
        )
