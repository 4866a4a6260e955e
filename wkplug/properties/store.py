"""`PropertiesStore`: reads and changes a dataset's datasource-properties.json; no other code writes it.

Changes are operations. They are replayed, under the dataset's lock, on what is on disk at that moment (read
again only if it changed since), checked, and written in one atomic step; only then does memory follow. So a
reader never sees half a file, two writers never lose each other's layers, and after an error nothing has
changed anywhere. Software that doesn't know the lock is noticed by the file's version, and answered by
replaying.

Where the store itself checks conditions (`Location.conditional`), the conditional put is the lock. A change is replayed
on what is known here and put on the condition that the file still has the version that it was made from: one request.
If others were faster, the file is read and everything is replayed on what they wrote. What is known may be old, so it
never decides that something can't be done, or need not be: before an operation's error is raised, and before a change
that changes nothing is passed over, the file is asked for once more, unless it still has its version.

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
from contextlib import contextmanager, nullcontext, suppress
from random import uniform
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

import attrs

from wkplug import abc, registry, storage
from wkplug.abc import MetadataStore, side_by_side
from wkplug.errors import (
    ConflictError,
    DatasetExistsError,
    DatasetNotFoundError,
    MissingError,
    PropertiesError,
    WkplugError,
)
from wkplug.notices import warn_user
from wkplug.properties.document import FILE_NAME, LARGEST_FILE
from wkplug.properties.state import State
from wkplug.properties.units import as_voxel_size, voxel_size_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from wkplug.abc import LayerFacts, Location, MagFacts, MetadataDialect
    from wkplug.properties.models import DatasetProperties, LayerProperties, MagViewProperties
    from wkplug.properties.operations import Operation
    from wkplug.properties.units import VoxelSize

__all__ = ["DialectFiles", "DialectsOf", "PropertiesStore", "StateStore", "layer_facts"]

DialectsOf: TypeAlias = "Callable[[str], Sequence[MetadataDialect]]"
"""Gives the dialects of a data format; `wkplug.registry.dialects`, unless a test says otherwise."""

_ATTEMPTS = 100
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
        self._files = DialectFiles(root, dialects, self._read_file)
        self.changes_by_others = 0
        """How often the file was another one than the one known here; counted where puts are conditional."""

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
        cls,
        root: Location,
        *,
        name: str,
        voxel_size: Any,
        further: Sequence[Operation] = (),
        dialects: DialectsOf | None = None,
    ) -> Self:
        """Write the properties of a new dataset, and make its folder.

        voxel_size: a VoxelSize or three numbers in nanometres; InvalidArgumentError (a ValueError) unless
        positive. further: what else is to be in them from the beginning. DatasetExistsError (a RuntimeError) if there
        is a dataset already.
        """
        head = {
            "id": {"name": name, "team": ""},
            "scale": voxel_size_to_json(as_voxel_size(voxel_size)),
            "dataLayers": [],
            "version": 1,
        }
        store = cls(root, dialects=dialects)
        empty = State(store._file.url, {}, {}).with_head(head)
        state = _replayed(further, empty)
        try:
            store._version = store._file.write(state.to_bytes(), if_match="")
        except ConflictError as error:
            raise DatasetExistsError(
                f"There is already a dataset at {root.url}.",
                hint="Open it with Dataset.open(path), or choose another path.",
            ) from error
        store._state = state
        if state.entries:
            store._files.follow(empty, state)
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
                not self._is_guarded and self._version is not None and self._file.version() == self._version
            ):
                return False
            before = self._state
            after = self._read_file()
            return before is None or (after is not before and not _same(before, after))

    @property
    def _is_guarded(self) -> bool:
        """Whether the store checks the condition of a put, so that no lock is needed."""
        return not self._local and self._file.conditional

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
        """Read and check the file, and remember it with its version; the known state where it is still the same."""
        if self._is_guarded:
            return self._read_newer()
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

    def _read_newer(self) -> State:
        known = self._state
        try:
            found = self._file.read_newer(None if known is None else self._version)
        except MissingError as error:
            raise self._not_found(error) from error
        if found is None and known is not None:
            return known
        if known is not None:
            self.changes_by_others += 1
        data, version = found or (b"", "")
        state = State.read(data, self._file.url, self._root, before=known)
        self._state, self._version = state, version
        return state

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
            try:
                draft = _replayed(operations, self.state)
            except WkplugError:
                if not self._caught_up():
                    raise
                draft = _replayed(operations, self.state)
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
            with self._lock():
                self._draft = self.state if self._is_guarded else self._up_to_date()
                self._owner = threading.get_ident()
                try:
                    yield self
                    self._commit(self._draft)
                finally:
                    self._draft = self._owner = None
                    self._pending.clear()

    def _lock(self) -> AbstractContextManager[None]:
        if self._is_guarded:
            return nullcontext()
        try:
            lock = self._root.lock("properties")
            lock.__enter__()
        except MissingError as error:
            raise self._not_found(error) from error
        return _held(lock)

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

    def _caught_up(self) -> bool:
        """Replay the block on what others may have written meanwhile; gives whether they have written anything.

        Under the lock nobody else can have.
        """
        before = self._state
        if not self._is_guarded or self._read_file() is before:
            return False
        self._draft = self._replayed_all()
        return True

    def _replayed_all(self) -> State:
        """What the block has done so far, done to the state that is known now."""
        draft = self._state or self._read_file()
        for operations in self._pending:
            draft = _replayed(operations, draft)
        return draft

    def _commit(self, draft: State) -> None:
        """Write the draft; replay everything if someone without the lock came in between."""
        if draft is self._state and self._pending and self._caught_up():
            draft = self._draft or draft
        for attempt in range(_ATTEMPTS):
            base = self._state
            if base is None or draft is base:
                return
            data = draft.to_bytes()
            if len(data) > LARGEST_FILE:
                raise PropertiesError(f"{self._file.url} would become too large: {len(data):,} bytes.")
            self._files.prepare(base, draft)
            try:
                version = self._write(data)
            except (ConflictError, MissingError) as error:
                if isinstance(error, MissingError) and not self._is_guarded:
                    raise
                if attempt + 1 == _ATTEMPTS:
                    raise
                _pause(attempt)
                if self._is_guarded:
                    self._read_file()
                else:
                    self._up_to_date()
                draft = self._replayed_all()
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


def _pause(attempt: int) -> None:
    """Let others go first for a moment, so that not all come again at once."""
    time.sleep(uniform(0, min(0.5, 0.01 * 2 ** min(attempt, 6))))  # noqa: S311 - no secret


def _replayed(operations: Iterable[Operation], state: State) -> State:
    for operation in operations:
        state = operation.replay(state)
    return state


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


def _kept_metadata(layer: LayerProperties) -> list[Any]:
    """What the properties keep of the arrays' own metadata."""
    return [entry.facts for entry in layer.mags]


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

    Where conditional puts take the place of locks (`is_guarded`), two writers may come here in another order than their
    changes did. So a file is put on the condition that it is still the one that was looked at before the state that it
    follows from was saved (`prepare`); where it isn't, it is read again, then the newest state (`latest`), and made
    from these. What was written is remembered, and where there can be no file yet nobody looks for it.
    """

    def __init__(
        self,
        root: Location,
        dialects_of: DialectsOf | None = None,
        latest: Callable[[], State] | None = None,
    ) -> None:
        self._root = root
        self._dialects_of = dialects_of
        self._latest = latest
        self._described: tuple[str, tuple[str, ...]] | None = None
        self._writable = not root.url.lower().startswith(("http://", "https://"))
        self._local = root.local_path() is not None
        self._known: dict[str, tuple[bytes | None, str]] = {}
        self._failed: set[str] = set()

    @property
    def _is_guarded(self) -> bool:
        return not self._local and self._latest is not None and self._root.conditional

    def prepare(self, before: State, after: State) -> None:
        """Look at the files that `follow` may write, before the state is saved that they follow from."""
        if not self._is_guarded or not self._writable:
            return
        jobs = [*self._dataset_jobs(before, after), *self._layer_jobs(before, after)]
        for _ in self._side_by_side(self._looked, [job for job in jobs if not job.is_new]):
            pass

    def _looked(self, job: _Job) -> bool:
        with suppress(WkplugError):  # whoever writes says so
            self._existing(job.folder, job.names)
        return True

    def _side_by_side(self, call: Callable[[_Job], bool], jobs: Iterable[_Job]) -> Iterator[bool]:
        return side_by_side(call, jobs, at_once=self._root.concurrency if self._is_guarded else 1)

    def follow(self, before: State, after: State) -> None:
        """Write what changed between two states. Failures become warnings."""
        if not self._writable:
            return
        jobs = [*self._dataset_jobs(before, after), *self._layer_jobs(before, after)]
        done = list(zip(jobs, self._side_by_side(self._done, jobs), strict=True))
        if all(ok for job, ok in done if not job.layer):
            self._described = _described(after)
        for job, ok in done:
            if job.layer and ok:
                self._failed.discard(job.layer)
            elif job.layer:
                self._failed.add(job.layer)

    def _dataset_jobs(self, before: State, after: State) -> list[_Job]:
        described = _described(after)
        if self._described is None and self._is_guarded:
            self._described = _described(before)
        if described == self._described:
            return []
        known = set() if self._described is None else set(self._described[1])
        dialects = {id(dialect): dialect for name in described[1] for dialect in self._dialects(name)}
        old = {id(dialect) for name in known for dialect in self._dialects(name)}
        return [
            _Job(dialect, "", self._root, dialect.dataset_file_names, after, is_new=key not in old)
            for key, dialect in dialects.items()
        ]

    def _layer_jobs(self, before: State, after: State) -> Iterator[_Job]:
        everywhere = before.head.get("scale") != after.head.get("scale")
        for name, entry in after.entries.items():
            old = before.entries.get(name)
            if entry.problem is not None or (old is entry and not everywhere):
                continue
            dialects = self._dialects(str(entry.properties.data_format))
            if not dialects:
                continue
            facts = layer_facts(entry.properties, after.dataset.scale)
            folder = self._root.child(name)
            is_new = False
            if self._is_guarded:
                had = None
                if old is not None and old.problem is None:
                    had = layer_facts(old.properties, before.dataset.scale)
                same = facts == had and not (
                    old is not None
                    and any(dialect.mag_file_name for dialect in dialects)
                    and _kept_metadata(entry.properties) != _kept_metadata(old.properties)
                )
                if same and name not in self._failed:
                    continue
                is_new = had is None or not had.mags
                if is_new and not any(mag.inside for mag in facts.mags):
                    continue  # there is no such folder
            elif not _is_own_folder(folder, facts):
                continue
            for dialect in dialects:
                yield _Job(dialect, name, folder, dialect.layer_file_names, after, is_new=is_new)

    def _dialects(self, data_format: str) -> Sequence[MetadataDialect]:
        try:
            return (self._dialects_of or registry.dialects)(data_format)
        except Exception as error:  # noqa: BLE001 - a broken plugin must not take a saved change with it
            _warn(f"The metadata dialects of {data_format!r} could not be loaded", error)
            return ()

    def _done(self, job: _Job) -> bool:
        """Ask for the files and write those that differ; gives whether all went well."""
        try:
            if self._is_guarded:
                self._put(job)
                return True
            existing = _read(job.folder, job.names)
            for name, data in job.files(job.state, existing).items():
                if name not in existing:
                    existing.update(_read(job.folder, [name]))
                if existing.get(name) != data:
                    job.folder.child(name).write(data)
        except Exception as error:  # noqa: BLE001 - the same
            _warn(
                f"The metadata files of {type(job.dialect).__name__} in {job.folder.url} could not be written",
                error,
            )
            return False
        return True

    def _put(self, job: _Job) -> None:
        state, is_new = job.state, job.is_new
        for attempt in range(_ATTEMPTS):
            try:
                existing = self._existing(job.folder, job.names, is_new=is_new)
                for name, data in job.files(state, existing).items():
                    if name not in existing:
                        existing.update(self._existing(job.folder, [name], is_new=is_new))
                    if existing.get(name) != data:
                        file = job.folder.child(name)
                        _, version = self._known.get(file.url, (None, ""))
                        self._known[file.url] = data, file.write(data, if_match=version)
            except ConflictError:
                if attempt + 1 == _ATTEMPTS or self._latest is None:
                    raise
                _pause(attempt)
                for url in [url for url in self._known if url.startswith(f"{job.folder.url}/")]:
                    del self._known[url]
                # In this order: whoever saves a state later than this one finds the file changed by us.
                is_new = False
                self._existing(job.folder, job.names)
                state = self._latest()
                if job.layer and job.layer not in state.entries:
                    return
            else:
                return

    def _existing(self, folder: Location, names: Iterable[str], *, is_new: bool = False) -> dict[str, bytes]:
        """What the files hold, as far as is known here; asked for unless they can't be there."""
        found: dict[str, bytes] = {}
        for name in names:
            file = folder.child(name)
            known = self._known.get(file.url)
            if known is None and not is_new:
                try:
                    known = file.read_newer()
                except MissingError:
                    known = (None, "")
                if known is not None:
                    self._known[file.url] = known
            if known is not None and known[0] is not None:
                found[name] = known[0]
        return found


class _Job(NamedTuple):
    """Files of one dialect, in the dataset's folder or a layer's, to follow from a state; is_new: none are there."""

    dialect: MetadataDialect
    layer: str
    folder: Location
    names: tuple[str, ...]
    state: State
    is_new: bool

    def files(self, state: State, existing: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Ask the dialect; `state` is a newer one where others have changed the dataset."""
        if not self.layer:
            name, formats = _described(state)
            facts = abc.DatasetFacts(name=name, data_formats=formats)
            return self.dialect.dataset_files(facts, existing=existing)
        layer = state.entry(self.layer).properties
        about = layer_facts(layer, state.dataset.scale)
        if self.dialect.mag_file_name:
            recorded = {entry.mag.to_tuple(): entry.facts for entry in layer.mags}
            mags = tuple(self._with_metadata(mag, recorded[mag.mag]) for mag in about.mags)
            about = attrs.evolve(about, mags=mags)
        return self.dialect.layer_files(about, existing=existing)

    def _with_metadata(self, mag: MagFacts, recorded: Any) -> MagFacts:
        """Tell what the mag's file says: as the properties keep it, or as it is."""
        if not mag.inside:
            return mag
        name = self.dialect.mag_file_name
        known = storage.ArrayFacts.of(recorded)
        if known is not None and known.file == name:
            return attrs.evolve(mag, metadata=known.data)
        return attrs.evolve(mag, metadata=_read(self.folder.child(mag.folder), [name]).get(name))


def _described(state: State) -> tuple[str, tuple[str, ...]]:
    """What the dataset's own files say: its name, and the formats of its layers."""
    good = [entry for entry in state.entries.values() if entry.problem is None]
    formats = tuple(sorted({str(entry.raw["dataFormat"]) for entry in good}))
    return str(state.head["id"].get("name", "")), formats


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
