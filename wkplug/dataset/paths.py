"""Places as users know them: `pathlib.Path` where they are local, `UPath` elsewhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pathlib

    from wkplug.abc import Location

__all__ = ["is_link", "to_path"]


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
