"""Places as users know them: `pathlib.Path` where they are local, `UPath` elsewhere."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wkplug.abc import Location

__all__ = ["to_path"]


def to_path(location: Location) -> pathlib.Path:
    """Give the path object for a place. UPath, and fsspec with it, is only imported where it is needed."""
    local = location.local_path()
    if local is not None:
        return pathlib.Path(local)
    from upath import UPath

    native = location.native("fsspec")
    if native is None:
        path: pathlib.Path = UPath(location.url)
        return path
    remote: pathlib.Path = UPath(native["path"], protocol=native["protocol"], **native["options"])
    return remote
