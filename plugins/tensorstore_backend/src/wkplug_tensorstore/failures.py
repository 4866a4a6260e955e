"""What tensorstore says when something fails, sorted into the error tree.

The engine raises a handful of built-in types whose text starts with a status ("NOT_FOUND: ...") and, where
the operating system had a say, ends with its error number. Only those two are looked at; the rest of the text
is passed on as the reason.
"""

from __future__ import annotations

import errno
import gzip
import re
import zlib

from wkplug.errors import (
    CorruptDataError,
    ForbiddenError,
    MissingError,
    OutOfBoundsError,
    StorageError,
    StorageFullError,
    UnsupportedOperationError,
    WkplugError,
)

__all__ = ["ENGINE_ERRORS", "sort_failure"]

ENGINE_ERRORS = (ValueError, IndexError, KeyError, TypeError, RuntimeError, OSError, OverflowError)
"""What the engine's calls raise. MemoryError is left alone: it says what it is."""

_STATUS = re.compile(r"^([A-Z_]+): ")
_OS_ERROR = re.compile(r"os_error_code='(\d+)'")
_HTTP_STATUS = re.compile(r"(?:http_response_code='|\[HTTP code )(\d+)")
_NOISE = re.compile(
    r" \[(?:http_response_body|tensorstore_spec|source locations?|transform|domain)=.*", re.DOTALL
)
_QUERY = re.compile(r"(https?://[^\s\"'?]*)\?[^\s\"']*")
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DAMAGE = frozenset({"DATA_LOSS", "FAILED_PRECONDITION", "INVALID_ARGUMENT"})
_LONGEST = 400
_LOCAL_FILE = re.compile(r'reading local file "([^"]+)"')
_GZIP_AS_N5 = f"Unexpected N5 chunk mode: {0x1F8B}"
_PIECE = 1 << 20
_MOST_PIECES = 2048


def sort_failure(
    error: BaseException, verb: str, url: str, *, otherwise: type[WkplugError] = StorageError
) -> WkplugError:
    """Give the error of the tree that `error` stands for, `otherwise` if its text doesn't tell.

    `verb` says what couldn't be done to `url`, as in "could not be written".
    """
    # Queries of signed URLs are secrets, as the headers are that the cut off part may show.
    text = _QUERY.sub(r"\1?...", _NOISE.sub("", str(error)))
    found = _STATUS.match(text)
    status = found[1] if found else ""
    reason = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
    number = _OS_ERROR.search(str(error))
    message = f"{url} could not be {verb}: {reason}"
    answer = _HTTP_STATUS.search(str(error))
    if number is not None:
        return _by_number(int(number[1]), message)
    if status == "NOT_FOUND":
        return MissingError(message)
    if status in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
        return ForbiddenError(message, hint="Check the credentials and the permissions of that place.")
    if status == "RESOURCE_EXHAUSTED":
        return StorageFullError(message, hint="Free some space, or write elsewhere.")
    if status == "OUT_OF_RANGE":
        return OutOfBoundsError(f"{url} could not be {verb}: the box leaves the array ({reason}).")
    if isinstance(error, NotImplementedError) or status == "UNIMPLEMENTED" or "is not registered" in text:
        return UnsupportedOperationError(message)
    if status in _DAMAGE and answer is None and _is_gzipped(text):
        return CorruptDataError(
            f"{message}. Its file was compressed by gzip as a whole, beside what the metadata say.",
            hint="Decompress the chunks (gunzip), or copy them anew with a tool that does it on the way.",
        )
    if status in _DAMAGE and answer is None:
        return CorruptDataError(message, hint="The data are damaged; restore them from a copy.")
    return otherwise(message)


def _is_gzipped(text: str) -> bool:
    """Whether the chunk that an error is about is a gzip file, as buckets hold them; of local files, the whole is read.

    Chunks that their array's own codec made begin so, too: damaged ones of these can't be decompressed.
    """
    if _GZIP_AS_N5 in text:
        return True
    named = _LOCAL_FILE.search(text)
    if named is None:
        return False
    try:
        with gzip.open(named[1]) as file:
            for _ in range(_MOST_PIECES):
                if not file.read(_PIECE):
                    break
    except (OSError, EOFError, zlib.error):
        return False
    return True


def _by_number(number: int, message: str) -> WkplugError:
    if number in _FORBIDDEN:
        return ForbiddenError(message, hint="Check the permissions of that place.")
    if number in _FULL:
        return StorageFullError(message, hint="Free some space, or write elsewhere.")
    if number == errno.ENOENT:
        return MissingError(message)
    if number == errno.EISDIR:
        return CorruptDataError(message, hint="A folder stands where a shard belongs; move it away.")
    return StorageError(message)
