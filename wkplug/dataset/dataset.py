"""`Dataset`: a folder of layers that belong together, described by datasource-properties.json.

Creating, opening, adding and deleting layers. The properties file is the truth, kept by
`wkplug.properties.PropertiesStore`; what spans several objects (importing, downsampling, copying) lives in
`wkplug.ops` and is delegated to in one line.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from wkplug import registry, storage
from wkplug.dataset import creating
from wkplug.dataset.data_format import DataFormat, default_data_format
from wkplug.dataset.dataset_copying import DatasetCopying
from wkplug.dataset.dtypes import check_category, check_layer_dtype
from wkplug.dataset.layer import Layer
from wkplug.dataset.legacy.datasets import ADDING_LAYERS, CONSTRUCTING, ONLY_SEGMENTATION, OlderDataset
from wkplug.dataset.legacy.layer import DOWNSAMPLING
from wkplug.dataset.legacy.notices import deprecated, warn_user
from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.open_options import OpenOptions
from wkplug.dataset.paths import is_link, to_path
from wkplug.dataset.segmentation_layer import SegmentationLayer, whole_number
from wkplug.errors import (
    ArgumentConflictError,
    CategoryError,
    DatasetExistsError,
    DatasetMismatchError,
    DatasetNotFoundError,
    InvalidArgumentError,
    LayerExistsError,
    LayerMismatchError,
    LayerNotFoundError,
    NotADatasetFolderError,
    ReadOnlyError,
)
from wkplug.geometry import BoundingBox, NDBoundingBox, Vec3Float
from wkplug.properties import (
    LayerProperties,
    PropertiesStore,
    SegmentationLayerProperties,
    VoxelSize,
    check_layer_name,
)

if TYPE_CHECKING:
    import os
    import pathlib
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from wkplug.abc import Location
    from wkplug.dataset.execution import AnyExecutor
    from wkplug.geometry import MagLike, Vec3FloatLike, Vec3IntLike, VecIntLike
    from wkplug.ops.importing.files import ConversionLayerMapping
    from wkplug.ops.sampling import SamplingModes
    from wkplug.properties import DatasetViewConfiguration

__all__ = ["Dataset"]

D = TypeVar("D", bound="Dataset")


class Dataset(DatasetCopying, OlderDataset):
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
        try:
            store = PropertiesStore.open(location)
        except DatasetNotFoundError:
            store = self._create(location, wanted, name, read_only=read_only)
        else:
            self._check_existing(store, location, wanted, name, exist_ok=exist_ok)
        self._setup(location, store, OpenOptions(read_only=read_only, backends=dict(backends or {})))

    def _setup(self, location: Location, store: PropertiesStore, options: OpenOptions) -> None:
        self._location = location
        self._store = store
        self._options = options
        self._layers: dict[str, Layer] = {}

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
        _check_place_is_free(location)
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
                hint="Open it with Dataset.open(path), pass exist_ok=True, or choose another path.",
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
                hint="Dataset.open(path) opens it as it is.",
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

        Only its properties file is read. `allow_incomplete` lets mags be read that an unfinished job has marked.
        `backends` maps storage formats to implementations, as `[backends]` in a configuration file does, and wins
        over it.
        """
        location = storage.locate(dataset_path)
        options = OpenOptions(
            read_only=read_only, allow_incomplete=allow_incomplete, backends=dict(backends or {})
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

    # --- layers -------------------------------------------------------------------------------------------

    @property
    def layers(self) -> Mapping[str, Layer]:
        """All layers by name, in the file's order."""
        return MappingProxyType({name: self._layer(name) for name in self._store.layer_names()})

    def _layer(self, name: str) -> Layer:
        layer = self._layers.get(name)
        if layer is None:
            properties = self._store.layer(name)
            kind = SegmentationLayer if properties.category == "segmentation" else Layer
            layer = self._layers[name] = kind(
                self, properties, self.read_only or is_link(self._location.child(name))
            )
        return layer

    def get_layer(self, layer_name: str) -> Layer:
        """Give a layer; LayerNotFoundError (an IndexError) if there is none of that name."""
        if layer_name not in self._store.layer_names():
            there = ", ".join(map(repr, self._store.layer_names())) or "none"
            raise LayerNotFoundError(
                f"The dataset {self.name!r} has no layer {layer_name!r}; it has {there}.",
                hint="Check the spelling, or add the layer with dataset.add_layer.",
            )
        return self._layer(layer_name)

    def get_color_layers(self) -> list[Layer]:
        """Give all color layers, in the file's order."""
        return [layer for layer in self.layers.values() if layer.category == "color"]

    def get_segmentation_layers(self) -> list[SegmentationLayer]:
        """Give all segmentation layers, in the file's order."""
        return [layer for layer in self.layers.values() if isinstance(layer, SegmentationLayer)]

    @older(**ONLY_SEGMENTATION)
    def get_segmentation_layer(self, layer_name: str) -> SegmentationLayer:
        """Give a segmentation layer; CategoryError (a TypeError) if it is of the other category."""
        return self.get_layer(layer_name).as_segmentation_layer()

    def calculate_bounding_box(self) -> NDBoundingBox:
        """Give the smallest box that holds all layers' boxes, empty without layers."""
        boxes = [layer.bounding_box for layer in self.layers.values()]
        if not boxes:
            return BoundingBox.empty()
        result = boxes[0]
        for box in boxes[1:]:
            result = result.extended_by(box)
        return result

    @older(**ADDING_LAYERS)
    def add_layer(
        self,
        layer_name: str,
        category: str,
        *,
        dtype: Any = None,
        dtype_per_channel: Any = None,
        num_channels: int | None = None,
        data_format: str | DataFormat | None = None,
        bounding_box: NDBoundingBox | None = None,
        largest_segment_id: int | None = None,
        mappings: Sequence[str] | None = None,
    ) -> Layer:
        """Add a layer without mags.

        layer_name: letters, digits and _ $ @ - and, not first, a dot (LayerNameError, a ValueError).
        category: "color" or "segmentation".
        dtype: of one channel; uint8 by default (UnsupportedDtypeError, a ValueError, if the category can't have it).
        bounding_box: in Mag(1) voxels; empty by default. Its axes become the layer's.
        largest_segment_id, mappings: for segmentation layers.
        LayerExistsError (an IndexError) if the dataset has a layer of that name.
        """
        self._writable("its layers")
        check_layer_name(layer_name)
        if dtype is not None and dtype_per_channel is not None:
            raise ArgumentConflictError(
                "Both dtype and dtype_per_channel were given.", hint="Give dtype, the dtype of one channel."
            )
        if dtype_per_channel is not None:
            deprecated("dtype_per_channel", "dtype")
        wanted = dtype if dtype is not None else dtype_per_channel
        check_category(category)
        dtype_name = check_layer_dtype(category, "uint8" if wanted is None else wanted)
        if layer_name in self._store.layer_names():
            raise LayerExistsError(
                f"The dataset {self.name!r} already has a layer {layer_name!r}.",
                hint="Use dataset.get_layer or dataset.get_or_add_layer, or choose another name.",
            )
        channels = 1 if num_channels is None else num_channels
        if channels < 1:
            raise InvalidArgumentError(
                f"num_channels is {num_channels}.", hint="A layer has at least one channel."
            )
        if channels != 1 and not (channels == 3 and dtype_name == "uint8"):
            warn_user(
                f"[WARNING] A layer with {channels} channels of {dtype_name} "
                "can't be shown by every viewer; one channel, "
                "or three of uint8, always can.",
                UserWarning,
            )
        chosen = default_data_format() if data_format is None else DataFormat(data_format)
        box = (BoundingBox.empty() if bounding_box is None else bounding_box).normalize_axes(channels)
        common: dict[str, Any] = {
            "name": layer_name, "category": category, "bounding_box": box, "dtype": dtype_name,
            "num_channels": channels, "data_format": str(chosen), "mags": [],
        }  # fmt: skip
        properties: LayerProperties
        if category == "segmentation":
            properties = SegmentationLayerProperties(
                **common, largest_segment_id=whole_number(largest_segment_id), mappings=list(mappings or [])
            )
        elif largest_segment_id is not None or mappings:
            raise CategoryError(
                f"largest_segment_id and mappings belong to segmentation layers; {layer_name!r} is to be a color layer."
            )
        else:
            properties = LayerProperties(**common)
        for problem in registry.choose_backend(
            self._location.child(layer_name),
            data_format=str(chosen),
            mode="create",
            explicit=self.backend_for(chosen),
        ).warnings:
            warn_user(f"[WARNING] {problem.text}", UserWarning)
        from wkplug.properties import operations

        self._store.apply(operations.AddLayer(properties))
        return self._layer(layer_name)

    @older(**ADDING_LAYERS)
    def get_or_add_layer(
        self,
        layer_name: str,
        category: str,
        *,
        dtype: Any = None,
        dtype_per_channel: Any = None,
        num_channels: int | None = None,
        data_format: str | DataFormat | None = None,
        **further: Any,
    ) -> Layer:
        """Give the layer, added if need be; LayerMismatchError (an AssertionError) if it differs from what is asked.

        An existing layer's data format is not compared. `further` are `add_layer`'s other parameters.
        """
        if layer_name not in self._store.layer_names():
            return self.add_layer(
                layer_name,
                category,
                dtype=dtype,
                dtype_per_channel=dtype_per_channel,
                num_channels=num_channels,
                data_format=data_format,
                **further,
            )
        layer = self.get_layer(layer_name)
        for unknown in further.keys() - {"bounding_box", "largest_segment_id", "mappings"}:
            raise TypeError(f"get_or_add_layer() got an unexpected keyword argument {unknown!r}")
        if dtype is not None and dtype_per_channel is not None:
            raise ArgumentConflictError(
                "Both dtype and dtype_per_channel were given.", hint="Give dtype, the dtype of one channel."
            )
        wanted = dtype if dtype is not None else dtype_per_channel
        asked = {
            "category": category,
            "dtype": None if wanted is None else check_layer_dtype(category, wanted),
            "num_channels": num_channels,
        }
        found = {"category": layer.category, "dtype": layer.dtype.name, "num_channels": layer.num_channels}
        for what, value in asked.items():
            if value is not None and value != found[what]:
                raise LayerMismatchError(
                    f"The layer {layer_name!r} exists with {what}={found[what]!r}, but {value!r} was asked for.",
                    hint="Use dataset.get_layer to take it as it is, or choose another name.",
                )
        return layer

    def delete_layer(self, layer_name: str) -> None:
        """Take a layer off the list and delete its folder; of links only the link, of foreign mags nothing."""
        self._writable("its layers")
        creating.delete_layer(self.get_layer(layer_name))
        self._layers.pop(layer_name, None)

    def layer_was_renamed(self, old: str, new: str) -> None:
        """Follow a layer that got another name; for `Layer`."""
        layer = self._layers.pop(old, None)
        if layer is not None:
            self._layers[new] = layer

    # --- verbs that span several layers: `wkplug.ops` does them -------------------------------------------

    @classmethod
    def from_images(
        cls,
        input_path: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        voxel_size: Vec3FloatLike | None = None,
        name: str | None = None,
        *,
        map_filepath_to_layer_name: ConversionLayerMapping
        | str
        | Callable[[Any], str] = "inspect_single_file",
        z_slices_sort_key: Callable[[Any], Any] | None = None,
        voxel_size_with_unit: VoxelSize | None = None,
        layer_name: str | None = None,
        layer_category: str | None = None,
        data_format: str | DataFormat | None = None,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        chunks_per_shard: VecIntLike | int | None = None,
        compress: bool | Mapping[str, Any] = True,
        swap_xy: bool = False,
        flip_x: bool = False,
        flip_y: bool = False,
        flip_z: bool = False,
        max_layers: int = 20,
        batch_size: int | None = None,
        executor: AnyExecutor = None,
        reader: str | None = None,
        use_bioformats: bool | None = None,
        missing_slices: str = "error",
        memory: int | str | None = None,
    ) -> Dataset:
        """Make a dataset of an image file, or of the image files of a folder.

        voxel_size: nanometres along x, y, z; or voxel_size_with_unit.
        map_filepath_to_layer_name: how files become layers, see `ConversionLayerMapping`; or a function from a
            path (relative to the input) to a name. Files of one layer are its sections along z.
        z_slices_sort_key: the order of sections, as of `sorted`; natural order (2 before 10) by default.
        layer_category: "color" or "segmentation"; guessed from name and voxels if left out.
        swap_xy: exchange rows and columns; flip_x, flip_y, flip_z: then reverse that axis of the layer.
        batch_size: how many sections are held at once; chosen by the memory if left out.
        executor: where the work runs, threads by default. memory: what the process may take, such as "2GB"; 1 GB by
            default, or half of the machine's if that is less.
        reader: the name of the image reader to use; use_bioformats: True for Bio-Formats, False for never.
        missing_slices: what to do where a number is missing in the names of sections: "error", "fill" (zeros), or
            "close" (as if there was no gap).

        x are the columns and y the rows of the images. Downsampling is a step of its own. An import that was stopped
        goes on where it was when it is called again with the same arguments.
        """
        from wkplug.ops import images

        return images.from_images(
            input_path,
            output_path,
            voxel_size,
            name,
            map_filepath_to_layer_name=map_filepath_to_layer_name,
            z_slices_sort_key=z_slices_sort_key,
            voxel_size_with_unit=voxel_size_with_unit,
            layer_name=layer_name,
            layer_category=layer_category,
            data_format=data_format,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            chunks_per_shard=chunks_per_shard,
            compress=compress,
            swap_xy=swap_xy,
            flip_x=flip_x,
            flip_y=flip_y,
            flip_z=flip_z,
            max_layers=max_layers,
            batch_size=batch_size,
            executor=executor,
            reader=reader,
            use_bioformats=use_bioformats,
            missing_slices=missing_slices,
            memory=memory,
        )

    def add_layer_from_images(
        self,
        images: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Any,
        layer_name: str,
        category: str | None = "color",
        *,
        data_format: str | DataFormat | None = None,
        mag: MagLike = 1,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        chunks_per_shard: VecIntLike | int | None = None,
        compress: bool | Mapping[str, Any] = True,
        topleft: Vec3IntLike = (0, 0, 0),
        swap_xy: bool = False,
        flip_x: bool = False,
        flip_y: bool = False,
        flip_z: bool = False,
        dtype: Any = None,
        channel: int | None = None,
        czi_channel: int | None = None,
        scale: int | None = None,
        batch_size: int | None = None,
        allow_multiple_layers: bool = False,
        max_layers: int = 20,
        truncate_rgba_to_rgb: bool = True,
        executor: AnyExecutor = None,
        reader: str | None = None,
        timepoint: int | None = None,
        use_bioformats: bool | None = None,
        missing_slices: str = "error",
        memory: int | str | None = None,
    ) -> Layer:
        """Add a layer from an image file, a folder, a glob text, or a list of files (sections in that order).

        images may also be an opened `pims.FramesSequence`. category: None guesses. mag: what the images are, their
        box is that much larger. topleft: Mag(1) voxels.
        dtype: converts the values (without scaling). channel: takes just one; czi_channel: the same of a file's own
        channel axis, so that colours in it are left. timepoint: takes just one. scale: a coarser resolution that
        the file holds, 0 is the finest. allow_multiple_layers: channels that are no colours become layers of their
        own, called NAME__channelN; gives the first one then.
        Other parameters as in `from_images`.
        """
        from wkplug.ops import images as importing

        return importing.add_layer_from_images(
            self,
            images,
            layer_name,
            category,
            data_format=data_format,
            mag=mag,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            chunks_per_shard=chunks_per_shard,
            compress=compress,
            topleft=topleft,
            swap_xy=swap_xy,
            flip_x=flip_x,
            flip_y=flip_y,
            flip_z=flip_z,
            dtype=dtype,
            channel=channel,
            czi_channel=czi_channel,
            scale=scale,
            batch_size=batch_size,
            allow_multiple_layers=allow_multiple_layers,
            max_layers=max_layers,
            truncate_rgba_to_rgb=truncate_rgba_to_rgb,
            executor=executor,
            reader=reader,
            timepoint=timepoint,
            use_bioformats=use_bioformats,
            missing_slices=missing_slices,
            memory=memory,
        )

    @older(**DOWNSAMPLING["downsample_dataset"])
    def downsample(
        self,
        *,
        sampling_mode: str | SamplingModes = "anisotropic",
        coarsest_mag: MagLike | None = None,
        interpolation_mode: str = "default",
        compress: bool = True,
        memory: int | str | None = None,
        executor: AnyExecutor = None,
    ) -> None:
        """Downsample every layer that has mags; see `Layer.downsample`."""
        from wkplug.ops import pyramids

        pyramids.downsample_dataset(
            self,
            sampling_mode=sampling_mode,
            coarsest_mag=coarsest_mag,
            interpolation_mode=interpolation_mode,
            compress=compress,
            memory=memory,
            executor=executor,
        )

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


def _check_place_is_free(location: Location) -> None:
    """A new dataset wants a place that is empty or not there."""
    if not location.exists():
        return
    local = location.local_path()
    if local is not None and not to_path(location).is_dir():
        raise NotADatasetFolderError(
            f"{location.url} is a file, not a folder.", hint="Choose another path for the dataset."
        )
    if next(iter(location.list()), None) is not None:
        raise DatasetExistsError(
            f"The folder {location.url} is not empty, and no dataset: it has no properties file.",
            hint="Choose an empty or a new folder.",
        )
