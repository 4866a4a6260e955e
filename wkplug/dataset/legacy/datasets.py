"""The older names and arguments of datasets: `create`, `scale`, the only layer of a category, copies and links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self, cast

from wkplug import storage
from wkplug.dataset import verbs
from wkplug.dataset.legacy.parameters import ARGS, Call, executor_of
from wkplug.errors import DatasetNotFoundError, OnlyLayerError, UnsupportedDtypeError
from wkplug.model.states import state_of
from wkplug.notices import deprecated
from wkplug.properties import PropertiesStore

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from wkplug.dataset.data_format import FormatName
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

# The booleans of copies could always be given by position.
# ruff: noqa: FBT001, FBT002


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
        made = verbs.layer_copying.add_layer_as_ref(
            self.state,
            state_of(foreign_layer),
            new_layer_name,
            make_relative=bool(make_relative),
            symlink=True,
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


def _either(voxel_size: Any, scale: Any, method: str) -> Any:
    if scale is None:
        return voxel_size
    call = Call(f"Dataset.{method}", None, {"voxel_size": voxel_size})
    call.rename("scale", "voxel_size", scale)
    return call.arguments["voxel_size"]


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


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
