"""Parts of paths: what may stand between two slashes below a location, checked in one place.

Every `Location.child` goes through `safe_parts`, so that no name out of a file or a header leads out of the
folder it belongs to. Names that wkplug itself leaves beside data (lock files, temporary files) are told
apart from users' files here too, for whoever copies, sums up or verifies folders.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wkplug.errors import UnsafePathError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "DELETED_PREFIX",
    "DELETING_PREFIX",
    "LOCK_NAME",
    "OWN_PREFIX",
    "TEMPORARY_PREFIX",
    "is_scrap",
    "safe_parts",
]

OWN_PREFIX = ".wkplug"
"""How all files begin that wkplug leaves beside data."""

LOCK_NAME = ".wkplug.lock"
"""The file in a locked folder that carries the locks; its content tells who holds them."""

TEMPORARY_PREFIX = ".wkplug-tmp-"
"""How files begin that are being written; they are renamed when whole, and worthless after a crash."""

DELETING_PREFIX = ".wkplug-deleting-"
"""How notes begin that say what is being deleted, see `wkplug.storage.removing`."""

DELETED_PREFIX = ".wkplug-deleted-"
"""How folders begin that were renamed aside to be deleted."""

_SCRAP = (LOCK_NAME, TEMPORARY_PREFIX, DELETING_PREFIX, DELETED_PREFIX)
_WINDOWS = os.name == "nt"


def safe_parts(parts: Iterable[str], where: str) -> list[str]:
    """Split `parts` at slashes, drop empty ones and ".", and refuse whatever leads upwards or elsewhere.

    `where` is the URL of the place they are meant to lie below, for the text of the UnsafePathError.
    """
    safe: list[str] = []
    for part in parts:
        if part.isalnum():  # nearly all names are, and the hot paths of backends come through here
            safe.append(part)
            continue
        text = part.replace("\\", "/") if _WINDOWS else part
        if text.startswith("/") or (_WINDOWS and ":" in text):
            raise UnsafePathError(
                f"{part!r} is an absolute path and can't lie below {where}.",
                hint="Give a path relative to that folder.",
            )
        if "\0" in text:
            raise UnsafePathError(f"{part!r}, meant to lie below {where}, holds a NUL character.")
        for piece in text.split("/"):
            if piece == "..":
                raise UnsafePathError(
                    f"{part!r} leads out of {where}.",
                    hint="Paths below a folder may not hold '..'.",
                )
            if piece not in ("", "."):
                safe.append(piece)
    return safe


def is_scrap(name: str) -> bool:
    """Say whether `name` (the last part of a path) is worthless: wkplug's own locks, and what is to be deleted."""
    return name.startswith(_SCRAP)
