"""The older names and arguments of datasets: `create`, `scale`, the only layer of a category."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self, cast

from wkplug import storage
from wkplug.dataset import verbs
from wkplug.dataset.legacy.parameters import ARGS, Call
from wkplug.errors import DatasetNotFoundError, OnlyLayerError, UnsupportedDtypeError
from wkplug.notices import deprecated
from wkplug.properties import PropertiesStore

if TYPE_CHECKING:
    import os

    from wkplug.geometry import Vec3Float, Vec3FloatLike
    from wkplug.ops.images import ConversionLayerMapping

__all__ = [
    "ADDING_LAYERS",
    "COMPRESSING_ALL",
    "CONSTRUCTING",
    "COPYING",
    "IMPORTING",
    "LISTING_LAYERS",
    "ONLY_SEGMENTATION",
    "OlderDataset",
]


class _NestedConversionLayerMapping:
    """Gives `wkplug.ConversionLayerMapping` where scripts know it: as an attribute of the class and its instances."""

    def __get__(self, instance: object, owner: type) -> type[ConversionLayerMapping]:
        return verbs.images.ConversionLayerMapping


class OlderDataset:
    """The properties and methods that datasets once had; each warns and names what to write instead."""

    ConversionLayerMapping = _NestedConversionLayerMapping()

    @classmethod
    def create(
        cls,
        dataset_path: str | os.PathLike[str],
        voxel_size: Vec3FloatLike | None = None,
        name: str | None = None,
        *,
        scale: Vec3FloatLike | None = None,
    ) -> Self:
        """Deprecated: the constructor; what is there already is a DatasetExistsError (a RuntimeError)."""
        deprecated("Dataset.create", "Dataset(path, voxel_size)")
        constructor: Any = cls
        return cast("Self", constructor(dataset_path, _either(voxel_size, scale, "create"), name))

    @classmethod
    def get_or_create(
        cls,
        dataset_path: str | os.PathLike[str],
        voxel_size: Vec3FloatLike | None = None,
        name: str | None = None,
        *,
        scale: Vec3FloatLike | None = None,
    ) -> Self:
        """Deprecated: the constructor with `exist_ok=True`."""
        deprecated("Dataset.get_or_create", "Dataset(path, voxel_size, exist_ok=True)")
        size = _either(voxel_size, scale, "get_or_create")
        constructor: Any = cls
        return cast("Self", constructor(dataset_path, size, name, exist_ok=True))

    @property
    def scale(self: Any) -> Vec3Float:
        """Deprecated: `voxel_size`."""
        deprecated("Dataset.scale", "Dataset.voxel_size")
        return self.voxel_size

    def get_color_layer(self: Any) -> Any:
        """Deprecated: `get_color_layers`. Gives the only color layer.

        OnlyLayerError (an IndexError and a RuntimeError) if there are several, or none.
        """
        deprecated("Dataset.get_color_layer()", "Dataset.get_color_layers()")
        return cast("Any", _only(self.get_color_layers(), "color"))


def _either(voxel_size: Any, scale: Any, method: str) -> Any:
    if scale is None:
        return voxel_size
    call = Call(f"Dataset.{method}", None, {"voxel_size": voxel_size})
    call.rename("scale", "voxel_size", scale)
    return call.arguments["voxel_size"]


def _only(layers: list[Any], category: str) -> Any:
    if len(layers) == 1:
        return layers[0]
    names = ", ".join(repr(layer.name) for layer in layers)
    raise OnlyLayerError(
        f"The dataset has {len(layers)} {category} layers{': ' + names if names else ''}; exactly one was expected.",
        hint=f"Use dataset.get_layer(name), or dataset.get_{category}_layers().",
    )


# --- the constructor --------------------------------------------------------------------------------------


def _only_a_path(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a dataset is asked for by nothing but its path, which once opened what is there."""
    return len(args) + len(kwargs) == 2 and (len(args) == 2 or "dataset_path" in kwargs)


def _open_what_is_there(call: Call) -> None:
    """Open what is there, as the constructor did when it had `scale`, and when it got nothing but a path."""
    only_a_path = call.arguments.keys() == {"dataset_path"}
    if not only_a_path and ("scale" not in call.arguments or "exist_ok" in call.arguments):
        return
    try:
        store = PropertiesStore.open(storage.locate(call.arguments["dataset_path"]))
    except DatasetNotFoundError:
        return
    if only_a_path:
        deprecated("Dataset(path)", "Dataset.open(path)")
        call.arguments.update(voxel_size_with_unit=store.dataset.scale)
    else:
        deprecated("Dataset(path, scale=...) of a dataset that exists", "exist_ok=True")
    call.arguments["exist_ok"] = True


CONSTRUCTING: dict[str, Any] = {
    "renamed": {"scale": "voxel_size"},
    "recognise": _only_a_path,
    "rewrite": _open_what_is_there,
}
"""How datasets were made: with `scale=`, or with nothing but the path of one that exists."""


# --- layers -----------------------------------------------------------------------------------------------


def _dtype_of_one_channel(call: Call) -> None:
    """Turn `dtype_per_layer`, whose bits are those of all channels, into the dtype of one channel."""
    value = call.take("dtype_per_layer")
    if value is None:
        return
    channels = call.arguments.get("num_channels") or 1
    text = getattr(value, "name", None) or getattr(value, "__name__", None) or str(value)
    parts = re.fullmatch(r"([a-z]+)(\d+)", text)
    if channels != 1 and parts:
        kind, bits = parts[1], int(parts[2])
        if bits % channels:
            raise UnsupportedDtypeError(
                f"dtype_per_layer is {text}, which {channels} channels can't share: {bits} bits are no multiple.",
                hint="Give dtype, the dtype of one channel.",
            )
        text = f"{kind}{bits // channels}"
    call.rename("dtype_per_layer", "dtype", text if parts else value, shown="dtype=... of one channel")


def _layer_without_a_layout(call: Call) -> None:
    """Leave out how the voxels are stored, which scripts told the layer and which is a matter of its mags."""
    for name, today in _LAYOUT.items():
        if call.take(name) is not None:
            deprecated(f"{call.method}({name}=...)", f"layer.add_mag(..., {today}=...)")
    _dtype_of_one_channel(call)


_LAYOUT = {
    "chunk_shape": "chunk_shape", "chunk_size": "chunk_shape", "block_len": "chunk_shape",
    "shard_shape": "shard_shape", "chunks_per_shard": "chunks_per_shard", "file_len": "chunks_per_shard",
    "compress": "compress",
}  # fmt: skip
"""What a layer was told of its mags -> what `add_mag` calls it."""

ADDING_LAYERS: dict[str, Any] = {
    "order": (
        "layer_name",
        "category",
        "dtype_per_layer",
        "dtype_per_channel",
        "num_channels",
        "data_format",
    ),
    "keywords": ("dtype_per_layer", *_LAYOUT),
    "rewrite": _layer_without_a_layout,
}
"""How `add_layer` and `get_or_add_layer` were called."""

LISTING_LAYERS: dict[str, Any] = {"keywords": ("dtype_per_layer",), "rewrite": _dtype_of_one_channel}
"""How `add_layer_for_existing_files` was called."""


def _no_name(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return len(args) == 1 and not kwargs


def _only_segmentation_layer(call: Call) -> None:
    deprecated("Dataset.get_segmentation_layer()", "Dataset.get_segmentation_layers()")
    call.arguments["layer_name"] = _only(call.target.get_segmentation_layers(), "segmentation").name


ONLY_SEGMENTATION: dict[str, Any] = {"recognise": _no_name, "rewrite": _only_segmentation_layer}
"""How `get_segmentation_layer` was called: without a name."""

COMPRESSING_ALL: dict[str, Any] = {"order": ("args", "executor"), "renamed": {"args": ARGS}}
"""How `compress` was called."""

COPYING: dict[str, Any] = {
    "order": ("new_dataset_path", "voxel_size", "chunk_shape", "chunks_per_shard", "compress"),
    "renamed": {
        "scale": "voxel_size",
        "chunk_size": "chunk_shape",
        "block_len": "chunk_shape",
        "file_len": "chunks_per_shard",
        "args": ARGS,
    },
}
"""How `copy_dataset` was called."""

IMPORTING: dict[str, Any] = {
    "renamed": {
        "chunk_size": "chunk_shape", "block_len": "chunk_shape", "file_len": "chunks_per_shard", "args": ARGS,
    },
}  # fmt: skip
"""How `from_images` and `add_layer_from_images` were called."""
