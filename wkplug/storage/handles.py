"""`ArrayHandle`: one opened array, as the rest of wkplug holds it.

`handle.array` is the plugin's own array, a plain attribute once it was used, so that hot paths pay nothing
here. Around it the handle keeps what a backend shall not care about: the memory budget of reads, the locks
of writes, read-only handles, and opening again: after unpickling, after `close`, in a forked child, and
when `wkplug.storage.forget` says that what is on disk has changed.

Who makes them: `wkplug.storage.opening`. Who calls them: `wkplug.dataset` and `wkplug.ops`.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from wkplug.errors import OutOfBoundsError, ReadOnlyError, ShapeMismatchError
from wkplug.storage.budget import check_read_size
from wkplug.storage.writing import locked_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from wkplug.abc import Array, ArrayBackend, ArraySpec, Box, Location, Mode

__all__ = ["ArrayHandle", "Fingerprint", "LiveHandles", "folder_fingerprint", "live_handles"]

Fingerprint: TypeAlias = tuple[int, int] | None


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
        opener: Callable[[], Array],
        array: Array | None = None,
        fingerprint: Fingerprint = None,
    ) -> None:
        self.location = location
        self.backend = backend
        self.mode = mode
        self.axes = axes
        self._opener = opener
        self._fingerprint = fingerprint
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
                self.array = found = self._opener()
            return found

    def __reduce__(self) -> tuple[Any, ...]:
        from wkplug.storage.opening import reopen

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

    def found_again(self) -> bool:
        """Whether the array that is gone was found at another place, where it is opened at its next use."""
        place = None if self.finder is None else self.finder()
        if place is None or place == self.location:
            return False
        from wkplug.storage.opening import reopen

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

    def resize(self, shape: tuple[int | None, ...]) -> None:
        """Change the shape (all axes, voxels); other handles of this process see it at their next use."""
        self._check_writable()
        with self.location.lock("resize"):
            self.fresh_array().resize(shape)
        from wkplug.storage.opening import forget

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
