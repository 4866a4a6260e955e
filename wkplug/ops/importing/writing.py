"""Writing a volume box by box: regions are decoded side by side, arranged, and written as whole shards.

All layers that a volume becomes are written from one box, so that every block is decoded once; so are their coarser
mags, as far as these were planned. Boxes that are all zero are not stored. Mags are listed when everything is written;
until then their folders carry the mark of the import and its journal, with which the same import goes on where it was
stopped.
"""

from __future__ import annotations

import math
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import storage
from wkplug.errors import LayerExistsError, UnsupportedImageDataError, WkplugError
from wkplug.geometry import Mag, grids
from wkplug.model import changes
from wkplug.ops.importing.boxes import BoxWork
from wkplug.ops.importing.journal import Journal
from wkplug.ops.importing.pipeline import Boxes, Seen, Sights, joined
from wkplug.ops.importing.placing import transformation_of
from wkplug.ops.importing.report import ImportNote
from wkplug.ops.importing.sparse import boxes
from wkplug.ops.importing.strays import NOTHING_STORED
from wkplug.ops.pools import shares_memory
from wkplug.ops.pyramids.feeding import Feed
from wkplug.properties import LayerViewConfiguration, operations
from wkplug.storage.marks import digest
from wkplug.storage.removing import remove_temporaries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wkplug.abc import Box, Executor, Location
    from wkplug.model.states import DatasetState, LayerState
    from wkplug.ops.importing.options import ImportOptions
    from wkplug.ops.importing.plans import LayerPlan, VolumePlan
    from wkplug.properties import AffineCoordinateTransformation

__all__ = ["check_free", "told_refusal", "write_volume"]

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

    Gives the layers, and what was seen in their voxels. Layers that are written already are left as they are, those
    that were begun are finished. Values that the parameters don't allow leave no layer if nothing is stored yet, so
    that others can be given.
    """
    mag = planned.mag
    if _is_written(dataset, planned, mag):
        advance(planned.work)
        Journal.remove(_folder(dataset.layer(planned.layers[0].name), mag))
        return [dataset.layer(layer.name) for layer in planned.layers], []
    with ExitStack() as claims:
        begun = [_layer(dataset, layer) for layer in planned.layers]
        layers, new = [layer for layer, _ in begun], all(is_new for _, is_new in begun)
        for layer in layers:
            claims.enter_context(changes.exclusive(layer, mag))
        try:
            return layers, _fill(dataset, planned, options, layers, executor, advance)
        except UnsupportedImageDataError as error:
            # The same call would end so again; after damage it goes on.
            if not new or not _take_back(layers, mag):
                for layer in layers:
                    storage.refuse_mark(_folder(layer, mag), error.message)
                stays = (
                    "What is stored stays, unfinished: with other parameters, it needs another name or place."
                )
                error.hint = f"{error.hint or ''}\n{stays}".strip()
            raise


def _take_back(layers: list[LayerState], mag: Mag) -> bool:
    """Delete layers that this import has just added, unless it has stored anything of them that it could go on from."""
    journal = Journal.find(_folder(layers[0], mag))
    if any(layer.mags for layer in layers) or not (journal is None or journal.is_empty):
        return False
    for layer in layers:
        with suppress(WkplugError):  # the error that is under way says more
            changes.delete_layer(layer)
    return True


def _fill(
    dataset: DatasetState,
    planned: VolumePlan,
    options: ImportOptions,
    layers: list[LayerState],
    executor: Executor,
    advance: Callable[[int], None],
) -> list[ImportNote]:
    """Write the voxels of layers that are claimed, list the mag, and say what was seen."""
    mag = planned.mag
    with ExitStack() as stack:
        journal, handles, goes_on = _begin(planned, layers, mag, options)
        feeds = []
        # What an import that was stopped had in memory of the coarser mags is lost.
        if planned.fed is not None and options.pyramid is not None and not goes_on:
            mode, request = options.pyramid.interpolation_mode, options.coarser_request
            feeds = [
                stack.enter_context(Feed.begun(layer, mag, planned.mags, planned.fed, mode, request))
                for layer in layers
            ]
        reading = stack.enter_context(planned.volume.open(planned.channels))
        cutting = planned.cutting_of(journal.box)
        work = BoxWork(planned, options, reading, handles, cutting, feeds)
        told = 0.0

        def count(part: float) -> None:
            nonlocal told
            advance(int(told + part) - int(told))
            told += part

        _write(planned, work, journal, executor, count)
        transformation = transformation_of(planned, options, dataset.voxel_size)
        for layer, handle, wanted, limits in zip(
            layers, handles, planned.layers, journal.ranges, strict=True
        ):
            _finish(layer, handle, mag, wanted, limits, transformation)
        for feed in feeds:
            feed.finish()
        journal.delete()
        advance(max(0, planned.work - int(told)))
    return _seen(planned, journal)


def _seen(planned: VolumePlan, journal: Journal) -> list[ImportNote]:
    """Say how many voxels are zero, where that is worth telling: it is how lost data look."""
    notes = []
    # Where nothing is stored, that was told beforehand.
    nothing_stored = any(note.startswith(NOTHING_STORED) for note in planned.volume.files[0].info.notes)
    for layer, seen in zip(planned.layers, journal.ranges, strict=True):
        voxels = math.prod(planned.volume.size) * math.prod(planned.volume.others.values())
        if not journal.once:
            continue
        if seen.cut:
            text = f"{seen.cut:,} values have fractions or digits that {layer.dtype} doesn't hold: they were cut off"
            notes.append(ImportNote(kind="cast", text=text, layers=(layer.name,), lost=True))
        share = 100 * seen.zeros / max(1, voxels * len(layer.channels))
        if share < 1 or nothing_stored:
            continue
        empty = seen.low == seen.high == 0
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
            why, again = told_refusal(mark.refused)
            raise LayerExistsError(
                f"The dataset {dataset.name!r} has a layer {name!r} that another import has left unfinished{why}.",
                hint=f"{again}, or give another layer_name.",
            )
    raise LayerExistsError(
        f"The dataset {dataset.name!r} already has a layer {taken[0]!r}.",
        hint="Give another layer_name.",
    )


def told_refusal(refused: str) -> tuple[str, str]:
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


def _layer(dataset: DatasetState, planned: LayerPlan) -> tuple[LayerState, bool]:
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


def _begin(
    planned: VolumePlan, layers: list[LayerState], mag: Mag, options: ImportOptions
) -> tuple[Journal, list[storage.ArrayHandle], bool]:
    """Make the arrays, marked and not listed; or open those of an import that was stopped, with its journal.

    Gives also whether it was.
    """
    folders = [_folder(layer, mag) for layer in layers]
    journal = Journal.find(folders[0])
    # Those that are listed are whole: it was stopped between one layer and the next.
    begun = [mag in layer.mags or storage.read_mark(_folder(layer, mag)) for layer in layers]
    if journal is not None and journal.fingerprint == planned.fingerprint and all(begun):
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
    journal = Journal(folders[0], planned.fingerprint, planned.cutting.box, len(layers))
    journal.save()
    return journal, handles, False


def _finish(
    layer: LayerState,
    handle: storage.ArrayHandle,
    mag: Mag,
    planned: LayerPlan,
    seen: Seen,
    transformation: AffineCoordinateTransformation | None,
) -> None:
    """List the mag together with what was learnt from the voxels, then take the mark away."""
    if mag in layer.mags:  # stopped after this
        storage.clear_mark(handle.location)
        layer.mag(mag).source.forget()
        return
    handle.flush()
    key: tuple[str, Any]
    if layer.category == "segmentation":
        key = ("largestSegmentId", max(0, int(seen.high or 0)))
    else:
        key = ("defaultViewConfiguration", _view(planned, seen))
    with layer.dataset.update():
        layer.dataset.store.apply(operations.SetLayerKey(layer.name, *key))
        if transformation is not None:
            kept = operations.SetLayerKey(layer.name, "coordinateTransformations", (transformation,))
            layer.dataset.store.apply(kept)
        changes.list_mag(layer, mag, handle)
    storage.clear_mark(handle.location)


def _view(planned: LayerPlan, seen: Seen) -> LayerViewConfiguration:
    """How the layer is shown at first: what its file says, or else all values that are there."""
    shown = planned.shown
    low, high = (None, None) if seen.low is None else (float(seen.low), float(seen.high))
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


def _write(
    planned: VolumePlan,
    work: BoxWork,
    journal: Journal,
    executor: Executor,
    count: Callable[[float], None],
) -> None:
    """Write all boxes that the journal doesn't have yet, and note each; `count` is told bytes, decoded and written."""
    cutting = work.cutting
    decoded = planned.bytes / max(1, planned.num_steps)
    voxel = planned.extent.voxel_bytes / len(planned.channels)

    passed = math.prod(planned.volume.size) * math.prod(planned.volume.others.values())

    def finished(box: Box, found: list[Sights]) -> None:
        for handle in work.handles:
            handle.flush()
        ranges = [joined(values) for values in zip(journal.ranges, *found, strict=True)]
        journal.add(box, _signature(planned, work, box), ranges)
        count(math.prod(box[1]) * voxel)

    def missing() -> Iterator[Box]:
        nonlocal passed
        for box in boxes(planned, work.options, cutting):
            passed -= math.prod(box[1][-3:])
            if journal.has(box, _signature(planned, work, box)):
                count(len(work.reads(box)) * decoded + math.prod(box[1]) * voxel)
            else:
                yield box

    run = Boxes(
        work=work,
        executor=executor,
        in_flight=cutting.in_flight,
        in_order=cutting.in_order,
        advance=lambda parts: count(parts * decoded),
        finished=finished,
    )
    if shares_memory(executor):
        run.run(missing())
        _pass_over(planned, journal, passed)
        return
    # Boxes that share a shard go to one process, one after the other.
    x, y, z = (math.lcm(edge, cell) for edge, cell in zip(cutting.box, planned.extent.shard, strict=True))
    groups = boxes(planned, work.options, attrs.evolve(cutting, box=(x, y, z)))
    edges = (*(1 for _ in planned.volume.others), len(planned.channels), *cutting.box)
    wanted = set(missing())
    run.run_apart([box for box in groups if wanted.intersection(grids.cells(*box, edges))], edges)
    _pass_over(planned, journal, passed)


def _pass_over(planned: VolumePlan, journal: Journal, count: int) -> None:
    """Count voxels of boxes that weren't looked at, because nothing of them is stored: they are zero."""
    if count:
        journal.ranges = [
            joined([seen, Seen(0, 0, count * len(layer.channels))])
            for seen, layer in zip(journal.ranges, planned.layers, strict=True)
        ]


def _signature(planned: VolumePlan, work: BoxWork, box: Box) -> str:
    """What the files of a box look like now."""
    return digest(file.signature() for file in planned.volume.files_of(work.sections(box)))
