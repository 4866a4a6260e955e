"""Which files are DICOM: they are told by their mark at byte 128, whatever they are called; pydicom isn't needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Location

__all__ = ["SUFFIXES", "files_below", "is_dicom"]

SUFFIXES = (".dcm", ".dicom", ".ima")
_MARK = b"DICM\x02\x00"
_DEEPEST = 12


def is_dicom(location: Location) -> bool:
    """Whether a file has the mark of DICOM; False for what can't be read."""
    try:
        return location.read(128, 134) == _MARK
    except StorageError:
        return False


def files_below(location: Location, depth: int = 0) -> Iterator[Location]:
    """All files of a folder and those below, hidden ones left out; StorageError where folders are nested too deep."""
    if depth > _DEEPEST:
        raise StorageError(
            f"The folders of {location.url} are nested more than {_DEEPEST} deep.",
            hint="Name a folder further below, or look for a link to a folder above.",
        )
    for name in location.list_all():
        if name.startswith(".") or name == "__MACOSX/":
            continue
        place = location.child(name.rstrip("/"))
        if name.endswith("/"):
            yield from files_below(place, depth + 1)
        else:
            yield place
