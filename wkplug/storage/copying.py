"""Copying folders byte by byte, from any place to any other.

Files appear at the target whole or not at all. Our own lock and temporary files stay behind. Links are
never followed out of the source: what they lead to inside it is copied as files, what lies outside is left
out with a warning. Files are held in memory one at a time per thread, unless both sides are local; together
they keep to the memory budget.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from contextlib import ExitStack, closing, contextmanager
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from wkplug.abc import side_by_side
from wkplug.errors import MissingError, StorageError, UnlistableError, WebPageError
from wkplug.filesystems.local import check_is_file, sort_write_failure, sync_folder, write_fully
from wkplug.filesystems.paths import TEMPORARY_PREFIX, is_scrap
from wkplug.notices import warn_user
from wkplug.storage.budget import for_voxels, memory_budget

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from wkplug.abc import Location

__all__ = ["Part", "copy_parts", "copy_tree", "nothing_at"]

_AT_ONCE = 8
_SMALL_AT_ONCE = 48
_ENOUGH = 1 << 24
"""Bytes under way that keep a fast line busy; of small files, which are waited for more than sent, that takes many."""
_GUESSED_BYTES = 1 << 26
"""What a file is taken to have where nobody tells its size."""
_SPARSE_FROM = 1 << 20
_PIECE = 1 << 22


def nothing_at(location: Location) -> StorageError:
    """Make the error of a place where no file is: of web servers, nobody knows of folders.

    MissingError, or UnlistableError where there may be a folder whose names the server doesn't show.
    """
    if location.lists_all:
        return MissingError(f"There is nothing at {location.url}.", hint="Check the path.")
    try:
        names = list(location.list())
    except UnlistableError as error:
        return error
    except StorageError:
        names = []
    shown = "shows its names, but nothing that is known by them" if names else "doesn't show what is in it"
    return UnlistableError(
        f"There is no file {location.url}, and if it is a folder, its server {shown}.",
        hint="Check the address. Where folders can't be listed, give the address of what has metadata, a dataset, an "
        "array or a container, or that of a file. Or let the server show an index of its folders.",
    )


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
    threads: how many files are copied at once; by default one on local disks, elsewhere as said above. progress is
    called with the number of files done and of all, by this thread, after each. Files that are at the target are
    replaced, others stay. MissingError if there is no source, StorageError if one lies inside the other.
    """
    count = 0
    for done, count in _copied([Part(source, target)], frozenset(skip), threads):
        if progress is not None and count:
            progress(done, count)
    return count


class Part(NamedTuple):
    """Files that are copied: `begin` makes their place ready, `finish` takes note that all are there; `end` follows."""

    source: Location
    target: Location
    begin: Callable[[], None] = lambda: None
    finish: Callable[[], None] = lambda: None
    end: Callable[[], None] = lambda: None


def copy_parts(
    parts: Sequence[Part], bundle: Callable[[], AbstractContextManager[Any]], *, skip: Collection[str] = ()
) -> None:
    """Copy several folders or files as `copy_tree` does, all files side by side.

    Parts are begun a few ahead. While files are copied, the parts that are there by then are finished, in one
    `bundle` of changes, and ended after it. An error keeps no part that is there from being finished.
    """
    at_once = _most(part.target for part in parts)
    there: deque[Part] = deque()

    def finish() -> None:
        together = [there.popleft() for _ in range(len(there))]
        if together:
            with bundle():
                for part in together:
                    part.finish()
            for _ in side_by_side(lambda part: part.end(), together, at_once=at_once):
                pass

    with ExitStack() as stack:
        complete = stack.enter_context(closing(_complete(parts, frozenset(skip))))
        if at_once < 2:
            for part in complete:
                there.append(part)
                finish()
            return
        from concurrent.futures import ThreadPoolExecutor  # late: local copies need none

        thread = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="wkplug-finish"))
        finishing: deque[Future[None]] = deque()
        for part in complete:
            there.append(part)
            finishing.append(thread.submit(copy_context().run, finish))
            while finishing and finishing[0].done():
                finishing.popleft().result()
        for each in finishing:
            each.result()


def _complete(parts: Sequence[Part], skip: frozenset[str]) -> Generator[Part]:
    """Copy, and give each part as soon as all of its files are there."""
    following = iter(parts)
    for done, count in _copied(parts, skip):
        if done == count:
            yield next(following)


def _copied(
    parts: Sequence[Part], skip: frozenset[str], threads: int | None = None
) -> Iterator[tuple[int, int]]:
    """Copy, and give after each file how many of its part are there, and how many that has; (0, 0) for empty ones."""
    for part in parts:
        source, target = part.source, part.target
        if source == target or _inside(source, target) or _inside(target, source):
            raise StorageError(f"{source.url} can't be copied to {target.url}: one lies inside the other.")
    sources, targets = [part.source for part in parts], [part.target for part in parts]
    local = all(place.local_path() is not None for place in (*sources, *targets))
    # Each file is read, then written: while all of them are under way, half of them wait for either side.
    large = max(_AT_ONCE, _most(sources) + _most(targets))
    at_once = (1 if local else max(_SMALL_AT_ONCE, large)) if threads is None else max(1, threads)
    held = _Held(for_voxels(memory_budget()), large if threads is None else at_once)
    begun: deque[list[_File]] = deque()

    def files() -> Iterator[_File]:
        steps = (step for part in parts for step in (part.begin, partial(_files_of, skip, part)))
        found = side_by_side(_call, steps, at_once=max(_most(sources), _most(targets)))
        for _, listed in zip(found, found, strict=True):
            begun.append(listed)
            yield from listed

    done = 0
    for _ in side_by_side(partial(_copy_held, held, durable=not local), files(), at_once=at_once):
        while not begun[0]:
            begun.popleft()
            yield 0, 0
        done += 1
        count = len(begun[0])
        if done == count:
            done = 0
            whole = begun.popleft()
            if local:
                for folder in {os.path.dirname(file.target.url) for file in whole}:  # noqa: PTH120 - plain text
                    sync_folder(folder)
        yield done or count, count
    yield from ((0, 0) for _ in begun)


def _most(places: Iterable[Location]) -> int:
    return max((place.concurrency for place in places), default=1)


def _call(step: Callable[[], Any]) -> Any:
    return step()


def _files_of(skip: frozenset[str], part: Part) -> list[_File]:
    """The files of a part, whose folders are made; a single file is one, too."""
    source, target = part.source, part.target
    found = _listed(source, skip) if source.concurrency > 1 else None
    if found is None:
        if not source.exists():
            raise _not_there(source)
        if _is_file(source):
            return [_File(source, target, None)]
        found = []
        for kind, parts in _walk(source, skip):
            if kind == "folder":
                (target.child(*parts) if parts else target).make_folder()
            else:
                found.append(("/".join(parts), None))
    return [_File(source.child(path), target.child(path), size) for path, size in found]


class _File(NamedTuple):
    source: Location
    target: Location
    size: int | None


class _Held:
    """The files that are in memory; who wants to add one waits until there is room, or nothing else.

    most: bytes. large: how many files at once, if they have more than `_ENOUGH` bytes together.
    """

    def __init__(self, most: int, large: int) -> None:
        self._most = most
        self._large = large
        self._files = self._bytes = 0
        self._changed = threading.Condition()

    def _has_room(self, size: int) -> bool:
        together = self._bytes + size
        few = self._files < self._large or together <= _ENOUGH
        return not self._files or (few and together <= self._most)

    @contextmanager
    def adding(self, size: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._has_room(size))
            self._files += 1
            self._bytes += size
        try:
            yield
        finally:
            with self._changed:
                self._files -= 1
                self._bytes -= size
                self._changed.notify_all()


def _copy_held(held: _Held, file: _File, *, durable: bool) -> None:
    """Copy a file that goes through memory when there is room for it."""
    path = file.source.local_path()
    if path is not None and file.target.local_path() is not None:
        _copy_file(file.source, file.target, durable=durable)
        return
    size = file.size
    if size is None:
        size = _GUESSED_BYTES if path is None else os.path.getsize(path)  # noqa: PTH202 - plain text
    with held.adding(size):
        _copy_file(file.source, file.target, durable=durable)


def _listed(source: Location, skip: frozenset[str]) -> list[tuple[str, int | None]] | None:
    """All files below by their paths, from one listing; None where there are none, or what is listed isn't all."""
    try:
        found = list(source.list_files())
    except UnlistableError:
        return None
    return [(path, size) for path, size in found if not _is_left_out(path, skip)] if found else None


def _is_left_out(path: str, skip: frozenset[str]) -> bool:
    parts = path.split("/")
    if any(is_scrap(part) or part in skip for part in parts):
        return True
    return any("/".join(parts[:count]) in skip for count in range(1, len(parts) + 1))


def _not_there(source: Location) -> StorageError:
    if not source.lists_all:
        return UnlistableError(
            f"{source.url} could not be copied: there is no such file, and if it is a folder, its server doesn't "
            "tell what is in it.",
            hint="Copy it from an object store or a disk, or refer to it instead.",
        )
    return MissingError(f"{source.url} could not be copied: it is not there.")


def _is_file(location: Location) -> bool:
    path = location.local_path()
    if path is not None:
        return not os.path.isdir(path)  # noqa: PTH112 - plain text
    if not location.lists_all:
        try:
            location.read(0, 1)
        except WebPageError as error:
            raise UnlistableError(
                f"{location.url} could not be copied: the server answers with a web page, as for folders, and doesn't "
                "tell for certain what is in it.",
                hint="Copy it from an object store or a disk, or refer to it instead.",
            ) from error
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
