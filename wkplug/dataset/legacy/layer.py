"""The older names of layers' properties, and the older arguments of their methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.dataset.legacy.parameters import ARGS
from wkplug.notices import deprecated

if TYPE_CHECKING:
    import numpy as np


__all__ = ["ADDING_MAGS", "DOWNSAMPLING", "UPSAMPLING", "OlderLayer"]


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
