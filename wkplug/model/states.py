"""States: what a dataset, a layer, a mag and a view are, without what users do with them.

A state holds a place, the metadata store, the axes and a box. It keeps nothing that the metadata say: every question
goes to the store, which has them in memory, so that asking costs no look at the disk. States pickle small and open
again lazily. Changes to one of them are in `wkplug.model.changes`, voxels in `wkplug.model.voxels`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from weakref import WeakSet

from wkplug import registry, storage
from wkplug.abc.threads import side_by_side
from wkplug.errors import (
    LayerNameError,
    LayerNotFoundError,
    MagError,
    MagNotFoundError,
    ReadOnlyError,
)
from wkplug.geometry import Mag, grids
from wkplug.model.arrays import ArraySource, LayerFacts, Store
from wkplug.model.places import is_link, likely_place, to_path
from wkplug.model.regions import Frame, Region, to_bounding_box
from wkplug.model.vacancies import Vacancies
from wkplug.properties import PropertiesStore

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import numpy as np

    from wkplug.abc import ArraySpec, Box, DatasetSource, Location
    from wkplug.geometry import MagLike, NDBoundingBox, Vec3Float
    from wkplug.properties import LayerProperties, VoxelSize
    from wkplug.storage import ArrayHandle

__all__ = [
    "DEFAULT_OPTIONS", "DatasetState", "HasState", "LayerState", "MagState", "Mags", "OpenOptions", "ViewState",
    "can_be_changed", "options_at", "state_of",
]  # fmt: skip

V = TypeVar("V")


class HasState(Protocol):
    """A public object, as the verbs that users call with it see it."""

    @property
    def state(self) -> Any:
        """The state below."""


def state_of(value: Any) -> Any:
    """Give the state of a public object; anything else, such as a path, as it is."""
    return getattr(value, "state", value)


class OpenOptions(NamedTuple):
    """How a dataset was opened, which its layers and mags inherit.

    read_only refuses changes; allow_incomplete reads marked mags; backends maps formats to implementations.
    """

    backends: Mapping[str, str]
    read_only: bool = False
    allow_incomplete: bool = False


_LOOKS = 64
"""How many metadata files are asked for at the same time: small answers, which hardly keep each other waiting."""
_MOST_AT_ONCE = 512
"""How many mags are opened because one was asked for."""

DEFAULT_OPTIONS = OpenOptions({})
"""Writable, without unfinished mags; configuration and priority choose implementations."""


def can_be_changed(location: Location) -> bool:
    """Whether a kind of place can be written at all; web servers and archives can't. Permissions are another matter."""
    return location.local_path() is not None or location.writable()


def options_at(location: Location, options: OpenOptions) -> OpenOptions:
    """Give the options of a dataset at a place: read-only where nothing can be written."""
    return options if options.read_only or can_be_changed(location) else options._replace(read_only=True)


# --- datasets ---------------------------------------------------------------------------------------------


class DatasetState:
    """A dataset: where it is, the keeper of its metadata, and how it was opened."""

    __slots__ = ("_layers", "_vacancies", "import_report", "location", "options", "shown_as", "store")

    def __init__(
        self, location: Location, store: Store, options: OpenOptions = DEFAULT_OPTIONS, *, shown_as: str = ""
    ) -> None:
        """Put a dataset together; shown_as: the public class, as "package.module:Class", where a plugin brings it."""
        self.shown_as = shown_as
        self.location = location
        self.store = store
        self.options = options
        self.import_report: Any = None
        """What imports through this object have left out, filled, guessed ...; not stored, and not pickled."""
        self._layers: dict[str, LayerState] = {}
        self._vacancies: Vacancies | None = None

    @property
    def vacancies(self) -> Vacancies:
        """Which names are free in the dataset's folder, as far as this object has seen."""
        if self._vacancies is None:
            self._vacancies = Vacancies(self.location, self.store)
        return self._vacancies

    @classmethod
    def open(cls, place: Any, options: OpenOptions = DEFAULT_OPTIONS, **further: Any) -> DatasetState:
        """Open the dataset at a place: a folder, a zip archive, or a URL that a service of a plugin answers for.

        further: what the service understands beyond `options`. DatasetNotFoundError if there is none.
        """
        url = place if isinstance(place, str) else getattr(place, "url", "")
        service = registry.service_for(url)
        if service is not None:
            return cls.of(service.open(url, **options._asdict(), **further))
        location = storage.locate(place)
        if location.name.lower().endswith(".zip"):
            from wkplug.filesystems.zip import unzipped

            location = unzipped(location)
        return cls(location, PropertiesStore.open(location), options_at(location, options))

    @classmethod
    def of(cls, source: DatasetSource) -> DatasetState:
        """Take what a service has answered."""
        given = {name: source.options[name] for name in OpenOptions._fields if name in source.options}
        options = DEFAULT_OPTIONS._replace(**given)
        return cls(source.location, source.store, options, shown_as=source.shown_as)

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self.options.read_only

    @property
    def allow_incomplete(self) -> bool:
        """Whether mags may be read that an unfinished job has marked."""
        return self.options.allow_incomplete

    def backend_for(self, data_format: str) -> str | None:
        """The implementation that was asked for as an argument, None to let configuration and priority decide."""
        return self.options.backends.get(data_format)

    @property
    def name(self) -> str:
        """The recorded name, the folder's by default."""
        name: str = self.store.dataset.id.get("name", self.location.name)
        return name

    @property
    def voxel_size(self) -> Vec3Float:
        """The size of a voxel along x, y, z in nanometres."""
        return self.voxel_size_with_unit.to_nanometer()

    @property
    def voxel_size_with_unit(self) -> VoxelSize:
        """The size of a voxel as stored, with its unit."""
        return self.store.dataset.scale

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The names of all layers, in the order of the metadata."""
        return self.store.layer_names()

    @property
    def layers(self) -> Mapping[str, LayerState]:
        """All layers by name as of now; one that the metadata describe wrongly raises when it is taken out."""
        return _Layers(self)

    def layer(self, name: str) -> LayerState:
        """A layer, the same object each time; LayerNotFoundError (an IndexError) if there is none of that name."""
        names = self.store.layer_names()
        if name not in names:
            there = ", ".join(map(repr, names)) or "none"
            raise LayerNotFoundError(
                f"The dataset {self.name!r} has no layer {name!r}; it has {there}.",
                hint="Check the spelling, or add it: dataset.add_layer, or wkplug add-layer SOURCE DATASET.",
            )
        layer = self._layers.get(name)
        if layer is None:
            self.store.layer(name)  # raises what is wrong with it
            read_only = self.read_only or is_link(self.location.child(name))
            layer = self._layers[name] = LayerState(self, name, read_only=read_only)
        return layer

    def forget_layer(self, name: str) -> None:
        """Let go of a layer that was deleted."""
        self._layers.pop(name, None)

    def follow_renaming(self, old: str, new: str) -> None:
        """Know a layer, and it itself and its arrays, by its new name."""
        layer = self._layers.pop(old, None)
        if layer is not None:
            self._layers[new] = layer
            layer.follow_renaming(new)

    def describe_mags(self) -> None:
        """Read the metadata of all mags' arrays, side by side, where that takes requests; errors are left for later.

        Who asks what one mag is like asks for the others next, and stores answer many as fast as one.
        """
        store = self.store
        layers = [self.layer(name) for name in store.layer_names() if store.layer_problem(name) is None]
        asking = [view for layer in layers for view in layer.mags.values() if view.source.asks]
        if len(asking) > 1 and asking[0].location.concurrency > 1:
            sources = [view.source for view in asking[:_MOST_AT_ONCE]]
            for _ in side_by_side(ArraySource.look_ahead, sources, at_once=_LOOKS):
                pass

    def update(self) -> AbstractContextManager[object]:
        """Bundle changes of the metadata: all of a `with` block are saved at its end or, if it raises, none."""
        self.check_writable("anything")
        return self.store.update()

    def check_writable(self, what: str) -> None:
        """Raise ReadOnlyError if the dataset may not be changed; `what` is what was to change."""
        if self.read_only:
            raise ReadOnlyError(
                f"The dataset {self.location.url} is read-only, the changes to {what} will not be saved!",
                hint=self.how_to_write,
            )

    @property
    def how_to_write(self) -> str:
        """What to do about a dataset that is read-only: open it otherwise, or copy it to where it can be changed."""
        if can_be_changed(self.location):
            return "Open the dataset without read_only=True."
        return (
            "What lies there can only be read. Copy it to a folder or an object store first, and change the copy: "
            f"dataset.copy_dataset(...), or wkplug copy-dataset {self.store.url} TARGET"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DatasetState):
            return NotImplemented
        return self.location == other.location and self.read_only == other.read_only

    def __hash__(self) -> int:
        return hash((self.location, self.read_only))

    def __repr__(self) -> str:
        return f"DatasetState({self.location.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_opened_again, (self.location, self.store, self.options, self.shown_as))


def _opened_again(location: Location, store: Store, options: OpenOptions, shown_as: str) -> DatasetState:
    state = DatasetState(location, store, options, shown_as=shown_as)
    store.layer_names()  # raises now, not at the first use, if the dataset is gone
    return state


class _Layers(Mapping[str, "LayerState"]):
    __slots__ = ("_dataset", "_names")

    def __init__(self, dataset: DatasetState) -> None:
        self._dataset = dataset
        self._names = dict.fromkeys(dataset.layer_names)

    def __getitem__(self, name: str) -> LayerState:
        if name not in self._names:
            raise KeyError(name)
        return self._dataset.layer(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


# --- layers -----------------------------------------------------------------------------------------------


class LayerState:
    """A layer of a dataset: its name, and what the metadata say of it now."""

    __slots__ = (
        "_frame", "_mags", "_region", "_seen", "_sources", "_vacancies", "dataset", "name", "read_only",
    )  # fmt: skip

    def __init__(self, dataset: DatasetState, name: str, *, read_only: bool) -> None:
        self.dataset = dataset
        self.name = name
        self.read_only = read_only
        self._seen: LayerProperties | None = None
        self._frame: Frame | None = None
        self._region: Region = ((), ())
        self._mags: Mags[MagState] | None = None
        self._sources: WeakSet[ArraySource] = WeakSet()
        self._vacancies: Vacancies | None = None

    @property
    def properties(self) -> LayerProperties:
        """The layer's entry in the metadata, as of the last look at them; for reading."""
        properties = self.dataset.store.layer(self.name)
        if properties is not self._seen:
            self._look_at(properties)
        return properties

    def _look_at(self, properties: LayerProperties) -> None:
        box = properties.bounding_box
        region: Region = (box.topleft.to_tuple(), box.size.to_tuple())
        axes = registry.axes_of_format(properties.data_format)
        if axes is None or not set(box.axes) <= set(axes) <= {*box.axes, "c"}:
            axes = box.axes
        if axes != box.axes:
            # The format has an order of its own, and other software records it in other ways, or without channels.
            known = dict(zip(box.axes, zip(*region, strict=True), strict=True))
            known.setdefault("c", (0, properties.num_channels))
            region = (tuple(known[axis][0] for axis in axes), tuple(known[axis][1] for axis in axes))
        self._frame, self._region = Frame.of(axes), region
        self._mags = None
        self._seen = properties

    @property
    def frame(self) -> Frame:
        """The axes of the layer's arrays."""
        self.properties  # noqa: B018 - looks at the metadata's present state
        if self._frame is None:
            raise LayerNameError(f"The layer {self.name!r} has no axes.")
        return self._frame

    @property
    def region(self) -> Region:
        """The bounding box over all axes of the arrays, in Mag(1) voxels."""
        self.properties  # noqa: B018 - looks at the metadata's present state
        return self._region

    @property
    def bounding_box(self) -> NDBoundingBox:
        """The bounding box as users see it, in Mag(1) voxels."""
        return to_bounding_box(self.frame, self.region)

    @property
    def location(self) -> Location:
        """The place of the layer's own folder, which may not exist (yet)."""
        return self.dataset.location.child(self.name)

    @property
    def vacancies(self) -> Vacancies:
        """Which names are free in the layer's folder, as far as this object has seen."""
        if self._vacancies is None:
            self._vacancies = Vacancies(self.location, self.dataset.store)
        return self._vacancies

    @property
    def category(self) -> str:
        """Either "color" or "segmentation"."""
        return self.properties.category

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the voxels, per channel."""
        return self.properties.dtype_np

    @property
    def num_channels(self) -> int:
        """The number of channels, 1 where the arrays have no channel axis."""
        return self.properties.num_channels

    @property
    def data_format(self) -> str:
        """The storage format of the layer's arrays."""
        return self.properties.data_format

    @property
    def mags(self) -> Mags[MagState]:
        """The listed mags, finest first; nothing is opened. Those outside the layer's own folder are read-only."""
        properties = self.properties
        if self._mags is None:
            root, folder = self.dataset.location, self.location
            mags = {}
            fixed = self.read_only or not can_be_changed(root)
            for entry in properties.mags:
                location, link = likely_place(root, self.name, entry)
                foreign = link or location.parent != folder
                recorded = entry.facts
                if recorded is not None and location.store != root.store:
                    recorded = None  # what a dataset says of other stores is no reason to believe that it may
                mags[entry.mag] = MagState(
                    self, entry.mag, location, read_only=fixed or foreign, recorded=recorded
                )
            self._mags = Mags(mags)
        return self._mags

    def mag(self, mag: MagLike) -> MagState:
        """A mag; MagNotFoundError (an IndexError) if the layer doesn't have it."""
        wanted = Mag(mag)
        try:
            return self.mags[wanted]
        except KeyError:
            there = ", ".join(str(known) for known in self.mags) or "none"
            raise MagNotFoundError(
                f"The layer {self.name!r} has no mag {wanted}; it has {there}.",
                hint=f"Take one of those, or add it: layer.add_mag({str(wanted)!r}), or wkplug downsample DATASET.",
            ) from None

    def finest_mag(self) -> MagState:
        """The finest mag; MagNotFoundError if there is none."""
        for mag in self.mags.values():
            return mag
        raise MagNotFoundError(
            f"The layer {self.name!r} has no mags.", hint="Write voxels first, as with layer.add_mag(1)."
        )

    def is_foreign(self, mag: MagState) -> bool:
        """Whether a mag's files lie outside this layer's folder, also behind a link in it."""
        return mag.location.parent != self.location or is_link(mag.location) or is_link(self.location)

    def watch(self, source: ArraySource) -> None:
        """Let an array of this layer follow when the layer is renamed."""
        self._sources.add(source)

    def follow_renaming(self, name: str) -> None:
        """Take the new name, and go on with all arrays at their new places."""
        old = self.location
        self.name, self._seen = name, None
        self._vacancies = None
        for source in list(self._sources):
            source.follow(old, self.location)

    def check_metadata_writable(self, verb: str) -> None:
        """Raise ReadOnlyError if what the dataset says of the layer may not be changed.

        `verb` completes "it can't ...". What is said of a layer that is a link is the dataset's own.
        """
        if self.dataset.read_only:
            raise ReadOnlyError(
                f"The layer {self.name!r} is read-only and can't {verb}: the changes will not be saved.",
                hint=self.dataset.how_to_write,
            )

    def check_writable(self, verb: str) -> None:
        """Raise ReadOnlyError if files in the layer's folder may not be changed; `verb` completes "it can't ..."."""
        self.check_metadata_writable(verb)
        if self.read_only:
            raise ReadOnlyError(
                f"The layer {self.name!r} is read-only and can't {verb}: its folder is a link to "
                f"{to_path(self.location).resolve()}, whose files belong to another dataset.",
                hint="Open that dataset and change the layer there. To have mags of one's own beside another "
                "dataset's, add the layer with dataset.add_layer_as_ref, or with dataset.add_layer_as_copy for a copy.",
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LayerState):
            return NotImplemented
        return self.name == other.name and self.dataset == other.dataset

    def __hash__(self) -> int:
        return hash((self.name, self.dataset))

    def __repr__(self) -> str:
        return f"LayerState({self.name!r}, {self.dataset!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (DatasetState.layer, (self.dataset, self.name))


class Mags(Mapping[Mag, V]):
    """A read-only mapping from Mag, finest first, looked up by anything that means one: `"1" in layer.mags`."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[Mag, V]) -> None:
        self._values = dict(sorted(values.items()))

    def __getitem__(self, key: Any) -> V:
        try:
            return self._values[key if isinstance(key, Mag) else Mag(key)]
        except MagError:
            raise KeyError(key) from None

    def __contains__(self, key: object) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[Mag]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)


# --- views and mags ---------------------------------------------------------------------------------------


class ViewState:
    """A box of one array: how the array is reached, its mag, and the box in Mag(1) voxels."""

    __slots__ = ("_region", "factors", "frame", "mag", "read_only", "source")

    def __init__(
        self, source: ArraySource, frame: Frame, mag: Mag, region: Region, *, read_only: bool
    ) -> None:
        self.source = source
        self.frame = frame
        self.mag = mag
        self.factors = frame.factors(mag.to_tuple())
        """Mag(1) voxels per voxel of the array, for every axis of the array."""
        self.read_only = read_only
        self._region = region

    @property
    def region(self) -> Region:
        """The box over all axes of the array, in Mag(1) voxels."""
        return self._region

    @property
    def data_format(self) -> str:
        """The storage format of the array."""
        return self.source.data_format or self.source.handle.backend.format

    @property
    def described(self) -> ArrayHandle:
        """The opened array, to tell what it is like; see `ArraySource.described`."""
        return self.source.described

    @property
    def spec(self) -> ArraySpec:
        """What the array is like; opens it."""
        return self.source.handle.array.spec

    @property
    def bounds(self) -> Box:
        """The box in voxels of the mag, enlarged to whole ones."""
        return grids.coarsened(self.region, self.factors)

    @property
    def bounding_box(self) -> NDBoundingBox:
        """The box as users see it, in Mag(1) voxels."""
        return to_bounding_box(self.frame, self.region)

    @property
    def num_channels(self) -> int:
        """The number of channels, 1 where the array has no channel axis."""
        return 1 if self.frame.c is None else self.region[1][self.frame.c]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the voxels, per channel; opens the array."""
        return self.source.handle.array.dtype

    def part(self, region: Region, *, read_only: bool) -> ViewState:
        """A view of another box of the same array; nothing is checked."""
        view = ViewState.__new__(ViewState)
        view.source, view.frame, view.mag, view.factors = self.source, self.frame, self.mag, self.factors
        view._region, view.read_only = region, read_only
        return view

    def __repr__(self) -> str:
        return f"View({self.source.location.url!r}, bounding_box={self.bounding_box!r})"

    def check_writable(self) -> None:
        """Raise ReadOnlyError if voxels may not be written."""
        if self.read_only:
            raise ReadOnlyError(
                f"The view of {self.source.location.url} is read-only.",
                hint="Start from a view that is writable: open the dataset without read_only=True.",
            )

    def __getstate__(self) -> tuple[Any, ...]:
        return (self.source, self.frame, self.mag, self._region, self.read_only)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        source, frame, mag, region, read_only = state
        ViewState.__init__(self, source, frame, mag, region, read_only=read_only)


class MagState(ViewState):
    """One mag of a layer. Its box is the layer's, enlarged to whole voxels of the mag, and follows its changes."""

    __slots__ = ("_seen", "layer")

    def __init__(
        self,
        layer: LayerState,
        mag: Mag,
        location: Location,
        *,
        read_only: bool,
        data_format: str | None = None,
        recorded: Any = None,
    ) -> None:
        """Put a mag together; recorded: what the properties keep of the array's metadata."""
        frame, dataset = layer.frame, layer.dataset
        chosen = data_format or layer.data_format
        box, entry = layer.properties.bounding_box, layer.properties.get_mag(mag)
        order = None if entry is None else dict(zip(box.axes, box.index, strict=True))
        source = ArraySource(
            location,
            chosen,
            frame.axes,
            backend=dataset.backend_for(chosen),
            allow_incomplete=dataset.allow_incomplete,
            facts=LayerFacts(layer.name, mag, frame.axes, layer.properties.dtype, layer.region, order),
            store=dataset.store,
            recorded=recorded,
        )
        layer.watch(source)
        super().__init__(source, frame, mag, ((), ()), read_only=read_only)
        self.layer = layer
        self._seen: object = None

    @property
    def region(self) -> Region:
        """The layer's box over all axes of the array, enlarged to whole voxels of the mag; in Mag(1) voxels."""
        properties = self.layer.properties
        if properties is not self._seen:
            region = grids.refined(grids.coarsened(self.layer.region, self.factors), self.factors)
            self._region, self._seen = region, properties
            self.source.reopen_if_too_short(region, self.factors)
        return self._region

    @property
    def location(self) -> Location:
        """The place of the array."""
        return self.source.location

    @property
    def described(self) -> ArrayHandle:
        """The same; where each mag takes a request, those of the whole dataset are opened at once."""
        if self.source.asks:
            self.layer.dataset.describe_mags()
        return self.source.described

    @property
    def name(self) -> str:
        """The mag as text: "1", "2-2-1"."""
        return self.mag.to_layer_name()

    def check_writable(self) -> None:
        """Raise ReadOnlyError if voxels may not be written."""
        if self.read_only and not can_be_changed(self.layer.dataset.location):
            raise ReadOnlyError(
                f"The mag {self.name} of {self.layer.name!r} is read-only.",
                hint=self.layer.dataset.how_to_write,
            )
        if self.read_only and not self.layer.dataset.read_only:
            raise ReadOnlyError(
                f"The mag {self.name} of {self.layer.name!r} is read-only: its files at {self.location.url} belong to "
                "another dataset.",
                hint="Open that dataset and write there, or get a mag of one's own with layer.add_mag_as_copy.",
            )
        super().check_writable()

    def __repr__(self) -> str:
        return f"MagView(name={self.name!r}, bounding_box={self.bounding_box!r})"

    def __getstate__(self) -> tuple[Any, ...]:
        return (self.layer, self.source, self.frame, self.mag, self.factors, self.read_only)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.layer, self.source, self.frame, self.mag, self.factors, self.read_only = state
        self._region, self._seen = ((), ()), None
