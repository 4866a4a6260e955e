"""Which scheme a driver of fsspec opens, and how: any for which no plugin has a store of its own, and memory://.

Options are those of the driver: from the call, or from the setting `storage` by URL prefix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from wkplug.abc import Filesystem, located, parts_of
from wkplug.config import storage_options
from wkplug.errors import InvalidArgumentError, UnknownSchemeError
from wkplug.filesystems.drivers import FsspecBuckets, FsspecStore, MemoryStore
from wkplug.filesystems.servers import FileServer, FtpServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug.abc import Location

__all__ = ["FsspecFilesystem"]

_KINDS: dict[str, type[FsspecStore]] = {
    "ftp": FtpServer,
    "oci": FsspecBuckets,
    "sftp": FileServer,
    "smb": FileServer,
    "ssh": FileServer,
}

_UNPACK = (
    "is an archive that is not read in place",
    ("Unpack it, or pack it as zip: zip://path/in/archive::path-or-url-of-the-archive."),
)
_CACHE = (
    "is a cache in front of another place",
    ("Give the URL of that place alone: no more than what is needed is read of it."),
)
_NO_PLACES = {
    "adl": ("has been retired by its provider", "The storage of today is opened as az:// or abfs://."),
    "blockcache": _CACHE,
    "data": ("holds data in the URL itself", "Give the URL of a folder."),
    "dir": ("is a part of another place", "Give the whole URL of that part."),
    "filecache": _CACHE,
    "libarchive": _UNPACK,
    "reference": ("is a list of parts of other files", "Give the URL of the folder that has them."),
    "simplecache": _CACHE,
    "tar": _UNPACK,
}
"""Schemes that fsspec has for other things than places, and what to do about them."""


class FsspecFilesystem(Filesystem):
    """Makes locations for every scheme that fsspec has a driver for."""

    def __init__(self, settings: object = None) -> None:
        del settings

    def location(self, url: str, *, options: Mapping[str, Any] | None = None) -> Location:
        """Open a place; nothing is read and no driver is loaded yet."""
        scheme, rest = _split(url)
        if scheme in _NO_PLACES:
            what, advice = _NO_PLACES[scheme]
            raise UnknownSchemeError(f"{url} can't be opened: {scheme}:// {what}.", hint=advice)
        given = dict(options or {})
        login, at, _ = rest.partition("/")[0].rpartition("@")
        if at and ":" in login:
            user, _, password = login.partition(":")
            given.setdefault("password", unquote(password))
            rest = user + rest[len(login) :]
        parts = parts_of(rest, url)
        if scheme == "memory":
            return located(MemoryStore(scheme, "memory://", given, given), "/".join(parts))
        root = f"{scheme}://{parts[0]}/" if parts else f"{scheme}://"
        path = "/".join(parts[1:])
        kind = _KINDS.get(scheme, FsspecStore)
        return located(kind(scheme, root, {**storage_options(root + path), **given}, given), path)


def _split(url: str) -> tuple[str, str]:
    """Give the scheme of a URL and what follows it. InvalidArgumentError if it is none."""
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    if not mark or not scheme or "::" in scheme or "\0" in url:
        inner = url.rpartition("::")[2]
        raise InvalidArgumentError(
            f"{url!r} is no URL of a single place.",
            hint=f"Chains with '::' aren't followed; write {inner}."
            if "::" in scheme and "://" in inner
            else "URLs look like s3://bucket/folder.",
        )
    return scheme, rest
