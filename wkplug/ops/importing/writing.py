"""Writing a volume slab by slab: sections are decoded side by side, arranged, and written as whole shards.

A slab is as deep as a shard, or as many sections as fit the budget. All layers that a volume becomes are written
from one slab, so that every section is decoded once. Mags are listed when everything is written; until then their
folders carry the mark of the import.
"""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import registry, storage
from wkplug.dataset import creating
from wkplug.geometry import Mag
from wkplug.ops import plan
from wkplug.properties import LayerViewConfiguration, operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from wkplug.abc import Executor
    from wkplug.dataset import Dataset, Layer
    from wkplug.ops.importing.planning import ImportOptions, LayerPlan, VolumePlan
    from wkplug.ops.importing.volume import Reading

__all__ = ["SLAB_BYTES", "write_volume"]

SLAB_BYTES = 1 << 29
"""How many bytes of voxels are held at once; a slab has at least one chunk's depth."""


@attrs.define
class _Target:
    """A layer that is being written, and the range of the finite values seen so far."""

    plan: LayerPlan
    layer: Layer
    handle: storage.ArrayHandle
    low: Any = None
    high: Any = None

    def write(self, start: tuple[int, ...], slab: NDArray[Any]) -> None:
        """Write voxels of the shape (c, x, y, z) at `start` (all axes of the array)."""
        whole = slab[(None,) * (len(start) - slab.ndim)]
        self.handle.write((start, whole.shape), whole)
        self._note_range(slab)

    def _note_range(self, slab: NDArray[Any]) -> None:
        import numpy

        values = slab[numpy.isfinite(slab)] if slab.dtype.kind == "f" else slab
        if values.size:
            low, high = values.min().item(), values.max().item()
            self.low = low if self.low is None else min(self.low, low)
            self.high = high if self.high is None else max(self.high, high)


def write_volume(
    dataset: Dataset,
    volume_plan: VolumePlan,
    options: ImportOptions,
    *,
    executor: Executor | None,
    advance: Callable[[], None],
) -> list[Layer]:
    """Add the planned layers and write their voxels; `advance` is called after each section."""
    mag = Mag(options.mag)
    targets = [_target(dataset, layer, mag, options) for layer in volume_plan.layers]
    with (
        volume_plan.volume.open(volume_plan.channels) as reading,
        registry.executor("threads") if executor is None else nullcontext(executor) as pool,
    ):
        _Slabs(volume_plan, options, reading, targets).write(pool, advance)
    for target in targets:
        _finish(target, mag)
    return [target.layer for target in targets]


def _target(dataset: Dataset, planned: LayerPlan, mag: Mag, options: ImportOptions) -> _Target:
    """Add a layer, with the array of its mag, which stays unlisted."""
    layer = dataset.add_layer(
        planned.name,
        planned.category,
        dtype=planned.dtype,
        num_channels=len(planned.channels),
        data_format=planned.data_format,
        bounding_box=planned.bounding_box,
    )
    mark = storage.Mark(job=f"import {planned.name}", what="image files")
    return _Target(planned, layer, creating.create_array(layer, mag, options.request, "images", mark=mark))


def _finish(target: _Target, mag: Mag) -> None:
    """List the mag together with what was learnt from the voxels, then take the mark away."""
    layer, handle = target.layer, target.handle
    handle.flush()
    key: tuple[str, Any]
    if layer.category == "segmentation":
        key = ("largestSegmentId", max(0, int(target.high or 0)))
    else:
        limits = None if target.low is None else (float(target.low), float(target.high))
        view = LayerViewConfiguration(
            color=target.plan.color,
            intensity_range=limits,
            min=limits and limits[0],
            max=limits and limits[1],
        )
        key = ("defaultViewConfiguration", view)
    with layer.dataset.update():
        layer.dataset.store.apply(operations.SetLayerKey(layer.name, *key))
        creating.list_mag(layer, mag, handle)
    storage.clear_mark(handle.location)


class _Slabs:
    """The slabs of one volume, one after the other."""

    def __init__(
        self, volume_plan: VolumePlan, options: ImportOptions, reading: Reading, targets: list[_Target]
    ) -> None:
        self._volume = volume_plan.volume
        self._channels = volume_plan.channels
        self._options = options
        self._reading = reading
        self._targets = targets
        self._dtype = targets[0].handle.array.dtype
        layer = targets[0].layer
        factors = layer.frame.factors(Mag(options.mag).to_tuple())
        self._start = tuple(low // factor for low, factor in zip(layer.region[0], factors, strict=True))

    def write(self, executor: Executor, advance: Callable[[], None]) -> None:
        """Read and write everything; the array's last axis is z, its first ones are the volume's others."""
        for others in itertools.product(*map(range, self._volume.others.values())):
            for first, stop in self._ranges():
                slab = self._slab(others, first, stop, executor, advance)
                start = (*others, *self._start[-4:-1], self._start[-1] + first)
                for target in self._targets:
                    channels = target.plan.channels
                    own = slice(channels.start - self._channels.start, channels.stop - self._channels.start)
                    target.write(start, slab[own])

    def _ranges(self) -> Iterator[tuple[int, int]]:
        """Cut z at the shard grid, finer where a shard's depth is more than the budget."""
        size, offset, depth = self._volume.size_z, self._start[-1], self._depth()
        first = 0
        while first < size:
            stop = min(size, first + depth - (offset + first) % depth)
            yield first, stop
            first = stop

    def _depth(self) -> int:
        """How many sections are written at once, at most: a shard's depth, halved until it fits."""
        if self._options.batch_size is not None:
            return self._options.batch_size
        spec = self._targets[0].handle.spec
        chunk, depth = spec.chunk_shape[-1], spec.shard_shape[-1]
        section = (
            self._dtype.itemsize * len(self._channels) * max(1, self._volume.size_x * self._volume.size_y)
        )
        while depth > chunk and depth * section > SLAB_BYTES:
            depth //= 2
        return max(depth, chunk)

    def _slab(
        self,
        others: tuple[int, ...],
        first: int,
        stop: int,
        executor: Executor,
        advance: Callable[[], None],
    ) -> NDArray[Any]:
        """Decode sections into an array (c, x, y, z), zero where they are smaller than the volume."""
        import numpy

        volume, options = self._volume, self._options
        shape = (len(self._channels), volume.size_x, volume.size_y, stop - first)
        slab = numpy.zeros(shape, self._dtype, order="F")
        # Flipping mirrors the layer as a whole: seen mirrored, a smaller section still lies at the near end.
        mirrored = slab[:, :: -1 if options.flip_x else 1, :: -1 if options.flip_y else 1]
        last = volume.size_z - 1
        depths = [last - z if options.flip_z else z for z in range(first, stop)]
        tasks = (plan.Task(index, ((z,), (1,))) for index, z in enumerate(depths))
        decode = _Decode(self._reading, others)
        for index, section in enumerate(plan.run(tasks, decode, executor=executor)):
            mirrored[:, : section.shape[1], : section.shape[2], index] = section
            advance()
        return slab


@attrs.frozen
class _Decode:
    """Reads the section that a task names by its z; pickles, so that it may run in another process."""

    reading: Reading
    others: tuple[int, ...]

    def __call__(self, task: plan.Task) -> NDArray[Any]:
        return self.reading.section(task.box[0][0], self.others)
