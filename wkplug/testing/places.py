"""Locations that hide what a real one has, to see whether a backend needs it."""

from __future__ import annotations

from wkplug.abc import LocationWrapper

__all__ = ["PlainLocation"]


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
