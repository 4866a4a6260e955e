"""Copying folders byte by byte, from any place to any other.

Files appear at the target whole or not at all. Our own lock and temporary files stay behind. Links are
never followed out of the source: what they lead to inside it is copied as files, what lies outside is left
out with a warning. Files are held in memory one at a time per thread, unless both sides are local.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from wkplug.errors import MissingError, StorageError, UnlistableError
from wkplug.filesystems.local import check_is_file, sort_write_failure, sync_folder, write_fully
from wkplug.filesystems.paths import TEMPORARY_PREFIX, is_scrap
from wkplug.notices import warn_user

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from wkplug.abc import Location

__all__ = ["can_be_listed", "copy_tree"]

_THREADS = 8
_SPARSE_FROM = 1 << 20
_PIECE = 1 << 22
_PAGE_BYTES = 256
_PAGES = (b"<!doctype html", b"<html")


def can_be_listed(folder: Location) -> bool:
    """Whether the place tells all names in a folder, so that what it doesn't name isn't there."""
    try:
        next(iter(folder.list_all()), None)
    except UnlistableError:
        return False
    return True


def copy_tree(
    source: Location,
    target: Location,
    *,
    skip: Collection[str] = (),
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Copy the folder (or file) `source` to `target`, and give the number of files.

    `skip` holds names of files and folders to leave out, at any depth, or paths below `source` ("color/1").
    threads: how many files are copied at once; by default one on local disks, several elsewhere. progress is called
    with the number of files done and of all, by this thread, after each. Files that are at the target are replaced,
    others stay. MissingError if there is no source, StorageError
    if one lies inside the other.
    """
    if source == target or _inside(source, target) or _inside(target, source):
        raise StorageError(f"{source.url} can't be copied to {target.url}: one lies inside the other.")
    if not source.exists():
        if not can_be_listed(source):
            raise UnlistableError(
                f"{source.url} could not be copied: there is no such file, and if it is a folder, its server doesn't "
                "tell what is in it.",
                hint="Copy it from an object store or a disk, or refer to it instead.",
            )
        raise MissingError(f"{source.url} could not be copied: it is not there.")
    from_path, to_path = source.local_path(), target.local_path()
    if _is_file(source):
        _copy_file(source, target)
        return 1
    files: list[tuple[Location, Location]] = []
    for kind, parts in _walk(source, frozenset(skip)):
        place = target.child(*parts) if parts else target
        if kind == "folder":
            place.make_folder()
        else:
            files.append((source.child(*parts), place))
    local = from_path is not None and to_path is not None
    workers = (1 if local else _THREADS) if threads is None else max(1, threads)
    for done, _ in enumerate(_copied(files, workers, durable=not local), 1):
        if progress is not None:
            progress(done, len(files))
    if local:
        for folder in {os.path.dirname(place.url) for _, place in files}:  # noqa: PTH120 - plain text
            sync_folder(folder)
    return len(files)


def _copied(files: list[tuple[Location, Location]], workers: int, *, durable: bool) -> Iterator[None]:
    """Copy files, and say so after each."""
    if workers == 1:
        for pair in files:
            _copy_file(*pair, durable=durable)
            yield
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers, thread_name_prefix="wkplug-copy") as pool:
        for done in [pool.submit(_copy_file, *pair, durable=durable) for pair in files]:
            done.result()
            yield


def _is_file(location: Location) -> bool:
    path = location.local_path()
    if path is not None:
        return not os.path.isdir(path)  # noqa: PTH112 - plain text
    if not can_be_listed(location):
        if location.read(0, _PAGE_BYTES).lstrip().lower().startswith(_PAGES):
            raise UnlistableError(
                f"{location.url} could not be copied: the server answers with a web page, as for folders, and doesn't "
                "tell for certain what is in it.",
                hint="Copy it from an object store or a disk, or refer to it instead.",
            )
        return True
    # Object stores may have "a" and "a/b" at once: then "a" is a folder here.
    return location.version() is not None and next(location.list(), None) is None


def _inside(outer: Location, inner: Location) -> bool:
    return type(outer) is type(inner) and inner.url.startswith(outer.url.rstrip("/") + "/")


def _walk(source: Location, skip: frozenset[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Iterate over ("folder" | "file", parts below the source), parents first."""
    path = source.local_path()
    root = os.path.realpath(path) if path is not None else None
    yield "folder", ()
    pending: list[tuple[tuple[str, ...], frozenset[str]]] = [((), frozenset({root} if root else ()))]
    while pending:
        parts, above = pending.pop()
        folder = source.child(*parts) if parts else source
        for entry in folder.list_all():
            name = entry.rstrip("/")
            below = (*parts, name)
            if is_scrap(name) or name in skip or "/".join(below) in skip:
                continue
            real: str | None = None
            if path is not None and root is not None:
                real = _real_path(os.path.join(path, *below), root)  # noqa: PTH118 - plain text
                if real is None:
                    continue
            if not entry.endswith("/"):
                yield "file", below
            elif real is None or real not in above:
                yield "folder", below
                pending.append((below, above | {real} if real else above))
            else:
                warn_user(
                    f"[WARNING] {folder.url}/{name} was not copied: it is a link in a circle.", UserWarning
                )


def _real_path(path: str, root: str) -> str | None:
    """Where a path leads, None (with a warning) if a link leads out of `root` or nowhere."""
    if not os.path.islink(path):  # noqa: PTH114 - plain text
        return os.path.realpath(path)
    real = os.path.realpath(path)
    if not (real == root or real.startswith(root.rstrip(os.sep) + os.sep)):
        warn_user(f"[WARNING] {path} was not copied: it is a link to {real}, outside of {root}.", UserWarning)
        return None
    if not os.path.exists(real):  # noqa: PTH110 - plain text
        warn_user(f"[WARNING] {path} was not copied: it is a link to nothing.", UserWarning)
        return None
    return real


def _copy_file(source: Location, target: Location, *, durable: bool = True) -> None:
    from_path, to_path = source.local_path(), target.local_path()
    if from_path is None or to_path is None:
        target.write(source.read())
        return
    folder = os.path.dirname(to_path)  # noqa: PTH120 - plain text
    temporary = os.path.join(folder, f"{TEMPORARY_PREFIX}{os.getpid()}-{os.urandom(6).hex()}")  # noqa: PTH118
    try:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - plain text
        try:
            # Uses what the system has for it (reflinks, copying in the kernel).
            import shutil

            check_is_file(os.stat(from_path).st_mode, from_path)  # noqa: PTH116 - plain text
            if not _copy_with_holes(from_path, temporary):
                shutil.copyfile(from_path, temporary)
            _sync_file(temporary)
            os.replace(temporary, to_path)  # noqa: PTH105 - plain text
        finally:
            if os.path.lexists(temporary):
                os.unlink(temporary)  # noqa: PTH108 - plain text
    except OSError as error:
        raise sort_write_failure(error, f"copied to {target.url}", source.url, target=to_path) from error
    if durable:
        sync_folder(folder)


def _copy_with_holes(source: str, target: str) -> bool:
    """Copy a file of which much was never written, leaving its holes; False where it is no such file."""
    if not hasattr(os, "SEEK_DATA"):
        return False
    facts = os.stat(source)  # noqa: PTH116 - plain text
    if facts.st_size < _SPARSE_FROM or facts.st_blocks * 512 > facts.st_size // 2:
        return False
    with open(source, "rb", buffering=0) as old, open(target, "wb", buffering=0) as new:  # noqa: PTH123 - plain text
        position = 0
        while position < facts.st_size:
            try:
                start = os.lseek(old.fileno(), position, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                break  # nothing but a hole is left
            position = os.lseek(old.fileno(), start, os.SEEK_HOLE)
            old.seek(start)
            new.seek(start)
            while start < position:
                piece = old.read(min(_PIECE, position - start))
                if not piece:
                    break
                write_fully(new.fileno(), piece)
                start += len(piece)
        new.truncate(facts.st_size)
    return True


def _sync_file(path: str) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
