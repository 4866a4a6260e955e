"""Marks of unfinished work: a small file of our own beside an array that a job is still writing.

A long operation sets its mark before its first shard and clears it after its last. A killed job leaves the
mark, and `open_array` refuses marked arrays, so that nothing half written is taken for whole. Other
software ignores the file.

Between the last shard and the end of a job, a mag is listed and its mark taken off, which are two steps. So the mark
first says that all is written (`finish_mark`): such a mag is complete, whether a killed job could take the mark off
or not.

Folders of layers and datasets are marked likewise while they are copied or imported: they can be opened, because what
they list is complete, but `wkplug info` tells that more was to come, and the same job goes on with them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import ForbiddenError, IncompleteMagError, MissingError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wkplug.abc import Location

__all__ = [
    "MARK_NAME",
    "Mark",
    "check_complete",
    "clear_mark",
    "digest",
    "finish_mark",
    "is_complete",
    "read_mark",
    "refuse_mark",
    "set_mark",
]

MARK_NAME = ".wkplug-incomplete.json"
_UNKNOWN = "an unknown job"


def digest(parts: Iterable[Any]) -> str:
    """A short text that differs where the parts, JSON values, do."""
    import hashlib  # late, as all that reading doesn't need

    text = json.dumps(list(parts), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="seconds")


@attrs.frozen(kw_only=True)
class Mark:
    """Who is writing: `job` names it so that it knows its own mark, `what` says it to people.

    fingerprint: differs where jobs of that name would make something else. started: ISO 8601, UTC.
    finished: everything is written; what remains is to list it and to take the mark off. refused: why the same job
    would fail again; "" where it would go on.
    """

    job: str
    what: str = ""
    fingerprint: str = ""
    started: str = attrs.field(factory=_now)
    finished: bool = False
    refused: str = ""


def set_mark(location: Location, mark: Mark, *, replace: bool = True) -> None:
    """Mark what is at `location` (its folder is made if need be), durably.

    ConflictError if there is a mark, unless it is to be replaced.
    """
    location.make_folder()
    data = json.dumps(attrs.asdict(mark), indent=4).encode()
    location.child(MARK_NAME).write(data, if_match=None if replace else "")


def finish_mark(location: Location) -> None:
    """Say in the mark that all is written; nothing happens where there is none."""
    mark = read_mark(location)
    if mark is not None and not mark.finished:
        set_mark(location, attrs.evolve(mark, finished=True))


def refuse_mark(location: Location, why: str) -> None:
    """Say in the mark why the same job would fail again, or that it goes on now ("")."""
    mark = read_mark(location)
    if mark is not None and mark.refused != why:
        set_mark(location, attrs.evolve(mark, refused=why))


def clear_mark(location: Location) -> None:
    """Remove the mark; nothing happens where there is none."""
    location.child(MARK_NAME).delete()


def read_mark(location: Location) -> Mark | None:
    """Give the mark, or None. A damaged mark is a mark of an unknown job.

    Servers that refuse to tell missing files from forbidden ones are taken to have none, and so are those that answer
    with something else, such as a page or an error of their own for every unknown name.
    """
    try:
        text = location.child(MARK_NAME).read()
    except MissingError:
        return None
    except ForbiddenError:
        if location.local_path() is not None:
            raise
        return None
    except StorageError:
        if location.lists_all:
            raise
        return None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    values = found if isinstance(found, dict) else {}
    if "job" not in values and not location.lists_all:
        return None
    return Mark(
        job=str(values.get("job", _UNKNOWN)),
        what=str(values.get("what", "")),
        fingerprint=str(values.get("fingerprint", "")),
        started=str(values.get("started", "an unknown time")),
        finished=values.get("finished") is True,
        refused=str(values.get("refused", "")),
    )


def is_complete(location: Location) -> bool:
    """Whether no unfinished job has marked what is at `location`."""
    mark = read_mark(location)
    return mark is None or mark.finished


def check_complete(location: Location) -> None:
    """Raise IncompleteMagError if what is at `location` is marked."""
    mark = read_mark(location)
    if mark is None or mark.finished:
        return
    what = f"{mark.what} ({mark.job})" if mark.what else mark.job
    how = f"has failed: {mark.refused}" if mark.refused else "is still writing it or was interrupted."
    again = (
        "Run the same command again once that is mended."
        if mark.refused
        else "If it was interrupted, run the same command again to finish it."
    )
    raise IncompleteMagError(
        f"{location.url} is not complete: {what}, started {mark.started}, {how}",
        hint=f"{again}\nTo look at what is there already, open it with allow_incomplete=True.",
    )
