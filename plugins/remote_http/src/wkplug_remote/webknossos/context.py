"""Which server is spoken to, and as whom: `webknossos_context`, `login`, the environment, and a file .env.

`current` is asked at the moment of use, never at import: what is entered counts most, then WK_URL, WK_TOKEN and
WK_TIMEOUT of the environment, then those of .env in the working folder. A token is for one server and for nobody else:
it is not inherited by a context within another, it stands in no text, and it is in no pickle.
"""

from __future__ import annotations

import os
from contextlib import ContextDecorator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple, Self

import attrs

from wkplug.errors import ConfigError, InvalidArgumentError

__all__ = ["TOKEN_HEADER", "Context", "current", "login", "server_url", "token_for", "webknossos_context"]

TOKEN_HEADER = "X-Auth-Token"  # noqa: S105 - the name of a header
"""In which header a token is sent."""
DEFAULT_URL = "https://webknossos.org"
DEFAULT_TIMEOUT = 1800.0


@attrs.frozen
class Context:
    """A server and a user. token: None for nobody. timeout: seconds. api_version: None to agree on one.

    Pickled without its token; unpickled, it takes that of the current context for the same server.
    """

    url: str
    token: str | None = attrs.field(default=None, repr=False)
    timeout: float = DEFAULT_TIMEOUT
    api_version: int | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restored, (self.url, self.timeout, self.api_version))


def _restored(url: str, timeout: float, api_version: int | None) -> Context:
    return Context(url, token_for(url), timeout, api_version)


class _Entered(NamedTuple):
    context: Context
    before: _Entered | None


_entered: ContextVar[_Entered | None] = ContextVar("webknossos_context", default=None)


def current() -> Context:
    """Give the context that is entered, or what the environment says."""
    entered = _entered.get()
    return from_environment() if entered is None else entered.context


def from_environment() -> Context:
    """Read WK_URL, WK_TOKEN and WK_TIMEOUT; ConfigError for a timeout or an address that is none."""
    text = _variable("WK_TIMEOUT")
    try:
        timeout = DEFAULT_TIMEOUT if text is None else _seconds(text)
    except InvalidArgumentError as error:
        raise ConfigError(
            f"WK_TIMEOUT is {text!r}, which is no number of seconds.",
            hint="Set it to one, as in WK_TIMEOUT=1800.",
        ) from error
    url = _variable("WK_URL")
    try:
        return Context(DEFAULT_URL if url is None else server_url(url), _variable("WK_TOKEN"), timeout)
    except InvalidArgumentError as error:
        raise ConfigError(f"WK_URL can't be used: {error.message}", hint=error.hint) from error


def _variable(name: str) -> str | None:
    """A variable of the environment or, where there is none, of the file .env; None if it is empty."""
    if name in os.environ:
        return os.environ[name].strip() or None
    file = Path(".env")
    if not file.is_file():
        return None
    from dotenv import dotenv_values

    return (dotenv_values(file).get(name) or "").strip() or None


def _seconds(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise InvalidArgumentError(f"{value!r} is no number of seconds.", hint="Give a timeout above 0.")
    return seconds


def server_url(text: str) -> str:
    """Give a server's address without the slash at its end; InvalidArgumentError (a ValueError) for what is none."""
    from urllib.parse import urlsplit

    url = text.strip().rstrip("/")
    try:
        split = urlsplit(url)
        known = split.scheme in ("http", "https") and bool(split.hostname) and (split.port or 1) > 0
    except ValueError:
        known = False
    if not known or split.query or split.fragment:
        raise InvalidArgumentError(
            f"{text!r} is no address of a server.", hint="Addresses look like https://webknossos.org"
        )
    return url


def token_for(url: str) -> str | None:
    """Give the token for a server, None where the current context is for another one, or for nobody."""
    entered = _entered.get()
    while entered is not None:
        if entered.context.url == url:
            return entered.context.token
        entered = entered.before
    context = from_environment()
    return context.token if context.url == url else None


class webknossos_context(ContextDecorator):  # noqa: N801 - the name that users know
    """Speak to a server, as a user, within a `with` block or a function.

        with wk.webknossos_context(url="https://webknossos.example.com", token="..."):
            dataset = wk.Dataset.open_remote("brain")

    url, timeout (seconds) and api_version are those around the block where they aren't given; the token never is:
    without one the block asks as nobody. May be nested, and be used again. It counts for the thread, or the task, that
    enters it; datasets keep the context in which they were opened.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        timeout: float | None = None,
        api_version: int | None = None,
    ) -> None:
        self._url = None if url is None else server_url(url)
        self._token = token
        self._timeout = None if timeout is None else _seconds(timeout)
        self._api_version = api_version

    def __repr__(self) -> str:
        return f"webknossos_context(url={self._url!r}, token={'***' if self._token else None})"

    def __enter__(self) -> Self:
        around = current()
        context = Context(
            self._url or around.url,
            self._token or None,
            self._timeout or around.timeout,
            self._api_version or around.api_version,
        )
        _entered.set(_Entered(context, _entered.get()))
        return self

    def __exit__(self, *exception: object) -> None:
        entered = _entered.get()
        _entered.set(None if entered is None else entered.before)


def login(
    *,
    url: str | None = None,
    token: str | None = None,
    timeout: float | None = None,
    api_version: int | None = None,
) -> None:
    """Speak to a server, as a user, from now on, as `webknossos_context` does for a block.

    Asks for the token on the terminal if it isn't given.
    """
    address = current().url if url is None else server_url(url)
    if token is None:
        question = f"Your WEBKNOSSOS token for {address}\n(you find it at {address}/account/token): "
        from getpass import getpass

        try:
            token = getpass(question).strip()
        except EOFError:
            token = ""
        if not token:
            raise InvalidArgumentError(
                f"No token was given for {address}.", hint="Give the token, or set the variable WK_TOKEN."
            )
    webknossos_context(address, token, timeout, api_version).__enter__()
