"""Places behind HTTP, which are for reading, with exact answers.

fsspec's HTTP driver gives the whole file where a server ignores ranges, and "not found" for some answers
that mean something else. So reads and looks go through the driver's session, but with the status in our
hands: 206 is the range, 200 the whole (cut here), 416 nothing, 404 missing, and everything else raises
an error whose status `wkplug.filesystems.failures` sorts. Folders are listed by their index pages
(`wkplug.filesystems.index_pages`), which must have come whole.
"""

from __future__ import annotations

import asyncio
import base64
import re
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Self, TypeVar
from urllib.parse import quote, unquote, urlsplit

from wkplug.errors import ForbiddenError, MissingError, StorageError, UnlistableError
from wkplug.filesystems import index_pages
from wkplug.filesystems.drivers import (
    Address,
    FsspecLocation,
    Range,
    clean_parts,
    configured,
    of_session,
    public_options,
    split_url,
)
from wkplug.filesystems.paths import safe_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

__all__ = ["HttpLocation"]

Result = TypeVar("Result")

_AT_ONCE = 16
_PAGES = ("text/html", "application/xhtml+xml")
_START_BYTES = 4096


class HttpLocation(FsspecLocation):
    """A file or folder on a web server, which can only be read."""

    __slots__ = ()

    has_folders = False
    reads_ends = True

    @classmethod
    def resolve(
        cls, url: str, options: Mapping[str, Any] | None = None, *, travelled: bool = False
    ) -> tuple[Address, str]:
        """As every location; login and query of the URL are secrets, and go into headers and requests."""
        scheme, rest = split_url(url)
        given = dict(options or {})
        public = public_options(given)
        split = urlsplit(f"{scheme}://{rest}")
        login, at, host = split.netloc.rpartition("@")
        root = f"{scheme}://{host}/"
        parts = clean_parts(split.path, root)
        if not (travelled or at or split.query):
            given = of_session((root, *parts[:1]), given, secret=len(public) < len(given))
        path = "/".join(parts)
        merged = {**configured(root + path), **given}
        headers = dict(merged.pop("headers", {}))
        client = dict(merged.pop("client_kwargs", {}))
        headers.update(client.pop("headers", {}))
        if at:
            token = base64.b64encode(unquote(login).encode()).decode()
            headers["Authorization"] = f"Basic {token}"
        if headers:
            client["headers"] = headers
        if client:
            merged["client_kwargs"] = client
        secret = bool(at) or bool(split.query) or len(public) < len(given)
        address = Address(scheme, root, merged, public, secret=secret, query=split.query, travelled=travelled)
        return address, path

    @property
    def name(self) -> str:
        """The last part of the path, percent escapes decoded."""
        return unquote(super().name)

    @property
    def store(self) -> str:
        """The host, whether it is spoken to by http or https."""
        return super().store.replace("https://", "http://")

    def child(self, *parts: str) -> Self:
        """A place below; UnsafePathError for parts that lead upwards or are absolute."""
        return super().child(*(quote(part, safe="~:@!$&'()*+,;=") for part in safe_parts(parts, self.url)))

    def native(self, kind: str) -> Mapping[str, Any] | None:
        """Answer "fsspec" and "tensorstore.kvstore". Never store it: it may hold secrets."""
        if kind != "tensorstore.kvstore" or not self._path:
            return super().native(kind)
        headers = (self._address.options.get("client_kwargs") or {}).get("headers", {})
        return {
            "driver": "http",
            "base_url": f"{self.url}/{self._query}",
            **({"headers": [f"{name}: {value}" for name, value in headers.items()]} if headers else {}),
        }

    @property
    def _target(self) -> str:
        return self.url + self._query

    @property
    def _query(self) -> str:
        return f"?{self._address.query}" if self._address.query else ""

    def _fetch(self, ranges: Sequence[Range]) -> list[bytes]:
        return self._do("read", lambda driver: _run(driver, _fetch, self._target, ranges))

    def _head(self) -> _Head:
        return self._do("looked at", lambda driver: _run(driver, _look, self._target))

    def _version(self) -> str:
        return self._head().version

    def exists(self) -> bool:
        """Whether there is a file. Servers decide what they say of folders."""
        try:
            self._head()
        except MissingError:
            return False
        return True

    def list(self) -> Iterator[str]:
        """The names on the server's index page, sorted.

        UnlistableError if the server answers with a page that is no index, or not the whole of one.
        """
        target = f"{self.url.rstrip('/')}/{self._query}"
        try:
            return iter(self._do("listed", lambda driver: _run(driver, _names, target, self.url)))
        except MissingError:
            return iter(())
        except UnlistableError:
            # Servers of applications have a page for every address, so for that of a file with a slash, too.
            if self._is_file():
                return iter(())
            raise

    def _is_file(self) -> bool:
        try:
            return not self._head().page
        except StorageError:
            return False

    def list_all(self) -> Iterator[str]:
        """Refuse with UnlistableError: index pages are missing, cut, or of something else."""
        raise UnlistableError(
            f"{self.url} can't be listed: web servers don't tell for certain what they have.",
            hint="Copy it from an object store or a disk, where all files can be listed.",
        )

    def size(self) -> int:
        """Bytes of the file; StorageError if the server doesn't say."""
        head = self._head()
        if head.page:
            raise StorageError(
                f"{self.url} could not be measured: the server gives a page for people, such as a folder's index."
            )
        if head.size is None:
            raise StorageError(f"{self.url} could not be measured: the server doesn't tell its size.")
        return head.size

    def writable(self) -> bool:
        """False."""
        return False

    def write(self, data: bytes, *, if_match: str | None = None) -> str:
        """Refuse with ForbiddenError, as all that would change something."""
        del data, if_match
        self._refuse("written")

    def delete(self, *, recursive: bool = False) -> None:
        """Refuse, see `write`."""
        del recursive
        self._refuse("deleted")

    def make_folder(self) -> None:
        """Do nothing: there are none."""

    def lock(self, key: str = "", *, timeout: float | None = None) -> NoReturn:
        """Refuse, see `write`."""
        del key, timeout
        self._refuse("locked")

    def _refuse(self, action: str) -> NoReturn:
        raise ForbiddenError(
            f"{self.url} could not be {action}: places behind HTTP can only be read.",
            hint="Copy the data to a folder or an object store first.",
        )


# --- requests -------------------------------------------------------------------------------------------------


class _HttpAnswer(Exception):  # noqa: N818 - what a server said, never seen by users
    """An answer that is not what was asked for."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason or f"HTTP {status}")
        self.status = status


class _Head(NamedTuple):
    """What a server says about a file: size in bytes (None: not said), and a text that changes with it.

    page: it is a page for people, or the index of a folder.
    """

    size: int | None
    version: str
    page: bool = False


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    data: bytes
    path: str
    """Of the URL, after redirects."""


def _run(filesystem: Any, what: Callable[..., Coroutine[Any, Any, Result]], *args: Any) -> Result:
    """Call a coroutine function on the driver's event loop, and wait."""
    from fsspec.asyn import sync

    result: Result = sync(filesystem.loop, what, filesystem, *args)
    return result


async def _fetch(filesystem: Any, url: str, ranges: Sequence[Range]) -> list[bytes]:
    """Read several ranges of one file, up to 16 at once; a start may be negative if there is no stop."""
    # The first answer shows whether the server knows ranges; if not, it was everything anyway.
    status, _, first = await _get_range(filesystem, url, ranges[0])
    if status == 200:
        return [first[slice(*one)] for one in ranges]
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(wanted: Range) -> bytes:
        async with gate:
            later, _, data = await _get_range(filesystem, url, wanted)
            return data[slice(*wanted)] if later == 200 else data

    return [first, *await asyncio.gather(*map(one, ranges[1:]))]


async def _get_range(filesystem: Any, url: str, wanted: Range) -> tuple[int, Mapping[str, str], bytes]:
    start, stop = wanted
    if start is None and stop is None:
        return (await _ask(filesystem, "GET", url, {}))[:3]
    start = start or 0
    if start < 0:
        text = f"bytes={start}"
    else:
        text = f"bytes={start}-" if stop is None else f"bytes={start}-{stop - 1}"
    status, headers, data, _ = await _ask(filesystem, "GET", url, {"Range": text})
    if status == 206:
        said = re.match(r"bytes (\d+)-(\d+)/", headers.get("Content-Range", ""))
        if (
            said is None
            or (start >= 0 and int(said[1]) != start)
            or len(data) != int(said[2]) + 1 - int(said[1])
        ):
            raise StorageError(f"{url.partition('?')[0]} could not be read: the server sent another range.")
        if start < 0 and len(data) > -start:
            data = data[start:]
    return status, headers, data[: stop - start] if status == 206 and stop is not None else data


async def _look(filesystem: Any, url: str) -> _Head:
    """Ask for size and version without the content."""
    try:
        answer = await _ask(filesystem, "HEAD", url, {})
    except _HttpAnswer as refusal:
        if refusal.status not in (405, 501):
            raise
        answer = await _ask(filesystem, "GET", url, {"Range": "bytes=0-0"})
    headers = answer.headers
    total = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
    size = int(total) if total.isdigit() else None
    mark = headers.get("ETag") or headers.get("Last-Modified") or ""
    page = _is_page(headers.get("Content-Type", "")) or answer.path.endswith("/")
    return _Head(size, f"{mark.strip()}-{size}", page)


async def _names(filesystem: Any, url: str, asked: str) -> list[str]:
    """Give the names on a folder's index page, none for a file; `asked` is the folder's address, for errors."""
    async with await _request(filesystem, "GET", url, {}) as response:
        if response.status != 200:
            raise _HttpAnswer(response.status, response.reason or "")
        kind = response.headers.get("Content-Type", "")
        if kind and not _is_page(kind):
            index_pages.check_no_index(await _up_to(response, _START_BYTES), asked)
            return []
        data = await _up_to(response, index_pages.MAX_PAGE_BYTES + 1)
        if len(data) > index_pages.MAX_PAGE_BYTES:
            raise UnlistableError(
                f"{asked} could not be listed: the server's index page is longer than "
                f"{index_pages.MAX_PAGE_BYTES >> 20} MiB.",
                hint="Copy the data to a disk or an object store, where all files can be listed.",
            )
        charset = response.charset or "utf-8"
        final = str(response.url)
    return index_pages.names_on(_text(data, charset), final, asked)


def _is_page(kind: str) -> bool:
    return kind.partition(";")[0].strip().lower() in _PAGES


def _text(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset, "replace")
    except LookupError:
        return data.decode("utf-8", "replace")


async def _up_to(response: Any, limit: int) -> bytes:
    data = bytearray()
    while len(data) < limit and (more := await response.content.read(limit - len(data))):
        data += more
    return bytes(data)


async def _ask(filesystem: Any, method: str, url: str, headers: Mapping[str, str]) -> _Answer:
    async with await _request(filesystem, method, url, headers) as response:
        data = await response.read()
        if response.status == 416:
            return _Answer(416, response.headers, b"", response.url.path)
        if response.status not in (200, 206):
            raise _HttpAnswer(response.status, response.reason or "")
        return _Answer(response.status, response.headers, data, response.url.path)


async def _request(filesystem: Any, method: str, url: str, headers: Mapping[str, str]) -> Any:
    session = await filesystem.set_session()
    options = dict(filesystem.kwargs)
    # Ranges of a compressed answer would be ranges of something else.
    options["headers"] = {"Accept-Encoding": "identity", **options.get("headers", {}), **headers}
    options.setdefault("allow_redirects", True)
    return session.request(method, filesystem.encode_url(url), **options)
