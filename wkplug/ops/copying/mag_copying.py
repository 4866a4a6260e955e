"""Copying mags: one implementation, and a mode that says how the voxels get there.

`Transfer.DATA` reads and writes voxels, task by task (see `rewriting`); `FILES` copies the array's files byte by
byte; `LINK` makes a symbolic link; `REFERENCE` only writes down where the array is. Whatever the mode, a mag is
listed when it is complete and not before, the source's entry is taken over with the keys that nobody here knows, and
the layer's box becomes the union of both. What was linked or referenced is read-only here.

A killed copy leaves a marked folder that nobody lists; the same call again replaces it. Mags that were complete are
compared then (`exists_ok`), and nothing is written where they are equal.
"""

from __future__ import annotations

import copy
import math
import os
from contextlib import contextmanager, suppress
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import execution, registry, storage
from wkplug.abc import ArrayBackend, ArraySpec, Location
from wkplug.errors import (
    DatasetNotFoundError,
    FolderExistsError,
    IncompleteMagError,
    InvalidArgumentError,
    LayerNotFoundError,
    LayoutError,
    MagExistsError,
    MagMismatchError,
    MagNotFoundError,
    UnsupportedOperationError,
)
from wkplug.geometry import Mag, MagLike, grids
from wkplug.model import changes, layout
from wkplug.model.layout import LayoutRequest
from wkplug.model.regions import Region
from wkplug.model.states import DatasetState, LayerState, MagState, OpenOptions
from wkplug.ops.copying.rewriting import copy_voxels, reordered
from wkplug.progress import Progress, shown
from wkplug.properties import MagViewProperties, operations
from wkplug.storage import ArrayHandle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "CopyOptions",
    "Transfer",
    "add_mag",
    "all_keys",
    "check_fits",
    "copies_files",
    "files_of",
    "foreign_keys",
    "mag_view_of",
    "make_link",
    "missing_at",
    "recorded_path",
    "region_for",
    "with_codecs_of",
]


class Transfer(Enum):
    """How voxels come from one mag to another; see the module."""

    DATA = "data"
    FILES = "files"
    LINK = "link"
    REFERENCE = "reference"


@attrs.frozen(kw_only=True)
class CopyOptions:
    """How a copy is to be stored; None leaves it as it is in the source.

    files: insist on copying files (or, False, on rewriting voxels); None takes files where nothing changes.
    defaults: what is None is the format's default instead. mags: of whole layers, copy these only.
    """

    chunk_shape: Any = None
    shard_shape: Any = None
    chunks_per_shard: Any = None
    compress: Any = None
    files: bool | None = None
    defaults: bool = False
    mags: tuple[Mag, ...] | None = None

    def __attrs_post_init__(self) -> None:
        for what in ("chunk_shape", "shard_shape", "chunks_per_shard"):
            value = getattr(self, what)
            if value is not None:
                numbers = (value,) * 3 if isinstance(value, int) else tuple(int(number) for number in value)
                if min(numbers, default=0) < 1:
                    raise LayoutError(f"{what} is {numbers}: every number must be at least 1.")

    def layout(self, source: MagState) -> LayoutRequest:
        """What is asked for, completed from the source; its shards or chunks give way where they must."""
        spec = source.source.handle.spec
        chunk, shard = self.chunk_shape, self.shard_shape
        if not self.defaults:
            axes = source.frame.axes
            given = [_over_axes(axes, value, spec) for value in (chunk, shard)]
            if chunk is None:
                whole = spec.chunk_shape if given[1] is None else given[1]
                chunk = tuple(map(math.gcd, spec.chunk_shape, whole))
            if shard is None and self.chunks_per_shard is None:
                edges = given[0] or spec.chunk_shape
                shard = tuple(
                    -(-large // small) * small for large, small in zip(spec.shard_shape, edges, strict=True)
                )
        return LayoutRequest(
            chunk_shape=chunk,
            shard_shape=shard,
            chunks_per_shard=self.chunks_per_shard,
            compress=spec.compressed if self.compress is None else self.compress,
        )

    def keeps(self, source: MagState) -> bool:
        """Whether the source is stored as is asked for already; never one whose values are widened when read."""
        if source.source.handle.array.stored_dtype is not None:
            return False
        asked = LayoutRequest(self.chunk_shape, self.shard_shape, self.chunks_per_shard, self.compress)
        return isinstance(asked.compress, bool | None) and not any(asked.differences(source.spec))


def _over_axes(axes: tuple[str, ...], value: Any, spec: ArraySpec) -> tuple[int, ...] | None:
    """Widen what a user gave for x, y and z to all axes of the array, the others as they are in `spec`."""
    if value is None:
        return None
    numbers = (value,) * 3 if isinstance(value, int) else tuple(int(number) for number in value)
    if len(numbers) != 3 or len(axes) == len(numbers):
        return numbers
    by_axis = dict(zip("xyz", numbers, strict=True))
    return tuple(by_axis.get(axis, length) for axis, length in zip(axes, spec.chunk_shape, strict=True))


def mag_view_of(mag_view_or_path: MagState | str | os.PathLike[str]) -> MagState:
    """Take a mag as it is, or open the one at `<dataset>/<layer>/<mag>`, for reading."""
    if isinstance(mag_view_or_path, MagState):
        return mag_view_or_path
    location = storage.locate(mag_view_or_path)
    folder = location.parent
    with missing_at(location, "mag", "DATASET/LAYER/MAG"):
        dataset = DatasetState.open(folder.parent, OpenOptions({}, read_only=True))
        return dataset.layer(folder.name).mag(location.name)


@contextmanager
def missing_at(location: Location, what: str, form: str) -> Iterator[None]:
    """Let errors begin with the path that was given, of which the dataset, the layer or the mag isn't there.

    form: how such paths are made up.
    """
    try:
        yield
    except (DatasetNotFoundError, LayerNotFoundError, MagNotFoundError) as error:
        raise type(error)(
            f"There is no {what} at {location.url}: {error.message}", hint=f"Check the path: {form}."
        ) from error


@shown(lambda layer, source, *_: f"copy {layer.name}, mag {getattr(source, 'name', source)}")
def add_mag(
    layer: LayerState,
    mag_view_or_path: MagState | str | os.PathLike[str],
    transfer: Transfer = Transfer.DATA,
    *,
    mag: MagLike | None = None,
    request: CopyOptions | None = None,
    extend_layer_bounding_box: bool = True,
    exists_ok: bool = False,
    make_relative: bool = False,
    executor: Any = None,
    progress: Progress | None = None,
) -> MagState:
    """Add the mag of another layer, as `mag` if that is given (voxels stay what they are, the box follows).

    MagExistsError (an IndexError) if the layer has it, unless a copy with `exists_ok`: then voxels are written
    into the mag that is there, where they differ. MagMismatchError (an AssertionError) if dtype, channels or axes
    differ, and for links and references also if the data format does.
    """
    # A reference is an entry in the properties; everything else makes files in the layer's folder.
    check = layer.check_metadata_writable if transfer is Transfer.REFERENCE else layer.check_writable
    check("get another mag")
    source = mag_view_of(mag_view_or_path)
    request = request or CopyOptions()
    target = source.mag if mag is None else Mag(mag)
    copies = transfer in (Transfer.DATA, Transfer.FILES)
    check_fits(layer, source, formats=not copies)
    if target in layer.mags and not (copies and exists_ok):
        raise MagExistsError(
            f"The layer {layer.name!r} already has the mag {target}.",
            hint="Pass exists_ok=True to write what differs into it, or choose another mag: mag=..."
            if copies
            else "Choose another mag: mag=...",
        )
    region = region_for(source, layer, target)
    if not copies:
        if source.layer == layer:
            raise InvalidArgumentError(
                f"The mag {source.name} belongs to the layer {layer.name!r} itself.",
                hint="A reference leads to another layer; use add_mag_as_copy for a copy of its own.",
            )
        with suppress(IncompleteMagError):  # whoever writes it may go on
            source.source.handle  # noqa: B018 - refuses a mag whose files are gone or don't fit its layer
        return _refer_to(
            layer, source, target, transfer, region if extend_layer_bounding_box else None, make_relative
        )
    source.source.handle  # noqa: B018 - refuses a source that an unfinished job has marked
    wanted = region if extend_layer_bounding_box else layer.region
    places = (source.location, layer.location)
    with execution.adapted(executor, default="threads", places=places) as pool:
        if target in layer.mags:
            _check_layout(layer, target, request)
            _overwrite(layer, source, target, wanted, region, pool, progress)
        elif copies_files(source, str(layer.data_format), request, transfer):
            with changes.exclusive(layer, target):
                begin = None if progress is None else lambda: progress
                extend = extend_layer_bounding_box
                part = files_of(layer, source, target, extend=extend, progress_of=begin)
                storage.copy_parts([part], layer.dataset.update, skip=(storage.MARK_NAME,))
        else:
            _copy_data(layer, source, target, wanted, region, request, pool, progress)
    return layer.mag(target)


# --- checks -----------------------------------------------------------------------------------------------


def check_fits(layer: LayerState, source: MagState, *, formats: bool = False) -> None:
    """Refuse a mag that can't be one of the layer's; formats: neither if its data format is another one."""
    other = source.layer
    facts = {
        "dtype": (layer.dtype.name, other.dtype.name),
        "number of channels": (layer.num_channels, other.num_channels),
        "axes": (layer.frame.axes, source.frame.axes),
    }
    if not formats and can_reorder(layer, source):
        del facts["axes"]
    if formats:
        facts["data format"] = (str(layer.data_format), str(other.data_format))
    for what, (own, foreign) in facts.items():
        if own != foreign:
            raise MagMismatchError(
                f"The mag {source.name} of {other.name!r} doesn't fit into the layer {layer.name!r}: "
                f"its {what} is {foreign}, the layer's is {own}.",
                hint="Add it to a layer made with dataset.add_layer_like, or copy it as another layer.",
            )


def can_reorder(layer: LayerState, source: MagState) -> bool:
    """Whether the layer's format has an order of axes of its own, which the source's voxels can be brought into."""
    own, given = layer.frame.axes, source.frame.axes
    return (
        registry.axes_of_format(str(layer.data_format)) == own
        and layer.num_channels == source.layer.num_channels
        and set(given) <= set(own) <= {*given, "c"}
    )


def _read_handle(layer: LayerState, source: MagState) -> ArrayHandle:
    return reordered(source.source.handle, layer.frame.axes)


def _check_layout(layer: LayerState, mag: Mag, request: CopyOptions) -> None:
    if not request.keeps(layer.mag(mag)):
        raise MagMismatchError(
            f"The mag {mag} of {layer.name!r} exists and is stored in another way than asked for.",
            hint="Leave the shapes and compress out to write into it as it is, or rewrite it with rechunk.",
        )


def region_for(source: MagState, layer: LayerState, target: Mag) -> Region:
    """The part of the source that its layer shows, in Mag(1) voxels of the mag that it is to become."""
    own = source.layer.region
    if source.mag != target:
        own = grids.coarsened(own, source.factors)
    # In the order of the layer's axes; one that the source lacks is that of the channels.
    by_axis = dict(zip(source.frame.axes, zip(*own, strict=True), strict=True))
    start, shape = zip(*(by_axis.get(axis, (0, 1)) for axis in layer.frame.axes), strict=True)
    if source.mag == target:
        return start, shape
    return grids.refined((start, shape), layer.frame.factors(target.to_tuple()))


def copies_files(
    source: MagState, data_format: str, request: CopyOptions, transfer: Transfer = Transfer.DATA
) -> bool:
    """Whether files can be copied as they are: the same storage, on places that list what they hold.

    data_format: that of the layer that gets the mag.
    """
    wanted = True if transfer is Transfer.FILES else request.files
    if wanted is False:
        return False
    handle = source.source.handle
    capabilities = handle.backend.capabilities
    reason = None
    if source.data_format != data_format:
        reason = f"the data format changes from {source.data_format} to {data_format}"
    elif not request.keeps(source):
        reason = "chunks, shards or compression change"
    elif not (capabilities.shared_between_processes and capabilities.writable and handle.array.is_alone):
        reason = f"arrays of {source.data_format} aren't folders of their own"
        if capabilities.writable and not handle.array.is_alone:
            reason = f"what describes them lies outside of {source.location.url}"
    elif not source.location.lists_all:
        reason = f"{source.location.url} can't be listed"
    if reason is not None and wanted:
        raise UnsupportedOperationError(
            f"The files of the mag {source.name} can't be copied as they are: {reason}.",
            hint="Use layer.add_mag_as_copy, which rewrites the voxels where that is needed.",
        )
    return reason is None


# --- the four ways ----------------------------------------------------------------------------------------


def _mark(layer: LayerState, source: MagState, target: Mag) -> storage.Mark:
    return storage.Mark(job=f"copy to {layer.name} {target}", what=f"copy of {source.location.url}")


def _copy_data(
    layer: LayerState,
    source: MagState,
    target: Mag,
    wanted: Region,
    region: Region,
    request: CopyOptions,
    pool: Any,
    progress: Progress | None,
) -> None:
    whole = grids.hull(layer.region, wanted)
    making = changes.new_mag(
        layer,
        target,
        _layout_of_copy(layer, source, target, request, whole),
        changes.purpose_of_next_mag(layer),
        _mark(layer, source, target),
        region=whole,
        extra=foreign_keys(source),
    )
    with making as handle:
        factors = layer.frame.factors(target.to_tuple())
        bounds = grids.intersect(grids.coarsened(region, factors), grids.coarsened(whole, factors))
        if bounds is not None:
            copy_voxels(_read_handle(layer, source), handle, bounds, executor=pool, progress=progress)
        _extend(layer, wanted)


def _layout_of_copy(
    layer: LayerState, source: MagState, target: Mag, request: CopyOptions, region: Region
) -> LayoutRequest:
    """What is asked for; in the source's format with its codecs, in another one with its plain chunks and shards."""
    asked = request.layout(source)
    if source.data_format == layer.data_format:
        place, data_format = layer.location.child(target.to_layer_name()), str(layer.data_format)
        explicit = layer.dataset.backend_for(data_format)
        backend = registry.choose_backend(
            place, data_format=data_format, mode="create", explicit=explicit
        ).winner
        factors, dtype = layer.frame.factors(target.to_tuple()), layer.dtype.name
        purpose = changes.purpose_of_next_mag(layer)
        return with_codecs_of(
            source.source.handle,
            asked,
            request.compress,
            backend=backend,
            place=place,
            spec_of=lambda kept: layout.array_spec(
                backend, layer.frame, region, factors, dtype, kept, purpose
            ),
        )
    chunk, shard = request.chunk_shape, request.shard_shape
    if chunk is None:
        found = source.source.handle.spec.chunk_shape
        edges = {found[position] for position in source.frame.xyz if position is not None}
        edge = edges.pop()
        if not edges and edge & (edge - 1) == 0:
            chunk = (
                edge
                if shard is None
                else math.gcd(edge, *([shard] if isinstance(shard, int) else map(int, shard)))
            )
        if shard is not None and not _has_shards(layer, target):
            chunk = shard
    if shard is None and request.chunks_per_shard is None and _has_shards(layer, target):
        shard = _shards_of(source, chunk)
    return asked._replace(chunk_shape=chunk, shard_shape=shard)


def _shards_of(source: MagState, chunk: Any) -> tuple[int, ...] | None:
    """The source's shards along x, y and z, in whole chunks; None if it has none, or ones that no format shares."""
    spec = source.source.handle.spec
    edges = [spec.shard_shape[position] for position in source.frame.xyz if position is not None]
    if chunk is None or len(edges) != 3 or spec.shard_shape == spec.chunk_shape or len(set(edges)) > 1:
        return None
    chunks = (chunk,) * 3 if isinstance(chunk, int) else tuple(int(edge) for edge in chunk)
    if len(chunks) != 3 or any(edge & (edge - 1) for edge in (*edges, *chunks)):
        return None
    return tuple(map(max, edges, chunks))


def _has_shards(layer: LayerState, target: Mag) -> bool:
    data_format = str(layer.data_format)
    choice = registry.choose_backend(
        layer.location.child(target.to_layer_name()), data_format=data_format, mode="create",
        explicit=layer.dataset.backend_for(data_format),
    )  # fmt: skip
    sharded: bool = choice.winner.capabilities.sharded
    return sharded


def _overwrite(
    layer: LayerState,
    source: MagState,
    target: Mag,
    wanted: Region,
    region: Region,
    pool: Any,
    progress: Progress | None,
) -> None:
    if layer.mag(target).read_only:
        raise MagExistsError(
            f"The mag {target} of {layer.name!r} belongs to another dataset and can't be overwritten.",
            hint="Copy into a layer whose mags are its own.",
        )
    _extend(layer, wanted)
    with changes.overwritten_mag(layer, target, _mark(layer, source, target)) as handle:
        factors = layer.frame.factors(target.to_tuple())
        bounds = grids.intersect(grids.coarsened(region, factors), grids.coarsened(layer.region, factors))
        if bounds is not None:
            copy_voxels(
                _read_handle(layer, source), handle, bounds, erase=True, executor=pool, progress=progress
            )


def files_of(
    layer: LayerState,
    source: MagState,
    target: Mag,
    *,
    extend: bool,
    progress_of: Callable[[], Progress] | None = None,
) -> storage.Part:
    """What is to be copied of a mag for a layer in which it is `exclusive`; it is listed when its files are there.

    extend: the layer's box is to hold what the source shows. progress_of: makes the progress of this mag.
    """
    check_fits(layer, source)
    wanted = region_for(source, layer, target) if extend else layer.region
    location = layer.location.child(target.to_layer_name())
    place = storage.watched(location)

    def begin() -> None:
        try:
            changes.remove_abandoned(layer, location, str(layer.data_format))
        except MagExistsError as error:
            raise FolderExistsError(error.message, hint=error.hint) from error
        storage.set_mark(location, _mark(layer, source, target))

    def finish() -> None:
        storage.forget(location)
        handle = storage.open_array(
            location,
            str(layer.data_format),
            mode="r+",
            axes=layer.frame.axes,
            backend=layer.dataset.backend_for(str(layer.data_format)),
            allow_incomplete=True,
            facts=place.facts if isinstance(place, storage.KnownFiles) else None,
        )
        _extend(layer, wanted)
        changes.list_filled(layer, target, handle, extra=foreign_keys(source))
        changes.grow_listed(layer.mag(target), handle.spec)
        if progress_of is not None:
            progress_of()(1, 1)

    return storage.Part(source.location, place, begin, finish, partial(changes.end_filling, layer, target))


def _refer_to(
    layer: LayerState,
    source: MagState,
    target: Mag,
    transfer: Transfer,
    wanted: Region | None,
    make_relative: bool,  # noqa: FBT001 - internal
) -> MagState:
    path = recorded_path(layer.dataset, source.location, make_relative=make_relative)
    entry = MagViewProperties(mag=target, path=path, extra=all_keys(source))
    with changes.exclusive(layer, target):
        link = None
        if transfer is Transfer.LINK:
            link = make_link(
                layer.location.child(target.to_layer_name()), source.location, make_relative=make_relative
            )
        try:
            with layer.dataset.store.update():
                layer.dataset.store.apply(operations.AddMag(layer.name, entry))
                if wanted is not None:
                    _extend(layer, wanted)
        except BaseException:
            if link is not None:
                link.unlink()
            raise
    return layer.mag(target)


def _extend(layer: LayerState, region: Region) -> None:
    """Let the layer's box hold `region` too; no write where it does already, or where `region` is empty."""
    if 0 not in region[1] and grids.hull(layer.region, region) != layer.region:
        changes.extend_box(layer, region)


# --- what mags and layers leave of each other -------------------------------------------------------------


def all_keys(source: MagState) -> dict[str, Any]:
    """The keys of a mag's entry but mag and path, copied."""
    entry = source.layer.properties.get_mag(source.mag)
    return copy.deepcopy(entry.extra) if entry is not None else {}


def foreign_keys(source: MagState) -> dict[str, Any]:
    """The same without those that belong to the storage format, which may differ in the copy."""
    handle = source.source.handle
    own = handle.backend.mag_properties(handle.array)
    return {key: value for key, value in all_keys(source).items() if key not in own}


def with_codecs_of(
    source: ArrayHandle,
    request: LayoutRequest,
    compress: Any,
    *,
    backend: ArrayBackend,
    place: Location,
    spec_of: Callable[[LayoutRequest], ArraySpec],
) -> LayoutRequest:
    """Ask for the codecs of `source` (the same format) where nothing else is asked for, with their levels.

    compress: what was asked for; None and True keep what is compressed as it is. What the new array's backend doesn't
    take (codecs that only another engine knows, shards within shards) becomes the format's default.
    """
    spec = source.spec
    options = {key: value for key, value in spec.options.items() if value is not None}
    if not spec.compressed or not options or not (compress is None or compress is True):
        return request._replace(compress=spec.compressed if compress is None else compress)
    kept = request._replace(compress=options)
    problems = backend.problems(spec_of(kept), place, "create")
    refused = any(problem.severity == "error" for problem in problems)
    return request._replace(compress=True) if refused else kept


def recorded_path(dataset: DatasetState, location: Location, *, make_relative: bool = False) -> str:
    """Say where a foreign place is, as `dataset` records it: absolute, or "../other/color/1" if that is wanted."""
    root, local = dataset.location.local_path(), location.local_path()
    if make_relative and root is not None and local is not None:
        return os.path.relpath(local, root).replace(os.sep, "/")
    return storage.relative_to(dataset.location, location)


def make_link(link: Location, target: Location, *, make_relative: bool = False) -> Path:
    """Make a symbolic link; InvalidArgumentError (an AssertionError) unless both places are local."""
    where, to = link.local_path(), target.local_path()
    if where is None or to is None:
        remote = link if where is None else target
        raise InvalidArgumentError(
            f"{remote.url} is not on a local disk, where alone symbolic links can be.",
            hint="Use add_layer_as_ref or add_mag_as_ref, which work everywhere.",
        )
    path = Path(where)
    if os.path.lexists(path):
        if path.is_symlink() and not path.exists():
            raise FolderExistsError(
                f"{path} is a link to nothing.", hint="Choose another path, or let the link lead to a folder."
            )
        raise FolderExistsError(f"There is already something at {path}.", hint="Move it away first.")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = os.path.relpath(to, path.parent.resolve()) if make_relative else to
    with suppress(FileExistsError):
        path.symlink_to(text, target_is_directory=Path(to).is_dir())
        return path
    raise FolderExistsError(f"There is already something at {path}.", hint="Move it away first.")
