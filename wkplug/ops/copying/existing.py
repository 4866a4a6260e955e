"""Arrays that are there already, on disk or in memory: how they become mags and layers.

What an array on disk is, its own metadata say; nothing is computed from its voxels. Of data in memory the axes are
named and the box is found, and the coarser mags are computed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wkplug import storage
from wkplug.abc import Location
from wkplug.errors import (
    InvalidArgumentError,
    ListedLayerError,
    MagExistsError,
    MagMismatchError,
    MissingArrayError,
    MissingError,
    NoArraysError,
    ShapeMismatchError,
    UnsupportedOperationError,
    WkplugError,
)
from wkplug.geometry import Mag, MagLike, NDBoundingBox, NormalizedBoundingBox, VecIntLike, grids
from wkplug.geometry.boxes import checked_box
from wkplug.model import changes, voxels
from wkplug.model.dtypes import check_category, check_layer_dtype
from wkplug.model.layout import LayoutRequest
from wkplug.model.names import Category
from wkplug.model.regions import Position, Region
from wkplug.model.states import DatasetState, LayerState, MagState
from wkplug.notices import warn_user
from wkplug.ops.pyramids import downsampling
from wkplug.properties import (
    LayerProperties,
    MagViewProperties,
    SegmentationLayerProperties,
    check_layer_name,
    operations,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike

__all__ = [
    "add_layer_for_existing_files",
    "add_mag_for_existing_files",
    "add_mag_from_array",
    "write_layer",
]

_MAG_NAME = re.compile(r"\d+(-\d+-\d+)?", re.ASCII)


# --- layers -----------------------------------------------------------------------------------------------


def add_layer_for_existing_files(
    dataset: DatasetState,
    layer_name: str,
    category: str,
    *,
    dtype: Any = None,
    num_channels: int | None = None,
    data_format: str | None = None,
    bounding_box: NDBoundingBox | None = None,
    largest_segment_id: int | None = None,
    mappings: Iterable[str] | None = None,
) -> LayerState:
    """List a layer whose folder is there; see `Dataset.add_layer_for_existing_files`."""
    dataset.check_writable("its layers")
    check_layer_name(layer_name)
    check_category(category)
    if layer_name in dataset.store.layer_names():
        raise ListedLayerError(
            f"The dataset {dataset.name!r} already lists a layer {layer_name!r}.",
            hint="Use layer.add_mag_for_existing_files to list further mags of it.",
        )
    with changes.exclusive_layer(dataset, layer_name):
        properties = _properties_of_folder(
            dataset,
            layer_name,
            category,
            dtype,
            num_channels,
            data_format,
            bounding_box,
            largest_segment_id,
            mappings,
        )
        dataset.store.apply(operations.AddLayer(properties))
    return dataset.layer(layer_name)


def _properties_of_folder(
    dataset: DatasetState,
    layer_name: str,
    category: str,
    dtype: Any,
    num_channels: int | None,
    data_format: str | None,
    bounding_box: NDBoundingBox | None,
    largest_segment_id: int | None,
    mappings: Iterable[str] | None,
) -> LayerProperties:
    """Describe the layer whose mags lie in a folder."""
    folder = dataset.location.child(layer_name)
    if not folder.exists():
        raise MissingError(f"There is no folder {folder.url}.", hint="Put the layer's mags into it first.")
    found = _arrays_in(folder, data_format)
    if not found:
        raise NoArraysError(
            f"{folder.url} holds no array that could be a mag.",
            hint="Mags are folders such as 1, 2-2-1 or 4-4-2, in an installed data format.",
        )
    handles = {mag: handle for mag, _, handle in found}
    finest = handles[min(handles)]
    axes = finest.spec.axes
    name = check_layer_dtype(category, finest.spec.dtype if dtype is None else dtype)
    channels = finest.spec.num_channels if num_channels is None else num_channels
    box = (
        _stored_box(finest, min(handles))
        if bounding_box is None
        else _over_axes(bounding_box, axes, channels)
    )
    common: dict[str, Any] = {
        "name": layer_name, "category": category, "bounding_box": box, "dtype": name, "num_channels": channels,
        "data_format": finest.backend.format,
        "mags": [
            MagViewProperties(
                mag=mag,
                path=f"./{layer_name}/{entry}",
                extra=dict(handle.backend.mag_properties(handle.array)),
            )
            for mag, entry, handle in found
        ],
    }  # fmt: skip
    if category == "segmentation":
        return SegmentationLayerProperties(
            **common, largest_segment_id=largest_segment_id, mappings=list(mappings or [])
        )
    return LayerProperties(**common)


def _arrays_in(folder: Location, data_format: str | None) -> list[tuple[Mag, str, storage.ArrayHandle]]:
    """Open what is called like a mag; the first that can be read decides about format and dtype."""
    found: list[tuple[Mag, str, storage.ArrayHandle]] = []
    for entry in folder.list():
        name = entry.rstrip("/")
        if not _MAG_NAME.fullmatch(name):
            continue
        try:
            mag = Mag(name)
            handle = storage.open_array(folder.child(name), data_format)
        except WkplugError as error:
            _warn(f"{folder.child(name).url} is no mag that can be listed: {error}")
            continue
        if handle.array.stored_dtype is not None:
            _warn(
                f"{folder.child(name).url} stores {handle.array.stored_dtype}, which no layer has: it is read as "
                f"{handle.spec.dtype}, and can't be written to."
            )
        if any(mag == known for known, _, _ in found):
            _warn(f"{folder.child(name).url} was left out: another folder is the mag {mag} already.")
            continue
        first = found[0][2] if found else handle
        kind = (handle.backend.format, handle.spec.dtype, len(handle.spec.axes), handle.spec.num_channels)
        if kind != (first.backend.format, first.spec.dtype, len(first.spec.axes), first.spec.num_channels):
            _warn(
                f"{folder.child(name).url} was left out: its format, dtype or channels differ from those of "
                f"{first.location.url}."
            )
            continue
        found.append((mag, name, handle))
    return found


def _warn(text: str) -> None:
    warn_user(f"[WARNING] {text}", UserWarning)


def _stored_box(handle: storage.ArrayHandle, mag: Mag) -> NormalizedBoundingBox:
    """The hull of what is stored within the array, in Mag(1); of x, y and z, since other axes are what they are."""
    spec = handle.spec
    box: Any = None
    try:
        for stored in handle.stored_boxes():
            box = stored if box is None else grids.hull(box, stored)
    except UnsupportedOperationError:
        box = ((0,) * len(spec.shape), tuple(length or 0 for length in spec.shape))
    if box is None:
        box = ((0,) * len(spec.shape), tuple(0 for _ in spec.shape))
    factors = dict(zip("xyz", mag.to_tuple(), strict=True))
    start, shape = [], []
    for axis, low, length, whole in zip(spec.axes, *box, spec.shape, strict=True):
        if axis in factors:
            # The last chunks of an array may reach beyond its end.
            within = length if whole is None else min(length, whole - low)
            start.append(low * factors[axis])
            shape.append(within * factors[axis])
        else:
            start.append(0)
            shape.append(length if whole is None else whole)
    return NormalizedBoundingBox(start, shape, spec.axes)


def _over_axes(box: NDBoundingBox, axes: tuple[str, ...], channels: int) -> NormalizedBoundingBox:
    checked_box(box)
    if isinstance(box, NormalizedBoundingBox):
        return box
    return (
        box.normalize_axes(channels)
        if "c" in axes
        else NormalizedBoundingBox(box.topleft, box.size, box.axes)
    )


# --- mags -------------------------------------------------------------------------------------------------


def add_mag_for_existing_files(layer: LayerState, mag: MagLike) -> MagState:
    """List a mag whose array lies in the layer's folder; see `Layer.add_mag_for_existing_files`."""
    layer.check_writable("get another mag")
    wanted = Mag(mag)
    with changes.exclusive(layer, wanted):
        _check_free(layer, wanted)
        names = dict.fromkeys((wanted.to_layer_name(), wanted.to_long_layer_name()))
        for name in names:
            location = layer.location.child(name)
            if location.exists():
                break
        else:
            raise MissingArrayError(
                f"There is no array for the mag {wanted} in {layer.location.url}.",
                hint=f"It must be a folder called {' or '.join(names)}.",
            )
        try:
            handle = storage.open_array(location, str(layer.data_format), axes=layer.frame.axes)
        except MissingError as error:
            raise MissingArrayError(
                f"{location.url} holds no array of the format {layer.data_format}.",
                hint="The layer's data format can't differ from its mags'.",
            ) from error
        _check_fits(layer, handle)
        return changes.list_mag(layer, wanted, handle)


def add_mag_from_array(
    layer: LayerState,
    mag: MagLike,
    path: str | os.PathLike[str],
    *,
    move: bool = False,
    extend_layer_bounding_box: bool = True,
) -> MagState:
    """Take an array from elsewhere into the layer; see `Layer.add_mag_from_array`."""
    layer.check_writable("get another mag")
    wanted, source = Mag(mag), storage.locate(path)
    _check_free(layer, wanted)
    found = _opened_for_layer(source, layer)
    _adopt_axes(layer, found)
    _check_fits(layer, found)
    target = layer.location.child(wanted.to_layer_name())
    if move and (source.local_path() is None or target.local_path() is None):
        raise InvalidArgumentError(
            f"{source.url} can't be moved to {target.url}: both must be on local disks.",
            hint="Leave move out to copy it.",
        )
    found.close()
    with changes.exclusive(layer, wanted):
        data_format = str(layer.data_format)
        changes.remove_abandoned(layer, target, data_format)
        if not (move and _renamed(source, target)):
            storage.set_mark(
                target, storage.Mark(job=f"copy to {layer.name} {wanted}", what=f"copy of {source.url}")
            )
            storage.copy_tree(source, target, skip=(storage.MARK_NAME,))
        storage.forget(source)
        storage.forget(target)
        handle = storage.open_array(
            target, data_format, mode="r+", axes=layer.frame.axes, allow_incomplete=True
        )
        if extend_layer_bounding_box:
            region = _extended_region(layer, wanted, handle)
            if region != layer.region:
                changes.extend_box(layer, region)
        spec = handle.spec
        changes.list_finished(layer, {wanted: handle})
        changes.grow_listed(layer.mag(wanted), spec)
        if move and source.exists():
            source.delete(recursive=True)
    return layer.mag(wanted)


def _renamed(source: Location, target: Location) -> bool:
    """Move a folder on one disk, which takes no time; False where it must be copied."""
    here, there = source.local_path(), target.local_path()
    if here is None or there is None or Path(here).is_symlink():
        return False
    Path(there).parent.mkdir(parents=True, exist_ok=True)
    try:
        Path(here).rename(there)
    except OSError:
        return False
    return True


def _opened_for_layer(source: Location, layer: LayerState) -> storage.ArrayHandle:
    try:
        handle = storage.open_array(source)
    except WkplugError as error:
        raise MagMismatchError(
            f"{source.url} is no array that can be added: {error.message}",
            hint=f"Give the folder of an array in the format {layer.data_format}.",
        ) from error
    if handle.backend.format != layer.data_format:
        raise MagMismatchError(
            f"The array at {source.url} is {handle.backend.format}, but the layer {layer.name!r} is "
            f"{layer.data_format}.",
            hint="Add it to a layer of its own format, and copy that one if another is wanted.",
        )
    return handle


def _adopt_axes(layer: LayerState, handle: storage.ArrayHandle) -> None:
    """Give a layer without mags the array's axes, if it has no channels to lose."""
    count = len(handle.spec.axes)
    if count == len(layer.frame.axes) or layer.properties.mags:
        return
    axes = handle.spec.axes
    start, shape = layer.region
    old = dict(zip(layer.frame.axes, zip(start, shape, strict=True), strict=True))
    bounds = [old.get(axis, (0, length or 1)) for axis, length in zip(axes, handle.spec.shape, strict=True)]
    if layer.num_channels != handle.spec.num_channels:
        return
    box = NormalizedBoundingBox([low for low, _ in bounds], [size for _, size in bounds], axes)
    layer.dataset.store.apply(operations.SetBox(layer.name, box))


def _extended_region(layer: LayerState, mag: Mag, handle: storage.ArrayHandle) -> Region:
    """The layer's box, made to reach the array's end along x, y and z."""
    start, shape = layer.region
    factors = layer.frame.factors(mag.to_tuple())
    xyz = set(layer.frame.xyz)
    stop = tuple(
        max(low + length, (whole or 0) * factor) if axis in xyz else low + length
        for axis, (low, length, whole, factor) in enumerate(
            zip(start, shape, handle.spec.shape, factors, strict=True)
        )
    )
    return start, tuple(end - low for low, end in zip(start, stop, strict=True))


def _check_free(layer: LayerState, mag: Mag) -> None:
    if mag in layer.mags:
        raise MagExistsError(
            f"The layer {layer.name!r} already has the mag {mag}.",
            hint=f"layer.get_mag({str(mag)!r}) gives it.",
        )


def _check_fits(layer: LayerState, handle: storage.ArrayHandle) -> None:
    spec = handle.spec
    facts = {
        "dtype": (layer.dtype.name, spec.dtype),
        "number of axes": (len(layer.frame.axes), len(spec.axes)),
        "number of channels": (layer.num_channels, spec.num_channels),
    }
    for what, (own, found) in facts.items():
        if own != found:
            raise MagMismatchError(
                f"The array at {handle.location.url} doesn't fit into the layer {layer.name!r}: its {what} is "
                f"{found}, the layer's is {own}.",
                hint="Add it to a layer that is described as the array is.",
            )


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
