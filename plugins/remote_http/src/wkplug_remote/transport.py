"""Requests to web servers: over pooled connections, with a time limit for each phase, through redirects.

A `Server` is a host and how it is to be asked (`Access`): headers, query, certificates, proxy, time limits. It sends
one request and gives the `Answer`, whose status is for the caller to judge; what breaks on the way is a `StoreFailure`.
Nothing is tried again here, nothing is known of files, and httpx is imported with the first request.

Secrets: headers, cookies and query go to the server that they are meant for, never to another host that it redirects
to. No text has more of an address than its host, and no request is logged (as httpx's own client does, with queries).
"""

from __future__ import annotations

import atexit
import os
import socket
import ssl
import time
import zlib
from email.utils import parsedate_to_datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.request import getproxies, proxy_bypass

import attrs

from wkplug.abc import StoreFailure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import httpx

    from wkplug.abc import FailureKind

__all__ = ["Access", "Answer", "Server", "TimeLimits", "refusal", "unpacked"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 10
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOST_CONNECTIONS, _MOST_IDLE, _IDLE_SECONDS = 128, 64, 15.0
_DRAINED = 64 * 2**10  # so much of an unwanted body is read, so that its connection can be used again
_CUT = "the connection ended before the whole answer had come"
# Ranges of a compressed answer would be ranges of something else.
_HEADERS = (("User-Agent", "wkplug"), ("Accept", "*/*"), ("Accept-Encoding", "identity"))


class TimeLimits(NamedTuple):
    """Seconds for each phase of a request: to connect, between two pieces of an answer or of what is sent, for a free
    connection, and for all of it together. None for no limit."""

    connect: float | None = 10.0
    read: float | None = 60.0
    write: float | None = 60.0
    pool: float | None = 300.0
    total: float | None = None


@attrs.frozen(kw_only=True)
class Access:
    """How a server is asked.

    verify: whether certificates are checked, the file or folder of authorities, or an SSL context. certificate: of the
    client, a file or (file, key) or (file, key, password). proxy: its URL; "" for what the environment names, None for
    none. redirects: whether they are followed.
    """

    headers: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    query: str = attrs.field(default="", repr=False)
    verify: bool | str | ssl.SSLContext = True
    certificate: str | tuple[str, ...] | None = attrs.field(default=None, repr=False)
    proxy: str | None = attrs.field(default="", repr=False)
    redirects: bool = True
    limits: TimeLimits = attrs.field(factory=TimeLimits)

    @property
    def is_plain(self) -> bool:
        """Whether certificates and proxies are as the environment has them, so that any client can ask alike."""
        return self.verify is True and self.certificate is None and not self.proxy and self.proxy is not None


class Answer:
    """What a server answers: status, headers, the address after redirects, and a body that is read once.

    Close it, or use it as a context manager; unread bodies of some length end their connection.
    """

    def __init__(
        self,
        response: httpx.Response,
        url: httpx.URL,
        *,
        moved: bool = False,
        trusted: bool = True,
        until: float | None = None,
    ) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._url = url
        self.host = url.host
        self.moved = moved
        """Whether there were redirects on the way."""
        self.trusted = trusted
        """Whether it comes from the server that was asked, not from another that it redirects to."""
        self._response = response
        self._until = until

    @property
    def url(self) -> str:
        """The address that has answered."""
        return str(self._url)

    @property
    def reason(self) -> str:
        """The words beside the status."""
        return self._response.reason_phrase

    @property
    def length(self) -> int | None:
        """The length of the body as it is sent, None if that isn't told."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isdigit() else None

    @property
    def encoding(self) -> str:
        """How the body is compressed, "" if it isn't."""
        text = self.headers.get("Content-Encoding", "").strip().lower()
        return "" if text == "identity" else text

    def read(self, limit: int | None = None) -> bytes:
        """Read the body as it is sent; the rest of it, or no more than `limit` bytes. "busy" if it is cut."""
        import httpx

        pieces: list[bytes] = []
        left = limit
        try:
            for piece in self._response.stream:  # type: ignore[union-attr]  # always a synchronous one here
                pieces.append(piece if left is None else piece[:left])
                if left is not None:
                    left -= len(pieces[-1])
                    if left == 0:
                        break
                if self._until is not None and time.monotonic() > self._until:
                    raise StoreFailure("busy", "the answer took longer than the time limit for all of it")
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise _broken(error, self.host) from error
        return b"".join(pieces)

    def drain(self) -> bytes:
        """Read what is left of a short body, so that its connection can be used again; "" if that fails."""
        if self.length == 0 or (self.length or 0) > _DRAINED:
            return b""
        try:
            return self.read(_DRAINED)
        except StoreFailure:
            return b""

    def close(self) -> None:
        """Give the connection back, or end it where the body wasn't read."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Server:
    """One web server, asked with one `Access`. Cheap to make: connections belong to the process.

    address: scheme and host, with a port where there is one.
    """

    def __init__(self, address: str, access: Access) -> None:
        self.address = address.rstrip("/")
        self.access = access

    @cached_property
    def _url(self) -> httpx.URL:
        import httpx

        return httpx.URL(self.address + "/")

    @cached_property
    def _headers(self) -> dict[str, tuple[str, str]]:
        """What is said to this server with each request, by names in lower case."""
        return _by_name([*_HEADERS, *self.access.headers])

    @cached_property
    def _timeout(self) -> dict[str, float | None]:
        connect, read, write, pool, _ = self.access.limits
        return {"connect": connect, "read": read, "write": write, "pool": pool}

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        content: bytes | Iterator[bytes] | None = None,
    ) -> Answer:
        """Ask once, following redirects of what is only read. `url` is an address on this server.

        StoreFailure if there is no answer.
        """
        until = None if self.access.limits.total is None else time.monotonic() + self.access.limits.total
        target, trusted = self._target(url), True
        for redirects in range(_MOST_REDIRECTS):
            response = self._ask(method, target, headers or {}, content, trusted=trusted)
            answer = Answer(response, target, moved=redirects > 0, trusted=trusted, until=until)
            to = response.headers.get("Location")
            if (
                response.status_code not in _REDIRECTS
                or to is None
                or not self.access.redirects
                or method not in ("GET", "HEAD")
            ):
                return answer
            with answer:
                answer.drain()
            target = self._redirected(target, to)
            trusted = trusted and self._is_own(target)
            if trusted and not target.query:
                target = self._target(str(target))
        raise StoreFailure(
            "broken",
            f"the server redirects more than {_MOST_REDIRECTS} times, probably in a circle",
            hint="Open the address in a browser to see where it leads, and give that address.",
        )

    def _target(self, url: str) -> httpx.URL:
        import httpx

        try:
            return _address(url, self.access.query)
        except httpx.InvalidURL as error:
            raise StoreFailure("broken", f"its address is no URL that can be asked for ({error})") from error

    def _redirected(self, url: httpx.URL, to: str) -> httpx.URL:
        import httpx

        try:
            target = url.join(to)
        except httpx.InvalidURL:
            raise StoreFailure("broken", "the server redirects to something that is no URL") from None
        if target.scheme not in ("http", "https") or not target.host:
            raise StoreFailure(
                "broken", f"the server redirects to a {target.scheme}: address, which isn't followed"
            )
        return target.copy_with(fragment=None)

    def _is_own(self, url: httpx.URL) -> bool:
        """Whether an address is this server's, so that it may get what is meant for it; https never becomes http."""
        own = self._url
        if url.host != own.host:
            return False
        upgraded = (own.scheme, url.scheme) == ("http", "https") and own.port is None and url.port is None
        return upgraded or (url.scheme == own.scheme and url.port == own.port)

    def _ask(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], content: Any, *, trusted: bool
    ) -> httpx.Response:
        import httpx

        own = self._headers if trusted else _by_name(_HEADERS)
        merged = list({**own, **_by_name(headers.items())}.values())
        timeout = {"timeout": self._timeout}
        request = httpx.Request(method, url, headers=merged, content=content, extensions=timeout)
        try:
            return self._connections(url).handle_request(request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _broken(error, url.host) from error

    def _connections(self, url: httpx.URL) -> httpx.HTTPTransport:
        access = self.access
        proxy = access.proxy
        if proxy == "":
            proxy = _proxy_of_environment(url.scheme, url.host)
        if url.scheme == "http":
            # No certificates are read for what is never checked: that costs more than a request.
            return _connections(os.getpid(), None, None, proxy)
        own = self._is_own(url)
        return _connections(os.getpid(), access.verify, access.certificate if own else None, proxy)


def _by_name(headers: Iterable[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    return {name.lower(): (name, value) for name, value in headers}


@lru_cache(maxsize=1024)
def _address(url: str, query: str) -> httpx.URL:
    """An address as it is asked for; of one file many ranges are read, and taking it apart costs as much as asking."""
    import httpx

    found = httpx.URL(url)
    return found.copy_with(query=query.encode()) if query else found


@lru_cache(maxsize=16)
def _connections(
    process: int,
    verify: bool | str | ssl.SSLContext | None,  # noqa: FBT001 - httpx's own
    certificate: str | tuple[str, ...] | None,
    proxy: str | None,
) -> httpx.HTTPTransport:
    import httpx

    # The process is part of the key because connections don't survive a fork.
    del process
    if verify is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # with no authorities: it trusts nobody
    elif isinstance(verify, ssl.SSLContext):
        context = verify
    elif isinstance(verify, str):
        folder = os.path.isdir(verify)  # noqa: PTH112 - a text
        context = ssl.create_default_context(
            cafile=None if folder else verify, capath=verify if folder else None
        )
    else:
        context = httpx.create_ssl_context(verify=verify)
    if certificate is not None:
        context.load_cert_chain(*([certificate] if isinstance(certificate, str) else certificate))
    made = httpx.HTTPTransport(
        verify=context,
        proxy=proxy,
        limits=httpx.Limits(
            max_connections=_MOST_CONNECTIONS,
            max_keepalive_connections=_MOST_IDLE,
            keepalive_expiry=_IDLE_SECONDS,
        ),
    )
    atexit.register(made.close)
    return made


@lru_cache(maxsize=64)
def _proxy_of_environment(scheme: str, host: str) -> str | None:
    found = getproxies()
    proxy = found.get(scheme) or found.get("all")
    if not proxy or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


# --- what goes wrong -----------------------------------------------------------------------------------------


def refusal(answer: Answer) -> StoreFailure:
    """Sort an answer by its status, which is not the one that was hoped for."""
    status = answer.status
    said = f"HTTP {status}" + (f", {answer.reason}" if answer.reason else "")
    if status in (404, 410):
        return StoreFailure("missing", status=status)
    if status in (401, 403):
        return StoreFailure("forbidden", status=status)
    if status == 407:
        return StoreFailure("forbidden", "the proxy wants a login (HTTP 407)", status=status)
    if status in (413, 507):
        return StoreFailure("full", f"the server has no room for it (HTTP {status})", status=status)
    if status == 412:
        return StoreFailure("conflict", status=status)
    kind: FailureKind = "busy" if status in _BUSY else "broken"
    text = answer.reason
    if 300 <= status < 400:
        text = f"the server answers with a redirect that can't be followed ({said})"
    return StoreFailure(kind, text, status=status, wait=_wait(answer) if kind == "busy" else None)


def _wait(answer: Answer) -> float | None:
    """The seconds that the server asks to wait, which it says as such or as a time."""
    text = answer.headers.get("Retry-After", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _broken(error: Exception, host: str) -> StoreFailure:
    """Sort what happened on the way to an answer, or within it."""
    import httpx

    causes = list(_causes(error))
    if isinstance(error, httpx.ConnectTimeout):
        return StoreFailure("busy", f"no connection to {host} came about within the time limit")
    if isinstance(error, httpx.PoolTimeout):
        return StoreFailure("busy", "all connections were in use for longer than the time limit")
    if isinstance(error, httpx.TimeoutException):
        return StoreFailure("busy", f"{host} was silent for longer than the time limit")
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in causes):
        reason = next(one for one in causes if isinstance(one, ssl.SSLCertVerificationError))
        return StoreFailure(
            "broken",
            f"the certificate of {host} is not trusted ({reason.verify_message})",
            hint="Name the file of its authority in the storage option verify, or in the variable SSL_CERT_FILE.",
        )
    named = next((one for one in causes if isinstance(one, socket.gaierror)), None)
    if named is not None and named.errno != socket.EAI_AGAIN:
        return StoreFailure("broken", f"the host {host} is not known", hint="Check the address.")
    if isinstance(error, httpx.RemoteProtocolError) and "complete message body" in str(error):
        return StoreFailure("busy", _CUT)
    if isinstance(error, httpx.RemoteProtocolError) and "incomplete chunked read" in str(error):
        return StoreFailure("busy", _CUT)
    if isinstance(error, (httpx.ReadError, httpx.CloseError)) or "disconnected" in str(error):
        return StoreFailure("busy", f"{host} ended the connection without an answer")
    if isinstance(error, httpx.ProxyError):
        return StoreFailure("busy", f"the proxy could not reach {host} ({error})")
    if isinstance(error, httpx.RemoteProtocolError):
        return StoreFailure("busy", f"what {host} answers is not HTTP ({error})")
    if isinstance(error, httpx.NetworkError):
        reasons = (one.strerror for one in causes if isinstance(one, OSError) and one.strerror)
        return StoreFailure("busy", f"{host} can't be reached ({next(reasons, None) or error})")
    return StoreFailure("broken", f"the request can't be made ({error})")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# --- compressed bodies ---------------------------------------------------------------------------------------


def unpacked(data: bytes, encoding: str) -> bytes:
    """Decompress a whole body; "unsupported" for other ways than gzip and deflate, "busy" if its end is missing."""
    for name in reversed([one.strip() for one in encoding.split(",") if one.strip()]):
        if name in ("gzip", "x-gzip"):
            data = _inflated(data, 31)
        elif name == "deflate":
            # Half of all servers send it without the header that it should have.
            data = _inflated(data, 15 if data[:1] and data[0] & 15 == 8 else -15)
        elif name != "identity":
            raise StoreFailure(
                "unsupported",
                f"the server sends it compressed as {name}, though it was asked for the plain file",
                hint="Switch the server's compression off for these files.",
            )
    return data


def _inflated(data: bytes, window: int) -> bytes:
    pieces: list[bytes] = []
    while data:  # gzip files may have several members
        machine = zlib.decompressobj(window)
        try:
            pieces.append(machine.decompress(data))
        except zlib.error as error:
            raise StoreFailure(
                "broken", f"the server says that it is compressed, and it can't be decompressed ({error})"
            ) from error
        if not machine.eof:
            raise StoreFailure("busy", _CUT)
        data = machine.unused_data if window == 31 else b""
    return b"".join(pieces)
