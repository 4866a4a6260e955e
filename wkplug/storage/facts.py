"""What an array's own metadata say, kept in the properties of its dataset, so that opening it asks for nothing.

On stores each look at a file is a request. A dataset in a bucket therefore keeps, beside each mag, a copy of the mag's
metadata file with the version that it had (`ArrayFacts`), under a key that other software passes over. Software that
rewrites the properties drops the key, which is right: it may have changed the array, too.

A copy can be older than the file. So facts are enough to tell what an array is like, never to touch its voxels: before
the first voxel is read or written, `newer` asks the store for the file unless it still has that version, and the array
is opened again from what comes (`wkplug.model.arrays`). Mags with facts are complete: jobs take the facts away before
they mark a mag, and bring them back when they are done, so that nobody need look for marks.

`KnownFiles` is how backends get them, whatever the format: a place that answers for a metadata file with what is known,
while the array is opened, and that learns what is read or written there. Local disks have none of all this.
"""

from __future__ import annotations

import base64
import binascii
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import attrs

from wkplug.abc import LocationWrapper
from wkplug.errors import ConflictError, MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wkplug.abc import Location

__all__ = ["ArrayFacts", "KnownFiles"]

_LARGEST = 64 * 1024
"""Bytes of a metadata file; what is larger is not kept in the properties."""


@attrs.frozen
class ArrayFacts:
    """A metadata file of an array: its name in the array's folder, its version, and its content then."""

    file: str
    version: str
    data: bytes

    @classmethod
    def of(cls, value: Any) -> ArrayFacts | None:
        """Read what the properties keep; None for anything that isn't that."""
        if not isinstance(value, dict):
            return None
        file, version = value.get("file"), value.get("version")
        text, code = value.get("text"), value.get("base64")
        if not (isinstance(file, str) and file and "/" not in file and isinstance(version, str) and version):
            return None
        if isinstance(text, str):
            return cls(file, version, text.encode())
        try:
            return (
                cls(file, version, base64.b64decode(code, validate=True)) if isinstance(code, str) else None
            )
        except (binascii.Error, ValueError):
            return None

    @classmethod
    def read(cls, place: Location, file: str) -> ArrayFacts | None:
        """Read a metadata file of the array at `place`; MissingError if there is none."""
        where = place.child(file)
        found = where.read_newer() if place.conditional else (where.read(), "")
        return None if found is None else cls(file, found[1], found[0])

    def to_json(self) -> dict[str, str]:
        """Give what the properties keep: the text of the file, or its bytes in base64."""
        try:
            content = {"text": self.data.decode()}
        except UnicodeDecodeError:
            content = {"base64": base64.b64encode(self.data).decode()}
        return {"file": self.file, "version": self.version, **content}

    def newer(self, place: Location) -> ArrayFacts | None:
        """Ask, in one request, what the file of the array at `place` says now; None if these facts still hold.

        MissingError if it is gone.
        """
        file = place.child(self.file)
        found = file.read_newer(self.version) if place.conditional else (file.read(), "")
        if found is None or found[0] == self.data:
            return None
        return ArrayFacts(self.file, found[1], found[0])


class KnownFiles(LocationWrapper):
    """A place that knows the metadata files below it, by name: `markers` are the names that matter.

    While it is `opening`, what is known is answered without a request, and what is read is known from then on. Later,
    everything goes through; what is written stays known. All places below and above share what is known. It pickles as
    the place that it stands for.
    """

    __slots__ = ("_shared",)

    def __init__(self, place: Location, markers: frozenset[str], facts: ArrayFacts | None = None) -> None:
        super().__init__(place)
        known = {} if facts is None else {place.child(facts.file).url: (facts.data, facts.version)}
        self._shared = _Shared(place.url, markers, known)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_itself, (self.inner,))

    def wrap(self, inner: Location) -> Self:
        """A place that shares what is known."""
        wrapped = type(self).__new__(type(self))
        wrapped.inner, wrapped._shared = inner, self._shared
        return wrapped

    def let_through(self) -> None:
        """End the opening."""
        self._shared.opening = False

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Answer from what is known again, and let the metadata be written only if that is what is there.

        ConflictError, at the first try, if it isn't. For places that check conditions.
        """
        shared = self._shared
        shared.opening = shared.unchanged = True
        try:
            yield
        finally:
            shared.opening = shared.unchanged = False
            shared.conflict = None

    @property
    def facts(self) -> ArrayFacts | None:
        """The one metadata file of the array, as it was last seen here; None if none is known, or several are."""
        root = f"{self._shared.root}/"
        found = [
            ArrayFacts(url.removeprefix(root), version, data)
            for url, (data, version) in self._shared.known.items()
            if url.startswith(root) and "/" not in url.removeprefix(root)
        ]
        kept = [facts for facts in found if facts.version and len(facts.data) <= _LARGEST]
        return kept[0] if len(kept) == len(found) == 1 else None

    def _matters(self) -> bool:
        return self.inner.name in self._shared.markers

    def _known(self) -> tuple[bytes, str] | None:
        """What is known of this file; read now, with its version, if it is a metadata file."""
        shared = self._shared
        if not shared.opening or not self._matters():
            return None
        found = shared.known.get(self.inner.url)
        if found is None:
            # Other places tell no versions, or not with the data.
            found = (self.inner.read_newer() if self.inner.conditional else None) or (self.inner.read(), "")
            shared.known[self.inner.url] = found
        return found

    def read(self, start: int | None = None, stop: int | None = None) -> bytes:
        """Read what is known, or what is there."""
        found = self._known()
        return self.inner.read(start, stop) if found is None else found[0][start:stop]

    def read_ranges(self, ranges: Sequence[tuple[int, int | None]]) -> list[bytes]:
        """Likewise."""
        found = self._known()
        return self.inner.read_ranges(ranges) if found is None else [found[0][a:b] for a, b in ranges]

    def read_newer(self, known: str | None = None) -> tuple[bytes, str] | None:
        """Likewise."""
        found = self._known()
        if found is None or not found[1]:
            return self.inner.read_newer(known)
        return None if found[1] == known else found

    def version(self) -> str | None:
        """Likewise."""
        try:
            found = self._known()
        except MissingError:
            return None
        return self.inner.version() if found is None else found[1] or self.inner.version()

    def exists(self) -> bool:
        """Likewise."""
        try:
            return True if self._known() is not None else self.inner.exists()
        except MissingError:
            return False

    def write(self, data: bytes, *, if_match: str | None = None) -> str:
        """Write it, and know it."""
        if not self._matters():
            return self.inner.write(data, if_match=if_match)
        shared = self._shared
        if shared.conflict is not None:
            raise shared.conflict  # asked once is enough: what is known can't become the newest again
        known = shared.known.get(self.inner.url)
        if shared.unchanged and if_match is None and known is not None:
            if_match = known[1]
        try:
            version = self.inner.write(data, if_match=if_match)
        except ConflictError as error:
            if shared.unchanged:
                shared.conflict = error
            raise
        shared.known[self.inner.url] = (bytes(data), version)
        return version


@attrs.define
class _Shared:
    """unchanged: the metadata may only be written if they still are what is known; conflict: they weren't."""

    root: str
    markers: frozenset[str]
    known: dict[str, tuple[bytes, str]]
    opening: bool = True
    unchanged: bool = False
    conflict: ConflictError | None = None


def _itself(place: Location) -> Location:
    return place
