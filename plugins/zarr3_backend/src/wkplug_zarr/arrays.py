"""One opened Zarr array: boxes in, boxes out, through zarr-python.

What zarr-python leaves to its caller is done here: exact bounds; results with the first axis fastest; damage
told from absence; a shape that changes without deleting anything; pickles that open again.

The engine is given a shape rounded up to whole shards. A shard at the array's edge is then never "completely
covered" by a write that ends at the edge, so that voxels beyond it, which another process may have written
after a resize that this handle doesn't know of, are read and kept.
"""

from __future__ import annotations

import math
import threading
import warnings
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import attrs
import numpy as np
import zarr
from zarr.buffer import cpu
from zarr.errors import ZarrUserWarning
from zarr.storage import StorePath

from wkplug.abc import (
    Array,
    ArraySpec,
    Box,
    Location,
    Mode,
    at_work,
    change_object,
    write_objects,
)
from wkplug.errors import (
    ConflictError,
    CorruptDataError,
    DtypeMismatchError,
    MissingError,
    OutOfBoundsError,
    ReadOnlyError,
    ShapeMismatchError,
    TooLargeError,
    UnsupportedOperationError,
    WkplugError,
)
from wkplug_zarr.documents import encode
from wkplug_zarr.headers import (
    METADATA_FILES,
    WIDENED,
    Header,
    read_document,
    read_header,
    read_named_header,
    unusual_dtype,
    unusual_header,
)
from wkplug_zarr.stores import CheckedStore, Draft, open_store, reading_together

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["WidenedArray", "ZarrArray", "check_engine"]

_RESIZE_ATTEMPTS = 20
_CONFIG = {"order": "F", "write_empty_chunks": False}
_KNOWN_WARNINGS = (
    # Both describe what is stored already, in an array that someone else made; nobody can act on them here.
    "Numcodecs codecs are not in the Zarr version 3 specification",
    "Combining a `sharding_indexed` codec disables partial reads",
)


def check_engine(header: Header, location: Location) -> None:
    """UnsupportedOperationError for what zarr-python doesn't know."""
    make_engine(header, open_store(location, read_only=True, index=None), header.shape)


def make_engine(header: Header, store: CheckedStore, shape: tuple[int, ...]) -> zarr.Array[Any]:
    """Build zarr-python's array from checked metadata; UnsupportedOperationError for what it doesn't know."""
    document = {**header.document, "shape": list(shape)}
    try:
        with warnings.catch_warnings():
            for message in _KNOWN_WARNINGS:
                warnings.filterwarnings("ignore", message=message, category=ZarrUserWarning)
            return zarr.Array.from_dict(StorePath(store), document).with_config(_CONFIG)  # type: ignore[arg-type]  # its annotations want typed dicts
    except (ArithmeticError, ImportError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise UnsupportedOperationError(
            f"zarr-python can't open {store.root}: {_text(error)}.",
            hint="Its codecs must be installed: packages that offer codecs register them by themselves.",
        ) from error


class ZarrArray(Array):
    """See the module's docstring. Thread-safe; the engine is built at first use and after `close`."""

    def __init__(
        self,
        location: Location,
        zarr_format: int,
        mode: Mode,
        axes: tuple[str, ...] | None,
        header: Header | None = None,
    ) -> None:
        self.format = "zarr3" if zarr_format == 3 else "zarr"
        self.backend = f"{self.format}+zarr"
        self._location = location
        self._zarr_format = zarr_format
        self._mode: Mode = mode
        self._axes = axes
        self._lock = threading.RLock()
        self._engine: tuple[zarr.Array[Any], CheckedStore] | None = None
        self._header_value = header
        self._spec_value = None if header is None else header.spec(axes, location.url)

    def __reduce__(self) -> tuple[Any, ...]:
        return (ZarrArray, (self._location, self._zarr_format, self._mode, self._axes))

    def __repr__(self) -> str:
        return f"<{self.backend} array {self._location.url} ({self._mode})>"

    @property
    def concurrent_writes(self) -> Literal["box"] | None:
        """ "box" where conditional puts tell of other writers; elsewhere as the backend says."""
        return "box" if self._location.conditional and self._location.concurrency > 1 else None

    # --- opening ----------------------------------------------------------------------------------------

    def _header(self) -> Header:
        header = self._header_value
        if header is None:
            with self._lock:
                header = read_named_header(self._location, self._zarr_format, self._axes)
                self._header_value = header
        return header

    @property
    def spec(self) -> ArraySpec:  # type: ignore[override]  # read from storage at first use after unpickling
        """How it was created, with its shape as of opening or the last `resize` through this handle."""
        if self._spec_value is None:
            self._spec_value = self._header().spec(self._axes, self._location.url)
        return self._spec_value

    def _opened(self) -> tuple[zarr.Array[Any], CheckedStore]:
        engine = self._engine
        if engine is None:
            with self._lock:
                header = self._header()
                store = open_store(
                    self._location, read_only=self._mode == "r", index=header.index, bound=header.bound
                )
                shape = tuple(
                    -(-length // shard) * shard
                    for length, shard in zip(header.shape, header.shard_shape, strict=True)
                )
                engine = self._engine = (make_engine(header, store, shape), store)
        return engine

    def close(self) -> None:
        """Let go of the engine; it is built again when needed."""
        self._engine = None

    def native_handle(self) -> zarr.Array[Any]:
        """Give a `zarr.Array` of the array's exact shape."""
        header = self._header()
        return make_engine(header, self._opened()[1], header.shape)

    # --- voxels -----------------------------------------------------------------------------------------

    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        """Read `box`; see `wkplug.abc.Array.read`."""
        engine, store = self._opened()
        selection = self._selection(box)
        shape = tuple(box[1])
        if out is None:
            out = np.empty(shape, dtype=self.spec.dtype, order="F")
        else:
            self._check_data(out, shape, "out")
        if 0 in shape:
            return out
        if missing == "error":
            self._check_stored(box, store)
        try:
            with reading_together():
                engine.get_basic_selection(selection, out=cpu.NDBuffer.from_ndarray_like(out))  # type: ignore[arg-type]  # numpy arrays have all that NDArrayLike asks for
        except WkplugError:
            raise
        except MemoryError as error:
            raise TooLargeError(f"Not enough memory to read {box} of {self._location.url}.") from error
        except Exception as error:
            # Codecs raise whatever they like; what they have in common is that the bytes couldn't be decoded.
            raise self._damage(box, error) from error
        return out

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Write `data` to `box`; see `wkplug.abc.Array.write`."""
        if self._mode == "r":
            raise ReadOnlyError(
                f"The array at {self._location.url} was opened for reading.", hint='Open it with mode "r+".'
            )
        engine, store = self._opened()
        self._selection(box)
        self._check_data(data, tuple(box[1]), "data")
        if data.size == 0:
            return
        if self._location.concurrency < 2:
            self._encode(engine, box, data)
            return

        def put(shard: tuple[str, tuple[slice, ...]]) -> None:
            key, part = shard
            start = tuple(side.start for side in part)
            shape = tuple(side.stop - side.start for side in part)
            inside = (
                slice(low - zero, low - zero + length)
                for low, zero, length in zip(start, box[0], shape, strict=True)
            )
            self._put(store, key, (start, shape), data[tuple(inside)])

        shards = list(self._shards(box))
        largest = data.itemsize * math.prod(self._header().shard_shape)
        write_objects(put, shards, root=self._location, size=largest, name=itemgetter(0))

    def _put(self, store: CheckedStore, key: str, box: Box, data: NDArray[Any]) -> None:
        """Encode a shard and put it, apart from each other: encoding takes all cores, and requests their time."""

        def encoded(old: bytes | None, *, keep: bool = False) -> bytes | None:
            draft = Draft(store, {key: old})
            config: Any = {**_CONFIG, "write_empty_chunks": keep}
            copy: zarr.Array[Any] = zarr.Array(zarr.AsyncArray(engine.metadata, StorePath(draft), config))
            with at_work():
                self._encode(copy, box, data)
            return draft.objects[key]

        def change(old: bytes | None) -> bytes | None:
            made = encoded(old)
            # All fill value by now. Deleting has no condition, so that a writer in between would be lost.
            return encoded(old, keep=True) if made is None and old is not None else made

        engine = self._opened()[0]
        if box[1] != self._header().shard_shape:
            change_object(self._location.child(key), change)
            return
        made = encoded(None)
        if made is None:
            store.remove(key)
        else:
            store.write(key, made)

    def _encode(self, engine: zarr.Array[Any], box: Box, data: NDArray[Any]) -> None:
        """Have the engine write a box to its store."""
        try:
            engine.set_basic_selection(self._selection(box), data)
        except WkplugError:
            raise
        except MemoryError as error:
            raise TooLargeError(f"Not enough memory to write {box} of {self._location.url}.") from error
        except Exception as error:
            # What fails here is the decoding of chunks that are covered in part; see `read`.
            raise self._damage(box, error) from error

    def _selection(self, box: Box) -> tuple[slice, ...]:
        start, shape = box
        bounds = self._header().shape
        if len(start) != len(bounds) or len(shape) != len(bounds):
            raise OutOfBoundsError(f"The box {box} has not the {len(bounds)} axes of {self._location.url}.")
        for first, length, bound in zip(start, shape, bounds, strict=True):
            if first < 0 or length < 0 or first + length > bound:
                raise OutOfBoundsError(
                    f"The box {box} leaves the array at {self._location.url}, whose shape is {bounds}.",
                    hint="Resize the array first.",
                )
        return tuple(slice(first, first + length) for first, length in zip(start, shape, strict=True))

    def _check_data(self, data: NDArray[Any], shape: tuple[int, ...], name: str) -> None:
        if data.shape != shape:
            raise ShapeMismatchError(f"{name} has the shape {data.shape}, but the box {shape}.")
        if data.dtype.name != self.spec.dtype:
            raise DtypeMismatchError(
                f"{name} is {data.dtype.name}, but the array at {self._location.url} is {self.spec.dtype}."
            )

    # --- absence and damage -----------------------------------------------------------------------------

    def _shards(self, box: Box) -> Iterator[tuple[str, tuple[slice, ...]]]:
        """Iterate over the keys of the shards that meet the box, with that part of the box."""
        header = self._header()
        sizes = header.shard_shape
        stop = tuple(first + length for first, length in zip(*box, strict=True))
        ranges = [
            range(first // size, -(-last // size))
            for first, last, size in zip(box[0], stop, sizes, strict=True)
        ]
        for index in np.ndindex(*(len(steps) for steps in ranges)):
            cell = tuple(steps[number] for steps, number in zip(ranges, index, strict=True))
            part = tuple(
                slice(max(first, number * size), min(last, (number + 1) * size))
                for first, last, number, size in zip(box[0], stop, cell, sizes, strict=True)
            )
            yield header.keys.key(cell), part

    def _check_stored(self, box: Box, store: CheckedStore) -> None:
        header = self._header()
        for key, part in self._shards(box):
            whole = store.has(key)
            if whole and header.index is not None:
                index = header.index
                data = store.read(key, -index.nbytes) if index.at_end else store.read(key, 0, index.nbytes)
                if len(data) < index.nbytes:
                    raise CorruptDataError(f"{store.root}/{key} is damaged: it is shorter than its index.")
                chunks = tuple(
                    slice(side.start % shard // chunk, (side.stop - 1) % shard // chunk + 1)
                    for side, shard, chunk in zip(part, header.shard_shape, header.chunk_shape, strict=True)
                )
                whole = bool(index.stored(index.entries(data))[chunks].all())
            if not whole:
                where = tuple((side.start, side.stop) for side in part)
                raise MissingError(
                    f"The array at {self._location.url} has never been written in all of {where} ({key})."
                )

    def _damage(self, box: Box, error: Exception) -> CorruptDataError:
        """Say which shard can't be decoded, by trying them one by one: this happens once, then work stops."""
        engine, _ = self._opened()
        for key, part in self._shards(box):
            try:
                engine.get_basic_selection(part)
            except WkplugError as found:
                return CorruptDataError(f"{self._location.url}/{key} can't be read: {found.message}")
            except Exception as found:  # noqa: BLE001 - whatever the codec raised, it is what is looked for
                where = tuple((side.start, side.stop) for side in part)
                return CorruptDataError(
                    f"{self._location.url}/{key} is damaged: {where} can't be decoded ({_text(found)}).",
                    hint="Restore the file from a copy, or write its voxels anew.",
                )
        return CorruptDataError(f"{box} of {self._location.url} can't be read or written: {_text(error)}.")

    # --- extent -----------------------------------------------------------------------------------------

    def resize(self, shape: tuple[int | None, ...]) -> None:
        """Rewrite the shape in the metadata, and nothing else: not one chunk is touched."""
        if self._mode == "r":
            raise ReadOnlyError(
                f"The array at {self._location.url} was opened for reading.", hint='Open it with mode "r+".'
            )
        lengths = [length for length in shape if length is not None and length >= 0]
        if len(lengths) != len(shape) or len(shape) != len(self._header().shape):
            raise ShapeMismatchError(
                f"{shape} is no shape for the {len(self._header().shape)} axes of {self._location.url}."
            )
        place = self._location.child(METADATA_FILES[self._zarr_format])
        with self._lock:
            for attempt in range(1, _RESIZE_ATTEMPTS + 1):
                version = place.version()
                # Read again, so that what others put into the file since stays in it.
                header = read_header(self._location, self._zarr_format)
                document = read_document(place)
                document["shape"] = lengths
                try:
                    place.write(encode(document), if_match=version)
                    break
                except ConflictError:
                    if attempt == _RESIZE_ATTEMPTS:
                        raise
            header.document["shape"] = lengths
            self._take(header, tuple(lengths))

    def _take(self, header: Header, shape: tuple[int, ...]) -> None:
        import attrs

        self._engine = None
        self._header_value = attrs.evolve(header, shape=shape)
        self._spec_value = self._header_value.spec(self.spec.axes, self._location.url)

    def looks_into(self, key: str) -> bool:
        """Whether it is a shard's key: see `wkplug.abc.Array.looks_into`."""
        return self._header().keys.index(key) is not None

    def files_of(self, cell: tuple[int, ...]) -> tuple[str, ...]:
        """The shard's own file: see `wkplug.abc.Array.files_of`."""
        return (self._header().keys.key(cell),)

    def stored_boxes(self) -> Iterator[Box]:
        """Iterate over the boxes of the stored shards, from the names of their files or objects."""
        header = self._header()
        for cell in header.keys.stored(self._location):
            start = tuple(number * size for number, size in zip(cell, header.shard_shape, strict=True))
            yield start, header.shard_shape


def _text(error: BaseException) -> str:
    return (str(error) or type(error).__name__).strip().rstrip(".")


class WidenedArray(Array):
    """An array of bool or float16, which no layer has: read with its values widened, never written."""

    def __init__(self, location: Location, zarr_format: int, axes: tuple[str, ...] | None) -> None:
        self._made_of = location, zarr_format, axes
        self.stored_dtype = unusual_dtype(location, zarr_format) or "bool"
        header = unusual_header(location, zarr_format, self.stored_dtype)
        self._stored = ZarrArray(location, zarr_format, "r", axes, header)
        self.format, self.backend = self._stored.format, self._stored.backend
        self.spec: ArraySpec = attrs.evolve(self._stored.spec, dtype=WIDENED[self.stored_dtype])

    def __reduce__(self) -> tuple[Any, ...]:
        return (WidenedArray, self._made_of)

    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        """See `Array.read`."""
        stored = self._stored.read(box, missing=missing)
        if out is None:
            return stored.astype(self.spec.dtype, order="K")
        out[...] = stored
        return out

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Refuse it."""
        del box, data
        self._refuse()

    def resize(self, shape: tuple[int | None, ...]) -> None:
        """Refuse it."""
        del shape
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UnsupportedOperationError(
            f"The array at {self._made_of[0].url} stores {self.stored_dtype}, which is read as {self.spec.dtype}, "
            "but never written.",
            hint="Copy the layer, which stores the values that are read, and change the copy.",
        )

    def stored_boxes(self) -> Any:
        """See `Array.stored_boxes`."""
        return self._stored.stored_boxes()

    def looks_into(self, key: str) -> bool | None:
        """See `Array.looks_into`."""
        return self._stored.looks_into(key)

    def close(self) -> None:
        """See `Array.close`."""
        self._stored.close()

    def native_handle(self) -> Any:
        """Give a `zarr.Array` of the dtype that is stored."""
        return self._stored.native_handle()
