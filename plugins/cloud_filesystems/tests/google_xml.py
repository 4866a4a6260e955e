"""Google's XML interface before a server that speaks the JSON one: what obstore needs of it, by Google's documentation.

The server behind it keeps the objects, compares generations and cuts ranges. What it answers to reads and listings is
Google's XML already; here puts are translated, and a missing bucket is told as Google tells it.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import unquote
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

_MARK = "boundary-of-the-front"
_PASSED = ("Range", "If-None-Match", "If-Match")
_ERROR = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{}</Code><Message>{}</Message></Error>"


class _Front(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass

    def do_GET(self) -> None:
        headers = {name: self.headers[name] for name in _PASSED if self.headers.get(name)}
        status, found, body = self._ask(self.command, self.path, None, headers)
        bucket, _, key = self.path.partition("?")[0].strip("/").partition("/")
        if status == 500 and b"no bucket named" in body:
            status, body = 404, _ERROR.format("NoSuchBucket", "The specified bucket does not exist.").encode()
        elif status == 404 and self.command == "GET":
            there = self._ask("GET", f"/storage/v1/b/{bucket}", None, {})[0] == 200
            said = ("NoSuchKey", "The specified key does not exist.") if there and key else (
                "NoSuchBucket", "The specified bucket does not exist.")  # fmt: skip
            body = _ERROR.format(*said).encode()
        kept = {
            name: value
            for name, value in found.items()
            if name.lower() not in ("date", "content-length", "transfer-encoding")
        }
        self._answer(status, kept, body, found.get("Content-Length"))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        bucket, _, key = self.path.strip("/").partition("/")
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        prefix = "x-goog-meta-"
        facts = {
            "name": unquote(key),
            "metadata": {name.lower()[len(prefix) :]: value for name, value in self.headers.items()
                         if name.lower().startswith(prefix)},
        }  # fmt: skip
        body = (
            f"--{_MARK}\r\nContent-Type: application/json\r\n\r\n{json.dumps(facts)}\r\n"
            f"--{_MARK}\r\nContent-Type: application/octet-stream\r\n\r\n"
        ).encode() + data + f"\r\n--{_MARK}--".encode()  # fmt: skip
        url = f"/upload/storage/v1/b/{bucket}/o?uploadType=multipart"
        wanted = self.headers.get("x-goog-if-generation-match")
        if wanted is not None:
            url += f"&ifGenerationMatch={wanted}"
        status, _, answer = self._ask(
            "POST", url, body, {"Content-Type": f"multipart/related; boundary={_MARK}"}
        )
        if status == 200:
            made = json.loads(answer)
            headers = {"ETag": f'"{made["etag"]}"', "x-goog-generation": made["generation"]}
            return self._answer(200, headers, b"")
        code = {412: "PreconditionFailed", 404: "NoSuchBucket"}.get(status, "InternalError")
        return self._answer(status, {}, _ERROR.format(code, "refused").encode())

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Message, bytes]:
        try:
            with urlopen(
                Request(self.server.behind + path, body, headers, method=method), timeout=20
            ) as found:
                return found.status, found.headers, found.read()
        except HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def _answer(self, status: int, headers: dict[str, str], body: bytes, length: str | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        head = self.command == "HEAD"
        if status not in (204, 304):
            self.send_header("Content-Length", str(length if head and length else len(body)))
        self.end_headers()
        if not head:
            self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    behind = ""


@contextmanager
def google_xml(behind: str) -> Iterator[str]:
    """Run the front of a server, and give its URL."""
    server = _Server(("127.0.0.1", 0), _Front)
    server.behind = behind
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
