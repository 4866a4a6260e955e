"""Replacing a folder by a new one, so that a complete copy is there after any crash.

The new folder is made beside the old one (`place_of_new`). `swap` renames the old one aside and the new one in;
`finish` deletes what was put aside. As long as the old folder lies aside, the swap is not finished: `recover`
brings back a place that a crash between the two renames left empty; opening an array that is missing asks for
that. Local places only: object stores have no renames. `errors_named` lets errors at the place that is written
name the one that it stands for.
"""

# ruff: noqa: PTH104, PTH120
# The reason for all of them: paths are plain text here, as in the rest of this package.

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wkplug.errors import MissingError, UnsupportedOperationError, WkplugError
from wkplug.filesystems.failures import sort_failure
from wkplug.filesystems.local import sync_folder
from wkplug.storage.marks import read_mark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Location

__all__ = ["errors_named", "finish", "is_unfinished", "place_of_new", "recover", "swap"]

_NEW = ".wkplug-new-"
_OLD = ".wkplug-old-"


def place_of_new(location: Location) -> Location:
    """Where what is to replace `location` is made."""
    return location.parent.child(_NEW + location.name)


@contextmanager
def errors_named(written: Location, target: Location) -> Iterator[None]:
    """Let errors name `target` where they name `written`, the place that stands for it until all is written."""
    try:
        yield
    except WkplugError as error:
        error.message = error.message.replace(written.url, target.url)
        if error.hint is not None:
            error.hint = error.hint.replace(written.url, target.url)
        raise


def _place_of_old(location: Location) -> Location:
    return location.parent.child(_OLD + location.name)


def _local(location: Location) -> str:
    path = location.local_path()
    if path is None:
        raise UnsupportedOperationError(
            f"{location.url} can't be replaced in place: it is not on a local disk."
        )
    return path


def swap(location: Location) -> None:
    """Put the folder at `place_of_new` in the place of `location`, whose own is kept aside until `finish`."""
    here, new, old = _local(location), _local(place_of_new(location)), _local(_place_of_old(location))
    if read_mark(place_of_new(location)) is not None or not os.path.isdir(new):  # noqa: PTH112 - the same
        raise MissingError(f"{new} can't replace {here}: it is not there, or not complete.")
    with location.parent.lock(f"swap {location.name}"):
        try:
            os.rename(here, old)
            os.rename(new, here)
        except OSError as error:
            raise sort_failure(error, "replaced", here) from error
        sync_folder(os.path.dirname(here))


def is_unfinished(location: Location) -> bool:
    """Whether a swap of this place was begun and not finished."""
    return os.path.lexists(_local(_place_of_old(location)))


def recover(location: Location) -> bool:
    """Bring back what is missing at `location`, if an interrupted swap is the reason; gives whether it was."""
    if location.local_path() is None or not is_unfinished(location):
        return False
    here, new, old = _local(location), _local(place_of_new(location)), _local(_place_of_old(location))
    # The lock waits for a swap that is going on at this very moment.
    with location.parent.lock(f"swap {location.name}"):
        if os.path.lexists(here):
            return True
        complete = os.path.lexists(new) and read_mark(place_of_new(location)) is None
        try:
            os.rename(new if complete else old, here)
        except OSError as error:
            raise sort_failure(error, "brought back", here) from error
        sync_folder(os.path.dirname(here))
    return True


def finish(location: Location) -> None:
    """Delete what was put aside, and whatever was made to replace `location` and is of no use any more."""
    if not os.path.lexists(_local(location)):
        return
    _place_of_old(location).delete(recursive=True)
    place_of_new(location).delete(recursive=True)
