"""One .npy file per shard, and npy.json that says what they make up.

A shard's file is named after its place in the grid of shards ("0.2.1.0.npy"), and always holds a whole shard, also
where it reaches beyond the array. There are no smaller chunks inside: chunk and shard are the same.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np

from wkplug.abc import Array, ArrayBackend, ArrayCapabilities, ArraySpec, Layout, ProbeScore, Problem
from wkplug.errors import (
    CorruptDataError,
    LayoutError,
    MissingError,
    ReadOnlyError,
    ShapeMismatchError,
    UnsupportedDtypeError,
    WkplugError,
)
from wkplug.geometry.grids import cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wkplug.abc import Box, LayoutWish, Location, Mode

_META = "npy.json"
_EDGE = 64


class NpyBackend(ArrayBackend):
    """Creates and opens arrays of .npy files."""

    name = "npy+files"
    format = "npy"
    # Two processes may write different shards; wkplug takes a lock around anything smaller.
    capabilities = ArrayCapabilities(concurrent_writes="shard", sharded=False)

    def __init__(self, settings: object = None) -> None:
        del settings  # there is nothing to set

    def probe(self, location: Location) -> ProbeScore:
        """Look for npy.json."""
        return ProbeScore.MARKER if location.child(_META).exists() else ProbeScore.NO

    def default_layout(self, wish: LayoutWish) -> Layout:
        """Cubes of 64 voxels with all channels, unless something else is wished."""
        default = [_EDGE if axis in "xyz" else 1 for axis in wish.axes]
        if "c" in wish.axes:
            default[wish.axes.index("c")] = wish.shape[wish.axes.index("c")] or 1
        shard = wish.shard_shape or wish.chunk_shape or tuple(default)
        _check_layout(wish.chunk_shape or shard, shard)
        if any(
            axis in "xyz" and length & (length - 1) for axis, length in zip(wish.axes, shard, strict=True)
        ):
            raise LayoutError(f"The lengths of {shard} along x, y and z must be a power of two.")
        return Layout(chunk_shape=shard, shard_shape=shard)

    def problems(
        self, spec: ArraySpec | None, location: Location, mode: Mode | Literal["create"]
    ) -> list[Problem]:
        """Any place will do; only the spec of a new array may have something wrong with it."""
        del location, mode
        try:
            if spec is not None:
                _check(spec)
        except WkplugError as error:
            return [Problem(code="npy", text=str(error), error_type=type(error))]
        return []

    def create(self, location: Location, spec: ArraySpec) -> NpyArray:
        """Write npy.json; `if_match=""` makes it a ConflictError if there is one."""
        _check(spec)
        location.child(_META).write(json.dumps(attrs.asdict(spec)).encode(), if_match="")
        return NpyArray(location, "r+", spec)

    def open(self, location: Location, mode: Mode = "r", *, axes: tuple[str, ...] | None = None) -> NpyArray:
        """Read npy.json."""
        try:
            spec = ArraySpec(**json.loads(location.child(_META).read()))
            _check(spec)
        except (ValueError, TypeError, OverflowError) as error:  # from JSON, from attrs, or from _check
            raise CorruptDataError(f"{location.child(_META).url} is damaged: {error}") from error
        if axes is not None and len(axes) == len(spec.axes):
            spec = attrs.evolve(spec, axes=axes)
        return NpyArray(location, mode, spec)


class NpyArray(Array):
    """One array: where it is, how it was opened, and its spec. It pickles by itself."""

    format = NpyBackend.format
    backend = NpyBackend.name

    def __init__(self, location: Location, mode: Mode, spec: ArraySpec) -> None:
        self._location, self._mode, self.spec = location, mode, spec

    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        """Copy out of every shard that the box meets."""
        result = np.empty(box[1], self.dtype, order="F") if out is None else out
        for cell, (start, shape) in self._cells(box):
            shard = self._load(cell)
            if shard is None and missing == "error":
                raise MissingError(f"{self._file(cell).url} was never written.")
            part = self.spec.fill_value if shard is None else shard[_inside(self._origin(cell), start, shape)]
            result[_inside(box[0], start, shape)] = part
        return result

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Change every shard that the box meets; `Location.write` replaces a file in one step."""
        self._check_writable()
        if data.shape != tuple(box[1]):
            raise ShapeMismatchError(f"Data of shape {data.shape} don't fit a box of shape {box[1]}.")
        for cell, (start, shape) in self._cells(box):
            # A shard that is covered whole needs no reading, whatever state it is in.
            shard = None if shape == self.spec.shard_shape else self._load(cell)
            if shard is None:
                shard = np.full(self.spec.shard_shape, self.spec.fill_value, self.dtype, order="F")
            shard[_inside(self._origin(cell), start, shape)] = data[_inside(box[0], start, shape)]
            self._store(cell, shard)

    def resize(self, shape: tuple[int | None, ...]) -> None:
        """Change the shape in npy.json; files outside stay, in case that the array grows again."""
        self._check_writable()
        self.spec = attrs.evolve(self.spec, shape=shape)
        self._location.child(_META).write(json.dumps(attrs.asdict(self.spec)).encode())

    def stored_boxes(self) -> Iterator[Box]:
        """Go through the names of the files."""
        for name in self._location.list():
            if name.endswith((".npy", ".npy.gz")):
                cell = tuple(int(number) for number in name.partition(".npy")[0].split("."))
                yield self._origin(cell), self.spec.shard_shape

    def files_of(self, cell: tuple[int, ...]) -> tuple[str, ...]:
        """Name the one file of a shard; `Location.write` makes it anew, and looks at nothing else."""
        return (self._name(cell),)

    def native_handle(self) -> Location:
        """Give the folder: numpy has no array of many files."""
        return self._location

    def _cells(self, box: Box) -> Iterator[tuple[tuple[int, ...], Box]]:
        """Iterate over the shards that a box meets, and the part of the box in each."""
        for start, shape in cells(*box, self.spec.shard_shape):
            yield tuple(a // n for a, n in zip(start, self.spec.shard_shape, strict=True)), (start, shape)

    def _origin(self, cell: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(a * n for a, n in zip(cell, self.spec.shard_shape, strict=True))

    def _name(self, cell: tuple[int, ...]) -> str:
        return ".".join(map(str, cell)) + (".npy.gz" if self.spec.compressed else ".npy")

    def _file(self, cell: tuple[int, ...]) -> Location:
        return self._location.child(self._name(cell))

    def _load(self, cell: tuple[int, ...]) -> NDArray[Any] | None:
        """Read one file; None if it was never written. Damage must never pass for voxels."""
        file = self._file(cell)
        try:
            content = file.read()
        except MissingError:
            if not self._location.child(_META).exists():
                raise  # not an empty shard: the whole array is gone
            return None
        try:
            if self.spec.compressed:
                content = gzip.decompress(content)
            # npy.json says what the voxels are, so the header is only skipped; it is there for other readers.
            start = 10 + int.from_bytes(content[8:10], "little")
            voxels = np.frombuffer(content, self.dtype, offset=start)
            return voxels.reshape(self.spec.shard_shape, order="F").copy(order="F")
        except (ValueError, EOFError, OSError, zlib.error) as error:
            raise CorruptDataError(f"{file.url} is damaged: {error}") from error

    def _store(self, cell: tuple[int, ...], shard: NDArray[Any]) -> None:
        file = io.BytesIO()
        header = {"descr": self.dtype.str, "fortran_order": True, "shape": shard.shape}
        np.lib.format.write_array_header_1_0(file, header)
        content = file.getvalue() + shard.tobytes("F")
        self._file(cell).write(gzip.compress(content, 3, mtime=0) if self.spec.compressed else content)

    def _check_writable(self) -> None:
        if self._mode == "r":
            raise ReadOnlyError(
                f"{self._location.url} was opened for reading.", hint='Open it with mode "r+".'
            )


def _inside(origin: tuple[int, ...], start: tuple[int, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Index the box of `start` and `shape` in a numpy array whose first voxel is at `origin`."""
    return tuple(slice(b - a, b - a + n) for a, b, n in zip(origin, start, shape, strict=True))


def _check(spec: ArraySpec) -> None:
    """Raise what is wrong with a spec, that of a new array or one from a file."""
    if spec.dtype not in NpyBackend.capabilities.dtypes:
        raise UnsupportedDtypeError(
            f"No array of .npy files can hold {spec.dtype!r}.", hint="Convert the data."
        )
    for shape in (spec.shape, spec.chunk_shape, spec.shard_shape):
        if len(shape) != len(spec.axes):
            raise LayoutError(f"{shape} must have one number for each of the axes {', '.join(spec.axes)}.")
    if any(length is None or length < 0 for length in spec.shape):
        raise LayoutError(f"Every axis must have a length, and not {spec.shape}.")
    if isinstance(spec.fill_value, bool) or not isinstance(spec.fill_value, (int, float)):
        raise LayoutError(f"The fill value must be a number, not {spec.fill_value!r}.")
    _check_layout(spec.chunk_shape, spec.shard_shape)


def _check_layout(chunk: tuple[int, ...], shard: tuple[int, ...]) -> None:
    if chunk != shard or min(shard) < 1:
        raise LayoutError(f"A .npy file has no chunks inside: {chunk} and {shard} must be the same.")
