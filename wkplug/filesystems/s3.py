"""What is particular to S3: endpoints in URLs, credentials per prefix, conditional puts, tensorstore's view.

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
from urllib.parse import urlsplit

import attrs

from wkplug.config import current
from wkplug.errors import ConflictError
from wkplug.filesystems.failures import http_status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Found",
    "driver_options",
    "etag",
    "find",
    "flat",
    "get",
    "has_credentials",
    "kvstore",
    "put",
    "suffix_credentials",
]

_ENDPOINT_VARIABLES = ("S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_CREDENTIALS = ("key", "secret", "token", "anon", "profile")
_LARGEST_SINGLE_PUT = 100 * 2**20


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


def put(filesystem: Any, path: str, data: bytes, if_match: str | None, url: str) -> str | None:
    """Put one object, on a condition the store itself checks; gives the new ETag.

    None says that the driver or the store knows no conditions, and nothing was written.
    ConflictError if the condition did not hold.
    """
    bucket, _, key = path.partition("/")
    condition: dict[str, str] = {}
    if if_match is not None:
        condition = {"IfMatch": f'"{if_match}"'} if if_match else {"IfNoneMatch": "*"}
        members = filesystem.s3.meta.service_model.operation_model("PutObject").input_shape.members
        if not set(condition) <= set(members):
            return None
    elif len(data) > _LARGEST_SINGLE_PUT:
        filesystem.pipe_file(path, data)
        return str(filesystem.info(path)["ETag"]).strip('"')
    try:
        answer = filesystem.call_s3("put_object", Bucket=bucket, Key=key, Body=data, **condition)
    except Exception as error:
        status = http_status(error)
        if condition and (status in (409, 412) or (status == 404 and if_match)):
            raise ConflictError(
                f"{url} was changed by someone else: it is no longer the version that was read.",
                hint="Read it again and repeat the change.",
            ) from error
        if condition and status == 501:
            return None
        raise
    return str(answer["ETag"]).strip('"')


def etag(filesystem: Any, path: str) -> str:
    """Ask for the ETag of one object, with one request (the driver's own look asks for folders too)."""
    bucket, _, key = path.partition("/")
    return str(filesystem.call_s3("head_object", Bucket=bucket, Key=key)["ETag"]).strip('"')


def get(filesystem: Any, path: str) -> bytes:
    """Read a whole object in one request: pieces could come from two versions of it."""
    return bytes(filesystem.cat_file(path, max_concurrency=1))


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


def kvstore(options: Mapping[str, Any], endpoint: str | None, path: str) -> dict[str, Any]:
    """Describe a prefix for tensorstore. Keys are in none of it: it names a private file that holds them."""
    bucket, _, key = path.partition("/")
    result: dict[str, Any] = {"driver": "s3", "bucket": bucket, "path": f"{key}/" if key else ""}
    if endpoint is not None:
        result["endpoint"] = endpoint
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
