"""Deleting listed folders so that nothing of them comes back, whenever the one who deletes is killed.

The deletion is noted beside the folder before the folder is taken off its list, and the note is the last to go. Whoever
finds a note and holds the folder's lock settles it: what the list still names has lost nothing, so that only the note
goes; otherwise the deletion is finished, before anything new is made under that name. On local disks the folder is
renamed aside before its first file goes, so that no other software takes a half-deleted one for data; object stores
have no renames, and the note alone keeps its remains from being taken over.

Not here: which names are listed, and the locks. Both are the caller's.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from wkplug.errors import MissingError, UnsafePathError
from wkplug.filesystems.failures import sort_failure
from wkplug.filesystems.local import sync_folder
from wkplug.filesystems.paths import DELETED_PREFIX, DELETING_PREFIX, TEMPORARY_PREFIX, safe_parts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wkplug.abc import Location

__all__ = [
    "delete_folder",
    "finish_deletion",
    "note_deletion",
    "noted_deletions",
    "remove_temporaries",
    "settle_deletion",
]


def note_deletion(place: Location) -> None:
    """Note that what is at `place` is about to be taken off its list and deleted."""
    aside = f"{DELETED_PREFIX}{place.name}-{os.urandom(6).hex()}"
    _note(place).write(json.dumps({"aside": aside}).encode())


def finish_deletion(place: Location) -> None:
    """Delete what was noted, and is off the list by now; nothing happens without a note."""
    note = _note(place)
    away = _aside(note)
    if away is None:
        return
    path, there = place.local_path(), away.local_path()
    if path is not None and there is not None and os.path.lexists(path):
        try:
            os.rename(path, there)  # noqa: PTH104 - locations give text
        except OSError as error:
            raise sort_failure(error, "deleted", path) from error
        sync_folder(os.path.dirname(path))  # noqa: PTH120 - the same
    away.delete(recursive=True)
    if path is None:
        place.delete(recursive=True)
    note.delete()


def settle_deletion(place: Location, *, listed: bool) -> None:
    """Do what is right with the note that a killed process has left; by whoever holds the lock of `place`."""
    if listed:
        _note(place).delete()
    else:
        finish_deletion(place)


def delete_folder(place: Location, head: str) -> None:
    """Delete a folder that stands for itself, there while the file `head` is; if killed, the same call goes on.

    On local disks it is renamed aside first; elsewhere, or where that isn't allowed, `head` goes last.
    """
    path, parent = place.local_path(), place.parent
    prefix = f"{DELETED_PREFIX}{place.name}-"
    if path is not None and os.path.islink(path):  # noqa: PTH114 - locations give text
        place.delete()
        return
    if path is not None:
        away = parent.child(prefix + os.urandom(6).hex())
        with suppress(OSError):  # a mount point, a parent that nobody may write to
            os.rename(path, str(away.local_path()))  # noqa: PTH104 - the same
        for name in parent.list():
            if name.startswith(prefix):
                parent.child(name.rstrip("/")).delete(recursive=True)
    for name in place.list():
        if name != head:
            place.child(name.rstrip("/")).delete(recursive=True)
    place.delete(recursive=True)


def remove_temporaries(place: Location) -> None:
    """Delete the files below `place` that a killed job had not written to their ends; by whoever holds its lock.

    Only on local disks are files written under another name first.
    """
    path = place.local_path()
    if path is None:
        return
    for folder, _, names in os.walk(path):
        for name in names:
            if name.startswith(TEMPORARY_PREFIX):
                with suppress(FileNotFoundError):
                    os.unlink(os.path.join(folder, name))  # noqa: PTH108, PTH118 - locations give text


def noted_deletions(names: Iterable[str]) -> list[str]:
    """The names of what is noted to be deleted, and has not gone altogether; of all names in a folder."""
    return [
        name[len(DELETING_PREFIX) :]
        for name in names
        if name.startswith(DELETING_PREFIX) and not name.endswith("/")
    ]


def _note(place: Location) -> Location:
    return place.parent.child(DELETING_PREFIX + place.name)


def _aside(note: Location) -> Location | None:
    """Where what is to be deleted is renamed to; None if there is no note, or one that nobody of us has written."""
    try:
        name = json.loads(note.read())["aside"]
        if name.startswith(DELETED_PREFIX) and len(safe_parts([name], note.url)) == 1:
            return note.parent.child(name)
    except MissingError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError, UnsafePathError):
        pass
    note.delete()
    return None
