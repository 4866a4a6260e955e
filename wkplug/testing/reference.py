"""A backend and an image reader that keep all promises in the plainest way: what the kit tests itself with.

The backend has one JSON file, and one file of raw voxels per shard: memory arrays can't show what goes wrong between
processes and in damaged files. An image is the line "wkplug toy image 1", a line of JSON, and the blocks of all scenes
and levels in index order, each with a checksum; the JSON has one entry per scene. Read it as an example of a reader
without a library. Neither is a format: no hook offers them, and the next release need not read their files.
"""

# ruff: noqa: D102
# The reason: what the methods do is said by the contract.

from __future__ import annotations

import json
import math
import zlib
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import attrs
import numpy as np

from wkplug.abc import (
    Array,
    ArrayBackend,
    ArrayCapabilities,
    ArraySpec,
    Box,
    ImageInfo,
    ImageReader,
    Layout,
    LayoutWish,
    Location,
    Mode,
    ProbeScore,
    Problem,
    StoredImage,
)
from wkplug.abc.files import check_scene, corrupt_image
from wkplug.errors import (
    ConflictError,
    CorruptDataError,
    InvalidArgumentError,
    LayoutError,
    MissingError,
    ReadOnlyError,
    ShapeMismatchError,
    TooLargeError,
    UnsupportedDtypeError,
)
from wkplug.testing.checks import inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["ReferenceArray", "ReferenceBackend", "ToyImage", "ToyReader", "write_toy"]

_MAGIC = b"wkplug toy image 1\n"
_HEADER = 4096
_META = "reference-array.json"
_MAX_SHARD_BYTES = 1 << 28
_SPATIAL = ("x", "y", "z")


class ReferenceBackend(ArrayBackend):
    """Keeps the promises in the plainest way."""

    name: ClassVar[str] = "reference+files"
    format: ClassVar[str] = "reference"
    capabilities: ClassVar[ArrayCapabilities] = ArrayCapabilities(concurrent_writes="shard")

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings  # there is nothing to set

    def probe(self, location: Location) -> ProbeScore:
        """Look for the JSON file."""
        return ProbeScore.MARKER if location.child(_META).version() is not None else ProbeScore.NO

    def default_layout(self, wish: LayoutWish) -> Layout:
        """Chunks of 32 voxels along x, y and z, all channels, one of anything else; shards of 2 chunks."""
        lengths = dict.fromkeys(_SPATIAL, 32) | {
            "c": dict(zip(wish.axes, wish.shape, strict=True)).get("c") or 1
        }
        chunk = wish.chunk_shape
        if chunk is None:
            chunk = tuple(lengths.get(axis, 1) for axis in wish.axes)
            if wish.shard_shape is not None:
                chunk = tuple(map(min, chunk, wish.shard_shape))
        shard = wish.shard_shape
        if shard is None:
            shard = tuple(n * 2 if axis in _SPATIAL else n for axis, n in zip(wish.axes, chunk, strict=True))
        if any(b % a for a, b in zip(chunk, shard, strict=True)):
            raise LayoutError(f"The shard {shard} must be a multiple of the chunk {chunk}.")
        for axis, *both in zip(wish.axes, chunk, shard, strict=True):
            if axis in _SPATIAL and any(n & (n - 1) for n in both):
                raise LayoutError(f"Chunk and shard along {axis} must be a power of two, not {both}.")
        return Layout(chunk_shape=chunk, shard_shape=shard)

    def problems(
        self, spec: ArraySpec | None, location: Location, mode: Mode | Literal["create"]
    ) -> list[Problem]:
        """Refuse what JSON and raw voxels can't tell."""
        del location, mode
        if spec is None:
            return []
        try:
            _check(spec)
        except (UnsupportedDtypeError, LayoutError, InvalidArgumentError, TooLargeError) as error:
            return [Problem(code="reference-spec", text=str(error), error_type=type(error))]
        return []

    def create(self, location: Location, spec: ArraySpec) -> ReferenceArray:
        """Write the JSON file."""
        _check(spec)
        if location.child(_META).version() is not None:
            raise ConflictError(f"There is an array at {location.url} already.")
        _save(location, spec, if_match="")
        return ReferenceArray(self.name, location, "r+", spec)

    def open(
        self, location: Location, mode: Mode = "r", *, axes: tuple[str, ...] | None = None
    ) -> ReferenceArray:
        """Read the JSON file."""
        spec = _load(location)
        if axes is not None and len(axes) == len(spec.axes):
            spec = attrs.evolve(spec, axes=axes)
        return ReferenceArray(self.name, location, mode, spec)


class ReferenceArray(Array):
    """Where the array is; nothing is kept but the spec."""

    format = ReferenceBackend.format

    def __init__(self, backend: str, location: Location, mode: Mode, spec: ArraySpec) -> None:
        self.backend, self.location, self.mode, self.spec = backend, location, mode, spec

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.backend, self.location, self.mode, self.spec))

    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        """Copy from every shard."""
        result = np.empty(box[1], self.dtype, order="F") if out is None else out
        for place, target, source in self._cells(box):
            shard = self._load_shard(place)
            if shard is not None:
                result[target] = shard[source]
            elif missing == "fill":
                result[target] = self.spec.fill_value
            else:
                raise MissingError(f"The shard {place} of {self.location.url} was never written.")
        return result

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Read, change and write every shard."""
        self._need_writing()
        if data.shape != tuple(box[1]):
            raise ShapeMismatchError(f"Data of shape {data.shape} don't fit a box of shape {box[1]}.")
        for place, source, target in self._cells(box):
            shard = self._load_shard(place)
            if shard is None:
                shard = np.full(self.spec.shard_shape, self.spec.fill_value, self.dtype, order="F")
            shard[target] = data[source]
            little = shard.astype(shard.dtype.newbyteorder("<"))
            self._file(place).write(little.tobytes(order="F"))

    def resize(self, shape: tuple[int | None, ...]) -> None:
        """Change the shape in the JSON file."""
        self._need_writing()
        _save(self.location, attrs.evolve(_load(self.location), shape=shape))
        self.spec = attrs.evolve(self.spec, shape=shape)

    def stored_boxes(self) -> Iterator[Box]:
        """List the shards' files."""
        if _META not in self.location.list():
            raise MissingError(f"There is no array at {self.location.url}.")
        for name in self.location.list():
            if name.startswith("shard-"):
                place = tuple(int(part) for part in name.removeprefix("shard-").split("-"))
                start = tuple(a * b for a, b in zip(place, self.spec.shard_shape, strict=True))
                if all(a < (b or 0) for a, b in zip(start, self.spec.shape, strict=True)):
                    yield start, self.spec.shard_shape

    def native_handle(self) -> Location:
        """Give the location: there is no engine."""
        return self.location

    def _cells(self, box: Box) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...], tuple[slice, ...]]]:
        """Give for every shard its place in the grid, and where its voxels are in the box and in the shard."""
        shard = self.spec.shard_shape
        ranges = [range(a // n, (a + b - 1) // n + 1) for a, b, n in zip(*box, shard, strict=True)]
        for place in product(*ranges):
            in_box, in_shard = [], []
            for axis, number in enumerate(place):
                origin, start = number * shard[axis], box[0][axis]
                low, high = max(origin, start), min(origin + shard[axis], start + box[1][axis])
                in_box.append(slice(low - start, high - start))
                in_shard.append(slice(low - origin, high - origin))
            yield place, tuple(in_box), tuple(in_shard)

    def _file(self, place: tuple[int, ...]) -> Location:
        return self.location.child("shard-" + "-".join(map(str, place)))

    def _load_shard(self, place: tuple[int, ...]) -> NDArray[Any] | None:
        try:
            data = self._file(place).read()
        except MissingError:
            if self.location.child(_META).version() is None:
                raise MissingError(f"There is no array at {self.location.url}.") from None
            return None
        expected = math.prod(self.spec.shard_shape) * self.dtype.itemsize
        if len(data) != expected:
            raise CorruptDataError(f"{self._file(place).url} has {len(data)} bytes instead of {expected}.")
        stored = np.frombuffer(data, self.dtype.newbyteorder("<"))
        return stored.reshape(self.spec.shard_shape, order="F").astype(self.dtype, order="F")

    def _need_writing(self) -> None:
        if self.mode == "r":
            raise ReadOnlyError(
                f"{self.location.url} was opened for reading.", hint='Open it with mode "r+".'
            )


def _check(spec: ArraySpec) -> None:
    """Raise what is wrong with a spec, from the user or from a file."""
    if spec.dtype not in ReferenceBackend.capabilities.dtypes:
        raise UnsupportedDtypeError(f"{spec.dtype} can't be stored.")
    shapes = (spec.shape, spec.chunk_shape, spec.shard_shape)
    if any(len(shape) != len(spec.axes) for shape in shapes) or not spec.axes:
        raise LayoutError(f"Axes {spec.axes} and shapes {shapes} differ in length.")
    lengths = zip(spec.chunk_shape, spec.shard_shape, strict=True)
    if any(a < 1 or b < 1 or b % a for a, b in lengths):
        raise LayoutError(f"The shard {spec.shard_shape} must be a multiple of the chunk {spec.chunk_shape}.")
    if any(length is None or length < 0 for length in spec.shape):
        raise InvalidArgumentError(f"The shape {spec.shape} has axes without an end.")
    if math.prod(spec.shard_shape) * np.dtype(spec.dtype).itemsize > _MAX_SHARD_BYTES:
        raise TooLargeError(
            f"Shards of {spec.shard_shape} {spec.dtype} are larger than {_MAX_SHARD_BYTES} bytes."
        )


def _save(location: Location, spec: ArraySpec, *, if_match: str | None = None) -> None:
    fields = attrs.asdict(spec) | {"options": dict(spec.options)}
    location.child(_META).write(json.dumps(fields, sort_keys=True).encode(), if_match=if_match)


def _load(location: Location) -> ArraySpec:
    try:
        text = location.child(_META).read()
    except MissingError as error:
        raise MissingError(f"There is no array at {location.url}.") from error
    try:
        fields = json.loads(text)
        spec = ArraySpec(**(fields | {"fill_value": float(fields["fill_value"])}))
        _check(spec)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise CorruptDataError(f"{location.child(_META).url} is damaged: {error}") from error
    return spec


# --- images ---


def write_toy(
    path: Path,
    scenes: Sequence[Sequence[NDArray[Any]]],
    axes: str,
    block: Sequence[int],
    voxel_size: Sequence[float | None] = (None, None, None),
) -> None:
    """Write the levels of each scene."""
    entries = []
    body = b""
    for levels in scenes:
        shapes = [level.shape for level in levels]
        entries.append({"axes": axes, "dtype": levels[0].dtype.name, "block": list(block), "shapes": shapes,
                        "voxel_size": list(voxel_size), "start": len(body)})  # fmt: skip
        for level in levels:
            for box in _blocks(level.shape, tuple(block)):
                pixels = (
                    np.ascontiguousarray(level[inside(box)]).astype(level.dtype.newbyteorder("<")).tobytes()
                )
                body += zlib.crc32(pixels).to_bytes(4, "little") + pixels
    header = json.dumps(entries).encode()
    header += b" " * (_HEADER - len(_MAGIC) - 5 - len(header)) + b"\n"
    path.write_bytes(_MAGIC + zlib.crc32(header).to_bytes(4, "little") + header + body)


def _blocks(shape: tuple[int, ...], block: tuple[int, ...]) -> Iterator[Box]:
    for corner in product(*(range(0, n, b) for n, b in zip(shape, block, strict=True))):
        yield corner, tuple(min(b, n - c) for b, n, c in zip(block, shape, corner, strict=True))


class ToyReader(ImageReader):
    """Opens toy images."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        del settings

    def probe(self, location: Location, head: bytes) -> ProbeScore:
        del location
        return ProbeScore.MAGIC if head.startswith(_MAGIC) else ProbeScore.NO

    def open(self, location: Location, *, scene: int = 0) -> ToyImage:
        return ToyImage(self, location, scene)


class ToyImage(StoredImage):
    """One scene of a toy image, read by ranges: nothing stays open, and threads may read at once."""

    what = "a toy image"
    in_turns = False

    def describe(self, file: None) -> ImageInfo:
        head = self.location.read(0, _HEADER)
        start = len(_MAGIC) + 4
        if len(head) < _HEADER or zlib.crc32(head[start:]).to_bytes(4, "little") != head[start - 4 : start]:
            raise EOFError("its header is damaged")
        entries = json.loads(head[start:])
        check_scene(self.location, self.scene, len(entries))
        self._entry = entry = entries[self.scene]
        shapes = tuple(tuple(shape) for shape in entry["shapes"])
        return ImageInfo(
            axes=tuple(entry["axes"]),
            shape=shapes[0],
            dtype=entry["dtype"],
            voxel_size=tuple(entry["voxel_size"]),
            levels=len(shapes),
            level_shapes=shapes,
            block_shape=tuple(min(b, n) for b, n in zip(entry["block"], shapes[0], strict=True)),
            scenes=tuple(f"scene {number}" for number in range(len(entries))) if len(entries) > 1 else (),
        )

    def read_box(self, file: None, box: Box, level: int) -> NDArray[Any]:
        shape = self.info.level_shapes[level]
        block = tuple(self._entry["block"])
        start, lengths = box
        stops = tuple(first + length for first, length in zip(start, lengths, strict=True))
        dtype = np.dtype(self.info.dtype)
        result = np.empty(lengths, dtype)
        position = (
            _HEADER
            + self._entry["start"]
            + sum(_size(other, block, dtype) for other in self.info.level_shapes[:level])
        )
        for corner, extent in _blocks(shape, block):
            length = math.prod(extent) * dtype.itemsize
            low = tuple(max(a, b) for a, b in zip(start, corner, strict=True))
            high = tuple(min(a, b + c) for a, b, c in zip(stops, corner, extent, strict=True))
            if all(a < b for a, b in zip(low, high, strict=True)):
                data = self.location.read(position, position + 4 + length)
                if len(data) < 4 + length or zlib.crc32(data[4:]).to_bytes(4, "little") != data[:4]:
                    raise corrupt_image(self.location, self.what, f"the block at {corner} is damaged")
                pixels = np.frombuffer(data[4:], dtype.newbyteorder("<")).reshape(extent)
                target = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
                source = tuple(slice(a - c, b - c) for a, b, c in zip(low, high, corner, strict=True))
                result[target] = pixels[source]
            position += 4 + length
        return result


def _size(shape: tuple[int, ...], block: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """The bytes of a level."""
    return sum(4 + math.prod(extent) * dtype.itemsize for _, extent in _blocks(shape, block))
