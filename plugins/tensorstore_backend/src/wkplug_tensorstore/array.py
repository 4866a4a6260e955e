"""One opened array: boxes in, voxels out, with as little as possible between the caller and the engine.

Beside the engine's own work this does what the engine leaves open: it refuses a forked child, notices on
local places that the array was deleted or replaced under the handle (the engine would read fill value and
write shards without metadata), notices folders, pipes and devices where shards belong (read as fill value, or
never), and sorts errors. Everything else was checked when the metadata were read.
"""

# ruff: noqa: PTH116 - paths are plain text here: each read looks at one, and pathlib costs more than that

from __future__ import annotations

import itertools
import json
import math
import os
import stat
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
from tensorstore import IndexDomain
from tensorstore import array as engine_view

from wkplug.abc import Array, Box, Location, Mode
from wkplug.errors import (
    ConflictError,
    CorruptDataError,
    DtypeMismatchError,
    InvalidArgumentError,
    MissingError,
    OutOfBoundsError,
    ReadOnlyError,
    ShapeMismatchError,
    UnsupportedOperationError,
)
from wkplug_tensorstore.engine import PROCESS, refuse_fork
from wkplug_tensorstore.failures import ENGINE_ERRORS, sort_failure
from wkplug_tensorstore.objects import objects_of
from wkplug_tensorstore.remote import RemoteArray
from wkplug_tensorstore.stored import StoredArray, read_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from wkplug_tensorstore.settings import TensorstoreSettings

__all__ = ["TensorstoreArray"]

_DIRECT_BYTES = 1 << 20
"""From here on `out` is filled by the engine itself; below, one more copy costs less than its set-up."""

_RESIZE_TRIES = 5

_PATIENCE = 0.5
"""Seconds after which shards on local places are looked at: whether there is one that nobody can ever read."""


class Format(Protocol):
    """What an array asks its backend: where the metadata lie and what they say."""

    name: ClassVar[str]
    format: ClassVar[str]
    settings: TensorstoreSettings

    def __init__(self, settings: object = None) -> None: ...

    def metadata_file(self, location: Location) -> Location:
        """The file whose change means that the array changed."""

    def describe(self, location: Location, axes: Sequence[str] | None = None) -> StoredArray:
        """Read and check the metadata."""

    def resized(
        self, document: Mapping[str, Any], stored: StoredArray, shape: tuple[int, ...]
    ) -> dict[str, Any]:
        """Give the metadata for another shape."""


class TensorstoreArray(Array):
    """An array opened through tensorstore. Opened at construction, and again on first use after `close`."""

    def __init__(
        self,
        maker: Format,
        location: Location,
        mode: Mode,
        axes: tuple[str, ...] | None,
        *,
        fingerprint: tuple[Any, ...] | None = None,
    ) -> None:
        self.format = maker.format
        self.backend = maker.name
        self._maker = maker
        self._location = location
        self._mode = mode
        self._axes = axes
        self._fingerprint = fingerprint

    def __getattr__(self, name: str) -> Any:
        # Python asks only for what isn't set: the fields that opening sets, after unpickling or closing.
        if name in ("spec", "_store", "_pid", "_stored", "_watched", "_stamp", "_shards"):
            self.load()
            return self.__dict__[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        # A token: what is there when it is opened again counts, and must still be the same array.
        fingerprint = self._stored.fingerprint if "_stored" in self.__dict__ else self._fingerprint
        return (
            _reopen,
            (type(self._maker), self._maker.settings, self._location, self._mode, self._axes, fingerprint),
        )

    def __repr__(self) -> str:
        return f"<{self.backend} {self._location.url!r} {self._mode!r}>"

    @property
    def concurrent_writes(self) -> Literal["shard", "none"] | None:
        """ "shard" on stores that don't tell of other writers, if that is a box; elsewhere as the backend says."""
        self._watch_or_load()
        if self._remote is None or self._location.conditional or self._location.local_path() is not None:
            return None
        stored = self._stored
        in_boxes = stored.keys is not None or (stored.boxes is not None and self._origin is None)
        return "shard" if in_boxes else "none"

    # --- opening --------------------------------------------------------------------------------------

    def load(self, stored: StoredArray | None = None) -> None:
        """Open, from metadata that were just read, or from those at the place."""
        engine = PROCESS.engine(self._maker.settings)
        stamp = None
        if stored is None:
            if self._location.local_path() is not None:
                # Before they are read, so that no change in between goes unseen.
                stamp = _stamp(self._maker.metadata_file(self._location).local_path())
            stored = self._maker.describe(self._location, self._axes)
        self._same_array(stored)
        path = stored.file.local_path()
        root = stored.root.local_path()
        objects = objects_of(stored)
        self._remote = None if objects is None else RemoteArray(engine, stored, objects)
        # The engine has a look at the metadata in either case.
        self._store: Any = engine.open(stored, self._mode) if self._remote is None else None
        self._strict: Any = None
        self._engine = engine
        self._stored = stored
        self._fingerprint = stored.fingerprint
        self._watched = path
        self._stamp = stamp or _stamp(path)
        self._folder = None if root is None or stored.keys is None else root.rstrip("/") + "/"
        self._shards = stored.spec.shard_shape
        self._origin = stored.origin if stored.origin is not None and any(stored.origin) else None
        self._dtype = np.dtype(stored.spec.dtype)
        self._pid = os.getpid()
        self.spec = stored.spec

    def _same_array(self, stored: StoredArray) -> None:
        if self._fingerprint is not None and stored.fingerprint != self._fingerprint:
            raise ConflictError(
                f"{self._location.url} is another array than the one that was opened: it was replaced.",
                hint="Open it again.",
            )

    def settle(self) -> None:
        """Take note that the metadata which this array was opened with have now been written."""
        self._stamp = _stamp(self._watched)

    def _watch(self) -> None:
        """Refuse forked children, and arrays that are gone or were replaced, where that is cheap to see."""
        if self._pid != os.getpid():
            refuse_fork()
        if self._watched is None:
            return
        stamp = _stamp(self._watched)
        if stamp == self._stamp:
            return
        if stamp is None:
            raise MissingError(
                f"{self._location.url} was deleted while it was open.",
                hint="Create it again, or open what took its place.",
            )
        # Someone changed the metadata: a resize leaves this handle as it is, anything else ends it.
        self._same_array(self._maker.describe(self._location, self._axes))
        self._stamp = stamp

    # --- voxels ---------------------------------------------------------------------------------------

    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        """Read a box; a new array is Fortran contiguous. CorruptDataError names the shard."""
        self._watch_or_load()
        start, shape = box
        if out is not None:
            self._check_fits(out, shape, "`out`")
        if self._origin is not None and any(s < o for s, o in zip(start, self._origin, strict=True)):
            return self._read_beyond(box, out, missing)
        if self._remote is not None:
            return self._remote.read(box, out=out, missing=missing)
        store = self._store if missing == "fill" else self._strict_store()
        try:
            view = store[IndexDomain(inclusive_min=start, shape=shape)]
            if out is not None and out.nbytes >= _DIRECT_BYTES and out.flags.writeable and out.flags.aligned:
                self._wait(engine_view(out, copy=False, write=True).write(view), box)
                result = out
            else:
                result = self._wait(view.read(order="F"), box)
        except ENGINE_ERRORS as error:
            raise sort_failure(error, "read", self._location.url) from error
        if self._folder is not None:
            self._refuse_others(start, result)
        if out is not None and result is not out:
            out[...] = result
            return out
        return result

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Write a box. Returns when it is stored, and synced unless the settings say otherwise."""
        self._watch_or_load()
        self._check_writable()
        start, shape = box
        self._check_fits(data, shape, "The data")
        if not data.size:
            return
        if self._origin is not None and any(s < o for s, o in zip(start, self._origin, strict=True)):
            raise OutOfBoundsError(
                f"{self._location.url} begins at the voxel {self._origin[1:]}, its voxel_offset: nothing can be "
                f"written to {start[1:]}.",
                hint="Copy the layer, and write to the copy.",
            )
        if self._remote is not None:
            self._remote.write(box, data)
            return
        try:
            view = self._store[IndexDomain(inclusive_min=start, shape=shape)]
            # The engine may not keep references to the data: they are the caller's again when this returns.
            self._wait(view.write(data), box)
        except ENGINE_ERRORS as error:
            raise sort_failure(error, "written", self._location.url) from error

    def _wait(self, work: Any, box: Box) -> Any:
        """Wait for the engine. On local places nothing takes long but a pipe in the place of a shard."""
        if self._folder is None or self._stored.keys is None:
            return work.result()
        try:
            return work.result(_PATIENCE)
        except TimeoutError:
            self._refuse_what_never_ends(box)
        return work.result()

    def _refuse_what_never_ends(self, box: Box) -> None:
        ranges = [
            range(first // length, (first + size - 1) // length + 1)
            for first, size, length in zip(*box, self._shards, strict=True)
        ]
        for cell in itertools.product(*ranges):
            self._refuse_what_is_no_file(cell)

    def _watch_or_load(self) -> None:
        if "_store" in self.__dict__:
            self._watch()
        else:
            self.load()

    def _check_writable(self) -> None:
        if self._mode != "r+":
            raise ReadOnlyError(
                f"{self._location.url} was opened for reading only.", hint="Open it with mode 'r+'."
            )

    def _check_fits(self, data: NDArray[Any], shape: tuple[int, ...], what: str) -> None:
        if data.shape != tuple(shape):
            raise ShapeMismatchError(f"{what}: shape {data.shape}, but the box has {tuple(shape)}.")
        # What is written may have the other byte order, which the engine turns round while it copies.
        if data.dtype != self._dtype and (what == "`out`" or data.dtype.newbyteorder("=") != self._dtype):
            raise DtypeMismatchError(
                f"{what}: {data.dtype} voxels, but {self._location.url} holds {self._dtype}.",
                hint="Convert with .astype() if that loses nothing.",
            )

    def _strict_store(self) -> Any:
        if self._strict is None:
            self._strict = self._engine.open(self._stored, "r", fill=False)
        return self._strict

    def _read_beyond(
        self, box: Box, out: NDArray[Any] | None, missing: Literal["fill", "error"]
    ) -> NDArray[Any]:
        """Read a box that begins before the first stored voxel."""
        start, shape = box
        origin = self._origin or (0,) * len(start)
        result = np.empty(shape, self._dtype, order="F") if out is None else out
        result[...] = self.spec.fill_value
        first = tuple(map(max, start, origin))
        stop = tuple(s + length for s, length in zip(start, shape, strict=True))
        if all(f < s for f, s in zip(first, stop, strict=True)):
            inner = (first, tuple(s - f for f, s in zip(first, stop, strict=True)))
            place = tuple(slice(f - s, None) for f, s in zip(first, start, strict=True))
            result[place] = self.read(inner, missing=missing)
        elif missing == "error":
            raise MissingError(f"{self._location.url} has no voxels at {box}.")
        return result

    def _refuse_others(self, start: tuple[int, ...], result: NDArray[Any]) -> None:
        """Where fill value came, look for what is no file in place of shards: the engine reads it as missing."""
        if not result.size:
            return
        fill, shards = self.spec.fill_value, self._shards
        ranges = [
            range(first // length, (first + size - 1) // length + 1)
            for first, size, length in zip(start, result.shape, shards, strict=True)
        ]
        for cell in itertools.product(*ranges):
            # One voxel that isn't fill value says that the shard is there; the others needn't be looked at.
            value = result[tuple(max(c * s - f, 0) for c, s, f in zip(cell, shards, start, strict=True))]
            if value == fill or value != value:
                self._refuse_what_is_no_file(cell)

    def _refuse_what_is_no_file(self, cell: tuple[int, ...]) -> None:
        path = f"{self._folder}{self._key(cell)}"
        try:
            mode = os.stat(path).st_mode
        except OSError:
            return
        if stat.S_ISREG(mode):
            return
        if stat.S_ISFIFO(mode):
            # The engine's thread may wait for somebody to write; one that comes and goes lets it end.
            os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise CorruptDataError(
            f"{path} is {what}, but a shard belongs there.", hint="Move it away; what it hides can't be read."
        )

    def _key(self, cell: tuple[int, ...]) -> str:
        keys = self._stored.keys
        return "" if keys is None else keys.key(cell)

    # --- the array as a whole ---------------------------------------------------------------------------

    def resize(self, shape: tuple[int | None, ...]) -> None:
        """Change the shape, and nothing else: what lies outside the new one stays stored, and is hidden."""
        self._watch_or_load()
        self._check_writable()
        if len(shape) != len(self.spec.axes) or any(length is None or length < 0 for length in shape):
            raise InvalidArgumentError(
                f"{shape} is no shape for {self._location.url}, whose axes are {', '.join(self.spec.axes)}."
            )
        file = self._stored.file
        for attempt in range(1, _RESIZE_TRIES + 1):
            version = file.version()
            document = read_document(file)
            changed = self._maker.resized(document, self._stored, tuple(length or 0 for length in shape))
            if changed == document:
                break
            try:
                file.write(json.dumps(changed, indent=2).encode(), if_match=version)
            except ConflictError:
                if attempt == _RESIZE_TRIES:
                    raise
            else:
                break
        self.load()

    def stored_boxes(self) -> Iterator[Box]:
        """Iterate over the boxes of the stored shards, unclipped; nothing but keys is read."""
        self._watch_or_load()
        keys, shards = self._stored.keys, self._shards
        if self._stored.boxes is not None:
            for box in self._stored.boxes(self._keys_below(self._location)):
                if all(low < (end or 0) for low, end in zip(box[0], self.spec.shape, strict=True)):
                    yield box
            return
        if keys is None:
            raise UnsupportedOperationError(
                f"{self.backend} can't list what is stored.",
                hint="Go through the whole bounding box instead.",
            )
        pattern = keys.pattern(len(shards))
        grid = [-(-(length or 0) // size) for length, size in zip(self.spec.shape, shards, strict=True)]
        for key in self._keys_below(self._stored.root):
            found = pattern.fullmatch(key)
            if found is not None:
                cell = [int(number) for number in found[1].split(keys.separator)]
                # What a smaller shape hides is stored, but no part of the array.
                if all(c < count for c, count in zip(cell, grid, strict=True)):
                    yield tuple(map(math.prod, zip(cell, shards, strict=True))), shards

    def _keys_below(self, place: Location) -> Iterable[str]:
        if place.local_path() is not None:
            return self._engine.keys(place)
        return (key for key, _ in place.list_files())

    def looks_into(self, key: str) -> bool | None:
        """Whether it is the key of a chunk or shard: see `wkplug.abc.Array.looks_into`."""
        self._watch_or_load()
        if self._stored.is_key is not None:
            return self._stored.is_key(key)
        keys = self._stored.keys
        return None if keys is None else keys.pattern(len(self._shards)).fullmatch(key) is not None

    @property
    def is_alone(self) -> bool:
        """Whether its metadata lie in its folder: see `wkplug.abc.Array.is_alone`."""
        self._watch_or_load()
        return self._stored.is_alone

    @property
    def origin(self) -> tuple[int, ...]:
        """The first voxel per axis that can be stored."""
        self._watch_or_load()
        return self._origin or (0,) * len(self.spec.axes)

    def files_of(self, cell: tuple[int, ...]) -> tuple[str, ...] | None:
        """The shard's file, and the engine's lock beside it: see `wkplug.abc.Array.files_of`."""
        stored = self._stored
        if stored.keys is None or stored.root != self._location:
            return None
        key = stored.keys.key(cell)
        return key, f"{key}.__lock"

    def close(self) -> None:
        """Let go of the engine's array; the next use opens it again."""
        for name in ("_store", "_strict"):
            self.__dict__.pop(name, None)

    def native_handle(self) -> Any:
        """Give the `tensorstore.TensorStore`, all axes in the array's order; it does its own I/O, also on stores.

        UnsupportedOperationError for places that tensorstore can't reach by itself.
        """
        self._watch_or_load()
        return self._store if self._remote is None else self._engine.open(self._stored, self._mode)


def _stamp(path: str | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        facts = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (facts.st_mtime_ns, facts.st_size, facts.st_ino)


def _reopen(
    kind: type[Format],
    settings: Any,
    location: Location,
    mode: Mode,
    axes: tuple[str, ...] | None,
    fingerprint: tuple[Any, ...] | None,
) -> TensorstoreArray:
    return TensorstoreArray(kind(settings), location, mode, axes, fingerprint=fingerprint)
