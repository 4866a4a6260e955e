"""Chunk files that an engine never asks for: they lie in an array's folder, and would be read as fill value.

A writer that adds suffixes (`0-64_0-64_0-16.lz4`), or another separator than the metadata say (`0.0.0` for `0/0/0`),
leaves an array that opens well and is zero everywhere. So all names in an array's folder are looked at before an
import begins: one that is called like a chunk, but isn't one that the array's backend looks into, is an error.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import attrs

from wkplug.config.hints import counted
from wkplug.errors import CorruptDataError, UnlistableError, UnsupportedOperationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Array, Location

__all__ = ["NOTHING_STORED", "check_chunks"]

NOTHING_STORED = "No chunk is stored"
"""How the sentence begins that says so."""

_CHUNK = re.compile(r"(?:c[./])?[xyz]?-?\d+(?:[._/-][xyz]?-?\d+)*(?:\.[A-Za-z]\w*)*")
"""Numbers joined by what formats join them with, with or without suffixes."""

_LEFT_BEHIND = re.compile(r".*\.(?:lock|partial|tmp)")
"""What writers put beside a chunk for a while, and leave there when they are killed: its voxels were never written."""

_MOST_LOCAL = 1_000_000
_MOST_FAR = 10_000
_MOST_FOLDERS = 64
"""Of places that answer slowly so much is looked at: what a writer does, it does to all of its chunks."""


def check_chunks(array: Array, place: Location) -> tuple[str, ...]:
    """Refuse an array that has chunk files which aren't read; give sentences about what was found, or not checked.

    CorruptDataError names some of them.
    """
    if array.looks_into("0") is None:
        return ()
    local = place.local_path() is not None
    names = _Names(place, None if local else _MOST_FOLDERS)
    most = _MOST_LOCAL if local else _MOST_FAR
    known, looked_at = 0, 0
    unread: list[str] = []
    try:
        for name in names:
            looked_at += 1
            if array.looks_into(name):
                known += 1
            elif _CHUNK.fullmatch(name) and not _LEFT_BEHIND.fullmatch(name):
                unread.append(name)
            if looked_at >= most:
                break
    except UnlistableError:
        return ("The place can't be listed: whether chunks lie there under other names was not checked.",)
    if unread:
        listed = ", ".join(unread[:3]) + (", ..." if len(unread) > 3 else "")
        raise CorruptDataError(
            f"{place.url} has {counted(len(unread), 'file')} called like chunks ({listed}) that its metadata don't "
            f"lead to, beside {known:,} that they do: their voxels would be read as fill value.",
            hint="Mend the metadata (separators, chunk sizes), or give the files the names that these ask for; "
            "compressed files must be decompressed. Files that are no chunks can be moved elsewhere.",
        )
    beyond = known - _inside(array) if local and looked_at < most else 0
    if beyond > 0:
        shape = " x ".join(map(str, array.spec.shape))
        return (f"{counted(beyond, 'chunk file')} beyond the shape {shape} that the metadata say: left out.",)
    if not known and looked_at < most and not names.cut:
        return (f"{NOTHING_STORED}: all voxels are the fill value {array.spec.fill_value:g}.",)
    return ()


def _inside(array: Array) -> int:
    """How many chunk files have voxels of the array; what a smaller shape hides has none."""
    shape = array.spec.shape
    try:
        starts = [start for start, _ in array.stored_boxes()]
    except UnsupportedOperationError:
        return sys.maxsize
    return sum(
        all(size is None or low < size for low, size in zip(start, shape, strict=True)) for start in starts
    )


@attrs.define
class _Names:
    """The paths of all files below a place, folder by folder; cut: whether there were more folders than `most`."""

    place: Location
    most: int | None
    cut: bool = False
    _listed: int = 0

    def __iter__(self) -> Iterator[str]:
        return self._below(self.place, "")

    def _below(self, folder: Location, path: str) -> Iterator[str]:
        if self.most is not None and self._listed >= self.most:
            self.cut = True
            return
        self._listed += 1
        for name in folder.list_all():
            if name.endswith("/"):
                yield from self._below(folder.child(name.rstrip("/")), path + name)
            else:
                yield path + name
