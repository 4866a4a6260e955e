"""HTTP/1.1 as the servers here need it: messages read whole, and an asyncio server in a thread of its own.

No framework, because tests and benchmarks count what a server does, and spoil it, byte by byte.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

__all__ = ["Answer", "Message", "Service", "read_answer", "read_request"]

_LIMIT = 2**24
_PATIENCE = 10.0


@dataclass
class Message:
    """A request or an answer as it is sent: the first line, the headers, the body.

    arrived: when its headers had come, which is long before the body has where that is large.
    """

    first: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    arrived: float = field(default_factory=time.perf_counter)

    def header(self, name: str) -> str | None:
        """Give the first header of a name, in any spelling."""
        return next((value for each, value in self.headers if each.lower() == name.lower()), None)

    @property
    def method(self) -> str:
        """Of a request."""
        return self.first.partition(" ")[0]

    @property
    def target(self) -> str:
        """Of a request: path and query as they were sent."""
        return self.first.split(" ")[1]

    @property
    def path(self) -> str:
        """Of a request: the path, decoded."""
        return unquote(self._split.path)

    @property
    def query(self) -> dict[str, str]:
        """Of a request."""
        return dict(parse_qsl(self._split.query, keep_blank_values=True))

    @property
    def status(self) -> int:
        """Of an answer."""
        return int(self.first.split(" ")[1])

    @property
    def _split(self) -> Any:
        # Keys with two slashes at their beginning are no hosts.
        return urlsplit("http://host" + self.target if self.target.startswith("/") else self.target)

    def encoded(self, body: bytes | None = None) -> bytes:
        """Give the bytes to send."""
        lines = [self.first, *(f"{name}: {value}" for name, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1") + (self.body if body is None else body)


@dataclass
class Answer:
    """What a server says."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    """What Content-Length says where that isn't the body's: of HEAD."""

    def message(self) -> Message:
        """Give it as it is sent."""
        length = len(self.body) if self.length is None else self.length
        headers = {"Content-Length": str(length), **self.headers}
        if self.status in (204, 304):
            headers.pop("Content-Length")
        try:
            reason = HTTPStatus(self.status).phrase
        except ValueError:
            reason = "Status"
        return Message(f"HTTP/1.1 {self.status} {reason}", list(headers.items()), self.body)


async def _read_head(reader: asyncio.StreamReader) -> Message:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return Message(lines[0], [(name.strip(), value.strip()) for name, _, value in pairs])


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while length := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        parts.append(await reader.readexactly(length))
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # trailers
    return b"".join(parts)


async def _read_body(message: Message, reader: asyncio.StreamReader, *, until_end: bool) -> bytes:
    if "chunked" in (message.header("Transfer-Encoding") or "").lower():
        return await _read_chunks(reader)
    length = message.header("Content-Length")
    if length is not None:
        return await reader.readexactly(int(length))
    return await reader.read() if until_end else b""


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Message | None:
    """Read a request whole; None at the connection's end."""
    try:
        message = await _read_head(reader)
    except asyncio.IncompleteReadError:
        return None
    if (message.header("Expect") or "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    message.body = await _read_body(message, reader, until_end=False)
    return message


async def read_answer(reader: asyncio.StreamReader, method: str) -> Message:
    """Read the answer to a request whole; its headers are as they came, the body is decoded from chunks."""
    message = await _read_head(reader)
    while message.status == 100:
        message = await _read_head(reader)
    if method != "HEAD" and message.status not in (204, 304):
        message.body = await _read_body(message, reader, until_end=True)
        if message.header("Transfer-Encoding"):
            kept = [pair for pair in message.headers if pair[0].lower() != "transfer-encoding"]
            message.headers = [*kept, ("Content-Length", str(len(message.body)))]
    return message


class Service:
    """A server on a free port of the loopback, with an event loop in a thread of its own: use as a context manager."""

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._started = threading.Event()
        self._failure: OSError | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        raise NotImplementedError

    def __enter__(self) -> Any:
        self._thread.start()
        if not self._started.wait(_PATIENCE):
            raise RuntimeError(f"{type(self).__name__} didn't start within {_PATIENCE:g} s.")
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(_PATIENCE)

    @property
    def host(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """What its paths are appended to."""
        return f"http://{self.host}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._started.set()
            self._loop.close()

    async def _serve(self) -> None:
        self._ended = asyncio.Event()
        try:
            server = await asyncio.start_server(
                self._connected, "127.0.0.1", self._port, limit=_LIMIT, backlog=512
            )
        except OSError as error:
            self._failure = error
            return
        self._port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._ended.wait()
        server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self.answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the server is ended
        finally:
            self._open.discard(task)
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
