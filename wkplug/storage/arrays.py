"""Arrays, opened: `ArrayHandle`, opening and creating, and writes that lose no voxel.

`handle.array` is the plugin's own array, a plain attribute once it was used, so that hot paths pay nothing
here. Around it the handle keeps what a backend shall not care about: the memory budget of reads, the locks
of writes, read-only handles, and opening again: after unpickling, after `close`, in a forked child, and
when `forget` says that what is on disk has changed.

The registry chooses the backend and runs the hooks; here is the cache of what is open already. An array in
the cache is used again only if it was asked for in the same way, under the same settings, and nothing has
changed in its folder since. That can be seen for one system call on local places only; elsewhere arrays are
opened anew (their handles still stay open), from what is known of their metadata where something is (`facts`).

A backend says what two processes may write side by side (`ArrayCapabilities.concurrent_writes`). What
covers whole cells of that grid needs no lock. A cell that is covered only in part is read, changed and
written back under the cell's own lock. Locks are taken in one order by everybody, so that nobody waits in a
circle; boxes with many such cells are written piece by piece. On places where several requests at the same time
are worth it, each cell is written on its own, side by side, and nobody holds two locks. An array at a place that
tells of other writers itself needs none (`Array.concurrent_writes`).

An edge cell that reaches beyond the array counts as covered in part, because another process may have made the
array larger meanwhile: it is locked, and the array is opened again first if its metadata have changed (seen on
local places only).
"""

from __future__ import annotations

import math
import os
import stat
import threading
import weakref
from collections import OrderedDict
from contextlib import ExitStack
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from wkplug import registry
from wkplug.abc import Array, ArrayBackend, CreateArray, OpenArray, write_objects
from wkplug.config import current
from wkplug.errors import (
    MissingError,
    OutOfBoundsError,
    ReadOnlyError,
    ShapeMismatchError,
    UnsafePathError,
)
from wkplug.geometry import grids
from wkplug.notices import warn_user
from wkplug.storage.budget import check_read_size
from wkplug.storage.facts import ArrayFacts, KnownFiles
from wkplug.storage.locating import locate
from wkplug.storage.marks import check_complete
from wkplug.storage.replacing import recover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from wkplug.abc import ArrayCapabilities, ArraySpec, Box, Location, Mode
    from wkplug.registry import Choice

__all__ = ["ArrayHandle", "create_array", "forget", "open_array", "partial_cells", "pieces", "watched"]

Fingerprint: TypeAlias = tuple[int, int] | None

_MOST_ARRAYS = 256
_without_links: set[str] = set()
"""The local arrays that this process has looked through as a whole, and found no links that lead out of them."""

_MOST_LOCKS = 64
_MOST_CELLS = 4096
_WHOLE_ARRAY = "write"


def folder_fingerprint(location: Location) -> Fingerprint:
    """What changes when files are made, replaced or deleted in a local folder; None if that can't be seen."""
    path = location.local_path()
    if path is None:
        return None
    try:
        facts = os.stat(path)  # noqa: PTH116 - plain text, on a hot path
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_ino


class ArrayHandle:
    """An array that stays usable: it opens itself again whenever that is needed.

    location: where it lies. backend: who opened it. mode: "r" or "r+". axes: as given to `open_array`.
    """

    array: Array
    """The plugin's array; reads and writes through it skip the budget and the locks."""

    def __init__(
        self,
        location: Location,
        backend: ArrayBackend,
        mode: Mode,
        axes: tuple[str, ...] | None,
        opener: Callable[[Location], Array],
        array: Array | None = None,
        fingerprint: Fingerprint = None,
        place: Location | None = None,
    ) -> None:
        self.location = location
        self.backend = backend
        self.mode = mode
        self.axes = axes
        self._opener = opener
        self._fingerprint = fingerprint
        self._place = place
        self.finder: Callable[[], Location | None] | None = None
        """Asked where the array lies by now when it isn't where it was."""
        self._guard = threading.Lock()
        if array is not None:
            self.array = array
        live_handles.add(self)

    def __getattr__(self, name: str) -> Any:
        # Reached only while there is no such attribute: the array is opened when it is first asked for.
        if name != "array":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        with self._guard:
            found = self.__dict__.get("array")
            if found is None:
                # Taken before opening, so that what changes meanwhile is seen later.
                self._fingerprint = folder_fingerprint(self.location)
                place = watched(self.location)
                self.array = found = self._opener(place)
                self._place = _let_through(place)
            return found

    def __reduce__(self) -> tuple[Any, ...]:
        return (reopen, (self.location, self.backend.name, self.mode, self.axes))

    def __repr__(self) -> str:
        return f"ArrayHandle({self.location.url!r}, backend={self.backend.name!r}, mode={self.mode!r})"

    def fresh_array(self) -> Array:
        """The array, opened again first if files in its folder have changed (seen on local places only)."""
        if "array" in self.__dict__ and self._fingerprint != folder_fingerprint(self.location):
            self.__dict__.pop("array", None)
        return self.array

    @property
    def spec(self) -> ArraySpec:
        """Axes, shape, dtype, chunk and shard shape."""
        return self.array.spec

    @property
    def facts(self) -> ArrayFacts | None:
        """The array's metadata as they were last read or written through this handle, for the properties to keep.

        None on local places, and where the backend's metadata are not one small file in the array's folder.
        """
        return self._place.facts if isinstance(self._place, KnownFiles) else None

    def found_again(self) -> bool:
        """Whether the array that is gone was found at another place, where it is opened at its next use."""
        place = None if self.finder is None else self.finder()
        if place is None or place == self.location:
            return False
        self._opener = reopen(place, self.backend.name, self.mode, self.axes)._opener
        self.location = place
        self.__dict__.pop("array", None)
        return True

    def check_size(self, shape: tuple[int, ...]) -> None:
        """Raise TooLargeError if reading `shape` (all axes, voxels) takes more memory than is allowed."""
        check_read_size(shape, self.array.dtype.itemsize, self.location.url)

    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        """Read `box` (array axes, inside the array); TooLargeError if that is more than the memory budget."""
        self._check_inside(box)
        if out is None:
            self.check_size(box[1])
        return self.array.read(box, out=out, missing=missing)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Write `data`, of the box's shape, to `box` (inside the array), safe beside other writers.

        ReadOnlyError for a handle opened with "r", LockTimeoutError if another writer holds a lock too long.
        """
        self._check_writable()
        self._check_inside(box)
        if tuple(data.shape) != tuple(box[1]):
            raise ShapeMismatchError(f"The data have the shape {data.shape}, the box {tuple(box[1])}.")
        locked_write(self, box, data)

    def resize(self, shape: tuple[int | None, ...], *, unchanged: bool = False) -> None:
        """Change the shape (all axes, voxels); other handles of this process see it at their next use.

        unchanged: without a lock, but only if the array's metadata are still those that `facts` tells, ConflictError if
        not. For places that check conditions.
        """
        self._check_writable()
        if unchanged and isinstance(self._place, KnownFiles):
            with self._place.unchanged():
                self.array.resize(shape)
        else:
            with self.location.lock("resize"):
                self.fresh_array().resize(shape)
        forget(self.location, but=self)

    def stored_boxes(self) -> Iterator[Box]:
        """Iterate over the boxes of the stored shards; UnsupportedOperationError where that isn't known."""
        return self.array.stored_boxes()

    def flush(self) -> None:
        """Return when all that was written is with the operating system or the object store."""
        if "array" in self.__dict__:
            self.array.flush()

    def close(self) -> None:
        """Release the array; using the handle again opens it again."""
        with self._guard:
            array = self.__dict__.pop("array", None)
        if array is not None:
            array.close()

    def _check_writable(self) -> None:
        if self.mode != "r+":
            raise ReadOnlyError(
                f"The array at {self.location.url} was opened for reading only.",
                hint='Open it with mode="r+".',
            )

    def _check_inside(self, box: Box) -> None:
        start, shape = box
        bounds = self.array.spec.shape
        if len(start) != len(bounds) or len(shape) != len(bounds):
            raise OutOfBoundsError(f"The box {box} doesn't have the array's {len(bounds)} axes.")
        for first, length, bound in zip(start, shape, bounds, strict=True):
            if first < 0 or length < 0 or (bound is not None and first + length > bound):
                raise OutOfBoundsError(
                    f"The box {box} leaves the array at {self.location.url}, whose shape is {bounds}."
                )


class LiveHandles:
    """All handles of this process, so that what they hold can be dropped at once."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._handles: weakref.WeakSet[ArrayHandle] = weakref.WeakSet()
        self._watching = False
        self._inherited: list[Any] = []

    def add(self, handle: ArrayHandle) -> None:
        """Remember a handle for as long as someone else holds it."""
        with self._guard:
            if not self._watching and hasattr(os, "register_at_fork"):
                self._watching = True
                os.register_at_fork(after_in_child=self._in_child)
            self._handles.add(handle)

    def drop(self, url: str, but: ArrayHandle | None = None) -> None:
        """Make the handles of one place open their arrays again at their next use."""
        with self._guard:
            handles = [handle for handle in self._handles if handle is not but and handle.location.url == url]
        for handle in handles:
            handle.__dict__.pop("array", None)

    def _in_child(self) -> None:
        # A lock may have been held by a thread that the child doesn't have.
        self._guard = threading.Lock()
        for handle in list(self._handles):
            handle._guard = threading.Lock()
            array = handle.__dict__.pop("array", None)
            if array is not None:
                # Kept, not freed: an engine's destructor may wait for threads that only the parent has.
                self._inherited.append(array)


live_handles = LiveHandles()


# --- opening and creating ------------------------------------------------------------------------------------


class _Entry(NamedTuple):
    settings: Any
    fingerprint: Fingerprint
    array: Array
    backend: ArrayBackend


class _Cache:
    """The arrays that are open in this process, least recently used first."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._guard = threading.Lock()
        self._entries: OrderedDict[tuple[Any, ...], _Entry] = OrderedDict()
        self._inherited: list[Any] = []

    def _own(self) -> None:
        if self._process != os.getpid():
            # Kept, not freed: an engine's destructor may wait for threads that only the parent has.
            self._inherited.append(self._entries)
            self._process, self._guard, self._entries = os.getpid(), threading.Lock(), OrderedDict()

    def get(self, key: tuple[Any, ...], location: Location, settings: Any) -> _Entry | None:
        self._own()
        with self._guard:
            entry = self._entries.get(key)
            if (
                entry is None
                or entry.settings is not settings
                or entry.fingerprint != folder_fingerprint(location)
            ):
                return None
            self._entries.move_to_end(key)
            return entry

    def put(self, key: tuple[Any, ...], entry: _Entry) -> None:
        self._own()
        with self._guard:
            self._entries[key] = entry
            self._entries.move_to_end(key)
            while len(self._entries) > _MOST_ARRAYS:
                # Not closed: handles may still use it.
                self._entries.popitem(last=False)

    def forget(self, url: str) -> None:
        self._own()
        with self._guard:
            for key in [key for key in self._entries if key[0] == url]:
                del self._entries[key]


_cache = _Cache()


def open_array(
    location: Any,
    data_format: str | None = None,
    *,
    mode: Mode = "r",
    axes: tuple[str, ...] | None = None,
    backend: str | None = None,
    allow_incomplete: bool = False,
    facts: ArrayFacts | None = None,
) -> ArrayHandle:
    """Open the array at `location` (anything that `locate` takes).

    Without `data_format` every backend looks whether the array is its own. `axes` are the names that the
    dataset records, in storage order; `backend` is an implementation that must be taken. MissingError if
    there is no array, IncompleteMagError if a job has left its mark there, unless `allow_incomplete`.

    facts: what the array's metadata say, where that is known already; then nothing at all is asked for.
    """
    place = locate(location)
    if facts is not None and place.local_path() is None:
        return _opened(place, data_format, mode, axes, backend, facts)
    if not allow_incomplete:
        check_complete(place)
    try:
        return _opened(place, data_format, mode, axes, backend)
    except MissingError:
        # A crash while an array was being replaced may be why: then it comes back.
        if not recover(place):
            raise
        return _opened(place, data_format, mode, axes, backend)


def _opened(
    place: Location,
    data_format: str | None,
    mode: Mode,
    axes: tuple[str, ...] | None,
    backend: str | None,
    facts: ArrayFacts | None = None,
) -> ArrayHandle:
    if place.local_path() is None:
        return _opened_elsewhere(place, data_format, mode, axes, backend, facts)
    settings = current()
    key = (place.url, data_format, mode, axes, backend)
    entry = _cache.get(key, place, settings)
    if entry is None:
        # Taken before opening: what changes meanwhile makes the entry stale at once.
        fingerprint = folder_fingerprint(place)
        choice = registry.choose_backend(place, data_format=data_format, mode=mode, explicit=backend)
        _warn_of(choice)
        chosen: ArrayBackend = choice.winner
        array = registry.open_array(OpenArray(location=place, mode=mode, axes=axes, backend=chosen))
        entry = _Entry(settings, fingerprint, array, chosen)
        if fingerprint is not None:
            _cache.put(key, entry)
    opener = _opener(entry.backend, mode, axes)
    return ArrayHandle(place, entry.backend, mode, axes, opener, entry.array, entry.fingerprint)


def _opened_elsewhere(
    place: Location,
    data_format: str | None,
    mode: Mode,
    axes: tuple[str, ...] | None,
    backend: str | None,
    facts: ArrayFacts | None,
) -> ArrayHandle:
    """Open an array on a place that is no local disk: its metadata are read once, whoever looks at them."""
    known = watched(place, facts)
    choice = registry.choose_backend(known, data_format=data_format, mode=mode, explicit=backend)
    _warn_of(choice)
    chosen: ArrayBackend = choice.winner
    array = registry.open_array(OpenArray(location=known, mode=mode, axes=axes, backend=chosen))
    opener = _opener(chosen, mode, axes)
    return ArrayHandle(place, chosen, mode, axes, opener, array, None, _let_through(known))


def watched(place: Location, facts: ArrayFacts | None = None) -> Location:
    """The place as one that knows what it is asked for, and what is written there; local disks as they are."""
    if place.local_path() is not None:
        return place
    return KnownFiles(place, registry.metadata_files(), facts)


def _let_through(place: Location) -> Location:
    if isinstance(place, KnownFiles):
        place.let_through()
    return place


def _warn_of(choice: Choice) -> None:
    """Pass on what the chosen backend warns of."""
    for problem in choice.warnings:
        warn_user(f"{problem.text} {problem.remedy}".strip(), UserWarning)


def _opener(backend: ArrayBackend, mode: Mode, axes: tuple[str, ...] | None) -> Callable[[Location], Array]:
    def opened(place: Location) -> Array:
        return registry.open_array(OpenArray(location=place, mode=mode, axes=axes, backend=backend))

    return opened


def create_array(
    location: Any,
    data_format: str,
    spec: ArraySpec,
    *,
    backend: str | None = None,
    choice: Choice | None = None,
) -> ArrayHandle:
    """Create an empty array at `location` and give a handle for writing; ConflictError if one is there.

    choice: the backend that was chosen for such an array at this place. Without it one is chosen, by
    `data_format` and `backend`, and what it warns of is passed on.
    """
    place = locate(location)
    if choice is None:
        choice = registry.choose_backend(
            place, data_format=data_format, mode="create", explicit=backend, spec=spec
        )
        _warn_of(choice)
    chosen: ArrayBackend = choice.winner
    known = _let_through(watched(place))
    array = registry.create_array(CreateArray(location=known, spec=spec, backend=chosen))
    forget(place)
    opener = _opener(chosen, "r+", spec.axes)
    return ArrayHandle(place, chosen, "r+", spec.axes, opener, array, folder_fingerprint(place), known)


def forget(location: Any, *, but: ArrayHandle | None = None) -> None:
    """Drop what this process holds of an array that was changed, moved or deleted.

    Its handles (all `but` that one) open it again at their next use.
    """
    place = locate(location)
    url = place.url
    forget_links(place)
    _cache.forget(url)
    live_handles.drop(url, but)


def reopen(location: Location, backend: str, mode: Mode, axes: tuple[str, ...] | None) -> ArrayHandle:
    """Unpickle a handle: the same backend, and nothing is opened before it is used."""
    chosen: ArrayBackend = registry.backend(backend)

    def opened(place: Location) -> Array:
        del place  # the backend may have become another one
        return _opened(location, chosen.format, mode, axes, backend).array

    return ArrayHandle(location, chosen, mode, axes, opened)


# --- writing -------------------------------------------------------------------------------------------------


def write_grid(capabilities: ArrayCapabilities, array: Array) -> tuple[int, ...] | None:
    """The cells that may be written side by side; None if that is any box, () if only one writer may."""
    kind = array.concurrent_writes or capabilities.concurrent_writes
    if kind == "box":
        return None
    if kind == "chunk":
        return array.spec.chunk_shape
    return array.spec.shard_shape if kind == "shard" else ()


def _axis(start: int, length: int, cell: int) -> Iterator[tuple[int, bool]]:
    """The cells along one axis that start..start+length touches, and whether each is covered as a whole."""
    stop = start + length
    for index in range(start // cell, -(-stop // cell)):
        yield index, start <= index * cell and stop >= (index + 1) * cell


def partial_cells(box: Box, grid: Sequence[int]) -> list[tuple[int, ...]]:
    """The indices of the cells that `box` covers only in part, sorted."""
    if 0 in box[1]:
        return []
    axes = [list(_axis(*one)) for one in zip(*box, grid, strict=True)]
    if all(whole for axis in axes for _, whole in axis):
        return []
    return [
        tuple(index for index, _ in cell) for cell in product(*axes) if not all(whole for _, whole in cell)
    ]


def _counts(box: Box, grid: Sequence[int]) -> tuple[int, int]:
    """How many cells the box touches, and how many of them it covers as a whole."""
    touched = whole = 1
    for start, length, cell in zip(*box, grid, strict=True):
        stop = start + length
        touched *= -(-stop // cell) - start // cell
        whole *= max(0, stop // cell + start // -cell)
    return touched, whole


def pieces(box: Box, grid: Sequence[int]) -> Iterator[Box]:
    """Cut `box` along the grid until every piece has few enough cells to be locked at once."""
    start, shape = box
    touched, whole = _counts(box, grid)
    if 0 in shape or touched == whole or (touched - whole <= _MOST_LOCKS and touched <= _MOST_CELLS):
        yield box
        return
    spans = [
        -(-(first + length) // cell) - first // cell
        for first, length, cell in zip(start, shape, grid, strict=True)
    ]
    axis = spans.index(max(spans))
    cut = (start[axis] // grid[axis] + spans[axis] // 2) * grid[axis]
    left, right = cut - start[axis], start[axis] + shape[axis] - cut
    yield from pieces((start, (*shape[:axis], left, *shape[axis + 1 :])), grid)
    yield from pieces(
        ((*start[:axis], cut, *start[axis + 1 :]), (*shape[:axis], right, *shape[axis + 1 :])), grid
    )


def locked_write(handle: ArrayHandle, box: Box, data: NDArray[Any]) -> None:
    """Write `data` to `box`, under the locks that this needs; LockTimeoutError if one is not to be had."""
    array, location = handle.array, handle.location
    refuse_links(location, array, box)
    grid = write_grid(handle.backend.capabilities, array)
    if grid is None:
        array.write(box, data)
        return
    if not grid:
        with location.lock(_WHOLE_ARRAY):
            handle.fresh_array().write(box, data)
        return
    if location.concurrency < 2:
        for piece in pieces(box, grid):
            part = data if piece == box else data[grids.slices(piece, box[0])]
            _write_piece(handle, array, grid, piece, part)
        return
    largest = array.dtype.itemsize * math.prod(map(min, grid, box[1]))
    write_cell = partial(_write_cell, handle, array, grid, box[0], data)
    cells = list(grids.cells(*box, grid))
    write_objects(write_cell, cells, root=location, size=largest, name=lambda cell: f"that from {cell[0]}")


def _write_cell(
    handle: ArrayHandle,
    array: Array,
    grid: Sequence[int],
    origin: tuple[int, ...],
    data: NDArray[Any],
    cell: Box,
) -> None:
    """Write the part of `data`, which lie at `origin`, that is in one cell."""
    _write_piece(handle, array, grid, cell, data[grids.slices(cell, origin)])


def _write_piece(
    handle: ArrayHandle, array: Array, grid: Sequence[int], piece: Box, part: NDArray[Any]
) -> None:
    cells = partial_cells(piece, grid)
    if not cells:
        array.write(piece, part)
        return
    with ExitStack() as stack:
        for cell in cells:
            key = f"{_WHOLE_ARRAY} {','.join(map(str, cell))}"
            stack.enter_context(handle.location.lock(key))
        at_edge = _touches_edge(piece, grid, array.spec.shape)
        (handle.fresh_array() if at_edge else array).write(piece, part)


def refuse_links(location: Location, array: Array, box: Box) -> None:
    """Refuse to write a box through links that lead out of the array, UnsafePathError: what is there would change.

    Looked at are the files of the shards that the box touches, and the folders on the way to them. Where the
    backend doesn't tell them, or they are many, the whole array is looked through, once per process. A link in
    the place of the whole array is the dataset's business.
    """
    path = location.local_path()
    if path is None or path in _without_links:
        return
    grid = array.spec.shard_shape
    if _counts(box, grid)[0] <= _MOST_CELLS:
        plain: set[str] = set()
        spans = [[index for index, _ in _axis(*one)] for one in zip(*box, grid, strict=True)]
        for cell in product(*spans):
            names = array.files_of(cell)
            if names is None:
                break
            for name in names:
                _refuse_links_on_the_way(path, name, plain)
        else:
            return
    _refuse_links_anywhere(path)
    _without_links.add(path)


def _refuse_links_on_the_way(path: str, name: str, plain: set[str]) -> None:
    place = path
    for part in name.split("/"):
        place = f"{place}/{part}"
        if place in plain:
            continue
        try:
            kind = os.lstat(place).st_mode
        except OSError:
            return  # nothing is there, or it is not to be read: whoever writes there tells
        if stat.S_ISLNK(kind):
            _refuse_link(place, os.path.realpath(path))
        plain.add(place)


def _refuse_links_anywhere(path: str) -> None:
    root = os.path.realpath(path)
    pending = [root]
    while pending:
        try:
            with os.scandir(pending.pop()) as found:
                entries = list(found)
        except OSError:
            continue  # gone meanwhile, or not to be read: whoever writes there tells
        for entry in entries:
            if entry.is_symlink():
                _refuse_link(entry.path, root)
            elif entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)


def forget_links(location: Location) -> None:
    """Look again at the next write: what is there has changed."""
    path = location.local_path()
    if path is not None:
        _without_links.discard(path)


def _refuse_link(path: str, root: str) -> None:
    real = os.path.realpath(path)
    if not real.startswith(root.rstrip(os.sep) + os.sep):
        raise UnsafePathError(
            f"Nothing is written to the array at {root}: {path} in it is a link that leads out of it, to {real}.",
            hint="Put a copy of what it leads to in its place, or copy the layer, and write to that.",
        )


def _touches_edge(box: Box, grid: Sequence[int], bounds: Sequence[int | None]) -> bool:
    """Whether the box touches a cell that reaches beyond the array."""
    return any(
        bound is not None and -(-(first + length) // cell) * cell > bound
        for first, length, cell, bound in zip(*box, grid, bounds, strict=True)
    )
