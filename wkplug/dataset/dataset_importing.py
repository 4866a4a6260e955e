"""The methods of `Dataset` that take in images, and the one that makes the pyramids of all layers.

One-line delegations to `wkplug.ops`; `Dataset` inherits them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.dataset.legacy.datasets import IMPORTING
from wkplug.dataset.legacy.layer import DOWNSAMPLING
from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.parts import DatasetPart, part_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from wkplug.dataset.dataset import Dataset
    from wkplug.dataset.execution import AnyExecutor
    from wkplug.dataset.layer import Layer
    from wkplug.dataset.legacy.formats import FormatName
    from wkplug.geometry import MagLike, Vec3FloatLike, Vec3IntLike, VecIntLike
    from wkplug.model.names import Category, LayerMapping, MissingSlices, Mode, SamplingMode
    from wkplug.ops.importing.files import ConversionLayerMapping
    from wkplug.ops.importing.report import ImportReport
    from wkplug.ops.pyramids.sampling import SamplingModes
    from wkplug.properties import VoxelSize

__all__ = ["DatasetImporting"]


@part_of("wkplug.dataset.dataset", "Dataset")
class DatasetImporting(DatasetPart):
    """A base of `Dataset`."""

    _import_report: ImportReport | None = None

    @property
    def import_report(self) -> ImportReport | None:
        """What was left out, filled, guessed ... of the images that were imported with this object; None without any.

        Its `notes` are sentences with numbers, each once; `print` shows them. They are not stored with the dataset:
        `to_json()` gives what a script may keep.
        """
        return self._import_report

    @import_report.setter
    def import_report(self, report: ImportReport | None) -> None:
        self._import_report = report

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
            dtype=dtype,
            max_layers=max_layers,
            batch_size=batch_size,
            executor=executor,
            reader=reader,
            use_bioformats=use_bioformats,
            missing_slices=missing_slices,
            memory=memory,
            importer=importer,
            scene=scene,
            pyramid=pyramid,
            keep_transformation=keep_transformation,
            channel=channel,
            timepoint=timepoint,
        )

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
        from wkplug.ops import images as importing

        return importing.add_layer_from_images(
            self._as_dataset(),
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
            importer=importer,
            scene=scene,
            pyramid=pyramid,
            keep_transformation=keep_transformation,
        )

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
        from wkplug.ops.pyramids import downsampling

        downsampling.downsample_dataset(
            self._as_dataset(),
            sampling_mode=sampling_mode,
            coarsest_mag=coarsest_mag,
            interpolation_mode=interpolation_mode,
            compress=compress,
            memory=memory,
            executor=executor,
        )
