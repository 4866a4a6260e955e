"""The older names of the verbs that copy, link and refer to layers and mags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.dataset import verbs
from wkplug.dataset.legacy.parameters import executor_of
from wkplug.errors import InvalidArgumentError
from wkplug.geometry import Mag
from wkplug.model.states import state_of
from wkplug.notices import deprecated

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from wkplug.dataset.data_format import FormatName
    from wkplug.geometry import MagLike

__all__ = ["OlderCopyingDataset", "OlderCopyingLayer"]

# The booleans of this module could always be given by position.
# ruff: noqa: FBT001, FBT002


class OlderCopyingLayer:
    """The methods of layers that copy and link as they were once called; each warns."""

    def add_copy_mag(
        self: Any,
        foreign_mag_view_or_path: Any,
        extend_layer_bounding_box: bool = True,
        chunk_shape: Any = None,
        chunks_per_shard: Any = None,
        compress: Any = None,
        executor: Any = None,
        *,
        shard_shape: Any = None,
        exists_ok: bool = False,
        progress_desc: str | None = None,
    ) -> Any:
        """Deprecated: `add_mag_as_copy`."""
        deprecated("Layer.add_copy_mag", "Layer.add_mag_as_copy")
        return self.add_mag_as_copy(
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
        self: Any,
        foreign_mag_view_or_path: Any,
        extend_layer_bounding_box: bool = True,
    ) -> Any:
        """Deprecated: `add_mag_as_ref`."""
        deprecated("Layer.add_remote_mag", "Layer.add_mag_as_ref")
        return self.add_mag_as_ref(
            foreign_mag_view_or_path, extend_layer_bounding_box=extend_layer_bounding_box
        )

    def add_existing_remote_mag_view(
        self: Any, mag_view_maybe: Any | MagLike | str | os.PathLike[str]
    ) -> Any:
        """Deprecated: `add_mag_as_ref`; a mag (2, "2-2-1") means the array that lies in the layer's own folder."""
        deprecated("Layer.add_existing_remote_mag_view", "Layer.add_mag_as_ref")
        try:
            wanted: Mag | None = Mag(mag_view_maybe)  # type: ignore[arg-type]  # whatever it is
        except (TypeError, ValueError):
            wanted = None
        if wanted is not None:
            made = verbs.existing.add_mag_for_existing_files(self.state, wanted)
            return self._view(made)
        return self.add_mag_as_ref(mag_view_maybe, extend_layer_bounding_box=False)

    def add_symlink_mag(
        self: Any,
        foreign_mag_view_or_path: Any,
        make_relative: bool = False,
        extend_layer_bounding_box: bool = True,
    ) -> Any:
        """Deprecated: `add_mag_as_ref`. Links a mag's folder into the layer's; local ones only."""
        deprecated("Layer.add_symlink_mag", "Layer.add_mag_as_ref")
        made = verbs.mag_copying.add_mag(
            self.state,
            state_of(foreign_mag_view_or_path),
            verbs.mag_copying.Transfer.LINK,
            make_relative=make_relative,
            extend_layer_bounding_box=extend_layer_bounding_box,
        )
        return self._view(made)

    def add_fs_copy_mag(
        self: Any,
        foreign_mag_view_or_path: Any,
        extend_layer_bounding_box: bool = True,
        *,
        exists_ok: bool = False,
    ) -> Any:
        """Deprecated: `add_mag_as_copy`, which copies files where nothing changes."""
        deprecated("Layer.add_fs_copy_mag", "Layer.add_mag_as_copy")
        made = verbs.mag_copying.add_mag(
            self.state,
            state_of(foreign_mag_view_or_path),
            verbs.mag_copying.Transfer.FILES,
            exists_ok=exists_ok,
            extend_layer_bounding_box=extend_layer_bounding_box,
        )
        return self._view(made)

    def add_mag_from_zarrarray(
        self: Any,
        mag: MagLike,
        path: str | os.PathLike[str],
        move: bool = False,
        extend_layer_bounding_box: bool = True,
    ) -> Any:
        """`add_mag_from_array`, for layers in a Zarr format; InvalidArgumentError (a ValueError) for others."""
        layer = self
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
        self: Any,
        foreign_layer: Any,
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
    ) -> Any:
        """Deprecated: `add_layer_as_copy`."""
        deprecated("Dataset.add_copy_layer", "Dataset.add_layer_as_copy")
        return self.add_layer_as_copy(
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

    def add_remote_layer(self: Any, foreign_layer: Any, new_layer_name: str | None = None) -> Any:
        """Deprecated: `add_layer_as_ref`."""
        deprecated("Dataset.add_remote_layer", "Dataset.add_layer_as_ref")
        return self.add_layer_as_ref(foreign_layer, new_layer_name)

    def add_symlink_layer(
        self: Any,
        foreign_layer: Any,
        new_layer_name: str | bool | None = None,
        make_relative: str | bool | None = False,
    ) -> Any:
        """Deprecated: `add_layer_as_ref`. Links a layer's folder into the dataset's; local ones only.

        Name and make_relative are told apart by their types, because their order changed over the years.
        The layer is read-only here.
        """
        deprecated("Dataset.add_symlink_layer", "Dataset.add_layer_as_ref")
        if isinstance(new_layer_name, bool):
            new_layer_name, make_relative = (
                make_relative if isinstance(make_relative, str) else None,
                new_layer_name,
            )
        made = verbs.layer_copying.add_symlink_layer(
            self.state, state_of(foreign_layer), new_layer_name, make_relative=bool(make_relative)
        )
        return self._layer(made)

    def add_fs_copy_layer(self: Any, foreign_layer: Any, new_layer_name: str | None = None) -> Any:
        """Deprecated: `add_layer_as_copy`, which copies files where nothing changes."""
        deprecated("Dataset.add_fs_copy_layer", "Dataset.add_layer_as_copy")
        made = verbs.layer_copying.add_layer_as_copy(
            self.state,
            state_of(foreign_layer),
            new_layer_name,
            request=verbs.mag_copying.CopyOptions(files=True),
        )
        return self._layer(made)

    def fs_copy_dataset(
        self: Any,
        new_dataset_path: str | os.PathLike[str],
        *,
        exists_ok: bool = False,
        layers_to_ignore: Iterable[str] | None = None,
    ) -> Any:
        """Deprecated: `copy_dataset`, which copies files where nothing changes."""
        deprecated("Dataset.fs_copy_dataset", "Dataset.copy_dataset")
        made = verbs.dataset_copying.copy_dataset(
            self.state,
            new_dataset_path,
            request=verbs.mag_copying.CopyOptions(files=True),
            exists_ok=exists_ok,
            layers_to_ignore=layers_to_ignore,
        )
        return type(self).of(made)


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
