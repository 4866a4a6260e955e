"""The older names of layers' properties and methods, and the older arguments of their methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.dataset import verbs
from wkplug.dataset.legacy.parameters import ARGS
from wkplug.errors import InvalidArgumentError
from wkplug.geometry import Mag
from wkplug.model.states import state_of
from wkplug.notices import deprecated

if TYPE_CHECKING:
    import os

    import numpy as np

    from wkplug.geometry import MagLike


__all__ = ["ADDING_MAGS", "DOWNSAMPLING", "UPSAMPLING", "OlderLayer"]

# The booleans of this module could always be given by position.
# ruff: noqa: FBT001, FBT002


class OlderLayer:
    """The properties and methods that layers once had; each warns and names what to write instead."""

    @property
    def dtype_per_channel(self: Any) -> np.dtype[Any]:
        """Deprecated: `dtype`."""
        deprecated("Layer.dtype_per_channel", "Layer.dtype")
        return self.dtype

    @property
    def dtype_per_layer(self: Any) -> str:
        """Deprecated: the dtype with the bits of all channels, "uint24" for three channels of uint8."""
        deprecated("Layer.dtype_per_layer", "Layer.dtype")
        name: str = self.dtype.name
        kind = name.rstrip("0123456789")
        return f"{kind}{int(name[len(kind) :]) * self.num_channels}"

    @property
    def is_remote_to_dataset(self: Any) -> bool:
        """Deprecated: `is_foreign`."""
        deprecated("Layer.is_remote_to_dataset", "Layer.is_foreign")
        return self.is_foreign

    def get_best_mag(self: Any) -> Any:
        """Deprecated: `get_finest_mag`."""
        deprecated("Layer.get_best_mag()", "Layer.get_finest_mag()")
        return self.get_finest_mag()

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


ADDING_MAGS: dict[str, Any] = {
    "order": ("mag", "chunk_shape", "chunks_per_shard", "compress"),
    "renamed": {"chunk_size": "chunk_shape", "block_len": "chunk_shape", "file_len": "chunks_per_shard"},
}
"""How `add_mag` and `get_or_add_mag` were called."""

_DOWN = ("interpolation_mode", "compress")
_TAIL = ("args", "allow_overwrite")

DOWNSAMPLING: dict[str, dict[str, Any]] = {
    "downsample": {
        "order": (
            "from_mag", "coarsest_mag", *_DOWN, "sampling_mode", "align_with_other_layers", "buffer_shape",
            "force_sampling_scheme", *_TAIL, "only_setup_mags", "executor",
        ),
        "renamed": {"args": ARGS, "max_mag": "coarsest_mag"},
    },
    "downsample_mag": {
        "order": ("from_mag", "target_mag", *_DOWN, "buffer_shape", *_TAIL, "only_setup_mag", "executor"),
        "renamed": {"args": ARGS},
    },
    "downsample_mag_list": {
        "order": ("from_mag", "target_mags", *_DOWN, "buffer_shape", *_TAIL, "only_setup_mags", "executor"),
        "renamed": {"args": ARGS},
    },
    "redownsample": {
        "order": (*_DOWN, "buffer_shape", "args", "executor"),
        "renamed": {"args": ARGS},
    },
    "downsample_dataset": {
        "order": ("sampling_mode", "coarsest_mag", "interpolation_mode", "compress", "executor"),
        "renamed": {"args": ARGS, "max_mag": "coarsest_mag"},
    },
}  # fmt: skip
"""How the methods that make coarser mags were called."""

UPSAMPLING: dict[str, Any] = {
    "order": (
        "from_mag", "finest_mag", "compress", "sampling_mode", "align_with_other_layers", "buffer_shape",
        "buffer_edge_len", "args", "executor",
    ),
    "renamed": {"args": ARGS, "min_mag": "finest_mag", "buffer_edge_len": "buffer_shape"},
}  # fmt: skip
"""How `upsample` was called."""
