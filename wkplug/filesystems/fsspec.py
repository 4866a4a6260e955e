"""Which location shows which URL that fsspec has a driver for: memory, object stores, HTTP, and any other.

A kind of store that differs from the rest has a class, and a line in the table here. Whatever has none is a plain
`FsspecLocation`, whose limits then hold. Credentials given in code work in this process, but travel in no pickle:
workers find theirs in the settings or the environment, by the URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.abc import Filesystem
from wkplug.filesystems.drivers import FsspecLocation, split_url
from wkplug.filesystems.http import HttpLocation
from wkplug.filesystems.memory import MemoryLocation
from wkplug.filesystems.object_stores import GoogleLocation, ObjectStoreLocation
from wkplug.filesystems.s3 import S3Location

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FsspecFilesystem"]

_KINDS: dict[str, type[FsspecLocation]] = {
    "abfs": ObjectStoreLocation,
    "abfss": ObjectStoreLocation,
    "adl": ObjectStoreLocation,
    "az": ObjectStoreLocation,
    "gs": GoogleLocation,
    "http": HttpLocation,
    "https": HttpLocation,
    "memory": MemoryLocation,
    "oci": ObjectStoreLocation,
    "s3": S3Location,
}


def _kind(url: str) -> type[FsspecLocation]:
    return _KINDS.get(split_url(url)[0], FsspecLocation)


class FsspecFilesystem(Filesystem):
    """Makes locations for every scheme that fsspec has a driver for."""

    def __init__(self, settings: object = None) -> None:
        del settings

    def location(self, url: str, *, options: Mapping[str, Any] | None = None) -> FsspecLocation:
        """Open a place; nothing is read and no driver is loaded yet."""
        return _kind(url)(url, options)


def _reopen(url: str, public: Mapping[str, Any], travelled: bool) -> FsspecLocation:  # noqa: FBT001 - of pickle
    """Open what was pickled before each kind of store had a class."""
    return _kind(url).reopened(url, public, travelled)
