"""`Dataset`: layers that belong together, described by datasource-properties.json.

A facade: the dataset itself is its state (`wkplug.model.states`), each method is a call of one verb. Verbs on one
object are in `wkplug.model.changes`, what spans objects or takes long is in `wkplug.ops`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from wkplug import registry, storage
from wkplug.dataset import verbs
from wkplug.dataset.completion import UsersNames
from wkplug.dataset.layer import Layer, SegmentationLayer
from wkplug.dataset.legacy.datasets import (
    ADDING_LAYERS,
    COMPRESSING_ALL,
    CONSTRUCTING,
    COPYING,
    IMPORTING,
    LISTING_LAYERS,
    ONLY_SEGMENTATION,
    OlderDataset,
)
from wkplug.dataset.legacy.layer import DOWNSAMPLING
from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.legacy.pickles import open_again
from wkplug.dataset.legacy.servers import ServedDataset
from wkplug.errors import ArgumentConflictError, redacted
from wkplug.geometry import BoundingBox, Mag, NDBoundingBox
from wkplug.lazy import resolve
from wkplug.model.layout import LayoutRequest
from wkplug.model.places import to_path
from wkplug.model.states import DatasetState, LayerState, OpenOptions, state_of
from wkplug.notices import deprecated

if TYPE_CHECKING:
    import os
    import pathlib
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import ArrayLike

    from wkplug.abc import DatasetSource, Location
    from wkplug.dataset.data_format import FormatName
    from wkplug.dataset.exploration import Exploration
    from wkplug.execution import AnyExecutor
    from wkplug.geometry import MagLike, Vec3Float, Vec3FloatLike, Vec3IntLike, VecIntLike
    from wkplug.model.names import Category, LayerMapping, MissingSlices, Mode, SamplingMode
    from wkplug.ops.importing.files import ConversionLayerMapping
    from wkplug.ops.importing.report import ImportReport
    from wkplug.ops.pyramids.sampling import SamplingModes
    from wkplug.properties import DatasetViewConfiguration, VoxelSize

__all__ = ["Dataset"]


class Dataset(UsersNames, OlderDataset, ServedDataset):
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
        size = verbs.changes.one_voxel_size(voxel_size, voxel_size_with_unit)
        options = OpenOptions(read_only=read_only, backends=registry.check_backends(backends or {}))
        self._show(
            verbs.changes.create_dataset(
                storage.locate(dataset_path), size, name, exist_ok=exist_ok, options=options
            )
        )

    def _show(self, state: DatasetState) -> None:
        self.state = state
        self._layers: dict[int, Layer] = {}

    @classmethod
    def of(cls, state: DatasetState) -> Self:
        """Show a dataset that was opened or made as a state, as the class that its service brings, if it has one."""
        kind = cls
        if state.shown_as and cls is Dataset:
            kind = resolve(state.shown_as)
        dataset = kind.__new__(kind)
        dataset._show(state)
        return dataset

    @classmethod
    def _of(cls, source: DatasetSource) -> Self:
        """Show what a service has answered; for subclasses that a plugin brings."""
        return cls.of(DatasetState.of(source))

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

        Only its properties file is read. A zip archive of a dataset is read like its folder; of URLs that a plugin's
        service answers for, the service gives the dataset, of a class of its own. `allow_incomplete` lets
        mags be read that an unfinished job has marked. `backends` maps storage formats to implementations, as
        `[backends]` in a configuration file does, and wins over it.
        """
        options = OpenOptions(
            read_only=read_only,
            allow_incomplete=allow_incomplete,
            backends=registry.check_backends(backends or {}),
        )
        return cls.of(DatasetState.open(dataset_path, options))

    @classmethod
    def explore(cls, place: str | os.PathLike[str], *, importer: str | None = None) -> Exploration[Self]:
        """Say what layers are at a place, without copying them: `print(Dataset.explore(url))`.

        place: the URL or path of an OME-Zarr, N5 or precomputed container, a bare array, a dataset, or one of its
        layers; of a file of their metadata; a link of a viewer that shows such data, or a file with its state as JSON.
        importer: the one to take; links also name it ("n5://https://host/em", "https://host/em|n5:").
        `open` and `create_dataset` of what it gives make a dataset that reads the voxels where they lie.
        MissingError (a FileNotFoundError), UnsupportedImageFormatError for what nobody knows, UnsupportedOperationError
        if none of it can be a layer.
        """
        return verbs.explored.Exploration(verbs.exploring.explore(place, importer=importer), cls.of)

    # --- facts --------------------------------------------------------------------------------------------

    @property
    def location(self) -> Location:
        """The place of the dataset's folder, as `wkplug.storage` knows it."""
        return self.state.location

    @property
    def path(self) -> pathlib.Path:
        """The path of the dataset's folder; a UPath where it isn't local."""
        return to_path(self.state.location)

    @property
    def resolved_path(self) -> pathlib.Path:
        """The path with links resolved."""
        return self.path.resolve()

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self.state.read_only

    @property
    def name(self) -> str:
        """The name, the folder's by default; saved when set."""
        return self.state.name

    @name.setter
    def name(self, name: str) -> None:
        recorded = {**self.state.store.dataset.id, "name": name}
        verbs.changes.set_dataset_key(self.state, "id", recorded, "its name")

    @property
    def voxel_size(self) -> Vec3Float:
        """The size of a voxel along x, y, z in nanometres."""
        return self.state.voxel_size

    @property
    def voxel_size_with_unit(self) -> VoxelSize:
        """The size of a voxel as stored, with its unit."""
        return self.state.store.dataset.scale

    @property
    def default_view_configuration(self) -> DatasetViewConfiguration | None:
        """How viewers show the dataset at first, None if that was never set."""
        return self.state.store.dataset.default_view_configuration

    @default_view_configuration.setter
    def default_view_configuration(self, value: DatasetViewConfiguration | None) -> None:
        verbs.changes.set_dataset_key(self.state, "defaultViewConfiguration", value, "its view configuration")

    def update(self) -> AbstractContextManager[object]:
        """Bundle changes: `with dataset.update(): ...` takes the lock once and writes the properties file once.

        Either all changes of the block are saved or, if it raises, none.
        """
        return self.state.update()

    # --- layers -------------------------------------------------------------------------------------------

    @property
    def layers(self) -> Mapping[str, Layer]:
        """All layers by name, in the file's order; one that the file describes wrongly raises when it is taken out."""
        return _Layers(self)

    def _layer(self, state: LayerState) -> Layer:
        layer = self._layers.get(id(state))
        if layer is None:
            kind = self.layer_class(state.category)
            layer = self._layers[id(state)] = kind(self, state.properties, state.read_only)
        return layer

    def layer_class(self, category: str) -> type[Layer]:
        """The class that shows the layers of a category; for subclasses that a plugin brings."""
        return SegmentationLayer if category == "segmentation" else Layer

    def get_layer(self, layer_name: str) -> Layer:
        """Give a layer; LayerNotFoundError (an IndexError) if there is none of that name."""
        return self._layer(self.state.layer(layer_name))

    def get_color_layers(self) -> list[Layer]:
        """Give all color layers, in the file's order."""
        return [self.get_layer(name) for name in _names_of(self.state, "color")]

    def get_segmentation_layers(self) -> list[SegmentationLayer]:
        """Give all segmentation layers, in the file's order."""
        return [
            self.get_layer(name).as_segmentation_layer() for name in _names_of(self.state, "segmentation")
        ]

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
        category: Category,
        *,
        dtype: Any = None,
        dtype_per_channel: Any = None,
        num_channels: int | None = None,
        data_format: FormatName | None = None,
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
        request = verbs.changes.LayerRequest(
            category, _one_dtype(dtype, dtype_per_channel), num_channels, data_format, bounding_box,
            largest_segment_id, mappings,
        )  # fmt: skip
        return self._layer(verbs.changes.add_layer(self.state, layer_name, request))

    @older(**ADDING_LAYERS)
    def get_or_add_layer(
        self,
        layer_name: str,
        category: Category,
        *,
        dtype: Any = None,
        dtype_per_channel: Any = None,
        num_channels: int | None = None,
        data_format: FormatName | None = None,
        **further: Any,
    ) -> Layer:
        """Give the layer, added if need be; LayerMismatchError (an AssertionError) if it differs from what is asked.

        An existing layer's data format is not compared. `further` are `add_layer`'s other parameters.
        """
        for unknown in further.keys() - {"bounding_box", "largest_segment_id", "mappings"}:
            raise TypeError(f"get_or_add_layer() got an unexpected keyword argument {unknown!r}")
        request = verbs.changes.LayerRequest(
            category, _one_dtype(dtype, dtype_per_channel), num_channels, data_format, **further
        )
        return self._layer(verbs.changes.get_or_add_layer(self.state, layer_name, request))

    def delete_layer(self, layer_name: str) -> None:
        """Take a layer off the list and delete its folder; of links only the link, of foreign mags nothing."""
        verbs.changes.delete_layer(self.state.layer(layer_name))

    # --- images and pyramids ------------------------------------------------------------------------------

    @property
    def import_report(self) -> ImportReport | None:
        """What was left out, filled, guessed ... of the images that were imported with this object; None without any.

        Its `notes` are sentences with numbers, each once; `print` shows them. They are not stored with the dataset:
        `to_json()` gives what a script may keep.
        """
        report: ImportReport | None = self.state.import_report
        return report

    @classmethod
    def from_images(
        cls,
        input_path: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        voxel_size: Vec3FloatLike | Sequence[float | None] | None = None,
        name: str | None = None,
        *,
        map_filepath_to_layer_name: ConversionLayerMapping
        | LayerMapping
        | Callable[[Any], str] = "inspect_single_file",
        z_slices_sort_key: Callable[[Any], Any] | None = None,
        voxel_size_with_unit: VoxelSize | None = None,
        layer_name: str | None = None,
        layer_category: Category | None = None,
        data_format: FormatName | None = None,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        chunks_per_shard: VecIntLike | int | None = None,
        compress: bool | Mapping[str, Any] = True,
        swap_xy: bool = False,
        flip_x: bool = False,
        flip_y: bool = False,
        flip_z: bool = False,
        dtype: Any = None,
        max_layers: int = 20,
        batch_size: int | None = None,
        executor: AnyExecutor = None,
        reader: str | None = None,
        use_bioformats: bool | None = None,
        missing_slices: MissingSlices = "error",
        memory: int | str | None = None,
        importer: str | None = None,
        scene: int | str | None = None,
        pyramid: bool = False,
        keep_transformation: bool = False,
        channel: int | None = None,
        timepoint: int | None = None,
    ) -> Dataset:
        """Make a dataset of an image file, of those of a folder, or of a container of another tool.

        input_path: also a pattern ("sections/*.tif") or a zip archive of images or of a container.
        voxel_size: nanometres along x, y, z; or voxel_size_with_unit.
        map_filepath_to_layer_name: how files become layers, see `ConversionLayerMapping`; or a function from a
            path (relative to the input) to a name. Files of one layer are its sections along z.
        z_slices_sort_key: the order of sections, as of `sorted`; by default that of the places or numbers that files
            say, or else the natural order of their names (2 before 10).
        layer_category: "color" or "segmentation"; if left out, what a container says, or else the path decides: with
            "segmentation" or "labels" in it, it is a segmentation.
        dtype: converts the values as they are, without scaling; those that it can't hold are an error.
        swap_xy: exchange rows and columns; flip_x, flip_y, flip_z: then reverse that axis of the layer.
        batch_size: how many sections are held at once; chosen by the memory if left out.
        executor: where the work runs, threads by default. memory: what the process may take, such as "2GB"; 1 GB by
            default, or half of the machine's if that is less.
        reader: the name of the image reader to use; use_bioformats: True for Bio-Formats, False for never.
        missing_slices: what to do where a number is missing in the names of sections: "error", "fill" (zeros), or
            "close" (as if there was no gap).

        importer: the name of the importer of containers (OME-Zarr, N5, ...) to use, found by the contents if left out.
            Layers of a container keep names, categories, channels' names and colours, and their place.
        scene: which of the images that a file holds: a name, a number from 0, or "all" for a layer of each; the first
            if left out, and the others are told. Of a container, which layer; all if left out.
        pyramid: whether to make the coarser mags that `downsample()` would make, too: in the same pass, as far as the
            memory allows it.
        channel, timepoint: take just one of each file, counted from 0.

        keep_transformation: keep where files say that they lie in a space of their own (turned, mirrored, sheared ...)
            as the layers' coordinate transformation; voxels are as they are stored in any case.

        x are the columns and y the rows of the images. An import that was stopped
        goes on where it was when it is called again with the same arguments.
        """
        made = verbs.images.from_images(
            input_path,
            output_path,
            verbs.images.DatasetOptions(
                name=name,
                voxel_size=voxel_size,
                voxel_size_with_unit=voxel_size_with_unit,
                layer_name=layer_name,
                layer_category=layer_category,
            ),
            input_options=verbs.images.InputOptions(
                map_filepath_to_layer_name=map_filepath_to_layer_name,
                z_slices_sort_key=z_slices_sort_key,
                reader=reader,
                use_bioformats=use_bioformats,
                missing_slices=missing_slices,
                importer=importer,
                scene=scene,
            ),
            options=verbs.images.ImportOptions(
                data_format=data_format,
                chunk_shape=chunk_shape,
                shard_shape=shard_shape,
                chunks_per_shard=chunks_per_shard,
                compress=compress,
                swap_xy=swap_xy,
                flip_x=flip_x,
                flip_y=flip_y,
                flip_z=flip_z,
                dtype=dtype,
                max_layers=max_layers,
                batch_size=batch_size,
                memory=memory,
                pyramid=pyramid,
                keep_transformation=keep_transformation,
                channel=channel,
                timepoint=timepoint,
            ),
            executor=executor,
        )
        return cls.of(made)

    @older(**IMPORTING)
    def add_layer_from_images(
        self,
        images: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Any,
        layer_name: str,
        category: Category | None = "color",
        *,
        data_format: FormatName | None = None,
        mag: MagLike = 1,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        chunks_per_shard: VecIntLike | int | None = None,
        compress: bool | Mapping[str, Any] = True,
        topleft: Vec3IntLike | VecIntLike = (0, 0, 0),
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
        missing_slices: MissingSlices = "error",
        memory: int | str | None = None,
        importer: str | None = None,
        scene: int | str | None = None,
        pyramid: bool = False,
        keep_transformation: bool = False,
    ) -> Layer:
        """Add a layer from an image file, a folder, a container, a glob text, or a list of files in their order.

        images may also be an opened `pims.FramesSequence`. category: None lets the path decide. mag: what the images
            are, their box is that much larger.
        topleft: where the layer begins, in Mag(1) voxels along x, y and z; along all of its axes, or with names (a
            VecInt), for files with time points.
        dtype: as of `from_images`. channel: takes just one; czi_channel: the same of a file's own
        channel axis, so that colours in it are left. timepoint: takes just one. scale: a coarser resolution that
        the file holds, 0 is the finest. allow_multiple_layers: channels that are no colours become layers of their
        own, called NAME__channelN, and containers or scene="all" may give several; gives the first one then.
        Other parameters as in `from_images`.
        """
        made = verbs.images.add_layer_from_images(
            self.state,
            images,
            layer_name,
            category,
            input_options=verbs.images.InputOptions(
                reader=reader,
                use_bioformats=use_bioformats,
                missing_slices=missing_slices,
                importer=importer,
                scene=scene,
            ),
            options=verbs.images.ImportOptions(
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
                timepoint=timepoint,
                memory=memory,
                pyramid=pyramid,
                keep_transformation=keep_transformation,
            ),
            executor=executor,
        )
        return self._layer(made)

    @older(**DOWNSAMPLING["downsample_dataset"])
    def downsample(
        self,
        *,
        sampling_mode: SamplingMode | SamplingModes = "anisotropic",
        coarsest_mag: MagLike | None = None,
        interpolation_mode: Mode = "default",
        compress: bool = True,
        memory: int | str | None = None,
        executor: AnyExecutor = None,
    ) -> None:
        """Downsample every layer that has mags; see `Layer.downsample`."""
        verbs.downsampling.downsample_dataset(
            self.state,
            verbs.sampling.PyramidOptions(
                sampling_mode=sampling_mode,
                coarsest_mag=coarsest_mag,
                interpolation_mode=interpolation_mode,
                compress=compress,
                memory=memory,
            ),
            executor=executor,
        )

    # --- copies and references ----------------------------------------------------------------------------

    def add_layer_like(self, other_layer: Layer, layer_name: str) -> Layer:
        """Add a layer that is described as another is: box, dtype, format, view configuration, transformations.

        Without mags and attachments. Nothing is shared with the other layer. LayerExistsError (an IndexError),
        LayerNameError (a ValueError).
        """
        made = verbs.layer_copying.add_layer_like(self.state, other_layer.state, layer_name)
        return self._layer(made)

    def add_layer_as_copy(
        self,
        foreign_layer: Layer | str | os.PathLike[str],
        new_layer_name: str | None = None,
        *,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        chunks_per_shard: VecIntLike | int | None = None,
        data_format: FormatName | None = None,
        compress: Any = None,
        exists_ok: bool = False,
        executor: AnyExecutor = None,
        with_attachments: bool = True,
        bounding_box: NDBoundingBox | None = None,
    ) -> Layer:
        """Copy a layer, or the one at `<dataset>/<layer>`, with its mags, attachments and other files.

        Storage parameters as of `Layer.add_mag_as_copy`; data_format: another format for the copy.
        exists_ok: copy into the layer that is there; what it has and the source lacks stays.
        LayerExistsError (an IndexError) without, unless the same call, killed, has left it: then it goes on.
        bounding_box: only this part, x, y, z in Mag(1) voxels; it stays in its place, and coarser mags are copied as
        far as they cover it.
        Read-only mags of the source become mags of its own here.
        """
        made = verbs.layer_copying.add_layer_as_copy(
            self.state,
            state_of(foreign_layer),
            new_layer_name,
            request=verbs.mag_copying.CopyOptions(
                chunk_shape=chunk_shape,
                shard_shape=shard_shape,
                chunks_per_shard=chunks_per_shard,
                compress=compress,
            ),
            data_format=data_format,
            exists_ok=exists_ok,
            executor=executor,
            with_attachments=with_attachments,
            bounding_box=bounding_box,
        )
        return self._layer(made)

    def add_layer_as_ref(
        self,
        foreign_layer: Layer | str | os.PathLike[str],
        new_layer_name: str | None = None,
        *,
        category: Category | None = None,
        scene: int | str | None = None,
        importer: str | None = None,
    ) -> Layer:
        """List a layer whose files stay where they are; nothing is made on disk.

        foreign_layer: of another dataset, or its path `<dataset>/<layer>`; or the URL or path of what another tool has
        written, in all forms of `Dataset.explore`. category, importer: as of imports, for what other tools have
        written. scene: the name of the layer, where there are several.
        Its mags are read-only here; the layer itself isn't: it may get mags of its own, and another box.
        InvalidArgumentError (an AssertionError) for a layer of this dataset, or voxels that are no mag of the
        dataset's; LayerExistsError (an IndexError); UnsupportedOperationError for what has to be copied to be read.
        """
        made = verbs.exploring.add_reference(
            self.state,
            state_of(foreign_layer),
            new_layer_name,
            category=category,
            scene=scene,
            importer=importer,
        )
        return self._layer(made)

    @older(**LISTING_LAYERS)
    def add_layer_for_existing_files(
        self,
        layer_name: str,
        category: Category,
        *,
        dtype: Any = None,
        dtype_per_channel: Any = None,
        num_channels: int | None = None,
        data_format: FormatName | None = None,
        bounding_box: NDBoundingBox | None = None,
        largest_segment_id: int | None = None,
        mappings: Sequence[str] | None = None,
    ) -> Layer:
        """List a layer whose folder is there already, with all mags in it.

        Format, dtype and channels are those of the arrays, the box (Mag(1) voxels) is the hull of what is stored
        in the finest mag, rounded up to shards, where they aren't given. MissingError (a FileNotFoundError) if
        there is no folder; an AssertionError if the layer is listed or there is no array.
        """
        made = verbs.existing.add_layer_for_existing_files(
            self.state,
            layer_name,
            category,
            dtype=dtype if dtype_per_channel is None else dtype_per_channel,
            num_channels=num_channels,
            data_format=data_format,
            bounding_box=bounding_box,
            largest_segment_id=largest_segment_id,
            mappings=mappings,
        )
        return self._layer(made)

    def write_layer(
        self,
        layer_name: str,
        category: Category,
        data: ArrayLike,
        *,
        data_format: FormatName | None = None,
        downsample: bool = True,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        chunks_per_shard: VecIntLike | int | None = None,
        axes: Sequence[str] | None = None,
        absolute_offset: VecIntLike | None = None,
        mag: MagLike = 1,
    ) -> Layer:
        """Add a layer that holds an array, and its coarser mags.

        data: (x, y), (x, y, z) or (c, x, y, z); anything else with `axes`, one name per dimension.
        absolute_offset: Mag(1) voxels, x, y, z or one per axis but the channels. mag: what the voxels are.
        InvalidArgumentError (a ValueError) for a shape without axes that needs them.
        """
        made = verbs.existing.write_layer(
            self.state,
            layer_name,
            category,
            data,
            data_format=data_format,
            downsample=downsample,
            layout=LayoutRequest(chunk_shape, shard_shape, chunks_per_shard),
            axes=axes,
            absolute_offset=absolute_offset,
            mag=mag,
        )
        return self._layer(made)

    @older(**COPYING)
    def copy_dataset(
        self,
        new_dataset_path: str | os.PathLike[str],
        *,
        voxel_size: Vec3FloatLike | None = None,
        chunk_shape: VecIntLike | int | None = None,
        shard_shape: VecIntLike | int | None = None,
        chunks_per_shard: VecIntLike | int | None = None,
        data_format: FormatName | None = None,
        compress: Any = None,
        exists_ok: bool = False,
        executor: AnyExecutor = None,
        voxel_size_with_unit: VoxelSize | None = None,
        layers_to_ignore: Iterable[str] | None = None,
        bounding_box: NDBoundingBox | None = None,
        mags: Iterable[MagLike] | None = None,
    ) -> Dataset:
        """Copy the dataset, under the name of the new folder; see `add_layer_as_copy` for the parameters.

        mags: only these of each layer, as far as it has them.

        DatasetExistsError (a RuntimeError) if there is one, unless it is what a killed call like this has left: then
        it goes on. exists_ok: copy into any dataset that is there. IncompleteMagError (a RuntimeError) if this one is
        what a copy or an import has left unfinished, and wasn't opened with `allow_incomplete`.
        """
        made = verbs.dataset_copying.copy_dataset(
            self.state,
            new_dataset_path,
            voxel_size=voxel_size,
            voxel_size_with_unit=voxel_size_with_unit,
            request=verbs.mag_copying.CopyOptions(
                chunk_shape=chunk_shape,
                shard_shape=shard_shape,
                chunks_per_shard=chunks_per_shard,
                compress=compress,
                mags=None if mags is None else tuple(Mag(mag) for mag in mags),
            ),
            data_format=data_format,
            exists_ok=exists_ok,
            executor=executor,
            layers_to_ignore=layers_to_ignore,
            bounding_box=bounding_box,
        )
        return Dataset.of(made)

    def shallow_copy_dataset(
        self,
        new_dataset_path: str | os.PathLike[str],
        *,
        name: str | None = None,
        layers_to_ignore: Iterable[str] | None = None,
        make_relative: bool | None = None,
    ) -> Dataset:
        """Make a dataset of references to all layers; what else is in their folders (mappings) is linked.

        name: this dataset's if left out. make_relative: record paths relative to the new dataset.
        What can't be linked, as on object stores, is said in a warning.
        """
        made = verbs.dataset_copying.shallow_copy_dataset(
            self.state,
            new_dataset_path,
            name=name,
            layers_to_ignore=layers_to_ignore,
            make_relative=bool(make_relative),
        )
        return Dataset.of(made)

    @older(**COMPRESSING_ALL)
    def compress(self, *, executor: AnyExecutor = None) -> None:
        """Compress all mags that aren't compressed, in place; see `MagView.compress`. Read-only ones are skipped."""
        verbs.rechunking.compress_dataset(self.state, executor=executor)

    def view(self, *, layers: Iterable[str] | None = None, browser: bool | None = None) -> Any:
        """Look at the dataset, through the viewer that is installed (wkplug-server brings Neuroglancer).

        Gives an object with the link as `url`, which a notebook shows as a frame. layers: names, all by default.
        browser: whether the link is opened in one; by default where there is one, outside of notebooks.
        PluginMissingError if no viewer is installed.
        """
        return registry.viewer().show(self, layers=tuple(layers or ()), browser=browser)

    # --- being an object ----------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Dataset):
            return NotImplemented
        return self.state == other.state

    def __hash__(self) -> int:
        return hash(self.state)

    def __repr__(self) -> str:
        return redacted(f"{type(self).__name__}({self.path!r})")

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self).of, (self.state,))


def _one_dtype(dtype: Any, dtype_per_channel: Any) -> Any:
    """Give the dtype by its name of today or of old."""
    if dtype is not None and dtype_per_channel is not None:
        raise ArgumentConflictError(
            "Both dtype and dtype_per_channel were given.", hint="Give dtype, the dtype of one channel."
        )
    if dtype_per_channel is not None:
        deprecated("dtype_per_channel", "dtype")
        return dtype_per_channel
    return dtype


_open = open_again  # pickles of earlier releases call it


def _names_of(dataset: DatasetState, category: str) -> list[str]:
    """The layers of a category, and those that don't tell theirs, which raise when they are asked for."""
    names = []
    for name in dataset.layer_names:
        raw = dataset.store.raw_layer(name)
        known = raw.get("category") if isinstance(raw, dict) else None
        if known == category or known not in ("color", "segmentation"):
            names.append(name)
    return names


class _Layers(Mapping[str, Layer]):
    """The layers of a dataset as it is now; each is made when it is taken out."""

    __slots__ = ("_dataset", "_names")

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._names = dict.fromkeys(dataset.state.layer_names)

    def __getitem__(self, name: str) -> Layer:
        if name not in self._names:
            raise KeyError(name)
        return self._dataset.get_layer(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Give a layer, or `default` if there is none of that name."""
        # The mapping's own would take what is wrong with a layer for its absence.
        return self[name] if name in self else default  # noqa: SIM401 - see above

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        store = self._dataset.state.store
        shown = {name: store.layer_problem(name) or self[name] for name in self._names}
        return repr(shown)
