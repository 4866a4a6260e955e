"""Importing images: `from_images` and `add_layer_from_images`.

A layer's voxels are written slab by slab: as many sections as a shard is deep, or as fit the budget, are decoded
side by side and written as whole shards. The mag is listed when all are written; until then its folder is marked.
"""

from __future__ import annotations

import datetime
import warnings
from typing import TYPE_CHECKING, Any

from wkplug import storage
from wkplug.dataset import creating
from wkplug.dataset.dataset import Dataset
from wkplug.dataset.dtypes import check_layer_dtype, dtype_name
from wkplug.dataset.layout import LayoutRequest
from wkplug.errors import (
    InvalidArgumentError,
    UnsupportedDtypeError,
    UnsupportedImageDataError,
    UnsupportedImageFormatError,
)
from wkplug.geometry import BoundingBox, Mag, NDBoundingBox, Vec3Int
from wkplug.ops.importing import files as image_files
from wkplug.ops.importing.categories import guess_category
from wkplug.ops.importing.files import ConversionLayerMapping
from wkplug.ops.importing.readers import is_image, open_image
from wkplug.ops.importing.volume import Volume, sections_of
from wkplug.ops.importing.writing import Slabs, Transformation
from wkplug.properties import LayerViewConfiguration, operations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wkplug.abc import Executor, Location
    from wkplug.dataset import Layer
    from wkplug.geometry import MagLike, Vec3FloatLike, Vec3IntLike, VecIntLike
    from wkplug.ops.plan import Progress
    from wkplug.properties import VoxelSize

__all__ = ["ConversionLayerMapping", "add_layer_from_images", "from_images"]


def from_images(
    input_path: Any,
    output_path: Any,
    voxel_size: Vec3FloatLike | None = None,
    name: str | None = None,
    *,
    map_filepath_to_layer_name: ConversionLayerMapping
    | str
    | Callable[[Any], str] = ConversionLayerMapping.INSPECT_SINGLE_FILE,
    z_slices_sort_key: Callable[[Any], Any] | None = None,
    voxel_size_with_unit: VoxelSize | None = None,
    layer_name: str | None = None,
    layer_category: str | None = None,
    max_layers: int = 20,
    reader: str | None = None,
    **options: Any,
) -> Dataset:
    """Make a dataset of image files; see `Dataset.from_images`."""
    if (voxel_size is None) == (voxel_size_with_unit is None):
        raise InvalidArgumentError(
            "Exactly one of voxel_size and voxel_size_with_unit is needed.",
            hint="Give voxel_size=(x, y, z) in nanometres.",
        )
    root = storage.locate(input_path)
    found = [item for item in image_files.collect(root) if is_image(item[1], reader=reader)]
    if not found:
        _refuse_no_images(root, reader)
    base = root.name.rpartition(".")[0] or root.name if len(found) == 1 and found[0][1] == root else root.name

    def is_volume(location: Location) -> bool:
        with open_image(location, reader=reader) as image:
            return sections_of(image.info, location.url) > 1

    layers = image_files.group(found, base, map_filepath_to_layer_name, is_volume)
    if layer_name is not None:
        layers = {
            (layer_name if len(layers) == 1 else f"{layer_name}_{group}"): members
            for group, members in layers.items()
        }
    dataset = Dataset(output_path, voxel_size, name, voxel_size_with_unit=voxel_size_with_unit)
    for group, members in layers.items():
        key = z_slices_sort_key
        ordered = members if key is None else sorted(members, key=lambda item: key(_upath(item[0])))
        add_layer_from_images(
            dataset,
            [location for _, location in ordered],
            group,
            layer_category,
            allow_multiple_layers=True,
            max_layers=max_layers - len(dataset.layers),
            reader=reader,
            **options,
        )
    return dataset


def _upath(text: str) -> Any:
    from upath import UPath

    return UPath(text)


def _refuse_no_images(root: Location, reader: str | None) -> None:
    """Say why nothing can be imported: there is nothing, or nobody reads what is there."""
    found = image_files.collect(root)
    if found:
        open_image(found[0][1], reader=reader).close()
    raise UnsupportedImageFormatError(
        f"No image files were found in {root.url}.", root.url, hint="Check the path."
    )


def add_layer_from_images(
    dataset: Dataset,
    images: Any,
    layer_name: str,
    category: str | None = "color",
    *,
    data_format: str | None = None,
    mag: MagLike = 1,
    chunk_shape: VecIntLike | int | None = None,
    shard_shape: VecIntLike | int | None = None,
    chunks_per_shard: VecIntLike | int | None = None,
    compress: bool | Mapping[str, Any] = True,
    topleft: Vec3IntLike = (0, 0, 0),
    swap_xy: bool = False,
    flip_x: bool = False,
    flip_y: bool = False,
    flip_z: bool = False,
    dtype: Any = None,
    channel: int | None = None,
    batch_size: int | None = None,
    allow_multiple_layers: bool = False,
    max_layers: int = 20,
    truncate_rgba_to_rgb: bool = True,
    executor: Executor | None = None,
    reader: str | None = None,
    progress: Progress | None = None,
) -> Layer:
    """Add one layer, or several, from image files; see `Dataset.add_layer_from_images`."""
    volume = Volume(image_files.resolve_images(images), reader=reader, swap_xy=swap_xy)
    wanted = category if category is not None else guess_category(volume)
    target_dtype = volume.dtype if dtype is None else dtype_name(dtype)
    try:
        check_layer_dtype(wanted, target_dtype)
    except UnsupportedDtypeError as error:
        raise UnsupportedImageDataError(
            f"{volume.files[0].url} is {target_dtype}: {error.message}",
            volume.files[0].url,
            hint="Pass dtype=... to convert the values, or another category.",
        ) from error
    if volume.mixed_sizes:
        warnings.warn(
            "[WARNING] Some images are larger than expected, that is, than "
            "others: smaller ones are filled up with zeros.",
            UserWarning,
            stacklevel=3,
        )
    target_mag = Mag(mag)
    request = LayoutRequest(
        chunk_shape=chunk_shape, shard_shape=shard_shape, chunks_per_shard=chunks_per_shard, compress=compress
    )
    first: Layer | None = None
    groups = _channel_groups(
        volume,
        layer_name,
        channel,
        allow_multiple_layers=allow_multiple_layers,
        truncate=truncate_rgba_to_rgb,
    )
    if len(groups) > max_layers:
        warnings.warn(
            f"[WARNING] The images would make {len(groups)} layers; only "
            f"the first {max_layers} are imported (max_layers).",
            UserWarning,
            stacklevel=3,
        )
        groups = groups[:max_layers]
    for name, channels in groups:
        layer = dataset.add_layer(
            name,
            wanted,
            dtype=target_dtype,
            num_channels=len(channels),
            data_format=data_format,
            bounding_box=_bounding_box(volume, target_mag, Vec3Int(topleft)),
        )
        with creating.new_mag(layer, target_mag, request, "images", _mark(name)) as handle:
            slabs = Slabs(
                volume=volume,
                handle=handle,
                frame=layer.frame,
                start=tuple(
                    low // factor
                    for low, factor in zip(
                        layer.region[0], layer.frame.factors(target_mag.to_tuple()), strict=True
                    )
                ),
                transformation=Transformation(channels=channels, flip_x=flip_x, flip_y=flip_y, flip_z=flip_z),
                batch_size=batch_size,
            )
            low, high = slabs.write(executor=executor, progress=progress)
            _remember_values(layer, low, high)
        first = layer if first is None else first
    if first is None:
        raise InvalidArgumentError(
            f"max_layers is {max_layers}: no layer may be added.", hint="Give at least 1."
        )
    return first


def _mark(name: str) -> storage.Mark:
    return storage.Mark(
        job=f"import {name}",
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        what="image files",
    )


def _remember_values(layer: Layer, low: Any, high: Any) -> None:
    """Save what was learnt from the voxels: the largest segment id, or the range that viewers start with."""
    if layer.category == "segmentation":
        layer.dataset.store.apply(operations.SetLayerKey(layer.name, "largestSegmentId", int(high)))
    elif low is not None:
        view = LayerViewConfiguration(
            min=float(low), max=float(high), intensity_range=(float(low), float(high))
        )
        layer.dataset.store.apply(operations.SetLayerKey(layer.name, "defaultViewConfiguration", view))


def _bounding_box(volume: Volume, mag: Mag, topleft: Vec3Int) -> NDBoundingBox:
    size = Vec3Int(volume.size_x, volume.size_y, volume.size_z) * mag.to_vec3_int()
    if not volume.others:
        return BoundingBox(topleft, size)
    axes = (*volume.others, "c", "x", "y", "z")
    return NDBoundingBox(
        (0,) * (len(volume.others) + 1) + topleft.to_tuple(),
        (*volume.others.values(), volume.num_channels, *size),
        axes,
    )


def _channel_groups(
    volume: Volume, layer_name: str, channel: int | None, *, allow_multiple_layers: bool, truncate: bool
) -> list[tuple[str, tuple[int, ...]]]:
    """Which channels go to which layer: colours stay together, other channels become layers of their own."""
    count = volume.num_channels
    if channel is not None:
        if not 0 <= channel < count:
            raise InvalidArgumentError(
                f"channel is {channel}, but the images have {count} channels.",
                hint=f"Channels count from 0 to {count - 1}.",
            )
        return [(layer_name, (channel,))]
    if count == 1:
        return [(layer_name, (0,))]
    if volume.is_rgb and (count == 3 or truncate):
        return [(layer_name, (0, 1, 2))]
    if not allow_multiple_layers and count == 3 and volume.dtype == "uint8":
        return [(layer_name, (0, 1, 2))]
    if not allow_multiple_layers:
        raise UnsupportedImageDataError(
            f"The images have {count} channels of {volume.dtype}, which are not the colours of one image.",
            volume.files[0].url,
            hint="Pass allow_multiple_layers=True for a layer per channel, or channel=... for one of them.",
        )
    return [(f"{layer_name}__channel{index}", (index,)) for index in range(count)]
