"""`ExploredLayer`: what an importer says of a place, as a layer that refers to it.

Index 0 of an array is voxel 0 of such a layer, and resolutions that are no mags can't be listed. Where a
container says that it lies elsewhere, or a link shows it turned, that becomes the layer's coordinate transformation,
which viewers apply. Names, channels and categories follow the rules of imports (`wkplug.ops.importing`).

`fitted` brings a layer into a dataset of another voxel size: as coarser mags, or scaled by its transformation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug import registry, storage
from wkplug.abc import ForeignMag, Importer, Location, side_by_side
from wkplug.errors import InvalidArgumentError, UnsupportedOperationError, WkplugError
from wkplug.geometry import Mag, NDBoundingBox, NormalizedBoundingBox
from wkplug.model.regions import Frame, to_bounding_box
from wkplug.model.states import LayerState
from wkplug.ops.importing.containers import Container
from wkplug.ops.importing.naming import layer_name_from
from wkplug.ops.importing.options import ImportOptions
from wkplug.ops.importing.planning import channel_groups, display
from wkplug.ops.importing.values import guess_category, path_hint
from wkplug.ops.importing.volume import Volume
from wkplug.ops.importing.voxel_sizes import size_text
from wkplug.properties import (
    AffineCoordinateTransformation,
    LayerProperties,
    LayerViewConfiguration,
    MagViewProperties,
    SegmentationLayerProperties,
    VoxelSize,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wkplug.abc import LinkedLayer
    from wkplug.ops.importing.plans import Shown

__all__ = ["ExploredLayer", "Lengths", "fitted", "layers_of_container", "layers_of_dataset"]

Lengths = tuple[float | None, float | None, float | None]

_SAME = 1e-3
"""Sizes that differ by a smaller part are the same: files round them."""

_ALIKE = 0.01
"""So are these, but it is told."""


@attrs.frozen(kw_only=True)
class ExploredLayer:
    """One layer as a reference to what is there.

    entry: its description, for a dataset whose mag 1 has `voxel_size` (nanometres along x, y, z; None where nobody says
    it). places: of its mags, in their order. container_name: what its source calls it. category_reason: who says
    that it is color or segmentation. importer: who described it, "" for layers of datasets. state: the layer of a
    dataset that it is, else None. notes: sentences about it.
    """

    entry: LayerProperties
    voxel_size: Lengths
    places: tuple[Location, ...]
    container_name: str
    category_reason: str
    importer: str = ""
    state: LayerState | None = None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name that it gets."""
        return self.entry.name

    @property
    def bounding_box(self) -> NDBoundingBox:
        """The box as users see it, in Mag(1) voxels."""
        box = self.entry.bounding_box
        return to_bounding_box(Frame.of(tuple(box.axes)), (tuple(box.topleft), tuple(box.size)))

    @property
    def channels(self) -> range:
        """Which channels of the arrays it is."""
        box = self.entry.bounding_box
        first = box.get_bounds("c")[0] if "c" in box.axes else 0
        return range(first, first + self.entry.num_channels)

    def renamed(self, name: str) -> ExploredLayer:
        """The same under another name."""
        return attrs.evolve(self, entry=attrs.evolve(self.entry, name=name))

    def with_category(self, category: str) -> ExploredLayer:
        """The same as what a user says that it is."""
        if category == self.entry.category:
            return attrs.evolve(self, category_reason="as asked for")
        values = {field.name: getattr(self.entry, field.name) for field in attrs.fields(LayerProperties)}
        entry = _kind(category)(**{**values, "category": category})
        return attrs.evolve(self, entry=entry, category_reason="as asked for")

    def to_json(self) -> dict[str, Any]:
        """Give everything as JSON values; lengths in nanometres, boxes over all axes of the arrays in Mag(1) voxels."""
        entry = self.entry
        box, view = entry.bounding_box, entry.default_view_configuration
        return {
            "name": entry.name,
            "category": entry.category,
            "category_reason": self.category_reason,
            "dtype": entry.dtype,
            "num_channels": entry.num_channels,
            "channel": self.channels.start,
            "data_format": str(entry.data_format),
            "axes": list(box.axes),
            "topleft": list(box.topleft),
            "size": list(box.size),
            "voxel_size": list(self.voxel_size),
            "mags": [
                {"mag": str(mag.mag), "path": place.url}
                for mag, place in zip(entry.mags, self.places, strict=True)
            ],
            "color": None if view is None or view.color is None else list(view.color),
            "transformations": [each.to_json() for each in entry.coordinate_transformations or ()],
            "importer": self.importer,
            "notes": list(self.notes),
        }


# --- datasets ------------------------------------------------------------------------------------------------


def layers_of_dataset(layers: Sequence[LayerState]) -> tuple[ExploredLayer, ...]:
    """Describe the layers of a dataset, which say everything themselves."""
    return tuple(
        ExploredLayer(
            entry=layer.properties,
            voxel_size=layer.dataset.voxel_size.to_tuple(),
            places=tuple(layer.mags[mag.mag].location for mag in layer.properties.mags),
            container_name=layer.name,
            category_reason="as the dataset says",
            state=layer,
        )
        for layer in layers
    )


# --- containers ----------------------------------------------------------------------------------------------


def layers_of_container(container: Container, linked: LinkedLayer) -> tuple[ExploredLayer, ...]:
    """Describe one layer of a container: as one, or as several if its channels are no colours of one image.

    Errors say why it can't be referred to.
    """
    found = container.layer
    mags, notes = _usable_mags(container)
    axes, spec = (
        found.mags[0].axes,
        storage.open_array(mags[0].location, mags[0].data_format, axes=mags[0].axes).spec,
    )
    volume = Volume((container,))
    sizes = _sizes(found.voxel_size, linked.voxel_size, mags[0])
    category, reason = _category(container, volume, linked)
    affine = _transformation(container, linked, sizes)
    groups = channel_groups(volume, linked.name or found.name, ImportOptions(allow_multiple_layers=True))
    told = [*dict.fromkeys((*container.info.notes, *notes, *linked.notes))]
    if any(found.offset):
        place = ", ".join(str(low * factor) for low, factor in zip(found.offset, mags[0].mag, strict=True))
        told.append(
            f"It lies at voxel {place} by its own account: a reference begins at 0, and that is its coordinate "
            "transformation."
        )
    layers = []
    for number, (name, channels) in enumerate(groups):
        shown = display(volume, channels, number, len(groups) if category == "color" else 1)
        lows = dict(zip("xyz", found.begin, strict=True)) | {"c": channels.start}
        factors = dict(zip("xyz", mags[0].mag, strict=True))
        start = tuple(lows.get(axis, 0) * factors.get(axis, 1) for axis in axes)
        ends = dict(zip(axes, spec.shape, strict=True)) | {"c": channels.stop}
        shape = tuple(
            (ends[axis] or 0) * factors.get(axis, 1) - first for axis, first in zip(axes, start, strict=True)
        )
        entry = _kind(category)(
            name=layer_name_from(name.replace("/", "_")),
            category=category,
            bounding_box=NormalizedBoundingBox(start, shape, axes),
            dtype=spec.dtype,
            data_format=mags[0].data_format,
            mags=[MagViewProperties(mag=Mag(mag.mag), path=mag.location.url) for mag in mags],
            default_view_configuration=_view(shown, linked),
            coordinate_transformations=None if affine is None else [AffineCoordinateTransformation(affine)],
        )
        layers.append(
            ExploredLayer(
                entry=entry,
                voxel_size=sizes,
                places=tuple(mag.location for mag in mags),
                container_name=found.name,
                category_reason=reason,
                importer=container.importer_name,
                notes=tuple(told),
            )
        )
    return tuple(layers)


def _kind(category: str) -> type[LayerProperties]:
    return SegmentationLayerProperties if category == "segmentation" else LayerProperties


def _usable_mags(container: Container) -> tuple[list[ForeignMag], list[str]]:
    """The resolutions that can be listed as mags, each of them opened; and sentences about those that can't."""
    found = container.layer
    importer: Importer = registry.importer(container.importer_name)
    first = found.mags[0]
    if not first.data_format or importer.open(first) is not None:
        why = _why_not(first)
        raise UnsupportedOperationError(
            f"{container.path} can't be referred to, only imported: {why}",
            hint="Import it, which copies its voxels: wkplug convert, or Dataset.from_images.",
        )
    problems = list(side_by_side(_problem, found.mags, at_once=container.location.concurrency))
    container.open().close()  # an error of its own if the finest isn't there
    usable, notes = [first], []
    for mag, problem in zip(found.mags[1:], problems[1:], strict=True):
        if problem:
            notes.append(f"The resolution {mag.location.name} is left out: {problem}")
        elif any(known.mag == mag.mag for known in usable):
            notes.append(
                f"The resolution {mag.location.name} is left out: another one is mag {Mag(mag.mag)} already."
            )
        else:
            usable.append(mag)
    if not _is_mag(first.mag):
        raise UnsupportedOperationError(
            f"{container.path} has voxels that are {' x '.join(map(str, first.mag))} of the finest, which is no mag: "
            "factors must be powers of two.",
            hint="Name the path of the array itself.",
        )
    return usable, notes


def _is_mag(factors: tuple[int, int, int]) -> bool:
    return all(factor > 0 and not factor & (factor - 1) for factor in factors)


def _problem(mag: ForeignMag) -> str:
    """Why a coarser resolution can't be a mag; "" if it can."""
    if not _is_mag(mag.mag):
        return f"its voxels are {' x '.join(map(str, mag.mag))} of the finest, and a mag has powers of two."
    try:
        storage.open_array(mag.location, mag.data_format, axes=mag.axes)
    except WkplugError as error:
        return error.message
    return ""


def _why_not(mag: ForeignMag) -> str:
    if not mag.data_format:
        return "no array backend reads its files."
    try:
        storage.open_array(mag.location, mag.data_format, axes=mag.axes)
    except WkplugError as error:
        return error.message
    return "its voxels are converted when they are read."


def _sizes(own: Lengths, linked: Lengths, finest: ForeignMag) -> Lengths:
    """The size of mag 1: what a link says of the finest voxels counts."""
    x, y, z = (
        size if said is None else said / factor
        for size, said, factor in zip(own, linked, finest.mag, strict=True)
    )
    return x, y, z


def _category(container: Container, volume: Volume, linked: LinkedLayer) -> tuple[str, str]:
    """Color or segmentation, and who says so."""
    if linked.category:
        return linked.category, "as the link says"
    if container.category:
        return container.category, "as the container says"
    hint = path_hint(f"{container.location.url}/{container.layer.name}", own=2)
    category, note = guess_category(volume, hint, volume.dtype)
    if note is not None:
        return category, f"guessed: {note.text}"
    named = "segmentation" if category == "segmentation" else 'neither "segmentation" nor "labels"'
    return category, f"guessed: its path says {named if category == 'color' else 'segmentation or labels'}"


def _view(shown: Shown, linked: LinkedLayer) -> LayerViewConfiguration | None:
    limits = linked.range or shown.range
    visible = shown.visible if linked.visible is None else linked.visible
    view = LayerViewConfiguration(
        color=linked.color or shown.color,
        alpha=None if linked.opacity is None else round(100 * linked.opacity, 3),
        intensity_range=limits,
        min=None if limits is None else limits[0],
        max=None if limits is None else limits[1],
        is_disabled=True if visible is False else None,
        is_inverted=shown.inverted if linked.inverted is None else linked.inverted,
    )
    return None if view == LayerViewConfiguration() else view


def _transformation(container: Container, linked: LinkedLayer, sizes: Lengths) -> NDArray[Any] | None:
    """The map from the layer's voxels (Mag(1) of its own) to where they are shown, in the same; None for none."""
    import numpy

    found = container.layer
    if not any(found.offset) and linked.affine is None:
        return None
    result = numpy.eye(4)
    result[:3, 3] = [low * factor for low, factor in zip(found.offset, found.mags[0].mag, strict=True)]
    if linked.affine is not None:
        if None in sizes:
            raise InvalidArgumentError(
                f"The link turns or moves {container.path}, which doesn't say how large its voxels are: "
                f"{size_text(sizes)}.",
                hint="Give the URL of the data itself, without the link.",
            )
        scale = numpy.diag([*(size or 1.0 for size in sizes), 1.0])
        turn = numpy.eye(4)
        turn[:3] = linked.affine
        result = numpy.linalg.inv(scale) @ turn @ scale @ result
    return result


# --- other voxel sizes -----------------------------------------------------------------------------------------


def fitted(layer: ExploredLayer, size: VoxelSize, *, scaled: bool) -> tuple[LayerProperties, tuple[str, ...]]:
    """Describe a layer for a dataset of some voxel size; gives what is to be told, too.

    Voxels that are 2, 4, ... of the dataset's become coarser mags. Others are scaled by the coordinate
    transformation, or without `scaled` an InvalidArgumentError.
    """
    if layer.state is not None:
        return layer.entry, ()
    known = size.to_nanometer()
    unknown = [axis for axis, length in zip("xyz", layer.voxel_size, strict=True) if length is None]
    ratios = [
        1.0 if own is None else own / length for own, length in zip(layer.voxel_size, known, strict=True)
    ]
    wholes = [round(ratio) for ratio in ratios]
    notes = []
    if unknown and not scaled:  # where a dataset is made, its voxel size was given for them
        notes.append(
            f"{layer.name}: nothing says how large its voxels are along {', '.join(unknown)}: they are taken as those "
            "of the dataset."
        )
    fits = all(
        whole > 0 and not whole & (whole - 1) and abs(ratio - whole) <= _ALIKE * whole
        for ratio, whole in zip(ratios, wholes, strict=True)
    )
    texts = size_text(layer.voxel_size), size_text(known)
    if fits:
        if any(abs(ratio - whole) > _SAME * whole for ratio, whole in zip(ratios, wholes, strict=True)):
            notes.append(
                f"{layer.name}: its voxels are {texts[0]}, those of the dataset {texts[1]}: it is taken as it is."
            )
        return _in_mag(layer.entry, (wholes[0], wholes[1], wholes[2])), tuple(notes)
    if not scaled:
        raise InvalidArgumentError(
            f"The voxels of {layer.places[0].url} are {texts[0]}, those of the dataset {texts[1]}: it is no mag of it, "
            "whose factors are 1, 2, 4 and so on.",
            hint="Make a dataset of its own with Dataset.explore(url).create_dataset(path), or wkplug explore URL "
            "--create PATH.",
        )
    notes.append(
        f"{layer.name}: its voxels are {texts[0]}, those of the dataset {texts[1]}, of which they are no mag: its "
        "coordinate transformation scales it."
    )
    return _scaled(layer.entry, ratios), tuple(notes)


def _in_mag(entry: LayerProperties, factors: tuple[int, int, int]) -> LayerProperties:
    """The entry in a dataset of finer voxels, of which its mag 1 has so many along each axis."""
    if factors == (1, 1, 1):
        return entry
    import numpy

    box = entry.bounding_box
    along = dict(zip("xyz", factors, strict=True))
    start = [low * along.get(axis, 1) for axis, low in zip(box.axes, box.topleft, strict=True)]
    shape = [length * along.get(axis, 1) for axis, length in zip(box.axes, box.size, strict=True)]
    scale = numpy.diag([*map(float, factors), 1.0])
    return attrs.evolve(
        entry,
        bounding_box=NormalizedBoundingBox(start, shape, box.axes),
        mags=[
            attrs.evolve(mag, mag=Mag([a * b for a, b in zip(mag.mag.to_tuple(), factors, strict=True)]))
            for mag in entry.mags
        ],
        coordinate_transformations=[
            AffineCoordinateTransformation(scale @ each.matrix @ numpy.linalg.inv(scale))
            for each in _affines(entry)
        ]
        or None,
    )


def _scaled(entry: LayerProperties, ratios: Sequence[float]) -> LayerProperties:
    import numpy

    whole = numpy.diag([*map(float, ratios), 1.0])
    for each in _affines(entry):
        whole = whole @ each.matrix
    return attrs.evolve(entry, coordinate_transformations=[AffineCoordinateTransformation(whole)])


def _affines(entry: LayerProperties) -> list[AffineCoordinateTransformation]:
    return [
        each
        for each in entry.coordinate_transformations or ()
        if isinstance(each, AffineCoordinateTransformation)
    ]
