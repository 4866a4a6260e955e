"""The planes of `wkplug preview`: three orthogonal sections through the middle of each layer, as colours.

Images are stretched to their visible range and tinted in the layer's colour; of time points and further axes the first
is shown, which the title says. Segmentations get distinct colours per id and lie, half transparent,
over the image of the same place where there is one. Each layer is read in the mag that is just fine enough, so
that a preview of terabytes reads a few megabytes. Drawing is an exporter's work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug import registry, storage
from wkplug.abc import ContactSheet, Panel
from wkplug.errors import InvalidArgumentError
from wkplug.geometry import BoundingBox, Vec3Int
from wkplug.model import voxels
from wkplug.model.axes import to_cxyz
from wkplug.model.regions import in_mag
from wkplug.model.states import DatasetState, LayerState, MagState

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray


__all__ = ["contact_sheet", "write_preview"]

_PIXELS = 512
_MOST = 4096  # voxels along an axis that are read at most, where there is no mag that is coarse enough
_BAND = 256  # rows that are coloured at once
_PLANES = (("x", "y", "z"), ("x", "z", "y"), ("z", "y", "x"))  # across, down, and the axis that is cut


def write_preview(
    dataset: DatasetState, target: str | os.PathLike[str], *, exporter: str | None = None
) -> None:
    """Write the contact sheet to a picture file; the suffix chooses the exporter."""
    place = storage.locate(target)
    chosen = registry.choose_exporter("sheet", place.name, explicit=exporter)
    chosen.winner.write(contact_sheet(dataset), place, {})


def contact_sheet(dataset: DatasetState) -> ContactSheet:
    """Choose, read and colour the planes of all layers; InvalidArgumentError if there is no voxel to show."""
    rows = []
    for layer in dataset.layers.values():
        view = _fine_enough(layer)
        if view is None:
            continue
        box = _shown_box(layer, view)
        part = "" if box == _xyz(layer) else ", the middle of it"
        panels = _panels(layer, view, box, _layer_below(dataset, layer))
        first = "".join(f", {axis} = {low}" for axis, low, _ in _others(layer))
        rows.append((f"{_title(layer)}   (shown: {view.name}{first}{part})", panels))
    if not rows:
        raise InvalidArgumentError(
            f"The dataset {dataset.name!r} has no voxels to show.",
            hint="Write to a mag of one of its layers first.",
        )
    size = dataset.voxel_size
    return ContactSheet(title=f"{dataset.name}   {size.x:g} x {size.y:g} x {size.z:g} nm", rows=tuple(rows))


def _title(layer: LayerState) -> str:
    size = layer.bounding_box.size_xyz
    channels = f", {layer.num_channels} channels" if layer.num_channels > 1 else ""
    mags = ", ".join(str(mag) for mag in layer.mags)
    extent = f"{size.x} x {size.y} x {size.z}"
    others = "".join(f", {axis} {length}" for axis, _, length in _others(layer))
    what = f"{layer.category}, {layer.dtype.name}{channels}, {extent}{others}"
    return f"{layer.name}   {what}   mags {mags}"


def _others(layer: LayerState) -> list[tuple[str, int, int]]:
    """The axes beside channels, x, y and z that have several places: their names, first places and lengths."""
    box = layer.bounding_box
    every = zip(box.axes, box.topleft, box.size, strict=True)
    return [(axis, low, length) for axis, low, length in every if axis not in "cxyz" and length > 1]


def _fine_enough(layer: LayerState) -> MagState | None:
    """The coarsest mag that still has enough voxels for a panel; None if there is nothing to show."""
    if layer.bounding_box.is_empty() or not layer.mags:
        return None
    size = layer.bounding_box.size_xyz
    views = list(layer.mags.values())
    for view in reversed(views):
        if max(extent // factor for extent, factor in zip(size, view.mag, strict=True)) >= _PIXELS:
            return view
    return views[0]


def _layer_below(dataset: DatasetState, layer: LayerState) -> LayerState | None:
    """The image that a segmentation belongs to: the first one whose box is the same, else one that holds it."""
    if layer.category != "segmentation":
        return None
    images = [other for other in dataset.layers.values() if other.category == "color" and len(other.mags)]
    box = _xyz(layer)
    same = [other for other in images if _xyz(other) == box]
    around = [other for other in images if _xyz(other).contains_bbox(box)]
    return next(iter(same + around), None)


def _xyz(layer: LayerState) -> BoundingBox:
    box = layer.bounding_box
    return BoundingBox(box.topleft_xyz, box.size_xyz)


def _shown_box(layer: LayerState, view: MagState) -> BoundingBox:
    """The layer's box, or the middle of it where even the coarsest mag has too many voxels for a picture."""
    box = _xyz(layer)
    size = Vec3Int(min(n, _MOST * factor) for n, factor in zip(box.size, view.mag, strict=True))
    offset = Vec3Int(
        (n - m) // 2 // factor * factor for n, m, factor in zip(box.size, size, view.mag, strict=True)
    )
    return BoundingBox(box.topleft + offset, size)


def _panels(
    layer: LayerState, view: MagState, box: BoundingBox, under: LayerState | None
) -> tuple[Panel, ...]:
    voxel = layer.dataset.voxel_size
    panels = []
    for across, down, cut in _PLANES:
        if box.size.z == 1 and cut != "z":
            continue  # a single section has nothing to show from the side
        section = _section(box, view, cut)
        colours = _coloured(layer, view, section, across, down)
        if under is not None:
            background = _resized(_plane_of(under, section, across, down), colours.shape[:2])
            colours = _over(colours, background)
        mag = dict(zip("xyz", view.mag, strict=True))
        sizes = dict(zip("xyz", voxel, strict=True))
        panels.append(
            Panel(
                pixels=colours,
                pixel_size=(sizes[across] * mag[across], sizes[down] * mag[down]),
                caption=f"{across}{down} at {cut} = {section.topleft[('x', 'y', 'z').index(cut)]}",
            )
        )
    return tuple(panels)


def _section(box: BoundingBox, view: MagState, cut: str) -> BoundingBox:
    """One voxel of the mag thick, through the middle, aligned with the mag."""
    aligned = box.align_with_mag(view.mag, ceil=True)
    position = ("x", "y", "z").index(cut)
    factor = view.mag.to_tuple()[position]
    count = aligned.size[position] // factor
    topleft = list(aligned.topleft)
    size = list(aligned.size)
    topleft[position] += (count // 2) * factor
    size[position] = factor
    return BoundingBox(Vec3Int(topleft), Vec3Int(size))


def _plane(view: MagState, section: BoundingBox, across: str, down: str) -> NDArray[Any]:
    """Read a section as (down, across, channels)."""
    import numpy

    frame, (start, shape) = view.frame, view.layer.region
    first, extent = list(start), list(shape)
    for position, low, length in zip(frame.xyz, section.topleft, section.size, strict=True):
        if position is not None:
            first[position], extent[position] = low, length
    for index, axis in enumerate(frame.axes):
        if axis not in ("c", "x", "y", "z"):
            extent[index] = 1
    region = (tuple(first), tuple(extent))
    data = to_cxyz(voxels.read(view.source.handle, in_mag(frame, region, view.factors)), frame.axes)
    cut = next(axis for axis in "xyz" if axis not in (across, down))
    kept = data.take(0, axis=("c", "x", "y", "z").index(cut))
    order = [axis for axis in ("c", "x", "y", "z") if axis != cut]
    return numpy.transpose(kept, [order.index(down), order.index(across), order.index("c")])


def _plane_of(layer: LayerState, section: BoundingBox, across: str, down: str) -> NDArray[Any]:
    view = _fine_enough(layer)
    if view is None:
        raise InvalidArgumentError(f"The layer {layer.name!r} has no voxels.")
    return _coloured(layer, view, section.align_with_mag(view.mag, ceil=True), across, down)


def _coloured(
    layer: LayerState, view: MagState, section: BoundingBox, across: str, down: str
) -> NDArray[Any]:
    plane = _plane(view, section, across, down)
    if layer.category == "segmentation":
        return _label_colours(plane[..., 0])
    view_configuration = layer.properties.default_view_configuration
    color = None if view_configuration is None else view_configuration.color
    return _stretched(plane, color)


def _stretched(plane: NDArray[Any], color: tuple[int, int, int] | None = None) -> NDArray[Any]:
    """Map values to 0..255: colours as they are, everything else from its 0.5th to its 99.5th percentile.

    color: the brightest voxels have this one, white if it is None or black.
    """
    import numpy

    if plane.shape[2] >= 3 and plane.dtype == numpy.uint8:
        return numpy.ascontiguousarray(plane[..., :3])
    grey = plane[..., 0].astype(numpy.float64)
    finite = grey[numpy.isfinite(grey)]
    low, high = numpy.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0)
    del finite
    tint = numpy.array(color if color is not None and any(color) else (255, 255, 255), numpy.float64)
    tinted: NDArray[Any] = numpy.empty((*grey.shape, 3), numpy.uint8)
    for first in range(
        0, grey.shape[0], _BAND
    ):  # three colours in floats would take twelve times the picture
        band = slice(first, first + _BAND)
        scaled = numpy.nan_to_num((grey[band] - low) / max(high - low, 1e-12)).clip(0, 1)
        tinted[band] = scaled[..., None] * tint
    return tinted


def _label_colours(labels: NDArray[Any]) -> NDArray[Any]:
    """Give every id a colour of its own: hues a golden angle apart, in three brightnesses; background is black."""
    import numpy

    ids, inverse = numpy.unique(labels, return_inverse=True)
    # The golden ratio as a fraction of 2^64: integers wrap around like hues, and huge ids lose no digit.
    turns = ids.astype(numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
    hue = (turns >> numpy.uint64(11)).astype(numpy.float64) / 2.0**53
    value = 1.0 - 0.22 * (ids % 3).astype(numpy.float64)
    channels = numpy.abs((hue[:, None] * 6.0 + numpy.array([0.0, 4.0, 2.0])) % 6.0 - 3.0) - 1.0
    colours: NDArray[Any] = (value[:, None] * (0.25 + 0.75 * channels.clip(0, 1)) * 255).astype(numpy.uint8)
    colours[ids == 0] = 0
    painted: NDArray[Any] = colours[inverse.reshape(labels.shape)]
    return painted


def _over(labels: NDArray[Any], image: NDArray[Any]) -> NDArray[Any]:
    """Lay labels over an image of the same shape, half transparent; background shows the image."""
    import numpy

    covered = labels.any(axis=2, keepdims=True)
    mixed = (labels.astype(numpy.uint16) + image) // 2
    result: NDArray[Any] = numpy.where(covered, mixed, image).astype(numpy.uint8)
    return result


def _resized(image: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Take the nearest pixels, where image and labels are shown in different mags."""
    import numpy

    if image.shape[:2] == shape:
        return image
    rows, columns = (
        numpy.minimum(numpy.arange(wanted) * have // wanted, have - 1)
        for wanted, have in zip(shape, image.shape[:2], strict=True)
    )
    resized: NDArray[Any] = image[rows[:, None], columns[None, :]]
    return resized
