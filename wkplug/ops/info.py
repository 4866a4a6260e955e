"""What `wkplug info` tells: layers, mags, shapes, sizes on disk, marks, and what other tools won't see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug import registry, storage
from wkplug.abc import Location
from wkplug.errors import MagError, StorageError, WkplugError
from wkplug.filesystems.paths import is_scrap
from wkplug.geometry import Mag, NDBoundingBox
from wkplug.model.attachments import attached
from wkplug.model.states import DatasetState, LayerState, MagState
from wkplug.properties import layer_facts
from wkplug.storage.removing import noted_deletions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


__all__ = ["LayerReport", "MagReport", "Report", "box_facts", "describe"]

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
        return {**facts, "size": self.size, "layers": [layer.to_json() for layer in self.layers]}


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
    size = dataset.voxel_size
    return Report(
        path=dataset.location.url,
        name=dataset.name,
        voxel_size=(size.x, size.y, size.z),
        layers=tuple(_layer_or_problem(dataset, name, sizes=sizes) for name in dataset.store.layer_names()),
        mark=_mark_of(dataset.location),
        notes=_leftovers(dataset.location, dataset.store.layer_names()),
    )


def _layer_or_problem(dataset: DatasetState, name: str, *, sizes: bool) -> LayerReport:
    problem = dataset.store.layer_problem(name)
    if problem is None:
        return _layer(dataset.layer(name), sizes=sizes)
    return LayerReport(
        name=name, category="", dtype="", num_channels=0, data_format="", axes=(), bounding_box=None, mags=(),
        problem=problem.message,
    )  # fmt: skip


def _layer(layer: LayerState, *, sizes: bool) -> LayerReport:
    own = [view.location.name for view in layer.mags.values() if not layer.is_foreign(view)]
    return LayerReport(
        name=layer.name,
        category=layer.category,
        dtype=layer.dtype.name,
        num_channels=layer.num_channels,
        data_format=str(layer.data_format),
        axes=layer.frame.axes,
        bounding_box=layer.bounding_box,
        mags=(*(_mag(view, sizes=sizes) for view in layer.mags.values()), *_unlisted(layer)),
        notes=(
            *_notes(layer),
            *_outside(layer),
            *_leftovers(layer.location, own),
        ),
        mark=_mark_of(layer.location),
    )


def _notes(layer: LayerState) -> tuple[str, ...]:

    facts = layer_facts(layer.properties, layer.dataset.voxel_size_with_unit)
    try:
        dialects = registry.dialects(str(layer.data_format))
    except WkplugError as error:
        return (error.message,)
    return tuple(text for dialect in dialects for text in dialect.problems(facts))


def _unlisted(layer: LayerState) -> Iterator[MagReport]:
    """Report the folders of mags that aren't listed: an unfinished job has marked them, or nobody knows them."""
    listed = {view.location for view in layer.mags.values()}
    try:
        for name in layer.location.list():
            location = layer.location.child(name.rstrip("/"))
            if not name.endswith("/") or location in listed or is_scrap(location.name):
                continue
            mark = storage.read_mark(location)
            if mark is not None:
                yield MagReport(mag=location.name, path=location.url, mark=_text(mark), listed=False)
            elif _is_mag(location.name) and next(iter(location.list()), None) is not None:
                yield MagReport(mag=location.name, path=location.url, problem=_UNKNOWN, listed=False)
    except StorageError:
        return  # a place that can't be listed, such as a plain web server


def _is_mag(name: str) -> bool:
    try:
        Mag(name)
    except MagError:
        return False
    return True


def _mark_of(folder: Location) -> str | None:
    """What an unfinished copy or import has left in the folder of a layer or a dataset."""
    mark = storage.read_mark(folder)
    if mark is None or mark.finished:
        return None
    how = "has not finished; run it again to finish it"
    if mark.refused:
        how = f"has failed; run it again once that is mended: {mark.refused}"
    return f"{mark.what or mark.job}, started {mark.started}, {how}"


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


def _leftovers(folder: Location, listed: Collection[str]) -> tuple[str, ...]:
    """What killed deletions have left in a folder, of which `listed` are the names that have lost nothing."""
    try:
        names = noted_deletions(folder)
    except StorageError:
        return ()
    return tuple(
        f"{folder.child(name).url} was being deleted when the job was killed; what is left of it is unlisted, and goes "
        "when something of that name is added"
        for name in names
        if name not in listed
    )


def _text(mark: storage.Mark) -> str:
    if mark.finished:
        return f"{mark.job}, started {mark.started}, was killed before it was listed; run it again"
    if mark.refused:
        return f"{mark.job}, started {mark.started}, has failed; run it again once that is mended: {mark.refused}"
    return f"{mark.job}, started {mark.started}, has not finished"


def _size(location: Location) -> dict[str, Any]:
    try:
        location.list_all()  # what can't be listed may answer for a folder with anything
        return {"size": location.size()}
    except StorageError as error:
        return {"size_unknown": error.message}


def _mag(view: MagState, *, sizes: bool) -> MagReport:
    known: dict[str, Any] = {"mag": view.name, "path": view.location.url}
    try:
        mark = storage.read_mark(view.location)
        if mark is not None and not mark.finished:
            known["mark"] = _text(mark)
        handle = storage.open_array(
            view.location,
            str(view.data_format),
            axes=view.frame.axes,
            backend=view.source.backend,
            allow_incomplete=True,
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
