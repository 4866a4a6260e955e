"""A server that answers each request as a test says: any status, headers that lie, bodies that end too early."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Reply", "Request", "ScriptedServer", "ranged", "serve_script"]


@dataclass
class Reply:
    """An answer. length: what Content-Length says, if not the body's own; None for none, so that closing ends it.

    cut: after how many bytes of the body the connection is closed. pause: seconds before the body.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = -1
    cut: int | None = None
    pause: float = 0.0


@dataclass
class Request:
    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def range(self) -> tuple[int | None, int | None] | None:
        """The first and the last byte that are asked for."""
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        return None if found is None else tuple(int(text) if text else None for text in found.groups())  # type: ignore[return-value]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body come in two pieces

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass

    def do_GET(self) -> None:
        server: ScriptedServer = self.server  # type: ignore[assignment]  # only ever run by that one
        self.rfile.read(
            int(self.headers.get("Content-Length") or 0)
        )  # or it would be taken for the next request
        request = Request(self.command, self.path, self.headers)  # type: ignore[arg-type]  # of mail, but a mapping
        server.requests.append(request)
        reply = server.reply(request)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.length is None:
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(reply.body) if reply.length < 0 else reply.length))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.flush()
        server.released.wait(reply.pause)
        try:
            self.wfile.write(reply.body[: reply.cut])
        except OSError:  # the client had enough
            self.close_connection = True
        if reply.cut is not None:
            self.close_connection = True

    do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = do_GET  # noqa: N815 - the names of the base class


class ScriptedServer(ThreadingHTTPServer):
    """Answers each request as `reply` says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[Request] = []
        self.reply: Callable[[Request], Reply] = lambda request: Reply(404)
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


def ranged(data: bytes, **headers: str) -> Callable[[Request], Reply]:
    """Answer as a good server does that holds one file."""

    def reply(request: Request) -> Reply:
        total = len(data)
        if request.range is None:
            return Reply(200, data, {"Accept-Ranges": "bytes", **headers})
        first, last = request.range
        if first is None:
            first, last = max(0, total - (last or 0)), total - 1
        last = total - 1 if last is None else min(last, total - 1)
        if first >= total:
            return Reply(416, b"", {"Content-Range": f"bytes */{total}"})
        return Reply(
            206, data[first : last + 1], {"Content-Range": f"bytes {first}-{last}/{total}", **headers}
        )

    return reply


@contextmanager
def serve_script() -> Iterator[ScriptedServer]:
    """Run one in a thread."""
    with ScriptedServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()
