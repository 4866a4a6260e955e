"""A proxy before a real server, which does to chosen requests what networks and servers do.

    with FaultProxy(server.url) as proxy:
        proxy.plan(Drop(), when=lambda request: request.method == "PUT", times=3)
        ... use proxy.url in place of server.url ...
        assert proxy.met == 3

A fault is planned for requests, in the order in which they come; those that no plan is for pass as they are. Requests
are forwarded over a connection of their own each, so that what is done to one is done to it alone.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from tests.servers.messages import Answer, Message, Service, read_answer, read_request

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Corrupt",
    "Cut",
    "Delay",
    "Drop",
    "Fault",
    "FaultProxy",
    "Refuse",
    "Reset",
    "Rewrite",
    "Sever",
    "Stall",
]


@dataclass(frozen=True)
class Delay:
    """The answer comes later."""

    seconds: float


@dataclass(frozen=True)
class Drop:
    """The request goes through; of the answer nothing arrives, and the connection is closed."""


@dataclass(frozen=True)
class Cut:
    """The answer ends after so many bytes of its body, though it promised more."""

    after: int


@dataclass(frozen=True)
class Corrupt:
    """One byte of the body is another one; headers are as they were."""

    at: int = 0


@dataclass(frozen=True)
class Reset:
    """The connection is reset, and the request doesn't go through."""


@dataclass(frozen=True)
class Sever:
    """Of the request's body, only so many bytes go through; then both connections are closed."""

    after: int


@dataclass(frozen=True)
class Stall:
    """The request goes through; the answer never comes, the connection stays for so long."""

    seconds: float = 30.0


@dataclass(frozen=True)
class Refuse:
    """Another answer in place of the server's, which is not asked: 500, 503 with Retry-After, an HTML page."""

    status: int = 503
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Rewrite:
    """The answer as a function of (request, answer) makes it: other headers, another status, another body."""

    change: Callable[[Message, Message], Message]


Fault: TypeAlias = Delay | Drop | Cut | Corrupt | Reset | Stall | Refuse | Rewrite | Sever


@dataclass
class _Plan:
    fault: Fault
    when: Callable[[Message], bool]
    skip: int
    times: int | None


class FaultProxy(Service):
    """The proxy in a thread. `seen` are all requests so far, `met` says how many had a fault."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self._target = urlsplit(target)
        self._plans: list[_Plan] = []
        self._lock = threading.Lock()
        self.seen: list[Message] = []
        self.met = 0

    def plan(
        self,
        fault: Fault,
        *,
        when: Callable[[Message], bool] = lambda request: True,
        skip: int = 0,
        times: int | None = 1,
    ) -> None:
        """Plan a fault for the next `times` requests (None: all) that `when` is true of, but for the first `skip`."""
        with self._lock:
            self._plans.append(_Plan(fault, when, skip, times))

    def clear(self) -> None:
        """Forget all plans and requests."""
        with self._lock:
            self._plans.clear()
            self.seen.clear()
            self.met = 0

    def _fault(self, request: Message) -> Fault | None:
        with self._lock:
            self.seen.append(request)
            for plan in self._plans:
                if not plan.when(request) or plan.times == 0:
                    continue
                if plan.skip:
                    plan.skip -= 1
                    continue
                if plan.times is not None:
                    plan.times -= 1
                self.met += 1
                return plan.fault
        return None

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        while (request := await read_request(reader, writer)) is not None:
            fault = self._fault(request)
            if isinstance(fault, Reset):
                _reset(writer)
                return
            if isinstance(fault, Sever):
                await self._severed(request, fault.after)
                return
            if isinstance(fault, Refuse):
                answer = Answer(fault.status, fault.body, dict(fault.headers)).message()
                if request.method == "HEAD":
                    answer.body = b""
            else:
                answer = await self._forwarded(request)
            if not await self._sent(fault, request, answer, writer):
                return

    async def _sent(
        self, fault: Fault | None, request: Message, answer: Message, writer: asyncio.StreamWriter
    ) -> bool:
        """Send an answer, spoilt as it shall be; whether the connection goes on."""
        if isinstance(fault, Drop):
            return False
        if isinstance(fault, Stall):
            await asyncio.sleep(fault.seconds)
            return False
        if isinstance(fault, Delay):
            await asyncio.sleep(fault.seconds)
        elif isinstance(fault, Rewrite):
            answer = fault.change(request, answer)
        elif isinstance(fault, Corrupt) and answer.body:
            at = fault.at % len(answer.body)
            answer.body = answer.body[:at] + bytes([answer.body[at] ^ 0x55]) + answer.body[at + 1 :]
        cut = isinstance(fault, Cut) and len(answer.body) > fault.after
        writer.write(answer.encoded(answer.body[: fault.after] if cut else None))  # type: ignore[union-attr]
        await writer.drain()
        return not cut

    async def _severed(self, request: Message, after: int) -> None:
        _, writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        writer.write(Message(request.first, _closing(request), request.body).encoded(request.body[:after]))
        await writer.drain()
        writer.close()

    async def _forwarded(self, request: Message) -> Message:
        host, port = self._target.hostname, self._target.port
        reader, writer = await asyncio.open_connection(host, port, limit=2**24)
        try:
            sent = Message(request.first, _closing(request), request.body)
            writer.write(sent.encoded())
            await writer.drain()
            answer = await read_answer(reader, request.method)
        finally:
            writer.close()
        answer.headers = [pair for pair in answer.headers if pair[0].lower() != "connection"]
        if answer.header("Content-Length") is None and answer.status not in (204, 304):
            answer.headers.append(("Content-Length", str(len(answer.body))))
        return answer


def _closing(request: Message) -> list[tuple[str, str]]:
    left = {"connection", "transfer-encoding", "expect", "content-length"}
    kept = [pair for pair in request.headers if pair[0].lower() not in left]
    if request.body or request.method in ("PUT", "POST"):
        kept.append(("Content-Length", str(len(request.body))))
    return [*kept, ("Connection", "close")]


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that the other side is told of a reset."""
    found = writer.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
