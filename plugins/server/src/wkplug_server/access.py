"""Who may ask: one token for everything that is shared, and the headers that let pages of other hosts read answers.

The token comes in the header X-Auth-Token, as `?token=`, or as the first folder of the path, /t/TOKEN/..., for tools
that know nothing but URLs. Not here: what is answered.
"""

from __future__ import annotations

import hmac
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from wkplug.errors import ForbiddenError, WkplugError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Access", "NotLoggedInError", "error_body", "status_of"]

_IN_PATH = re.compile(r"^/t/([^/]+)(/.*)$")
_VERSION = re.compile(r"^/(api|data)/v(\d+)(/.*)$")
_CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),
    (b"access-control-allow-headers", b"*, authorization, range, x-auth-token, if-none-match, content-type"),
    (b"access-control-expose-headers", b"*, content-length, content-range, etag, missing-buckets"),
    (b"access-control-max-age", b"600"),
    # Pages on the web that show what a server on this machine or in this network has.
    (b"access-control-allow-private-network", b"true"),
)


class NotLoggedInError(ForbiddenError):
    """Nobody knows who asks."""


OPEN_PATHS = ("/api/buildinfo", "/api/health", "/data/health", "/favicon.ico")
"""What anybody may ask: whether a server is there, and which versions it speaks."""


class Access:
    """Wraps the application; token: None if anybody may read."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on, with headers for browsers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_CORS]
            await send(message)

        if scope["method"] == "OPTIONS":
            await _answer(send_with_headers, 204, b"")
            return
        given = scope["shared.tokens"] = tuple(_given(scope))
        _without_version(scope)
        if scope["path"] in OPEN_PATHS or self._may(given):
            await self._app(scope, receive, send_with_headers)
            return
        text = "This server wants its token" + (", and that is another one." if given else ".")
        hint = "Ask whoever started the server for the whole link, which holds it."
        # Where the API of WEBKNOSSOS is asked, what may not be read isn't there.
        status = 404 if scope["path"].startswith("/api/datasets/") else 401 if not given else 403
        await _answer(send_with_headers, status, error_body(ForbiddenError(text, hint=hint)))

    def _may(self, given: Sequence[str]) -> bool:
        token = self._token
        return token is None or any(hmac.compare_digest(each.encode(), token.encode()) for each in given)


def _given(scope: Scope) -> Iterator[str]:
    """The tokens of a request; that of the path is taken out of it, so that nothing behind it sees it."""
    in_path = _IN_PATH.match(scope["path"])
    if in_path:
        scope["path"] = in_path.group(2)
        scope["raw_path"] = in_path.group(2).encode()
        scope["shared.prefix"] = f"/t/{in_path.group(1)}"
        yield in_path.group(1)
    query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
    yield from (query[name] for name in ("token", "sharingToken") if query.get(name))
    yield from (value.decode("latin-1") for name, value in scope["headers"] if name == b"x-auth-token")


def _without_version(scope: Scope) -> None:
    found = _VERSION.match(scope["path"])
    scope["shared.version"] = int(found.group(2)) if found else None
    if found:
        scope["path"] = f"/{found.group(1)}{found.group(3)}"
        scope["raw_path"] = scope["path"].encode()


def status_of(error: WkplugError) -> int:
    """The status that says what an error means."""
    if isinstance(error, ForbiddenError):
        return 401 if isinstance(error, NotLoggedInError) else 403
    if isinstance(error, (FileNotFoundError, IndexError)):
        return 404
    return 400 if isinstance(error, ValueError) else 500


def error_body(error: WkplugError) -> bytes:
    """An error as WEBKNOSSOS' clients read it."""
    text = str(error.args[0]) if error.args else str(error)
    hint = getattr(error, "hint", "") or ""
    return json.dumps({"messages": [{"error": f"{text} {hint}".strip()}]}).encode()


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
