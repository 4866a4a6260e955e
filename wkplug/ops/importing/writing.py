"""Writing a volume box by box: regions are decoded side by side, arranged, and written as whole shards.

All layers that a volume becomes are written from one box, so that every block is decoded once. Boxes, and shards in
them, that are all zero are not stored. Mags are listed when everything is written; until then their folders carry the
mark of the import and its journal, with which the same import goes on where it was stopped.
"""

from __future__ import annotations

import itertools
import math
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import storage
from wkplug.dataset import creating
from wkplug.errors import LayerExistsError
from wkplug.geometry import Mag, grids
from wkplug.ops.importing.journal import Journal, digest
from wkplug.ops.importing.pipeline import Boxes, Ranges, shares_memory
from wkplug.properties import LayerViewConfiguration, operations

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wkplug.abc import Box, Executor
    from wkplug.dataset import Dataset, Layer
    from wkplug.ops.importing.cutting import Cutting, Extent
    from wkplug.ops.importing.options import ImportOptions
    from wkplug.ops.importing.planning import LayerPlan, VolumePlan
    from wkplug.ops.importing.volume import Reading, Span

__all__ = ["check_free", "write_volume"]

_PART_BYTES = 1 << 22
"""Shards smaller than this are written several at a time."""
_JOB = "import"


def write_volume(
    dataset: Dataset,
    planned: VolumePlan,
    options: ImportOptions,
    *,
    executor: Executor,
    advance: Callable[[int], None],
) -> list[Layer]:
    """Add the planned layers and write their voxels; `advance` is told how many regions were decoded.

    Layers that are written already are left as they are, those that were begun are finished.
    """
    mag = Mag(options.mag)
    if _is_written(dataset, planned, mag):
        advance(planned.num_steps)
        return [dataset.get_layer(layer.name) for layer in planned.layers]
    with ExitStack() as stack:
        layers = [_layer(dataset, layer) for layer in planned.layers]
        for layer in layers:
            stack.enter_context(creating.claimed(layer, mag))
        journal, handles = _begin(planned, layers, mag, options)
        reading = stack.enter_context(planned.volume.open(planned.channels))
        cutting = planned.cutting_of(journal.box)
        work = _Import(planned, options, reading, handles, cutting)
        _write(planned, work, journal, executor, advance)
        for layer, handle, wanted, limits in zip(
            layers, handles, planned.layers, journal.ranges, strict=True
        ):
            if mag not in layer.mags:
                _finish(layer, handle, mag, wanted, limits)
        journal.delete()
    return layers


# --- beginning, and going on ---------------------------------------------------------------------------------


def check_free(dataset: Dataset, planned: VolumePlan, mag: Mag) -> None:
    """Refuse names that the dataset has already, unless this very import has left them unfinished."""
    taken = [layer.name for layer in planned.layers if layer.name in dataset.layers]
    if not taken:
        return
    name = planned.layers[0].name
    if name in taken and not _is_written(dataset, planned, mag):
        folder = dataset.get_layer(name).location.child(mag.to_layer_name())
        mark = storage.read_mark(folder)
        if mark is not None and mark.job == f"{_JOB} {name}" and mag not in dataset.get_layer(name).mags:
            journal = Journal.find(folder)
            if journal is None or journal.fingerprint == planned.fingerprint:
                return
            raise LayerExistsError(
                f"The dataset {dataset.name!r} has a layer {name!r} that another import has left unfinished.",
                hint="Run that import again to finish it, or delete the layer first.",
            )
    raise LayerExistsError(
        f"The dataset {dataset.name!r} already has a layer {taken[0]!r}.",
        hint="Choose another name, or delete the layer first.",
    )


def _is_written(dataset: Dataset, planned: VolumePlan, mag: Mag) -> bool:
    layers = dataset.layers
    return all(layer.name in layers and mag in layers[layer.name].mags for layer in planned.layers)


def _layer(dataset: Dataset, planned: LayerPlan) -> Layer:
    """Add a layer, or take the one that this import has left."""
    if planned.name in dataset.layers:
        return dataset.get_layer(planned.name)
    return dataset.add_layer(
        planned.name,
        planned.category,
        dtype=planned.dtype,
        num_channels=len(planned.channels),
        data_format=planned.data_format,
        bounding_box=planned.bounding_box,
    )


def _begin(
    planned: VolumePlan, layers: list[Layer], mag: Mag, options: ImportOptions
) -> tuple[Journal, list[storage.ArrayHandle]]:
    """Make the arrays, marked and not listed; or open those of an import that was stopped, with its journal."""
    folders = [layer.location.child(mag.to_layer_name()) for layer in layers]
    journal = Journal.find(folders[0])
    # Those that are listed are whole: it was stopped between one layer and the next.
    begun = [
        mag in layer.mags or storage.read_mark(layer.location.child(mag.to_layer_name())) for layer in layers
    ]
    if journal is not None and journal.fingerprint == planned.fingerprint and all(begun):
        handles = [
            storage.open_array(
                folder,
                str(layer.data_format),
                mode="r+",
                axes=layer.frame.axes,
                backend=layer.dataset.backend_for(str(layer.data_format)),
                allow_incomplete=True,
            )
            for folder, layer in zip(folders, layers, strict=True)
        ]
        return journal, handles
    handles = []
    for layer in layers:
        mark = storage.Mark(job=f"{_JOB} {layer.name}", what="image files")
        handles.append(creating.create_array(layer, mag, options.request, "images", mark=mark))
    journal = Journal(folders[0], planned.fingerprint, planned.cutting.box, len(layers))
    journal.save()
    return journal, handles


def _finish(
    layer: Layer, handle: storage.ArrayHandle, mag: Mag, planned: LayerPlan, limits: tuple[Any, Any] | None
) -> None:
    """List the mag together with what was learnt from the voxels, then take the mark away."""
    handle.flush()
    key: tuple[str, Any]
    if layer.category == "segmentation":
        key = ("largestSegmentId", max(0, int(limits[1])) if limits is not None else 0)
    else:
        shown = None if limits is None else (float(limits[0]), float(limits[1]))
        view = LayerViewConfiguration(
            color=planned.color, intensity_range=shown, min=shown and shown[0], max=shown and shown[1]
        )
        key = ("defaultViewConfiguration", view)
    with layer.dataset.update():
        layer.dataset.store.apply(operations.SetLayerKey(layer.name, *key))
        creating.list_mag(layer, mag, handle)
    storage.clear_mark(handle.location)


# --- voxels --------------------------------------------------------------------------------------------------


def _write(
    planned: VolumePlan,
    work: _Import,
    journal: Journal,
    executor: Executor,
    advance: Callable[[int], None],
) -> None:
    """Write all boxes that the journal doesn't have yet, and note each."""
    cutting = work.cutting

    def finished(box: Box, found: list[Ranges]) -> None:
        for handle in work.handles:
            handle.flush()
        ranges = [_joined(values) for values in zip(journal.ranges, *found, strict=True)]
        journal.add(box, _signature(planned, work, box), ranges)

    boxes: list[Box] = []
    skipped = 0
    for box in _all_boxes(planned, cutting, planned.extent):
        if journal.has(box, _signature(planned, work, box)):
            skipped += len(work.reads(box))
        else:
            boxes.append(box)
    if skipped:
        advance(skipped)
    run = Boxes(
        work=work,
        executor=executor,
        in_flight=cutting.in_flight,
        in_order=cutting.in_order,
        advance=advance,
        finished=finished,
    )
    if shares_memory(executor):
        run.run(boxes)
        return
    # Boxes that share a shard go to one process, one after the other.
    x, y, z = (math.lcm(edge, cell) for edge, cell in zip(cutting.box, planned.extent.shard, strict=True))
    groups = _all_boxes(planned, attrs.evolve(cutting, box=(x, y, z)), planned.extent)
    edges = (*(1 for _ in planned.volume.others), len(planned.channels), *cutting.box)
    missing = set(boxes)
    run.run_apart([box for box in groups if missing.intersection(grids.cells(*box, edges))], edges)


def _all_boxes(planned: VolumePlan, cutting: Cutting, extent: Extent) -> list[Box]:
    """All boxes over all axes of the volume; the channels are those that are read, counted from 0."""
    channels = len(planned.channels)
    return [
        ((*others, 0, *start), (*(1 for _ in others), channels, *shape))
        for others in itertools.product(*map(range, planned.volume.others.values()))
        for start, shape in cutting.boxes(extent)
    ]


def _signature(planned: VolumePlan, work: _Import, box: Box) -> str:
    """What the files of a box look like now."""
    return digest(file.signature() for file in planned.volume.files_of(work.sections(box)))


def _joined(values: tuple[Any, ...]) -> tuple[Any, Any] | None:
    known = [pair for pair in values if pair is not None]
    if not known:
        return None
    return min(low for low, _ in known), max(high for _, high in known)


@attrs.frozen
class _Import:
    """What is done with a box, see `pipeline.Work`; pickles, and opens files and arrays again where it arrives.

    The cutting says how many calls may decode at once.
    """

    planned: VolumePlan
    options: ImportOptions
    reading: Reading
    handles: list[storage.ArrayHandle]
    cutting: Cutting
    _turns: threading.BoundedSemaphore = attrs.field(init=False, eq=False)

    @_turns.default
    def _new_turns(self) -> threading.BoundedSemaphore:
        return threading.BoundedSemaphore(self.cutting.readers)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_Import, (self.planned, self.options, self.reading, self.handles, self.cutting))

    def sections(self, box: Box) -> Span:
        """The sections of the volume that a box of the array is made of."""
        first = box[0][-1] - self.planned.extent.start[2]
        return self._unflipped(first, box[1][-1], self.planned.volume.size_z, flip=self.options.flip_z)

    @staticmethod
    def _unflipped(first: int, length: int, size: int, *, flip: bool) -> Span:
        return (size - first - length, size - first) if flip else (first, first + length)

    def begin(self, box: Box) -> NDArray[Any]:
        """Make the array of a box, (c, x, y, z)."""
        import numpy

        dtype = self.handles[0].array.dtype
        # Sections may be smaller than the volume, or missing.
        return numpy.zeros(box[1][-4:], dtype, order="F")

    def reads(self, box: Box) -> list[Span]:
        """Runs of sections that are decoded as one."""
        first, stop = self.sections(box)
        return self.cutting.steps(first, stop - first)

    def read(self, box: Box, array: NDArray[Any], part: Span) -> None:
        """Decode some sections into the array of a box."""
        start, shape = box
        volume, options, origin = self.planned.volume, self.options, self.planned.extent.start
        spans = [
            self._unflipped(start[axis - 3] - origin[axis], shape[axis - 3], volume.size[axis], flip=flip)
            for axis, flip in ((0, options.flip_x), (1, options.flip_y))
        ]
        with self._turns:
            region = self.reading.region(spans[0], spans[1], part, start[:-4])
            # Flipping mirrors the layer as a whole: seen mirrored, a smaller section still lies at the near end.
            seen = array[
                :,
                :: -1 if options.flip_x else 1,
                :: -1 if options.flip_y else 1,
                :: -1 if options.flip_z else 1,
            ]
            first = part[0] - self.sections(box)[0]
            seen[:, : region.shape[1], : region.shape[2], first : first + region.shape[3]] = region

    def writes(self, box: Box) -> list[Box]:
        """Parts of the box that are written at once: a shard, or several small ones."""
        start, shape = box[0][-3:], box[1][-3:]
        extent = self.planned.extent
        cell = list(extent.shard)
        voxel = extent.voxel_bytes
        while voxel * cell[0] * cell[1] * cell[2] < _PART_BYTES:
            longest = [axis for axis in range(3) if cell[axis] < shape[axis]]
            if not longest:
                break
            axis = min(longest, key=lambda axis: cell[axis])
            cell[axis] *= 2
        return list(grids.cells(start, shape, cell))

    def write(self, box: Box, array: NDArray[Any], part: Box) -> Ranges:
        """Write one part for all layers, but for shards without a voxel other than zero."""
        offset = box[0][-3:]
        ranges: Ranges = []
        for handle, planned in zip(self.handles, self.planned.layers, strict=True):
            first = planned.channels.start - self.planned.channels.start
            own = array[first : first + len(planned.channels)]
            shards = list(grids.cells(*part, self.planned.extent.shard))
            found = [_range(_cut(own, offset, shard)) for shard in shards]
            filled = [shard for shard, (_, empty) in zip(shards, found, strict=True) if not empty]
            for start, shape in [part] if len(filled) == len(shards) else filled:
                data = _cut(own, offset, (start, shape))
                whole = data[(None,) * len(box[0][:-4])]
                handle.write(((*box[0][:-4], 0, *start), whole.shape), whole)
            ranges.append(_joined(tuple(limits for limits, _ in found)))
        return ranges

    def whole(self, box: Box) -> Ranges:
        """Decode and write a box in this thread."""
        array = self.begin(box)
        for part in self.reads(box):
            self.read(box, array, part)
        found = [self.write(box, array, part) for part in self.writes(box)]
        for handle in self.handles:
            handle.flush()
        return [_joined(values) for values in zip(*found, strict=True)]


def _cut(array: NDArray[Any], offset: tuple[int, ...], box: Box) -> NDArray[Any]:
    """The part of an array (c, x, y, z), whose first voxel lies at `offset`, that is in a box of (x, y, z)."""
    spans = [
        slice(low - zero, low - zero + length)
        for low, zero, length in zip(box[0], offset, box[1], strict=True)
    ]
    return array[(slice(None), *spans)]


def _range(data: NDArray[Any]) -> tuple[tuple[Any, Any] | None, bool]:
    """The smallest and largest finite value, and whether all are zero."""
    import numpy

    finite = data
    if data.dtype.kind == "f":
        sound = numpy.isfinite(data)
        if not sound.all():
            finite = data[sound]
    if not finite.size:
        return None, False
    low, high = finite.min().item(), finite.max().item()
    return (low, high), bool(low == high == 0 and finite is data)
