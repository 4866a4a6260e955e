"""One mag laid over another: every chunk that is stored in the one replaces the voxels of the other.

That is how volume annotations, which store only the chunks that were changed, are merged with the layer they were
made on. Work is divided by the shards of the target, so that jobs share none.
"""

from __future__ import annotations

import math
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from wkplug import execution
from wkplug.abc import Box
from wkplug.errors import InvalidArgumentError, MissingError, UnsupportedOperationError
from wkplug.execution import AnyExecutor
from wkplug.geometry import NDBoundingBox, grids
from wkplug.model import changes, voxels
from wkplug.model.regions import from_bounding_box, in_mag
from wkplug.model.states import MagState
from wkplug.storage import ArrayHandle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


__all__ = ["merge", "merge_boxes"]

_PIECE_BYTES = 1 << 28


def merge(target: MagState, other: MagState, executor: AnyExecutor) -> None:
    """Lay the stored chunks of `other` over `target`; see `MagView.merge_with_view`."""
    _check(target, other)
    changes.extend_box(target.layer, changes.check_box(target.layer, other.bounding_box))
    bounds = other.bounds
    shard_shape = target.source.writing_handle.array.spec.shard_shape
    work: dict[tuple[int, ...], list[Box]] = {}
    for stored in _stored(other.source.handle, bounds):
        for shard in grids.cell_starts(*stored, shard_shape):
            common = grids.intersect(stored, (shard, shard_shape))
            if common is not None:
                work.setdefault(shard, []).append(common)
    results = execution.run(
        partial(_overlay, target, other),
        [work[shard] for shard in sorted(work)],
        executor=executor,
        default="threads",
        views=(target, other),
        held=2 * min(_PIECE_BYTES, target.dtype.itemsize * math.prod(shard_shape)),
    )
    for _ in results:
        pass
    target.source.handle.flush()


def merge_boxes(target: MagState, other: MagState, boxes: Iterable[NDBoundingBox]) -> None:
    """Lay the Mag(1) `boxes` of `other`, stored or not, over `target`, as far as they lie in both."""
    frame, factors = target.frame, target.factors
    inside = grids.intersect(target.bounds, other.bounds)
    wanted = [in_mag(frame, from_bounding_box(frame, box, target.region), factors) for box in boxes]
    common = [
        part for box in wanted if inside is not None and (part := grids.intersect(box, inside)) is not None
    ]
    if common:
        _overlay(target, other, common)
        target.source.handle.flush()


def _stored(handle: ArrayHandle, bounds: Box) -> Iterator[Box]:
    """The parts of `bounds` that are stored; where nobody can list them, each shard is asked for."""
    try:
        boxes = list(handle.stored_boxes())
    except UnsupportedOperationError:
        for box in grids.cells(*bounds, handle.spec.shard_shape):
            with suppress(MissingError):
                handle.read(box, missing="error")
                yield box
    else:
        for box in boxes:
            common = grids.intersect(box, bounds)
            if common is not None:
                yield common


def _check(target: MagState, other: MagState) -> None:
    reasons = []
    if target.mag != other.mag:
        reasons.append(f"the mags differ: {target.mag} and {other.mag}")
    if target.dtype != other.dtype:
        reasons.append(f"the dtypes differ: {target.dtype} and {other.dtype}")
    if target.frame.axes != other.frame.axes or target.num_channels != other.num_channels:
        reasons.append("the axes or the channels differ")
    spec = other.source.handle.array.spec
    if spec.chunk_shape != spec.shard_shape:
        reasons.append(
            f"the other's shards {spec.shard_shape} are larger than its chunks {spec.chunk_shape}, so that it can't be "
            "told which chunks were written"
        )
    if reasons:
        raise InvalidArgumentError(
            f"The mag {other.name} can't be laid over {target.name}: {'; '.join(reasons)}.",
            hint="MagView.rechunk makes a copy with other chunks and shards.",
        )


def _overlay(target: MagState, other: MagState, boxes: list[Box]) -> None:
    """Write chunks, as a rule of one shard of the target: few writes, as memory allows, as each rewrites the shard."""
    whole = boxes[0]
    for box in boxes[1:]:
        whole = grids.hull(whole, box)
    handle, source = target.source.writing_handle, other.source.handle
    itemsize = handle.array.dtype.itemsize
    piece = list(whole[1])
    while grids.volume((whole[0], tuple(piece))) * itemsize > _PIECE_BYTES and max(piece) > 1:
        longest = piece.index(max(piece))
        piece[longest] = -(-piece[longest] // 2)
    for part in grids.cells(*whole, piece):
        inside = [common for box in boxes if (common := grids.intersect(box, part)) is not None]
        if not inside:
            continue
        data = voxels.read(source if inside == [part] else handle, part)
        if inside != [part]:
            for start, shape in inside:
                data[grids.slices((start, shape), part[0])] = voxels.read(source, (start, shape))
        voxels.write(handle, part, data)
