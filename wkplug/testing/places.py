"""Locations that hide what a real one has, to see whether a backend needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.abc import Location

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

__all__ = ["PlainLocation"]


class PlainLocation(Location):
    """Another location without a local path and without native descriptions: an object store, say."""

    __slots__ = ("inner",)

    def __init__(self, inner: Location) -> None:
        self.inner = inner

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlainLocation) and self.inner == other.inner

    def __hash__(self) -> int:
        return hash((PlainLocation, self.inner))

    def __reduce__(self) -> tuple[Any, ...]:
        return (PlainLocation, (self.inner,))

    @property
    def url(self) -> str:
        """A URL of a scheme that no engine knows."""
        return "plain://" + self.inner.url.lstrip("/")

    @property
    def parent(self) -> Location:
        """The folder that it lies in."""
        return PlainLocation(self.inner.parent)

    def child(self, *parts: str) -> Location:
        """A place below."""
        return PlainLocation(self.inner.child(*parts))

    def local_path(self) -> None:
        """There is none."""

    def native(self, kind: str) -> Mapping[str, Any] | None:
        """No engine can do its own I/O here."""
        del kind
        return None

    def read(self, start: int | None = None, stop: int | None = None) -> bytes:
        """Read."""
        return self.inner.read(start, stop)

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read ranges."""
        return self.inner.read_ranges(ranges)

    def write(self, data: bytes, *, if_match: str | None = None) -> str:
        """Write."""
        return self.inner.write(data, if_match=if_match)

    def version(self) -> str | None:
        """The version."""
        return self.inner.version()

    def exists(self) -> bool:
        """Whether it is there."""
        return self.inner.exists()

    def list(self) -> Iterator[str]:
        """The names below."""
        return self.inner.list()

    def delete(self, *, recursive: bool = False) -> None:
        """Delete."""
        self.inner.delete(recursive=recursive)

    def make_folder(self) -> None:
        """Make a folder."""
        self.inner.make_folder()

    def size(self) -> int:
        """The size."""
        return self.inner.size()

    def lock(self, key: str = "", *, timeout: float | None = None) -> AbstractContextManager[None]:
        """Lock."""
        return self.inner.lock(key, timeout=timeout)

    def writable(self) -> bool:
        """Whether it is writable."""
        return self.inner.writable()
