"""A web server of files for tests, which notes requests and misbehaves where it is told to, page by page.

What real servers do is tested with nginx (`emulators`), what networks do with `proxies`.
"""

from __future__ import annotations

import io
import re
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Handler(SimpleHTTPRequestHandler):
    """Serves files with ranges; folders called after a status answer with it, `noranges` ignores ranges.

    What lies below `moved` is sent on to the same path without it; of what lies below `scattered`, names that end with
    a digit, as those of chunks do.

    `flaky` fails twice for each path before it answers; `private` wants the token "secret" in a header, in the
    query, or as the password of the user "me".
    """

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass

    def end_headers(self) -> None:
        self.send_header("Connection", "close")
        super().end_headers()

    def do_HEAD(self) -> None:
        self.do_GET(head=True)

    def do_GET(self, head: bool = False) -> None:
        server: FileServer = self.server  # type: ignore[assignment]  # only ever run by that one
        range_header = self.headers.get("Range")
        server.requests.append((self.command, self.path, range_header))
        first = self.path.split("/")[1]
        if first.isdigit():
            return self.send_error(int(first))
        if first == "moved" or (first == "scattered" and self.path[-1].isdigit()):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix(f"/{first}"))
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if first == "flaky":
            server.failures[self.path] = server.failures.get(self.path, 0) + 1
            if server.failures[self.path] <= 2:
                return self.send_error(503)
        if first == "private":
            allowed = (
                self.headers.get("X-Auth-Token") == "secret"
                or "token=secret" in self.path
                or self.headers.get("Authorization") == "Basic bWU6c2VjcmV0"
            )
            if not allowed:
                return self.send_error(403)
        if first == "nohead" and head:
            return self.send_error(405)
        path = Path(self.translate_path(self.path))
        if path.is_dir() and server.index != "all":
            return self.send_error(404) if server.index is None else self._say_nothing()
        if path.is_dir() and server.spoil in (None, *path.parts) and server.fault is not None and not head:
            return self._say_spoilt(server.fault)
        if path.is_dir():
            return super().do_HEAD() if head else super().do_GET()
        if not path.is_file() and server.index == "500":
            return self.send_error(500)
        if not path.is_file():
            return self._say_nothing() if server.index == "always" else self.send_error(404)
        data = path.read_bytes()
        total = len(data)
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", range_header or "")
        status = 200
        if found and first != "noranges":
            if found[1]:
                start, stop = int(found[1]), min(total, int(found[2]) + 1 if found[2] else total)
            else:
                start, stop = max(0, total - int(found[2])), total
            if start >= total:
                return self.send_error(416)
            status, data = 206, data[start:stop]
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{path.stat().st_mtime_ns}"')
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{total}")
        self.end_headers()
        if not head:
            self.wfile.write(data)
        return None

    def _say_spoilt(self, fault: str) -> None:
        """Answer with the index page of a folder, spoilt on its way; see `FileServer.fault`."""
        to_client, self.wfile = self.wfile, io.BytesIO()
        try:
            super().do_GET()
            head, _, page = self.wfile.getvalue().partition(b"\r\n\r\n")
        finally:
            self.wfile = to_client
        half = page[: page.rindex(b"<li>")]
        said = f"Content-Length: {len(page if fault == 'cut' else half)}"
        if not head.startswith(b"HTTP/1.1 200"):
            half = page  # the way to the folder's address with a slash
        elif fault == "error":
            half = b"<html><title>502 Bad Gateway</title><body><a href='help.html'>Help</a></body></html>"
        elif fault == "login":
            half = b"<html><head><title>Sign in</title></head><body><form>...</form></body></html>"
        elif fault == "paged":
            half += b"<li><a href='?page=2'>Next</a></li></ul></body></html>"
        elif fault == "chunked":
            said, half = "Transfer-Encoding: chunked", b"%x\r\n%s\r\n" % (len(half), half)
        if fault not in ("cut", "chunked"):
            said = f"Content-Length: {len(half)}"
        if head.startswith(b"HTTP/1.1 200") and fault == "closed":
            said = "X-Length: of HTTP/1.0, ended by closing"
        self.wfile.write(re.sub(rb"Content-Length: \d+", said.encode(), head) + b"\r\n\r\n" + half)

    def _say_nothing(self) -> None:
        """Answer with a page that names no file, as single-page applications do."""
        page = b"<!doctype html><title>Data</title><p>Welcome.</p>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)


class FileServer(ThreadingHTTPServer):
    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.folder = folder
        self.requests: list[tuple[str, str, str | None]] = []
        self.failures: dict[str, int] = {}
        self.index: str | None = "all"
        """What folders answer: the index page of all files, one of none ("none"), or 404 (None).

        With "always" unknown names answer like folders that name no file, with "500" with that error.
        """

        self.fault: str | None = None
        """How index pages go wrong: connections that break ("cut", "chunked", "closed"), a page whose end is missing
        ("half"), that isn't the whole ("paged"), or another one ("error", "login")."""
        self.spoil: str | None = None
        """The part of a path that folders must have to be spoilt; None for all."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serve_files(folder: Path) -> Iterator[FileServer]:
    server = FileServer(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
