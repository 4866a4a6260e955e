"""Arrays on places that aren't local: a `Location` brings the bytes, the engine encodes and decodes them in memory.

The engine could do I/O on some stores of its own, with credentials, retries, redirects and errors of its own. Here the
place that gave the metadata gives the voxels as well, whatever store it is on; and as many requests are under way at
the same time as the place says are worth it.

What is read is one version of each object. Of a shard of Zarr v3, the index is read (and kept), then the chunks that a
box needs, near ones in one request, and the answers say whether the object is still the one that the index belongs to.
What little lies between the index and those chunks is read along with the index. Chunks that the index doesn't have are
looked for again in the object's present index, so that nothing that others have written stays unseen. Whole shards are
read as they are.

What is written is put as whole objects. Those that a box covers only in part are read, changed, and put on the
condition that they are still the same; else once more, so that of several writers none loses anything.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import numpy as np
from tensorstore import IndexDomain
from tensorstore import array as engine_view

from wkplug.abc import Presence, at_work, change_object, joined, side_by_side, write_objects
from wkplug.errors import ConflictError, CorruptDataError, MissingError, UnalignedError
from wkplug_tensorstore.failures import ENGINE_ERRORS, sort_failure
from wkplug_tensorstore.objects import WHOLE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from wkplug.abc import Box, Location
    from wkplug_tensorstore.engine import Engine
    from wkplug_tensorstore.objects import Objects, ShardIndex
    from wkplug_tensorstore.stored import StoredArray

__all__ = ["RemoteArray"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_WORKING_BYTES = 512 << 20
"""Voxels of objects that are worked on at the same time, beside those that are read or written."""

_PIECE_BYTES = 64 << 20
"""Chunks that are objects of their own are decoded together, so many bytes of voxels at a time."""

_TOGETHER_BYTES = 8 << 20
"""So small boxes are decoded in one call, when all shards have come; of larger ones, each shard as it comes."""

_TRIES = 8
_DIRECT_BYTES = 1 << 20


class _Index(NamedTuple):
    """The index of one version of a shard: offset and length per chunk.

    data: what has come with it just now, from the byte `start` on. is_whole: that is all of the shard.
    """

    entries: NDArray[np.uint64]
    version: str
    data: bytes = b""
    start: int = 0
    is_whole: bool = False


class _Partly(NamedTuple):
    """A shard of which `runs` of bytes are to be read for some chunks; `held` are those that are there already."""

    cell: tuple[int, ...]
    place: Location
    known: _Index
    chunks: tuple[slice, ...]
    runs: Sequence[tuple[int, int]]
    held: Mapping[tuple[int, int], bytes]


class RemoteArray:
    """Reads and writes boxes of one array, in its own coordinates. Thread-safe."""

    def __init__(self, engine: Engine, stored: StoredArray, objects: Objects) -> None:
        self._objects = objects
        self._root = stored.root
        self._spec = stored.spec
        self._lossy = stored.lossy
        self._itemsize = np.dtype(stored.spec.dtype).itemsize
        self._memory = _Memory(engine, objects.readable(stored))
        self._writing = _Memory(engine, objects.writable(stored))
        self._index = objects.index
        self._cache = _IndexCache(engine.settings.cache_bytes)
        self._presence = Presence(stored.file)

    # --- reading ------------------------------------------------------------------------------------------

    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        """Read a box; MissingError names the first chunk that is missing, with `missing="error"`."""
        result = np.empty(box[1], self._spec.dtype, order="F") if out is None else out
        if not result.size:
            return result
        cells = list(self._objects.cells(box))
        if self._index is None or result.nbytes <= _TOGETHER_BYTES:
            for part, some in self._pieces(box, cells):
                self._read_piece(part, some, _within(result, part, box), missing)
        else:

            def read_shard(cell: tuple[int, ...]) -> None:
                part = _meet(self._objects.box_of(cell), box)
                self._read_piece(part, [cell], _within(result, part, box), missing)

            self._each(read_shard, cells)
        return result

    def _each(self, work: Any, cells: Sequence[tuple[int, ...]]) -> None:
        """Do work on each object, as many at a time as requests are worth making and memory allows."""
        size = math.prod(self._objects.cell_shape) * self._itemsize
        at_once = min(self._root.concurrency, max(1, _WORKING_BYTES // size))
        for _ in side_by_side(work, cells, at_once=at_once):
            pass

    def _pieces(self, box: Box, cells: list[tuple[int, ...]]) -> Iterator[tuple[Box, list[tuple[int, ...]]]]:
        """Cut a box between objects into pieces of bounded size, each with its objects."""
        if len(cells) < 2 or math.prod(box[1]) * self._itemsize <= _PIECE_BYTES:
            yield box, cells
            return
        columns = list(zip(*cells, strict=True))
        axis = max(range(len(columns)), key=lambda number: len(set(columns[number])))
        middle = sorted(set(columns[axis]))[len(set(columns[axis])) // 2]
        cut = self._objects.box_of(tuple(middle if n == axis else c for n, c in enumerate(cells[0])))[0][axis]
        for low, high, some in (
            (box[0][axis], cut, [cell for cell in cells if cell[axis] < middle]),
            (cut, box[0][axis] + box[1][axis], [cell for cell in cells if cell[axis] >= middle]),
        ):
            start = (*box[0][:axis], low, *box[0][axis + 1 :])
            shape = (*box[1][:axis], high - low, *box[1][axis + 1 :])
            yield from self._pieces((start, shape), some)

    def _read_piece(
        self, box: Box, cells: list[tuple[int, ...]], out: NDArray[Any], missing: Literal["fill", "error"]
    ) -> None:
        if self._index is None:
            found = self._objects.fetch(self._root, cells)
        else:
            found = self._fetch_shards(self._index, cells, box, missing)
        absent = [cell for cell, data in zip(cells, found, strict=True) if data is None]
        if absent:
            self._presence.check()
        if absent and missing == "error":
            self._raise_missing(_meet(self._objects.box_of(absent[0]), box), self._objects.key(absent[0]))
        keys = {
            self._objects.key(cell): data for cell, data in zip(cells, found, strict=True) if data is not None
        }
        self._decode(keys, box, out)

    def _decode(self, keys: dict[str, bytes], box: Box, out: NDArray[Any]) -> None:
        if not keys:
            out[...] = self._spec.fill_value
            return
        with self._memory.lease() as (store, array):
            try:
                for key, data in keys.items():
                    store[key] = data
                view = array[IndexDomain(inclusive_min=box[0], shape=box[1])]
                if out.nbytes >= _DIRECT_BYTES and out.flags.writeable and out.flags.aligned:
                    engine_view(out, copy=False, write=True).write(view).result()
                else:
                    out[...] = view.read(order="F").result()
                for key in keys:
                    store[key] = None
            except ENGINE_ERRORS as error:
                key = next((key for key in keys if f'"{key}"' in str(error)), "")
                where = self._root.child(key).url if key else self._root.url
                raise sort_failure(error, "read", where, otherwise=CorruptDataError) from error

    def _raise_missing(self, box: Box, key: str) -> None:
        place = tuple((low, low + length) for low, length in zip(*box, strict=True))
        raise MissingError(f"{self._root.url} has no voxels at {place}: nothing is stored there ({key}).")

    # --- shards, in ranges --------------------------------------------------------------------------------

    def _fetch_shards(
        self, index: ShardIndex, cells: list[tuple[int, ...]], box: Box, missing: Literal["fill", "error"]
    ) -> list[bytes | None]:
        """Read what a box needs of shards, each as a shard that holds at least that; None for those without any.

        First all indexes side by side, then all chunks.
        """
        found: dict[tuple[int, ...], bytes | None] = {}
        left = cells
        for attempt in range(_TRIES):
            looks = self._together(partial(self._look, index, box, missing, again=attempt > 0), left)
            partly = [look for look in looks if isinstance(look, _Partly)]
            found.update(
                (cell, look) for cell, look in zip(left, looks, strict=True) if not isinstance(look, _Partly)
            )
            read = iter(self._together(_read_run, [(one, run) for one in partly for run in one.runs]))
            left = []
            for one in partly:
                pieces = {run: next(read) for run in one.runs}
                whole = {run: data for run, data in pieces.items() if data is not None}
                if len(whole) < len(pieces):
                    left.append(one.cell)
                    continue
                found[one.cell] = index.shard(
                    one.known.entries, one.chunks, {**whole, **one.held}, one.place.url
                )
            if not left:
                return [found[cell] for cell in cells]
        raise ConflictError(
            f"{self._place(left[0]).url} changed {_TRIES} times while it was read.",
            hint="Read it again when whoever writes there has finished.",
        )

    def _together(self, call: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        return list(side_by_side(call, items, at_once=self._root.concurrency))

    def _place(self, cell: tuple[int, ...]) -> Location:
        return self._root.child(self._objects.key(cell))

    def _look(
        self,
        index: ShardIndex,
        box: Box,
        missing: Literal["fill", "error"],
        cell: tuple[int, ...],
        *,
        again: bool,
    ) -> bytes | _Partly | None:
        """Find out what is to be read of a shard; gives it where it has come by that, None where there is nothing."""
        whole = self._objects.box_of(cell)
        part = _meet(whole, box)
        chunks = index.chunks(whole[0], part)
        place = self._place(cell)
        try:
            if self._is_read_whole(part) and missing == "fill":
                return place.read()
            found = None if again else self._cache.get(cell)
            if found is None or (found.entries[chunks][..., 0] == index.EMPTY).any():
                # What was empty may have been written since.
                found = self._read_index(index, place, cell, chunks)
        except MissingError:
            return None
        wanted = found.entries[chunks]
        stored = wanted[..., 0] != index.EMPTY
        if missing == "error" and not stored.all():
            self._raise_missing(index.box_of(whole[0], part, np.argwhere(~stored)[0]), place.name)
        if not stored.any():
            return None
        if found.is_whole:
            return found.data
        ranges = index.ranges(wanted[stored], place.url)
        end = found.start + len(found.data)
        apart = [one for one in ranges if one[0] < found.start or end < one[1]]
        held = {(found.start, end): found.data} if len(apart) < len(ranges) else {}
        return _Partly(cell, place, found, chunks, joined(apart), held)

    def _read_index(
        self, index: ShardIndex, place: Location, cell: tuple[int, ...], chunks: tuple[slice, ...]
    ) -> _Index:
        """Read the index of a shard, and what is worth reading along with it."""
        length = index.nbytes + index.ahead(chunks)
        if index.at_end:
            data, start, version = place.read_end(length)
        else:
            ((data,), version), start = place.read_consistent([(0, length)]), 0
        entries = index.entries(data, place.url)
        self._cache.put(cell, _Index(entries, version))
        is_whole = start == 0 and (index.at_end or len(data) < length)
        return _Index(entries, version, data, start, is_whole)

    def _is_read_whole(self, part: Box) -> bool:
        """Whether a box needs all that can be in a shard: then the index needn't be read first."""
        whole = self._objects.cell_shape
        bounds = self._spec.shape
        return math.prod(whole) * self._itemsize <= WHOLE_BYTES and all(
            length == size or (low % size == 0 and low + length == bound)
            for low, length, size, bound in zip(*part, whole, bounds, strict=True)
        )

    # --- writing ------------------------------------------------------------------------------------------

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Write a box: whole objects are put, others changed on the condition that nobody else does it meanwhile."""
        self._objects.check_writable(self._root)
        cells = list(self._objects.cells(box))
        if self._lossy:
            self._refuse_to_store_again(box, cells)

        def put(group: tuple[str, list[tuple[int, ...]]]) -> None:
            self._put(group[0], [_meet(self._objects.box_of(cell), box) for cell in group[1]], box, data)

        groups = self._objects.groups(cells)
        largest = max((len(some) for _, some in groups), default=1) * math.prod(self._objects.cell_shape)
        write_objects(put, groups, root=self._root, size=largest * self._itemsize, name=itemgetter(0))

    def _refuse_to_store_again(self, box: Box, cells: list[tuple[int, ...]]) -> None:
        """Refuse a box that covers a part of a stored chunk: its other voxels would change a little, each time."""
        partly = [cell for cell in cells if _meet(whole := self._objects.box_of(cell), box) != whole]
        stored = self._objects.fetch(self._root, partly) if partly else []
        for cell, data in zip(partly, stored, strict=True):
            if data is not None:
                chunk = tuple(
                    (low, low + length) for low, length in zip(*self._objects.box_of(cell), strict=True)
                )
                raise UnalignedError(
                    f"{self._root.url} is compressed with loss: writing a part of the chunk {chunk} would change its "
                    "other voxels. Nothing was written.",
                    hint="Write whole chunks, or keep what changes without loss: encoding raw or png.",
                )

    def _put(self, key: str, parts: list[Box], box: Box, data: NDArray[Any]) -> None:
        place = self._root.child(key)
        work = [(part, _within(data, part, box)) for part in parts]
        if self._objects.are_whole(parts):
            made = self._encode(key, None, work)
            if made is None:
                place.delete()
            else:
                place.write(made)
            return

        def change(old: bytes | None) -> bytes | None:
            made = self._encode(key, old, work)
            if made is None and old is not None:
                # All fill value by now. Deleting has no condition, so that a writer in between would be lost.
                made = self._objects.nothing or self._encode(key, old, work, keep=True)
            return made

        change_object(place, change)

    def _encode(
        self, key: str, old: bytes | None, work: Iterable[tuple[Box, NDArray[Any]]], *, keep: bool = False
    ) -> bytes | None:
        """Give the object with the boxes written into it; None if nothing but fill value is left."""
        objects = self._objects
        with at_work(), self._writing.lease(keep=keep) as (store, array):
            try:
                if old is not None:
                    store[key] = objects.unpack(key, old, self._root.url)
                started = [
                    array[IndexDomain(inclusive_min=start, shape=shape)].write(part)
                    for (start, shape), part in work
                ]
                for each in started:
                    each.result()
                read = store.read(key).result()
                made = read.value if read.state == "value" else b""  # taken once: each time it is a copy
                del read
                store[key] = None
            except ENGINE_ERRORS as error:
                raise sort_failure(error, "written", self._root.child(key).url) from error
        # A shard from which the engine took the last chunk is an empty file to it.
        return objects.pack(key, made) if made else None


def _read_run(one: tuple[_Partly, tuple[int, int]]) -> bytes | None:
    """Read a range of the version that the index is of; None if that isn't there any more."""
    shard, run = one
    try:
        return shard.place.read_consistent([run], version=shard.known.version)[0][0]
    except (ConflictError, MissingError):
        return None


def _meet(one: Box, other: Box) -> Box:
    start = tuple(map(max, one[0], other[0]))
    stop = (min(a + n, b + m) for a, n, b, m in zip(one[0], one[1], other[0], other[1], strict=True))
    return start, tuple(last - first for first, last in zip(start, stop, strict=True))


def _within(data: NDArray[Any], part: Box, box: Box) -> NDArray[Any]:
    """The part of an array over a box that belongs to a smaller box."""
    if part == box:
        return data
    return data[
        tuple(slice(low - zero, low - zero + length) for low, length, zero in zip(*part, box[0], strict=True))
    ]


class _Memory:
    """Arrays in the engine's memory, one for each thread that is at work: filled, used, and left empty."""

    def __init__(self, engine: Engine, stored: StoredArray) -> None:
        self._engine = engine
        self._stored = stored
        self._idle: dict[bool, list[tuple[Any, Any]]] = {False: [], True: []}

    @contextmanager
    def lease(self, *, keep: bool = False) -> Iterator[tuple[Any, Any]]:
        """Give a key-value store and the array over it; after an error they are not used again.

        keep: chunks of fill value are stored, too.
        """
        idle = self._idle[keep]
        try:
            pair = idle.pop()
        except IndexError:
            pair = self._engine.in_memory(self._stored, keep=keep)
        yield pair
        idle.append(pair)


class _IndexCache:
    """The indexes of shards that were read last, within a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[int, ...], _Index] = OrderedDict()

    def get(self, cell: tuple[int, ...]) -> _Index | None:
        with self._lock:
            if cell in self._found:
                self._found.move_to_end(cell)
            return self._found.get(cell)

    def put(self, cell: tuple[int, ...], index: _Index) -> None:
        with self._lock:
            old = self._found.pop(cell, None)
            self._found[cell] = index
            self._held += index.entries.nbytes - (0 if old is None else old.entries.nbytes)
            while self._held > self._limit and self._found:
                self._held -= self._found.popitem(last=False)[1].entries.nbytes
