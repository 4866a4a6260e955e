"""What an import is going to do: volumes, and the layers that each of them becomes.

Everything that can go wrong without touching the output goes wrong here: files that don't belong together, dtypes
and axes that a layer or its data format can't have, impossible layouts, names that are taken. A plan writes nothing.
"""

from __future__ import annotations

import colorsys
import math
import warnings
from typing import TYPE_CHECKING, Any

import attrs

from wkplug import registry
from wkplug.dataset.data_format import DataFormat, default_data_format
from wkplug.dataset.dtypes import check_category, check_layer_dtype, dtype_name
from wkplug.dataset.layout import LayoutRequest, array_spec
from wkplug.dataset.regions import Frame
from wkplug.errors import (
    InvalidArgumentError,
    UnalignedError,
    UnsupportedDtypeError,
    UnsupportedImageDataError,
    WkplugError,
)
from wkplug.geometry import BoundingBox, Mag, NDBoundingBox, NormalizedBoundingBox, Vec3Int
from wkplug.ops.importing.categories import guess_category
from wkplug.ops.importing.volume import Volume
from wkplug.properties import check_layer_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from wkplug.abc import Location
    from wkplug.geometry import MagLike, Vec3IntLike, VecIntLike
    from wkplug.ops.importing.readers import ImageFile

__all__ = ["ImportOptions", "LayerPlan", "VolumePlan", "plan_volumes"]


@attrs.frozen(kw_only=True)
class ImportOptions:
    """The parameters of an import that hold for all of its layers; see `Dataset.add_layer_from_images`."""

    data_format: str | None = None
    mag: MagLike = 1
    chunk_shape: VecIntLike | int | None = None
    shard_shape: VecIntLike | int | None = None
    chunks_per_shard: VecIntLike | int | None = None
    compress: bool | Mapping[str, Any] = True
    topleft: Vec3IntLike = (0, 0, 0)
    swap_xy: bool = False
    flip_x: bool = False
    flip_y: bool = False
    flip_z: bool = False
    dtype: Any = None
    channel: int | None = None
    batch_size: int | None = None
    allow_multiple_layers: bool = False
    max_layers: int = 20
    truncate_rgba_to_rgb: bool = True

    @property
    def request(self) -> LayoutRequest:
        """The layout parameters alone."""
        return LayoutRequest(
            chunk_shape=self.chunk_shape,
            shard_shape=self.shard_shape,
            chunks_per_shard=self.chunks_per_shard,
            compress=self.compress,
        )

    def check(self) -> None:
        """Refuse what is wrong whatever the images are, and remark on what is unusual."""
        self.request.check_power_of_two()
        if self.max_layers < 1:
            raise InvalidArgumentError(
                f"max_layers is {self.max_layers}: no layer may be added.", hint="Give at least 1."
            )
        topleft, mag = Vec3Int(self.topleft), Mag(self.mag)
        if min(topleft) < 0:
            raise InvalidArgumentError(
                f"topleft is {topleft.to_tuple()}.", hint="Layers have no voxels at negative positions."
            )
        if any(low % factor for low, factor in zip(topleft, mag, strict=True)):
            raise UnalignedError(
                f"topleft is {topleft.to_tuple()}, which no voxel of mag {mag} starts at.",
                hint=f"It is in voxels of Mag(1): give multiples of {mag.to_tuple()}.",
            )


@attrs.frozen(kw_only=True)
class LayerPlan:
    """One layer to come: `channels` of the volume, in a box (Mag(1) voxels; axes in front included)."""

    name: str
    category: str
    dtype: str
    data_format: DataFormat
    channels: range
    bounding_box: NDBoundingBox
    color: tuple[int, int, int] | None = None
    """How it is shown: layers that were the channels of one image get different colours."""


@attrs.frozen(kw_only=True)
class VolumePlan:
    """A volume and the layers that it becomes; they are written together, so that files are read once."""

    volume: Volume
    layers: tuple[LayerPlan, ...]

    @property
    def channels(self) -> range:
        """The channels that are read: those of all layers, which lie side by side."""
        return range(self.layers[0].channels.start, self.layers[-1].channels.stop)

    @property
    def num_sections(self) -> int:
        """How many sections are read in all, the steps of a progress bar."""
        return self.volume.size_z * math.prod(self.volume.others.values())


def plan_volumes(
    groups: Mapping[str, Sequence[ImageFile]],
    category: str | None,
    options: ImportOptions,
    *,
    location_of: Callable[[str], Location],
    backend_for: Callable[[str], str | None] = lambda _: None,
) -> tuple[VolumePlan, ...]:
    """Describe all layers. groups: the files of each layer by its name.

    category: None guesses. location_of: where the mag's array of a layer will lie. backend_for: the implementation
    that was asked for, by data format.
    """
    options.check()
    if category is not None:
        check_category(category)
    plans: list[VolumePlan] = []
    left = options.max_layers
    for name, files in groups.items():
        volume = Volume(files, swap_xy=options.swap_xy)
        layers = _layers(volume, name, category, options)
        if left < len(layers):
            warnings.warn(
                f"[WARNING] The images would make more layers than {options.max_layers}: the rest, from "
                f"{layers[max(0, left)].name!r} on, is not imported (max_layers).",
                UserWarning,
                stacklevel=4,
            )
            layers = layers[:left]
        if not layers:
            break
        for text in _remarks(volume, name):
            warnings.warn(f"[WARNING] {text}", UserWarning, stacklevel=4)
        for layer in layers:
            check_layer_name(layer.name)
            _check_layout(volume, layer, options, location_of(layer.name), backend_for(layer.data_format))
        plans.append(VolumePlan(volume=volume, layers=tuple(layers)))
        left -= len(layers)
    return tuple(plans)


def _remarks(volume: Volume, name: str) -> Iterator[str]:
    """Say what of the files will not be in the layer as it is in them."""
    if volume.mixed_sizes:
        yield (
            f"Some images are larger than expected, that is, than others of the layer {name!r}: "
            "smaller ones are filled up with zeros."
        )
    for file in volume.files:
        scenes = file.info.scenes
        if len(scenes) > 1:
            yield f"{file.path} holds {len(scenes)} images; only the first, {scenes[0]!r}, is imported."
            return


def _layers(volume: Volume, name: str, category: str | None, options: ImportOptions) -> list[LayerPlan]:
    channel_groups = _channel_groups(volume, name, options)
    wanted = guess_category(volume) if category is None else category
    dtype = volume.dtype if options.dtype is None else dtype_name(options.dtype)
    try:
        check_layer_dtype(wanted, dtype)
    except UnsupportedDtypeError as error:
        raise UnsupportedImageDataError(
            f"{volume.path} is {volume.dtype}. {error.message}",
            volume.path,
            hint="Pass dtype=... to convert the values, or another category.",
        ) from error
    shown_together = len(channel_groups) > 1 and wanted == "color"
    return [
        LayerPlan(
            name=layer_name,
            category=wanted,
            dtype=dtype,
            data_format=default_data_format()
            if options.data_format is None
            else DataFormat(options.data_format),
            channels=channels,
            bounding_box=_bounding_box(volume, options, len(channels)),
            color=_color(number) if shown_together else None,
        )
        for number, (layer_name, channels) in enumerate(channel_groups)
    ]


def _channel_groups(volume: Volume, name: str, options: ImportOptions) -> list[tuple[str, range]]:
    """Which channels go to which layer: colours stay together, other channels become layers of their own."""
    count = volume.num_channels
    if options.channel is not None:
        if not 0 <= options.channel < count:
            raise InvalidArgumentError(
                f"channel is {options.channel}, but {volume.path} has {count} channels.",
                hint=f"Channels count from 0 to {count - 1}.",
            )
        return [(name, range(options.channel, options.channel + 1))]
    if volume.has_alpha and options.truncate_rgba_to_rgb:
        count -= 1
    if count == 1:
        return [(name, range(1))]
    if volume.is_rgb and count == 3:
        return [(name, range(3))]
    if options.allow_multiple_layers:
        return [(f"{name}__channel{index}", range(index, index + 1)) for index in range(count)]
    if count == 3 and volume.dtype == "uint8":
        return [(name, range(3))]
    raise UnsupportedImageDataError(
        f"{volume.path} has {count} channels of {volume.dtype}, which are not the colours of one image.",
        volume.path,
        hint="Pass allow_multiple_layers=True for a layer per channel, or channel=... for one of them.",
    )


def _color(number: int) -> tuple[int, int, int]:
    """Red, green, blue, then hues a golden angle apart."""
    if number < 3:
        return ((255, 0, 0), (0, 255, 0), (0, 0, 255))[number]
    hue = number * 0.6180339887498949 % 1.0
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.85, 1.0))
    return red, green, blue


def _bounding_box(volume: Volume, options: ImportOptions, num_channels: int) -> NDBoundingBox:
    topleft = Vec3Int(options.topleft)
    size = Vec3Int(volume.size_x, volume.size_y, volume.size_z) * Mag(options.mag).to_vec3_int()
    if not volume.others:
        return BoundingBox(topleft, size)
    zeros = (0,) * (len(volume.others) + 1)
    shape = (*volume.others.values(), num_channels, *size)
    return NDBoundingBox((*zeros, *topleft), shape, (*volume.others, "c", "x", "y", "z"))


def _check_layout(
    volume: Volume, layer: LayerPlan, options: ImportOptions, location: Location, backend: str | None
) -> None:
    """Ask for the array as it would be created, so that what can't be is known before anything is written."""
    box: NormalizedBoundingBox = layer.bounding_box.normalize_axes(len(layer.channels))
    frame = Frame.of(tuple(box.axes))
    data_format = str(layer.data_format)

    def choose(spec: Any = None) -> Any:
        return registry.choose_backend(
            location, data_format=data_format, mode="create", explicit=backend, spec=spec
        )

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # told once, when the array is created
            spec = array_spec(
                choose().winner,
                frame,
                (tuple(box.topleft), tuple(box.size)),
                frame.factors(Mag(options.mag).to_tuple()),
                layer.dtype,
                options.request,
                "images",
            )
        choose(spec)
    except WkplugError as error:
        if not volume.others:
            raise
        raise UnsupportedImageDataError(
            f"{volume.path} has the axes {', '.join(box.axes)}. {error.message}",
            volume.path,
            hint=f"Choose another data format than {data_format}, or split the file along {', '.join(volume.others)}.",
        ) from error
    depth = spec.chunk_shape[-1]
    if options.batch_size is not None and (options.batch_size < 1 or options.batch_size % depth):
        raise InvalidArgumentError(
            f"batch_size is {options.batch_size}, which is no multiple of the chunk's depth {depth}.",
            hint=f"Give a multiple of {depth}, best of the shard's depth {spec.shard_shape[-1]}.",
        )
