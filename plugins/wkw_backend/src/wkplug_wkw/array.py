"""One opened WKW array: boxes become blocks of shards, and the blocks are read or written.

The codec of `wkw+numpy`. Local shards are read through kept files, all others through ranges of their
Location. Small boxes are read in a plain loop, large ones by a few threads. The object pickles as its place
and its header, and compares the header with the one at the place before its first use.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from wkplug.abc import Array, ArraySpec, Box, Mode, write_objects
from wkplug.errors import (
    ConflictError,
    CorruptDataError,
    DtypeMismatchError,
    MissingError,
    OutOfBoundsError,
    ReadOnlyError,
    ShapeMismatchError,
)
from wkplug_wkw.codec import DEFAULT_LEVEL
from wkplug_wkw.files import sync
from wkplug_wkw.header import HEADER_BYTES, HEADER_NAME, Header
from wkplug_wkw.morton import Block, blocks, parts, shards, spread
from wkplug_wkw.remote import RemoteShards
from wkplug_wkw.rows import Voxels
from wkplug_wkw.shards import Index, LocalShards, shard_name
from wkplug_wkw.workers import each, pieces
from wkplug_wkw.writing import ShardWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from wkplug.abc import Location
    from wkplug_wkw.settings import WkwSettings

__all__ = ["AXES", "WkwArray", "spec_of"]

AXES = ("c", "x", "y", "z")
_MAX_VOXEL = 2**32
"""Coordinates are 32-bit numbers in the format's other implementations."""
_PARALLEL_BYTES = 4 * 2**20
_PARALLEL_BLOCK = 2**18
"""Smaller blocks decode faster than threads hand the interpreter to each other: measured, not guessed."""
_GROUP_BYTES = 2**20
_LOOK_AGAIN = 10.0
"""For how many seconds a header is believed to be on a store as it was seen there."""
_PARTS = tuple(
    re.compile(axis + "(0|[1-9][0-9]{0,9})" + end)
    for axis, end in zip("zyx", ("/", "/", "[.]wkw"), strict=True)
)
_KEY = re.compile("".join(part.pattern for part in _PARTS))
_NATIVE = sys.byteorder == "little" and hasattr(os, "preadv")
"""Whether the bytes of a block are an array of this machine."""
_LOCAL = hasattr(os, "pread")
"""Where the system can't read at a position, local files are read like all other places."""


def spec_of(header: Header, options: Mapping[str, Any]) -> ArraySpec:
    """Describe an array by its header; `options` are kept beside the block type."""
    chunk = header.block_len
    shard = header.shard_len
    channels = header.channels
    return ArraySpec(
        axes=AXES,
        shape=(channels, None, None, None),
        dtype=header.dtype,
        chunk_shape=(channels, chunk, chunk, chunk),
        shard_shape=(channels, shard, shard, shard),
        compressed=header.compressed,
        options={**options, "block_type": header.block_type},
    )


class WkwArray(Array):
    """An array (c, x, y, z) without bounds in x, y and z; see `wkplug.abc.Array` for what methods promise.

    What was never written is a missing shard, or zeros inside a stored one; the format can't tell these from
    zeros that were written, so `missing="error"` looks at whole shards.
    """

    format = "wkw"
    backend: str = "wkw+numpy"
    _named: ClassVar[str] = "wkw+numpy"

    def __init__(
        self,
        location: Location,
        header: Header,
        mode: Mode,
        settings: WkwSettings,
        options: Mapping[str, Any] | None = None,
        *,
        verified: bool = True,
    ) -> None:
        self.location = location
        self.header = header
        self.mode = mode
        self.settings = settings
        self.spec = spec_of(header, options or {})
        self.backend = self._named
        self._verified = verified
        self._seen = time.monotonic() if verified else -_LOOK_AGAIN
        path = location.local_path() if _LOCAL else None
        self._local = None if path is None else LocalShards(path.rstrip("/"), header)
        self._remote = RemoteShards(location, header) if path is None else None
        self._writer = ShardWriter(header, int(self.spec.options.get("level", DEFAULT_LEVEL)))
        self._dtype = np.dtype(header.dtype)
        self._channels = header.channels
        self._block_log2 = header.block_log2
        self._shard_log2 = header.shard_log2
        self._chunk_shape = self.spec.chunk_shape
        self._spread = spread(header.blocks_per_edge)
        self._len_log2 = header.block_log2 + header.shard_log2
        self._unsynced: set[str] = set()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        options = {key: value for key, value in self.spec.options.items() if key != "block_type"}
        return (_rebuild, (type(self), self.location, self.header, self.mode, self.settings, options))

    def __repr__(self) -> str:
        return f"<{self.backend} {self.location.url} {self.mode}>"

    @property
    def concurrent_writes(self) -> Literal["box"] | None:
        """ "box" where conditional puts tell of other writers; elsewhere as the backend says."""
        return "box" if self._remote is not None and self.location.conditional else None

    # --- reading --------------------------------------------------------------------------------------

    def read(
        self, box: Box, *, out: NDArray[Any] | None = None, missing: Literal["fill", "error"] = "fill"
    ) -> NDArray[Any]:
        """Read a box; see `wkplug.abc.Array.read`."""
        (c, x, y, z), shape = box
        if not self._verified:
            self._verify()
        self._check(box)
        if out is None:
            if tuple(shape) == self._chunk_shape and self._local is not None:
                edge = shape[1] - 1
                if not (x & edge or y & edge or z & edge):
                    block = self._read_block(self._local, x, y, z)
                    if block is not None:
                        return block
            result = np.empty(shape, self._dtype, order="F")
        else:
            result = self._checked_out(out, shape)
        if not result.size:
            return result
        _, dx, dy, dz = shape
        voxels = Voxels(result, self.header, c)
        log2 = self._len_log2
        if self._remote is not None:
            self._read_remote(self._remote, box, result, voxels, missing)
            return result
        for sz in shards(z, z + dz, log2):
            along_z = parts(z, z + dz, sz, self._block_log2, self._shard_log2, 2)
            for sy in shards(y, y + dy, log2):
                along_y = parts(y, y + dy, sy, self._block_log2, self._shard_log2, 1)
                for sx in shards(x, x + dx, log2):
                    along_x = parts(x, x + dx, sx, self._block_log2, self._shard_log2, 0)
                    found = self._read_shard((sx, sy, sz), blocks(along_x, along_y, along_z), voxels)
                    if not found:
                        if missing == "error":
                            raise self._never_written((sx, sy, sz))
                        result[
                            :,
                            along_x[0][3] : along_x[-1][4],
                            along_y[0][3] : along_y[-1][4],
                            along_z[0][3] : along_z[-1][4],
                        ] = 0
        return result

    def _read_block(self, local: LocalShards, x: int, y: int, z: int) -> NDArray[Any] | None:
        """Read exactly one block without copying it; None where there may be none, or the system is odd."""
        if not _NATIVE:
            return None
        log2 = self._len_log2
        shard = local.get((x >> log2, y >> log2, z >> log2))
        if shard is None:
            return None
        cut = self._block_log2
        last = (1 << self._shard_log2) - 1
        table = self._spread
        number = table[x >> cut & last] | table[y >> cut & last] << 1 | table[z >> cut & last] << 2
        return shard.block_array(number, self._dtype, self._chunk_shape)

    def _read_remote(
        self, remote: RemoteShards, box: Box, result: NDArray[Any], voxels: Voxels, missing: str
    ) -> None:
        absent = remote.read_into([(index, self._blocks(box, index)) for index in self._shards(box)], voxels)
        if not absent:
            return
        # A dataset that was deleted must not read as zeros.
        self._look_again()
        if missing == "error":
            raise self._never_written(absent[0])
        for index in absent:
            result[(slice(None), *self._part(box, index))] = 0

    def _never_written(self, index: Index) -> MissingError:
        return MissingError(
            f"{self.location.url}/{shard_name(index)} was never written.",
            hint="Read without missing='error' to get zeros.",
        )

    def _shards(self, box: Box) -> Iterator[Index]:
        (_, x, y, z), (_, dx, dy, dz) = box
        log2 = self._len_log2
        for sz, sy, sx in product(shards(z, z + dz, log2), shards(y, y + dy, log2), shards(x, x + dx, log2)):
            yield sx, sy, sz

    def _part(self, box: Box, index: Index) -> tuple[slice, slice, slice]:
        """Where a shard lies in the box, along x, y and z."""
        edge = self.header.shard_len
        x, y, z = (
            slice(max(start, shard * edge) - start, min(start + length, (shard + 1) * edge) - start)
            for start, length, shard in zip(box[0][1:], box[1][1:], index, strict=True)
        )
        return x, y, z

    def _read_shard(self, index: Index, wanted: list[Block], voxels: Voxels) -> bool:
        shard = None if self._local is None else self._local.get(index)
        if shard is None:
            return False
        size = self.header.block_bytes
        if size < _PARALLEL_BLOCK or len(wanted) * size < _PARALLEL_BYTES or not self.header.compressed:
            shard.read_into(wanted, voxels)
        else:
            groups = pieces(wanted, max(1, _GROUP_BYTES // size))
            each(lambda group: shard.read_into(group, voxels), groups, parallel=True)
        return True

    def _check(self, box: Box) -> None:
        (c, x, y, z), (dc, dx, dy, dz) = box
        # All at once: a bit that only negative numbers have.
        if (c | x | y | z | dc | dx | dy | dz) < 0 or c + dc > self._channels:
            raise OutOfBoundsError(
                f"The box from {box[0]} of shape {box[1]} leaves the array, which starts at voxel 0 and has "
                f"{self._channels} channel(s)."
            )
        if x + dx > _MAX_VOXEL or y + dy > _MAX_VOXEL or z + dz > _MAX_VOXEL:
            raise OutOfBoundsError(
                f"The box from {box[0]} of shape {box[1]} leads beyond voxel {_MAX_VOXEL}, where WKW ends."
            )

    def _checked_out(self, out: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        if out.shape != tuple(shape):
            raise ShapeMismatchError(f"out has shape {out.shape}, the box {tuple(shape)}.")
        if out.dtype != self._dtype:
            raise DtypeMismatchError(f"out is {out.dtype}, the array {self._dtype}.")
        return out

    # --- writing --------------------------------------------------------------------------------------

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Write a box; see `wkplug.abc.Array.write`."""
        data = self._checked_data(box, data)
        if not data.size:
            return
        voxels = Voxels(data, self.header, box[0][0])
        write_objects(
            lambda index: self._write_shard(index, box, voxels),
            list(self._shards(box)),
            root=self.location,
            size=self.header.raw_shard_bytes,
            name=shard_name,
        )

    def _check_writable(self) -> None:
        if self.mode == "r":
            raise ReadOnlyError(
                f"{self.location.url} was opened for reading only.", hint='Open it with mode "r+".'
            )

    def _checked_data(self, box: Box, data: NDArray[Any]) -> NDArray[Any]:
        """Check that `data` may be written to `box`; gives them in native byte order."""
        self._check_writable()
        self._check(box)
        if data.shape != tuple(box[1]):
            raise ShapeMismatchError(f"The data have shape {data.shape}, the box {tuple(box[1])}.")
        if data.dtype != self._dtype and data.dtype.newbyteorder("=") != self._dtype:
            raise DtypeMismatchError(
                f"The data are {data.dtype}, the array {self._dtype}.",
                hint=f"Convert them: data.astype({self._dtype.name!r}).",
            )
        # Before each write, not only the first: shards beside no header, or beside another one, are lost.
        self._look_again()
        return data.astype(self._dtype, copy=False)

    def _blocks(self, box: Box, index: Index) -> list[Block]:
        (_, x, y, z), (_, dx, dy, dz) = box
        sx, sy, sz = index
        cut = self._block_log2, self._shard_log2
        return blocks(
            parts(x, x + dx, sx, *cut, 0), parts(y, y + dy, sy, *cut, 1), parts(z, z + dz, sz, *cut, 2)
        )

    def _write_shard(self, index: Index, box: Box, voxels: Voxels) -> None:
        wanted = self._blocks(box, index)
        writer = self._writer
        whole = (
            voxels.all_channels
            and len(wanted) == self.header.num_blocks
            # The first and the last block lie at opposite corners: if both are whole, all are.
            and all(writer.is_whole(part) for block in (wanted[0], wanted[-1]) for part in block[1:])
        )
        if self._local is not None:
            durable = self.settings.fsync == "always"
            path = writer.write_local(self._local, index, wanted, voxels, whole=whole, durable=durable)
            self._wrote(path)
        elif self._remote is not None:
            writer.write_remote(self._remote, index, wanted, voxels, whole=whole)

    def _wrote(self, path: str) -> None:
        if self.settings.fsync == "flush":
            with self._lock:
                self._unsynced.add(path)

    def resize(self, shape: tuple[int | None, ...]) -> None:
        """Do nothing: the array has no bounds; only the number of channels can't change."""
        self._check_writable()
        if len(shape) != len(AXES) or shape[0] not in (None, self._channels):
            raise ShapeMismatchError(
                f"The array has {self._channels} channel(s) and the axes {AXES}; it can't become {shape}.",
                hint="Channels are fixed when an array is created.",
            )

    # --- others ---------------------------------------------------------------------------------------

    def stored_boxes(self) -> Iterator[Box]:
        """Iterate over the boxes of the shard files, by listing folders; UnlistableError where that can't be done."""
        edge = self.header.shard_len
        shape = self.spec.shard_shape
        if self._remote is not None:
            for path, _ in self.location.list_files():
                match = _KEY.fullmatch(path)
                if match is not None:
                    z, y, x = map(int, match.groups())
                    yield (0, x * edge, y * edge, z * edge), shape
            return
        for z, in_z in _numbered(self.location, 0):
            for y, in_y in _numbered(in_z, 1):
                for x, _ in _numbered(in_y, 2):
                    yield (0, x * edge, y * edge, z * edge), shape

    def looks_into(self, key: str) -> bool:
        """Whether it is a shard file: see `wkplug.abc.Array.looks_into`."""
        return _KEY.fullmatch(key) is not None

    def files_of(self, cell: tuple[int, ...]) -> tuple[str, ...]:
        """The shard file: see `wkplug.abc.Array.files_of`."""
        _, x, y, z = cell
        return (shard_name((x, y, z)),)

    def flush(self) -> None:
        """Force what was written since the last call out to the disk, if the settings say so."""
        with self._lock:
            paths, self._unsynced = self._unsynced, set()
        if paths:
            sync([*paths, f"{self.location.local_path()}/{HEADER_NAME}"])

    def close(self) -> None:
        """Flush, and close the kept files; using the array opens them again."""
        self.flush()
        if self._local is not None:
            self._local.clear()
        if self._remote is not None:
            self._remote.clear()

    def native_handle(self) -> Any:
        """Give the array itself: this codec is its own engine."""
        return self

    def _damaged(self, reason: str) -> CorruptDataError:
        return CorruptDataError(
            f"{self.location.url} could not be read: {reason}.",
            hint="Read it with wkw+numpy, which names the damaged shard.",
        )

    def _look_again(self) -> None:
        """Look whether the header is still the same; where that is a request, not more often than said above."""
        if self._remote is None or time.monotonic() - self._seen >= _LOOK_AGAIN:
            self._verify()

    def _verify(self) -> None:
        place = self.location.child(HEADER_NAME)
        try:
            data = place.read(0, HEADER_BYTES)
        except MissingError as error:
            raise MissingError(
                f"{place.url} is gone: the array was deleted or moved.", hint="Open the dataset again."
            ) from error
        if Header.parse(data, place.url) != self.header:
            raise ConflictError(
                f"{place.url} changed: another array stands where this one was opened.",
                hint="Open the dataset again.",
            )
        self._verified = True
        self._seen = time.monotonic()


def _rebuild(
    kind: type[WkwArray],
    location: Location,
    header: Header,
    mode: Mode,
    settings: WkwSettings,
    options: Mapping[str, Any],
) -> WkwArray:
    return kind(location, header, mode, settings, options, verified=False)


def _numbered(folder: Location, level: int) -> Iterator[tuple[int, Location]]:
    """Iterate over the numbered entries of a folder: z and y folders, then x files; all else is ignored."""
    for name in folder.list_all():
        match = _PARTS[level].fullmatch(name)
        if match is not None:
            yield int(match[1]), folder.child(name.rstrip("/"))
