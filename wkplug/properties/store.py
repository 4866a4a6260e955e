"""`PropertiesStore`: reads and changes a dataset's datasource-properties.json; no other code writes it.

Changes are operations. They are replayed, under the dataset's lock, on what is on disk at that moment (read
again only if it changed since), checked, and written in one atomic step; only then does memory follow. So a
reader never sees half a file, two writers never lose each other's layers, and after an error nothing has
changed anywhere. Software that doesn't know the lock is noticed by the file's version, and answered by
replaying.

Reading never writes, and never looks at the disk again unless asked to (`refresh`).

`DialectFiles` keeps the metadata of other tools beside the data in step.

Not here: what operations do (`operations`), what the file means (`models`), folders of layers.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from abc import abstractmethod
from contextlib import contextmanager
from functools import partial
from random import uniform
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from wkplug import abc, registry
from wkplug.abc import MetadataStore
from wkplug.errors import (
    ConflictError,
    DatasetExistsError,
    DatasetNotFoundError,
    MissingError,
    PropertiesError,
)
from wkplug.notices import warn_user
from wkplug.properties.document import FILE_NAME, LARGEST_FILE
from wkplug.properties.state import State
from wkplug.properties.units import as_voxel_size, voxel_size_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from wkplug.abc import LayerFacts, Location, MagFacts, MetadataDialect
    from wkplug.errors import WkplugError
    from wkplug.properties.models import DatasetProperties, LayerProperties, MagViewProperties
    from wkplug.properties.operations import Operation
    from wkplug.properties.units import VoxelSize

__all__ = ["DialectFiles", "DialectsOf", "PropertiesStore", "StateStore", "layer_facts"]

DialectsOf: TypeAlias = "Callable[[str], Sequence[MetadataDialect]]"
"""Gives the dialects of a data format; `wkplug.registry.dialects`, unless a test says otherwise."""

_ATTEMPTS = 30
"""How often a change is replayed when others keep being faster (object stores; software without locks)."""
_READ_ATTEMPTS = 5


class StateStore(MetadataStore["DatasetProperties", "LayerProperties", "Operation"]):
    """A store that keeps its metadata as a `State`, and only has to get, change and save it."""

    @property
    @abstractmethod
    def state(self) -> State:
        """The metadata as they are known here; inside of `update`, with the changes of the block."""

    @property
    def document(self) -> dict[str, Any]:
        """The whole JSON object, unknown keys included, for looking at: change it with operations."""
        return self.state.document

    @property
    def dataset(self) -> DatasetProperties:
        """The typed form, the same object until something changes; layers are structured on access."""
        return self.state.dataset

    def layer_names(self) -> tuple[str, ...]:
        """The names of all layers, in the document's order."""
        return tuple(self.state.entries)

    def raw_layer(self, name: str) -> Any:
        """The layer's JSON, for looking at; an object unless the layer has a problem."""
        return self.state.entry(name).raw

    def layer_problem(self, name: str) -> WkplugError | None:
        """What is wrong with a layer in the document, None if nothing is; `layer` would raise it."""
        return self.state.entry(name).problem

    def layer(self, name: str) -> LayerProperties:
        """The typed form of a layer, the same object until it changes; LayerNotFoundError (an IndexError)."""
        return self.state.entry(name).properties


class PropertiesStore(StateStore):
    """The properties of the dataset in the folder `root`. Thread-safe; pickles as the place, re-opens lazily.

    What `document`, `layer` and `dataset` give is for reading only: objects are shared until they change.
    """

    def __init__(self, root: Location, *, dialects: DialectsOf | None = None) -> None:
        self._root = root
        self._file = root.child(FILE_NAME)
        self._local = root.local_path() is not None
        self._state: State | None = None
        self._version: str | None = None
        self._mutex = threading.RLock()
        # The state that an update in progress has come to; its thread sees it, others don't.
        self._draft: State | None = None
        self._pending: list[tuple[Operation, ...]] = []
        self._owner: int | None = None
        self._files = DialectFiles(root, dialects)

    @classmethod
    def open(cls, root: Location, *, dialects: DialectsOf | None = None) -> Self:
        """Read the properties of the dataset at `root`.

        DatasetNotFoundError (a FileNotFoundError) if there are none, PropertiesError (a ValueError) naming
        file and key if they are damaged. `dialects` replaces the registry's metadata dialects.
        """
        store = cls(root, dialects=dialects)
        store._read_file()
        return store

    @classmethod
    def create(
        cls, root: Location, *, name: str, voxel_size: Any, dialects: DialectsOf | None = None
    ) -> Self:
        """Write the properties of a new dataset, and make its folder.

        voxel_size: a VoxelSize or three numbers in nanometres; InvalidArgumentError (a ValueError) unless
        positive. DatasetExistsError (a RuntimeError) if there is a dataset already.
        """
        head = {
            "id": {"name": name, "team": ""},
            "scale": voxel_size_to_json(as_voxel_size(voxel_size)),
            "dataLayers": [],
            "version": 1,
        }
        store = cls(root, dialects=dialects)
        state = State(store._file.url, {}, {}).with_head(head)
        try:
            store._version = store._file.write(state.to_bytes(), if_match="")
        except ConflictError as error:
            raise DatasetExistsError(
                f"There is already a dataset at {root.url}.",
                hint="Open it with Dataset.open(path), or choose another path.",
            ) from error
        store._state = state
        return store

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self._root,))

    def __repr__(self) -> str:
        return f"PropertiesStore({self._root.url!r})"

    # --- reading ------------------------------------------------------------------------------------------

    @property
    def root(self) -> Location:
        """The dataset's folder."""
        return self._root

    def refresh(self) -> bool:
        """Look at the disk again; gives whether anything had changed there."""
        with self._mutex:
            if self._draft is not None or (
                self._version is not None and self._file.version() == self._version
            ):
                return False
            before = self._state
            after = self._read_file()
            return before is None or not _same(before, after)

    @property
    def state(self) -> State:
        """What is read, or what the update in progress has come to, for the thread that makes it."""
        if self._draft is not None and self._owner == threading.get_ident():
            return self._draft
        state = self._state
        if state is None:
            with self._mutex:
                state = self._state or self._read_file()
        return state

    def _read_file(self) -> State:
        """Read and check the file, and remember it with its version."""
        for attempt in range(_READ_ATTEMPTS):
            # Asked before reading: if the file changes in between, the next look reads it once more. Where
            # asking is a request of its own, it waits until someone wants to write.
            version = self._file.version() if self._local else None
            try:
                data = self._file.read(0, LARGEST_FILE + 1) if self._local else self._file.read()
            except MissingError as error:
                raise self._not_found(error) from error
            try:
                state = State.read(data, self._file.url, self._root, before=self._state)
            except PropertiesError:
                # Other software rewrites the file in place: what looks cut short may be whole a moment later.
                if attempt + 1 < _READ_ATTEMPTS and self._local and self._file.version() != version:
                    time.sleep(0.02)
                    continue
                raise
            self._state, self._version = state, version
            return state
        raise PropertiesError(
            f"{self._file.url} could not be read: another program keeps writing it.", hint="Try again later."
        )

    def _not_found(self, error: MissingError | None = None) -> DatasetNotFoundError:
        return DatasetNotFoundError(
            f"Cannot read dataset at {self._root.url}. {FILE_NAME} file not found.",
            # What is known of the reason, such as a bucket that isn't there.
            hint=(error and error.hint) or "Check the path: it must be the dataset's folder.",
        )

    # --- changing -----------------------------------------------------------------------------------------

    def apply(self, *operations: Operation) -> None:
        """Do all operations, or none of them if one fails; saved when this returns, or when `update` ends."""
        with self.update():
            draft = self.state
            for operation in operations:
                draft = operation.replay(draft)
            self._draft = draft
            self._pending.append(operations)

    @contextmanager
    def update(self) -> Iterator[Self]:
        """Bundle: one lock, one look at the disk, one write for everything applied inside.

        The block sees its own changes; other threads and processes see them when it ends. If it raises,
        none of them happened. A block inside of a block belongs to the outer one.
        """
        with self._mutex:
            if self._draft is not None:
                yield self
                return
            try:
                lock = self._root.lock("properties")
                lock.__enter__()
            except MissingError as error:
                raise self._not_found(error) from error
            with _held(lock):
                self._draft = self._up_to_date()
                self._owner = threading.get_ident()
                try:
                    yield self
                    self._commit(self._draft)
                finally:
                    self._draft = self._owner = None
                    self._pending.clear()

    def _up_to_date(self) -> State:
        """The state on disk; under the lock."""
        version = self._file.version()
        if version is None:
            raise self._not_found()
        if self._state is None or version != self._version:
            state = self._read_file()
            if not self._local:
                self._version = version
            return state
        return self._state

    def _commit(self, draft: State) -> None:
        """Write the draft; replay everything if someone without the lock came in between."""
        base = self._state
        if base is None or draft is base:
            return
        for attempt in range(_ATTEMPTS):
            data = draft.to_bytes()
            if len(data) > LARGEST_FILE:
                raise PropertiesError(f"{self._file.url} would become too large: {len(data):,} bytes.")
            try:
                version = self._write(data)
            except ConflictError:
                if attempt + 1 == _ATTEMPTS:
                    raise
                time.sleep(uniform(0, min(0.5, 0.01 * 2**attempt)))  # noqa: S311 - no secret
                base = draft = self._up_to_date()
                for operations in self._pending:
                    for operation in operations:
                        draft = operation.replay(draft)
                if draft is base:
                    return
                continue
            self._state, self._version = draft, version
            self._draft = None
            self._files.follow(base, draft)
            return

    def _write(self, data: bytes) -> str:
        if not self._local:
            return self._file.write(data, if_match=self._version or "")
        # Our own kind holds the lock; the comparison is for software that doesn't know it.
        if self._file.version() != self._version:
            raise ConflictError(
                f"{self._file.url} was changed by software that doesn't take the dataset's lock."
            )
        return self._file.write(data)


@contextmanager
def _held(lock: Any) -> Iterator[None]:
    """Leave a lock that was entered already."""
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _same(before: State, after: State) -> bool:
    if list(before.entries) != list(after.entries):
        return False
    if any(
        after.entries[name] is not entry and after.entries[name].raw != entry.raw
        for name, entry in before.entries.items()
    ):
        return False
    keys = before.head.keys() | after.head.keys()
    return all(before.head.get(key) == after.head.get(key) for key in keys - {"dataLayers"})


# --- the files of other tools ---------------------------------------------------------------------------------


def layer_facts(layer: LayerProperties, voxel_size: VoxelSize) -> LayerFacts:
    """Collect what dialects are told about a layer."""
    size = voxel_size.to_nanometer()
    mags = sorted(layer.mags, key=lambda entry: (entry.mag.max_dim, entry.mag.to_tuple()))
    return abc.LayerFacts(
        name=layer.name,
        category=layer.category,
        data_format=str(layer.data_format),
        axes=tuple(layer.bounding_box.axes),
        num_channels=layer.num_channels,
        dtype=layer.dtype,
        voxel_size=(size.x, size.y, size.z),
        mags=tuple(_mag_facts(entry, layer.name) for entry in mags),
    )


def _mag_facts(entry: MagViewProperties, layer: str) -> MagFacts:
    path = (entry.path if entry.path is not None else f"./{layer}/{entry.mag.to_layer_name()}").rstrip("/")
    folder = path.rpartition("/")[2]
    x, y, z = entry.mag.to_tuple()
    return abc.MagFacts(mag=(x, y, z), folder=folder, inside=path.removeprefix("./") == f"{layer}/{folder}")


class DialectFiles:
    """Metadata of other tools beside the data, kept in step with datasource-properties.json.

    Dialects (plugins, by data format) turn facts into files; those that differ from what is there are written. Only
    layers that an operation changed are looked at, and the dataset's own files only when its name or its set of formats
    changed. Never written: into folders that are links or aren't there, and over HTTP.

    These files follow from the properties, so a failure here doesn't undo a change that is saved already: it becomes a
    warning, and the next change of that layer tries again.
    """

    def __init__(self, root: Location, dialects_of: DialectsOf | None = None) -> None:
        self._root = root
        self._dialects_of = dialects_of
        self._described: tuple[str, tuple[str, ...]] | None = None
        self._writable = not root.url.lower().startswith(("http://", "https://"))

    def follow(self, before: State, after: State) -> None:
        """Write what changed between two states. Failures become warnings."""
        if not self._writable:
            return
        everywhere = before.head.get("scale") != after.head.get("scale")
        changed = [
            name
            for name, entry in after.entries.items()
            if entry.problem is None and (everywhere or before.entries.get(name) is not entry)
        ]
        self._dataset(after)
        for name in changed:
            self._layer(after, name)

    def _dataset(self, state: State) -> None:
        good = [entry for entry in state.entries.values() if entry.problem is None]
        formats = tuple(sorted({str(entry.raw["dataFormat"]) for entry in good}))
        described = (str(state.head["id"].get("name", "")), formats)
        if described == self._described:
            return
        facts = abc.DatasetFacts(name=described[0], data_formats=formats)
        dialects = {id(dialect): dialect for name in formats for dialect in self._dialects(name)}
        results = [
            self._write(
                dialect, self._root, dialect.dataset_file_names, partial(dialect.dataset_files, facts)
            )
            for dialect in dialects.values()
        ]
        if all(results):
            self._described = described

    def _layer(self, state: State, name: str) -> None:
        layer = state.entry(name).properties
        dialects = self._dialects(str(layer.data_format))
        if not dialects:
            return
        facts = layer_facts(layer, state.dataset.scale)
        folder = self._root.child(name)
        if not _is_own_folder(folder, facts):
            return
        for dialect in dialects:
            self._write(dialect, folder, dialect.layer_file_names, partial(dialect.layer_files, facts))

    def _dialects(self, data_format: str) -> Sequence[MetadataDialect]:
        try:
            return (self._dialects_of or registry.dialects)(data_format)
        except Exception as error:  # noqa: BLE001 - a broken plugin must not take a saved change with it
            _warn(f"The metadata dialects of {data_format!r} could not be loaded", error)
            return ()

    def _write(
        self,
        dialect: MetadataDialect,
        folder: Location,
        names: Iterable[str],
        make: Callable[..., Mapping[str, bytes]],
    ) -> bool:
        """Ask for the files and write those that differ; gives whether all went well."""
        try:
            existing = _read(folder, names)
            for name, data in make(existing=existing).items():
                if name not in existing:
                    existing.update(_read(folder, [name]))
                if existing.get(name) != data:
                    folder.child(name).write(data)
        except Exception as error:  # noqa: BLE001 - the same
            _warn(
                f"The metadata files of {type(dialect).__name__} in {folder.url} could not be written", error
            )
            return False
        return True


def _read(folder: Location, names: Iterable[str]) -> dict[str, bytes]:
    found = {}
    for name in names:
        try:
            found[name] = folder.child(name).read()
        except MissingError:
            continue
    return found


def _is_own_folder(folder: Location, facts: LayerFacts) -> bool:
    local = folder.local_path()
    if local is None:
        # Object stores have no empty folders; what lies below makes one.
        return any(mag.inside for mag in facts.mags) or folder.exists()
    try:
        return stat.S_ISDIR(os.lstat(local).st_mode)
    except OSError:
        return False


def _warn(text: str, error: Exception) -> None:
    warn_user(
        f"{text}: {error} The dataset itself is saved; other tools may not see the change.",
        UserWarning,
    )
