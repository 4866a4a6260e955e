"""Writing a volume slab by slab: decode sections side by side, arrange them, write whole shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug import registry
from wkplug.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from wkplug.abc import Executor
    from wkplug.dataset.regions import Frame
    from wkplug.ops.importing.volume import Reading, Volume
    from wkplug.ops.plan import Progress
    from wkplug.storage import ArrayHandle

__all__ = ["SLAB_BYTES", "Slabs", "Transformation"]

SLAB_BYTES = 1 << 29
"""How many bytes of voxels are held at once; a slab has at least one chunk's depth."""


@attrs.frozen(kw_only=True)
class Transformation:
    """What happens to the voxels on their way: channels chosen, axes of the layer reversed."""

    channels: tuple[int, ...]
    flip_x: bool = False
    flip_y: bool = False
    flip_z: bool = False


@attrs.frozen(kw_only=True)
class Slabs:
    """The work of writing one layer; `start` is the array's first voxel that is written, over all axes.

    batch_size: how many sections are written at once, None for as many as a shard is deep.
    """

    volume: Volume
    handle: ArrayHandle
    frame: Frame
    start: tuple[int, ...]
    transformation: Transformation
    batch_size: int | None = None

    def write(self, *, executor: Executor | None, progress: Progress | None) -> tuple[Any, Any]:
        """Write everything and give the smallest and largest value, (None, 0) where there are only NaNs."""
        low: Any = None
        high: Any = None
        pool = registry.executor("threads") if executor is None else executor
        try:
            with self.volume.open() as reading:
                done = 0
                for first, stop in self._ranges():
                    data = self._slab(reading, first, stop, pool)
                    low, high = _extended(low, high, data)
                    self._store(first, data)
                    done = stop
                    if progress is not None:
                        progress(done, self.volume.size_z)
        finally:
            if executor is None:
                pool.shutdown()
        return low, 0 if high is None else high

    def _ranges(self) -> Iterator[tuple[int, int]]:
        """Cut z at the shard grid, finer where a shard's depth is more than the budget."""
        size, offset = self.volume.size_z, self.start[-1]
        depth = self._depth()
        first = 0
        while first < size:
            stop = min(size, first + depth - (offset + first) % depth)
            yield first, stop
            first = stop

    def _depth(self) -> int:
        spec = self.handle.spec
        chunk, shard = spec.chunk_shape[-1], spec.shard_shape[-1]
        if self.batch_size is not None:
            if self.batch_size < 1 or self.batch_size % chunk:
                raise InvalidArgumentError(
                    f"batch_size is {self.batch_size}, which is no multiple of the chunk's depth {chunk}.",
                    hint=f"Give a multiple of {chunk}, best of the shard's depth {shard}.",
                )
            return self.batch_size
        section = self.handle.array.dtype.itemsize * self.volume.size_x * self.volume.size_y
        for length in (*self.volume.others.values(), len(self.transformation.channels)):
            section *= length
        fitting = max(1, SLAB_BYTES // max(1, section))
        depth = shard
        while depth > chunk and depth > fitting:
            depth //= 2
        return max(depth, chunk)

    def _slab(self, reading: Reading, first: int, stop: int, pool: Executor) -> NDArray[Any]:
        """Decode the sections of a slab, each into its place."""
        import numpy

        volume, how = self.volume, self.transformation
        shape = (*volume.others.values(), len(how.channels), volume.size_x, volume.size_y, stop - first)
        slab = numpy.zeros(shape, self.handle.array.dtype, order="F")

        def decode(index: int) -> None:
            z = first + index
            section = reading.section(volume.size_z - 1 - z if how.flip_z else z)
            if how.channels != tuple(range(section.shape[-3])):
                section = section[..., list(how.channels), :, :]
            target = slab[..., : section.shape[-2], : section.shape[-1], index]
            # Flipping mirrors the whole layer, so that a smaller section moves to the other end.
            if how.flip_x:
                target = slab[..., slab.shape[-3] - section.shape[-2] :, : section.shape[-1], index]
                section = section[..., ::-1, :]
            if how.flip_y:
                left = slab.shape[-3] - section.shape[-2] if how.flip_x else 0
                target = slab[
                    ..., left : left + section.shape[-2], slab.shape[-2] - section.shape[-1] :, index
                ]
                section = section[..., ::-1]
            target[...] = section

        for _ in pool.map(decode, range(stop - first)):
            pass
        return slab

    def _store(self, first: int, data: NDArray[Any]) -> None:
        start = (*self.start[:-1], self.start[-1] + first)
        if self.frame.c is not None or data.shape[-4] != 1:
            self.handle.write((start, data.shape), data)
        else:
            self.handle.write((start, data.shape[:-4] + data.shape[-3:]), data[..., 0, :, :, :])


def _extended(low: Any, high: Any, data: NDArray[Any]) -> tuple[Any, Any]:
    import numpy

    values = data
    if data.dtype.kind == "f":
        values = data[numpy.isfinite(data)]
    if not values.size:
        return low, high
    smallest, largest = values.min().item(), values.max().item()
    return (
        smallest if low is None else min(low, smallest),
        largest if high is None else max(high, largest),
    )
