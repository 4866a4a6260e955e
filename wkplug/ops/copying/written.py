"""Data in memory become a layer: its axes named, its box found, its coarser mags computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.errors import InvalidArgumentError, ShapeMismatchError
from wkplug.geometry import Mag, NormalizedBoundingBox
from wkplug.model import changes, voxels
from wkplug.model.layout import LayoutRequest
from wkplug.model.regions import Position
from wkplug.ops.pyramids import downsampling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from wkplug.geometry import MagLike, VecIntLike
    from wkplug.model.names import Category
    from wkplug.model.states import DatasetState, LayerState

__all__ = ["write_layer"]


def write_layer(
    dataset: DatasetState,
    layer_name: str,
    category: Category,
    data: ArrayLike,
    *,
    data_format: str | None = None,
    downsample: bool = True,
    layout: LayoutRequest = LayoutRequest(),  # noqa: B008 - a frozen value
    axes: Sequence[str] | None = None,
    absolute_offset: VecIntLike | None = None,
    mag: MagLike = 1,
) -> LayerState:
    """Add a layer that holds an array; see `Dataset.write_layer`."""
    import numpy

    array = numpy.asarray(data)
    names = _axes_of(array.shape, axes)
    if axes is None and array.ndim == 2:
        array = array[:, :, None]
    if "c" not in names and set(names) == set("xyz"):
        names, array = ("c", *names), array[None]
    target = Mag(mag)
    factors = dict(zip("xyz", target.to_tuple(), strict=True))
    start = _offset(names, absolute_offset)
    shape = [length * factors.get(axis, 1) for axis, length in zip(names, array.shape, strict=True)]
    request = changes.LayerRequest(
        category,
        dtype=array.dtype,
        num_channels=array.shape[names.index("c")] if "c" in names else 1,
        data_format=data_format,
        bounding_box=NormalizedBoundingBox(start, shape, names),
    )
    layer = changes.add_layer(dataset, layer_name, request)
    try:
        new = changes.add_mag(layer, target, layout)
        voxels.write_to_mag(new, array, Position())
    except BaseException:
        changes.delete_layer(layer)
        raise
    if downsample:
        downsampling.downsample(layer)
    return layer


def _axes_of(shape: tuple[int, ...], axes: Sequence[str] | None) -> tuple[str, ...]:
    if axes is not None:
        names = tuple(axes)
        if len(names) != len(shape) or len(set(names)) != len(names):
            raise ShapeMismatchError(
                f"The data have {len(shape)} dimensions, shape {shape}, but axes are {names}.",
                hint="Give one name per dimension, each once.",
            )
        return names
    known = {2: ("x", "y", "z"), 3: ("x", "y", "z"), 4: ("c", "x", "y", "z")}
    if len(shape) not in known:
        raise InvalidArgumentError(
            f"What the {len(shape)} dimensions of the data (shape {shape}) mean isn't known.",
            hint='Name them, as in axes=("t", "c", "x", "y", "z").',
        )
    return known[len(shape)]


def _offset(names: tuple[str, ...], offset: Any) -> list[int]:
    if offset is None:
        return [0] * len(names)
    numbers = [int(number) for number in offset]
    for wanted in (names, tuple(axis for axis in names if axis != "c"), ("x", "y", "z")):
        if len(numbers) == len(wanted):
            by_axis = dict(zip(wanted, numbers, strict=True))
            return [0 if axis == "c" else by_axis.get(axis, 0) for axis in names]
    raise InvalidArgumentError(
        f"absolute_offset is {tuple(numbers)}, but the axes are {', '.join(names)}.",
        hint="Give x, y, z, or one number per axis.",
    )
