"""The older names of the verbs that copy, link and refer to layers and mags.

Who calls it: `wkplug.dataset.layer_copying` and `wkplug.dataset.dataset_copying`, as base classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from wkplug.errors import InvalidArgumentError
from wkplug.notices import deprecated

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from wkplug.dataset.dataset import Dataset
    from wkplug.dataset.layer import Layer
    from wkplug.dataset.legacy.formats import FormatName
    from wkplug.dataset.mag_view import MagView
    from wkplug.geometry import MagLike

__all__ = ["OlderCopyingDataset", "OlderCopyingLayer"]

# The booleans of this module could always be given by position.
# ruff: noqa: FBT001, FBT002


class OlderCopyingLayer:
    """The methods of layers that copy and link as they were once called; each warns."""

    def add_copy_mag(
        self,
        foreign_mag_view_or_path: MagView | str | os.PathLike[str],
        extend_layer_bounding_box: bool = True,
        chunk_shape: Any = None,
        chunks_per_shard: Any = None,
        compress: Any = None,
        executor: Any = None,
        *,
        shard_shape: Any = None,
        exists_ok: bool = False,
        progress_desc: str | None = None,
    ) -> MagView:
        """Deprecated: `add_mag_as_copy`."""
        deprecated("Layer.add_copy_mag", "Layer.add_mag_as_copy")
        return _layer(self).add_mag_as_copy(
            foreign_mag_view_or_path,
            extend_layer_bounding_box=extend_layer_bounding_box,
            chunk_shape=chunk_shape,
            shard_shape=shard_shape,
            chunks_per_shard=chunks_per_shard,
            compress=compress,
            exists_ok=exists_ok,
            executor=executor,
            progress_desc=progress_desc,
        )

    def add_remote_mag(
        self,
        foreign_mag_view_or_path: MagView | str | os.PathLike[str],
        extend_layer_bounding_box: bool = True,
    ) -> MagView:
        """Deprecated: `add_mag_as_ref`."""
        deprecated("Layer.add_remote_mag", "Layer.add_mag_as_ref")
        return _layer(self).add_mag_as_ref(
            foreign_mag_view_or_path, extend_layer_bounding_box=extend_layer_bounding_box
        )

    def add_existing_remote_mag_view(
        self, mag_view_maybe: MagView | MagLike | str | os.PathLike[str]
    ) -> MagView:
        """Deprecated: `add_mag_as_ref`; a mag (2, "2-2-1") means the array that lies in the layer's own folder."""
        from wkplug.geometry import Mag
        from wkplug.ops.copying import existing

        deprecated("Layer.add_existing_remote_mag_view", "Layer.add_mag_as_ref")
        try:
            wanted: Mag | None = Mag(mag_view_maybe)  # type: ignore[arg-type]  # whatever it is
        except (TypeError, ValueError):
            wanted = None
        if wanted is not None:
            return existing.add_mag_for_existing_files(_layer(self), wanted)
        foreign = cast("MagView | str", mag_view_maybe)
        return _layer(self).add_mag_as_ref(foreign, extend_layer_bounding_box=False)

    def add_symlink_mag(
        self,
        foreign_mag_view_or_path: MagView | str | os.PathLike[str],
        make_relative: bool = False,
        extend_layer_bounding_box: bool = True,
    ) -> MagView:
        """Deprecated: `add_mag_as_ref`. Links a mag's folder into the layer's; local ones only."""
        from wkplug.ops.copying import mag_copying

        deprecated("Layer.add_symlink_mag", "Layer.add_mag_as_ref")
        return mag_copying.add_mag(
            _layer(self),
            foreign_mag_view_or_path,
            mag_copying.Transfer.LINK,
            make_relative=make_relative,
            extend_layer_bounding_box=extend_layer_bounding_box,
        )

    def add_fs_copy_mag(
        self,
        foreign_mag_view_or_path: MagView | str | os.PathLike[str],
        extend_layer_bounding_box: bool = True,
        *,
        exists_ok: bool = False,
    ) -> MagView:
        """Deprecated: `add_mag_as_copy`, which copies files where nothing changes."""
        from wkplug.ops.copying import mag_copying

        deprecated("Layer.add_fs_copy_mag", "Layer.add_mag_as_copy")
        return mag_copying.add_mag(
            _layer(self),
            foreign_mag_view_or_path,
            mag_copying.Transfer.FILES,
            exists_ok=exists_ok,
            extend_layer_bounding_box=extend_layer_bounding_box,
        )

    def add_mag_from_zarrarray(
        self,
        mag: MagLike,
        path: str | os.PathLike[str],
        move: bool = False,
        extend_layer_bounding_box: bool = True,
    ) -> MagView:
        """`add_mag_from_array`, for layers in a Zarr format; InvalidArgumentError (a ValueError) for others."""
        layer = _layer(self)
        if not layer.data_format.startswith("zarr"):
            raise InvalidArgumentError(
                f"The layer {layer.name!r} is stored as {layer.data_format}, not as Zarr.",
                hint="Use add_mag_from_array, which takes an array of the layer's own format.",
            )
        return layer.add_mag_from_array(
            mag, path, move=move, extend_layer_bounding_box=extend_layer_bounding_box
        )


class OlderCopyingDataset:
    """The methods of datasets that copy and link as they were once called; each warns."""

    def add_copy_layer(
        self,
        foreign_layer: Layer | str | os.PathLike[str],
        new_layer_name: str | None = None,
        chunk_shape: Any = None,
        chunks_per_shard: Any = None,
        *,
        shard_shape: Any = None,
        data_format: FormatName | None = None,
        compress: Any = None,
        exists_ok: bool = False,
        executor: Any = None,
        with_attachments: bool = True,
        chunk_size: Any = None,
        block_len: Any = None,
        file_len: Any = None,
        args: Any = None,
    ) -> Layer:
        """Deprecated: `add_layer_as_copy`."""
        from wkplug.dataset.legacy.namespaces import executor_of

        deprecated("Dataset.add_copy_layer", "Dataset.add_layer_as_copy")
        return _dataset(self).add_layer_as_copy(
            foreign_layer,
            new_layer_name,
            chunk_shape=_first(chunk_shape, chunk_size, block_len),
            shard_shape=shard_shape,
            chunks_per_shard=_first(chunks_per_shard, file_len),
            data_format=data_format,
            compress=compress,
            exists_ok=exists_ok,
            executor=executor_of(args) if executor is None and args is not None else executor,
            with_attachments=with_attachments,
        )

    def add_remote_layer(
        self, foreign_layer: Layer | str | os.PathLike[str], new_layer_name: str | None = None
    ) -> Layer:
        """Deprecated: `add_layer_as_ref`."""
        deprecated("Dataset.add_remote_layer", "Dataset.add_layer_as_ref")
        return _dataset(self).add_layer_as_ref(foreign_layer, new_layer_name)

    def add_symlink_layer(
        self,
        foreign_layer: Layer | str | os.PathLike[str],
        new_layer_name: str | bool | None = None,
        make_relative: str | bool | None = False,
    ) -> Layer:
        """Deprecated: `add_layer_as_ref`. Links a layer's folder into the dataset's; local ones only.

        Name and make_relative are told apart by their types, because their order changed over the years.
        The layer is read-only here.
        """
        from wkplug.ops.copying import layer_copying

        deprecated("Dataset.add_symlink_layer", "Dataset.add_layer_as_ref")
        if isinstance(new_layer_name, bool):
            new_layer_name, make_relative = (
                make_relative if isinstance(make_relative, str) else None,
                new_layer_name,
            )
        return layer_copying.add_symlink_layer(
            _dataset(self), foreign_layer, new_layer_name, make_relative=bool(make_relative)
        )

    def add_fs_copy_layer(
        self, foreign_layer: Layer | str | os.PathLike[str], new_layer_name: str | None = None
    ) -> Layer:
        """Deprecated: `add_layer_as_copy`, which copies files where nothing changes."""
        from wkplug.ops.copying import layer_copying, mag_copying

        deprecated("Dataset.add_fs_copy_layer", "Dataset.add_layer_as_copy")
        return layer_copying.add_layer_as_copy(
            _dataset(self), foreign_layer, new_layer_name, request=mag_copying.CopyRequest(files=True)
        )

    def fs_copy_dataset(
        self,
        new_dataset_path: str | os.PathLike[str],
        *,
        exists_ok: bool = False,
        layers_to_ignore: Iterable[str] | None = None,
    ) -> Dataset:
        """Deprecated: `copy_dataset`, which copies files where nothing changes."""
        from wkplug.ops.copying import dataset_copying, mag_copying

        deprecated("Dataset.fs_copy_dataset", "Dataset.copy_dataset")
        return dataset_copying.copy_dataset(
            _dataset(self),
            new_dataset_path,
            request=mag_copying.CopyRequest(files=True),
            exists_ok=exists_ok,
            layers_to_ignore=layers_to_ignore,
        )


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _layer(layer: OlderCopyingLayer) -> Layer:
    return cast("Layer", layer)


def _dataset(dataset: OlderCopyingDataset) -> Dataset:
    return cast("Dataset", dataset)
