"""From storage options, as fsspec and aiohttp spell them, to how a server is asked.

Options are what users have in scripts that open the same data with fsspec, UPath or zarr: headers, logins, cookies,
query parameters, certificates, proxies, time limits; at the top or in `client_kwargs`. Those that only tune fsspec's
own driver are passed over. What has a meaning that can't be translated is named: data that are read without a signer
or under another time limit than the one that was asked for would be a surprise.
"""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

import attrs

from wkplug.errors import InvalidArgumentError
from wkplug_remote.transport import Access, TimeLimits
from wkplug_remote.webknossos.context import TOKEN_HEADER, token_for

__all__ = ["OPTIONS", "Options", "public_options", "read_options", "with_token"]

DEFAULT_WHOLE_FILE_LIMIT = 256 * 2**20
_MISSING = (404, 410)
_PASSED_OVER = frozenset(
    {
        "anon", "asynchronous", "auto_decompress", "batch_size", "block_size", "cache_options", "cache_type",
        "default_block_size", "encoded", "expand_info_links", "listings_expiry_time", "loop", "max_paths",
        "raise_for_status", "read_bufsize", "same_scheme", "simple_links", "size_policy", "skip_instance_cache",
        "use_listings_cache",
    }
)  # fmt: skip
"""Options of fsspec's driver and of aiohttp's session that change nothing about which bytes are read."""
OPTIONS = (
    "allow_redirects", "auth", "cert", "cookies", "headers", "params", "proxy", "refused_is_missing", "ssl", "timeout",
    "trust_env", "verify", "whole_file_limit",
)  # fmt: skip
"""The options that have a meaning here."""
_PUBLIC = frozenset(
    {
        "allow_redirects", "refused_is_missing", "timeout", "trust_env", "verify", "webknossos_server",
        "whole_file_limit",
    }
)  # fmt: skip
_PHASES = {
    "connect": "connect", "sock_connect": "connect", "sock_read": "read", "read": "read", "write": "write",
    "pool": "pool", "total": "total",
}  # fmt: skip


@attrs.frozen(kw_only=True)
class Options:
    """What the storage options of a web server come to.

    missing_status: the statuses that say that something is not there, with refused_is_missing also 403.
    whole_file_limit: the largest file, in bytes, that is fetched whole from a server that ignores ranges.
    """

    access: Access
    missing_status: frozenset[int] = frozenset(_MISSING)
    whole_file_limit: int = DEFAULT_WHOLE_FILE_LIMIT


def read_options(options: Mapping[str, Any], *, login: str = "", query: str = "") -> Options:
    """Translate storage options; InvalidArgumentError names the one that can't be.

    login: the "user:password" of a URL, decoded. query: that of a URL.
    """
    given = _flattened(options)
    for name in given:
        if name not in OPTIONS:
            known = ", ".join(OPTIONS)
            raise InvalidArgumentError(
                f"The storage option {name!r} can't be translated for web servers.",
                hint=f"Leave it out. Those that can be, also within the storage option client_kwargs: {known}.",
            )
    headers = _headers(given)
    if login:
        headers["authorization"] = ("Authorization", _basic(login))
    trusted = _flag(given, "trust_env", default=True)
    access = Access(
        headers=tuple(headers.values()),
        query="&".join(
            dict.fromkeys(part for part in f"{query}&{_query(given.get('params'))}".split("&") if part)
        ),
        verify=_verify(given),
        certificate=_certificate(given.get("cert")),
        proxy=_proxy(given.get("proxy"), trusted=trusted),
        redirects=_flag(given, "allow_redirects", default=True),
        limits=_limits(given.get("timeout")),
    )
    return Options(
        access=access,
        missing_status=frozenset(
            (*_MISSING, 403) if _flag(given, "refused_is_missing", default=False) else _MISSING
        ),
        whole_file_limit=_bytes(given.get("whole_file_limit", DEFAULT_WHOLE_FILE_LIMIT)),
    )


def public_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the options that hold no secret and may travel in pickles."""
    return {
        name: value
        for name, value in options.items()
        if name in _PUBLIC and isinstance(value, (bool, int, float, str, list, tuple, type(None)))
    }


def with_token(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give the options without `webknossos_server`, and with the token that is known for that server, if one is.

    So that a place which was pickled without secrets finds its token again, wherever it is opened.
    """
    server = options.get("webknossos_server")
    rest = {name: value for name, value in options.items() if name != "webknossos_server"}
    token = None if server is None or rest.get("headers") else token_for(str(server))
    return rest if token is None else {**rest, "headers": {TOKEN_HEADER: token}}


def _flattened(options: Mapping[str, Any]) -> dict[str, Any]:
    """Join what is at the top with what is in `client_kwargs`, headers and parameters of both."""
    given = {name: value for name, value in options.items() if name != "client_kwargs" and value is not None}
    client = options.get("client_kwargs") or {}
    if not isinstance(client, Mapping):
        raise _wrong("client_kwargs", "a mapping of options")
    for name, value in client.items():
        if value is None:
            continue
        if name in ("headers", "params", "cookies") and given.get(name):
            given[name] = [*_pairs(name, value), *_pairs(name, given[name])]
        else:
            given.setdefault(name, value)
    return {name: value for name, value in given.items() if name not in _PASSED_OVER}


def _wrong(name: str, wanted: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"The storage option {name!r} of web servers must be {wanted}.",
        hint="Its value isn't shown, as it may hold a secret.",
    )


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    items = value.items() if hasattr(value, "items") else value
    try:
        pairs = [(key, item) for key, item in items]
    except (TypeError, ValueError):
        raise _wrong(name, "a mapping of texts") from None
    if not all(isinstance(key, str) and isinstance(item, (str, int, float)) for key, item in pairs):
        raise _wrong(name, "a mapping of texts")
    return [(key, str(item)) for key, item in pairs]


def _headers(given: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    headers: dict[str, tuple[str, str]] = {}
    for name, value in _pairs("headers", given.get("headers") or {}):
        value = value.strip()
        if (
            not name.isascii()
            or not name.strip()
            or any(sign in value for sign in "\r\n\0")
            or not value.isascii()
        ):
            raise _wrong("headers", "a mapping of names to one line of ASCII text each")
        headers[name.lower()] = (name, value)
    if given.get("auth") is not None:
        headers["authorization"] = ("Authorization", _basic(_login(given["auth"])))
    cookies = _pairs("cookies", given.get("cookies") or {})
    if cookies:
        text = "; ".join(f"{name}={value}" for name, value in cookies)
        if not text.isascii() or any(sign in text for sign in "\r\n\0"):
            raise _wrong("cookies", "a mapping of ASCII texts")
        earlier = headers.get("cookie")
        headers["cookie"] = ("Cookie", f"{earlier[1]}; {text}" if earlier else text)
    return headers


def _login(auth: Any) -> str:
    """The "user:password" of a pair, or of an object such as aiohttp.BasicAuth."""
    user, password = getattr(auth, "login", None), getattr(auth, "password", None)
    if user is None and isinstance(auth, Sequence) and not isinstance(auth, (str, bytes)) and len(auth) == 2:
        user, password = auth
    if not isinstance(user, str) or not isinstance(password, str):
        raise _wrong("auth", "a pair of user and password, or an object with both (login, password)")
    return f"{user}:{password}"


def _basic(login: str) -> str:
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def _query(params: Any) -> str:
    if not params:
        return ""
    if isinstance(params, str):
        return params.lstrip("?")
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in _pairs("params", params))


def _verify(given: Mapping[str, Any]) -> bool | str | ssl.SSLContext:
    # Of the two spellings the stranger one counts, so that neither is passed over.
    for name in ("ssl", "verify"):
        value = given.get(name)
        if value is None or value is True:
            continue
        if value is False or isinstance(value, ssl.SSLContext):
            return value
        if isinstance(value, (str, os.PathLike)) and name == "verify":
            path = os.fspath(value)
            if not os.path.exists(path):  # noqa: PTH110 - a text
                raise InvalidArgumentError(f"The storage option 'verify' names {path}, which is not there.")
            return str(path)
        raise _wrong(
            name, "true, false, an ssl.SSLContext or (verify) the path of the authorities' certificates"
        )
    return True


def _certificate(value: Any) -> str | tuple[str, ...] | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Sequence) and len(value) in (2, 3) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise _wrong("cert", "a path, or a list of the paths of certificate and key and a password")


def _proxy(value: Any, *, trusted: bool) -> str | None:
    if value is None:
        return "" if trusted else None
    text = str(value)
    if "://" not in text:
        raise _wrong("proxy", "a URL")
    return text


def _limits(value: Any) -> TimeLimits:
    """Time limits from seconds, a mapping of phases, or an object such as aiohttp.ClientTimeout or httpx.Timeout."""
    if value is None:
        return TimeLimits()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = {"connect": value, "read": value, "write": value}
    if not isinstance(value, Mapping):
        value = {name: getattr(value, name) for name in _PHASES if hasattr(value, name)}
        if not value:
            raise _wrong("timeout", "a number of seconds, or a mapping of them by phase")
    found: dict[str, float | None] = {}
    for name, seconds in value.items():
        if name not in _PHASES:
            raise _wrong("timeout", f"a number, or a mapping with {', '.join(sorted(_PHASES))}")
        if seconds is None:
            continue
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or seconds <= 0:
            raise _wrong("timeout", "of positive numbers of seconds")
        found[_PHASES[name]] = float(seconds)
    return TimeLimits()._replace(**found)


def _flag(given: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise _wrong(name, "true or false")
    return value


def _bytes(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong("whole_file_limit", "a number of bytes")
    return value
