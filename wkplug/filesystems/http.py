"""Reading over HTTP with exact answers.

fsspec's HTTP driver gives the whole file where a server ignores ranges, and "not found" for some answers
that mean something else. So reads and looks go through the driver's session, but with the status in our
hands: 206 is the range, 200 the whole (cut here), 416 nothing, 404 missing, and everything else raises
`HttpAnswer`, whose status `wkplug.filesystems.failures` sorts. Folders are listed by their index pages
(`wkplug.filesystems.index_pages`), which must have come whole.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from wkplug.errors import StorageError, UnlistableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Head", "HttpAnswer", "fetch", "look", "names"]

_AT_ONCE = 16
_PAGES = ("text/html", "application/xhtml+xml")
_START_BYTES = 4096
Range = tuple[int | None, int | None]


class HttpAnswer(Exception):  # noqa: N818 - what a server said, never seen by users
    """An answer that is not what was asked for."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason or f"HTTP {status}")
        self.status = status


@attrs.frozen
class Head:
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


def fetch(filesystem: Any, url: str, ranges: Sequence[Range]) -> list[bytes]:
    """Read several (start, stop) ranges of one file, up to 16 at once; (None, None) is all of it.

    A start may be negative (from the end) if there is no stop.
    """
    from fsspec.asyn import sync

    result: list[bytes] = sync(filesystem.loop, _fetch, filesystem, url, ranges)
    return result


def look(filesystem: Any, url: str) -> Head:
    """Ask for size and version without the content."""
    from fsspec.asyn import sync

    result: Head = sync(filesystem.loop, _look, filesystem, url)
    return result


def names(filesystem: Any, url: str, asked: str) -> list[str]:
    """Give the names on a folder's index page; none for a file.

    asked: the folder's address, for errors. UnlistableError for pages that are no index, or not the whole of one.
    """
    from fsspec.asyn import sync

    result: list[str] = sync(filesystem.loop, _names, filesystem, url, asked)
    return result


async def _fetch(filesystem: Any, url: str, ranges: Sequence[Range]) -> list[bytes]:
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


async def _look(filesystem: Any, url: str) -> Head:
    try:
        answer = await _ask(filesystem, "HEAD", url, {})
    except HttpAnswer as refusal:
        if refusal.status not in (405, 501):
            raise
        answer = await _ask(filesystem, "GET", url, {"Range": "bytes=0-0"})
    headers = answer.headers
    total = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
    size = int(total) if total.isdigit() else None
    mark = headers.get("ETag") or headers.get("Last-Modified") or ""
    page = _is_page(headers.get("Content-Type", "")) or answer.path.endswith("/")
    return Head(size, f"{mark.strip()}-{size}", page)


async def _names(filesystem: Any, url: str, asked: str) -> list[str]:
    from wkplug.filesystems import index_pages

    async with await _request(filesystem, "GET", url, {}) as response:
        if response.status != 200:
            raise HttpAnswer(response.status, response.reason or "")
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
            raise HttpAnswer(response.status, response.reason or "")
        return _Answer(response.status, response.headers, data, response.url.path)


async def _request(filesystem: Any, method: str, url: str, headers: Mapping[str, str]) -> Any:
    session = await filesystem.set_session()
    options = dict(filesystem.kwargs)
    # Ranges of a compressed answer would be ranges of something else.
    options["headers"] = {"Accept-Encoding": "identity", **options.get("headers", {}), **headers}
    options.setdefault("allow_redirects", True)
    return session.request(method, filesystem.encode_url(url), **options)
