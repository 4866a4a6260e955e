"""`Dataset`: a folder of layers that belong together, described by datasource-properties.json.

Creating and opening. The properties file is the truth, kept by `wkplug.properties.PropertiesStore`. The methods around
layers, around images and around copies are in files of their own, see `wkplug.dataset.parts`; what spans several
objects lives in `wkplug.ops` and is delegated to in one line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

from wkplug import registry, storage
from wkplug.dataset.dataset_copying import DatasetCopying
from wkplug.dataset.dataset_importing import DatasetImporting
from wkplug.dataset.dataset_layers import DatasetLayers
from wkplug.dataset.legacy.datasets import CONSTRUCTING, OlderDataset
from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.open_options import OpenOptions
from wkplug.errors import (
    DatasetExistsError,
    DatasetMismatchError,
    DatasetNotFoundError,
    InvalidArgumentError,
    ReadOnlyError,
)
from wkplug.model.places import check_place_is_free, to_path
from wkplug.properties import (
    PropertiesStore,
    VoxelSize,
)

if TYPE_CHECKING:
    import os
    import pathlib
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from wkplug.abc import Location
    from wkplug.dataset.layer import Layer
    from wkplug.geometry import Vec3Float, Vec3FloatLike
    from wkplug.properties import DatasetViewConfiguration

__all__ = ["Dataset"]

D = TypeVar("D", bound="Dataset")


class Dataset(DatasetLayers, DatasetImporting, DatasetCopying, OlderDataset):
    """A dataset on disk or in a bucket.

    `Dataset(path, voxel_size=(x, y, z))` creates one, `Dataset.open(path)` opens one. Voxel sizes are nanometres
    unless `voxel_size_with_unit` says otherwise.
    """

    @older(**CONSTRUCTING)
    def __init__(
        self,
        dataset_path: str | os.PathLike[str],
        voxel_size: Vec3FloatLike | None = None,
        name: str | None = None,
        exist_ok: bool = False,  # noqa: FBT001, FBT002 - the signature that users know
        *,
        voxel_size_with_unit: VoxelSize | None = None,
        read_only: bool = False,
        backends: Mapping[str, str] | None = None,
    ) -> None:
        """Create a dataset, or with `exist_ok` open the one that is there if voxel size and name agree.

        backends: which implementation to use for a storage format, see `Dataset.open`.

        DatasetExistsError (a RuntimeError) if something is in the way, DatasetMismatchError (a RuntimeError) if the
        existing dataset differs, InvalidArgumentError (a ValueError) for a missing or impossible voxel size.
        """
        if voxel_size is not None and voxel_size_with_unit is not None:
            raise InvalidArgumentError(
                "Both voxel_size and voxel_size_with_unit were given.",
                hint="Give one of them; voxel_size is in nanometres.",
            )
        location = storage.locate(dataset_path)
        wanted = voxel_size_with_unit if voxel_size is None else VoxelSize(voxel_size)
        store = self._there(location)
        if store is None:
            try:
                store = self._create(location, wanted, name, read_only=read_only)
            except DatasetExistsError:
                # Another job may have made it since.
                store = self._there(location) if exist_ok else None
                if store is None:
                    raise
                self._check_existing(store, location, wanted, name, exist_ok=exist_ok)
        else:
            self._check_existing(store, location, wanted, name, exist_ok=exist_ok)
        self._setup(
            location,
            store,
            OpenOptions(read_only=read_only, backends=registry.check_backends(backends or {})),
        )

    def _setup(self, location: Location, store: PropertiesStore, options: OpenOptions) -> None:
        self._location = location
        self._store = store
        self._options = options
        self._layers: dict[str, Layer] = {}

    @staticmethod
    def _there(location: Location) -> PropertiesStore | None:
        try:
            return PropertiesStore.open(location)
        except DatasetNotFoundError:
            return None

    @staticmethod
    def _create(
        location: Location, voxel_size: VoxelSize | None, name: str | None, *, read_only: bool
    ) -> PropertiesStore:
        if read_only:
            raise DatasetNotFoundError(
                f"There is no dataset at {location.url}, and read_only=True can't create one.",
                hint="Check the path.",
            )
        if voxel_size is None:
            raise InvalidArgumentError(
                f"A new dataset at {location.url} needs a voxel size.",
                hint="Pass voxel_size=(x, y, z) in nanometres, or voxel_size_with_unit; "
                "Dataset.open opens an existing one.",
            )
        check_place_is_free(location)
        return PropertiesStore.create(
            location, name=location.name if name is None else name, voxel_size=voxel_size
        )

    @staticmethod
    def _check_existing(
        store: PropertiesStore,
        location: Location,
        voxel_size: VoxelSize | None,
        name: str | None,
        *,
        exist_ok: bool,
    ) -> None:
        if not exist_ok:
            raise DatasetExistsError(
                f"There is already a dataset at {location.url}.",
                hint="Pass exist_ok=True to take it as it is, or choose another path.",
            )
        if voxel_size is None:
            raise InvalidArgumentError(
                "A voxel size is needed, also with exist_ok=True.",
                hint="Dataset.open(path) opens it without one.",
            )
        found = store.dataset
        if found.scale.to_nanometer() != voxel_size.to_nanometer():
            raise DatasetMismatchError(
                f"The dataset at {location.url} has the voxel size {found.scale.to_nanometer()} nm, "
                f"but {voxel_size.to_nanometer()} nm was asked for.",
                hint="Leave voxel_size out to take it as it is: Dataset.open(path).",
            )
        if name is not None and found.id.get("name") != name:
            raise DatasetMismatchError(
                f"The dataset at {location.url} is called {found.id.get('name')!r}, not {name!r}.",
                hint="Leave name out, or open it and set dataset.name.",
            )

    @classmethod
    def open(
        cls,
        dataset_path: str | os.PathLike[str],
        read_only: bool = False,  # noqa: FBT001, FBT002 - the signature that users know
        *,
        allow_incomplete: bool = False,
        backends: Mapping[str, str] | None = None,
    ) -> Self:
        """Open a dataset; DatasetNotFoundError (a FileNotFoundError) if there is none.

        Only its properties file is read. A zip archive of a dataset is read like its folder. `allow_incomplete` lets
        mags be read that an unfinished job has marked. `backends` maps storage formats to implementations, as
        `[backends]` in a configuration file does, and wins over it.
        """
        location = storage.locate(dataset_path)
        if location.name.lower().endswith(".zip"):
            from wkplug.filesystems.zip import unzipped

            location = unzipped(location)
        options = OpenOptions(
            read_only=read_only,
            allow_incomplete=allow_incomplete,
            backends=registry.check_backends(backends or {}),
        )
        return _open(cls, location, options)

    # --- facts --------------------------------------------------------------------------------------------

    @property
    def location(self) -> Location:
        """The place of the dataset's folder."""
        return self._location

    @property
    def store(self) -> PropertiesStore:
        """The keeper of the properties file; for `wkplug.ops`."""
        return self._store

    @property
    def path(self) -> pathlib.Path:
        """The path of the dataset's folder; a UPath where it isn't local."""
        return to_path(self._location)

    @property
    def resolved_path(self) -> pathlib.Path:
        """The path with links resolved."""
        return self.path.resolve()

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self._options.read_only

    @property
    def allow_incomplete(self) -> bool:
        """Whether mags may be read that an unfinished job has marked."""
        return self._options.allow_incomplete

    def backend_for(self, data_format: str) -> str | None:
        """The implementation that was asked for as an argument, None to let configuration and priority decide."""
        return self._options.backends.get(data_format)

    @property
    def name(self) -> str:
        """The name, the folder's by default; saved when set."""
        name: str = self._store.dataset.id.get("name", self._location.name)
        return name

    @name.setter
    def name(self, name: str) -> None:
        self._writable("its name")
        from wkplug.properties import operations

        self._store.apply(operations.SetDatasetKey("id", {**self._store.dataset.id, "name": name}))

    @property
    def voxel_size(self) -> Vec3Float:
        """The size of a voxel along x, y, z in nanometres."""
        return self._store.dataset.scale.to_nanometer()

    @property
    def voxel_size_with_unit(self) -> VoxelSize:
        """The size of a voxel as stored, with its unit."""
        return self._store.dataset.scale

    @property
    def default_view_configuration(self) -> DatasetViewConfiguration | None:
        """How viewers show the dataset at first, None if that was never set."""
        return self._store.dataset.default_view_configuration

    @default_view_configuration.setter
    def default_view_configuration(self, value: DatasetViewConfiguration | None) -> None:
        self._writable("its view configuration")
        from wkplug.properties import operations

        self._store.apply(operations.SetDatasetKey("defaultViewConfiguration", value))

    def update(self) -> AbstractContextManager[object]:
        """Bundle changes: `with dataset.update(): ...` takes the lock once and writes the properties file once.

        Either all changes of the block are saved or, if it raises, none.
        """
        self._writable("anything")
        return self._store.update()

    # --- rules --------------------------------------------------------------------------------------------

    def _writable(self, what: str) -> None:
        if self.read_only:
            raise ReadOnlyError(
                f"The dataset {self._location.url} is read-only, the changes to {what} will not be saved!",
                hint="Open it without read_only=True.",
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Dataset):
            return NotImplemented
        return self._location == other._location and self.read_only == other.read_only

    def __hash__(self) -> int:
        return hash((self._location, self.read_only))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_open, (type(self), self._location, self._options))


def _open(kind: type[D], location: Location, options: OpenOptions) -> D:
    dataset = kind.__new__(kind)
    dataset._setup(location, PropertiesStore.open(location), options)
    return dataset
