"""Places inside zip archives, for reading: `zip://inner/path::outer`, the outer part being any path or URL.

An archive's table of contents is read once for all places in it. Entries that are stored as they are, as in zipped
images, are read by ranges, here and on servers; compressed ones are unpacked from their beginning. Nothing is
written, and names in the archive never lead out of it.
"""

from __future__ import annotations

import threading
import zipfile
import zlib
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from wkplug import registry
from wkplug.abc import Filesystem, Location
from wkplug.abc.files import open_file
from wkplug.errors import (
    CorruptDataError,
    InvalidArgumentError,
    MissingError,
    StorageError,
    TooLargeError,
    UnsupportedOperationError,
    WkplugError,
)
from wkplug.filesystems.failures import may_be_hidden
from wkplug.filesystems.paths import safe_parts
from wkplug.filesystems.sessions import remembered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

__all__ = ["OF_SYSTEMS", "ZipFilesystem", "ZipLocation", "is_zip", "unzipped"]

OF_SYSTEMS = ("__MACOSX/", ".DS_Store")
"""What operating systems put into archives and folders."""

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # the second: of an archive without any file
_HEADER = 30  # bytes before the name in front of every entry
_ENCRYPTED = 1
_HARMLESS = 1 << 24
_MOST_UNPACKED = 1100
"""Times its packed size: what deflate, which archives of arrays use, can reach at most."""


def is_zip(location: Location) -> bool:
    """Whether a place is a file that begins as zip archives do."""
    if isinstance(location, ZipLocation) and not location.is_file():
        return False
    try:
        return location.read(0, 4) in _MAGIC
    except WkplugError as error:  # a folder, or nothing; who reads it next will be told
        if (
            location.local_path() is None
            and isinstance(error, StorageError)
            and not may_be_hidden(error, location)
        ):
            raise
        return False


def unzipped(location: Location, suffixes: tuple[str, ...] = (".zip",)) -> Location:
    """Give the inside of a zip archive with one of the suffixes; every other place is given back.

    Where all that is in it lies in one folder, as in archives of a folder, it is that folder.
    """
    if not location.name.lower().endswith(suffixes) or not is_zip(location):
        return location
    inner = ZipLocation(location)
    while True:
        names = [name for name in inner.list() if name not in OF_SYSTEMS]
        if len(names) != 1 or not names[0].endswith("/"):
            return inner
        inner = inner.child(names[0].rstrip("/"))


class _Archive:
    """One archive; its table of contents is read at the first use."""

    def __init__(self, outer: Location) -> None:
        self.outer = outer
        self._guard = threading.Lock()
        self._begins: dict[str, int] = {}

    @cached_property
    def entries(self) -> dict[str, zipfile.ZipInfo]:
        """Files by their names; UnsafePathError for one that would lead out of the archive."""
        with self._guard, open_file(self.outer) as file:
            try:
                with zipfile.ZipFile(file) as archive:
                    files = [info for info in archive.infolist() if not info.is_dir()]
                    return {"/".join(safe_parts([each.filename], self.outer.url)): each for each in files}
            except zipfile.BadZipFile as error:
                raise self.damaged(str(error)) from error

    @cached_property
    def folders(self) -> dict[str, set[str]]:
        """The names directly below each folder, folders with a slash; "" is the top."""
        found: dict[str, set[str]] = {"": set()}
        for name in self.entries:
            parts = name.split("/")
            for depth, part in enumerate(parts):
                last = depth == len(parts) - 1
                found.setdefault("/".join(parts[:depth]), set()).add(part if last else f"{part}/")
        return found

    def damaged(self, why: str) -> CorruptDataError:
        """Make the error of an archive that can't be read."""
        return CorruptDataError(
            f"The archive {self.outer.url} is damaged: {why}.",
            hint="It was not written or copied to the end; copy it again.",
        )

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Read a range that lies inside an entry."""
        info = self.entries[name]
        if info.flag_bits & _ENCRYPTED:
            raise UnsupportedOperationError(f"{name} in {self.outer.url} is encrypted.", hint="Unpack it.")
        if info.file_size > _HARMLESS and info.file_size > _MOST_UNPACKED * max(1, info.compress_size):
            raise TooLargeError(
                f"{name} in {self.outer.url} has {info.compress_size} bytes and would be unpacked to {info.file_size}: "
                "no data are packed that tightly.",
                hint="If that is no damage, unpack the archive and open the folder.",
            )
        if info.compress_type != zipfile.ZIP_STORED:
            return self._unpacked(info, start, stop)
        begin = self._begin(info)
        data = self.outer.read(begin + start, begin + stop)
        if len(data) != stop - start:
            raise self.damaged(f"it ends within {name}")
        if (start, stop) == (0, info.file_size) and zlib.crc32(data) != info.CRC:
            raise self.damaged(f"the bytes of {name} are not those that were written")
        return data

    def _begin(self, info: zipfile.ZipInfo) -> int:
        """Where the bytes of an entry begin: names in front of them may differ from those in the table."""
        known = self._begins.get(info.filename)
        if known is None:
            header = self.outer.read(info.header_offset, info.header_offset + _HEADER)
            if len(header) < _HEADER or header[:4] != _MAGIC[0]:
                raise self.damaged(f"{info.filename} is not where it should be")
            lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
            known = self._begins[info.filename] = info.header_offset + _HEADER + lengths
        return known

    def _unpacked(self, info: zipfile.ZipInfo, start: int, stop: int) -> bytes:
        try:
            with open_file(self.outer) as file, zipfile.ZipFile(file) as archive, archive.open(info) as entry:
                entry.seek(start)
                return entry.read(stop - start)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise self.damaged(f"{info.filename}: {error}") from error


class ZipLocation(Location):
    """A file or folder in the archive at `outer`, "" being the whole."""

    __slots__ = ("_archive", "_path")

    def __init__(self, outer: Location, path: str = "") -> None:
        self._archive, self._path = _Archive(outer), path

    @classmethod
    def _of(cls, archive: _Archive, path: str) -> ZipLocation:
        self = cls.__new__(cls)
        self._archive, self._path = archive, path
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (ZipLocation, (self._archive.outer, self._path))

    def __eq__(self, other: object) -> bool:
        return self.url == other.url if isinstance(other, ZipLocation) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.url)

    def __repr__(self) -> str:
        return f"ZipLocation({self.url!r})"

    def __str__(self) -> str:
        return self.url

    @property
    def url(self) -> str:
        """zip://inner/path::outer."""
        return f"zip://{self._path}::{self._archive.outer.url}"

    @property
    def name(self) -> str:
        """The last part of the inner path; the archive's name at its top."""
        return self._path.rpartition("/")[2] or self._archive.outer.name

    @property
    def store(self) -> str:
        """The archive, within which no path leads out."""
        return f"zip://{self._archive.outer.url}"

    @property
    def parent(self) -> ZipLocation:
        """The folder that it lies in; the top is its own parent."""
        return ZipLocation._of(self._archive, self._path.rpartition("/")[0])

    def child(self, *parts: str) -> ZipLocation:
        """A place below; UnsafePathError for parts that lead upwards or are absolute."""
        safe = safe_parts(parts, self.url)
        return ZipLocation._of(self._archive, "/".join([self._path, *safe] if self._path else safe))

    def is_file(self) -> bool:
        """Whether it is one of the archive's files; the archive itself is opened as a folder."""
        return self._path in self._archive.entries

    def local_path(self) -> None:
        """None: no path of the operating system leads into an archive."""
        return

    def read(self, start: int | None = None, stop: int | None = None) -> bytes:
        """Read from `start` to `stop`; CorruptDataError if the archive is damaged."""
        size = self.size()
        if not self._archive.entries:
            raise MissingError(f"There is no file in {self._archive.outer.url}.")
        if self._path not in self._archive.entries:
            raise StorageError(
                f"{self.url} could not be read: it is a folder where a file was expected.",
                hint="Name a file in it.",
            )
        first, last, _ = slice(start, stop).indices(size)
        return self._archive.read(self._path, first, max(first, last))

    def version(self) -> str | None:
        """The entry's checksum and size."""
        info = self._archive.entries.get(self._path)
        return None if info is None else f"{info.CRC:08x}-{info.file_size}"

    def exists(self) -> bool:
        """Whether there is such an entry, or one below."""
        return self._path in self._archive.entries or self._path in self._archive.folders

    def list(self) -> Iterator[str]:
        """The names directly below, sorted."""
        return iter(sorted(self._archive.folders.get(self._path, ())))

    def size(self) -> int:
        """The size of the entry when it is unpacked; of a folder, of all below. MissingError if there is none."""
        info = self._archive.entries.get(self._path)
        if info is not None:
            return info.file_size
        if self._path not in self._archive.folders:
            raise MissingError(f"There is no {self._path or 'file'} in {self._archive.outer.url}.")
        below = f"{self._path}/" if self._path else ""
        return sum(one.file_size for name, one in self._archive.entries.items() if name.startswith(below))

    def writable(self) -> bool:
        """False."""
        return False

    def _refuse(self) -> NoReturn:
        raise UnsupportedOperationError(
            f"{self.url} lies in an archive, which is only read.", hint="Unpack the archive first."
        )

    def write(self, data: bytes, *, if_match: str | None = None) -> str:
        """Refuse with UnsupportedOperationError, as all that would change the archive."""
        del data, if_match
        self._refuse()

    def delete(self, *, recursive: bool = False) -> None:
        """Refuse, see `write`."""
        del recursive
        self._refuse()

    def make_folder(self) -> None:
        """Refuse, see `write`."""
        self._refuse()

    def lock(self, key: str = "", *, timeout: float | None = None) -> AbstractContextManager[None]:
        """Refuse, see `write`."""
        del key, timeout
        self._refuse()


class ZipFilesystem(Filesystem):
    """Opens zip://inner::outer."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def location(self, url: str, *, options: Mapping[str, Any] | None = None) -> ZipLocation:
        """Open a place in an archive; `options` are for the outer place."""

        inner, separator, outer = url.partition("://")[2].partition("::")
        if not separator or not outer:
            raise InvalidArgumentError(
                f"{url} doesn't say which archive it is in.",
                hint="Write zip://path/in/archive::path-or-url-of-the-archive.",
            )
        place = registry.place(outer, options=options or remembered(outer))
        return ZipLocation(place).child(*(part for part in inner.split("/") if part))
