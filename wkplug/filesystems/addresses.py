"""What a URL means to fsspec: which driver, which path, which options, and which of these are secrets.

Options come from the argument, from the setting `storage` (by URL prefix), and for S3 from the environment
(see `wkplug.filesystems.s3`). Secrets stay in `Address.options`; they are in no URL, no repr and no
pickle. A location that is unpickled elsewhere resolves its URL anew, from settings and environment there.

Nothing is read or written here, and drivers are imported only when a filesystem is asked for.
"""

from __future__ import annotations

import base64
import functools
import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import attrs

from wkplug.config import current
from wkplug.errors import (
    InvalidArgumentError,
    PluginMissingError,
    StorageError,
    UnknownSchemeError,
    UnsafePathError,
    redacted,
)
from wkplug.filesystems import s3

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Address", "public_options", "resolve"]

_PUBLIC = frozenset(
    {"anon", "endpoint_url", "profile", "project", "region", "requester_pays", "use_ssl", "version_aware"}
)
"""Options that may travel in pickles. A list of what is harmless, since nobody can list all secrets."""

# As in key:secret@bucket. What has a port instead of a password is a host; secrets may hold slashes.
_LOGIN = re.compile(r"(?!\[?[^/\s@]*\]?:\d+/)([^\s@/:]*):([^\s@]*)@")

_SESSION: dict[tuple[str, ...], dict[str, Any]] = {}
"""Options that code gave in this process, by store: endpoint and bucket, or server and first folder. In no pickle."""

_ENVIRONMENT = ("AWS_", "AZURE_", "GOOGLE_", "S3_")

_ALIASES = {"s3a": "s3", "gcs": "gs"}


@attrs.frozen(eq=False)
class Address:
    """One store, as a driver knows it: shared by all locations below it.

    root: the URL before the path, with its last slash. endpoint: of S3, None for Amazon's own.
    query: what HTTP URLs ended with (often a token). travelled: it was unpickled, and secrets stayed behind.
    renewed: it takes the place of one that was refused before the environment changed.
    """

    scheme: str
    root: str
    options: Mapping[str, Any] = attrs.field(repr=False)
    public: Mapping[str, Any] = attrs.field(repr=False)
    secret: bool = False
    endpoint: str | None = None
    query: str = attrs.field(default="", repr=False)
    travelled: bool = False
    renewed: bool = False
    _opened: dict[int, Any] = attrs.field(factory=dict, repr=False, init=False)
    _seen: int = attrs.field(factory=lambda: _environment(), repr=False, init=False)

    def filesystem(self) -> Any:
        """Give the fsspec filesystem, made once per process: connections don't survive a fork.

        UnknownSchemeError if fsspec knows no driver, PluginMissingError if it isn't installed.
        """
        process = os.getpid()
        found = self._opened.get(process)
        if found is None:
            driver = _driver(self.scheme)
            self._opened.clear()
            try:
                # A cached listing would hide what other processes write.
                options = {**self._options(driver), "use_listings_cache": False}
                if self.renewed or self._seen != _first_environment():
                    # Drivers keep the credentials that they once found, or didn't.
                    options["skip_instance_cache"] = True
                self._opened[process] = found = driver(**options)
            except (KeyError, TypeError, ValueError) as error:
                # Drivers take URLs apart by themselves, each with a way of its own to say that one is not right.
                raise InvalidArgumentError(
                    f"{self.root} can't be opened: the driver for {self.scheme}:// wants another form or other "
                    f"options ({type(error).__name__}).",
                    hint="Check the address, and the storage options for it in the settings.",
                ) from None
            except ImportError as error:
                raise _missing_package(self.scheme, error) from error
            except OSError as error:
                # Some connect as soon as they are made.
                raise StorageError(
                    f"{self.root} can't be reached: {error.strerror or error}.",
                    hint="Check the address, and whether the server is up.",
                ) from error
        return found

    @property
    def outdated(self) -> bool:
        """Whether the environment's variables for stores have changed since this was made."""
        return self._seen != _environment()

    def _options(self, driver: Any) -> dict[str, Any]:
        options = dict(self.options)
        if self.scheme == "s3":
            return s3.driver_options(options, self.endpoint)
        # Servers with a login in their URLs (sftp, smb, ...) have the host among the options.
        return {**driver._get_kwargs_from_urls(self.root), **options}


@functools.cache
def _first_environment() -> int:
    """The environment in which this process made its first driver: fsspec gives that driver again."""
    return _environment()


def _environment() -> int:
    return hash(
        tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith(_ENVIRONMENT)))
    )


def _driver(scheme: str) -> Any:
    import fsspec

    try:
        return fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        raise _missing_package(scheme, error) from error
    except ValueError as error:
        raise UnknownSchemeError(
            f"Nothing installed opens {scheme}:// places.",
            hint="Check the spelling, or install the plugin or fsspec driver for it.",
        ) from error


def _missing_package(scheme: str, error: ImportError) -> PluginMissingError:
    cause: BaseException = error
    while cause.__cause__ is not None or (cause.__context__ is not None and not cause.__suppress_context__):
        following = cause.__cause__ or cause.__context__
        if following is None:
            break
        cause = following
    needed = (cause.name if isinstance(cause, ImportError) and cause.name else scheme).partition(".")[0]
    return PluginMissingError(
        f"{scheme}:// places need the package {needed}, which is not installed.",
        hint=f"pip install {needed}",
    )


def public_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the options that hold no secret."""
    return {key: value for key, value in options.items() if key in _PUBLIC}


def resolve(
    url: str, options: Mapping[str, Any] | None = None, *, travelled: bool = False
) -> tuple[Address, str]:
    """Split `url` into the address of its store and the path in it (no slash at either end).

    InvalidArgumentError if it is no URL, UnsafePathError if ".." leads out of the store.
    """
    scheme, mark, rest = url.partition("://")
    scheme = _ALIASES.get(scheme.lower(), scheme.lower())
    if not mark or not scheme or "::" in scheme or "\0" in url:
        inner = url.rpartition("::")[2]
        raise InvalidArgumentError(
            f"{url!r} is no URL of a single place.",
            hint=f"Chains with '::' aren't followed; write {inner}."
            if "::" in scheme and "://" in inner
            else "URLs look like s3://bucket/folder.",
        )
    given = dict(options or {})
    public = public_options(given)
    if scheme in ("http", "https"):
        return _resolve_http(scheme, rest, given, public, travelled=travelled)
    if scheme == "s3":
        if redacted(url) != url and "?" in redacted(url):
            raise InvalidArgumentError(
                f"{url} ends with a signature, and s3:// URLs have none.",
                hint="Give the signed link as the https:// URL that it was, or the keys as storage options.",
            )
        keys = _LOGIN.match(rest)
        if keys is not None:
            given = {"key": unquote(keys[1]), "secret": unquote(keys[2]), **given}
            rest = rest[keys.end() :]
            url = f"s3://{rest}"
        found, given = _with_credentials_of_session(_clean(rest, url), given, travelled=travelled)
        address = Address(
            "s3",
            f"s3://{found.host}/" if found.host else "s3://",
            found.options,
            {**public, **({"endpoint_url": found.endpoint} if found.endpoint else {})},
            secret=len(public_options(s3.flat(given))) < len(s3.flat(given)),
            endpoint=found.endpoint,
            travelled=travelled,
        )
        return address, "/".join(found.parts)
    login, at, _ = rest.partition("/")[0].rpartition("@")
    if at and ":" in login:
        user, _, password = login.partition(":")
        given.setdefault("password", unquote(password))
        rest = user + rest[len(login) :]
    parts = _clean(rest, url)
    root = f"{scheme}://"
    if scheme not in ("memory", "gs") and parts:
        root, parts = f"{root}{parts[0]}/", parts[1:]
    if not travelled:
        given = _of_session((root, *parts[:1]), given, secret=len(public) < len(given))
    merged = {**_configured(root + "/".join(parts)), **given}
    return Address(
        scheme, root, merged, public, secret=len(public) < len(given), travelled=travelled
    ), "/".join(parts)


def _of_session(key: tuple[str, ...], given: dict[str, Any], *, secret: bool) -> dict[str, Any]:
    """Remember the options that code gave for a store, or give them where a URL of the same store comes alone.

    So recorded URLs can be followed in the session whose user has said how to reach the store.
    """
    if secret:
        _SESSION[key] = dict(given)
    return given or _SESSION.get(key, given)


def _with_credentials_of_session(
    parts: list[str], given: dict[str, Any], *, travelled: bool
) -> tuple[s3.Found, dict[str, Any]]:
    """The same for S3, by endpoint and bucket, and only where settings and environment have no credentials."""
    found = s3.find(parts, given)
    key = (f"s3://{found.host or ''}", *found.parts[:1])
    if s3.has_credentials(s3.flat(given)):
        _SESSION[key] = dict(given)
    elif key in _SESSION and not travelled and not s3.has_credentials(found.options):
        given = {**_SESSION[key], **given}
        found = s3.find(parts, given)
    return found, given


def _resolve_http(
    scheme: str, rest: str, given: dict[str, Any], public: dict[str, Any], *, travelled: bool
) -> tuple[Address, str]:
    split = urlsplit(f"{scheme}://{rest}")
    login, at, host = split.netloc.rpartition("@")
    root = f"{scheme}://{host}/"
    parts = _clean(split.path, root)
    if not (travelled or at or split.query):
        given = _of_session((root, *parts[:1]), given, secret=len(public) < len(given))
    merged = {**_configured(root + "/".join(parts)), **given}
    headers = dict(merged.pop("headers", {}))
    client = dict(merged.pop("client_kwargs", {}))
    headers.update(client.pop("headers", {}))
    if at:
        token = base64.b64encode(unquote(login).encode()).decode()
        headers["Authorization"] = f"Basic {token}"
    if headers:
        client["headers"] = headers
    if client:
        merged["client_kwargs"] = client
    secret = bool(at) or bool(split.query) or len(public) < len(given)
    address = Address(scheme, root, merged, public, secret=secret, query=split.query, travelled=travelled)
    return address, "/".join(parts)


def _configured(url: str) -> dict[str, Any]:

    return current().storage_options(url.rstrip("/"))


def _clean(path: str, url: str) -> list[str]:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise UnsafePathError(f"{url} leads out of its own store.")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return parts
