"""What `wkplug info` tells: layers, mags, shapes, sizes on disk, marks, and what other tools won't see."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from wkplug import registry, storage
from wkplug.abc import Location
from wkplug.abc.threads import side_by_side
from wkplug.errors import MagError, StorageError, UnlistableError, WkplugError
from wkplug.filesystems.failures import may_be_hidden
from wkplug.filesystems.paths import is_scrap
from wkplug.geometry import Mag, NDBoundingBox
from wkplug.model.attachments import attached
from wkplug.model.states import DatasetState, LayerState, MagState
from wkplug.properties import layer_facts
from wkplug.storage import removing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence


__all__ = ["LayerReport", "MagReport", "Report", "box_facts", "describe"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_UNKNOWN = "its folder has files, but the properties don't list it; layer.add_mag_for_existing_files lists it"


@attrs.frozen(kw_only=True)
class MagReport:
    """One mag: shapes are per axis of the array, in voxels of the mag; size is bytes on disk, None if unknown.

    size_unknown: why the place can't say the size, if that was asked for and it can't.
    listed: False for a folder that the properties don't name (yet): an unfinished job has left it, or it has a problem.
    """

    mag: str
    path: str
    shape: tuple[int | None, ...] | None = None
    chunk_shape: tuple[int, ...] | None = None
    shard_shape: tuple[int, ...] | None = None
    compressed: bool | None = None
    backend: str | None = None
    size: int | None = None
    size_unknown: str | None = None
    mark: str | None = None
    problem: str | None = None
    listed: bool = True


@attrs.frozen(kw_only=True)
class LayerReport:
    """One layer: the box is (x, y, z) top-left and size in Mag(1) voxels; mark: what has not finished making it."""

    name: str
    category: str
    dtype: str
    num_channels: int
    data_format: str
    axes: tuple[str, ...]
    bounding_box: NDBoundingBox | None
    mags: tuple[MagReport, ...]
    notes: tuple[str, ...] = ()
    mark: str | None = None
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give plain values; the box in numbers, further axes by name."""
        return {
            **attrs.asdict(self, recurse=False),
            "bounding_box": None if self.bounding_box is None else box_facts(self.bounding_box),
            "mags": list(map(attrs.asdict, self.mags)),
        }

    @property
    def box_text(self) -> str:
        """The box as people read it."""
        if self.bounding_box is None:
            return ""
        return f"{self.bounding_box.topleft_xyz.to_tuple()} + {self.bounding_box.size_xyz.to_tuple()}"


@attrs.frozen(kw_only=True)
class Report:
    """The dataset as a whole; mark: what has not finished making it."""

    path: str
    name: str
    voxel_size: tuple[float, float, float]
    layers: tuple[LayerReport, ...]
    mark: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes on disk of all mags, as far as they were added up."""
        return sum(mag.size or 0 for layer in self.layers for mag in layer.mags)

    def to_json(self) -> dict[str, Any]:
        """Give plain values, for `wkplug info --json`."""
        facts = attrs.asdict(self, recurse=False)
        known = any(mag.size is not None for layer in self.layers for mag in layer.mags)
        size = self.size if known or not any(layer.mags for layer in self.layers) else None
        return {**facts, "size": size, "layers": [layer.to_json() for layer in self.layers]}


def box_facts(box: NDBoundingBox) -> dict[str, Any]:
    """Give a bounding box in numbers: x, y, z, and further axes by name."""
    facts: dict[str, Any] = {"topLeft": box.topleft_xyz.to_list(), "size": box.size_xyz.to_list()}
    others = {
        axis: [start, start + length]
        for axis, start, length in zip(box.axes, box.topleft, box.size, strict=True)
        if axis not in ("c", "x", "y", "z")
    }
    return {**facts, "additionalAxes": others} if others else facts


def describe(dataset: DatasetState, *, sizes: bool = True) -> Report:
    """Look at everything without reading voxels; what can't be opened is reported, not raised."""
    size, location = dataset.voxel_size, dataset.location
    names = dataset.store.layer_names()
    layers = [dataset.layer(name) for name in names if dataset.store.layer_problem(name) is None]
    views = [view for layer in layers for view in layer.mags.values()]
    mags = dict(zip(views, _at_once(location, partial(_mag, sizes=sizes), views), strict=True))
    places = [location, *(layer.location for layer in layers)]
    folders = dict(zip(places, _at_once(location, _Folder, places), strict=True))

    def report(name: str) -> LayerReport:
        problem = dataset.store.layer_problem(name)
        if problem is not None:
            return _broken(name, problem.message)
        layer = dataset.layer(name)
        return _layer(layer, [mags[view] for view in layer.mags.values()], folders[layer.location])

    return Report(
        path=location.url,
        name=dataset.name,
        voxel_size=(size.x, size.y, size.z),
        layers=tuple(map(report, names)),
        mark=folders[location].mark,
        notes=folders[location].leftovers(names),
    )


def _at_once(place: Location, call: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Map in order; side by side where each item takes requests."""
    return side_by_side(call, items, at_once=place.concurrency)


class _Folder:
    """A folder of a dataset or a layer, listed once. names: those in it, none if it can't be listed."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._has_no_others = False
        self.names: list[str] = []
        try:
            self.names = list(location.list_all())
            self._has_no_others = True
        except UnlistableError:
            with suppress(StorageError):
                self.names = list(location.list())
        except StorageError as error:
            if not may_be_hidden(error, location):
                raise

    @property
    def mark(self) -> str | None:
        """What an unfinished copy or import has left in it."""
        if self._has_no_others and storage.MARK_NAME not in self.names:
            return None
        mark = storage.read_mark(self._location)
        if mark is None or mark.finished:
            return None
        how = "has not finished; run it again to finish it"
        if mark.refused:
            how = f"has failed; run it again once that is mended: {mark.refused}"
        return f"{mark.what or mark.job}, started {mark.started}, {how}"

    def leftovers(self, listed: Collection[str]) -> tuple[str, ...]:
        """What killed deletions have left in it, of which `listed` are the names that have lost nothing."""
        return tuple(
            f"{self._location.child(name).url} was being deleted when the job was killed; what is left of it is "
            "unlisted, and goes when something of that name is added"
            for name in removing.noted_deletions(self.names)
            if name not in listed
        )


def _broken(name: str, problem: str) -> LayerReport:
    return LayerReport(
        name=name, category="", dtype="", num_channels=0, data_format="", axes=(), bounding_box=None, mags=(),
        problem=problem,
    )  # fmt: skip


def _layer(layer: LayerState, mags: Sequence[MagReport], folder: _Folder) -> LayerReport:
    own = [view.location.name for view in layer.mags.values() if not layer.is_foreign(view)]
    return LayerReport(
        name=layer.name,
        category=layer.category,
        dtype=layer.dtype.name,
        num_channels=layer.num_channels,
        data_format=str(layer.data_format),
        axes=layer.frame.axes,
        bounding_box=layer.bounding_box,
        mags=(*mags, *_unlisted(layer, folder.names)),
        notes=(
            *_notes(layer),
            *_outside(layer),
            *folder.leftovers(own),
        ),
        mark=folder.mark,
    )


def _notes(layer: LayerState) -> tuple[str, ...]:

    facts = layer_facts(layer.properties, layer.dataset.voxel_size_with_unit)
    try:
        dialects = registry.dialects(str(layer.data_format))
    except WkplugError as error:
        return (error.message,)
    return tuple(text for dialect in dialects for text in dialect.problems(facts))


def _unlisted(layer: LayerState, names: Iterable[str]) -> Iterator[MagReport]:
    """Report the folders of mags that aren't listed: an unfinished job has marked them, or nobody knows them."""
    listed = {view.location for view in layer.mags.values()}
    try:
        for name in names:
            location = layer.location.child(name.rstrip("/"))
            if not name.endswith("/") or location in listed or is_scrap(location.name):
                continue
            mark = storage.read_mark(location)
            if mark is not None:
                yield MagReport(mag=location.name, path=location.url, mark=_text(mark), listed=False)
            elif _is_mag(location.name) and next(iter(location.list()), None) is not None:
                yield MagReport(mag=location.name, path=location.url, problem=_UNKNOWN, listed=False)
    except StorageError as error:
        if not may_be_hidden(error, layer.location):
            raise


def _is_mag(name: str) -> bool:
    try:
        Mag(name)
    except MagError:
        return False
    return True


def _outside(layer: LayerState) -> Iterator[str]:
    """Tell which mags and attachments lie outside of the dataset."""
    root = layer.dataset.location
    named = [
        *((f"the mag {view.name}", view.location) for view in layer.mags.values()),
        *((f"the attachment {item.name!r}", item.location) for item in attached(layer)),
    ]
    for what, place in named:
        if not storage.is_inside(root, place):
            yield f"{what} lies outside of this dataset, at {place.url}"


def _text(mark: storage.Mark) -> str:
    if mark.finished:
        return f"{mark.job}, started {mark.started}, was killed before it was listed; run it again"
    if mark.refused:
        return f"{mark.job}, started {mark.started}, has failed; run it again once that is mended: {mark.refused}"
    return f"{mark.job}, started {mark.started}, has not finished"


def _size(location: Location) -> dict[str, Any]:
    try:
        if location.local_path() is not None:
            return {"size": location.size()}
        # One listing; what can't be listed may answer for a folder with anything.
        sizes = [size for path, size in location.list_files() if not is_scrap(path.rpartition("/")[2])]
        return {"size": location.size() if not sizes or None in sizes else sum(filter(None, sizes))}
    except StorageError as error:
        return {"size_unknown": error.message}


def _mag(view: MagState, *, sizes: bool) -> MagReport:
    known: dict[str, Any] = {"mag": view.name, "path": view.location.url}
    try:
        recorded = view.source.recorded
        mark = None if recorded is not None else storage.read_mark(view.location)
        if mark is not None and not mark.finished:
            known["mark"] = _text(mark)
        handle = storage.open_array(
            view.location,
            str(view.data_format),
            axes=view.frame.axes,
            backend=view.source.backend,
            allow_incomplete=True,
            facts=recorded,
        )
        spec = handle.spec
        known |= {
            "shape": spec.shape,
            "chunk_shape": spec.chunk_shape,
            "shard_shape": spec.shard_shape,
            "compressed": spec.compressed,
            "backend": handle.backend.name,
        }
        if sizes:
            known |= _size(view.location)
        if (facts := view.source.facts) is not None:
            facts.check(spec, view.location.url)
            known["problem"] = " ".join(facts.remarks(spec, view.location.url)) or None
    except WkplugError as error:
        known["problem"] = error.message
    return MagReport(**known)
