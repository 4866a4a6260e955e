"""Chunk keys: how a chunk's place in the grid becomes the name of a file or object, and back.

Zarr v3 has the encodings "default" (c/0/1/2 or c.0.1.2) and "v2" (0/1/2 or 0.1.2), Zarr v2 only the latter.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Location

__all__ = ["KeyEncoding"]

_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


@attrs.frozen
class KeyEncoding:
    """`prefix` is "c" or "", `separator` "/" or ".", `rank` the number of axes."""

    prefix: str
    separator: str
    rank: int

    def key(self, index: tuple[int, ...]) -> str:
        """Give the key of the grid cell `index`, relative to the array's folder."""
        parts = [self.prefix] if self.prefix else []
        return self.separator.join([*parts, *map(str, index)])

    def index(self, key: str) -> tuple[int, ...] | None:
        """Give the grid cell of a key, None if it is no key of this kind."""
        parts = key.split(self.separator)
        if self.prefix:
            if parts[0] != self.prefix:
                return None
            parts = parts[1:]
        if len(parts) != self.rank or not all(_NUMBER.fullmatch(part) for part in parts):
            return None
        return tuple(map(int, parts))

    def stored(self, location: Location) -> Iterator[tuple[int, ...]]:
        """Find the grid cells that are stored below `location`; anything else there is passed over."""
        if self.separator == "/":
            start = location.child(self.prefix) if self.prefix else location
            yield from self._walk(start, ())
            return
        for name in location.list_all():
            index = self.index(name)
            if index is not None:
                yield index

    def _walk(self, folder: Location, above: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        last = len(above) == self.rank - 1
        for name in folder.list_all():
            # Leaves are files, everything above is folders; a temporary file's name is no number.
            number = name.removesuffix("/")
            if name.endswith("/") == last or not _NUMBER.fullmatch(number):
                continue
            index = (*above, int(number))
            if last:
                yield index
            else:
                yield from self._walk(folder.child(number), index)

    def looks_like_chunks(self, name: str) -> bool:
        """Whether an entry of the array's own folder, as `Location.list` gives it, holds chunks."""
        first = name.removesuffix("/").split(".")[0]
        if self.prefix:
            return first == self.prefix
        return _NUMBER.fullmatch(first) is not None
