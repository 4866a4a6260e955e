"""The schemes http and https: from a URL and storage options to a place on a web server.

Login and query of a URL are secrets that go with each request; no place shows them. Nothing is read here, and the HTTP
library is imported with the first request only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from wkplug.abc import Filesystem, Problem, located, storage_options
from wkplug.errors import InvalidArgumentError, UnsafePathError
from wkplug_remote.options import Options, public_options, read_options, with_token
from wkplug_remote.store import HttpStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wkplug.abc import Location

__all__ = ["HttpFilesystem"]

_SAFE = "~:@!$&'()*+,;=%"
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class HttpFilesystem(Filesystem):
    """Makes places of http:// and https:// URLs."""

    def __init__(self, settings: object = None) -> None:
        del settings

    def location(self, url: str, *, options: Mapping[str, Any] | None = None) -> Location:
        """Open a place; nothing is read. InvalidArgumentError for options that can't be translated."""
        return located(*opened(url, options))

    def problems(self, url: str, *, options: Mapping[str, Any] | None = None) -> Iterator[Problem]:
        """Name the option that can't be translated."""
        try:
            opened(url, options)
        except InvalidArgumentError as error:
            yield Problem("options", error.message, error.hint or "", error_type=InvalidArgumentError)


def opened(url: str, options: Mapping[str, Any] | None = None) -> tuple[HttpStore, str]:
    """Give the store and the path of a URL.

    InvalidArgumentError if it is none, or for options; UnsafePathError if ".." leads out of the server.
    """
    if "\0" in url or "::" in url.partition("://")[0]:
        raise InvalidArgumentError(
            f"{url!r} is no URL of a single place.", hint="URLs look like https://host/folder."
        )
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError as error:
        raise InvalidArgumentError(
            f"{url!r} is no URL: {error}.", hint="URLs look like https://host/folder."
        ) from None
    scheme = split.scheme.lower()
    if scheme not in ("http", "https") or not split.hostname:
        raise InvalidArgumentError(f"{url!r} names no host.", hint="URLs look like https://host/folder.")
    host = f"[{split.hostname}]" if ":" in split.hostname else split.hostname
    if port is not None and port != {"http": 80, "https": 443}[scheme]:
        host = f"{host}:{port}"
    root = f"{scheme}://{host}/"
    path = "/".join(_clean_parts(split.path, root))
    login = unquote(split.netloc.rpartition("@")[0])
    given = dict(options or {})
    session = given | ({"auth": login.partition(":")[::2]} if login else {})
    session |= {"params": read_options(given, query=split.query).access.query} if split.query else {}

    def current_options() -> Options:
        told = with_token({**storage_options(root + path), **given})
        return read_options(told, login=login, query=split.query)

    store = HttpStore(
        root,
        current_options(),
        public=public_options(given),
        has_secrets=bool(login or split.query or len(public_options(given)) < len(given)),
        reread=current_options,
        session=session if login or split.query else {},
    )
    return store, path


def _clean_parts(path: str, root: str) -> list[str]:
    """Split a path at its slashes, follow "..", and escape what may not stand in a URL."""
    parts: list[str] = []
    for part in path.split("/"):
        if unquote(part) == "..":
            if not parts:
                raise UnsafePathError(f"The address leads out of its own server, {root}.")
            parts.pop()
        elif unquote(part) not in ("", "."):
            parts.append(quote(_LONE_PERCENT.sub("%25", part), safe=_SAFE))
    return parts
