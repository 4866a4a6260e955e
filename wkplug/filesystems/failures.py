"""What went wrong at a place: three different answers, decided once for everybody.

Missing (definitely not there), forbidden (there or not, access was refused) and broken (everything else) must
never be confused: only the first may be read as fill value. `sort_failure` turns whatever the operating
system, a store, fsspec or an HTTP library raised into MissingError, ForbiddenError, StorageFullError or StorageError;
`is_transient` tells what passes by itself (busy server, lost connection).

Nothing is read or written here, and no other library is imported: errors are told by what a store says of them, by
errno, by the built-in type, and by the HTTP status that they or their causes carry.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

from wkplug.abc.stores import StoreFailure
from wkplug.errors import (
    BucketMissingError,
    ConflictError,
    ForbiddenError,
    MissingError,
    StorageError,
    StorageFullError,
    UnlistableError,
    UnsupportedOperationError,
    WkplugError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wkplug.abc import Location

__all__ = ["causes", "http_status", "is_transient", "may_be_hidden", "sort_failure"]

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
_NO_BUCKET = re.compile(
    r"NoSuchBucket|ContainerNotFound|\b(bucket|container) (does not exist|is not there)", re.IGNORECASE
)
"""What object stores say of a missing bucket, which HTTP tells as 404 like a missing object."""
_NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"})
"""Names, because the libraries that define them are optional, and importing one to compare would load it."""


def causes(error: BaseException) -> Iterator[BaseException]:
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
    for one in causes(error):
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
    if isinstance(error, StoreFailure):
        return error.kind == "busy"
    if isinstance(error, WkplugError):
        return False
    status = http_status(error)
    if status is not None:
        return status in _TRANSIENT_STATUS
    for one in causes(error):
        if isinstance(one, (ConnectionError, TimeoutError)) or type(one).__name__ in _TRANSIENT_TYPES:
            return True
        if isinstance(one, OSError) and one.errno in _TRANSIENT:
            return True
    return False


def may_be_hidden(error: WkplugError, location: Location) -> bool:
    """Whether a failed look may only mean that a place shows nothing there: it is absent or refused, or a web server's.

    Those answer as they like for what is no file. Of all others, what fails is not known, and not to be passed over.
    """
    return isinstance(error, MissingError | ForbiddenError | UnlistableError) or not location.lists_all


def sort_failure(error: BaseException, action: str, url: str) -> WkplugError:
    """Turn `error`, met while doing `action` ("read", "written", ...) to `url`, into one of the tree.

    The caller raises the result `from error`. Errors that are of the tree already come back as they are.
    """
    if isinstance(error, WkplugError):
        return error
    start = f"{url} could not be {action}: "
    if isinstance(error, StoreFailure):
        return _sort_answer(error, start, url)
    if isinstance(error, NotImplementedError):
        return _sort_answer(StoreFailure("unsupported"), start, url)
    status = http_status(error)
    number = error.errno if isinstance(error, OSError) else None
    reason = _reason(error)
    if status in (404, 410):
        return _missing(start, " ".join(map(str, causes(error))))
    if status in (401, 403):
        return _forbidden(start, status)
    if any(type(one).__name__ in _NO_CREDENTIALS for one in causes(error)):
        return _forbidden(start, None)
    if status in (413, 507):
        return StorageFullError(f"{start}the server has no room for it (HTTP {status}).")
    if status is not None and status >= 400:
        return StorageError(f"{start}the server answered HTTP {status} ({reason}).")
    if any(type(one).__module__ == _NOT_ANSWERED for one in causes(error)):
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


def _missing(start: str, said: str) -> MissingError | BucketMissingError:
    if _NO_BUCKET.search(said):
        return BucketMissingError(
            f"{start}its bucket is not there.",
            hint="The bucket doesn't exist: check its name in the address, or create it first.",
        )
    return MissingError(f"{start}it is not there.")


def _forbidden(start: str, status: int | None, said: str = "") -> ForbiddenError:
    if status is None and not said:
        return ForbiddenError(
            f"{start}no credentials were found for it.",
            hint="Give them in the setting `storage` or in the environment, or set anon = true for public data.",
        )
    refused = f"the server refused access (HTTP {status})" if status is not None else ""
    return ForbiddenError(
        f"{start}{': '.join(filter(None, (refused, said)))}.",
        hint="Check the credentials and permissions for this address.",
    )


def _sort_answer(failure: StoreFailure, start: str, url: str) -> WkplugError:
    """Turn what a store answered into an error for people."""
    said = failure.text.strip().rstrip(".")
    told = f"the server answered HTTP {failure.status}" if failure.status is not None else ""
    reason = f"{told} ({said})" if told and said else told or said or "the store gave no reason"
    match failure.kind:
        case "missing":
            found: WkplugError = _missing(start, said)
            if said and found.hint is None:
                found = MissingError(f"{start}{said}.")
        case "forbidden":
            found = _forbidden(start, failure.status, said)
        case "conflict" | "unchanged":
            found = ConflictError(
                f"{url} was changed by someone else: it is no longer the version that was read.",
                hint="Read it again and repeat the change.",
            )
        case "full":
            status = f" (HTTP {failure.status})" if failure.status is not None else ""
            found = StorageFullError(f"{start}the server has no room for it{status}.")
        case "unsupported":
            scheme = url.partition("://")[0]
            found = UnsupportedOperationError(start + (said or f"{scheme}:// places can't do that") + ".")
        case _:
            found = StorageError(f"{start}{reason}.")
    if failure.hint is not None:
        found.hint = failure.hint
    return found
