"""Reading over HTTP with exact answers.

fsspec's HTTP driver gives the whole file where a server ignores ranges, and "not found" for some answers
that mean something else. So reads and looks go through the driver's session, but with the status in our
hands: 206 is the range, 200 the whole (cut here), 416 nothing, 404 missing, and everything else raises
`HttpAnswer`, whose status `wkplug.builtin.failures` sorts.

Who calls it: `wkplug.builtin.fsspec_places`.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Head", "HttpAnswer", "fetch", "look"]

_AT_ONCE = 16
Range = tuple[int | None, int | None]


class HttpAnswer(Exception):  # noqa: N818 - what a server said, never seen by users
    """An answer that is not what was asked for."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason or f"HTTP {status}")
        self.status = status


@attrs.frozen
class Head:
    """What a server says about a file: size in bytes (None: not said), and a text that changes with it.

    page: it is a page for people, such as the index of a folder.
    """

    size: int | None
    version: str
    page: bool = False


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
        return await _ask(filesystem, "GET", url, {})
    start = start or 0
    if start < 0:
        text = f"bytes={start}"
    else:
        text = f"bytes={start}-" if stop is None else f"bytes={start}-{stop - 1}"
    status, headers, data = await _ask(filesystem, "GET", url, {"Range": text})
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
        _, headers, _ = await _ask(filesystem, "HEAD", url, {})
    except HttpAnswer as answer:
        if answer.status not in (405, 501):
            raise
        _, headers, _ = await _ask(filesystem, "GET", url, {"Range": "bytes=0-0"})
    total = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
    size = int(total) if total.isdigit() else None
    mark = headers.get("ETag") or headers.get("Last-Modified") or ""
    page = headers.get("Content-Type", "").strip().lower().startswith("text/html")
    return Head(size, f"{mark.strip()}-{size}", page)


async def _ask(
    filesystem: Any, method: str, url: str, headers: Mapping[str, str]
) -> tuple[int, Mapping[str, str], bytes]:
    session = await filesystem.set_session()
    options = dict(filesystem.kwargs)
    # Ranges of a compressed answer would be ranges of something else.
    options["headers"] = {"Accept-Encoding": "identity", **options.get("headers", {}), **headers}
    options.setdefault("allow_redirects", True)
    async with session.request(method, filesystem.encode_url(url), **options) as response:
        data = await response.read()
        if response.status == 416:
            return 416, response.headers, b""
        if response.status not in (200, 206):
            raise HttpAnswer(response.status, response.reason or "")
        return response.status, response.headers, data
