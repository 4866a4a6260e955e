"""The names that parameters take, as types: a type checker finds "colour" and "medain".

A type that accepts any text beside its own accepts a slip, too. So closed lists are literals, and open ones are
literals with a way to name what a plugin brings: `ModeName("trimmed")` for an interpolation mode, `DataFormat("npy")`
for a storage format, which is also checked when it is made. A plain `str` variable does as well when the code runs; a
type checker asks for one of these. Formats' own names are in `wkplug.dataset.legacy.formats`.
"""

from __future__ import annotations

from typing import Literal, NewType, TypeAlias

__all__ = ["Category", "LayerMapping", "MissingSlices", "Mode", "ModeName", "SamplingMode"]

Category: TypeAlias = Literal["color", "segmentation"]
"""What voxels are: brightness, or segment ids."""

SamplingMode: TypeAlias = Literal["anisotropic", "isotropic", "constant_z"]
"""How axes take turns in a pyramid."""

MissingSlices: TypeAlias = Literal["error", "fill", "close"]
"""What becomes of gaps in a series of files."""

LayerMapping: TypeAlias = Literal[
    "inspect_single_file",
    "inspect_every_file",
    "enforce_layer_per_file",
    "enforce_single_layer",
    "enforce_layer_per_folder",
    "enforce_layer_per_toplevel_folder",
]
"""How the files of a folder become layers: the values of `ConversionLayerMapping`."""

ModeName = NewType("ModeName", str)
"""The name of an interpolation mode that a plugin brings, or of one of several implementations ("median+numba")."""

Mode: TypeAlias = (
    Literal[
        "default", "median", "mode", "nearest", "bilinear", "bicubic", "mean", "min", "max", "median_unbiased",
        "mode_sparse",
    ]
    | ModeName
)  # fmt: skip
"""How the voxels of a block become one."""
