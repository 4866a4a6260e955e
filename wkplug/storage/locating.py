"""From what users and files say to a Location, and back to what files should say.

`locate` opens paths, URLs and path objects. `resolve_inside` and `relative_to` are the two directions of
paths recorded in a dataset: relative to its root inside, absolute or a URL outside. Places are compared
part by part, never as text prefixes, and links are not followed.

What a dataset records is what somebody else wrote. A dataset on this machine may name arrays anywhere, as it always
could; one that came from elsewhere names nothing on this machine and nothing on other hosts, unless the setting
`trusted_places` says so. A place that may not be named is a place all the same, so that the dataset opens; whatever
is done with it is an UnsafePathError.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from wkplug import registry
from wkplug.abc import Location
from wkplug.config import current
from wkplug.errors import InvalidArgumentError, UnsafePathError, redacted
from wkplug.filesystems.local import LocalFilesystem, LocalLocation
from wkplug.filesystems.sessions import remember, remembered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

__all__ = ["check_apart", "is_inside", "is_trusted", "locate", "relative_to", "resolve_inside"]

# At least two letters, so that a Windows drive is none.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|file:", re.ASCII)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.*)", re.ASCII | re.DOTALL)


def locate(path: Any, *, options: Mapping[str, Any] | None = None) -> Location:
    """Open a place; nothing is read.

    `path` is a Location, a path (made absolute; "~" is not expanded), a URL, a pathlib or universal path.
    `options` are storage options for a URL; a universal path brings its own. InvalidArgumentError for
    anything else, UnknownSchemeError for URLs that no plugin opens.
    """
    if isinstance(path, Location):
        return path
    protocol = getattr(path, "protocol", None)
    if isinstance(protocol, str) and hasattr(path, "storage_options"):
        if protocol in ("", "file", "local"):
            return LocalLocation(path.path)
        return _by_url(str(path), {**path.storage_options, **(options or {})})
    if isinstance(path, os.PathLike):
        path = os.fspath(path)
    if not isinstance(path, str):
        raise InvalidArgumentError(
            f"{path!r} is neither a path nor a URL.", hint="Give a text, a pathlib.Path or a UPath."
        )
    url = _url_in(path)
    return LocalLocation(path) if url is None else _by_url(url, options)


def _url_in(text: str) -> str | None:
    """The URL that a text is or stands for, None for a local path; InvalidArgumentError for one that is misspelt.

    pathlib folds slashes: `Path("s3://bucket/x")` says "s3:/bucket/x", which is taken for what it was.
    """
    if _URL.match(text):
        return text
    plain = text.strip()
    if ":" not in plain:
        return None
    if _URL.match(plain) or _is_scheme(plain.partition("://")[0]):  # some have an underscore
        return plain
    found = _SCHEME.fullmatch(plain)
    scheme, rest = found.groups() if found is not None else ("", "")
    if rest.startswith(":"):
        inner = _url_in(rest[1:])  # a chain, such as simplecache::s3://bucket/x, is for plugins to judge
        return None if inner is None else f"{scheme}::{inner}"
    here = os.path.abspath(text)  # noqa: PTH100 - plain text
    there = os.path.lexists(here)
    if "://" in plain and not there:
        raise InvalidArgumentError(
            f"{text!r} is no URL: what stands before '://' is no scheme.",
            hint=f"URLs look like s3://bucket/folder. If a local path is meant, give all of it: {here}",
        )
    url = f"{scheme}://{rest.lstrip('/')}"
    if not scheme or not _is_scheme(scheme):
        # A scheme that nobody knows, unless there is such a folder: one is never made of it.
        folded = bool(scheme) and rest.startswith("/") and not os.path.lexists(f"{scheme}:")
        return url if folded else None
    if there or not rest.startswith("/"):
        if redacted(url) != url:
            text = here = redacted(url).replace("://", ":", 1)
        raise InvalidArgumentError(
            f"{text!r} may be a local path or a URL with the wrong number of slashes.",
            hint=f"For the URL, write {url}. For the local path, give all of it: {here}",
        )
    return url


def _is_scheme(name: str) -> bool:

    return name.lower() in registry.schemes()


def _by_url(url: str, options: Mapping[str, Any] | None) -> Location:
    if url.lower().startswith("file:"):
        return LocalFilesystem().location(url)
    given = dict(options) if options else remembered(url)
    location = registry.place(url, options=given)
    remember(location, options or {})
    return location


def resolve_inside(root: Location, text: str) -> tuple[Location, bool]:
    """Resolve a path recorded in a dataset at `root`: gives the place and whether it lies below `root`.

    `text` is relative with forward slashes ("./color/1", "../other/color/1"), absolute, or a URL. ".." is
    resolved in the text, before any link. UnsafePathError if it climbs above the top of a store. A place that a dataset
    at `root` may not name is given as one that refuses everything.
    """
    if not isinstance(text, str) or "\0" in text:
        raise InvalidArgumentError(f"{text!r} is no path.")
    location = _resolved(root, text)
    if _below(root, location) is not None:
        return location, True
    near = location.local_path() is None and location.store == root.store
    if root.local_path() is None and not near and not is_trusted(location):
        return _Refused(root.url, location.url), False
    return location, False


def _resolved(root: Location, text: str) -> Location:
    if _url_in(text) is not None:
        return locate(text)
    if text.startswith("/") or (root.local_path() is not None and os.path.isabs(text)):  # noqa: PTH117 - plain text
        return LocalLocation(text)
    parts = text.split("/")
    if ".." not in parts:
        return root.child(*parts)
    location = root
    for part in parts:
        if part == "..":
            parent = location.parent
            if parent == location and location.local_path() is None:
                raise UnsafePathError(f"The path {text!r}, recorded at {root.url}, leads out of its store.")
            location = parent
        elif part not in ("", "."):
            location = location.child(part)
    return location


def is_trusted(location: Location) -> bool:
    """Whether the setting `trusted_places` allows foreign datasets to name this place."""

    for trusted in current().trusted_places:
        if trusted == "*":
            return True
        place = locate(trusted)
        if _below(place, location) is not None or location.url.startswith(place.url.rstrip("/") + "/"):
            return True
    return False


def is_inside(root: Location, location: Location) -> bool:
    """Whether a place is the folder `root` or lies below it; of local ones, where links lead."""
    here, there = root.local_path(), location.local_path()
    if here is not None and there is not None:
        root, location = LocalLocation(os.path.realpath(here)), LocalLocation(os.path.realpath(there))
    return _below(root, location) is not None


def check_apart(source: Location, target: Location, what: str) -> None:
    """Refuse to write what is read from `source` into it, or around it; links are followed.

    InvalidArgumentError, which calls the source `what`.
    """
    if is_inside(source, target):
        same = is_inside(target, source)
        raise InvalidArgumentError(
            f"{target.url} is itself {what}{'' if target == source else f', {source.url}'}."
            if same
            else f"{target.url} lies inside {what}, {source.url}: it would become part of what it is made of.",
            hint="Choose a path outside of it.",
        )
    if is_inside(target, source):
        raise InvalidArgumentError(
            f"{what[:1].upper()}{what[1:]}, {source.url}, lies inside {target.url}.",
            hint="Choose a path that doesn't contain it.",
        )


class _Refused(Location):
    """A place that a dataset names and may not name: it has a URL, and everything else is refused."""

    __slots__ = ("_named", "_root", "_url")

    def __init__(self, root: str, url: str, named: str | None = None) -> None:
        self._root, self._url, self._named = root, url, url if named is None else named

    def __reduce__(self) -> tuple[Any, ...]:
        return (_Refused, (self._root, self._url, self._named))

    def __eq__(self, other: object) -> bool:
        return self._url == other._url if isinstance(other, _Refused) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._url)

    def __repr__(self) -> str:
        return f"<refused place {self._url!r}>"

    @property
    def url(self) -> str:
        return self._url

    @property
    def parent(self) -> Location:
        return _Refused(self._root, self._url.rstrip("/").rpartition("/")[0] or "/", self._named)

    def child(self, *parts: str) -> Location:
        return _Refused(self._root, "/".join([self._url.rstrip("/"), *parts]), self._named)

    def local_path(self) -> None:
        return None

    def native(self, kind: str) -> Mapping[str, Any] | None:  # noqa: ARG002 - refused
        raise self.error()

    def error(self) -> UnsafePathError:
        """Say why nothing is done with it."""
        return UnsafePathError(
            f"The dataset {self._root} names {self._named}, which is on this machine or on another host "
            "than the dataset: that is not followed.",
            hint="If you trust it, name the place in the setting trusted_places, as in "
            f"wkplug.settings(trusted_places=[{self._named!r}]).",
        )

    def read(self, start: int | None = None, stop: int | None = None) -> bytes:  # noqa: ARG002 - refused
        raise self.error()

    def write(self, data: bytes, *, if_match: str | None = None) -> str:  # noqa: ARG002 - refused
        raise self.error()

    def version(self) -> str | None:
        raise self.error()

    def exists(self) -> bool:
        raise self.error()

    def list(self) -> Iterator[str]:
        raise self.error()

    def delete(self, *, recursive: bool = False) -> None:  # noqa: ARG002 - refused
        raise self.error()

    def make_folder(self) -> None:
        raise self.error()

    def size(self) -> int:
        raise self.error()

    def lock(self, key: str = "", *, timeout: float | None = None) -> AbstractContextManager[None]:  # noqa: ARG002 - refused
        raise self.error()

    def writable(self) -> bool:
        return False


def relative_to(root: Location, location: Location) -> str:
    """Say where `location` is, as a dataset at `root` records it: "./color/1" below it, else its URL.

    For local places the URL is the absolute path, with forward slashes.
    """
    if isinstance(location, _Refused):
        raise location.error()  # what one dataset may not name doesn't get there through another
    parts = _below(root, location)
    return location.url if parts is None else "./" + "/".join(parts)


def _below(root: Location, location: Location) -> list[str] | None:
    """The names that lead from `root` to `location`, or None if it isn't at or below `root`."""
    if type(root) is not type(location):
        return None
    if isinstance(root, LocalLocation):  # many mags are resolved whenever a dataset is opened
        above = root.url if root.url.endswith("/") else root.url + "/"
        inside = location.url[len(above) :]
        if inside and location.url.startswith(above):
            return inside.split("/")
        return [] if location == root else None
    count = len(_parts(location)) - len(_parts(root))
    if count < 0:
        return None
    names: list[str] = []
    for _ in range(count):
        names.append(location.name)
        location = location.parent
    return names[::-1] if location == root else None


def _parts(location: Location) -> list[str]:
    rest = location.url.partition("://")[2 if "://" in location.url else 0]
    if location.url.startswith("zip://"):  # the path in the archive stands before the archive's own
        rest = rest.partition("::")[0]
    return [part for part in rest.split("/") if part]
