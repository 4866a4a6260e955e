"""Errors of the operating system and of shards, as errors of wkplug's tree.

Only "no such file" may ever be read as zeros, so it keeps a class of its own; a refusal, a full disk and
everything else are told apart, and damage names file, voxels and reason.
"""

from __future__ import annotations

import errno

from wkplug.errors import CorruptDataError, ForbiddenError, MissingError, StorageError, StorageFullError

__all__ = ["corrupt_shard", "storage_error"]


def storage_error(error: OSError, action: str, path: str) -> StorageError:
    """Sort `error`, met while `path` was `action` ("read", "written"); raise the result from it."""
    if isinstance(error, StorageError):
        return error
    reason = error.strerror or str(error)
    text = f"{path} could not be {action}: {reason}."
    number = error.errno
    if number == errno.ENOENT:
        return MissingError(text)
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ForbiddenError(
            text, hint="Check its owner and permissions, and whether the file system is mounted read-only."
        )
    if number in (errno.ENOSPC, errno.EDQUOT):
        return StorageFullError(
            text, hint="Free space and write the same box again; the old data are intact."
        )
    if number == errno.EFBIG:
        return StorageFullError(
            text, hint="The file system can't hold files of this size: use smaller shards."
        )
    if number in (errno.EMFILE, errno.ENFILE):
        return StorageError(text, hint="Raise the limit of open files (ulimit -n) or run fewer workers.")
    return StorageError(text)


def corrupt_shard(
    where: str, shard: tuple[int, int, int], shard_len: int, reason: str, block: str = ""
) -> CorruptDataError:
    """Make the error for a damaged shard: `reason` completes "is damaged: ..."; `block` names one inside."""
    spans = ", ".join(
        f"{axis} {index * shard_len} to {(index + 1) * shard_len}"
        for axis, index in zip("xyz", shard, strict=True)
    )
    return CorruptDataError(
        f"The shard {where} (voxels {spans}){block} is damaged: {reason}.",
        hint="Restore the file from a copy, or write all of its voxels again.",
    )
