"""The methods of `Dataset` that copy layers and datasets, refer to them, or take in what is there already.

One-line delegations to `wkplug.ops`; `Dataset` inherits them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.dataset.legacy.copying import OlderCopyingDataset
from wkplug.dataset.legacy.datasets import COMPRESSING_ALL, COPYING, LISTING_LAYERS
from wkplug.dataset.legacy.parameters import older
from wkplug.dataset.parts import DatasetPart, part_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike

    from wkplug.dataset.dataset import Dataset
    from wkplug.dataset.execution import AnyExecutor
    from wkplug.dataset.layer import Layer
    from wkplug.dataset.legacy.formats import FormatName
    from wkplug.geometry import MagLike, NDBoundingBox, Vec3FloatLike, VecIntLike
    from wkplug.model.names import Category
    from wkplug.properties import VoxelSize

__all__ = ["DatasetCopying"]


@part_of("wkplug.dataset.dataset", "Dataset")
class DatasetCopying(DatasetPart, OlderCopyingDataset):
    """A base of `Dataset`."""

    def add_layer_like(self, other_layer: Layer, layer_name: str) -> Layer:
        """Add a layer that is described as another is: box, dtype, format, view configuration, transformations.

        Without mags and attachments. Nothing is shared with the other layer. LayerExistsError (an IndexError),
        LayerNameError (a ValueError).
        """
        from wkplug.ops.copying import layer_copying

        return layer_copying.add_layer_like(self._as_dataset(), other_layer, layer_name)

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
        from wkplug.ops.copying import layer_copying, mag_copying

        return layer_copying.add_layer_as_copy(
            self._as_dataset(),
            foreign_layer,
            new_layer_name,
            request=mag_copying.CopyRequest(
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

    def add_layer_as_ref(
        self, foreign_layer: Layer | str | os.PathLike[str], new_layer_name: str | None = None
    ) -> Layer:
        """List a layer of another dataset whose files stay where they are; nothing is made on disk.

        Its mags are read-only here; the layer itself isn't: it may get mags of its own, and another box.
        InvalidArgumentError (an AssertionError) for a layer of this dataset, LayerExistsError (an IndexError).
        """
        from wkplug.ops.copying import layer_copying

        return layer_copying.add_layer_as_ref(self._as_dataset(), foreign_layer, new_layer_name)

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
        from wkplug.ops.copying import existing

        return existing.add_layer_for_existing_files(
            self._as_dataset(),
            layer_name,
            category,
            dtype=dtype if dtype_per_channel is None else dtype_per_channel,
            num_channels=num_channels,
            data_format=data_format,
            bounding_box=bounding_box,
            largest_segment_id=largest_segment_id,
            mappings=mappings,
        )

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
        from wkplug.ops.copying import written

        return written.write_layer(
            self._as_dataset(),
            layer_name,
            category,
            data,
            data_format=data_format,
            downsample=downsample,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            chunks_per_shard=chunks_per_shard,
            axes=axes,
            absolute_offset=absolute_offset,
            mag=mag,
        )

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
    ) -> Dataset:
        """Copy the dataset, under the name of the new folder; see `add_layer_as_copy` for the parameters.

        DatasetExistsError (a RuntimeError) if there is one, unless it is what a killed call like this has left: then
        it goes on. exists_ok: copy into any dataset that is there. IncompleteMagError (a RuntimeError) if this one is
        what a copy or an import has left unfinished, and wasn't opened with `allow_incomplete`.
        """
        from wkplug.ops.copying import dataset_copying, mag_copying

        return dataset_copying.copy_dataset(
            self._as_dataset(),
            new_dataset_path,
            voxel_size=voxel_size,
            voxel_size_with_unit=voxel_size_with_unit,
            request=mag_copying.CopyRequest(
                chunk_shape=chunk_shape,
                shard_shape=shard_shape,
                chunks_per_shard=chunks_per_shard,
                compress=compress,
            ),
            data_format=data_format,
            exists_ok=exists_ok,
            executor=executor,
            layers_to_ignore=layers_to_ignore,
            bounding_box=bounding_box,
        )

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
        from wkplug.ops.copying import dataset_copying

        return dataset_copying.shallow_copy_dataset(
            self._as_dataset(),
            new_dataset_path,
            name=name,
            layers_to_ignore=layers_to_ignore,
            make_relative=bool(make_relative),
        )

    @older(**COMPRESSING_ALL)
    def compress(self, *, executor: AnyExecutor = None) -> None:
        """Compress all mags that aren't compressed, in place; see `MagView.compress`. Read-only ones are skipped."""
        from wkplug.ops.copying import rechunking

        rechunking.compress_dataset(self._as_dataset(), executor=executor)

    def check_writable(self, what: str) -> None:
        """Raise ReadOnlyError if the dataset may not be changed; `what` is what was to change."""
        self._as_dataset()._writable(what)
