"""What servers answer and obstore raises, as `StoreFailure`: kind, status and a reason in words.

A web page is no answer of a store's, whatever its status: a proxy, or another server, says nothing of the objects.
obstore says what a server answered in the text of its errors alone. What is read from it is the status, the code that
the server gave, and what kind of transport error it was; the text itself, with its XML and its signed URLs, is shown to
nobody.
"""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from wkplug.abc import StoreFailure

if TYPE_CHECKING:
    from wkplug.abc.stores import FailureKind

__all__ = [
    "ABSENT_BUCKET",
    "STRANGER",
    "another_range",
    "answered",
    "code_of",
    "is_page",
    "is_partial",
    "page_failure",
    "region_of",
    "status_of",
    "store_failure",
    "unreadable_key",
]

ABSENT_BUCKET = "the bucket does not exist"
"""The words by which the core knows it."""

_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_CODE = re.compile(r"<Code>\s*(\w{2,64})\s*</Code>|\\?\"reason\\?\":\s*\\?\"(\w{2,64})|\(code: (\w+)\)")
_REGION = re.compile(r"<Region>\s*([a-z0-9-]{4,32})\s*</Region>")
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|(bucket|container) does not exist", re.IGNORECASE)
_PAGE = re.compile(r"<!doctype\s+html|<html[\s>]", re.IGNORECASE)
STRANGER = "what answers there doesn't speak as such a store does"
_REASONS = {
    "InvalidAccessKeyId": "the access key is not known there",
    "SignatureDoesNotMatch": "the secret does not fit to the key",
    "ExpiredToken": "the session token has expired",
    "ExpiredTokenException": "the session token has expired",
    "TokenRefreshRequired": "the session token has expired",
    "InvalidToken": "the session token is not valid",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "AuthenticationFailed": "the credentials are not valid, or have expired",
    "InvalidAuthenticationInfo": "the credentials are not valid",
    "NoAuthenticationInformation": "it wants credentials",
    "AllAccessDisabled": "the bucket is closed",
    "AccountIsDisabled": "the storage account is disabled",
    "RequestPayer": "the bucket makes whoever reads pay (requester_pays = true)",
    "AuthorizationHeaderMalformed": "the bucket lies in another region",
    "PermanentRedirect": "the bucket lies in another region",
    "SlowDown": "the server asks to slow down",
    "ServerBusy": "the server is busy",
    "OperationTimedOut": "the server took too long",
    "EntityTooLarge": "it is larger than the server takes",
}
_BUSY = frozenset({"SlowDown", "ServerBusy", "OperationTimedOut", "RequestTimeout", "InternalError"})
_NO_BUCKETS = frozenset({"NoSuchBucket", "ContainerNotFound"})
_EXPIRED = frozenset({"ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAuthenticationInfo"})
_BUSY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_KINDS: dict[int, FailureKind] = {
    304: "unchanged", 404: "missing", 405: "unsupported", 409: "conflict", 410: "missing", 412: "conflict",
    413: "full", 501: "unsupported", 507: "full",
}  # fmt: skip
_TRANSPORT = (
    ("timed out", "the server did not answer in time"),
    ("TimedOut", "the server did not answer in time"),
    ("dns error", "the name of its host is not known"),
    ("failed to lookup address", "the name of its host is not known"),
    ("Connection refused", "nothing answers at its address"),
    ("certificate", "the certificate of the server is not trusted"),
    ("tls", "no secure connection could be made"),
    ("Connection reset", "the connection was lost"),
    ("request or response body", "the connection ended before the whole answer had come"),
    ("decoding response body", "the connection ended before the whole answer had come"),
    ("IncompleteBody", "the connection ended before the whole answer had come"),
    ("IncompleteMessage", "the connection ended before the whole answer had come"),
    ("error sending request", "no connection to the server"),
)
_METADATA_SERVICE = re.compile(r"169\.254\.169\.254|metadata\.google\.internal")


def status_of(error: BaseException) -> int | None:
    """Give the status that the server answered with, None if there was no answer."""
    found = _STATUS.search(str(error))
    if found is not None:
        return int(found[1])
    code = code_of(error)
    return int(code) if code.isdigit() else None


def code_of(error: BaseException | str) -> str:
    """Give the server's own word for what went wrong, as in "NoSuchKey"; "" if it said none."""
    found = _CODE.search(str(error))
    return next(filter(None, found.groups()), "") if found is not None else ""


def is_page(text: str) -> bool:
    """Whether an answer is a web page."""
    return _PAGE.search(text) is not None


def page_failure(status: int | None) -> StoreFailure:
    """Say of a web page that it isn't the store's answer."""
    return StoreFailure(
        "forbidden" if status in (401, 403, 407) else "broken",
        "a web page came in place of the store's answer",
        status=status,
        hint="A proxy, or another server, answers at this address: check the endpoint, and the proxy's settings.",
    )


def another_range() -> StoreFailure:
    """Say that a server lies about ranges."""
    return StoreFailure(
        "broken",
        "the server sent another range than the one that was asked for",
        hint="A server, or a cache before it, that confuses ranges can't be read in parts: copy the data to a disk.",
    )


def region_of(error: BaseException) -> str | None:
    """Give the region in which the server says that the bucket lies; "" if it says no more than "elsewhere"."""
    text = str(error)
    found = _REGION.search(text)
    if found is not None:
        return found[1]
    bare = "redirect without LOCATION" in text or "BareRedirect" in text or status_of(error) == 301
    return "" if bare or code_of(error) in ("PermanentRedirect", "AuthorizationHeaderMalformed") else None


def is_partial(error: BaseException) -> bool:
    """Whether a server gave the whole where a range was asked for, or of an empty object something that is no range."""
    said = str(error)
    return (
        "NotPartial" in said
        or "non-partial response" in said
        or "CONTENT_RANGE" in said.upper().replace(" ", "_")
    )


def unreadable_key(error: BaseException) -> bool:
    """Whether a listing has a key in it that obstore can't spell, such as one with an empty part."""
    return "InvalidPath" in str(error) or type(error).__name__ == "InvalidPathError"


def store_failure(error: Exception) -> StoreFailure:
    """Say what obstore's error means."""
    name, text, status, code = type(error).__name__, str(error), status_of(error), code_of(error)
    if "StartTooLarge" in text:  # a range behind the end, of which the server gave nothing
        return StoreFailure("broken", "the range lies behind its end", status=416)
    if name == "NotModifiedError" or status == 304:
        return StoreFailure("unchanged", status=304)
    if _METADATA_SERVICE.search(text):
        return StoreFailure("forbidden", "no credentials were found for it")
    if _NO_BUCKET.search(text):
        return StoreFailure("missing", ABSENT_BUCKET, status=404)
    if status is not None and 400 <= status < 500 and status not in _BUSY_STATUS and is_page(text):
        return page_failure(status)
    if status in (409, 412) or name in ("AlreadyExistsError", "PreconditionError"):
        return StoreFailure("conflict", status=status)
    if status in (404, 410) or isinstance(error, FileNotFoundError):
        return StoreFailure("missing", status=status)
    if status is None and name in ("PermissionDeniedError", "UnauthenticatedError"):
        status = 403
    if status is None:
        return _no_answer(error)
    return answered(status, code)


def answered(status: int, code: str, *, page: bool = False, wait: str = "") -> StoreFailure:
    """Say what a status means, with the server's own word for what went wrong; page: the body is a web page.

    wait: what the server says of when to come again.
    """
    if code in _NO_BUCKETS:
        return StoreFailure("missing", ABSENT_BUCKET, status=status)
    if page and 400 <= status < 500 and status not in _BUSY_STATUS:
        return page_failure(status)
    kind = _kind(status, code)
    known = _REASONS.get(code, "" if kind in ("missing", "forbidden", "unchanged", "conflict") else code)
    return StoreFailure(kind, known, status=status, wait=_seconds(wait) if kind == "busy" else None)


def _seconds(wait: str) -> float | None:
    """The seconds that a Retry-After asks to wait, which is a number of them or a time."""
    if wait.strip().isdigit():
        return float(wait)
    try:
        return max(0.0, parsedate_to_datetime(wait).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _kind(status: int, code: str) -> FailureKind:
    if status in _BUSY_STATUS or code in _BUSY:
        return "busy"
    if status in (401, 403) or code in _EXPIRED:
        return "forbidden"
    return _KINDS.get(status, "broken")


def _no_answer(error: Exception) -> StoreFailure:
    """Sort what went wrong before there was an answer, or after it had begun."""
    text = str(error)
    if unreadable_key(error):
        return StoreFailure(
            "unsupported", "a key there has empty parts or dots for parts, which obstore can't spell"
        )
    if type(error).__name__ in ("NotSupportedError", "NotImplementedError"):
        return StoreFailure("unsupported", "the store can't do that")
    if ("Missing" in text and "header" in text.lower()) or "invalid list response" in text:
        return StoreFailure("broken", STRANGER)
    if "UnexpectedRange" in text:
        return another_range()
    for sign, reason in _TRANSPORT:
        if sign in text:
            broken = "certificate" in reason
            return StoreFailure("broken" if broken else "busy", reason)
    if region_of(error) is not None:
        return StoreFailure("broken", _REASONS["PermanentRedirect"])
    if "error" in text and "http" in text.lower():
        return StoreFailure("busy", "the connection was lost")
    return StoreFailure("broken", f"obstore could not do it ({type(error).__name__})")
