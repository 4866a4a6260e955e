"""What `wkplug.ops.transform` is given, checked before anything is written, and made into what the work needs.

Every refusal says what to give instead. Nothing is read or written here but the properties of layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from wkplug.errors import (
    AxisError,
    DtypeMismatchError,
    IncompleteMagError,
    InvalidArgumentError,
    MagNotFoundError,
    OutOfBoundsError,
    ShapeMismatchError,
)
from wkplug.geometry import BoundingBox
from wkplug.geometry.boxes import checked_box
from wkplug.ops.transforming.maps import AbstractTransform, AffinePlaces, AffineTransform, FreePlaces

if TYPE_CHECKING:
    from collections.abc import Callable

    from wkplug.geometry import Mag, NDBoundingBox
    from wkplug.model.states import LayerState, MagState
    from wkplug.ops.transforming.maps import Places
    from wkplug.storage import Mark

__all__ = [
    "AxesError",
    "check_alike",
    "checked_fill",
    "identity_of",
    "mag_of",
    "maps",
    "mask_of",
    "output_box",
    "refuse_self",
    "refuse_unfinished",
    "three",
]


class AxesError(AxisError, InvalidArgumentError):
    """Axes that can't be transformed: a ValueError too."""


def maps(
    forward: AbstractTransform | None, inverse: Any
) -> tuple[Callable[[tuple[int, ...], tuple[int, ...]], Places], AbstractTransform | None]:
    """Give what makes the places of a shift and a mag, and the map that knows the box."""
    if (forward is None) == (inverse is None):
        raise InvalidArgumentError(
            "Exactly one of `transform` or `inverse_transform` must be provided.",
            hint="Give the map of the voxels, or the map back.",
        )
    if forward is not None:
        if not isinstance(forward, AbstractTransform):
            raise InvalidArgumentError(
                f"transform is {forward!r}, which is no transform.",
                hint="Give an AffineTransform, or an object of your own subclass of AbstractTransform.",
            )
        inverse = forward.inverse()
    if type(inverse) is AffineTransform:
        matrix = inverse.matrix
        return (lambda shift, mag: AffinePlaces.of_matrix(matrix, shift, mag)), forward
    function = inverse.apply if isinstance(inverse, AbstractTransform) else inverse
    if not callable(function):
        raise InvalidArgumentError(
            f"inverse_transform is {inverse!r}, which can't be called.",
            hint="Give a function that takes points of shape (N, 3) and gives as many.",
        )
    return (lambda shift, mag: FreePlaces(function, shift, mag)), forward


def check_alike(input_layer: LayerState, output_layer: LayerState, interpolation: str) -> None:
    """Refuse layers that differ in what a transform can't change, and an interpolation that they can't have."""
    for layer in (input_layer, output_layer):
        _check_axes(layer)
    if output_layer.dtype != input_layer.dtype:
        raise DtypeMismatchError(
            f"The dtype of the output layer ({output_layer.dtype.name}) does not match the input layer's dtype "
            f"({input_layer.dtype.name}).",
            hint="Add an output layer of the same dtype.",
        )
    if output_layer.num_channels != input_layer.num_channels:
        raise ShapeMismatchError(
            f"The number of channels of the output layer ({output_layer.num_channels}) does not match the input "
            f"layer's number of channels ({input_layer.num_channels}).",
            hint="Add an output layer with as many channels.",
        )
    if interpolation not in ("nearest", "linear"):
        raise InvalidArgumentError(
            f"interpolation is {interpolation!r}.", hint='Choose "nearest" or "linear".'
        )
    if interpolation == "linear" and "segmentation" in (input_layer.category, output_layer.category):
        raise InvalidArgumentError(
            'interpolation="linear" would mix the ids of a segmentation.', hint='Use "nearest".'
        )


def _check_axes(layer: LayerState) -> None:
    axes = layer.frame.axes
    if set(axes) - {"c"} != set("xyz"):
        raise AxesError(
            f"The layer {layer.name!r} has the axes {', '.join(axes)}; only layers with x, y, z and channels can be "
            "transformed.",
            hint="Copy one time point into a layer of its own.",
        )


def checked_fill(value: float | None, layer: LayerState) -> Any:
    """Give the fill value in the layer's dtype, None for None."""
    if value is None:
        return None
    import numpy

    try:
        # What numpy can't convert it says in several ways, errors and warnings.
        with numpy.errstate(all="ignore"):
            fill = numpy.asarray(value).astype(layer.dtype)[()]
            held = layer.dtype.kind == "f" or bool(fill == value)
    except (TypeError, ValueError, OverflowError):
        held = False
    if not held:
        raise InvalidArgumentError(
            f"fill_value is {value!r}, which a voxel of dtype {layer.dtype.name} can't hold.",
            hint="Give a value of that dtype, or None to leave what is there.",
        )
    return fill


def mag_of(layer: LayerState, mag: Mag, role: str = "layer") -> MagState:
    """Give a mag of a layer; MagNotFoundError, a KeyError."""
    if mag not in layer.mags:
        there = ", ".join(map(str, layer.mags)) or "none"
        raise MagNotFoundError(
            f"The {role} {layer.name!r} has no mag {mag} to transform; it has {there}.",
            hint="Give one of these as mag.",
        )
    return layer.mag(mag)


def mask_of(layer: LayerState | None, mag: Mag) -> MagState | None:
    """Give the mag of the mask, None without one."""
    if layer is None:
        return None
    _check_axes(layer)
    if layer.num_channels != 1:
        raise ShapeMismatchError(
            f"The mask layer {layer.name!r} has {layer.num_channels} channels.",
            hint="Give a mask with one channel.",
        )
    return mag_of(layer, mag, "mask layer")


def output_box(
    input_layer: LayerState,
    output_layer: LayerState,
    forward: AbstractTransform | None,
    given: NDBoundingBox | None,
    *,
    translate: bool,
) -> tuple[BoundingBox, tuple[int, ...]]:
    """Give the box in Mag(1), shifted already, and the shift."""
    if given is not None:
        checked_box(given, "output_bbox")
        if tuple(axis for axis in given.axes if axis != "c") != ("x", "y", "z"):
            raise AxesError(f"output_bbox is {given}.", hint="Give a BoundingBox with x, y, z.")
        box = BoundingBox(given.topleft_xyz, given.size_xyz)
    elif forward is not None:
        whole = input_layer.bounding_box
        box = forward.transform_bbox(BoundingBox(whole.topleft_xyz, whole.size_xyz))
    else:
        whole = output_layer.bounding_box
        box = BoundingBox(whole.topleft_xyz, whole.size_xyz)
    if box.is_empty():
        raise InvalidArgumentError(
            "The output bounding box is empty.",
            hint="Give an output_bbox, or set the bounding box of the output layer.",
        )
    shift = tuple(max(0, -low) for low in box.topleft.to_tuple())
    if any(shift) and not translate:
        raise OutOfBoundsError(
            f"The output bounding box {box} starts below zero, where no voxels can be.",
            hint="Pass translate_to_positive=True to shift it, or give an output_bbox.",
        )
    return box.offset(shift), shift


def refuse_self(output_layer: LayerState, view: MagState, mask: MagState | None) -> None:
    """Refuse to write what is read."""
    if view.mag not in output_layer.mags:
        return
    url = output_layer.mag(view.mag).location.url
    if url in (one.location.url for one in (view, mask) if one is not None):
        raise InvalidArgumentError(
            f"The layer {output_layer.name!r} would be written while it is read.",
            hint="Transform into another layer.",
        )


def three(value: Any, what: str) -> tuple[int, ...] | None:
    """Make a number or x, y, z three numbers."""
    if value is None:
        return None
    numbers = (value,) * 3 if isinstance(value, int) else tuple(int(number) for number in value)
    if len(numbers) != 3 or min(numbers) < 1:
        raise InvalidArgumentError(f"{what} is {value!r}.", hint="Give one number, or x, y, z.")
    return numbers


def identity_of(map_of_space: Any) -> list[str]:
    """What tells a map of space from others, also in another process: its name, and of objects their state.

    A function counts by its name alone, so that one that was mended goes on.
    """
    import hashlib
    import pickle

    named = map_of_space if hasattr(map_of_space, "__qualname__") else type(map_of_space)
    name = f"{named.__module__}.{named.__qualname__}"
    if named is map_of_space:
        return [name]
    state = hashlib.blake2b(digest_size=16)
    try:
        pickle.Pickler(_Hashed(state), protocol=5).dump(map_of_space)
    except Exception:  # noqa: BLE001 - classes of users may raise anything; such a map is known by its name alone
        return [name]
    return [name, state.hexdigest()]


class _Hashed:
    """A file that keeps no more of what is written than its hash: maps may hold large fields."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def write(self, data: Any) -> int:
        self._state.update(data)
        return memoryview(data).nbytes


def refuse_unfinished(layer: LayerState, mag: Mag, left: Mark) -> NoReturn:
    """IncompleteMagError: a mag that exists is what another transform has left."""
    raise IncompleteMagError(
        f"The mag {mag} of the layer {layer.name!r} is not complete: another transform into it, {left.what}, "
        f"started {left.started}, is still writing it or was interrupted.",
        hint="If it was interrupted, run it again with the same parameters to finish it, or transform into another "
        "layer.",
    )
