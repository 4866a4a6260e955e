"""`explore`: what is at a place as layers that refer to it; a dataset of them, in memory or anywhere.

A folder that no importer knows is searched for what one knows, a few levels deep. What can't be a layer is left out
with its reason, as long as something is left. `add_reference` adds one of the layers to a dataset that is there, whose
voxel size decides which mags they are.
"""

from __future__ import annotations

import json
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import storage
from wkplug.abc import Location, side_by_side
from wkplug.errors import (
    CorruptDataError,
    DatasetNotFoundError,
    InvalidArgumentError,
    LayerNotFoundError,
    MissingError,
    ReadOnlyError,
    UnlistableError,
    UnsafePathError,
    UnsupportedImageFormatError,
    UnsupportedOperationError,
    WkplugError,
)
from wkplug.filesystems.answers import answers_kept, ask_ahead
from wkplug.model import changes
from wkplug.model.places import check_place_is_free
from wkplug.model.states import DatasetState, LayerState, OpenOptions
from wkplug.notices import first_of, warn_user
from wkplug.ops.copying import layer_copying, mag_copying
from wkplug.ops.exploring.layers import ExploredLayer, Lengths, fitted, layers_of_container, layers_of_dataset
from wkplug.ops.exploring.sources import Source, given_text, sources_of
from wkplug.ops.importing.containers import (
    Container,
    choose_container,
    describe_container,
    is_container,
    is_sure,
)
from wkplug.ops.importing.grouping import find_name
from wkplug.ops.importing.naming import NameSource, stem_of, unique_names
from wkplug.ops.importing.voxel_sizes import size_text
from wkplug.properties import LayerProperties, VoxelSize, as_voxel_size, check_layer_name, operations
from wkplug.properties.document import FILE_NAME
from wkplug.properties.models import layer_to_json
from wkplug.properties.state import State
from wkplug.properties.store import StateStore
from wkplug.properties.units import voxel_size_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wkplug.properties.operations import Operation

__all__ = ["Exploration", "add_reference", "explore"]

_DEEPEST = 3
"""How many levels down a folder is searched."""

_MOST_FOLDERS = 64
_NAMED = 10


@attrs.frozen(kw_only=True)
class Exploration:
    """What is at a place, as layers that refer to it; nothing is copied or written.

    path: the place or link as it was given, without secrets. voxel_size: nanometres along x, y and z of mag 1 of a
    dataset of all layers, None where nobody says it; stored_size: the same with its unit, where a dataset says it.
    root: the place, None if there are several. left_out: sentences about what is there but can't be a layer. notes:
    about the place as a whole.
    """

    path: str
    name: str
    voxel_size: Lengths
    layers: tuple[ExploredLayer, ...]
    root: Location | None = None
    stored_size: VoxelSize | None = None
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give everything as JSON values; lengths in nanometres."""
        return {
            "path": self.path,
            "name": self.name,
            "voxel_size": list(self.voxel_size),
            "layers": [layer.to_json() for layer in self.layers],
            "left_out": list(self.left_out),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """Give everything as lines, with the reason for what was guessed."""
        lines = [self.path, f"voxel size {size_text(self.voxel_size)}{self._missing_size()}"]
        lines += [f"note: {note}" for note in self.notes]
        for layer in self.layers:
            lines += ["", *_layer_lines(layer, self.voxel_size)]
        if self.left_out:
            lines += ["", *(f"left out: {text}" for text in self.left_out)]
        return "\n".join(lines)

    def _missing_size(self) -> str:
        missing = [axis for axis, length in zip("xyz", self.voxel_size, strict=True) if length is None]
        return f" (nobody says it along {' and '.join(missing)})" if missing else ""

    def layer(self, name: str | int) -> ExploredLayer:
        """A layer by its name or number, or by what its source calls it; InvalidArgumentError without one."""
        names = [layer.name for layer in self.layers]
        called = [layer.container_name for layer in self.layers]
        if name not in names and called.count(str(name)) == 1:
            return self.layers[called.index(str(name))]
        return self.layers[find_name(names, name, self.path)]

    def size(self, given: Any = None) -> VoxelSize:
        """The voxel size of a dataset of it: what is given (nanometres, None for axes that are left out), or is said.

        InvalidArgumentError where nobody says it.
        """
        if given is None and self.stored_size is not None:
            return self.stored_size
        if isinstance(given, VoxelSize) or (given is not None and len(tuple(given)) != 3):
            return as_voxel_size(given)
        wanted = (None, None, None) if given is None else tuple(given)
        lengths = [
            own if own_given is None else own_given
            for own_given, own in zip(wanted, self.voxel_size, strict=True)
        ]
        missing = [axis for axis, length in zip("xyz", lengths, strict=True) if length is None]
        if missing:
            text = ", ".join(axis if axis in missing else "None" for axis in "xyz")
            raise InvalidArgumentError(
                f"{self.path} doesn't say how large its voxels are along {' and '.join(missing)}.",
                hint=f"Give the voxel size: voxel_size=({text}) in nanometres.",
            )
        return as_voxel_size(tuple(lengths))

    def open(self, voxel_size: Any = None) -> DatasetState:
        """Give a read-only dataset that is kept in memory; see `wkplug.dataset.Exploration.open`."""
        whole = self.layers[0].state
        if whole is not None and voxel_size is None and self.root == whole.dataset.location:
            return whole.dataset
        root, size = self.root, self.size(voxel_size)
        if root is None or not all(_may_name(root, place) for layer in self.layers for place in layer.places):
            raise UnsupportedOperationError(
                f"The layers of {self.path} lie at several places, which only a dataset of its own may name.",
                hint="Make one, on a local disk: wkplug explore URL --create PATH.",
            )
        head = {
            "id": {"name": self.name, "team": ""},
            "scale": voxel_size_to_json(size),
            "dataLayers": [],
            "version": 1,
        }
        state = State(root.child(FILE_NAME).url, {}, {}).with_head(head)
        for layer, (entry, notes) in zip(self.layers, self._fitted(self.layers, size), strict=True):
            _warn(notes)
            paths = [storage.relative_to(root, place) for place in layer.places]
            state = state.with_layer(layer_to_json(_with_paths(entry, paths)))
        return DatasetState(root, _ExploredStore(root, state), OpenOptions({}, read_only=True))

    def create(
        self,
        target: Any,
        *,
        name: str | None = None,
        voxel_size: Any = None,
        layers: Iterable[str] | None = None,
    ) -> DatasetState:
        """Make a dataset at `target` whose layers refer to what is there; see `Exploration.create_dataset`."""
        wanted = self.layers if layers is None else tuple(self.layer(each) for each in layers)
        size = self.size(voxel_size)
        location = storage.locate(target)
        for layer in wanted:
            check_layer_name(layer.name)
            _check_followed(location, layer)
        if self.root is not None and any(layer.places for layer in wanted):
            storage.check_apart(self.root, location, "what is explored")
        entries = self._fitted(wanted, size)
        check_place_is_free(location)
        dataset = changes.create_dataset(location, size, name)
        with dataset.update():
            for layer, (entry, _) in zip(wanted, entries, strict=True):
                _add(dataset, layer, entry)
        for _, notes in entries:
            _warn(notes)
        _warn(self.left_out)
        return dataset

    @staticmethod
    def _fitted(
        layers: Sequence[ExploredLayer], size: VoxelSize
    ) -> list[tuple[LayerProperties, tuple[str, ...]]]:
        return [fitted(layer, size, scaled=True) for layer in layers]


def _layer_lines(layer: ExploredLayer, size: Lengths) -> Iterator[str]:
    """One layer, as `wkplug info` shows those of datasets."""
    entry, box = layer.entry, layer.entry.bounding_box
    count, first = entry.num_channels, layer.channels.start
    channels = f", {count} channels" if count > 1 else f", channel {first}" if first else ""
    yield f"{entry.name}   {entry.category}, {entry.dtype}{channels}, {entry.data_format}"
    corner = box.topleft_xyz.to_tuple(), box.size_xyz.to_tuple()
    yield f"  bounding box {corner[0]} + {corner[1]}, axes {', '.join(box.axes)}"
    if layer.voxel_size != size:
        yield f"  voxel size {size_text(layer.voxel_size)}"
    width = max((len(str(mag.mag)) for mag in entry.mags), default=0)
    for mag, place in zip(entry.mags, layer.places, strict=True):
        yield f"  mag {mag.mag!s:<{width}}   {place.url}"
    yield f"  {entry.category} {layer.category_reason}"
    if entry.coordinate_transformations:
        yield "  shown through a coordinate transformation"
    yield from (f"  note: {note}" for note in layer.notes)


def _warn(notes: Iterable[str]) -> None:
    for note in notes:
        warn_user(f"[WARNING] {note}", UserWarning)


def _may_name(root: Location, place: Location) -> bool:
    """Whether a dataset at `root` may name a place; see `storage.resolve_inside`."""
    return (
        root.local_path() is not None
        or storage.is_inside(root, place)
        or (place.local_path() is None and place.store == root.store)
        or storage.is_trusted(place)
    )


def _check_followed(root: Location, layer: ExploredLayer) -> None:
    """Refuse to write what would be refused when it is read."""
    for place in layer.places:
        if not _may_name(root, place):
            raise UnsafePathError(
                f"A dataset at {root.url} may not name {place.url}, which is on this machine or on another host than "
                "the dataset: it would not be followed.",
                hint="Make the dataset on a local disk, or name the place in the setting trusted_places, as in "
                f"wkplug.settings(trusted_places=[{place.url!r}]), also where it is read.",
            )


def _with_paths(entry: LayerProperties, paths: Sequence[str]) -> LayerProperties:
    mags = [attrs.evolve(mag, path=path) for mag, path in zip(entry.mags, paths, strict=True)]
    return attrs.evolve(entry, mags=mags)


def _add(dataset: DatasetState, layer: ExploredLayer, entry: LayerProperties) -> LayerState:
    """List a layer, with the places of its mags as the dataset records them."""
    if layer.state is not None:
        return layer_copying.add_layer_as_ref(dataset, layer.state, entry.name)
    paths = [mag_copying.recorded_path(dataset, place) for place in layer.places]
    with changes.exclusive_layer(dataset, entry.name):
        dataset.store.apply(operations.AddLayer(_with_paths(entry, paths)))
    return dataset.layer(entry.name)


# --- exploring -----------------------------------------------------------------------------------------------


@answers_kept()
def explore(place: Any, *, importer: str | None = None) -> Exploration:
    """Say what layers are at a place, or in a link; see `Dataset.explore`."""
    finders, is_link = sources_of(place)
    found: list[_Found] = []
    errors: list[WkplugError] = []
    for find in finders:
        try:
            found.append(_at(find(), importer))
        except WkplugError as error:
            if not is_link:
                raise
            errors.append(error)
    errors += [error for each in found for error in each.errors]
    layers = _named([layer for each in found for layer in each.layers])
    if not layers and len(errors) == 1:
        raise errors[0]
    left_out = [error.message for error in errors]
    if not layers:
        raise UnsupportedOperationError(
            f"Nothing at {given_text(place)} can be a layer: {first_of(left_out, _NAMED)}",
            hint="wkplug inspect shows what is there, wkplug convert imports what can't be referred to.",
        )
    only = found[0] if len(found) == 1 else None
    return Exploration(
        path=given_text(place),
        name=layers[0].name if only is None else only.name,
        voxel_size=_finest(layers)
        if only is None or only.size is None
        else only.size.to_nanometer().to_tuple(),
        stored_size=None if only is None else only.size,
        layers=tuple(layers),
        root=None if only is None else only.root,
        left_out=tuple(dict.fromkeys(left_out)),
        notes=tuple(dict.fromkeys(note for each in found for note in each.notes)),
    )


@attrs.define(kw_only=True)
class _Found:
    """What is at one place: layers with the names that they may have, the best first."""

    root: Location
    name: str
    layers: list[tuple[ExploredLayer, tuple[str, ...]]] = attrs.field(factory=list)
    size: VoxelSize | None = None
    errors: list[WkplugError] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)


def _at(source: Source, importer: str | None) -> _Found:
    location = source.location
    found = _Found(root=location, name=stem_of(location.name) or "explored")
    importer = importer or source.importer
    above, own = location.parent.child(FILE_NAME), location.child(FILE_NAME)
    ask_ahead(location, [own.read_newer, above.read_newer, location.list])
    if importer is None and _dataset_at(location, found):
        return found
    if not _container_at(location, source, importer, found, ""):
        _search(location, source, found)
    if found.layers or found.errors:
        return found
    if not location.exists() and next(iter(_listed(location)), None) is None:
        raise storage.nothing_at(location)
    raise UnsupportedImageFormatError(
        f"Nobody here knows what {location.url} is: it is no dataset, and no container of another tool.",
        location.url,
        hint="Images are imported: wkplug convert. If a plugin is to know it, look whether wkplug plugins lists it.",
    )


def _listed(location: Location) -> Iterator[str]:
    try:
        yield from location.list()
    except (UnlistableError, MissingError):
        return


def _dataset_at(location: Location, found: _Found) -> bool:
    """Describe a dataset, or one of its layers; False if there is neither."""
    for root, name in ((location, None), (location.parent, location.name)):
        try:
            dataset = DatasetState.open(root, OpenOptions({}, read_only=True))
            wanted = list(dataset.layers.values()) if name is None else [dataset.layer(name)]
        except (DatasetNotFoundError, LayerNotFoundError):
            continue
        found.size, found.name = dataset.voxel_size_with_unit, name or dataset.name
        found.layers += [(layer, (layer.name,)) for layer in layers_of_dataset(wanted)]
        if not wanted:
            found.errors.append(UnsupportedOperationError(f"The dataset {root.url} has no layers."))
        return True
    return False


def _container_at(
    location: Location, source: Source, importer: str | None, found: _Found, relative: str
) -> bool:
    """Describe what an importer knows; relative: its path in the folder that was asked for. False if none does."""
    choice = choose_container(location, importer)
    if choice is None:
        return False
    try:
        containers = describe_container(choice, location)
    except CorruptDataError:
        if importer is not None or is_sure(choice):
            raise
        return False

    def layers_of(container: Container) -> tuple[ExploredLayer, ...] | WkplugError:
        try:
            return layers_of_container(container, source.linked)
        except WkplugError as error:
            return error

    # What is side by side makes its own requests one by one: that is worth it for many only.
    at_once = location.concurrency if len(containers) > location.concurrency else 1
    for container, layers in zip(
        containers, side_by_side(layers_of, containers, at_once=at_once), strict=True
    ):
        found.notes += container.layer.container_notes
        if isinstance(layers, WkplugError):
            found.errors.append(layers)
            continue
        for layer in layers:
            own = layer.name
            found.layers.append((layer, (own, f"{relative}/{own}") if relative else (own,)))
    return bool(containers)


def _search(root: Location, source: Source, found: _Found) -> None:
    """Look for containers in the folders below, nearest first, as far as the place can be listed."""
    pending = deque([(root, "", 0)])
    looked_at = 0
    while pending and looked_at < _MOST_FOLDERS:
        folder, path, depth = pending.popleft()
        looked_at += 1
        names = sorted(_listed(folder))
        ask_ahead(folder, [folder.child(name.rstrip("/")).list for name in names if name.endswith("/")])
        for name in names:
            child, own = folder.child(name.rstrip("/")), f"{path}/{name}".strip("/")
            if not name.endswith("/"):
                continue
            if is_container(child, list(_listed(child))):
                _container_at(child, source, None, found, own)
            elif depth + 1 < _DEEPEST:
                pending.append((child, own, depth + 1))
    if pending and (found.layers or looked_at >= _MOST_FOLDERS):
        found.notes.append(
            f"{root.url} was searched {_DEEPEST} levels deep, in {looked_at} folders: what lies deeper is left out."
        )


def _named(layers: Sequence[tuple[ExploredLayer, tuple[str, ...]]]) -> list[ExploredLayer]:
    """Give each layer a name of its own."""
    sources = [
        NameSource(layer.places[0].url if layer.places else layer.name, texts) for layer, texts in layers
    ]
    names, notes = unique_names(sources)
    return [
        attrs.evolve(
            layer.renamed(name),
            notes=(*layer.notes, *(str(note) for note in notes if repr(name) in note.text)),
        )
        if layer.name != name
        else layer
        for (layer, _), name in zip(layers, names, strict=True)
    ]


def _finest(layers: Sequence[ExploredLayer]) -> Lengths:
    """The voxel size of the layer with the finest voxels; of others where it says nothing along an axis."""

    def volume(layer: ExploredLayer) -> float:
        x, y, z = (float("inf") if length is None else length for length in layer.voxel_size)
        return x * y * z

    finest = min(layers, key=volume)
    x, y, z = (
        own
        if own is not None
        else min((size for layer in layers if (size := layer.voxel_size[axis]) is not None), default=None)
        for axis, own in enumerate(finest.voxel_size)
    )
    return x, y, z


# --- references ----------------------------------------------------------------------------------------------


def add_reference(
    dataset: DatasetState,
    foreign: Any,
    name: str | None = None,
    *,
    category: str | None = None,
    scene: str | int | None = None,
    importer: str | None = None,
) -> LayerState:
    """List a layer whose files stay where they are; see `Dataset.add_layer_as_ref`."""
    dataset.check_writable("its layers")
    if isinstance(foreign, LayerState):
        return layer_copying.add_layer_as_ref(dataset, foreign, name)
    try:
        explored = explore(foreign, importer=importer)
    except (MissingError, UnsupportedImageFormatError):
        layer_copying.layer_of(foreign)  # says better what is wrong with a path to a dataset's layer
        raise
    if scene is None and len(explored.layers) > 1:
        names = [layer.name for layer in explored.layers]
        raise InvalidArgumentError(
            f"{explored.path} holds {len(names)} layers: {first_of(names, _NAMED)}.",
            hint="Say which with scene=NAME, or refer to all with Dataset.explore(url).create_dataset(path).",
        )
    layer = explored.layers[0] if scene is None else explored.layer(scene)
    if layer.state is not None:
        return layer_copying.add_layer_as_ref(dataset, layer.state, name)
    if category is not None:
        layer = layer.with_category(category)
    layer = layer.renamed(layer.name if name is None else name)
    check_layer_name(layer.name)
    layer_copying.check_free(dataset, layer.name)
    _check_followed(dataset.location, layer)
    entry, notes = fitted(layer, dataset.voxel_size_with_unit, scaled=False)
    made = _add(dataset, layer, entry)
    _warn(notes)
    _warn(f"{layer.name}: {note}" for note in layer.notes if note.startswith("The resolution"))
    return made


# --- in memory -----------------------------------------------------------------------------------------------


class _ExploredStore(StateStore):
    """The metadata of a dataset that no file describes; nothing can be changed."""

    def __init__(self, root: Location, state: State) -> None:
        self._root, self._state = root, state

    def __reduce__(self) -> tuple[Any, ...]:
        return (_stored_again, (self._root, json.dumps(self._state.document)))

    @property
    def root(self) -> Location:
        """See `MetadataStore`."""
        return self._root

    @property
    def state(self) -> State:
        """See `StateStore`."""
        return self._state

    def refresh(self) -> bool:
        """See `MetadataStore`: nobody else can change it."""
        return False

    def apply(self, *operations: Operation) -> None:
        """See `MetadataStore`."""
        del operations
        raise ReadOnlyError(
            f"What was explored at {self._root.url} is read-only.",
            hint="Make a dataset of it, which can be changed: wkplug explore URL --create PATH.",
        )

    @contextmanager
    def update(self) -> Iterator[object]:
        """See `MetadataStore`."""
        self.apply()
        yield self


def _stored_again(root: Location, text: str) -> _ExploredStore:
    return _ExploredStore(root, State.read(text.encode(), root.child(FILE_NAME).url, root))
