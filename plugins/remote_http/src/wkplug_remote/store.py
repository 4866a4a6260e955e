"""The files of a web server as a `Store`: for reading, with exact answers.

Servers disagree about everything that isn't a plain GET, so no answer is believed before it was checked. A range counts
if the status is 206 and Content-Range, length and what was asked for agree; 200 is the whole, which is cut here; 416
is nothing. A page for people in place of a file (a login, an application's start page) is an error, and so are ranges
of compressed bytes.

A server that ignores ranges sends a whole file for each part of it. So such a file is fetched once and kept, up to a
limit (the storage option `whole_file_limit`); larger ones are refused before they are fetched.
"""

from __future__ import annotations

import re
import threading
import time
import warnings
from collections import OrderedDict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn
from urllib.parse import urlsplit

import attrs

from wkplug.abc import Store, StoreFailure, StoreObject, side_by_side
from wkplug.errors import StorageError, UnlistableError, WebPageError
from wkplug_remote import index_pages
from wkplug_remote.transport import Answer, Server, refusal, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from wkplug_remote.options import Options

__all__ = ["HttpStore"]

_PAGES = ("text/html", "application/xhtml+xml")
_PAGE_NAMES = (".htm", ".html", ".shtml", ".xhtml")
_PAGE_START = re.compile(
    rb"^(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)*(<!doctype\s+html|<html[\s>])", re.IGNORECASE | re.DOTALL
)
_NO_BUCKET = re.compile(rb"<Code>\s*(NoSuchBucket|ContainerNotFound)\s*</Code>")
_TITLE = re.compile(rb"<(title|h1)[^>]*>([^<]{1,200})", re.IGNORECASE)
_RANGE = re.compile(r"\s*bytes\s+(\d+)-(\d+)/(\d+|\*)\s*", re.IGNORECASE)
_METADATA = re.compile(
    r"/(\.[^/]+|[^/]+\.json|[^/]+\.conf|info|header\.wkw)$(?<!/datasource-properties\.json)"
)
_GZIPPED_NAMES = (".gz", ".tgz", ".svgz")
_START_BYTES = 4096
_TOLD_ABOVE = 8 * 2**20
_KEPT_BYTES = 512 * 2**20
_KEPT_SECONDS = 60.0
_ABSENT = "wkplug-asks-for-a-name-that-is-not-there"
_READ_ONLY = "Copy the data to a folder or an object store first."


class HttpStore(Store):
    """A web server. root: scheme and host, with a slash. reread: gives the options that the settings say by now.

    session: see `Store`.
    """

    writes: ClassVar[bool] = False
    lists_all: ClassVar[bool] = False
    percent_escapes: ClassVar[bool] = True

    def __init__(
        self,
        root: str,
        options: Options,
        *,
        public: Mapping[str, Any] = MappingProxyType({}),
        has_secrets: bool = False,
        reread: Callable[[], Options] | None = None,
        session: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._root = root
        self._options = options
        self._public = MappingProxyType(dict(public))
        self._has_secrets = has_secrets
        self._reread = reread
        self._session = session
        self._server = Server(root, options.access)
        self._kept = _KeptFiles(_KEPT_BYTES)
        self._seen = _Seen()

    def __repr__(self) -> str:
        return f"HttpStore({self._root!r})"

    @property
    def root(self) -> str:
        """Scheme and host."""
        return self._root

    @property
    def server(self) -> str:
        """The host, whether it is spoken to by http or https."""
        return "http://" + self._root.partition("://")[2].rstrip("/")

    @property
    def public(self) -> Mapping[str, Any]:
        """Time limits, and what else holds no secret."""
        return self._public

    @property
    def has_secrets(self) -> bool:
        """Whether headers, a login, a query or the like were given."""
        return self._has_secrets

    @property
    def session(self) -> Mapping[str, Any]:
        """The login and the query of its URL, with the options that were given."""
        return self._session

    def renewed(self) -> HttpStore | None:
        """Give a store with the options that the settings have by now; None if they are the same."""
        options = None if self._reread is None else self._reread()
        if options is None or options == self._options:
            return None
        return HttpStore(
            self._root,
            options,
            public=self._public,
            has_secrets=self._has_secrets,
            reread=self._reread,
            session=self._session,
        )

    # --- reading ---------------------------------------------------------------------------------------

    def get(
        self, path: str, start: int | None = None, stop: int | None = None, *, unless: str = ""
    ) -> tuple[bytes, StoreObject]:
        """Read a file, or a range of it."""
        if start is None and stop is None:
            return self._get_whole(path, unless)
        first = start or 0
        if stop is not None and stop <= first:
            return b"", self.head(path)
        return self._get_range(path, first, stop, unless)

    def _get_whole(self, path: str, unless: str) -> tuple[bytes, StoreObject]:
        with self._ask("GET", path, _condition(unless)) as answer:
            if answer.status == 304 and unless:
                raise StoreFailure("unchanged", status=304)
            if answer.status != 200:
                raise self._refused(path, answer)
            return self._whole(path, answer)

    def _get_range(self, path: str, start: int, stop: int | None, unless: str) -> tuple[bytes, StoreObject]:
        kept = self._kept.find(path)
        if kept is not None and kept.is_fresh:
            return kept.cut(start, stop)
        known = unless if kept is None else kept.found.version
        if start < 0:
            wanted = f"bytes={start}"
        else:
            wanted = f"bytes={start}-" if stop is None else f"bytes={start}-{stop - 1}"
        with self._ask("GET", path, {"Range": wanted, **_condition(known)}) as answer:
            if answer.status == 304 and kept is not None:
                return kept.cut(start, stop)
            if answer.status == 304 and unless:
                raise StoreFailure("unchanged", status=304)
            if answer.status == 416:
                total = answer.headers.get("Content-Range", "").rpartition("/")[2]
                answer.drain()
                return b"", self._object(answer, int(total) if total.isdigit() else None)
            if answer.status == 200:
                return self._cut_from_whole(path, answer, start, stop)
            if answer.status != 206:
                raise self._refused(path, answer)
            part = self._part(path, answer, start, stop)
        if part is None:
            return self._get_end(path, -start, answer)
        self._seen.ranges = True
        return self._with_rest(path, part, stop)

    def _part(self, path: str, answer: Answer, start: int, stop: int | None) -> _Part | None:
        """Read and check a range; None for the last bytes, where the server sent others than it was asked for."""
        said = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if answer.encoding and not _is_gzip_file(path):
            raise StoreFailure(
                "unsupported",
                f"the server sends a range of it compressed ({answer.encoding}), which can't be decompressed",
                hint="Switch the server's compression off for these files, or store them uncompressed.",
            )
        if said is None:
            raise _another_range("without saying which it is")
        first, last, total = int(said[1]), int(said[2]), None if said[3] == "*" else int(said[3])
        if start < 0 and (total is None or last != total - 1 or first != max(0, total + start)):
            return None
        if start >= 0 and first != start:
            raise _another_range(f"from byte {first:,} in place of {start:,}")
        data = answer.read()
        length = last + 1 - first
        if len(data) < length and answer.length is None:
            raise StoreFailure("busy", "the connection ended before the whole answer had come")
        if len(data) != length or last < first:
            if start < 0:
                return None
            raise _another_range(f"{len(data):,} bytes, which it calls {length:,}")
        if start >= 0 and stop is not None:
            data = data[: stop - start]
        if first == 0:
            self._check_data(path, answer, data)
        if self._may_be_page(path, answer) and (first, stop) != (0, _START_BYTES) and total != len(data):
            self._get_range(path, 0, _START_BYTES, "")  # whose start tells
        return _Part(data, first, total, self._object(answer, total))

    def _with_rest(self, path: str, part: _Part, stop: int | None) -> tuple[bytes, StoreObject]:
        """Ask for what is left of a range where a server gives less at a time."""
        end = part.total if stop is None else stop if part.total is None else min(stop, part.total)
        reached = part.first + len(part.data)
        if end is None or reached >= end or not part.data:
            return part.data, part.found
        rest, found = self._get_range(path, reached, stop, "")
        marks = {each for each in (found.version, part.found.version) if _validator(each)}
        if len(marks) > 1 or (found.size is not None and reached + len(rest) > found.size):
            raise StoreFailure("busy", "it changed while it was read")
        return part.data + rest, found

    def _get_end(self, path: str, length: int, answer: Answer) -> tuple[bytes, StoreObject]:
        """Read the last bytes by their positions: some servers count wrongly from the end."""
        text = answer.headers.get("Content-Range", "").rpartition("/")[2].strip()
        total = int(text) if text.isdigit() else self.head(path).size
        if total is None:
            raise StoreFailure(
                "unsupported", "the server doesn't tell its size and sends other bytes than its last ones"
            )
        if total == 0:
            return b"", self._object(answer, 0)
        return self._get_range(path, max(0, total - length), total, "")

    # --- servers that send everything ---------------------------------------------------------------------

    def _cut_from_whole(
        self, path: str, answer: Answer, start: int, stop: int | None
    ) -> tuple[bytes, StoreObject]:
        """Cut a range out of a file that was sent whole."""
        length = answer.length
        if start < 0 and length is not None and length > max(-2 * start, _TOLD_ABOVE) and not answer.encoding:
            # It may only be this kind of range that it doesn't know.
            answer.close()
            return self._get_range(path, length + start, length, "")
        limit = self._options.whole_file_limit
        if length is not None and length > limit:
            self._seen.ranges = False
            raise _too_large(f"{length:,}", limit)
        with self._kept.lock(path):
            # Others may have waited for the same file.
            kept = self._kept.find(path)
            version = self._object(answer, length).version
            if kept is not None and _validator(version) and kept.found.version == version:
                return kept.cut(start, stop)
            # The index page of a folder, and other pages, have no ranges on servers that have them for files.
            may_be_page = self._may_be_page(path, answer)
            if not may_be_page:
                self._tell(length)
            data, found = self._whole(path, answer, limit)
            if may_be_page:
                self._tell(length)
            self._seen.ranges = False
            self._kept.keep(path, data, found)
        return data[slice(start, stop)], found

    def _tell(self, length: int | None) -> None:
        if self._seen.told or (length is not None and length <= _TOLD_ABOVE):
            return
        self._seen.told = True
        size = "" if length is None else f" ({length / 2**20:,.0f} MiB)"
        warnings.warn(
            f"[WARNING] {self._root} ignores byte ranges: to read a part of a file, the whole file{size} is fetched. "
            "Switch byte ranges on in the server, or copy the data to a disk or an object store.",
            UserWarning,
            stacklevel=2,
        )

    def _whole(self, path: str, answer: Answer, limit: int | None = None) -> tuple[bytes, StoreObject]:
        """Read a whole file, decompressed if it was compressed on its way."""
        data = answer.read(None if limit is None else limit + 1)
        if limit is not None and len(data) > limit:
            raise _too_large(f"more than {limit:,}", limit)
        if answer.encoding:
            plain = unpacked(data, answer.encoding)
            # Servers call files that are gzip files themselves encoded so. They would be something else unpacked.
            data = data if _is_gzip_file(path) and plain[:2] != b"\x1f\x8b" else plain
        self._check_data(path, answer, data)
        return data, self._object(answer, len(data))

    def get_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges; the first answer shows whether the server knows ranges at all."""
        first = self.get(path, *ranges[0])[0]
        kept = self._kept.find(path)
        if kept is not None:
            return [first, *(kept.cut(*one)[0] for one in ranges[1:])]
        rest = side_by_side(lambda one: self.get(path, *one)[0], ranges[1:], at_once=self.concurrency)
        return [first, *rest]

    # --- looking -----------------------------------------------------------------------------------------

    def head(self, path: str) -> StoreObject:
        """Ask for size and version without the content; no size for pages, such as a folder's index."""
        with self._ask("HEAD", path) as answer:
            status = answer.status
            if status == 200:
                return self._looked_at(path, answer)
            if status == 403 and answer.url.partition("?")[0].endswith("/") and self._is_hidden_folder(path):
                raise StoreFailure(
                    "missing", "it is a folder, whose index the server doesn't show", status=status
                )
            if status not in (405, 501):
                raise self._refused(path, answer)
        with self._ask("GET", path, {"Range": "bytes=0-0"}) as answer:
            if answer.status not in (200, 206, 416):
                raise self._refused(path, answer)
            return self._looked_at(path, answer)

    def _looked_at(self, path: str, answer: Answer) -> StoreObject:
        if self._may_be_page(path, answer) and self._absent(path).page:
            # Applications have a page for every address, also for those where nothing is.
            raise StoreFailure(
                "missing", "the server shows a page for people, as it does for names that aren't there"
            )
        total = answer.headers.get("Content-Range", "").rpartition("/")[2] or str(answer.length)
        is_file = total.isdigit() and not answer.encoding and not _is_page(answer)
        return self._object(answer, int(total) if is_file else None)

    def _object(self, answer: Answer, size: int | None) -> StoreObject:
        mark = (answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "").strip()
        return StoreObject(mark or f"size {size}", size)

    def names(self, path: str) -> Iterator[str]:
        """The names on the index page of a folder.

        UnlistableError if the server answers with a page that is no index, or not the whole of one.
        """
        try:
            return iter(self._names(path))
        except UnlistableError:
            # Servers of applications have a page for every address, so for that of a file with a slash, too.
            if self._is_file(path):
                return iter(())
            raise

    def _is_file(self, path: str) -> bool:
        try:
            return self.head(path).size is not None
        except (StoreFailure, StorageError):
            return False

    def _names(self, path: str) -> list[str]:
        asked = (self._root + path).rstrip("/")
        with self._ask("GET", f"{path}/" if path else "") as answer:
            if answer.status == 403 and self._is_hidden_folder(path):
                raise UnlistableError(
                    f"{asked} could not be listed: the server doesn't show the index of its folders (HTTP 403).",
                    hint="Give the address of what has metadata (a dataset, an array, a container), or of a file. Or "
                    "let the server show an index of the folder.",
                )
            if answer.status != 200:
                raise self._refused(path, answer)
            kind = answer.headers.get("Content-Type", "")
            if kind and not _is_page(answer):
                index_pages.check_no_index(answer.read(_START_BYTES), asked)
                return []
            data = answer.read(index_pages.MAX_PAGE_BYTES + 1)
            if len(data) > index_pages.MAX_PAGE_BYTES:
                raise UnlistableError(
                    f"{asked} could not be listed: the server's index page is longer than "
                    f"{index_pages.MAX_PAGE_BYTES >> 20} MiB.",
                    hint="Copy the data to a disk or an object store, where all files can be listed.",
                )
            data = unpacked(data, answer.encoding)
            charset = re.search(r"charset=[\"']?([^\s\"';]+)", kind, re.IGNORECASE)
            return index_pages.names_on(_text(data, charset[1] if charset else "utf-8"), answer.url, asked)

    def sizes(self, path: str) -> Iterator[tuple[str, int]]:
        """Refuse with UnlistableError: index pages are missing, cut, or of something else."""
        raise UnlistableError(
            f"{self._root}{path} can't be listed: web servers don't tell for certain what they have.",
            hint="Copy it from an object store or a disk, where all files can be listed.",
        )

    # --- what can't be done -------------------------------------------------------------------------------

    def put(self, path: str, data: bytes, *, if_match: str | None = None, write_id: str = "") -> NoReturn:
        """Refuse."""
        del path, data, if_match, write_id
        raise StoreFailure("forbidden", "places behind HTTP can only be read", hint=_READ_ONLY)

    def delete(self, paths: Sequence[str]) -> NoReturn:
        """Refuse."""
        del paths
        raise StoreFailure("forbidden", "places behind HTTP can only be read", hint=_READ_ONLY)

    # --- for engines that do their own I/O ------------------------------------------------------------------

    def native(self, kind: str, path: str) -> Mapping[str, Any] | None:
        """Answer "http", "fsspec" and "tensorstore.kvstore".

        "http" -> {"url", "headers", "query", "ranges"}: the address, after redirects where they are known to hold for
        all that lies below; "ranges" is None as long as nobody knows whether the server has them. None, as for
        "tensorstore.kvstore", where an engine could not ask as this store does: through signed redirects, with own
        certificates or proxies, or where another status than 404 says that something isn't there. The engine's
        key-value store isn't offered for servers that are known to ignore ranges.
        """
        access = self._options.access
        if kind == "fsspec":
            client = {"headers": dict(access.headers)} if access.headers else {}
            query = f"?{access.query}" if access.query else ""
            options = {"client_kwargs": client} if client else {}
            return {
                "protocol": urlsplit(self._root).scheme,
                "path": f"{self._root}{path}{query}",
                "options": options,
            }
        if kind not in ("http", "tensorstore.kvstore") or not path:
            return None
        if not access.is_plain or self._options.missing_status != {404, 410}:
            return None
        base, own = self._address_below(path)
        if base is None or (kind == "tensorstore.kvstore" and self._seen.ranges is False):
            return None
        headers = dict(access.headers) if own else {}
        query = access.query if own else ""
        if kind == "http":
            return {"url": base, "headers": headers, "query": query, "ranges": self._seen.ranges}
        return {
            "driver": "http",
            "base_url": f"{base}/{f'?{query}' if query else ''}",
            **({"headers": [f"{name}: {value}" for name, value in headers.items()]} if headers else {}),
        }

    def _address_below(self, path: str) -> tuple[str | None, bool]:
        """The address under which engines find what lies below, and whether it is on this server; None for none.

        Asked for once the server is known to redirect: whether it does so for all names is seen by one that isn't
        there.
        """
        plain = self._root + path
        if not self._seen.redirects:
            return plain, True
        known = self._seen.moved.get(path)
        if known is None:
            try:
                with self._ask("HEAD", f"{path}/{_ABSENT}") as answer:
                    url, _, query = answer.url.partition("?")
                    ends = url.endswith(f"/{_ABSENT}") and query in ("", self._options.access.query)
                    known = (url.removesuffix(f"/{_ABSENT}") if ends else None, answer.trusted)
            except StoreFailure:
                known = (None, False)
            self._seen.moved[path] = known
        return known

    # --- requests ---------------------------------------------------------------------------------------------

    def _ask(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        answer = self._server.send(method, self._root + path, headers)
        if answer.moved:
            self._seen.redirects = True
        return answer

    def _refused(self, path: str, answer: Answer) -> StoreFailure:
        """Sort an answer that isn't the one that was hoped for."""
        said = answer.drain()
        if answer.status in self._options.missing_status:
            # Buckets are read by their web addresses, too.
            found = _NO_BUCKET.search(said)
            return StoreFailure("missing", found[1].decode() if found else "", status=answer.status)
        failure = refusal(answer)
        if failure.kind == "missing":
            # Somebody said that this status means something else here.
            failure = StoreFailure(
                "broken", f"the server answered HTTP {answer.status}", status=answer.status
            )
        if answer.status == 403 and self._absent(path).status == 403:
            failure.text = "as it does here for names that aren't there"
            failure.hint = (
                "Check the address and the credentials. If everything that is there may be read, and only what is "
                "missing is refused, as in public buckets without listings, say so: "
                "storage option refused_is_missing = true."
            )
        return failure

    def _absent(self, path: str) -> _Absent:
        """What the server answers for a name beside this one that surely isn't there; asked once per folder."""
        folder = path.rpartition("/")[0]
        known = self._seen.absent.get(folder)
        if known is None:
            try:
                with self._ask("HEAD", f"{folder}/{_ABSENT}".lstrip("/")) as answer:
                    known = _Absent(answer.status, answer.status == 200 and _is_page(answer))
            except StoreFailure:
                known = _Absent(0, page=False)
            self._seen.absent[folder] = known
        return known

    def _is_hidden_folder(self, path: str) -> bool:
        """Whether only the index of a folder is refused, as by nginx and Apache: names in it are answered for."""
        return self._absent(f"{path}/x").status in (404, 410)

    def _may_be_page(self, path: str, answer: Answer) -> bool:
        """Whether an answer is called a page for people, though its name doesn't say so."""
        return _is_page(answer) and not path.lower().endswith(_PAGE_NAMES)

    def _check_data(self, path: str, answer: Answer, data: bytes) -> None:
        """Refuse a page for people where a file was asked for: a login, or what applications show for any address."""
        if not self._may_be_page(path, answer) or not _PAGE_START.match(data[:_START_BYTES]):
            return
        title = _TITLE.search(data[:_START_BYTES])
        named = " ".join(title[2].decode("utf-8", "replace").split())[:60] if title else ""
        if not answer.moved and _METADATA.search(f"/{path}") and self._absent(path).page:
            # Applications have a page for every address. Only for metadata, which are asked for to see what is there:
            # a chunk that isn't given is never taken for one that isn't there.
            raise StoreFailure(
                "missing", f"the server shows the page {named!r}, as for names that aren't there"
            )
        raise WebPageError(
            f"{self._root}{path} could not be read: the server answers with a web page"
            f"{f' ({named!r})' if named else ''} in place of a file.",
            hint="Open the address in a browser to see what the server says. If it wants a login, give a token or "
            "password in the storage options (headers, auth); if it is the index of a folder, give the address of a "
            "file.",
        )


class _Absent(NamedTuple):
    """How a server answers for what isn't there."""

    status: int
    page: bool


@attrs.define
class _Seen:
    """What was learnt of a server: whether it knows ranges and redirects, and who was told."""

    ranges: bool | None = None
    redirects: bool = False
    told: bool = False
    moved: dict[str, tuple[str | None, bool]] = attrs.field(factory=dict)
    absent: dict[str, _Absent] = attrs.field(factory=dict)


class _Part(NamedTuple):
    data: bytes
    first: int
    total: int | None
    found: StoreObject


@attrs.frozen
class _Kept:
    """A file that was fetched whole. Without a mark that tells whether it changed, it counts for a minute."""

    data: bytes
    found: StoreObject
    until: float

    @property
    def is_fresh(self) -> bool:
        return not _validator(self.found.version) and time.monotonic() < self.until

    def cut(self, start: int | None, stop: int | None) -> tuple[bytes, StoreObject]:
        return self.data[slice(start, stop)], self.found


class _KeptFiles:
    """Files that were fetched whole, the last ones of them, up to a number of bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._files: OrderedDict[str, _Kept] = OrderedDict()
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def lock(self, path: str) -> threading.Lock:
        """What whoever fetches a file holds."""
        with self._lock:
            return self._locks.setdefault(path, threading.Lock())

    def find(self, path: str) -> _Kept | None:
        with self._lock:
            found = self._files.get(path)
            if found is not None and not _validator(found.found.version) and time.monotonic() >= found.until:
                del self._files[path]
                return None
            return found

    def keep(self, path: str, data: bytes, found: StoreObject) -> None:
        with self._lock:
            self._files[path] = _Kept(data, found, time.monotonic() + _KEPT_SECONDS)
            self._files.move_to_end(path)
            while sum(len(one.data) for one in self._files.values()) > self._most and len(self._files) > 1:
                self._files.popitem(last=False)


def _validator(version: str) -> bool:
    """Whether a version comes from the server, so that it can be asked whether it still holds."""
    return bool(version) and not version.startswith("size ")


def _condition(version: str) -> dict[str, str]:
    if not _validator(version):
        return {}
    if version.startswith(('"', "W/")):
        return {"If-None-Match": version}
    return {"If-Modified-Since": version}


def _is_page(answer: Answer) -> bool:
    return answer.headers.get("Content-Type", "").partition(";")[0].strip().lower() in _PAGES


def _is_gzip_file(path: str) -> bool:
    return path.lower().endswith(_GZIPPED_NAMES)


def _another_range(which: str) -> StoreFailure:
    return StoreFailure(
        "broken",
        f"the server sent another range ({which})",
        hint="A server, or a cache before it, that confuses ranges can't be read in parts: fetch the file whole, and "
        "read it from a disk.",
    )


def _too_large(size: str, limit: int) -> StoreFailure:
    return StoreFailure(
        "unsupported",
        f"the server ignores byte ranges and would send the whole file ({size} bytes) for a part of it",
        hint="Switch byte ranges on in the server, or copy the file to a disk. To have files of that size fetched "
        f"whole and kept in memory, raise the storage option whole_file_limit (now {limit:,} bytes).",
    )


def _text(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset, "replace")
    except LookupError:
        return data.decode("utf-8", "replace")
