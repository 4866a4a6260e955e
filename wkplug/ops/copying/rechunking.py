"""Storing a mag in another way: other chunks, other shards, compressed or not.

In place, the new array is made beside the old one and swapped in when it is complete (`wkplug.storage.replacing`);
a crash at any moment leaves a complete array, and the same call again cleans up. Everything stored is taken
along, also voxels that the layer's box hides. With a target path the result is a dataset of its own, and the mag
stays as it is; object stores, which can't rename folders, need that.

Writing to a mag while it is being rewritten loses these writes; reading is fine.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import execution, registry, storage
from wkplug.abc import ArraySpec, Box
from wkplug.errors import InvalidArgumentError, ReadOnlyError
from wkplug.geometry import grids
from wkplug.model import changes, layout
from wkplug.model.layout import LayoutRequest
from wkplug.model.states import DatasetState, MagState
from wkplug.notices import warn_user
from wkplug.ops.copying import layer_copying, mag_copying
from wkplug.ops.copying.mag_copying import CopyOptions
from wkplug.ops.copying.rewriting import copy_voxels
from wkplug.progress import Progress, shown
from wkplug.storage import replacing

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator


__all__ = ["compress", "compress_dataset", "rechunk"]

_log = logging.getLogger(__name__)


@shown(lambda view: f"compress {view.layer.name} {view.name}")
def compress(
    view: MagState,
    *,
    target_path: str | os.PathLike[str] | None = None,
    executor: Any = None,
    progress: Progress | None = None,
) -> bool:
    """Compress a mag, keeping its chunks and shards; gives whether there was something to do."""
    _finish_interrupted(view)
    handle = view.source.handle
    spec = handle.spec
    if spec.compressed:
        _log.info("Skipping the mag %s of %s as it is already compressed.", view.name, view.layer.name)
        return False
    if not handle.backend.compresses(attrs.evolve(spec, compressed=True, options={})):
        warn_user(
            f"[WARNING] The mag {view.name} of {view.layer.name} stays as it is: {view.data_format} doesn't compress "
            f"{spec.dtype} in chunks of {spec.chunk_shape} by itself. Rewrite it with a compression that you choose, "
            "rechunk(compress={...}), or copy the layer in another data_format.",
            UserWarning,
        )
        return False
    request = LayoutRequest(chunk_shape=spec.chunk_shape, shard_shape=spec.shard_shape, compress=True)
    _rewrite(view, request, target_path, executor, progress)
    return True


@shown(lambda view: f"rechunk {view.layer.name} {view.name}")
def rechunk(
    view: MagState,
    *,
    chunk_shape: Any = None,
    shard_shape: Any = None,
    compress: Any = None,
    target_path: str | os.PathLike[str] | None = None,
    executor: Any = None,
    progress: Progress | None = None,
) -> None:
    """Store a mag in other chunks and shards; see `MagView.rechunk`."""
    _finish_interrupted(view)
    request = LayoutRequest(
        chunk_shape=chunk_shape, shard_shape=shard_shape, compress=True if compress is None else compress
    )
    request.check_power_of_two()
    _rewrite(view, request, target_path, executor, progress)


def compress_dataset(
    dataset: DatasetState, *, executor: Any = None, progress: Progress | None = None
) -> list[MagState]:
    """Compress all mags of the dataset that are its own and aren't compressed; gives these."""
    dataset.check_writable("its mags")
    done = []
    with execution.adapted(executor, default="threads", places=[dataset.location]) as pool:
        for layer in dataset.layers.values():
            for view in layer.mags.values():
                if view.read_only:
                    _log.info("Skipping the mag %s of %s: it is read-only.", view.name, layer.name)
                elif compress(view, executor=pool, progress=progress):
                    done.append(view)
    return done


def _rewrite(
    view: MagState,
    request: LayoutRequest,
    target_path: str | os.PathLike[str] | None,
    executor: Any,
    progress: Progress | None,
) -> None:
    local = view.location.local_path() is not None
    if target_path is None and not local:
        raise InvalidArgumentError(
            f"The mag {view.name} at {view.location.url} can't be rewritten in place: it is not on a local disk.",
            hint="Let the result become a dataset elsewhere: view.rechunk(target_path=...), or "
            "wkplug rechunk DATASET --target PLACE.",
        )
    if not local:
        warn_user(
            "[WARNING] Rewriting a mag on remote storage can be slow: all voxels travel twice.", UserWarning
        )
    places = [view.location, *([] if target_path is None else [storage.locate(target_path)])]
    with execution.adapted(executor, default="threads", places=places) as pool:
        if target_path is not None:
            _to_dataset(view, request, target_path, pool, progress)
        else:
            _in_place(view, request, pool, progress)


def _to_dataset(
    view: MagState, request: LayoutRequest, target_path: Any, pool: Any, progress: Progress | None
) -> None:
    source = view.layer
    place = storage.locate(target_path)
    if place == source.dataset.location:
        raise InvalidArgumentError(
            "target_path is the mag's own dataset.", hint="Leave it out to rewrite in place."
        )
    storage.check_apart(source.dataset.location, place, "the dataset that is read")
    dataset = changes.create_dataset(place, source.dataset.voxel_size_with_unit, exist_ok=True)
    if source.name in dataset.store.layer_names():
        layer = changes.get_or_add_layer(
            dataset, source.name, changes.LayerRequest(source.category, source.dtype, source.num_channels)
        )
    else:
        layer = layer_copying.add_layer_like(dataset, source, source.name)
    wish = CopyOptions(
        chunk_shape=request.chunk_shape,
        shard_shape=request.shard_shape,
        compress=request.compress,
        files=False,
        defaults=True,
    )
    mag_copying.add_mag(layer, view, request=wish, executor=pool, progress=progress)


def _in_place(view: MagState, request: LayoutRequest, pool: Any, progress: Progress | None) -> None:
    layer, location = view.layer, view.location
    _check_own(view)
    with changes.exclusive(layer, view.mag):
        old = view.source.handle
        place = storage.place_of_new(location)
        place.delete(recursive=True)
        storage.set_mark(
            place, storage.Mark(job=f"rewrite {location.url}", what=f"a new form of {location.url}")
        )
        data_format = str(view.data_format)
        explicit = layer.dataset.backend_for(data_format)
        choice = registry.choose_backend(place, data_format=data_format, mode="create", explicit=explicit)

        def spec_of(wish: LayoutRequest) -> ArraySpec:
            spec = layout.array_spec(
                choice.winner, layer.frame, layer.region, view.factors, old.spec.dtype, wish, "new"
            )
            return _covering(spec, old.spec)

        request = mag_copying.with_codecs_of(
            old, request, request.compress, backend=choice.winner, place=place, spec_of=spec_of
        )
        with replacing.errors_named(place, location):
            new = storage.create_array(place, data_format, spec_of(request), backend=explicit)
            # The layer's box comes first: around it there is rarely anything; shards are hardly written twice.
            shown = _whole_chunks(grids.coarsened(layer.region, view.factors), new.spec)
            for whole in _bounds(old):
                for bounds in _shown_and_hidden(whole, shown):
                    copy_voxels(old, new, bounds, executor=pool, progress=progress)
            new.flush()
            new.close()
        storage.clear_mark(place)
        extra = mag_copying.foreign_keys(view)
        storage.forget(place)
        view.source.forget()
        replacing.swap(location)
        _list_new_array(view, extra)


def _list_new_array(view: MagState, extra: dict[str, Any]) -> None:
    """After the swap: the entry says what the new array is, then the old one goes."""
    source = view.source
    source.forget()
    changes.list_mag(view.layer, view.mag, source.writing_handle, extra=extra, replace=True)
    replacing.finish(view.location)
    source.forget()
    view.layer.mag(view.mag).source.forget()


def _finish_interrupted(view: MagState) -> None:
    """Finish what a killed call has left of a swap."""
    location = view.location
    if view.read_only or location.local_path() is None or not replacing.is_unfinished(location):
        return
    with changes.exclusive(view.layer, view.mag):
        replacing.recover(location)
        _list_new_array(view, mag_copying.all_keys(view))


def _check_own(view: MagState) -> None:
    view.layer.check_writable("rewrite its mags")
    if view.read_only:
        raise ReadOnlyError(
            f"The mag {view.name} at {view.location.url} is read-only: it can't be rewritten in place.",
            hint="Give a target_path, or rewrite it in the dataset that it belongs to.",
        )


def _covering(spec: ArraySpec, old: ArraySpec) -> ArraySpec:
    """Make the array at least as large as the old one, in whole shards, with the same fill value."""
    shape: list[int | None] = []
    for axis, new, length, edge in zip(spec.axes, spec.shape, old.shape, spec.shard_shape, strict=True):
        if new is not None and length is not None:
            new = max(new, -(-length // edge) * edge if axis in ("x", "y", "z") else length)
        shape.append(new)
    return attrs.evolve(spec, shape=shape, fill_value=old.fill_value)


def _bounds(handle: storage.ArrayHandle) -> list[Any]:
    """The whole array, as one box; without bounds, the hull of what is stored."""
    spec = handle.spec
    if None not in spec.shape:
        return [((0,) * len(spec.shape), spec.shape)]
    hull: Any = None
    for box in handle.stored_boxes():
        hull = box if hull is None else grids.hull(hull, box)
    if hull is None:
        return []
    stop = [
        min(end, bound) if bound is not None else end
        for end, bound in zip(grids.stop_of(hull), spec.shape, strict=True)
    ]
    return [(hull[0], tuple(end - low for low, end in zip(hull[0], stop, strict=True)))]


def _whole_chunks(box: Box, spec: ArraySpec) -> Box:
    """Enlarge a box to whole chunks."""
    start, stop = grids.align_up(box[0], grids.stop_of(box), spec.chunk_shape)
    return start, tuple(high - low for low, high in zip(start, stop, strict=True))


def _shown_and_hidden(whole: Box, shown: Box) -> Iterator[Box]:
    """Cut `whole` into its part in `shown`, and the boxes around that."""
    inner = grids.intersect(whole, shown)
    if inner is None:
        yield whole
        return
    yield inner
    start, stop = list(whole[0]), list(grids.stop_of(whole))
    for axis, (low, high) in enumerate(zip(inner[0], grids.stop_of(inner), strict=True)):
        for first, last in ((start[axis], low), (high, stop[axis])):
            if first < last:
                begin, end = [*start], [*stop]
                begin[axis], end[axis] = first, last
                yield tuple(begin), tuple(b - a for a, b in zip(begin, end, strict=True))
        start[axis], stop[axis] = low, high
