"""Locations that hide what a real one has, to see whether a backend needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.abc import LocationWrapper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wkplug.abc import Location

__all__ = ["CountingLocation", "PlainLocation"]


class PlainLocation(LocationWrapper):
    """Another location without a local path and without native descriptions: an object store, say."""

    __slots__ = ()

    @property
    def url(self) -> str:
        """A URL of a scheme that no engine knows."""
        return "plain://" + self.inner.url.lstrip("/")

    def local_path(self) -> None:
        """There is none."""

    def native(self, kind: str) -> None:
        """No engine can do its own I/O here."""


class CountingLocation(PlainLocation):
    """A place without a local path that counts the bytes that are read from it."""

    __slots__ = ("counts",)

    def __init__(self, inner: Location, counts: list[int] | None = None) -> None:
        super().__init__(inner)
        self.counts: list[int] = [] if counts is None else counts
        """Of this place and of all that it led to."""

    def read(self, start: int | None = None, stop: int | None = None) -> bytes:
        """Read and count."""
        data = self.inner.read(start, stop)
        self.counts.append(len(data))
        return data

    def read_ranges(self, ranges: Sequence[tuple[int, int | None]]) -> list[bytes]:
        """Read ranges and count."""
        found = self.inner.read_ranges(ranges)
        self.counts.extend(len(data) for data in found)
        return found

    def read_newer(self, known: str | None = None) -> tuple[bytes, str] | None:
        """Read it if it is newer, and count."""
        found = self.inner.read_newer(known)
        if found is not None:
            self.counts.append(len(found[0]))
        return found

    def read_consistent(
        self, ranges: Sequence[tuple[int, int | None]], *, version: str | None = None
    ) -> tuple[list[bytes], str]:
        """Read ranges of one version and count."""
        found = self.inner.read_consistent(ranges, version=version)
        self.counts.extend(len(data) for data in found[0])
        return found

    def read_end(self, length: int) -> tuple[bytes, int, str]:
        """Read the last bytes and count."""
        found = self.inner.read_end(length)
        self.counts.append(len(found[0]))
        return found

    @property
    def total(self) -> int:
        """All bytes so far."""
        return sum(self.counts)
