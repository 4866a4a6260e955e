"""Questions to a WEBKNOSSOS server: the version it speaks, JSON there and back, errors with the server's own words.

A `Client` is a server and a user (`Context`). `api` asks the server itself; `data` is the address of something on the
store of a dataset's files, which the server names. What only reads is asked again when it fails for a passing reason,
as the settings say; what changes something is sent once. Connections are the process's (`wkplug_remote.transport`).

Not here: what the questions are, and what the answers mean.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import attrs

from wkplug.abc import storage_options, with_retries
from wkplug.errors import ForbiddenError, MissingError, ServerError
from wkplug_remote.options import read_options
from wkplug_remote.transport import Access, Server, TimeLimits, refusal
from wkplug_remote.webknossos.context import TOKEN_HEADER, Context

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["VERSIONS", "Client", "Reply", "segment"]

VERSIONS = range(13, 17)
"""The versions of the API that are spoken here."""

_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_TEXT = 600
_MARKUP = re.compile(r"<(script|style).*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_AS_JSON = {"Content-Type": "application/json"}
_WHERE_TOKENS_ARE = (
    "Give the token of a user who may do that: webknossos_context(url=..., token=...), or WK_TOKEN."
)


class Reply(NamedTuple):
    """An answer that was read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    @property
    def json(self) -> Any:
        """The body as JSON, None if it is empty; ServerError for anything else."""
        if not self.body.strip():
            return None
        try:
            return json.loads(self.body)
        except ValueError:
            raise ServerError(
                f"{self.url} could not be understood: the server answers with something else than JSON "
                f"({_said(self.body) or 'nothing'}).",
                hint="Check the address of the server: it must be that of WEBKNOSSOS itself.",
            ) from None


class Client:
    """A server and a user. Cheap to make, and pickled without the token, as its context is."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def __reduce__(self) -> tuple[Any, ...]:
        return (Client, (self.context,))

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    @property
    def url(self) -> str:
        """The address of the server."""
        return self.context.url

    @property
    def version(self) -> int:
        """The version of the API that both sides speak; ServerError if there is none. Asked once per process."""
        return self.context.api_version or _agreed_version(self.context.url, self.context.timeout)

    def api(self, method: str, path: str, **further: Any) -> Any:
        """Ask the server: `api("GET", "/datasets", isActive=True)`; gives JSON, or None. See `ask`."""
        return self.ask(method, f"{self.url}/api/v{self.version}{path}", **further).json

    def data(self, store: str, path: str) -> str:
        """The address of something on the store of a dataset's files."""
        return f"{store.rstrip('/')}/data/v{self.version}{path}"

    def ask(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        repeat: bool | None = None,
        accepted: tuple[int, ...] = (200,),
        as_nobody: bool = False,
    ) -> Reply:
        """Ask, and read the answer.

        query: parameters, of which those that are None are left out. body: sent as JSON. repeat: whether it may be
        asked again if it fails for a passing reason; GET by default. as_nobody: without the token.
        MissingError for 404, ForbiddenError for 401 and 403, ServerError for any other status that isn't accepted, and
        StorageError if there is no answer; all with the server's words.
        """
        shown, full = url, url + _query(query)
        if body is not None:
            content, headers = json.dumps(body).encode(), {**_AS_JSON, **(headers or {})}
        server = Server(_origin(url), self._access(url, timeout, as_nobody=as_nobody))

        def once() -> Reply:
            with server.send(method, full, headers, content=content) as answer:
                text = answer.read()
                if answer.status in _BUSY and answer.status not in accepted:
                    failure = refusal(answer)
                    said = self._without_token(_said(text))
                    failure.text += f": {said}" if said else ""
                    failure.status = answer.status
                    raise failure
                return Reply(answer.status, answer.headers, text, shown)

        again = method == "GET" if repeat is None else repeat
        done = "read" if method == "GET" else "changed"
        reply = with_retries(once, done, shown, attempts=None if again else 1)
        if reply.status not in accepted:
            raise self._refused(reply, done)
        return reply

    def _access(self, url: str, timeout: float | None, *, as_nobody: bool) -> Access:
        access = _access_to(_origin(url))
        seconds = timeout or self.context.timeout
        token = None if as_nobody else self.context.token
        return attrs.evolve(
            access,
            headers=(*access.headers, (TOKEN_HEADER, token)) if token else access.headers,
            limits=TimeLimits()._replace(read=seconds, write=seconds),
        )

    def _without_token(self, text: str) -> str:
        return text.replace(self.context.token, "***") if self.context.token else text

    def _refused(self, reply: Reply, done: str) -> Exception:
        said = self._without_token(_said(reply.body))
        start = f"{reply.url} could not be {done}: "
        told = f": {said}" if said else "."
        if reply.status == 404:
            return MissingError(
                f"{start}the server doesn't have it, or doesn't show it to you (HTTP 404){told}"
            )
        if reply.status in (401, 403):
            who = "the token that was given" if self.context.token else "somebody without a token"
            return ForbiddenError(
                f"{start}the server refuses it to {who} (HTTP {reply.status}){told}", hint=_WHERE_TOKENS_ARE
            )
        return ServerError(f"{start}the server answers HTTP {reply.status}{told}")


def segment(text: str) -> str:
    """Spell a name as one part of a path."""
    return quote(text, safe="")


def _query(values: Mapping[str, Any] | None) -> str:
    given = {name: value for name, value in (values or {}).items() if value is not None}
    texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in given.items()}
    return f"?{urlencode(texts)}" if texts else ""


def _origin(url: str) -> str:
    split = urlsplit(url)
    return f"{split.scheme}://{split.netloc}"


def _access_to(origin: str) -> Access:
    """How a server is reached as the settings say: certificates, proxies, headers."""
    return read_options(storage_options(f"{origin}/")).access


@lru_cache(maxsize=64)
def _agreed_version(url: str, timeout: float) -> int:
    told = Client(Context(url, None, timeout)).ask("GET", f"{url}/api/buildinfo", as_nobody=True).json
    versions = told.get("httpApiVersioning") if isinstance(told, dict) else None
    oldest, newest = (
        versions.get(name) if isinstance(versions, dict) else None
        for name in ("oldestSupportedApiVersion", "currentApiVersion")
    )
    if not isinstance(oldest, int) or not isinstance(newest, int):
        raise ServerError(
            f"{url} doesn't say which versions of WEBKNOSSOS' API it speaks.",
            hint="Check the address: it must be that of WEBKNOSSOS itself, as in https://webknossos.org",
        )
    both = [version for version in VERSIONS if oldest <= version <= newest]
    if not both:
        update = "Update wkplug-remote" if oldest > VERSIONS[-1] else "Ask for a newer server"
        raise ServerError(
            f"{url} speaks the versions {oldest} to {newest} of WEBKNOSSOS' API, wkplug {VERSIONS[0]} to "
            f"{VERSIONS[-1]}: there is none that both speak.",
            hint=f"{update}, or try one all the same: webknossos_context(api_version=...).",
        )
    return both[-1]


def _said(body: bytes) -> str:
    """What the server says, as people read it: the messages of its own kind, or the text of whatever page it is."""
    text = body[: 64 * 1024].decode("utf-8", "replace").strip()
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if isinstance(told, dict) and isinstance(told.get("messages"), list):
        words = [
            str(message[kind])
            for message in told["messages"]
            if isinstance(message, dict)
            for kind in ("error", "chain")
            if message.get(kind)
        ]
        text = " ".join(words) or text
    elif text.startswith("<"):
        text = _MARKUP.sub(" ", text)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} ..."
