"""What went wrong at a place: three different answers, decided once for everybody.

Missing (definitely not there), forbidden (there or not, access was refused) and broken (everything else) must
never be confused: only the first may be read as fill value. `sort_failure` turns whatever the operating
system, fsspec or an HTTP library raised into MissingError, ForbiddenError, StorageFullError or StorageError;
`with_retries` repeats what failed for a passing reason (busy server, lost connection) before it gives up.

Nothing is read or written here, and no other library is imported: errors are told by errno, by the built-in
type, and by the HTTP status that they or their causes carry.
"""

from __future__ import annotations

import errno
import re
import time
from typing import TYPE_CHECKING, TypeVar

from wkplug.errors import ForbiddenError, MissingError, StorageError, StorageFullError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["http_status", "is_transient", "sort_failure", "with_retries"]

Result = TypeVar("Result")

_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_TRANSIENT = frozenset(
    {
        errno.EAGAIN, errno.EBUSY, errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET,
        errno.EHOSTUNREACH, errno.EINTR, errno.EIO, errno.ENETUNREACH, errno.EPIPE, errno.ESTALE,
        errno.ETIMEDOUT,
    }
)  # fmt: skip
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_STATUS_NAMES = ("status", "status_code", "code", "http_status")
_TRANSIENT_TYPES = frozenset(
    {
        "ClientConnectionError", "ClientConnectorError", "ClientPayloadError", "ConnectTimeoutError",
        "ConnectionClosedError", "EndpointConnectionError", "IncompleteRead", "ReadTimeoutError",
        "ResponseStreamingError", "ServerDisconnectedError", "ServerTimeoutError", "SlowDown",
    }
)  # fmt: skip
_NOT_ANSWERED = "aiohttp.http_exceptions"
"""Where errors about answers that broke off are defined; the status 400 that they carry is no server's."""
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|\b(bucket|container) does not exist", re.IGNORECASE)
"""What object stores say of a missing bucket, which HTTP tells as 404 like a missing object."""
_NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"})
"""Names, because the libraries that define them are optional, and importing one to compare would load it."""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Iterate over the error and what caused it, the deepest cause last."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def http_status(error: BaseException) -> int | None:
    """Find the HTTP status that an error, or the deepest of its causes that has one, carries.

    The deepest counts, because some libraries raise FileNotFoundError from whatever the server answered.
    """
    found: int | None = None
    for one in _chain(error):
        if type(one).__module__ == _NOT_ANSWERED:
            continue
        for name in _STATUS_NAMES:
            value = getattr(one, name, None)
            if isinstance(value, str) and value.isdigit():
                value = int(value)
            if isinstance(value, int) and 100 <= value <= 599:
                found = value
                break
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            value = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            found = value if isinstance(value, int) else found
    return found


def is_transient(error: BaseException) -> bool:
    """Say whether trying again may help: a busy or failing server, a lost connection, a timeout."""
    status = http_status(error)
    if status is not None:
        return status in _TRANSIENT_STATUS
    for one in _chain(error):
        if isinstance(one, (ConnectionError, TimeoutError)) or type(one).__name__ in _TRANSIENT_TYPES:
            return True
        if isinstance(one, OSError) and one.errno in _TRANSIENT:
            return True
    return False


def sort_failure(error: BaseException, action: str, url: str) -> StorageError:
    """Turn `error`, met while doing `action` ("read", "written", ...) to `url`, into one of the tree.

    The caller raises the result `from error`. Errors that are of the tree already come back as they are.
    """
    if isinstance(error, StorageError):
        return error
    start = f"{url} could not be {action}: "
    status = http_status(error)
    number = error.errno if isinstance(error, OSError) else None
    reason = _reason(error)
    if status in (404, 410):
        if any(_NO_BUCKET.search(str(one)) for one in _chain(error)):
            return MissingError(
                f"{start}its bucket is not there.",
                hint="The bucket doesn't exist: check its name in the address, or create it first.",
            )
        return MissingError(f"{start}it is not there.")
    if status in (401, 403):
        return ForbiddenError(
            f"{start}the server refused access (HTTP {status}).",
            hint="Check the credentials and permissions for this address.",
        )
    if any(type(one).__name__ in _NO_CREDENTIALS for one in _chain(error)):
        return ForbiddenError(
            f"{start}no credentials were found for it.",
            hint="Give them in the setting `storage` or in the environment, or set anon = true for public data.",
        )
    if status in (413, 507):
        return StorageFullError(f"{start}the server has no room for it (HTTP {status}).")
    if status is not None and status >= 400:
        return StorageError(f"{start}the server answered HTTP {status} ({reason}).")
    if any(type(one).__module__ == _NOT_ANSWERED for one in _chain(error)):
        return StorageError(
            f"{start}the connection ended before the whole answer had come.",
            hint="Try again; if it stays so, the server, or a proxy before it, breaks connections off.",
        )
    if is_transient(error):
        return StorageError(f"{start}{reason}.")
    if number in _MISSING or isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return MissingError(f"{start}it is not there.")
    if number in _FORBIDDEN or isinstance(error, PermissionError):
        return ForbiddenError(
            f"{start}access was refused ({reason}).",
            hint="Check who owns the place, its permissions, and whether it is mounted for reading only.",
        )
    if number in _FULL:
        return StorageFullError(
            f"{start}there is no space left ({reason}).",
            hint="Free some space or raise the quota, then run the same command again.",
        )
    if number == errno.EISDIR or isinstance(error, IsADirectoryError):
        return StorageError(f"{start}it is a folder where a file was expected.")
    if number == errno.ESPIPE:
        return StorageError(f"{start}it is a pipe or a device, no file.")
    if number == errno.ENAMETOOLONG:
        return StorageError(f"{start}the name is too long for this file system.")
    if number == errno.ELOOP:
        return StorageError(f"{start}its symbolic links lead in a circle.")
    if number in (errno.EMFILE, errno.ENFILE):
        return StorageError(
            f"{start}too many files are open.", hint="Raise the limit (`ulimit -n`) or use fewer workers."
        )
    return StorageError(f"{start}{reason}.")


def _reason(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text or type(error).__name__).strip().rstrip(".")


def with_retries(
    call: Callable[[], Result], action: str, url: str, *, attempts: int = 4, first_delay: float = 0.1
) -> Result:
    """Do `call`; repeat it, up to `attempts` times in all, while it fails for a passing reason.

    Waits double from `first_delay` seconds and are jittered, so that many workers don't come back at once.
    What fails in the end is raised as `sort_failure` says. `call` must be safe to repeat.
    """
    attempt = 1
    while True:
        try:
            return call()
        except Exception as error:
            if attempt >= attempts or not is_transient(error):
                failure = sort_failure(error, action, url)
                if failure is error:
                    raise
                if attempt > 1:
                    failure.message += f" Tried {attempt} times."
                raise failure from error
        # The jitter spreads retries; it guards no secret.
        import random

        time.sleep(first_delay * 2 ** (attempt - 1) * (0.5 + random.random()))  # noqa: S311
        attempt += 1
