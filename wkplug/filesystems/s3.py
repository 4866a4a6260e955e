"""S3, and what is particular to it: endpoints in URLs, credentials per prefix, conditional puts, tensorstore's view.

URLs come in two forms: s3://bucket/key for the default endpoint, and s3://host[:port]/bucket/key, the form
that datasets record when an endpoint was given. The first part is taken for a host if it has a port, is
"localhost", or holds a dot; a bucket with dots in its name needs `endpoint_url` in the setting `storage`. An
endpoint is spoken to by https, except on this machine or where settings or environment say otherwise.

Credentials: the argument, then the setting `storage`, then AWS_ACCESS_KEY_ID__<SUFFIX> and
AWS_SECRET_ACCESS_KEY__<SUFFIX> for the longest suffix made of host, bucket and key parts, then Amazon's own
chain.
"""

from __future__ import annotations

import atexit
import contextlib
import ipaddress
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import attrs

from wkplug.config import current
from wkplug.errors import ConflictError, InvalidArgumentError, redacted
from wkplug.filesystems.drivers import (
    SESSION,
    Address,
    Range,
    clean_parts,
    public_options,
    split_url,
    stores_with_races,
)
from wkplug.filesystems.failures import http_status
from wkplug.filesystems.object_stores import ObjectStoreLocation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["S3Location", "find", "kvstore", "suffix_credentials"]

_ENDPOINT_VARIABLES = ("S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_CREDENTIALS = ("key", "secret", "token", "anon", "profile")
_LARGEST_SINGLE_PUT = 100 * 2**20
# As in key:secret@bucket. What has a port instead of a password is a host; secrets may hold slashes.
_LOGIN = re.compile(r"(?!\[?[^/\s@]*\]?:\d+/)([^\s@/:]*):([^\s@]*)@")
_stores_with_conditions: set[str] = set()
"""The stores that this process has asked whether they look at conditions."""


class S3Location(ObjectStoreLocation):
    """An object on S3, or on a store that speaks as S3 does; or all objects whose names begin alike.

    `if_match` is a conditional put, which the store itself checks, as far as it can.
    """

    __slots__ = ()

    attempts = 1
    has_conditional_writes = True
    reads_ends = True
    path_has_host = True

    @classmethod
    def resolve(
        cls, url: str, options: Mapping[str, Any] | None = None, *, travelled: bool = False
    ) -> tuple[Address, str]:
        """As every location, with the endpoint in the root; InvalidArgumentError for a signed URL."""
        _, rest = split_url(url)
        given = dict(options or {})
        public = public_options(given)
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
        found, given = _with_credentials_of_session(clean_parts(rest, url), given, travelled=travelled)
        address = Address(
            "s3",
            f"s3://{found.host}/" if found.host else "s3://",
            driver_options(found.options, found.endpoint),
            {**public, **({"endpoint_url": found.endpoint} if found.endpoint else {})},
            secret=len(public_options(flat(given))) < len(flat(given)),
            travelled=travelled,
        )
        return address, "/".join(found.parts)

    @property
    def store(self) -> str:
        """The endpoint: one server has all buckets."""
        return f"s3://{self._address.options.get('endpoint_url')}"

    def native(self, kind: str) -> Mapping[str, Any] | None:
        """Answer "fsspec" and "tensorstore.kvstore". Never store it: it may hold secrets."""
        if kind != "tensorstore.kvstore" or not self._path:
            return super().native(kind)
        return kvstore(flat(self._address.options), self._path)

    @property
    def _target(self) -> str:
        return self._path

    def _fetch(self, ranges: Sequence[Range]) -> list[bytes]:
        if len(ranges) == 1 and ranges[0] == (None, None):
            # In one request: pieces could come from two versions of the object.
            return [self._do("read", lambda driver: bytes(driver.cat_file(self._path, max_concurrency=1)))]
        return super()._fetch(ranges)

    def _version(self) -> str | None:
        bucket, slash, key = self._path.partition("/")
        if not slash:
            return super()._version()
        # One request: the driver's own look asks for folders too.
        answer = self._do("looked at", lambda driver: driver.call_s3("head_object", Bucket=bucket, Key=key))
        return _etag(answer)

    def write(self, data: bytes, *, if_match: str | None = None) -> str:
        """Put the whole object and give its new version; the store checks the condition, if it has any."""
        version = self._put_object(data, if_match)
        if version is None:
            self._warn_of_races()
            return super().write(data, if_match=if_match)
        root = self._address.root
        if if_match == "" and root not in _stores_with_conditions | stores_with_races:
            # Some stores take the headers and pass over them: those create once more what was just created.
            _stores_with_conditions.add(root)
            with contextlib.suppress(ConflictError):
                version = self._put_object(data, "") or version
                self._warn_of_races()
        return version

    def _put_object(self, data: bytes, if_match: str | None) -> str | None:
        """Put the object, and give its new version.

        None says that the driver or the store knows no conditions, and nothing was written.
        """
        condition: dict[str, str] = {}
        if if_match is not None:
            condition = {"IfMatch": f'"{if_match}"'} if if_match else {"IfNoneMatch": "*"}
        return self._do("written", lambda driver: self._put_with(driver, data, condition))

    def _put_with(self, driver: Any, data: bytes, condition: Mapping[str, str]) -> str | None:
        bucket, _, key = self._path.partition("/")
        if condition:
            members = driver.s3.meta.service_model.operation_model("PutObject").input_shape.members
            if not set(condition) <= set(members):
                return None
        elif len(data) > _LARGEST_SINGLE_PUT:
            driver.pipe_file(self._path, data)
            return _etag(driver.info(self._path))
        try:
            return _etag(driver.call_s3("put_object", Bucket=bucket, Key=key, Body=data, **condition))
        except Exception as error:
            status = http_status(error)
            if condition and (status in (409, 412) or (status == 404 and "IfMatch" in condition)):
                raise self.conflict() from error
            if condition and status == 501:
                return None
            raise


def _etag(answer: Mapping[str, Any]) -> str:
    return str(answer["ETag"]).strip('"')


# --- endpoints and credentials ----------------------------------------------------------------------------


@attrs.frozen(eq=False)
class Found:
    """Where a URL leads: the host as in URLs (None without endpoint), bucket and key, and all options."""

    host: str | None
    endpoint: str | None
    parts: list[str]
    options: dict[str, Any] = attrs.field(repr=False)


def flat(options: Mapping[str, Any]) -> dict[str, Any]:
    """Lift what users write into `client_kwargs` to the top: endpoint_url and region."""
    result = dict(options)
    client = dict(result.pop("client_kwargs", None) or {})
    if "endpoint_url" in client:
        result.setdefault("endpoint_url", client.pop("endpoint_url"))
    if "region_name" in client:
        result.setdefault("region", client.pop("region_name"))
    if client:
        result["client_kwargs"] = client
    if result.get("endpoint_url", "") is None:
        del result["endpoint_url"]
    return result


def find(parts: list[str], given: Mapping[str, Any]) -> Found:
    """Tell endpoint, bucket and key apart and collect the options of this place."""

    settings = current()
    explicit = flat(given)

    def configured(of: Sequence[str]) -> dict[str, Any]:
        return flat(settings.storage_options("s3://" + "/".join(of)))

    literal = configured(parts)
    endpoint = explicit.get("endpoint_url") or literal.get("endpoint_url")
    if endpoint is None and _looks_like_host(parts):
        host, bucket_parts = parts[0], parts[1:]
        candidates = [configured(bucket_parts).get("endpoint_url"), *_environment_endpoints()]
        endpoint = next((url for url in candidates if url and urlsplit(url).netloc == host), None)
        endpoint = endpoint or f"{_guess_scheme(host)}://{host}"
    elif endpoint is None:
        endpoint = next(_environment_endpoints(), None)
    if endpoint is None:
        options = literal | explicit
        return Found(None, None, parts, _with_credentials(options, "s3.amazonaws.com", parts))
    host = urlsplit(endpoint).netloc or endpoint
    bucket_parts = parts[1:] if parts and parts[0] == host else parts
    options = configured([host, *bucket_parts])
    by_bucket = configured(bucket_parts)
    # Credentials that are configured for a bucket belong to the endpoint configured with it, to no other.
    if urlsplit(by_bucket.get("endpoint_url") or "").netloc == host:
        options |= by_bucket
    options |= explicit
    return Found(host, endpoint, bucket_parts, _with_credentials(options, host, bucket_parts))


def _looks_like_host(parts: Sequence[str]) -> bool:
    return len(parts) > 1 and (parts[0] == "localhost" or ":" in parts[0] or "." in parts[0])


def _guess_scheme(host: str) -> str:
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    with contextlib.suppress(ValueError):
        return "http" if ipaddress.ip_address(name.strip("[]")).is_loopback else "https"
    return "http" if name == "localhost" else "https"


def _environment_endpoints() -> Any:
    return (os.environ[name] for name in _ENDPOINT_VARIABLES if os.environ.get(name))


def has_credentials(options: Mapping[str, Any]) -> bool:
    """Whether options say who is asking, or that nobody is."""
    return any(options.get(name) for name in _CREDENTIALS)


def _with_credentials(options: dict[str, Any], host: str, parts: Sequence[str]) -> dict[str, Any]:
    if has_credentials(options):
        return options
    found = suffix_credentials(os.environ, host, parts)
    if found is not None:
        return {**options, "key": found[0], "secret": found[1]}
    # Half a pair would make the driver fail; it counts for nothing.
    if bool(os.environ.get("AWS_ACCESS_KEY_ID")) != bool(os.environ.get("AWS_SECRET_ACCESS_KEY")):
        return {**options, "anon": True}
    return options


def _with_credentials_of_session(
    parts: list[str], given: dict[str, Any], *, travelled: bool
) -> tuple[Found, dict[str, Any]]:
    """As `of_session`, by endpoint and bucket, and only where settings and environment have no credentials."""
    found = find(parts, given)
    key = (f"s3://{found.host or ''}", *found.parts[:1])
    if has_credentials(flat(given)):
        SESSION[key] = dict(given)
    elif key in SESSION and not travelled and not has_credentials(found.options):
        given = {**SESSION[key], **given}
        found = find(parts, given)
    return found, given


def suffix_credentials(environ: Mapping[str, str], host: str, parts: Sequence[str]) -> tuple[str, str] | None:
    """Find the key id and secret whose variables' suffix is the longest prefix of host, bucket and key.

    Prefixes are whole components, in capitals, with "_" for whatever is not alphanumeric, joined by "__".
    Where one of the two is missing or empty, neither is used, and no shorter suffix either.
    """
    names = [re.sub(r"[^A-Za-z0-9]", "_", part).upper() for part in (host, *parts)]
    for length in range(len(names), 0, -1):
        suffix = "__".join(names[:length])
        key = environ.get(f"AWS_ACCESS_KEY_ID__{suffix}")
        secret = environ.get(f"AWS_SECRET_ACCESS_KEY__{suffix}")
        if key is not None or secret is not None:
            return (key, secret) if key and secret else None
    return None


def driver_options(options: Mapping[str, Any], endpoint: str | None) -> dict[str, Any]:
    """Spell the options the way that s3fs takes them."""
    result = {key: value for key, value in options.items() if key not in ("endpoint_url", "region")}
    client = dict(result.pop("client_kwargs", None) or {})
    if options.get("region"):
        client["region_name"] = options["region"]
    if client:
        result["client_kwargs"] = client
    if endpoint is not None:
        result["endpoint_url"] = endpoint
    return result


# --- tensorstore ------------------------------------------------------------------------------------------


class _CredentialFiles:
    """Hands explicit keys to engines that take none directly, but read them from a file.

    On Linux the file is memory with a name, and is gone with the process, however that ends. Elsewhere it is a private
    file: removed at exit, and, after a signal that lets nobody tidy up, by the next process that makes one.
    """

    def __init__(self) -> None:
        self.process = 0
        self.folder = ""
        self.files: dict[tuple[str, ...], str] = {}

    def file(self, key: str, secret: str, token: str | None) -> str:
        if self.process != os.getpid():
            self.process, self.files, self.folder = os.getpid(), {}, ""
        found = self.files.get((key, secret, token or ""))
        if found is None:
            lines = ["[default]", f"aws_access_key_id = {key}", f"aws_secret_access_key = {secret}"]
            lines += [f"aws_session_token = {token}"] if token else []
            found = self._written("\n".join(lines) + "\n")
            self.files[key, secret, token or ""] = found
        return found

    def _written(self, text: str) -> str:
        if sys.platform == "linux" and Path(_OPEN_FILES).is_dir():
            # Never closed: the engine may read it again at any time.
            descriptor = os.memfd_create("wkplug-keys")
            os.fchmod(descriptor, 0o600)
            os.write(descriptor, text.encode())
            return f"{_OPEN_FILES}/{descriptor}"
        if not self.folder:
            clear_credentials_of_the_dead()
            self.folder = tempfile.mkdtemp(prefix=f"{_KEYS}{self.process}-")  # only this user may enter
            atexit.register(self.clear, self.folder, self.process)
        handle, found = tempfile.mkstemp(dir=self.folder)
        with os.fdopen(handle, "w") as file:
            file.write(text)
        return found

    def clear(self, folder: str, process: int) -> None:
        if process == os.getpid():
            _remove(Path(folder))


_OPEN_FILES = "/proc/self/fd"
_KEYS = "wkplug-keys-"


def clear_credentials_of_the_dead() -> None:
    """Remove the files with keys of this user's processes that ended without tidying up."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_KEYS}*-*"):
        process = folder.name.removeprefix(_KEYS).partition("-")[0]
        if process.isdigit() and not folder.is_symlink() and not _lives(int(process)):
            with contextlib.suppress(OSError):
                _remove(folder)


def _lives(process: int) -> bool:
    if sys.platform == "win32":
        return True  # signal 0 would end it there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink(missing_ok=True)
    folder.rmdir()


_credential_files = _CredentialFiles()


def kvstore(options: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Describe a prefix for tensorstore. Keys are in none of it: it names a private file that holds them."""
    bucket, _, key = path.partition("/")
    result: dict[str, Any] = {"driver": "s3", "bucket": bucket, "path": f"{key}/" if key else ""}
    if options.get("endpoint_url"):
        result["endpoint"] = options["endpoint_url"]
        # Without a region tensorstore would ask Amazon where the bucket lies.
        result["aws_region"] = options.get("region") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    elif options.get("region"):
        result["aws_region"] = options["region"]
    if options.get("requester_pays"):
        result["requester_pays"] = True
    if options.get("anon"):
        result["aws_credentials"] = {"type": "anonymous"}
    elif options.get("key") and options.get("secret"):
        file = _credential_files.file(options["key"], options["secret"], options.get("token"))
        result["aws_credentials"] = {
            "type": "profile",
            "profile": "default",
            "credentials_file": file,
            "config_file": file,
        }
    elif options.get("profile"):
        result["aws_credentials"] = {"type": "profile", "profile": options["profile"]}
    elif os.environ.get("AWS_ACCESS_KEY_ID") and os.environ.get("AWS_SECRET_ACCESS_KEY"):
        # Naming it keeps tensorstore from asking the cloud's metadata service.
        result["aws_credentials"] = {"type": "environment"}
    return result
