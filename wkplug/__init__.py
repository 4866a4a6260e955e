"""wkplug: one Dataset API over any storage, for volumetric images.

`import wkplug as wk` loads nothing but this file. Names are imported when they are first used (PEP 562):
those of the table below from their own modules, any other from the remote plugins that export it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wkplug.config import settings as settings
    from wkplug.dataset import ArrayInfo as ArrayInfo
    from wkplug.dataset import DataFormat as DataFormat
    from wkplug.dataset import Dataset as Dataset
    from wkplug.dataset import Layer as Layer
    from wkplug.dataset import MagView as MagView
    from wkplug.dataset import SegmentationLayer as SegmentationLayer
    from wkplug.dataset import View as View
    from wkplug.errors import *  # noqa: F403 - every error is public
    from wkplug.geometry import *  # noqa: F403 - every name of the geometry is public
    from wkplug.model.names import ModeName as ModeName
    from wkplug.properties import *  # noqa: F403 - every name of the model is public

__version__ = "0.1.0"
current_version = __version__

_NAMES: dict[str, tuple[str, ...]] = {
    "wkplug.config": ("settings",),
    "wkplug.dataset": (
        "ArrayInfo", "DataFormat", "Dataset", "Layer", "MagView", "SegmentationLayer", "View",
    ),
    "wkplug.dataset.agglomerates": ("AgglomerateGraph",),
    "wkplug.dataset.attachments": (
        "AgglomerateAttachment", "Attachment", "Attachments", "ConnectomeAttachment", "CumsumAttachment",
        "MeshAttachment", "SegmentIndexAttachment", "SegmentStatisticsAttachment",
    ),
    "wkplug.dataset.legacy.arrays": ("BaseArray", "TensorStoreArray", "Zarr3ArrayInfo", "Zarr3Config"),
    "wkplug.dataset.legacy.attachment_formats": ("AttachmentDataFormat",),
    "wkplug.dataset.legacy.constants": (
        "COLOR_CATEGORY", "DEFAULT_CHUNKS_PER_SHARD_FROM_IMAGES", "DEFAULT_CHUNK_SHAPE", "DEFAULT_DATA_FORMAT",
        "DEFAULT_SHARD_SHAPE", "LayerCategoryType", "SEGMENTATION_CATEGORY",
    ),
    "wkplug.dataset.layer_export": ("LayerExport",),
    "wkplug.model.names": ("ModeName",),
    "wkplug.dataset.slices": ("BufferedSliceReader", "BufferedSliceWriter"),
    "wkplug.dataset.transfer": ("TransferMode",),
    "wkplug.ops.images": ("ConversionLayerMapping",),
    "wkplug.ops.pyramids.sampling": ("SamplingModes",),
}  # fmt: skip

_ROOMS = (
    "abc", "builtin", "cli", "config", "dataset", "errors", "geometry", "model", "notices", "ops", "properties",
    "registry", "storage", "testing", "utils",
)  # fmt: skip


_INTERNAL = frozenset(
    {
        "CURRENT_VERSION", "PropertiesStore", "as_voxel_size", "check_existing_layer_name", "check_layer_name",
        "dtype_from_element_class", "element_class_from_dtype", "layer_facts", "typed_unit",
    }
)  # fmt: skip
"""Names of the rooms below that the rest of the library shares: they are found, and not proposed."""


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module 'wkplug' has no attribute {name!r}")
    from importlib import import_module

    if name in _ROOMS:
        # `from wkplug import registry` asks here before it imports the submodule.
        return import_module(f"wkplug.{name}")
    for module, names in _NAMES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(module), name)
            return value
    for module in ("wkplug.errors", "wkplug.geometry", "wkplug.properties"):
        loaded = import_module(module)
        if name in loaded.__all__:
            value = globals()[name] = getattr(loaded, name)
            return value
    from wkplug.registry import remote_exports

    exported = remote_exports()
    if name in exported:
        module, _, attribute = exported[name].partition(":")
        value = globals()[name] = getattr(import_module(module), attribute)
        return value
    raise AttributeError(f"module 'wkplug' has no attribute {name!r}")


def __dir__() -> list[str]:
    from importlib import import_module

    public = {name for names in _NAMES.values() for name in names}
    for module in ("wkplug.errors", "wkplug.geometry", "wkplug.properties"):
        public.update(import_module(module).__all__)
    return sorted(public - _INTERNAL)
