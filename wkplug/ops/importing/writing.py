"""Writing a volume box by box: regions are decoded side by side, arranged, and written as whole shards.

All layers that a volume becomes are written from one box, so that every block is decoded once; so are their coarser
mags, as far as these were planned. Boxes of which nothing is stored are not looked at, and those that are all zero
are not stored. Mags are listed when everything is written; until then their folders carry the mark of the import and
a `Journal`, with which the same import goes on where it was stopped: it names the work by a fingerprint, says how it
was cut, and lists the boxes whose voxels are stored, each with what its files looked like then. A file that was
mended meanwhile is read again. `Record` is the same for a whole dataset: it says that a dataset is an import that has
not ended, and of what.
"""

from __future__ import annotations

import itertools
import json
import math
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import storage
from wkplug.abc import Box, Executor, Location
from wkplug.errors import LayerExistsError, MissingError, UnsupportedImageDataError, WkplugError
from wkplug.execution import shares_memory
from wkplug.geometry import Mag, grids
from wkplug.model import changes
from wkplug.model.states import DatasetState, LayerState
from wkplug.ops.importing.boxes import Boxes, BoxWork, LayerStats, ValueStats, merged_stats
from wkplug.ops.importing.chunking_plan import ChunkingPlan
from wkplug.ops.importing.containers import NOTHING_STORED, Container
from wkplug.ops.importing.options import ImportOptions
from wkplug.ops.importing.plans import LayerPlan, VolumePlan
from wkplug.ops.importing.report import ImportNote
from wkplug.ops.importing.voxel_sizes import transformation_of
from wkplug.ops.pyramids.downsampling import StreamingPyramid
from wkplug.properties import AffineCoordinateTransformation, LayerViewConfiguration, operations
from wkplug.storage.marks import digest
from wkplug.storage.removing import remove_temporaries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = [
    "FEW_BOXES",
    "JOURNAL_NAME",
    "Journal",
    "Record",
    "boxes_of",
    "check_free",
    "refusal_words",
    "write_volume",
]


_JOB = "import"


def write_volume(
    dataset: DatasetState,
    planned: VolumePlan,
    options: ImportOptions,
    *,
    executor: Executor,
    advance: Callable[[int], None],
) -> tuple[list[LayerState], list[ImportNote]]:
    """Add the planned layers and write their voxels; `advance` is told bytes, as of `VolumePlan.work`.

    Gives the layers, and notes about their voxels. Layers that are written already are left as they are, those
    that an earlier call has begun are finished. Values that the parameters don't allow leave no layer if nothing is
    stored yet, so that others can be given.
    """
    mag = planned.mag
    if _is_written(dataset, planned, mag):
        advance(planned.work)
        Journal.remove(_folder(dataset.layer(planned.layers[0].name), mag))
        return [dataset.layer(layer.name) for layer in planned.layers], []
    with ExitStack() as locks:
        layers_and_new = [_get_or_add_layer(dataset, layer) for layer in planned.layers]
        layers, new = [layer for layer, _ in layers_and_new], all(is_new for _, is_new in layers_and_new)
        for layer in layers:
            locks.enter_context(changes.exclusive(layer, mag))
        try:
            return layers, _write_voxels(dataset, planned, options, layers, executor, advance)
        except UnsupportedImageDataError as error:
            # The same call would end so again; after damage it goes on.
            if not new or not _delete_empty_layers(layers, mag):
                for layer in layers:
                    storage.refuse_mark(_folder(layer, mag), error.message)
                stays = (
                    "What is stored stays, unfinished: with other parameters, it needs another name or place."
                )
                error.hint = f"{error.hint or ''}\n{stays}".strip()
            raise


def _delete_empty_layers(layers: list[LayerState], mag: Mag) -> bool:
    """Delete layers that this import has just added, unless it has stored anything of them that it could go on from."""
    journal = Journal.find(_folder(layers[0], mag))
    if any(layer.mags for layer in layers) or not (journal is None or journal.is_empty):
        return False
    for layer in layers:
        with suppress(WkplugError):  # the error that is under way says more
            changes.delete_layer(layer)
    return True


def _write_voxels(
    dataset: DatasetState,
    planned: VolumePlan,
    options: ImportOptions,
    layers: list[LayerState],
    executor: Executor,
    advance: Callable[[int], None],
) -> list[ImportNote]:
    """Write the voxels of layers whose mags are locked, list the mags, and give notes about the voxels."""
    mag = planned.mag
    with ExitStack() as stack:
        journal, handles, resumes = _open_arrays(planned, layers, mag, options)
        pyramids = []
        # What an import that was stopped had in memory of the coarser mags is lost.
        if planned.streaming is not None and options.pyramid is not None and not resumes:
            mode, request = options.pyramid.interpolation_mode, options.coarser_request
            pyramids = [
                stack.enter_context(
                    StreamingPyramid.begin(layer, mag, planned.mags, planned.streaming, mode, request)
                )
                for layer in layers
            ]
        reading = stack.enter_context(planned.volume.open(planned.channels))
        chunking = planned.chunking_with_box(journal.box)
        work = BoxWork(planned, options, reading, handles, chunking, pyramids)
        reported = 0.0

        def count(part: float) -> None:
            nonlocal reported
            advance(int(reported + part) - int(reported))
            reported += part

        _write_boxes(planned, work, journal, executor, count)
        transformation = transformation_of(planned, options, dataset.voxel_size)
        for layer, handle, wanted, limits in zip(
            layers, handles, planned.layers, journal.ranges, strict=True
        ):
            _list_finished_mag(layer, handle, mag, wanted, limits, transformation)
        for pyramid in pyramids:
            pyramid.finish()
        journal.delete()
        advance(max(0, planned.work - int(reported)))
    return _zero_notes(planned, journal)


def _zero_notes(planned: VolumePlan, journal: Journal) -> list[ImportNote]:
    """Say how many voxels are zero, where that is worth telling: it is how lost data look."""
    notes = []
    # Where nothing is stored, that was told beforehand.
    nothing_stored = any(note.startswith(NOTHING_STORED) for note in planned.volume.files[0].info.notes)
    for layer, stats in zip(planned.layers, journal.ranges, strict=True):
        voxels = math.prod(planned.volume.size) * math.prod(planned.volume.others.values())
        if not journal.counted_once:
            continue
        if stats.cut:
            text = f"{stats.cut:,} values have fractions or digits that {layer.dtype} doesn't hold: they were cut off"
            notes.append(ImportNote(kind="cast", text=text, layers=(layer.name,), lost=True))
        share = 100 * stats.zeros / max(1, voxels * len(layer.channels))
        if share < 1 or nothing_stored:
            continue
        empty = stats.low == stats.high == 0
        text = "all voxels are zero" if empty else f"about {share:.0f} % of the voxels are zero"
        notes.append(ImportNote(kind="found", text=text, layers=(layer.name,)))
    return notes


# --- beginning, and going on ---------------------------------------------------------------------------------


def check_free(dataset: DatasetState, planned: VolumePlan) -> None:
    """Refuse names that the dataset has already, unless this very import has left them unfinished."""
    taken = [layer.name for layer in planned.layers if layer.name in dataset.layers]
    if not taken:
        return
    name = planned.layers[0].name
    if name in taken and not _is_written(dataset, planned, planned.mag):
        folder = _folder(dataset.layer(name), planned.mag)
        mark = storage.read_mark(folder)
        if mark is not None and mark.job == f"{_JOB} {name}":
            journal = Journal.find(folder)
            if journal is None or journal.fingerprint == planned.fingerprint:
                return
            why, again = refusal_words(mark.refused)
            raise LayerExistsError(
                f"The dataset {dataset.name!r} has a layer {name!r} that another import has left unfinished{why}.",
                hint=f"{again}, or give another layer_name.",
            )
    raise LayerExistsError(
        f"The dataset {dataset.name!r} already has a layer {taken[0]!r}.",
        hint="Give another layer_name.",
    )


def refusal_words(refused: str) -> tuple[str, str]:
    """Say why an import is unfinished, and what finishes it; refused: as of `Mark`."""
    if not refused:
        return "", "Run that import again to finish it"
    return f", because it failed: {refused.rstrip('.')}", "Run that import again once that is mended"


def _is_written(dataset: DatasetState, planned: VolumePlan, mag: Mag) -> bool:
    """Whether all layers are listed, and none is marked: an import may be killed between the two."""
    layers = [dataset.layers.get(layer.name) for layer in planned.layers]
    return all(
        layer is not None and mag in layer.mags and storage.read_mark(_folder(layer, mag)) is None
        for layer in layers
    )


def _folder(layer: LayerState, mag: Mag) -> Location:
    return layer.location.child(mag.to_layer_name())


def _get_or_add_layer(dataset: DatasetState, planned: LayerPlan) -> tuple[LayerState, bool]:
    """Add a layer, or take the one that this import has left; gives also whether it is new."""
    if planned.name in dataset.layers:
        return dataset.layer(planned.name), False
    request = changes.LayerRequest(
        planned.category,
        dtype=planned.dtype,
        num_channels=len(planned.channels),
        data_format=planned.data_format,
        bounding_box=planned.bounding_box,
    )
    return changes.add_layer(dataset, planned.name, request), True


def _open_arrays(
    planned: VolumePlan, layers: list[LayerState], mag: Mag, options: ImportOptions
) -> tuple[Journal, list[storage.ArrayHandle], bool]:
    """Make the arrays, marked and not listed; or open those of an import that was stopped, with its journal.

    Gives also whether it was.
    """
    folders = [_folder(layer, mag) for layer in layers]
    journal = Journal.find(folders[0])
    # Those that are listed are whole: it was stopped between one layer and the next.
    has_begun = [mag in layer.mags or storage.read_mark(_folder(layer, mag)) for layer in layers]
    if journal is not None and journal.fingerprint == planned.fingerprint and all(has_begun):
        for folder in folders:
            storage.refuse_mark(folder, "")
            remove_temporaries(folder)
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
        return journal, handles, True
    handles = []
    for layer in layers:
        mark = storage.Mark(job=f"{_JOB} {layer.name}", what="image files")
        handles.append(changes.create_array(layer, mag, options.request, "images", mark=mark))
    journal = Journal(folders[0], planned.fingerprint, planned.chunking.box, len(layers))
    journal.save()
    return journal, handles, False


def _list_finished_mag(
    layer: LayerState,
    handle: storage.ArrayHandle,
    mag: Mag,
    planned: LayerPlan,
    stats: ValueStats,
    transformation: AffineCoordinateTransformation | None,
) -> None:
    """List the mag together with what the voxels have shown, then take the mark away."""
    if mag in layer.mags:  # stopped after this
        storage.clear_mark(handle.location)
        layer.mag(mag).source.forget()
        return
    handle.flush()
    key: tuple[str, Any]
    if layer.category == "segmentation":
        key = ("largestSegmentId", max(0, int(stats.high or 0)))
    else:
        key = ("defaultViewConfiguration", _view_configuration(planned, stats))
    with layer.dataset.update():
        layer.dataset.store.apply(operations.SetLayerKey(layer.name, *key))
        if transformation is not None:
            kept = operations.SetLayerKey(layer.name, "coordinateTransformations", (transformation,))
            layer.dataset.store.apply(kept)
        changes.list_mag(layer, mag, handle)
    storage.clear_mark(handle.location)


def _view_configuration(planned: LayerPlan, stats: ValueStats) -> LayerViewConfiguration:
    """How the layer is shown at first: what its file says, or else all values that are there."""
    shown = planned.shown
    low, high = (None, None) if stats.low is None else (float(stats.low), float(stats.high))
    limits = shown.range
    if limits is None and low is not None and high is not None:
        limits = low, high
    elif limits is not None:
        low = limits[0] if low is None else min(low, limits[0])
        high = limits[1] if high is None else max(high, limits[1])
    hidden = True if shown.visible is False else None
    return LayerViewConfiguration(
        color=shown.color,
        intensity_range=limits,
        min=low,
        max=high,
        is_disabled=hidden,
        is_inverted=shown.inverted,
    )


# --- voxels --------------------------------------------------------------------------------------------------


def _write_boxes(
    planned: VolumePlan,
    work: BoxWork,
    journal: Journal,
    executor: Executor,
    count: Callable[[float], None],
) -> None:
    """Write all boxes that the journal doesn't have yet, and note each; `count` is told bytes, decoded and written."""
    chunking = work.chunking
    decoded = planned.bytes / max(1, planned.num_steps)
    voxel = planned.extent.voxel_bytes / len(planned.channels)

    passed = math.prod(planned.volume.size) * math.prod(planned.volume.others.values())

    def finished(box: Box, found: list[LayerStats]) -> None:
        for handle in work.handles:
            handle.flush()
        ranges = [merged_stats(values) for values in zip(journal.ranges, *found, strict=True)]
        journal.add(box, _signature(planned, work, box), ranges)
        count(math.prod(box[1]) * voxel)

    def missing() -> Iterator[Box]:
        nonlocal passed
        for box in boxes_of(planned, work.options, chunking):
            passed -= math.prod(box[1][-3:])
            if journal.has(box, _signature(planned, work, box)):
                count(len(work.parts_to_read(box)) * decoded + math.prod(box[1]) * voxel)
            else:
                yield box

    run = Boxes(
        work=work,
        executor=executor,
        in_flight=chunking.in_flight,
        in_order=chunking.in_order,
        advance=lambda parts: count(parts * decoded),
        finished=finished,
    )
    if shares_memory(executor):
        run.run(missing())
        _count_skipped_as_zero(planned, journal, passed)
        return
    # Boxes that share a shard go to one process, one after the other.
    x, y, z = (math.lcm(edge, cell) for edge, cell in zip(chunking.box, planned.extent.shard, strict=True))
    groups = boxes_of(planned, work.options, attrs.evolve(chunking, box=(x, y, z)))
    edges = (*(1 for _ in planned.volume.others), len(planned.channels), *chunking.box)
    wanted = set(missing())
    run.run_apart([box for box in groups if wanted.intersection(grids.cells(*box, edges))], edges)
    _count_skipped_as_zero(planned, journal, passed)


def _count_skipped_as_zero(planned: VolumePlan, journal: Journal, count: int) -> None:
    """Count voxels of boxes that weren't looked at, because nothing of them is stored: they are zero."""
    if count:
        journal.ranges = [
            merged_stats([stats, ValueStats(0, 0, count * len(layer.channels))])
            for stats, layer in zip(journal.ranges, planned.layers, strict=True)
        ]


def _signature(planned: VolumePlan, work: BoxWork, box: Box) -> str:
    """What the files of a box look like now."""
    return digest(file.signature() for file in planned.volume.files_of(work.sections(box)))


# --- what is finished -------------------------------------------------------------------------------------


JOURNAL_NAME = ".wkplug-import.json"

_IMPORT = "import of images"


def _load(place: Location) -> dict[str, Any]:
    """What a file of ours says; a damaged one says nothing."""
    try:
        found = json.loads(place.read())
    except (MissingError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class Journal:
    """The finished boxes of one volume, kept in the folder of a mag. Written after each box, atomically."""

    def __init__(self, folder: Location, fingerprint: str, box: tuple[int, ...], layers: int) -> None:
        self._place = folder.child(JOURNAL_NAME)
        self.fingerprint = fingerprint
        self.box = box
        self.ranges: LayerStats = [ValueStats()] * layers
        self.counted_once = True
        """Whether each box was done once, so that what was counted in them adds up."""
        self._done: dict[str, str] = {}

    @classmethod
    def find(cls, folder: Location) -> Journal | None:
        """The journal that an import has left in a folder, None if there is none that is sound."""
        found = _load(folder.child(JOURNAL_NAME))
        try:
            journal = cls(folder, str(found["import"]), tuple(map(int, found["box"])), len(found["ranges"]))
            journal.ranges = [ValueStats(**known) for known in found["ranges"]]
            journal._done = dict(found["done"])
            journal.counted_once = bool(found["once"])
        except (KeyError, TypeError, ValueError, IndexError):
            return None
        return journal

    def save(self) -> None:
        """Write the journal."""
        content = {
            "import": self.fingerprint,
            "box": self.box,
            "ranges": [attrs.asdict(stats) for stats in self.ranges],
            "done": self._done,
            "once": self.counted_once,
        }
        self._place.write(json.dumps(content).encode())

    @property
    def is_empty(self) -> bool:
        """Whether no box is finished."""
        return not self._done

    def has(self, box: Box, files: str) -> bool:
        """Whether a box was finished from files that looked the same."""
        return self._done.get(_box_key(box)) == files

    def add(self, box: Box, files: str, ranges: LayerStats) -> None:
        """Note a finished box, and the range of each layer's values so far."""
        self.counted_once = self.counted_once and _box_key(box) not in self._done
        self._done[_box_key(box)] = files
        self.ranges = ranges
        self.save()

    def delete(self) -> None:
        """Everything is written: nothing is left to go on with."""
        self._place.delete()

    @staticmethod
    def remove(folder: Location) -> None:
        """Take away what an import has left that was killed after all was written."""
        folder.child(JOURNAL_NAME).delete()


class Record:
    """A dataset that an import is making: a mark in the dataset's folder, with the fingerprint of the import."""

    def __init__(self, dataset: Location) -> None:
        self._dataset = dataset

    def read(self) -> str | None:
        """The fingerprint of the import that has not ended, None if there is none."""
        mark = storage.read_mark(self._dataset)
        return mark.fingerprint if mark is not None and mark.job == _IMPORT else None

    def begin(self, fingerprint: str) -> None:
        """Note that an import begins."""
        storage.set_mark(self._dataset, storage.Mark(job=_IMPORT, fingerprint=fingerprint))

    @property
    def refused(self) -> str:
        """Why the import would fail again; "" where it would go on."""
        mark = storage.read_mark(self._dataset)
        return "" if mark is None else mark.refused

    def refuse(self, why: str) -> None:
        """Note that the same import would fail again, or that it goes on now ("")."""
        storage.refuse_mark(self._dataset, why)

    def end(self) -> None:
        """Note that it has ended."""
        storage.clear_mark(self._dataset)


def _box_key(box: Box) -> str:
    return ",".join(map(str, box[0]))


# --- the boxes that are written ---------------------------------------------------------------------------


FEW_BOXES = 4096
"""So many boxes are gone through whatever is stored of them."""


def boxes_of(planned: VolumePlan, options: ImportOptions, chunking: ChunkingPlan) -> Iterable[Box]:
    """The boxes over all axes that are to be written, in order; the channels are those that are read, from 0 on."""
    extent, volume = planned.extent, planned.volume
    count = grids.count_cells(extent.start, extent.size, chunking.box) * math.prod(volume.others.values())
    source = volume.files[0]
    stored = None
    if count > FEW_BOXES and len(volume.files) == 1 and isinstance(source, Container):
        stored = source.stored_boxes()
    if stored is None:
        return _all_boxes(planned, chunking)
    touched = {cell for box in stored for cell in _touched(planned, options, chunking, box)}
    return [_box(planned, chunking, cell) for cell in sorted(touched, key=_cell_order)]


def _all_boxes(planned: VolumePlan, chunking: ChunkingPlan) -> Iterator[Box]:
    channels = len(planned.channels)
    places = (
        range(first, first + length)
        for first, length in zip(planned.others_start, planned.volume.others.values(), strict=True)
    )
    for others in itertools.product(*places):
        for start, shape in chunking.boxes(planned.extent):
            yield (*others, 0, *start), (*(1 for _ in others), channels, *shape)


def _cell_order(cell: tuple[int, ...]) -> tuple[int, ...]:
    """As in `ChunkingPlan.boxes`: z slowest, x fastest, within each place along the axes in front."""
    return (*cell[:-3], *reversed(cell[-3:]))


def _touched(
    planned: VolumePlan, options: ImportOptions, chunking: ChunkingPlan, stored: Box
) -> Iterator[tuple[int, ...]]:
    """The cells (places along the axes in front, then numbers along x, y, z) that a stored box of the file touches."""
    volume, extent = planned.volume, planned.extent
    roles = volume.roles(volume.files[0])
    spans = {
        axis: (low, low + length)
        for axis, low, length in zip(volume.files[0].info.axes, *stored, strict=True)
    }
    if any(not spans[axis][0] <= place < spans[axis][1] for axis, place in roles.fixed.items()):
        return
    x, y, z = spans["x"], spans["y"], spans[roles.z] if roles.z else (0, 1)
    if volume.swap_xy:
        x, y = y, x
    ranges = [
        range(first + spans[axis][0], first + spans[axis][1])
        for axis, first in zip(volume.others, planned.others_start, strict=True)
    ]
    flips = (options.flip_x, options.flip_y, options.flip_z)
    for (low, stop), flip, first, size, edge in zip(
        (x, y, z), flips, extent.start, extent.size, chunking.box, strict=True
    ):
        begin, end = (size - stop, size - low) if flip else (low, stop)
        ranges.append(range((first + begin) // edge, (first + end - 1) // edge + 1))
    yield from itertools.product(*ranges)


def _box(planned: VolumePlan, chunking: ChunkingPlan, cell: tuple[int, ...]) -> Box:
    extent = planned.extent
    others, numbers = cell[:-3], cell[-3:]
    grid = tuple(number * edge for number, edge in zip(numbers, chunking.box, strict=True))
    inside = grids.intersect((grid, chunking.box), (extent.start, extent.size))
    if inside is None:
        raise ValueError(f"The cell {cell} lies outside of the volume.")  # touched cells never do
    start, shape = inside
    return (*others, 0, *start), (*(1 for _ in others), len(planned.channels), *shape)
